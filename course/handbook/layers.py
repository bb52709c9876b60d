"""The transformer's pieces, put together from PyTorch's own parts: what later lessons build on.

Part 1 has you write these pieces by hand. Here each is one library call where there is one, so that a later lesson
doesn't depend on an earlier answer. Axes: B batch, T time, C width, H heads, D = C / H, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class CausalSelfAttention(nn.Module):
    """Multi-head attention of a sequence on itself and its past. Source: Vaswani et al. 2017, arXiv:1706.03762, 3.2."""

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads can't share {d_model} features equally")
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Let every position read itself and what came before. Shapes: x (B, T, C) · returns (B, T, C)."""
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.n_heads, C // self.n_heads).permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        y: Tensor = self.out(mixed.transpose(1, 2).reshape(B, T, C))  # (B, H, T, D) -> (B, T, C)
        return y


class Block(nn.Module):
    """One pre-norm transformer block: attention, then a feed-forward network four times as wide, each added to x."""

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(d_model)
        self.attention: nn.Module = CausalSelfAttention(d_model, n_heads)
        self.feed_forward_norm = nn.RMSNorm(d_model)
        self.feed_forward = nn.Sequential(nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: x (B, T, C) · returns (B, T, C)."""
        x = x + self.attention(self.attention_norm(x))
        y: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return y


class TinyGPT(nn.Module):
    """A decoder-only language model with learned positions and tied embeddings, small enough to train in a notebook.

    `context` is the most tokens that it reads at once. The initial weights follow `torch.manual_seed`.
    Source: GPT-2, Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3.
    """

    def __init__(self, vocab: int, d_model: int = 64, n_layers: int = 2, n_heads: int = 4, context: int = 64) -> None:
        super().__init__()
        self.context = context
        self.token = nn.Embedding(vocab, d_model)
        self.position = nn.Embedding(context, d_model)
        self.blocks = nn.ModuleList(Block(d_model, n_heads) for _ in range(n_layers))
        self.norm = nn.RMSNorm(d_model)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02)
        for name, weight in self.named_parameters():  # what is added to x, 2 a block: keep its sum's variance
            if name.endswith(("out.weight", "feed_forward.2.weight")):
                nn.init.normal_(weight, std=0.02 / (2 * n_layers) ** 0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the scores of every next token. Shapes: ids (B, T), T up to `context` · returns (B, T, V)."""
        return functional.linear(self.hidden(ids), self.token.weight)

    def hidden(self, ids: Tensor) -> Tensor:
        """Return the vectors before the scores. Shapes: ids (B, T) · returns (B, T, C).

        Raises: ValueError if T is more than `context`.
        """
        if ids.shape[-1] > self.context:
            raise ValueError(f"{ids.shape[-1]} tokens, but the context is {self.context}")
        x: Tensor = self.token(ids) + self.position.weight[: ids.shape[-1]]
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.norm(x)
        return y

    @torch.no_grad()
    def generate(
        self, ids: Sequence[int] | Tensor, max_new_tokens: int, *, temperature: float = 1.0, seed: int = 0
    ) -> list[int]:
        """Continue one sequence and return all of it; temperature 0 takes the likeliest token each time.

        Shapes: ids (T,), at least one token. Raises: ValueError if there is none.
        """
        sequence = [int(index) for index in ids]
        if not sequence:
            raise ValueError("give at least one token to start from")
        dice = torch.Generator().manual_seed(seed)
        for _ in range(max_new_tokens):
            scores = self(torch.tensor([sequence[-self.context :]], device=self.token.weight.device))[0, -1].cpu()
            if temperature == 0:
                sequence.append(int(scores.argmax()))
            else:
                shares = torch.softmax(scores / temperature, dim=-1)
                sequence.append(int(torch.multinomial(shares, 1, generator=dice)))
        return sequence


def random_windows(ids: Tensor, *, batch: int, length: int, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut random windows out of a stream of tokens, with the same windows one token later as targets.

    Shapes: ids (N,), N > length · returns two of (batch, length).
    """
    starts = torch.randint(len(ids) - length, (batch, 1), generator=dice)
    places = starts + torch.arange(length)
    return ids[places], ids[places + 1]


def train_language_model(
    model: TinyGPT, ids: Tensor, *, steps: int, lr: float = 3e-3, batch: int = 16, seed: int = 0
) -> list[float]:
    """Train with AdamW on random windows of a token stream and return the loss of every step, in nats a token.

    The learning rate warms up over the first tenth of the steps and falls to a tenth along a cosine. Shapes: ids (N,).
    """
    dice = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.1)
    length = min(model.context, len(ids) - 1)
    losses = []
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * _schedule(step, steps)
        inputs, targets = random_windows(ids, batch=batch, length=length, dice=dice)
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    model.eval()
    return losses


def _schedule(step: int, steps: int) -> float:
    """Return the share of the peak learning rate, 0 to 1: linear warm-up, then a cosine down to 0.1."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    done = torch.tensor((step - warm) / max(1, steps - warm))
    return 0.1 + 0.45 * (1 + float(torch.cos(torch.pi * done)))


@torch.no_grad()
def mean_loss(model: TinyGPT, ids: Tensor) -> float:
    """Return the mean loss over a whole stream, window after window, in nats a token. Shapes: ids (N,)."""
    total, count = 0.0, 0
    for start in range(0, len(ids) - 1, model.context):
        window = ids[start : start + model.context + 1]
        if len(window) < 2:
            break
        total += float(functional.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="sum"))
        count += len(window) - 1
    return total / count


# The pieces of Part 1 by their exercise names, as the library has them: see `handbook.answers`


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mix the values by how well each query matches each key; a query that may read nothing gets zeros.

    Shapes: q (..., Tq, D) · k (..., Tk, D) · v (..., Tk, Dv) · mask (..., Tq, Tk), bool, True = may read ·
        returns (..., Tq, Dv).
    """
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return mixed if mask is None else mixed.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)


def causal_mask(n: int) -> Tensor:
    """Return who may read whom: True on and below the diagonal. Shapes: returns (n, n), bool."""
    return torch.ones(n, n, dtype=torch.bool).tril()


def causal_lm_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the mean loss of each token given those before it, in nats. Shapes: logits (B, T, V) · ids (B, T)."""
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=-100)
