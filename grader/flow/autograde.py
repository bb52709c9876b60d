"""Grade collected submissions one notebook at a time. Each gets a recorded verdict, and one can't stop the rest."""
from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader import paths
from grader.flow.nbgrader_course import FlowError, NbgraderCourse, kernel_environment
from grader.flow.record import Recorder
from grader.flow.verdicts import NEEDS_REVIEW, NOT_SUBMITTED, UNREADABLE, ExerciseVerdict, read_verdicts
from grader.flow.warm import WarmGrading, grade_warm
from grader.folders import Folders, read_json, write_json, write_whole
from grader.intake.finding import Finding
from grader.intake.pristine import Pristine, read_pristine
from grader.intake.rebuild import notebook_text, notice_cell
from grader.intake.storing import refresh
from grader.judge.outcome import Outcome
from grader.plain_text import one_line

GRADED = "graded"
NOT_PYTHON = ("SyntaxError", "_IncompleteInputError", "IndentationError", "TabError")  # what a kernel says of it
UNTOUCHED = "untouched"


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


def autograde(
    course: NbgraderCourse, todo: list[Job], *, force: bool = False, tick: Callable[[], None] = lambda: None, warm: WarmGrading | None = None
) -> Graded:
    """Grade these notebooks. One that was graded before is left alone unless it, its checks or the release changed.

    With `warm` they are graded by its workers, else one after the other by nbgrader's own autograder. `force` grades again
    what has not changed, but not what the same (resumed) run has graded already.
    """
    done = Graded()
    waiting = []
    with kernel_environment():
        for job in todo:
            if job.reason == UNREADABLE:
                done.unreadable[job.name] = _said(job)
            if _is_current(course, job, done, force=force, run=warm.run if warm else ""):
                done.unchanged.append(job.name)
            elif warm is not None and not job.reason:
                waiting.append(job)
                continue
            else:
                _keep(course, job, _grade(course, job, done))
            tick()

    def keep(job: Job, row: dict[str, Any]) -> None:
        _keep(course, job, row)
        tick()

    if warm is not None and waiting:
        with course.gradebook() as gradebook:
            grade_warm(course, waiting, warm, Recorder(gradebook), done, keep)
    return done


def _verdicts(course: NbgraderCourse, job: Job) -> tuple[Path, dict[str, Any]]:
    path = course.folders.verdicts / job.student / f"{job.part}.json"
    return path, read_json(path) or {"student": job.student, "part": job.part, "lessons": {}}


def _is_current(course: NbgraderCourse, job: Job, done: Graded, *, force: bool, run: str) -> bool:
    """Whether the recorded verdict still holds; if it is forced, whether it is of this very run."""
    before = _verdicts(course, job)[1]["lessons"].get(job.pristine.stem, {})
    if force and not (run and before.get("provenance", {}).get("run") == run):
        return False
    there = job.reason == NOT_SUBMITTED or _autograded(course, job).exists()
    if not there or before.get("fingerprint") != job_fingerprint(job) or before["status"] == NEEDS_REVIEW:
        return False
    done.review |= {job.name: before["review"]} if before.get("review") else {}
    return True


def _keep(course: NbgraderCourse, job: Job, row: dict[str, Any]) -> None:
    path, table = _verdicts(course, job)
    table["lessons"][job.pristine.stem] = {**row, "fingerprint": job_fingerprint(job)}
    write_json(path, table)


def job_fingerprint(job: Job) -> str:
    """What a verdict depends on: the submission, the released notebook and the checks."""
    digest = hashlib.sha256(job.reason.encode())
    digest.update(job.pristine.digest.encode())
    stem = job.pristine.stem
    checks = (paths.CHECKS / f"{stem}.py", paths.HIDDEN / f"{stem}.py", paths.CHECKS / f"{stem}.fingerprints.json")
    for path in (job.submitted, *checks):
        digest.update(path.read_bytes() if path.exists() else b"-")
    return digest.hexdigest()


