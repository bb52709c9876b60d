"""The verbs that grade: autograde, regrade, replay.

Exit codes of all of them: 0 done · 1 done, but something needs a look · 2 wrong use, or it can't be done.
"""
from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from grader.cli.instructor import PART, STUDENT, nobody, plain_errors, progress_bar
from grader.cli.learner import AS_JSON, show

if TYPE_CHECKING:
    from grader.flow.jobs import Graded
    from grader.flow.runs import Run
    from grader.flow.warm import WarmGrading
    from grader.folders import Folders
    from grader.sandbox.limits import Limits

LESSON = click.option("--lesson", "lessons", multiple=True, help="Only this lesson (p1_4, or its full name); may be given again.")
WORKERS = click.option("--workers", type=click.IntRange(min=1), help="Notebooks that are graded side by side.  [default: one for each core]")
SCHEDULER = click.option("--scheduler", metavar="ADDRESS", help="Grade on the workers of this dask scheduler (tcp://host:8786).")
NO_SANDBOX = click.option("--no-sandbox", is_flag=True, help="Run learners' code with all that you may do yourself. For machines without a sandbox.")
PLAIN = click.option("--plain", is_flag=True, help="By nbgrader's own autograder, one notebook after the other, unshut.")
SECONDS = click.option("--seconds", default=30, type=click.IntRange(min=1), show_default=True, help="Seconds that one cell may run.")


@click.command()
@STUDENT
@PART
@LESSON
@click.option("--force", is_flag=True, help="Grade again what has not changed.")
@click.option("--resume", is_flag=True, help="Go on with the run that was ended before its end.")
@WORKERS
@SCHEDULER
@NO_SANDBOX
@PLAIN
@SECONDS
@AS_JSON
def autograde(students: tuple[str, ...], parts: tuple[str, ...], lessons: tuple[str, ...], force: bool, resume: bool, workers: int | None,
              scheduler: str | None, no_sandbox: bool, plain: bool, seconds: int, as_json: bool) -> None:
    """Grade everything that was collected and has changed since.

    Learners' code runs in a sandbox (Linux), several notebooks side by side. Exit codes: 0 graded · 1 something can't be
    read or needs review (it is listed) · 2 nothing was collected, or this machine has no sandbox.
    """
    from grader.flow import runs
    from grader.flow.nbgrader_course import FlowError
    from grader.folders import Folders

    with plain_errors():
        folders = Folders()
        if resume and (students or parts or lessons or force):
            raise FlowError("--resume goes on with what the last run was asked to do; give it no student, part, lesson or --force")
        run = runs.unfinished(folders) if resume else runs.Run.new(students=students, parts=parts, lessons=_lessons(lessons), force=force)
        done = _run(folders, run, _Ways(workers, scheduler, no_sandbox, plain, seconds))
    _tell(done, as_json)


@click.command()
@STUDENT
@PART
@LESSON
@WORKERS
@NO_SANDBOX
@SECONDS
@AS_JSON
def regrade(students: tuple[str, ...], parts: tuple[str, ...], lessons: tuple[str, ...], workers: int | None, no_sandbox: bool, seconds: int,
            as_json: bool) -> None:
    """Grade again what was collected, changed or not. The same work gets the same points; points set by hand stay.

    Exit codes: 0 graded · 1 something can't be read or needs review (it is listed) · 2 nothing was collected.
    """
    from grader.flow import runs
    from grader.folders import Folders

    with plain_errors():
        run = runs.Run.new(students=students, parts=parts, lessons=_lessons(lessons), force=True)
        done = _run(Folders(), run, _Ways(workers, None, no_sandbox, False, seconds))
    _tell(done, as_json)


@click.command()
@click.argument("student")
@click.argument("exercise", metavar="EXERCISE")
@NO_SANDBOX
@AS_JSON
def replay(student: str, exercise: str, no_sandbox: bool, as_json: bool) -> None:
    """Judge STUDENT's answer to EXERCISE again, with the very inputs that it was graded with, and show the card.

    Exit codes: 0 the same verdict · 1 another verdict (it says what has changed) · 2 wrong use, or nothing was graded.
    """
    from grader.flow.replay import replay as again
    from grader.folders import Folders

    with plain_errors():
        seen = again(Folders(), student, exercise, sandbox=not no_sandbox)
    if as_json:
        show(seen.as_json())
    else:
        click.echo(seen.card)
        for line in seen.changed:
            click.echo(f"changed since: {line}", err=True)
        click.echo("the same verdict as recorded" if seen.same else f"recorded was: {seen.recorded}", err=True)
    sys.exit(0 if seen.same else 1)


