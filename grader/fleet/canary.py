"""Questions with known answers, put to the learner's process: a wrong answer shows that its libraries were tampered with.

They detect, they prove nothing: checks decide by values that are compared on the judge's side. Whoever fails one is named
to the instructor, and the notebook is marked for review.
"""
from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import torch

from grader.seam import LearnerError, SeamError, Submission


def _gradient() -> Any:
    x = torch.tensor([3.0], requires_grad=True)
    (x * x).sum().backward()  # type: ignore[no-untyped-call]
    return x.grad


def _raises() -> Any:
    try:
        raise ValueError("asked for")
    except ValueError as error:
        return str(error)


ONE, TWO = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])
QUESTIONS: tuple[tuple[str, Callable[..., Any], tuple[Any, ...], Any], ...] = (
    ("torch.allclose", torch.allclose, (ONE, TWO), False),
    ("torch.equal", torch.equal, (ONE, TWO), False),
    ("torch.isclose", torch.isclose, (ONE, TWO), [True, False]),
    ("torch.softmax", torch.softmax, (torch.tensor([0.0, 0.0]), 0), [0.5, 0.5]),
    ("torch.matmul", torch.matmul, (ONE, TWO), 7.0),
    ("torch.autograd", _gradient, (), [6.0]),
    ("torch.testing.assert_close", torch.testing.assert_close, (ONE, TWO), "AssertionError"),
    ("math.isclose", math.isclose, (1.0, 2.0), False),
    ("builtins.len", builtins.len, ([1, 2, 3],), 3),
    ("builtins.sum", builtins.sum, ([1, 2, 3],), 6),
    ("builtins.abs", builtins.abs, (-2,), 2),
    ("builtins.all", builtins.all, ([True, False],), False),
    ("builtins.sorted", builtins.sorted, ([2, 1],), [1, 2]),
    ("exceptions", _raises, (), "asked for"),
)


def tampered(submission: Submission) -> list[str]:
    """What answers wrongly in the learner's process; empty for honest work. A process that has ended answers nothing."""
    found: list[str] = []
    for name, question, given, expected in QUESTIONS:
        try:
            answer = submission.run(question, *given)
        except LearnerError as error:
            answer = error.kind
        except SeamError:
            return found
        plain = answer.tolist() if isinstance(answer, torch.Tensor) else answer
        if type(plain) is not type(expected) or plain != expected:
            found.append(name)
    return found
