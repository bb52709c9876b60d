"""Check a notebook again each time it is saved, and only what changed."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from grader.intake.rebuild import ADDED_TAG
from grader.learner.checking import Checked, check_notebook
from grader.learner.errors import BadNotebookError
from grader.learner.notebooks import Opened, open_notebook

INTERVAL = 0.5  # seconds between looks at the file


def watch(path: Path, *, seconds: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[Checked | BadNotebookError]:
    """Yield a report now and after each save that changes an answer. Ends when `sleep` raises, as Ctrl-C makes it do."""
    known: dict[str, str] = {}
    seen: float | None = None
    while True:
        now = _modified(path)
        if now is not None and now != seen:
            seen = now
            try:
                opened = open_notebook(path)
            except BadNotebookError as error:  # perhaps in the middle of a save: the next look tells
                yield error
            else:
                answers = answers_of(opened)
                changed = [name for name, source in answers.items() if known.get(name) != source]
                known = answers
                if changed:
                    yield check_notebook(opened, changed, seconds=seconds)
        sleep(INTERVAL)


def answers_of(opened: Opened) -> dict[str, str]:
    """What each exercise's verdict depends on: its answer, and the learner's own cells."""
    own = "\n".join(cell["source"] for cell in opened.rebuilt.table["cells"] if ADDED_TAG in cell["metadata"].get("tags", []))
    return {name: f"{own}\n{answer.cell.source if answer.cell else ''}" for name, answer in opened.rebuilt.answers.items()}


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
