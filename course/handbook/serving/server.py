"""A uvicorn server in a thread of this process, on a free port of this machine, for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from handbook.serving.app import app_for
from handbook.serving.bodies import ChatBody
from handbook.serving.generation import Speaker

HOST = "127.0.0.1"  # never 0.0.0.0: nobody else may reach it
PATIENCE = 10.0  # seconds to come up, and to end


@dataclass(frozen=True)
class Server:
    """Where a running server is found. `url` is what an OpenAI client takes as `base_url`."""

    port: int
    model: str
    app: Any

    @property
    def root(self) -> str:
        """The address without /v1."""
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The address of the OpenAI interface."""
        return f"{self.root}/v1"


@contextlib.contextmanager
def serve(lm: Speaker, *, name: str = "", key: str = "", port: int = 0, chat_body: ChatBody | None = None) -> Iterator[Server]:
    """Serve a model while the block runs: `with serve(lm) as server: OpenAI(base_url=server.url, api_key="none")`.

    Port 0 takes a free one. `name`, `key` and `chat_body` are those of `app_for`.
    Raises: RuntimeError if the server does not come up.
    """
    app = app_for(lm, name=name, key=key, chat_body=chat_body)
    with serve_app(app, model=name or lm.name, port=port) as server:
        yield server


@contextlib.contextmanager
def serve_app(app: Any, *, model: str = "", port: int = 0) -> Iterator[Server]:
    """Serve any ASGI app while the block runs. Raises: RuntimeError if the server does not come up."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
    running = uvicorn.Server(config)
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(place), _reached_directly():
        place.bind((HOST, port))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [place]}, name=f"model server {place.getsockname()[1]}", daemon=True)
        thread.start()
        try:
            _until_up(running, thread)
            yield Server(place.getsockname()[1], model, app)
        finally:
            running.should_exit = True
            thread.join(PATIENCE)


def _until_up(running: Any, thread: threading.Thread) -> None:
    deadline = time.monotonic() + PATIENCE
    while not running.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the server did not come up")
        time.sleep(0.005)


@contextlib.contextmanager
def _reached_directly() -> Iterator[None]:
    """Tell clients not to ask a proxy for this machine."""
    before = {name: os.environ.get(name) for name in ("NO_PROXY", "no_proxy")}
    try:
        for name, value in before.items():
            os.environ[name] = f"{value},{HOST}" if value else HOST
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
