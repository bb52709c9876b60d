"""Judge one graded answer once more, with the seed of its provenance."""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from grader.card import Card
from grader.course import find_exercise, find_lesson
from grader.fleet.bundle import bundle_of
from grader.fleet.client import RunningServer, WarmServerError
from grader.fleet.execute import execute_with_verdicts
from grader.flow.nbgrader_course import FlowError
from grader.folders import Folders, read_json
from grader.sandbox.limits import Limits


@dataclass(frozen=True)
class Replayed:
    """What came out, what was recorded, and what is no longer as it was."""

    card: str
    verdict: dict[str, Any]
    recorded: str
    same: bool
    changed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"verdict": self.verdict, "recorded": self.recorded, "same": self.same, "changed": list(self.changed)}


def replay(folders: Folders, student: str, exercise: str, *, sandbox: bool = True) -> Replayed:
    """Run the student's notebook again and judge this one exercise. Raises FlowError if it was never graded."""
    info = find_exercise(exercise)
    part = find_lesson(info.lesson).part
    row = read_json(folders.verdicts / student / f"{part}.json").get("lessons", {}).get(info.lesson, {})
    where = row.get("provenance", {})
    if exercise not in where.get("seeds", {}):
        known = ", ".join(sorted(path.name for path in folders.verdicts.glob("*"))) or "nobody"
        raise FlowError(f"{student} has no verdict on {exercise} that can be replayed; run `grader autograde` first (graded so far: {known})")
    submitted = folders.submitted / student / part / f"{info.lesson}.ipynb"
    if not submitted.is_file():
        raise FlowError(f"{student}'s notebook of {info.lesson} is gone from {folders.submitted}; collect it again")
    table = json.loads(submitted.read_text(encoding="utf-8"))
    bundle = bundle_of(student, part, info.lesson, table, where["seeds"], Limits(**where["limits"]), only=(exercise,))
    try:
        with RunningServer(sandbox=sandbox, models=False) as server:
            result, verdicts = execute_with_verdicts(bundle, server)
    except WarmServerError as error:
        raise FlowError(str(error)) from None
    if exercise not in verdicts:
        raise FlowError(f"it could not be judged: {result.problem}")
    verdict = verdicts[exercise]
    recorded = next(line for line in row["exercises"] if line["exercise"] == exercise)
    points = where.get("points", {}).get(exercise)
    was = recorded["verdict"] + (f", {points:g} points" if points is not None else "")
    same = recorded["verdict"] == verdict.outcome.value and points in (None, verdict.points)
    return Replayed(Card(info, verdict, in_kernel=False).text(), verdict.as_json(), was, same, _changed(folders, student, part, info.lesson, where))


def _changed(folders: Folders, student: str, part: str, lesson: str, where: dict[str, Any]) -> tuple[str, ...]:
    """Which of the things that a verdict depends on are not what they were."""
    import platform

    import torch

    intake = read_json(folders.intake / student / f"{part}.json").get("lessons", {}).get(lesson, {})
    now = {"submission": intake.get("sha256", ""), "python": platform.python_version(), "torch": torch.__version__}
    return tuple(f"{name} was {where[name]}, is {value}" for name, value in now.items() if where.get(name) not in (None, value))
