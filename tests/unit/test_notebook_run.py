"""A notebook's answers run without Jupyter, as far as grading would run them, and each trouble belongs to one exercise."""
from __future__ import annotations

import json
import linecache
from pathlib import Path
from typing import Any

import pytest

from grader.notebook_run import Problem, namespace_of
from tests.made_up import Notebook, code, solved


def run(*sources: str, **options: Any) -> tuple[dict[str, Any], dict[str, list[Problem]]]:
    table = solved()
    table["cells"] = [code(source, f"c{number}") for number, source in enumerate(sources)] + table["cells"]
    return namespace_of(table, **options)


def test_answers_and_untagged_cells_run_and_nothing_else() -> None:
    namespace, problems = run("factor = 2")
    assert namespace["add"](1, 2) == 3
    assert namespace["total"]([1, 2]) == 3
    assert namespace["factor"] == 2
    assert "time" not in namespace  # the demonstration imports it
    assert problems == {}


def test_a_file_works_as_well(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(solved()))
    assert namespace_of(path)[0]["add"](1, 1) == 2


def with_answer(source: str) -> Notebook:
    table = solved()
    table["cells"][2]["source"] = source
    return table


@pytest.mark.parametrize(("source", "says"), [
    ("def add(a, b):\n    return (a", "SyntaxError: line 2: '(' was never closed"),
    ("x = 1\nundefined", "NameError: name 'undefined' is not defined (line 2: undefined)"),
    ("import sys\nsys.exit()", "SystemExit: the cell calls exit(); take that line out"),
    ("raise ValueError('no\\nway')", "ValueError: no way (line 1: raise ValueError('no\\nway'))"),
    ("class E(BaseException): pass\nraise E", "E:  (line 2: raise E)"),
    ("while True: pass", "too slow: stopped after 0 s"),
])
def test_troubles_are_told_in_a_line_and_the_rest_runs(source: str, says: str) -> None:
    namespace, problems = namespace_of(with_answer(source), seconds=0.3)
    assert [str(problem) for problem in problems["sum-two"]] in ([says], [says.replace(":  (", " (")])
    assert list(problems) == ["sum-two"]
    assert namespace["total"]([2, 3]) == 5


def test_shell_lines_and_magics_are_left_out() -> None:
    namespace, problems = run("!false\n%matplotlib inline\nx = 1", "%%time\ny = 2", "%%bash\nexit 1", "files = !ls\nz = 3", "int?")
    assert problems == {}
    assert (namespace["x"], namespace["y"], namespace["z"]) == (1, 2, 3)
    assert "files" not in namespace


def test_printing_is_kept_off_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    run("import sys, warnings\nprint('out')\nprint('err', file=sys.stderr)\nwarnings.warn('w')")
    assert capsys.readouterr() == ("", "")


def test_await_at_the_top_works_as_in_a_notebook() -> None:
    namespace, problems = run("import asyncio\nvalue = await asyncio.sleep(0, 7)")
    assert problems == {}
    assert namespace["value"] == 7


def test_dataclasses_and_names_of_other_cells_work() -> None:
    namespace, problems = run("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int' = 3", "p = P()\ndisplay(p)")
    assert problems == {}
    assert namespace["p"].x == 3


def test_source_lines_are_known_to_tracebacks() -> None:
    run()
    assert linecache.getline("cell-answer-one.py", 2).strip() == "return a + b"


def test_cells_can_be_left_out_and_are_announced() -> None:
    seen: list[str] = []
    namespace, _ = run("a = 1", skip=frozenset({"c0"}), before=lambda cell: seen.append(cell.id))
    assert "a" not in namespace
    assert seen == ["setup", "answer-one", "answer-two"]
