"""Twelve projects that need a language model, and seven ways to get one: made-up cards and made-up offers.

Data card. Written for this course; no offer is a real product, and no price is a quotation. The prices are round and of the
order of what was asked in 2025, so that the trade-offs are real even if the figures are not. Put your own quotations in
their place before you decide anything. `quality` is a rank from 1 to 5 for the job at hand: measure your own.

An offer: `data` the kinds of data that may be sent there · `on_prem` runs in your own building · `weights` you can hold and
fine-tune the weights · `quality` · `per_million` $ a million tokens · `fixed` $ a month, for each machine ·
`capacity` millions of tokens a month that one machine writes, None where the provider sees to that · `engineers` who run it.
A project: what it needs of each; `tokens` in millions a month, `budget` in $ a month, `engineers` who are free.
"""

from __future__ import annotations

from typing import Any

_OPEN, _ALL = ("public", "confidential"), ("public", "confidential", "phi")  # phi: health records of a person

_OFFER = ("name", "data", "on_prem", "weights", "quality", "per_million", "fixed", "capacity", "engineers")
_OFFERS: tuple[tuple[Any, ...], ...] = (
    ("commercial API, large model", _OPEN, False, False, 5, 8.0, 0, None, 0),
    ("commercial API, small model", _OPEN, False, False, 3, 0.5, 0, None, 0),
    ("commercial API, health contract", _ALL, False, False, 5, 8.0, 2000, None, 0),
    ("open weights, hosted API", _OPEN, False, True, 4, 0.75, 0, None, 0),
    ("open weights, rented GPUs", _ALL, False, True, 4, 0.0, 1500, 2000, 1),
    ("open weights, own GPUs", _ALL, True, True, 4, 0.0, 2500, 4000, 2),
    ("small open weights, own CPUs", _ALL, True, True, 2, 0.0, 150, 60, 1),
)

_CARD = ("title", "data", "on_prem", "weights", "quality", "tokens", "budget", "engineers")
_CARDS: tuple[tuple[Any, ...], ...] = (
    ("Weekend prototype", "public", False, False, 3, 2, 20, 0),
    ("Drafts for the marketing team", "public", False, False, 4, 50, 100, 0),
    ("Answers to customers, best quality", "confidential", False, False, 5, 200, 3000, 0),
    ("Sorting five billion words of reviews", "public", False, False, 3, 5000, 2500, 1),
    ("A model fine-tuned to the house style", "confidential", False, True, 4, 1000, 2000, 1),
    ("Open research at a large volume", "public", False, True, 4, 8000, 5500, 2),
    ("Doctors' letters, nobody to run servers", "phi", False, False, 4, 100, 5000, 0),
    ("Doctors' letters, not to leave the house", "phi", True, False, 4, 300, 6000, 2),
    ("Patient notes at a village practice", "phi", True, False, 2, 50, 500, 1),
    ("Diagnosis help in the house, best quality", "phi", True, False, 5, 50, 9000, 3),
    ("Contracts in a law firm's cellar", "confidential", True, False, 4, 20, 2000, 2),
    ("A factory without a line to the outside", "public", True, False, 2, 100, 400, 1),
)

CATALOGUE: tuple[dict[str, Any], ...] = tuple(dict(zip(_OFFER, row, strict=True)) for row in _OFFERS)
CARDS: tuple[dict[str, Any], ...] = tuple(dict(zip(_CARD, row, strict=True)) for row in _CARDS)
