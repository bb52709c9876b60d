"""The learner's verbs: status, check, watch, hint, reset, doctor, submit.

Exit codes of all of them: 0 done, and for `check` and `doctor` all is well · 1 something failed or needs a look ·
2 wrong use or a file that can't be read.
"""
from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from grader.course import CourseError

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
SECONDS = click.option("--seconds", default=30.0, show_default=True, help="Seconds that one cell may run.")


def show(table: Any) -> None:
    """Print plain data as JSON."""
    click.echo(json.dumps(table, indent=1, ensure_ascii=False))


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Tell what the course's own errors say, and end with exit code 2."""
    from grader.learner.errors import BadNotebookError, CheckerError

    try:
        yield
    except (BadNotebookError, CourseError, CheckerError) as error:
        click.echo(f"grader: {error}", err=True)
        sys.exit(2)


@click.command()
@AS_JSON
def status(as_json: bool) -> None:
    """Show what you have passed, lesson by lesson. Exit codes: 0 always."""
    from grader.course import find_lesson
    from grader.progress import summary

    with plain_errors():
        rows = summary()
        if as_json:
            show([{"lesson": stem, "passed": passed, "exercises": total} for stem, passed, total in rows])
            return
        for stem, passed, total in rows:
            click.echo(f"{'■' * passed}{'□' * (total - passed):<{max(12 - passed, 0)}} {passed} of {total}  {stem}  {find_lesson(stem).title}")
        done, everything = sum(row[1] for row in rows), sum(row[2] for row in rows)
        click.echo(f"{done} of {everything} exercises passed" + _next_lesson(rows))


def _next_lesson(rows: list[tuple[str, int, int]]) -> str:
    stem = next((stem for stem, passed, total in rows if passed < total), None)
    return f"; next: {stem}" if stem else ""


