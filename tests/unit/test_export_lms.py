"""What Canvas and Moodle get, from a real gradebook: columns, numbers, points set by hand, lateness, and what is stale."""
from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.cli import cli
from grader.course import load_course
from grader.flow.export import grade_rows, total_rows
from grader.flow.export.people import Directory, Person, identify, people_from
from grader.flow.late import Policy
from grader.folders import Folders
from tests.made_up_class import MadeUpClass, failed, nothing, passed
from tests.tiny_course import PART, SUMS, tiny_course

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader's own libraries warn
DUE = datetime(2026, 10, 1, 12, tzinfo=UTC)
CANVAS = '''Student,ID,SIS User ID,SIS Login ID,Section,Numbers (771),Current Score
    Points Possible,,,,,3.5,(read only)
"Lovelace, Ada",901,s-1,ada@uni.example,LLM 101,,
"Babbage, Bob",902,s-2,bob7,LLM 101,,
"Student, Test",999,,abc,LLM 101,,
'''
MOODLE = "First name,Last name,ID number,Email address\nAda,Lovelace,s-1,ada@uni.example\nBob,Babbage,s-2,bob@uni.example\n"


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada has all, Bob half (one mark set by hand), Cy sent nothing."""
    made = MadeUpClass(tmp_path_factory.mktemp("pattern"))
    made.add("lovelaceada", {"sum-two": passed(2.0), "sum-all": passed(1.5)}, lms_id="901", intake={"submitted_at": (DUE + timedelta(hours=30)).isoformat()})
    made.add("Bob-Babbage", {"sum-two": failed(0.5, "It subtracts.", manual=1.0), "sum-all": failed(0.0, "It loops.", manual=0.0)})
    made.add("cy", nothing(), status="not submitted")
    return made.root


@pytest.fixture
def made(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUpClass:
    """A copy of the class, and the course that it took."""
    tiny_course(tmp_path)
    shutil.copytree(pattern, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    course = load_course(tmp_path / "course")
    monkeypatch.setattr("grader.cli.reporting.load_course", lambda: course)
    monkeypatch.setattr(paths, "COURSE", tmp_path / "course")
    return MadeUpClass(tmp_path)


def export(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, words)], catch_exceptions=False)


def lines(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_canvas_gets_its_own_headings_numbers_and_possible_points(made: MadeUpClass) -> None:
    roster = made.root / "canvas.csv"
    roster.write_text(CANVAS)
    result = export("canvas", "--roster", roster)
    assert result.stdout.splitlines()[0] == "Student,ID,SIS User ID,SIS Login ID,Section,Numbers (771)"
    possible, bob, cy, ada = lines(result)[0], *lines(result)[1:]
    assert (possible["Student"].strip(), possible["Numbers (771)"], possible["ID"]) == ("Points Possible", "3.5", "")
    assert list(ada.values()) == ["Lovelace, Ada", "901", "s-1", "ada@uni.example", "LLM 101", "3.5"]
    assert (bob["ID"], bob["Numbers (771)"]) == ("902", "1.0")
    assert (cy["Student"], cy["ID"], cy["Numbers (771)"]) == ("cy", "", "0.0")
    assert result.exit_code == 1
    assert "cy: not found in" in result.stderr


def test_canvas_without_a_list_uses_the_number_that_intake_kept(made: MadeUpClass) -> None:
    result = export("canvas", "--by", "lesson")
    ada = next(line for line in lines(result) if line["Student"] == "lovelaceada")
    assert (ada["ID"], ada["Sums: adding up"]) == ("901", "3.5")
    assert "Bob-Babbage, cy: without a number" in result.stderr


def test_moodle_gets_grade_and_feedback_together(made: MadeUpClass) -> None:
    roster = made.root / "moodle.csv"
    roster.write_text(MOODLE)
    result = export("moodle", "--roster", roster)
    bob, cy, ada = lines(result)
    assert list(bob) == ["Student", "First name", "Last name", "ID number", "Username", "Email address", "Numbers (Real)", "Numbers (Feedback)"]
    assert (bob["Email address"], bob["Numbers (Real)"]) == ("bob@uni.example", "1.0")
    assert "Add two: 1 of 2, set by hand" in bob["Numbers (Feedback)"]
    assert "Add all: 0 of 1.5, failed (It loops.)" in bob["Numbers (Feedback)"]
    assert (ada["ID number"], ada["Numbers (Feedback)"], cy["Numbers (Feedback)"]) == ("s-1", "All exercises passed.", "Nothing was handed in.")


def test_points_set_by_hand_say_so_and_keep_the_reason(made: MadeUpClass) -> None:
    first, second = (line for line in lines(export("csv")) if line["student"] == "Bob-Babbage")
    assert (first["points"], first["verdict"], first["reason"]) == ("1.0", "set by hand", "by itself 0.5 points, failed: It subtracts.")
    assert (second["verdict"], second["reason"]) == ("failed", "It loops."), "the same points by hand change nothing"


def test_lateness_is_taken_off_totals_and_not_off_exercises(made: MadeUpClass) -> None:
    path = made.root / "course" / "course.toml"
    path.write_text(f"{path.read_text()}[late]\nlate_days = 1\npenalty_per_day = 0.1\n[late.due]\n{PART} = {DUE.isoformat()}\n")
    ada = next(line for line in lines(export("csv", "--totals")) if line["student"] == "lovelaceada")
    assert (ada["lms id"], ada["total"], ada["late penalty"], ada["late"]) == ("901", "3.15", "0.35", SUMS)
    assert [line["points"] for line in lines(export("csv")) if line["student"] == "lovelaceada"] == ["2.0", "1.5"]
    moodle = next(line for line in lines(export("moodle")) if line["Student"] == "lovelaceada")
    assert (moodle["Numbers (Real)"], moodle["Numbers (Feedback)"]) == ("3.15", "Late: 0.35 points taken off")


def test_an_extension_in_the_gradebook_moves_the_due_date(made: MadeUpClass) -> None:
    policy = Policy({PART: DUE}, 0, 0.1)
    assert total_rows(grade_rows(made.course, {}, policy=policy))[-1]["total"] == 2.8
    with made.course.gradebook() as gradebook:
        gradebook.grant_extension(PART, "lovelaceada", days=1)
    assert total_rows(grade_rows(made.course, {}, policy=policy))[-1]["total"] == 3.15


def test_without_a_policy_nbgraders_own_penalty_counts(made: MadeUpClass) -> None:
    with made.course.gradebook() as gradebook:
        gradebook.find_submission_notebook(SUMS, PART, "lovelaceada").late_submission_penalty = 0.7
        gradebook.db.commit()
    assert total_rows(grade_rows(made.course, {}))[-1]["total"] == 2.8


def test_what_was_collected_since_the_grading_is_named(made: MadeUpClass) -> None:
    assert export("csv").exit_code == 0
    path = made.folders.submitted / "Bob-Babbage" / PART / f"{SUMS}.ipynb"
    path.write_text(path.read_text() + " ")
    result = export("csv")
    assert result.exit_code == 1
    assert f"1 notebook was collected or changed since the grading (Bob-Babbage/{PART}/{SUMS}); run `grader autograde`" in result.stderr
    assert export("csv", "--lessons", "p1_2").exit_code == 2


def test_wrong_uses_say_what_to_do(made: MadeUpClass) -> None:
    assert "--totals belongs to `export csv`" in export("canvas", "--totals").stderr
    assert "export it from your LMS" in export("canvas", "--roster", _write(made.root / "x.csv", "a,b\n1,2\n")).stderr
    path = made.root / "course" / "course.toml"
    path.write_text(f"{path.read_text()}[late]\ndays = 3\n")
    assert "[late] is a table of cap, due" in export("csv").stderr


def test_json_and_a_file(made: MadeUpClass) -> None:
    target = made.root / "grades.csv"
    result = export("canvas", "--to", target, "--json")
    assert [row["Student"] for row in json.loads(result.stdout)][1:] == ["Bob-Babbage", "cy", "lovelaceada"]
    assert target.read_text().startswith("Student,ID,")


def test_two_people_with_one_name_are_not_guessed(tmp_path: Path) -> None:
    people = people_from([{"Student": "Doe, Jane", "ID": "1"}, {"Student": "Doe, Jane", "ID": "2"}])
    found = identify(["doejane", "doejane-2", "doejane-3"], Directory(people), Folders(tmp_path))
    assert found == {"doejane-2": people[1]}, "the number that intake puts behind a name tells them apart"
    assert people == (Person(name="Doe, Jane", lms_id="1"), Person(name="Doe, Jane", lms_id="2"))
    assert "doejane" in people[0].keys
    assert "jane-doe" in people[0].keys


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
