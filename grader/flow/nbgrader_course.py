"""nbgrader in this process: its converters and its gradebook, set up for this course and quiet."""
from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader import paths
from grader.flow.gradebook import GradebookError, Writer, gradebook_url
from grader.folders import Folders

COURSE_ID = "llm-engineers-handbook"
_ERROR_LINE = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Entry)\b.*")


class FlowError(Exception):
    """A step can't be done; the message says what to do next."""


@dataclass(frozen=True)
class Limits:
    """Seconds for one cell of the learner's, and for one check cell."""

    cell: int = 60
    check: int = 180


class NbgraderCourse:
    """The course as nbgrader sees it: `release`, `submitted`, `autograded` and `feedback` below one build folder."""

    def __init__(self, folders: Folders, limits: Limits = Limits(), *, source: Path | None = None) -> None:
        try:
            from nbgrader.coursedir import CourseDirectory
        except ModuleNotFoundError:
            raise FlowError("nbgrader is not installed; set the course up with `make setup`, then try again") from None
        self.folders = folders
        self.source = source or paths.SOLUTIONS
        with _told():
            self.config = _config(folders, limits, self.source)
        folders.build.mkdir(parents=True, exist_ok=True)
        self.directory = CourseDirectory(config=self.config)
        self.writer = Writer(self.directory.db_url, self.directory.course_id)

    @contextlib.contextmanager
    def gradebook(self) -> Iterator[Any]:
        """nbgrader's gradebook, open. In PostgreSQL no other grader has it open meanwhile. Raises FlowError."""
        from nbgrader.api import Gradebook

        with _told(), quiet(), self.writer(), Gradebook(self.directory.db_url, self.directory.course_id) as gradebook:
            yield gradebook

    def generate(self, part: str) -> None:
        """Make the release of a part and write it into the gradebook. Raises FlowError with nbgrader's own words."""
        from nbgrader.converters import GenerateAssignment

        with _told(), self.writer():  # nobody else may make the same part meanwhile
            self._run(GenerateAssignment, part, ".", "*", create_assignment=True)

    def autograde(self, student: str, part: str, stem: str) -> None:
        """Grade one notebook of one student."""
        from nbgrader.converters import Autograde

        if self.writer.shared:
            self._make_room(student, part)
        self._run(Autograde, part, student, stem, create_student=True)

    def feedback(self, student: str, part: str) -> None:
        """Write the feedback pages of one student."""
        from nbgrader.converters import GenerateFeedback

        with _told(), self.writer():  # whether the gradebook can be opened at all, in our words
            pass
        self._run(GenerateFeedback, part, student, "*")

    def _make_room(self, student: str, part: str) -> None:
        """Make the student and the submission now: nbgrader looks and then inserts, and another grader may do so in between."""
        from nbgrader.api import MissingEntry

        with self.gradebook() as gradebook, contextlib.suppress(MissingEntry):  # an unreleased part: nbgrader says it better
            gradebook.update_or_create_student(student)
            gradebook.update_or_create_submission(part, student)

    def _run(self, converter: Any, part: str, student: str, stem: str, **options: bool) -> None:
        from nbgrader.utils import capture_log, temp_attrs

        with quiet(), temp_attrs(self.directory, assignment_id=part, student_id=student, notebook_id=stem):
            app = converter(coursedir=self.directory, config=self.config)
            app.force = True
            for name, value in options.items():
                setattr(app, name, value)
            result = capture_log(app)
        if not result["success"]:
            raise FlowError(_last_words(result))


def _last_words(result: dict[str, str]) -> str:
    """The line of nbgrader's log that says what happened: the last error of a traceback, or its own last line."""
    lines = (result.get("log") or result["error"]).splitlines()
    errors = [found[0] for line in lines if (found := _ERROR_LINE.match(line.strip()))]
    return (errors or [line.strip() for line in lines if line.strip()] or ["it gave no reason"])[-1][:300]


def _config(folders: Folders, limits: Limits, source: Path) -> Any:
    """The course's own nbgrader_config.py where there is one; folders and limits are always ours."""
    from traitlets.config import Config, PyFileConfigLoader

    from grader.flow.execute import GuardedExecute

    own = paths.ROOT / "nbgrader_config.py"
    config = PyFileConfigLoader(own.name, path=str(own.parent)).load_config() if own.exists() else Config()
    directory = config.CourseDirectory
    directory.root = str(folders.build.resolve())
    directory.course_id = directory.get("course_id") or COURSE_ID
    directory.source_directory = os.path.relpath(source.resolve(), folders.build.resolve())
    for step in ("release", "submitted", "autograded", "feedback"):
        directory[f"{step}_directory"] = step
    directory.db_url = gradebook_url(folders.gradebook, str(directory.get("db_url", "")))
    config.Execute.timeout, config.GuardedExecute.check_timeout = limits.cell, limits.check
    config.Execute.skip_cells_with_tag = "demo"
    config.Execute.extra_arguments = ["--log-level=ERROR"]  # else the kernel warns on our terminal
    config.Execute.shutdown_kernel = "immediate"
    config.Autograde.autograde_preprocessors = [
        GuardedExecute,
        *(f"nbgrader.preprocessors.{name}" for name in
          ("IgnorePattern", "LimitOutput", "SaveAutoGrades", "AssignLatePenalties", "CheckCellMetadata")),
    ]
    config.Autograde.autograde_preprocessors.insert(2, "nbconvert.preprocessors.ClearMetadataPreprocessor")
    return config


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is wrong with the gradebook as a FlowError, which every verb tells."""
    try:
        yield
    except GradebookError as error:
        raise FlowError(str(error)) from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings and logs of nbgrader's libraries off the screen; errors come back as exceptions.

    nbgrader calls `alembic` by its bare name to make a gradebook, so this environment's programs are put on the path.
    """
    names = ("traitlets", "asyncio", "jupyter_client", "nbconvert", "alembic")
    before = {name: logging.getLogger(name).propagate for name in names}
    programs = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", "")))
    with warnings.catch_warnings(), _environment({"PATH": programs}):
        warnings.simplefilter("ignore")
        for name in names:
            logging.getLogger(name).propagate = False
        try:
            yield
        finally:
            for name, value in before.items():
                logging.getLogger(name).propagate = value


@contextlib.contextmanager
def kernel_environment() -> Iterator[None]:
    """What a learner's kernel gets: one thread, no progress file of ours, no start-up files of this account."""
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        ours = {
            "COURSE_HOME": str(paths.ROOT),  # the set-up cell looks here when `build` lies elsewhere
            "HANDBOOK_PROGRESS": os.path.join(folder, "progress.json"),
            "HANDBOOK_GRADING": "1",  # the course hands out no answers of its own
            "IPYTHONDIR": os.path.join(folder, "ipython"),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else a debugger's warning lands on the terminal
            "JUPYTER_PLATFORM_DIRS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
        }
        with _environment(ours):
            yield


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables that hold while the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
