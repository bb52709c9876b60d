"""Byte-pair encoding for the lessons' demonstrations: quick, and written another way than a learner would write it.

A sequence of token ids is kept as a string with one character per id. The string's own `replace` then does what a merge
does: it goes from left to right and uses no character twice. Merges are a list; merge number r makes token 256 + r.
Source: Sennrich et al. 2016, arXiv:1508.07909, Algorithm 1; on bytes as in Wang et al. 2019, arXiv:1909.03341.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

from handbook.models.language_model import BYTE_OF

Pair = tuple[int, int]
BYTES = 256  # ids 0 ... 255 are the bytes themselves


def count_pairs(ids: list[int]) -> dict[Pair, int]:
    """Return how often each id is directly followed by each other one, at every position."""
    return dict(Counter(itertools.pairwise(ids)))


def replace_pair(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    """Return ids with each `pair` replaced by `new_id`, left to right. `new_id` must not occur in ids."""
    return _ids(_string(ids).replace(_string(pair), chr(new_id)))


def train(text: str, n_merges: int) -> list[Pair]:
    """Learn merges from a text: the most frequent pair first, the smallest of equals; stop when none occurs twice."""
    string, merges = _string(text.encode("utf-8")), list[Pair]()
    for new_id in range(BYTES, BYTES + n_merges):
        counts = Counter(itertools.pairwise(string))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        merges.append((ord(best[0]), ord(best[1])))
        string = string.replace("".join(best), chr(new_id))
    return merges


def encode(data: str | bytes, merges: list[Pair]) -> list[int]:
    """Return the token ids of a text or of bytes: all merges in the order in which they were learned."""
    string = _string(data.encode("utf-8") if isinstance(data, str) else data)
    for new_id, pair in enumerate(merges, start=BYTES):
        string = string.replace(_string(pair), chr(new_id))
    return _ids(string)


def vocabulary(merges: list[Pair]) -> list[bytes]:
    """Return the bytes that each token stands for. The list has 256 + len(merges) items."""
    pieces = [bytes([byte]) for byte in range(BYTES)]
    for left, right in merges:
        pieces.append(pieces[left] + pieces[right])
    return pieces


def pieces_of(data: str | bytes, merges: list[Pair]) -> list[str]:
    """Return the tokens of a text as readable strings; a token that is no text by itself shows its bytes: `<EC95>`."""
    known = vocabulary(merges)
    return [readable(known[token]) for token in encode(data, merges)]


def readable(piece: bytes) -> str:
    """Return bytes as text, or in hexadecimal if they are no text by themselves."""
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return f"<{piece.hex().upper()}>"


def merges_of(tokenizer: Any) -> list[Pair]:
    """Return the merges of a byte-level BPE tokenizer of Transformers, renumbered so that merge r makes token 256 + r.

    Its own ids differ: they put special tokens first. Raises: ValueError if the tokenizer is of another kind.
    """
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if model["type"] != "BPE":
        raise ValueError(f"a byte-level BPE tokenizer is needed, and this one is of type {model['type']}")
    number, merges = dict(BYTE_OF), list[Pair]()
    for left, right in model["merges"]:
        merges.append((number[left], number[right]))
        number[left + right] = BYTES + len(merges) - 1
    return merges


def _string(ids: list[int] | bytes | Pair) -> str:
    return "".join(map(chr, ids))


def _ids(string: str) -> list[int]:
    return list(map(ord, string))
