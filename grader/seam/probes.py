"""Code that the judge names or sends: library callables by name, functions of a check file ("probes") as source."""
from __future__ import annotations

import ast
import builtins
import dis
import functools
import importlib
import inspect
import itertools
import linecache
import math
import random
import sys
import textwrap
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from grader.seam.values import Name, Source

NAME_ROOTS = {"torch", "numpy", "builtins", "operator", "_operator", "math", "itertools", "collections", "random",
              "functools", "transformers", "handbook"}
GIVEN: dict[str, Any] = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np, "math": math,
                         "random": random, "itertools": itertools}
_HOMES = ("torch", "torch._C", "torch.nn.functional", "numpy", "numpy.random", "random")  # of what names no module
_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}


@functools.lru_cache(maxsize=1000)
def source_of(function: types.FunctionType) -> Source:
    """The text of a probe. Raises TypeError if it could not run alone on the far side, or decides there."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(text)
    except (OSError, SyntaxError):
        raise TypeError(f"the source of {function.__name__!r} can't be read: it can't cross the seam") from None
    if not isinstance(tree.body[0], ast.FunctionDef) or function.__closure__:
        raise TypeError("a probe must be a self-contained `def`")
    if any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        raise TypeError("no assert in a probe: the far side could fake it. Return values and compare them in the check")
    missing = set(_globals(function.__code__)) - {*GIVEN, *dir(builtins), function.__name__, "__name__"}
    if missing:
        raise TypeError(f"the probe {function.__name__!r} uses {', '.join(sorted(missing))}, "
                        "which is not on the far side: import or define it inside the probe")
    return Source(function.__name__, text)


def _globals(code: types.CodeType) -> Iterator[str]:
    """The global names that a function reads, those of its inner functions and classes included."""
    steps = list(dis.get_instructions(code))
    own = {step.argval for step in steps if step.opname == "STORE_NAME"}
    yield from (step.argval for step in steps if step.opname in _READS and step.argval not in own)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals(constant)


def name_of(value: Any) -> Name:
    """Where the far side finds the same object. Raises TypeError if that is nowhere."""
    names = {getattr(value, "__qualname__", ""), getattr(value, "__name__", "")} - {""}
    for module in (getattr(value, "__module__", None), *_HOMES):
        if module not in sys.modules or module.split(".")[0] not in NAME_ROOTS:
            continue
        for name in names:
            if _attribute(sys.modules[module], name) is value:
                return Name(f"{module}:{name}")
    raise TypeError(f"a {type(value).__name__} can't cross the seam: build it on the far side with submission.run")


def find_name(path: str) -> Any:
    """The object that a Name stands for. Raises LookupError outside the libraries that checks may use."""
    module, _, name = path.partition(":")
    if module.split(".")[0] not in NAME_ROOTS:
        raise LookupError(f"{path} may not be used across the seam")
    return functools.reduce(getattr, name.split("."), importlib.import_module(module))


def _attribute(module: types.ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def compile_source(source: Source) -> Any:
    """Define a probe on the far side; its lines are known to tracebacks."""
    scope: dict[str, Any] = {"__name__": "probe", **GIVEN}
    exec(_compiled(source), scope)
    return scope[source.name]


@functools.lru_cache(maxsize=1000)
def _compiled(source: Source) -> types.CodeType:
    file = f"<check: {source.name}>"
    linecache.cache[file] = (len(source.text), None, source.text.splitlines(True), file)
    return compile(source.text, file, "exec")
