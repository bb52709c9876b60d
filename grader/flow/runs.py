"""The journal of a grading run: what was asked for, so that `--resume` goes on after the machine or the process ended."""
from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import Any

from grader.flow.nbgrader_course import FlowError
from grader.folders import Folders, read_json, write_json

NAME = "run.json"


@dataclass(frozen=True)
class Run:
    """One run of `autograde`. `force` grades again even what has not changed, but each notebook once a run."""

    id: str
    students: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()
    force: bool = False

    @classmethod
    def new(cls, **chosen: Any) -> Run:
        """A run with a name of its own."""
        return cls(secrets.token_hex(6), **chosen)


def begin(folders: Folders, run: Run) -> None:
    """Note that the run has begun."""
    write_json(folders.build / NAME, asdict(run))


def end(folders: Folders) -> None:
    """Note that it is done: nothing is left to resume."""
    (folders.build / NAME).unlink(missing_ok=True)


def unfinished(folders: Folders) -> Run:
    """The run that did not come to its end. Raises FlowError if there is none."""
    table = read_json(folders.build / NAME)
    try:
        lists = {name: tuple(table[name]) for name in ("students", "parts", "lessons")}
        return Run(table["id"], force=bool(table["force"]), **lists)
    except (KeyError, TypeError):
        text = "there is no unfinished run to resume; run `grader autograde`, which leaves alone what is graded and unchanged"
        raise FlowError(text) from None
