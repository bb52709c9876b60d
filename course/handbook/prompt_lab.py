"""What the lesson on prompting measures: SmolLM2's next token after prompts that share a beginning, and its labels.

The sentences are `texts.REVIEWS`; shots and test sentences never overlap.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from handbook.models.language_model import LanguageModel
from handbook.texts import REVIEWS, Labelled

SHOTS = {label: tuple(text for text, given in REVIEWS[100:] if given == label)[:2] for label in ("positive", "negative")}
SIGNS = frozenset("[],0123456789")


def held_out(per_label: int) -> list[Labelled]:
    """Return so many test sentences of each label, none of which is a shot."""
    return [pair for label in SHOTS for pair in [p for p in REVIEWS[:100] if p[1] == label][:per_label]]


def shots_in_order(order: str) -> list[Labelled]:
    """Return the four shots with their labels in an order such as `pnpn`; the first p is always the same sentence."""
    left = {label[0]: [(text, label) for text in texts] for label, texts in SHOTS.items()}
    return [left[sign].pop(0) for sign in order]


def head(task: str, shots: Sequence[Labelled] = ()) -> str:
    """Return the part of a prompt that all queries share."""
    return "".join([f"{task}\n" if task else "", *(f"Text: {text}\nLabel: {label}\n" for text, label in shots)])


@torch.no_grad()
def next_scores(lm: LanguageModel, beginning: str, texts: Sequence[str]) -> Tensor:
    """Return the log-probabilities of the token after `beginning` + "Text: ... Label:". Shapes: returns (texts, V).

    The model reads the beginning once.
    """
    read = _empty_cache(lm)
    if beginning:
        lm.model(lm.ids(beginning), use_cache=True, logits_to_keep=1, **read)
    rows = []
    for text in texts:
        ids = lm.ids(f"Text: {text}\nLabel:")
        out = lm.model(ids, use_cache=True, logits_to_keep=1, **copy.deepcopy(read))  # the call adds to its copy
        rows.append(out.logits[0, -1].float().cpu().log_softmax(-1))
    return torch.stack(rows)


def _empty_cache(lm: LanguageModel) -> dict[str, Any]:
    from transformers import DynamicCache

    known = inspect.signature(lm.model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": DynamicCache(config=lm.model.config)}


def first_tokens(lm: LanguageModel, labels: Sequence[str]) -> list[int]:
    """Return the first token of each label, as it stands after "Label:"."""
    return [lm.encode(f" {label}")[0] for label in labels]


def probabilities(lm: LanguageModel, scores: Tensor, labels: Sequence[str]) -> list[dict[str, float]]:
    """Return what each row of `next_scores` gives to each label."""
    columns = scores[:, first_tokens(lm, labels)].exp()
    return [dict(zip(labels, map(float, row), strict=True)) for row in columns]


def array_tokens(lm: LanguageModel) -> dict[str, int]:
    """Return the tokens that are made of brackets, commas and digits only: text to id."""
    pieces = ((lm.decode([index]), index) for index in range(len(lm.tokenizer)))
    return {piece: index for piece, index in pieces if piece and set(piece) <= SIGNS}


def is_array(text: str) -> bool:
    """Say whether a text is a JSON array."""
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False
