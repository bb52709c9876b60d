"""Recognise known mistakes: what a wrong answer does on a probe's fixed inputs, stored as small plain data.

Mutants are run once, when the course is built. A fingerprint holds outputs only, no code and no answer.
"""
from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grader.course import ExerciseInfo
from grader.judge.exercise import Exercise
from grader.paths import CHECKS
from grader.seam import Handle, Raised, Submission, tolerant

LIMIT = 600  # numbers of one tensor that a fingerprint keeps
DIGITS = 6  # significant digits that it keeps of each
RTOL, ATOL = 1e-3, 1e-5  # two probes are equal within this: library versions and thread counts differ by less


def fingerprint(cls: type[Exercise], make_submission: Callable[[], Submission]) -> Any:
    """What the probe of this class sees, as plain data."""
    try:
        return plain(cls().probe(tolerant(make_submission())))
    except Exception as error:  # a wrong answer may break the probe in any way: that too tells mistakes apart
        return {"broke": type(error).__name__}


def plain(value: Any) -> Any:
    """Any probe output as JSON-able data with rounded numbers."""
    if isinstance(value, Raised):
        return {"raised": value.kind}
    if isinstance(value, torch.Tensor | np.ndarray):
        array = value.detach().cpu() if isinstance(value, torch.Tensor) else torch.from_numpy(np.asarray(value))
        kind = "f" if array.is_floating_point() else "b" if array.dtype == torch.bool else "i"
        numbers = array.double().flatten().tolist() if kind == "f" else array.flatten().tolist()
        return {"shape": list(array.shape), "kind": kind, "values": [plain(number) for number in numbers[:LIMIT]]}
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, dict):
        return {"dict": [[plain(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return {"set": sorted((plain(item) for item in value), key=repr)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return {"object": type(value).__name__ if not isinstance(value, Handle) else "handle"}


def same(left: Any, right: Any) -> bool:
    """Whether two fingerprints are equal within the tolerance."""
    if isinstance(left, bool) or isinstance(right, bool) or type(left) is not type(right):
        numbers = isinstance(left, int | float) and isinstance(right, int | float) and bool not in (type(left), type(right))
        return math.isclose(left, right, rel_tol=RTOL, abs_tol=ATOL) if numbers else left is right
    if isinstance(left, float):
        return math.isclose(left, right, rel_tol=RTOL, abs_tol=ATOL)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def path_of(lesson: str) -> Path:
    """Where the fingerprints of a lesson are kept."""
    return CHECKS / f"{lesson}.fingerprints.json"


@functools.cache
def stored(lesson: str) -> dict[str, list[dict[str, Any]]]:
    """Fingerprints by exercise id: `{"name", "says", "fails", "probe"}` each; empty where none were made yet."""
    path = path_of(lesson)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def recognise(info: ExerciseInfo, classes: list[type[Exercise]], make_submission: Callable[[], Submission]) -> str:
    """The sentence of the known mistake that this answer makes, or an empty string."""
    rows = stored(info.lesson).get(info.id, [])
    if not rows:
        return ""
    mine = fingerprint(classes[0], make_submission)
    return next((str(row["says"]) for row in rows if same(row["probe"], mine)), "")
