"""Pictures of what a language model does: its next-token probabilities, its attention, and the softmax it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handbook.plots.charts import bars, heatmap, lines
from handbook.plots.picture import Picture, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handbook.models.language_model import LanguageModel

FUNCTION_WORDS = frozenset(
    ("a", "an", "and", "as", "at", "but", "by", "for", "from", "in", "is", "it", "of", "on", "or", "that", "the")
)


def next_token_bars(lm: LanguageModel, text: str, k: int = 10, *, title: str = "") -> Picture:
    """Draw the k likeliest next tokens after a text with their probabilities, a space shown as `␣`."""
    pairs = lm.next_token_probs(text, k)
    return bars(
        [visible(token) for token, _ in pairs],
        [probability for _, probability in pairs],
        title=title or f"What comes after: {_tail(text)}",
        xlabel="probability",
        ylabel="next token",
        decimals=3,
    )


def attention_from(
    lm: LanguageModel,
    text: str,
    token: str,
    *,
    to: str | None = None,
    layer: int | None = None,
    head: int | None = None,
) -> Picture:
    """Draw how much the last occurrence of `token` reads from each token up to itself, in one head.

    `layer` and `head` count from 0. Left out, the head is the one that gives `to` the largest share; without `to`, the
    one with the largest share on any earlier word. In that choice the first token, the left neighbour and function
    words don't count: many heads rest on the first token or only look next door.
    Raises: ValueError if the text has no such token, or only as its first one, which can read nothing but itself.
    """
    tokens = lm.tokens(text)
    at = _last(tokens, token)
    if at == 0:
        raise ValueError(f"{token!r} is the first token: it reads only itself")
    shares = lm.attentions(text)[:, :, at, : at + 1]  # (layers, H, at + 1)
    columns = [_last(tokens[:at], to)] if to is not None else _content_words(tokens[:at])
    strongest = shares[:, :, columns].amax(dim=-1)  # (layers, H)
    if layer is not None:
        strongest[[other for other in range(len(strongest)) if other != layer]] = -1.0
    if head is not None:
        strongest[:, [other for other in range(strongest.shape[1]) if other != head]] = -1.0
    layer, head = divmod(int(strongest.argmax()), strongest.shape[1])
    row = shares[layer, head]
    names = [f"{position + 1}  {visible(name)}" for position, name in enumerate(tokens[: at + 1])]
    return bars(
        names,
        row,
        title=f"What “{token.strip()}” reads, layer {layer}, head {head}",
        xlabel="share of attention (sums to 1)",
        ylabel="token read from",
        highlight=names[max(columns, key=lambda column: float(row[column]))],
    )


def attention_map(lm: LanguageModel, text: str, layer: int, head: int) -> Picture:
    """Draw one head's attention over a text: each row is a token that reads, each column one that is read."""
    tokens = [visible(token) for token in lm.tokens(text)]
    return heatmap(
        lm.attentions(text)[layer, head],
        tokens,
        tokens,
        title=f"Attention in layer {layer}, head {head}",
        xlabel="token that is read",
        ylabel="token that reads",
        value="share of attention",
        limits=(0.0, 1.0),
        numbers_in_cells=False,
    )


def largest_share_by_width(
    widths: Sequence[int] = (4, 16, 64, 256, 1024), seed: int = 0, *, keys: int = 16, queries: int = 400
) -> Picture:
    """Draw the average largest softmax share of random queries over random keys, with and without the 1/√d.

    Their entries are independent, with mean 0 and variance 1.
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1, note 4.
    """
    import torch

    dice = torch.Generator().manual_seed(seed)
    with_scaling, without = [], []
    for width in widths:
        q = torch.randn(queries, width, generator=dice)
        k = torch.randn(keys, width, generator=dice)
        scores = q @ k.T  # (queries, keys)
        without.append(float(torch.softmax(scores, -1).amax(-1).mean()))
        with_scaling.append(float(torch.softmax(scores / width**0.5, -1).amax(-1).mean()))
    return lines(
        widths,
        {"without scaling": without, "with 1/√d": with_scaling},
        title=f"The largest of {keys} attention shares, on average",
        xlabel="width d of queries and keys",
        ylabel="largest share (0 to 1)",
        logx=True,
    )


def _last(tokens: list[str], token: str) -> int:
    """Return the last place of a token, with or without its leading space."""
    for wanted in (token, token.strip()):
        places = [at for at, found in enumerate(tokens) if wanted in (found, found.strip())]
        if places:
            return places[-1]
    raise ValueError(f"{token!r} is not a token of this text; its tokens are {tokens}")


def _content_words(tokens: list[str]) -> list[int]:
    """Return the places of the words that mean something, neither first nor next door; all places if there are none."""
    middle = range(1, len(tokens) - 1)
    words = [at for at in middle if tokens[at].strip().isalpha() and tokens[at].strip().lower() not in FUNCTION_WORDS]
    return words or list(range(len(tokens)))


def _tail(text: str, width: int = 46) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else "…" + flat[-width:]
