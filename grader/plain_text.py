"""Text of a learner's that goes into somebody else's terminal, table or page: one line, nothing that acts."""
from __future__ import annotations

import re
import unicodedata

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
SIZE = 500


def one_line(text: str, size: int = SIZE) -> str:
    """The text without control, direction and surrogate characters, on one line, cut to size.

    >>> one_line("a\\x1b[2J\\r\\nb")
    'a [2J b'
    """
    kept = "".join(" " if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in text[: 4 * size])
    return " ".join(kept.split())[:size]


def no_markup(text: str) -> str:
    """The same for a place that understands HTML and Markdown, as nbgrader's comments do: no tag begins in it.

    >>> no_markup("x < 3 <script>")
    'x < 3 &lt;script>'
    """
    return _TAG.sub("&lt;", one_line(text))
