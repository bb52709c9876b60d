"""What is done to nbgrader's feedback pages before a learner gets them.

A page opens offline and runs nothing: no script stays in it, and a content security policy forbids all requests, also
those of what the learner's own cells wrote. Formulas are turned into MathML where the package latex2mathml is installed,
else they stay as TeX. No line of a hidden check's source stays in it, whoever printed it.
"""
from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Mapping
from html import escape, unescape

from grader import paths

POLICY = ("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
          "form-action 'none'; base-uri 'none'\">")
LEFT_OUT = "[left out: from a hidden check]"
SHORTEST = 16  # characters of a hidden line, blanks not counted, that are worth hiding
_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.S | re.I)
_LINK = re.compile(r"<(?:link|base|iframe|object|embed)\b[^>]*>", re.I)
_REMOTE = re.compile(r"""<img\b[^>]*\bsrc\s*=\s*["']?(?:https?:)?//[^>]*>""", re.I)
_ALT = re.compile(r"""\balt\s*=\s*["']([^"']*)["']""", re.I)
_TAG = re.compile(r"<[^>]*>")
_HINT = re.compile(r"<details[^>]*>\s*<summary[^>]*>Hint (\d) · .*?</details>", re.S)
_COMPARE = re.compile(r"<div>Next: read on, or compare with our answer:.*?</div>", re.S)
_CARD = re.compile(r"(?=<div style=.border-left:4px solid rgb\()")
_FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<!\$)\$([^\s$](?:[^$\n]*?[^\s$])?)\$(?![\d$])", re.S)
_TEXT_CELL = re.compile(r'(<div class="text_cell_render border-box-sizing rendered_html">)(.*?)(?=<div class="cell |</body>|\Z)', re.S)
_SOURCE = re.compile(r'<div class="input_area">.*?</pre>', re.S)
_VERBATIM = re.compile(r"(<(?:pre|code)\b.*?</(?:pre|code)>)", re.S)


def finished(page: str, stem: str, student: str, *, titles: Mapping[str, str], hints: int = 2) -> tuple[str, int]:
    """The page as its student gets it, and how many lines of hidden checks were taken out.

    Args: titles says what the exercise behind a check's grade id is called; hints is how many of three a card keeps,
    none where nothing was attempted.
    """
    page = with_name(offline(page), stem, student)
    for grade_id, title in titles.items():
        page = page.replace(f'<a href="#{grade_id}">Test cell</a>', f'<a href="#{grade_id}">{escape(title)}</a>')
    page = "".join(_card(piece, hints) for piece in _CARD.split(_COMPARE.sub("", page)))
    return without_hidden(page, hidden_lines(stem))


def with_name(page: str, stem: str, student: str) -> str:
    """The page with the student's name in its title and its heading."""
    for before, after in (("<title>", "</title>"), ("<h4>", " (Score")):
        page = page.replace(f"{before}{stem}{after}", f"{before}{stem} · {escape(student)}{after}", 1)
    return page


def offline(page: str) -> str:
    """The page without scripts, with formulas that need none, words for pictures from elsewhere, and a policy that forbids every request."""
    page = _LINK.sub("", _SCRIPT.sub("", page))
    page = _REMOTE.sub(lambda image: alt[1] if (alt := _ALT.search(image[0])) else "", page)
    page = _TEXT_CELL.sub(lambda cell: cell[1] + with_formulas(cell[2]), page)
    return re.sub(r"<head>", lambda head: head[0] + POLICY, page, count=1)


def with_formulas(text: str) -> str:
    """A text cell with its TeX as MathML; as it is if that can't be done."""
    convert = _converter()
    if convert is None or "$" not in text:
        return text

    def formula(found: re.Match[str]) -> str:
        try:
            return convert(unescape(found[1] or found[2]), "block" if found[1] else "inline")
        except Exception:  # a formula that the converter does not know stays readable as TeX
            return found[0]

    pieces = _VERBATIM.split(text)
    return "".join(piece if place % 2 else _FORMULA.sub(formula, piece) for place, piece in enumerate(pieces))


@functools.cache
def _converter() -> Callable[[str, str], str] | None:
    try:
        from latex2mathml.converter import convert  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ModuleNotFoundError:
        return None
    return functools.cache(lambda tex, display: str(convert(tex, display=display)))


def _card(piece: str, hints: int) -> str:
    """A card with as many hints as it may show."""
    allowed = 0 if "Not attempted yet" in piece else hints
    return _HINT.sub(lambda hint: hint[0] if int(hint[1]) <= allowed else "", piece)


@functools.cache
def hidden_lines(stem: str) -> frozenset[str]:
    """The lines of a lesson's hidden checks that a learner must not read: not its sentences, and not what visible checks say too."""
    path = paths.HIDDEN / f"{stem}.py"
    if not path.is_file():
        return frozenset()
    source = path.read_text(encoding="utf-8")
    visible = paths.CHECKS / f"{stem}.py"
    known = set(visible.read_text(encoding="utf-8").splitlines()) if visible.is_file() else set()
    told = {line for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            for line in _lines_of_docstring(node)}
    lines = [line.strip() for number, line in enumerate(source.splitlines(), 1) if number not in told and line not in known]
    return frozenset(line for line in lines if len(_bare(line)) >= SHORTEST and not line.startswith(("import ", "from ", "#", "class ")))


def without_hidden(page: str, lines: frozenset[str]) -> tuple[str, int]:
    """The page without these lines, however they are coloured or quoted, and how many were found.

    A line that stands in a cell's source as well is the learner's own, or in every released notebook.
    """
    if not lines:
        return page, 0
    own = _bare(unescape(_TAG.sub("", "".join(_SOURCE.findall(page)))))
    text = _bare(unescape(_TAG.sub("", _SOURCE.sub("", page))))
    found = [line for line in lines if _bare(line) in text and _bare(line) not in own]
    for line in found:
        words = (_escaped(word) for word in re.findall(r"\w+|[^\w\s\\]", line))
        page = re.sub(r"(?:\s|\\|<[^>]*>)*".join(words), LEFT_OUT, page)
    return page, len(found)


def _lines_of_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> range:
    if ast.get_docstring(node) is None:
        return range(0)
    return range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def _bare(text: str) -> str:
    """A text without blanks and backslashes: what stays the same when it is quoted or coloured."""
    return re.sub(r"[\s\\]+", "", text)


def _escaped(word: str) -> str:
    """A word or sign as a page may write it."""
    forms = {"&": "&(?:amp;)?", "<": "(?:&lt;|<)", ">": "(?:&gt;|>)", '"': "(?:\"|&quot;|&#34;)", "'": "(?:'|&#39;|&#x27;)"}
    return forms.get(word, re.escape(word))
