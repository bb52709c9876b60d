"""When something was handed in: from nbgrader's `timestamp.txt` or the manifest that `grader submit` packs; else it is unknown.

A file's own time says when it was saved or unpacked, not when it was handed in, and is not used. The manifest's time is
what the learner's machine says; an LMS's mark of lateness (owners.is_late) stands beside it.
"""
from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator

from grader.intake.walking import Entry

SMALL = 1 << 20
FORMATS = ("%Y-%m-%d %H:%M:%S.%f %Z", "%Y-%m-%d %H:%M:%S %Z")


def handed_in(entries: Iterable[Entry]) -> dict[tuple[str, ...], str]:
    """The time by the folder that it holds for, in ISO 8601 with its zone."""
    found = {}
    for entry in entries:
        if entry.name in ("timestamp.txt", "manifest.json"):
            time = next(_times(entry), "")
            if time:
                found[entry.folders] = time
    return found


def time_of(entry: Entry, times: dict[tuple[str, ...], str]) -> str:
    """The time that holds for a file: that of the nearest folder above it which has one."""
    return next((times[entry.folders[:depth]] for depth in range(len(entry.folders), -1, -1) if entry.folders[:depth] in times), "")


def _times(entry: Entry) -> Iterator[str]:
    try:
        data = entry.read()
        text = data.decode("utf-8") if len(data) < SMALL else ""
        said = text if entry.name == "timestamp.txt" else json.loads(text)["made"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    for form in FORMATS:
        try:
            time = datetime.datetime.strptime(str(said).strip(), form)
        except ValueError:
            continue
        yield (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).isoformat(timespec="seconds")
