"""The learner's process as the judge holds it: cells are run in it once, and anew whenever it has ended."""
from __future__ import annotations

import socket
import time
from typing import Any

from grader.fleet.bundle import Bundle, CellTask
from grader.fleet.client import Ended, LearnerProcess, WarmServer
from grader.seam import CodecError, LearnerTimeout, RemoteSubmission, decode, encode
from grader.seam.frames import receive_frame, send_frame
from grader.seam.values import LIMITS

GRACE = 2.0  # seconds beyond a cell's own limit until its process is ended
RESTARTS = 8  # lives of one notebook's process after the first
CHECK_SECONDS = 20.0  # for all calls of one check
SIGNALS = {152: "used up its processor time", 137: "was ended by the system", 159: "used a forbidden system call"}


class Session:
    """One notebook's process, its lives, and what was odd about them."""

    def __init__(self, bundle: Bundle, server: WarmServer, seed: int) -> None:
        self.bundle, self.server, self.seed = bundle, server, seed
        self.deadline = time.monotonic() + bundle.limits.total
        self.process: LearnerProcess | None = None
        self.cells: dict[str, dict[str, str]] = {}
        self.skip: dict[str, str] = {}  # cell -> why it is left out
        self.notes: list[str] = []
        self.lives, self.cpu = 0, 0.0

    def submission(self) -> RemoteSubmission:
        """A fresh `submission` for one check, in a new process if the last one has ended. Raises LearnerTimeout."""
        if time.monotonic() > self.deadline:
            raise LearnerTimeout(f"the whole notebook took more than {self.bundle.limits.total:.0f} s")
        if self.process is None and self.lives <= RESTARTS:
            self.start()
        if self.process is None:
            dead, other = socket.socketpair()
            other.close()
            return RemoteSubmission(dead)
        left = max(self.deadline - time.monotonic(), 0.1)
        return RemoteSubmission(self.process.sock, seconds=self.bundle.limits.call, total=min(CHECK_SECONDS, left), on_gone=self._gone)

    def start(self) -> None:
        """Run the cells. A cell that ends its process is left out, and the others are run again."""
        while self.lives <= RESTARTS and time.monotonic() < self.deadline:
            self.lives += 1
            self.process = self.server.learner(self.bundle.limits, self.seed)
            culprit = next((cell for cell in self.bundle.cells if cell.id not in self.skip and not self._run(cell)), None)
            if culprit is None:
                send_frame(self.process.sock, encode(None, LIMITS))
                return
            why = self._why(self.end())
            self.skip[culprit.id] = why
            self.cells[culprit.id] = {"kind": "ended", "text": f"this cell {why}; it was left out", "printed": ""}
            where = culprit.exercise or "a cell of the learner's own"
            self.notes.append(f"{where}: its cell {why}; it was left out and the rest was run")

    def end(self) -> Ended | None:
        """End the process, if there is one."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        ended = process.end()
        self.cpu += ended.cpu
        return ended

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
            self.hung = True
            return False
        except (CodecError, EOFError, OSError):
            self.hung = False
            return False
        match reply:
            case (str(kind), str(text), str(printed)):
                self.cells[cell.id] = {"kind": kind, "text": text, "printed": printed}
                return True
        self.hung = False
        return False

    def _gone(self) -> None:
        ended = self.end()
        if ended is not None:
            self.notes.append(f"the learner's process {self._why(ended)} during a check; it was started again")

    def _why(self, ended: Ended | None) -> str:
        if ended is None:
            return "ended"
        if ended.memory:
            return f"wanted more than {self.bundle.limits.memory} MiB of memory"
        if getattr(self, "hung", False):
            return "could not be stopped in time"
        return SIGNALS.get(ended.exit, f"ended its process (exit code {ended.exit})")
