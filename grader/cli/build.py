"""The author's verbs: `grader build`, `grader new`, `grader lint`."""
from __future__ import annotations

import json
import sys

import click

from grader.build.layout import BuildError, Layout
from grader.course import Course, CourseError, Lesson

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.command()
@click.argument("lessons", nargs=-1)
@click.option("--execute/--no-execute", "run", default=True, help="Run lessons whose sources changed; without, they get no outputs.")
@click.option("--force", is_flag=True, help="Run lessons even if nothing they use has changed.")
@click.option("--check", "frozen", is_flag=True, help="Write nothing; fail if a notebook is not what its source says.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds that one cell may take.")
@AS_JSON
def build(lessons: tuple[str, ...], run: bool, force: bool, frozen: bool, timeout: float, as_json: bool) -> None:
    """Make solutions/ and exercises/ from LESSONS (all, if none is named).

    Exit codes: 0 built · 1 a lesson can't be built, or with --check is out of date · 2 wrong use.
    """
    from grader.build import steps

    layout = Layout.here()
    course = _course(layout)
    chosen = _chosen(course, lessons)
    if frozen:
        _report_stale(steps.stale(layout, chosen), as_json)
        return
    results = steps.build(layout, chosen, steps.Options(run, force, timeout), tell=lambda built: None if as_json else _tell(built))
    gone = [] if lessons else steps.prune(layout, course)
    failed = [result for result in results if result.problem]
    if as_json:
        rows = [{**vars(result), "measured": vars(result.measured) if result.measured else None} for result in results]
        click.echo(json.dumps({"lessons": rows, "removed": gone}, indent=1, ensure_ascii=False))
    else:
        for path in gone:
            click.echo(f"removed {path}")
        click.echo(f"{len(results) - len(failed)} of {len(results)} built" + ("; mend what is told above and run again" if failed else ""))
    sys.exit(1 if failed else 0)


def _tell(built: object) -> None:
    from grader.build.steps import Built

    assert isinstance(built, Built)
    if built.problem:
        click.echo(f"NO  {built.problem}", err=True)
        return
    cost = f", {built.measured.cpu_seconds:g} CPU-s, {built.measured.peak_gb:g} GB" if built.measured else ""
    click.echo(f"ok  {built.stem}: {built.how} in {built.seconds:.1f} s{cost}")


def _report_stale(problems: list[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"problems": problems}, indent=1, ensure_ascii=False))
    for problem in [] if as_json else problems:
        click.echo(f"NO  {problem}", err=True)
    if problems and not as_json:
        click.echo("run `grader build` and commit what it writes", err=True)
    sys.exit(1 if problems else 0)


def _course(layout: Layout) -> Course:
    try:
        return layout.load()
    except CourseError as error:
        raise click.ClickException(f"{error}; mend the table and run this again") from None


def _chosen(course: Course, stems: tuple[str, ...]) -> list[Lesson]:
    """The lessons named, or all. A name may be a stem or a path of a lesson file."""
    from pathlib import PurePath

    known = {lesson.stem: lesson for lesson in course.lessons}
    wanted = [PurePath(stem).stem for stem in stems]
    for stem in wanted:
        if stem not in known:
            raise click.UsageError(f"there is no lesson {stem!r}; the course has {', '.join(known)}")
    return [known[stem] for stem in wanted] if wanted else list(known.values())


@click.command()
@AS_JSON
def lint(as_json: bool) -> None:
    """Check the course's files against its rules: mirrored trees, lesson form, size budgets, words.

    Exit codes: 0 every rule holds · 1 one is broken · 2 wrong use.
    """
    from grader.build.lint import lint as find_problems

    layout = Layout.here()
    _course(layout)
    problems = find_problems(layout)
    if as_json:
        click.echo(json.dumps({"problems": [vars(problem) for problem in problems]}, indent=1, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
        click.echo(f"{len(problems)} problems; mend them and run `grader lint` again" if problems else "every rule holds")
    sys.exit(1 if problems else 0)


@click.command()
@click.argument("stem")
@click.option("--title", default="", help="The lesson's title; otherwise made from STEM.")
@click.option("--part", "part", default="", help="Its part, as the folder in course/; otherwise found from STEM's number.")
@AS_JSON
def new(stem: str, title: str, part: str, as_json: bool) -> None:
    """Begin the lesson STEM (such as p1_7_decoding) from templates that pass every check, and add it to its part.

    Exit codes: 0 written · 1 it can't be, for the reason told · 2 wrong use.
    """
    from grader.build.scaffold import scaffold

    layout = Layout.here()
    try:
        written = scaffold(layout, stem, title=title, part=part)
    except (BuildError, CourseError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"written": written}, indent=1))
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"next: edit these, then `grader mutants {stem}` and `grader build {stem}`")
