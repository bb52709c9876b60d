"""Where the steps from a learner's file to an instructor's CSV keep what they make, and how files are written whole."""
from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader import paths


@dataclass(frozen=True)
class Folders:
    """One class's work: everything below one build folder. nbgrader's folders have nbgrader's names."""

    build: Path = field(default_factory=lambda: paths.BUILD)

    @property
    def release(self) -> Path:
        """Released notebooks as the gradebook knows them: the pristine copies."""
        return self.build / "release"

    @property
    def received(self) -> Path:
        """Every file as it came in, by the time of its collection."""
        return self.build / "received"

    @property
    def aside(self) -> Path:
        """Records of a student whose id was wrong, as they were."""
        return self.build / "aside"

    @property
    def roster(self) -> Path:
        """The class's list, as the last `collect --roster` read it."""
        return self.build / "roster.json"

    @property
    def submitted(self) -> Path:
        return self.build / "submitted"

    @property
    def autograded(self) -> Path:
        return self.build / "autograded"

    @property
    def feedback(self) -> Path:
        return self.build / "feedback"

    @property
    def intake(self) -> Path:
        """What was found in each learner's files."""
        return self.build / "intake"

    @property
    def verdicts(self) -> Path:
        """How each exercise ended, with reasons."""
        return self.build / "verdicts"

    @property
    def submissions(self) -> Path:
        """What `grader submit` makes."""
        return self.build / "submissions"

    @property
    def gradebook(self) -> Path:
        return self.build / "gradebook.db"


def shown(path: Path) -> str:
    """A path as a reader knows it: from the course's folder on, if it is below it."""
    return path.relative_to(paths.ROOT).as_posix() if path.is_relative_to(paths.ROOT) else str(path)


def write_whole(path: Path, data: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it is there completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_json(path: Path, table: Any) -> None:
    """Write plain data, the same bytes every time."""
    write_whole(path, json.dumps(table, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a table that `write_json` wrote; empty if there is none, or if someone damaged it."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}
