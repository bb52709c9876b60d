"""The instructor's verbs after grading: export, report, similar, feedback.

Exit codes of all of them: 0 done · 1 done, but something needs a look · 2 wrong use, or it can't be done.
"""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from grader.cli.instructor import PART, STUDENT, nobody, plain_errors, progress_bar
from grader.cli.learner import AS_JSON, show
from grader.course import Course, load_course

NAMED = 6  # students or notebooks that a warning names
LESSONS = click.option("--lessons", "--lesson", "lessons", default="", metavar="LESSON,...", help="Only these lessons, as in --lessons p1_1,p1_4.")


@click.command()
@click.argument("form", metavar="csv|canvas|moodle", type=click.Choice(["csv", "canvas", "moodle"]))
@click.option("--totals", is_flag=True, help="csv: a line a student, with points for each lesson and part, and what to look at.")
@click.option("--by", type=click.Choice(["part", "lesson"]), default="part", show_default=True, help="canvas, moodle: what a column is.")
@click.option("--roster", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="canvas, moodle: the class as your LMS exports it; tells names, numbers and mail addresses.")
@LESSONS
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; without it, the screen.")
@AS_JSON
def export(form: str, totals: bool, by: str, roster: Path | None, lessons: str, path: Path | None, as_json: bool) -> None:
    """Write the grades: a line an exercise (csv), a line a student (csv --totals), or what Canvas or Moodle imports.

    Points set by hand count. With a table [late] in course/course.toml, totals and LMS files have lateness taken off.

    Exit codes: 0 written · 1 written, but something was collected since it was graded, or the LMS's list lacks a student ·
    2 nothing was graded, or wrong use.
    """
    from grader.flow.nbgrader_course import FlowError
    from grader.folders import Folders, write_whole

    with plain_errors():
        if totals and form != "csv":
            raise FlowError("--totals belongs to `export csv`; canvas and moodle have totals anyway")
        folders = Folders()
        _may_write(path)
        course = load_course()
        rows, chosen = _rows(folders, course, lessons)
        if form == "csv":
            table, text = _as_csv(rows, folders, totals=totals)
            warnings: list[str] = []
        else:
            table, text, warnings = _for_lms(form, rows, folders, course, by, roster)
        warnings += _stale(folders, chosen)
    if path is not None:
        write_whole(path, text)
        click.echo(f"{path}: {len(table)} lines", err=True)
    if as_json:
        show(table)
    elif path is None:
        click.echo(text, nl=False)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    sys.exit(1 if warnings else 0)


def _may_write(path: Path | None) -> None:
    from grader.flow.nbgrader_course import FlowError

    if path is not None and not path.absolute().parent.is_dir():
        raise FlowError(f"there is no folder {path.absolute().parent} to write into; make it first, or name another with --to")


def _rows(folders: Any, course: Course, lessons: str) -> tuple[list[Any], tuple[str, ...]]:
    """The rows of these lessons, and the lessons' stems. Raises FlowError if there are none."""
    from grader.flow.export import chosen_lessons, grade_rows
    from grader.flow.late import read_policy
    from grader.flow.nbgrader_course import FlowError, NbgraderCourse

    chosen = chosen_lessons(lessons, [lesson.stem for lesson in course.lessons])
    titles = {exercise.id: exercise.title for exercise in course.exercises}
    policy = read_policy(course)
    rows = grade_rows(NbgraderCourse(folders), titles, chosen, policy=policy) if any(folders.verdicts.glob("*/*.json")) else []
    if not rows:
        raise FlowError("none of these lessons was graded yet" if chosen else "nothing was graded yet; run `grader autograde` first")
    return rows, chosen


