"""Grades as CSV for a spreadsheet: a line an exercise, or a line a student."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from grader.flow.export.rows import GradeRow

COLUMNS = ("student", "part", "lesson", "exercise", "title", "points", "max", "verdict", "reason")


def total_rows(rows: Iterable[GradeRow], roster: Iterable[str] = ()) -> list[dict[str, Any]]:
    """One row a student: the points that count for each lesson and part, the total, and what to look at.

    Those of the roster who sent nothing have 0. If anyone lost points by being late, a column says how many.
    """
    rows = list(rows)
    lessons = sorted({(row.part, row.lesson) for row in rows})
    parts = sorted({part for part, _ in lessons})
    most = {(row.lesson, row.exercise): row.max for row in rows}
    own: dict[str, list[GradeRow]] = {name: [] for name in roster}
    for row in rows:
        own.setdefault(row.student, []).append(row)
    table = []
    for student, mine in sorted(own.items()):
        line: dict[str, Any] = {"student": student}
        for part in parts:
            line |= {lesson: counted(row for row in mine if row.lesson == lesson) for where, lesson in lessons if where == part}
            line[part] = counted(row for row in mine if row.part == part)
        line |= {"total": counted(mine), "max": round(sum(most.values()), 2)}
        if any(row.penalty for row in rows):
            line["late penalty"] = round(sum(row.penalty for row in mine), 2)
        line["late"] = _lessons(row for row in mine if row.late)
        line["not submitted"] = _lessons(row for row in mine if row.verdict == "not submitted") if mine else "everything"
        line["needs review"] = _lessons(row for row in mine if row.review)
        table.append(line)
    return table


def as_csv(rows: Iterable[GradeRow]) -> str:
    """The rows as CSV, a line an exercise, with the points as they were earned."""
    return write_csv(COLUMNS, [[getattr(row, name) for name in COLUMNS] for row in rows])


def totals_as_csv(table: list[dict[str, Any]]) -> str:
    """The totals as CSV, a line a student."""
    return write_csv(list(table[0]), [list(line.values()) for line in table])


def write_csv(heads: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_harmless(value) for value in line] for line in lines)
    return text.getvalue()


def counted(rows: Iterable[GradeRow]) -> float:
    """The points that count, added up; never below 0."""
    return round(max(0.0, sum(row.counted for row in rows)), 2)


def _lessons(rows: Iterable[GradeRow]) -> str:
    return " ".join(dict.fromkeys(row.lesson for row in rows))


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
