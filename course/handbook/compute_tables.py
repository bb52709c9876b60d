"""What lesson p2_6 calculates with: accelerators, published training runs, and offers of clouds, as dated data.

Data card. The numbers lie in data/accelerators.toml, data/training_runs.toml and data/cloud_offers.toml, looked up in
November 2026. Every row names its source, and a figure that no source gave is left out, not estimated.
- ACCELERATORS: peaks of one chip as its maker states them, for dense matrices. Nobody reaches them in practice. Some
  rows come from the makers' own pages, others from collections that quote them; the source says which.
- RUNS: sizes and GPU-hours as the model cards and papers state them. A card does not say what its hours contain.
- SHAPES: the form of some of these models, as `config` of the lesson's functions.
- SEEN_PRICES: list prices with the month in which they stood somewhere. They are out of date by now.
- OFFERS: made up for this course, in round figures. No cloud asks these prices. Put your own quotations in their place.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOKED_UP = "2026-11"
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Accelerator:
    """One chip: peak TFLOP/s by number format, memory in GB, memory bandwidth in GB/s."""

    name: str
    kind: str
    tflops: dict[str, float]
    memory: float
    bandwidth: float
    source: str

    @property
    def half(self) -> float:
        """The peak in TFLOP/s for 16-bit numbers, which is what training uses."""
        return self.tflops.get("bf16") or self.tflops["fp16"]


@dataclass(frozen=True)
class Run:
    """One published training run; gpu_hours, gpus and flops are None where the source does not give them."""

    model: str
    year: int
    parameters: float
    tokens: float
    accelerator: str
    source: str
    gpu_hours: float | None = None
    gpus: int | None = None
    flops: float | None = None

    @property
    def chip(self) -> Accelerator:
        """The accelerator that it ran on."""
        return ACCELERATORS[self.accelerator]


@dataclass(frozen=True)
class Price:
    """A list price that was seen: dollars an hour for a machine with `gpus` chips, and when and where."""

    what: str
    gpus: int
    dollars: float
    when: str
    source: str


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_DATA / name).read_text(encoding="utf-8"))


def _shape(row: dict[str, Any]) -> dict[str, int]:
    return {key: int(value) for key, value in row.items() if key not in ("model", "source")}


_runs, _clouds = _read("training_runs.toml"), _read("cloud_offers.toml")

ACCELERATORS: dict[str, Accelerator] = {row["name"]: Accelerator(**row) for row in _read("accelerators.toml")["accelerators"]}
RUNS: tuple[Run, ...] = tuple(Run(**row) for row in _runs["runs"])
SHAPES: dict[str, dict[str, int]] = {row["model"]: _shape(row) for row in _runs["shapes"]}
SEEN_PRICES: tuple[Price, ...] = tuple(Price(**row) for row in _clouds["seen"])
OFFERS: tuple[dict[str, Any], ...] = tuple(_clouds["offers"])
