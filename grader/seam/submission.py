"""What a check sees as `submission`: the learner's work, in this process or behind a socket."""
from __future__ import annotations

import random
import socket
import time
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from grader.seam.agent import Agent
from grader.seam.errors import SeamError
from grader.seam.frames import receive_frame, send_frame
from grader.seam.handle import Handle
from grader.seam.link import CallRecord, Far, FarSideError, Link
from grader.seam.values import HAS, IDENTITY, LIMITS, LOOKUP, Limits

_numpy_random: Any = np.random  # older stubs of NumPy lack get_bit_generator and set_bit_generator

CALL_SECONDS = 5.0  # for one call
TOTAL_SECONDS = 20.0  # for all calls of one submission object: make one a check
NO_ANSWER = "no answer within"  # how a process that had to be given up is told from one that ended
GRACE_SECONDS = 0.5  # beyond a call's limit, before the learner's process is given up


class Submission:
    """The learner's work. Make a LocalSubmission or a RemoteSubmission.

    `submission.name` reads a name of the learner's (`submission["name"]` where it is private or one of ours). Plain
    values arrive as copies, anything else as a Handle.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

    def __getitem__(self, name: str) -> Any:
        value = self._link.call(LOOKUP, (name,))
        if isinstance(value, Handle):
            value._name = name
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def has(self, name: str, /) -> bool:
        """Whether the learner's work has this name."""
        found = self._link.call(HAS, (name,))
        if type(found) is not bool:
            raise SeamError("the learner's process did not say yes or no")
        return found

    def run(self, target: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call `target` on the far side.

        It is a handle, a library's callable, or a function of the check file; that one crosses as source and so must
        be self-contained (torch, nn, F, np, math, random and itertools are given). Raises TypeError if it is not.
        """
        if isinstance(target, Handle):
            return target(*args, **kwargs)
        if isinstance(target, types.FunctionType) and any(isinstance(value, Handle) for value in [*args, *kwargs.values()]):
            return self._link.recorded(target.__name__, target, *args, **kwargs)
        return self._link.call(target, args, kwargs)

    def each(self, target: str | Callable[..., Any], cases: Iterable[tuple[Any, ...]], /) -> Iterator[Any]:
        """The results of many calls of one function, for the price of one call.

        `target` is the learner's function by name, or what `run` takes; a case is the tuple of its arguments. Each
        result counts as a call of its own when it is taken: it is the latest in `calls`, and a case that raised raises
        LearnerError then. All cases are called, once, before the first result is there, within the time of one call.
        """
        name = target if isinstance(target, str) else getattr(target, "_name", None) or target.__name__
        return self._link.each(name, target, [tuple(case) for case in cases])

    def keep(self, value: Any, /) -> Any:
        """Put a copy of `value` on the far side and return a handle on it, to see it changed in place."""
        return self._link.call(IDENTITY, (value,), keep=True)

    def value(self, handle: Any, /) -> Any:
        """The plain value that a handle stands for, as it is now."""
        return self._link.call(IDENTITY, (handle,))

    @property
    def output(self) -> str:
        """What the learner's code has printed since this object was made, cut to a fixed size."""
        return self._link.output

    @property
    def calls(self) -> list[CallRecord]:
        """The latest calls of the learner's functions and objects, oldest first."""
        return list(self._link.calls)


class RemoteSubmission(Submission):
    """The learner's work behind a socket whose other end is in `serve()`. `on_gone` should kill that process."""

    def __init__(self, sock: socket.socket, *, seconds: float = CALL_SECONDS, total: float = TOTAL_SECONDS,
                 limits: Limits = LIMITS, grace: float = GRACE_SECONDS,
                 on_gone: Callable[[], object] = lambda: None) -> None:
        def exchange(request: bytes, seconds: float) -> bytes:
            deadline = time.monotonic() + seconds + grace
            try:
                sock.settimeout(seconds + grace)
                send_frame(sock, request)
                return receive_frame(sock, limits.bytes, deadline)
            except TimeoutError:
                raise FarSideError(f"{NO_ANSWER} {seconds:.3g} s; the learner's process was given up") from None
            except (EOFError, OSError) as error:
                raise FarSideError(f"the learner's process ended ({error})") from None

        def close() -> None:
            sock.close()
            on_gone()

        super().__init__(Link(Far(exchange, close, lambda: None), seconds, total, limits))


class LocalSubmission(Submission):
    """The learner's work in this process.

    Values still go through the codec, so that copies, handles and refusals are the same as in grading. The far side
    has its own random state, which starts at `seed`, and its own default dtype. A user's interrupt passes through.
    """

    def __init__(self, namespace: dict[str, Any], *, seconds: float = CALL_SECONDS, total: float = TOTAL_SECONDS,
                 limits: Limits = LIMITS, seed: int = 0) -> None:
        agent = Agent(namespace, limits, interruptible=True)
        state = _seeded(seed)

        def exchange(request: bytes, seconds: float) -> bytes:
            nonlocal state
            near = _current()
            _install(state)
            try:
                return agent.handle(request)
            finally:
                state = _current()
                _install(near)

        super().__init__(Link(Far(exchange, lambda: None, lambda: agent.last_error), seconds, total, limits))


class _State(NamedTuple):
    """What everything that runs in a process shares."""

    torch_state: torch.Tensor
    python_state: tuple[Any, ...]
    numpy_bits: Any  # a bit generator: exchanging it is 200 times faster than copying its state
    dtype: torch.dtype


def _seeded(seed: int) -> _State:
    numpy = np.random.RandomState(seed)._bit_generator  # seeded as np.random.seed() does
    return _State(torch.Generator().manual_seed(seed).get_state(), random.Random(seed).getstate(), numpy, torch.float32)


def _current() -> _State:
    numpy = _numpy_random.get_bit_generator()
    return _State(torch.get_rng_state(), random.getstate(), numpy, torch.get_default_dtype())


def _install(state: _State) -> None:
    torch.set_rng_state(state.torch_state)
    random.setstate(state.python_state)
    _numpy_random.set_bit_generator(state.numpy_bits)
    if torch.get_default_dtype() != state.dtype:
        torch.set_default_dtype(state.dtype)
