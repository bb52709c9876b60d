"""Look at the disks before anything is written to them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from grader.environment.errors import no_space

MODELS_BYTES = 900_000_000  # while both are prepared; 450 MB afterwards


def model_cache() -> Path:
    """Where the models are kept: handbook.models.cache_dir(), without importing what isn't installed yet."""
    if chosen := os.environ.get("HANDBOOK_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "llm-engineers-handbook"


def require_space(needs: list[tuple[Path, int, str]]) -> None:
    """Raise SetupError unless every disk has room for all that will be put on it.

    Args: needs are (folder, bytes, what for); folders on the same disk are added up, and need not exist yet.
    """
    by_disk: dict[int, list[tuple[Path, int, str]]] = {}
    for folder, size, what in needs:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        by_disk.setdefault(existing.stat().st_dev, []).append((existing, size, what))
    for rows in by_disk.values():
        free = shutil.disk_usage(rows[0][0]).free
        needed = sum(size for _, size, _ in rows)
        if free < needed:
            what = " and ".join(what for _, _, what in rows)
            raise no_space(f"{rows[0][0]} has {free / 1e9:.1f} GB free; {what} need {needed / 1e9:.1f} GB")