@click.command()
@click.argument("name", metavar="NOTEBOOK|LESSON|ID")
@click.argument("more", nargs=-1, metavar="")
@click.option("--seed", type=int, help="Repeat the inputs of an earlier card.")
@SECONDS
@AS_JSON
def check(name: str, more: tuple[str, ...], seed: int | None, seconds: float, as_json: bool) -> None:
    """Judge a notebook, or one exercise of it, as grading would: without set-up and demonstrations.

    Exit codes: 0 all passed · 1 something has not passed · 2 wrong use or a file that can't be read.
    """
    from grader.learner.checking import check_notebook
    from grader.learner.notebooks import locate, open_notebook

    if more:
        raise click.UsageError(f"one name is enough: `grader check NOTEBOOK` for all of it, or `grader check ID` for one exercise, here {more[-1]}")
    with plain_errors():
        path, only = locate(name)
        opened = open_notebook(path)
        wanted = [only] if only else list(opened.pristine.answers)
        with click.progressbar(length=len(wanted), label="checking", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            checked = check_notebook(opened, wanted, seconds=seconds, seed=seed, tick=lambda exercise: bar.update(1))
    if as_json:
        show(checked.as_json())
    else:
        _tell(checked)
    sys.exit(0 if checked.all_passed else 1)


def _tell(checked: Any) -> None:
    for finding in checked.findings:
        click.echo(str(finding), err=True)
    for card in checked.cards:
        click.echo(card + "\n")
    passed = sum(verdict["outcome"] == "passed" for verdict in checked.verdicts)
    points = sum(verdict["points"] for verdict in checked.verdicts)
    most = sum(verdict["max_points"] for verdict in checked.verdicts)
    click.echo(f"{passed} of {len(checked.verdicts)} passed, {points:g} of {most:g} points")


@click.command()
@click.argument("name", metavar="NOTEBOOK|LESSON")
@SECONDS
def watch(name: str, seconds: float) -> None:
    """Judge a notebook each time it is saved, as far as it changed. Ctrl-C ends it.

    Exit codes: 0 ended by Ctrl-C · 2 wrong use.
    """
    from grader.learner.errors import BadNotebookError
    from grader.learner.notebooks import locate
    from grader.learner.watching import watch as reports

    with plain_errors():
        path, _ = locate(name)
        click.echo(f"watching {path}; save it to have it checked, Ctrl-C ends this", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            for report in reports(path, seconds=seconds):
                if isinstance(report, BadNotebookError):
                    click.echo(f"grader: {report}", err=True)
                else:
                    _tell(report)


@click.command()
@click.argument("exercise", metavar="ID")
@AS_JSON
def hint(exercise: str, as_json: bool) -> None:
    """Show an exercise's next hint: a question, then a pointer, then nearly the answer.

    Exit codes: 0 shown · 2 there is no such exercise.
    """
    from grader import progress
    from grader.course import find_exercise

    with plain_errors():
        info = find_exercise(exercise)
        number = progress.next_hint(exercise)
    if as_json:
        show({"exercise": exercise, "number": number, "of": len(info.hints), "hint": info.hints[number - 1]})
    else:
        click.echo(f"Hint {number} of {len(info.hints)} · {info.title}\n{info.hints[number - 1]}")


@click.command()
@click.argument("name", metavar="ID|LESSON|all|progress")
@AS_JSON
def reset(name: str, as_json: bool) -> None:
    """Put an exercise, a lesson's notebook, all notebooks or your progress back to the start.

    What was there is kept beside it in a file that ends in `.bak`. Exit codes: 0 done · 2 there is no such thing.
    """
    from grader.course import load_course
    from grader.learner import reset as resetting

    with plain_errors():
        if name == "all":
            done = resetting.reset_all()
        elif name == "progress":
            done = [resetting.reset_progress()]
        elif name.removesuffix(".ipynb") in {lesson.stem for lesson in load_course().lessons}:
            done = [resetting.reset_lesson(name.removesuffix(".ipynb"))]
        else:
            done = [resetting.reset_exercise(name)]
    if as_json:
        show([row.as_json() for row in done])
        return
    for row in done:
        kept = f"; what was there is in {row.backup.name}" if row.backup else ""
        click.echo(f"{row.path}: " + (f"put back{kept}" if row.changed else "was as released; nothing changed"))


@click.command()
@click.argument("name", metavar="[NOTEBOOK|LESSON]", required=False)
@AS_JSON
def doctor(name: str | None, as_json: bool) -> None:
    """Say whether a notebook will be graded as you expect, without running it. Without one: whether this machine can grade a class.

    Exit codes: 0 nothing to worry about · 1 something needs a look · 2 wrong use or a file that can't be read.
    """
    from grader.learner.doctor import examine
    from grader.learner.notebooks import locate, open_notebook

    if name is None:
        _machine(as_json)
        return
    with plain_errors():
        examined = examine(open_notebook(locate(name)[0]))
    if as_json:
        show(examined.as_json())
    else:
        click.echo(f"{examined.notebook} is the lesson {examined.lesson}")
        for exercise, state in examined.exercises.items():
            click.echo(f"  {exercise}: {state}")
        for finding in examined.findings:
            click.echo(finding.line())
        click.echo("something needs a look: see the warnings above" if examined.worrying else "it will be graded as you see it here")
    sys.exit(1 if examined.worrying else 0)


def _machine(as_json: bool) -> None:
    """How far learners' code can be shut in here."""
    from grader.sandbox.level import HELP, WORDS, probe

    level = probe()
    if as_json:
        show({"level": level.number, "words": WORDS[level.number], "why_not_higher": level.why, "enough": level.enough})
    else:
        click.echo(f"sandbox {level}" + (f" (not higher: {level.why})" if level.why else ""))
        click.echo("a class can be graded here: `grader autograde`" if level.enough else HELP)
    sys.exit(0 if level.enough else 1)


@click.command()
@click.argument("part", required=False)
@click.option("--student", help="Your name or number, as your instructor knows it.")
@AS_JSON
def submit(part: str | None, student: str | None, as_json: bool) -> None:
    """Pack the notebooks of PART for handing in, and send them through nbgrader's exchange where there is one.

    Exit codes: 0 packed · 2 wrong use, or there is nothing to pack.
    """
    from grader.flow.nbgrader_course import FlowError
    from grader.folders import Folders
    from grader.learner import submit as submitting

    with plain_errors():
        folders, chosen = Folders(), submitting.find_part(part)
        if not student and not os.environ.get("JUPYTERHUB_USER") and sys.stdin.isatty() and not as_json:
            student = click.prompt("Your name or number, as your instructor knows it", err=True)
        name, told = submitting.student_name(student)
        done = submitting.submit(chosen, name, folders)
        done.notes += [told] if told else []
        with contextlib.suppress(FlowError):  # without nbgrader there is no exchange
            if submitting.exchange_of(folders):
                submitting.hand_over(done, folders)
    if as_json:
        show(done.as_json())
        return
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    for stem, row in done.lessons.items():
        click.echo(f"{stem}: {len(row['answered'])} of {row['exercises']} answered")
    if not any(row["answered"] for row in done.lessons.values()):
        click.echo("warning: no exercise is answered in these notebooks; is this the copy that you worked in?", err=True)
    click.echo(f"packed into {done.path}" + ("; handed in through the exchange" if done.exchanged else "; hand in this file"))
