"""Running solved notebooks: outputs are kept, run again only when something they use changed, and failures are told."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grader.build.layout import Layout
from grader.build.lock import only_one
from grader.build.manifest import Measured, Row, read_manifest, update_manifest
from grader.build.outputs import complaint, tidy
from grader.build.steps import Built, Options, build, stale
from grader.course import Lesson
from grader.paths import ROOT
from tests.tiny_course import PART, SUMS, change, tiny_course


def lesson_of(layout: Layout) -> Lesson:
    return next(lesson for lesson in layout.load().lessons if lesson.stem == SUMS)


def make(layout: Layout, **options: Any) -> Built:
    return build(layout, [lesson_of(layout)], Options(**options))[0]


def cells(path: Path) -> dict[str, dict[str, Any]]:
    return {"".join(cell["source"]): cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Built]:
    layout = tiny_course(tmp_path_factory.mktemp("course"))
    return layout, make(layout)


def test_a_run_keeps_outputs_and_measures(built):
    layout, result = built
    assert (result.how, result.problem) == ("executed", "")
    assert result.measured is not None
    assert 0 < result.measured.cpu_seconds < 20
    assert 0 < result.measured.peak_gb < 1
    solved = cells(layout.solution(lesson_of(layout)))
    assert solved['print("one and one:", 1 + 1)']["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["one and one: 2\n"]}]
    assert solved['check("sum-two")']["outputs"][0]["data"] == {"text/plain": ["2.00"]}
    assert solved['print("one and one:", 1 + 1)']["metadata"] == {}


def test_the_set_up_cells_versions_are_not_kept(built):
    layout, _ = built
    text = layout.solution(lesson_of(layout)).read_text(encoding="utf-8")
    assert "version 1.2.3" not in text
    assert read_manifest(layout)[SUMS].source not in text


def test_the_learners_notebook_has_the_card_but_no_outputs(built):
    layout, result = built
    text = layout.exercise(lesson_of(layout)).read_text(encoding="utf-8")
    assert f"**Runs in** {result.measured.cpu_seconds:g} CPU-s" in text
    assert not any(cell.get("outputs") for cell in json.loads(text)["cells"])


def test_nothing_is_run_again_while_nothing_it_uses_changed(built):
    layout, _ = built
    before = layout.solution(lesson_of(layout)).read_bytes()
    assert make(layout).how == "kept"
    assert layout.solution(lesson_of(layout)).read_bytes() == before
    assert stale(layout, [lesson_of(layout)]) == []


def test_new_figures_on_the_card_do_not_run_it_again(built):
    layout, _ = built
    old = read_manifest(layout)[SUMS]
    update_manifest(layout, {SUMS: Row(old.source, Measured(77, 8.8, "2031-05"))})
    assert make(layout).how == "kept"
    text = layout.solution(lesson_of(layout)).read_text(encoding="utf-8")
    assert "77 CPU-s, 8.8 GB (measured 2031-05)" in text
    assert "one and one: 2" in text


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return tiny_course(tmp_path)


def test_a_change_without_a_run_leaves_no_stale_outputs(layout):
    assert make(layout, run=False).how == "bare"
    row = read_manifest(layout)[SUMS]
    assert row.source == ""
    assert stale(layout, [lesson_of(layout)]) == [f"{SUMS}: its outputs were made from an older state of what it uses"]


@pytest.mark.parametrize(("old", "new", "told"), [
    ('print("one and one:", 1 + 1)', "[1, 2][7]", ("cell 5 fails", "    [1, 2][7]", "IndexError: list index out of range")),
    ('print("one and one:", 1 + 1)', "import sys\nprint('careful', file=sys.stderr)", ("cell 5 writes to stderr", "    careful")),
    ('print("one and one:", 1 + 1)', "from pathlib import Path\nprint(Path.cwd())", ("cell 5: its output shows a folder of this machine",)),
    ('print("one and one:", 1 + 1)', "import os\nos._exit(1)", ("cell 5: the kernel died",)),
    ("total_of_both_numbers = first + second", "total_of_both_numbers = first - second", ("our own answer does not pass its check",)),
], ids=["error", "stderr", "path", "dead kernel", "wrong answer"])
def test_a_failing_cell_is_named_and_nothing_is_written(layout, old, new, told):
    change(lesson_of(layout).path, old, new)
    result = make(layout)
    assert result.how == "failed"
    assert all(text in result.problem for text in (SUMS, *told)), result.problem
    assert "\x1b" not in result.problem
    assert not layout.solutions.joinpath(PART, f"{SUMS}.ipynb").exists()


def test_a_cell_that_never_ends_is_stopped(layout):
    change(lesson_of(layout).path, 'print("one and one:", 1 + 1)', "while True:\n    pass")
    assert "cell 5 takes longer than 2 s; make it smaller" in make(layout, timeout=2.0).problem


def test_outputs_are_the_same_on_every_machine():
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stdout", "text": "a\n"}, {"output_type": "stream", "name": "stdout", "text": "<f at 0x7f3a5c001230>"},
        {"output_type": "execute_result", "data": {"text/plain": "<object at 0x7f3a5c001230>", "image/png": "aGk="}, "transient": {}}]
    assert tidy(outputs) == [
        {"output_type": "stream", "name": "stdout", "text": ["a\n", "<f at 0x…>"]},
        {"output_type": "execute_result", "data": {"text/plain": ["<object at 0x…>"], "image/png": ["aGk="]}}]


def test_a_check_that_shows_no_points_is_not_a_pass():
    cell = {"source": ['check("a")'], "metadata": {"nbgrader": {"grade": True, "points": 2}}, "outputs": []}
    assert "does not pass" in complaint(cell, ())


def test_two_builds_do_not_write_at_once(tmp_path):
    from grader.build import BuildError

    with only_one(tmp_path / "lock"), pytest.raises(BuildError, match="another build"), only_one(tmp_path / "lock", patience=0.1):
        pass
    with only_one(tmp_path / "lock", patience=0.1):
        assert (tmp_path / "lock").exists()


def test_nbgraders_settings_follow_the_environment(tmp_path, monkeypatch):
    from traitlets.config import PyFileConfigLoader

    monkeypatch.setenv("HANDBOOK_BUILD", str(tmp_path))
    monkeypatch.setenv("JUPYTERHUB_USER", "ann")
    monkeypatch.chdir(tmp_path)  # the settings do not hang on where nbgrader is started
    directory = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config().CourseDirectory
    assert (directory.root, directory.student_id) == (str(ROOT), "ann")
    assert directory.db_url == f"sqlite:///{(tmp_path / 'gradebook.db').as_posix()}"
    assert directory.submitted_directory == str(tmp_path / "submitted")


@pytest.mark.slow
def test_plain_nbgrader_grades_the_notebook_and_skips_demonstrations(layout):
    """What the course's nbgrader_config.py says, seen on a submission with one right and one missing answer."""
    make(layout, run=False)
    layout.root.joinpath("nbgrader_config.py").write_bytes((ROOT / "nbgrader_config.py").read_bytes())
    submitted = json.loads(layout.exercise(lesson_of(layout)).read_text(encoding="utf-8"))
    for cell in submitted["cells"]:
        if cell["id"] == "sum-two":
            cell["source"] = "def add(first, second):\n    return first + second"
    target = layout.build / "submitted" / "ann" / PART / f"{SUMS}.ipynb"
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(submitted), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name not in ("HANDBOOK_BUILD", "JUPYTERHUB_USER")}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in (["generate_assignment", "--force"], ["autograde"], ["export", "--to=grades.csv"]):
        done = subprocess.run([sys.executable, "-m", "nbgrader", *command, *([] if command[0] == "export" else [PART])], cwd=layout.root,
                              env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in layout.root.joinpath("grades.csv").read_text(encoding="utf-8").splitlines()]
    grades = dict(zip(*rows, strict=True))
    assert (float(grades["raw_score"]), float(grades["max_score"])) == (2.0, 3.5)
    graded = cells(layout.build / "autograded" / "ann" / PART / f"{SUMS}.ipynb")
    assert [cell["outputs"] for cell in graded.values() if "demo" in cell["metadata"].get("tags", [])] == [[]]
    assert graded['print("one and one:", 1 + 1)']["outputs"]
