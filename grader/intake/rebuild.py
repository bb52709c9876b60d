"""Rebuild a submission: the released notebook with the learner's answers in it, nothing else that decides a grade."""
from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grader.intake.added import MAX_CELLS, MAX_TEXT, Added, added_cells
from grader.intake.finding import Finding
from grader.intake.matching import Answer, match_answers
from grader.intake.pristine import Pristine
from grader.intake.reading import StudentCell, StudentNotebook
from grader.python_text import plain_python

TAKEN = "`check` is the course's own name; it was put back before each check"
ADDED_TAG = "learner-added"
NOTICE_ID = "what-was-found"
_BINDS_CHECK = re.compile(r"^(?:def|class)\s+check\b|^check\s*(?::[^=]*)?=[^=]", re.M)


@dataclass(frozen=True)
class Rebuilt:
    """A submission that can be graded, what it holds and what was found on the way."""

    pristine: Pristine
    answers: dict[str, Answer]
    table: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def answered(self) -> tuple[str, ...]:
        """The exercises that the learner worked on."""
        return tuple(name for name, answer in self.answers.items() if answer.attempted)

    def text(self) -> str:
        """The notebook as the text of an .ipynb file, the same bytes every time."""
        return notebook_text(self.table)


def notebook_text(table: dict[str, Any]) -> str:
    """A notebook as nbformat writes it."""
    cells = [{**cell, "source": "".join(cell["source"]).splitlines(keepends=True)} for cell in table["cells"]]
    return json.dumps({**table, "cells": cells}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def rebuild(
    notebook: StudentNotebook, pristine: Pristine, *, earlier: Sequence[Finding] = (), notice: bool = True
) -> Rebuilt:
    """Put the learner's answers into the pristine notebook.

    Set-up, checks and demonstrations are always the pristine ones; points and marks of the learner's file are ignored.
    With `notice`, a text cell on top tells what was found (`earlier` first), so that it stands in the feedback.
    """
    answers, found = match_answers(notebook, pristine)
    added = added_cells(notebook, pristine, {name: answer.cell for name, answer in answers.items() if answer.cell})
    if added.dropped:
        much = f"more than {MAX_CELLS} code cells or {MAX_TEXT:,} characters were added"
        found.append(Finding.warning(notebook.name, f"{much}; the last {added.dropped} were left out"))
    taken = _binds_check(answers, added)
    if taken:
        found.append(Finding.note(notebook.name, TAKEN))
    findings = tuple({(finding.exercise, finding.message): finding for finding in (*earlier, *found)}.values())
    table = copy.deepcopy(pristine.table)
    table["cells"] = ([notice_cell(findings)] if notice and findings else []) + _cells(pristine, answers, added, taken)
    return Rebuilt(pristine, answers, table, findings)


def notice_cell(findings: Sequence[Finding]) -> dict[str, Any]:
    """A text cell that tells the learner what was found in the file."""
    lines = [f"- {f'**{finding.exercise}**: ' if finding.exercise else ''}{finding.message}." for finding in findings]
    return {"cell_type": "markdown", "id": NOTICE_ID, "metadata": {},
            "source": "**What we found in your file**\n\n" + "\n".join(lines)}


def _cells(pristine: Pristine, answers: dict[str, Answer], added: Added, restore: bool) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = []
    for cell in pristine.cells:
        cells += [_own(own, f"added-{number}-{cell.id}") for number, own in enumerate(added.before.get(cell.id, ()))]
        if restore and cell.kind == "check":
            cells.append(_code("from grader import check", f"restored-{cell.id}", []))
        row = copy.deepcopy(cell.row)
        if row["cell_type"] == "code":
            row["outputs"], row["execution_count"] = [], None
        answer = answers.get(cell.exercise or "") if cell.kind == "answer" else None
        if answer and answer.cell:
            row["source"] = plain_python(answer.cell.source)
        cells.append(row)
    return cells


def _own(cell: StudentCell, name: str) -> dict[str, Any]:
    return _code(plain_python(cell.source), name, [ADDED_TAG])


def _code(source: str, name: str, tags: list[str]) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "id": name[:64], "metadata": {"tags": tags} if tags else {},
            "outputs": [], "source": source}


def _binds_check(answers: dict[str, Answer], added: Added) -> bool:
    """Whether the learner's code uses the name `check` for something else, which would decide the grade by accident."""
    cells = [answer.cell for answer in answers.values() if answer.cell]
    cells += [cell for group in added.before.values() for cell in group]
    return any(_BINDS_CHECK.search(cell.source) for cell in cells)
