"""Put things back as they were released. A copy of what was there is kept beside it, so nothing is lost."""
from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader import paths, progress
from grader.course import find_exercise, find_lesson, load_course
from grader.folders import write_whole
from grader.intake.pristine import Pristine, PristineCell
from grader.intake.rebuild import notebook_text
from grader.intake.released import pristine_lesson
from grader.learner.errors import BadNotebookError
from grader.learner.notebooks import notebook_path


@dataclass(frozen=True)
class Reset:
    """One thing that was put back: the file, and where its earlier state is (None if there was none, or no change)."""

    path: Path
    backup: Path | None
    changed: bool

    def as_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "backup": str(self.backup) if self.backup else None, "changed": self.changed}


def reset_exercise(name: str) -> Reset:
    """Put the answer and check cells of one exercise back; the rest of the notebook stays. Raises BadNotebookError."""
    info = find_exercise(name)
    path = notebook_path(find_lesson(info.lesson))
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in table["cells"] if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, OSError):
        raise BadNotebookError(f"{path} can't be read as a notebook; `grader reset {info.lesson}` puts the whole notebook back") from None
    pristine = pristine_lesson(info.lesson)
    for cell in pristine.cells:
        if cell.exercise == name:
            cells = _put_back(cells, cell, pristine)
    return _write(path, notebook_text({**table, "cells": cells}))


def reset_lesson(stem: str) -> Reset:
    """Put a whole notebook back."""
    lesson = find_lesson(stem)
    return _write(paths.EXERCISES / lesson.part / f"{stem}.ipynb", notebook_text(pristine_lesson(stem).table))


def reset_all() -> list[Reset]:
    """Put every notebook of the course back."""
    return [reset_lesson(lesson.stem) for lesson in load_course().lessons if lesson.path.exists()]


def reset_progress() -> Reset:
    """Forget what was passed; notebooks stay."""
    path = progress.path()
    if not path.exists():
        return Reset(path, None, False)
    backup = _backup(path)
    path.unlink()
    return Reset(path, backup, True)


def _put_back(cells: list[dict[str, Any]], pristine: PristineCell, released: Pristine) -> list[dict[str, Any]]:
    """The first cell that is this one becomes the original, further copies go; if there is none, it is inserted."""
    own = [place for place, cell in enumerate(cells) if _is(cell, pristine)]
    kept = [cell for place, cell in enumerate(cells) if place not in own]
    place = own[0] if own else _place(kept, pristine, released)
    return [*kept[:place], pristine.row, *kept[place:]]


def _is(cell: dict[str, Any], pristine: PristineCell) -> bool:
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), dict) else {}
    mark = (metadata or {}).get("nbgrader")
    return cell.get("id") == pristine.id or (isinstance(mark, dict) and mark.get("grade_id") == pristine.grade_id)


def _place(cells: list[dict[str, Any]], pristine: PristineCell, released: Pristine) -> int:
    """Behind the nearest earlier cell of the lesson that is still there; at the end if none is."""
    before = list(released.cells[: released.cells.index(pristine)])
    for earlier in reversed(before):
        for place, cell in enumerate(cells):
            if _is(cell, earlier) or (cell.get("id") and cell.get("id") == earlier.id):
                return place + 1
    return len(cells)


def _write(path: Path, text: str) -> Reset:
    if not path.exists():
        write_whole(path, text)
        return Reset(path, None, True)
    if path.read_bytes() == text.encode():
        return Reset(path, None, False)
    backup = _backup(path)
    write_whole(path, text)
    return Reset(path, backup, True)


def _backup(path: Path) -> Path:
    """A copy beside the file, named by the time, that never replaces an earlier one."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    copies = (path.with_name(f"{path.name}.{stamp}{again}.bak") for again in ("", *(f"-{number}" for number in range(2, 1000))))
    backup = next(copy for copy in copies if not copy.exists())
    shutil.copy2(path, backup)
    return backup
