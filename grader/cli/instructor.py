"""The instructor's verbs: bundle, release, autograde, feedback, export; collect is in collecting.py.

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


@click.command()
@STUDENT
@PART
@click.option("--force", is_flag=True, help="Grade again what has not changed.")
@click.option("--seconds", default=60, type=click.IntRange(min=1), show_default=True, help="Seconds that one cell may run.")
@AS_JSON
def autograde(students: tuple[str, ...], parts: tuple[str, ...], force: bool, seconds: int, as_json: bool) -> None:
    """Grade everything that was collected and has changed since.

    Exit codes: 0 graded · 1 something can't be read or needs review (it is listed) · 2 nothing was collected.
    """
    from grader.flow.autograde import autograde as grade
    from grader.flow.autograde import jobs
    from grader.flow.nbgrader_course import FlowError, Limits, NbgraderCourse
    from grader.folders import Folders

    with plain_errors():
        folders = Folders()
        todo = jobs(folders, students=students, parts=parts)
        if not todo:
            raise FlowError(nobody(folders, students, parts) or "there is nothing to grade; run `grader release`, then `grader collect` first")
        with progress_bar(len(todo), "grading") as progress:
            done = grade(NbgraderCourse(folders, Limits(cell=seconds)), todo, force=force, tick=lambda: progress.update(1))
    if as_json:
        show(done.as_json())
    else:
        for name, reason in done.review.items():
            click.echo(f"needs review: {name}: {reason}", err=True)
        for name, reason in done.unreadable.items():
            click.echo(f"unreadable, 0 points, needs review: {name}: {reason}", err=True)
        click.echo(f"{len(done.graded)} graded, {len(done.unchanged)} unchanged, {done.nothing} untouched or not handed in, "
                   f"{len(done.unreadable)} unreadable; next: `grader feedback`")
    sys.exit(1 if done.review or done.unreadable else 0)


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
            raise FlowError(nobody(course.folders, students, parts) or "nothing was graded yet; run `grader autograde` first")
        with progress_bar(len(todo), "writing") as progress:
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
@click.option("--totals", is_flag=True, help="A line a student: points for each lesson and part, and what to look at.")
@click.option("--lessons", default="", metavar="LESSON,...", help="Only these lessons, as in --lessons p1_1,p1_4.")
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; without it, the screen.")
@AS_JSON
def export(form: str, totals: bool, lessons: str, path: Path | None, as_json: bool) -> None:
    """Write the grades, a line for each exercise of each student, or with --totals a line for each student.

    Exit codes: 0 written · 2 nothing was graded, or wrong use.
    """
    from grader.flow import export as flow
    from grader.flow.nbgrader_course import FlowError, NbgraderCourse
    from grader.folders import Folders, read_json, write_whole

    with plain_errors():
        if path is not None and not path.absolute().parent.is_dir():
            raise FlowError(f"there is no folder {path.absolute().parent} to write into; make it first, or name another with --to")
        folders, course = Folders(), load_course()
        chosen = flow.chosen_lessons(lessons, [lesson.stem for lesson in course.lessons])
        rows = flow.grade_rows(NbgraderCourse(folders), {exercise.id: exercise.title for exercise in course.exercises}, chosen)
        if not rows:
            raise FlowError("nothing was graded yet; run `grader autograde` first" if not chosen else "none of these lessons was graded yet")
    table = flow.total_rows(rows, read_json(folders.roster).get("students", ())) if totals else [vars(row) for row in rows]
    text = flow.totals_as_csv(table) if totals else flow.as_csv(rows)
    if path is not None:
        write_whole(path, text)
        click.echo(f"{path}: {len(table)} lines", err=True)
    if as_json:
        show(table)
    elif path is None:
        click.echo(text, nl=False)
