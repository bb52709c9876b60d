"""A language model behind HTTP, as OpenAI's interface has it: `with serve(lm) as server:` on this machine only.

Routes: POST /v1/chat/completions and /v1/completions (streamed or not), GET /v1/models and /v1/models/{model}.
FastAPI and uvicorn are imported when a server is made. `why_not()` says in a sentence what is missing, if anything.

errors      OpenAI's error bodies, and the exception that carries one
requests    what a client may ask for, checked field by field
generation  the tokens of one reply: sampling, stop strings, half characters
bodies      the JSON of replies, and of the pieces of a stream
app         the routes
server      a uvicorn server in a thread
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handbook.serving.app import app_for
    from handbook.serving.bodies import chat_body
    from handbook.serving.errors import ApiError
    from handbook.serving.server import Server, serve, serve_app

_HOMES = {
    "ApiError": "errors",
    "Server": "server",
    "app_for": "app",
    "chat_body": "bodies",
    "serve": "server",
    "serve_app": "server",
}
__all__ = ["ApiError", "Server", "app_for", "chat_body", "serve", "serve_app", "why_not"]


def why_not(*packages: str) -> str:
    """Return what is missing for a server and its client in a sentence, or "" if nothing is.

    >>> why_not("surely_not_installed")
    'This needs surely_not_installed: pip install surely_not_installed, then run the cell again.'
    """
    wanted = packages or ("fastapi", "uvicorn", "openai")
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return f"This needs {', '.join(missing)}: pip install {' '.join(missing)}, then run the cell again."


def __getattr__(name: str) -> Any:
    """Import a piece when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'handbook.serving' has no attribute {name!r}")
    return getattr(importlib.import_module(f"handbook.serving.{_HOMES[name]}"), name)
