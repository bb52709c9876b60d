"""Comparisons whose failure is a message for a person: what came back, what was expected, and where they part.

Order of every comparison: type, shape, kind of number, finite, value: the first difference is the most helpful one.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from grader.judge.show import show
from grader.seam import LearnerError


class Mismatch(AssertionError):
    """What came back is not what was expected. `why` is the likeliest mistake, if the check's author named one.

    `called` says in the learner's words what was called, where the call itself is a helper of the check.
    """

    def __init__(self, problem: str, *, got: str = "", want: str = "", why: str = "", called: str = "") -> None:
        super().__init__("; ".join(part for part in (problem, got and f"got {got}", want and f"expected {want}", why) if part))
        self.problem, self.got, self.want, self.why, self.called = problem, got, want, why, called


def close(got: Any, want: Any, *, atol: float = 1e-5, rtol: float = 1e-4, why: str = "", called: str = "") -> None:
    """Numbers, tensors, or lists and dicts of them, equal within a tolerance. NaN equals NaN only where `want` has it."""
    _raise_if(_difference(got, want, atol, rtol), got, want, why, called)


def equal(got: Any, want: Any, *, why: str = "", called: str = "") -> None:
    """Plain values exactly equal: type, length, then items. An int is not a bool, a list is not a tuple."""
    _raise_if(_difference(got, want, 0.0, 0.0, exact=True), got, want, why, called)


def true(condition: Any, sentence: str, *, got: Any = None, why: str = "", called: str = "") -> None:
    """A condition that this side computed from plain values; `sentence` says what is wrong when it does not hold."""
    if type(condition) not in (bool, np.bool_):
        raise TypeError(f"expect.true needs a bool that the check computed, not a {type(condition).__name__}")
    if not condition:
        raise Mismatch(sentence, got="" if got is None else show(got), why=why, called=called)


def raises(kind: str, function: Callable[..., Any], /, *args: Any, why: str = "", says: str = "", **kwargs: Any) -> None:
    """The call must end in the learner's code raising an exception of this name, with `says` in its message."""
    try:
        result = function(*args, **kwargs)
    except LearnerError as error:
        if error.kind == kind and says in error.message:
            return
        if error.kind == kind:
            raise Mismatch(f"the message must hold {says!r}", got=error.message, why=why) from None
        if error.kind == "NotImplementedError":
            raise
        raise Mismatch(f"this call must raise {kind}", got=f"{error.kind}: {error.message}", want=kind, why=why) from None
    raise Mismatch(f"this call must raise {kind}, but it returned", got=show(result), want=kind, why=why)


def _raise_if(problem: str, got: Any, want: Any, why: str, called: str) -> None:
    if problem:
        alike = show(got) == show(want)  # 8.0 and 8 look the same until their type is shown
        mine, theirs = (f"{repr(value)[:200]} ({type(value).__name__})" if alike else show(value) for value in (got, want))
        raise Mismatch(problem, got=mine, want=theirs, why=why, called=called)


def _difference(got: Any, want: Any, atol: float, rtol: float, exact: bool = False) -> str:
    """The first difference in words, or an empty string."""
    if isinstance(want, torch.Tensor | np.ndarray):
        return _array_difference(got, want, atol, rtol)
    if isinstance(want, bool) or want is None or isinstance(want, str | bytes):
        return "" if type(got) is type(want) and got == want else _kind_or_value(got, want)
    if isinstance(want, int | float):
        return _number_difference(got, want, atol, rtol, exact)
    if isinstance(want, Mapping):
        return _mapping_difference(got, want, atol, rtol, exact)
    if isinstance(want, Sequence):
        return _sequence_difference(got, want, atol, rtol, exact)
    return "" if type(got) is type(want) and got == want else _kind_or_value(got, want)


def _kind_or_value(got: Any, want: Any) -> str:
    if type(got) is type(want):
        return "the value is wrong"
    return f"it is {_article(_kind(got))}, and {_article(_kind(want))} was expected"


