"""A small progress bar on stdout: a moving line at a terminal, two plain lines elsewhere (a notebook, a log)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WIDTH = 24


class Progress:
    """Show how far one long step is. `total` is in bytes, or 0 if the end isn't known beforehand."""

    def __init__(self, label: str, total: int = 0) -> None:
        self.label = label
        self.total = total
        self.began = time.monotonic()
        self.moving = sys.stdout.isatty()
        size = f" ({total / 1e6:.0f} MB)" if total else ""
        self._write(f"handbook: {label}{size} ...", end="" if self.moving else "\n")

    def show(self, done: int) -> None:
        """Redraw the bar at `done` bytes; nothing where a line can't be redrawn."""
        if not self.moving:
            return
        seconds = time.monotonic() - self.began
        if self.total:
            share = min(done / self.total, 1.0)
            filled = round(share * WIDTH)
            state = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}"
        else:
            state = "." * (1 + int(2 * seconds) % WIDTH)
        self._write(f"\r\x1b[Khandbook: {self.label} {state} {seconds:3.0f} s", end="")

    def follow(self, process: subprocess.Popen[bytes], measure: Callable[[], int]) -> None:
        """Keep the bar up to date until a child process has ended; a Ctrl-C here ends the child too."""
        try:
            while True:
                try:
                    process.wait(timeout=0.25)
                except subprocess.TimeoutExpired:
                    self.show(measure())
                else:
                    return
        except BaseException:
            process.kill()
            process.wait()
            raise

    def finish(self, word: str = "done") -> None:
        """End the line with how it went and how long it took."""
        start = "\r\x1b[K" if self.moving else ""
        self._write(f"{start}handbook: {self.label}: {word} in {time.monotonic() - self.began:.0f} s", end="\n")

    @staticmethod
    def _write(text: str, *, end: str) -> None:
        print(text, end=end, flush=True)


def folder_size(folder: Path) -> int:
    """Add up the bytes of all files below a folder, passing over those that vanish meanwhile."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # the installer moves its files about while we look
            continue
    return total
