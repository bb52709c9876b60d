"""Pack a part's notebooks for handing in, and hand them to nbgrader's exchange where a course has one."""
from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import time
import zipfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from grader import paths
from grader.course import CourseError, Part, load_course
from grader.folders import Folders
from grader.intake.owners import safe_name
from grader.learner.errors import BadNotebookError
from grader.learner.notebooks import open_notebook

SHARED_LOGINS = {"root", "user", "student", "jovyan", "admin", "administrator", "ubuntu", "debian", "vscode", "codespace",
                 "guest", "test", "me", "home", "pc"}
FIXED_TIME = (2020, 1, 1, 0, 0, 0)  # the manifest says when it was made


@dataclass
class Submission:
    """What was packed: the zip, the lessons in it with what they answer, and what to know."""

    path: Path
    part: str
    student: str
    lessons: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    exchanged: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "path": str(self.path)}


def find_part(name: str | None) -> Part:
    """The part by its folder's name; left out, the one part in which something is answered, or that is there at all.

    Raises CourseError if that is none or several, BadNotebookError if there are no notebooks.
    """
    parts = {part.stem: part for part in load_course().parts}
    if name in parts:
        return parts[name]
    there = [part for part in parts.values() if _notebooks(part)]
    if name is None and not there:
        raise BadNotebookError("exercises/ has no notebooks; `grader reset all` brings them back")
    begun = [part for part in there if any(map(_is_begun, _notebooks(part)))] or there
    if name is None and len(begun) == 1:
        return begun[0]
    raise CourseError(f"name the part to hand in: {', '.join(part.stem for part in begun if name is None) or ', '.join(parts)}")


def _notebooks(part: Part) -> list[Path]:
    places = (paths.EXERCISES / part.stem / f"{lesson.stem}.ipynb" for lesson in part.lessons)
    return [path for path in places if path.is_file()]


def _is_begun(path: Path) -> bool:
    try:
        return bool(open_notebook(path).rebuilt.answered)
    except BadNotebookError:
        return True  # somebody has done something to it


def student_name(name: str | None) -> tuple[str, str]:
    """Who hands in: as said, or the hub's user, or this account's; and a line that says so where nobody said it.

    Raises BadNotebookError for an account that many machines share the name of: two such zips would be one student's.
    """
    if name or os.environ.get("JUPYTERHUB_USER"):
        return safe_name(name or os.environ["JUPYTERHUB_USER"]), ""
    login = getpass.getuser()
    if login.lower() in SHARED_LOGINS:
        raise BadNotebookError(f"say who you are: `grader submit --student NAME` (this account is called {login!r}, as on many other machines)")
    return safe_name(login), f"handed in as {login}, the name of this account; if your instructor knows you by another, use --student NAME"


def submit(part: Part, student: str, folders: Folders) -> Submission:
    """Write `build/submissions/<student>-<part>.zip` with the notebooks as they are, and a manifest."""
    done = Submission(folders.submissions / f"{student}-{part.stem}.zip", part.stem, student)
    files: dict[str, bytes] = {}
    for lesson in part.lessons:
        path = paths.EXERCISES / part.stem / f"{lesson.stem}.ipynb"
        if not path.is_file():
            done.notes.append(f"{lesson.stem}: there is no notebook; it is left out (`grader reset {lesson.stem}` brings it back)")
            continue
        files[f"{part.stem}/{path.name}"] = data = path.read_bytes()
        done.lessons[lesson.stem] = {"sha256": hashlib.sha256(data).hexdigest(), "answered": [], "exercises": len(lesson.exercises)}
        try:
            opened = open_notebook(path)
        except BadNotebookError as error:
            done.notes.append(f"{lesson.stem}: {error}")
            continue
        done.lessons[lesson.stem]["answered"] = list(opened.rebuilt.answered)
        done.notes += [f"{lesson.stem}: {finding.message}" for finding in opened.findings if finding.severity != "note"]
    if not files:
        raise BadNotebookError(f"exercises/{part.stem} has no notebooks; `grader reset all` brings them back")
    _pack(done, files)
    return done


def _pack(done: Submission, files: dict[str, bytes]) -> None:
    manifest = {"student": done.student, "part": done.part, "lessons": done.lessons, "course": _version(),
                "made": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())}
    done.path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(done.path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, FIXED_TIME), data, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("manifest.json", FIXED_TIME), json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def _version() -> str:
    try:
        return metadata.version("llm-engineers-handbook")
    except metadata.PackageNotFoundError:
        return "unknown"


def exchange_of(folders: Folders) -> Path | None:
    """The exchange folder of this course, if one is set up and a part was released through it."""
    from grader.flow.nbgrader_course import NbgraderCourse

    course = NbgraderCourse(folders)
    root = Path(str(course.config.Exchange.get("root", "")) or "/usr/local/share/nbgrader/exchange")
    return root if (root / course.directory.course_id / "outbound").is_dir() else None


def hand_over(done: Submission, folders: Folders) -> None:
    """Submit through nbgrader's exchange. What it refuses becomes a note: the zip is there all the same."""
    from grader.flow.nbgrader_course import NbgraderCourse, quiet

    course = NbgraderCourse(folders)
    try:
        from nbgrader.auth import Authenticator
        from nbgrader.exchange.default import ExchangeSubmit

        course.directory.assignment_id, course.directory.student_id = done.part, done.student
        with quiet(), contextlib.chdir(paths.EXERCISES):
            ExchangeSubmit(coursedir=course.directory, authenticator=Authenticator(config=course.config), config=course.config).start()
        done.exchanged = True
    except Exception as error:  # whatever is wrong with the exchange, the zip is made
        done.notes.append(f"nbgrader's exchange did not take it ({error}); hand in the zip")
