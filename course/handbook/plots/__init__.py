"""Pictures in one style: colour-blind-safe, labelled axes with units, and a text alternative in every output.

Each function shows its picture at once and returns it. For a figure of your own: `with plots.style(): ...` draws in the
same style, `plots.show(figure, alt)` puts it into the notebook with its text alternative.
"""

from handbook.plots.charts import bars, heatmap, histogram, lines, scatter
from handbook.plots.language import attention_from, attention_map, largest_share_by_width, next_token_bars
from handbook.plots.picture import PALETTE, Picture, canvas, readable, show, style, subplots, visible
from handbook.plots.tokens import TokenStrip, token_strip

__all__ = [
    "PALETTE",
    "Picture",
    "TokenStrip",
    "attention_from",
    "attention_map",
    "bars",
    "canvas",
    "heatmap",
    "histogram",
    "largest_share_by_width",
    "lines",
    "next_token_bars",
    "readable",
    "scatter",
    "show",
    "style",
    "subplots",
    "token_strip",
    "visible",
]
