"""The base class of all checks: one class judges one exercise, one method is one sentence about the answer."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

Check = TypeVar("Check", bound=Callable[..., Any])


def core(check: Check) -> Check:
    """Mark a check without which the exercise earns nothing."""
    check.is_core = True  # type: ignore[attr-defined]
    return check


def is_core(check: Callable[..., Any], *, hidden: bool) -> bool:
    """Whether nothing counts without this check. A hidden one never is: a learner's copy lacks it and must not earn by it."""
    return bool(getattr(check, "is_core", False)) and not hidden


class Exercise:
    """Checks of one exercise. Subclass with `id="..."`; in `grader/hidden/` also with `hidden=True`.

    Methods named `test_*` are checks; their docstring is the sentence that a learner reads. `probe` returns what
    the answer does on fixed inputs, edge cases included: known mistakes are told apart by it.
    """

    exercise_id: ClassVar[str] = ""
    hidden: ClassVar[bool] = False

    def __init_subclass__(cls, *, id: str = "", hidden: bool = False) -> None:
        super().__init_subclass__()
        cls.exercise_id = id or cls.exercise_id
        cls.hidden = hidden
        for name, check in cls.checks().items():  # a check made by a function must be given its own name
            if check.__name__ != name:
                raise TypeError(f"{cls.__name__}.{name} is called {check.__name__!r} in itself: its result would not be found")

    def probe(self, submission: Any) -> Any:
        """Return outputs on fixed inputs. Override in the visible class of every exercise."""
        return ()

    @classmethod
    def checks(cls) -> dict[str, Callable[..., Any]]:
        """The check methods by name, in the order of the file."""
        return {name: value for name, value in vars(cls).items() if name.startswith("test_") and callable(value)}
