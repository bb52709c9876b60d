"""From a learner's file to a notebook that can be graded: read, recognise, rebuild on the released one, record."""
from grader.intake.collect import Collected, collect
from grader.intake.finding import Finding
from grader.intake.pristine import Library, Pristine, read_pristine
from grader.intake.reading import StudentNotebook, read_notebook
from grader.intake.rebuild import Rebuilt, rebuild

__all__ = [
    "Collected",
    "Finding",
    "Library",
    "Pristine",
    "Rebuilt",
    "StudentNotebook",
    "collect",
    "read_notebook",
    "read_pristine",
    "rebuild",
]
