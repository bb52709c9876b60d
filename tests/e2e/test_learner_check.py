"""`grader check` and `grader watch` on a real lesson: answers run in a process of their own, and nothing hangs or dies here."""
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.cli import cli
from grader.learner.checking import Checked
from grader.learner.errors import BadNotebookError
from grader.learner.watching import watch
from tests.e2e.classroom import Material, Notebook, built_lessons, place_of

pytestmark = pytest.mark.slow
STEM = "p1_4_attention"


@pytest.fixture(scope="module")
def material() -> Material:
    lessons = {lesson.stem: lesson for lesson in built_lessons()}
    assert STEM in lessons, "there is no solved notebook; run `grader build` first"
    return Material.of(lessons[STEM])


@pytest.fixture
def save(tmp_path: Path, material: Material, monkeypatch: pytest.MonkeyPatch) -> Callable[[Notebook], Path]:
    """Save a notebook where a learner's notebook of the lesson is."""
    monkeypatch.setattr(paths, "EXERCISES", tmp_path / "exercises")
    monkeypatch.setenv("HANDBOOK_PROGRESS", str(tmp_path / "progress.json"))
    path = tmp_path / "exercises" / material.lesson.part / f"{STEM}.ipynb"
    path.parent.mkdir(parents=True)

    def write(table: Notebook) -> Path:
        path.write_text(json.dumps(table), encoding="utf-8")
        return path

    return write


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def verdicts(result: Result) -> dict[str, dict[str, Any]]:
    return {row["exercise"]: row for row in json.loads(result.stdout)["exercises"]}


def test_a_solved_notebook_passes_and_progress_is_kept(save: Callable[[Notebook], Path], material: Material) -> None:
    save(material.notebook())
    result = run("check", STEM)
    assert result.exit_code == 0, result.output
    count = len(material.answers)
    assert f"{count} of {count} passed" in result.output
    rows = json.loads(run("status", "--json").stdout)
    assert {"lesson": STEM, "passed": count, "exercises": count} in rows


def test_every_trouble_stays_with_its_exercise(save: Callable[[Notebook], Path], material: Material) -> None:
    names = list(material.answers)
    answers = dict(material.answers)
    mistake, source = material.mistake(names[0])
    answers[names[0]] = source
    answers[names[1]] += "\nprint((1"
    answers[names[2]] += "\nimport os\nos._exit(4)"
    answers[names[3]] = "while True:\n    pass\n" + answers[names[3]]
    del answers[names[4]]
    table = material.notebook(answers)
    table["cells"].insert(place_of(table, names[5]), {"cell_type": "code", "id": "own", "metadata": {}, "source": "undefined_name",
                                                      "outputs": [], "execution_count": 1})
    save(table)
    result = run("check", STEM, "--seconds", "3", "--json")
    rows = verdicts(result)
    assert result.exit_code == 1
    assert rows[names[0]]["mistake"] == mistake.says
    assert "SyntaxError: line" in rows[names[1]]["note"]
    assert "ended the whole process (exit code 4)" in rows[names[2]]["note"]
    assert "too slow: stopped after 3 s" in rows[names[3]]["note"]
    assert rows[names[4]]["outcome"] == "not attempted"
    assert [rows[name]["outcome"] for name in names[5:]] == ["passed"] * len(names[5:])
    messages = [row["message"] for row in json.loads(result.stdout)["findings"]]
    assert any("NameError: name 'undefined_name' is not defined" in message for message in messages)


def test_one_exercise_can_be_checked_with_the_same_inputs_again(save: Callable[[Notebook], Path], material: Material) -> None:
    name = next(iter(material.answers))
    save(material.notebook({name: material.mistake(name)[1]}))
    first = verdicts(run("check", name, "--seed", "7", "--json"))
    again = verdicts(run("check", name, "--seed", "7", "--json"))
    assert list(first) == [name]
    assert [row["got"] for row in first[name]["checks"]] == [row["got"] for row in again[name]["checks"]]


class EndOfTestError(Exception):
    """Raised instead of sleeping, when the test has seen enough."""


def test_watch_checks_what_a_save_changed(save: Callable[[Notebook], Path], material: Material) -> None:
    name, other = list(material.answers)[:2]
    path = save(material.notebook({}))
    saves = [lambda: save(material.notebook({name: material.answers[name]})), lambda: path.write_text("{", encoding="utf-8")]
    later = iter(range(2_000_000_000, 2_000_000_100))

    def sleep(seconds: float) -> None:
        if not saves:
            raise EndOfTestError
        saves.pop(0)()
        when = next(later)
        os.utime(path, (when, when))

    reports: list[Checked | BadNotebookError] = []
    with pytest.raises(EndOfTestError):
        reports.extend(watch(path, seconds=10, sleep=sleep))  # keeps what came before the end
    everything, changed, broken = reports
    assert isinstance(everything, Checked)
    assert isinstance(changed, Checked)
    assert {row["outcome"] for row in everything.verdicts} == {"not attempted"}
    assert other in {row["exercise"] for row in everything.verdicts}
    assert [(row["exercise"], row["outcome"]) for row in changed.verdicts] == [(name, "passed")]
    assert isinstance(broken, BadNotebookError)
