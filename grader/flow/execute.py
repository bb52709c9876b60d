"""Run a submission for nbgrader so that one cell can't take the others with it.

nbgrader's own Execute cuts a cell that runs too long. This one also goes on when a cell ends or hangs the kernel: the
exercise at fault is left out, the notebook is run again, and the cells of that exercise say why they were not run.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from traitlets import Integer

from grader.flow.verdicts import ENDED

MAX_RESTARTS = 6
MAX_OUTPUT = 2_000_000  # characters of one cell's output that are kept while it runs
CUT = "\n[the rest of the output was left out]\n"
_CHECKED = re.compile(r"""check\(\s*["']([\w-]+)["']""")


@dataclass(frozen=True)
class Culprit:
    """The cell that ended or hung the kernel, and the cells that are left out because of it."""

    index: int
    left_out: frozenset[int]
    reason: str


class GuardedExecute(Execute):  # type: ignore[misc]
    """nbgrader's Execute that survives the death of its kernel, a hung kernel and a flood of output."""

    check_timeout = Integer(180, help="Seconds for a check cell; its own limits inside are shorter.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any, km: Any = None) -> tuple[Any, Any]:
        """Run all cells; after a dead kernel run them again without the culprit."""
        self.culprits: list[Culprit] = []
        self.timeout_func = self._seconds_for
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        while True:
            self.running = -1
            try:
                done: tuple[Any, Any] = super().preprocess(nb, resources, km)
                return done
            except (DeadKernelError, CellTimeoutError) as error:
                if self.running < 0:
                    raise
                self.culprits.append(self._culprit(nb, error))

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Run one cell, or say why it is left out."""
        reason = self._left_out(index)
        if reason and cell.cell_type == "code":
            cell.outputs = [new_output("error", ename=ENDED, evalue=reason, traceback=[f"{ENDED}: {reason}"])]
            return cell, resources
        self.running, self.room = index, MAX_OUTPUT
        done: tuple[Any, Any] = super().preprocess_cell(cell, resources, index)
        return done

    def on_cell_executed(self, **kwargs: Any) -> None:
        """Record errors as nbgrader does; `exit()` counts as ending the kernel, which it does a moment later."""
        payload = kwargs["execute_reply"]["content"].get("payload") or []
        if any(row.get("source") == "ask_exit" for row in payload):
            raise DeadKernelError("exit() was called")
        super().on_cell_executed(**kwargs)

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Keep the first part of a flood of output; interrupt the cell that makes it."""
        size = _size(msg)
        if not size:
            return super().process_message(msg, cell, cell_index)
        before, self.room = self.room, self.room - size
        if self.room >= 0:
            return super().process_message(msg, cell, cell_index)
        if before >= 0:
            cell.outputs.append(new_output("stream", name="stdout", text=CUT))
        return None

    def _seconds_for(self, cell: Any) -> int:
        return int(self.check_timeout if cell.metadata.get("nbgrader", {}).get("grade") else self.timeout)

    def _left_out(self, index: int) -> str:
        if len(self.culprits) > MAX_RESTARTS:
            return "not run: too many cells of this notebook ended the kernel; needs review"
        return next((culprit.reason for culprit in self.culprits if index in culprit.left_out), "")

    def _culprit(self, nb: Any, error: Exception) -> Culprit:
        exercise = _exercise_of(nb.cells[self.running])
        left_out = {self.running}
        if exercise:
            left_out |= {index for index, cell in enumerate(nb.cells) if _exercise_of(cell) == exercise}
        what = "could not be stopped" if isinstance(error, CellTimeoutError) else "ended the kernel"
        cell = f"the answer to {exercise}" if exercise else "a cell of your own"
        return Culprit(self.running, frozenset(left_out), f"{cell} {what}; it was left out and the rest was run again")


def _exercise_of(cell: Any) -> str:
    """The exercise that an answer or check cell belongs to, or an empty string."""
    mark = cell.metadata.get("nbgrader", {})
    if cell.cell_type != "code" or not (mark.get("solution") or mark.get("grade")):
        return ""
    found = _CHECKED.search(cell.source) if mark.get("grade") else None
    return str(found[1] if found else mark.get("grade_id", ""))


def _size(msg: Any) -> int:
    """Characters of output in a kernel's message; 0 for anything that is no output."""
    content = msg["content"]
    if msg["msg_type"] == "stream":
        return len(content["text"])
    if msg["msg_type"] in ("display_data", "execute_result", "update_display_data"):
        return sum(len(str(value)) for value in content["data"].values())
    return 0
