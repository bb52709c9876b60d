"""Two small real models: SmolLM2-135M-Instruct, which writes, and all-MiniLM-L6-v2, which compares sentences.

`python -m handbook.models` fetches and prepares both; `load_lm()` and `load_encoder()` do it on first use.
Importing this package is cheap: torch and Transformers are imported by the first load.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from handbook.models.loading import load_encoder, load_lm, minilm_folder, prepare, smollm2_folder
from handbook.models.wheels import ModelError, cache_dir

if TYPE_CHECKING:
    from handbook.models.encoder import Encoder
    from handbook.models.language_model import LanguageModel, Message

__all__ = [
    "Encoder",
    "LanguageModel",
    "Message",
    "ModelError",
    "cache_dir",
    "load_encoder",
    "load_lm",
    "minilm_folder",
    "prepare",
    "smollm2_folder",
]


def __getattr__(name: str) -> Any:
    """Import the classes, and torch with them, when they are first asked for."""
    homes = {"Encoder": "encoder", "LanguageModel": "language_model", "Message": "language_model"}
    if name not in homes:
        raise AttributeError(f"module 'handbook.models' has no attribute {name!r}")
    return getattr(importlib.import_module(f"handbook.models.{homes[name]}"), name)
