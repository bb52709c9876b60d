"""One honest class, graded in every way there is: the same points, nothing lost when something ends, and all of it on record."""
from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.cli import cli
from grader.fleet import pool as pool_module
from grader.fleet.bundle import Bundle
from grader.fleet.bundle import Result as Graded
from grader.fleet.client import RunningServer
from grader.fleet.pool import BROKEN, LocalPool
from grader.flow.jobs import Job, jobs
from grader.flow.nbgrader_course import NbgraderCourse
from grader.flow.runs import NAME
from grader.flow.warm import _bundle
from grader.folders import Folders, read_json
from grader.judge.run import judge
from grader.notebook_run import namespace_of
from grader.sandbox.level import Level, probe
from grader.sandbox.limits import Limits
from grader.seam import LocalSubmission
from tests.e2e.classroom import Material, built_lessons, saved_by_colab, shuffled_cells
from tests.e2e.waiting import descendants, parent_of, running, until

LEVEL = probe()
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"),  # nbgrader's own libraries warn
              pytest.mark.skipif(not LEVEL.enough, reason=f"this machine has no sandbox: {LEVEL.why}")]
STEM = "p1_4_attention"
SECRET = "the secret of these tests"
SIX = ("all-right", "all-wrong", "half-done", "untouched", "shuffled", "colab")
Row = dict[str, str]


def grader(build: Path, *words: str | Path) -> Result:
    """A verb of the grader's, in this process, on this build folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "BUILD", build)
        patch.setenv("HANDBOOK_SECRET", SECRET)
        result = CliRunner().invoke(cli, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class Class:
    """A collected class, and copies of it that were graded, one a way."""

    def __init__(self, root: Path) -> None:
        self.root, self.material = root, Material.of(next(lesson for lesson in built_lessons() if lesson.stem == STEM))
        self.part = self.material.lesson.part
        answers = self.material.answers
        notebook = self.material.notebook
        self.hand_in("all-right", notebook())
        self.hand_in("all-wrong", notebook({name: self.material.mistake(name)[1] for name in answers}))
        self.hand_in("half-done", notebook(dict(list(answers.items())[: len(answers) // 2])))
        self.hand_in("untouched", notebook({}))
        self.hand_in("shuffled", shuffled_cells(self.material))
        self.hand_in("colab", saved_by_colab(self.material))
        first = root / "build"
        assert grader(first, "release", self.part).exit_code == 0
        assert grader(first, "collect", root / "handed-in", "--json").exit_code == 0
        for way in ("plain", "one", "two", "open"):
            shutil.copytree(first, root / way)
        self.said = {"plain": grader(root / "plain", "autograde", "--lesson", STEM, "--plain", "--json"),
                     "one": grader(root / "one", "autograde", "--lesson", STEM, "--workers", "1", "--json"),
                     "two": grader(root / "two", "autograde", "--lesson", STEM, "--workers", "2", "--json")}

    def hand_in(self, student: str, table: dict[str, Any], *, folder: str = "handed-in") -> Path:
        path = self.root / folder / student / f"{STEM}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(table), encoding="utf-8")
        return path.parent.parent

    def rows(self, way: str) -> list[Row]:
        assert grader(self.root / way, "export", "csv", "--to", self.root / f"{way}.csv", "--lessons", STEM).exit_code == 0
        return list(csv.DictReader(io.StringIO((self.root / f"{way}.csv").read_text(encoding="utf-8"))))

    def lesson(self, way: str, student: str) -> dict[str, Any]:
        """A student's verdicts on the lesson."""
        return dict(read_json(self.root / way / "verdicts" / student / f"{self.part}.json")["lessons"][STEM])

    def provenance(self, way: str) -> dict[str, dict[str, Any]]:
        """Where the verdicts of all students come from whose notebook was run."""
        return {student: row["provenance"] for student in SIX if (row := self.lesson(way, student)).get("provenance")}

    def jobs(self, way: str) -> list[Job]:
        return [job for job in jobs(Folders(self.root / way), lessons=(STEM,)) if not job.reason]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Class:
    return Class(tmp_path_factory.mktemp("class"))


@contextlib.contextmanager
def gradebook(build: Path) -> Iterator[Any]:
    with NbgraderCourse(Folders(build)).gradebook() as book:
        yield book


def dump(build: Path) -> list[str]:
    """All that is in the gradebook."""
    with contextlib.closing(sqlite3.connect(build / "gradebook.db")) as database:
        return sorted(database.iterdump())


def without_luck(rows: list[Row]) -> list[Row]:
    """Partial points depend on the inputs of a run; that they are partial does not."""
    return [{**row, "points": row["points"] if row["verdict"] != "failed" else "less than all"} for row in rows]


