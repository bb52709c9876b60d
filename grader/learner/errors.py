"""What can go wrong before anything is known about an answer. The messages say what to do next."""
from __future__ import annotations


class BadNotebookError(Exception):
    """There is no such notebook, or it can't be read."""


class CheckerError(Exception):
    """The course's own side failed."""
