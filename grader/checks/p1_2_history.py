"""Checks for p1_2_history. Parameter counts: the released models (GPT-2 small, BERT-base, T5-small) and Brown et al. 2020, table 2.1."""
import itertools
import math

import pytest

from grader.judge import Exercise, core, expect


def count_by_hand(tokens, n):
    """Look up every possible piece of n tokens by itself."""
    counts = {}
    pieces = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    for piece in dict.fromkeys(pieces):  # in order of appearance, so that a person can compare
        counts.setdefault(piece[:-1], {})[piece[-1]] = pieces.count(piece)
    return {"n": n, "vocabulary": sorted(set(tokens)), "counts": counts}


FOX = ["the", "fox", "saw", "the", "hen", "and", "the", "fox", "ran"]


class TestTrainNgram(Exercise, id="history-ngram-train"):
    def probe(self, submission):
        kept = submission.keep([3, 1, 3, 1, 2])
        submission.train_ngram(kept, 2)
        return [tidy(submission.train_ngram(tokens, n)) for tokens, n in ((FOX, 1), (FOX, 2), (FOX, 3), ([3, 1, 3, 1, 2], 2), ([1, 1, 1, 1], 3), (["The", "the", "The"], 2))] + [
            submission.train_ngram([1, 2], 3), submission.train_ngram([1, 2], 0), submission.train_ngram([1, 2], 2), submission.value(kept)]

    @core
    @pytest.mark.parametrize("n", [2, 3, 4])
    def test_counts_what_follows_each_context(self, submission, dice, n):
        """Every piece of n tokens is counted under its first n - 1 tokens, a tuple."""
        tokens = [dice.choice("abc") for _ in range(30)]
        expect.equal(tidy(submission.train_ngram(tokens, n))["counts"], count_by_hand(tokens, n)["counts"])

    def test_one_word_needs_no_context(self, submission):
        """For n = 1 all tokens are counted under the empty tuple."""
        expect.equal(tidy(submission.train_ngram(FOX, 1)), count_by_hand(FOX, 1))

    def test_pieces_that_overlap_all_count(self, submission):
        """Pieces may overlap: \"a a a a\" holds three pairs."""
        expect.equal(tidy(submission.train_ngram(["a"] * 4, 2))["counts"], {("a",): {"a": 3}})

    def test_the_model_says_what_it_is(self, submission, dice):
        """The model holds n and the sorted vocabulary, each token once, the last one included."""
        tokens = [dice.randrange(5, 40) for _ in range(20)] + [99]
        model = tidy(submission.train_ngram(tokens, 2))
        expect.equal(model["n"], 2)
        expect.equal(model["vocabulary"], sorted(set(tokens)))

    def test_takes_the_tokens_as_they_are(self, submission):
        """"The" and "the" are two tokens, and the text is the same after the call as before."""
        words = ["The", "hen", "saw", "the", "Hen"]
        kept = submission.keep(words)
        expect.equal(tidy(submission.train_ngram(kept, 2)), count_by_hand(words, 2), why="capitals make another token")
        expect.equal(submission.value(kept), words, why="the list of tokens was changed; leave it as it came")

    def test_a_text_of_n_tokens_is_enough(self, submission):
        """n tokens make one piece; fewer, or n below 1, raise ValueError."""
        expect.equal(tidy(submission.train_ngram([7, 8, 9], 3))["counts"], {(7, 8): {9: 1}})
        for tokens, n in (([7, 8], 3), ([], 1), ([7, 8], 0), ([7, 8], -1)):
            expect.raises("ValueError", submission.train_ngram, tokens, n)


def tidy(model):
    """The docstring asks for a list; a vocabulary that comes as a tuple is accepted too."""
    if not isinstance(model, dict) or set(model) != {"n", "vocabulary", "counts"}:
        return model
    vocabulary = model["vocabulary"]
    return {"n": model["n"], "vocabulary": list(vocabulary) if isinstance(vocabulary, tuple) else vocabulary, "counts": model["counts"]}


