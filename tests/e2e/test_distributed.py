"""Real ranks for real: two processes agree with one, and none of them outlives its call."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from handbook.ranks import RankFailedError, run_ranks
from torch import nn

from grader.paths import COURSE
from tests.e2e.waiting import descendants, running, until


def ranks_of(pid: int) -> set[int]:
    """The ranks that a process has started and that still run."""
    return {child for child in descendants(pid) if "handbook.ranks" in running().get(child, [])}


def gradient(rank, world, x, y):
    """The averaged gradient of a small layer, from this rank's rows only."""
    import torch
    import torch.distributed as dist
    from torch import nn

    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    nn.functional.mse_loss(layer(x[rank::world]), y[rank::world]).backward()
    dist.all_reduce(layer.weight.grad)
    return {"rank": rank, "gradient": layer.weight.grad / world}


def raises_on_rank_1(rank, world):
    """Rank 1 fails while rank 0 waits for it."""
    import torch
    import torch.distributed as dist

    if rank == 1:
        raise ValueError("no data left")
    dist.all_reduce(torch.ones(1))


def dies_on_rank_0(rank, world):
    """Rank 0 is gone without a word."""
    import os
    import signal

    import torch
    import torch.distributed as dist

    if rank == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.all_reduce(torch.ones(1))


def never_joins(rank, world):
    """Rank 0 waits in a collective that rank 1 never calls."""
    import threading

    import torch
    import torch.distributed as dist

    if rank == 0:
        dist.all_reduce(torch.ones(1))
    threading.Event().wait()


def test_two_ranks_give_the_gradient_of_one_process():
    dice = torch.Generator().manual_seed(3)
    x, y = torch.randn(6, 3, generator=dice), torch.randn(6, 2, generator=dice)
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    nn.functional.mse_loss(layer(x), y).backward()
    results = run_ranks(gradient, world=2, x=x, y=y)
    assert [result["rank"] for result in results] == [0, 1]
    for result in results:
        torch.testing.assert_close(result["gradient"], layer.weight.grad)
    assert not ranks_of(os.getpid())


def test_a_rank_that_raises_ends_both_and_is_named():
    began = time.monotonic()
    with pytest.raises(RankFailedError, match=r"rank 1 of 2 failed.*ValueError: no data left"):
        run_ranks(raises_on_rank_1, world=2, seconds=60)
    assert time.monotonic() - began < 30, "rank 0 was waited for"
    assert not ranks_of(os.getpid())


def test_a_rank_that_is_killed_ends_both_and_is_named():
    with pytest.raises(RankFailedError, match=r"rank 0 of 2 failed.*SIGKILL"):
        run_ranks(dies_on_rank_0, world=2, seconds=60)
    assert not ranks_of(os.getpid())


def test_ranks_that_wait_for_ever_are_ended():
    with pytest.raises(RankFailedError, match=r"rank 0 and 1 of 2 not done after 3 s"):
        run_ranks(never_joins, world=2, seconds=3)
    assert not ranks_of(os.getpid())


@pytest.mark.slow
def test_a_killed_notebook_leaves_no_rank_behind(tmp_path: Path):
    script = tmp_path / "notebook.py"
    script.write_text(
        "from handbook.ranks import run_ranks\n"
        "def waits(rank, world):\n"
        "    import threading\n"
        "    threading.Event().wait()\n"
        "run_ranks(waits, world=2, seconds=100)\n"
    )
    notebook = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(COURSE)})
    try:
        until(lambda: len(ranks_of(notebook.pid)) == 2, "two ranks run")
        ranks = ranks_of(notebook.pid)
        notebook.send_signal(signal.SIGKILL)
        notebook.wait()
        until(lambda: not ranks & running().keys(), "both ranks have ended")
    finally:
        notebook.kill()
