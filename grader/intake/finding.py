"""What intake has to say about a file: one sentence each, ending with what happened or what to do next."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One observation. note: handled, nothing is lost · warning: look at it · error: something was not graded."""

    severity: Severity
    file: str
    exercise: str | None
    message: str

    @classmethod
    def note(cls, file: str, message: str, exercise: str | None = None) -> Finding:
        """Something odd that was handled; nothing is lost."""
        return cls("note", file, exercise, message)

    @classmethod
    def warning(cls, file: str, message: str, exercise: str | None = None) -> Finding:
        """Something that a person should look at."""
        return cls("warning", file, exercise, message)

    @classmethod
    def error(cls, file: str, message: str, exercise: str | None = None) -> Finding:
        """Something that could not be graded."""
        return cls("error", file, exercise, message)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Finding:
        """Read a finding that `as_json` wrote."""
        return cls(row["severity"], row["file"], row["exercise"], row["message"])

    def as_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)

    def line(self) -> str:
        """The finding in a line, where the reader knows which file it is about."""
        return f"{self.severity}: {f'{self.exercise}: ' if self.exercise else ''}{self.message}"

    def __str__(self) -> str:
        where = f"{self.file}, {self.exercise}" if self.exercise else self.file
        return f"{self.severity}: {where}: {self.message}"

