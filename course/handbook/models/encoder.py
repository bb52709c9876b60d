"""A sentence encoder: each text becomes one vector, and texts that mean the same lie close together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Encoder:
    """MiniLM with mean pooling. Axes in the shapes below: N texts, C = 384 features, V vocabulary, T tokens."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "", max_tokens: int = 256) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.max_tokens = max_tokens

    def __repr__(self) -> str:
        return f"Encoder({self.name!r}, {self.model.config.hidden_size} features)"

    @torch.no_grad()
    def encode(self, texts: str | list[str], batch_size: int = 64) -> Tensor:
        """Return a vector of length 1 for each text. Shapes: returns (N, C), float32; a lone string counts as N = 1.

        Texts are cut after `max_tokens` tokens. Source: Reimers and Gurevych 2019, arXiv:1908.10084, section 3.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        done = [self._encode_batch(texts[at : at + batch_size]) for at in range(0, len(texts), batch_size)]
        return torch.cat(done) if done else torch.zeros(0, self.model.config.hidden_size)

    def _encode_batch(self, texts: list[str]) -> Tensor:
        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        states = self.model(**batch).last_hidden_state  # (N, T, C)
        real = batch["attention_mask"].unsqueeze(-1).float()  # (N, T, 1): 0 for padding
        means = (states * real).sum(dim=1) / real.sum(dim=1)  # (N, C)
        return torch.nn.functional.normalize(means, dim=-1)

    def similarity(self, a: str | list[str], b: str | list[str]) -> Tensor:
        """Return the cosine of each text of `a` with each of `b`, -1 to 1. Shapes: returns (len(a), len(b))."""
        return self.encode(a) @ self.encode(b).T

    def tokens(self, text: str) -> list[str]:
        """Return the WordPiece tokens of a text; `##` marks a piece that continues a word."""
        pieces: list[str] = self.tokenizer.tokenize(text)
        return pieces

    def token_table(self) -> Tensor:
        """Return the input embedding of every token, before any layer. Shapes: returns (V, C), a copy."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight.detach().clone()
