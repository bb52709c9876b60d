"""nbgrader's settings for this course: read by `nbgrader …` and by JupyterLab started in this folder.

Everything that grading writes goes below `build/`, or below HANDBOOK_BUILD. If that lies outside this folder, set
COURSE_HOME to this folder too, so that the set-up cell of a notebook that is graded there finds the course.
"""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("HANDBOOK_BUILD", ROOT / "build")).absolute()
BUILD.mkdir(parents=True, exist_ok=True)  # the gradebook's folder: Formgrader fails without it

c = get_config()  # type: ignore[name-defined]  # noqa: F821 (traitlets provides it)

c.CourseDirectory.course_id = "llm-engineers-handbook"
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = str(BUILD / "submitted")
c.CourseDirectory.autograded_directory = str(BUILD / "autograded")
c.CourseDirectory.feedback_directory = str(BUILD / "feedback")
c.CourseDirectory.db_url = f"sqlite:///{(BUILD / 'gradebook.db').as_posix()}"
if os.environ.get("HANDBOOK_GRADEBOOK"):  # as in postgresql://user:password@host/database
    from grader.flow.gradebook import gradebook_url

    c.CourseDirectory.db_url = gradebook_url(BUILD / "gradebook.db")
c.Exchange.root = os.environ.get("NBGRADER_EXCHANGE", str(BUILD / "exchange"))

# Under JupyterHub every container may run as the same user: the hub knows who it is. An instructor there grades with
# `nbgrader autograde PART --student='*'`.
if os.environ.get("JUPYTERHUB_USER"):
    c.CourseDirectory.student_id = os.environ["JUPYTERHUB_USER"]

c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}

c.Execute.skip_cells_with_tag = "demo"  # demonstrations earn nothing and cost the most
c.Execute.timeout = 60  # seconds a cell
c.Execute.interrupt_on_timeout = True
c.Execute.shutdown_kernel = "immediate"  # a quarter of nbgrader's time would go into asking politely
c.LimitOutput.max_lines = 500
c.LimitOutput.max_traceback = 60
