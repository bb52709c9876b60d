"""Seeds, the journal of a run, and a pool's other parts that need no process."""
from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from grader.fleet import seeds
from grader.fleet.bundle import Bundle, CellTask, Result, bundle_of
from grader.fleet.pool import LocalPool
from grader.fleet.seeds import course_secret, seed_for
from grader.flow import runs
from grader.flow.nbgrader_course import FlowError
from grader.folders import Folders
from grader.sandbox.limits import Limits
from tests import made_up

SERVER = None  # nobody asks it anything here


def test_a_seed_is_the_students_and_the_exercises_own_and_always_the_same() -> None:
    found = {(student, exercise): seed_for(b"key", student, exercise) for student in ("ada", "bob", "ad") for exercise in ("sum", "asum")}
    assert len(set(found.values())) == len(found), "names that run together, or one seed for all"
    assert all(seed_for(b"key", *names) == seed and 0 <= seed < seeds.RANGE for names, seed in found.items())
    assert seed_for(b"key", "ada", "sum") == 451273027, "a regrade of last year's class would get other inputs"
    assert seed_for(b"other", "ada", "sum") != seed_for(b"key", "ada", "sum")


def test_the_secret_is_made_once_and_for_this_account_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDBOOK_SECRET", raising=False)
    first = course_secret(tmp_path / "build")
    assert course_secret(tmp_path / "build") == first
    assert len(first) == 64
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "build" / seeds.NAME).stat().st_mode) == 0o600
    assert course_secret(tmp_path / "other") != first


def test_a_secret_that_is_given_is_used_and_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDBOOK_SECRET", "from the vault")
    assert course_secret(tmp_path) == b"from the vault"
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_remembered_until_its_end(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    run = runs.Run.new(students=("ada",), parts=(), lessons=("p1_1_sums",), force=True)
    runs.begin(folders, run)
    assert runs.unfinished(folders) == run
    runs.end(folders)
    with pytest.raises(FlowError, match="no unfinished run to resume; run `grader autograde`"):
        runs.unfinished(folders)
    runs.end(folders)


def test_runs_have_names_of_their_own() -> None:
    assert len({runs.Run.new().id for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"id": "x"}', '{"id": 1, "students": null, "parts": [], "lessons": [], "force": 0}'])
def test_a_damaged_journal_is_no_run(text: str, tmp_path: Path) -> None:
    (tmp_path / runs.NAME).write_text(text)
    with pytest.raises(FlowError, match="no unfinished run"):
        runs.unfinished(Folders(tmp_path))


def test_a_bundle_holds_what_grading_runs_and_nothing_of_the_checks() -> None:
    bundle = bundle_of("ada", made_up.PART, made_up.STEM, made_up.solved(), {"sum-two": 1}, Limits(), only=("sum-two",))
    assert bundle.name == f"ada/{made_up.PART}/{made_up.STEM}"
    assert bundle.exercises == ("sum-two",)
    assert {cell.exercise for cell in bundle.cells} >= {"sum-two", "sum-many"}
    assert not any("check(" in cell.source and cell.exercise for cell in bundle.cells)


def test_a_result_comes_back_as_plain_data() -> None:
    result = Result("a/b/c", {"one": {"verdict": {"points": 1.0}}}, {"x": {"kind": "", "text": "", "printed": "é"}}, ["note"], "", "level 4", 1.5, 2)
    assert Result(**json.loads(json.dumps(result.as_json()))) == result


def test_one_worker_goes_on_after_a_fault_of_the_graders_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(bundle: Bundle, server: object) -> Result:
        if bundle.student == "odd":
            raise RuntimeError("a fault of ours")
        return Result(bundle.name)

    monkeypatch.setattr("grader.fleet.pool.execute", execute)
    bundles = [Bundle(name, "p", "l", (CellTask("a", "", ""),), (), {}) for name in ("ada", "odd", "zoe")]
    with LocalPool(SERVER, 1) as pool:
        found = [(result.name, result.problem) for result in pool.run(bundles)]
    assert found == [("ada/p/l", ""), ("odd/p/l", "RuntimeError: a fault of ours"), ("zoe/p/l", "")]
