"""The JSON that goes back: whole replies, and the pieces of a stream as server-sent events."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from handbook.serving.generation import Piece, Reply

Json = dict[str, Any]
ChatBody = Callable[[str, list[Json], int], Json]  # (model, replies, prompt_tokens) -> the body of a chat completion
DONE = "data: [DONE]\n\n"  # how a stream says that it is over


def chat_body(model: str, replies: Sequence[Json], prompt_tokens: int) -> Json:
    """Return the body of a chat completion; a reply is {"text": str, "tokens": int, "ended": bool}."""
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": reply["text"]},
            "finish_reason": finish_reason(reply["ended"]),
        }
        for index, reply in enumerate(replies)
    ]
    used = usage(prompt_tokens, sum(reply["tokens"] for reply in replies))
    return head("chat.completion", model) | {"choices": choices, "usage": used}


def completion_body(model: str, replies: Sequence[Reply], prompt_tokens: int, *, logprobs: bool) -> Json:
    """Return the body of a plain completion."""
    choices = [
        {
            "index": index,
            "text": reply.text,
            "logprobs": text_logprobs(reply.pieces) if logprobs else None,
            "finish_reason": finish_reason(reply.ended),
        }
        for index, reply in enumerate(replies)
    ]
    used = usage(prompt_tokens, sum(reply.tokens for reply in replies))
    return head("text_completion", model) | {"choices": choices, "usage": used}


def head(kind: str, model: str) -> Json:
    """Return the fields that every body of one reply shares; all pieces of a stream carry the same."""
    begin = "cmpl-" if kind == "text_completion" else "chatcmpl-"
    return {"id": begin + secrets.token_hex(12), "object": kind, "created": int(time.time()), "model": model}


def finish_reason(ended: bool) -> str:
    """Return why a reply stops: "stop" by itself, "length" at the limit."""
    return "stop" if ended else "length"


def usage(prompt_tokens: int, completion_tokens: int) -> Json:
    """Return what the request has cost, in tokens."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def chat_logprobs(pieces: Sequence[Piece]) -> Json:
    """Return the log-probabilities (nats) in the form of chat completions."""
    return {"content": [_token(piece.token, piece.logprob) | {"top_logprobs": [_token(*best) for best in piece.top]} for piece in pieces]}


def text_logprobs(pieces: Sequence[Piece]) -> Json:
    """Return the log-probabilities (nats) in the form of plain completions."""
    offsets, at = [], 0
    for piece in pieces:
        offsets.append(at)
        at += len(piece.token)
    return {
        "tokens": [piece.token for piece in pieces],
        "token_logprobs": [piece.logprob for piece in pieces],
        "top_logprobs": [dict(piece.top) for piece in pieces],
        "text_offset": offsets,
    }


def chat_choice(index: int, delta: Json, finish: str | None, logprobs: Json | None = None) -> Json:
    """Return the choice in one piece of a streamed chat."""
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def text_choice(index: int, text: str, finish: str | None, logprobs: Json | None = None) -> Json:
    """Return the choice in one piece of a streamed completion."""
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}


def event(body: Json) -> str:
    """Return one server-sent event: a line `data: …` and an empty line."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _token(text: str, logprob: float) -> Json:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
