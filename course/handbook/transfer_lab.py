"""What lesson p1_6 looks at: a pretrained encoder against an untrained one of the same shape, with few labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook import plots, texts
from handbook.models import load_encoder
from handbook.models.encoder import Encoder

LABELS = {topic: index for index, topic in enumerate(texts.TOPICS)}


def untrained_encoder(seed: int = 0) -> Encoder:
    """Return an encoder of MiniLM's very shape whose weights are random: what pretraining has not touched."""
    ours = load_encoder()
    torch.manual_seed(seed)
    return Encoder(type(ours.model)(ours.model.config).eval(), ours.tokenizer, name="untrained")


@dataclass(frozen=True)
class Split:
    """Features and labels to learn from, and others to test with. Shapes: x (N, C) · y (N,)."""

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor


def ticket_split(encoder: Encoder, per_label: int, seed: int) -> Split:
    """Encode the tickets and draw `per_label` of each topic to learn from; all others are the test set."""
    learn, test = texts.split(texts.TICKETS, per_label, seed)
    table = _features(encoder)
    x, x_test = (torch.stack([table[text] for text, _ in rows]) for rows in (learn, test))
    y, y_test = (torch.tensor([LABELS[label] for _, label in rows]) for rows in (learn, test))
    mean, spread = x.mean(0), x.std(0) + 1e-3  # from what we learn from alone: the test set stays unseen
    return Split((x - mean) / spread, y, (x_test - mean) / spread, y_test)


_known: dict[int, dict[str, Tensor]] = {}


def _features(encoder: Encoder) -> dict[str, Tensor]:
    """Encode every ticket once per encoder."""
    if id(encoder) not in _known:
        sentences = [text for text, _ in texts.TICKETS]
        _known[id(encoder)] = dict(zip(sentences, encoder.encode(sentences), strict=True))
    return _known[id(encoder)]


def fit_head(split: Split, *, steps: int = 150, lr: float = 0.02, seed: int = 0) -> float:
    """Train a linear head on frozen features and return its accuracy on the test set, 0 to 1."""
    torch.manual_seed(seed)
    head = nn.Linear(split.x.shape[1], len(LABELS))
    optimizer = torch.optim.AdamW(head.parameters(), lr=lr, weight_decay=0.1)
    for _ in range(steps):
        loss = F.cross_entropy(head(split.x), split.y)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return float((head(split.x_test).argmax(-1) == split.y_test).float().mean())


def accuracy_by_labels(encoders: dict[str, Encoder], counts: list[int], seeds: int = 5) -> dict[str, list[float]]:
    """Return the mean test accuracy for each number of labels a topic, over several draws of the labels."""
    return {name: [sum(fit_head(ticket_split(encoder, count, seed)) for seed in range(seeds)) / seeds for count in counts]
            for name, encoder in encoders.items()}


def topic_map(encoder: Encoder, title: str) -> plots.Picture:
    """Draw every ticket at the first two principal components of its features, marked by topic."""
    table = _features(encoder)
    points = torch.stack(list(table.values()))
    _, _, axes = torch.pca_lowrank(points, q=2, niter=6)
    flat = (points - points.mean(0)) @ axes  # (N, C) @ (C, 2) -> (N, 2)
    return plots.scatter(flat[:, 0].tolist(), flat[:, 1].tolist(), groups=[label for _, label in texts.TICKETS], title=title,
                         xlabel="first principal component", ylabel="second principal component",
                         alt=f"240 points in six groups by topic. {title}.")


def overfit(split: Split, *, epochs: int, held_out: int = 6, width: int = 64, seed: int = 1) -> dict[str, list[float]]:
    """Train a head with one hidden layer and dropout far too long, two texts a step; return the loss by epoch, in nats.

    Returns: {"learned from", "held out"}; the second is that of `held_out` texts of each topic, few enough to make it bumpy.
    """
    chosen = torch.cat([(split.y_test == topic).nonzero()[:held_out, 0] for topic in range(len(LABELS))])
    torch.manual_seed(seed)
    head = nn.Sequential(nn.Linear(split.x.shape[1], width), nn.ReLU(), nn.Dropout(0.8), nn.Linear(width, len(LABELS)))
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.0)
    history: dict[str, list[float]] = {"learned from": [], "held out": []}
    for _ in range(epochs):
        head.train()
        for rows in torch.split(torch.randperm(len(split.x)), 2):
            loss = F.cross_entropy(head(split.x[rows]), split.y[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        head.eval()
        with torch.no_grad():
            history["learned from"].append(float(F.cross_entropy(head(split.x), split.y)))
            history["held out"].append(float(F.cross_entropy(head(split.x_test[chosen]), split.y_test[chosen])))
    return history
