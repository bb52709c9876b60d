"""Grades as rows: the points from the gradebook, manual ones included, and the verdicts in words."""
from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from typing import Any

from grader.flow.nbgrader_course import NbgraderCourse
from grader.folders import read_json


@dataclass(frozen=True)
class GradeRow:
    """One exercise of one student, as a line of the CSV."""

    student: str
    part: str
    lesson: str
    exercise: str
    title: str
    points: float
    max: float
    verdict: str
    reason: str


def grade_rows(course: NbgraderCourse, titles: dict[str, str]) -> list[GradeRow]:
    """Every recorded exercise of every student, in the order of students, parts and lessons."""
    rows = []
    with course.gradebook() as gradebook:
        for path in sorted(course.folders.verdicts.glob("*/*.json")):
            table = read_json(path)
            student, part = table["student"], table["part"]
            for lesson, record in sorted(table["lessons"].items()):
                notebook = gradebook.find_submission_notebook(lesson, part, student)
                grades = {grade.name: (float(grade.score or 0.0), float(grade.max_score)) for grade in notebook.grades}
                for verdict in record["exercises"]:
                    points = grades.get(verdict["grade_id"], (0.0, 0.0))
                    rows.append(_row((student, part, lesson), verdict, points, titles))
    return rows


def as_csv(rows: list[GradeRow]) -> str:
    """The rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(GradeRow)])
    for row in rows:
        writer.writerow([_harmless(value) for value in astuple(row)])
    return text.getvalue()


def _row(
    where: tuple[str, str, str], verdict: dict[str, str], points: tuple[float, float], titles: dict[str, str]
) -> GradeRow:
    name = verdict["exercise"]
    return GradeRow(*where, name, titles.get(name, name), *points, verdict["verdict"], verdict["reason"])


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
