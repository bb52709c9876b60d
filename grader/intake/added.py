"""The learner's own code cells: which are theirs, and where they go so that helper functions are there in time."""
from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from grader.intake.pristine import Pristine, PristineCell
from grader.intake.reading import StudentCell, StudentNotebook

MAX_CELLS = 40  # own code cells that are kept
MAX_TEXT = 100_000  # characters of them together
ALIKE = 0.7  # share of equal text from which a cell without marks is an edited copy of a pristine one
SHORT, LONG = 40, 5_000  # characters between which a copy can be told by its text
_ONLY_CALLS = re.compile(r"\s*(?:(?:check|hint|solution)\([^\n()]*\)\s*)+")


@dataclass
class Added:
    """Own cells by the id of the pristine cell that they go in front of, and how many did not fit."""

    before: dict[str, list[StudentCell]] = field(default_factory=dict)
    kept: int = 0
    characters: int = 0
    dropped: int = 0

    def offer(self, cell: StudentCell, place: str) -> None:
        """Keep the cell, if there is room."""
        if self.kept >= MAX_CELLS or self.characters + len(cell.source) > MAX_TEXT:
            self.dropped += 1
            return
        self.before.setdefault(place, []).append(cell)
        self.kept += 1
        self.characters += len(cell.source)


def added_cells(notebook: StudentNotebook, pristine: Pristine, answers: dict[str, StudentCell]) -> Added:
    """Put each own cell in front of the next answer or check. Those after the last check change nothing: left out."""
    twins = _twins(notebook, pristine)
    stops = {index: twin.id for index, twin in twins.items() if twin.kind in ("answer", "check")}
    stops |= {cell.index: pristine.answers[exercise].id for exercise, cell in answers.items()}
    used = {cell.index for cell in answers.values()}
    added = Added()
    for cell in notebook.cells:
        own = cell.kind == "code" and not cell.ours and cell.index not in used and cell.index not in twins
        later = [index for index in stops if index > cell.index]
        if own and later and cell.source.strip() and not _ONLY_CALLS.fullmatch(cell.source):
            added.offer(cell, stops[min(later)])
    return added


def _twins(notebook: StudentNotebook, pristine: Pristine) -> dict[int, PristineCell]:
    """The pristine cell of every cell that is one, perhaps edited: by mark, by id, by text, by most of its text."""
    twins: dict[int, PristineCell] = {}
    for cell in notebook.cells:
        twin = _same(cell, pristine.cells)
        if twin is not None:
            twins[cell.index] = twin
    present = {twin.id for twin in twins.values()}
    absent = [cell for cell in pristine.cells if cell.kind in ("code", "demo") and cell.id not in present]
    for cell in notebook.cells:
        if cell.index not in twins and cell.kind == "code":
            twin = next((other for other in absent if _alike(cell.source.strip(), other.source.strip())), None)
            if twin is not None:
                twins[cell.index] = twin
    return twins


def _same(cell: StudentCell, others: Iterable[PristineCell]) -> PristineCell | None:
    mine = (cell.grade_id, cell.id, cell.source.strip())
    theirs = [(other, (other.grade_id, other.id, other.source.strip())) for other in others]
    return next((other for way in range(3) if mine[way] for other, mark in theirs if mark[way] == mine[way]), None)


def _alike(text: str, other: str) -> bool:
    if not SHORT <= len(text) <= LONG or len(other) > LONG:
        return False
    matcher = difflib.SequenceMatcher(None, text, other, autojunk=False)
    return matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE
