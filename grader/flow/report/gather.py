"""All that is known of a class, from the gradebook, the verdicts, the intake records and the cards, as plain data."""
from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

from grader import paths
from grader.card import SIGNS
from grader.course import Course
from grader.flow.export import GradeRow, grade_rows, late_work
from grader.flow.export.stale import stale
from grader.flow.late import Lateness, read_policy
from grader.flow.nbgrader_course import NbgraderCourse
from grader.folders import Folders, read_json
from grader.judge.outcome import Outcome

_CHECK = re.compile(r">([✓✗–?])</b> (?!<b>)(.*?)(?:</summary>|</div>)", re.S)  # a check's line of a card; the title's is in bold
_TAG = re.compile(r"<[^>]*>")
_NOTE = re.compile(r" \((?:core: it must pass|hidden check:)[^()]*\)$")
KINDS = ("grader", "sandbox", "course", "python", "torch")  # of the provenance


@dataclass
class ClassData:
    """A class. Names of mistakes and checks are counted by exercise; `look_at` and `notes` are lines by notebook."""

    title: str
    rows: list[GradeRow]
    students: tuple[str, ...]
    missing: tuple[str, ...] = ()
    lessons: dict[str, str] = field(default_factory=dict)  # stem: title, in the order of the course
    mistakes: dict[str, Counter[str]] = field(default_factory=dict)
    missed: dict[str, Counter[str]] = field(default_factory=dict)
    look_at: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    late: dict[tuple[str, str], Lateness] = field(default_factory=dict)  # (student, lesson)
    provenance: dict[str, Counter[str]] = field(default_factory=dict)
    graded_at: tuple[str, ...] = ()


def gather(course: NbgraderCourse, table: Course, lessons: Iterable[str] = ()) -> ClassData:
    """Read everything of these lessons, or of all."""
    folders, wanted = course.folders, set(lessons)
    policy = read_policy(table)
    rows = grade_rows(course, {exercise.id: exercise.title for exercise in table.exercises}, wanted, policy=policy)
    roster = read_json(folders.roster).get("students", [])
    at_work = {path.parent.name for path in folders.intake.glob("*/*.json")} | {row.student for row in rows}
    graded = {row.lesson for row in rows}
    titles = {lesson.stem: lesson.title for lesson in table.lessons if lesson.stem in graded}
    data = ClassData(table.title, rows, tuple(sorted(at_work | set(roster))), tuple(name for name in roster if name not in at_work),
                     {**titles, **{stem: stem for stem in sorted(graded - titles.keys())}})
    data.mistakes, data.missed = _mistakes(rows), _missed_checks(folders, rows)
    data.stale = stale(folders, wanted)
    data.late = {(student, lesson): found for student, late in late_work(course, policy).items() for (_, lesson), found in late.items()
                 if not wanted or lesson in wanted}
    _add_records(data, folders, wanted)
    return data


def _add_records(data: ClassData, folders: Folders, wanted: set[str]) -> None:
    """What the verdicts say beyond points: reviews, notes and where they come from."""
    kinds: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    times = []
    for student, part, lesson, record in _records(folders):
        if wanted and lesson not in wanted:
            continue
        name = f"{student}/{part}/{lesson}"
        if record.get("review") or record["status"] in ("needs review", "unreadable"):
            data.look_at[name] = record.get("review") or f"{record['status']}: {record.get('reason', '')}"
        if record.get("notes"):
            data.notes[name] = [str(note) for note in record["notes"]]
        came_from = record.get("provenance") or {}
        if record["status"] == "graded":
            for kind in KINDS:
                kinds[kind][str(came_from.get(kind) or ("nbgrader" if kind == "grader" else "not recorded"))] += 1
        times += [str(came_from["graded_at"])] if came_from.get("graded_at") else []
    for row in data.rows:
        if row.review:
            data.look_at.setdefault(f"{row.student}/{row.part}/{row.lesson}", "marked for manual grading in Formgrader")
    data.provenance = kinds
    data.graded_at = (min(times), max(times)) if times else ()


def _records(folders: Folders) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for path in sorted(folders.verdicts.glob("*/*.json")):
        table = read_json(path)
        for lesson, record in sorted(table.get("lessons", {}).items()):
            yield table["student"], table["part"], lesson, record


def _mistakes(rows: list[GradeRow]) -> dict[str, Counter[str]]:
    """How often each known mistake was named, by exercise."""
    known: dict[str, list[str]] = {}
    for lesson in {row.lesson for row in rows}:
        for exercise, mutants in read_json(paths.CHECKS / f"{lesson}.fingerprints.json").items():
            known[exercise] = [str(mutant["says"]) for mutant in mutants]
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        said = next((says for says in known.get(row.exercise, ()) if row.reason.endswith(says)), None)
        if said and row.verdict != Outcome.PASSED.value:
            found[row.exercise][said] += 1
    return found


def _missed_checks(folders: Folders, rows: list[GradeRow]) -> dict[str, Counter[str]]:
    """How often each check did not pass, by exercise, as the cards in the graded notebooks say."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for student, part, lesson in sorted({(row.student, row.part, row.lesson) for row in rows if row.verdict != "not submitted"}):
        for exercise, card in _cards(folders.autograded / student / part / f"{lesson}.ipynb"):
            found[exercise].update(sentence for sign, sentence in checks_of(card) if sign != SIGNS[Outcome.PASSED])
    return found


def _cards(path: Path) -> Iterator[tuple[str, str]]:
    """The cards in a graded notebook, by exercise."""
    from grader.intake.pristine import pristine_from

    try:
        notebook = pristine_from(json.loads(path.read_text(encoding="utf-8")), path.stem, path.parent.name)
    except (OSError, ValueError, KeyError):
        return
    for cell in notebook.cells:
        for output in cell.row.get("outputs", []) if cell.kind == "check" else ():
            html = output.get("data", {}).get("text/html", "")
            yield cell.exercise or "", html if isinstance(html, str) else "".join(html)


def checks_of(card: str) -> list[tuple[str, str]]:
    """The checks on a card: sign and sentence, without the notes in brackets."""
    return [(sign, _NOTE.sub("", " ".join(unescape(_TAG.sub("", text)).split()))) for sign, text in _CHECK.findall(card)]
