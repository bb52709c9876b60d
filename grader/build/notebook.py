"""A lesson file and its tables as a notebook, the same bytes every time."""
from __future__ import annotations

import hashlib
import json
from typing import Any

from grader.build.layout import BuildError
from grader.build.manifest import Measured
from grader.build.setup_cell import badge, setup_source
from grader.course import Course, ExerciseInfo, Lesson
from grader.lesson import Cell, LessonError, read_lesson

Notebook = dict[str, Any]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
ID_LENGTH = 64  # nbformat allows no longer cell id


def notebook_of(lesson: Lesson, course: Course, measured: Measured | None = None) -> Notebook:
    """Build a lesson's complete notebook, not executed. Raises BuildError if the lesson and its tables disagree."""
    try:
        cells = read_lesson(lesson.path)
    except (LessonError, OSError) as error:
        raise BuildError(f"{lesson.stem}: {error}") from None
    _agree(lesson, cells)
    if not cells or cells[0].kind != "markdown" or not cells[0].source.startswith("# "):
        raise BuildError(f"{lesson.stem}: the first cell must be [markdown] and begin with `# # Title`")
    ids = _Ids()
    title = _markdown(_with_card(cells[0].source, lesson, course, measured), ids.of(cells[0]))
    setup = _code(setup_source(course), f"setup-{lesson.stem}", nbgrader=_mark(f"setup-{lesson.stem}", locked=True), tags=["setup"],
                  jupyter={"source_hidden": True}, cellView="form")  # folded: in JupyterLab and on Colab
    points = {exercise.id: exercise.points for exercise in lesson.exercises}
    rest = [_cell(cell, ids.of(cell), points) for cell in cells[1:]]
    end = _markdown(_way_on(lesson, course), f"end-{lesson.stem}")
    return {"cells": [title, setup, *rest, end], "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def dumps(notebook: Notebook) -> str:
    """The text of an .ipynb file, in nbformat's own form."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def card_line(lesson: Lesson, measured: Measured | None) -> str:
    """What a learner wants to know before starting: time, needs, what it covers and what it costs to run."""
    facts = [f"**Minutes** {lesson.minutes}", f"**You need** {lesson.needs}"]
    if lesson.covers:
        facts.append(f"**Covers** {', '.join(lesson.covers)}")
    if measured is not None:
        facts.append(f"**Runs in** {measured.cpu_seconds:g} CPU-s, {measured.peak_gb:g} GB (measured {measured.month})")
    if lesson.exercises:
        total = sum(exercise.points for exercise in lesson.exercises)
        facts.append(f"**Exercises** {len(lesson.exercises)} for {total:g} points, {_stars(lesson.exercises)}")
    return " · ".join(facts)


def _stars(exercises: tuple[ExerciseInfo, ...]) -> str:
    easiest, hardest = (pick(exercises, key=lambda exercise: exercise.difficulty).stars for pick in (min, max))
    return easiest if easiest == hardest else f"{easiest} to {hardest}"


def _with_card(source: str, lesson: Lesson, course: Course, measured: Measured | None) -> str:
    title, _, rest = source.partition("\n")
    fold = "*Run the folded cell below this one first: it sets up the course. Then run the notebook from top to bottom.*"
    parts = [title, card_line(lesson, measured), badge(course, lesson.part, lesson.stem), fold, rest.strip("\n")]
    return "\n\n".join(part for part in parts if part)


def _way_on(lesson: Lesson, course: Course) -> str:
    """The last cell: the lesson after this one, and the way back to the map."""
    lessons = course.lessons
    at = lessons.index(lesson) + 1 if lesson in lessons else len(lessons)
    if at >= len(lessons):
        return "---\nThis is the last lesson so far. **Well done.** [All lessons and your progress](../start.ipynb)"
    after = lessons[at]
    folder = "" if after.part == lesson.part else f"../{after.part}/"
    return f"---\n**Next lesson:** [{after.title}]({folder}{after.stem}.ipynb) · [All lessons and your progress](../start.ipynb)"


def _agree(lesson: Lesson, cells: list[Cell]) -> None:
    """Every exercise of the table has one stub and, after it, one check; and the file has no others."""
    wanted = [exercise.id for exercise in lesson.exercises]
    stubs = [cell.exercise for cell in cells if cell.kind == "exercise"]
    checks = [cell.exercise for cell in cells if cell.kind == "check"]
    order = [cell.exercise for cell in cells if cell.kind in ("exercise", "check")]
    if stubs != wanted:
        raise BuildError(f"{lesson.stem}: its exercise cells are {stubs}, its table says {wanted}; make them agree, in this order")
    if order != [name for name in stubs for _ in range(2)] or checks != stubs:
        raise BuildError(f"{lesson.stem}: every exercise cell needs its one check cell after it and before the next exercise")


def _cell(cell: Cell, name: str, points: dict[str, float]) -> Notebook:
    if cell.kind == "markdown":
        return _markdown(cell.source, name)
    if cell.kind == "exercise":
        return _code(cell.source, name, nbgrader=_mark(name, solution=True))
    if cell.kind == "check":
        worth = points[cell.exercise or ""]
        mark = _mark(name, grade=True, locked=True) | {"points": int(worth) if worth == int(worth) else worth}
        return _code(f'check("{cell.exercise}")', name, nbgrader=mark)
    return _code(cell.source, name, **({"tags": ["demo"]} if cell.kind == "demo" else {}))


def _mark(grade_id: str, *, grade: bool = False, solution: bool = False, locked: bool = False) -> dict[str, Any]:
    return {"cell_type": "code", "grade": grade, "grade_id": grade_id, "locked": locked, "schema_version": 3, "solution": solution,
            "task": False}


def _markdown(source: str, name: str) -> Notebook:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str, name: str, **metadata: Any) -> Notebook:
    return {"cell_type": "code", "execution_count": None, "id": name, "metadata": metadata, "outputs": [],
            "source": source.splitlines(keepends=True)}


class _Ids:
    """Names for cells: an exercise's own id, or else the start of a hash of what stands in the cell."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def of(self, cell: Cell) -> str:
        if cell.kind == "exercise" and cell.exercise:
            return cell.exercise
        if cell.kind == "check" and cell.exercise:
            return f"{cell.exercise}-check"
        text = f"{cell.kind}:{cell.source}"
        number = self._seen[text] = self._seen.get(text, 0) + 1
        return hashlib.sha256(f"{number}:{text}".encode()).hexdigest()[:12]
