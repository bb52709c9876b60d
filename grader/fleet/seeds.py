"""Seeds of the checks' inputs: each student's own, the same at every regrade, and not to be guessed without the course's secret."""
from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from grader.folders import write_whole

RANGE = 1_000_000_000
NAME = "secret.key"


def course_secret(build: Path) -> bytes:
    """The secret of this class: HANDBOOK_SECRET, or a random one that is kept in the build folder."""
    if given := os.environ.get("HANDBOOK_SECRET"):
        return given.encode()
    path = build / NAME
    if not path.is_file():
        write_whole(path, secrets.token_hex(32), mode=0o600)
    return path.read_bytes()


def seed_for(secret: bytes, student: str, exercise: str) -> int:
    """The seed of one student's exercise: HMAC-SHA256 (RFC 2104) of their names under the secret, as a number below a billion."""
    digest = hmac.new(secret, f"{student}\0{exercise}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") % RANGE
