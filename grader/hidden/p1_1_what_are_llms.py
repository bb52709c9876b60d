"""Further checks for p1_1_what_are_llms that a learner's copy leaves out: other sizes, held-out cards."""

import itertools

import torch

from grader.checks.p1_1_what_are_llms import (
    FIELDS,
    FULL_CARDS,
    best_k,
    continued,
    distinct,
    distinct_shares,
    expect_decisions,
    expect_filtered,
    expect_reads,
    labelled,
    nucleus,
    prompt_from,
    prompt_that_reaches,
    row_by_row,
    run_generate,
    scores_of,
    softened,
    with_gaps,
)
from grader.judge import Exercise, core, expect

HELD_OUT = [
    {"industry": "healthcare", "title": "Suggest diagnosis codes for a discharge letter"},
    {"industry": "healthcare", "title": "Remind patients of their appointments"},
    {"industry": "finance", "title": "Flag payments that look like fraud"},
    {"industry": "finance", "title": "Add up the invoices of a month"},
    {"industry": "support", "title": "Answer angry customers at night without staff"},
    {"industry": "support", "title": "Rewrite the manual in plain words"},
    {"industry": "law", "title": "Draft an objection to a fine"},
    {"industry": "law", "title": "Check the citations in a brief"},
]


class TestHiddenDistribution(Exercise, id="sampling-next-token-distribution", hidden=True):
    @core
    def test_random_sizes(self, submission, rng, dice):
        """Any sizes and temperatures work."""
        shape = dice.sample(range(1, 12), 3)
        logits, temperature = 4 * torch.randn(shape, generator=rng), dice.uniform(0.2, 5.0)
        expect.close(
            submission.next_token_distribution(logits, temperature),
            row_by_row(lambda row: softened(row, temperature), logits),
        )

    def test_a_large_vocabulary(self, submission, rng, dice):
        """Hundreds of tokens are treated like a handful, at temperature 0 too."""
        logits = torch.randn(2, 700, generator=rng)
        logits[0, dice.sample(range(700), 40)] = 9.0
        for temperature in (dice.uniform(0.5, 3.0), 0):
            expect.close(
                submission.next_token_distribution(logits, temperature),
                row_by_row(lambda row, T=temperature: softened(row, T), logits),
                atol=1e-6,
            )

    def test_one_token_is_certain(self, submission, dice):
        """A vocabulary of one token gives it probability 1, at every temperature."""
        for temperature in (0.001, 1.0, 1e6, 0.0):
            expect.close(
                submission.next_token_distribution(torch.tensor([dice.uniform(-9, 9)]), temperature), torch.ones(1), atol=5e-7, rtol=0
            )

    def test_colder_means_surer(self, submission, rng):
        """The largest probability grows as the temperature falls, from 1/V up to 1."""
        logits = torch.randperm(9, generator=rng) / 2
        peaks = [submission.next_token_distribution(logits, T).max().item() for T in (100.0, 3.0, 1.0, 0.5, 0.1, 0.05)]
        expect.true(
            sorted(peaks) == peaks and peaks[-1] > 0.999,
            "a lower temperature must give the best token a larger share",
            got=peaks,
        )


class TestHiddenTopK(Exercise, id="sampling-top-k", hidden=True):
    @core
    def test_random_sizes(self, submission, rng, dice):
        """Any sizes and any k up to V work."""
        shape = tuple(dice.sample(range(1, 12), 3))
        logits, k = distinct(shape, rng), dice.randrange(1, shape[-1] + 1)
        expect_filtered(submission.top_k_filter(logits, k), row_by_row(lambda row: best_k(row, k), logits))

    def test_a_large_vocabulary(self, submission, rng, dice):
        """Hundreds of tokens and a k of hundreds work."""
        logits = torch.stack([torch.randperm(700, generator=rng) / 7 - 50 for _ in range(2)])
        for k in (1, dice.randrange(60, 300), dice.randrange(300, 699), 700, 2000):
            expect_filtered(submission.top_k_filter(logits, k), row_by_row(lambda row, k=k: best_k(row, k), logits))

    def test_ties_in_some_rows_only(self, submission, rng, dice):
        """A row with ties keeps more than its neighbour without."""
        logits = distinct((4, 6), rng)
        logits[dice.randrange(4)] = torch.tensor([2.0, 2.0, 2.0, 2.0, 1.0, 3.0])[torch.randperm(6, generator=rng)]
        for k in (1, 2, 3):
            expect_filtered(submission.top_k_filter(logits, k), row_by_row(lambda row, k=k: best_k(row, k), logits))


