"""What the lesson on cleaning measures with: a tiny model trained on pages, a scorer of rude sentences, an answer key."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from handbook import plots
from handbook.planted_dirt import Page, one_line
from handbook.story_words import split_words
from handbook.texts import read_sections
from handbook.tiny import Batch, TinyTransformer, reads_the_past, train

LENGTH = 48  # words that the tiny model reads at a time
UNKNOWN = "<unknown>"
Kept = list[tuple[Page, str]]  # the pages that are left, each with its text so far
Step = Callable[[Kept], Kept]


def vocabulary_of(texts: Sequence[str], size: int = 800) -> dict[str, int]:
    """Number the `size` most frequent words of some texts; all others share a number."""
    counts = Counter(word for text in texts for word in split_words(text))
    return {word: number for number, word in enumerate([UNKNOWN, *(word for word, _ in counts.most_common(size))])}


def stream(texts: Sequence[str], ids: dict[str, int]) -> Tensor:
    """Put texts one after the other as word ids. Shapes: returns (number of words,)."""
    return torch.tensor([ids.get(word, 0) for text in texts for word in split_words(text)])


def train_on(texts: Sequence[str], ids: dict[str, int], *, steps: int = 300, seed: int = 0) -> nn.Module:
    """Train the same tiny causal model, from the same first weights, for the same number of steps, on whatever texts are given."""
    words, rng = stream(texts, ids), torch.Generator().manual_seed(seed)
    network, may_read = TinyTransformer(len(ids)), reads_the_past(LENGTH)

    def make_batch() -> Batch:
        starts = torch.randint(len(words) - LENGTH, (24, 1), generator=rng)
        rows = words[starts + torch.arange(LENGTH + 1)]  # (B, T + 1)
        return rows[:, :-1], rows[:, 1:], may_read

    train(network, make_batch, steps=steps)
    return network


@torch.no_grad()
def held_out_perplexity(network: nn.Module, texts: Sequence[str], ids: dict[str, int]) -> float:
    """Return the perplexity, a word, of texts that the model has not read."""
    words = stream(texts, ids)
    rows = words[: (len(words) - 1) // LENGTH * LENGTH].view(-1, LENGTH)
    scores = network(rows[:, :-1], reads_the_past(LENGTH - 1))
    return math.exp(nn.functional.cross_entropy(scores.flatten(0, 1), rows[:, 1:].flatten()).item())


def against_the_key(kept: Sequence[tuple[Page, str]], found: Sequence[Page]) -> dict[str, int]:
    """Count what is wrong with the texts that a cleaner kept of the pages found, each with the page that it was made from."""
    stories = [page.source for page, _ in kept if page.source >= 0]
    dirty = [one_line(text).casefold() != page.clean.casefold() for page, text in kept if page.source >= 0 and "near copy" not in page.dirt]
    return {
        "pages": len(kept),
        "junk kept": sum(page.source < 0 for page, _ in kept),
        "copies kept": len(stories) - len(set(stories)),
        "dirty texts": sum(dirty),
        "stories lost": len({page.source for page in found if page.source >= 0} - set(stories)),
    }


def edit_each(function: Callable[[str], str]) -> Step:
    """Make a step that rewrites every text."""
    return lambda kept: [(page, function(text)) for page, text in kept]


def drop_if(rules: Callable[[str], object]) -> Step:
    """Make a step that drops every page about whose text `rules` says anything."""
    return lambda kept: [(page, text) for page, text in kept if not rules(text)]


def keep_chosen(choose: Callable[[list[str]], list[str]]) -> Step:
    """Make a step that keeps the texts that `choose` returns; they are in order, and the first of equal ones is meant."""

    def step(kept: Kept) -> Kept:
        rest = iter(kept)
        return [next(pair for pair in rest if pair[1] == text) for text in choose([text for _, text in kept])]

    return step


def wash(found: Sequence[Page], steps: dict[str, Step]) -> Kept:
    """Take pages through the steps, print after each what the key says about the rest, and return it."""
    kept = [(page, page.text) for page in found]
    for name, step in {"as found": lambda kept: kept, **steps}.items():
        kept = step(kept)
        row = against_the_key(kept, found)
        print(f"{name:14}", " · ".join(f"{number:3} {what}" for what, number in row.items()))
    return kept


def surprise_by_text(lm: Any, texts: Sequence[str]) -> list[float]:
    """Return how surprising each text is to a language model, in bits a character."""
    return [float(lm.token_nll(text).sum()) / math.log(2) / len(text) for text in texts]


class RudenessScorer:
    """A linear classifier on sentence vectors, trained on forty sentences of `data/moderation.txt`: 1 = rude, 0 = harmless."""

    def __init__(self, encoder: Any) -> None:
        learn = read_sections("moderation.txt")
        rude, harmless = learn["learn: rude"], learn["learn: harmless"]
        self.encoder = encoder
        vectors = encoder.encode(rude + harmless)  # (N, C)
        labels = torch.tensor([1.0] * len(rude) + [0.0] * len(harmless))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.head = nn.Linear(vectors.shape[1], 1)
        optimizer = torch.optim.AdamW(self.head.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(100):
            loss = nn.functional.binary_cross_entropy_with_logits(self.head(vectors)[:, 0], labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> list[float]:
        scores: list[float] = self.head(self.encoder.encode(list(texts)))[:, 0].sigmoid().tolist()
        return scores


def audit_sample() -> tuple[list[str], list[bool], list[str]]:
    """Return the audit sentences of `data/moderation.txt`: the texts, whether each is rude, and the group of each.

    Data card. Source: written for this course; the Scots sentences say what their standard English neighbours say.
    People: none is meant; the insults name no group of people. Limits: 64 short sentences of one writer's; enough to
    see a method work, far too few to judge a filter by, and not written by the groups that they speak of.
    """
    rows = [
        (text, heading.startswith("rude"), heading.split(", ")[1])
        for heading, texts in read_sections("moderation.txt").items()
        if not heading.startswith("learn")
        for text in texts
    ]
    return [text for text, _, _ in rows], [rude for _, rude, _ in rows], [group for _, _, group in rows]


def share_of_tokens_picture(lm: Any, page: Page) -> plots.Picture:
    """Draw how many tokens, and how much surprise, a page costs as it was found and as its key would keep it."""
    nll = {"as found": lm.token_nll(page.text), "cleaned": lm.token_nll(page.clean)}
    return plots.bars(
        [f"{name}: {what}" for name in nll for what in ("tokens to predict", "surprise (bits)")],
        [value for series in nll.values() for value in (len(series), float(series.sum()) / math.log(2))],
        title="One page, as found and cleaned",
        xlabel="number of tokens, or bits",
        ylabel="",
        highlight=["as found: tokens to predict", "as found: surprise (bits)"],
        decimals=0,
    )


def broken_rules_picture(rules: Callable[[str], list[str]], found: Sequence[Page]) -> plots.Picture:
    """Draw how many of the junk pages break each rule, and how many break none."""
    junk = [rules(page.text) for page in found if page.source < 0]
    counts = Counter(rule for broken in junk for rule in broken)
    names = [name for name, _ in counts.most_common()]
    return plots.bars(
        [*names, "no rule broken"],
        [*(counts[name] for name in names), junk.count([])],
        title="Which rules the junk pages break",
        xlabel=f"pages, of {len(junk)}",
        ylabel="rule",
        highlight="no rule broken",
        decimals=0,
    )


def losses_picture(filters: dict[str, list[float]], thresholds: dict[str, float], toxic: Sequence[bool], groups: Sequence[str]) -> plots.Picture:
    """Draw the share of each group's harmless sentences that each filter removes at its threshold."""
    names = list(dict.fromkeys(groups))

    def losses(name: str) -> list[float]:
        rows = list(zip(filters[name], toxic, groups, strict=True))
        own = [[score for score, bad, other in rows if other == group and not bad] for group in names]
        return [100 * sum(score >= thresholds[name] for score in scores) / len(scores) for scores in own]

    return plots.bars(
        names,
        {name: losses(name) for name in filters},
        title="Harmless sentences lost at 10 % overall",
        xlabel="share of a group's harmless sentences removed (%)",
        ylabel="group",
        decimals=0,
    )