def _grade(course: NbgraderCourse, job: Job, done: Graded) -> dict[str, Any]:
    """One notebook: run it, or say why there is nothing to run. The verdicts as plain data."""
    if job.reason:
        done.zero.append(job.name)
        return _nothing_to_run(course, job)
    try:
        course.autograde(job.student, job.part, job.pristine.stem)
        verdicts = read_verdicts(_autograded(course, job), _points(course, job))
    except FlowError as error:
        text = f"the notebook could not be run ({error}); it needs review: open it, or grade again with --force"
        done.review[job.name] = text
        _record_zero(course, job, review=True)
        return {"status": NEEDS_REVIEW, "reason": text, "exercises": same_for_all(job, NEEDS_REVIEW, text)}
    done.graded.append(job.name)
    unclear = [row.grade_id for row in verdicts if row.verdict in (NEEDS_REVIEW, Outcome.COULD_NOT_CHECK.value)]
    if unclear:
        done.review[job.name] = f"{len(unclear)} exercises could not be checked; look at them in Formgrader"
        _ask_for_review(course, job, unclear)
    plain = [replace(row, reason=one_line(row.reason)) for row in verdicts]
    return {"status": GRADED, "reason": "", "exercises": [explained(row, job).as_json() for row in plain],
            "review": done.review.get(job.name, "")}


def explained(verdict: ExerciseVerdict, job: Job) -> ExerciseVerdict:
    """The verdict with intake's words where the run has none, or worse ones: a deleted cell, a syntax error."""
    if verdict.verdict == Outcome.PASSED.value or (verdict.reason and not verdict.reason.startswith(NOT_PYTHON)):
        return verdict
    found = [Finding.from_json(row) for row in job.intake.get("findings", [])]
    said = [finding.message for finding in found if finding.exercise == verdict.exercise]
    return replace(verdict, reason="; ".join([*said, *filter(None, [verdict.missed])]) or verdict.reason)


def _said(job: Job) -> str:
    return "; ".join(Finding.from_json(row).message for row in job.intake.get("findings", []))


def _nothing_to_run(course: NbgraderCourse, job: Job) -> dict[str, Any]:
    """Record 0 for every exercise; for a file that was handed in, leave a page that tells the learner why."""
    known = {UNTOUCHED: "no answer was written", NOT_SUBMITTED: "this notebook was not handed in"}
    reason = known.get(job.reason, _said(job))
    _record_zero(course, job, review=job.reason == UNREADABLE)
    if job.reason != NOT_SUBMITTED:
        theirs = reason.replace("ask for it again", "hand it in again").replace("ask for the", "hand in the")
        notice = notice_cell([Finding.warning(job.submitted.name, theirs)])
        table = {**job.pristine.table, "cells": [notice, *job.pristine.table["cells"]]}
        write_whole(_autograded(course, job), notebook_text(table))
    word = Outcome.NOT_ATTEMPTED.value if job.reason == UNTOUCHED else job.reason
    return {"status": job.reason, "reason": reason, "exercises": same_for_all(job, word, reason)}


def _autograded(course: NbgraderCourse, job: Job) -> Path:
    return course.folders.autograded / job.student / job.part / job.submitted.name


def same_for_all(job: Job, word: str, reason: str) -> list[dict[str, str]]:
    """One row an exercise, all with the same verdict."""
    return [ExerciseVerdict(cell.exercise or "", cell.grade_id, word, reason).as_json()
            for cell in job.pristine.cells if cell.kind == "check"]


def _record_zero(course: NbgraderCourse, job: Job, *, review: bool) -> None:
    with course.gradebook() as gradebook:
        gradebook.update_or_create_student(job.student)
        gradebook.update_or_create_submission(job.part, job.student)
        for grade in gradebook.find_submission_notebook(job.pristine.stem, job.part, job.student).grades:
            grade.auto_score, grade.needs_manual_grade = 0.0, review
        gradebook.db.commit()


def _ask_for_review(course: NbgraderCourse, job: Job, grade_ids: list[str]) -> None:
    with course.gradebook() as gradebook:
        for grade_id in grade_ids:
            gradebook.find_grade(grade_id, job.pristine.stem, job.part, job.student).needs_manual_grade = True
        gradebook.db.commit()


def _points(course: NbgraderCourse, job: Job) -> dict[str, tuple[float, float]]:
    with course.gradebook() as gradebook:
        grades = gradebook.find_submission_notebook(job.pristine.stem, job.part, job.student).grades
        return {grade.name: (float(grade.score or 0.0), float(grade.max_score)) for grade in grades}
