"""The course's rules, checked on its files: nothing is run and nothing heavy imported."""
from __future__ import annotations

from grader.build.layout import Layout
from grader.build.lint.lessons import lesson_problems
from grader.build.lint.problem import Problem
from grader.build.lint.sizes import size_problems
from grader.build.lint.trees import tree_problems
from grader.build.lint.words import word_problems

__all__ = ["Problem", "lint"]


def lint(layout: Layout) -> list[Problem]:
    """Every broken rule, in the order of path and line."""
    course = layout.load()
    found = [*tree_problems(layout, course), *size_problems(layout), *word_problems(layout)]
    for lesson in course.lessons:
        if lesson.path.exists():
            found += lesson_problems(layout, lesson)
    return sorted(found, key=lambda problem: (problem.path, problem.line, problem.text))
