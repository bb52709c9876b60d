"""Hidden checks for p1_5_pretraining_objectives: other shapes, other ids, and properties that an answer must have."""

import math

import torch
from torch import nn

from grader.checks.p1_5_pretraining_objectives import near
from grader.judge import Exercise, core, expect


def seeded(seed):
    """A generator on the learner's side."""
    return torch.Generator().manual_seed(seed)


class TestHiddenCausalLmBatch(Exercise, id="objective-causal-batch", hidden=True):
    """More of objective-causal-batch."""

    @core
    def test_inputs_and_targets_overlap(self, submission, rng):
        """Inputs and targets put together give the row back, at every length from 2 up."""
        for length in (2, 3, 9):
            ids = torch.randint(0, 50_000, (2, length), generator=rng)
            inputs, targets = submission.causal_lm_batch(ids, pad_id=50_001)
            expect.close(torch.cat([inputs[:, :1], targets], 1), ids, why="the targets are the row without its first token")
            expect.close(torch.cat([inputs, targets[:, -1:]], 1), ids, why="the inputs are the row without its last token")

    def test_padding_in_three_axes(self, submission, rng):
        """The padding id may be large and stand anywhere, also in rows with more than one batch axis."""
        ids = torch.randint(70, 74, (2, 3, 6), generator=rng)
        _, targets = submission.causal_lm_batch(ids, pad_id=73)
        expect.close(targets, torch.where(ids[..., 1:] == 73, -100, ids[..., 1:]), why="compare each target with pad_id")


class TestHiddenCausalLmLoss(Exercise, id="objective-causal-loss", hidden=True):
    """More of objective-causal-loss."""

    def test_one_token_has_nothing_to_predict(self, submission):
        """With T = 1 nothing counts, and the loss is 0."""
        got = submission.causal_lm_loss(torch.ones(2, 1, 4), torch.zeros(2, 1, dtype=torch.int64))
        expect.close(got, torch.tensor(0.0), why="without targets the loss is 0")

    def test_the_last_logits_do_not_matter(self, submission, rng):
        """Changing the logits at the last position, or the first token, changes nothing."""
        logits, ids = torch.randn(3, 5, 7, generator=rng), torch.randint(7, (3, 5), generator=rng)
        before = submission.causal_lm_loss(logits, ids)
        logits[:, -1] += 9 * torch.randn(3, 7, generator=rng)
        ids[:, 0] = (ids[:, 0] + 3) % 7
        expect.close(submission.causal_lm_loss(logits, ids), before, why="nothing is known about what follows the last token")

    def test_batching_does_not_matter(self, submission, rng):
        """The loss of a batch is the token-weighted mean of the losses of its rows, holes in the middle included."""
        logits = torch.randn(4, 8, 5, generator=rng) * torch.tensor([1.0, 2, 4, 8]).reshape(4, 1, 1)
        ids = torch.randint(5, (4, 8), generator=rng)
        ids[0, 2:], ids[1, 3:5], ids[3, 7] = -100, -100, -100
        counts = (ids[:, 1:] != -100).sum(1)
        rows = torch.tensor([float(submission.causal_lm_loss(logits[b : b + 1], ids[b : b + 1])) for b in range(4)])
        want = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:])
        expect.close((rows * counts).sum() / counts.sum(), want, why="a row's loss is the mean over its counted tokens")
        expect.close(submission.causal_lm_loss(logits, ids), want, why="every counted token weighs the same")


class TestHiddenPerplexity(Exercise, id="objective-perplexity", hidden=True):
    """More of objective-perplexity."""

    def test_many_batches(self, submission, dice):
        """Fifty uneven batches give the same as their tokens one by one."""
        counts = [dice.randint(0, 200) for _ in range(49)] + [1]
        token_nll = [dice.uniform(0, 6) if count else math.nan for count in counts]
        total = math.fsum(nll * count for nll, count in zip(token_nll, counts, strict=True) if count)
        want = math.exp(total / sum(counts))
        expect.close(submission.perplexity(token_nll, counts), want, why="weigh each batch by its tokens")

    def test_certainty_has_perplexity_one(self, submission):
        """A model that is always certain and right has perplexity 1."""
        expect.close(submission.perplexity([0.0, 0.0], [4, 1]), 1.0, why="exp(0) is 1")


