"""The three words of a lesson's notebook: `check("id")`, `hint("id")`, `solution("id")`."""
from __future__ import annotations

import inspect
import os
import sys
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from grader import progress
from grader.card import Card
from grader.course import CourseError, find_exercise, find_lesson
from grader.judge.outcome import Outcome, Verdict
from grader.judge.run import judge
from grader.lesson import exercise_cells, reference_of
from grader.seam import LocalSubmission


@dataclass(frozen=True)
class Note:
    """A calm line or block: HTML in a notebook, plain text elsewhere."""

    title: str
    body: str
    code: bool = False

    def __repr__(self) -> str:
        return f"{self.title}\n{self.body}".strip()

    def _repr_html_(self) -> str:
        tag = "pre" if self.code else "div"
        return (f"<div style='border-left:4px solid #0072b2;padding:6px 12px;margin:4px 0;max-width:780px;font-family:system-ui,sans-serif'>"
                f"<b>{escape(self.title)}</b><{tag} style='margin:4px 0;white-space:pre-wrap'>{escape(self.body)}</{tag}></div>")


def check(exercise: str, *, seed: int | None = None) -> Card | Note:
    """Judge your answer to an exercise and show the result as a card.

    Args: exercise is the id in the check cell; seed repeats the inputs of an earlier card.
    """
    try:
        info = find_exercise(exercise)
    except CourseError as error:
        return Note("There is nothing to check", str(error))
    shell = _shell()
    namespace = shell.user_ns if shell is not None else _callers_globals()
    verdict = judge(exercise, lambda: LocalSubmission(namespace), seed=seed)
    if verdict.outcome is Outcome.NOT_ATTEMPTED and shell is not None:
        verdict = _with_syntax_error(verdict, namespace, list(shell.user_ns.get("In", ())))
    progress.record(verdict)
    counts = None if progress.grading() else progress.counts(exercise)
    card = Card(info, verdict, counts, in_kernel=shell is not None and hasattr(shell, "kernel"))
    if os.environ.get("NBGRADER_VALIDATING") and verdict.points < verdict.max_points:
        print(card.summary(), file=sys.stderr)  # Validate shows this; of points alone it says "partial credit", even of none
    return card


def hint(exercise: str) -> Note:
    """Show the next of the exercise's three hints: a question, a pointer, nearly the answer."""
    try:
        info = find_exercise(exercise)
    except CourseError as error:
        return Note("There is no such hint", str(error))
    number = progress.next_hint(exercise)
    last = "" if number < len(info.hints) else "\n(This is the last hint.)"
    return Note(f"Hint {number} of {len(info.hints)} · {info.title}", info.hints[number - 1] + last)


def solution(exercise: str) -> Note:
    """Show the course's answer. It opens after you have passed the exercise, and that you looked is recorded."""
    try:
        info = find_exercise(exercise)
    except CourseError as error:
        return Note("There is no such solution", str(error))
    if not progress.passed(exercise):
        return Note("Not yet", f"Our answer opens when yours passes. Until then: hint(\"{exercise}\").")
    source = exercise_cells(find_lesson(info.lesson).path).get(exercise, "")
    if "### BEGIN SOLUTION" not in source:
        return Note("Not in this copy", "This copy of the course carries no answers; your instructor's does.")
    progress.note_solution(exercise)
    return Note(f"Our answer · {info.title}", reference_of(source), code=True)


def with_error(verdict: Verdict, note: str) -> Verdict:
    """The verdict on an answer whose cell could not even be run."""
    return replace(verdict, outcome=Outcome.LEARNER_ERROR, points=0.0, note=note)


def names_of(exercise: str) -> list[str]:
    """The names that an answer to this exercise must define."""
    from grader.mutation import defined_names

    return defined_names(exercise_cells(find_lesson(find_exercise(exercise).lesson).path)[exercise])


def _with_syntax_error(verdict: Verdict, namespace: dict[str, Any], history: list[str]) -> Verdict:
    """If the answer's cell was run but is not Python, say where, instead of "not attempted"."""
    missing = [name for name in names_of(verdict.exercise) if name not in namespace]
    for source in reversed(history):
        if any(f"def {name}" in source or f"class {name}" in source for name in missing):
            try:
                compile(source, "your cell", "exec")
            except SyntaxError as error:
                return with_error(verdict, f"Your answer's cell is not valid Python, line {error.lineno}: {error.msg}: {(error.text or '').strip()}")
            return with_error(verdict, "Your answer's cell stopped with an error before it defined "
                                       f"{' and '.join(missing)}. Mend the error below that cell, then run it again.")
    return verdict


def _shell() -> Any:
    """The running IPython shell, or None."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()  # type: ignore[no-untyped-call,unused-ignore]


def _callers_globals() -> dict[str, Any]:
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return frame.f_globals if frame is not None else {}
