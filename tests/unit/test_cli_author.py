"""The author's verbs at the terminal: what they print, and their exit codes."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from grader import cli as commands
from grader.build.layout import Layout
from grader.cli import COMMANDS, cli
from tests.tiny_course import PART, READING, SUMS, change, tiny_course


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    layout = tiny_course(tmp_path)
    monkeypatch.setattr(Layout, "here", classmethod(lambda cls: layout))
    return layout


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_help_names_every_verb_and_imports_none():
    code = ("import sys; from click.testing import CliRunner; from grader.cli import cli; print(CliRunner().invoke(cli, ['--help']).output);"
            "print([name for name in sys.modules if name.startswith('grader.cli.') or name in ('torch', 'nbgrader', 'pytest')])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert all(f"\n  {verb} " in done.stdout for verb in COMMANDS)
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb != "watch"])  # watch is for eyes: it never ends
def test_every_verb_tells_its_exit_codes_and_speaks_json(verb):
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    assert "Exit codes:" in (command.help or "")
    assert "--json" in [option for parameter in command.params for option in parameter.opts]


@pytest.mark.parametrize(("module", "told"), [("grader.cli.gone", "this copy of the course has no `status`"),
                                              ("package_that_is_not_there", "needs the package package_that_is_not_there")])
def test_a_verb_whose_code_is_missing_says_so(monkeypatch, module, told):
    monkeypatch.setitem(commands.COMMANDS, "status", (f"{module}:status", ""))
    result = run("status", "--json", "x")
    assert result.exit_code == 1
    assert told in result.output


def test_build_writes_both_trees_and_speaks_json(layout):
    result = run("build", "--no-execute", "--json")
    assert result.exit_code == 0
    table = json.loads(result.output)
    assert [(row["stem"], row["how"]) for row in table["lessons"]] == [(SUMS, "bare"), (READING, "bare")]
    assert table["removed"] == []
    assert run("build", "--check").exit_code == 1  # there are no outputs yet


def test_build_takes_a_path_for_a_stem_and_names_the_known_ones(layout):
    lines = run("build", "--no-execute", f"course/{PART}/{READING}.py").output.splitlines()
    assert lines[0].startswith(f"ok  {READING}: bare in ")
    assert lines[1:] == ["1 of 1 built"]
    result = run("build", "p1_1_sumz")
    assert result.exit_code == 2
    assert f"there is no lesson 'p1_1_sumz'; the course has {SUMS}, {READING}" in result.output


def test_a_lesson_that_fails_does_not_stop_the_others(layout):
    change(layout.course / PART / f"{SUMS}.py", '# %% check="sum-two"\n', "")
    result = run("build", "--no-execute")
    assert result.exit_code == 1
    assert f"NO  {SUMS}: every exercise cell needs its one check cell" in result.output
    assert f"ok  {READING}: bare" in result.output
    assert "1 of 2 built; mend what is told above and run again" in result.output


def test_a_broken_table_is_told_with_the_next_action(layout):
    (layout.course / PART / f"{SUMS}.toml").write_text("[lessons", encoding="utf-8")
    change(layout.course / "course.toml", 'title = "Tiny"', 'title = "Tiny "')
    for verb in ("build", "lint"):
        result = run(verb)
        assert result.exit_code == 1
        assert "is not valid TOML" in result.output
        assert "mend the table and run this again" in result.output


def test_lint_fails_while_a_rule_is_broken(layout):
    result = run("lint", "--json")
    assert result.exit_code == 1
    assert {problem["path"] for problem in json.loads(result.output)["problems"]} >= {f"solutions/{PART}/{SUMS}.ipynb"}
    assert "problems; mend them and run `grader lint` again" in run("lint").output


def test_new_says_what_comes_next(layout):
    result = run("new", "p1_7_means")
    assert result.exit_code == 0
    assert f"wrote course/{PART}/p1_7_means.py" in result.output
    assert result.output.endswith("next: edit these, then `grader mutants p1_7_means` and `grader build p1_7_means`\n")
    again = run("new", "p1_7_means", "--json")
    assert again.exit_code == 1
    assert "is there already" in again.output
