"""A training script with five planted bugs, for finding them: its text, its lines with numbers, and how patches apply.

The script is ours. Every bug in it is one that runs, raises nothing, and makes the result worse or the report untrue.
"""

from __future__ import annotations

from collections.abc import Mapping

MOST_PATCHES, MOST_LINES = 8, 12  # numbered lines that may be replaced, and lines that may stand in their place

SCRIPT = '''\
import math
import torch
from torch.nn.functional import cross_entropy

PAD = 0


def learning_rate(step, steps, peak=0.01, warmup=4):
    """Rise to the peak over the warm-up, then fall along a cosine."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / (steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def loss_of(model, rows):
    """The mean loss of the next tokens, in nats. PAD is not a token and does not count."""
    logits, targets = model(rows[:, :-1]), rows[:, 1:]
    nll = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return nll.mean()


@torch.no_grad()
def validate(model, held_out):
    """The loss on held-out rows, with dropout off."""
    model.eval()
    return loss_of(model, held_out).item()


def train(model, rows, steps, batch_size=8, seed=0):
    """Train on all rows but 8, with dropout on, each step by its own gradient and learning rate; log every fifth."""
    rng = torch.Generator().manual_seed(seed)
    rows = rows[torch.randperm(len(rows), generator=rng)]
    held_out, to_learn = rows[:8], rows
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    log = []
    model.train()
    for step in range(steps):
        batch = to_learn[torch.randint(len(to_learn), (batch_size,), generator=rng)]
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)
        if step % 5 == 4:
            log.append((step, loss.item(), validate(model, held_out)))
    return log
'''


def numbered() -> str:
    """Return the script with a number before each line."""
    return "\n".join(f"{number:2}  {line}".rstrip() for number, line in enumerate(SCRIPT.splitlines(), start=1))


def patched(patches: Mapping[int, str]) -> str:
    """Return the script with each numbered line replaced by its patch, which may be several lines or empty.

    Raises: ValueError if a number is not that of a line, if more than MOST_PATCHES lines are replaced, or if the
    patches together are longer than MOST_LINES lines.
    """
    lines = SCRIPT.splitlines()
    strange = [number for number in patches if not 1 <= number <= len(lines)]
    if strange:
        raise ValueError(f"the script has lines 1 to {len(lines)}, not {strange[0]}")
    longest = sum(len(patch.splitlines()) for patch in patches.values())
    if len(patches) > MOST_PATCHES or longest > MOST_LINES:
        raise ValueError(f"{len(patches)} lines are replaced by {longest}; at most {MOST_PATCHES} by {MOST_LINES}")
    return "\n".join(patches.get(number, line) for number, line in enumerate(lines, start=1)) + "\n"
