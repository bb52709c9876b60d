"""What lesson p1_2 looks at: milestones as data, and three ways to predict a word measured on one corpus.

Milestones: a choice of published models, each with its source. "Parameters" is the largest model of the paper.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook import plots, texts
from handbook.grammar import stories
from handbook.layers import TinyGPT, mean_loss, train_language_model


@dataclass(frozen=True)
class Milestone:
    """One published model: when, how large (numbers in its weights), of which kind, and where it says so."""

    model: str
    published: str
    parameters: float
    kind: str
    source: str
    label: tuple[int, int] = (6, 4)  # where its name stands, in points from its own; names to the left of a point end there


MILESTONES = (
    Milestone("Transformer", "2017-06", 213e6, "encoder-decoder", "arXiv:1706.03762, the big one", (-6, 4)),
    Milestone("GPT", "2018-06", 117e6, "decoder", "Radford et al. 2018; size as given by Radford et al. 2019", (8, -4)),
    Milestone("BERT-large", "2018-10", 340e6, "encoder", "arXiv:1810.04805", (8, -4)),
    Milestone("GPT-2", "2019-02", 1.542e9, "decoder", "Radford et al. 2019"),
    Milestone("T5-11B", "2019-10", 11e9, "encoder-decoder", "arXiv:1910.10683"),
    Milestone("GPT-3", "2020-05", 175e9, "decoder", "arXiv:2005.14165"),
    Milestone("Gopher", "2021-12", 280e9, "decoder", "arXiv:2112.11446, abstract", (-6, 5)),
    Milestone("Chinchilla", "2022-03", 70e9, "decoder", "arXiv:2203.15556, abstract", (-4, -14)),
    Milestone("PaLM", "2022-04", 540e9, "decoder", "arXiv:2204.02311, abstract", (8, -3)),
    Milestone("LLaMA-65B", "2023-02", 65e9, "decoder", "arXiv:2302.13971, abstract", (8, -4)),
    Milestone("Llama 3.1", "2024-07", 405e9, "decoder", "arXiv:2407.21783, abstract", (-6, 5)),
    Milestone("SmolLM2-1.7B", "2025-02", 1.7e9, "decoder", "arXiv:2502.02737, abstract; this course runs its smallest, 135M", (-8, 6)),
)


LOOKS = {"encoder-decoder": "o", "decoder": "s", "encoder": "D"}  # marker of each kind


def draw_timeline() -> plots.Picture:
    """Draw the milestones: year against number of weights, on a logarithmic scale."""
    with plots.style():
        figure, axes = plots.canvas("The largest model of each paper", "year of publication", "numbers in the weights", height=4.2)
        for colour, (kind, marker) in zip(plots.PALETTE, LOOKS.items(), strict=False):
            mine = [milestone for milestone in MILESTONES if milestone.kind == kind]
            axes.scatter([_year(m.published) for m in mine], [m.parameters for m in mine], color=colour, marker=marker, label=kind)
        for m in MILESTONES:
            side = "right" if m.label[0] < 0 else "left"
            axes.annotate(m.model, (_year(m.published), m.parameters), xytext=m.label, textcoords="offset points", fontsize=9, ha=side)
        axes.set_yscale("log")
        axes.set_xlim(2016, 2025.7)
        axes.legend(loc="upper left")
        alt = (
            "Points from about 10^8 numbers in 2017 to 5·10^11 in 2022 and 4·10^11 in 2024; Chinchilla, LLaMA-65B and "
            "SmolLM2-1.7B are smaller. The Transformer and T5 are encoder-decoders, BERT an encoder, all others decoders."
        )
        return plots.show(figure, alt)


def _year(published: str) -> float:
    return int(published[:4]) + (int(published[5:]) - 1) / 12


@dataclass(frozen=True)
class Corpus:
    """Words of our stories as ids: to learn from, to choose settings with, and to report with."""

    train: list[int]
    valid: list[int]
    test: list[int]
    words: list[str]


def story_corpus(seed: int = 0) -> Corpus:
    """Return 600 stories to learn from, 60 to choose with and 60 others to report with, word by word; every word is known."""
    pieces = [re.findall(r"\w+|[^\w\s]", text) for text in stories(720, seed)]
    words = sorted({word for piece in pieces for word in piece})
    ids = {word: at for at, word in enumerate(words)}
    train, valid, test = ([ids[word] for piece in part for word in piece] for part in (pieces[:600], pieces[600:660], pieces[660:]))
    return Corpus(train, valid, test, words)


class NeuralNgram(nn.Module):
    """Predict a word from the vectors of the `context` words before it (Bengio et al. 2003, "A Neural Probabilistic Language Model")."""

    def __init__(self, vocabulary: int, context: int = 3, width: int = 32, hidden: int = 128) -> None:
        super().__init__()
        self.context = context
        self.table = nn.Embedding(vocabulary, width)
        self.layers = nn.Sequential(nn.Linear(context * width, hidden), nn.Tanh(), nn.Linear(hidden, vocabulary))

    def forward(self, before: Tensor) -> Tensor:
        """Shapes: before (B, context), ids · returns (B, V), scores."""
        scores: Tensor = self.layers(self.table(before).flatten(1))
        return scores


def neural_ngram_perplexity(corpus: Corpus, *, context: int = 3, steps: int = 600, seed: int = 0) -> float:
    """Train a neural n-gram model and return its perplexity on the held-out words."""
    torch.manual_seed(seed)
    model = NeuralNgram(len(corpus.words), context)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    train, test = (torch.tensor(ids).unfold(0, context + 1, 1) for ids in (corpus.train, corpus.test))
    for _ in range(steps):
        rows = train[torch.randint(len(train), (256,))]
        loss = F.cross_entropy(model(rows[:, :-1]), rows[:, -1])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        return math.exp(float(F.cross_entropy(model(test[:, :-1]), test[:, -1])))


def attention_perplexity(corpus: Corpus, *, steps: int = 400, seed: int = 0) -> float:
    """Train a two-layer transformer and return its perplexity on the held-out words."""
    torch.manual_seed(seed)
    model = TinyGPT(len(corpus.words), d_model=64, n_layers=2, n_heads=4, context=64)
    train_language_model(model, torch.tensor(corpus.train), steps=steps, lr=3e-3, batch=16, seed=seed)
    return math.exp(mean_loss(model, torch.tensor(corpus.test)))


def tuning_curves(*, seed: int = 0, points: int = 12, step: int = 16) -> dict[str, list[tuple[int, float]]]:
    """Learn to write support tickets, letter by letter, from scratch and after pretraining on stories.

    Returns: {"from scratch", "pretrained"}: (training windows seen, held-out loss in nats a letter), each window 64 letters long.
    """
    tickets = "\n".join(text for text, _ in texts.TICKETS)
    tales = "\n".join(stories(600, seed))
    letters = {letter: at for at, letter in enumerate(sorted(set(tickets + tales)))}
    ids = torch.tensor([letters[letter] for letter in tickets])
    learn, held_out = ids[: len(ids) * 3 // 4], ids[len(ids) * 3 // 4 :]
    curves: dict[str, list[tuple[int, float]]] = {}
    for name, pretrain in (("from scratch", 0), ("pretrained", 300)):
        torch.manual_seed(seed)
        model = TinyGPT(len(letters), d_model=64, n_layers=2, n_heads=4, context=64)
        if pretrain:
            train_language_model(model, torch.tensor([letters[letter] for letter in tales]), steps=pretrain, lr=3e-3, batch=16, seed=seed)
        curves[name] = [(0, mean_loss(model, held_out))]
        for at in range(1, points + 1):
            train_language_model(model, learn, steps=step, lr=2e-3, batch=8, seed=seed + at)
            curves[name].append((at * step * 8, mean_loss(model, held_out)))
    return curves