def perplexity_by_hand(model, tokens, k):
    """Through a table of all probabilities, each row checked to sum to one."""
    n, words, logs = model["n"], model["vocabulary"], []
    for *context, word in zip(*(tokens[i:] for i in range(n)), strict=False):
        row = {w: model["counts"].get(tuple(context), {}).get(w, 0) + k for w in words}
        total = math.fsum(row.values())
        logs.append(math.log(row[word]) - math.log(total))
    return math.exp(-math.fsum(logs) / len(logs))


def example(dice, n, train=60, test=15, words="abcdefg"):
    text = list(words) + [dice.choice(words[:4]) for _ in range(train)]
    return count_by_hand(text, n), [dice.choice(words) for _ in range(test)]


class TestNgramPerplexity(Exercise, id="history-ngram-perplexity"):
    def probe(self, submission):
        tiny = {"n": 2, "vocabulary": ["a", "b", "c"], "counts": {("a",): {"b": 3, "a": 1}, ("b",): {"a": 2}}}
        f = submission.ngram_perplexity
        kept = submission.keep(tiny)
        f(kept, ["c", "c", "a"], 1.0)
        return (submission.value(kept), f(tiny, ["a", "b", "a"], 1.0), f(tiny, ["a", "b", "a"]), f(tiny, ["a", "b", "a"], 0.1), f(tiny, ["c", "c", "a"], 1.0), f(tiny, ["a", "c"], 1.0),
                f(tiny, ["a", "b"] * 4000, 0.5), f(tiny, ["a", "z"], 1.0), f(tiny, ["a"], 1.0), f(tiny, ["a", "b"], 0.0),
                f({"n": 1, "vocabulary": ["a", "b"], "counts": {(): {"a": 3, "b": 1}}}, ["a", "a"], 1.0), f(tiny, ["b", "b", "b", "a"], 2.0))

    @core
    def test_the_example_of_the_docstring(self, submission):
        """With P(a) = (3 + 1) / (4 + 2) twice, the perplexity is 1.5."""
        model = {"n": 1, "vocabulary": ["a", "b"], "counts": {(): {"a": 3, "b": 1}}}
        expect.close(submission.ngram_perplexity(model, ["a", "a"], 1.0), 1.5, atol=1e-6)

    def test_a_word_never_seen_there_costs_but_does_not_ruin(self, submission):
        """A word with count 0 in its context gets k / (count(c) + k V), not zero."""
        model = {"n": 2, "vocabulary": ["a", "b", "c"], "counts": {("a",): {"b": 8}}}
        expect.close(submission.ngram_perplexity(model, ["a", "c"], 0.5), (8 + 1.5) / 0.5, atol=1e-6, why="count 0, k = 0.5, count(c) = 8, V = 3")

    @core
    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_follows_the_formula(self, submission, dice, n):
        """The perplexity is that of add-k smoothing over the whole vocabulary."""
        model, text = example(dice, n)
        for k in (1.0, 0.05):
            expect.close(submission.ngram_perplexity(model, text, k), perplexity_by_hand(model, text, k), atol=1e-6, rtol=1e-6)

    @core
    def test_a_context_never_seen_knows_nothing(self, submission, dice):
        """In a context without counts every word gets 1/V, so the perplexity is V."""
        V = dice.randrange(4, 12)
        model = {"n": 3, "vocabulary": list(range(V)), "counts": {(0, 1): {2: 5}}}
        expect.close(submission.ngram_perplexity(model, [3, 3, 2, 3, 1], 0.3), float(V), atol=1e-6)

    def test_long_texts_do_not_run_out_of_numbers(self, submission, dice):
        """Thousands of words give an ordinary number, neither infinity nor zero."""
        model, _ = example(dice, 2)
        text = [dice.choice("abcdefg") for _ in range(6000)]
        expect.close(submission.ngram_perplexity(model, text, 0.5), perplexity_by_hand(model, text, 0.5), rtol=1e-6)

    def test_k_is_one_unless_said(self, submission, dice):
        """Without an argument k is 1; a larger k flattens the model towards V."""
        model, text = example(dice, 2)
        expect.close(submission.ngram_perplexity(model, text), perplexity_by_hand(model, text, 1.0), atol=1e-6)
        expect.close(submission.ngram_perplexity(model, text, 1e9), 7.0, rtol=1e-4)

    def test_leaves_the_model_alone(self, submission):
        """The model and the text are the same after the call as before, also when contexts were never seen."""
        model, text = {"n": 2, "vocabulary": ["a", "b", "c"], "counts": {("a",): {"b": 8}}}, ["c", "b", "a", "c"]
        kept, kept_text = submission.keep(model), submission.keep(text)
        expect.close(submission.ngram_perplexity(kept, kept_text, 1.0), perplexity_by_hand(model, text, 1.0), atol=1e-6)
        expect.equal(submission.value(kept), model, why="measuring must not add contexts or counts to the model")
        expect.equal(submission.value(kept_text), text, why="the text was changed")

    def test_refuses_what_it_cannot_measure(self, submission):
        """k of 0 or below, a text shorter than n, or a token outside the vocabulary raise ValueError."""
        model = {"n": 2, "vocabulary": ["a", "b"], "counts": {("a",): {"b": 1}}}
        for text, k in ((["a", "b"], 0.0), (["a", "b"], -1.0), (["a"], 1.0), (["a", "z"], 1.0), (["z", "a"], 1.0)):
            expect.raises("ValueError", submission.ngram_perplexity, model, text, k)


