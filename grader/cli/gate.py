"""`grader mutants`: the author's gate for one lesson, one exercise or the whole course."""
from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from grader.course import CourseError, load_course
from grader.paths import CHECKS

if TYPE_CHECKING:
    from grader.gate import Report


@click.command()
@click.argument("lessons", nargs=-1)
@click.option("--exercise", "only", multiple=True, help="Only this exercise; may be given again.")
@click.option("--seeds", default=30, show_default=True, help="Seeds that the reference must pass.")
@click.option("--check", "frozen", is_flag=True, help="Write nothing; fail if stored fingerprints are out of date.")
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
def mutants(lessons: tuple[str, ...], only: tuple[str, ...], seeds: int, frozen: bool, as_json: bool) -> None:
    """Prove that the checks of LESSONS (all, if none is named) accept what is right and name what is wrong.

    Exit codes: 0 everything holds · 1 a proof fails · 2 wrong use.
    """
    import torch

    torch.set_num_threads(1)
    try:
        chosen = _chosen(lessons, only)
    except CourseError as error:
        raise click.UsageError(str(error)) from None
    reports = [report for stem, exercises in chosen.items() for report in _examine(stem, exercises, seeds, frozen, as_json)]
    if as_json:
        click.echo(json.dumps([{**vars(report), "prints": [row["name"] for row in report.prints]} for report in reports], indent=1))
    bad = [report for report in reports if report.problems]
    if not as_json:
        click.echo(f"{len(reports) - len(bad)} of {len(reports)} exercises hold" + ("; mend the problems above and run again" if bad else ""))
    sys.exit(1 if bad else 0)


def _chosen(lessons: tuple[str, ...], only: tuple[str, ...]) -> dict[str, list[str]]:
    from grader.course import find_exercise, find_lesson

    for stem in lessons:
        find_lesson(stem)
    for name in only:
        find_exercise(name)
    return {lesson.stem: [e.id for e in lesson.exercises if not only or e.id in only]
            for lesson in load_course().lessons
            if (lesson.stem in lessons or (not lessons and (CHECKS / f"{lesson.stem}.py").exists()))
            and any(not only or e.id in only for e in lesson.exercises)}


def _examine(stem: str, exercises: list[str], seeds: int, frozen: bool, quiet: bool) -> list[Report]:
    from grader import gate
    from grader.course import find_exercise
    from grader.judge import fingerprints

    reports = []
    for name in exercises:
        report = gate.examine(find_exercise(name), seeds=seeds)
        if not quiet:
            click.echo(f"{'ok ' if not report.problems else 'NO '} {name}: {report.mutants} mutants, {report.variants} variants, "
                       f"{report.check_seconds:.2f} s a check, {report.seconds:.1f} s")
            for problem in report.problems:
                click.echo(f"     {problem}")
        reports.append(report)
    if frozen:
        for report in reports:
            old = {row["name"]: row["probe"] for row in fingerprints.stored(stem).get(report.exercise, [])}
            new = {row["name"]: row["probe"] for row in report.prints}
            if old.keys() != new.keys() or not all(fingerprints.same(old[key], new[key]) for key in new):
                report.problems.append("stored fingerprints are out of date: run `grader mutants` and commit the result")
                click.echo(f"NO  {report.exercise}: {report.problems[-1]}", err=True)
    else:
        gate.write_fingerprints(stem, reports)
    return reports
