"""Grades for people and for learning-management systems: rows, totals, and the files that Canvas and Moodle import."""
from __future__ import annotations

from grader.flow.export.rows import BY_HAND, GradeRow, chosen_lessons, grade_rows, late_work
from grader.flow.export.tables import COLUMNS, as_csv, total_rows, totals_as_csv

__all__ = ["BY_HAND", "COLUMNS", "GradeRow", "as_csv", "chosen_lessons", "grade_rows", "late_work", "total_rows", "totals_as_csv"]
