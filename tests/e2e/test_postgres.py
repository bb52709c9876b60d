"""The gradebook in a real PostgreSQL: the same grades as in SQLite, two graders at once, and clear words when it can't be had."""
from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.flow.autograde import autograde
from grader.flow.export import as_csv, grade_rows
from grader.flow.gradebook import VARIABLE, GradebookError, gradebook_url
from grader.flow.jobs import jobs
from grader.flow.nbgrader_course import FlowError, Limits, NbgraderCourse, quiet
from grader.flow.release import release
from grader.folders import Folders
from grader.intake import collect
from grader.intake.released import library_of_release
from tests import made_up
from tests.e2e.test_flow import answered, solution
from tests.made_up import PART, STEM
from tests.postgres import PASSWORD, USER, Postgres, postgres, why_not

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]
CLASS = {"ada": answered("def add(a, b):\n    return a + b"), "bob": answered("def add(a, b):\n    return a - b")}
STUDENTS = [f"student-{number:02}" for number in range(12)]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("psycopg2", reason="the driver psycopg2-binary is not installed")
    with postgres() as running:
        yield running


def new_database(server: Postgres, name: str) -> str:
    """The URL of a new, empty database."""
    server.sql(f'CREATE DATABASE "{name}"')
    return server.url(name)


def released(root: Path) -> NbgraderCourse:
    """A released lesson. HANDBOOK_GRADEBOOK says where its gradebook is."""
    source = root / "solutions"
    (source / PART).mkdir(parents=True)
    (source / PART / f"{STEM}.ipynb").write_text(json.dumps(solution()))
    course = NbgraderCourse(Folders(root / "build"), Limits(cell=10, check=20), source=source)
    release(course, [PART])
    return course


def graded(root: Path) -> NbgraderCourse:
    """A released lesson and a graded class of two."""
    course = released(root)
    for student, table in CLASS.items():
        path = root / "handed-in" / student / f"{STEM}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(made_up.data(table))
    collect(root / "handed-in", library_of_release(course.folders), course.folders)
    done = autograde(course, jobs(course.folders))
    assert (len(done.graded), done.review) == (2, {})
    return course


