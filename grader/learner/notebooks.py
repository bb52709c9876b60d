"""Find the notebook that a learner means, and read it the way grading will."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grader import paths
from grader.course import CourseError, Lesson, find_exercise, find_lesson, load_course
from grader.folders import shown
from grader.intake.finding import Finding
from grader.intake.pristine import Library, Pristine
from grader.intake.reading import StudentNotebook, read_notebook
from grader.intake.rebuild import Rebuilt, rebuild
from grader.intake.released import library_of_course
from grader.learner.errors import BadNotebookError


@dataclass(frozen=True)
class Opened:
    """A learner's notebook, and what grading would make of it."""

    path: Path
    notebook: StudentNotebook
    rebuilt: Rebuilt

    @property
    def pristine(self) -> Pristine:
        return self.rebuilt.pristine

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.rebuilt.findings


def locate(name: str) -> tuple[Path, str | None]:
    """The notebook that a path, a lesson or an exercise id means, and the exercise if it was one.

    Raises: BadNotebookError.
    """
    path = Path(name)
    if path.suffix == ".ipynb" or path.is_file():
        if not path.is_file():
            raise BadNotebookError(f"there is no file {name}; `grader status` lists the lessons")
        return path, None
    stems = {lesson.stem: lesson for lesson in load_course().lessons}
    if name in stems:
        return notebook_path(stems[name]), None
    try:
        return notebook_path(find_lesson(find_exercise(name).lesson)), name
    except CourseError as error:
        raise BadNotebookError(str(error)) from None


def notebook_path(lesson: Lesson) -> Path:
    """Where the learner's notebook of a lesson is. Raises BadNotebookError if it isn't there."""
    path = paths.EXERCISES / lesson.part / f"{lesson.stem}.ipynb"
    if not path.is_file():
        raise BadNotebookError(f"{shown(path)} is missing; `grader reset {lesson.stem}` brings it back")
    return path


def open_notebook(path: Path, library: Library | None = None) -> Opened:
    """Read a learner's notebook and rebuild it on the released one. Raises BadNotebookError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadNotebookError(f"{path} can't be read ({error.strerror}); see that the file is there") from None
    notebook, findings = read_notebook(data, path.name)
    if notebook is None:
        raise BadNotebookError(f"{path}: {_for_the_learner(findings[-1].message)}")
    pristine, more = (library or library_of_course()).identify(notebook)
    if pristine is None:
        raise BadNotebookError(f"{path}: {_for_the_learner(more[-1].message)}")
    return Opened(path, notebook, rebuild(notebook, pristine, earlier=[*findings, *more], notice=False))


def _for_the_learner(message: str) -> str:
    """Intake speaks to an instructor; here the reader has the file in hand."""
    what = message.split("; not graded")[0]
    return f"{what}; download it again, take a copy with .bak in its name, or use `grader reset`"
