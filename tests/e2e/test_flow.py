"""Release, autograde, feedback and CSV on a made-up lesson: whatever one cell does, everything else keeps its points."""
from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest

from grader.flow.autograde import autograde
from grader.flow.export import GradeRow, as_csv, grade_rows, total_rows
from grader.flow.feedback import feedback
from grader.flow.jobs import jobs
from grader.flow.nbgrader_course import FlowError, Limits, NbgraderCourse
from grader.flow.release import release
from grader.folders import Folders
from grader.intake import collect
from grader.intake.released import library_of_release
from tests import made_up
from tests.made_up import PART, STEM, Notebook, lesson, solved

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader's own libraries warn
JUDGE = '''
def check(name):
    """2 points for a right sum, 1 for a number, and 3 for a right total."""
    try:
        if name == "sum-many":
            return 3.0 if total([1, 2, 3]) == 6 else 0.0
        return 2.0 if add(1, 2) == 3 else 1.0 if isinstance(add(1, 2), int) else 0.0
    except Exception:
        return 0.0
'''


def made_lesson() -> Notebook:
    table = lesson()
    table["cells"][1]["source"] = JUDGE
    table["cells"][1]["metadata"] = {"tags": ["setup"]}
    return table


def solution() -> Notebook:
    table = made_lesson()
    table["cells"][2]["source"] = "def add(a, b):\n    ### BEGIN SOLUTION\n    return a + b\n    ### END SOLUTION"
    table["cells"][5]["source"] = "def total(numbers):\n    ### BEGIN SOLUTION\n    return sum(numbers)\n    ### END SOLUTION"
    return table


def answered(first: str, second: str = "def total(numbers):\n    return sum(numbers)") -> Notebook:
    table = copy.deepcopy(solved())
    table["cells"][2]["source"], table["cells"][5]["source"] = first, second
    return table


