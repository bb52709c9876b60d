"""The everyday charts: bars, lines, points, a heat map, a histogram. Each shows itself and returns its `Picture`.

`alt` replaces the text alternative that is otherwise written from the data. Axis labels name units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from handbook.plots.picture import GREY, MARKERS, PALETTE, Picture, canvas, readable, show, style

Numbers = Any  # a list, a tensor or an array of numbers


def bars(
    labels: Sequence[str],
    values: Numbers | dict[str, Numbers],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    horizontal: bool = True,
    highlight: str | Iterable[str] = (),
    decimals: int = 2,
    log: bool = False,
    alt: str = "",
) -> Picture:
    """Draw a bar for each label, its value beside it; a dict {name: values} draws a group of bars for each label.

    `xlabel` and `ylabel` are those of the drawn axes, so with horizontal bars the values are on x.
    `highlight` names labels that stand out. Raises: ValueError if labels and values differ in number.
    """
    series = values if isinstance(values, dict) else {"": values}
    series = {name: numbers(column) for name, column in series.items()}
    names = list(map(str, labels))
    for name, column in series.items():
        if len(column) != len(names):
            raise ValueError(f"{len(names)} labels, but {len(column)} values {name}".rstrip())
    rows = len(names) * len(series)
    with style():
        figure, axes = canvas(title, xlabel, ylabel, height=max(2.2, 0.9 + 0.27 * rows) if horizontal else 3.4)
        thick = 0.8 / len(series)
        for at, (name, column) in enumerate(series.items()):
            places = [row + (at - (len(series) - 1) / 2) * thick for row in range(len(names))]
            colours = _bar_colours(names, highlight, PALETTE[at % len(PALETTE)])
            draw = axes.barh if horizontal else axes.bar
            drawn = draw(places, column, thick * 0.95, color=colours, label=readable(name) or None)
            axes.bar_label(drawn, [f"{value:,.{decimals}f}" for value in column], padding=3, fontsize=9)
        _label_bars(axes, names, horizontal=horizontal, log=log)
        if len(series) > 1:
            axes.legend()
        return show(figure, alt or f"Bar chart: {title}. {_spoken(names, series, decimals)}.")


def _bar_colours(names: list[str], highlight: str | Iterable[str], colour: str) -> list[str]:
    chosen = {highlight} if isinstance(highlight, str) else set(highlight)
    return [colour if not chosen or name in chosen else GREY for name in names]


def _label_bars(axes: Any, names: list[str], *, horizontal: bool, log: bool) -> None:
    axes.margins(**({"x": 0.12} if horizontal else {"y": 0.12}))
    if horizontal:
        axes.set_yticks(range(len(names)), [readable(name) for name in names])
        axes.invert_yaxis()  # the first label on top, as one reads
        axes.grid(axis="y", visible=False)
    else:
        turned = {"rotation": 30, "ha": "right"} if sum(map(len, names)) > 60 else {}
        axes.set_xticks(range(len(names)), [readable(name) for name in names], **turned)
        axes.grid(axis="x", visible=False)
    if log:
        axes.set_xscale("log") if horizontal else axes.set_yscale("log")


def lines(
    x: Numbers,
    series: dict[str, Numbers],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    logx: bool = False,
    logy: bool = False,
    markers: bool | None = None,
    bands: dict[str, tuple[Numbers, Numbers]] | None = None,
    alt: str = "",
) -> Picture:
    """Draw one line for each entry of `series` {name: y values}, over the same x values.

    A shorter series uses the first x values. `bands` {name: (low, high)} shades an interval around a line of that name.
    `markers` draws the points too; unless told, when there are 20 at most.
    """
    xs = numbers(x)
    columns = {name: numbers(values) for name, values in series.items()}
    with style():
        figure, axes = canvas(title, xlabel, ylabel)
        for at, (name, ys) in enumerate(columns.items()):
            dots = len(ys) <= 20 if markers is None else markers
            colour, marker = PALETTE[at % len(PALETTE)], MARKERS[at % len(MARKERS)] if dots else None
            axes.plot(xs[: len(ys)], ys, color=colour, marker=marker, label=readable(name))
            if bands and name in bands:
                low, high = (numbers(edge) for edge in bands[name])
                axes.fill_between(xs[: len(ys)], low, high, color=colour, alpha=0.18, linewidth=0)
        _scale(axes, xs, logx, logy)
        if len(columns) > 1:
            axes.legend()
        told = "; ".join(_spoken_line(name, xs, ys) for name, ys in columns.items())
        return show(figure, alt or f"Line chart: {title}. {ylabel} over {xlabel}. {told}.")


def scatter(
    x: Numbers,
    y: Numbers,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    logx: bool = False,
    logy: bool = False,
    alt: str = "",
) -> Picture:
    """Draw points; `labels` writes a text beside each, `groups` names the colour and marker of each."""
    xs, ys = numbers(x), numbers(y)
    of_point = list(groups) if groups is not None else [""] * len(xs)
    kinds = list(dict.fromkeys(of_point))
    with style():
        figure, axes = canvas(title, xlabel, ylabel, height=4.2)
        for at, kind in enumerate(kinds):
            mine = [point for point, group in enumerate(of_point) if group == kind]
            look = {"color": PALETTE[at % len(PALETTE)], "marker": MARKERS[at % len(MARKERS)]}
            axes.scatter([xs[i] for i in mine], [ys[i] for i in mine], label=readable(kind), **look)
        for name, *place in zip(labels or (), xs, ys, strict=bool(labels)):
            axes.annotate(readable(name), place, xytext=(5, 4), textcoords="offset points", fontsize=9)
        _scale(axes, xs, logx, logy)
        if len(kinds) > 1:
            axes.legend()
        return show(figure, alt or _spoken_points(title, xlabel, ylabel, xs, ys, labels or [], kinds))


def heatmap(
    matrix: Numbers,
    xlabels: Sequence[str] | None = None,
    ylabels: Sequence[str] | None = None,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    value: str = "value",
    numbers_in_cells: bool | None = None,
    limits: tuple[float, float] | None = None,
    diverging: bool = False,
    alt: str = "",
) -> Picture:
    """Draw a matrix as colours, dark = large; `value` says what the colours mean, with its unit.

    `diverging` is for values on both sides of 0. Numbers are written in the cells of small matrices, unless told.
    Shapes: matrix (rows, columns), with as many ylabels and xlabels.
    """
    rows = [numbers(row) for row in matrix]
    flat = [cell for row in rows for cell in row]
    if diverging and limits is None:
        limits = (-max(map(abs, flat)), max(map(abs, flat)))
    low, high = limits or (min(flat), max(flat))
    with style():
        height = min(7.0, max(2.4, 1.2 + 0.32 * len(rows)))
        figure, axes = canvas(title, xlabel, ylabel, height=height)
        image = axes.imshow(rows, cmap="PuOr_r" if diverging else "Blues", vmin=low, vmax=high, aspect="auto")
        axes.grid(visible=False)
        if xlabels is not None:
            turned = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if max(map(len, xlabels)) > 3 else {}
            axes.set_xticks(range(len(xlabels)), [readable(name) for name in xlabels], **turned)
        if ylabels is not None:
            axes.set_yticks(range(len(ylabels)), [readable(name) for name in ylabels])
        if numbers_in_cells if numbers_in_cells is not None else len(flat) <= 64:
            _write_cells(axes, image, rows)
        figure.colorbar(image, label=readable(value))
        return show(figure, alt or _spoken_matrix(title, value, rows, xlabels, ylabels))


def histogram(
    samples: dict[str, Numbers], *, title: str, xlabel: str, ylabel: str = "count", bins: int = 30, alt: str = ""
) -> Picture:
    """Draw the distribution of each entry of `samples` {name: values} over common bins."""
    columns = {name: numbers(values) for name, values in samples.items()}
    low, high = min(map(min, columns.values())), max(map(max, columns.values()))
    with style():
        figure, axes = canvas(title, xlabel, ylabel)
        for at, (name, column) in enumerate(columns.items()):
            look = {"color": PALETTE[at % len(PALETTE)], "alpha": 0.6 if len(columns) > 1 else 1.0}
            axes.hist(column, bins=bins, range=(low, high), label=readable(name), **look)
        if len(columns) > 1:
            axes.legend()
        told = "; ".join(
            f"{name or 'values'}: {len(column)} values from {spoken(min(column))} to {spoken(max(column))}, "
            f"mean {spoken(sum(column) / len(column))}"
            for name, column in columns.items()
        )
        return show(figure, alt or f"Histogram: {title}. {xlabel}. {told}.")


def numbers(values: Numbers) -> list[float]:
    """Return a list, tensor or array as a plain list of floats."""
    plain = values.detach().cpu().tolist() if hasattr(values, "detach") else values
    return [float(value) for value in plain]


def spoken(number: float) -> str:
    """Return a number as one says it: three significant digits, or whole with separators from a thousand on."""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def _scale(axes: Any, xs: list[float], logx: bool, logy: bool) -> None:
    if logx:
        axes.set_xscale("log")
        if len(xs) <= 8:  # few points: name each of them, not the powers of ten
            axes.set_xticks(xs, [f"{x:g}" for x in xs])
            axes.minorticks_off()
    if logy:
        axes.set_yscale("log")


def _write_cells(axes: Any, image: Any, rows: list[list[float]]) -> None:
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            red, green, blue, _ = image.cmap(image.norm(cell))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
            axes.text(x, y, f"{cell:.2g}", ha="center", va="center", fontsize=9, color="white" if dark else "black")


def _spoken(names: list[str], series: dict[str, list[float]], decimals: int) -> str:
    """Read out bars, the first twelve labels of each group."""
    groups = []
    for name, column in series.items():
        rows = zip(names, column, strict=True)
        pairs = [f"{label.strip() or repr(label)} {value:,.{decimals}f}" for label, value in rows]
        rest = f" and {len(pairs) - 12} more" if len(pairs) > 12 else ""
        groups.append(f"{name}: ".lstrip(": ") + ", ".join(pairs[:12]) + rest)
    return "; ".join(groups)


def _spoken_line(name: str, xs: list[float], ys: list[float]) -> str:
    def point(at: int) -> str:
        return f"{spoken(ys[at])} at {spoken(xs[at])}"

    finite = [at for at, y in enumerate(ys) if math.isfinite(y)] or [0]
    lowest = min(finite, key=ys.__getitem__)
    highest = max(finite, key=ys.__getitem__)
    ends = f"{name or 'the line'} goes from {point(0)} to {point(len(ys) - 1)}"
    return f"{ends}, lowest {point(lowest)}, highest {point(highest)}"


def _spoken_points(
    title: str, xlabel: str, ylabel: str, xs: list[float], ys: list[float], labels: Sequence[str], kinds: list[str]
) -> str:
    text = f"Scatter plot: {title}. {len(xs)} points, {ylabel} over {xlabel}."
    if len(kinds) > 1:
        text += f" Groups: {', '.join(kinds)}."
    if labels:
        places = [f"{name} ({spoken(x)}, {spoken(y)})" for name, x, y in zip(labels, xs, ys, strict=True)]
        text += " " + ", ".join(places[:15]) + "."
    return text


def _spoken_matrix(
    title: str, value: str, rows: list[list[float]], xlabels: Sequence[str] | None, ylabels: Sequence[str] | None
) -> str:
    best = max((cell, y, x) for y, row in enumerate(rows) for x, cell in enumerate(row))
    row = ylabels[best[1]] if ylabels is not None else f"row {best[1] + 1}"
    column = xlabels[best[2]] if xlabels is not None else f"column {best[2] + 1}"
    largest = f"the largest is {spoken(best[0])}, at {row}, {column}"
    return f"Heat map: {title}. {len(rows)} rows by {len(rows[0])} columns of {value}; {largest}."
