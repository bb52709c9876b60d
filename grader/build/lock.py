"""One writer at a time: builds of two lessons may run side by side, but they write one after the other."""
from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from grader.build.layout import BuildError

PATIENCE = 120.0  # seconds


@contextlib.contextmanager
def only_one(path: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a lock file while the block runs. The system lets go of it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        deadline = time.monotonic() + patience
        while not _try(file.fileno()):
            if time.monotonic() > deadline:
                raise BuildError(f"another build has held {path} for {patience:.0f} s; wait for it to end and run this again")
            time.sleep(0.05)
        yield


def _try(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return _try_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_windows(handle: int) -> bool:
    import msvcrt

    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return False
    return True
