"""`grader new`: the templates are a whole lesson that keeps every rule."""
from __future__ import annotations

from pathlib import Path

import pytest

from grader.build import BuildError
from grader.build.lint import lint
from grader.build.notebook import notebook_of
from grader.build.scaffold import scaffold
from grader.lesson import exercise_cells, reference_of, stub_of
from grader.mutation import run_source
from tests.tiny_course import PART, READING, SUMS, tiny_course

STEM = "p1_7_mean_values"


def test_a_new_lesson_is_written_listed_and_breaks_no_rule_of_form(tmp_path: Path) -> None:
    layout = tiny_course(tmp_path)
    written = scaffold(layout, STEM, title="Mean values")
    assert written == [f"course/{PART}/{STEM}.py", f"course/{PART}/{STEM}.toml", f"grader/checks/{STEM}.py", f"grader/hidden/{STEM}.py",
                       f"tests/mutants/{STEM}.py", f"course/{PART}/part.toml"]
    lessons = {lesson.stem: lesson for lesson in layout.load().lessons}
    assert list(lessons) == [SUMS, READING, STEM]
    assert [exercise.id for exercise in lessons[STEM].exercises] == ["mean-values-first"]
    assert lessons[STEM].title == "Mean values"
    assert len(notebook_of(lessons[STEM], layout.load())["cells"]) > 8
    missing = ("fingerprints", ".ipynb")  # what only a run can make
    assert [str(problem) for problem in lint(layout) if STEM in problem.path and not any(word in problem.path for word in missing)] == []


def test_its_stub_runs_and_its_answer_is_right(tmp_path: Path) -> None:
    import torch

    layout = tiny_course(tmp_path)
    scaffold(layout, STEM)
    source = exercise_cells(layout.course / PART / f"{STEM}.py")["mean-values-first"]
    with pytest.raises(NotImplementedError):
        run_source(stub_of(source), "stub.py")["centre"](torch.ones(2))
    assert run_source(reference_of(source), "answer.py")["centre"](torch.tensor([1.0, 2.0, 6.0])).tolist() == [-2.0, -1.0, 3.0]


def test_mutants_are_edits_of_the_reference_that_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grader import mutation

    layout = tiny_course(tmp_path)
    scaffold(layout, STEM)
    monkeypatch.setattr(mutation, "MUTANTS", layout.mutants)
    reference = reference_of(exercise_cells(layout.course / PART / f"{STEM}.py")["mean-values-first"])
    answers = mutation.load_answers(STEM)
    assert len([answer for answer in answers if not answer.right]) >= 5
    assert len([answer for answer in answers if answer.right]) >= 2
    assert all("centre" in answer.namespace(reference) for answer in answers)


@pytest.mark.parametrize(("stem", "part", "told"), [
    (SUMS, "", "is there already"), ("p7_1_far", "", "no part of the course fits"), ("Sums", "", "can't be a lesson's name"),
    ("p1_8_x", "part2_gone", "no part of the course fits"),
])
def test_what_can_not_be_begun_is_told_and_nothing_is_written(tmp_path: Path, stem: str, part: str, told: str) -> None:
    layout = tiny_course(tmp_path)
    before = sorted(layout.root.rglob("*"))
    with pytest.raises(BuildError, match=told):
        scaffold(layout, stem, part=part)
    assert sorted(layout.root.rglob("*")) == before
