"""Feedback pages: nbgrader's HTML of every graded notebook, with the cards in it."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader.flow.nbgrader_course import FlowError, NbgraderCourse


def feedback(course: NbgraderCourse, *, students: tuple[str, ...] = (), parts: tuple[str, ...] = (),
             tick: Callable[[], None] = lambda: None) -> tuple[list[Path], dict[str, str]]:
    """Write the pages of every graded part. Returns the pages, and what went wrong by student and part."""
    pages: list[Path] = []
    problems: dict[str, str] = {}
    for folder in graded_parts(course, students=students, parts=parts):
        student, part = folder.parent.name, folder.name
        try:
            course.feedback(student, part)
        except FlowError as error:
            problems[f"{student}/{part}"] = f"no feedback could be made ({error}); grade it again with --force"
        else:
            pages += sorted((course.folders.feedback / student / part).glob("*.html"))
        tick()
    return pages, problems


def graded_parts(course: NbgraderCourse, *, students: tuple[str, ...] = (), parts: tuple[str, ...] = ()) -> list[Path]:
    """The folders that hold graded notebooks."""
    found = [folder for folder in sorted(course.folders.autograded.glob("*/*")) if any(folder.glob("*.ipynb"))]
    found = [folder for folder in found if not students or folder.parent.name in students]
    return [folder for folder in found if not parts or folder.name in parts]
