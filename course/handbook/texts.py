"""Texts of our own, small enough to read through and free to publish.

Data card
    Source       written for this course by its authors, stories by `handbook.grammar`; nothing is copied
    Licence      CC BY 4.0, as the course's prose
    Contents     TICKETS 240 customer messages, 40 each of six topics · REVIEWS 200 sentences, half of each label ·
                 CONTRAST_PAIRS 100 pairs of a positive and a negative sentence on the same thing, in nearly the same
                 words, made to be hard · MULTILINGUAL 4 sentences in 15 languages ·
                 NUMBERS one number in 12 notations ·
                 NEWS one report with summary, questions and answers · DIALOGUE one support chat · CORPUS 300 stories
    Labels       given by the writer of each sentence, so one opinion each; topics overlap, as real ones do
    People       none: shop, town and names are invented
    Limits       one style, short sentences, polite customers, British English; translations are plain, everyday ones.
                 Good for seeing how a method works, too small and too clean for claims about the world
Everything is the same on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from handbook.grammar import stories

__all__ = [
    "CONTRAST_PAIRS",
    "CORPUS",
    "DIALOGUE",
    "MULTILINGUAL",
    "NEWS",
    "NEWS_QUESTIONS",
    "NEWS_SUMMARY",
    "NUMBERS",
    "NUMBER_VALUE",
    "REVIEWS",
    "TICKETS",
    "TOPICS",
    "read_sections",
    "split",
    "stories",
]

Labelled = tuple[str, str]  # (text, label)
DATA = Path(__file__).parent / "data"


def read_sections(name: str) -> dict[str, list[str]]:
    """Read a data file: `[heading]` lines, each followed by one text a line."""
    sections: dict[str, list[str]] = {}
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1], [])
        elif line.strip():
            current.append(line)
    return sections


def _labelled(name: str) -> tuple[Labelled, ...]:
    """Read a data file as (text, label) pairs in a fixed mixed order."""
    pairs = [(text, label) for label, lines in read_sections(name).items() for text in lines]
    random.Random(0).shuffle(pairs)
    return tuple(pairs)


def split(pairs: Sequence[Labelled], per_label: int, seed: int = 0) -> tuple[list[Labelled], list[Labelled]]:
    """Draw `per_label` training pairs of each label; return them and all the rest, which is for testing.

    Raises: ValueError if a label has too few pairs to leave one for testing.
    """
    dice = random.Random(seed)
    train: list[Labelled] = []
    for label in dict.fromkeys(label for _, label in pairs):
        mine = [pair for pair in pairs if pair[1] == label]
        if per_label >= len(mine):
            raise ValueError(f"{per_label} of the {len(mine)} texts on {label!r} leave none for testing")
        train += dice.sample(mine, per_label)
    dice.shuffle(train)
    return train, [pair for pair in pairs if pair not in set(train)]


TICKETS = _labelled("tickets.txt")
TOPICS = tuple(read_sections("tickets.txt"))
REVIEWS = _labelled("reviews.txt")
CONTRAST_PAIRS = tuple(zip(*read_sections("contrast.txt").values(), strict=True))  # (positive, negative)
MULTILINGUAL = {language: tuple(lines) for language, lines in read_sections("multilingual.txt").items()}
CORPUS = tuple(stories(300, seed=2024))

NUMBER_VALUE = 1234567
NUMBERS = {
    "plain digits": "1234567",
    "commas": "1,234,567",
    "points (German)": "1.234.567",
    "spaces (French)": "1 234 567",
    "apostrophes (Swiss)": "1'234'567",
    "lakhs (Indian)": "12,34,567",
    "scientific": "1.234567e6",
    "hexadecimal": "0x12D687",
    "words": "one million two hundred and thirty-four thousand five hundred and sixty-seven",
    "Chinese numerals": "一百二十三万四千五百六十七",
    "Arabic-Indic digits": "١٢٣٤٥٦٧",
    "Devanagari digits": "१२३४५६७",
}

NEWS = (
    "The town council of Marbeck voted on Tuesday to reopen the old river ferry after nine years. "
    "The boat, called the Heron, will carry up to forty passengers and twelve bicycles between the market and the "
    "north bank, from April to October. A crossing takes six minutes and will cost two euros; children ride free. "
    "The ferry stopped in 2015 when its engine failed and the council could not pay for a new one. "
    "A group of residents has since raised 80,000 euros and fitted an electric motor. "
    'Mayor Lena Ostrow called it "the shortest holiday in the county". '
    "Some shopkeepers had asked for a bridge instead, which would have cost thirty times as much."
)
NEWS_SUMMARY = (
    "Marbeck will reopen its river ferry, now electric and paid for by residents, "
    "from April to October, nine years after it stopped."
)
NEWS_QUESTIONS = (  # (question, the shortest right answer)
    ("What is the name of the boat?", "the Heron"),
    ("How long does a crossing take?", "six minutes"),
    ("How much does a crossing cost?", "two euros"),
    ("Why did the ferry stop in 2015?", "its engine failed"),
    ("Who is the mayor?", "Lena Ostrow"),
    ("How many passengers can the boat carry?", "forty"),
)

DIALOGUE = (
    {"role": "user", "content": "Hello, my desk lamp went dark after the update last night."},
    {"role": "assistant", "content": "I am sorry to hear that. Does the small light on its base still blink?"},
    {"role": "user", "content": "Yes, it blinks red three times, then pauses."},
    {
        "role": "assistant",
        "content": "Three red blinks mean the update did not finish. Hold the button for ten seconds.",
    },
    {"role": "user", "content": "Done. It came back on, but my bedtime timer is gone."},
    {"role": "assistant", "content": "The reset clears timers. You can restore yours in the app under Rooms, Backup."},
    {"role": "user", "content": "Found it, all good now. Thank you!"},
)
