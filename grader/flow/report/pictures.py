"""The report's pictures: SVG inside the page, each with a text alternative, in the style of the course's own."""
from __future__ import annotations

import io
import re
from html import escape
from typing import Any

from grader.flow.report.numbers import ENDINGS, ExerciseNumbers, LessonNumbers

COLOURS = dict(zip(ENDINGS, ("#009E73", "#56B4E9", "#D55E00", "#B8B8B8", "#EDEDED"), strict=True))  # Okabe-Ito, then greys
WIDTH = 9.0  # inches
BINS = [number / 10 for number in range(11)]


def distributions(lessons: list[LessonNumbers]) -> str:
    """A histogram a lesson; lessons with too few students are left out."""
    from handbook.plots import readable, style

    drawn = [lesson for lesson in lessons if not lesson.few]
    if not drawn:
        return ""
    columns = min(3, len(drawn))
    rows = -(-len(drawn) // columns)
    with style():
        figure, axes = _figure(rows, columns, height=2.3 * rows)
        for place, cell in enumerate(axes.flat):
            if place >= len(drawn):
                cell.set_visible(False)
                continue
            lesson = drawn[place]
            cell.hist(lesson.shares, bins=BINS, color="#0072B2", edgecolor="white")
            cell.set_title(readable(_short(lesson.lesson)), fontsize=10)
            cell.set_xlabel("share of the points, %", fontsize=9)
            cell.set_ylabel("students", fontsize=9)
            cell.set_xticks([0, 0.5, 1], ["0", "50", "100"])
            cell.tick_params(labelsize=9)
            cell.yaxis.get_major_locator().set_params(integer=True)
        said = "; ".join(f"{_short(lesson.lesson)}: {len(lesson.shares)} handed in, median {lesson.median or 0:.0%}" for lesson in drawn)
        return _svg(figure, f"Histograms of the share of points that students earned, one for each lesson. {said}.")


def endings(exercises: list[ExerciseNumbers]) -> str:
    """A bar an exercise, divided by how it ended."""
    from handbook.plots import readable, style

    if not exercises:
        return ""
    with style():
        figure, grid = _figure(1, 1, height=0.9 + 0.3 * len(exercises))
        axes, places = grid[0, 0], range(len(exercises))
        left = [0] * len(exercises)
        for ending in ENDINGS:
            widths = [exercise.endings[ending] for exercise in exercises]
            axes.barh(places, widths, left=left, color=COLOURS[ending], edgecolor="white", label=ending)
            for place, width in enumerate(widths):
                if width:
                    axes.text(left[place] + width / 2, place, str(width), ha="center", va="center", fontsize=8, color="#111111")
            left = [before + width for before, width in zip(left, widths, strict=True)]
        axes.set_yticks(places, [readable(exercise.exercise) for exercise in exercises], fontsize=9)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        axes.grid(visible=False)
        axes.set_xlabel("students")
        figure.legend(loc="outside upper center", ncols=len(ENDINGS), fontsize=9)
        said = "; ".join(f"{exercise.exercise}: {exercise.endings['all points']} all points, {exercise.endings['no points']} none"
                         for exercise in exercises)
        return _svg(figure, f"Bars that say how each exercise ended, in numbers of students. {said}.")


def _figure(rows: int, columns: int, *, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots(rows, columns, squeeze=False)


def _svg(figure: Any, alt: str) -> str:
    """The figure as SVG for a page: no date, no metadata, scaled to the text's width."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt[:40], "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    head, rest = svg.split(">", 1)
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    return f'<figure>{head} role="img" aria-label="{escape(alt)}" style="width:100%;max-width:{WIDTH * 100:.0f}px;height:auto">{rest}</figure>'


def _short(stem: str) -> str:
    """`p1_4_attention` as `1.4 attention`."""
    found = re.fullmatch(r"p(\d+)_(\d+)_(.*)", stem)
    return f"{found[1]}.{found[2]} {found[3].replace('_', ' ')}" if found else stem