def config(**changes):
    base = dict(vocab=0, positions=0, segments=0, d_model=4, d_ff=8, heads=2, inner=4, layers=0, decoder_layers=0, biases=False,
                embedding_norm=False, final_norm=False, relative_buckets=0, pooler=False, tied=True)
    return {**base, **changes}


GPT2 = config(vocab=50257, positions=1024, d_model=768, d_ff=3072, heads=12, inner=768, layers=12, biases=True, final_norm=True)
BERT = config(vocab=30522, positions=512, segments=2, d_model=768, d_ff=3072, heads=12, inner=768, layers=12, biases=True, embedding_norm=True, pooler=True)
T5 = config(vocab=32128, d_model=512, d_ff=2048, heads=8, inner=512, layers=6, decoder_layers=6, final_norm=True, relative_buckets=32)
RELEASED = [(GPT2, 124_439_808), (BERT, 109_482_240), (T5, 60_506_624)]
GPT3 = [(125e6, 12, 768, 12, 64), (760e6, 24, 1536, 16, 96), (6.7e9, 32, 4096, 32, 128), (13e9, 40, 5140, 40, 128), (175e9, 96, 12288, 96, 128)]


def count_pieces(c):
    """List every tensor by its shape and add them up."""
    C, F, inner, bias = c["d_model"], c["d_ff"], c["inner"], c["biases"]
    shapes = [(c[name], C) for name in ("vocab", "positions", "segments")]

    def norms(n):
        return [(C,)] * (n * (2 if bias else 1))

    def linears(*pairs):
        return [shape for a, b in pairs for shape in ([(a, b), (b,)] if bias else [(a, b)])]

    attention, feed_forward = linears((C, inner), (C, inner), (C, inner), (inner, C)), linears((C, F), (F, C))
    shapes += (attention + feed_forward + norms(2)) * c["layers"]
    shapes += (2 * attention + feed_forward + norms(3)) * c["decoder_layers"]
    shapes += norms(int(c["embedding_norm"]))
    for _ in range(2 if c["decoder_layers"] else 1):
        shapes += norms(int(c["final_norm"])) + [(c["relative_buckets"], c["heads"])]
    shapes += linears((C, C)) if c["pooler"] else []
    shapes += [] if c["tied"] else [(c["vocab"], C)]
    return sum(math.prod(shape) for shape in shapes)


def random_config(dice):
    heads, size = dice.randrange(1, 5), dice.randrange(1, 7)
    return config(vocab=dice.randrange(50, 90), positions=dice.choice([0, 11]), segments=dice.choice([0, 3]), d_model=dice.randrange(5, 20), d_ff=dice.randrange(7, 40),
                  heads=heads, inner=heads * size, layers=dice.randrange(1, 6), decoder_layers=dice.choice([0, 0, 4]), biases=dice.random() < 0.5,
                  embedding_norm=dice.random() < 0.5, final_norm=dice.random() < 0.5, relative_buckets=dice.choice([0, 5]), pooler=dice.random() < 0.5,
                  tied=dice.random() < 0.5)


