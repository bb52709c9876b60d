"""A tiny made-up lesson as a released notebook, and ways to change a copy of it as learners and their tools do."""
from __future__ import annotations

import copy
import json
from typing import Any

from grader.intake import Library, Pristine
from grader.intake.pristine import pristine_from

Notebook = dict[str, Any]
STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
STEM, PART = "p1_1_sums", "part1_numbers"


def markdown(text: str, name: str) -> Notebook:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def code(source: str, name: str, **metadata: Any) -> Notebook:
    return {"cell_type": "code", "execution_count": None, "id": name, "metadata": metadata, "outputs": [], "source": source}


def answer(exercise: str, source: str, name: str) -> Notebook:
    mark = {"cell_type": "code", "grade": False, "grade_id": exercise, "locked": False, "schema_version": 3, "solution": True, "task": False}
    return code(source, name, nbgrader=mark)


def check(exercise: str, name: str, points: float = 2) -> Notebook:
    mark = {"cell_type": "code", "grade": True, "grade_id": f"{exercise}-check", "locked": True, "points": points,
            "schema_version": 3, "solution": False, "task": False}
    return code(f'check("{exercise}")', name, nbgrader=mark)


def notebook(*cells: Notebook) -> Notebook:
    return {"cells": copy.deepcopy(list(cells)), "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4, "nbformat_minor": 5}


def lesson() -> Notebook:
    """Two exercises, a set-up cell and a demonstration."""
    return notebook(
        markdown("# Sums", "title"),
        code("from grader import check, hint, solution", "setup"),
        answer("sum-two", f"def add(a, b):\n    {STUB}".replace("\nraise", "\n    raise"), "answer-one"),
        check("sum-two", "check-one"),
        code("import time\nprint('a long demonstration of what was said above', time)", "demo", tags=["demo", "skip-execution"]),
        answer("sum-many", f"def total(numbers):\n    {STUB}".replace("\nraise", "\n    raise"), "answer-two"),
        check("sum-many", "check-two", points=3),
    )


def pristine(table: Notebook | None = None, stem: str = STEM, part: str = PART) -> Pristine:
    return pristine_from(table or lesson(), stem, part)


def library(*more: Pristine) -> Library:
    return Library([pristine(), *more])


def solved() -> Notebook:
    """Both exercises answered."""
    table = lesson()
    table["cells"][2]["source"] = "def add(a, b):\n    return a + b"
    table["cells"][5]["source"] = "def total(numbers):\n    return sum(numbers)"
    return table


def without_marks(table: Notebook) -> Notebook:
    """As a tool saves it that drops metadata; ids stay."""
    table = copy.deepcopy(table)
    for cell in table["cells"]:
        cell["metadata"] = {}
    return table


def without_ids(table: Notebook) -> Notebook:
    """As a tool saves it that drops metadata and ids."""
    table = without_marks(table)
    for cell in table["cells"]:
        cell.pop("id")
    return table


def data(table: Notebook) -> bytes:
    return json.dumps(table).encode()


def source_of(table: Notebook, name: str) -> str:
    """The text of the cell with this id."""
    return str(next(cell["source"] for cell in table["cells"] if cell["id"] == name))


def ids(table: Notebook) -> list[str]:
    return [cell["id"] for cell in table["cells"]]