def _as_csv(rows: list[Any], folders: Any, *, totals: bool) -> tuple[list[dict[str, Any]], str]:
    from grader.flow.export import as_csv, total_rows, totals_as_csv
    from grader.flow.export.people import lms_number
    from grader.folders import read_json

    if not totals:
        return [vars(row) for row in rows], as_csv(rows)
    table = total_rows(rows, read_json(folders.roster).get("students", ()))
    numbers = {line["student"]: lms_number(folders, line["student"]) for line in table}
    if any(numbers.values()):
        table = [{"student": line["student"], "lms id": numbers[line["student"]], **line} for line in table]
    return table, totals_as_csv(table)


def _for_lms(form: str, rows: list[Any], folders: Any, course: Course, by: str, roster: Path | None) -> tuple[list[dict[str, Any]], str, list[str]]:
    """The lines and the text of an LMS's file, and what to warn of."""
    import csv

    from grader.flow.export.lms import canvas_csv, columns_of, moodle_csv
    from grader.flow.export.people import Directory, identify, people_from, read_directory
    from grader.flow.nbgrader_course import FlowError
    from grader.folders import read_json
    from grader.intake.roster import RosterError

    kept = read_json(folders.roster)
    try:
        directory = read_directory(roster) if roster else Directory(people_from(kept.get("people", ())))
    except RosterError as error:
        raise FlowError(str(error)) from None
    students = sorted({row.student for row in rows} | set(kept.get("students", ())))
    people = identify(students, directory, folders)
    columns = columns_of(rows, course, by=by)
    text = (canvas_csv(rows, students, columns, people, directory, by=by) if form == "canvas"
            else moodle_csv(rows, students, columns, people, by=by))
    unknown = [student for student in students if student not in people]
    where = f"not found in {roster}" if roster else "without a number or name that the LMS knows; give --roster with the file that it exports"
    return list(csv.DictReader(text.splitlines())), text, [f"{_list(unknown)}: {where}"] if unknown else []


def _stale(folders: Any, chosen: tuple[str, ...]) -> list[str]:
    from grader.flow.export.stale import stale

    found = stale(folders, chosen)
    many = "notebook was" if len(found) == 1 else "notebooks were"
    return [f"{len(found)} {many} collected or changed since the grading ({_list(found)}); run `grader autograde`, then this again"] if found else []


