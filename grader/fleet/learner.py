"""The learner's process: runs the cells that the judge sends, then answers the judge's calls. Nothing it says is believed."""
from __future__ import annotations

import contextlib
import socket
import sys
import types
from typing import Any

from grader.notebook_run import run_cell
from grader.seam import decode, encode, serve
from grader.seam.frames import receive_frame, send_frame
from grader.seam.values import LIMITS

READY = "ready"
TEXT = 2_000  # characters of an error's text


def answer(sock: socket.socket) -> None:
    """Run the cells, tell how each one ended, and serve calls until the judge hangs up."""
    module = types.ModuleType("__main__")
    module.__dict__["display"] = lambda *values, **options: None
    sys.modules["__main__"] = module
    with contextlib.suppress(EOFError, OSError):
        send_frame(sock, encode(READY, LIMITS))
        while True:
            request = decode(receive_frame(sock, LIMITS.bytes), LIMITS)
            if request is None:
                send_frame(sock, encode(READY, LIMITS))
                break
            send_frame(sock, encode(_run(request, module.__dict__), LIMITS))
        serve(sock, module.__dict__)


def refuse(sock: socket.socket, why: str) -> None:
    """Tell the judge that this process could not be shut in, so that nothing was run."""
    send_frame(sock, encode(why, LIMITS))


def _run(request: Any, namespace: dict[str, Any]) -> tuple[str, str, str]:
    """One cell: the kind and the text of what it stopped with, and what it printed."""
    name, source, seconds, printed = request
    problem, text = run_cell(name, source, namespace, seconds=seconds, printed=printed)
    if problem is None:
        return "", "", text
    return problem[0][:80], problem[1][:TEXT], text
