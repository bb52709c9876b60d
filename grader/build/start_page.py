"""The page that `make lab` opens: a map of the course, your progress, and how an exercise is worked on."""

from __future__ import annotations

import re
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.course import Course, ExerciseInfo, Lesson, Part

PROGRESS = """\
# Run this cell (Shift+Enter) to see how far you are.
try:
    from grader.progress import summary
except ImportError:
    print("Progress is shown where the course is set up: see the README.")
else:
    for lesson, passed, total in summary():
        print(f"{lesson:<34}{'■' * passed}{'□' * (total - passed)}  {passed} of {total}")"""

HOW = """\
## How an exercise works

An exercise is a cell with the line `raise NotImplementedError()`. Its docstring is the whole assignment.

1. Replace that line by your code and run the cell.
2. Run the cell below it, `check("…")`. Its card says what was called, what came back and what was expected, and names \
your mistake if it is a common one. Try as often as you like.
3. Stuck? `hint("…")` gives a question first, then a pointer, then nearly the answer.
4. After you pass, `solution("…")` shows our answer, to compare with yours.

**Points** are the share of checks that pass, and none while a check that the card calls *core* fails: it says whether the \
answer does its main job. Every check takes new inputs each time you run it. When a course is graded, hidden checks run \
the same rules on inputs that are not shown.

**Stars**: ★ a few lines · ★★ one trap · ★★★ several. Where a lesson says *predict*, write your guess down before you run \
the cell. A cell that trains or runs the model may take half a minute; **Kernel → Restart** helps if one hangs.

No exercise needs the answer to an earlier one: skip what you like. Your answers are saved with the notebook, and what \
you have passed is remembered. A word you don't know? See the [glossary](../course/glossary.md).

At a terminal in the course's folder (**File → New → Terminal**), the same without a notebook:

| command | what it does |
|---|---|
| `python -m grader status` | your progress, lesson by lesson |
| `python -m grader check NOTEBOOK` | checks all exercises of a notebook, or one by its id |
| `python -m grader hint ID` | the next hint |
| `python -m grader reset ID` | puts an exercise back as it was |
| `python -m grader doctor NOTEBOOK` | says whether your notebook can be graded as you expect |"""


def start_page(course: Course) -> Any:
    """Build the start page as a notebook. The same course gives the same bytes."""
    cells = [
        new_markdown_cell(_opening(course), id="start-opening"),
        new_code_cell(PROGRESS, id="start-progress"),
        *(new_markdown_cell(_map_of(part), id=f"start-{part.stem}"[:64]) for part in course.parts),
        new_markdown_cell(HOW, id="start-how"),
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(notebook)
    return notebook


def _opening(course: Course) -> str:
    lessons, exercises = course.lessons, course.exercises
    hours = sum(lesson.minutes for lesson in lessons) / 60
    points = sum(exercise.points for exercise in exercises)
    return (
        f"# {course.title}\n\n"
        f"{_count(len(lessons), 'lesson')}, {_count(len(exercises), 'exercise')}, {points:g} points, "
        f"about {hours:.0f} hours. "
        "Each lesson is one notebook: you read, run what you read, predict, and write the piece that matters yourself. "
        "A check tells you at once whether it is right.\n\n"
        "**You need** Python functions and a little NumPy: indexing and axes. Lesson 1 brings the PyTorch you need.\n\n"
        f"**Start here:** {_link(lessons[0])}"
    )


def _map_of(part: Part) -> str:
    rows = [f"| {_link(lesson)} | {lesson.minutes} | {_exercises(lesson)} |" for lesson in part.lessons]
    number = re.match(r"part(\d+)_", part.stem)
    title = f"Part {number[1]} · {part.title}" if number else part.title
    return "\n".join([f"## {title}", "", "| Lesson | Minutes | Exercises |", "|:---|---:|:---|", *rows])


def _exercises(lesson: Lesson) -> str:
    return "<br>".join(_exercise(exercise) for exercise in lesson.exercises) or "none: read and run"


def _exercise(exercise: ExerciseInfo) -> str:
    return f"{exercise.stars} {_cell(exercise.title)} ({_count(exercise.points, 'point')})"


def _link(lesson: Lesson) -> str:
    number = re.match(r"p(\d+)_(\d+)_", lesson.stem)
    title = f"{number[1]}.{number[2]} · {lesson.title}" if number else lesson.title
    return f"[{_cell(title)}]({lesson.part}/{lesson.stem}.ipynb)"


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" + ("" if number == 1 else "s")


def _cell(text: str) -> str:
    """Text that can stand in a table: a bar would end the cell."""
    return text.replace("|", "\\|")
