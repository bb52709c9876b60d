"""What is to be graded: one notebook of one student, what a verdict on it depends on, and what a run made of all of them."""
from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader import paths
from grader.flow.verdicts import NOT_SUBMITTED, UNREADABLE, ExerciseVerdict
from grader.folders import Folders
from grader.intake.finding import Finding
from grader.intake.pristine import Pristine, read_pristine
from grader.intake.storing import refresh
from grader.judge.outcome import Outcome

GRADED = "graded"
UNTOUCHED = "untouched"
NOT_PYTHON = ("SyntaxError", "_IncompleteInputError", "IndentationError", "TabError")  # what a kernel says of it


@dataclass
class Graded:
    """What one run of `autograde` did."""

    graded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    zero: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    review: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def nothing(self) -> int:
        """How many notebooks were untouched or not handed in."""
        return len([name for name in self.zero if name not in self.unreadable])

    def as_json(self) -> dict[str, Any]:
        return vars(self)


@dataclass(frozen=True)
class Job:
    """One notebook of one student: released, and perhaps handed in."""

    student: str
    part: str
    pristine: Pristine
    intake: dict[str, Any]
    submitted: Path

    @property
    def name(self) -> str:
        return f"{self.student}/{self.part}/{self.pristine.stem}"

    @property
    def reason(self) -> str:
        """Why there is nothing to run, or an empty string."""
        if self.submitted.exists():
            return UNTOUCHED if self.intake.get("status") == UNTOUCHED else ""
        return UNREADABLE if self.intake.get("status") == UNREADABLE else NOT_SUBMITTED


def jobs(folders: Folders, *, students: tuple[str, ...] = (), parts: tuple[str, ...] = (), lessons: tuple[str, ...] = ()) -> list[Job]:
    """Every notebook that should get a verdict: all lessons of each part of which a student handed in anything."""
    found = []
    pristine_of = functools.cache(read_pristine)  # one copy, however large the class
    for record in sorted(folders.intake.glob("*/*.json")):
        student, part = record.parent.name, record.stem
        if (students and student not in students) or (parts and part not in parts):
            continue
        for path in sorted((folders.release / part).glob("*.ipynb")):
            if lessons and path.stem not in lessons:
                continue
            pristine = pristine_of(path)
            submitted = folders.submitted / student / part / path.name
            found.append(Job(student, part, pristine, refresh(folders, student, pristine), submitted))
    return found


def job_fingerprint(job: Job) -> str:
    """What a verdict depends on: the submission, the released notebook and the checks."""
    digest = hashlib.sha256(job.reason.encode())
    digest.update(job.pristine.digest.encode())
    stem = job.pristine.stem
    checks = (paths.CHECKS / f"{stem}.py", paths.HIDDEN / f"{stem}.py", paths.CHECKS / f"{stem}.fingerprints.json")
    for path in (job.submitted, *checks):
        digest.update(path.read_bytes() if path.exists() else b"-")
    return digest.hexdigest()


def explained(verdict: ExerciseVerdict, job: Job) -> ExerciseVerdict:
    """The verdict with intake's words where the run has none, or worse ones: a deleted cell, a syntax error."""
    if verdict.verdict == Outcome.PASSED.value or (verdict.reason and not verdict.reason.startswith(NOT_PYTHON)):
        return verdict
    found = [Finding.from_json(row) for row in job.intake.get("findings", [])]
    said = [finding.message for finding in found if finding.exercise == verdict.exercise]
    return replace(verdict, reason="; ".join([*said, *filter(None, [verdict.missed])]) or verdict.reason)


def same_for_all(job: Job, word: str, reason: str) -> list[dict[str, str]]:
    """One row an exercise, all with the same verdict."""
    return [ExerciseVerdict(cell.exercise or "", cell.grade_id, word, reason).as_json()
            for cell in job.pristine.cells if cell.kind == "check"]
