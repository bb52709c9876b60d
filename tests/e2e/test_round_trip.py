"""The whole way on the real Part 1: release, six submissions and bad input, collect, autograde, feedback, CSV."""
from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.cli import cli
from grader.flow.nbgrader_course import NbgraderCourse
from grader.folders import Folders
from grader.sandbox.level import probe
from tests.e2e.classroom import Material, built_lessons, dead_kernel, in_trouble, saved_by_colab, shuffled_cells

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader's own libraries warn
GOLDEN = paths.ROOT / "tests" / "golden"
ACCEPT = bool(os.environ.get("HANDBOOK_ACCEPT_GOLDENS"))
SIX = ("all-right", "all-wrong", "half-done", "untouched", "shuffled", "colab")
STEM = "p1_4_attention"


def grader(*words: str | Path) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class Classroom:
    """What the whole way left behind, for the tests to look at."""

    def __init__(self, root: Path, way: tuple[str, ...]) -> None:
        lessons = {lesson.stem: lesson for lesson in built_lessons()}
        assert STEM in lessons, "there is no solved notebook; run `grader build` first"
        self.root, self.lessons, self.folders = root, list(lessons.values()), Folders(root / "build")
        self.material = Material.of(lessons[STEM])
        self.part = self.material.lesson.part
        self._hand_in()
        self.released = grader("release", self.part)
        self.collected = grader("collect", root / "handed-in", "--json")
        shutil.copytree(root / "build", root / "plain")  # the same submissions, for plain nbgrader
        self.graded = grader("autograde", "--seconds", "20", *way)
        self.again = grader("autograde", "--json", *way)
        self.feedback = grader("feedback", "--json")
        self.exported = grader("export", "csv", "--to", root / "grades.csv")
        self.rows = list(csv.DictReader(io.StringIO((root / "grades.csv").read_text(encoding="utf-8"))))

    def _hand_in(self) -> None:
        material, answers = self.material, self.material.answers
        half = dict(list(answers.items())[: len(answers) // 2])
        wrong = {name: material.mistake(name)[1] for name in answers}
        for lesson in self.lessons:
            self._write(f"all-right/{lesson.part}/{lesson.stem}.ipynb", Material.of(lesson).notebook())
        self._write(f"all-wrong/{STEM}.ipynb", material.notebook(wrong))
        self._write(f"half-done/{STEM} (2).ipynb", material.notebook(half))
        self._write(f"untouched/{STEM}.ipynb", material.notebook({}))
        self._write(f"shuffled_123_456_{STEM}.ipynb", shuffled_cells(material))
        self._write(f"colab/Copy of {STEM}.ipynb", saved_by_colab(material))
        self._write("trouble/my homework.ipynb", in_trouble(material))
        self._write(f"dead/{STEM}.ipynb", dead_kernel(material))
        whole = json.dumps(material.notebook())
        self._write(f"corrupt/{STEM}.ipynb", whole[: len(whole) // 2])
        self._write(f"notes/{STEM}.ipynb", "<!DOCTYPE html><html>not a notebook</html>")

    def _write(self, path: str, content: dict[str, Any] | str) -> None:
        file = self.root / "handed-in" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def of(self, student: str, stem: str = STEM) -> list[dict[str, str]]:
        return [row for row in self.rows if row["student"] == student and row["lesson"] == stem]

    def intake(self, student: str) -> dict[str, Any]:
        table = json.loads((self.folders.intake / student / f"{self.part}.json").read_text(encoding="utf-8"))
        return dict(table["lessons"][STEM])

    def page(self, student: str) -> str:
        return (self.folders.feedback / student / self.part / f"{STEM}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=["warm", "plain"])
def classroom(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Classroom:
    """The whole way, once by the warm workers and once by nbgrader's own autograder."""
    if request.param == "warm" and not probe().enough:
        pytest.skip("this machine has no sandbox")
    root = tmp_path_factory.mktemp("classroom")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "BUILD", root / "build")
        return Classroom(root, () if request.param == "warm" else ("--plain",))


def test_every_step_says_what_it_did(classroom: Classroom) -> None:
    assert classroom.released.exit_code == 0, classroom.released.output
    assert f"{len(classroom.lessons)} lessons" in classroom.released.output
    assert classroom.collected.exit_code == 1, "two files can't be read"
    assert classroom.graded.exit_code == 1, "two files can't be read"
    assert f"unreadable, 0 points, needs review: corrupt/{classroom.part}/{STEM}" in classroom.graded.output
    assert "2 unreadable; next: `grader feedback`" in classroom.graded.output
    assert classroom.feedback.exit_code == 0, classroom.feedback.output
    assert classroom.exported.exit_code == 0, classroom.exported.output
    assert json.loads(classroom.feedback.stdout)["problems"] == {}


def test_a_second_run_finds_nothing_to_do(classroom: Classroom) -> None:
    again = json.loads(classroom.again.stdout)
    mine = {what: [name for name in again[what] if name.endswith(STEM)] for what in ("graded", "zero", "unchanged")}
    assert (mine["graded"], mine["zero"]) == ([], [])
    assert len(mine["unchanged"]) == len(SIX) + 4
    assert again["review"] == {}


def test_every_exercise_of_every_student_has_a_verdict(classroom: Classroom) -> None:
    students = {*SIX, "trouble", "dead", "corrupt", "notes"}
    exercises = {exercise.id for lesson in classroom.lessons for exercise in lesson.exercises}
    assert {row["student"] for row in classroom.rows} == students
    assert len(classroom.rows) == len(students) * len(exercises)
    assert all(row["verdict"] and row["points"] for row in classroom.rows)
    assert [row for row in classroom.rows if row["verdict"] not in ("passed", "not attempted") and not row["reason"]] == []


def test_right_answers_get_full_marks_in_every_lesson(classroom: Classroom) -> None:
    rows = [row for row in classroom.rows if row["student"] == "all-right"]
    assert [row for row in rows if row["verdict"] != "passed" or row["points"] != row["max"]] == []


def test_wrong_answers_lose_marks_and_are_told_their_mistake(classroom: Classroom) -> None:
    for row in classroom.of("all-wrong"):
        says = classroom.material.mistake(row["exercise"])[0].says
        assert float(row["points"]) < float(row["max"]), row
        assert row["verdict"] not in ("passed", "not attempted"), row
        assert row["reason"] == says, row


def test_half_done_and_untouched_are_told_from_wrong(classroom: Classroom) -> None:
    half = len(classroom.material.answers) // 2
    verdicts = [row["verdict"] for row in classroom.of("half-done")]
    assert verdicts == ["passed"] * half + ["not attempted"] * (len(verdicts) - half)
    assert {row["verdict"] for row in classroom.of("untouched")} == {"not attempted"}
    assert {row["points"] for row in classroom.of("untouched")} == {"0.0"}


def test_doubled_and_deleted_cells_cost_only_what_is_gone(classroom: Classroom) -> None:
    rows = classroom.of("shuffled")
    assert [row["verdict"] for row in rows] == ["passed", "not attempted"] + ["passed"] * (len(rows) - 2)
    messages = " ".join(finding["message"] for finding in classroom.intake("shuffled")["findings"])
    assert "there 2 times; the last edited one" in messages
    assert "the answer cell is missing; the original came back" in rows[1]["reason"]


def test_a_save_by_colab_without_marks_keeps_its_marks(classroom: Classroom) -> None:
    assert {row["verdict"] for row in classroom.of("colab")} == {"passed"}


def test_each_trouble_gets_its_line_and_the_rest_its_points(classroom: Classroom) -> None:
    deleted, broken, endless, loud, *rest = classroom.of("trouble")
    assert (deleted["verdict"], deleted["points"]) == ("not attempted", "0.0"), deleted
    assert "is missing" in deleted["reason"]
    assert broken["points"] == "0.0"
    assert "not valid Python" in broken["reason"]
    assert "was never closed" in broken["reason"]
    assert (endless["verdict"], endless["points"]) == ("too slow", "0.0")
    assert "stopped" in endless["reason"]
    assert loud["verdict"] == "passed"
    assert {row["verdict"] for row in rest} == {"passed"}
    messages = " ".join(finding["message"] for finding in classroom.intake("trouble")["findings"])
    assert "the file is renamed; taken for p1_4_attention" in messages
    assert "MB, most of it outputs; the outputs were left out" in messages
    assert len(classroom.page("trouble")) < 5_000_000


def test_an_answer_that_ends_the_kernel_costs_only_itself(classroom: Classroom) -> None:
    first, *rest = classroom.of("dead")
    assert (first["verdict"], first["points"]) == ("stopped the kernel", "0.0")
    assert "ended" in first["reason"]
    assert {row["verdict"] for row in rest} == {"passed"}


@pytest.mark.parametrize(("student", "says"), [("corrupt", "the file stops in the middle"), ("notes", "this is a web page")])
def test_unreadable_files_are_recorded_with_their_reason(student: str, says: str, classroom: Classroom) -> None:
    rows = classroom.of(student)
    assert {(row["verdict"], row["points"]) for row in rows} == {("unreadable", "0.0")}
    assert says in rows[0]["reason"]
    assert says in classroom.page(student)


def test_feedback_pages_show_the_cards_and_the_score(classroom: Classroom) -> None:
    total = sum(exercise.points for exercise in classroom.material.lesson.exercises)
    assert f"Score: {total} / {total}" in " ".join(classroom.page("all-right").split())
    wrong = classroom.page("all-wrong")
    assert "Looks like:" in wrong
    assert "Hint 1" in wrong
    assert "What we found in your file" in classroom.page("shuffled")
    assert "KernelEnded" in classroom.page("dead")


def test_pages_and_notebooks_show_no_answer_of_ours(classroom: Classroom) -> None:
    from grader.bundle import telling_lines

    page = classroom.page("untouched")
    assert [line for line in telling_lines(classroom.material.lesson) if line in page] == []


def test_nothing_that_was_handed_in_is_changed_or_lost(classroom: Classroom) -> None:
    table = json.loads(classroom.collected.stdout)
    taken = [row["source"] for parts in table["students"].values() for record in parts.values() for row in record["lessons"].values()]
    handed = classroom.root / "handed-in"
    assert sorted(taken) == sorted(path.relative_to(handed).as_posix() for path in handed.rglob("*.ipynb"))


@pytest.mark.parametrize("student", SIX)
def test_reports_are_as_accepted(student: str, classroom: Classroom) -> None:
    report = {"intake": _stable(classroom.intake(student)), "exercises": [_stable_row(row) for row in classroom.of(student)]}
    path = GOLDEN / student / "report.json"
    if ACCEPT:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    assert path.exists(), "there is no golden report; see `grader goldens --accept`"
    assert report == json.loads(path.read_text(encoding="utf-8")), "if the new report is right: `grader goldens --accept`"


def _stable(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if "sha256" not in key}


def _stable_row(row: dict[str, str]) -> dict[str, str]:
    """Partial points of a wrong answer depend on the run's fresh inputs; that they are partial does not."""
    points = row["points"] if float(row["points"]) in (0.0, float(row["max"])) and row["verdict"] != "failed" else "less than all"
    return {**{key: row[key] for key in ("exercise", "max", "verdict", "reason")}, "points": points}


def test_plain_nbgrader_gives_honest_work_the_same_points(classroom: Classroom) -> None:
    environment = {
        **os.environ, "HANDBOOK_BUILD": str(classroom.root / "plain"), "COURSE_HOME": str(paths.ROOT),
        "HANDBOOK_PROGRESS": str(classroom.root / "progress.json"),
        "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"])),
    }
    plain = NbgraderCourse(Folders(classroom.root / "plain"))
    for student in ("half-done", "colab"):
        command = [sys.executable, "-m", "nbgrader", "autograde", classroom.part, "--student", student, "--notebook", STEM]
        done = subprocess.run(command, cwd=paths.ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        with plain.gradebook() as gradebook:
            notebook = gradebook.find_submission_notebook(STEM, classroom.part, student)
            points = {grade.name: grade.score for grade in notebook.grades}
        assert points == {f"{row['exercise']}-check": float(row["points"]) for row in classroom.of(student)}
