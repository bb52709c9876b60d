"""What a client asks for, checked field by field. What would change the answer but is not built here is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from handbook.serving.errors import ApiError

ROLES = ("system", "developer", "user", "assistant")
UNSUPPORTED = (
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "audio",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "echo",
    "suffix",
)
MOST_CHOICES, MOST_STOPS, MOST_LOGPROBS = 8, 4, 20


@dataclass(frozen=True)
class Ask:
    """One checked request. `messages` for a chat, `prompts` for plain completions; `limit` None means until it ends."""

    model: str
    messages: tuple[dict[str, str], ...] = ()
    prompts: tuple[str, ...] = ()
    limit: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    choices: int = 1
    stop: tuple[str, ...] = ()
    stream: bool = False
    usage: bool = False  # at the end of a stream
    logprobs: int | None = None  # None: none; 0: of the chosen tokens only; k: of the k likeliest too


def chat_ask(body: Any) -> Ask:
    """Check the JSON of POST /v1/chat/completions. Raises: ApiError with status 400."""
    fields = _common(body)
    wanted = _flag(body, "logprobs")
    top = _whole(body, "top_logprobs", 0, MOST_LOGPROBS)
    if top is not None and not wanted:
        raise _bad("top_logprobs needs logprobs to be true.", "top_logprobs")
    limit = _whole(body, "max_completion_tokens", 1) or _whole(body, "max_tokens", 1)
    return Ask(**fields, messages=_messages(body.get("messages")), limit=limit, logprobs=(top or 0) if wanted else None)


def completion_ask(body: Any) -> Ask:
    """Check the JSON of POST /v1/completions. Raises: ApiError with status 400."""
    fields = _common(body)
    prompt = body.get("prompt")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, list) or not prompts or not all(isinstance(text, str) and text for text in prompts):
        raise _bad("prompt must be a text that is not empty, or a list of such texts.", "prompt")
    limit = _whole(body, "max_tokens", 1)
    logprobs = _whole(body, "logprobs", 0, MOST_LOGPROBS)
    return Ask(**fields, prompts=tuple(prompts), limit=16 if limit is None else limit, logprobs=logprobs)


def _common(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _bad("The body of the request must be a JSON object.", None)
    for name in UNSUPPORTED:
        if body.get(name) not in (None, 0, False, [], {}, "none", {"type": "text"}):
            raise _bad(f"{name} is not supported by this server.", name, "unsupported_parameter")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _bad("You must provide a model.", "model")
    options = body.get("stream_options") or {}
    top_p = _number(body, "top_p", 0.0, 1.0, 1.0)
    if top_p == 0:
        raise _bad("top_p must be above 0.", "top_p")
    return {
        "model": model,
        "temperature": _number(body, "temperature", 0.0, 2.0, 1.0),
        "top_p": top_p,
        "seed": _whole(body, "seed"),
        "choices": _whole(body, "n", 1, MOST_CHOICES) or 1,
        "stop": _stops(body.get("stop")),
        "stream": _flag(body, "stream"),
        "usage": isinstance(options, dict) and options.get("include_usage") is True,
    }


def _messages(given: Any) -> tuple[dict[str, str], ...]:
    if not isinstance(given, list) or not given:
        raise _bad("messages must be a list with at least one message.", "messages")
    return tuple(_message(message, f"messages[{at}]") for at, message in enumerate(given))


def _message(message: Any, where: str) -> dict[str, str]:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise _bad(f"{where} must be an object whose role is one of {', '.join(ROLES)}.", f"{where}.role")
    content = message.get("content")
    if isinstance(content, list):  # the long form: a list of parts
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
            raise _bad(f"{where}: only parts of text are supported.", f"{where}.content")
        content = "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise _bad(f"{where} needs a text as content.", f"{where}.content")
    role = "system" if message["role"] == "developer" else message["role"]
    return {"role": role, "content": content}


def _stops(given: Any) -> tuple[str, ...]:
    stops = [] if given is None else [given] if isinstance(given, str) else given
    right = isinstance(stops, Sequence) and len(stops) <= MOST_STOPS
    if not right or not all(isinstance(stop, str) and stop for stop in stops):
        raise _bad(f"stop must be a text, or a list of up to {MOST_STOPS} texts, none of them empty.", "stop")
    return tuple(stops)


def _whole(body: dict[str, Any], name: str, low: int | None = None, high: int | None = None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    right = isinstance(value, int) and not isinstance(value, bool)
    if not right or (low is not None and value < low) or (high is not None and value > high):
        limits = "" if low is None else f" from {low}" if high is None else f" from {low} to {high}"
        raise _bad(f"{name} must be a whole number{limits}; it is {value!r}.", name)
    return int(value)


def _number(body: dict[str, Any], name: str, low: float, high: float, default: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not right or not low <= value <= high:
        raise _bad(f"{name} must be a number from {low:g} to {high:g}; it is {value!r}.", name)
    return float(value)


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _bad(f"{name} must be true or false.", name)
    return bool(value)


def _bad(message: str, param: str | None, code: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code=code)
