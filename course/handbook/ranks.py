"""Real ranks: several Python processes on this machine that talk through `torch.distributed`.

`run_ranks(work, world=2)` sends the source of `work` to each process, which joins a gloo group and calls
`work(rank, world, **given)`. The processes end with the call, whatever happens: when one fails, when the time is up,
when the cell is interrupted, and when the notebook's own process is killed.
"""

from __future__ import annotations

import datetime
import inspect
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

HOME = Path(__file__).resolve().parents[1]  # the folder that `handbook` is imported from
LOOPBACK = ("lo", "lo0")  # Linux, macOS
GRACE = 2.0  # seconds that the others get to say why they failed, once one has


class RankFailedError(RuntimeError):
    """A rank raised, ended early, or was too slow; all ranks have been ended. The message says which and why."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]  # calm lines in a notebook, not a stack of frames


def run_ranks(work: Callable[..., Any], world: int = 2, *, seconds: float = 120.0, **given: Any) -> list[Any]:
    """Call `work(rank, world, **given)` in `world` processes of one group and return what each gives back, by rank.

    `work` is a plain function that stands alone: it imports what it uses inside, for only its source travels.
    `given` and what it returns may be tensors, numbers, text, and lists, tuples or dicts of them.
    Raises: RankFailedError if a rank fails or they are not done after `seconds`; ValueError if world < 1.
    """
    if world < 1:
        raise ValueError(f"a group of {world} ranks can't be made")
    with tempfile.TemporaryDirectory(prefix="ranks-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "work.py").write_text(textwrap.dedent(inspect.getsource(work)), encoding="utf-8")
        torch.save({"function": work.__name__, "given": given, "seconds": seconds}, folder / "task.pt")
        ranks: list[subprocess.Popen[bytes]] = []
        try:
            ranks.extend(_start(folder, rank, world) for rank in range(world))
            _wait(ranks, folder, seconds)
        finally:
            _end(ranks)
        return [torch.load(folder / f"result-{rank}.pt", weights_only=True) for rank in range(world)]


def _start(folder: Path, rank: int, world: int) -> subprocess.Popen[bytes]:
    paths = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    if "GLOO_SOCKET_IFNAME" not in environment:
        known = [name for _, name in socket.if_nameindex() if name in LOOPBACK]
        environment.update({"GLOO_SOCKET_IFNAME": known[0]} if known else {})
    with (folder / f"said-{rank}.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "handbook.ranks", str(folder), str(rank), str(world)],
            stdin=subprocess.PIPE,  # never written to: it closes when we end, however we end, and then the rank ends too
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # an interrupt reaches us alone, and we end the ranks
        )


def _wait(ranks: list[subprocess.Popen[bytes]], folder: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(rank.poll() is None for rank in ranks):
        if any(rank.returncode for rank in ranks):
            deadline = min(deadline, time.monotonic() + GRACE)  # the others will never hear from it
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    failed = {number: rank.returncode for number, rank in enumerate(ranks) if rank.returncode}
    if failed:
        first = min(failed, key=lambda number: _failed_at(folder, number))
        raise RankFailedError(f"rank {first} of {len(ranks)} failed, and all were ended: {_reason(folder, first, failed[first])}")
    slow = [str(number) for number, rank in enumerate(ranks) if rank.returncode is None]
    if slow:
        raise RankFailedError(f"rank {' and '.join(slow)} of {len(ranks)} not done after {seconds:g} s; all were ended")


def _failed_at(folder: Path, rank: int) -> int:
    """When a rank wrote down its failure: the first one is the cause, the others only lost their neighbour."""
    path = folder / f"failure-{rank}.txt"
    return int(path.read_text(encoding="utf-8").partition("\n")[0]) if path.exists() else 0


def _reason(folder: Path, rank: int, status: int) -> str:
    path = folder / f"failure-{rank}.txt"
    if path.exists():
        return path.read_text(encoding="utf-8").partition("\n")[2].strip()
    said = (folder / f"said-{rank}.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
    return f"{how}{f' ({said[-1]})' if said else ''}"


def _end(ranks: list[subprocess.Popen[bytes]]) -> None:
    for rank in ranks:
        if rank.poll() is None:
            rank.kill()
    for rank in ranks:
        rank.wait()
        if rank.stdin:
            rank.stdin.close()


# ---------------------------------------------------------------------------------------- inside one rank


def _end_with_parent() -> None:
    """Wait for the end of the process that started us, and end at once: nobody waits for our answer any more."""
    sys.stdin.buffer.read()
    os._exit(1)


def _work(folder: Path, rank: int, world: int) -> None:
    import torch.distributed as dist

    torch.set_num_threads(1)
    task = torch.load(folder / "task.pt", weights_only=True)
    scope: dict[str, Any] = {"__name__": "work"}
    exec(compile((folder / "work.py").read_text(encoding="utf-8"), "work.py", "exec"), scope)
    patience = datetime.timedelta(seconds=task["seconds"])
    meeting = (folder / "meeting").as_uri()
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world, timeout=patience)
    result = scope[task["function"]](rank, world, **task["given"])
    torch.save(result, folder / f"writing-{rank}.pt")
    (folder / f"writing-{rank}.pt").rename(folder / f"result-{rank}.pt")
    dist.barrier()  # nobody leaves while another still talks to it
    dist.destroy_process_group()


def _main(folder: Path, rank: int, world: int) -> int:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _work(folder, rank, world)
    except BaseException as error:
        when = time.time_ns()
        reason = traceback.format_exception_only(error)[-1].strip()
        (folder / f"failure-{rank}.txt").write_text(f"{when}\n{reason}", encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    STATUS = _main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.flush()
    os._exit(STATUS)  # the thread that waits on stdin must not hold up the end
