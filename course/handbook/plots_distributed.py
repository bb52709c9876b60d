"""Pictures of distributed training: the ring, step by step; who holds what; which stage works when; who reads whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from handbook.plots import PALETTE, Picture, canvas, show, style, subplots

BLUE, ORANGE, GREEN = PALETTE[:3]
EDGE = "#767676"
PARTS = {"weights": (2, BLUE), "gradients": (2, ORANGE), "optimizer": (12, GREEN)}  # bytes a parameter
LEVELS = ("data parallel", "ZeRO-1", "ZeRO-2", "ZeRO-3")  # level n shards the last n parts


def two_curves(curves: dict[str, Sequence[float]]) -> Picture:
    """Draw two loss curves that may lie on each other: the first as a line, the second as open circles."""
    with style():
        figure, axes = canvas("The same training, in one process and in two", "step", "loss (nats a word)")
        (first, line), (second, dots) = curves.items()
        axes.plot(line, color=BLUE, label=first)
        axes.plot(dots, linestyle="", marker="o", markersize=7, fillstyle="none", color=ORANGE, label=second)
        axes.legend()
        gap = max(abs(a - b) for a, b in zip(line, dots, strict=True))
        spoken = f"{first} goes from {line[0]:.2f} to {line[-1]:.2f}; {second} lies on it, nowhere further than {gap:.4f} away"
        return show(figure, f"Line chart: loss over {len(line)} steps. {spoken}.")


def how_far_it_mixes(orders: dict[str, Sequence[int]], every: int = 10) -> Picture:
    """Draw for each order where items that come out stood in the stream, one panel an order, each `every`-th item."""
    with style():
        figure, axes = subplots(1, len(orders), size=(7.2, 2.9))
        for panel, (name, order) in zip(axes[0], orders.items(), strict=True):
            panel.plot(range(0, len(order), every), order[::every], linestyle="", marker="o", markersize=3, color=BLUE)
            panel.set_title(name, fontsize=11)
            panel.set_xlabel("place in the output")
            panel.sharey(axes[0][0])
        axes[0][0].set_ylabel("place in the stream")
        moved = {name: sum(abs(item - place) for place, item in enumerate(order)) / len(order) for name, order in orders.items()}
        spoken = "; ".join(f"{name}: {distance:.0f} places" for name, distance in moved.items())
        return show(figure, f"Scatter plots of the place in the stream over the place in the output. How far an item moves on average: {spoken}.")


def ring_steps(values: Sequence[Sequence[float]]) -> Picture:
    """Draw a ring all-reduce of W rows of W numbers, a panel a step: what each rank holds, what came in just now."""
    W = len(values)
    held = [list(row) for row in values]
    panels: list[tuple[str, list[list[float]], set[tuple[int, int]]]] = [("start", [list(row) for row in held], set())]
    for step in range(2 * (W - 1)):
        wire = [((rank - step) % W, held[rank][(rank - step) % W]) for rank in range(W)]
        came = set()
        for rank in range(W):
            chunk, number = wire[rank - 1]
            held[rank][chunk] = number + (held[rank][chunk] if step < W - 1 else 0)
            came.add((rank, chunk))
        panels.append((f"step {step}: {'add' if step < W - 1 else 'replace'}", [list(row) for row in held], came))
    done = [sum(column) for column in zip(*values, strict=True)]
    with style():
        figure, axes = subplots(1, len(panels), size=(7.2, 0.55 * W + 0.9))
        figure.suptitle("Ring all-reduce: what each rank holds", x=0.01, ha="left", weight="bold", fontsize=12)
        for panel, (title, rows, came) in zip(axes[0], panels, strict=True):
            _table(panel, title, rows, came, done, named=panel is axes[0][0])
        spoken = ". ".join(f"{title}: " + "; ".join(f"rank {r} holds {_list(row)}" for r, row in enumerate(rows)) for title, rows, _ in panels)
        return show(figure, f"Tables of a ring all-reduce, one a step. {spoken}. Blue is what just came in, green is complete.")


def _list(row: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in row)


def _table(axes: Any, title: str, rows: list[list[float]], came: set[tuple[int, int]], done: list[float], *, named: bool) -> None:
    W = len(rows)
    axes.set_title(title, fontsize=10, weight="normal")
    axes.set(xlim=(-0.5, W - 0.5), ylim=(W - 0.5, -0.5))
    axes.grid(visible=False)
    axes.set_xticks(range(W), [str(chunk) for chunk in range(W)])
    axes.set_yticks(range(W), [f"rank {rank}" if named else "" for rank in range(W)])
    axes.tick_params(length=0)
    axes.set_xlabel("chunk")
    for rank, row in enumerate(rows):
        for chunk, number in enumerate(row):
            complete = number == done[chunk]
            colour = BLUE + "59" if (rank, chunk) in came else GREEN + "40" if complete else "#FFFFFF"
            _box(axes, chunk - 0.5, rank - 0.5, 1, 1, colour)
            axes.text(chunk, rank, f"{number:g}", ha="center", va="center", weight="bold" if complete else "normal")


def _box(axes: Any, left: float, top: float, width: float, height: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, top), width, height, facecolor=colour, edgecolor=EDGE, linewidth=0.6))


def bytes_per_parameter(level: int, world: int) -> float:
    """Return what a rank holds for each parameter of the model at ZeRO level 0 (plain data parallel) to 3."""
    whole = [size for size, _ in PARTS.values()]
    kept = whole[: len(whole) - level]
    return sum(kept) + sum(whole[len(kept) :]) / world


def who_holds_what(world: int = 4) -> Picture:
    """Draw which slice of weights, gradients and optimizer state each rank holds, without ZeRO and at its three levels."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 3.6))
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_title("Mixed precision with Adam: who holds what (a box's height is its bytes)")
        for level, name in enumerate(LEVELS):
            for rank in range(world):
                _holdings(axes, left=level * (world + 1.4) + rank, rank=rank, world=world, level=level)
            middle = level * (world + 1.4) + world / 2
            axes.text(middle, 17.8, f"ranks 0–{world - 1}", ha="center", fontsize=9)
            axes.text(middle, -2.1, name, ha="center", weight="bold")
            axes.text(middle, -0.7, f"{bytes_per_parameter(level, world):g} bytes a parameter", ha="center", fontsize=9)
        for at, (name, (size, colour)) in enumerate(PARTS.items()):
            _box(axes, at * 8, 19.6, 0.9, 1.2, colour)
            axes.text(at * 8 + 1.2, 20.2, f"{name}, {size} bytes", va="center", fontsize=10)
        axes.set(xlim=(-0.2, 4 * (world + 1.4)), ylim=(21, -3.2))
        each = "; ".join(f"{name}: {bytes_per_parameter(level, world):g} bytes a parameter on each rank" for level, name in enumerate(LEVELS))
        return show(
            figure,
            f"Diagram of what each of {world} ranks holds. {each}. Level 1 shards the optimizer state, 2 the gradients too, 3 the weights too.",
        )


