"""The routes of the server. `app_for(lm)` gives a FastAPI app; add routes of your own to it before it is served."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from handbook.serving import bodies
from handbook.serving.bodies import ChatBody, Json
from handbook.serving.errors import ApiError, unknown_model
from handbook.serving.generation import Piece, Reply, Speaker, pieces, prompt_ids
from handbook.serving.requests import Ask, chat_ask, completion_ask

log = logging.getLogger("handbook.serving")
log.addHandler(logging.NullHandler())  # silent unless a program asks for it: a lesson keeps stderr clean


class Service:
    """One model and the work on it. Requests run side by side and take turns at the model, step by step."""

    def __init__(self, lm: Speaker, *, name: str = "", chat_body: ChatBody | None = None) -> None:
        self.lm, self.name = lm, name or lm.name
        self.chat_body = chat_body or bodies.chat_body
        self.created = int(time.time())
        self._lock = threading.Lock()
        self._threads = torch.get_num_threads()

    def card(self) -> Json:
        """Return how the model is listed."""
        return {"id": self.name, "object": "model", "created": self.created, "owned_by": "you"}

    def known(self, model: str) -> None:
        """Raise an ApiError (404) unless this is the model that is served."""
        if model != self.name:
            raise unknown_model(model, [self.name])

    def chat_prompts(self, ask: Ask) -> list[list[int]]:
        """Return the ids of the conversation, as the model's chat template has it."""
        return [prompt_ids(self.lm, self.lm.chat_text(list(ask.messages)))]

    def text_prompts(self, ask: Ask) -> list[list[int]]:
        """Return the ids of each prompt, as they are."""
        return [prompt_ids(self.lm, text) for text in ask.prompts]

    def replies(self, ask: Ask, prompts: list[list[int]]) -> Iterator[tuple[int, Reply, Iterator[Piece]]]:
        """Yield index, reply and its pieces for each choice of each prompt; draw the pieces to fill the reply."""
        torch.set_num_threads(self._threads)  # a new thread would take all cores
        for index, (ids, choice) in enumerate(itertools.product(prompts, range(ask.choices))):
            reply = Reply()
            yield index, reply, pieces(self.lm, ids, ask, reply, choice=choice, lock=self._lock)

    def finished(self, ask: Ask, prompts: list[list[int]]) -> list[Reply]:
        """Return all replies, written to their end."""
        done = []
        for _, reply, drawn in self.replies(ask, prompts):
            for _ in drawn:
                pass  # the reply fills itself
            done.append(reply)
        return done

    def chat(self, ask: Ask) -> Json:
        """Answer a chat in one body."""
        prompts = self.chat_prompts(ask)
        done = self.finished(ask, prompts)
        plain = [{"text": reply.text, "tokens": reply.tokens, "ended": reply.ended} for reply in done]
        body = self.chat_body(self.name, plain, len(prompts[0]))
        if ask.logprobs is not None:
            for choice, reply in zip(body["choices"], done, strict=True):
                choice["logprobs"] = bodies.chat_logprobs(reply.pieces)
        return body

    def completion(self, ask: Ask) -> Json:
        """Answer plain prompts in one body."""
        prompts = self.text_prompts(ask)
        done = self.finished(ask, prompts)
        return bodies.completion_body(self.name, done, sum(map(len, prompts)), logprobs=ask.logprobs is not None)

    def stream(self, ask: Ask, prompts: list[list[int]], *, chat: bool) -> Iterator[str]:
        """Yield the events of a streamed reply. An error half-way is an event too: the status is long sent."""
        head = bodies.head("chat.completion.chunk" if chat else "text_completion", self.name)
        try:
            total = 0
            for index, reply, drawn in self.replies(ask, prompts):
                for choice in _chat_choices(index, reply, drawn, ask) if chat else _text_choices(index, reply, drawn, ask):
                    yield bodies.event(head | {"choices": [choice]})
                total += reply.tokens
            if ask.usage:
                yield bodies.event(head | {"choices": [], "usage": bodies.usage(sum(map(len, prompts)), total)})
        except Exception:
            yield bodies.event(_failed().body())
        yield bodies.DONE


