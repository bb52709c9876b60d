"""The report on a class: numbers with their sources, no nonsense for small classes, and a page that needs no network."""
from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.card import Card
from grader.cli import cli
from grader.course import ExerciseInfo, load_course
from grader.flow.export import GradeRow
from grader.flow.report.gather import ClassData, checks_of
from grader.flow.report.numbers import correlation, exercise_numbers, lesson_numbers, stuck
from grader.flow.report.page import report_page
from grader.folders import write_json
from grader.judge.outcome import CheckResult, Outcome, Verdict
from tests.made_up_class import MadeUpClass, failed, nothing, passed
from tests.tiny_course import PART, SUMS, tiny_course

pytestmark = pytest.mark.filterwarnings("ignore")  # nbgrader's own libraries warn
INFO = ExerciseInfo("sum-two", SUMS, "Add two", 2.0, 1, ("a", "b", "c"))
SAYS = "It subtracts <b>instead</b>."
AWAY = re.compile(r"""(?:src|href)\s*=\s*["'](?!#)|@import|url\(\s*["']?(?!#)|<script""")


def card() -> str:
    checks = (CheckResult("one", "The sum is right.", Outcome.FAILED, core=True, call="add(1, 2)", got="-1", want="3"),
              CheckResult("two", "Floats (too) are fine.", Outcome.PASSED), CheckResult("three", "Large numbers work.", Outcome.FAILED, hidden=True))
    return Card(INFO, Verdict("sum-two", 0.5, 2.0, Outcome.FAILED, checks, mistake=SAYS)).html()


def row(student: str, exercise: str, points: float, verdict: str = "", lesson: str = "a") -> GradeRow:
    return GradeRow(student, "part1", lesson, exercise, exercise, points, 1.0, verdict or ("passed" if points == 1 else "failed"), "")


def class_of(*rows: GradeRow, missing: tuple[str, ...] = ()) -> ClassData:
    return ClassData("Tiny", list(rows), tuple(sorted({row.student for row in rows} | set(missing))), missing, {"a": "Lesson A"})


def test_cards_tell_their_checks_without_the_notes() -> None:
    assert checks_of(card()) == [("✗", "The sum is right."), ("✓", "Floats (too) are fine."), ("✗", "Large numbers work.")]


def test_difficulty_and_discrimination() -> None:
    """Six students; `good` goes with the rest, `odd` against it, and `all` is passed by everybody."""
    good, odd, rest = (1, 1, 1, 0, 0, 0), (0, 0, 0, 1, 1, 1), (1, 1, 0.5, 0.5, 0, 0)
    rows = [row(f"s{number}", name, points) for name, scores in (("good", good), ("odd", odd), ("rest", rest), ("all", (1,) * 6))
            for number, points in enumerate(scores)]
    found = {numbers.exercise: numbers for numbers in exercise_numbers(class_of(*rows))}
    assert (found["good"].difficulty, found["rest"].difficulty, found["all"].difficulty) == (0.5, 0.5, 1.0)
    assert found["rest"].discrimination is None, "good and odd add up to the same for everybody: no spread in the rest"
    assert found["odd"].discrimination == pytest.approx(correlation(odd, [good[i] + rest[i] for i in range(6)]))
    assert found["odd"].discrimination < -0.8
    assert "better students do worse" in found["odd"].remark
    assert (found["all"].discrimination, found["all"].remark) == (None, "nearly everyone has it")


def test_those_who_did_not_hand_in_do_not_make_an_exercise_hard() -> None:
    rows = [row(f"s{number}", "x", 1) for number in range(5)] + [row(f"t{number}", "x", 0, "not submitted") for number in range(5)]
    numbers, lesson = exercise_numbers(class_of(*rows, missing=("hal",)))[0], lesson_numbers(class_of(*rows, missing=("hal",)))[0]
    assert (numbers.difficulty, numbers.handed_in, numbers.attempted, numbers.endings["not handed in"]) == (1.0, 5, 5, 6)
    assert (len(lesson.shares), lesson.absent, lesson.median) == (5, 6, 1.0)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_small_classes_are_too_few_and_do_not_crash(count: int) -> None:
    data = class_of(*(row(f"s{number}", "x", number % 2) for number in range(count)), *(row(f"t{number}", "x", 0, "not submitted") for number in range(3)))
    numbers = exercise_numbers(data)[0]
    assert (numbers.difficulty, numbers.discrimination, numbers.remark) == (None, None, "too few")
    page = report_page(data)
    assert "too few" in page
    assert re.search(r"\bnan\b", page, re.I) is None


