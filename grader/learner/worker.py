"""Run one notebook's answers and judge them, in a process of their own: `python -m grader.learner.worker`.

Reads a request as JSON from standard input and writes one JSON object a line: what begins, and each verdict. What the
learner's code prints goes nowhere near that stream.
"""
from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from grader.notebook_run import Problem, namespace_of


def main() -> None:
    """Serve one request."""
    request = json.load(sys.stdin)
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    _serve(request, stream)


def _serve(request: dict[str, Any], stream: TextIO) -> None:
    import torch

    torch.set_num_threads(1)
    namespace, problems = namespace_of(
        request["notebook"], seconds=request["seconds"], skip=frozenset(request["skip"]),
        before=lambda cell: _say(stream, cell=cell.id, exercise=cell.exercise or ""))
    _say(stream, problems={name: [problem.as_json() for problem in rows] for name, rows in problems.items()})
    for exercise in request["exercises"]:
        _say(stream, judging=exercise)
        _say(stream, **_judged(exercise, namespace, problems.get(exercise, []), request["seed"]))


def _judged(exercise: str, namespace: dict[str, Any], problems: list[Problem], seed: int | None) -> dict[str, Any]:
    from grader import progress
    from grader.card import Card
    from grader.course import find_exercise
    from grader.judge.outcome import Outcome
    from grader.judge.run import judge
    from grader.notebook import with_error
    from grader.seam import LocalSubmission

    verdict = judge(exercise, lambda: LocalSubmission(namespace), seed=seed)
    if problems and verdict.outcome is Outcome.NOT_ATTEMPTED:
        verdict = with_error(verdict, f"Your answer's cell stops with an error: {problems[-1]}")
    progress.record(verdict)
    card = Card(find_exercise(exercise), verdict, progress.counts(exercise), in_kernel=False)
    return {"verdict": verdict.as_json(), "card": card.text()}


def _say(stream: TextIO, **event: Any) -> None:
    stream.write(json.dumps(event) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
