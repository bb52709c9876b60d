"""Mirrored trees: every lesson has all its files, and no file is left over."""
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from grader.build.layout import Layout
from grader.build.lint.problem import Problem
from grader.course import Course, Lesson

TOP = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", "environment.yml", "pyproject.toml", "constraints.txt",
       "nbgrader_config.py", "course", "solutions", "exercises", "grader", "tests", "build"}


def tree_problems(layout: Layout, course: Course) -> Iterator[Problem]:
    """What is missing and what is too much in the lessons' trees and at the top."""
    wanted: set[Path] = set()
    for lesson in course.lessons:
        files = _files(layout, lesson)
        wanted |= files.keys()
        yield from (Problem(_name(layout, path), 0, f"missing: {advice}") for path, advice in files.items() if not path.exists())
    wanted |= {layout.checks / f"{lesson.stem}.fingerprints.json" for lesson in course.lessons}
    wanted |= {folder / "__init__.py" for folder in (layout.checks, layout.hidden)} | {layout.manifest, layout.start_page}
    for part in course.parts:
        wanted |= {layout.course / part.stem / name for name in ("part.toml", "README.md")}
    for path in committed(layout):
        if path not in wanted and _is_mirrored(layout, course, path):
            yield Problem(_name(layout, path), 0, "belongs to no lesson of the course: remove it, or add its lesson to part.toml")
        elif path.relative_to(layout.root).parts[0] not in TOP and not path.relative_to(layout.root).parts[0].startswith("."):
            yield Problem(_name(layout, path), 0, "the top folder is kept short: move it, or add it to TOP in grader/build/lint/trees.py")


def committed(layout: Layout) -> list[Path]:
    """The files that git has or would take; without git, all that are not caches or built."""
    try:
        run = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=layout.root, check=True,
                             capture_output=True, text=True, encoding="utf-8")
        inside = subprocess.run(["git", "rev-parse", "--show-prefix"], cwd=layout.root, check=True, capture_output=True, text=True)
        if not inside.stdout.strip():  # else the root only lies inside somebody else's repository
            return sorted(path for name in run.stdout.split("\0") if name and (path := layout.root / name).is_file())
    except (OSError, subprocess.CalledProcessError):
        pass  # no git, or no repository: look at the folder instead
    return sorted(path for path in layout.root.rglob("*") if path.is_file() and not _passed_over(path.relative_to(layout.root)))


def _passed_over(path: Path) -> bool:
    """Hidden files, caches, and what grading writes to the top's `build/`; `grader/build/` is ours."""
    return path.parts[0] == "build" or any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _files(layout: Layout, lesson: Lesson) -> dict[Path, str]:
    write = "write it (`grader new` shows the form)"
    return {
        lesson.path: write,
        lesson.path.with_suffix(".toml"): write,
        layout.checks / f"{lesson.stem}.py": write,
        layout.hidden / f"{lesson.stem}.py": write,
        layout.mutants / f"{lesson.stem}.py": write,
        layout.checks / f"{lesson.stem}.fingerprints.json": f"run `grader mutants {lesson.stem}`",
        layout.solution(lesson): f"run `grader build {lesson.stem}`",
        layout.exercise(lesson): f"run `grader build {lesson.stem}`",
    }


def _is_mirrored(layout: Layout, course: Course, path: Path) -> bool:
    """Whether a file lies in a tree in which every file belongs to a lesson."""
    trees = [layout.checks, layout.hidden, layout.mutants, layout.solutions, layout.exercises]
    trees += [layout.course / part.stem for part in course.parts]
    return any(path.is_relative_to(tree) for tree in trees)


def _name(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.root).as_posix()
