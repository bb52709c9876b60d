"""A figure with its text alternative: what every picture in the course is, for eyes, screen readers and exports."""

from __future__ import annotations

import base64
import functools
import html
import io
import sys
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.figure import Figure

# Okabe and Ito 2008, "Color Universal Design": told apart with any common colour vision. Darkest first.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY = PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#767676",
)
MARKERS = "osD^vPX*"  # lines differ by marker as well as by colour
WIDTH = 7.2  # inches: the text column of a notebook
DPI = 110
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 11,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "savefig.facecolor": "white",
}


class Picture:
    """What a plotting function returns: `figure`, and `alt`, the text that says what there is to see.

    It is shown when it is made; a cell that ends in it doesn't show it a second time. `show()` does.
    """

    def __init__(self, figure: Any, alt: str) -> None:
        self.figure = figure
        self.alt = alt

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"

    def _ipython_display_(self) -> None:
        """Stay silent as the value of a cell: the picture is above already."""

    def png(self) -> bytes:
        """Return the picture as a PNG with a small palette, a third of the usual size."""
        from PIL import Image

        full, small = io.BytesIO(), io.BytesIO()
        self.figure.savefig(full, format="png", dpi=DPI)
        with Image.open(full) as image:
            image.convert("RGB").quantize(128).save(small, format="PNG", optimize=True)
        return small.getvalue()

    def mimebundle(self) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """Return what goes into the notebook: HTML with the text alternative, a PNG for exports, and plain text."""
        data = base64.b64encode(self.png()).decode("ascii")
        tag = f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" style="max-width:100%">'
        return {"text/html": tag, "image/png": data, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}

    def show(self) -> None:
        """Show the picture below the running cell; nothing happens outside IPython."""
        if in_ipython():
            display_bundle(*self.mimebundle())


def show(figure: Any, alt: str) -> Picture:
    """Show a Matplotlib figure with its text alternative, once, and close it.

    Raises: ValueError if `alt` is empty. Say what a reader should see in it, not that there is a picture.
    """
    if not alt.strip():
        raise ValueError("a picture needs a text alternative: say in a sentence what there is to see")
    picture = Picture(figure, alt.strip())
    picture.show()
    if "matplotlib.pyplot" in sys.modules:  # a figure made by pyplot would be shown again at the end of the cell
        sys.modules["matplotlib.pyplot"].close(figure)
    return picture


def style() -> AbstractContextManager[None]:
    """Return a context in which Matplotlib draws in the course's style: `with plots.style(): ...`."""
    context: AbstractContextManager[None] = matplotlib.rc_context(STYLE)
    return context


def canvas(title: str, xlabel: str, ylabel: str, *, height: float = 3.2, width: float = WIDTH) -> tuple[Any, Any]:
    """Return a new figure and its axes with title and axis labels, sizes in inches. Call it inside `style()`."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    axes.set_title(readable(title))
    axes.set_xlabel(readable(xlabel))
    axes.set_ylabel(readable(ylabel))
    return figure, axes


def subplots(rows: int, columns: int, *, size: tuple[float, float] = (WIDTH, 3.2)) -> tuple[Any, Any]:
    """Return a new figure and a (rows, columns) array of its axes, size in inches. Call it inside `style()`."""
    figure = Figure(figsize=size)
    return figure, figure.subplots(rows, columns, squeeze=False)


def readable(text: str) -> str:
    """Return a text that the figure font can draw: no formulas by accident, a box for a character it lacks."""
    known = _characters()
    drawn = "".join(c if ord(c) in known or c == "\n" else "▯" for c in text)
    return drawn.replace("$", r"\$")


def visible(token: str) -> str:
    """Return a token with its white space made visible: `␣` for a space, `↵` for a new line, `⇥` for a tab."""
    return token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")


@functools.cache
def _characters() -> frozenset[int]:
    from matplotlib import font_manager, ft2font

    return frozenset(ft2font.FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap())


def in_ipython() -> bool:
    """Say whether this runs in IPython or Jupyter."""
    if "IPython" not in sys.modules:
        return False
    return sys.modules["IPython"].get_ipython() is not None


def display_bundle(data: dict[str, str], metadata: dict[str, dict[str, str]] | None = None) -> None:
    """Show one output in several formats; the reader's program takes the best it knows."""
    from IPython.display import display

    display(data, metadata=metadata or {}, raw=True)
