"""Stories from the course's grammar as rows of word ids, with the special ids that masked and span objectives need."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handbook import grammar
from handbook.tiny import reads_the_past

SPECIAL = ("<pad>", "<mask>", "<X>", "<Y>", "<Z>")  # the last three are sentinels
LENGTH = 48  # words of a row: the first three sentences of a story or so
SPANS, SPAN_LENGTH = 2, 3  # an eighth of a row


def split_words(text: str) -> list[str]:
    """Split a text into words and punctuation marks.

    >>> split_words('"No," said Leo.')
    ['"', 'No', ',', '"', 'said', 'Leo', '.']
    """
    return re.findall(r"\w+|[^\w\s]", text)


class StoryWords:
    """The beginnings of stories as word ids, one a row. `words[i]` is the word of id i."""

    pad_id, mask_id = 0, 1
    special_ids = tuple(range(len(SPECIAL)))
    sentinels = special_ids[2:]

    def __init__(self, stories: Sequence[str], words: Sequence[str] = ()) -> None:
        """Shapes: ids (number of stories, LENGTH). `words` is the vocabulary to use; unless given, that of the stories."""
        rows = [split_words(story)[:LENGTH] for story in stories]
        if min(map(len, rows)) < LENGTH:
            raise ValueError(f"a story is shorter than {LENGTH} words")
        self.words = list(words) or [*SPECIAL, *sorted({word for row in rows for word in row})]
        self.id_of = {word: index for index, word in enumerate(self.words)}
        self.ids = torch.tensor([[self.id_of[word] for word in row] for row in rows])

    @classmethod
    def from_grammar(cls, n: int, seed: int, words: Sequence[str] = ()) -> StoryWords:
        """Take n stories from `handbook.grammar`, the same ones for the same seed."""
        return cls(grammar.stories(n, seed), words)

    def draw(self, B: int, rng: torch.Generator) -> Tensor:
        """Draw rows at random. Shapes: returns (B, LENGTH)."""
        return self.ids[torch.randint(len(self.ids), (B,), generator=rng)]

    def random_spans(self, rng: torch.Generator) -> list[tuple[int, int]]:
        """Place spans at random, one in each half of a row, so that they don't overlap."""
        room = LENGTH // SPANS
        starts = torch.randint(room - SPAN_LENGTH + 1, (SPANS,), generator=rng).tolist()
        return [(room * n + start, room * n + start + SPAN_LENGTH) for n, start in enumerate(starts)]

    def text(self, ids: Tensor) -> str:
        """Return the words of one row, with a space between them. Shapes: ids (T,)."""
        return " ".join(self.words[index] for index in ids.tolist())

    def places(self) -> dict[str, Tensor]:
        """Return where three telling words stand in each row. Shapes: each (number of stories,).

        `was or were` follows from what comes after it ("a frog", "two frogs"), and the hero's trait, one of eight, from
        the plot that comes later. The pronoun that opens the second sentence follows from the name before it.
        """
        trait = torch.isin(self.ids, torch.tensor([self.id_of[trait] for trait in grammar.MORALS])).int().argmax(1)
        stop = (self.ids == self.id_of["."]).int().argmax(1)
        return {"was or were": trait - 2, "the hero's trait": trait, "he, she or they": stop + 1}


@torch.no_grad()
def chance_reading_left(network: nn.Module, ids: Tensor, places: Tensor) -> float:
    """Return the mean chance a causal network gives to the word at `places[n]` of row n, having read what is before it."""
    every = torch.arange(len(ids))
    scores = network(ids, reads_the_past(ids.shape[1]))[every, places - 1]
    return float(scores.softmax(-1)[every, ids[every, places]].mean())


@torch.no_grad()
def chance_reading_all(network: nn.Module, ids: Tensor, places: Tensor, mask_id: int) -> float:
    """Return the mean chance a masked network gives to the word at `places[n]` of row n, hidden behind the mask."""
    every = torch.arange(len(ids))
    hidden = ids.clone()
    hidden[every, places] = mask_id
    scores = network(hidden, torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool))[every, places]
    return float(scores.softmax(-1)[every, ids[every, places]].mean())
