"""The report on a class: one HTML page that opens anywhere, with nothing fetched from elsewhere."""
from __future__ import annotations

from grader.flow.report.gather import ClassData, gather
from grader.flow.report.page import report_page

__all__ = ["ClassData", "gather", "report_page"]
