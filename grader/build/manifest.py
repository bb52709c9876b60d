"""What is known about each executed solution: what it was made from, and what running it cost."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grader.build.layout import Layout
from grader.folders import read_json, write_json


@dataclass(frozen=True)
class Measured:
    """The cost of one full run of a lesson, on one thread, and the month in which it was measured."""

    cpu_seconds: float
    peak_gb: float
    month: str

    @classmethod
    def rounded(cls, cpu_seconds: float, peak_bytes: float, month: str) -> Measured:
        """Keep as many digits as a reader can use."""
        return cls(round(cpu_seconds) if cpu_seconds >= 10 else round(cpu_seconds, 1), round(peak_bytes / 1e9, 1), month)


@dataclass(frozen=True)
class Row:
    """One lesson. `source` is the hash of what its outputs were made from, or "" if it has no outputs."""

    source: str = ""
    measured: Measured | None = None


def read_manifest(layout: Layout) -> dict[str, Row]:
    """All rows by lesson stem."""
    return {stem: _row(row) for stem, row in read_json(layout.manifest).items()}


def update_manifest(layout: Layout, rows: dict[str, Row], *, keep: set[str] | None = None) -> None:
    """Put rows in; with `keep`, drop those of lessons that are not in it."""
    merged = {**read_manifest(layout), **rows}
    write_json(layout.manifest, {stem: _table(row) for stem, row in merged.items() if keep is None or stem in keep})


def _row(table: dict[str, Any]) -> Row:
    known = "cpu_seconds" in table
    return Row(table.get("source", ""), Measured(table["cpu_seconds"], table["peak_gb"], table["measured"]) if known else None)


def _table(row: Row) -> dict[str, Any]:
    table: dict[str, Any] = {"source": row.source}
    if row.measured is not None:
        table |= {"cpu_seconds": row.measured.cpu_seconds, "peak_gb": row.measured.peak_gb, "measured": row.measured.month}
    return table
