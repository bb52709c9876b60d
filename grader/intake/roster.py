"""The class's list: who is missing, and whom nobody knows."""
from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.intake.owners import safe_name

COLUMNS = ("student", "student id", "id", "username", "login", "sis user id", "sis login id", "name", "student name")


class RosterError(ValueError):
    """A roster can't be read; the message says why and what to do."""


@dataclass(frozen=True)
class Compared:
    """A roster beside what was collected so far: missing have sent nothing, unknown (with a likely name) are not on it."""

    missing: tuple[str, ...]
    unknown: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return {"missing": list(self.missing), "unknown": self.unknown}


def read_roster(path: Path) -> tuple[str, ...]:
    """The students' ids: one a line, or the column called student, id, username, login or name. Raises RosterError."""
    rows = _rows(path)
    heads = _heads(rows)
    column = next((heads.index(name) for name in COLUMNS if name in heads), None)
    names = [row[column or 0].strip() for row in (rows if column is None else rows[1:]) if len(row) > (column or 0)]
    ids = tuple(dict.fromkeys(safe_name(name) for name in names if name))
    if not ids:
        raise RosterError(f"the roster {path} names nobody; write a student's id on each line, or a column called `student`")
    return ids


def roster_people(path: Path) -> list[dict[str, str]]:
    """The roster's rows by heading; none if it is a bare list. Raises RosterError."""
    rows = _rows(path)
    if not set(COLUMNS) & set(_heads(rows)):
        return []
    return [{head.strip(): cell.strip() for head, cell in zip(rows[0], row, strict=False)} for row in rows[1:]]


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RosterError(f"the roster {path} can't be read ({error}); save it as CSV in UTF-8 and try again") from None
    first = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ",")
    return [row for row in rows if any(cell.strip() for cell in row)]


def _heads(rows: list[list[str]]) -> list[str]:
    return [cell.strip().lower().replace("_", " ") for cell in rows[0]] if rows else []


def compare(roster: Iterable[str], everyone: Iterable[str]) -> Compared:
    """Who of the roster has sent nothing yet, and who has but is not on it."""
    wanted, there = list(roster), set(everyone)
    missing = tuple(name for name in wanted if name not in there)
    unknown = {name: next(iter(difflib.get_close_matches(name, missing, 1, 0.5)), "") for name in sorted(there - set(wanted))}
    return Compared(missing, unknown)
