"""Messages on a socket: eight bytes of length, then the message."""
from __future__ import annotations

import socket
import struct
import time

from grader.seam.values import CodecError

CHUNK = 1 << 20


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
