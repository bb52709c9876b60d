"""check(), hint() and solution() as a notebook calls them."""
from __future__ import annotations

import linecache
from types import SimpleNamespace

import pytest
import torch

from grader import notebook, progress
from grader.judge.outcome import Outcome
from grader.mutation import references, stubs

EXERCISE, LESSON = "attention-causal-mask", "p1_4_attention"


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A stand-in for the kernel's shell, and a progress file of its own."""
    torch.set_num_threads(1)
    monkeypatch.setenv("HANDBOOK_PROGRESS", str(tmp_path / "progress.json"))
    shell = SimpleNamespace(user_ns={"In": []}, kernel=object())
    monkeypatch.setattr(notebook, "_shell", lambda: shell)
    return shell


def answer(shell, source):
    shell.user_ns["In"].append(source)
    linecache.cache["cell.py"] = (len(source), None, source.splitlines(True), "cell.py")
    exec(compile(source, "cell.py", "exec"), shell.user_ns)


def test_right_answer(shell):
    answer(shell, references(LESSON)[EXERCISE])
    card = notebook.check(EXERCISE)
    assert card.verdict.outcome is Outcome.PASSED
    assert float(repr(card)) == card.info.points
    assert progress.passed_now(EXERCISE)


@pytest.mark.parametrize("variable", [("NBGRADER_EXECUTION", "autograde"), ("HANDBOOK_GRADING", "1")])
def test_a_card_of_a_grading_run_has_no_progress_line(shell, monkeypatch, variable):
    assert "exercises of this lesson" in notebook.check(EXERCISE).html()
    monkeypatch.setenv(*variable)
    card = notebook.check(EXERCISE)
    assert card.progress is None
    assert "exercises of this lesson" not in card.html()


def test_stub_and_empty_notebook_are_not_attempted(shell):
    assert notebook.check(EXERCISE).verdict.outcome is Outcome.NOT_ATTEMPTED
    answer(shell, stubs(LESSON)[EXERCISE])
    card = notebook.check(EXERCISE)
    assert card.verdict.outcome is Outcome.NOT_ATTEMPTED
    assert float(repr(card)) == 0.0


def test_known_mistake_is_named(shell):
    answer(shell, references(LESSON)[EXERCISE].replace(".tril()", ".tril(-1)"))
    card = notebook.check(EXERCISE)
    assert card.verdict.outcome is Outcome.FAILED
    assert "diagonal is False" in card.verdict.mistake
    assert "We called: causal_mask(1)" in card.text()
    assert "diagonal is False" in card.html()


def test_a_cell_that_is_not_python_is_an_error_of_the_learner(shell):
    shell.user_ns["In"].append("def causal_mask(n):\n    return torch.ones(n, n")
    card = notebook.check(EXERCISE)
    assert card.verdict.outcome is Outcome.LEARNER_ERROR
    assert "line 2" in card.verdict.note
    assert "never closed" in card.verdict.note


def test_error_inside_an_answer_shows_the_learners_line(shell):
    answer(shell, "def causal_mask(n):\n    return n.wrong\n")
    verdict = notebook.check(EXERCISE).verdict
    assert verdict.outcome is Outcome.LEARNER_ERROR
    assert "AttributeError" in verdict.checks[0].problem
    assert "return n.wrong" in verdict.checks[0].line


def test_endless_loop_is_too_slow(shell, monkeypatch):
    local = notebook.LocalSubmission
    monkeypatch.setattr(notebook, "LocalSubmission", lambda namespace: local(namespace, seconds=0.2))
    answer(shell, "def causal_mask(n):\n    while True:\n        pass\n")
    assert notebook.check(EXERCISE).verdict.outcome is Outcome.TOO_SLOW


def test_a_broken_check_is_not_the_learners_fault(shell, monkeypatch):
    def broken(*args):
        raise OSError("disk gone")

    monkeypatch.setattr("torch.arange", broken)  # what the hidden check's oracle is made with
    answer(shell, references(LESSON)[EXERCISE])
    verdict = notebook.check(EXERCISE).verdict
    assert verdict.outcome is Outcome.COULD_NOT_CHECK
    assert verdict.checks[-1].outcome is Outcome.COULD_NOT_CHECK
    assert verdict.points == verdict.max_points


def test_same_seed_same_inputs(shell):
    answer(shell, references("p1_4_attention")["attention-norms"].replace("unbiased=False", "unbiased=True"))
    calls = [notebook.check("attention-norms", seed=5).verdict.checks[0].got for _ in range(2)]
    assert calls[0]
    assert calls[0] == calls[1]
    assert notebook.check("attention-norms", seed=6).verdict.checks[0].got != calls[0]


@pytest.mark.parametrize(("answer_text", "said"), [
    (".tril(-1)", ("Not yet", "0 of 1 point", "Looks like: The diagonal is False")),
    (None, ("Not attempted yet", "No answer yet")),
    (".tril()", ()),
])
def test_only_nbgraders_validate_is_told_in_words(shell, monkeypatch, capsys, answer_text, said):
    if answer_text:
        answer(shell, references(LESSON)[EXERCISE].replace(".tril()", answer_text))
    normal = repr(notebook.check(EXERCISE))
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("NBGRADER_VALIDATING", "1")
    assert repr(notebook.check(EXERCISE)) == normal
    told = capsys.readouterr().err
    assert [words for words in said if words not in told] == []
    assert bool(told) == bool(said)
    assert all(len(line) <= 80 for line in told.splitlines())


def test_hints_come_one_after_the_other_and_the_solution_after_a_pass(shell):
    assert "Hint 1 of 3" in repr(notebook.hint(EXERCISE))
    assert "Hint 2 of 3" in repr(notebook.hint(EXERCISE))
    assert "opens when yours passes" in repr(notebook.solution(EXERCISE))
    answer(shell, references(LESSON)[EXERCISE])
    notebook.check(EXERCISE)
    assert "tril()" in repr(notebook.solution(EXERCISE))
    assert progress.load()[EXERCISE]["solution_seen"] is True


def test_an_unknown_id_says_which_is_near(shell):
    assert "attention-causal-mask" in repr(notebook.check("attention-casual-mask"))
    assert "there is no exercise" in repr(notebook.hint("nonsense"))
