"""Run a notebook's answers without Jupyter: one namespace, cell after cell, and what went wrong by exercise.

Only what grading would run is run: untagged code cells, the learner's own cells and answers; no set-up, demonstration
or check cell. A cell that fails or takes too long is recorded, and the next one runs.
"""
from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import linecache
import time
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.intake.pristine import PristineCell, pristine_from, read_pristine
from grader.python_text import plain_python, syntax_error
from grader.seam.alarm import Alarm, TimeLimit
from grader.seam.capture import CappedText, captured

CELL_SECONDS = 30.0
MAX_PRINTED = 100_000  # characters of a cell's printing that are kept


@dataclass(frozen=True)
class Problem:
    """Why a cell did not run to its end. `exercise` is "" for a cell that is no answer."""

    cell: str
    exercise: str
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else self.kind

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def namespace_of(
    notebook: Path | dict[str, Any], *, seconds: float = CELL_SECONDS, skip: frozenset[str] = frozenset(),
    before: Callable[[PristineCell], None] = lambda cell: None,
) -> tuple[dict[str, Any], dict[str, list[Problem]]]:
    """Execute a notebook's answers. Returns the names they leave, and problems by exercise ("" for other cells).

    Args: seconds is for one cell; skip holds ids of cells to leave out; before is called with each cell that is run.
    """
    table = pristine_from(notebook, "notebook", "") if isinstance(notebook, dict) else read_pristine(notebook)
    namespace = _fresh_namespace()
    problems: dict[str, list[Problem]] = {}
    for cell in runnable(table.cells):
        if cell.id in skip:
            continue
        before(cell)
        problem = _run(cell, namespace, seconds)
        if problem is not None:
            problems.setdefault(problem.exercise, []).append(problem)
    return namespace, problems


def runnable(cells: tuple[PristineCell, ...]) -> Iterator[PristineCell]:
    """The cells that grading would run, but for set-up and checks."""
    for cell in cells:
        if cell.kind in ("code", "answer") and "setup" not in cell.row.get("metadata", {}).get("tags", []):
            yield cell


def _fresh_namespace() -> dict[str, Any]:
    """What a cell may expect from a notebook: its own names, and `display`, which shows nothing here."""
    return {"__name__": "__main__", "__builtins__": builtins, "display": lambda *values, **options: None}


def _run(cell: PristineCell, namespace: dict[str, Any], seconds: float) -> Problem | None:
    stopped, _ = run_cell(f"cell-{cell.id or 'unnamed'}.py", cell.source, namespace, seconds=seconds)
    return Problem(cell.id, cell.exercise or "", *stopped) if stopped else None


def run_cell(
    name: str, source: str, namespace: dict[str, Any], *, seconds: float, printed: int = MAX_PRINTED
) -> tuple[tuple[str, str] | None, str]:
    """Run one cell. Returns kind and text of what it stopped with, or None, and the first characters that it printed."""
    source = plain_python(source)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    broken = syntax_error(source)
    if broken:
        return ("SyntaxError", broken), ""
    text = CappedText(printed)
    with captured(text):
        stopped = _stopped(source, name, namespace, seconds)
    return stopped, text.text()


def _stopped(source: str, name: str, namespace: dict[str, Any], seconds: float) -> tuple[str, str] | None:
    started = time.monotonic()
    try:
        with Alarm() as alarm:
            try:
                alarm.arm(seconds)
                _execute(source, name, namespace)
            finally:
                alarm.disarm()
    except TimeLimit:
        return "too slow", f"stopped after {time.monotonic() - started:.0f} s"
    except KeyboardInterrupt:
        raise
    except SystemExit:
        return "SystemExit", "the cell calls exit(); take that line out"
    except BaseException as error:
        return type(error).__name__, _told(error, name)
    return None


def _execute(source: str, name: str, namespace: dict[str, Any]) -> None:
    """Run a cell; one with `await` at its top runs as IPython would run it."""
    code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if not code.co_flags & inspect.CO_COROUTINE:
        exec(code, namespace)
        return
    result = types.FunctionType(code, namespace)()
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _told(error: BaseException, name: str) -> str:
    """The error's text, with the last line of the cell that led to it."""
    text = " ".join(str(error).split())[:300]
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f"{text} (line {lines[-1].lineno}: {lines[-1].line})" if lines and lines[-1].line else text