RIGHT = "def add(a, b):\n    return a + b"
CLASS: dict[str, Notebook | bytes] = {
    "right": answered(RIGHT),
    "partly": answered("def add(a, b):\n    return a - b"),
    "loops": answered("def add(a, b):\n    return a + b\nwhile True:\n    pass"),
    "loops-first": answered("while True:\n    pass\ndef add(a, b):\n    return a + b"),
    "stubborn": answered(RIGHT + "\nimport time\nwhile True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        x = 2"),
    "dies": answered("import os\ndef add(a, b):\n    return a + b\nos._exit(3)"),
    "dies-late": answered("import os\ndef add(a, b):\n    os._exit(3)"),
    "leaves": answered(RIGHT + "\nexit()"),
    "prints": answered(RIGHT + "\nfor _ in range(60): print('x' * 1_000_000)"),
    "typo": answered("def add(a, b):\n    return (a + b"),
    "untouched": lesson(),
    "damaged": b'{"cells": [',
}
WANTED = {
    "right": (2, 3, "passed", "passed"),
    "partly": (1, 3, "failed", "passed"),
    "loops": (2, 3, "passed", "passed"),  # the function is there and right; the reason says what was stopped
    "loops-first": (0, 3, "too slow", "passed"),
    "stubborn": (0, 3, "stopped the kernel", "passed"),
    "dies": (0, 3, "stopped the kernel", "passed"),
    "dies-late": (0, 3, "stopped the kernel", "passed"),
    "leaves": (0, 3, "stopped the kernel", "passed"),
    "prints": (2, 3, "passed", "passed"),
    "typo": (0, 3, "failed", "passed"),
    "untouched": (0, 0, "not attempted", "not attempted"),
    "damaged": (0, 0, "unreadable", "unreadable"),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> NbgraderCourse:
    """A released lesson and a graded class."""
    root = tmp_path_factory.mktemp("class")
    source = root / "solutions"
    (source / PART).mkdir(parents=True)
    (source / PART / f"{STEM}.ipynb").write_text(json.dumps(solution()))
    made = NbgraderCourse(Folders(root / "build"), Limits(cell=2, check=8), source=source)
    release(made, [PART])
    for student, table in CLASS.items():
        path = root / "handed-in" / student / f"{STEM}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(table if isinstance(table, bytes) else made_up.data(table))
    collect(root / "handed-in", library_of_release(made.folders), made.folders)
    done = autograde(made, jobs(made.folders))
    assert done.review == {}
    assert len(done.graded) == len(CLASS) - 2
    assert len(done.zero) == 2
    assert list(done.unreadable) == [f"damaged/{PART}/{STEM}"]
    assert "the file stops in the middle" in done.unreadable[f"damaged/{PART}/{STEM}"]
    assert done.nothing == 1
    return made


@pytest.fixture(scope="module")
def rows(course: NbgraderCourse) -> list[GradeRow]:
    return grade_rows(course, {"sum-two": "Add two"})


@pytest.mark.parametrize("student", CLASS)
def test_points_and_verdicts(student: str, rows: list[GradeRow]) -> None:
    first, second = (row for row in rows if row.student == student)
    assert (first.points, second.points, first.verdict, second.verdict) == WANTED[student]
    assert (first.max, second.max, first.title) == (2, 3, "Add two")


def test_reasons_say_what_happened(rows: list[GradeRow]) -> None:
    reasons = {row.student: row.reason for row in rows if row.exercise == "sum-two"}
    assert "the answer to sum-two ended the kernel; it was left out" in reasons["dies"]
    assert "could not be stopped" in reasons["stubborn"]
    assert "ran too long" in reasons["loops"]
    assert "ran too long" in reasons["loops-first"]
    assert "was never closed" in reasons["typo"]
    assert "the file stops in the middle" in reasons["damaged"]


def test_a_second_run_grades_only_what_changed(course: NbgraderCourse) -> None:
    again = autograde(course, jobs(course.folders))
    assert len(again.unchanged) == len(CLASS)
    assert list(again.unreadable) == [f"damaged/{PART}/{STEM}"], "it is named until it is handed in again"
    one = autograde(course, jobs(course.folders, students=("right",)), force=True)
    assert one.graded == [f"right/{PART}/{STEM}"]


def test_everyone_who_handed_something_in_gets_a_page(course: NbgraderCourse) -> None:
    pages, problems = feedback(course)
    assert problems == {}
    assert {page.parent.parent.name for page in pages} == set(CLASS)
    texts = {page.parent.parent.name: page.read_text(encoding="utf-8") for page in pages}
    assert "What we found in your file" in texts["damaged"]
    assert "hand it in again" in texts["damaged"]
    assert f"{STEM} · typo (Score" in " ".join(texts["typo"].split())
    assert "KernelEnded" in texts["dies"]
    assert "the rest of the output was left out" in texts["prints"] or len(texts["prints"]) < 5_000_000
    assert "Score: 5.0 / 5.0" in " ".join(texts["right"].split())


def test_the_csv_has_a_line_an_exercise_and_no_formulas(rows: list[GradeRow]) -> None:
    lines = as_csv(rows).splitlines()
    assert lines[0] == "student,part,lesson,exercise,title,points,max,verdict,reason"
    assert len(lines) == 1 + 2 * len(CLASS)
    assert f"right,{PART},{STEM},sum-two,Add two,2.0,2.0,passed," in lines
    evil = GradeRow("=1+1", PART, STEM, "sum-two", "@t", 1, 2, "failed", "-x")
    assert as_csv([evil]).splitlines()[1].startswith("'=1+1,")


def test_totals_and_what_needs_review(rows: list[GradeRow]) -> None:
    table = {line["student"]: line for line in total_rows(rows, ["hal"])}
    assert (table["right"]["total"], table["partly"]["total"], table["hal"]["total"]) == (5.0, 4.0, 0)
    assert {name for name, line in table.items() if line["needs review"]} == {"damaged"}


def test_chosen_lessons_only(course: NbgraderCourse) -> None:
    assert len(grade_rows(course, {}, [STEM])) == 2 * len(CLASS)
    assert grade_rows(course, {}, ["p9_other"]) == []


def test_a_part_without_notebooks_is_named(course: NbgraderCourse) -> None:
    with pytest.raises(FlowError, match="run `grader build` first"):
        release(course, ["part9_nothing"])


def test_a_part_that_changed_under_its_submissions_is_refused_with_a_way_out(course: NbgraderCourse) -> None:
    extra = course.source / PART / "p1_2_more.ipynb"
    extra.write_text(json.dumps(made_up.notebook(made_up.markdown("# More", "title"))))
    try:
        with pytest.raises(FlowError, match="set HANDBOOK_BUILD to a new folder"):
            release(course, [PART])
    finally:
        extra.unlink()
    release(course, [PART])


def test_a_manual_grade_is_exported_and_survives_a_regrade(course: NbgraderCourse) -> None:
    with course.gradebook() as gradebook:
        gradebook.find_grade("sum-two-check", STEM, PART, "typo").manual_score = 1.5
        gradebook.db.commit()
    autograde(course, jobs(course.folders, students=("typo",)), force=True)
    row = next(row for row in grade_rows(course, {}) if row.student == "typo" and row.exercise == "sum-two")
    assert row.points == 1.5


def test_a_lost_student_folder_is_made_again(course: NbgraderCourse) -> None:
    shutil.rmtree(course.folders.autograded / "partly")
    autograde(course, jobs(course.folders, students=("partly",)))
    assert (course.folders.autograded / "partly" / PART / f"{STEM}.ipynb").exists()


def test_nothing_is_written_outside_the_build_folder(course: NbgraderCourse) -> None:
    root: Path = course.folders.build.parent
    assert {path.name for path in root.iterdir()} == {"build", "solutions", "handed-in"}
