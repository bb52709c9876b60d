"""What lesson p3_5 looks at: a support mailbox with threads, two ways to sort it, and a small model as a judge.

The mailbox is `texts.TICKETS` as real mailboxes hold them: a customer writes, asks again, forwards. Every message of a
thread repeats the first one with another frame around it, so a thread's messages are near-copies of each other.
`PAIRS` are questions of ours with a right and a wrong answer, made for this lesson (CC BY 4.0, nothing is copied).
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from handbook import plots, texts
from handbook.models import load_encoder
from handbook.models.language_model import LanguageModel

FRAMES = (
    "{}",
    "Hello, I have had no reply yet. {}",
    "Forwarded to you by a colleague: {} Please answer the customer directly.",
    "hi team, {} thanks a lot",
    "Third time I write. {} I am waiting.",
)


@dataclass(frozen=True)
class Mailbox:
    """Messages with the topic and the thread of each, and what MiniLM makes of them. Shapes: x (N, C) · y (N,)."""

    messages: list[str]
    threads: list[int]
    x: Tensor
    y: Tensor


@functools.cache
def mailbox(seed: int = 0) -> Mailbox:
    """Return a mailbox of 240 threads with 1 to 5 messages each, in mixed order."""
    dice = random.Random(seed)
    rows = []
    for thread, (text, topic) in enumerate(texts.TICKETS):
        frames = dice.sample(FRAMES, dice.randint(1, 5))
        rows += [(frame.format(text), texts.TOPICS.index(topic), thread) for frame in frames]
    dice.shuffle(rows)
    messages = [text for text, _, _ in rows]
    topics = torch.tensor([topic for _, topic, _ in rows])
    return Mailbox(messages, [thread for _, _, thread in rows], load_encoder().encode(messages), topics)


def drawn_topics(mail: Mailbox, seed: int = 0) -> Tensor:
    """Return a topic for each message that was drawn by lot for its thread: there is nothing in it to learn."""
    dice = random.Random(seed)
    drawn = {thread: dice.randrange(len(texts.TOPICS)) for thread in sorted(set(mail.threads))}
    return torch.tensor([drawn[thread] for thread in mail.threads])


def by_row(mail: Mailbox, fraction: float, rng: random.Random) -> tuple[list[int], list[int]]:
    """Split the messages as if no two of them had anything to do with each other."""
    rows = list(range(len(mail.messages)))
    rng.shuffle(rows)
    cut = round(fraction * len(rows))
    return sorted(rows[cut:]), sorted(rows[:cut])


def nearest(x: Tensor, y: Tensor, x_new: Tensor) -> Tensor:
    """Give each new message the topic of the one message that is nearest to it. Shapes: returns (M,)."""
    return y[(x_new @ x.T).argmax(-1)]


def head_probs(x: Tensor, y: Tensor, x_new: Tensor, *, steps: int = 150, scale: float = 10.0) -> Tensor:
    """Train a linear head on frozen features and return the probability of each topic. Shapes: returns (M, 6).

    A larger `scale` makes the features, and so the head's scores, larger.
    """
    torch.manual_seed(0)
    head = torch.nn.Linear(x.shape[1], len(texts.TOPICS))
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.02, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(torch.nn.functional.cross_entropy(head(scale * x), y))
        optimizer.step()
    with torch.no_grad():
        probs: Tensor = head(scale * x_new).softmax(-1)
        return probs


def two_splits(mail: Mailbox, topics: Tensor, splits: dict[str, tuple[list[int], list[int]]], *, title: str) -> plots.Picture:
    """Draw the accuracy of the nearest message and of the linear head, under each split into (learn, test)."""
    found: dict[str, list[float]] = {}
    for name, (learn, test) in splits.items():
        x, y, x_test = mail.x[learn], topics[learn], mail.x[test]
        guesses = nearest(x, y, x_test), head_probs(x, y, x_test).argmax(-1)
        found[name] = [float(torch.eq(guess, topics[test]).float().mean()) for guess in guesses]
    models = ("nearest message", "linear head")
    with plots.style():
        figure, axes = plots.canvas(title, "accuracy on messages not learnt from (0 to 1)", "model", height=2.3)
        for at, (name, values) in enumerate(found.items()):
            drawn = axes.barh([row + (at - 0.5) * 0.4 for row in (0, 1)], values, 0.38, color=plots.PALETTE[at], label=name)
            axes.bar_label(drawn, [f"{value:.2f}" for value in values], padding=3, fontsize=9)
        axes.set_yticks((0, 1), models)
        axes.set(xlim=(0, 1.08), ylim=(1.5, -0.5))
        axes.grid(axis="y", visible=False)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        told = "; ".join(f"{name}: {models[0]} {v[0]:.2f}, {models[1]} {v[1]:.2f}" for name, v in found.items())
        return plots.show(figure, f"Bar chart: {title}. Accuracy. {told}.")


def reliability(confidences: list[float], correct: list[bool], *, bins: int = 10, title: str) -> plots.Picture:
    """Draw how often the answers of each bin are right, over how sure they are; a point's area is its share."""
    placed: dict[int, list[tuple[float, bool]]] = {}
    for pair in zip(confidences, correct, strict=True):
        placed.setdefault(min(int(pair[0] * bins), bins - 1), []).append(pair)
    points = []
    for _, pairs in sorted(placed.items()):
        sure, right = (sum(map(float, column)) / len(pairs) for column in zip(*pairs, strict=True))
        points.append((sure, right, len(pairs)))
    with plots.style():
        figure, axes = plots.canvas(title, "mean confidence in the bin", "share of right answers", height=3.6)
        axes.plot([0, 1], [0, 1], color="#777777", linestyle="--", label="as sure as right")
        areas = [30 + 900 * number / len(correct) for _, _, number in points]
        axes.scatter([p[0] for p in points], [p[1] for p in points], s=areas, color=plots.PALETTE[0], alpha=0.8)
        for (sure, right, number), area in zip(points, areas, strict=True):
            below = area**0.5 / 2
            axes.annotate(str(number), (sure, right), (0, -11 - below), textcoords="offset points", ha="center", fontsize=8.5)
        axes.set(xlim=(0, 1.03), ylim=(-0.14, 1.08))
        axes.legend(loc="upper left")
        told = "; ".join(f"{number} answers at {sure:.2f}, {right:.2f} right" for sure, right, number in points)
        return plots.show(figure, f"Reliability diagram: {title}. {told}.")