ONE_BY_ONE = [dict(vocab=7), dict(positions=7), dict(segments=7), dict(layers=3), dict(layers=3, biases=True), dict(layers=2, decoder_layers=3),
              dict(layers=2, decoder_layers=3, biases=True), dict(layers=1, inner=10, heads=5), dict(embedding_norm=True), dict(embedding_norm=True, biases=True),
              dict(final_norm=True, layers=1), dict(final_norm=True, layers=1, decoder_layers=1), dict(relative_buckets=9, layers=1), dict(relative_buckets=9, layers=1, decoder_layers=1),
              dict(pooler=True), dict(pooler=True, biases=True), dict(vocab=7, tied=False), dict(vocab=7, tied=False, biases=True)]


class TestCountParameters(Exercise, id="history-count-parameters"):
    def probe(self, submission):
        return [submission.count_parameters(config(**changes)) for changes in ONE_BY_ONE] + [submission.count_parameters(c) for c, _ in RELEASED]

    @pytest.mark.parametrize("changes", ONE_BY_ONE, ids=lambda changes: ", ".join(changes))
    def test_each_part_alone(self, submission, changes):
        """Each part of the configuration adds what the docstring says."""
        told = ", ".join(f"{name}={value}" for name, value in changes.items())
        expect.equal(submission.count_parameters(config(**changes)), count_pieces(config(**changes)),
                     why=f"the configuration has d_model=4, d_ff=8, heads=2, inner=4, tied=True, and 0 or False for all else, but {told}")

    @core
    @pytest.mark.parametrize(("released", "numbers"), RELEASED, ids=["GPT-2 small", "BERT-base", "T5-small"])
    def test_weighs_released_models_to_the_last_number(self, submission, released, numbers):
        """GPT-2 small, BERT-base and T5-small come out exactly."""
        expect.equal(submission.count_parameters(released), numbers)

    def test_agrees_with_the_gpt3_paper_within_one_percent(self, submission):
        """Five rows of the GPT-3 table come out within 1%."""
        for said, layers, width, heads, size in GPT3:
            c = config(vocab=50257, positions=2048, d_model=width, d_ff=4 * width, heads=heads, inner=heads * size, layers=layers, biases=True, final_norm=True)
            got = submission.count_parameters(c)
            expect.close(got, float(said), rtol=0.01, atol=0.0)

    def test_any_configuration(self, submission, dice):
        """Random configurations come out as the sum of their tensors, an int."""
        for _ in range(25):
            c = random_config(dice)
            expect.equal(submission.count_parameters(c), count_pieces(c))


def card(model, published, sees, predicts, *builds_on):
    return {"model": model, "published": published, "sees": sees, "predicts": predicts, "builds_on": list(builds_on)}


REAL = [card("GPT-3", "2020-05", "before", "next token", "GPT-2"), card("BERT", "2018-10", "all", "hidden tokens", "Transformer"),
        card("Transformer", "2017-06", "all, then before", "translation"), card("T5", "2019-10", "all, then before", "hidden spans", "Transformer", "BERT"),
        card("GPT", "2018-06", "before", "next token", "Transformer"), card("GPT-2", "2019-02", "before", "next token", "GPT")]
ROWS = [(2017, "Transformer", "encoder-decoder", "translation"), (2018, "GPT", "decoder", "causal"), (2018, "BERT", "encoder", "masked"),
        (2019, "GPT-2", "decoder", "causal"), (2019, "T5", "encoder-decoder", "span corruption"), (2020, "GPT-3", "decoder", "causal")]


def as_rows(table):
    return [dict(zip(("year", "model", "architecture", "objective"), row, strict=True)) for row in table]


