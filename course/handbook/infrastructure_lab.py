"""Measurements for lesson p2_6: how fast this machine multiplies matrices, and what failures do to a simulated run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def matmul_speed(n: int, dtype: torch.dtype = torch.float32, *, seconds: float = 0.15) -> float:
    """Multiply two n × n matrices for about `seconds` and return the FLOP/s of the fastest multiplication."""
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    torch.mm(a, b)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        repeats = max(1, int(2e6 // n**3))  # a clock can't time one tiny product
        start = time.perf_counter()
        for _ in range(repeats):
            torch.mm(a, b)
        best = min(best, (time.perf_counter() - start) / repeats)
    return 2 * n**3 / best


def count_flops(model: nn.Module, ids: Tensor) -> int:
    """Return the FLOPs of one forward and backward pass, as PyTorch's own counter sees its matrix products."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the fused attention is not counted on a CPU
        model(ids).sum().backward()
    model.zero_grad()
    return int(counter.get_total_flops())


def step_seconds(model: nn.Module, ids: Tensor, *, steps: int = 8) -> float:
    """Return the seconds of the fastest of some training steps: forward, backward, optimizer."""
    optimizer, best = torch.optim.AdamW(model.parameters(), lr=1e-4), float("inf")
    for _ in range(steps):
        start = time.perf_counter()
        logits = model(ids[:, :-1])
        nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        best = min(best, time.perf_counter() - start)
    return best


def failing_run(work: float, interval: float, mtbf: float, cost: float, restart: float, dice: random.Random) -> float:
    """Simulate a run of `work` hours that saves every `interval` hours, and return how many hours it took.

    Failures come at random, on average every `mtbf` hours, also while a checkpoint is written. Each throws the run back
    to its last finished checkpoint and costs `restart` hours. Saving takes `cost` hours.
    """
    clock = done = 0.0
    next_failure = dice.expovariate(1 / mtbf)
    while done < work:
        piece = min(interval, work - done)
        end = clock + piece + (cost if done + piece < work else 0.0)
        if end <= next_failure:
            clock, done = end, done + piece
        else:
            clock = next_failure + restart
            next_failure = clock + dice.expovariate(1 / mtbf)
    return clock


def lost_by_interval(
    intervals: Sequence[float], *, work: float, mtbf: float, cost: float, restart: float, runs: int = 30, seed: int = 0
) -> list[float]:
    """Return for each interval the share of the time that was lost, averaged over simulated runs."""
    lost = []
    for interval in intervals:
        dice = random.Random(seed)
        hours = [failing_run(work, interval, mtbf, cost, restart, dice) for _ in range(runs)]
        lost.append(1 - work * runs / sum(hours))
    return lost


def doublings(start: int, stop: int) -> list[int]:
    """Return start, 2 · start, 4 · start … up to and including stop."""
    numbers = [start]
    while numbers[-1] * 2 <= stop:
        numbers.append(numbers[-1] * 2)
    return numbers


def years(seconds: float) -> str:
    """Return a time as a person says it: in hours, days or years."""
    for unit, length in (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} seconds"


def fits(plan: Callable[[], dict[str, float]]) -> dict[str, float] | None:
    """Return what `plan` returns, or None where it raises ValueError: nothing fits."""
    try:
        return plan()
    except ValueError:
        return None
