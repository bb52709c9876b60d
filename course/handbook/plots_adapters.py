"""Pictures of the lesson on LoRA: job cards before and after, where the adapter wrote, its volume, and 4-bit weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handbook import plots
from handbook.job_cards import Job, scores
from handbook.plots import Picture

LOSS = "loss (nats a token)"


def loss_curves(curves: dict[str, list[float]], *, title: str) -> Picture:
    """Draw the losses of the first steps of one run or several, as far as the shortest of them goes."""
    steps = min(map(len, curves.values()))
    shown = {name: losses[:steps] for name, losses in curves.items()}
    return plots.lines(list(range(1, steps + 1)), shown, title=title, xlabel="step", ylabel=LOSS, markers=steps < 10)


def before_and_after(before: list[str], after: list[str], seen: list[Job], new: list[Job]) -> Picture:
    """Draw the shares of right formats and of right cards; the answers are those to `seen + new`."""
    half, table = len(seen), dict[str, list[float]]()
    for when, said in {"before": before, "after": after}.items():
        old, other = scores(said[:half], seen), scores(said[half:], new)
        table[when] = [old["format"], old["exact"], other["format"], other["exact"]]
    rows = ["format, seen patterns", "exact, seen patterns", "format, new patterns", "exact, new patterns"]
    label = f"share of {half} notes"
    return plots.bars(rows, table, title="Job cards before and after training", xlabel=label, ylabel="")


@torch.no_grad()
def change_map(model: nn.Module, names: Sequence[str], scale: float) -> Picture:
    """Draw the size of every adapter's change, in percent of its weight; `names` are those of layers with base, A and B."""
    places = {name: (name.split(".")[2], name.split(".")[-1]) for name in names}  # model.layers.22.self_attn.q_proj
    layers, kinds = (list(dict.fromkeys(place[axis] for place in places.values())) for axis in (0, 1))
    change = torch.zeros(len(layers), len(kinds))
    for name, (layer, kind) in places.items():
        part = model.get_submodule(name)
        A, B, base = (getattr(part, key) for key in ("A", "B", "base"))
        change[layers.index(layer), kinds.index(kind)] = 100 * scale * (B @ A).norm() / base.weight.norm()
    title, value = "Size of the change, in percent of the weight", "‖α/r · BA‖ / ‖W‖ (%)"
    return plots.heatmap(change.tolist(), kinds, layers, title=title, xlabel="matrix", ylabel="layer", value=value)


def volume_curves(volumes: list[float], on_cards: list[float], on_english: list[float]) -> Picture:
    """Draw the loss on job cards and on plain English over the adapter's volume."""
    series = {"job cards, new patterns": on_cards, "plain English": on_english}
    label = "volume (1 = as trained)"
    return plots.lines(volumes, series, title="Turning the adapter up", xlabel=label, ylabel=LOSS, markers=True)


def block_histogram(weight: Tensor, absmax: Tensor) -> Picture:
    """Draw how weights are spread once every block is divided by its largest. Shapes: weight (O, I), absmax (O, I / K)."""
    scaled = weight.detach().reshape(*absmax.shape, -1) / absmax.unsqueeze(-1)
    return plots.histogram(
        {"100,000 weights": scaled.flatten()[:100_000].tolist()},
        title="Most weights are small, so most levels are",
        xlabel="weight / largest of its block",
        ylabel="number of weights",
        bins=60,
    )
