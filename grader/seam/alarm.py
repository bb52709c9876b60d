"""A time limit on the learner's code by SIGALRM: in the main thread, where the system has it, and nowhere else."""
from __future__ import annotations

import signal
import threading
import time
from typing import Self

AGAIN = 1.0  # seconds until it rings once more, if a bare `except:` swallowed the first ring


class TimeLimit(BaseException):
    """Raised inside the learner's code; not an Exception, so that `except Exception` lets it pass."""


class Alarm:
    """Ring, that is raise TimeLimit, while armed. Entering saves another's timer and leaving starts it again.

    An outer timer that is due earlier rings here first; its own handler then runs as soon as it is back in place,
    outside the learner's code.
    """

    def __init__(self) -> None:
        self.usable = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        self.armed = False

    def __enter__(self) -> Self:
        if self.usable:
            self.handler = signal.signal(signal.SIGALRM, self._ring)
            self.delay, self.interval = signal.setitimer(signal.ITIMER_REAL, 0)
            self.due = time.monotonic() + self.delay
        return self

    def __exit__(self, *_: object) -> None:
        self.armed = False
        if self.usable:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if self.handler is None else self.handler)
            if self.delay:
                signal.setitimer(signal.ITIMER_REAL, max(self.due - time.monotonic(), 1e-6), self.interval)

    def arm(self, seconds: float) -> None:
        """Ring in so many seconds, or when the outer timer is due."""
        self.armed = True
        if self.usable:
            left = min(seconds, self.due - time.monotonic()) if self.delay else seconds
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6), AGAIN)

    def disarm(self) -> None:
        self.armed = False

    def _ring(self, *_: object) -> None:
        if self.armed:
            raise TimeLimit
