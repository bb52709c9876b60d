"""The command line. A verb's module is imported only when that verb is used, so that `grader --help` is quick."""
from __future__ import annotations

import importlib
from typing import Any

import click

COMMANDS = {  # verb: where its command is, and its line in `grader --help`
    "status": ("grader.cli.learner:status", "What you have passed, lesson by lesson."),
    "check": ("grader.cli.learner:check", "Judge a notebook, or one exercise of it."),
    "watch": ("grader.cli.learner:watch", "Judge a notebook each time it is saved."),
    "hint": ("grader.cli.learner:hint", "Show an exercise's next hint."),
    "reset": ("grader.cli.learner:reset", "Put a stub, a notebook or your progress back to the start."),
    "doctor": ("grader.cli.learner:doctor", "Will this notebook be graded as you expect? Without one: can this machine grade a class?"),
    "submit": ("grader.cli.learner:submit", "Pack your notebooks for handing in."),
    "bundle": ("grader.cli.instructor:bundle", "Make what learners get: no answers, no hidden checks."),
    "release": ("grader.cli.instructor:release", "Open a part to learners, and to the gradebook."),
    "collect": ("grader.cli.collecting:collect", "Take in what learners sent."),
    "autograde": ("grader.cli.grading:autograde", "Grade everything that was collected, side by side and shut in."),
    "regrade": ("grader.cli.grading:regrade", "Grade again what was graded: one student, one lesson, or all."),
    "replay": ("grader.cli.grading:replay", "Judge one answer once more, with the inputs that it was graded with."),
    "feedback": ("grader.cli.reporting:feedback", "Write each learner's feedback."),
    "export": ("grader.cli.reporting:export", "Write the grades as CSV, for Canvas or for Moodle."),
    "report": ("grader.cli.reporting:report", "Look at the class: scores, exercises, who is stuck where."),
    "similar": ("grader.cli.reporting:similar", "Find answers that are nearly the same."),
    "build": ("grader.cli.build:build", "Make the notebooks from the lessons."),
    "new": ("grader.cli.build:new", "Begin a lesson from templates."),
    "lint": ("grader.cli.build:lint", "Check the course's files against its rules."),
    "mutants": ("grader.cli.gate:mutants", "Prove that checks accept what is right and name what is wrong."),
    "goldens": ("grader.cli.goldens:goldens", "Compare the reports of the model submissions with the accepted ones."),
}


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as missing:
            return _unavailable(cmd_name, missing)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in COMMANDS.items()])


def _unavailable(verb: str, missing: ModuleNotFoundError) -> click.Command:
    """A stand-in that says what this verb lacks."""
    if (missing.name or "").split(".")[0] in ("grader", "handbook"):
        advice = f"this copy of the course has no `{verb}` ({missing.name} is missing); get the whole course and try again"
    else:
        advice = f"`{verb}` needs the package {missing.name}, which is not installed here; run `make setup` in the course's folder"

    def fail(**_: Any) -> None:
        raise click.ClickException(advice)

    return click.Command(verb, callback=fail, context_settings={"ignore_unknown_options": True},
                         params=[click.Argument(["anything"], nargs=-1, type=click.UNPROCESSED)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="llm-engineers-handbook")
def cli() -> None:
    """The grader of the LLM Engineer's Handbook: check answers, grade a class, build the course."""
