"""A submission that never raises, for probes: what an answer does on fixed inputs, errors included."""
from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grader.seam.errors import LearnerError, SeamError
from grader.seam.handle import ITEM_LIMIT, LENGTH_LIMIT, Handle
from grader.seam.link import Link
from grader.seam.submission import Submission
from grader.seam.values import EACH, Token


@dataclass(frozen=True)
class Raised:
    """A call raised an exception of this kind. Calling, indexing, arithmetic and attributes give the token itself."""

    kind: str

    def __call__(self, /, *args: Any, **kwargs: Any) -> Raised:
        return self

    def __getattr__(self, name: str) -> Raised:
        if name.startswith("_"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Raised:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __neg__(self) -> Raised:
        return self

    def _either(self, other: Any) -> Raised:
        return self

    __abs__ = __neg__
    __add__ = __sub__ = __mul__ = __truediv__ = __matmul__ = __pow__ = __mod__ = __floordiv__ = _either
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rmatmul__ = _either

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """An operation of torch on a token gives the token."""
        given = [*args, *(kwargs or {}).values()]
        flat = [*given, *(item for value in given if isinstance(value, list | tuple) for item in value)]
        return next(value for value in flat if isinstance(value, Raised))


class TolerantHandle(Handle):
    """A handle whose loops end where the learner's code fails."""

    __slots__ = ()

    def __len__(self) -> int:
        size = self._link.call(builtins.len, (self,))
        return size if type(size) is int and 0 <= size <= LENGTH_LIMIT else 0

    def __iter__(self) -> Iterator[Any]:
        items = self._link.call(builtins.iter, (self,))
        reserve = self._link.left - self._link.seconds
        for _ in range(ITEM_LIMIT):
            item = self._link.call(builtins.next, (items,))
            if isinstance(item, Raised) or self._link.left < reserve:
                return
            yield item

    def __next__(self) -> Any:
        item = self._link.call(builtins.next, (self,))
        if isinstance(item, Raised) and item.kind == "StopIteration":
            raise StopIteration
        return item


class TolerantLink(Link):
    """A link on the same far side as another, which answers with Raised tokens."""

    handle_type = TolerantHandle

    def call(
        self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *, keep: bool = False
    ) -> Any:
        try:
            return super().call(target, args, kwargs, keep=keep)
        except LearnerError as error:
            return Raised(error.kind)
        except SeamError as error:
            return Raised(type(error).__name__)

    def each(self, name: str, target: Any, cases: list[tuple[Any, ...]]) -> Iterator[Any]:
        ends = self.call(EACH, (target, cases)) if cases else []
        if isinstance(ends, Raised) or not isinstance(ends, list) or len(ends) != len(cases):
            return iter([ends if isinstance(ends, Raised) else Raised("SeamError")] * len(cases))
        return (self.ended(name, case, end) for case, end in zip(cases, ends, strict=True))

    def ended(self, name: str, args: tuple[Any, ...], end: Any) -> Any:
        try:
            return super().ended(name, args, end)
        except LearnerError as error:
            return Raised(error.kind)
        except SeamError as error:
            return Raised(type(error).__name__)

    def replace(self, value: object) -> Token:
        if isinstance(value, Raised):  # a call that is given a token ends as the earlier call did
            raise LearnerError(value.kind, "an earlier call raised this")
        return super().replace(value)


class TolerantSubmission(Submission):
    """A submission that never raises because of the learner's code."""

    def has(self, name: str, /) -> bool:
        try:
            return super().has(name)
        except SeamError:
            return False


def tolerant(submission: Submission) -> TolerantSubmission:
    """The same work, but a call that raises, takes too long or can't be answered returns a Raised token.

    Handles and loops are tolerant too. Mistakes of the probe itself, such as sending a lambda, still raise TypeError.
    """
    link = submission._link
    return TolerantSubmission(TolerantLink(link.far, link.seconds, link.left, link.limits))
