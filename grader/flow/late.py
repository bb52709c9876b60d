"""The late-day policy: the table `[late]` of `course/course.toml`, applied when grades are exported and reported.

    [late]
    late_days = 3            # a student's, for the whole course; spent in the order of the due dates
    penalty_per_day = 0.1    # of the points earned, for every day begun that no late day covers
    cap = 0.5                # no more than this share is ever taken
    [late.due]               # a part, or a lesson, which goes before its part
    part1_introduction = 2026-10-01T23:59:00+02:00
    p1_4_attention = 2026-10-08T23:59:00+02:00

Why not nbgrader's own penalties (AssignLatePenalties)? They are set while one notebook is graded, from one due date a
part; late days depend on all that a student has handed in, and a due date may change after grading. Formgrader shows
points without penalties in any case, so its totals stay right; only nbgrader's CSV and feedback pages subtract them.
So the gradebook keeps the points that were earned, and a penalty that someone else put there counts only where the
course has no `[late]` table. An extension granted in the gradebook (`grant_extension`) moves that student's due date.

A time that is not known costs nothing, except that a file which the LMS marked as late counts as one day late.
"""
from __future__ import annotations

import math
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from grader import paths
from grader.course import Course, CourseError
from grader.folders import Folders, read_json

KEYS = {"late_days", "penalty_per_day", "cap", "due"}
Place = tuple[str, str]  # a part and a lesson


@dataclass(frozen=True)
class Policy:
    """When work is due, and what being late costs."""

    due: dict[str, datetime]
    late_days: int = 0
    penalty_per_day: float = 0.0
    cap: float = 1.0

    def due_of(self, part: str, lesson: str) -> str | None:
        """The name under which a lesson is due: its own or its part's."""
        return lesson if lesson in self.due else part if part in self.due else None


@dataclass(frozen=True)
class Lateness:
    """One lesson of one student: days late, how many of them late days cover, and the share of the points that is taken."""

    days: int
    covered: int = 0
    share: float = 0.0
    guessed: bool = False

    def __str__(self) -> str:
        about = "marked late, time unknown" if self.guessed else f"{self.days} day{'s' * (self.days != 1)} late"
        covered = f", {self.covered} covered by late days" if self.covered else ""
        return f"{about}{covered}, {self.share:.0%} taken off"


def read_policy(course: Course, path: Path | None = None) -> Policy | None:
    """The course's policy; None if it has none. Raises CourseError that names the key at fault."""
    path = path or paths.COURSE / "course.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("late")
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CourseError(f"{path} can't be read: {error}") from None
    if table is None:
        return None
    strange = sorted(table.keys() - KEYS) if isinstance(table, dict) else ["a single value"]
    if strange:
        raise CourseError(f"{path.name}: [late] is a table of {', '.join(sorted(KEYS))}; not {', '.join(strange)}")
    days = table.get("late_days", 0)
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise CourseError(f"{path.name}: late_days in [late] must be a whole number, 0 or more; not {days!r}")
    due = table.get("due", {})
    if not isinstance(due, dict) or not due:
        raise CourseError(f"{path.name}: [late] has no due dates; write a table [late.due] with a part or lesson and its time")
    known = {part.stem for part in course.parts} | {lesson.stem for lesson in course.lessons}
    strange = sorted(due.keys() - known)
    if strange:
        raise CourseError(f"{path.name}: [late.due] names {', '.join(strange)}; the course has {', '.join(sorted(known))}")
    return Policy({name: _time(name, value, path) for name, value in due.items()}, days,
                  _share(table, "penalty_per_day", 0.0, path), _share(table, "cap", 1.0, path))


def lateness(policy: Policy, folders: Folders, student: str, extensions: Mapping[str, timedelta] | None = None) -> dict[Place, Lateness]:
    """How late each lesson of a student is. Late days are spent on what is due first; a part's lessons share them."""
    groups: dict[tuple[datetime, str], dict[Place, tuple[int, bool]]] = defaultdict(dict)
    for path in sorted((folders.intake / student).glob("*.json")):
        part = path.stem
        for lesson, row in read_json(path).get("lessons", {}).items():
            name = policy.due_of(part, lesson)
            if name is None or not row.get("answered"):
                continue
            due = policy.due[name] + (extensions or {}).get(part, timedelta())
            found = _days(row, due)
            if found[0]:
                groups[due, name][part, lesson] = found
    left, late = policy.late_days, {}
    for _, group in sorted(groups.items()):
        spent = min(left, max(days for days, _ in group.values()))
        left -= spent
        for place, (days, guessed) in group.items():
            covered = min(days, spent)
            share = min(policy.cap, policy.penalty_per_day * (days - covered))
            late[place] = Lateness(days, covered, round(share, 6), guessed)
    return late


def handed_in_at(row: Mapping[str, Any]) -> datetime | None:
    """When a lesson was handed in, as its intake record says; None if it does not, or without a time zone."""
    try:
        when = datetime.fromisoformat(str(row.get("submitted_at") or ""))
    except ValueError:
        return None
    return when if when.tzinfo else None


def _days(row: Mapping[str, Any], due: datetime) -> tuple[int, bool]:
    """Days begun after the due date, and whether that is only a guess from the LMS's mark."""
    when = handed_in_at(row)
    if when is None:
        return (1, True) if row.get("late") else (0, False)
    return max(0, math.ceil((when - due) / timedelta(days=1))), False


def _time(name: str, value: Any, path: Path) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise CourseError(f"{path.name}: {name} in [late.due] must be a time with its zone, as in 2026-10-01T23:59:00+02:00")
    return value


def _share(table: Mapping[str, Any], key: str, default: float, path: Path) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise CourseError(f"{path.name}: {key} in [late] must be a share from 0 to 1, as in 0.1 for a tenth; not {value!r}")
    return float(value)
