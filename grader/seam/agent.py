"""The learner's side of the seam: does what the judge asks, one call at a time.

Everything here runs beside the learner's code and may be patched by it. It exists to be convenient for honest answers;
the judge (link.py) believes nothing that comes out of it beyond its values.
"""
from __future__ import annotations

import contextlib
import linecache
import os.path
import re
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

from grader.seam.alarm import Alarm, TimeLimit
from grader.seam.capture import CappedText, Switch, captured
from grader.seam.codec import decode, encode
from grader.seam.frames import Request, receive_frame, send_frame
from grader.seam.probes import compile_source, find_name
from grader.seam.values import EACH, HAS, IDENTITY, LIMITS, LOOKUP, CodecError, Limits, Name, Ref, Source, Token, safe_str

OUTPUT_LIMIT = 16_000  # characters of printed text that one call may send back
DESCRIBE_SECONDS = 0.2  # for the text of an exception: its __str__ is the learner's code too
_NOTHING = contextlib.nullcontext()
_CELL = re.compile(r"[\\/]ipykernel_\d+[\\/]|^<")  # files that no one can open: notebook cells, <string>


class Agent:
    """Answer requests about `namespace`.

    The only request is a call: functions, classes, attribute reads and iteration are all calls of something that the
    request names. With `interruptible`, a KeyboardInterrupt is the user's own and passes through. Printing is captured
    for each call, or goes through `printing` where that has taken over the streams of the process for good.
    """

    def __init__(self, namespace: dict[str, Any], limits: Limits = LIMITS, *, interruptible: bool = False,
                 printing: Switch | None = None) -> None:
        self.namespace, self.limits, self.interruptible, self.printing = namespace, limits, interruptible, printing
        self.verbs: dict[Name, Callable[..., object]] = {
            IDENTITY: lambda value: value, LOOKUP: self._look_up, HAS: lambda name: name in namespace, EACH: self._each}
        self.objects: dict[int, object] = {}
        self.last_id = 0
        self.last_error: BaseException | None = None

    def handle(self, request: bytes) -> bytes:
        """Make the call that `request` asks for and report how it ended."""
        number, dropped, seconds, keep, call = Request.unpack(request)
        for ref in dropped:
            self.objects.pop(ref, None)
        self.last_error = None
        printed = CappedText(OUTPUT_LIMIT)

        def reply(status: str, body: object) -> bytes:
            return encode((number, status, body, printed.text()), self.limits, self._refer)

        with Alarm() as alarm, self._captured(printed), torch.inference_mode(False), torch.enable_grad():
            self.alarm, self.due = alarm, time.monotonic() + seconds
            try:
                alarm.arm(seconds)
                return self._answer(call, keep, reply, alarm)
            except TimeLimit as error:
                alarm.disarm()
                self.last_error = error
                return reply("timeout", f"no answer within {seconds:.3g} s")

    def _captured(self, printed: CappedText) -> contextlib.AbstractContextManager[None]:
        if self.printing is None:
            return captured(printed)
        self.printing.turn(printed)
        return _NOTHING

    def _answer(self, call: bytes, keep: bool, reply: Callable[[str, object], bytes], alarm: Alarm) -> bytes:
        try:
            target, args, kwargs = decode(call, self.limits, self._resolve)
            result = target(*args, **kwargs)
            try:
                return reply("ok", self._refer(result) if keep else result)
            except CodecError as error:
                return reply("unsendable", safe_str(error))
        except TimeLimit:
            raise
        except BaseException as error:
            if self.interruptible and isinstance(error, KeyboardInterrupt):
                raise
            return reply("error", self._describe(error, alarm))
        finally:
            alarm.disarm()

    def _describe(self, error: BaseException, alarm: Alarm) -> tuple[str, str, str]:
        self.last_error = error
        try:
            alarm.arm(DESCRIBE_SECONDS)
            return safe_str(type(error).__name__, 80), safe_str(error), self._line_of(error)
        except BaseException:
            return "Exception", "<it can't be described>", ""

    def _line_of(self, error: BaseException) -> str:
        """The innermost line that belongs to the learner: `line 7: text` in a notebook, else `file.py:7: text`."""
        found = ""
        for frame, number in traceback.walk_tb(error.__traceback__):
            if frame.f_globals is self.namespace:
                file = frame.f_code.co_filename
                place = f"line {number}" if _CELL.search(file) else f"{os.path.basename(file)}:{number}"
                text = linecache.getline(file, number).strip()
                found = f"{place}: {text}" if text else place
        return found[:500]

    def _each(self, target: str | Callable[..., object], cases: list[tuple[object, ...]]) -> list[tuple[bool, object]]:
        """Call a function, or the learner's of this name, once a case; each ends in (True, result) or (False, what it raised)."""
        function: Any = self._look_up(target) if isinstance(target, str) else target
        ends: list[tuple[bool, object]] = []
        for case in cases:
            try:
                ends.append((True, function(*case)))
            except TimeLimit:
                raise
            except BaseException as error:
                if self.interruptible and isinstance(error, KeyboardInterrupt):
                    raise
                ends.append((False, self._describe(error, self.alarm)))
                self.alarm.arm(max(self.due - time.monotonic(), 1e-6))
        return ends

    def _look_up(self, name: str) -> object:
        try:
            return self.namespace[name]
        except KeyError:
            raise NameError(f"`{name}` is not defined") from None

    def _refer(self, value: object) -> Ref:
        self.last_id += 1
        self.objects[self.last_id] = value
        return Ref(self.last_id, type(value).__name__)

    def _resolve(self, token: Token) -> object:
        if isinstance(token, Ref):
            return self.objects[token.id]
        if isinstance(token, Source):
            return compile_source(token)
        return self.verbs[token] if token in self.verbs else find_name(token.path)


def serve(sock: socket.socket, namespace: dict[str, Any], limits: Limits = LIMITS) -> None:
    """Answer the judge at the other end of `sock` until it hangs up."""
    printing = Switch(CappedText(0))
    agent = Agent(namespace, limits, printing=printing)
    with contextlib.suppress(EOFError, OSError), captured(printing):
        while True:
            send_frame(sock, agent.handle(receive_frame(sock, limits.bytes)))
