"""Released notebooks, untouched: what a submission is rebuilt on, and how it is told which lesson a file is."""
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from grader.intake.finding import Finding
from grader.intake.reading import StudentCell, StudentNotebook

UNKNOWN = "neither its name nor its cells belong to a lesson of this course; not graded: ask which lesson it is"
_DEFINED = re.compile(r"^(?:async\s+def|def|class)\s+([A-Za-z]\w*)", re.M)
_CHECKED = re.compile(r"""^check\(\s*["']([\w-]+)["']""", re.M)


@dataclass(frozen=True)
class PristineCell:
    """One cell of a released notebook. `kind` is markdown, answer, check, demo or code."""

    kind: str
    source: str
    id: str
    grade_id: str
    exercise: str | None
    row: dict[str, Any]

    @cached_property
    def names(self) -> frozenset[str]:
        """The functions and classes that this cell defines for others to use."""
        return defined_names(self.source)


@dataclass(frozen=True)
class Pristine:
    """One released notebook."""

    stem: str
    part: str
    table: dict[str, Any]
    cells: tuple[PristineCell, ...]

    @cached_property
    def answers(self) -> dict[str, PristineCell]:
        """The answer cells by exercise id, in the order of the notebook."""
        return {cell.exercise: cell for cell in self.cells if cell.kind == "answer" and cell.exercise}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that is in it."""
        return hashlib.sha256(json.dumps(self.table, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def sources(self) -> frozenset[str]:
        """The text of all cells, to recognise unchanged copies."""
        return frozenset(cell.source.strip() for cell in self.cells)


def defined_names(source: str) -> frozenset[str]:
    """Public functions and classes at the top level, found by text so that broken code has them too."""
    return frozenset(_DEFINED.findall(source))


def read_pristine(path: Path) -> Pristine:
    """Read a released notebook; the folder is its part."""
    return pristine_from(json.loads(path.read_text(encoding="utf-8")), path.stem, path.parent.name)


def pristine_from(table: dict[str, Any], stem: str, part: str) -> Pristine:
    """The same, from a notebook that is already in memory."""
    return Pristine(stem, part, table, tuple(_cell(row) for row in table["cells"]))


def _cell(row: dict[str, Any]) -> PristineCell:
    source = row["source"] if isinstance(row["source"], str) else "".join(row["source"])
    metadata = row.get("metadata", {})
    mark = metadata.get("nbgrader", {})
    grade_id = mark.get("grade_id", "")
    found = _CHECKED.search(source)
    kind, exercise = row["cell_type"], None
    if kind != "code":
        kind = "markdown"
    elif mark.get("solution"):
        kind, exercise = "answer", grade_id
    elif mark.get("grade"):
        kind, exercise = "check", found[1] if found else grade_id
    elif {"demo", "skip-execution"} & set(metadata.get("tags", [])):
        kind = "demo"
    return PristineCell(kind, source, row.get("id", ""), grade_id, exercise, row)


class Library:
    """All released notebooks, by stem."""

    def __init__(self, pristines: Iterable[Pristine]) -> None:
        self.by_stem = {pristine.stem: pristine for pristine in pristines}

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that have a released notebook."""
        return tuple(dict.fromkeys(pristine.part for pristine in self.by_stem.values()))

    def stem_in(self, name: str) -> str | None:
        """The lesson whose stem is in a file's name, whatever a browser or an LMS put around it."""
        found = [stem for stem in self.by_stem if stem in name]
        return max(found, key=len) if found else None

    def part_in(self, name: str) -> str | None:
        """The part whose stem is in a file's name."""
        found = [part for part in self.parts if part in name]
        return max(found, key=len) if found else None

    def identify(self, notebook: StudentNotebook) -> tuple[Pristine | None, list[Finding]]:
        """Which lesson this is: by what is in it first, then by its name."""
        scores = {stem: _evidence(notebook.cells, pristine) for stem, pristine in self.by_stem.items()}
        best = max(scores, key=lambda stem: scores[stem], default=None)
        named = self.stem_in(notebook.name)
        if best is None or not scores[best]:
            if named is None:
                return None, [Finding.error(notebook.name, UNKNOWN)]
            text = f"no cell of the lesson is in it; taken for {named} by its name"
            return self.by_stem[named], [Finding.warning(notebook.name, text)]
        if named and scores[named] == scores[best]:
            best = named
        if named == best:
            return self.by_stem[best], []
        return self.by_stem[best], [Finding.warning(notebook.name, f"the file is renamed; taken for {best} by what is in it")]


def _evidence(cells: tuple[StudentCell, ...], pristine: Pristine) -> int:
    """How much of a lesson is in these cells. Names of functions count least: two lessons may share them."""
    grade_ids = {cell.grade_id for cell in pristine.cells if cell.grade_id}
    ids = {cell.id for cell in pristine.cells if cell.id}
    checks = {cell.exercise for cell in pristine.cells if cell.kind == "check"}
    names = [cell.names for cell in pristine.answers.values() if cell.names]
    score = 0
    for cell in cells:
        score += 3 * (cell.grade_id in grade_ids) + 2 * (cell.id in ids)
        if cell.kind == "code":
            score += 2 * bool(checks & set(_CHECKED.findall(cell.source)))
            score += any(wanted <= defined_names(cell.source) for wanted in names)
    return score
