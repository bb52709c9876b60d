"""What the lesson on LoRA runs around the learner's layer: job cards in batches, training, answers, a twin by peft."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from handbook.job_cards import Job
from handbook.models import LanguageModel

IGNORED = -100
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")  # of one layer of SmolLM2


class Adapter(nn.Module):
    """A stand-in for a LoRA layer, of two linear layers from the library: what `inject_lora` puts in by default.

    Its parameters are down.weight (r, I) and up.weight (O, r); the base layer stays as it is, frozen.
    """

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        place = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, r, bias=False, **place)
        self.up = nn.Linear(r, base.out_features, bias=False, **place)
        nn.init.zeros_(self.up.weight)
        self.r, self.alpha = r, alpha

    def forward(self, x: Tensor) -> Tensor:
        """Add the detour through r numbers to what the base layer says. Shapes: x (..., I) · returns (..., O)."""
        y: Tensor = self.base(x) + self.up(self.down(x)) * (self.alpha / self.r)
        return y


def on_shared_weights(lm: LanguageModel) -> LanguageModel:
    """Return a model that reads the weights of `lm` where they are, so that its layers can be replaced at no cost of memory.

    It has parts and parameters of its own, to freeze or to put adapters around; who changes a weight in place changes both.
    """
    memo = {id(weight): nn.Parameter(weight.detach(), requires_grad=weight.requires_grad) for weight in lm.model.parameters()}
    return LanguageModel(copy.deepcopy(lm.model, memo), lm.tokenizer, name=lm.name)


def top_layers(lm: LanguageModel, count: int) -> list[str]:
    """Return the names of all linear layers in the last `count` transformer layers, as `model.layers.29.self_attn.q_proj`."""
    first = lm.model.config.num_hidden_layers - count
    chosen = []
    for name, module in lm.model.named_modules():
        parts = name.split(".")
        if isinstance(module, nn.Linear) and parts[-1] in LINEARS and int(parts[2]) >= first:
            chosen.append(name)
    return chosen


def batch_of(lm: LanguageModel, jobs: Sequence[Job]) -> tuple[Tensor, Tensor]:
    """Return ids and labels of prompts with their cards; only the card and the end of text have a label.

    Shapes: returns ids (B, T) and labels (B, T), padded on the right; label t belongs to the token at t.
    """
    end = lm.tokenizer.eos_token_id
    rows = []
    for job in jobs:
        question, answer = lm.encode(job.prompt), [*lm.encode(f" {job.card}"), end]
        rows.append((question + answer, [IGNORED] * len(question) + answer))
    T = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [end] * (T - len(row)) for row, _ in rows])
    labels = torch.tensor([row + [IGNORED] * (T - len(row)) for _, row in rows])
    return ids, labels


def card_loss(lm: LanguageModel, ids: Tensor, labels: Tensor) -> Tensor:
    """Return the mean surprise at the tokens that have a label, in nats."""
    logits = lm.model(ids).logits[:, :-1]  # (B, T - 1, V)
    return functional.cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED)


def train(lm: LanguageModel, jobs: Sequence[Job], *, steps: int, lr: float, batch: int = 4, stop: int | None = None) -> list[float]:
    """Train what is trainable with AdamW, the jobs in their order; return the loss at every step.

    The learning rate rises for three steps to `lr` and then falls to nothing at `steps`; `stop` ends the run earlier.
    """
    weights = [weight for weight in lm.model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=0.0)
    losses = []
    for step in range(stop or steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 3) * (1 - step / steps)
        loss = card_loss(lm, *batch_of(lm, jobs[step * batch : (step + 1) * batch]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@torch.no_grad()
def answers(lm: LanguageModel, jobs: Sequence[Job], *, max_new_tokens: int = 16) -> list[str]:
    """Return the model's first line for every job, the likeliest token each time, all jobs in one batch."""
    questions = [lm.encode(job.prompt) for job in jobs]
    T, end = max(map(len, questions)), lm.tokenizer.eos_token_id
    fed = torch.tensor([[end] * (T - len(row)) + row for row in questions])  # padded on the left
    mask = torch.tensor([[0] * (T - len(row)) + [1] * len(row) for row in questions])
    limit = {"max_new_tokens": max_new_tokens, "do_sample": False, "pad_token_id": end}
    written = lm.model.generate(fed, attention_mask=mask, **limit)
    return [lm.decode(row, skip_special=True).split("\n")[0].strip() for row in written[:, T:]]


def gradient_of(lm: LanguageModel, weight: nn.Parameter, jobs: Sequence[Job]) -> Tensor:
    """Return the direction in which one batch pushes a weight; the model is left as it was. Shapes: that of weight."""
    wanted = [parameter.requires_grad for parameter in lm.model.parameters()]
    lm.model.requires_grad_(False)
    weight.requires_grad_(True)
    (gradient,) = torch.autograd.grad(card_loss(lm, *batch_of(lm, jobs)), weight)
    for parameter, before in zip(lm.model.parameters(), wanted, strict=True):
        parameter.requires_grad_(before)
    return gradient


def share_of_directions(matrix: Tensor) -> list[float]:
    """Return how much of a matrix its first 1, 2, 3, ... directions hold: squared singular values, in percent."""
    energy = torch.linalg.svdvals(matrix.detach()) ** 2
    shares: list[float] = (100 * energy.cumsum(0) / energy.sum()).tolist()
    return shares


@torch.no_grad()
def loss_on(lm: LanguageModel, jobs: Sequence[Job]) -> float:
    """Return the loss on the cards of some jobs, in nats a token, without training."""
    return float(card_loss(lm, *batch_of(lm, jobs)))


def peft_twin(lm: LanguageModel, config: Any, start: dict[str, Tensor]) -> LanguageModel:
    """Return a copy of a model with adapters by peft that begin where ours began.

    `start` maps the names of our adapters' weights (`....q_proj.A`) to their first values.
    """
    from peft import get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks Transformers by an older name
        model = get_peft_model(on_shared_weights(lm).model, config)
    with torch.no_grad():
        for name, weight in start.items():
            path, _, letter = name.rpartition(".")
            theirs = model.get_submodule(f"base_model.model.{path}.lora_{letter}.default")
            theirs.weight.copy_(weight)
    return LanguageModel(model, lm.tokenizer, name=f"{lm.name} with peft")
