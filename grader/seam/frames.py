"""Messages on a socket: eight bytes of length, then the message."""
from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

from grader.seam.values import CodecError

CHUNK = 1 << 20


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
    sock.sendall(struct.pack("<Q", len(data)) + data if len(data) < CHUNK else struct.pack("<Q", len(data)))
    if len(data) >= CHUNK:
        sock.sendall(data)


def receive_frame(sock: socket.socket, size_limit: int, deadline: float | None = None) -> bytes:
    """Receive one message.

    The claimed length is checked first and never used to reserve memory; `deadline` (time.monotonic) is for the whole
    frame, however slowly it trickles in. Raises TimeoutError, EOFError, OSError or CodecError.
    """
    (size,) = struct.unpack("<Q", _take(sock, 8, deadline))
    if size > size_limit:
        raise CodecError(f"a frame of {size} bytes is too large")
    return _take(sock, size, deadline)


def _take(sock: socket.socket, size: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)
        part = sock.recv(min(CHUNK, size - len(data)))
        if not part:
            raise EOFError("connection closed")
        data += part
    return bytes(data)
