"""What lesson p2_5 trains on several ranks: a small transformer, batches of stories, and its loss, the same on each rank."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from handbook.story_words import StoryWords
from handbook.tiny import TinyTransformer, reads_the_past

STORIES, SEED = 400, 1


def small_model() -> TinyTransformer:
    """Return a transformer of one block with the same first weights in every process."""
    return TinyTransformer(len(StoryWords.from_grammar(STORIES, SEED).words))


def story_batches(rows: int, steps: int) -> Iterator[Tensor]:
    """Yield `steps` batches of story beginnings, the same in every process. Shapes: each (rows, T), int64."""
    stories, dice = StoryWords.from_grammar(STORIES, SEED), torch.Generator().manual_seed(2)
    for _ in range(steps):
        yield stories.draw(rows, dice)


def story_loss(model: nn.Module, ids: Tensor) -> Tensor:
    """Return the mean surprise at each next word, in nats. Shapes: ids (B, T) · returns a scalar."""
    logits = model(ids[:, :-1], reads_the_past(ids.shape[1] - 1))
    return nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
