"""What lesson p2_4 runs: a small GPT trained on stories with a live picture, sweeps, and warm and cold starts."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from handbook import grammar, plots
from handbook.layers import TinyGPT, random_windows
from handbook.plots.picture import in_ipython
from handbook.story_words import split_words

BREAK = "<story>"  # stands before every story
Schedule = Callable[[int], float]  # step -> learning rate


class Stories:
    """Stories as one stream of word ids. `learn` and `held_out` are streams, (N,); every story is in one of them."""

    def __init__(self, stories: Sequence[str], held_out: int, words: Sequence[str] = ()) -> None:
        self.words = list(words) or [BREAK, *sorted({word for story in stories for word in split_words(story)})]
        self.id_of = {word: index for index, word in enumerate(self.words)}
        self.learn, self.held_out = self._stream(stories[held_out:]), self._stream(stories[:held_out])

    def _stream(self, stories: Sequence[str]) -> Tensor:
        return torch.tensor([self.id_of[word] for story in stories for word in (BREAK, *split_words(story))])

    def text(self, ids: Sequence[int]) -> str:
        """Return the words of some ids, with spaces between them."""
        return " ".join(self.words[index] for index in ids)


def all_stories() -> Stories:
    """Return 4,000 stories of the course's grammar, 60 of them held out."""
    return Stories(grammar.stories(4000, seed=1), held_out=60)


def two_domains(few: int = 40) -> tuple[Stories, Stories]:
    """Return many stories without a single race, and a few in which somebody races, over one vocabulary."""
    told = grammar.stories(4000, seed=1)
    words = Stories(told, held_out=60).words
    races = [story for story in told if "Let us race" in story]
    others = [story for story in told if "Let us race" not in story]
    return Stories(others, 60, words), Stories(races[: few + 60], 60, words)


def gpt(stories: Stories, *, d_model: int = 128, layers: int = 4, context: int = 64, seed: int = 0) -> TinyGPT:
    """Return an untrained model; its default size has 0.84 million parameters."""
    torch.manual_seed(seed)
    return TinyGPT(len(stories.words), d_model, layers, 4, context)


def small_gpt(stories: Stories, seed: int = 0) -> TinyGPT:
    """Return a model of 74,000 parameters, for experiments that need many runs."""
    return gpt(stories, d_model=48, layers=2, context=48, seed=seed)


def parameters(model: nn.Module) -> int:
    """Count the parameters."""
    return sum(weight.numel() for weight in model.parameters())