def test_every_way_ends_well_and_grades_the_same_notebooks(graded: Class) -> None:
    assert {way: said.exit_code for way, said in graded.said.items()} == {"plain": 0, "one": 0, "two": 0}
    tables = {way: json.loads(said.stdout) for way, said in graded.said.items()}
    assert {way: sorted(table["graded"]) for way, table in tables.items()} == dict.fromkeys(
        tables, sorted(f"{student}/{graded.part}/{STEM}" for student in SIX if student != "untouched"))
    assert {(way, *table["review"], *table["notes"]) for way, table in tables.items()} == {("plain",), ("one",), ("two",)}
    assert not any((graded.root / way / NAME).exists() for way in tables), "a run that has ended can't be resumed"


def test_one_worker_two_workers_and_nbgrader_give_the_same_points_and_words(graded: Class) -> None:
    one, two, plain = graded.rows("one"), graded.rows("two"), graded.rows("plain")
    assert len(one) == len(SIX) * len(graded.material.answers)
    assert one == two
    assert without_luck(one) == without_luck(plain)
    assert {row["verdict"] for row in one} >= {"passed", "failed", "not attempted"}


@pytest.mark.parametrize("student", ["all-right", "all-wrong", "half-done"])
def test_the_learners_own_check_says_the_same(student: str, graded: Class) -> None:
    namespace, _ = namespace_of(graded.root / "one" / "submitted" / student / graded.part / f"{STEM}.ipynb")
    where = graded.provenance("one")[student]
    recorded = {row["exercise"]: (row["verdict"], where["points"][row["exercise"]]) for row in graded.lesson("one", student)["exercises"]}
    found = {}
    for exercise, seed in where["seeds"].items():
        verdict = judge(exercise, lambda: LocalSubmission(namespace), seed=seed)
        found[exercise] = (verdict.outcome.value, verdict.points)
    assert found == recorded


def test_the_gradebook_holds_points_comments_and_nothing_to_review(graded: Class) -> None:
    with gradebook(graded.root / "two") as book:
        notebook = book.find_submission_notebook(STEM, graded.part, "all-wrong")
        comments = {comment.name: comment.auto_comment for comment in notebook.comments}
        grades = {grade.name: grade for grade in notebook.grades}
        assert all(grade.auto_score is not None and not grade.needs_manual_grade for grade in grades.values())
        right = book.find_submission_notebook(STEM, graded.part, "all-right")
        assert (right.score, [comment.auto_comment for comment in right.comments if comment.auto_comment]) == (right.max_score, [])
        empty = book.find_submission_notebook(STEM, graded.part, "half-done")
        assert {comment.auto_comment for comment in empty.comments} == {None, "No response."}
    for exercise in graded.material.answers:
        assert comments[exercise] is not None
        assert graded.material.mistake(exercise)[0].says[:30] in comments[exercise]