PAIRS = (  # (question, a right answer, a wrong one)
    ("Where does the sun rise?", "In the east.", "In the north."),
    ("How many legs does a spider have?", "A spider has eight legs.", "A spider has three legs."),
    ("What do bees make?", "Bees make honey.", "Bees make cheese."),
    ("What is the capital of France?", "It is Paris.", "It is a small red bicycle."),
    ("Which season comes after winter?", "Spring comes after winter.", "Tuesday comes after winter."),
    ("What do you use to cut bread?", "You use a knife.", "You use a pillow."),
    ("What is frozen water called?", "It is called ice.", "It is called smoke."),
    ("How do fish breathe?", "They breathe with gills.", "They breathe with wheels."),
    ("What is two plus two?", "Two plus two is four.", "Two plus two is nine."),
    ("What grows on an apple tree?", "Apples grow on it.", "Umbrellas grow on it."),
    ("Where do you borrow books?", "At a library.", "At a petrol station."),
    ("What do cows eat?", "They eat grass.", "They eat window frames."),
    ("Who repairs a broken tap?", "A plumber repairs it.", "A violinist repairs it."),
    ("What colour is snow?", "Snow is white.", "Snow is purple."),
    ("What do you wear on your feet?", "You wear shoes.", "You wear hats."),
    ("What melts in the sun?", "Ice cream melts in the sun.", "A stone melts in the sun."),
)


def verdict(lm: LanguageModel, question: str, first: str, second: str) -> str:
    """Ask a language model which of two answers is better; return "first" or "second"."""
    asked = f"Question: {question}\nAnswer A: {first}\nAnswer B: {second}\nThe better answer is Answer"
    logits = lm.next_token_logits(asked)
    a, b = (float(logits[lm.encode(letter)[0]]) for letter in (" A", " B"))
    return "first" if a >= b else "second"
