"""The instructor's verbs: bundle and release; collect is in collecting.py, autograde in grading.py,
what comes after it in reporting.py.

Exit codes of all of them: 0 done · 1 done, but something needs a look · 2 wrong use, or it can't be done.
"""
from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from grader.cli.learner import AS_JSON, show
from grader.course import CourseError, load_course

STUDENT = click.option("--student", "students", multiple=True, help="Only this student; may be given again.")
PART = click.option("--part", "parts", multiple=True, help="Only this part; may be given again.")


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Tell what the flow's own errors say, and end with exit code 2."""
    from grader.bundle import LeakError
    from grader.flow.nbgrader_course import FlowError

    try:
        yield
    except (FlowError, CourseError, LeakError) as error:
        click.echo(f"grader: {error}", err=True)
        sys.exit(2)


def progress_bar(length: int, label: str) -> Any:
    """A progress bar on the error stream, where that is a terminal."""
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty())


def nobody(folders: Any, students: tuple[str, ...], parts: tuple[str, ...]) -> str:
    """If a student or part that was named is not there: a line that says which are."""
    records = list(folders.intake.glob("*/*.json"))
    for what, names, known in (("student", students, {path.parent.name for path in records}), ("part", parts, {path.stem for path in records})):
        unknown = [name for name in names if name not in known]
        if unknown and known:
            return f"there is no {what} {unknown[0]!r} among what was collected; there is {', '.join(sorted(known))}"
    return ""


@click.command()
@click.option("--to", "path", type=click.Path(path_type=Path), help="Where to write the zip.  [default: build/handbook.zip]")
@AS_JSON
def bundle(path: Path | None, as_json: bool) -> None:
    """Make what learners get: the course without answers, hidden checks and tests, as one zip.

    Exit codes: 0 written · 2 an answer would be in it, or the course can't be read.
    """
    from grader.bundle import bundle as make
    from grader.folders import Folders

    with plain_errors():
        done = make(path or Folders().build / "handbook.zip")
    if as_json:
        show(done.as_json())
    else:
        for warning in done.warnings:
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{done.path}: {len(done.files)} files, {len(done.lessons)} lessons; give it to your learners")


@click.command()
@click.argument("parts", nargs=-1, metavar="[PART]...")
@AS_JSON
def release(parts: tuple[str, ...], as_json: bool) -> None:
    """Open PARTs (all, if none is named): the gradebook learns their exercises and points.

    Exit codes: 0 released · 2 a part can't be released.
    """
    from grader.flow.nbgrader_course import NbgraderCourse
    from grader.flow.release import release as open_parts
    from grader.folders import Folders

    with plain_errors():
        known = [part.stem for part in load_course().parts]
        unknown = [part for part in parts if part not in known]
        if unknown:
            raise CourseError(f"there is no part {unknown[0]!r}; the course has {', '.join(known)}")
        chosen = list(parts) or known
        with progress_bar(len(chosen), "releasing") as progress:
            done = open_parts(NbgraderCourse(Folders()), chosen, tick=lambda: progress.update(1))
    if as_json:
        show([vars(row) for row in done])
        return
    for row in done:
        click.echo(f"{row.part}: {len(row.lessons)} lessons, {row.exercises} exercises, {row.points:g} points")
