"""Where pristine notebooks come from: the release that the gradebook knows, or else the course's own lesson files.

Never from `exercises/`: a learner who works in this folder has their answers there.
"""
from __future__ import annotations

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
    """The learner's notebook of a lesson, built from its file: the same cells, ids and marks as in `exercises/`."""
    from grader.build.notebook import notebook_of
    from grader.lesson import stub_of

    table = notebook_of(lesson, load_course())
    for cell in table["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = stub_of("".join(cell["source"]))
    return pristine_from(table, lesson.stem, lesson.part)
