"""A transformer small enough to train in seconds; who may read whom is an argument, so it serves every objective."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor, Tensor]  # inputs (B, T), labels (B, T), -100 = not asked; may_read (T, T)


def rotate(x: Tensor) -> Tensor:
    """Turn each query or key by an angle that grows with its position (RoPE, Su et al. 2021, arXiv:2104.09864).

    Shapes: x (..., T, D), D even · returns the same.
    """
    T, D = x.shape[-2:]
    angles = torch.arange(T)[:, None] * 100.0 ** -(torch.arange(D // 2) / (D // 2))  # (T, D / 2); texts are short
    left, right = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1)


class TinyBlock(nn.Module):
    """One pre-norm block: attention over what may be read, then a small feed-forward network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, may_read: Tensor) -> Tensor:
        """Shapes: x (B, T, C) · may_read (T, T), bool, row reads column · returns (B, T, C)."""
        B, T, C = x.shape
        q, k, v = self.qkv(self.norm_attention(x)).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(rotate(q), rotate(k), v, attn_mask=may_read)  # (B, H, T, D)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, C))
        out: Tensor = x + self.feed(self.norm_feed(x))
        return out


class TinyTransformer(nn.Module):
    """Token embeddings, one block or a few, and scores over the vocabulary (the token table read backwards)."""

    def __init__(self, vocab_size: int, *, width: int = 64, layers: int = 1, heads: int = 4, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.token = nn.Embedding(vocab_size, width)
            self.blocks = nn.ModuleList(TinyBlock(width, heads) for _ in range(layers))
            self.norm = nn.LayerNorm(width)
            nn.init.normal_(self.token.weight, std=0.05)

    def forward(self, ids: Tensor, may_read: Tensor) -> Tensor:
        """Shapes: ids (B, T) · may_read (T, T), bool · returns logits (B, T, V)."""
        x = self.token(ids)
        for block in self.blocks:
            x = block(x, may_read)
        return nn.functional.linear(self.norm(x), self.token.weight)


def reads_the_past(length: int, prefix: int = 0) -> Tensor:
    """Return a (length, length) mask: each position reads itself, what came before, and the first `prefix` positions.

    >>> reads_the_past(3, prefix=2).int().tolist()
    [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    """
    may_read = torch.ones(length, length, dtype=torch.bool).tril()
    may_read[:, :prefix] = True
    return may_read


def train(network: nn.Module, make_batch: Callable[[], Batch], *, steps: int, peak_lr: float = 5e-3) -> list[float]:
    """Train with AdamW, a short warm-up and a linear decay; return every step's loss, in nats per scored token."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=peak_lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 20, 1 - step / (steps + 1)))
    losses = []
    for _ in range(steps):
        inputs, labels, may_read = make_batch()
        loss = nn.functional.cross_entropy(network(inputs, may_read).flatten(0, 1), labels.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def extend(network: nn.Module, ids: list[int], new: int, *, prefix: int = 0, rng: torch.Generator | None = None) -> list[int]:
    """Continue one sequence by `new` tokens: the likeliest each time, or with `rng` drawn by their probabilities.

    The first `prefix` tokens are read by all positions, as in training with `reads_the_past(length, prefix)`.
    """
    ids = list(ids)
    for _ in range(new):
        scores = network(torch.tensor([ids]), reads_the_past(len(ids), prefix))[0, -1]
        token = scores.argmax() if rng is None else torch.multinomial(scores.softmax(-1), 1, generator=rng)
        ids.append(int(token))
    return ids
