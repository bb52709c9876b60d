"""Grades as rows: the points from the gradebook, those set by hand included, the verdicts in words, and what lateness costs."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from grader.flow.late import Lateness, Policy, lateness
from grader.flow.nbgrader_course import FlowError, NbgraderCourse
from grader.folders import read_json

BY_HAND = "set by hand"


@dataclass(frozen=True)
class GradeRow:
    """One exercise of one student. `points` are those earned; `penalty` is what lateness takes off them.

    late and review are of the whole notebook.
    """

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
    penalty: float = 0.0

    @property
    def counted(self) -> float:
        """The points that count."""
        return self.points - self.penalty


def grade_rows(course: NbgraderCourse, titles: dict[str, str], lessons: Iterable[str] = (), *, policy: Policy | None = None) -> list[GradeRow]:
    """Every recorded exercise of every student (only of these lessons, if any are named), in the order of students."""
    rows: list[GradeRow] = []
    wanted = set(lessons)
    late_by_student = late_work(course, policy)
    with course.gradebook() as gradebook:
        for path in sorted(course.folders.verdicts.glob("*/*.json")):
            table = read_json(path)
            student, part = table["student"], table["part"]
            handed_in = read_json(course.folders.intake / student / f"{part}.json").get("lessons", {})
            late = late_by_student.get(student, {})
            for lesson, record in sorted(table["lessons"].items()):
                if not wanted or lesson in wanted:
                    notebook = gradebook.find_submission_notebook(lesson, part, student)
                    marked = bool(handed_in.get(lesson, {}).get("late")) or (part, lesson) in late
                    share = late.get((part, lesson), Lateness(0)).share if policy else _recorded(notebook)
                    rows += _of_lesson(record, notebook, (student, part, lesson), titles, marked, share)
    return rows


def late_work(course: NbgraderCourse, policy: Policy | None) -> dict[str, dict[tuple[str, str], Lateness]]:
    """What each student handed in late, by part and lesson, with the extensions that the gradebook holds."""
    if policy is None:
        return {}
    records = sorted(course.folders.intake.glob("*/*.json"))
    extensions: dict[str, dict[str, timedelta]] = {}
    with course.gradebook() as gradebook:
        for part in {path.stem for path in course.folders.verdicts.glob("*/*.json")}:
            for row in gradebook.assignment_submissions(part):
                if row.extension:
                    extensions.setdefault(row.student_id, {})[part] = row.extension
    return {student: lateness(policy, course.folders, student, extensions.get(student))
            for student in dict.fromkeys(path.parent.name for path in records)}


def _of_lesson(record: dict[str, Any], notebook: Any, place: tuple[str, str, str], titles: dict[str, str],
               late: bool, share: float) -> list[GradeRow]:
    grades = {grade.name: grade for grade in notebook.grades}
    review = any(grade.needs_manual_grade for grade in grades.values())
    rows = []
    for verdict in record["exercises"]:
        grade, name = grades.get(verdict["grade_id"]), verdict["exercise"]
        points, most = (float(grade.score or 0.0), float(grade.max_score)) if grade else (0.0, 0.0)
        word, reason = _by_hand(grade, verdict) or (verdict["verdict"], verdict["reason"])
        rows.append(GradeRow(*place, name, titles.get(name, name), points, most, word, reason, late, review, points * share))
    return rows


def _by_hand(grade: Any, verdict: dict[str, str]) -> tuple[str, str] | None:
    """Verdict and reason of points that a person changed in Formgrader; None if nobody did."""
    if grade is None or not (grade.extra_credit or (grade.manual_score is not None and grade.manual_score != grade.auto_score)):
        return None
    was = f"{verdict['verdict']}: {verdict['reason']}" if verdict["reason"] else verdict["verdict"]
    return BY_HAND, f"by itself {grade.auto_score or 0:g} points, {was}"


def _recorded(notebook: Any) -> float:
    """The share of a notebook's points that nbgrader's own late penalty takes."""
    penalty, score = float(notebook.late_submission_penalty or 0.0), float(notebook.score or 0.0)
    return min(1.0, penalty / score) if penalty > 0 and score > 0 else 0.0


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
