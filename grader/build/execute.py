"""Run a lesson's solved notebook in a fresh kernel, on one thread, and keep its outputs and what they cost."""
from __future__ import annotations

import contextlib
import copy
import datetime
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.build.layout import BuildError
from grader.build.manifest import Measured
from grader.build.notebook import Notebook
from grader.build.outputs import complaint, plain, tidy

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
              "PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
STARTUP = 120  # seconds; a busy machine is slow to import IPython
_COST = """
def _cost():
    import json, sys
    try:
        import resource
    except ImportError:  # Windows
        import psutil
        times, memory = psutil.Process().cpu_times(), psutil.Process().memory_info()
        return json.dumps([times.user + times.system, memory.peak_wset])
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak = own.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    try:  # Linux counts what the parent held before exec in ru_maxrss, but not here
        with open("/proc/self/status") as file:
            peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    return json.dumps([own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, peak])
print(_cost())
"""


def execute(notebook: Notebook, stem: str, *, folder: Path, root: Path, timeout: float) -> tuple[Notebook, Measured]:
    """Run every cell in order; return the notebook with outputs, and its cost.

    Raises BuildError if a cell fails, prints to stderr, shows a path of this machine, or if a check does not pass.
    """
    import nbformat

    folder.mkdir(parents=True, exist_ok=True)
    done = copy.deepcopy(notebook)
    node = nbformat.from_dict(copy.deepcopy(notebook))
    for cell in node.cells:
        cell.source = "".join(cell.source)
    with tempfile.TemporaryDirectory(prefix="course-") as scratch, _kernel(node, stem, folder, timeout, _env(root, Path(scratch))) as client:
        for index, cell in enumerate(node.cells):
            _run_cell(client, stem, cell, index)
            if cell.cell_type == "code":
                _take_outputs(done["cells"][index], cell, stem, index)
                _must_be_clean(done["cells"][index], stem, index, root)
        measured = _measure(client, node)
    return done, measured


def _env(root: Path, scratch: Path) -> dict[str, str]:
    """The kernel's environment: this course, one thread, and nothing of the author's own settings or progress."""
    return {**os.environ, **ONE_THREAD, "COURSE_HOME": str(root), "HANDBOOK_PROGRESS": str(scratch / "progress.json"),
            "IPYTHONDIR": str(scratch / "ipython")}


@contextlib.contextmanager
def _kernel(node: Any, stem: str, folder: Path, timeout: float, env: dict[str, str]) -> Iterator[Any]:
    from nbclient import NotebookClient

    client = NotebookClient(
        node, timeout=timeout, startup_timeout=STARTUP, kernel_name="python3", extra_arguments=["--IPKernelApp.log_level=ERROR"],
        record_timing=False, store_widget_state=False, shutdown_kernel="immediate", resources={"metadata": {"path": str(folder)}})
    client.reset_execution_trackers()
    try:
        with client.setup_kernel(env=env):
            yield client
    except RuntimeError as error:  # the kernel did not start, or ended
        if isinstance(error, BuildError):
            raise
        raise BuildError(f"{stem}: the kernel failed: {error}; run `python -m ipykernel --version` to see that Jupyter works here") from error


def _run_cell(client: Any, stem: str, cell: Any, index: int) -> None:
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    where = f"{stem}, cell {index + 1}"
    shown = f"\n\n{_indent(cell.source)}\n"
    try:
        client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
    except CellTimeoutError:
        raise BuildError(f"{where} takes longer than {client.timeout:.0f} s; make it smaller, or raise --timeout{shown}") from None
    except DeadKernelError:
        raise BuildError(f"{where}: the kernel died, most likely for lack of memory; make the cell smaller{shown}") from None
    except CellExecutionError as error:
        told = plain(error.traceback) if error.traceback else f"{error.ename}: {error.evalue}"
        raise BuildError(f"{where} fails; mend it in the lesson's file and build again{shown}\n{_indent(told)}") from None


def _take_outputs(target: Notebook, cell: Any, stem: str, index: int) -> None:
    outputs = [json.loads(json.dumps(output)) for output in cell.outputs]
    target["execution_count"] = cell.execution_count
    target["outputs"] = [] if target["metadata"].get("tags") == ["setup"] else tidy(outputs)
    said = "".join("".join(output["text"]) for output in cell.outputs if output["output_type"] == "stream" and output["name"] == "stderr")
    if said:
        raise BuildError(f"{stem}, cell {index + 1} writes to stderr; silence its cause, for nbgrader counts this as a failure"
                         f"\n\n{_indent(cell.source)}\n\n{_indent(plain(said))}")


def _must_be_clean(cell: Notebook, stem: str, index: int, root: Path) -> None:
    problem = complaint(cell, (str(root), str(Path.home()), tempfile.gettempdir()))
    if problem:
        raise BuildError(f"{stem}, cell {index + 1}: {problem}\n\n{_indent(''.join(cell['source']))}")


def _measure(client: Any, node: Any) -> Measured:
    import nbformat

    node.cells.append(nbformat.v4.new_code_cell(_COST))
    cell = client.execute_cell(node.cells[-1], len(node.cells) - 1)
    seconds, peak = json.loads(cell.outputs[0]["text"])
    return Measured.rounded(seconds, peak, datetime.date.today().strftime("%Y-%m"))


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip("\n").split("\n"))