def _number_difference(got: Any, want: float, atol: float, rtol: float, exact: bool) -> str:
    if isinstance(got, torch.Tensor) and got.numel() == 1 and not exact:
        got = got.item()  # a tensor of one number is a number here; where kinds matter, `equal` is asked
    if isinstance(got, bool) or not isinstance(got, int | float):
        return _kind_or_value(got, want)
    if exact and isinstance(want, int) and not isinstance(got, int):
        return _kind_or_value(got, want)
    if math.isnan(want) or math.isnan(got):
        return "" if math.isnan(want) and math.isnan(got) else "it is not a number (NaN)" if math.isnan(got) else "the value is wrong"
    if math.isinf(want) or math.isinf(got):
        if math.isinf(want) and math.isinf(got):
            return "" if got == want else "the sign of infinity is wrong"
        return "it is infinite" if math.isinf(got) else "the value is wrong"
    return "" if abs(got - want) <= atol + rtol * abs(want) else "the value is wrong"


def _mapping_difference(got: Any, want: Mapping[Any, Any], atol: float, rtol: float, exact: bool) -> str:
    if not isinstance(got, dict):
        return _kind_or_value(got, want)
    if set(got) != set(want):
        missing, extra = [key for key in want if key not in got], [key for key in got if key not in want]
        return ", and ".join([f"{show(missing[:4])} missing"] * bool(missing) + [f"{show(extra[:4])} should not be there"] * bool(extra))
    for key in want:
        problem = _difference(got[key], want[key], atol, rtol, exact)
        if problem:
            return f"at {key!r}: {problem} (got {show(got[key])}, expected {show(want[key])})"
    return ""


def _sequence_difference(got: Any, want: Sequence[Any], atol: float, rtol: float, exact: bool) -> str:
    if not isinstance(got, list | tuple) or (exact and isinstance(got, tuple) != isinstance(want, tuple)):
        return _kind_or_value(got, want)
    if len(got) != len(want):
        return f"it has {_items(len(got))}, and {len(want)} {'was' if len(want) == 1 else 'were'} expected"
    for index, (mine, theirs) in enumerate(zip(got, want, strict=True)):
        problem = _difference(mine, theirs, atol, rtol, exact)
        if problem:
            return f"item {index}: {problem} (got {show(mine)}, expected {show(theirs)})"
    return ""


def _array_difference(got: Any, want: Any, atol: float, rtol: float) -> str:
    if not isinstance(got, torch.Tensor | np.ndarray) or isinstance(got, torch.Tensor) != isinstance(want, torch.Tensor):
        return _kind_or_value(got, want)
    if tuple(got.shape) != tuple(want.shape):
        return f"the shape is {tuple(got.shape)}, and {tuple(want.shape)} was expected"
    mine, theirs = _as_numpy(got), _as_numpy(want)
    if (mine.dtype.kind in "fc") != (theirs.dtype.kind in "fc") or (mine.dtype.kind == "b") != (theirs.dtype.kind == "b"):
        return f"its numbers are {_dtype(got)}, and {_dtype(want)} was expected"
    if mine.dtype.kind in "fc":
        odd = ~np.isfinite(mine) & np.isfinite(theirs)
        if odd.any():
            at = [int(axis[0]) for axis in np.nonzero(np.atleast_1d(odd))]
            return f"it holds {np.atleast_1d(mine)[tuple(at)]} where an ordinary number was expected, first at {at}"
        wrong = ~np.isclose(mine, theirs, atol=atol, rtol=rtol, equal_nan=True)
    else:
        wrong = mine != theirs
    return _where(mine, theirs, np.asarray(wrong)) if wrong.any() else ""


def _where(mine: Any, theirs: Any, wrong: Any) -> str:
    at = tuple(int(axis[0]) for axis in np.nonzero(np.atleast_1d(wrong)))
    first = "" if wrong.ndim == 0 else f", first at {list(at)}: {np.atleast_1d(mine)[at]:.5g} instead of {np.atleast_1d(theirs)[at]:.5g}" \
        if mine.dtype.kind != "b" else f", first at {list(at)}"
    return f"{int(wrong.sum())} of {wrong.size} numbers are wrong{first}"


def _as_numpy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value
    value = value.detach().cpu()
    return (value.double() if value.is_floating_point() else value).numpy()


def _dtype(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _items(number: int) -> str:
    return "1 item" if number == 1 else f"{number} items"


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0].lower() in "aeiou" else f"a {kind}"


def _kind(value: Any) -> str:
    return "tensor" if isinstance(value, torch.Tensor) else "NumPy array" if isinstance(value, np.ndarray) else type(value).__name__
