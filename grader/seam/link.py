"""The judge's end of the connection: one call at a time, every part of a reply checked."""
from __future__ import annotations

import itertools
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from grader.seam.agent import OUTPUT_LIMIT
from grader.seam.codec import decode, encode
from grader.seam.errors import LearnerError, LearnerGone, LearnerTimeout, SeamError
from grader.seam.frames import Request
from grader.seam.handle import FUNCTIONS, Handle
from grader.seam.probes import NAME_ROOTS, name_of, source_of
from grader.seam.values import EACH, CodecError, Limits, Ref, Token

CALLS_KEPT = 50


class FarSideError(Exception):
    """The transport can't deliver any more; the message says why."""


@dataclass(frozen=True)
class Far:
    """How to reach the learner's side.

    `exchange(request, seconds)` returns the reply or raises FarSideError or CodecError; `close` gives the far side up;
    `cause` is the exception itself, where the far side is this process.
    """

    exchange: Callable[[bytes, float], bytes]
    close: Callable[[], None]
    cause: Callable[[], BaseException | None]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call that a check made. Arguments and result are the objects themselves, not copies."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    error: str | None
    seconds: float


class Link:
    """Make calls, check every part of the reply, and remember when the far side is gone."""

    handle_type: type[Handle] = Handle

    def __init__(self, far: Far, seconds: float, total: float, limits: Limits) -> None:
        self.far, self.seconds, self.left, self.limits = far, seconds, total, limits
        self.calls: deque[CallRecord] = deque(maxlen=CALLS_KEPT)
        self.dropped: list[int] = []
        self.output, self.gone, self.number = "", "", 0

    def recorded(self, name: str, target: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Make a call and remember it in `calls`."""
        started = time.perf_counter()
        result, error = None, None
        try:
            result = self.call(target, args, kwargs)
            if isinstance(result, Handle) and result._ref.type_name in FUNCTIONS:
                result._name = f"{name}(…)"
            return result
        except (LearnerError, SeamError) as problem:
            error = f"{problem.kind}: {problem.message}" if isinstance(problem, LearnerError) else str(problem)
            raise
        finally:
            self.calls.append(CallRecord(name, args, kwargs, result, error, time.perf_counter() - started))

    def each(self, name: str, target: Any, cases: list[tuple[Any, ...]]) -> Iterator[Any]:
        """Make many calls by one message. What one of them raised is raised when its result is taken."""
        try:
            ends = self.call(EACH, (target, cases)) if cases else []
        except (LearnerError, SeamError) as problem:
            error = f"{problem.kind}: {problem.message}" if isinstance(problem, LearnerError) else str(problem)
            self.calls.append(CallRecord(name, cases[0], {}, None, error, 0.0))
            raise
        if not isinstance(ends, list) or len(ends) != len(cases):
            raise SeamError("the learner's process did not answer every call")
        return map(self.ended, itertools.repeat(name), cases, ends)  # goes on after a result that raises, unlike a generator

    def ended(self, name: str, args: tuple[Any, ...], end: Any) -> Any:
        """The result of one of many calls, remembered as a call of its own. Raises what the call raised."""
        match end:
            case (True, result):
                self.calls.append(CallRecord(name, args, {}, result, None, 0.0))
                return result
            case (False, (str(kind), str(message), str(line))):
                self.calls.append(CallRecord(name, args, {}, None, f"{kind[:80]}: {message[:2000]}", 0.0))
                raise LearnerError(kind[:80], message[:2000], line[:500]) from self.far.cause()
        raise SeamError("the learner's process answered with nonsense")

    def call(
        self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *, keep: bool = False
    ) -> Any:
        """Call `target` on the far side; with `keep` the result stays there, whatever it is."""
        if self.gone:
            raise LearnerGone(self.gone)
        if self.left <= 0:
            raise LearnerTimeout("the whole time of this check is used up")
        call = encode((target, args, kwargs or {}), self.limits, self.replace)
        self.number += 1
        dropped, self.dropped = self.dropped, []
        seconds = min(self.seconds, self.left)
        request = Request(self.number, tuple(dropped), seconds, keep, call).pack()
        started = time.monotonic()
        try:
            return self.open(decode(self.far.exchange(request, seconds), self.limits, self.accept))
        except FarSideError as error:
            self.give_up(str(error))
        except CodecError as error:
            self.give_up(f"the learner's process sent nonsense ({error})")
        finally:
            self.left -= time.monotonic() - started

    def open(self, reply: Any) -> Any:
        """The result in a reply. Raises what the reply reports, and CodecError if it is no reply to this request."""
        match reply:
            case (int(number), str(status), body, str(printed)) if number == self.number:
                self.output = (self.output + printed)[:OUTPUT_LIMIT]
            case _:
                raise CodecError("not a reply, or not to this request")
        match status, body:
            case "ok", _:
                return body
            case "error", (str(kind), str(message), str(line)):
                raise LearnerError(kind[:80], message[:2000], line[:500]) from self.far.cause()
            case "timeout", str(message):
                raise LearnerTimeout(message[:200]) from self.far.cause()
            case "unsendable", str(message):
                raise SeamError(f"the result can't be looked at: {message[:200]}")
        raise CodecError("unknown reply")

    def give_up(self, why: str) -> NoReturn:
        self.gone = why
        self.far.close()
        raise LearnerGone(why) from None

    def accept(self, token: Token) -> Handle:
        """What a token in a reply stands for: only ever a handle."""
        if not isinstance(token, Ref):
            raise CodecError("the learner's side may not name code")
        return self.handle_type(self, token)

    def replace(self, value: object) -> Token:
        """How to send what is not plain. Raises TypeError for what can't be sent."""
        if isinstance(value, Handle):
            if value._link.far is not self.far:
                raise TypeError("this handle belongs to another submission")
            return value._ref
        if isinstance(value, types.FunctionType) and value.__module__.split(".")[0] not in NAME_ROOTS:
            return source_of(value)
        return name_of(value)