def _list(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


@click.command()
@STUDENT
@PART
@click.option("--hints", default=2, type=click.IntRange(0, 3), show_default=True, help="Hints that a card keeps; none where nothing was attempted.")
@click.option("--zip", "as_zip", is_flag=True, help="Also make one zip a student, to hand back.")
@AS_JSON
def feedback(students: tuple[str, ...], parts: tuple[str, ...], hints: int, as_zip: bool, as_json: bool) -> None:
    """Write each learner's feedback pages from what was graded, with an index page a student.

    Pages open offline, run nothing and show no source of hidden checks.

    Exit codes: 0 written · 1 some could not be, or had to be cut (they are listed) · 2 nothing was graded.
    """
    from grader.flow.feedback import feedback as write
    from grader.flow.feedback import graded_parts, index_pages, zips
    from grader.flow.nbgrader_course import FlowError, NbgraderCourse
    from grader.folders import Folders, shown

    with plain_errors():
        course = NbgraderCourse(Folders())
        todo = graded_parts(course, students=students, parts=parts)
        if not todo:
            raise FlowError(nobody(course.folders, students, parts) or "nothing was graded yet; run `grader autograde` first")
        with progress_bar(len(todo), "writing") as progress:
            pages, problems = write(course, students=students, parts=parts, hints=hints, tick=lambda: progress.update(1))
        whose = {folder.parent.name for folder in todo}
        indexes = index_pages(course, whose, load_course())
        archives = zips(course, whose) if as_zip else []
    if as_json:
        show({"pages": [str(page) for page in pages], "indexes": [str(page) for page in indexes], "zips": [str(path) for path in archives],
              "problems": problems})
    else:
        for name, problem in problems.items():
            click.echo(f"{name}: {problem}", err=True)
        zipped = f", {len(archives)} zips in {shown(archives[0].parent)}" if archives else ""
        click.echo(f"{len(pages)} pages in {shown(course.folders.feedback)}{zipped}; next: `grader export csv`")
    sys.exit(1 if problems else 0)


@click.command()
@LESSONS
@click.option("--above", default=0.8, type=click.FloatRange(0, 1, min_open=True), show_default=True, help="The least share of an answer that counts.")
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="The page to write.  [default: build/similar.html]")
@AS_JSON
def similar(lessons: str, above: float, path: Path | None, as_json: bool) -> None:
    """Find answers that are nearly the same, the stub and what most of the class writes left out.

    Renamed variables, other comments and another order of lines don't hide a copy. Answers of a few tokens are no
    evidence and are not compared. A high share is a reason to look, not proof.

    Exit codes: 0 nothing found · 1 pairs were found (they are listed) · 2 nothing was collected, or wrong use.
    """
    from grader.flow.export import chosen_lessons
    from grader.flow.nbgrader_course import FlowError
    from grader.flow.similar import find_similar, write_page
    from grader.folders import Folders, shown

    with plain_errors():
        folders = Folders()
        _may_write(path)
        chosen = chosen_lessons(lessons, [lesson.stem for lesson in load_course().lessons])
        if not any(folders.submitted.glob("*/*/*.ipynb")):
            raise FlowError("nothing was collected yet; run `grader collect` first")
        with progress_bar(len(chosen or list(folders.release.glob("*/*.ipynb"))), "comparing") as progress:
            pairs = find_similar(folders, lessons=chosen, above=above, tick=lambda: progress.update(1))
        path = path or folders.build / "similar.html"
        write_page(path, pairs, above=above)
    if as_json:
        show([pair.as_json() for pair in pairs])
    else:
        for pair in pairs:
            click.echo(f"{pair.share:4.0%}  {pair.exercise}  {' · '.join(pair.students)}  ({pair.tokens} tokens compared)")
        click.echo(f"{len(pairs)} pair{'s' * (len(pairs) != 1)} of answers share {above:.0%} or more; both sides: {shown(path)}")
    sys.exit(1 if pairs else 0)


@click.command()
@LESSONS
@click.option("--below", default=0.5, type=click.FloatRange(0, 1), show_default=True, help="List students with less than this share of all points.")
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), help="The page to write.  [default: build/report.html]")
@AS_JSON
def report(lessons: str, below: float, path: Path | None, as_json: bool) -> None:
    """Write a page on the class: scores, exercises, commonest mistakes, who is stuck where, what needs a look.

    Exit codes: 0 written · 1 written, and something needs a look (it stands first) · 2 nothing was graded, or wrong use.
    """
    from grader.flow.export import chosen_lessons
    from grader.flow.nbgrader_course import FlowError, NbgraderCourse
    from grader.flow.report import gather, report_page
    from grader.flow.report.numbers import exercise_numbers
    from grader.folders import Folders, shown, write_whole

    with plain_errors():
        folders, course = Folders(), load_course()
        _may_write(path)
        chosen = chosen_lessons(lessons, [lesson.stem for lesson in course.lessons])
        if not any(folders.verdicts.glob("*/*.json")):
            raise FlowError("nothing was graded yet; run `grader autograde` first")
        data = gather(NbgraderCourse(folders), course, chosen)
        path = path or folders.build / "report.html"
        write_whole(path, report_page(data, below=below))
    if as_json:
        numbers = [{**vars(row), "remark": row.remark, "mistakes": dict(data.mistakes.get(row.exercise, {}))} for row in exercise_numbers(data)]
        show({"students": data.students, "missing": data.missing, "stale": data.stale, "review": data.look_at, "notes": data.notes,
              "exercises": numbers})
    else:
        click.echo(f"{len(data.students)} students, {len(data.missing)} missing, {len(data.look_at)} to review, {len(data.notes)} with notes: "
                   f"{shown(path)}")
    sys.exit(1 if data.stale or data.look_at or data.notes else 0)
