"""Item analysis: how hard an exercise is, and whether it separates those who do well from those who don't.

Difficulty is the mean share of its points, over those who handed the lesson in. Discrimination is the corrected item-total
correlation: between the share earned in this exercise and that earned in all others of the lesson, the exercise itself left
out of the total because it would correlate with itself (Henrysson 1963, "Correction of item-total correlations in item
analysis", Psychometrika 28, doi:10.1007/BF02289618). For an exercise that is passed or failed as a whole this is the
point-biserial correlation; with partial credit it is Pearson's.
"""
from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.flow.export import GradeRow
from grader.flow.report.gather import ClassData
from grader.judge.outcome import Outcome

FEW = 5  # fewer students than this tell nothing about an exercise
ABSENT = ("not submitted", "unreadable")
ENDINGS = ("all points", "some points", "no points", "not attempted", "not handed in")


@dataclass(frozen=True)
class ExerciseNumbers:
    """One exercise over the class. None: too few students, or no spread to correlate."""

    lesson: str
    exercise: str
    title: str
    max: float
    handed_in: int
    attempted: int
    difficulty: float | None
    discrimination: float | None
    endings: dict[str, int]

    @property
    def remark(self) -> str:
        """What an instructor should look at, in words."""
        if self.difficulty is None:
            return "too few"
        words = ["hard"] if self.difficulty < 0.4 else ["nearly everyone has it"] if self.difficulty > 0.95 else []
        if self.discrimination is not None and self.discrimination < 0.2 and 0.05 < self.difficulty < 0.95:
            words.append("says little about the rest" if self.discrimination >= 0 else "the better students do worse: look at its checks")
        return "; ".join(words)


@dataclass(frozen=True)
class LessonNumbers:
    """One lesson over the class; `shares` are of those who handed it in."""

    lesson: str
    title: str
    max: float
    shares: tuple[float, ...]
    absent: int

    @property
    def few(self) -> bool:
        return len(self.shares) < FEW

    @property
    def median(self) -> float | None:
        return statistics.median(self.shares) if self.shares else None


def exercise_numbers(data: ClassData) -> list[ExerciseNumbers]:
    """All exercises, in the order of the course."""
    by_exercise: dict[tuple[str, str], list[GradeRow]] = {}
    for row in data.rows:
        by_exercise.setdefault((row.lesson, row.exercise), []).append(row)
    totals: dict[tuple[str, str], tuple[float, float]] = {}
    for row in data.rows:
        points, most = totals.get((row.student, row.lesson), (0.0, 0.0))
        totals[row.student, row.lesson] = points + row.points, most + row.max
    order = list(data.lessons)
    return [_exercise(rows, totals, len(data.students)) for _, rows in sorted(by_exercise.items(), key=lambda entry: order.index(entry[0][0]))]


def lesson_numbers(data: ClassData) -> list[LessonNumbers]:
    """All lessons, in the order of the course."""
    found = []
    for lesson, title in data.lessons.items():
        rows = [row for row in data.rows if row.lesson == lesson]
        most = sum({row.exercise: row.max for row in rows}.values())
        there = sorted({row.student for row in rows if row.verdict not in ABSENT})
        shares = tuple(share for student in there if (share := share_of(row for row in rows if row.student == student)) is not None)
        found.append(LessonNumbers(lesson, title, most, shares, len(data.students) - len(there)))
    return found


def share_of(rows: Iterable[GradeRow]) -> float | None:
    """The share of the points that these rows earned; None if there are none to earn."""
    rows = list(rows)
    most = sum(row.max for row in rows)
    return sum(row.points for row in rows) / most if most else None


def stuck(data: ClassData, *, below: float) -> list[tuple[str, dict[str, float | None], float]]:
    """Students below this share of all points, the lowest first, with their share of each lesson (None: not handed in)."""
    most = sum({(row.lesson, row.exercise): row.max for row in data.rows}.values())
    found = []
    for student in data.students:
        mine = [row for row in data.rows if row.student == student]
        total = sum(row.points for row in mine) / most if most else 0.0
        if total < below:
            lessons = {lesson: share_of(row for row in mine if row.lesson == lesson and row.verdict not in ABSENT) for lesson in data.lessons}
            found.append((student, lessons, total))
    return sorted(found, key=lambda row: (row[2], row[0]))


def correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Pearson's; None for fewer than FEW pairs or without spread."""
    if len(left) < FEW or math.isclose(min(left), max(left)) or math.isclose(min(right), max(right)):
        return None
    return statistics.correlation(left, right)


def _exercise(rows: list[GradeRow], totals: dict[tuple[str, str], tuple[float, float]], students: int) -> ExerciseNumbers:
    first, there = rows[0], [row for row in rows if row.verdict not in ABSENT]
    pairs = []
    for row in there:
        points, most = totals[row.student, row.lesson]
        if row.max and most > row.max:
            pairs.append((row.points / row.max, (points - row.points) / (most - row.max)))
    shares = [row.points / row.max for row in there if row.max]
    endings = dict.fromkeys(ENDINGS, 0)
    for row in there:
        endings[_ending(row)] += 1
    endings["not handed in"] = students - len(there)
    return ExerciseNumbers(
        first.lesson, first.exercise, first.title, first.max, len(there), len(there) - endings["not attempted"],
        statistics.mean(shares) if len(shares) >= FEW else None,
        correlation([own for own, _ in pairs], [rest for _, rest in pairs]), endings)


def _ending(row: GradeRow) -> str:
    if row.verdict == Outcome.NOT_ATTEMPTED.value:
        return "not attempted"
    return "all points" if row.points >= row.max else "some points" if row.points > 0 else "no points"
