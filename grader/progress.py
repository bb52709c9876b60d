"""What a learner has done so far, in one small local file that survives a restart.

The file is `.progress.json` in the course folder, or where HANDBOOK_PROGRESS says. It is a learner's own record: no
grade is ever taken from it.
"""
from __future__ import annotations

import contextlib
import datetime
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.course import find_exercise, load_course
from grader.paths import ROOT

if TYPE_CHECKING:
    from grader.judge.outcome import Verdict

_passed_now: set[str] = set()


def path() -> Path:
    """Where progress is kept."""
    return Path(os.environ.get("HANDBOOK_PROGRESS", ROOT / ".progress.json"))


def grading() -> bool:
    """Whether a whole notebook is being judged, by nbgrader or by `grader check`: then no answer of ours is handed out."""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde" or bool(os.environ.get("HANDBOOK_GRADING"))


def load() -> dict[str, dict[str, Any]]:
    """All records by exercise id. A damaged file is put aside as `.damaged` and an empty record is begun."""
    try:
        table = json.loads(path().read_text(encoding="utf-8"))
        if isinstance(table, dict) and all(isinstance(row, dict) for row in table.values()):
            return table
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        pass  # handled below, as a table of the wrong form is
    with contextlib.suppress(OSError):
        path().replace(path().with_suffix(".damaged"))
    return {}


def record(verdict: Verdict) -> None:
    """Keep the best verdict of an exercise; a later, worse one does not take a pass away.

    While nbgrader grades, nothing is kept: that would be the instructor's record, not the learner's.
    """
    if verdict.passed:
        _passed_now.add(verdict.exercise)
    else:
        _passed_now.discard(verdict.exercise)
    if os.environ.get("NBGRADER_EXECUTION") == "autograde":
        return
    row = dict(load().get(verdict.exercise, {}))
    row["tries"] = row.get("tries", 0) + 1
    row["last"] = verdict.outcome.value
    if verdict.points >= row.get("points", 0.0):
        row["points"] = verdict.points
    row["passed"] = row.get("passed", False) or verdict.passed
    row["when"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _update(verdict.exercise, row)


def next_hint(exercise: str) -> int:
    """Count one more hint as opened and return its number, 1 to 3; after the third it stays 3."""
    row = dict(load().get(exercise, {}))
    row["hints"] = min(row.get("hints", 0) + 1, len(find_exercise(exercise).hints))
    _update(exercise, row)
    return int(row["hints"])


def note_solution(exercise: str) -> None:
    """Record that the course's answer was looked at."""
    _update(exercise, {**load().get(exercise, {}), "solution_seen": True})


def passed(exercise: str) -> bool:
    """Whether the exercise has ever passed here."""
    return bool(load().get(exercise, {}).get("passed"))


def passed_now(exercise: str) -> bool:
    """Whether the exercise's latest check in this very session passed."""
    return exercise in _passed_now


def summary() -> list[tuple[str, int, int]]:
    """(lesson stem, exercises passed, exercises) for every lesson, in the order of the course."""
    done = {name for name, row in load().items() if row.get("passed")}
    return [(lesson.stem, sum(exercise.id in done for exercise in lesson.exercises), len(lesson.exercises))
            for lesson in load_course().lessons]


def counts(exercise: str) -> tuple[int, int]:
    """(passed, all) over the lesson that this exercise is in."""
    lesson = find_exercise(exercise).lesson
    return next((done, total) for stem, done, total in summary() if stem == lesson)


def _update(exercise: str, row: dict[str, Any]) -> None:
    """Write atomically. Where the folder can't be written, progress is simply not kept."""
    table = {**load(), exercise: row}
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=path().parent, prefix=".progress-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(table, file, indent=1, sort_keys=True)
        os.replace(name, path())
