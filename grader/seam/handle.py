"""A stand-in for an object on the learner's side.

It asks the far side for everything, and so refuses whatever would let the far side decide: comparison, truth, hooks
with private names.
"""
from __future__ import annotations

import builtins
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from grader.seam.errors import LearnerError, LearnerTimeout, MissingAttribute, MissingLength, SeamError
from grader.seam.values import Ref

if TYPE_CHECKING:
    from grader.seam.link import Link

ITEM_LIMIT = 10_000  # items that one `for` over a handle may take
LENGTH_LIMIT = 1_000_000  # the longest believable len()
FUNCTIONS = {"function", "method", "builtin_function_or_method", "type"}  # types that say nothing about their object


class Handle:
    """An object that lives on the learner's side.

    It has no public names of its own: every attribute, call, index, len() and iteration is asked of the far side and
    answered by value. What `_name` says is for messages only.
    """

    __slots__ = ("_link", "_name", "_ref")

    def __init__(self, link: Link, ref: Ref) -> None:
        self._link, self._ref = link, ref
        self._name = f"{ref.type_name}(…)"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also keeps numpy, copy, pickle and IPython from asking the far side for hooks
            raise AttributeError(f"private name {name!r} can't be read across the seam")
        try:
            value = self._link.call(builtins.getattr, (self, name))
        except LearnerError as error:
            if error.kind != "AttributeError":
                raise
            raise MissingAttribute(error.kind, error.message, error.line) from error.__cause__
        if isinstance(value, Handle):
            value._name = f"{self._name}.{name}"
        return value

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._link.recorded(self._name, self, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._link.call(operator.getitem, (self, key))

    def __len__(self) -> int:
        try:
            size = self._link.call(builtins.len, (self,))
        except LearnerError as error:
            if error.kind != "TypeError":
                raise
            raise MissingLength(error.kind, error.message, error.line) from error.__cause__
        if type(size) is not int or not 0 <= size <= LENGTH_LIMIT:
            raise SeamError(f"len() gave {size!r:.80}")
        return size

    def __iter__(self) -> Iterator[Any]:
        items = self._link.call(builtins.iter, (self,))
        reserve = self._link.left - self._link.seconds  # one loop may wait as long as one call
        for _ in range(ITEM_LIMIT):
            if self._link.left < reserve:
                raise LearnerTimeout(f"no end within {self._link.seconds:.3g} s")
            try:
                item = self._link.call(builtins.next, (items,))
            except LearnerError as error:
                if error.kind == "StopIteration":
                    return
                raise
            yield item
        raise SeamError(f"no end within {ITEM_LIMIT} items")

    def __next__(self) -> Any:
        try:
            return self._link.call(builtins.next, (self,))
        except LearnerError as error:
            if error.kind == "StopIteration":
                raise StopIteration from None
            raise

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{self!r} is an object, not a plain value: "
                        "it can't be compared, copied or used as true or false")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __reduce_ex__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind = self._ref.type_name
        return f"<{kind} {self._name}>" if kind in FUNCTIONS else f"<{kind} object>"

    def __del__(self) -> None:
        self._link.dropped.append(self._ref.id)
