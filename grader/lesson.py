"""Read a lesson file: jupytext's percent format with this course's short cell tags. No dependency."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
_HEADER = re.compile(r"^# %%(?P<rest>.*)$")
_TAG = re.compile(r'^\s*(?:(?P<markdown>\[markdown\])|(?P<demo>demo)|(?P<role>exercise|check)="(?P<id>[a-z0-9-]+)")?\s*$')
_SOLUTION = re.compile(r"^(?P<indent>[ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION", re.M | re.S)
_MARKS = re.compile(r"^[ \t]*### (?:BEGIN|END) SOLUTION\n?", re.M)


class LessonError(Exception):
    """A lesson file breaks the format; the message names the file, the line and the rule."""


@dataclass(frozen=True)
class Cell:
    """One cell. `kind` is markdown, code, demo, exercise or check; `exercise` is set for the last two."""

    kind: str
    source: str
    exercise: str | None = None
    line: int = 0


def read_lesson(path: Path) -> list[Cell]:
    """Split a lesson file into cells. Raises LessonError for an unknown tag or text before the first cell."""
    return parse_lesson(path.read_text(encoding="utf-8"), path.name)


def parse_lesson(text: str, name: str = "lesson") -> list[Cell]:
    """The same, from text."""
    cells: list[Cell] = []
    header: tuple[str, str | None, int] | None = None
    lines: list[str] = []
    for number, line in enumerate([*text.split("\n"), "# %%"], start=1):
        found = _HEADER.match(line)
        if not found:
            lines.append(line)
            continue
        if header is not None:
            cells.append(_cell(*header, lines))
        elif "".join(lines).strip():
            raise LessonError(f"{name}: text before the first `# %%` cell")
        header, lines = (*_tag(found["rest"], name, number), number), []
    return cells


def stub_of(source: str) -> str:
    """What a learner sees of an exercise cell: its solution replaced by a stub, as nbgrader does it."""

    def stub(found: re.Match[str]) -> str:
        return "\n".join(found["indent"] + line for line in STUB.split("\n"))

    return _SOLUTION.sub(stub, source)


def reference_of(source: str) -> str:
    """The answer in an exercise cell, without the marks around it."""
    return _MARKS.sub("", source)


def exercise_cells(path: Path) -> dict[str, str]:
    """The source of every exercise cell of a lesson, by exercise id."""
    return {cell.exercise: cell.source for cell in read_lesson(path) if cell.kind == "exercise" and cell.exercise}


def _tag(rest: str, name: str, number: int) -> tuple[str, str | None]:
    found = _TAG.match(rest)
    if not found:
        raise LessonError(f"{name}, line {number}: unknown cell tag {rest.strip()!r}; use [markdown], demo, exercise=\"id\" or check=\"id\"")
    if found["markdown"]:
        return "markdown", None
    return found["role"] or ("demo" if found["demo"] else "code"), found["id"]


def _cell(kind: str, exercise: str | None, number: int, lines: list[str]) -> Cell:
    if kind == "markdown":
        lines = [line.removeprefix("# ") if line.startswith("# ") else line.removeprefix("#") for line in lines]
    return Cell(kind, "\n".join(lines).strip("\n"), exercise, number)
