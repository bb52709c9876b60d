"""What lesson p1_6 looks at: a pretrained encoder against weaker features with few labels, and its top layer trained on."""

from __future__ import annotations

import copy
import functools
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook import plots, texts
from handbook.models import load_encoder
from handbook.models.encoder import Encoder

LABELS = {topic: index for index, topic in enumerate(texts.TOPICS)}
Y = torch.tensor([LABELS[label] for _, label in texts.TICKETS])  # (240,), the topic of each ticket
TEST, VALIDATE = 8, 6  # tickets of each topic that are kept for testing, and for choosing


class Reader(Protocol):
    """Whatever gives a vector for each text."""

    def encode(self, texts: list[str]) -> Tensor: ...


def untrained_encoder(seed: int = 0) -> Encoder:
    """Return an encoder of MiniLM's very shape whose weights are random: what pretraining has not touched."""
    ours = load_encoder()
    torch.manual_seed(seed)
    return Encoder(type(ours.model)(ours.model.config).eval(), ours.tokenizer, name="untrained")


class BagOfWords:
    """Count the words of each text, over the words of all tickets: no word is like another, and order is lost."""

    def __init__(self) -> None:
        self.words = sorted({word for text, _ in texts.TICKETS for word in _words(text)})

    def encode(self, texts: list[str]) -> Tensor:
        """Return a vector of length 1 for each text. Shapes: returns (N, words)."""
        counts = torch.tensor([[_words(text).count(word) for word in self.words] for text in texts])
        return F.normalize(counts.float(), dim=-1)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def draw(per_label: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw tickets by row number: to learn from, to choose with, to test with; no ticket is in two of them.

    The test set has 8 tickets of each topic, whatever the number of labels; with more than 26 labels a topic,
    fewer than 6 are left to choose with.
    """
    dice = random.Random(seed)
    learn, validate, test = [], [], []
    for topic in range(len(LABELS)):
        mine = torch.eq(Y, topic).nonzero()[:, 0].tolist()
        dice.shuffle(mine)
        test += mine[:TEST]
        learn += mine[TEST : TEST + per_label]
        validate += mine[TEST + per_label :][:VALIDATE]
    dice.shuffle(learn)
    long = torch.long  # an empty list would else become floats
    return torch.tensor(learn), torch.tensor(validate, dtype=long), torch.tensor(test)


@dataclass(frozen=True)
class Split:
    """Features and labels to learn from, to choose with, and to test with. Shapes: x (N, C) · y (N,)."""

    x: Tensor
    y: Tensor
    x_validate: Tensor
    y_validate: Tensor
    x_test: Tensor
    y_test: Tensor


def ticket_split(encoder: Reader, per_label: int, seed: int, *, standardise: bool = True) -> Split:
    """Encode the tickets and split them in three: `per_label` of each topic to learn from, and see `draw`."""
    learn, validate, test = draw(per_label, seed)
    x = _features(encoder)
    if standardise:  # by what we learn from alone: the other two stay unseen
        x = (x - x[learn].mean(0)) / (x[learn].std(0) + 1e-3)
    return Split(x[learn], Y[learn], x[validate], Y[validate], x[test], Y[test])


_known: dict[int, tuple[Reader, Tensor]] = {}


def _features(encoder: Reader) -> Tensor:
    """Encode every ticket once per encoder."""
    if id(encoder) not in _known:
        _known[id(encoder)] = encoder, encoder.encode([text for text, _ in texts.TICKETS])
    return _known[id(encoder)][1]


def fit_head(split: Split, *, steps: int = 150, lr: float = 0.02, seed: int = 0) -> float:
    """Train a linear head on frozen features and return its accuracy on the test set, 0 to 1."""
    torch.manual_seed(seed)
    head = nn.Linear(split.x.shape[1], len(LABELS))
    optimizer = torch.optim.AdamW(head.parameters(), lr=lr, weight_decay=0.1)
    for _ in range(steps):
        train_step(head, optimizer, split.x, split.y)
    return accuracy(head, split.x_test, split.y_test)


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor) -> float:
    """Make one step on one batch and return its loss, in nats."""
    loss = F.cross_entropy(model(inputs), labels)
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.item()


@torch.no_grad()
def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Return the share of right answers, 0 to 1, of a model in its present mode."""
    return float((model(inputs).argmax(-1) == labels).float().mean())


def accuracy_by_labels(encoders: dict[str, Reader], counts: list[int], seeds: int = 5) -> dict[str, list[float]]:
    """Return the mean test accuracy for each number of labels a topic, over several draws of the tickets.

    The features are taken as they are: to standardise them would blow up rare words, and helps none of ours.
    """

    def mean(encoder: Reader, count: int) -> float:
        draws = [ticket_split(encoder, count, seed, standardise=False) for seed in range(seeds)]
        return sum(map(fit_head, draws)) / seeds

    return {name: [mean(encoder, count) for count in counts] for name, encoder in encoders.items()}


def topic_maps(encoders: dict[str, Reader]) -> plots.Picture:
    """Draw every ticket at the first two principal components of its features, marked by topic; one map an encoder."""
    with plots.style():
        figure, places = plots.subplots(1, len(encoders), size=(9.6, 3.9))
        for axes, (name, encoder) in zip(places[0], encoders.items(), strict=True):
            points = _features(encoder)
            torch.manual_seed(0)
            _, _, directions = torch.pca_lowrank(points, q=2, niter=6)
            flat = (points - points.mean(0)) @ directions  # (N, C) @ (C, 2) -> (N, 2)
            for topic, index in LABELS.items():
                mine = flat[torch.eq(Y, index)]
                look = {"color": plots.PALETTE[index], "marker": "osD^vP"[index], "s": 26, "label": topic}
                axes.scatter(mine[:, 0].tolist(), mine[:, 1].tolist(), **look)
            axes.set(title=name, xlabel="first principal component", ylabel="second principal component")
        figure.legend(*places[0, 0].get_legend_handles_labels(), loc="outside right center")
        told = "With random weights the groups lie on top of each other; pretrained, four of them lean to four sides."
        return plots.show(figure, f"240 points in six groups by topic, once for each encoder. {told}")


class TopLayer(nn.Module):
    """The last layer of MiniLM and a head, over what the frozen layers below make of every ticket.

    Those never change, so they are run once. Call: row numbers of tickets (B,) -> logits (B, K).
    """

    below: Tensor
    mask: Tensor

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        below, mask = _below_the_top(encoder)
        self.register_buffer("below", below, persistent=False)  # (240, T, C)
        self.register_buffer("mask", mask, persistent=False)  # (240, T)
        self.layer = copy.deepcopy(encoder.model.encoder.layer[-1])
        self.head = head

    def forward(self, rows: Tensor) -> Tensor:
        longest = int(self.mask[rows].sum(1).max())  # no padding beyond the longest ticket of the batch
        mask = self.mask[rows, :longest]
        hidden = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)[:, None, None]  # (B, 1, 1, T)
        states: Any = self.layer(self.below[rows, :longest], hidden)
        states = states[0] if isinstance(states, tuple) else states  # (B, T, C)
        logits: Tensor = self.head(states, mask)
        return logits


