"""Short reports, each with two summaries of ours, and what the small model makes of them.

Data card
    Source       written for this course by its authors; nothing is copied
    Licence      CC BY 4.0, as the course's prose
    Contents     REPORTS 16 news reports of 60 to 80 words, each with two reference summaries
    Labels       both references are one author's, written one after the other: two hands would differ more
    People       none: towns and names are invented
    Limits       every report says what matters in its first sentences, as news does, and the first reference keeps close
                 to them, so a baseline that copies the beginning is strong. Sixteen reports show how a metric behaves; they rank no systems
Everything is the same on every machine, but for `write_summaries`, whose model may round differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from handbook.texts import read_sections

if TYPE_CHECKING:
    from handbook.models import LanguageModel

REQUEST = "Summarise this report in one sentence.\n\n"


class Report(NamedTuple):
    """A report and two summaries of it, each of which a reader may accept."""

    name: str
    text: str
    references: tuple[str, str]

    @property
    def lead(self) -> str:
        """The first sentence: the summary that needs no model."""
        return self.text.partition(". ")[0] + "."


def _read() -> tuple[Report, ...]:
    found = read_sections("summaries.txt").items()
    return tuple(Report(name, text, (first, second)) for name, (text, first, second) in found)


REPORTS = _read()
OPPOSITES = {  # a word of a first reference, and what makes its sentence false
    "alarm": "light",
    "best": "worst",
    "clean": "dirty",
    "close": "open",
    "costs": "saves",
    "destroyed": "spared",
    "dropped": "raised",
    "far": "no",
    "fewer": "more",
    "first": "last",
    "flower;": "fruit;",
    "late": "early",
    "longer": "shorter",
    "more": "fewer",
    "most": "hardly any",
    "must": "need not",
    "nobody": "everybody",
    "off.": "on.",
    "opens": "closes",
    "reopen": "sell",
    "risen.": "fallen.",
    "sixty.": "six.",
    "stolen": "bought",
    "twice": "half",
    "two": "four",
    "unsold": "best",
    "won": "lost",
}


def write_summaries(lm: LanguageModel, texts: list[str], *, max_new_tokens: int = 48) -> list[str]:
    """Let the model summarise all texts at once, each in the likeliest words, up to its first line break.

    A batch reads the weights once for all texts, which makes it several times faster than one after the other.
    """
    import torch

    prompts = [lm.encode(lm.chat_text(REQUEST + text)) for text in texts]
    width = max(map(len, prompts))
    fill = [width - len(prompt) for prompt in prompts]  # padding stands on the left, so that all rows end together
    ids = torch.tensor([[0] * left + prompt for left, prompt in zip(fill, prompts, strict=True)], device=lm.device)
    mask = torch.tensor([[0] * left + [1] * (width - left) for left in fill], device=lm.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    new, cache = list[Any](), lm._new_cache()
    stopped = torch.zeros(len(texts), dtype=torch.bool, device=lm.device)
    stops = torch.tensor(sorted(lm.stop_ids), device=lm.device)
    with torch.no_grad():
        for _ in range(max_new_tokens):
            out = lm.model(ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1, **cache)
            token = out.logits[:, -1].argmax(-1)
            stopped |= torch.isin(token, stops)
            new.append(token.masked_fill(stopped, int(stops[0])))
            if bool(stopped.all()):
                break
            ids, positions = token[:, None], positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones(len(texts), 1)], dim=1)
    rows = torch.stack(new, dim=1).tolist()
    return [_first_line(lm, [token for token in row if token not in lm.stop_ids]) for row in rows]


def _first_line(lm: LanguageModel, ids: list[int]) -> str:
    return lm.decode(ids).strip().partition("\n")[0]