def test_the_same_grades_as_in_sqlite_and_a_regrade_keeps_what_was_set_by_hand(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = as_csv(grade_rows(graded(tmp_path / "one"), {}))
    monkeypatch.setenv(VARIABLE, new_database(server, "same grades"))
    course = graded(tmp_path / "two")
    assert as_csv(grade_rows(course, {})) == plain
    assert [line.split(",")[5] for line in plain.splitlines()[1:]] == ["2.0", "3.0", "1.0", "3.0"]
    assert not course.folders.gradebook.exists()
    assert len(server.sql("SELECT 1 FROM grade", "same grades")) == 4
    with course.gradebook() as gradebook:
        gradebook.find_grade("sum-two-check", STEM, PART, "bob").manual_score = 1.5
        gradebook.db.commit()
    assert autograde(course, jobs(course.folders)).graded == []
    assert {row.student: row.points for row in grade_rows(course, {}) if row.exercise == "sum-two"} == {"ada": 2.0, "bob": 1.5}


def test_nbgrader_finds_its_stamp_and_has_nothing_to_upgrade(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, new_database(server, "stamped"))
    released(tmp_path)
    before = server.sql("SELECT version_num FROM alembic_version", "stamped")
    assert len(before) == 1
    server.sql("CREATE ROLE upgrader SUPERUSER LOGIN PASSWORD 'plain'")  # nbgrader can't read a URL with % in it
    url = f"postgresql+psycopg2://upgrader:plain@127.0.0.1:{server.port}/stamped"
    with quiet():
        said = subprocess.run(["nbgrader", "db", "upgrade", f"--CourseDirectory.db_url={url}"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    assert "Running upgrade" not in said.stderr
    assert server.sql("SELECT version_num FROM alembic_version", "stamped") == before


def record(root: Path, mine: int, start: Any, ended: Any) -> None:
    """One of two graders: opens an empty gradebook at the same moment as the other one and records a score for every student."""
    try:
        start.wait(60)
        course = NbgraderCourse(Folders(root / "build"), source=root / "solutions")
        with course.gradebook():
            pass
        start.wait(60)
        release(course, [PART])
        start.wait(60)
        for student in STUDENTS:
            with course.gradebook() as gradebook:
                gradebook.update_or_create_student(student)
                gradebook.update_or_create_submission(PART, student)
                gradebook.find_grade(("sum-two-check", "sum-many-check")[mine], STEM, PART, student).auto_score = mine + 1.0
                gradebook.db.commit()
        ended.put("")
    except BaseException as error:
        ended.put(f"{type(error).__name__}: {error}")
        start.abort()


def test_two_graders_at_once_lose_nothing(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, new_database(server, "at once"))
    roots = [tmp_path / name for name in ("one", "two")]  # two machines, each with its own files
    for root in roots:
        (root / "solutions" / PART).mkdir(parents=True)
        (root / "solutions" / PART / f"{STEM}.ipynb").write_text(json.dumps(solution()))
    context = multiprocessing.get_context("spawn")
    start, ended = context.Barrier(2), context.Queue()
    graders = [context.Process(target=record, args=(root, number, start, ended)) for number, root in enumerate(roots)]
    for process in graders:
        process.start()
    assert [ended.get(timeout=180) for _ in graders] == ["", ""]
    for process in graders:
        process.join(60)
    found = server.sql("SELECT auto_score, COUNT(*) FROM grade GROUP BY auto_score ORDER BY auto_score", "at once")
    assert found == [f"1|{len(STUDENTS)}", f"2|{len(STUDENTS)}"]
    assert server.sql("SELECT COUNT(*) FROM student", "at once") == [str(len(STUDENTS))]


def test_a_grader_that_is_killed_leaves_no_lock_behind(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, new_database(server, "killed"))
    course = released(tmp_path)

    def lose_the_connection() -> None:
        with course.gradebook() as gradebook:
            server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'killed'")
            gradebook.update_or_create_student("late")

    with pytest.raises(FlowError, match=r"connection to the gradebook was lost .*run it again"):
        lose_the_connection()
    with course.gradebook() as gradebook:
        assert gradebook.students == []


def said(server: Postgres, root: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    """What a grader says that can't open this gradebook."""
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(FlowError) as caught, NbgraderCourse(Folders(root / "build")).gradebook():
        pass
    text = str(caught.value)
    assert PASSWORD not in text
    assert "secret" not in text
    assert "%40" not in text.replace("(%40 %2F %3A)", "")
    return text


def test_what_is_wrong_is_said_with_what_to_do_and_without_the_password(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.sql("CREATE DATABASE taken")
    server.sql("CREATE TABLE of_somebody_else (id int)", "taken")
    wrong = {
        server.url("nowhere"): "no database nowhere; make it with `createdb nowhere`",
        server.url("postgres", password="secret"): f"does not let the user {USER} in; look at user and password",
        server.url("postgres").replace(USER, "nobody", 1): "does not let the user nobody in",
        server.url("postgres", port=1): "there is no PostgreSQL at 127.0.0.1:1; start the server",
        "postgresql://a:secret@no-such-host.invalid/x": "there is no PostgreSQL at no-such-host.invalid",
        "postgresql://a:sec@ret:secret@host:port/x": "can't be read; write postgresql://USER:PASSWORD@HOST",
        "mysql://a:secret@host/x": f"{VARIABLE} must begin with postgresql:// or sqlite:///",
        "postgresql+pg8000://a:secret@host/x": "Python has no pg8000; install the driver",
        server.url("taken"): "holds tables that are no gradebook (of_somebody_else); make an empty one",
    }
    for url, words in wrong.items():
        assert words in said(server, tmp_path, monkeypatch, url)


def test_a_missing_driver_is_said_with_the_command_that_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://a:secret@host/x")
    monkeypatch.setattr("grader.flow.gradebook.DRIVERS", {"psycopg2": "no_such_module_of_ours"})
    with pytest.raises(GradebookError, match="pip install psycopg2-binary") as caught:
        gradebook_url(tmp_path / "gradebook.db")
    assert "secret" not in str(caught.value)


def test_where_the_gradebook_is_taken_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg2", reason="the driver psycopg2-binary is not installed")
    monkeypatch.delenv(VARIABLE, raising=False)
    own = tmp_path / "gradebook.db"
    assert gradebook_url(own) == gradebook_url(own, "sqlite:////elsewhere.db") == f"sqlite:///{own}"
    assert gradebook_url(own, "postgres://a@host/x") == "postgresql+psycopg2://a@host/x"
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/other.db")
    assert gradebook_url(own, "postgresql://a@host/x") == os.environ[VARIABLE]
