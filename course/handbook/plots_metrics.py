"""Pictures of text metrics: words that two texts share in order, and mean scores with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

from handbook.plots import PALETTE, Picture, canvas, readable, show, style

MARKERS = "osD^"


def word_links(
    hypothesis: Sequence[str], reference: Sequence[str], pairs: Sequence[tuple[int, int]], *, title: str
) -> Picture:
    """Draw two short texts one above the other, with a line for each pair (place above, place below)."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 1.9))
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_title(readable(title))
        widest = 0.0
        places = []
        for words, height, linked in ((hypothesis, 1.0, {i for i, _ in pairs}), (reference, 0.0, {j for _, j in pairs})):
            at, row = 0.0, []
            for number, word in enumerate(words):
                width = len(word) + 1.6
                row.append(at + width / 2)
                box = {"boxstyle": "round,pad=0.25", "facecolor": "#D6E8F5" if number in linked else "white"}
                box["edgecolor"] = PALETTE[0] if number in linked else "#BBBBBB"
                axes.text(row[-1], height, readable(word), ha="center", va="center", bbox=box)
                at += width
            places.append(row)
            widest = max(widest, at)
        for above, below in pairs:
            axes.plot([places[0][above], places[1][below]], [0.83, 0.17], color=PALETTE[0], linewidth=1.5)
        axes.text(-0.4, 1, "hypothesis", ha="right", va="center", color="#555555")
        axes.text(-0.4, 0, "reference", ha="right", va="center", color="#555555")
        axes.set_xlim(-8, widest)
        axes.set_ylim(-0.35, 1.35)
        shared = " ".join(hypothesis[above] for above, _ in pairs)
        told = f"Above: {' '.join(hypothesis)}. Below: {' '.join(reference)}. Lines join: {shared}."
        return show(figure, f"Diagram: {title}. {told}")


def intervals(
    labels: Sequence[str], series: dict[str, Sequence[tuple[float, float, float]]], *, title: str, xlabel: str
) -> Picture:
    """Draw a point with its interval for each label and each entry of `series` {name: (mean, low, high) a label}."""
    with style():
        figure, axes = canvas(title, xlabel, "metric", height=3.6)
        gap = 0.8 / (len(series) + 1)
        for number, (name, rows) in enumerate(series.items()):
            ys = [at + (number - (len(series) - 1) / 2) * gap for at in range(len(labels))]
            means = [mean for mean, _, _ in rows]
            reach = [[mean - low for mean, low, _ in rows], [high - mean for mean, _, high in rows]]
            look = {"color": PALETTE[number], "marker": MARKERS[number % len(MARKERS)], "capsize": 3}
            axes.errorbar(means, ys, xerr=reach, linestyle="none", label=readable(name), **look)
        axes.set_yticks(range(len(labels)), list(map(readable, labels)))
        axes.grid(axis="y", visible=False)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        told = [
            f"{name}: " + ", ".join(f"{label} {m:.0f} ({a:.0f} to {b:.0f})" for label, (m, a, b) in zip(labels, rows, strict=True))
            for name, rows in series.items()
        ]
        return show(figure, f"Points with intervals: {title}. {xlabel}. {'; '.join(told)}.")
