"""What lesson p1_4 looks at: attention maps, the size of the residual stream, one small block in training, induction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from handbook import plots
from handbook.grammar import stories
from handbook.layers import TinyGPT, train_language_model
from handbook.models import LanguageModel


@dataclass
class Calls:
    """How often the model called a replaced function."""

    count: int = 0


@contextmanager
def with_attention(lm: LanguageModel, attention: Callable[..., Tensor]) -> Iterator[Calls]:
    """Run the model with `attention(q, k, v, mask)` in place of its own kernel, in every layer and head.

    Shapes: as in `scaled_dot_product_attention` of lesson p1_4, with batch axes (B, H). SmolLM2 shares each key and
    value among three query heads (grouped queries); they are repeated here so that the function sees plain heads.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    calls = Calls()

    def replaced(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: Any) -> tuple[Tensor, None]:
        calls.count += 1
        groups = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))  # (B, 3, T, D) -> (B, 9, T, D)
        mask = _mask(query, key, attention_mask)
        return attention(query, key, value, mask).transpose(1, 2).contiguous(), None

    AttentionInterface.register("handbook", replaced)
    AttentionMaskInterface.register("handbook", sdpa_mask)
    before = lm.model.config._attn_implementation
    lm.model.set_attn_implementation("handbook")
    try:
        yield calls
    finally:
        lm.model.set_attn_implementation(before)


def _mask(query: Tensor, key: Tensor, given: Tensor | None) -> Tensor:
    """The (B, H, Tq, Tk) mask with True = may read; the last query is the newest token."""
    new, old = query.shape[-2], key.shape[-2]
    if given is None:
        causal = torch.ones(new, old, dtype=torch.bool).tril(old - new)
        return causal.expand(*query.shape[:2], new, old)
    allowed = given[..., :old] if given.dtype == torch.bool else given[..., :old] == 0
    return allowed.expand(*query.shape[:2], new, old)


def attention_heads(lm: LanguageModel, text: str, *, layer: int) -> plots.Picture:
    """Draw the attention map of every head of one layer: rows are queries, columns are keys."""
    maps = lm.attentions(text)[layer]  # (H, T, T)
    tokens = [token.strip() or token for token in lm.tokens(text)]
    with plots.style():
        figure, axes = plots.subplots(3, 3, size=(9.0, 9.4))
        for head, axis in enumerate(axes.flat):
            axis.imshow(maps[head].numpy(), cmap="cividis", vmin=0.0, vmax=1.0)
            axis.set_title(f"head {head}", fontsize=9)
            axis.set_xticks(range(len(tokens)) if head >= 6 else [], tokens if head >= 6 else [], rotation=90, fontsize=7)
            axis.set_yticks(range(len(tokens)) if head % 3 == 0 else [], tokens if head % 3 == 0 else [], fontsize=7)
            axis.grid(visible=False)  # after the ticks, which would switch it on again
        figure.suptitle(f"Who reads whom in layer {layer} of SmolLM2 (row: query, column: key; bright: large share)")
    return plots.show(
        figure,
        alt=f"Nine attention maps of layer {layer}: several heads put most of their share on the first token, "
        "others on the word before or on one word that matters.",
    )


def residual_size_by_layer(lm: LanguageModel, text: str) -> plots.Picture:
    """Draw the root mean square of a token's numbers after each layer, the median over the sentence's tokens."""
    states = lm.hidden_states(text)  # (layers + 1, T, C)
    sizes = states.float().pow(2).mean(-1).sqrt()[:-1]  # the library's last state is already normalised: leave it out
    return plots.lines(
        range(len(sizes)),
        {"median token": sizes.median(-1).values.tolist(), "first token": sizes[:, 0].tolist()},
        xlabel="layer",
        ylabel="root mean square",
        title="What tokens carry grows on the way up (SmolLM2)",
        logy=True,
        alt="On a logarithmic scale the size of the residual stream rises by layer; the first token's rises far more.",
    )


def train_one_block(*, with_attention: bool, steps: int, seed: int) -> list[float]:
    """Train a one-block language model on stories, word by word; without attention each token sees only itself.

    Returns the loss of each step, in nats per token.
    """
    words = re.findall(r"\w+|[^\w\s]", " ".join(stories(600, seed)))
    vocabulary = {word: index for index, word in enumerate(sorted(set(words)))}
    ids = torch.tensor([vocabulary[word] for word in words])
    torch.manual_seed(seed)
    model = TinyGPT(len(vocabulary), d_model=48, n_layers=1, n_heads=4, context=64)
    if not with_attention:
        for block in model.blocks:
            block.attention = _Nothing()
    return train_language_model(model, ids, steps=steps, lr=3e-3, batch=16, seed=seed)


class GatedFeedForward(torch.nn.Module):
    """The feed-forward layer of SmolLM2 and Llama (SwiGLU). Source: Shazeer 2020, arXiv:2002.05202."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = torch.nn.Linear(width, hidden, bias=False)
        self.up_proj = torch.nn.Linear(width, hidden, bias=False)
        self.down_proj = torch.nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x (..., C) · returns (..., C)."""
        y: Tensor = self.down_proj(torch.nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return y


def feed_forward_traffic(lm: LanguageModel, text: str, *, layer: int) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Return the weights of one feed-forward layer of the model, by name, with what it reads and what it writes on a text.

    Shapes: what it reads and what it writes are (B, T, C).
    """
    module = lm.model.model.layers[layer].mlp
    read, wrote = _traffic(lm, text, module)
    return {name: weight.detach() for name, weight in module.named_parameters()}, read, wrote


def rms_norm_by_library(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """Bring each token to mean square 1, then scale it. Shapes: x (..., C) · weight (C,) · returns (..., C)."""
    return torch.nn.functional.rms_norm(x, x.shape[-1:], weight, eps)


def norm_traffic(lm: LanguageModel, text: str, *, layer: int) -> tuple[Tensor, float, Tensor, Tensor]:
    """Return weight and eps of the norm before a layer's attention, with what it reads and what it writes on a text.

    Shapes: weight (C,); what it reads and what it writes are (B, T, C).
    """
    module = lm.model.model.layers[layer].input_layernorm
    read, wrote = _traffic(lm, text, module)
    return module.weight.detach(), float(module.variance_epsilon), read, wrote


def _traffic(lm: LanguageModel, text: str, module: torch.nn.Module) -> tuple[Tensor, Tensor]:
    """Run the model on a text and return what a module inside it read and wrote."""
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _, inputs, output: seen.extend([inputs[0].detach(), output.detach()]))
    try:
        lm.logits(text)
    finally:
        hook.remove()
    return seen[0], seen[1]


class _Nothing(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def induction_scores(lm: LanguageModel, *, length: int, seed: int) -> Tensor:
    """The share of attention that goes to the token after the earlier copy, on random tokens repeated once.

    Shapes: returns (layers, heads), each 0 to 1. Source: Olsson et al. 2022, arXiv:2209.11895.
    """
    ids = torch.randint(1000, 20000, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    maps = lm.attentions(ids + ids)  # (layers, H, 2T, 2T)
    queries = torch.arange(length, 2 * length - 1)
    return maps[:, :, queries, queries - length + 1].mean(-1)
