"""The page that `make lab` opens."""

import re
from pathlib import Path

import nbformat
import pytest

from grader.build.start_page import start_page
from grader.course import Course, ExerciseInfo, Lesson, Part


def lesson(part, stem, title, exercises):
    return Lesson(stem, part, title, 45, "softmax", ("1.1a",), tuple(exercises), Path(f"{stem}.py"))


@pytest.fixture
def course():
    def exercise(name, title, points, stars):
        return ExerciseInfo(name, "p1_4_attention", title, points, stars, ("a", "b", "c"))

    first = [exercise("scaled", "Scores | scaled", 3.0, 2), exercise("mask", "A mask", 1.0, 1)]
    parts = (
        Part("part1_introduction", "First", (lesson("part1_introduction", "p1_4_attention", "Attention", first),)),
        Part("conclusion", "Last", (lesson("conclusion", "p9_1_capstone", "Capstone", []),)),
    )
    return Course("The Handbook", "https://github.com/someone/handbook", "main", parts)


def text_of(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells)


def test_the_map_links_every_lesson_with_its_time_and_exercises(course):
    text = text_of(start_page(course))
    assert "| [1.4 · Attention](part1_introduction/p1_4_attention.ipynb) | 45 |" in text
    assert "★★☆ Scores \\| scaled (3 points)<br>★☆☆ A mask (1 point)" in text
    assert "[9.1 · Capstone](conclusion/p9_1_capstone.ipynb)" in text
    assert "2 lessons, 2 exercises, 4 points, about 2 hours" in text
    assert re.findall(r"^## (.*)$", text, re.M) == ["Part 1 · First", "Last", "How an exercise works"]


def test_the_same_course_gives_the_same_bytes(course):
    assert nbformat.writes(start_page(course)) == nbformat.writes(start_page(course))


def test_the_progress_cell_runs_with_and_without_the_grader(course, monkeypatch, capsys):
    code = next(cell.source for cell in start_page(course).cells if cell.cell_type == "code")
    monkeypatch.setattr("grader.progress.summary", lambda: [("p1_4_attention", 1, 3)])
    exec(compile(code, "start", "exec"), {})
    assert "■□□  1 of 3" in capsys.readouterr().out
    monkeypatch.setitem(__import__("sys").modules, "grader.progress", None)
    exec(compile(code, "start", "exec"), {})
    assert "see the README" in capsys.readouterr().out
