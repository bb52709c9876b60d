"""How each exercise of a graded notebook ended, in words: read from the outputs of its answer and check cells."""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import unescape
from pathlib import Path
from typing import Any

from grader.card import SIGNS, TITLES
from grader.intake.pristine import pristine_from
from grader.judge.outcome import Outcome

NEEDS_REVIEW = "needs review"
NOT_SUBMITTED = "not submitted"
UNREADABLE = "unreadable"
STOPPED = "stopped the kernel"
ENDED = "KernelEnded"
TIMEOUT = "CellTimeoutError"
TOO_LONG = "the cell ran too long and was stopped"
_MISTAKE = re.compile(r"<b>Looks like:</b> (.*?)</div>", re.S)
_ROW = re.compile(r">([✓✗–?])</b> (?!<b>)(.*?)(?:</summary>|</div>)", re.S)  # a check's line; the title's is in bold
_TAG = re.compile(r"<[^>]*>")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class ExerciseVerdict:
    """One exercise of one student. `verdict` is an outcome of the judge's, or one of the words above."""

    exercise: str
    grade_id: str
    verdict: str
    reason: str = ""
    missed: str = ""  # what the card says of the first check that did not pass

    def as_json(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if name != "missed"}


def read_verdicts(path: Path, points: dict[str, tuple[float, float]]) -> list[ExerciseVerdict]:
    """The verdicts of an autograded notebook. `points` holds (earned, possible) by grade_id."""
    graded = pristine_from(json.loads(path.read_text(encoding="utf-8")), path.stem, path.parent.name)
    answers = {cell.exercise: cell.row.get("outputs", []) for cell in graded.cells if cell.kind == "answer"}
    return [_verdict(cell.exercise or "", cell.grade_id, answers.get(cell.exercise, []), cell.row.get("outputs", []),
                     points.get(cell.grade_id, (0.0, 0.0)))
            for cell in graded.cells if cell.kind == "check"]


def _verdict(exercise: str, grade_id: str, answer: Sequence[dict[str, Any]], check: Sequence[dict[str, Any]],
             points: tuple[float, float]) -> ExerciseVerdict:
    stopped, problem = _error(check) or ("", "")
    if stopped == ENDED:
        word = NEEDS_REVIEW if NEEDS_REVIEW in problem else STOPPED
        return ExerciseVerdict(exercise, grade_id, word, problem)
    reason = _reason(answer)
    card = _card(check)
    outcome = next((outcome for outcome, title in TITLES.items() if card and title in card), None)
    if outcome is None:
        outcome = _by_points(points, stopped)
        reason = reason or (f"{stopped}: {problem}" if stopped else "")
    mistake = _MISTAKE.search(card)
    if outcome is not Outcome.PASSED and TOO_LONG in (reason, problem):
        outcome = Outcome.TOO_SLOW
    missed = "" if outcome in (Outcome.PASSED, Outcome.NOT_ATTEMPTED) else _missed(card)
    return ExerciseVerdict(exercise, grade_id, outcome.value, unescape(mistake[1]) if mistake else reason, missed)


def _missed(card: str) -> str:
    """How many checks passed, and the first that did not, in the card's words; empty if the card shows no checks."""
    rows = [(sign, " ".join(unescape(_TAG.sub("", text)).split())) for sign, text in _ROW.findall(card)]
    missed = [text for sign, text in rows if sign != SIGNS[Outcome.PASSED]]
    if not missed:
        return ""
    return f"{len(rows) - len(missed)} of {len(rows)} checks passed; not this one: {missed[0]}"


def _by_points(points: tuple[float, float], error: str) -> Outcome:
    """What a check cell without a card ended in."""
    if error:
        return Outcome.LEARNER_ERROR
    return Outcome.PASSED if points[0] >= points[1] > 0 else Outcome.FAILED


def _reason(answer: Sequence[dict[str, Any]]) -> str:
    """What the answer's own cell stopped with."""
    found = _error(answer)
    return "" if found is None else found[1] if found[1] == TOO_LONG else f"{found[0]}: {found[1]}"


def _error(outputs: Sequence[dict[str, Any]]) -> tuple[str, str] | None:
    """The name and the text of the error in a cell's outputs; a cell that was stopped has two, the second one is ours."""
    errors = [output for output in outputs if output.get("output_type") == "error"]
    if not errors:
        return None
    if errors[-1]["ename"] == TIMEOUT:
        return TIMEOUT, TOO_LONG
    return str(errors[0]["ename"]), " ".join(_COLOURS.sub("", str(errors[0]["evalue"])).split())[:300]


def _card(outputs: Sequence[dict[str, Any]]) -> str:
    for output in outputs:
        html = output.get("data", {}).get("text/html")
        if html:
            return html if isinstance(html, str) else "".join(html)
    return ""
