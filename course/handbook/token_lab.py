"""What lesson p1_3 looks at: how text is cut and what that costs, what lies near in an embedding table, and RoPE."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import Tensor

from handbook import bpe, plots, texts
from handbook.models.language_model import BYTE_OF

if TYPE_CHECKING:
    from handbook.models.encoder import Encoder
    from handbook.models.language_model import LanguageModel

Rope = Callable[..., Tensor]  # rope(x, positions, base), as in the lesson

# Tokens


def token_strips(lm: LanguageModel, lines: Sequence[str]) -> None:
    """Show each text as a row of boxes, one for each token of the model, a space shown as `␣`."""
    for line in lines:
        tokens = lm.tokens(line)
        plots.token_strip(tokens, title=f"{len(tokens)} tokens")


def real_pieces(lm: LanguageModel, text: str) -> list[str]:
    """Return the model's own tokens of a text, spelled as `handbook.bpe` spells them."""
    names = lm.tokenizer.convert_ids_to_tokens(lm.encode(text))
    return [bpe.readable(bytes(BYTE_OF[letter] for letter in name)) for name in names]


def text_shrinks(text: str, *, n_merges: int) -> None:
    """Show a text as tokens, once for each merge that is learned from it: first its bytes, then after each merge."""
    merges = bpe.train(text, n_merges)
    pieces = bpe.vocabulary(merges)
    for done in range(len(merges) + 1):
        tokens = bpe.pieces_of(text, merges[:done])
        left, right = (plots.visible(bpe.readable(pieces[part])) for part in merges[done - 1]) if done else ("", "")
        step = f"merge {done}, “{left}” + “{right}”" if done else "bytes only"
        plots.token_strip(tokens, title=f"{step}: {len(tokens)} tokens")


def library_merges(text: str, n_merges: int) -> list[tuple[str, str]]:
    """Let the `tokenizers` library learn merges from a text of plain letters, in its own spelling: pairs of pieces."""
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.BPE())
    size = len(set(text)) + n_merges
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(vocab_size=size, min_frequency=2, show_progress=False))
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def spelled(merges: Sequence[bpe.Pair]) -> list[tuple[str, str]]:
    """Write merges of ids as pairs of pieces of text."""
    pieces = [bpe.readable(piece) for piece in bpe.vocabulary(list(merges))]
    return [(pieces[left], pieces[right]) for left, right in merges]


def bytes_per_token(*, n_merges: int, seed: int) -> plots.Picture:
    """Draw how many bytes a token holds by the number of merges, on texts like the training text and unlike it."""
    merges = bpe.train("\n".join(texts.stories(60, seed)), n_merges)
    steps = [0, *(step for step in (10, 25, 50, 100, 150, 200, 300, 400, 600, 800) if step <= len(merges))]
    samples = {
        "new stories": "\n".join(texts.stories(20, seed + 1)),
        "English messages": "\n".join(ticket for ticket, _ in texts.TICKETS[:30]),
        "German": "\n".join(texts.MULTILINGUAL["German"]),
        "Python code": (texts.DATA.parent / "bpe.py").read_text(encoding="utf-8"),
    }
    held = {
        name: [len(sample.encode()) / len(bpe.encode(sample, merges[:step])) for step in steps]
        for name, sample in samples.items()
    }
    return plots.lines(
        steps,
        held,
        title="Tokens are long where the text is like the training text",
        xlabel="number of merges learned from 60 stories",
        ylabel="bytes per token",
    )


def cost_by_language(lm: LanguageModel) -> plots.Picture:
    """Draw how many tokens the same four sentences take in each language, as a multiple of English."""
    counts = {language: sum(len(lm.encode(line)) for line in lines) for language, lines in texts.MULTILINGUAL.items()}
    ranked = sorted(counts, key=counts.__getitem__)
    return plots.bars(
        ranked,
        [counts[language] / counts["English"] for language in ranked],
        title="The same four sentences in SmolLM2's tokens",
        xlabel=f"tokens, as a multiple of English ({counts['English']} tokens)",
        ylabel="language",
        highlight="English",
        decimals=1,
    )


# Embeddings


def cosine_neighbours(vector: Tensor, table: Tensor, k: int) -> list[tuple[int, float]]:
    """Return (row, cosine) of the k rows nearest in direction, those equal to the vector left out."""
    cosines = torch.nn.functional.cosine_similarity(table, vector[None], dim=-1)
    cosines = cosines.masked_fill((table == vector).all(-1), -2.0)
    top = cosines.topk(min(k, int((cosines >= -1.5).sum())))
    return [(int(row), float(cosine)) for row, cosine in zip(top.indices, top.values, strict=True)]


def words_of(lm: LanguageModel) -> tuple[Tensor, list[str]]:
    """Return the embedding rows of all tokens that are a space and at least two plain letters, and these words."""
    table: Tensor = lm.model.get_input_embeddings().weight.detach().float()
    names = lm.tokenizer.convert_ids_to_tokens(range(len(table)))
    words = [name[1:] if name[0] == "Ġ" else "" for name in names]  # Ġ stands for a space
    rows = [row for row, word in enumerate(words) if word.isascii() and word.isalpha() and len(word) > 1]
    return table[rows], [words[row] for row in rows]


def lengths_of_rows(lm: LanguageModel, words: list[str]) -> plots.Picture:
    """Draw the distribution of the lengths of SmolLM2's embedding rows, and print those of a few words."""
    table, names = words_of(lm)
    lengths = table.norm(dim=-1)
    print("  ".join(f"{word} {lengths[names.index(word)]:.2f}" for word in words))
    return plots.histogram(
        {"": lengths.tolist()},
        title="Embeddings differ in length (SmolLM2)",
        xlabel="length of a word's row (root of the sum of squares)",
        ylabel="number of words",
    )


