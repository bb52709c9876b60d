"""Sixteen proposed uses of a language model, as fact cards: our own examples, four from each of four industries.

The titles are written to tempt: "patient" does not make a use dangerous, and "reply" does not make it safe.
"""

from __future__ import annotations

from typing import Any

DECISIONS = ("reject", "use a program", "human review", "go ahead", "insufficient information")
INDUSTRIES = ("healthcare", "finance", "support", "law")

_COLUMNS = ("industry", "title", "personal_data", "runs_on", "harm", "final_say", "exact_rule", "checkable")
_OWN, _CONTRACT, _PUBLIC = "own servers", "contracted provider", "public service"
_ROWS: tuple[tuple[Any, ...], ...] = (
    ("healthcare", "Shorten visit notes for the next doctor", True, _OWN, "high", "person", False, True),
    ("healthcare", "Tell patients whether a rash is harmless", True, _CONTRACT, "high", "model", False, False),
    ("healthcare", "Translate the visiting hours into six languages", False, _PUBLIC, "low", "person", False, True),
    ("healthcare", "Turn lab values into a warning by fixed limits", True, _OWN, "high", "person", True, True),
    ("finance", "Work out the interest that a customer owes", True, _OWN, "low", "person", True, True),
    ("finance", "Explain public annual reports in plain words", False, _PUBLIC, "low", "person", False, True),
    ("finance", "Refuse small loans overnight, without staff", True, _OWN, "high", "model", False, False),
    ("finance", "Answer staff questions about the travel rules", False, _CONTRACT, "low", None, False, True),
    ("support", "Sort incoming tickets by product", True, _CONTRACT, "low", "model", False, True),
    ("support", "Draft replies with a public chatbot, orders pasted in", True, _PUBLIC, "low", "person", False, True),
    ("support", "Tell callers how to shut off a leaking gas stove", False, _OWN, "high", None, False, False),
    ("support", "Summarise what customers wrote about a product", None, _PUBLIC, "low", None, False, True),
    ("law", "Find the notice period in a lease", True, _OWN, "high", "person", None, True),
    ("law", "Answer visitors' questions about their rights", None, _PUBLIC, "low", "model", False, False),
    ("law", "Count the days until a deadline", False, _PUBLIC, "high", "person", True, True),
    ("law", "Compare two drafts of a confidential contract", False, _CONTRACT, "high", "person", False, True),
)

USE_CASES: tuple[dict[str, Any], ...] = tuple(dict(zip(_COLUMNS, row, strict=True)) for row in _ROWS)
