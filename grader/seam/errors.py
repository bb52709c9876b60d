"""How a call across the seam can end badly. Only LearnerError means that the learner's code raised."""
from __future__ import annotations


class LearnerError(Exception):
    """The learner's code raised. `kind` is the exception's type name, `line` the learner's line with its text."""

    def __init__(self, kind: str, message: str, line: str = "") -> None:
        super().__init__(f"{kind}: {message}" + (f"\n  at {line}" if line else ""))
        self.kind, self.message, self.line = kind, message, line


class MissingAttribute(LearnerError, AttributeError):
    """A handle lacks an attribute; being an AttributeError makes hasattr() work on handles."""


class MissingLength(LearnerError, TypeError):
    """A handle has no length; being a TypeError makes list(handle) work, which asks for a length first."""


class SeamError(Exception):
    """There is no usable answer.

    Not a LearnerError: a check that expects an exception must not be satisfied by a dead, silent or lying process.
    """


class LearnerTimeout(SeamError):
    """The learner's code took too long; its process may live on."""


class LearnerGone(SeamError):
    """The learner's process is dead, silent or malformed. Every later call says so at once."""
