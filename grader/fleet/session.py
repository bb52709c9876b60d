"""The learner's process as the judge holds it: cells are run in it once, and anew whenever it has ended."""
from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from grader.fleet.bundle import Bundle, CellTask
from grader.fleet.client import Ended, LearnerProcess, WarmServer, WarmServerError
from grader.fleet.learner import READY, TEXT
from grader.plain_text import one_line
from grader.seam import CodecError, LearnerTimeout, RemoteSubmission, decode, encode
from grader.seam.frames import receive_frame, send_frame
from grader.seam.values import LIMITS

START_SECONDS = 30.0
ATTEMPTS = 2  # the system may end a process that waits, when it is short of memory
GRACE = 2.0  # seconds beyond a cell's own limit until its process is ended
DEATHS = 2  # times that one exercise's checks may end the process before its other checks are left out
CHECK_SECONDS = 20.0  # for all calls of one check
ENDED = "ended"
HUNG = "could not be stopped in time"
NONSENSE = "answered with nonsense"
KIND = 80  # characters of an error's name
MARK = 20  # characters that say that printing was cut
TOO_SLOW = "too slow"  # how notebook_run calls a cell that was stopped
SIGNALS = {152: "used up its processor time", 137: "was ended by the system", 159: "used a forbidden system call"}


class Session:
    """One notebook's process, its lives, and what was odd about them."""

    def __init__(self, bundle: Bundle, server: WarmServer, seed: int) -> None:
        self.bundle, self.server, self.seed = bundle, server, seed
        self.deadline = 0.0  # of what is done now: running all cells, or one exercise's checks
        self.deaths = 0  # in the checks of the present exercise
        self.process: LearnerProcess | None = None
        self.fault = ""  # why the process had to be ended from here
        self.cells: dict[str, dict[str, str]] = {}
        self.skip: dict[str, str] = {}  # cell -> why it is left out
        self.notes: list[str] = []
        self.lives = 0
        self.trouble = ""  # why no process can be had: the grader's fault

    def begin(self) -> None:
        """Begin an exercise: it has its own time and its own lives, whatever the one before did with its."""
        self.deadline = time.monotonic() + self.bundle.limits.total
        self.deaths = 0

    def submission(self) -> RemoteSubmission:
        """A fresh `submission` for one check, in a new process if the last one has ended. Raises LearnerTimeout."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise LearnerTimeout(f"the checks of this exercise took more than {self.bundle.limits.total:.0f} s")
        if self.process is None and self.deaths < DEATHS:
            self.start()
            self.deadline = time.monotonic() + left
        if self.process is None:
            dead, other = socket.socketpair()
            other.close()
            return RemoteSubmission(dead)
        return RemoteSubmission(self.process.sock, seconds=self.bundle.limits.call, total=min(CHECK_SECONDS, left), on_gone=self._gone)

    def start(self) -> None:
        """Run the cells. One that ends its process is left out, and the others are run again; so is one that was too slow."""
        self.deadline = time.monotonic() + self.bundle.limits.total
        while True:
            self.lives += 1
            self._begin_process()
            culprit = next((cell for cell in self.bundle.cells if cell.id not in self.skip and not self._run(cell)), None)
            self.skip |= {name: f"was {row['text']}" for name, row in self.cells.items() if row["kind"] == TOO_SLOW and name not in self.skip}
            if culprit is None:
                self._end_of_cells()
                return
            why = self._why(self.end())
            self.skip[culprit.id] = why
            self.cells[culprit.id] = {"kind": ENDED, "text": f"this cell {why}; it was left out", "printed": ""}
            where = culprit.exercise or "a cell of the learner's own"
            self.notes.append(f"{where}: its cell {why}; it was left out and the rest was run")

    def _end_of_cells(self) -> None:
        """From now on the process answers calls. If it has ended or answers otherwise, the first check will find that out."""
        assert self.process is not None
        with contextlib.suppress(CodecError, EOFError, OSError):
            send_frame(self.process.sock, encode(None, LIMITS))
            receive_frame(self.process.sock, LIMITS.bytes, time.monotonic() + GRACE)

    def _begin_process(self) -> None:
        """A process that is shut in; nothing of the learner's has run by then. Raises WarmServerError."""
        for _ in range(ATTEMPTS):
            try:
                self.process = self.server.learner(self.bundle.limits, self.seed)
            except WarmServerError as error:
                self.trouble = str(error)
                raise
            try:
                said = decode(receive_frame(self.process.sock, LIMITS.bytes, time.monotonic() + START_SECONDS), LIMITS)
            except (CodecError, EOFError, OSError) as error:
                said = f"{type(error).__name__}: {error}"
            if said == READY:
                return
            self.end()
        self.trouble = f"a learner's process could not be shut in ({said}); see `grader doctor`"
        raise WarmServerError(self.trouble)

    def end(self) -> Ended | None:
        """End the process, if there is one."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        return process.end()

    def close(self) -> None:
        """Leave the process to the server, which ends it; nobody waits for that."""
        if self.process is not None:
            self.process.leave()
            self.process = None

    def _run(self, cell: CellTask) -> bool:
        """Run one cell. Returns False if the process did not live through it."""
        assert self.process is not None
        limits = self.bundle.limits
        seconds = min(limits.cell, max(self.deadline - time.monotonic(), 0.1))
        sock = self.process.sock
        try:
            sock.settimeout(seconds + GRACE)
            send_frame(sock, encode((f"cell-{cell.id or 'unnamed'}.py", cell.source, seconds, limits.printed), LIMITS))
            reply: Any = decode(receive_frame(sock, LIMITS.bytes, time.monotonic() + seconds + GRACE), LIMITS)
        except TimeoutError:
            self.fault = HUNG
        except CodecError:
            self.fault = NONSENSE
        except (EOFError, OSError):
            self.fault = ""
        else:
            match reply:
                case (str(kind), str(text), str(printed)):
                    self.cells[cell.id] = {"kind": one_line(kind, KIND), "text": one_line(text, TEXT), "printed": _plain(printed, limits.printed)}
                    return True
            self.fault = NONSENSE
        return False

    def _gone(self) -> None:
        self.deaths += 1
        self.fault = HUNG if self.process is not None and not self.process.has_ended() else ""
        ended = self.end()
        if ended is not None:
            self.notes.append(f"the learner's process {self._why(ended)} during a check; it was started again")

    def _why(self, ended: Ended | None) -> str:
        if ended is None:
            return "ended"
        if ended.memory:
            return f"wanted more than {self.bundle.limits.memory} MiB of memory"
        if self.fault:
            return self.fault
        if ended.exit in (-9, 137) and ended.cpu > self.bundle.limits.cpu - 1:  # the two are counted in different ways
            return SIGNALS[152]
        return SIGNALS.get(ended.exit, f"ended its process (exit code {ended.exit})")


def _plain(printed: str, limit: int) -> str:
    """What a cell printed, cut once more on this side, and so that a file can hold it."""
    return printed[: limit + MARK].encode("utf-8", "replace").decode("utf-8")