class TestHiddenMlmBatch(Exercise, id="objective-masked-batch", hidden=True):
    """More of objective-masked-batch."""

    def test_every_place_has_the_same_chance(self, submission, rng, dice):
        """Tokens are chosen and hidden as often at the start of a row as at its end, and in every row."""
        ids = torch.randint(1, 30_000, (6000, 6), generator=rng)
        generator = submission.run(seeded, dice.randrange(1 << 40))
        inputs, labels = submission.mlm_batch(ids, generator, 0.3, 30_001, 30_002, {0})
        for name, chance, hits in (("chosen", 0.3, labels != -100), ("hidden", 0.24, inputs == 30_001)):
            places = [
                *hits.double().mean(0).tolist(),
                float(hits[:3000].double().mean()),
                float(hits[3000:].double().mean()),
            ]
            for share, n in zip(places, [6000] * 6 + [18_000] * 2, strict=True):
                near(round(share * n), n, chance, f"tokens {name} at one place", "p is the same everywhere")

    def test_one_row_one_token(self, submission, dice):
        """A batch of one row of one token works, and keeps its shape and type."""
        ids = torch.tensor([[dice.randint(5, 50)]])
        inputs, labels = submission.mlm_batch(ids, submission.run(seeded, 1), 1.0, 4, 60, [])
        expect.close(labels, ids, why="with p = 1 the only token is chosen")
        expect.true(inputs.shape == ids.shape and inputs.dtype == torch.int64, "inputs has the shape and type of ids")

    def test_other_special_ids(self, submission, rng, dice):
        """Special ids may be any ids, mask_id among them or not."""
        ids = torch.randint(0, 40, (50, 10), generator=rng)
        special = [7, 39, 0, 12]
        _, labels = submission.mlm_batch(ids, submission.run(seeded, dice.randrange(1 << 40)), 1.0, 5, 40, special)
        free = torch.isin(ids, torch.tensor(special))
        expect.close(
            labels,
            ids.masked_fill(free, -100),
            why="special_ids says which ids are never chosen, and nothing else does",
        )


class TestHiddenT5Spans(Exercise, id="objective-t5-spans", hidden=True):
    """More of objective-t5-spans."""

    @core
    def test_nothing_is_lost(self, submission, dice):
        """Putting the target's pieces back in place of their sentinels gives the text again."""
        for _ in range(10):
            ids = [dice.randint(0, 500) for _ in range(dice.randint(6, 30))]
            edges = sorted(dice.sample(range(len(ids) + 1), 2 * dice.randint(1, 3)))
            spans = list(zip(edges[::2], edges[1::2], strict=True))
            sentinels = dice.sample(range(1000, 2000), len(spans) + 1 + dice.randint(0, 2))
            inputs, targets = submission.t5_spans(ids, dice.sample(spans, len(spans)), sentinels)
            expect.equal(_put_back(inputs, targets), ids, why="inputs and targets together hold every token once")
            used = [token for token in targets if token >= 1000]
            expect.equal(used, sentinels[: len(spans) + 1], why="sentinels come in the order of their list")
            expect.equal(
                len(inputs) + len(targets),
                len(ids) + 2 * len(spans) + 1,
                why="one sentinel a span on each side, and one at the end",
            )

    def test_an_empty_text(self, submission):
        """A text without tokens has no spans, and its target is the first sentinel."""
        result = submission.t5_spans([], [], [900])
        expect.equal([list(part) for part in result], [[], [900]], why="without spans the target is the first sentinel alone")


def _put_back(inputs, targets):
    pieces, name = {}, None
    for token in targets:
        if token >= 1000:
            name = token
            pieces[name] = []
        elif name is not None:
            pieces[name].append(token)
    return [token for place in inputs for token in (pieces.get(place, [place]) if place >= 1000 else [place])]
