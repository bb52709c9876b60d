"""A made-up course of two lessons in a folder of its own, small enough to build in a test."""
from __future__ import annotations

from pathlib import Path

from grader.build.layout import Layout
from grader.course import load_course

PART, SUMS, READING = "part1_numbers", "p1_1_sums", "p1_2_reading"

LESSON = '''\
# %% [markdown]
# # Sums: adding up
#
# Why add? $a + b$ is the start of everything.

# %% demo
from handbook import figures

figures.draw()

# %% [markdown]
# A worked example.

# %%
print("one and one:", 1 + 1)

# %% [markdown]
# ## Exercise: Add two · 2 points · ★★☆

# %% exercise="sum-two"
def add(first: float, second: float) -> float:
    """Add two numbers.

    >>> add(1, 2)
    3

    Source: Peano 1889.
    """
    ### BEGIN SOLUTION
    total_of_both_numbers = first + second  # ℝ × ℝ -> ℝ
    return total_of_both_numbers
    ### END SOLUTION


# %% check="sum-two"

# %% [markdown]
# ## Exercise: Add all · 1.5 points · ★☆☆

# %% exercise="sum-all"
import math


def add_all(numbers: list[float]) -> float:
    """Add a list of numbers.

    Raises: ValueError for an empty list.
    Source: Peano 1889.
    """
    ### BEGIN SOLUTION
    if not numbers:
        raise ValueError("nothing to add")
    return math.fsum(numbers)
    ### END SOLUTION


# %% check="sum-all"
'''
TABLE = '''\
[lessons.p1_1_sums]
title = "Sums: adding up"
minutes = 20
needs = "counting"
covers = ["1.1"]

[exercises.sum-two]
lesson = "p1_1_sums"
title = "Add two"
points = 2
difficulty = 2
hints = ["What is a sum of two?", "Python has a sign for it.", "Return first + second."]

[exercises.sum-all]
lesson = "p1_1_sums"
title = "Add all"
points = 1.5
difficulty = 1
hints = ["What is the sum of one number?", "The module math has a function.", "math.fsum, after the ValueError."]
'''
FILES = {
    "course/course.toml": f'title = "Tiny"\nrepository = "https://github.com/someone/tiny-course"\nbranch = "main"\nparts = ["{PART}"]\n',
    f"course/{PART}/part.toml": f'title = "Numbers"\nlessons = ["{SUMS}", "{READING}"]\n',
    f"course/{PART}/README.md": "# Numbers\n",
    f"course/{PART}/{SUMS}.py": LESSON,
    f"course/{PART}/{SUMS}.toml": TABLE,
    f"course/{PART}/{READING}.py": '# %% [markdown]\n# # Reading only\n#\n# Nothing to do here.\n\n# %%\nprint("read")\n',
    f"course/{PART}/{READING}.toml": f'[lessons.{READING}]\ntitle = "Reading only"\nminutes = 5\nneeds = "eyes"\ncovers = []\n',
    "course/handbook/__init__.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from handbook.models import load_lm\n",
    "course/handbook/bootstrap.py": 'def ready():\n    print("Ready: version 1.2.3")\n',
    "course/handbook/figures.py": 'from handbook.ink import COLOUR\n\n\ndef draw():\n    print("a picture in", COLOUR)\n',
    "course/handbook/ink.py": 'COLOUR = "blue"\n',
    "course/handbook/models.py": "def load_lm():\n    return None\n",
    "course/handbook/unused.py": "X = 1\n",
    "grader/__init__.py": '''\
import ast
import inspect


class Card:
    def __init__(self, points):
        self.points = points

    def __repr__(self):
        return f"{self.points:.2f}"


def check(exercise):
    """Full marks for 1 + 2 = 3, else none: enough of a grader for a test."""
    names = inspect.currentframe().f_back.f_globals
    try:
        right = {"sum-two": lambda: names["add"](1, 2), "sum-all": lambda: names["add_all"]([1, 2])}[exercise]() == 3
    except (NotImplementedError, KeyError):
        right = False
    return Card({"sum-two": 2, "sum-all": 1.5}[exercise] * right)


def hint(exercise): ...
def solution(exercise): ...
''',
    **{f"{folder}/{stem}.py": f'"""{folder} of {stem}."""\n' for folder in ("grader/checks", "grader/hidden", "tests/mutants")
       for stem in (SUMS, READING)},
}


def tiny_course(root: Path) -> Layout:
    """Write the course below `root`."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    load_course.cache_clear()
    return Layout(root, root / "build")


def change(path: Path, old: str, new: str) -> None:
    """Replace a text that stands in a file exactly once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")
    load_course.cache_clear()
