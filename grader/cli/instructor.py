"""The instructor's verbs: bundle, release, collect, autograde, feedback, export.

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


def bar(length: int, label: str) -> Any:
    """A progress bar on the error stream, where that is a terminal."""
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty())


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
        with bar(len(chosen), "releasing") as progress:
            done = open_parts(NbgraderCourse(Folders()), chosen, tick=lambda: progress.update(1))
    if as_json:
        show([vars(row) for row in done])
        return
    for row in done:
        click.echo(f"{row.part}: {len(row.lessons)} lessons, {row.exercises} exercises, {row.points:g} points")


@click.command()
@click.argument("source", metavar="DIR|ZIP", type=click.Path(exists=True, path_type=Path))
@click.option("--student", help="Whose files they are, if neither folders nor names tell.")
@AS_JSON
def collect(source: Path, student: str | None, as_json: bool) -> None:
    """Take in what learners sent: a folder each, an LMS's download, or a zip of these.

    Exit codes: 0 everything was taken in · 1 something could not be (it is listed) · 2 nothing is released yet.
    """
    from grader.flow.nbgrader_course import FlowError
    from grader.folders import Folders
    from grader.intake.collect import collect as take_in
    from grader.intake.owners import safe_name
    from grader.intake.released import library_of_release

    with plain_errors():
        folders = Folders()
        library = library_of_release(folders)
        if not library.by_stem:
            raise FlowError("nothing is released yet; run `grader release` first")
        with bar(0, "collecting") as progress:
            collected = take_in(source, library, folders, student=safe_name(student) if student else None,
                                tick=lambda: progress.update(1))
    if as_json:
        show(collected.as_json())
    else:
        _tell_collected(collected)
    sys.exit(1 if _errors(collected) else 0)


def _rows(collected: Any) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for student, parts in sorted(collected.records.items()):
        for part, record in sorted(parts.items()):
            for stem, row in sorted(record["lessons"].items()):
                yield student, part, stem, row


def _errors(collected: Any) -> int:
    findings = [finding["severity"] for *_, row in _rows(collected) for finding in row["findings"]]
    return [*findings, *(finding.severity for finding in collected.findings)].count("error")


def _tell_collected(collected: Any) -> None:
    from grader.intake.finding import Finding

    for student, _part, stem, row in _rows(collected):
        click.echo(f"{student}: {stem}: {row['status']}, {len(row['answered'])} answered")
        for finding in row["findings"]:
            click.echo(f"  {Finding.from_json(finding).line()}")
    for finding in collected.findings:
        click.echo(str(finding), err=True)
    click.echo(f"{len(collected.students)} students; next: `grader autograde`")


@click.command()
@STUDENT
@PART
@click.option("--force", is_flag=True, help="Grade again what has not changed.")
@click.option("--seconds", default=60, show_default=True, help="Seconds that one cell may run.")
@AS_JSON
def autograde(students: tuple[str, ...], parts: tuple[str, ...], force: bool, seconds: int, as_json: bool) -> None:
    """Grade everything that was collected and has changed since.

    Exit codes: 0 graded · 1 graded, but something needs review (it is listed) · 2 nothing was collected.
    """
    from grader.flow.autograde import autograde as grade
    from grader.flow.autograde import jobs
    from grader.flow.nbgrader_course import FlowError, Limits, NbgraderCourse
    from grader.folders import Folders

    with plain_errors():
        folders = Folders()
        todo = jobs(folders, students=students, parts=parts)
        if not todo:
            raise FlowError("there is nothing to grade; run `grader collect` first, or see --student and --part")
        with bar(len(todo), "grading") as progress:
            done = grade(NbgraderCourse(folders, Limits(cell=seconds)), todo, force=force, tick=lambda: progress.update(1))
    if as_json:
        show(done.as_json())
    else:
        for name, reason in done.review.items():
            click.echo(f"needs review: {name}: {reason}", err=True)
        click.echo(f"{len(done.graded)} graded, {len(done.unchanged)} unchanged, {len(done.zero)} with nothing to run; next: `grader feedback`")
    sys.exit(1 if done.review else 0)


@click.command()
@STUDENT
@PART
@AS_JSON
def feedback(students: tuple[str, ...], parts: tuple[str, ...], as_json: bool) -> None:
    """Write each learner's feedback pages from what was graded.

    Exit codes: 0 written · 1 some could not be (they are listed) · 2 nothing was graded.
    """
    from grader.flow.feedback import feedback as write
    from grader.flow.feedback import graded_parts
    from grader.flow.nbgrader_course import FlowError, NbgraderCourse
    from grader.folders import Folders

    with plain_errors():
        course = NbgraderCourse(Folders())
        todo = graded_parts(course, students=students, parts=parts)
        if not todo:
            raise FlowError("nothing was graded yet; run `grader autograde` first")
        with bar(len(todo), "writing") as progress:
            pages, problems = write(course, students=students, parts=parts, tick=lambda: progress.update(1))
    if as_json:
        show({"pages": [str(page) for page in pages], "problems": problems})
    else:
        for name, problem in problems.items():
            click.echo(f"{name}: {problem}", err=True)
        click.echo(f"{len(pages)} pages in {course.folders.feedback}; next: `grader export csv`")
    sys.exit(1 if problems else 0)


@click.command()
@click.argument("form", metavar="csv", type=click.Choice(["csv"]))
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; without it, the screen.")
@AS_JSON
def export(form: str, path: Path | None, as_json: bool) -> None:
    """Write the grades, a line for each exercise of each student.

    Exit codes: 0 written · 2 nothing was graded.
    """
    from grader.flow.export import as_csv, grade_rows
    from grader.flow.nbgrader_course import FlowError, NbgraderCourse
    from grader.folders import Folders, write_whole

    with plain_errors():
        rows = grade_rows(NbgraderCourse(Folders()), {exercise.id: exercise.title for exercise in load_course().exercises})
        if not rows:
            raise FlowError("nothing was graded yet; run `grader autograde` first")
    if path is not None:
        write_whole(path, as_csv(rows))
        click.echo(f"{path}: {len(rows)} lines", err=True)
    if as_json:
        show([vars(row) for row in rows])
    elif path is None:
        click.echo(as_csv(rows), nl=False)
