"""Messages on a socket: eight bytes of length, then the message."""
from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

from grader.seam.values import CodecError

CHUNK = 1 << 18
LENGTH = struct.Struct("<Q")

HEADER = struct.Struct("<Qd?I")


class Request(NamedTuple):
    """One request of the judge's: its number, handles that are no longer needed, seconds, whether to keep the result, and the call."""

    number: int
    dropped: tuple[int, ...]
    seconds: float
    keep: bool
    call: bytes

    def pack(self) -> bytes:
        """The request as bytes. They are written by the judge, whom the learner's side believes."""
        dropped = struct.pack(f"<{len(self.dropped)}Q", *self.dropped)
        return HEADER.pack(self.number, self.seconds, self.keep, len(self.dropped)) + dropped + self.call

    @classmethod
    def unpack(cls, data: bytes) -> Request:
        """The request in these bytes."""
        number, seconds, keep, count = HEADER.unpack_from(data)
        start = HEADER.size + 8 * count
        return cls(number, struct.unpack_from(f"<{count}Q", data, HEADER.size), seconds, keep, data[start:])


def send_frame(sock: socket.socket, data: bytes) -> None:
    """Send one message."""
    length = LENGTH.pack(len(data))
    if len(data) < CHUNK:
        sock.sendall(length + data)
        return
    sock.sendall(length)
    sock.sendall(data)


def receive_frame(sock: socket.socket, size_limit: int, deadline: float | None = None) -> bytes:
    """Receive one message.

    Judge and learner take turns, so that a message comes alone: bytes behind it are an error. The claimed length is
    checked first and never used to reserve memory; `deadline` (time.monotonic) is for the whole frame, however slowly it
    trickles in. Raises TimeoutError, EOFError, OSError or CodecError.
    """
    data = _more(sock, deadline)
    while len(data) < LENGTH.size:
        data += _more(sock, deadline)
    (size,) = LENGTH.unpack_from(data)
    if size > size_limit:
        raise CodecError(f"a frame of {size} bytes is too large")
    end = LENGTH.size + size
    if len(data) < end:
        parts = bytearray(data)
        while len(parts) < end:
            parts += _more(sock, deadline)
        data = bytes(parts)
    if len(data) > end:
        raise CodecError("more than one frame at once")
    return data[LENGTH.size :]


def _more(sock: socket.socket, deadline: float | None) -> bytes:
    """Whatever has come, at most CHUNK bytes."""
    if deadline is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
    part = sock.recv(CHUNK)
    if not part:
        raise EOFError("connection closed")
    return part
