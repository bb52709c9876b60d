"""Wrong answers and right variants of every exercise, by name: what the checks are tested with.

A file `tests/mutants/<lesson>.py` registers them with `edit`, `mutant` and `variant`; `load_answers` reads it.
"""
from __future__ import annotations

import ast
import copy
import importlib.util
import inspect
import linecache
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from grader.course import find_lesson
from grader.lesson import exercise_cells, reference_of, stub_of
from grader.paths import MUTANTS

Answer = TypeVar("Answer", bound=Callable[..., Any])


@dataclass(frozen=True)
class Alternative:
    """Another answer to an exercise: the reference with text replaced, or with one name defined anew."""

    exercise: str
    name: str
    says: str
    right: bool
    edits: tuple[tuple[str, str], ...] = ()
    provides: str = ""
    value: Any = None

    def namespace(self, reference: str) -> dict[str, Any]:
        """The learner's names as this answer would define them."""
        scope = run_source(self.source(reference) if self.edits else reference, f"{self.exercise}-{self.name}.py")
        if self.provides:
            if self.provides not in scope:
                raise ValueError(f"{self.name}: the reference of {self.exercise} defines no {self.provides!r}")
            scope[self.provides] = _as_new(self.value)
        return scope

    def source(self, reference: str) -> str:
        """The text of an answer cell; for a function, its own text under the name that the exercise asks for."""
        for old, new in self.edits:
            if reference.count(old) != 1:
                raise ValueError(f"{self.name}: {old!r} stands {reference.count(old)} times in the reference of {self.exercise}")
            reference = reference.replace(old, new)
        if self.provides:
            body = textwrap.dedent(inspect.getsource(self.value))
            body = body[body.index("\nclass " if inspect.isclass(self.value) else "\ndef ") + 1:] if body.startswith("@") else body
            reference += f"\n\n{body}\n{self.provides} = {self.value.__name__}\n"
        return reference


def _as_new(value: Any) -> Any:
    """The function as if it had just been defined: a mutable default that earlier calls have filled is empty again."""
    if isinstance(value, types.FunctionType):
        if not hasattr(value, "first_defaults"):
            value.first_defaults = copy.deepcopy(value.__defaults__)  # type: ignore[attr-defined]
        value.__defaults__ = copy.deepcopy(value.first_defaults)  # type: ignore[attr-defined]
    return value


_registered: list[Alternative] = []


def edit(exercise: str, name: str, says: str, /, *edits: tuple[str, str]) -> None:
    """Register a wrong answer as text edits of the reference; each old text must stand in it exactly once."""
    _registered.append(Alternative(exercise, name, says, right=False, edits=edits))


def edit_variant(exercise: str, name: str, says: str, /, *edits: tuple[str, str]) -> None:
    """Register a right answer as text edits of the reference."""
    _registered.append(Alternative(exercise, name, says, right=True, edits=edits))


def mutant(exercise: str, *, provides: str) -> Callable[[Answer], Answer]:
    """Register a function or class as a wrong answer; its docstring is what the learner is told."""
    return _register(exercise, provides, right=False)


def variant(exercise: str, *, provides: str) -> Callable[[Answer], Answer]:
    """Register a function or class as a right answer that is written another way."""
    return _register(exercise, provides, right=True)


def _register(exercise: str, provides: str, *, right: bool) -> Callable[[Answer], Answer]:
    def take(value: Answer) -> Answer:
        says = " ".join((value.__doc__ or "").split())
        if not says:
            raise ValueError(f"{value.__name__} needs a docstring: the sentence that its author should be told")
        _registered.append(Alternative(exercise, value.__name__, says, right, provides=provides, value=value))
        return value

    return take


def load_answers(lesson: str) -> list[Alternative]:
    """All mutants and variants of a lesson, in the order of its file; an empty list if it has no file yet."""
    path = MUTANTS / f"{lesson}.py"
    if not path.exists():
        return []
    _registered.clear()
    spec = importlib.util.spec_from_file_location(f"mutants_{lesson}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} can't be loaded")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    found = list(_registered)
    _registered.clear()
    return found


def references(lesson: str) -> dict[str, str]:
    """The reference answer of every exercise of a lesson, as source, by id."""
    return {name: reference_of(source) for name, source in exercise_cells(find_lesson(lesson).path).items()}


def stubs(lesson: str) -> dict[str, str]:
    """The untouched stub of every exercise of a lesson, as source, by id."""
    return {name: stub_of(source) for name, source in exercise_cells(find_lesson(lesson).path).items()}


def run_source(source: str, name: str) -> dict[str, Any]:
    """Execute an answer cell in a namespace of its own, with its lines known to tracebacks."""
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), scope)
    return scope


def defined_names(source: str) -> list[str]:
    """The functions and classes that an answer cell defines at its top level, private ones left out."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds) and not node.name.startswith("_")]
