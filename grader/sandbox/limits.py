"""What one submission may use, and what it is told when it wants more."""
from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

if sys.platform != "win32":
    import resource

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits for one submission. Sizes are in MiB, times in seconds."""

    memory: int = 2048  # beyond what the warm server had already
    processes: int = 48  # threads count as well
    open_files: int = 256
    file_size: int = 64
    scratch: int = 128  # /tmp and /dev/shm together hold twice this
    cpu: int = 150
    cell: float = 30.0
    call: float = 5.0
    total: float = 240.0
    printed: int = 100_000  # characters kept of what one cell prints

    def as_json(self) -> dict[str, Any]:
        """The limits as plain data."""
        return asdict(self)


def apply(limits: Limits) -> None:
    """Set this process's resource limits; its children inherit them."""
    most = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_size * MIB,
        resource.RLIMIT_CPU: limits.cpu,
        resource.RLIMIT_AS: _address_space() + limits.memory * MIB,
        resource.RLIMIT_NPROC: limits.processes,
    }
    for number, value in most.items():
        soft_or_hard = resource.getrlimit(number)[1]
        value = value if soft_or_hard == resource.RLIM_INFINITY else min(value, soft_or_hard)
        resource.setrlimit(number, (value, value))


def _address_space() -> int:
    """How much this process has mapped already, in bytes."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
