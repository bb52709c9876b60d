"""Bad input gives a clear line each, ends with what happened or what to do, and never an exception."""
from __future__ import annotations

import json

import pytest

from grader.intake import Finding, read_notebook
from tests.made_up import data, lesson, solved

GOOD = data(solved())
BAD = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\n", "the file is empty"),
    "nul bytes": (b"\x00" * 500, "the file is empty"),
    "cut off": (GOOD[: len(GOOD) // 2], "the file stops in the middle"),
    "damaged": (GOOD.replace(b'"cells": [', b'"cells": [}', 1), "the file is damaged at line 1"),
    "web page": (b"<!DOCTYPE html><html></html>", "this is a web page"),
    "zip": (b"PK\x03\x04rest", "not a notebook but an archive"),
    "pdf": (b"%PDF-1.7", "not a notebook but an archive or a PDF"),
    "latin-1": ("{'é': 1}".encode("latin-1"), "the file is not text"),
    "list": (b"[1, 2]", "this is JSON but not a notebook"),
    "number": (b"3", "this is JSON but not a notebook"),
    "no cells": (b'{"nbformat": 4}', "it has no cells"),
    "cells of another kind": (b'{"nbformat": 4, "cells": {"a": 1}}', "it has no cells"),
    "zero cells": (b'{"nbformat": 4, "cells": []}', "the notebook has no cells"),
    "format 9": (b'{"nbformat": 9, "cells": []}', "it has format 9"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "huge integer": (b'{"cells": ' + b"1" * 10_000 + b"}", "the file is damaged"),
}


@pytest.mark.parametrize(("content", "says"), BAD.values(), ids=BAD)
def test_unreadable_files_get_one_clear_line(content: bytes, says: str) -> None:
    notebook, findings = read_notebook(content, "x.ipynb")
    assert notebook is None
    assert [finding.severity for finding in findings] == ["error"]
    assert says in findings[0].message
    assert "not graded: ask for" in findings[0].message


def test_a_file_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.intake.reading.MAX_FILE", 100)
    notebook, findings = read_notebook(GOOD, "x.ipynb")
    assert notebook is None
    assert "with its outputs cleared" in findings[0].message


def test_damaged_cells_are_left_out_and_the_rest_is_read() -> None:
    table = lesson()
    table["cells"] += [None, 3, {"cell_type": "code", "source": 7}, {"cell_type": "code", "source": ["a", 1]},
                       {"cell_type": "code", "source": "x" * 300_000}]
    table["cells"][0]["metadata"] = "none"
    notebook, findings = read_notebook(data(table), "x.ipynb")
    assert notebook is not None
    assert len(notebook.cells) == len(lesson()["cells"])
    assert "5 cells are damaged or far too long" in findings[0].message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read(encoding: str) -> None:
    notebook, findings = read_notebook(GOOD.decode().encode(encoding), "x.ipynb")
    assert notebook is not None
    assert findings == []


def test_the_old_format_3_is_read() -> None:
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}]}]}
    notebook, _ = read_notebook(json.dumps(old).encode(), "x.ipynb")
    assert notebook is not None
    assert notebook.cells[0].source == "a = 1\nb = 2"


def test_text_that_can_not_be_written_is_made_writable() -> None:
    notebook, _ = read_notebook(b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = \'\\ud800\'\\r\\n"}]}', "x.ipynb")
    assert notebook is not None
    assert notebook.cells[0].source == "x = '?'\n"


def test_findings_survive_json() -> None:
    finding = Finding.warning("x.ipynb", "odd; graded all the same", "sum-two")
    assert Finding.from_json(json.loads(json.dumps(finding.as_json()))) == finding
    assert str(finding) == "warning: x.ipynb, sum-two: odd; graded all the same"
