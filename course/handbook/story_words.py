"""Stories from the course's grammar as rows of word ids, with the special ids that masked and span objectives need."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handbook import grammar
from handbook.tiny import reads_the_past

SPECIAL = ("<pad>", "<mask>", "<X>", "<Y>", "<Z>", "<U>", "<V>", "<W>")  # the last six are sentinels
SPANS, SPAN_LENGTH = 5, 3  # about 15 % of a story's hundred words
LENGTH = 112  # of a row: most stories fit, the last words of a few are cut


def split_words(text: str) -> list[str]:
    """Split a text into words and punctuation marks.

    >>> split_words('"No," said Leo.')
    ['"', 'No', ',', '"', 'said', 'Leo', '.']
    """
    return re.findall(r"\w+|[^\w\s]", text)


class StoryWords:
    """Stories as word ids, one a row, padded on the right. `words[i]` is the word of id i."""

    pad_id, mask_id = 0, 1
    special_ids = tuple(range(len(SPECIAL)))
    sentinels = special_ids[2:]

    def __init__(self, stories: Sequence[str], words: Sequence[str] = ()) -> None:
        """Shapes: ids (number of stories, LENGTH). `words` is the vocabulary to use; unless given, that of the stories."""
        rows = [split_words(story)[:LENGTH] for story in stories]
        self.words = list(words) or [*SPECIAL, *sorted({word for row in rows for word in row})]
        self.id_of = {word: index for index, word in enumerate(self.words)}
        self.ids = torch.tensor([[self.id_of[word] for word in row] + [0] * (LENGTH - len(row)) for row in rows])
        self.shortest = min(map(len, rows))

    @classmethod
    def from_grammar(cls, n: int, seed: int, words: Sequence[str] = ()) -> StoryWords:
        """Take n stories from `handbook.grammar`, the same ones for the same seed."""
        return cls(grammar.stories(n, seed), words)

    def draw(self, B: int, rng: torch.Generator) -> Tensor:
        """Draw rows at random. Shapes: returns (B, LENGTH)."""
        return self.ids[torch.randint(len(self.ids), (B,), generator=rng)]

    def random_spans(self, rng: torch.Generator) -> list[tuple[int, int]]:
        """Place spans at random, one in each fifth of the words that every story has, so that none overlap."""
        room = self.shortest // SPANS
        starts = torch.randint(room - SPAN_LENGTH + 1, (SPANS,), generator=rng).tolist()
        return [(room * n + start, room * n + start + SPAN_LENGTH) for n, start in enumerate(starts)]

    def text(self, ids: Tensor) -> str:
        """Return the words of one row as text, without its padding."""
        return " ".join(self.words[index] for index in ids.tolist() if index != self.pad_id)
