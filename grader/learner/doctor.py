"""Will a notebook be graded as its learner expects? Everything that can be said without running it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grader.intake.finding import Finding
from grader.intake.pristine import PristineCell, pristine_from
from grader.learner.names import names_left, names_needed
from grader.learner.notebooks import Opened


@dataclass(frozen=True)
class Examined:
    """What grading will see, exercise by exercise, and what to look at."""

    notebook: str
    lesson: str
    exercises: dict[str, str]
    findings: tuple[Finding, ...]

    @property
    def worrying(self) -> bool:
        return any(finding.severity != "note" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {"notebook": self.notebook, "lesson": self.lesson, "exercises": self.exercises,
                "findings": [finding.as_json() for finding in self.findings]}


def examine(opened: Opened) -> Examined:
    """Look at marks, missing and doubled cells, stale outputs, and names that grading will not have."""
    rebuilt = opened.rebuilt
    cells = pristine_from(rebuilt.table, opened.pristine.stem, opened.pristine.part).cells
    exercises = {name: "will be graded" if answer.attempted else "not attempted" for name, answer in rebuilt.answers.items()}
    findings = [*opened.findings, *_marks(opened), *_checks(opened), *_stale(opened), *_names(opened, cells)]
    return Examined(str(opened.path), opened.pristine.stem, exercises, tuple(findings))


def _marks(opened: Opened) -> list[Finding]:
    """Answers whose cell has lost its mark: grading finds them, plain nbgrader would not."""
    lost = [name for name, answer in opened.rebuilt.answers.items() if answer.how in ("id", "name")]
    if not lost:
        return []
    text = f"the marks of {len(lost)} answer cells are lost ({', '.join(lost)}), as some tools do; the answers are found all the same"
    return [Finding.note(opened.path.name, text)]


def _checks(opened: Opened) -> list[Finding]:
    """Check and set-up cells that are missing or changed: grading uses its own."""
    mine = {cell.id: cell.source.strip() for cell in opened.notebook.cells if cell.id}
    sources = {cell.source.strip() for cell in opened.notebook.cells}
    findings = []
    for cell in opened.pristine.cells:
        if cell.kind != "check":
            continue
        if cell.id in mine and mine[cell.id] != cell.source.strip():
            text = "its check cell was changed; grading uses the original, and so does `grader check`"
            findings.append(Finding.note(opened.path.name, text, cell.exercise))
        elif cell.id not in mine and cell.source.strip() not in sources:
            text = "its check cell is missing; grading puts it back, `grader reset` does it here"
            findings.append(Finding.note(opened.path.name, text, cell.exercise))
    return findings


def _stale(opened: Opened) -> list[Finding]:
    """Checks that were run before their answer was run again: the card on the screen is about an older answer."""
    counts = {cell.id: cell.count for cell in opened.notebook.cells if cell.id}
    checks = {cell.exercise: cell for cell in opened.pristine.cells if cell.kind == "check"}
    findings = []
    for name, answer in opened.rebuilt.answers.items():
        check = checks.get(name)
        if answer.cell is None or check is None:
            continue
        ran, checked = answer.cell.count, counts.get(check.id, 0)
        if not ran:
            text = f"its answer was never run in the saved notebook; run its cell, or see `grader check {name}`"
            findings.append(Finding.note(opened.path.name, text, name))
        elif checked and checked < ran:
            text = "the answer was run again after its last check; the card shows an older answer: run the check cell again"
            findings.append(Finding.note(opened.path.name, text, name))
    return findings


def _names(opened: Opened, cells: tuple[PristineCell, ...]) -> list[Finding]:
    """Answers that need a name which grading has not defined by the time their check runs."""
    skipped = {name for cell in opened.pristine.cells if cell.kind == "demo" for name in names_left(cell.source)}
    anywhere = {name for cell in opened.notebook.cells if cell.kind == "code" for name in names_left(cell.source)}
    there: set[str] = set()
    findings = []
    for number, cell in enumerate(cells):
        if cell.kind == "demo":
            continue
        there |= names_left(cell.source)
        if cell.kind != "answer" or not opened.rebuilt.answers[cell.exercise or ""].attempted:
            continue
        between = [later for later in cells[number + 1:_check_of(cells, number)] if later.kind == "code"]
        soon = there.union(*(names_left(later.source) for later in between))
        if "*" in soon:  # `from x import *`: no telling
            continue
        for name in sorted(names_needed(cell.source) - soon):
            findings.append(Finding.warning(opened.path.name, _why_missing(name, skipped, anywhere), cell.exercise))
    return findings


def _check_of(cells: tuple[PristineCell, ...], number: int) -> int:
    """Where the check of the answer at `number` stands."""
    exercise = cells[number].exercise
    return next((place for place, cell in enumerate(cells) if cell.kind == "check" and cell.exercise == exercise), len(cells))


def _why_missing(name: str, skipped: set[str], anywhere: set[str]) -> str:
    if name in skipped:
        return f"the answer uses `{name}` from a demonstration, which grading skips; define it in the answer's own cell"
    if name in anywhere:
        return f"the answer uses `{name}`, which is defined only after its check; move it into the answer's own cell"
    return f"the answer uses `{name}`, which no cell of this notebook defines; define it in the answer's own cell"