class TestTimeline(Exercise, id="history-timeline"):
    def probe(self, submission):
        kept = submission.keep(REAL)
        return (submission.timeline(kept), submission.value(kept), submission.timeline([]),
                submission.timeline([card("M", "2001-11", "all", "hidden spans"), card("Z", "2001-11", "before", "hidden tokens"), card("A", "2001-11", "all", "translation"),
                                     card("F", "2001-02", "all", "translation")]),
                submission.timeline([card("O", "2001-01", "all", "translation"), card("N", "2002-01", "all", "translation", "nobody", "O")]),
                submission.timeline([card("A", "2001-01", "all", "translation", "B")]), submission.timeline([card("A", "2001-01", "all", "translation", "A")]),
                submission.timeline([card("A", "2001-01", "all", "translation", "B"), card("B", "2001-01", "all", "translation")]),
                submission.timeline([card("A", "2001-05", "all", "translation", "B"), card("B", "2001-04", "all", "translation")]),
                submission.timeline([card("A", "2001-02", "all", "translation", "B"), card("B", "2001-04", "all", "translation")]))

    @core
    def test_brings_the_real_milestones_into_order(self, submission, dice):
        """The six models of the lesson, shuffled, come out by date, each with its architecture and objective."""
        expect.equal(submission.timeline(dice.sample(REAL, len(REAL))), as_rows(ROWS))

    @core
    def test_reads_the_cards_and_not_the_names(self, submission, dice):
        """Cards of made-up models are read by what they say."""
        sees = {"before": "decoder", "all": "encoder", "all, then before": "encoder-decoder"}
        predicts = {"next token": "causal", "hidden tokens": "masked", "hidden spans": "span corruption", "translation": "translation"}
        both = list(itertools.product(sees, predicts))
        dates = [f"{2000 + i}-{dice.randrange(1, 13):02}" for i in range(len(both))]
        cards = [card(f"M{dice.randrange(10**6)}", date, s, p) for date, (s, p) in zip(dates, dice.sample(both, len(both)), strict=True)]
        want = as_rows([(int(c["published"][:4]), c["model"], sees[c["sees"]], predicts[c["predicts"]]) for c in cards])
        expect.equal(submission.timeline(dice.sample(cards, len(cards))), want)

    def test_months_count_and_ties_keep_their_order(self, submission):
        """Within a year the month decides; cards of the same month stay in the order in which they came."""
        cards = [card("late", "2005-11", "all", "translation"), card("m", "2005-03", "all", "translation"), card("z", "2005-03", "before", "next token"), card("a", "2005-03", "all", "hidden spans"),
                 card("early", "2005-02", "all", "hidden tokens")]
        got = submission.timeline(cards)
        expect.true(isinstance(got, list) and all(isinstance(row, dict) and "model" in row for row in got), "it must return a list of dicts", got=got)
        expect.equal([row["model"] for row in got], ["early", "m", "z", "a", "late"])

    def test_nothing_builds_on_the_future(self, submission):
        """A card that builds on a model of the same or a later month, on itself, or on an unknown one raises ValueError."""
        older, newer = card("old", "2001-03", "all", "translation"), card("new", "2001-04", "all", "translation", "old")
        got = submission.timeline([newer, older])
        expect.true(isinstance(got, list) and len(got) == 2, "a card may build on one published a month earlier, wherever it stands in the list", got=got)
        for cards, why in (([card("a", "2001-03", "all", "translation", "b")], "a builds on b, which is not among the cards"),
                           ([card("a", "2001-03", "all", "translation", "a")], "a builds on itself"),
                           ([older, card("b", "2001-03", "all", "translation", "old")], "b builds on old, which is of the same month"),
                           ([older, card("b", "2000-12", "all", "translation", "old")], "b builds on old, which is of a later month"),
                           ([older, newer, card("b", "2002-01", "all", "translation", "old", "nobody")], "b builds on old and on nobody, which is not among the cards"),
                           ([older, newer, card("b", "2002-01", "all", "translation", "nobody", "old")], "b builds on nobody, which is not among the cards, and on old")):
            expect.raises("ValueError", submission.timeline, cards, why=why)

    def test_leaves_the_cards_alone(self, submission):
        """The cards and their order are the same after the call as before; no cards give an empty list."""
        kept = submission.keep(REAL)
        expect.equal(submission.timeline(kept), as_rows(ROWS))
        expect.equal(submission.value(kept), REAL)
        expect.equal(submission.timeline([]), [])


