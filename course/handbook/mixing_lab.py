"""What lesson p2_3 runs: clean and noisy stories, a tiny model fed by a stream of them, and the pictures of it.

Data card
    Source       stories by `handbook.grammar`; the noisy ones have a fifth of their words replaced at random by this module
    Licence      CC BY 4.0, as the course's prose
    Limits       the noise is even and independent; that of the web comes in whole pages, and is easier to find
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from handbook import grammar, plots
from handbook.layers import TinyGPT
from handbook.story_words import split_words
from handbook.texts import MULTILINGUAL, TICKETS, split

BREAK = "<story>"  # stands before every story
CONTEXT, BATCH = 48, 16  # words in a row, rows in a batch
STEP_WORDS = BATCH * (CONTEXT + 1)  # words that one step takes from its stream
CHECKS = (12, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 275, 300)  # steps after which the held-out loss is measured
LANGUAGES = ("English", "French", "Spanish", "Italian", "German", "Finnish", "Turkish", "Swahili")  # one alphabet
CODE = "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    return total / len(values)\n"

TICKET_SYNONYMS = {
    "account": ("profile", "login"),
    "address": ("location",),
    "arrived": ("come", "appeared"),
    "bill": ("invoice", "statement"),
    "bought": ("purchased", "ordered"),
    "box": ("carton", "package"),
    "broken": ("damaged", "faulty", "defective"),
    "cancelled": ("terminated", "ended"),
    "change": ("modify", "switch"),
    "charged": ("billed", "debited"),
    "courier": ("driver", "carrier"),
    "delivery": ("shipment", "consignment"),
    "error": ("fault", "failure"),
    "fee": ("charge", "rate"),
    "help": ("assist", "support"),
    "invoice": ("bill", "receipt"),
    "money": ("funds", "cash"),
    "order": ("purchase",),
    "paid": ("settled", "transferred"),
    "parcel": ("package", "shipment"),
    "password": ("passcode", "login"),
    "payment": ("transfer", "debit"),
    "price": ("cost", "amount"),
    "screen": ("display",),
    "send": ("ship", "post"),
    "sent": ("shipped", "posted"),
    "stopped": ("quit", "ceased"),
    "update": ("upgrade", "release"),
    "wrong": ("incorrect", "mistaken"),
}

Stream = Iterable[tuple[str, str]]  # (name of the source, text), one after the other


class Shuffled:
    """Texts that can be read pass after pass, each pass in another order; the same orders for the same seed."""

    def __init__(self, texts: Sequence[str], seed: int = 0) -> None:
        self.texts, self._dice = list(texts), random.Random(seed)

    def __iter__(self) -> Iterator[str]:
        return iter(self._dice.sample(self.texts, len(self.texts)))

    def __len__(self) -> int:
        return len(self.texts)


def held_out(n: int = 30) -> list[str]:
    """Return clean stories that are in no source."""
    return grammar.stories(4000, seed=1)[:n]


def clean_stories(n: int = 20, seed: int = 0) -> Shuffled:
    """Return a few clean stories (with n = 3500, as many as the noisy ones have)."""
    told = grammar.stories(4000, seed=1)
    return Shuffled(told[60 : 60 + n] if n <= 400 else told[460 : 460 + n], seed)


def noisy_stories(n: int = 3500, rate: float = 0.2, seed: int = 0) -> Shuffled:
    """Return many stories in which each word is, with chance `rate`, another word of the vocabulary."""
    dice, words = random.Random(seed + 17), vocabulary()[1:]
    told = grammar.stories(4000, seed=1)[460 : 460 + n]
    spoilt = [[dice.choice(words) if dice.random() < rate else word for word in split_words(story)] for story in told]
    return Shuffled([" ".join(words) for words in spoilt], seed)


def vocabulary() -> list[str]:
    """Return all words of the stories, the break between two stories first."""
    return [BREAK, *sorted({word for story in grammar.stories(4000, seed=1) for word in split_words(story)})]


@functools.cache
def _id_of() -> dict[str, int]:
    return {word: number for number, word in enumerate(vocabulary())}


@dataclass
class Run:
    """One training run: the model, the held-out loss (nats a word) now and then, and how many words it read of which source."""

    model: TinyGPT
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)


def train_on(stream: Stream, test: Sequence[str], *, steps: int = 300, lr: float = 5e-3, seed: int = 0) -> Run:
    """Train a model of 74,000 parameters on a stream of stories, always the same first weights and the same compute."""
    id_of = _id_of()
    torch.manual_seed(seed)
    run = Run(TinyGPT(len(id_of), 48, 2, 4, CONTEXT))
    optimizer = torch.optim.AdamW(run.model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.1)
    ids = _ids_of(stream, id_of, run.words)
    for step in range(1, steps + 1):
        rows = torch.tensor([next(ids) for _ in range(STEP_WORDS)]).view(BATCH, CONTEXT + 1)
        optimizer.param_groups[0]["lr"] = lr * min(1.0, step / 20)
        loss = functional.cross_entropy(run.model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        optimizer.step()
        if step in CHECKS:
            run.steps.append(step)
            run.losses.append(loss_on(run.model, test))
    return run


def loss_on(model: TinyGPT, texts: Sequence[str]) -> float:
    """Return the mean loss of a model on some stories, in nats a word."""
    ids = list(_ids_of((("", text) for text in texts), _id_of(), Counter()))
    rows = torch.tensor(ids[: len(ids) // (CONTEXT + 1) * (CONTEXT + 1)]).view(-1, CONTEXT + 1)
    with torch.no_grad():
        return float(functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten()))


def _ids_of(stream: Stream, id_of: Mapping[str, int], count: Counter[str]) -> Iterator[int]:
    for name, text in stream:
        for word in (BREAK, *split_words(text)):
            count[name] += 1
            yield id_of[word]


def only(source: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    """Read one source for ever, pass after pass."""
    while True:
        for text in source:
            yield name, text


def words_in(source: Iterable[str]) -> int:
    """Count the words of a source that the model reads in one pass."""
    return sum(1 + len(split_words(text)) for text in source)


def curves(runs: Mapping[str, Run], title: str) -> plots.Picture:
    """Draw the held-out losses of some runs over the steps, from step 50 on."""
    first = next(iter(runs.values()))
    start = first.steps.index(50)
    series = {name: run.losses[start:] for name, run in runs.items()}
    return plots.lines(first.steps[start:], series, title=title, xlabel="training steps (compute)", ylabel="held-out loss (nats a word)")


def worth_of_passes(repeated: Run, fresh: Run, source: Iterable[str]) -> tuple[list[float], list[float]]:
    """Measure what passes over the same data are worth: the passes read, and those of fresh data with the same loss.

    Ends where the held-out loss of the repeated data stops falling: from there on the data does harm.
    """
    per_pass = words_in(source) / STEP_WORDS  # steps
    passes, worth = [], []
    lowest = repeated.losses.index(min(repeated.losses))
    for step, loss in zip(repeated.steps[2 : lowest + 1], repeated.losses[2 : lowest + 1], strict=True):
        passes.append(step / per_pass)
        worth.append(min(_step_with(fresh, loss), step) / per_pass)
    return passes, worth


def _step_with(run: Run, loss: float) -> float:
    """Return the step at which a run first had this loss, on a straight line between its measurements."""
    points = list(zip(run.steps, run.losses, strict=True))
    for (step, high), (after, low) in itertools.pairwise(points):
        if low <= loss <= high:
            return step + (after - step) * (high - loss) / (high - low)
    return math.inf


def surprise_by_source(lm: Any) -> plots.Picture:
    """Draw how surprised a language model is at text of several kinds, in bits a byte."""
    texts = {"a story in English": held_out(1)[0], "a Python function": CODE}
    texts |= {f"small talk in {language}": " ".join(MULTILINGUAL[language]) for language in LANGUAGES}
    bits = {name: float(lm.token_nll(text).sum()) / math.log(2) / len(text.encode()) for name, text in texts.items()}
    names = sorted(bits, key=bits.__getitem__)
    values = [bits[name] for name in names]
    return plots.bars(names, values, title="What SmolLM2 was fed shows in its surprise", xlabel="surprise (bits a byte)", ylabel="text")


class Tickets:
    """The course's tickets, read by an encoder: how well does a linear head do after few of them?"""

    def __init__(self, encoder: Any, per_label: int = 4, draws: int = 3) -> None:
        self.encoder, self.labels = encoder, sorted({label for _, label in TICKETS})
        self.draws = [split(TICKETS, per_label, seed) for seed in range(draws)]
        self._rows = dict(zip([text for text, _ in TICKETS], encoder.encode([text for text, _ in TICKETS]), strict=True))

    def accuracy(self, grow: Callable[[str, random.Random], str] | None = None, *, copies: int = 4) -> float:
        """Return the mean test accuracy, with `copies` augmented tickets beside each if `grow` is given."""
        dice, found = random.Random(0), []
        for few, rest in self.draws:
            grown = [(grow(text, dice), label) for text, label in few for _ in range(copies)] if grow else []
            found.append(self._fit(self._read([*few, *grown]), self._read(rest)))
        return sum(found) / len(found)

    def _read(self, pairs: Sequence[tuple[str, str]]) -> tuple[Tensor, Tensor]:
        new = [text for text, _ in pairs if text not in self._rows]
        self._rows |= dict(zip(new, self.encoder.encode(new), strict=True)) if new else {}
        rows = torch.stack([self._rows[text] for text, _ in pairs])
        return 20 * rows, torch.tensor([self.labels.index(label) for _, label in pairs])  # a unit's numbers are small

    def _fit(self, learn: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> float:
        torch.manual_seed(0)
        head = nn.Linear(learn[0].shape[1], len(self.labels))
        optimizer = torch.optim.AdamW(head.parameters(), lr=0.02)
        for _ in range(100):
            loss = functional.cross_entropy(head(learn[0]), learn[1])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        return float((head(test[0]).argmax(-1) == test[1]).float().mean())


def accuracy_bars(accuracy: Mapping[str, float]) -> plots.Picture:
    """Draw test accuracies, given as shares."""
    return plots.bars(
        list(accuracy),
        [100 * share for share in accuracy.values()],
        title="Tickets sorted by a head on MiniLM",
        xlabel="test accuracy (%), mean of three draws",
        ylabel="trained on",
        decimals=0,
    )


def worth_picture(passes: Sequence[float], series: Mapping[str, Sequence[float]]) -> plots.Picture:
    """Draw what passes over the same data are worth, as measured and by formula."""
    return plots.lines(
        passes,
        dict(series),
        title="What passes over 20 stories are worth",
        xlabel="passes over the same stories",
        ylabel="worth in passes of fresh stories",
        markers=True,
    )


def share_contaminated(
    find: Callable[[list[str], list[str], int], list[int]], splits: Mapping[str, tuple[list[str], list[str]]], lengths: Sequence[int]
) -> plots.Picture:
    """Draw which share of the test texts `find` reports, by the length of the runs, for each (train, test) split."""
    series = {name: [100 * len(find(train, test, n)) / len(test) for n in lengths] for name, (train, test) in splits.items()}
    return plots.lines(
        lengths,
        series,
        title="Test texts that share a run of words with a training text",
        xlabel="words in a row (n)",
        ylabel="share of the test texts (%)",
        markers=True,
    )