def test_an_empty_class_and_exercises_without_points_have_a_page() -> None:
    assert "0 students" in report_page(class_of())
    free = GradeRow("ada", "p", "a", "x", "X", 0.0, 0.0, "passed", "")
    assert "Nobody has less" in report_page(class_of(free), below=0.0)


def test_who_is_stuck_where() -> None:
    data = class_of(row("ada", "x", 1), row("bob", "x", 0), row("cy", "x", 0, "not submitted"), missing=("hal",))
    assert stuck(data, below=0.5) == [("bob", {"a": 0.0}, 0.0), ("cy", {"a": None}, 0.0), ("hal", {"a": None}, 0.0)]


def test_names_and_texts_are_escaped() -> None:
    data = class_of(row("<script>alert(1)</script>", "<i>x</i>", 0))
    data.mistakes, data.notes = {"<i>x</i>": Counter({SAYS: 1})}, {"a": ["<img src=x>"]}
    page = report_page(data)
    assert "<script" not in page
    assert "<img" not in page
    assert "<i>x" not in page


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six students, one of whom handed nothing in; Eve did something odd, Dan was late."""
    made = MadeUpClass(tmp_path_factory.mktemp("pattern"))
    where = {"sandbox": "level 4: namespaces", "grader": "warm", "graded_at": "2026-10-02T10:00:00+00:00", "torch": "2.9"}
    late = {"submitted_at": datetime(2026, 10, 3, 13, tzinfo=UTC).isoformat()}
    for number, student in enumerate(("ada", "bob", "cy", "dan", "eve")):
        first = failed(0.5, SAYS, card=card()) if number % 2 else passed(2.0)
        made.add(student, {"sum-two": first, "sum-all": passed(1.5) if number < 3 else failed(0.0, review=student == "eve")},
                 intake=late if student == "dan" else None,
                 record={"provenance": where, "notes": ["sum-all: it ends the process"] if student == "eve" else []})
    made.add("fay", nothing(), status="not submitted")
    write_json(made.folders.roster, {"students": ["ada", "bob", "cy", "dan", "eve", "fay", "hal"]})
    return made.root


@pytest.fixture
def made(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUpClass:
    tiny_course(tmp_path)
    shutil.copytree(pattern, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    monkeypatch.setattr(paths, "CHECKS", tmp_path / "checks")
    monkeypatch.setattr(paths, "COURSE", tmp_path / "course")
    write_json(tmp_path / "checks" / f"{SUMS}.fingerprints.json", {"sum-two": [{"name": "subtracts", "says": SAYS, "fails": []}]})
    course = load_course(tmp_path / "course")
    monkeypatch.setattr("grader.cli.reporting.load_course", lambda: course)
    return MadeUpClass(tmp_path)


def report(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["report", *map(str, words)], catch_exceptions=False)


def test_the_page_tells_what_an_instructor_asks(made: MadeUpClass) -> None:
    result = report("--to", made.root / "page.html")
    page = (made.root / "page.html").read_text()
    assert (result.exit_code, "7 students, 1 missing, 1 to review, 1 with notes" in result.stdout) == (1, True)
    for text in ("1 of the roster sent nothing</b>: hal", "it ends the process", "marked for manual grading", "It subtracts &lt;b&gt;instead",
                 "Large numbers work.", "level 4: namespaces (5)", "warm (5)", "7 students, 6 handed something in", "not handed in"):
        assert text in page, text
    assert page.count("<svg") == 2
    assert page.count('role="img" aria-label="') == 2
    assert AWAY.findall(page) == []


def test_lateness_and_staleness_stand_in_the_page(made: MadeUpClass) -> None:
    path = made.root / "course" / "course.toml"
    path.write_text(f"{path.read_text()}[late]\nlate_days = 1\npenalty_per_day = 0.1\n[late.due]\n{PART} = 2026-10-01T12:00:00Z\n")
    submitted = made.folders.submitted / "ada" / PART / f"{SUMS}.ipynb"
    submitted.write_text(submitted.read_text() + " ")
    report()
    page = (made.folders.build / "report.html").read_text()
    assert f"{3} days late, 1 covered by late days, 20% taken off" in page
    assert f"ada/{PART}/{SUMS}" in page


def test_json_has_the_numbers(made: MadeUpClass) -> None:
    table = json.loads(report("--json").stdout)
    first = next(numbers for numbers in table["exercises"] if numbers["exercise"] == "sum-two")
    assert (first["difficulty"], first["attempted"], first["mistakes"]) == (pytest.approx(0.7), 5, {SAYS: 2})
    assert table["missing"] == ["hal"]


def test_nothing_graded_is_exit_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    assert (report().exit_code, "run `grader autograde` first" in report().stderr) == (2, True)