def gain_by_hand(scratch, tuned, target):
    """Walk each curve in ten thousand tiny steps."""
    def reached(curve):
        if curve[0][1] <= target:
            return float(curve[0][0])
        for (x0, y0), (x1, y1) in itertools.pairwise(curve):
            if y1 <= target:
                low, high = 0.0, 1.0
                for _ in range(60):  # bisection: an oracle without the formula
                    middle = (low + high) / 2
                    low, high = (low, middle) if y0 + middle * (y1 - y0) <= target else (middle, high)
                return x0 + high * (x1 - x0)
        return math.inf

    a, b = reached(scratch), reached(tuned)
    return None if math.inf == a == b else a - b


CURVES = {"plain": ([(0, 4.0), (100, 2.0)], [(0, 3.0), (100, 1.0)], 2.5), "at a point": ([(0, 4.0), (10, 3.0), (40, 2.0)], [(0, 3.0), (20, 1.0)], 3.0),
          "uneven steps": ([(5, 9.0), (6, 8.0), (50, 1.0)], [(0, 7.0), (30, 2.0), (35, 1.0)], 4.0),
          "up and down": ([(0, 5.0), (10, 2.0), (20, 4.0), (30, 1.0)], [(0, 4.0), (8, 1.0), (9, 3.0), (10, 0.5)], 2.5),
          "a loss": ([(0, 2.0), (10, 1.0)], [(0, 5.0), (90, 1.0)], 1.5), "only tuned": ([(0, 4.0), (10, 3.0)], [(0, 4.0), (10, 1.0)], 2.0),
          "only scratch": ([(0, 4.0), (10, 1.0)], [(0, 4.0), (10, 3.0)], 2.0), "neither": ([(0, 4.0), (10, 3.0)], [(0, 4.0), (10, 3.0)], 2.0),
          "no gain": ([(0, 4.0), (10, 2.0)], [(0, 4.0), (10, 2.0)], 3.0),
          "three crossings": ([(0, 5.0), (10, 2.0), (20, 4.0), (30, 1.5), (40, 4.5), (50, 1.0)], [(0, 4.0), (20, 1.0)], 2.5),
          "at once": ([(3, 1.0), (10, 0.5)], [(1, 0.2)], 2.0), "just so": ([(0, 4.0), (10, 2.0)], [(0, 3.0), (5, 2.0)], 2.0)}


class TestPretrainingGain(Exercise, id="history-pretraining-gain"):
    def probe(self, submission):
        return [submission.pretraining_gain(*curves) for curves in CURVES.values()]

    @core
    @pytest.mark.parametrize("name", ["plain", "at a point", "uneven steps"])
    def test_measures_along_the_target(self, submission, name):
        """The gain is the examples from scratch minus those after pretraining, where each curve crosses the target."""
        expect.close(submission.pretraining_gain(*CURVES[name]), gain_by_hand(*CURVES[name]), atol=1e-6)

    @core
    def test_random_curves(self, submission, dice):
        """On random curves it agrees with a search along the line."""
        for _ in range(20):
            curves = []
            for _ in range(2):
                xs = sorted(dice.sample(range(1000), 6))
                curves.append([(x, dice.uniform(0, 5)) for x in xs])
            curves[0][-1], curves[1][-1] = (1000, 0.0), (1000, 0.0)
            target = dice.uniform(0.5, 4)
            expect.close(submission.pretraining_gain(*curves, target), gain_by_hand(*curves, target), atol=1e-4)

    @pytest.mark.parametrize("name", ["up and down", "three crossings", "a loss", "no gain", "at once", "just so"])
    def test_the_first_time_counts(self, submission, name):
        """The first crossing counts, a gain may be negative or 0.0, at the target is enough, and a curve may be there from the start."""
        expect.close(submission.pretraining_gain(*CURVES[name]), gain_by_hand(*CURVES[name]), atol=1e-6)

    @pytest.mark.parametrize("name", ["only tuned", "only scratch", "neither"])
    def test_curves_that_never_get_there(self, submission, name):
        """Infinity if only one curve reaches the target, with its sign, and None if neither does."""
        expect.equal(submission.pretraining_gain(*CURVES[name]), gain_by_hand(*CURVES[name]))