@functools.cache
@torch.no_grad()
def _below_the_top(encoder: Encoder) -> tuple[Tensor, Tensor]:
    batch = encoder.tokenizer([text for text, _ in texts.TICKETS], padding=True, return_tensors="pt")
    states = encoder.model(**batch, output_hidden_states=True).hidden_states[-2]
    return states, batch["attention_mask"].bool()


Step = Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor], float]


def train_on_tickets(
    model: nn.Module, optimizer: torch.optim.Optimizer, step: Step, *, per_label: int, seed: int, epochs: int = 8
) -> dict[str, float]:
    """Train on batches of 16 tickets, keep the epoch of the lowest validation loss, and test that one.

    Returns: "learned from", the loss of the last epoch in nats; "validation", the lowest loss in nats; "test", accuracy 0 to 1.
    """
    learn, validate, test = draw(per_label, seed)
    torch.manual_seed(seed)
    best, kept, losses = float("inf"), copy.deepcopy(model.state_dict()), [0.0]
    for _ in range(epochs):
        losses = [step(model, optimizer, rows, Y[rows]) for rows in torch.split(learn[torch.randperm(len(learn))], 16)]
        loss = _validation_loss(model, validate)
        if loss < best:
            best, kept = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    model.eval()
    return {"learned from": sum(losses) / len(losses), "validation": best, "test": accuracy(model, test, Y[test])}


