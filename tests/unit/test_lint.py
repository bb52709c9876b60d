"""Every rule of `grader lint`, broken once."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from grader.build.layout import Layout
from grader.build.lint import lint
from grader.build.lint.names import unknown_names
from grader.build.steps import Options, build
from tests.tiny_course import PART, READING, SUMS, change, tiny_course

FILE = f"course/{PART}/{SUMS}.py"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = tiny_course(tmp_path)
    build(layout, layout.load().lessons, Options(run=False))
    for stem in (SUMS, READING):
        (layout.checks / f"{stem}.fingerprints.json").write_text("{}", encoding="utf-8")
    return layout


def told(layout: Layout) -> list[str]:
    return [str(problem) for problem in lint(layout)]


def test_a_good_course_breaks_no_rule(layout):
    assert told(layout) == []


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("Add two · 2 points · ★★☆", "Add two · 3 points · ★★☆", "20: the heading says `Add two · 3 points · ★★☆`, the table says `Add two · 2 points"),
    ("## Exercise: Add all", "## Task: Add all", "40: the text before this exercise needs the heading `## Exercise: Add all · 1.5 points · ★☆☆`"),
    ("# # Sums: adding up", "# # Sums", "1: the title is 'Sums' here and 'Sums: adding up' in the table"),
    ("import math\n", "\n", "40: the answer uses what this cell does not import or define: math"),
    ("Raises: ValueError for an empty list.", "Not empty.", "40: the answer raises ValueError; the docstring must say when, under `Raises:`"),
    ("    Source: Peano 1889.\n    \"\"\"\n    ### BEGIN SOLUTION\n    total", "    \"\"\"\n    ### BEGIN SOLUTION\n    total",
     "20: the docstring needs `Source:`"),
    ("(first: float, second", "(first: 'float', second: Tensor, third", "20: the stub uses what this cell does not import or define: Tensor"),
    ("def add(", "def _add(", "20: an exercise defines at least one function or class with a public name"),
    ("return total_of_both_numbers\n", "return total_of_both_numbers +\n", "20: this exercise is not valid Python, its line 10"),
    ("figures.draw()", "\n".join(f"x = {n}" for n in range(12)), "6: a demo cell has at most 12 lines of code, this one has 13"),
    ('# %% check="sum-two"\n', '# %% check="sum-two"\nprint(1)\n', "35: a check cell stays empty"),
    ('# %% check="sum-two"\n', "", "every exercise cell needs its one check cell"),
    ("# %% [markdown]\n# A worked", "# %% markdown\n# A worked", "line 11: unknown cell tag 'markdown'"),
], ids=["points", "no heading", "title", "import", "raises", "source", "annotation", "private", "syntax", "long demo", "full check", "no check",
        "tag"])
def test_a_lesson_that_breaks_a_rule_is_told_so(layout, old, new, problem):
    change(layout.root / FILE, old, new)
    assert any(line.startswith(FILE) and problem in line for line in told(layout)), told(layout)


def test_tensors_in_a_signature_need_shapes(layout):
    change(layout.root / FILE, "def add(first: float", "from torch import Tensor\n\n\ndef add(first: Tensor")
    assert any("needs `Shapes:`" in line for line in told(layout))
    change(layout.root / FILE, "    Source: Peano 1889.\n    \"\"\"\n    ### BEGIN SOLUTION\n    total",
           "    Call: first (B, T) -> (B, T).\n    Source: Peano 1889.\n    \"\"\"\n    ### BEGIN SOLUTION\n    total")
    assert not any("needs `Shapes:`" in line for line in told(layout))


def test_hints_must_differ(layout):
    change(layout.root / f"course/{PART}/{SUMS}.toml", "Python has a sign for it.", "What is a sum of two?")
    assert f"course/{PART}/{SUMS}.toml: sum-two needs three different hints: a question, a pointer, nearly the answer" in told(layout)


@pytest.mark.parametrize("name", [f"course/{PART}/notes.txt", "grader/checks/p9_9_gone.py", "grader/hidden/p9_9_gone.py",
                                  "tests/mutants/p9_9_gone.py", f"solutions/{PART}/data.csv", f"exercises/{PART}/p9_9_gone.ipynb"])
def test_a_file_of_no_lesson_is_stray(layout, name):
    (layout.root / name).write_text("", encoding="utf-8")
    assert told(layout) == [f"{name}: belongs to no lesson of the course: remove it, or add its lesson to part.toml"]


@pytest.mark.parametrize("name", [FILE, f"grader/checks/{SUMS}.py", f"grader/hidden/{SUMS}.py", f"tests/mutants/{SUMS}.py",
                                  f"grader/checks/{SUMS}.fingerprints.json", f"solutions/{PART}/{SUMS}.ipynb", f"exercises/{PART}/{SUMS}.ipynb"])
def test_a_lesson_without_one_of_its_files_is_told(layout, name):
    (layout.root / name).unlink()
    assert any(line.startswith(f"{name}: missing: ") for line in told(layout))


def test_the_top_folder_is_kept_short(layout):
    (layout.root / "notes.md").write_text("x\n", encoding="utf-8")
    assert [line.split(":")[0] for line in told(layout)] == ["notes.md"]


def test_long_modules_and_functions_are_told(layout):
    (layout.root / "grader" / "long.py").write_text("x = 1\n" * 301, encoding="utf-8")
    (layout.handbook / "big.py").write_text("def f():\n" + "    x = 1\n" * 40, encoding="utf-8")
    assert told(layout) == ["course/handbook/big.py:1: f has 41 lines; a function has at most 40",
                            "grader/long.py: 301 lines; a module has at most 300: split it by idea"]


@pytest.mark.parametrize(("name", "text", "why"), [
    ("README.md", "Start in /home/anna/course.", "a folder of one machine"),
    ("README.md", "This is a game-changing course.", "hype"),
    (f"course/{PART}/README.md", "# TODO", "unfinished work"),
    ("grader/a.py", f"KEY = 'hf_{'a' * 34}'", "a secret"),
])
def test_words_that_must_not_be_published(layout, name, text, why):
    (layout.root / name).write_text(f"line one\n\n{text}\n", encoding="utf-8")
    assert any(line.startswith(f"{name}:3: ") and why in line for line in told(layout)), told(layout)


def test_a_path_in_a_notebooks_output_is_told(layout):
    path = layout.solutions / PART / f"{SUMS}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][1]["outputs"] = [{"name": "stdout", "output_type": "stream", "text": ["/home/anna/models\n"]}]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert any("a folder of one machine" in line for line in told(layout))


@pytest.mark.parametrize(("source", "unknown"), [
    ("def f(x: Tensor) -> Tensor:\n    return torch.relu(x)", ["Tensor", "torch"]),
    ("import torch\ndef f(x):\n    y = [i for i in x]\n    return torch.tensor(y), len(y)", []),
    ("class A:\n    z = 1\n    def f(self):\n        return self.z + g(1)\ndef g(x):\n    global h\n    h = x\n    return h", []),
    ("def f():\n    def g():\n        return x\n    x = 1\n    return g", []),
    ("def f():\n    return lambda: missing", ["missing"]),
    ("print(__name__, missing)", ["missing"]),
    ("try:\n    pass\nexcept ValueError as error:\n    print(error)", []),
])
def test_names_from_elsewhere_are_found(source, unknown):
    assert unknown_names(source) == unknown
