"""Grade collected submissions one notebook at a time. Each gets a recorded verdict, and one can't stop the rest."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.flow.jobs import GRADED, UNTOUCHED, Graded, Job, explained, job_fingerprint, same_for_all
from grader.flow.nbgrader_course import FlowError, NbgraderCourse, kernel_environment
from grader.flow.record import Recorder
from grader.flow.verdicts import NEEDS_REVIEW, NOT_SUBMITTED, UNREADABLE, read_verdicts
from grader.flow.warm import WarmGrading, grade_warm
from grader.folders import read_json, write_json, write_whole
from grader.intake.finding import Finding
from grader.intake.rebuild import notebook_text, notice_cell
from grader.judge.outcome import Outcome
from grader.plain_text import one_line


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
