"""The tokens of one reply, one at a time: sampling, the limit, stop strings, and characters that come in two halves."""

from __future__ import annotations

import inspect
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from handbook.serving.errors import ApiError
from handbook.serving.requests import MOST_CHOICES, Ask

Feed = Callable[[list[int]], Tensor]  # takes the ids that are new to it, returns the scores (V,) of the next token


class Speaker(Protocol):
    """What the server needs of a model. `handbook.models.LanguageModel` has all but the last two, which `feed_of`
    and `context_of` work out for it; a made-up model for a test may have them itself."""

    name: str

    @property
    def stop_ids(self) -> set[int]: ...
    def chat_text(self, messages: Any) -> str: ...
    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: Any) -> str: ...


@dataclass
class Piece:
    """A token of a reply: the text that it makes visible ("" while half a character waits), and how likely it was."""

    text: str
    token: str
    logprob: float
    top: list[tuple[str, float]] = field(default_factory=list)


@dataclass
class Reply:
    """One choice, filled while its pieces are drawn. `tokens` counts the end token too if it was drawn."""

    text: str = ""
    tokens: int = 0
    ended: bool = False  # by itself or at a stop string, not at the limit
    pieces: list[Piece] = field(default_factory=list)


def feed_of(lm: Any) -> Feed:
    """Return a function that reads on where its last call ended, with a key-value cache of its own."""
    if hasattr(lm, "feed"):
        feed: Feed = lm.feed()
        return feed
    from transformers import DynamicCache

    known = inspect.signature(lm.model.forward).parameters
    cache = {"cache" if "cache" in known else "past_key_values": DynamicCache(config=lm.model.config)}

    @torch.no_grad()
    def read(ids: list[int]) -> Tensor:
        fed = torch.tensor([ids], device=lm.device)
        scores: Tensor = lm.model(fed, use_cache=True, logits_to_keep=1, **cache).logits[0, -1]
        return scores.float().cpu()

    return read


def context_of(lm: Any) -> int:
    """Return how many tokens the model can hold, prompt and reply together."""
    return int(lm.context if hasattr(lm, "context") else lm.model.config.max_position_embeddings)


def prompt_ids(lm: Speaker, text: str) -> list[int]:
    """Return the ids of a prompt. Raises: ApiError if the model can't hold them and one more token."""
    ids, room = lm.encode(text), context_of(lm)
    if not ids:
        raise ApiError(400, "The prompt is empty.", param="prompt")
    if len(ids) >= room:
        message = f"This model holds {room} tokens, the prompt has {len(ids)}: no room is left for a reply."
        raise ApiError(400, message, param="messages", code="context_length_exceeded")
    return ids


def pieces(lm: Speaker, ids: list[int], ask: Ask, reply: Reply, *, choice: int, lock: threading.Lock) -> Iterator[Piece]:
    """Draw a reply token by token and keep `reply` up to date. The lock is held for a step, not for a whole reply."""
    seed = random.getrandbits(40) if ask.seed is None else ask.seed
    dice = torch.Generator().manual_seed((seed * MOST_CHOICES + choice) % 2**63)  # no two choices of two seeds alike
    read, new, fed, given = feed_of(lm), list[int](), list(ids), 0
    room = context_of(lm) - len(ids)
    for _ in range(room if ask.limit is None else min(ask.limit, room)):
        with lock:
            scores = read(fed)
        index = pick(scores, ask.temperature, ask.top_p, dice)
        reply.tokens += 1
        if index in lm.stop_ids:
            reply.ended = True
            break
        new.append(index)
        fed = [index]
        text = lm.decode(new)
        cut = min((text.find(stop) for stop in ask.stop if stop in text), default=-1)
        ready = cut if cut >= 0 else len(text) - _waiting(text, ask.stop)
        piece = _piece(lm, scores, index, text[given : max(ready, given)], ask.logprobs)
        given = max(ready, given)
        reply.text = text[:given]
        reply.pieces.append(piece)
        yield piece
        if cut >= 0:
            reply.ended = True
            return
    left = lm.decode(new)[given:]  # what waited for the rest of a stop string or of a character that never came
    if left:
        reply.text += left
        yield Piece(left, "", 0.0)


def pick(scores: Tensor, temperature: float, top_p: float, dice: torch.Generator) -> int:
    """Return the likeliest token at temperature 0, else one drawn from the smallest set that holds top_p of the mass."""
    if temperature == 0:
        return int(scores.argmax())
    shares, order = torch.softmax(scores / temperature, dim=-1).sort(descending=True)
    kept = shares.masked_fill(shares.cumsum(-1) - shares >= top_p, 0.0)
    return int(order[torch.multinomial(kept, 1, generator=dice)])


def _piece(lm: Speaker, scores: Tensor, index: int, text: str, k: int | None) -> Piece:
    if k is None:
        return Piece(text, "", 0.0)
    logprobs = torch.log_softmax(scores, dim=-1)
    best = logprobs.topk(k)
    top = [(lm.decode([int(i)]), float(p)) for p, i in zip(best.values, best.indices, strict=True)]
    return Piece(text, lm.decode([index]), float(logprobs[index]), top)


def _waiting(text: str, stops: tuple[str, ...]) -> int:
    """Return how many characters at the end must wait: half a character, or what may become a stop string."""
    half = len(text) - len(text.rstrip("\ufffd"))
    shown = text[: len(text) - half]
    starts = [n for stop in stops for n in range(1, len(stop)) if shown.endswith(stop[:n])]
    return half + max(starts, default=0)
