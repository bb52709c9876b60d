"""Which folders a build reads and writes. A test gives it a made-up course; everybody else takes this repository."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grader import paths
from grader.course import Course, Lesson, load_course


class BuildError(Exception):
    """A notebook can't be built. The message names the lesson and the next action."""


@dataclass(frozen=True)
class Layout:
    """A course's folders, all below one root but for `build`."""

    root: Path
    build: Path

    @classmethod
    def here(cls) -> Layout:
        """The repository that this file belongs to."""
        return cls(paths.ROOT, paths.BUILD)

    @property
    def course(self) -> Path:
        return self.root / "course"

    @property
    def handbook(self) -> Path:
        return self.root / "course" / "handbook"

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def exercises(self) -> Path:
        return self.root / "exercises"

    @property
    def checks(self) -> Path:
        return self.root / "grader" / "checks"

    @property
    def hidden(self) -> Path:
        return self.root / "grader" / "hidden"

    @property
    def mutants(self) -> Path:
        return self.root / "tests" / "mutants"

    @property
    def manifest(self) -> Path:
        return self.solutions / "manifest.json"

    @property
    def start_page(self) -> Path:
        """What `make lab` opens."""
        return self.exercises / "start.ipynb"

    def load(self) -> Course:
        """The course's tables."""
        return load_course(self.course)

    def solution(self, lesson: Lesson) -> Path:
        """Where a lesson's solved notebook lies."""
        return self.solutions / lesson.part / f"{lesson.stem}.ipynb"

    def exercise(self, lesson: Lesson) -> Path:
        """Where a lesson's notebook for learners lies."""
        return self.exercises / lesson.part / f"{lesson.stem}.ipynb"