@torch.no_grad()
def _validation_loss(model: nn.Module, rows: Tensor) -> float:
    """Measure in eval mode, and give every module its own mode back: model.train() would wake the frozen parts."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    loss = float(F.cross_entropy(model(rows), Y[rows]))
    for module, training in modes.items():
        module.training = training
    return loss


def overfit(split: Split, *, epochs: int, width: int = 64, seed: int = 1) -> dict[str, list[float]]:
    """Train a head with one hidden layer and dropout far too long, two texts a step; return the loss by epoch, in nats.

    Returns: {"learned from", "validation"}; the second is that of 6 texts of each topic, few enough to make it bumpy.
    """
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(split.x.shape[1], width), nn.ReLU(), nn.Dropout(0.8), nn.Linear(width, len(LABELS)))
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.0)
    history: dict[str, list[float]] = {"learned from": [], "validation": []}
    for _ in range(epochs):
        head.train()
        for rows in torch.split(torch.randperm(len(split.x)), 2):
            train_step(head, optimizer, split.x[rows], split.y[rows])
        head.eval()
        with torch.no_grad():
            history["learned from"].append(float(F.cross_entropy(head(split.x), split.y)))
            history["validation"].append(float(F.cross_entropy(head(split.x_validate), split.y_validate)))
    return history


PIECES = (  # (what, where it was built), from the text to the answer
    ("text", ""),
    ("tokens", "1.3 byte-pair encoding"),
    ("vectors", "1.3 embeddings, positions"),
    ("blocks", "1.4 attention, norms"),
    ("head", "1.5 next token · 1.6 topic"),
    ("scores", "1.1 softmax"),
    ("answer", "1.1 sampling · 1.6 argmax"),
)


def part_one() -> plots.Picture:
    """Draw the pieces of Part 1 in the order in which a text runs through them, and what trains them."""
    with plots.style():
        figure, places = plots.subplots(1, 1, size=(10.4, 2.6))
        axes = places[0, 0]
        axes.set(xlim=(-0.6, len(PIECES) - 0.4), ylim=(-1.15, 0.6), title="What you have built, by lesson")
        axes.axis("off")
        for at, (piece, lesson) in enumerate(PIECES):
            box = {"boxstyle": "round,pad=0.45", "facecolor": "#DCEBF5", "edgecolor": plots.PALETTE[0]}
            axes.text(at, 0.3, piece, ha="center", va="center", fontsize=12, bbox=box)
            axes.text(at, 0.0, lesson.replace(" · ", "\n").replace(", ", ",\n"), ha="center", va="top", fontsize=8.5)
            if at:
                axes.annotate("", (at - 0.38, 0.3), (at - 0.62, 0.3), arrowprops={"arrowstyle": "->"})
        axes.annotate("", (2, -0.75), (5, -0.75), arrowprops={"arrowstyle": "->", "color": plots.PALETTE[3]})
        told = "1.5 a loss for every objective; its gradient trains what is not frozen (1.6)"
        axes.text(3.5, -0.85, told, ha="center", va="top", fontsize=10, color=plots.PALETTE[3])
        parts = ", ".join(f"{piece} ({lesson})" if lesson else piece for piece, lesson in PIECES)
        return plots.show(figure, f"A row of boxes joined by arrows: {parts}. Below, an arrow runs back: {told}.")
