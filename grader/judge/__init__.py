"""What a check file needs: the base class, the mark for core checks, and the comparisons."""
from grader.judge import expect
from grader.judge.exercise import Exercise, core

__all__ = ["Exercise", "core", "expect"]
