"""Pictures of a language model at work: one token after another, and what each language costs it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from handbook.plots import PALETTE, Picture, bars, canvas, readable, show, style, visible

if TYPE_CHECKING:
    from typing import Any

    from handbook.models.language_model import LanguageModel

COLUMNS = 2  # panels side by side


def token_by_token(lm: LanguageModel, prompt: str, *, steps: int = 4, k: int = 5) -> Picture:
    """Draw `steps` predictions in a row, the k likeliest tokens of each; every time the likeliest is appended.

    Raises: ValueError if `steps` is less than 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least one prediction is needed")
    from matplotlib.figure import Figure

    text, spoken = prompt, []
    with style():
        rows = math.ceil(steps / COLUMNS)
        figure = Figure(figsize=(7.2, 0.5 + 1.9 * rows))
        panels = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
        for step, axes in enumerate(panels):
            if step >= steps:
                axes.set_axis_off()
                continue
            pairs = lm.next_token_probs(text, k)
            _panel(axes, f"{step + 1}.  … {_tail(text)}", pairs)
            spoken.append(f"after “{_tail(text)}”: " + ", ".join(f"{token.strip()} {p:.2f}" for token, p in pairs))
            text += pairs[0][0]
        figure.suptitle("What comes next, one token after the other", fontsize=12, fontweight="bold", x=0.01, ha="left")
        figure.supxlabel("probability (0 to 1)", fontsize=11)
        figure.supylabel("next token", fontsize=11)
        return show(figure, f"Bar charts of {steps} predictions in a row. {'; '.join(spoken)}.")


def bits_per_character(lm: LanguageModel, sentences: dict[str, str], *, title: str) -> Picture:
    """Draw how many bits the model needs for a character of each text: the fewer, the better it predicts it.

    `sentences` maps a name to a text. A line break stands before each, so that its first token is predicted too.
    """
    costs = {name: float(lm.token_nll("\n" + text).sum()) / math.log(2) / len(text) for name, text in sentences.items()}
    return bars(list(costs), list(costs.values()), title=title, xlabel="bits a character (fewer = better predicted)",
                ylabel="language")


def nucleus_sizes(labels: list[str], sizes: list[int], *, title: str) -> Picture:
    """Draw for each text how many tokens its nucleus has, as dots on a log scale: there the place tells, a length would not."""
    with style():
        figure, axes = canvas(title, "tokens in the nucleus (log scale)", "text", height=2.2)
        axes.plot(sizes, range(len(sizes)), "o", color=PALETTE[0], markersize=9)
        for row, size in enumerate(sizes):
            axes.annotate(f"{size:,}", (size, row), xytext=(9, 0), textcoords="offset points", fontsize=10, va="center")
        axes.set_xscale("log")
        axes.set_xlim(0.7, 3 * max(sizes))
        axes.set_yticks(range(len(labels)), [readable(label) for label in labels])
        axes.set_ylim(len(labels) - 0.5, -0.5)  # the first label on top, as one reads
        told = "; ".join(f"{label} {size:,}" for label, size in zip(labels, sizes, strict=True))
        return show(figure, f"Dot chart on a log scale: {title}. {told}.")


def _panel(axes: Any, title: str, pairs: list[tuple[str, float]]) -> None:
    axes.set_title(readable(title), fontsize=10, fontweight="normal")
    colours = [PALETTE[0]] + [PALETTE[-1]] * (len(pairs) - 1)  # the likeliest, which is appended, stands out
    drawn = axes.barh(range(len(pairs)), [p for _, p in pairs], color=colours)
    axes.bar_label(drawn, [f"{p:.2f}" for _, p in pairs], padding=3, fontsize=9)
    axes.set_yticks(range(len(pairs)), [readable(visible(token)) for token, _ in pairs])
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.5, 1])
    axes.invert_yaxis()  # the likeliest on top
    axes.grid(axis="y", visible=False)


def _tail(text: str, words: int = 4) -> str:
    return " ".join(text.split()[-words:])