def matches_by_dot_product(lm: LanguageModel, words: list[str], *, sample: int, seed: int) -> None:
    """Print the rows that match some words best by dot product, and how many words match themselves best.

    `sample` words are drawn for the count.
    """
    table, names = words_of(lm)
    for word in words:
        scores = table @ table[names.index(word)]
        print(f"{word:>8}: " + "  ".join(f"{names[row]} {scores[row]:.1f}" for row in scores.topk(5).indices.tolist()))
    drawn = torch.randperm(len(table), generator=torch.Generator().manual_seed(seed))[:sample]
    own = float(((table[drawn] @ table.T).argmax(-1) == drawn).float().mean())
    print(f"{own:.0%} of {sample} words are their own best match")


def sentence_similarity(encoder: Encoder, sentences: list[str]) -> plots.Picture:
    """Draw the cosine of every sentence with every other one."""
    matrix = encoder.similarity(sentences, sentences)
    labels = [f"{at + 1}" for at in range(len(sentences))]
    return plots.heatmap(
        matrix,
        labels,
        [f"{label}  {sentence}" for label, sentence in zip(labels, sentences, strict=True)],
        title="Cosines of sentences (MiniLM)",
        xlabel="sentence",
        ylabel="sentence",
        value="cosine",
        limits=(0.0, 1.0),
    )


# Positions


def rope(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """Turn the pairs (i, i + D/2) of each vector by its position, by complex numbers. Shapes: as in the lesson."""
    half = x.shape[-1] // 2
    speeds = base ** (-torch.arange(half, dtype=torch.float64) / half)
    turn = torch.exp(1j * positions.double()[:, None] * speeds)  # (T, D/2)
    turned = torch.complex(x[..., :half].double(), x[..., half:].double()) * turn
    return torch.cat([turned.real, turned.imag], dim=-1).to(x.dtype)


def rope_of_neighbours(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """The paper's own pairs (2i, 2i + 1): what SmolLM2 was not trained with."""
    halves = torch.cat([x[..., 0::2], x[..., 1::2]], dim=-1)
    first, second = rope(halves, positions, base).chunk(2, dim=-1)
    return torch.stack([first, second], dim=-1).flatten(-2)


def hands_of_the_clock(*, pairs: Sequence[int], steps: int, width: int = 64) -> plots.Picture:
    """Draw the hand (1, 0) of several pairs at positions 0 … steps, with SmolLM2's head width and base."""
    base = 100000.0
    with plots.style():
        figure, axes = plots.subplots(1, len(pairs), size=(7.2, 2.6))
        for pair, axis in zip(pairs, axes.flat, strict=True):
            speed = base ** (-2 * pair / width)
            for position in range(steps + 1):
                x, y = math.cos(position * speed), math.sin(position * speed)
                axis.plot([0, x], [0, y], color=plots.PALETTE[0], alpha=0.35 + 0.65 * position / steps)
                if speed > 0.2 or position == steps:
                    axis.annotate(str(position), (1.17 * x, 1.17 * y), ha="center", va="center", fontsize=9)
            axis.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
            axis.set_title(f"pair {pair}\n{speed:.2g} rad a step", fontsize=9)
            axis.set_xlabel(f"number {pair}", fontsize=9)
            axis.set_ylabel(f"number {pair + width // 2}", fontsize=9)
        figure.suptitle(f"The hand (1, 0) at positions 0 to {steps}", x=0.01, ha="left", fontsize=12, fontweight="bold")
    return plots.show(
        figure,
        alt=f"Clock hands at positions 0 to {steps}. The hand of the first pair turns by one radian a step; each later "
        "pair turns more slowly, and the last one hardly moves.",
    )


def scores_by_position(rope: Rope, *, n: int, seed: int, width: int = 16) -> plots.Picture:
    """Draw the dot product of one query and one key at every pair of positions."""
    dice = torch.Generator().manual_seed(seed)
    positions = torch.arange(n)
    query, key = (torch.randn(1, width, generator=dice).expand(n, width) for _ in range(2))
    scores = rope(query, positions) @ rope(key, positions).T  # (n, n)
    return plots.heatmap(
        scores,
        title="One query and one key, at all positions",
        xlabel="position n of the key",
        ylabel="position m of the query",
        value="dot product",
        diverging=True,
        numbers_in_cells=False,
        alt=f"Heat map of {n} by {n} dot products: every diagonal has one colour, so the score depends on the distance "
        "between the two positions and on nothing else.",
    )


def with_rope(turn: Callable[[Tensor], Tensor]) -> Any:
    """Return a context in which SmolLM2 turns queries and keys, (B, H, T, D), by `turn` instead of its own RoPE."""
    from transformers.models.llama import modeling_llama

    def replaced(q: Tensor, k: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        return turn(q), turn(k)

    return patch.object(modeling_llama, "apply_rotary_pos_emb", replaced)


def positions_swapped(lm: LanguageModel, rope: Rope, text: str) -> None:
    """Print how well SmolLM2 knows a text with its own RoPE, and with four others in its place."""
    base = lm.model.config.rope_parameters["rope_theta"]

    def along(x: Tensor) -> Tensor:
        return torch.arange(x.shape[-2])

    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "yours": lambda x: rope(x, along(x), base),
        "yours, shifted by 1000": lambda x: rope(x, along(x) + 1000, base),
        "yours, all at position 0": lambda x: rope(x, 0 * along(x), base),
        "neighbours paired": lambda x: rope_of_neighbours(x, along(x), base),
    }
    print(f"{'its own':>25}: perplexity {lm.perplexity(text):8.2f}")
    for name, way in ways.items():
        with with_rope(way):
            print(f"{name:>25}: perplexity {lm.perplexity(text):8.2f}")
