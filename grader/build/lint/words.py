"""What no committed file may hold: folders of one machine, unfinished work, hype, secrets."""
from __future__ import annotations

import re
from collections.abc import Iterator

from grader.build.layout import Layout
from grader.build.lint.problem import Problem
from grader.build.lint.trees import committed

TEXT = {".py", ".md", ".toml", ".ipynb", ".yml", ".yaml", ".txt", ".json", ".sh", ".css", ".html", ""}
FOLDER = "a folder of one machine"
EVERYWHERE = {
    r"(?<![\w.:/~-])/(?:Users|home|root|work)/\w+": FOLDER,
    r"[A-Z]:\\+Users\\": FOLDER,
    r"\bhf_[A-Za-z0-9]{30,}\b|\bsk-[A-Za-z0-9]{32,}\b|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b": "what looks like a secret",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----": "a private key",
}
IN_PROSE = {
    r"\b(?:TODO|FIXME|XXX)\b": "unfinished work: finish it, or open an issue",
    r"(?i)\blorem ipsum\b": "filler text",
    r"(?i)\b(?:revolutioni[sz]\w*|game[- ]chang\w+|cutting[- ]edge|groundbreaking|mind[- ]blowing|seamless(?:ly)?|delve[sd]?|unleash\w*)\b":
        "hype: say what it does",
    r"(?i)\b(?:simply|obviously|needless to say)\b": "a word that makes a learner feel slow: leave it out",
}
_RULES = [(re.compile(pattern), why, everywhere) for table, everywhere in ((EVERYWHERE, True), (IN_PROSE, False))
          for pattern, why in table.items()]


def word_problems(layout: Layout) -> Iterator[Problem]:
    """Lines with words that must not be published. Built notebooks are looked at too, for outputs show paths."""
    for path in committed(layout):
        name = path.relative_to(layout.root).as_posix()
        if path.suffix not in TEXT or name == "grader/build/lint/words.py":
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            yield Problem(name, 0, "not UTF-8")
            continue
        prose = path.suffix == ".md" or (path.is_relative_to(layout.course) and path.suffix in (".py", ".toml"))
        made_up = path.is_relative_to(layout.root / "tests")  # tests may make up folders
        rules = [(pattern, why) for pattern, why, everywhere in _RULES if (everywhere or prose) and not (made_up and why == FOLDER)]
        yield from _lines(name, text, rules)


def _lines(name: str, text: str, rules: list[tuple[re.Pattern[str], str]]) -> Iterator[Problem]:
    for pattern, why in rules:
        for found in pattern.finditer(text):
            yield Problem(name, text.count("\n", 0, found.start()) + 1, f"`{found[0].strip()}`: {why}")
