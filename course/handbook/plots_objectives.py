"""Pictures of pretraining objectives: what each lets a model read and asks it to say, and how each trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from handbook.plots import PALETTE, Picture, bars, lines, show, style

BLUE, ORANGE, GREEN = PALETTE[:3]
Row = tuple[str, list[str]]  # what the row says ("reads", "must say") and its boxes, "" = an empty place


def surprise_bars(tokens: Sequence[str], nll: Tensor) -> Picture:
    """Draw the surprise at each token of a text, the largest one in colour. Shapes: nll (T,), in nats."""
    worst = tokens[int(nll.argmax())]
    return bars(
        tokens,
        nll,
        title="How surprised SmolLM2 is by each token",
        xlabel="surprise −log p (nats)",
        ylabel="token, as read",
        highlight=worst,
        decimals=1,
    )


def three_objectives(words: Sequence[str], masked: Sequence[int], spans: Sequence[tuple[int, int]]) -> Picture:
    """Draw what the causal, the masked and the span objective make of one text: what is read, and what must be said.

    `masked` are the positions that the masked objective hides; `spans` are half-open, in the order of the text.
    """
    blocks = {"causal": _causal(words), "masked": _masked(words, masked), "spans": _spans(words, spans)}
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 4.0))
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_title("One text, three questions")
        height = 0.0
        for (name, rows), colour in zip(blocks.items(), (BLUE, ORANGE, GREEN), strict=True):
            axes.text(-2.6, height + 0.5, name, weight="bold", color="black", va="center")
            for says, boxes in rows:
                axes.text(-0.15, height, says, ha="right", va="center")
                for at, word in enumerate(boxes):
                    _box(axes, at, height, word, colour if says == "must say" or word.startswith(("[", "<")) else None)
                height += 1
            height += 0.7
        axes.set_xlim(-2.7, max(len(row[1]) for rows in blocks.values() for row in rows) + 0.1)
        axes.set_ylim(height - 0.9, -0.7)
        spoken = ". ".join(f"{name}: " + "; ".join(map(_spoken, rows)) for name, rows in blocks.items())
        return show(figure, f"Diagram: one text, three questions. {spoken}.")


def _spoken(row: Row) -> str:
    return f"{row[0]} {' '.join(word or '–' for word in row[1])}"


def _causal(words: Sequence[str]) -> list[Row]:
    return [("reads", list(words[:-1])), ("must say", list(words[1:]))]


def _masked(words: Sequence[str], masked: Sequence[int]) -> list[Row]:
    return [
        ("reads", ["[mask]" if at in masked else word for at, word in enumerate(words)]),
        ("must say", [word if at in masked else "" for at, word in enumerate(words)]),
    ]


def _spans(words: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[Row]:
    reads, says, last = list[str](), list[str](), 0
    for (start, end), letter in zip(spans, "XYZ", strict=False):
        reads += [*words[last:start], f"<{letter}>"]
        says += [f"<{letter}>", *words[start:end]]
        last = end
    return [("reads", [*reads, *words[last:]]), ("must say", [*says, f"<{'XYZ'[len(spans)]}>"])]


def _box(axes: Any, at: int, height: float, word: str, colour: str | None) -> None:
    """Draw one place: outlined = a word to read, filled = hidden or asked for, dotted = nothing is asked."""
    from matplotlib.patches import Rectangle

    place = Rectangle((at + 0.04, height - 0.42), 0.92, 0.84, edgecolor="#767676", linewidth=0.8, fill=bool(word))
    place.set(linestyle="-" if word else ":", facecolor=(colour or "#FFFFFF") + ("59" if colour else "FF"))
    axes.add_patch(place)
    axes.text(at + 0.5, height, word, ha="center", va="center", fontsize=10)


def fates_of_chosen(ids: Tensor, inputs: Tensor, labels: Tensor, mask_id: int) -> Picture:
    """Draw what became of the tokens that a masked batch chose, beside what is expected. Shapes: all (B, T)."""
    chosen = labels != -100
    got, was = inputs[chosen], ids[chosen]
    shares = [float(fate.double().mean()) for fate in (got == mask_id, (got != mask_id) & (got != was), got == was)]
    return bars(
        ["became the mask", "became another token", "stayed"],
        {f"measured, {len(got):,} tokens": [100 * share for share in shares], "expected": [80, 10, 10]},
        title="What became of the chosen tokens",
        xlabel="share of the chosen tokens (%)",
        ylabel="fate",
        decimals=1,
    )


def loss_curves(curves: dict[str, list[float]], guessing: float, *, window: int = 10) -> Picture:
    """Draw training losses in nats per scored token, each point the mean of `window` steps.

    `guessing` is the loss of a model that spreads its probability evenly over the vocabulary.
    """
    steps = len(next(iter(curves.values()))) // window
    x = [window * (step + 0.5) for step in range(steps)]
    smooth = {name: [sum(losses[window * step : window * (step + 1)]) / window for step in range(steps)] for name, losses in curves.items()}
    return lines(
        x,
        {**smooth, "guessing": [guessing] * steps},
        title="One network, three objectives",
        xlabel="training step",
        ylabel="loss (nats per scored token)",
        markers=False,
    )