def _chat_choices(index: int, reply: Reply, drawn: Iterator[Piece], ask: Ask) -> Iterator[Json]:
    yield bodies.chat_choice(index, {"role": "assistant", "content": ""}, None)
    for piece in drawn:
        if piece.text or ask.logprobs is not None:
            told = bodies.chat_logprobs([piece]) if ask.logprobs is not None and piece.token else None
            yield bodies.chat_choice(index, {"content": piece.text}, None, told)
    yield bodies.chat_choice(index, {}, bodies.finish_reason(reply.ended))


def _text_choices(index: int, reply: Reply, drawn: Iterator[Piece], ask: Ask) -> Iterator[Json]:
    for piece in drawn:
        if piece.text or ask.logprobs is not None:
            told = bodies.text_logprobs([piece]) if ask.logprobs is not None and piece.token else None
            yield bodies.text_choice(index, piece.text, None, told)
    yield bodies.text_choice(index, "", bodies.finish_reason(reply.ended))


def _failed() -> ApiError:
    """Put what the model's code has raised into the log. Its text is not for the client."""
    log.exception("a request failed")
    return ApiError(500, "The server had an error while it processed your request.")


def _answer(work: Callable[[Ask], Json], ask: Ask) -> Json:
    """Do the work of a request. Raises: ApiError, and nothing else."""
    try:
        return work(ask)
    except ApiError:
        raise
    except Exception as error:
        raise _failed() from error


class Routes:
    """The addresses of OpenAI's interface, for one service. `key` is what clients must show, "" lets all in."""

    def __init__(self, service: Service, key: str) -> None:
        self.service, self.key = service, key

    def allow(self, request: Any) -> None:
        """Raise an ApiError (401) unless the request carries the key."""
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")

    async def asked(self, request: Any, check: Callable[[Any], Ask]) -> Ask:
        """Return the checked request. Raises: ApiError."""
        self.allow(request)
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            raise ApiError(400, "The body of the request is not valid JSON.") from None
        ask = check(body)
        self.service.known(ask.model)
        return ask

    async def chat_completions(self, request: Any) -> Any:
        """POST /v1/chat/completions."""
        ask = await self.asked(request, chat_ask)
        if not ask.stream:
            return JSONResponse(await run_in_threadpool(_answer, self.service.chat, ask))
        return self._streamed(ask, self.service.chat_prompts(ask), chat=True)

    async def completions(self, request: Any) -> Any:
        """POST /v1/completions."""
        ask = await self.asked(request, completion_ask)
        if not ask.stream:
            return JSONResponse(await run_in_threadpool(_answer, self.service.completion, ask))
        return self._streamed(ask, self.service.text_prompts(ask), chat=False)

    def _streamed(self, ask: Ask, prompts: list[list[int]], *, chat: bool) -> Any:
        """Start a stream. The prompts are made before the status is sent, so that one too long is still a 400."""
        return StreamingResponse(self.service.stream(ask, prompts, chat=chat), media_type="text/event-stream")

    async def models(self, request: Any) -> Any:
        """GET /v1/models."""
        self.allow(request)
        return JSONResponse({"object": "list", "data": [self.service.card()]})

    async def one_model(self, request: Any) -> Any:
        """GET /v1/models/{model}."""
        self.allow(request)
        self.service.known(request.path_params["model"])
        return JSONResponse(self.service.card())


async def refuse(request: Any, error: ApiError) -> Any:
    """Turn an ApiError into a response."""
    return JSONResponse(error.body(), error.status, headers=error.headers)


async def no_such_route(request: Any, error: Any) -> Any:
    """Answer an address or a method that does not exist."""
    message = f"Invalid URL ({request.method} {request.url.path}): {error.detail}"
    return await refuse(request, ApiError(error.status_code, message, code="unknown_url"))


def app_for(lm: Speaker, *, name: str = "", key: str = "", chat_body: ChatBody | None = None) -> Any:
    """Return a FastAPI app that serves one model.

    `name` is what clients call it; `key` is the API key that they must show, if any;
    `chat_body(model, replies, prompt_tokens)` writes the body of a chat completion in place of ours.
    """
    routes = Routes(Service(lm, name=name, chat_body=chat_body), key)
    app = FastAPI(title="A language model", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_route("/v1/chat/completions", routes.chat_completions, methods=["POST"])
    app.add_route("/v1/completions", routes.completions, methods=["POST"])
    app.add_route("/v1/models", routes.models, methods=["GET"])
    app.add_route("/v1/models/{model:path}", routes.one_model, methods=["GET"])
    app.add_exception_handler(ApiError, refuse)
    app.add_exception_handler(HTTPException, no_such_route)
    return app
