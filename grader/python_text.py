"""Notebook source as plain Python: IPython's own lines are left out, and a syntax error is told in a line."""
from __future__ import annotations

import ast
import re
import warnings

LEFT_OUT = "# left out: "
_MAGIC = re.compile(r"^\s*[%!?]")
_ASSIGNED = re.compile(r"^\s*\w[\w, ]*=\s*[%!]")  # begins with a letter: blanks alone would be tried in every way
_HELP = re.compile(r"^\s*[\w.]+\?{1,2}\s*$")
_TRANSPARENT = ("%%time", "%%timeit", "%%capture", "%%prun")  # cell magics whose body is Python


def plain_python(source: str) -> str:
    """The cell with shell lines and magics turned into comments. Line numbers stay what they were.

    >>> plain_python("!pip install x\\ny = 1")
    '# left out: !pip install x\\ny = 1'
    """
    if _parses(source):
        return source
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not first.startswith(_TRANSPARENT):
        return "\n".join(LEFT_OUT + line for line in lines)
    return "\n".join(_without_magic(line) for line in lines)


def problem_of(source: str) -> str:
    """The syntax error in a cell, as `line 3: '(' was never closed`, or an empty string."""
    return syntax_error(plain_python(source))


def syntax_error(source: str) -> str:
    """The syntax error in plain Python, or an empty string."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "answer", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:  # NUL bytes, absurd nesting
        return f"it can't be read: {str(error)[:80] or type(error).__name__}"
    return ""


def _parses(source: str) -> bool:
    return not syntax_error(source)


def _without_magic(line: str) -> str:
    if _MAGIC.match(line) or _ASSIGNED.match(line) or _HELP.match(line):
        indent = line[: len(line) - len(line.lstrip())]
        return f"{indent}pass  {LEFT_OUT}{line.strip()}" if indent else LEFT_OUT + line.strip()
    return line
