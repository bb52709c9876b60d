"""What went wrong, in the form that OpenAI's clients turn into their exceptions."""

from __future__ import annotations

from typing import Any

KINDS = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}


class ApiError(Exception):
    """A refusal with its HTTP status: 400 wrong request, 401 wrong key, 404 unknown, 429 too many, 500 our fault.

    `param` is the field of the request that is to blame, `code` a word that a program can act on.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON of this error."""
        kind = KINDS.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def unknown_model(asked: str, known: list[str]) -> ApiError:
    """Return the error for a model that this server does not have."""
    message = f"The model {asked!r} does not exist here; known: {', '.join(known)}."
    return ApiError(404, message, param="model", code="model_not_found")
