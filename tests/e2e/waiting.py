"""Wait for something to happen, but not for ever; and what is seen of processes from outside."""
from __future__ import annotations

import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
SECONDS = 120.0  # much more than anything needs, for a machine that has much else to do


def until(look: Callable[[], T], what: str, seconds: float = SECONDS) -> T:
    """What `look` returns as soon as it is something true. Fails if it never is."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        select.select([], [], [], 0.02)
    return found


def running() -> dict[int, list[str]]:
    """The processes that run now, with their command lines. Zombies don't run."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it ended while we looked
            continue
        if state != "Z" and words != [""]:
            found[int(path.name)] = words
    return found


def parent_of(pid: int) -> int:
    """The parent of a process; 0 if it is gone."""
    try:
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def descendants(pid: int) -> set[int]:
    """All processes below this one."""
    parents = {other: parent_of(other) for other in running()}
    found: set[int] = set()
    while more := {other for other, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found