def _holdings(axes: Any, *, left: float, rank: int, world: int, level: int) -> None:
    """Draw one rank as a column, and in it what it holds: a whole part, or the one slice of a part that is its own."""
    top = 0.0
    for at, (size, colour) in enumerate(PARTS.values()):
        _box(axes, left + 0.05, top, 0.9, size, "#FFFFFF")
        if at < len(PARTS) - level:
            _box(axes, left + 0.05, top, 0.9, size, colour)
        else:
            _box(axes, left + 0.05, top + rank * size / world, 0.9, size / world, colour)
        top += size


def pipeline_timetable(stages: Sequence[float], micro: int) -> Picture:
    """Draw which stage works on which micro-batch at what time; white is idle."""
    begins: list[list[float]] = [[] for _ in stages]
    free = [0.0] * len(stages)
    for _ in range(micro):
        ready = 0.0
        for stage, cost in enumerate(stages):
            begins[stage].append(max(ready, free[stage]))
            ready = free[stage] = begins[stage][-1] + cost
    end, batches = free[-1], "micro-batch" if micro == 1 else "micro-batches"
    idle = 1 - micro * sum(stages) / (len(stages) * end)
    with style():
        title = f"{len(stages)} stages, {micro} {batches}: {idle:.0%} of the time is idle"
        figure, axes = canvas(title, "time (s)", "stage", height=0.45 * len(stages) + 1.2)
        axes.grid(visible=False)
        for stage, cost in enumerate(stages):
            for number, start in enumerate(begins[stage]):
                _box(axes, start, stage - 0.4, cost, 0.8, PALETTE[number % 6] + "80")
                axes.text(start + cost / 2, stage, str(number), ha="center", va="center")
        axes.set(xlim=(0, 1.005 * end), ylim=(len(stages) - 0.4, -0.6))
        axes.set_yticks(range(len(stages)))
        spoken = "; ".join(f"stage {stage} begins at {', '.join(f'{start:g}' for start in row)} s" for stage, row in enumerate(begins))
        return show(figure, f"Timetable of a pipeline. {title}. {spoken}; all is done after {end:g} s.")


def reading_map(maps: dict[str, Tensor], rows: Sequence[str]) -> Picture:
    """Draw who may read whom in a packed row, one panel for each mask. Shapes: each (T, T), bool; `rows` are the tokens."""
    with style():
        figure, axes = subplots(1, len(maps), size=(7.2, 3.9))
        for panel, (title, may_read) in zip(axes[0], maps.items(), strict=True):
            panel.imshow(may_read.float().tolist(), cmap="Blues", vmin=0, vmax=1.4)
            panel.grid(visible=False)
            panel.set_title(title, fontsize=11)
            panel.set_xticks(range(len(rows)), rows, rotation=70, ha="right", rotation_mode="anchor", fontsize=9)
            panel.set_yticks(range(len(rows)), rows, fontsize=9)
            panel.set_xlabel("token that is read")
        axes[0][0].set_ylabel("token that reads")
        spoken = "; ".join(f"{title}: " + ", ".join(f"{rows[t]} reads {int(row.sum())}" for t, row in enumerate(m)) for title, m in maps.items())
        return show(figure, f"Maps of who may read whom in a packed row. {spoken}.")
