"""The notebooks in the repository are what a build of the lessons makes, and tell learners no answer."""
from __future__ import annotations

import json

import nbformat
import pytest

from grader.build import Layout
from grader.build.manifest import Row, read_manifest
from grader.build.notebook import dumps, notebook_of
from grader.build.outputs import complaint, without_outputs
from grader.build.release import leaks, release
from grader.build.sources import source_hash
from grader.build.steps import start_page_text
from grader.course import load_course
from grader.lesson import read_lesson

LAYOUT, COURSE = Layout.here(), load_course()
LESSONS = pytest.mark.parametrize("lesson", COURSE.lessons, ids=lambda lesson: lesson.stem)
AGAIN = "run `grader build` and commit what it writes"


@pytest.fixture(scope="module")
def released() -> dict[str, str]:
    """Learners' notebooks as a build would make them now, by stem."""
    rows = read_manifest(LAYOUT)
    made: dict[str, str] = {}
    for part in COURSE.parts:
        made |= release(part.stem, {lesson.stem: notebook_of(lesson, COURSE, rows.get(lesson.stem, Row()).measured) for lesson in part.lessons})
    return made


@LESSONS
def test_the_solved_notebook_is_built_from_the_lesson(lesson):
    text = LAYOUT.solution(lesson).read_text(encoding="utf-8")
    solved = json.loads(text)
    assert dumps(without_outputs(solved)) == dumps(notebook_of(lesson, COURSE, read_manifest(LAYOUT)[lesson.stem].measured)), AGAIN
    assert text == dumps(solved)
    nbformat.validate(nbformat.from_dict(solved))


@LESSONS
def test_its_outputs_are_those_of_its_present_sources(lesson):
    row = read_manifest(LAYOUT)[lesson.stem]
    assert row.source == source_hash(LAYOUT, lesson), AGAIN
    assert row.measured is not None
    assert row.measured.cpu_seconds <= 90, "a lesson's full run has at most 90 CPU-seconds"
    assert row.source not in LAYOUT.solution(lesson).read_text(encoding="utf-8")


@LESSONS
def test_every_cell_ran_in_order_and_every_check_passed(lesson):
    solved = json.loads(LAYOUT.solution(lesson).read_text(encoding="utf-8"))
    code = [cell for cell in solved["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert [problem for cell in code if (problem := complaint(cell, ("/home", "/Users", "/root", "/tmp")))] == []
    kinds = {output.get("name", output["output_type"]) for cell in code for output in cell["outputs"]}
    assert kinds <= {"stdout", "display_data", "execute_result"}


@LESSONS
def test_the_learners_notebook_is_built_from_the_lesson(lesson, released):
    assert LAYOUT.exercise(lesson).read_text(encoding="utf-8") == released[lesson.stem], AGAIN


@LESSONS
def test_no_answer_can_be_read_in_the_learners_notebook(lesson):
    text = LAYOUT.exercise(lesson).read_text(encoding="utf-8")
    assert leaks(read_lesson(lesson.path), text) == []
    assert "SOLUTION" not in text
    cells = json.loads(text)["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    stubs = ["".join(cell["source"]) for cell in cells if cell["metadata"].get("nbgrader", {}).get("solution")]
    assert len(stubs) == len(lesson.exercises)
    assert all("# YOUR CODE HERE\n" in stub and "raise NotImplementedError()" in stub for stub in stubs)


def test_the_start_page_is_built_from_the_tables():
    assert LAYOUT.start_page.read_text(encoding="utf-8") == start_page_text(COURSE), AGAIN


def test_the_built_trees_hold_nothing_else():
    wanted = {path for lesson in COURSE.lessons for path in (LAYOUT.solution(lesson), LAYOUT.exercise(lesson))}
    wanted |= {LAYOUT.manifest, LAYOUT.start_page}
    found = {path for tree in (LAYOUT.solutions, LAYOUT.exercises) for path in tree.rglob("*")
             if path.is_file() and ".ipynb_checkpoints" not in path.parts}
    assert found == wanted
    assert set(read_manifest(LAYOUT)) == {lesson.stem for lesson in COURSE.lessons}