class _Ways:
    """How to grade: with how many workers, where, shut in or not."""

    def __init__(self, workers: int | None, scheduler: str | None, no_sandbox: bool, plain: bool, seconds: int) -> None:
        self.workers, self.scheduler, self.no_sandbox, self.plain, self.seconds = workers, scheduler, no_sandbox, plain, seconds

    def warm(self, run: Run) -> WarmGrading | None:
        """The workers, or None for nbgrader's own way."""
        from grader.flow.nbgrader_course import FlowError
        from grader.flow.warm import WarmGrading
        from grader.sandbox.level import HELP, probe
        from grader.sandbox.limits import Limits

        if self.plain:
            if self.workers or self.scheduler:
                raise FlowError("--plain grades one after the other; leave out --workers and --scheduler")
            return None
        if not sys.platform.startswith("linux"):
            raise FlowError(f"the workers need Linux, and this is {sys.platform}; say `--plain` to grade by nbgrader's own autograder: "
                            "then every submission can read and change what you can")
        if not self.no_sandbox:
            level = probe()
            if not level.enough:
                raise FlowError(f"this machine has no sandbox ({level.why}). {HELP}")
        limits = Limits(cell=float(self.seconds))
        return WarmGrading(self._engine(limits), limits, run.id)

    def _engine(self, limits: Limits) -> Callable[[], AbstractContextManager[Any]]:
        sandbox, workers, scheduler = not self.no_sandbox, self.workers, self.scheduler

        @contextlib.contextmanager
        def engine() -> Iterator[Any]:
            if scheduler:
                from grader.fleet.cluster import ClusterPool

                with ClusterPool(scheduler, sandbox=sandbox) as pool:
                    yield pool
                return
            from grader.fleet.client import RunningServer
            from grader.fleet.pool import LocalPool

            with RunningServer(sandbox=sandbox) as server, LocalPool(server, workers or _cores()) as pool:
                yield pool

        return engine


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lessons(names: tuple[str, ...]) -> tuple[str, ...]:
    from grader.course import load_course
    from grader.flow.export import chosen_lessons

    return chosen_lessons(",".join(names), [lesson.stem for lesson in load_course().lessons])


def _run(folders: Folders, run: Run, ways: _Ways) -> Graded:
    from grader.fleet.client import WarmServerError
    from grader.flow import runs
    from grader.flow.autograde import autograde as grade
    from grader.flow.jobs import jobs
    from grader.flow.nbgrader_course import FlowError, Limits, NbgraderCourse

    todo = jobs(folders, students=run.students, parts=run.parts, lessons=run.lessons)
    if not todo:
        raise FlowError(nobody(folders, run.students, run.parts) or "there is nothing to grade; run `grader release`, then `grader collect` first")
    warm = ways.warm(run)
    runs.begin(folders, run)
    with progress_bar(len(todo), "grading") as progress:
        started, count = time.monotonic(), 0

        def tick() -> None:
            nonlocal count
            count += 1
            progress.label = f"grading, {count / (time.monotonic() - started):.1f} notebooks/s"
            progress.update(1)

        try:
            done = grade(NbgraderCourse(folders, Limits(cell=ways.seconds)), todo, force=run.force, tick=tick, warm=warm)
        except WarmServerError as error:
            raise FlowError(str(error)) from None
    runs.end(folders)
    return done


def _tell(done: Graded, as_json: bool) -> None:
    if as_json:
        show(done.as_json())
    else:
        for name, reason in done.review.items():
            click.echo(f"needs review: {name}: {reason}", err=True)
        for name, reason in done.unreadable.items():
            click.echo(f"unreadable, 0 points, needs review: {name}: {reason}", err=True)
        for name, notes in done.notes.items():
            for note in notes:
                click.echo(f"note: {name}: {note}", err=True)
        click.echo(f"{len(done.graded)} graded, {len(done.unchanged)} unchanged, {done.nothing} untouched or not handed in, "
                   f"{len(done.unreadable)} unreadable; next: `grader feedback`")
    sys.exit(1 if done.review or done.unreadable else 0)
