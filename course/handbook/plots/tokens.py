"""Tokens as coloured boxes: HTML with real text, so that any script reads well and can be copied."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from handbook.plots.charts import numbers
from handbook.plots.picture import display_bundle, in_ipython, visible

TINTS = ("#D6E8F5", "#FBE8C2", "#CDEBE1", "#F6DCCB", "#F3E1EB")  # pale Okabe-Ito: black text stays readable on all
BOX = "display:inline-block;margin:2px 1px;padding:1px 4px;border-radius:3px;color:#000;white-space:pre;"


class TokenStrip:
    """A row of tokens, shown when it is made. `html` and `alt` hold it as HTML and as plain text."""

    def __init__(self, markup: str, alt: str) -> None:
        self.html = markup
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt

    def _ipython_display_(self) -> None:
        """Stay silent as the value of a cell: the strip is above already."""

    def show(self) -> None:
        """Show the strip below the running cell; nothing happens outside IPython."""
        if in_ipython():
            display_bundle({"text/html": self.html, "text/plain": self.alt})


def token_strip(
    tokens: Sequence[str],
    values: Any = None,
    *,
    title: str = "",
    value: str = "",
    limits: tuple[float, float] | None = None,
    decimals: int = 2,
) -> TokenStrip:
    """Show tokens as boxes: alternating tints, or with `values` a deeper blue for a larger value, written below.

    `value` says what the values are, with their unit. Shapes: as many values as tokens.
    Raises: ValueError if their numbers differ.
    """
    column = None if values is None else numbers(values)
    if column is not None and len(column) != len(tokens):
        raise ValueError(f"{len(tokens)} tokens, but {len(column)} values")
    if column is None:
        boxes = [_box(token, TINTS[at % len(TINTS)]) for at, token in enumerate(tokens)]
        spoken = " | ".join(map(visible, tokens))
    else:
        low, high = limits or (min(column, default=0.0), max(column, default=1.0))
        shades = [_shade((number - low) / (high - low) if high > low else 0.0) for number in column]
        written = [f"{number:.{decimals}f}" for number in column]
        boxes = [_box(*box) for box in zip(tokens, shades, written, strict=True)]
        spoken = " | ".join(f"{visible(token)} {number}" for token, number in zip(tokens, written, strict=True))
    head = " · ".join(filter(None, [title, value]))
    heading = f'<div style="font-weight:bold">{html.escape(head)}</div>' if head else ""
    strip = TokenStrip(
        f'<div style="line-height:1.9;font-family:sans-serif">{heading}{"".join(boxes)}</div>',
        f"{head}: {spoken}".removeprefix(": "),
    )
    strip.show()
    return strip


def _box(token: str, colour: str, below: str = "") -> str:
    note = f'<br><small style="color:#333">{below}</small>' if below else ""
    centred = "text-align:center;line-height:1.2;vertical-align:top;" if below else ""
    return f'<span style="{BOX}{centred}background:{colour}">{html.escape(visible(token))}{note}</span>'


def _shade(share: float) -> str:
    """Mix white (share 0) and a light blue (share 1), on which black text keeps a contrast above 7."""
    share = min(max(share, 0.0), 1.0)
    red, green, blue = (round(255 + share * (end - 255)) for end in (0x7F, 0xBF, 0xEE))
    return f"#{red:02X}{green:02X}{blue:02X}"
