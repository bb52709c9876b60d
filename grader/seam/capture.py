"""Keep what the learner's code prints, warns and logs: none of it decides anything or reaches the real streams."""
from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any


class CappedText(io.TextIOBase):
    """A text stream that keeps the first `limit` characters."""

    def __init__(self, limit: int) -> None:
        self.room = limit
        self.parts: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.room > 0:
            self.parts.append(text[: self.room])
        self.room -= len(text)
        return len(text)

    def text(self) -> str:
        return "".join(self.parts) + ("\n[output cut]" if self.room < 0 else "")


class Switch(io.TextIOBase):
    """A text stream that passes on to whatever stream is its present target."""

    def __init__(self, target: CappedText) -> None:
        self.target = target

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return self.target.write(text)

    def turn(self, target: CappedText) -> None:
        """Send all that is printed from now on to `target`, whatever was done to the streams since the last turn."""
        self.target = target
        sys.stdout = sys.stderr = self
        if not warnings.filters or warnings.filters[0] != _IGNORED:
            warnings.simplefilter("ignore")


_IGNORED = ("ignore", None, Warning, None, 0)  # what simplefilter("ignore") puts first


@contextlib.contextmanager
def captured(stream: io.TextIOBase) -> Iterator[None]:
    """Send printing, warnings and logging to `stream`. Warnings are not shown and never become errors."""
    moved = _loggers_on((sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__))
    before = [(handler, handler.stream) for handler in moved]
    with warnings.catch_warnings(), contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        warnings.simplefilter("ignore")
        for handler in moved:
            handler.stream = stream
        try:
            yield
        finally:
            for handler, old in before:
                handler.stream = old


def _loggers_on(streams: tuple[Any, ...]) -> list[logging.StreamHandler[Any]]:
    """Handlers that hold one of these streams themselves, as libraries' own loggers do."""
    held = {id(stream) for stream in streams if stream is not None}
    handlers = [reference() for reference in list(getattr(logging, "_handlerList", ()))]
    return [handler for handler in handlers
            if isinstance(handler, logging.StreamHandler) and id(vars(handler).get("stream")) in held]