def test_the_graded_notebook_is_valid_and_holds_the_cards(graded: Class) -> None:
    for student in ("all-right", "all-wrong", "shuffled", "colab"):
        path = graded.root / "two" / "autograded" / student / graded.part / f"{STEM}.ipynb"
        table = json.loads(path.read_text(encoding="utf-8"))
        nbformat.validate(table)
        checks = [cell for cell in table["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]
        pages = ["".join(output["data"]["text/html"]) for cell in checks for output in cell["outputs"]]
        assert len(pages) == len(checks) == len(graded.material.answers)
        assert all("<div" in page for page in pages)
        assert ("Looks like:" in "".join(pages)) == (student == "all-wrong")
        assert table["metadata"]["handbook"]["submission"] == graded.provenance("two")[student]["submission"]


def test_feedback_is_made_from_it(graded: Class) -> None:
    assert grader(graded.root / "two", "feedback").exit_code == 0
    total = sum(exercise.points for exercise in graded.material.lesson.exercises)
    pages = {student: (graded.root / "two" / "feedback" / student / graded.part / f"{STEM}.html").read_text(encoding="utf-8") for student in SIX}
    assert f"Score: {total} / {total}" in " ".join(pages["all-right"].split())
    assert "Looks like:" in pages["all-wrong"]
    assert "Score: 0.0" in " ".join(pages["untouched"].split())


def test_each_verdict_has_its_provenance(graded: Class) -> None:
    one, two = graded.provenance("one"), graded.provenance("two")
    assert set(one) == set(SIX) - {"untouched"}
    for student, where in one.items():
        assert where["grader"] == "warm"
        assert where["sandbox"] == str(LEVEL)
        assert where["seeds"] == two[student]["seeds"]
        assert set(where["seeds"]) == set(where["points"]) == set(graded.material.answers)
        assert (where["submission"], where["torch"], where["python"]) == tuple(two[student][name] for name in ("submission", "torch", "python"))
    assert len({json.dumps(where["seeds"]) for where in one.values()}) == len(one), "two students share their inputs"
    assert {len({where["run"] for where in way.values()}) for way in (one, two)} == {1}


def test_a_score_set_by_hand_survives_and_asks_for_another_look(graded: Class) -> None:
    build, exercise = graded.root / "one", next(iter(graded.material.answers))
    with gradebook(build) as book:
        book.find_grade(f"{exercise}-check", STEM, graded.part, "all-wrong").manual_score = 0.25
        book.db.commit()
    said = grader(build, "regrade", "--lesson", STEM, "--student", "all-wrong", "--workers", "1", "--json")
    assert said.exit_code == 0, said.output
    with gradebook(build) as book:
        grade = book.find_grade(f"{exercise}-check", STEM, graded.part, "all-wrong")
        assert (grade.manual_score, grade.score, grade.needs_manual_grade) == (0.25, 0.25, True)
        others = book.find_submission_notebook(STEM, graded.part, "all-wrong").grades
        assert [other.name for other in others if other.needs_manual_grade] == [grade.name]
    assert next(row for row in graded.rows("one") if (row["student"], row["exercise"]) == ("all-wrong", exercise))["points"] == "0.25"


def command(build: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "HANDBOOK_BUILD": str(build), "HANDBOOK_SECRET": SECRET}
    return subprocess.Popen([sys.executable, "-m", "grader", *words], cwd=paths.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_that_was_killed_goes_on_where_it_was_and_grades_everything_once(graded: Class) -> None:
    build = graded.root / "two"
    before, old = dump(build), graded.provenance("two")
    killed = command(build, "autograde", "--lesson", STEM, "--force", "--workers", "2")

    def of_this_run() -> set[str]:
        run = read_json(build / NAME).get("id")
        return {student for student, where in graded.provenance("two").items() if where["run"] == run}

    def first_verdict() -> bool:
        assert killed.poll() is None, killed.communicate()
        return bool(of_this_run())

    try:
        until(first_verdict, "the first verdict of the new run")
        below = descendants(killed.pid)
    finally:
        killed.kill()  # with SIGKILL
        killed.communicate()
    until(lambda: not below & set(running()), "judges, the warm server and its children have ended")
    done, run = of_this_run(), read_json(build / NAME)["id"]
    assert done
    kept = {student: graded.provenance("two")[student] for student in done}
    resumed = command(build, "autograde", "--resume", "--workers", "2", "--json")
    out, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    table = json.loads(out)
    names = {student: f"{student}/{graded.part}/{STEM}" for student in SIX}
    assert set(table["unchanged"]) >= {names[student] for student in done}, "what this run had graded was graded again"
    assert set(table["graded"]) == {names[student] for student in old} - set(table["unchanged"])
    after = graded.provenance("two")
    assert {where["run"] for where in after.values()} == {run}
    assert {student: after[student] for student in done} == kept
    assert {where["run"] for where in old.values()} != {run}
    assert dump(build) == before, "grading the same work again changed the gradebook"
    assert not (build / NAME).exists()
    assert "no unfinished run" in grader(build, "autograde", "--resume").output


def test_a_run_whose_warm_server_is_killed_starts_another_and_grades_all(graded: Class) -> None:
    build = graded.root / "two"
    before, old = dump(build), graded.provenance("two")
    started = command(build, "autograde", "--lesson", STEM, "--force", "--workers", "2", "--json")

    def first_verdict() -> bool:
        assert started.poll() is None, started.communicate()
        return any(where["run"] != old[student]["run"] for student, where in graded.provenance("two").items())

    until(first_verdict, "the first verdict of the new run")
    below = descendants(started.pid)
    servers = [pid for pid, words in running().items() if pid in below and "grader.fleet.server" in words and parent_of(pid) == started.pid]
    assert len(servers) == 1
    os.kill(servers[0], signal.SIGKILL)
    out, err = started.communicate(timeout=300)
    assert started.returncode in (0, 1), err
    table = json.loads(out)
    assert table["review"] == {}
    assert set(table["graded"]) == {f"{student}/{graded.part}/{STEM}" for student in old}
    assert dump(build) == before, "grading the same work again changed the gradebook"


def points(results: list[Graded]) -> dict[str, dict[str, float]]:
    return {result.name: {name: row["verdict"]["points"] for name, row in result.exercises.items()} for result in results}


def test_a_judge_that_is_killed_loses_nothing(graded: Class) -> None:
    bundles = [_bundle(job, SECRET.encode(), Limits()) for job in graded.jobs("plain")]
    recorded = {f"{student}/{graded.part}/{STEM}": where["points"] for student, where in graded.provenance("two").items()}
    with RunningServer(sandbox=True, models=False) as server, LocalPool(server, 2) as pool:
        stream = pool.run(bundles)
        found = [next(stream)]
        os.kill(pool.pids()[0], signal.SIGKILL)
        found += stream
    assert [result.problem for result in found] == [""] * len(bundles)
    assert points(found) == recorded


def deadly(bundle: Bundle) -> dict[str, Any]:
    """Work that ends its process for one student, and is done for the others."""
    if bundle.student == "killer":
        os._exit(9)
    return Graded(bundle.name).as_json()


def test_a_notebook_that_ends_its_judge_again_and_again_is_blamed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_work", deadly)
    students = [*(f"before-{number}" for number in range(3)), "killer", *(f"after-{number}" for number in range(9))]
    with LocalPool(None, 2) as pool:  # type: ignore[arg-type]  # this work asks no server
        found = {result.name: result.problem for result in pool.run(Bundle(name, "p", "l", (), (), {}) for name in students)}
    assert found == {f"{name}/p/l": BROKEN if name == "killer" else "" for name in students}


def test_a_replay_says_the_same_and_then_what_has_changed(graded: Class) -> None:
    build, exercise = graded.root / "two", next(iter(graded.material.answers))
    same = grader(build, "replay", "all-wrong", exercise)
    assert same.exit_code == 0, same.output
    assert "the same verdict as recorded" in same.stderr
    assert graded.material.mistake(exercise)[0].says[:30] in " ".join(same.stdout.split())
    folder = graded.hand_in("all-wrong", graded.material.notebook(), folder="later")
    assert grader(build, "collect", folder).exit_code in (0, 1)
    other = grader(build, "replay", "all-wrong", exercise)
    assert other.exit_code == 1, other.output
    assert "changed since: submission was" in other.stderr
    assert "recorded was: failed" in other.stderr


@pytest.mark.parametrize(("student", "exercise", "says"), [
    ("nobody", "attention-heads", "nobody has no verdict on attention-heads that can be replayed; run `grader autograde` first"),
    ("untouched", "attention-heads", "untouched has no verdict"),
    ("all-right", "no-such-exercise", "no-such-exercise")])
def test_what_was_never_graded_can_not_be_replayed(student: str, exercise: str, says: str, graded: Class) -> None:
    said = grader(graded.root / "two", "replay", student, exercise)
    assert (said.exit_code, says in said.output) == (2, True), said.output


def test_without_a_sandbox_nothing_is_run_and_the_way_out_is_told(graded: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.sandbox.level.probe", lambda: Level(1, "unshare: Operation not permitted"))
    said = grader(graded.root / "open", "autograde", "--lesson", STEM)
    assert said.exit_code == 2
    for words in ("this machine has no sandbox (unshare: Operation not permitted)", "apparmor_restrict_unprivileged_userns", "--no-sandbox"):
        assert words in said.output
    monkeypatch.setattr(sys, "platform", "darwin")
    for flag in ([], ["--no-sandbox"]):
        other = grader(graded.root / "open", "autograde", "--lesson", STEM, *flag)
        assert (other.exit_code, "say `--plain`" in other.output) == (2, True), other.output
    assert not (graded.root / "open" / "verdicts").exists()
    assert not (graded.root / "open" / NAME).exists(), "a run that never began can't be resumed"


def test_without_a_sandbox_but_told_to_go_on_it_says_so_in_the_provenance(graded: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.sandbox.level.probe", lambda: Level(1, "unshare: Operation not permitted"))
    said = grader(graded.root / "open", "autograde", "--lesson", STEM, "--student", "half-done", "--no-sandbox", "--workers", "1")
    assert said.exit_code == 0, said.output
    where = graded.lesson("open", "half-done")["provenance"]
    assert where["sandbox"] == "level 1: resource limits"
    assert where["points"] == graded.provenance("two")["half-done"]["points"]


@pytest.mark.parametrize(("words", "says"), [
    (["--plain", "--workers", "2"], "--plain grades one after the other"),
    (["--resume", "--force"], "--resume goes on with what the last run was asked to do"),
    (["--student", "nobody-we-know"], "there is no student 'nobody-we-know'"),
    (["--lesson", "p9_9"], "p9_9")])
def test_wrong_use_is_told(words: list[str], says: str, graded: Class) -> None:
    said = grader(graded.root / "open", "autograde", *words)
    assert (said.exit_code, says in said.output) == (2, True), said.output
