"""A learner's copy works on its own, and what it hands in arrives: by zip, and through nbgrader's exchange."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader import paths
from grader.bundle import FOLDER, bundle
from grader.cli import cli
from grader.flow.nbgrader_course import NbgraderCourse
from grader.folders import Folders
from grader.intake import Library, collect
from grader.intake.rebuild import notebook_text
from tests.e2e.classroom import Material, built_lessons

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # nbgrader's own libraries warn
STEM = "p1_4_attention"


@pytest.fixture(scope="module")
def material() -> Material:
    lessons = {lesson.stem: lesson for lesson in built_lessons()}
    assert STEM in lessons, "there is no solved notebook; run `grader build` first"
    return Material.of(lessons[STEM])


def test_a_learners_copy_checks_and_hands_in_what_an_instructor_can_collect(material: Material, tmp_path: Path) -> None:
    made = bundle(tmp_path / "handbook.zip")
    zipfile.ZipFile(made.path).extractall(tmp_path)
    root = tmp_path / FOLDER
    first, *others = material.answers
    notebook = root / "exercises" / material.lesson.part / f"{STEM}.ipynb"
    notebook.write_text(notebook_text(material.notebook({first: material.answers[first]})), encoding="utf-8")

    def grader(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(root / "course")))}
        environment = {name: value for name, value in environment.items() if not name.startswith("HANDBOOK_")}
        return subprocess.run([sys.executable, "-m", "grader", *words], cwd=root, env=environment, capture_output=True, text=True,
                              timeout=120, check=False)

    checked = grader("check", STEM, "--json")
    assert checked.returncode == 1, checked.stderr
    outcomes = {row["exercise"]: row["outcome"] for row in json.loads(checked.stdout)["exercises"]}
    assert outcomes == {first: "passed"} | dict.fromkeys(others, "not attempted")
    assert grader("doctor", STEM).returncode == 0
    assert grader("submit", material.lesson.part, "--student", "ada").returncode == 0

    folders = Folders(tmp_path / "instructor")
    collected = collect(root / "build" / "submissions", Library([material.pristine]), folders)
    row = collected.records["ada"][material.lesson.part]["lessons"][STEM]
    assert row["answered"] == [first]


def test_submit_goes_through_the_exchange_where_there_is_one(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = material.lesson.part
    monkeypatch.setattr(paths, "EXERCISES", tmp_path / "exercises")
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    monkeypatch.setenv("NBGRADER_EXCHANGE", str(tmp_path / "exchange"))
    notebook = tmp_path / "exercises" / part / f"{STEM}.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text(notebook_text(material.pristine.table), encoding="utf-8")
    course = NbgraderCourse(Folders()).directory.course_id
    for folder, mode in ((f"outbound/{part}", 0o755), ("inbound", 0o733)):
        place = tmp_path / "exchange" / course / folder
        place.mkdir(parents=True)
        place.chmod(mode)
    (tmp_path / "exchange" / course / "outbound" / part / notebook.name).write_bytes(notebook.read_bytes())
    result = CliRunner().invoke(cli, ["submit", part, "--student", "ada", "--json"])
    table = json.loads(result.stdout)
    assert [note for note in table["notes"] if "exchange" in note] == []
    assert table["exchanged"] is True
    arrived = [path.name for path in (tmp_path / "exchange" / course / "inbound").glob("*/*")]
    assert notebook.name in arrived
