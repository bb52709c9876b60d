"""The instructor's verb `collect`: take in what learners sent, say what was odd, who is missing and what to do next."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from grader.cli.instructor import plain_errors, progress_bar
from grader.cli.learner import AS_JSON, show

LISTED = 12  # names of a list that are printed


@click.command()
@click.argument("source", metavar="DIR|ZIP|NOTEBOOK", type=click.Path(exists=True, path_type=Path))
@click.option("--student", help="Whose files they are, if neither folders nor names tell.")
@click.option("--roster", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="The class as CSV, an id a line or a column `student`: tells who is missing and who is unknown.")
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help="Take the files of OLD as those of NEW; may be given again.")
@click.option("--replace", is_flag=True, help="Let a new file count even if it has fewer answers than the earlier one.")
@AS_JSON
def collect(source: Path, student: str | None, roster: Path | None, renames: tuple[str, ...], replace: bool, as_json: bool) -> None:
    """Take in what learners sent: a folder each, an LMS's download, or a zip of these.

    Exit codes: 0 everything was taken in · 1 something could not be, or is unknown (it is listed) · 2 nobody's work was
    found, nothing is released yet, or wrong use.
    """
    from grader.flow.nbgrader_course import FlowError
    from grader.folders import Folders
    from grader.intake.collect import collect as take_in
    from grader.intake.owners import safe_name
    from grader.intake.released import library_of_release

    with plain_errors():
        (names, people), rename, folders = _names(source, roster), _renames(renames), Folders()
        library = library_of_release(folders)
        if not library.by_stem:
            raise FlowError("nothing is released yet; run `grader release` first")
        with progress_bar(0, "collecting") as progress:
            collected = take_in(source, library, folders, student=safe_name(student) if student else None, replace=replace,
                                rename=rename, tick=lambda: progress.update(1))
    moved = _set_aside(rename, collected, folders)
    compared = _compared(names, people, folders)
    if as_json:
        show({**collected.as_json(), **(compared.as_json() if compared else {}), "set_aside": moved})
    else:
        _tell(collected, {stem: len(pristine.answers) for stem, pristine in library.by_stem.items()})
        _tell_class(compared, moved)
        if collected.students:
            click.echo(f"{_students(len(collected.students))}; next: `grader autograde`")
    if not collected.students:
        click.echo(f"grader: nobody's work was found in {source}; name the folder that holds a folder a student, an LMS's download or its zip, "
                   "or say whose it is with --student", err=True)
        sys.exit(2)
    sys.exit(1 if _errors(collected) or (compared and compared.unknown) else 0)


def _names(source: Path, roster: Path | None) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The ids on the roster and its rows, after a look at what is to be collected. Raises FlowError."""
    from grader.flow.nbgrader_course import FlowError
    from grader.intake.roster import RosterError, read_roster, roster_people

    if source.is_file() and not (source.suffix.lower() == ".zip" or ".ipynb" in source.name.lower()):
        raise FlowError(f"{source} is no folder, no zip and no notebook; name what your learners sent")
    try:
        return (read_roster(roster), roster_people(roster)) if roster else ((), [])
    except RosterError as error:
        raise FlowError(str(error)) from None


def _renames(pairs: tuple[str, ...]) -> dict[str, str]:
    from grader.flow.nbgrader_course import FlowError
    from grader.intake.owners import safe_name

    rename = {}
    for pair in pairs:
        old, sign, new = pair.partition("=")
        if not (sign and old.strip() and new.strip()):
            raise FlowError(f"--rename {pair!r} does not say OLD=NEW, as in --rename root=ada")
        rename[safe_name(old)] = safe_name(new)
    return rename


def _compared(names: tuple[str, ...], people: list[dict[str, str]], folders: Any) -> Any:
    """The roster beside everyone who ever handed in; None without a roster."""
    from grader.folders import write_json
    from grader.intake.roster import compare

    if not names:
        return None
    write_json(folders.roster, {"students": list(names), "people": people})
    return compare(names, {path.parent.name for path in folders.intake.glob("*/*.json")})


def _set_aside(rename: dict[str, str], collected: Any, folders: Any) -> dict[str, str]:
    """Move what was collected earlier under a wrong id out of the class; nothing is deleted. Returns where it is now."""
    import shutil
    import time

    moved = {}
    for old, new in rename.items():
        place = folders.aside / f"{old}-{time.strftime('%Y-%m-%d_%H%M%S')}"
        if old not in collected.renamed or old in rename.values() or new not in collected.records:
            continue
        for step in ("intake", "submitted", "autograded", "verdicts", "feedback"):
            if (folders.build / step / old).is_dir():
                place.mkdir(parents=True, exist_ok=True)
                shutil.move(folders.build / step / old, place / step)
                moved[old] = str(place)
    return moved


def _rows(collected: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for student, parts in sorted(collected.records.items()):
        for _part, record in sorted(parts.items()):
            for stem, row in sorted(record["lessons"].items()):
                yield student, stem, row


def _errors(collected: Any) -> int:
    findings = [finding["severity"] for *_, row in _rows(collected) for finding in row["findings"]]
    return [*findings, *(finding.severity for finding in collected.findings)].count("error")


def _tell(collected: Any, exercises: dict[str, int]) -> None:
    from grader.folders import shown
    from grader.intake.finding import Finding

    for student, stem, row in _rows(collected):
        click.echo(f"{student}: {stem}: {_status(row, exercises.get(stem, 0))}")
        for finding in row["findings"]:
            click.echo(f"  {Finding.from_json(finding).line()}")
    for finding in collected.findings:
        click.echo(str(finding), err=True)
    if collected.ignored:
        click.echo(f"not looked at, because no notebooks: {_list(collected.ignored)}", err=True)
    if collected.kept:
        click.echo(f"all files are kept as received in {shown(collected.kept)}")


def _status(row: dict[str, Any], exercises: int) -> str:
    if row["status"] == "unreadable":
        return "unreadable"
    mended = any(finding["severity"] != "error" for finding in row["findings"])
    word = "untouched" if row["status"] == "untouched" else "mended (see below)" if mended else "ok"
    return f"{word}, {len(row['answered'])} of {exercises} answered" + (", late" if row.get("late") else "")


def _tell_class(compared: Any, moved: dict[str, str]) -> None:
    for old, place in moved.items():
        click.echo(f"what was collected earlier under {old} is set aside in {place}; points that you set by hand for {old} stay in the "
                   "gradebook: enter them again under the right id")
    if compared is None:
        return
    for name, likely in compared.unknown.items():
        advice = f"--rename {name}={likely or 'ID'}"
        click.echo(f"unknown: {name} is not on the roster; if the id is wrong, collect again with {advice}", err=True)
    if compared.missing:
        click.echo(f"missing: {_students(len(compared.missing))} of the roster sent nothing so far: {', '.join(compared.missing)}")


def _students(count: int) -> str:
    return f"{count} student{'' if count == 1 else 's'}"


def _list(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
