"""Whatever is in a file, intake answers with findings: hundreds of damaged notebooks, the same ones every time."""
from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from grader.intake import read_notebook, rebuild
from tests import made_up
from tests.made_up import data, solved

JUNK: list[Any] = [None, True, -1, 1e308, "", "x" * 1000, "\ud800", [], [[]], {}, {"a": {}}, "def add(a, b): return", [None, 1], ["a", "b"],
                   "%%bash", "check('sum-two')", "(" * 500, "\x00"]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a notebook with every key of it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize("seed", range(20))
def test_damaged_structure_never_raises(seed: int) -> None:
    dice = random.Random(seed)
    library = made_up.library()
    for _ in range(15):
        table = solved()
        for _ in range(dice.randint(1, 6)):
            container, key = dice.choice(list(places(table)))
            container[key] = dice.choice(JUNK)
        answer(json.dumps(table).encode(), library)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_bytes_never_raise(seed: int) -> None:
    dice = random.Random(seed)
    whole = data(solved())
    for _ in range(15):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 20)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        answer(bytes(content[: dice.randint(1, len(content))]), made_up.library())


def answer(content: bytes, library: Any) -> None:
    notebook, findings = read_notebook(content, "p1_1_sums.ipynb")
    if notebook is None:
        assert len(findings) == 1
        assert findings[0].severity == "error"
        return
    pristine, more = library.identify(notebook)
    assert pristine is not None, "the name tells the lesson"
    rebuilt = rebuild(notebook, pristine, earlier=[*findings, *more])
    rebuilt.text().encode("utf-8")
    kept = {cell["id"]: cell for cell in rebuilt.table["cells"]}
    for cell in pristine.cells:
        if cell.kind != "answer":
            assert "".join(kept[cell.id]["source"]) == cell.source
    assert set(rebuilt.answers) == set(pristine.answers)
