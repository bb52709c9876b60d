"""The CSV files that Canvas and Moodle import: a column a part, or a column a lesson.

Canvas: "How do I import grades in the Gradebook?", Canvas Instructor Guide, community.canvaslms.com; the columns and
the row of possible points are those that its own reader asks for (lib/gradebook_importer.rb in instructure/canvas-lms).
Canvas finds a student by ID, then by SIS ids, then by name, and an assignment by the number behind its title, `Title (123)`;
a title that it does not know becomes a new assignment. Take `--roster` from Gradebook → Export to have both exact.

Moodle: "Grade import", docs.moodle.org/en/Grade_import. Its import asks which column tells the user (email address or
ID number) and which column belongs to which grade item. Grade and feedback of an item must be imported together:
importing one alone loses the other.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grader.course import Course
from grader.flow.export.people import Directory, Person
from grader.flow.export.rows import GradeRow
from grader.flow.export.tables import counted, write_csv

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
MOODLE = ("Student", "First name", "Last name", "ID number", "Username", "Email address")
LONGEST = 1000  # characters of one feedback


@dataclass(frozen=True)
class Column:
    """One column of grades: a part or a lesson."""

    stem: str
    title: str
    max: float


def columns_of(rows: Iterable[GradeRow], course: Course, *, by: str) -> list[Column]:
    """The columns that these rows fill, in the order of the course."""
    most = {(getattr(row, by), row.lesson, row.exercise): row.max for row in rows}
    known = {part.stem: part.title for part in course.parts} if by == "part" else {lesson.stem: lesson.title for lesson in course.lessons}
    stems = sorted({stem for stem, *_ in most}, key=lambda stem: (list(known).index(stem) if stem in known else len(known), stem))
    return [Column(stem, known.get(stem, stem), round(sum(value for (where, *_), value in most.items() if where == stem), 2)) for stem in stems]


def canvas_csv(rows: list[GradeRow], students: Iterable[str], columns: list[Column], people: Mapping[str, Person], directory: Directory,
               *, by: str) -> str:
    """Canvas's gradebook file. A student whom nobody matched stands under their own id, as a login."""
    lines: list[list[str | float]] = [["    Points Possible", "", "", "", "", *(column.max for column in columns)]]
    for student in students:
        who = people.get(student, Person(name=student, login=student))
        mine = [row for row in rows if row.student == student]
        ids = [who.name or f"{who.first} {who.last}".strip() or student, who.lms_id, who.sis_id, who.login, who.section]
        lines.append([*ids, *(_points(mine, column, by) for column in columns)])
    return write_csv([*CANVAS, *(_canvas_title(column, directory.heads) for column in columns)], lines)


def moodle_csv(rows: list[GradeRow], students: Iterable[str], columns: list[Column], people: Mapping[str, Person], *, by: str) -> str:
    """Moodle's grade file: for every column a grade and a feedback in words."""
    lines: list[list[str | float]] = []
    for student in students:
        who = people.get(student, Person())
        mine = [row for row in rows if row.student == student]
        line: list[str | float] = [student, who.first, who.last, who.sis_id, who.login, who.email]
        for column in columns:
            line += [_points(mine, column, by), feedback_text([row for row in mine if getattr(row, by) == column.stem])]
        lines.append(line)
    heads = [head for column in columns for head in (f"{column.title} (Real)", f"{column.title} (Feedback)")]
    return write_csv([*MOODLE, *heads], lines)


def feedback_text(rows: list[GradeRow]) -> str:
    """What a student reads beside a grade: each exercise that did not earn all its points, and why."""
    if all(row.verdict == "not submitted" for row in rows):
        return "Nothing was handed in."
    missing = dict.fromkeys(row.lesson for row in rows if row.verdict == "not submitted")
    lines = [f"{row.title}: {row.points:g} of {row.max:g}, {row.verdict}{f' ({row.reason})' if row.reason else ''}"
             for row in rows if row.points < row.max and row.lesson not in missing]
    lines += [f"{lesson}: not handed in" for lesson in missing]
    penalty = round(sum(row.penalty for row in rows), 2)
    lines += [f"Late: {penalty:g} points taken off"] if penalty else []
    text = " | ".join(lines) or "All exercises passed."
    return text if len(text) <= LONGEST else text[: LONGEST - 2] + " …"


def _points(mine: Iterable[GradeRow], column: Column, by: str) -> float:
    return counted(row for row in mine if getattr(row, by) == column.stem)


def _canvas_title(column: Column, heads: Iterable[str]) -> str:
    """The heading that Canvas itself uses for this column, with its number, if the class's file has it."""
    for head in heads:
        bare = re.sub(r"\s*\(\d+\)\s*$", "", head).strip().casefold()
        if bare in (column.title.casefold(), column.stem.casefold()):
            return head
    return column.title
