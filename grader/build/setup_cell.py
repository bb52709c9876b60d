"""The first code cell of every notebook: find the course around it, or fetch it. It must run with nothing installed."""
from __future__ import annotations

from grader.course import Course

_TEMPLATE = '''\
# @title Set-up: run this cell first. Here it takes a moment; on Colab about half a minute, for it fetches the course.
class CourseNotFound(Exception):
    """Shown as a sentence instead of a traceback."""

    def _render_traceback_(self):
        return [str(self)]


def open_course():
    """Put the course on the path: the copy around this notebook, or else a fresh one."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    start = Path(os.environ.get("COURSE_HOME") or Path.cwd()).resolve()
    root = next((place for place in (start, *start.parents)
                 if (place / "grader").is_dir() and (place / "course" / "handbook").is_dir()), None)
    if root is None:
        colab = Path("/content")
        root = (colab if colab.is_dir() and "COURSE_HOME" not in os.environ else start) / "@NAME@"
        source = os.environ.get("COURSE_REPO", "@REPOSITORY@")
        branch = os.environ.get("COURSE_REF", "@BRANCH@")
        clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", branch, source, str(root)]
        try:
            if not (root / "grader").is_dir():
                subprocess.run(clone, check=True, capture_output=True, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
        except (OSError, subprocess.CalledProcessError):
            raise CourseNotFound(f"The course could not be fetched from {source} (branch {branch}). See that you are online "
                                 "and that git is installed, then run this cell again.") from None
    for folder in (root / "course", root):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


open_course()
from handbook import bootstrap

bootstrap.ready()
from grader import check, hint, solution'''


def setup_source(course: Course) -> str:
    """The set-up cell of this course. COURSE_REPO, COURSE_REF and COURSE_HOME override where it comes from and goes."""
    name = course.repository.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
    return _TEMPLATE.replace("@NAME@", name).replace("@REPOSITORY@", course.repository).replace("@BRANCH@", course.branch)


def badge(course: Course, part: str, stem: str) -> str:
    """The button that opens a learner's notebook on Colab; nothing if the course isn't on GitHub."""
    host = "https://github.com/"
    if not course.repository.startswith(host):
        return ""
    where = f"{course.repository.removeprefix(host).removesuffix('.git')}/blob/{course.branch}/exercises/{part}/{stem}.ipynb"
    return (f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"(https://colab.research.google.com/github/{where})")
