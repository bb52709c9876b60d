"""What an attack has left behind on the grading machine. Each function says it in a sentence, or returns an empty text."""
from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from grader import paths

FORGED = "forged-by-an-attack"  # what attacks write into others' work
REPORTS = ("verdicts", "autograded", "feedback")
_TELLING = re.compile(r"[\w .,()=\[\]:*+-]{40,}")  # code that stands in a report as it is: nothing to escape in it


def marks(outside: Path) -> str:
    """Files that an attack wrote where nothing may be written."""
    found = sorted(path.relative_to(outside).as_posix() for path in (outside / "harm").rglob("*") if not path.is_dir())
    return f"written outside the sandbox: {', '.join(found[:5])}" if found else ""


def processes(marker: str) -> str:
    """Processes of an attack that are still alive."""
    alive = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it ended while we looked
            continue
        if any(word == marker.encode() for word in words):
            alive.append(path.parent.name)
    return f"still running: {len(alive)} processes called {marker}" if alive else ""


def forged(outside: Path) -> str:
    """Text of an attack in another student's files, or in the released notebooks."""
    found = [path.as_posix() for path in _files(outside / "build") if not _own(path) and FORGED in _text(path)]
    return f"changed: {', '.join(found[:5])}" if found else ""


def gradebook(outside: Path) -> str:
    """Rows of an attack in the gradebook."""
    path = outside / "build" / "gradebook.db"
    if not path.exists():
        return ""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT COUNT(*) FROM student WHERE id = ?", (FORGED,)).fetchone()[0]
        too_much = database.execute("SELECT COUNT(*) FROM grade WHERE manual_score > 100 OR extra_credit > 0").fetchone()[0]
    return f"the gradebook holds {rows} forged students and {too_much} forged scores" if rows or too_much else ""


def hidden_checks(lesson: str) -> Callable[[Path], str]:
    """Lines of a lesson's hidden checks in what goes back to learners."""

    def look(outside: Path) -> str:
        hidden = _lines(paths.HIDDEN / f"{lesson}.py") - _lines(paths.CHECKS / f"{lesson}.py")
        found = {line for _, text in _reports(outside) for line in hidden if line in text}
        return f"hidden checks leaked: {sorted(found)[0]!r}" if found else ""

    return look


def in_reports(pattern: str) -> Callable[[Path], str]:
    """A text in the reports that must not be there."""

    def look(outside: Path) -> str:
        found = [path.name for path, text in _reports(outside) if re.search(pattern, text)]
        return f"{pattern!r} stands in {', '.join(found[:3])}" if found else ""

    return look


def in_feedback(pattern: str) -> Callable[[Path], str]:
    """A text in a feedback page that must not be there."""

    def look(outside: Path) -> str:
        pages = [path for path in _files(outside / "build" / "feedback") if path.suffix == ".html"]
        found = [path.name for path in pages if re.search(pattern, _text(path))]
        return f"{pattern!r} stands in {', '.join(found[:3])}" if found else ""

    return look


def in_lines(outside: Path) -> str:
    """A reason or a note that is more than one plain line, so that it could forge others in a terminal."""
    for path in _files(outside / "build" / "verdicts"):
        for lesson in json.loads(_text(path)).get("lessons", {}).values():
            said = [*lesson.get("notes", []), lesson.get("reason", ""), *(row["reason"] for row in lesson["exercises"])]
            odd = [text for text in said if any(ord(sign) < 32 or ord(sign) in (0x7F, 0x9B, 0x202E) for sign in text)]
            if odd:
                return f"a line of the report holds control characters: {odd[0][:80]!r}"
    return ""


def _reports(outside: Path) -> Iterator[tuple[Path, str]]:
    for name in REPORTS:
        for path in _files(outside / "build" / name):
            yield path, _text(path)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 2**26]


def _own(path: Path) -> bool:
    """Whether a file is the attacker's own work, or a database: gradebook() looks into that."""
    return any(part.startswith("attacker") for part in path.parts) or path.suffix == ".db" or "received" in path.parts


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _lines(path: Path) -> set[str]:
    return {line.strip() for line in _text(path).splitlines() if _TELLING.fullmatch(line.strip())} if path.exists() else set()
