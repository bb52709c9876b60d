"""Where pristine notebooks come from: the release that the gradebook knows, or else the course's own lesson files.

Never from `exercises/`: a learner who works in this folder has their answers there.
"""
from __future__ import annotations

import copy
import hashlib
from typing import Any

from grader.course import Lesson, find_lesson, load_course
from grader.folders import Folders
from grader.intake.pristine import Library, Pristine, pristine_from, read_pristine


def library_of_release(folders: Folders) -> Library:
    """Every notebook that was released; empty before the first `grader release`."""
    return Library(read_pristine(path) for path in sorted(folders.release.glob("*/*.ipynb")))


def library_of_course() -> Library:
    """Every lesson of the course, as it would be released now."""
    return Library(pristine_of(lesson) for lesson in load_course().lessons if lesson.path.exists())


def pristine_lesson(stem: str) -> Pristine:
    """One lesson, as it would be released now. Raises CourseError if there is no such lesson."""
    return pristine_of(find_lesson(stem))


def pristine_of(lesson: Lesson) -> Pristine:
    """The learner's notebook of a lesson, built from its file: what nbgrader writes into `exercises/`, without nbgrader."""
    from grader.build.layout import Layout
    from grader.build.manifest import Row, read_manifest
    from grader.build.notebook import notebook_of
    from grader.lesson import stub_of

    measured = read_manifest(Layout.here()).get(lesson.stem, Row()).measured
    table = copy.deepcopy(notebook_of(lesson, load_course(), measured))
    for cell in table["cells"]:
        mark = cell["metadata"].get("nbgrader")
        if mark is None:
            continue
        if mark["solution"]:
            cell["source"] = stub_of("".join(cell["source"])).splitlines(keepends=True)
        cell["metadata"] |= {"deletable": False} | ({} if mark["solution"] else {"editable": False})
        mark["checksum"] = _checksum(cell)
    return pristine_from(table, lesson.stem, lesson.part)


def _checksum(cell: dict[str, Any]) -> str:
    """nbgrader's own checksum of a cell, by which its Validate button sees that a check was changed."""
    mark = cell["metadata"]["nbgrader"]
    parts = ["".join(cell["source"]), cell["cell_type"], str(mark["grade"]), str(mark["solution"]), str(mark["locked"]), mark["grade_id"]]
    parts += [str(float(mark["points"]))] if mark["grade"] else []
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()
