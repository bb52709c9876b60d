"""`grader collect` at the terminal: what it says, and its exit codes."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader import paths
from grader.cli import cli
from tests.made_up import PART, STEM, data, lesson, solved


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A released made-up lesson and a folder for what learners send."""
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    released = paths.BUILD / "release" / PART / f"{STEM}.ipynb"
    released.parent.mkdir(parents=True)
    released.write_bytes(data(lesson()))
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def send(inbox: Path, student: str, content: bytes | None = None) -> None:
    path = inbox / student / f"{STEM}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data(solved()) if content is None else content)


def collect(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["collect", *map(str, words)], catch_exceptions=False)


def test_whole_files_are_ok_and_counted(inbox: Path) -> None:
    send(inbox, "ada")
    result = collect(inbox)
    assert (result.exit_code, f"ada: {STEM}: ok, 2 of 2 answered" in result.stdout) == (0, True)
    assert "1 student; next: `grader autograde`" in result.stdout
    assert "all files are kept as received in" in result.stdout


def test_an_emptier_file_makes_exit_1_and_replace_takes_it(inbox: Path) -> None:
    send(inbox, "ada")
    collect(inbox)
    send(inbox, "ada", data(lesson()))
    result = collect(inbox)
    assert result.exit_code == 1
    assert "the earlier one stays and is graded: collect again with --replace" in result.stdout
    assert "2 of 2 answered" in result.stdout
    result = collect(inbox, "--replace")
    assert (result.exit_code, "untouched, 0 of 2 answered" in result.stdout) == (0, True)


def test_a_roster_names_the_missing_and_the_unknown(inbox: Path) -> None:
    send(inbox, "ada")
    send(inbox, "bobb")
    roster = inbox.parent / "class.csv"
    roster.write_text("student\nada\nbob\ncy\n")
    result = collect(inbox, "--roster", roster)
    assert result.exit_code == 1
    assert "missing: 2 students of the roster sent nothing so far: bob, cy" in result.stdout
    assert "unknown: bobb is not on the roster; if the id is wrong, collect again with --rename bobb=bob" in result.stderr
    result = collect(inbox, "--roster", roster, "--rename", "bobb=bob", "--json")
    table = json.loads(result.stdout)
    assert (result.exit_code, table["missing"], table["unknown"]) == (0, ["cy"], {})
    assert Path(table["set_aside"]["bobb"]).joinpath("submitted", PART).is_dir()
    assert not (paths.BUILD / "submitted" / "bobb").exists()


def test_nobodys_work_is_exit_2_with_the_next_action(inbox: Path) -> None:
    (inbox / "hal").mkdir()
    result = collect(inbox)
    assert result.exit_code == 2
    assert "hal: this folder is empty" in result.stderr
    assert "nobody's work was found in" in result.stderr
    assert "next:" not in result.stdout


@pytest.mark.parametrize(("words", "says"), [
    (["README.md"], "README.md is no folder, no zip and no notebook"),
    (["inbox", "--rename", "ada"], "does not say OLD=NEW"),
    (["inbox", "--roster", "README.md"], "names nobody"),
])
def test_wrong_uses_say_what_to_do(inbox: Path, words: list[str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(inbox.parent)
    Path("README.md").touch()
    result = collect(*words)
    assert (result.exit_code, says in result.stderr) == (2, True)
