"""Grade one notebook: run its cells in a warm, shut-in process and judge its exercises from this one."""
from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import Any

from grader.card import Card
from grader.course import find_exercise, find_lesson
from grader.fleet.bundle import Bundle, Result
from grader.fleet.canary import tampered
from grader.fleet.client import WarmServer, WarmServerError
from grader.fleet.session import ENDED, TOO_SLOW, Session
from grader.intake.suspicion import suspicious
from grader.judge.outcome import Outcome, Verdict
from grader.judge.run import judge
from grader.lesson import exercise_cells, reference_of
from grader.notebook import with_error
from grader.seam import SeamError

MAX_NOTES = 24


def execute(bundle: Bundle, server: WarmServer) -> Result:
    """Grade one notebook. Never raises because of what is in it."""
    return execute_with_verdicts(bundle, server)[0]


def execute_with_verdicts(bundle: Bundle, server: WarmServer) -> tuple[Result, dict[str, Verdict]]:
    """The same, with the verdicts themselves."""
    started = time.monotonic()
    result = Result(bundle.name, sandbox=server.level)
    session = Session(bundle, server, seed=min(bundle.seeds.values(), default=0))
    verdicts: dict[str, Verdict] = {}
    try:
        session.start()
        for exercise in bundle.exercises:
            verdicts[exercise] = _judged(exercise, session)
            if session.trouble:
                raise WarmServerError(session.trouble)
        result.notes += _tampered(session)
    except WarmServerError as error:
        result.problem = str(error)
    finally:
        session.close()
    for exercise, verdict in verdicts.items():
        card = Card(find_exercise(exercise), verdict, repeatable=False)
        result.exercises[exercise] = {"verdict": verdict.as_json(), "html": card.html(), "plain": repr(card)}
    result.cells = session.cells
    result.notes = [*dict.fromkeys(session.notes), *result.notes, *_suspicious(bundle)][:MAX_NOTES]
    result.seconds, result.processes = time.monotonic() - started, session.lives
    return result, verdicts


def _judged(exercise: str, session: Session) -> Verdict:
    """The verdict on one exercise; what its cell stopped with explains a missing answer."""
    session.begin()
    verdict = judge(exercise, session.submission, seed=session.bundle.seeds[exercise], warm=True)
    own = [cell.id for cell in session.bundle.cells if cell.exercise == exercise]
    said = next((row for row in map(session.cells.get, own) if row and row["kind"]), None)
    if said and said["kind"] == ENDED:
        return with_error(verdict, f"Your answer: {said['text']}.")
    if verdict.outcome is not Outcome.NOT_ATTEMPTED:
        return verdict
    if said is None or said["kind"] == "NotImplementedError":
        return verdict
    if said["kind"] == TOO_SLOW:
        return replace(verdict, outcome=Outcome.TOO_SLOW, note=f"Your answer's cell was {said['text']}.")
    return with_error(verdict, f"Your answer's cell stops with an error: {said['kind']}: {said['text']}")


def _tampered(session: Session) -> list[str]:
    session.begin()
    try:
        names = tampered(session.submission())
    except SeamError:
        return []
    return [f"tampering: {name} was replaced in the learner's process" for name in names]


def _suspicious(bundle: Bundle) -> list[str]:
    """What the text of the learner's cells does that honest answers never do: lines for the instructor, nothing more."""
    found = []
    for cell in bundle.cells:
        where = cell.exercise or ("a cell of the learner's own" if cell.id.startswith("added-") else "")
        found += [f"{where}: {line}" for line in (suspicious(cell.source, _own(cell.exercise)) if where else ())]
    return found


@functools.cache
def _own(exercise: str) -> str:
    """The course's own answer to an exercise; an empty text for a cell that is no answer."""
    if not exercise:
        return ""
    return reference_of(exercise_cells(find_lesson(find_exercise(exercise).lesson).path)[exercise])


def provenance(bundle: Bundle, result: Result) -> dict[str, Any]:
    """Where a verdict comes from, so that it can be replayed."""
    import platform

    import torch

    points = {name: row["verdict"]["points"] for name, row in result.exercises.items()}
    return {"sandbox": result.sandbox, "seeds": dict(bundle.seeds), "points": points, "limits": bundle.limits.as_json(),
            "python": platform.python_version(), "torch": torch.__version__,
            "seconds": round(result.seconds, 3)}