@dataclass
class Run:
    """What one training run leaves: the loss and the gradient's norm at every step, and the held-out loss now and then."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    checked: list[tuple[int, float]] = field(default_factory=list)  # (steps done, held-out loss)
    seconds: float = 0.0


def held_out_loss(model: TinyGPT, ids: Tensor, windows: int = 40) -> float:
    """Return the mean loss over some windows of a stream, the same ones every time, in nats a word."""
    was_training = model.training
    model.eval()
    dice = torch.Generator().manual_seed(99)
    with torch.no_grad():
        x, y = random_windows(ids, batch=windows, length=model.context, dice=dice)
        loss = functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
    model.train(was_training)
    return float(loss)


def training(
    model: TinyGPT,
    stories: Stories,
    schedule: Schedule,
    *,
    batch: int = 16,
    clip: float = 1.0,
    seed: int = 0,
    optimizer: torch.optim.Optimizer | None = None,
) -> Iterator[tuple[float, float]]:
    """Train for ever, one step at a time: yields (loss, norm of the gradient before clipping)."""
    dice = torch.Generator().manual_seed(seed)
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1)
    step = 0
    while True:
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        x, y = random_windows(stories.learn, batch=batch, length=model.context, dice=dice)
        loss = functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        step += 1
        yield float(loss.detach()), float(norm)


def train(
    model: TinyGPT, stories: Stories, schedule: Schedule, *, steps: int, check_every: int = 0, live: bool = False, **how: Any
) -> Run:
    """Train for some steps. `live` draws the loss while it falls; `how` goes to `training`."""
    run, picture, began = Run(), LivePlot() if live else None, time.process_time()
    if check_every:
        run.checked.append((0, held_out_loss(model, stories.held_out)))
    for step, (loss, norm) in zip(range(1, steps + 1), training(model, stories, schedule, **how), strict=False):
        run.losses.append(loss)
        run.norms.append(norm)
        if check_every and step % check_every == 0:
            run.checked.append((step, held_out_loss(model, stories.held_out)))
            if picture:
                picture.update(run, steps)
    run.seconds = time.process_time() - began
    return run


class LivePlot:
    """A picture of the loss that is drawn again in its place while training goes on; the last one stays."""

    def __init__(self) -> None:
        self.handle: Any = None

    def update(self, run: Run, steps: int) -> None:
        """Redraw the picture. Outside a notebook nothing is shown."""
        if not in_ipython():
            return
        from IPython.display import display

        data, metadata = self.draw(run, steps).mimebundle()
        if self.handle is None:
            self.handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.handle.update(data, metadata=metadata, raw=True)

    def draw(self, run: Run, steps: int) -> plots.Picture:
        """Return the picture of a run so far, without showing it."""
        with plots.style():
            figure, axes = plots.canvas("A GPT learns to tell stories", "training step", "loss (nats a word)")
            axes.plot(range(1, len(run.losses) + 1), run.losses, color=plots.PALETTE[5], linewidth=0.8, label="each batch")
            axes.plot(*zip(*run.checked, strict=True), color=plots.PALETTE[0], marker="o", label="held-out stories")
            axes.set_xlim(0, steps)
            axes.set_ylim(0, 6.2)
            axes.legend()
        done, loss = run.checked[-1]
        fell = f"The held-out loss starts at {run.checked[0][1]:.2f} and is {loss:.2f} nats a word after {done} of {steps} steps"
        alt = f"Line chart: loss over training steps. {fell}."
        return plots.Picture(figure, alt)


def constant(lr: float) -> Schedule:
    """Return a schedule that always says the same."""
    return lambda step: lr


def final_loss(stories: Stories, schedule: Schedule, *, steps: int, optimizer: Callable[[Any], torch.optim.Optimizer] | None = None) -> float:
    """Train a small GPT from the same start and return its held-out loss, in nats a word."""
    model = small_gpt(stories)
    train(model, stories, schedule, steps=steps, batch=8, optimizer=optimizer(model.parameters()) if optimizer else None)
    return held_out_loss(model, stories.held_out)


class Candidate:
    """A small GPT that trains on with one learning rate: each call is one unit of training and returns the held-out loss."""

    def __init__(self, stories: Stories, lr: float, *, unit: int = 15) -> None:
        self.stories, self.unit, self.calls = stories, unit, 0
        self.model = small_gpt(stories)
        self.steps = training(self.model, stories, lambda step: lr * min(1.0, (step + 1) / 15), batch=8)

    def __call__(self) -> float:
        for _ in range(self.unit):
            next(self.steps)
        self.calls += 1
        return held_out_loss(self.model, self.stories.held_out)


def warm_and_cold(pretrained: TinyGPT, few: Stories, schedule: Schedule, *, steps: int, every: int) -> dict[str, Run]:
    """Train a copy of a pretrained model and a fresh one of its shape on the same few stories."""
    models = {"warm: from the pretrained weights": copy.deepcopy(pretrained), "cold: from random weights": gpt(few)}
    return {name: train(model, few, schedule, steps=steps, check_every=every, batch=8) for name, model in models.items()}


def gradient_norms(run: Run, limit: float) -> plots.Picture:
    """Draw the norm of the gradient over the steps of a run, and the limit above which it is clipped."""
    steps = list(range(1, len(run.norms) + 1))
    above = sum(norm > limit for norm in run.norms)
    return plots.lines(
        steps,
        {"norm of the gradient": run.norms, f"limit {limit:g}": [limit] * len(steps)},
        title=f"{above} of {len(steps)} steps are clipped",
        xlabel="training step",
        ylabel="norm of the gradient",
        logy=True,
        markers=False,
    )


class ResumableRun:
    """A small GPT with dropout on its input, in training: three random number generators are in play."""

    def __init__(self, stories: Stories, seed: int = 0) -> None:
        self.stories, self.step = stories, 0
        self.model = small_gpt(stories, seed)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=3e-3)
        self.rng = torch.Generator().manual_seed(seed)
        random.seed(seed)

    def go(self, steps: int) -> list[float]:
        """Train on and return the losses."""
        losses = []
        for _ in range(steps):
            x, y = random_windows(self.stories.learn, batch=8, length=48, dice=self.rng)
            x = torch.where(torch.rand(x.shape) < 0.1, random.randrange(len(self.stories.words)), x)  # noise on the input
            loss = functional.cross_entropy(self.model(x).flatten(0, 1), y.flatten())
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            losses.append(float(loss.detach()))
            self.step += 1
        return losses
