"""Further checks for p1_2_history that a learner's copy leaves out."""
from grader.checks.p1_2_history import TIGHT, card, config, count_by_hand, count_pieces, example, gain_by_hand, perplexity_by_hand, tidy
from grader.judge import Exercise, core, expect


class TestHiddenTrain(Exercise, id="history-ngram-train", hidden=True):
    @core
    def test_words_and_long_pieces(self, submission, dice):
        """Words work like letters, and pieces of five like pieces of two."""
        tokens = [dice.choice(["fox", "hen", "ran", "the"]) for _ in range(80)]
        expect.equal(tidy(submission.train_ngram(tokens, 5)), count_by_hand(tokens, 5))


class TestHiddenPerplexity(Exercise, id="history-ngram-perplexity", hidden=True):
    @core
    def test_long_memory(self, submission, dice):
        """Five words of memory, most contexts never seen."""
        model, text = example(dice, 5, train=200, test=60)
        expect.close(submission.ngram_perplexity(model, text, 0.2), perplexity_by_hand(model, text, 0.2), **TIGHT)


class TestHiddenCount(Exercise, id="history-count-parameters", hidden=True):
    @core
    def test_wide_attention_and_two_stacks(self, submission, dice):
        """Attention wider than the model, in an encoder-decoder with biases."""
        c = config(vocab=33, positions=5, d_model=6, d_ff=11, heads=7, inner=7 * dice.randrange(2, 9), layers=dice.randrange(1, 5), decoder_layers=dice.randrange(5, 9),
                   biases=True, embedding_norm=True, final_norm=True, relative_buckets=13, pooler=True, tied=False)
        expect.equal(submission.count_parameters(c), count_pieces(c))


class TestHiddenTimeline(Exercise, id="history-timeline", hidden=True):
    def test_long_chains(self, submission, dice):
        """Twenty models, each built on the one before, in any order."""
        cards = [card(f"m{i}", f"{1990 + i}-{dice.randrange(1, 13):02}", "before", "next token", *([f"m{i - 1}"] if i else [])) for i in range(20)]
        got = submission.timeline(dice.sample(cards, 20))
        expect.true(isinstance(got, list), "it must return a list", got=got)
        expect.equal([row["year"] for row in got], list(range(1990, 2010)))


class TestHiddenGain(Exercise, id="history-pretraining-gain", hidden=True):
    def test_many_points(self, submission, dice):
        """Curves of a hundred noisy points."""
        scratch, tuned = ([(10 * i, 6 / (1 + i / speed) + dice.random() * 0.2) for i in range(100)] for speed in (20, 5))
        expect.close(submission.pretraining_gain(scratch, tuned, 2.0), gain_by_hand(scratch, tuned, 2.0), atol=5e-3)
        late = [(i, 9.0 - i / 16 + dice.randrange(8) / 8) for i in range(128)]
        expect.close(submission.pretraining_gain(late, tuned, 1.5), gain_by_hand(late, tuned, 1.5), atol=5e-3)
