"""Yours when it has passed in this session, ours until then."""

from __future__ import annotations

import pytest
from handbook import answers, layers
from handbook.answers import NotYetError, yours_or_ours


def mine(*_):
    return "mine"


def ours(*_):
    return "ours"


@pytest.fixture
def passed(monkeypatch):
    """The exercises that have passed in this session; a test adds to it."""
    from grader import progress

    done: set[str] = set()
    monkeypatch.setattr(progress, "passed_now", done.__contains__)
    return done


@pytest.fixture
def lesson(monkeypatch, tmp_path):
    """A course of one lesson with one exercise, `toy`, which provides `double`."""
    from types import SimpleNamespace

    from grader import course

    path = tmp_path / "lesson.py"
    path.write_text(
        '# %% exercise="toy"\ndef double(x):\n    """Twice x."""\n'
        "    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION\n",
        encoding="utf-8",
    )
    only = SimpleNamespace(path=path, stem="lesson")
    monkeypatch.setattr(course, "load_course", lambda: SimpleNamespace(lessons=(only,)))
    monkeypatch.setattr(course, "find_exercise", lambda _: SimpleNamespace(lesson="lesson"))
    monkeypatch.setattr(course, "find_lesson", lambda _: only)
    return path


def test_yours_after_a_pass(passed):
    passed.add("toy")
    assert yours_or_ours("double", {"double": mine}, ours, exercise="toy") is mine


def test_ours_before(passed):
    assert yours_or_ours("double", {"double": mine}, ours, exercise="toy") is ours


def test_ours_if_yours_is_gone(passed):
    passed.add("toy")
    assert yours_or_ours("double", {}, ours, exercise="toy") is ours


def test_the_exercise_is_found_by_the_name(passed, lesson):
    passed.add("toy")
    assert yours_or_ours("double", {"double": mine}, ours) is mine


def test_the_library_piece_comes_before_the_reference(passed, lesson):
    assert yours_or_ours("causal_mask", {}) is layers.causal_mask


def test_the_reference_where_there_is_one(passed, lesson):
    assert yours_or_ours("double", {"double": mine})(21) == 42


def test_a_copy_without_answers_says_what_to_do(passed, lesson):
    lesson.write_text('# %% exercise="toy"\ndef double(x):\n    raise NotImplementedError()\n', encoding="utf-8")
    with pytest.raises(NotYetError, match="your double") as caught:
        yours_or_ours("double", {"double": mine})
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_an_unknown_name_is_not_found(passed, lesson):
    with pytest.raises(NotYetError, match="triple"):
        yours_or_ours("triple", {})


def test_names_in_an_exercise_cell():
    assert answers._defined("import torch\ndef a(): ...\nclass B: ...\nx = 1\n") == {"a", "B"}


@pytest.mark.parametrize("variable", [("NBGRADER_EXECUTION", "autograde"), ("HANDBOOK_GRADING", "1")])
def test_while_grading_nothing_of_ours_is_handed_out(passed, lesson, monkeypatch, variable):
    monkeypatch.setenv(*variable)
    for name in ("double", "causal_mask"):
        with pytest.raises(NotYetError, match=f"your own {name}"):
            yours_or_ours(name, {name: mine})
    assert answers._reference("double", "toy") is None
    assert yours_or_ours("double", {}, ours) is ours
    passed.add("toy")
    assert yours_or_ours("double", {"double": mine}) is mine