class TestHiddenTopP(Exercise, id="sampling-top-p", hidden=True):
    @core
    def test_random_rows(self, submission, dice):
        """Rows drawn anew, of another size, keep their nucleus."""
        logits = torch.stack([distinct_shares(10, dice) for _ in range(3)])
        for p in (0.35, 0.7):
            expect_filtered(submission.top_p_filter(logits, p), row_by_row(lambda row, p=p: nucleus(row, p), logits))

    def test_a_long_flat_tail(self, submission, dice):
        """Hundreds of equal tokens behind a few good ones stay or go as one."""
        shares = [0.3, 0.2, 0.1] + [0.4 / 400] * 400
        logits = scores_of(shares, dice)
        for p in (0.25, 0.45, 0.55, 0.65):
            expect_filtered(submission.top_p_filter(logits, p), torch.tensor(nucleus(logits.tolist(), p)))

    def test_a_large_vocabulary(self, submission, dice):
        """Hundreds of different scores, none of them equal, are cut at the right one."""
        total = sum(0.99**i for i in range(500))
        shares = [0.99**i / total for i in range(500)]
        logits = scores_of(shares, dice, 1.5)
        for count in (40, 130, 320):
            p = sum(shares[:count]) - shares[count - 1] / 2
            expect_filtered(submission.top_p_filter(logits, p), torch.tensor(nucleus(logits.tolist(), p)))

    def test_one_token_stays(self, submission, dice):
        """A vocabulary of one token keeps it."""
        logits = torch.tensor([[dice.uniform(-9, 9)], [dice.uniform(-9, 9)]])
        for p in (0.001, 0.5, 1.0):
            expect_filtered(submission.top_p_filter(logits, p), logits)


class TestHiddenGenerate(Exercise, id="generation-loop", hidden=True):
    @core
    def test_long_prompts_and_many_tokens(self, submission, dice):
        """Longer prompts and more new tokens work, whichever token the sampler takes."""
        for length, count in ((dice.randrange(7, 12), 130), (1100, 3)):
            prompt, factor, place = prompt_from(dice, length), dice.randrange(20, 60), dice.randrange(2)
            got, read, calls = run_generate(submission, prompt, count, None, factor, place)
            want = continued(prompt, count, None, factor, place)
            expect.equal(got, want)
            expect_reads(read, [want[: length + i] for i in range(count)])
            expect.true(calls == count, f"for {count} new tokens the sampler was called {calls} times")

    def test_the_end_token_as_the_first_new_one(self, submission, dice):
        """If the first new token is eos_id, it is the only one; if it is the last allowed one, nothing changes."""
        factor = dice.randrange(20, 60)
        prompt = prompt_from(dice, 3)
        first = continued(prompt, 1, None, factor)[-1]
        got, read, _ = run_generate(submission, prompt, 6, first, factor)
        expect.equal(got, [*prompt, first])
        expect_reads(read, [prompt])
        prompt = prompt_that_reaches(dice, 500, factor)
        whole = continued(prompt, 12, 500, factor)
        expect.equal(run_generate(submission, prompt, len(whole) - len(prompt), 500, factor)[0], whole)


class TestHiddenTriage(Exercise, id="use-cases-triage", hidden=True):
    @core
    def test_held_out_cards(self, submission, dice):
        """Eight other titles, with facts drawn anew, are decided by the same rules."""
        expect_decisions(
            submission, [labelled(dice.choice(FULL_CARDS), title, dice) for title in HELD_OUT for _ in range(3)]
        )

    def test_every_card_there_can_be(self, submission, dice):
        """All 972 ways to know or not to know the six facts get the right decision."""
        known = itertools.product(*((*values, None) for values in FIELDS.values()))
        full = [dict(zip(FIELDS, values, strict=True)) for values in known]
        cards = [{k: v for k, v in card.items() if v is not None or dice.random() < 0.5} for card in full]
        expect_decisions(submission, cards)

    def test_held_out_cards_with_gaps(self, submission, dice):
        """Any number of gaps, from one to all six, is handled."""
        cards = [
            with_gaps(dice.choice(FULL_CARDS), dice.sample(list(FIELDS), count), dice)
            for count in (1, 2, 3, 4, 5, 6)
            for _ in range(10)
        ]
        expect_decisions(submission, [labelled(card, dice.choice(HELD_OUT), dice) for card in cards])
