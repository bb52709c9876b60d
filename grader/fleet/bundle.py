"""What goes to a worker and what comes back: plain data, so that any machine can do the work."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from grader.intake.pristine import pristine_from
from grader.notebook_run import runnable
from grader.sandbox.limits import Limits


@dataclass(frozen=True)
class CellTask:
    """One cell to run; `exercise` is "" for a cell that is no answer."""

    id: str
    exercise: str
    source: str


@dataclass(frozen=True)
class Bundle:
    """One notebook of one student, ready to be graded. `seeds` are those of the hidden and visible checks, by exercise."""

    student: str
    part: str
    lesson: str
    cells: tuple[CellTask, ...]
    exercises: tuple[str, ...]
    seeds: dict[str, int]
    limits: Limits = field(default_factory=Limits)

    @property
    def name(self) -> str:
        return f"{self.student}/{self.part}/{self.lesson}"


@dataclass
class Result:
    """What a worker found out. `exercises` holds the verdict as plain data and the card as HTML, by exercise."""

    name: str
    exercises: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: str = ""  # why the whole notebook could not be graded: the grader's fault, not the learner's
    sandbox: str = ""
    seconds: float = 0.0
    processes: int = 0

    def as_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return asdict(self)


def bundle_of(student: str, part: str, lesson: str, table: dict[str, Any], seeds: dict[str, int], limits: Limits, *,
              only: tuple[str, ...] = ()) -> Bundle:
    """The cells of a rebuilt notebook that grading runs, and the exercises that it checks (of them `only` some)."""
    notebook = pristine_from(table, lesson, part)
    cells = tuple(CellTask(cell.id, cell.exercise or "", cell.source) for cell in runnable(notebook.cells))
    exercises = tuple(cell.exercise for cell in notebook.cells if cell.kind == "check" and cell.exercise and (not only or cell.exercise in only))
    return Bundle(student, part, lesson, cells, exercises, seeds, limits)
