"""What learners get holds no answer of ours, and everything that they need."""
from __future__ import annotations

import ast
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader import bundle as bundling
from grader.bundle import FOLDER, LeakError, contents, refuse_leaks, telling_lines
from grader.cli import cli
from grader.course import load_course
from grader.lesson import STUB, read_lesson
from grader.paths import ROOT

LESSONS = [lesson for lesson in load_course().lessons if lesson.path.exists()]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return contents(LESSONS)


def test_answers_hidden_checks_and_tests_are_left_out(files: dict[str, bytes]) -> None:
    places = {"/".join(name.split("/")[:2]) for name in files} | {name.split("/")[0] for name in files}
    assert places.isdisjoint({"solutions", "tests", "grader/hidden", "build", ".git", ".venv", ".ci"})
    assert [name for name in files if name.endswith((".bak", ".pyc"))] == []


def test_no_line_of_an_answer_is_in_it(files: dict[str, bytes]) -> None:
    for lesson in LESSONS:
        assert len(telling_lines(lesson)) >= len(lesson.exercises), "the leak test has something to look for"
        refuse_leaks(lesson, files)
    readable = [name for name, data in files.items() if b"### BEGIN SOLUTION\n" in data and name.startswith(("course/", "exercises/"))]
    assert readable == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_lesson_files_are_stubbed_and_still_lessons(lesson, files: dict[str, bytes], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "lesson.py"
    path.write_bytes(files[lesson.path.relative_to(ROOT).as_posix()])
    stubs = [cell for cell in read_lesson(path) if cell.kind == "exercise"]
    assert [cell.exercise for cell in stubs] == [exercise.id for exercise in lesson.exercises]
    for cell in stubs:
        ast.parse(cell.source)
        assert "raise NotImplementedError()" in cell.source
    notebook = json.loads(files[f"exercises/{lesson.part}/{lesson.stem}.ipynb"])
    shown = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    assert all(shown[cell.exercise or ""] == cell.source for cell in stubs)


def test_a_leak_is_found_wherever_it_is(files: dict[str, bytes]) -> None:
    lesson = LESSONS[0]
    line = sorted(telling_lines(lesson))[0]
    for name, text in ((f"course/{lesson.part}/notes.md", f"like this:\n    {line}\n"),
                       (f"exercises/{lesson.part}/{lesson.stem}.ipynb", json.dumps([line + "\n"], indent=1, ensure_ascii=False)),
                       (f"course/{lesson.part}/other.py", "    ### BEGIN SOLUTION\n")):
        with pytest.raises(LeakError):
            refuse_leaks(lesson, {**files, name: text.encode()})


def test_the_zip_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"README.md": b"hello", "course/x.py": STUB.encode()}
    monkeypatch.setattr(bundling, "contents", lambda lessons: made)
    results = [CliRunner().invoke(cli, ["bundle", "--to", str(tmp_path / name)]) for name in ("a.zip", "b.zip")]
    assert [result.exit_code for result in results] == [0, 0]
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == [f"{FOLDER}/README.md", f"{FOLDER}/course/x.py"]


def test_a_leak_stops_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundling, "contents", lambda lessons: {f"course/{LESSONS[0].part}/x.py": b"### BEGIN SOLUTION"})
    result = CliRunner().invoke(cli, ["bundle", "--to", str(tmp_path / "a.zip")])
    assert result.exit_code == 2
    assert "still has an answer in it" in result.output
    assert not (tmp_path / "a.zip").exists()
