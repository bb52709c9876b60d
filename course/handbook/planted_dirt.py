"""A corpus with planted dirt and its key: web pages of our own that say what is wrong with each of them.

Data card
    Source       stories by `handbook.grammar`, dirt by this module and `data/dirt.txt`; all written for this course
    Licence      CC BY 4.0, as the course's prose
    Contents     `pages(n)` gives n stories, most of them dirty, with copies of some, and junk that is no story at all
    Key          for every page: the kinds of dirt, the story it comes from, and what a perfect cleaner would keep
    People       none: names, addresses (example domains) and numbers (ranges kept free for fiction) are invented
    Limits       every kind of dirt is easy to name and far more frequent than in a real crawl, and there is one
                 language. Good for measuring a cleaner, useless for saying how dirty the web is
The same on every machine, for the same seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from handbook import grammar
from handbook.texts import read_sections

JUNK = {kind: tuple(lines) for kind, lines in read_sections("dirt.txt").items()}
KINDS = ("markup", "invisible", "contact", "exact copy", "near copy", "junk")
MAILBOXES = ("mill", "boats", "ada.fox", "shop+spring", "post_office")


@dataclass(frozen=True)
class Page:
    """One page as a crawler found it, and its key."""

    text: str
    clean: str  # what to keep of it, on one line; "" if it is junk
    dirt: tuple[str, ...]  # from KINDS, in that order; () = it was clean
    source: int  # the number of its story; pages of one source are copies of each other. -1 = junk


def pages(n: int = 160, seed: int = 7) -> list[Page]:
    """Return n stories in dirty dress, n / 2 exact and n / 2 near copies of some of them, and n / 2 pages of junk."""
    dice = random.Random(seed)
    stories = grammar.stories(n, seed)
    found = [_dress(dice, story, source) for source, story in enumerate(stories)]
    for _ in range(n // 2):
        source = int(n * dice.random() ** 2)  # a few stories are copied far more often than the rest
        found.append(_dress(dice, _respaced(dice, stories[source]), source, "exact copy"))
        source = int(n * dice.random() ** 2)
        found.append(_dress(dice, _edited(dice, stories[source]), source, "near copy"))
        kind = dice.choice(list(JUNK))
        found.append(Page(_junk(dice, kind), "", ("junk",), -1))
    dice.shuffle(found)
    return found


def one_line(text: str) -> str:
    """Return a text with single spaces for all white space, to compare what is kept with the key."""
    return " ".join(text.split())


def _dress(dice: random.Random, story: str, source: int, *kinds: str) -> Page:
    """Soil a story: two thirds of the pages have some dirt, and each kind may come with any other."""
    text, clean, dirt = story, one_line(story), set(kinds)
    if dice.random() < 0.25:
        text, mask = _contact(dice, text)
        clean = f"{clean} {mask}"
        dirt.add("contact")
    soilers: dict[str, Callable[[random.Random, str], str]] = {"invisible": _invisible, "markup": _markup}
    for kind, soil in soilers.items():
        if dice.random() < 0.4:
            text = soil(dice, text)
            dirt.add(kind)
    return Page(text, clean, tuple(kind for kind in KINDS if kind in dirt), source)


def _contact(dice: random.Random, text: str) -> tuple[str, str]:
    """Add a line with something that points at a person; return the text and what a mask leaves of that line."""
    mail = f"{dice.choice(MAILBOXES)}@example.org"
    phone = f"+44 20 7946 0{dice.randrange(1000):03d}"
    address = f"192.0.2.{dice.randrange(256)}"
    line, mask = dice.choice(
        [
            (f"Write to {mail} to hear the end of it.", "Write to [EMAIL] to hear the end of it."),
            (f"Call {phone}, and have your own story with you.", "Call [PHONE], and have your own story with you."),
            (f"Sent from {address} to the mill.", "Sent from [IP] to the mill."),
        ]
    )
    return f"{text} {line}", mask


def _invisible(dice: random.Random, text: str) -> str:
    """Hide characters that nobody sees: soft hyphens, zero-width spaces, no-break spaces, controls."""
    words = text.split(" ")
    for at in dice.sample(range(len(words)), len(words) // 3):
        middle = len(words[at]) // 2
        words[at] = words[at][:middle] + dice.choice("\u00ad\u200b\ufeff\x07\u2060") + words[at][middle:]
    return "".join(word + dice.choice(("\u00a0", "\u2009", " ", " ")) for word in words)


def _markup(dice: random.Random, text: str) -> str:
    """Put a text into a page: paragraphs, links, character references, a style, a script and a comment."""
    text = text.replace('"', dice.choice(("&quot;", "&#34;", "&#x22;"))).replace("\u00a0", "&nbsp;")
    sentences = re.split(r"(?<=[.!?]) ", text)
    half = len(sentences) // 2
    marked = " ".join(re.sub(r"^(\S+)", r"<b>\1</b>", part) if dice.random() < 0.3 else part for part in sentences[:half])
    rest = " ".join(sentences[half:])
    number = dice.randrange(1000)
    return (
        f"<div class='page p{number}'><style>.p{number} {{ margin: {number % 9}px }}</style>\n"
        f'<p>{marked}</p><!-- advert slot {number} --><P>{rest}</P>\n<img src="/i/{number}.png" alt="a > b">'
        f'<script>if (1 < 2) {{ track("<p>{number}</p>"); }}</script></div>'
    )


def _respaced(dice: random.Random, text: str) -> str:
    """Copy a text with other white space and sometimes in capitals: the same words to a reader."""
    text = "".join(letter + (dice.choice(("", "\n", "  ")) if letter == " " else "") for letter in text)
    return text.upper() if dice.random() < 0.3 else text


def _edited(dice: random.Random, text: str) -> str:
    """Copy a text with one to three of its words replaced, as a site does that takes over another's article."""
    words = text.split(" ")
    for at in dice.sample(range(len(words)), dice.randint(1, 3)):
        words[at] = dice.choice(("little", "indeed", "very", "there", "so"))
    return " ".join(words)


def _junk(dice: random.Random, kind: str) -> str:
    """Write a page of junk. Menus come as lines, all but fragments are long enough to look like a document."""
    lines: Sequence[str] = JUNK[kind]
    if kind == "menus":
        return dice.choice(lines).replace(" / ", "<br>\n")
    if kind == "fragments":
        return dice.choice(lines)
    words = dice.choice(lines).split(" ")
    return " ".join(words + dice.sample(words, len(words) // 2)) if kind in ("keywords", "codes") else " ".join(words)
