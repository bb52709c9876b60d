"""Notes to a bicycle workshop and the job cards that they should become: the task of the lesson on LoRA.

Data card
    What: short notes in English, each with one card, a line such as `rear brake | tandem | Anna | FRI`: part, bicycle,
        customer, weekday, in this order.
    Source: written for this course; no note was taken from anywhere, the workshop does not exist. A note is one of 18
        sentence patterns with a part, a bicycle, a first name and a weekday filled in, drawn by a seeded generator.
    Splits: `notes(n, seed)` uses twelve patterns and the first names of half the list; `notes(n, seed, new=True)` six
        other patterns and the other half of the names. Parts, bicycles and weekdays are shared.
    Use: to show a small model a house format. The language is simpler than that of real customers: spelling is
        perfect, every note has all four facts, and nobody asks for two things at once.
    Licence: as the course.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

PARTS = ("front brake", "rear brake", "front light", "rear light", "chain", "saddle", "left pedal", "right pedal",
         "gear cable", "bell", "rear wheel", "front wheel", "kickstand", "mudguard")  # fmt: skip
BIKES = ("tandem", "racer", "city bike", "cargo bike", "folding bike", "mountain bike", "tricycle", "e-bike")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
NAMES = ("Anna", "Omar", "Lena", "Peter", "Maria", "David", "Sofia", "Jonas", "Clara", "Ahmed", "Emma", "Lucas")
NEW_NAMES = ("Nora", "Felix", "Julia", "Samuel", "Amina", "Oscar", "Helen", "Victor", "Irene", "Martin", "Ruth", "Paul")

PATTERNS = (
    "{name} needs the {part} of the {bike} fixed by {day}.",
    "Please repair the {part} on my {bike} before {day}. {name}",
    "The {part} of {name}'s {bike} is broken, ready on {day}.",
    "Hello, it's {name}. My {bike} needs a new {part}. {day} is fine.",
    "{day}: {name} collects the {bike}, replace the {part}.",
    "A {bike} came in, {part} loose. It belongs to {name}, who returns on {day}.",
    "Could you look at the {part}? It's a {bike}, due {day}, for {name}.",
    "By {day}, please: {part}, {bike}. Thanks, {name}",
    "{name} called about the {bike}. The {part} rattles. Promised for {day}.",
    "My {bike} has a bad {part}. I am {name} and I come on {day}.",
    "Urgent for {day}! {name}'s {part} fell off the {bike}.",
    "The {bike} of {name} is here. Change the {part} until {day}.",
)
NEW_PATTERNS = (
    "On {day} I need my {bike} back, with a {part} that works. Best, {name}",
    "{name} here. Something is wrong with the {part}, can it be done for {day}? It is the {bike}.",
    "New {part} for the {bike}, customer {name}, pick-up {day}.",
    "This {bike} is {name}'s. Check its {part}, we said {day}.",
    "I fell and bent the {part} of my {bike}. Is {day} possible? Yours, {name}",
    "We promised {name} the {bike} for {day}; only the {part} is left to do.",
)
CARD = re.compile(r"[^|\n]+ \| [^|\n]+ \| [^|\n]+ \| (MON|TUE|WED|THU|FRI|SAT)")


@dataclass(frozen=True)
class Job:
    """A customer's note and the card that the workshop writes for it."""

    note: str
    card: str

    @property
    def prompt(self) -> str:
        """What the model reads; its answer begins with a space."""
        return f"Note: {self.note}\nCard:"


def notes(n: int, seed: int, *, new: bool = False) -> list[Job]:
    """Draw n notes with their cards; `new` takes patterns and names that the other notes never have."""
    dice = random.Random(seed)
    patterns, names = (NEW_PATTERNS, NEW_NAMES) if new else (PATTERNS, NAMES)
    jobs = []
    for _ in range(n):
        part, bike, name, day = (dice.choice(group) for group in (PARTS, BIKES, names, DAYS))
        note = dice.choice(patterns).format(part=part, bike=bike, name=name, day=day)
        note = re.sub(r"\b([Aa]) (?=e-)", r"\1n ", note)  # an e-bike
        jobs.append(Job(note, f"{part} | {bike} | {name} | {day[:3].upper()}"))
    return jobs


def is_card(text: str) -> bool:
    """Say whether a line has the format of a card, whatever stands in it."""
    return CARD.fullmatch(text.strip()) is not None


def scores(answers: list[str], jobs: list[Job]) -> dict[str, float]:
    """Return the share of answers that have the format, and of those that are exactly the card (0 to 1)."""
    pairs = list(zip(answers, jobs, strict=True))
    return {
        "format": sum(is_card(answer) for answer in answers) / len(pairs),
        "exact": sum(answer.strip() == job.card for answer, job in pairs) / len(pairs),
    }
