"""Grade with warm workers: bundles out, results in, each recorded as soon as it is there."""
from __future__ import annotations

import datetime
import importlib.metadata
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from grader.fleet.bundle import Bundle, Result, bundle_of
from grader.fleet.client import GONE
from grader.fleet.execute import provenance
from grader.fleet.seeds import course_secret, seed_for
from grader.flow.jobs import GRADED, Graded, Job, explained, same_for_all
from grader.flow.record import NO_RESPONSE, Recorder, graded_notebook, verdicts_of, write_graded
from grader.flow.verdicts import NEEDS_REVIEW
from grader.judge.outcome import Outcome
from grader.plain_text import no_markup, one_line
from grader.sandbox.limits import Limits

if TYPE_CHECKING:
    from grader.flow.nbgrader_course import NbgraderCourse


class Engine(Protocol):
    """Whoever can grade bundles: the local pool, or a scheduler's workers."""

    def run(self, bundles: Iterable[Bundle]) -> Iterator[Result]:
        """A result for every bundle, in any order."""


@dataclass(frozen=True)
class WarmGrading:
    """How a run grades: `engine` opens the workers; `run` names this run in the provenance."""

    engine: Callable[[], AbstractContextManager[Engine]]
    limits: Limits = field(default_factory=Limits)
    run: str = ""


def grade_warm(course: NbgraderCourse, todo: list[Job], warm: WarmGrading, recorder: Recorder, done: Graded,
               keep: Callable[[Job, dict[str, Any]], None]) -> None:
    """Grade these notebooks; `keep` is given each job with its row for the verdicts' file."""
    for last in (False, True):
        if todo:
            todo = _grade_with(course, todo, warm, recorder, done, keep, last=last)


def _grade_with(course: NbgraderCourse, todo: list[Job], warm: WarmGrading, recorder: Recorder, done: Graded,
                keep: Callable[[Job, dict[str, Any]], None], *, last: bool) -> list[Job]:
    """The same with one set of workers. Returns the notebooks to grade again, because their warm server has ended; none if it is the `last` try."""
    waiting = {job.name: job for job in todo}
    secret = course_secret(course.folders.build)
    again = []
    with warm.engine() as engine:
        sent: dict[str, Bundle] = {}

        def bundles() -> Iterator[Bundle]:
            for job in todo:
                sent[job.name] = _bundle(job, secret, warm.limits)
                yield sent[job.name]

        for result in engine.run(bundles()):
            job, bundle = waiting[result.name], sent.pop(result.name)
            if result.problem.startswith(GONE) and not last:
                again.append(job)
            else:
                keep(job, _record(course, job, bundle, result, warm, recorder, done))
    return again


def _table(job: Job) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(job.submitted.read_text(encoding="utf-8"))
    return table


def _bundle(job: Job, secret: bytes, limits: Limits) -> Bundle:
    exercises = [cell.exercise for cell in job.pristine.cells if cell.kind == "check" and cell.exercise]
    seeds = {exercise: seed_for(secret, job.student, exercise) for exercise in exercises}
    return bundle_of(job.student, job.part, job.pristine.stem, _table(job), seeds, limits)


def _record(course: NbgraderCourse, job: Job, bundle: Bundle, result: Result, warm: WarmGrading, recorder: Recorder, done: Graded) -> dict[str, Any]:
    """Put one result into the gradebook and the folders. Returns the row for the verdicts' file."""
    stem, part, student = job.pristine.stem, job.part, job.student
    missing = [cell.exercise for cell in job.pristine.cells if cell.kind == "check" and cell.exercise not in result.exercises]
    if result.problem or missing:
        text = f"the notebook could not be graded ({result.problem or 'no result for ' + ', '.join(map(str, missing))}); it needs review"
        done.review[job.name] = text
        checks = [cell.grade_id for cell in job.pristine.cells if cell.kind == "check"]
        recorder.scores(student, part, stem, dict.fromkeys(checks, None), {}, checks)
        return {"status": NEEDS_REVIEW, "reason": text, "exercises": same_for_all(job, NEEDS_REVIEW, text)}
    where = _provenance(job, bundle, result, warm)
    table = _table(job)
    verdicts = [explained(row, job) for row in verdicts_of(stem, part, table, result)]
    write_graded(course.folders.autograded / student / part / job.submitted.name, graded_notebook(table, stem, part, result, where))
    unclear = [row.grade_id for row in verdicts if row.verdict == Outcome.COULD_NOT_CHECK.value]
    notes = [one_line(note) for note in result.notes]
    points = {row.grade_id: float(result.exercises[row.exercise]["verdict"]["points"]) for row in verdicts}
    comments = {row.exercise: _comment(row.verdict, row.reason) for row in verdicts}
    tampered = [note for note in result.notes if note.startswith("tampering")]
    to_review = [row.grade_id for row in verdicts] if tampered else unclear
    recorder.scores(student, part, stem, {**points, **dict.fromkeys(unclear, None)}, comments, to_review)
    done.graded.append(job.name)
    if unclear:
        done.review[job.name] = f"{len(unclear)} exercises could not be checked; look at them in Formgrader"
    elif tampered:
        done.review[job.name] = tampered[0]
    if notes:
        done.notes[job.name] = notes
    return {"status": GRADED, "reason": "", "exercises": [row.as_json() for row in verdicts], "review": done.review.get(job.name, ""),
            "notes": notes, "provenance": where}


def _comment(verdict: str, reason: str) -> str | None:
    """What Formgrader and the feedback page show beside the answer."""
    if verdict == Outcome.PASSED.value:
        return None
    return NO_RESPONSE if verdict == Outcome.NOT_ATTEMPTED.value else no_markup(f"{verdict}: {reason}" if reason else verdict)


def _provenance(job: Job, bundle: Bundle, result: Result, warm: WarmGrading) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"grader": "warm", "submission": job.intake.get("sha256", ""), "source": job.intake.get("source_sha256", ""),
            "course": importlib.metadata.version("llm-engineers-handbook"), "run": warm.run, "graded_at": now, **provenance(bundle, result)}
