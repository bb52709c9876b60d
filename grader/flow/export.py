"""Grades as rows: the points from the gradebook, manual ones included, and the verdicts in words."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from grader.flow.nbgrader_course import FlowError, NbgraderCourse
from grader.folders import read_json

COLUMNS = ("student", "part", "lesson", "exercise", "title", "points", "max", "verdict", "reason")


@dataclass(frozen=True)
class GradeRow:
    """One exercise of one student. COLUMNS are its line of the CSV; late and review are of the whole notebook."""

    student: str
    part: str
    lesson: str
    exercise: str
    title: str
    points: float
    max: float
    verdict: str
    reason: str
    late: bool = False
    review: bool = False


def grade_rows(course: NbgraderCourse, titles: dict[str, str], lessons: Iterable[str] = ()) -> list[GradeRow]:
    """Every recorded exercise of every student (only of these lessons, if any are named), in the order of students."""
    rows: list[GradeRow] = []
    wanted = set(lessons)
    with course.gradebook() as gradebook:
        for path in sorted(course.folders.verdicts.glob("*/*.json")):
            table = read_json(path)
            student, part = table["student"], table["part"]
            handed_in = read_json(course.folders.intake / student / f"{part}.json").get("lessons", {})
            for lesson, record in sorted(table["lessons"].items()):
                if wanted and lesson not in wanted:
                    continue
                grades = {grade.name: grade for grade in gradebook.find_submission_notebook(lesson, part, student).grades}
                late = bool(handed_in.get(lesson, {}).get("late"))
                review = any(grade.needs_manual_grade for grade in grades.values())
                for verdict in record["exercises"]:
                    grade = grades.get(verdict["grade_id"])
                    points = (float(grade.score or 0.0), float(grade.max_score)) if grade else (0.0, 0.0)
                    name = verdict["exercise"]
                    rows.append(GradeRow(student, part, lesson, name, titles.get(name, name), *points, verdict["verdict"],
                                         verdict["reason"], late, review))
    return rows


def chosen_lessons(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The lessons that `p1_1,p1_4_attention` names, by stem or by its beginning. Raises FlowError."""
    stems = tuple(known)
    chosen: list[str] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        found = [stem for stem in stems if stem == name or stem.startswith(f"{name}_")]
        if len(found) != 1:
            raise FlowError(f"--lessons: {name!r} names {len(found) or 'no'} lesson{'s' * (len(found) != 1)}; the course has {', '.join(stems)}")
        chosen += found
    return tuple(dict.fromkeys(chosen))


def total_rows(rows: Iterable[GradeRow], roster: Iterable[str] = ()) -> list[dict[str, Any]]:
    """One row a student: points for each lesson and part, the total, and what to look at. Those of the roster who sent nothing have 0."""
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
            line |= {lesson: _sum(row for row in mine if row.lesson == lesson) for where, lesson in lessons if where == part}
            line[part] = _sum(row for row in mine if row.part == part)
        line |= {"total": _sum(mine), "max": round(sum(most.values()), 2)}
        line["late"] = _lessons(row for row in mine if row.late)
        line["not submitted"] = _lessons(row for row in mine if row.verdict == "not submitted") if mine else "everything"
        line["needs review"] = _lessons(row for row in mine if row.review)
        table.append(line)
    return table


def as_csv(rows: Iterable[GradeRow]) -> str:
    """The rows as CSV, a line an exercise."""
    return _csv(COLUMNS, [[getattr(row, name) for name in COLUMNS] for row in rows])


def totals_as_csv(table: list[dict[str, Any]]) -> str:
    """The totals as CSV, a line a student."""
    return _csv(list(table[0]), [list(line.values()) for line in table])


def _csv(heads: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_harmless(value) for value in line] for line in lines)
    return text.getvalue()


def _sum(rows: Iterable[GradeRow]) -> float:
    return round(sum(row.points for row in rows), 2)


def _lessons(rows: Iterable[GradeRow]) -> str:
    return " ".join(dict.fromkeys(row.lesson for row in rows))


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
