"""Pictures of infrastructure: who is how fast, what fills a GPU's memory, and published bills beside calculated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handbook.compute_tables import Accelerator, Run
from handbook.plots import PALETTE, Picture, canvas, show, style

BLUE, ORANGE, GREEN, VERMILION, PURPLE = PALETTE[:5]
GREY = "#767676"
PARTS = {"weights": BLUE, "gradients": ORANGE, "optimizer": GREEN, "activations": PURPLE}
HATCHES = {"weights": "", "gradients": "//", "optimizer": "..", "activations": "xx"}


def speed_ladder(measured: Mapping[str, float], chips: Sequence[Accelerator]) -> Picture:
    """Draw FLOP/s on a logarithmic scale: what was measured here, and the 16-bit peaks of accelerators."""
    rows = [(name, speed, ORANGE) for name, speed in measured.items()] + [(chip.name, chip.half * 1e12, BLUE) for chip in chips]
    rows.sort(key=lambda row: row[1])
    with style():
        figure, axes = canvas("One chip: what it can multiply", "FLOP/s (logarithmic)", "", height=0.9 + 0.3 * len(rows))
        drawn = axes.barh(range(len(rows)), [speed for _, speed, _ in rows], color=[colour for *_, colour in rows])
        axes.bar_label(drawn, [f"{_short(speed / 1e12)} TFLOP/s" for _, speed, _ in rows], padding=3, fontsize=9)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_xscale("log")
        axes.set_xlim(right=rows[-1][1] * 15)
        axes.grid(axis="y", visible=False)
        axes.legend(handles=[_patch(ORANGE, "measured here"), _patch(BLUE, "peak, as the maker states it")], loc="lower right")
        told = ", ".join(f"{name} {_short(speed / 1e12)}" for name, speed, _ in rows)
        return show(figure, f"Bar chart on a logarithmic scale, in TFLOP/s: {told}. Orange bars were measured on this machine.")


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _patch(colour: str, label: str) -> object:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)


def memory_bars(bills: Mapping[str, Mapping[str, float]], limit: float, limit_name: str) -> Picture:
    """Draw a stacked bar for each bill {part: GB}, and a line where one chip's memory ends."""
    with style():
        figure, axes = canvas("What fills the memory of one GPU", "GB (10⁹ bytes)", "", height=1.1 + 0.42 * len(bills))
        starts = [0.0] * len(bills)
        for part, colour in PARTS.items():
            sizes = [bill[part] for bill in bills.values()]
            axes.barh(range(len(bills)), sizes, left=starts, color=colour, hatch=HATCHES[part], edgecolor="white", label=part)
            starts = [start + size for start, size in zip(starts, sizes, strict=True)]
        for row, total in enumerate(starts):
            axes.text(total, row, f" {total:,.0f}", va="center", fontsize=9)
        axes.axvline(limit, color=VERMILION, linestyle="--", label=limit_name)
        axes.set_yticks(range(len(bills)), list(bills))
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.grid(axis="y", visible=False)
        figure.legend(loc="outside lower center", ncols=5, fontsize=9, columnspacing=1.2, handlelength=1.5)
        told = "; ".join(f"{name}: " + ", ".join(f"{part} {bill[part]:,.0f}" for part in PARTS) for name, bill in bills.items())
        return show(figure, f"Stacked bars, in GB. {told}. A line marks {limit_name}, {limit:g} GB.")


def bills_compared(runs: Sequence[Run], calculated: Sequence[float], band: float) -> Picture:
    """Draw calculated over published GPU-hours on logarithmic axes, with the line of equality and a band of a factor."""
    published = [run.gpu_hours or float("nan") for run in runs]
    low, high = min([*published, *calculated]) / 2, max([*published, *calculated]) * 2
    places = {"Llama 2 7B": (6, -12), "Llama 3.1 405B": (-8, -14), "BLOOM 176B": (-6, 8), "Llama 2 70B": (8, -4), "Llama 3 70B": (8, -6)}
    with style():
        figure, axes = canvas("GPU-hours: calculated and published", "published GPU-hours", "calculated GPU-hours", height=4.2)
        axes.plot([low, high], [low, high], color=GREY, linewidth=1.2, label="equal")
        edges = [low / band, high / band], [low * band, high * band]
        axes.fill_between([low, high], *edges, color=GREY, alpha=0.15, linewidth=0, label=f"within a factor of {band:g}")
        axes.scatter(published, calculated, color=BLUE, zorder=3)
        for run, x, y in zip(runs, published, calculated, strict=True):
            place = places.get(run.model, (6, 4))
            axes.annotate(run.model, (x, y), xytext=place, textcoords="offset points", fontsize=9, ha="right" if place[0] < 0 else "left")
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        axes.legend(loc="upper left")
        told = ", ".join(f"{run.model} {x:,.0f} published and {y:,.0f} calculated" for run, x, y in zip(runs, published, calculated, strict=True))
        return show(figure, f"Scatter plot of GPU-hours: {told}. Points on the line are equal; the grey band is a factor of {band:g}.")


def interval_curve(intervals: Sequence[float], simulated: Sequence[float], formula: Sequence[float], best: float) -> Picture:
    """Draw the share of time lost by checkpoint interval: simulated points, the formula's curve, and its best interval."""
    with style():
        figure, axes = canvas("How often to save", "hours between checkpoints (logarithmic)", "time lost (%)", height=3.6)
        axes.plot(intervals, [100 * share for share in formula], color=BLUE, label="formula")
        axes.plot(intervals, [100 * share for share in simulated], color=ORANGE, marker="o", linestyle="none", label="simulated runs")
        axes.axvline(best, color=GREEN, linestyle="--", label=f"square-root rule: {best:.2f} hours")
        axes.set_xscale("log")
        axes.set_xticks(list(intervals)[::2], [f"{hours:.2g}" for hours in list(intervals)[::2]])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.legend()
        told = ", ".join(f"{100 * share:.0f} % at {hours:.2g} hours" for hours, share in zip(intervals, simulated, strict=True))
        return show(figure, f"Time lost by hours between checkpoints, simulated: {told}. The square-root rule says {best:.2f} hours.")
