"""The public size budget of hand-written Python: modules and functions that fit a head and a screen."""
from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from grader.build.layout import Layout
from grader.build.lint.problem import Problem
from grader.build.lint.trees import committed

MODULE, FUNCTION = 300, 40  # lines


def size_problems(layout: Layout) -> Iterator[Problem]:
    """Modules and functions of `grader/` and `course/handbook/` that are too long. Checks count by function only."""
    roots = (layout.root / "grader", layout.handbook)
    by_lesson = (layout.checks, layout.hidden)
    for path in committed(layout):
        if path.suffix != ".py" or not any(path.is_relative_to(root) for root in roots):
            continue
        name, text = path.relative_to(layout.root).as_posix(), path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > MODULE and path.parent not in by_lesson:
            yield Problem(name, 0, f"{lines} lines; a module has at most {MODULE}: split it by idea")
        yield from _functions(name, text, path)


def _functions(name: str, text: str, path: Path) -> Iterator[Problem]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield Problem(name, error.lineno or 0, f"not valid Python: {error.msg}")
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION:
                yield Problem(name, node.lineno, f"{node.name} has {length} lines; a function has at most {FUNCTION}")
