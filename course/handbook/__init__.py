"""All that a lesson may import: real models, texts, pictures, a simulated model, and library-made pieces.

`from handbook import load_lm, load_encoder, plots, texts` and so on; each is imported when first asked for, so that
`handbook.bootstrap` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handbook import answers, bootstrap, grammar, layers, models, plots, simulators, texts
    from handbook.models import load_encoder, load_lm

__all__ = [
    "answers",
    "bootstrap",
    "grammar",
    "layers",
    "load_encoder",
    "load_lm",
    "models",
    "plots",
    "simulators",
    "texts",
]


def __getattr__(name: str) -> Any:
    """Import a module, or a loader from `handbook.models`, when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'handbook' has no attribute {name!r}")
    if name.startswith("load_"):
        return getattr(importlib.import_module("handbook.models"), name)
    return importlib.import_module(f"handbook.{name}")


def __dir__() -> list[str]:
    return __all__
