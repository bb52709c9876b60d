"""Checks for p1_2_history. Parameter counts: the released models (GPT-2 small, BERT-base, T5-small, SmolLM2-135M) and Brown et al. 2020, arXiv:2005.14165."""
import itertools
import math

import pytest

from grader.judge import Exercise, core, expect
from grader.seam import LearnerError


def count_by_hand(tokens, n):
    """Look up every possible piece of n tokens by itself."""
    counts = {}
    pieces = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    for piece in dict.fromkeys(pieces):  # in order of appearance, so that a person can compare
        counts.setdefault(piece[:-1], {})[piece[-1]] = pieces.count(piece)
    return {"n": n, "vocabulary": sorted(set(tokens)), "counts": counts}


def counts_of(model):
    """The counts of a model, or what came instead of a model."""
    return model["counts"] if isinstance(model, dict) and "counts" in model else model


def cause(counts, want):
    """What the counts themselves say about the likeliest mistake."""
    if not isinstance(counts, dict) or not all(isinstance(after, dict) for after in counts.values()):
        return "counts maps each context to a dictionary {next token: how often}"
    if not all(isinstance(context, tuple) for context in counts):
        return "a context is a tuple, for n = 2 too: ('a',)"
    mine, right = (sum(number for after in table.values() for number in after.values() if isinstance(number, int)) for table in (counts, want))
    return f"your counts add up to {mine}, and the text has {right} pieces: look at the first and the last place of the window" if mine != right else ""


FOX = ["the", "fox", "saw", "the", "hen", "and", "the", "fox", "ran"]
ODD_WORDS = [" the", "the", "New York", "", " the", "the", "New", "York", "", " the", "New York"]


class TestTrainNgram(Exercise, id="history-ngram-train"):
    def probe(self, submission):
        kept = submission.keep([3, 1, 3, 1, 2])
        submission.train_ngram(kept, 2)
        return [tidy(submission.train_ngram(tokens, n)) for tokens, n in ((FOX, 1), (FOX, 2), (FOX, 3), ([3, 1, 3, 1, 2], 2), ([1, 1, 1, 1], 3), (["The", "the", "The"], 2),
                                                                          (ODD_WORDS, 2), ([0, 300, 0, 300, 0], 2), ([7] * 300, 1))] + [
            len(str(submission.train_ngram(list(range(1200)), 8))),
            submission.train_ngram([1, 2], 3), submission.train_ngram([1, 2], 0), submission.train_ngram([1, 2], 2), submission.value(kept)]

    @core
    @pytest.mark.parametrize(("tokens", "n"), [(["a"] * 4, 2), (["a", "b", "c"], 2), (["a", "b", "c", "d"], 3), (["a", "b", "a", "b", "c"], 2)],
                             ids=["a a a a", "a b c", "a b c d", "docstring"])
    def test_texts_short_enough_to_count_by_hand(self, submission, tokens, n):
        """Pieces may overlap, so "a a a a" holds three pairs, and "a b c" two: ("a",) then "b", ("b",) then "c"."""
        model, want = submission.train_ngram(tokens, n), count_by_hand(tokens, n)["counts"]
        expect.equal(counts_of(model), want, why=cause(counts_of(model), want))

    @core
    @pytest.mark.parametrize("n", [2, 3, 4, 7])
    def test_counts_what_follows_each_context(self, submission, dice, n):
        """Every piece of n tokens is counted under its first n - 1 tokens, a tuple, whatever the tokens are."""
        for _ in range(2):  # alike in length and start, so that nothing can be remembered from the first text
            tokens = [0, *dice.choices([0, 1, 50256], k=40)]  # 0 counts as false, and Python makes a new object of every large number
            model, want = submission.train_ngram(tokens, n), count_by_hand(tokens, n)["counts"]
            expect.equal(counts_of(model), want, why=cause(counts_of(model), want))

    def test_the_model_says_what_it_is(self, submission, dice):
        """The model holds n and the sorted vocabulary, each token once, the first and the last included; for n = 1 all is counted under the empty tuple."""
        tokens = [150, *(dice.randrange(5, 140) for _ in range(20)), 7, 64, 99, 141]  # as texts, or in the order of a set, they would not be sorted
        model = tidy(submission.train_ngram(tokens, 2))
        expect.true(isinstance(model, dict) and set(model) == {"n", "vocabulary", "counts"}, "it must be a dict with the keys n, vocabulary and counts", got=model)
        expect.equal(model["n"], 2)
        expect.equal(model["vocabulary"], sorted(set(tokens)))
        expect.equal(tidy(submission.train_ngram(FOX, 1)), count_by_hand(FOX, 1))

    def test_takes_the_tokens_as_they_are(self, submission):
        """"The", "the" and " the" are three tokens, "New York" and "" are one each, and the text is the same after the call as before."""
        for words in (["The", "hen", "saw", "the", "Hen"], ODD_WORDS):
            kept = submission.keep(words)
            expect.equal(tidy(submission.train_ngram(kept, 2)), count_by_hand(words, 2), why="capitals and spaces make another token; take each as it is")
            expect.equal(submission.value(kept), words, why="the list of tokens was changed; leave it as it came")

    def test_a_text_of_n_tokens_is_enough(self, submission):
        """n tokens make one piece; fewer, or n below 1, raise ValueError."""
        expect.equal(counts_of(submission.train_ngram([7, 8, 9], 3)), {(7, 8): {9: 1}})
        expect.equal(counts_of(submission.train_ngram([7], 1)), {(): {7: 1}})
        for tokens, n in (([7, 8], 3), ([], 1), ([7, 8], 0), ([7, 8], -1)):
            expect.raises("ValueError", submission.train_ngram, tokens, n, why=f"n = {n}, and the text has {len(tokens)} tokens")

    @core
    def test_long_texts_count_to_the_end(self, submission, dice):
        """A text of some thousand tokens is counted to its end, however often a piece comes."""
        tokens = [*dice.choices("ab", k=1500), *dice.choices("cd", k=1500)]
        want = count_by_hand(tokens, 2)["counts"]
        expect.equal(counts_of(submission.train_ngram(tokens, 2)), want)


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


TIGHT = {"atol": 1e-6, "rtol": 2e-6}  # single precision differs by less, and four decimals by more
LONG = {"atol": 1e-6, "rtol": 2e-5}  # the same for a sum of 6000 logarithms


def blame(got, known):
    """The known mistake whose result this is, or an empty string."""
    return next((said for value, said in known.items() if isinstance(got, int | float) and math.isclose(got, value, rel_tol=1e-6)), "")


class TestNgramPerplexity(Exercise, id="history-ngram-perplexity"):
    def probe(self, submission):
        tiny = {"n": 2, "vocabulary": ["a", "b", "c"], "counts": {("a",): {"b": 3, "a": 1}, ("b",): {"a": 2}}}
        f = submission.ngram_perplexity
        kept = submission.keep(tiny)
        f(kept, ["c", "c", "a"], 1.0)
        return (submission.value(kept), f(tiny, ["a", "b", "a"], 1.0), f(tiny, ["a", "b", "a"]), f(tiny, ["a", "b", "a"], 0.1), f(tiny, ["c", "c", "a"], 1.0), f(tiny, ["a", "c"], 1.0),
                f(tiny, ["a", "b"] * 4000, 0.5), f(tiny, ["a", "z"], 1.0), f(tiny, ["a"], 1.0), f(tiny, ["a", "b"], 0.0),
                f({"n": 1, "vocabulary": ["a", "b"], "counts": {(): {"a": 3, "b": 1}}}, ["a", "a"], 1.0), f(tiny, ["b", "b", "b", "a"], 2.0),
                f(tiny, ["a", "c"], 1e-12), f(tiny, ["a", "z", "a"], 1.0), f(tiny, ["z", "a"], 1.0), f({**tiny, "n": 1, "counts": {(): {"b": 2}}}, [], 1.0))

    @core
    def test_examples_to_compute_by_hand(self, submission):
        """The example of the docstring gives 1.5; where n = 2, the first token of the text is not predicted."""
        model = {"n": 1, "vocabulary": ["a", "b"], "counts": {(): {"a": 3, "b": 1}}}
        expect.close(submission.ngram_perplexity(model, ["a", "a"], 1.0), 1.5, **TIGHT, why="P(a) = (3 + 1) / (4 + 2), twice")
        model = {"n": 2, "vocabulary": ["a", "b"], "counts": {("a",): {"b": 3}}}
        got = submission.ngram_perplexity(model, ["a", "b"], 1.0)
        expect.close(got, 1.25, **TIGHT, why=blame(got, {
            1.25**0.5: "you divide by all tokens; the first n - 1 have nothing before them and are not predicted, so divide by len(tokens) - n + 1",
            1.25 ** (1 / 3): "you divide by too many: one token is predicted here", 1.0: "nothing was predicted: the last token is, from the one before it"})
            or "one prediction: P(b after a) = (3 + 1) / (3 + 2) = 0.8")

    @core
    def test_what_was_never_seen_costs_but_does_not_ruin(self, submission, dice):
        """A word with count 0 in its context gets k / (count(c) + k V); in a context never seen every word gets 1/V, so the perplexity is V."""
        model = {"n": 2, "vocabulary": ["a", "b", "c"], "counts": {("a",): {"b": 8}}}
        for k in (0.5, 1e-12):
            expect.close(submission.ngram_perplexity(model, ["a", "c"], k), (8 + 3 * k) / k, **TIGHT, why=f"count 0, k = {k}, count(c) = 8, V = 3")
        try:
            got = submission.ngram_perplexity(model, ["c", "b"], 0.5)
        except LearnerError as error:
            expect.true(error.kind != "KeyError", "it stops with a KeyError where a context was never seen", got=error.line, why="('c',) is not in counts: counts.get(context, {}) has no such trouble")
            raise
        expect.close(got, 3.0, **TIGHT, why="('c',) is not in counts: all its counts are 0, so 0.5 / (0 + 0.5 * 3)")
        V = dice.randrange(4, 12)
        model = {"n": 3, "vocabulary": list(range(V)), "counts": {(0, 1): {2: 5}}}
        expect.close(submission.ngram_perplexity(model, [3, 3, 0, 2, 3, 0, 1], 0.3), float(V), **TIGHT)

    @core
    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_follows_the_formula(self, submission, dice, n):
        """The perplexity is that of add-k smoothing over the whole vocabulary; without an argument k is 1."""
        model, text = example(dice, n)
        for k in (1.0, 0.05, 7.5):
            expect.close(submission.ngram_perplexity(model, text, k), perplexity_by_hand(model, text, k), **TIGHT)
        expect.close(submission.ngram_perplexity(model, text), perplexity_by_hand(model, text, 1.0), **TIGHT, why="k is 1 unless said")

    @core
    def test_long_texts_do_not_run_out_of_numbers(self, submission, dice):
        """Thousands of words give an ordinary number, neither infinity nor zero, and all of them count."""
        model, _ = example(dice, 2)
        text = [*dice.choices("abcd", k=4000), *dice.choices("efg", k=2000)]
        expect.close(submission.ngram_perplexity(model, text, 0.5), perplexity_by_hand(model, text, 0.5), **LONG, why="add logarithms; a product of thousands of probabilities is 0")

    def test_leaves_the_model_alone(self, submission):
        """The model and the text are the same after the call as before, also when contexts were never seen."""
        model, text = {"n": 2, "vocabulary": ["a", "b", "c"], "counts": {("a",): {"b": 8}}}, ["c", "b", "a", "c"]
        kept, kept_text = submission.keep(model), submission.keep(text)
        expect.close(submission.ngram_perplexity(kept, kept_text, 1.0), perplexity_by_hand(model, text, 1.0), **TIGHT)
        expect.equal(submission.value(kept), model, why="measuring must not add contexts or counts to the model")
        expect.equal(submission.value(kept_text), text, why="the text was changed")

    def test_refuses_what_it_cannot_measure(self, submission):
        """k of 0 or below, a text shorter than n, or a token outside the vocabulary raise ValueError."""
        model = {"n": 2, "vocabulary": ["a", "b"], "counts": {("a",): {"b": 1}}}
        for text, k in ((["a", "b"], 0.0), (["a", "b"], -1.0), (["a"], 1.0), (["a", "z"], 1.0), (["z", "a"], 1.0), (["a", "z", "a", "b"], 1.0)):
            expect.raises("ValueError", submission.ngram_perplexity, model, text, k)
        for n, text in ((1, []), (3, ["a", "b"]), (3, ["z", "a", "b"]), (3, ["a", "z", "b"])):
            model = {"n": n, "vocabulary": ["a", "b"], "counts": {("a",) * (n - 1): {"b": 1}}}
            expect.raises("ValueError", submission.ngram_perplexity, model, text, 1.0, why=f"n = {n}")
        expect.close(submission.ngram_perplexity(count_by_hand(["a", "b", "a"], 1), ["b"], 1.0), 2.5, **TIGHT, why="n = 1: a text of one token is enough")


def config(**changes):
    base = dict(vocab=0, positions=0, segments=0, d_model=4, d_ff=8, heads=2, inner=4, layers=0, decoder_layers=0, biases=False,
                embedding_norm=False, final_norm=False, relative_buckets=0, pooler=False, tied=True)
    return {**base, **changes}


def terms(c):
    """Parts that are easily forgotten or counted twice, with their numbers."""
    C, b, kv = c["d_model"], int(c["biases"]), c["inner"] * c.get("kv_heads", c["heads"]) // c["heads"]
    norm, every = C * (1 + b), c["layers"] + c["decoder_layers"]
    cross = (C + b) * (c["inner"] + 2 * kv) + (c["inner"] + b) * C
    found = {"relative_buckets: one table of relative_buckets × heads (there is one per stack)": c["relative_buckets"] * c["heads"],
             "final_norm: one norm (there is one per stack)": norm * c["final_norm"], "embedding_norm: one norm": norm * c["embedding_norm"],
             "tied: vocab × d_model, the output layer": c["vocab"] * C, "positions × d_model": c["positions"] * C, "segments × d_model": c["segments"] * C,
             "positions and segments, × d_model": (c["positions"] + c["segments"]) * C if c["positions"] and c["segments"] else 0,
             "pooler: a linear layer d_model -> d_model": (C + b) * C * c["pooler"], "the bias of the pooler": C * b * c["pooler"], "a bias of the output layer": c["vocab"] * b,
             "one norm a layer": norm * every, "the third norm of each decoder layer": norm * c["decoder_layers"],
             "cross-attention: one more attention in each decoder layer": cross * c["decoder_layers"],
             "cross-attention and its norm, in each decoder layer": (cross + norm) * c["decoder_layers"], "the way back I -> C of each attention": (c["inner"] + b) * C * (every + c["decoder_layers"]),
             "the biases of the norms": C * b * (2 * every + c["decoder_layers"] + c["embedding_norm"] + c["final_norm"]),
             "gated: one more linear layer d_model -> d_ff in each layer": (C + b) * c["d_ff"] * every * bool(c.get("gated")),
             "kv_heads: keys and values as wide as the queries": 2 * (C + b) * (c["inner"] - kv) * (every + c["decoder_layers"])}
    return {name: number for name, number in found.items() if number}


def told(changes):
    """What an almost empty configuration holds, in words: the call itself is too long to show."""
    return f"the configuration has d_model=4, d_ff=8, heads=2, inner=4, tied=True, and 0 or False for all else, but {', '.join(f'{name}={value}' for name, value in changes.items())}"


def weigh(got, c, told="", called=""):
    """Expect the right number; else say by how much it is off, and which part is that large."""
    want, why = count_pieces(c), [told]
    if isinstance(got, int) and not isinstance(got, bool) and got != want:
        off = abs(got - want)
        parts = [name for name, number in terms(c).items() if number == off]
        why += [f"{off:,} {'too many' if got > want else 'too few'}" + (f", which is as much as {' or as '.join(parts[:2])}" if parts else "")]
    expect.equal(got, want, why="; ".join(part for part in why if part), called=called)


GPT2 = config(vocab=50257, positions=1024, d_model=768, d_ff=3072, heads=12, inner=768, layers=12, biases=True, final_norm=True)
BERT = config(vocab=30522, positions=512, segments=2, d_model=768, d_ff=3072, heads=12, inner=768, layers=12, biases=True, embedding_norm=True, pooler=True)
T5 = config(vocab=32128, d_model=512, d_ff=2048, heads=8, inner=512, layers=6, decoder_layers=6, final_norm=True, relative_buckets=32)
SMOL = config(vocab=49152, d_model=576, d_ff=1536, heads=9, inner=576, kv_heads=3, gated=True, layers=30, final_norm=True)
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

    width = inner // c["heads"] * c.get("kv_heads", c["heads"])
    attention, feed_forward = linears((C, inner), (C, width), (C, width), (inner, C)), linears(*[(C, F)] * (2 if c.get("gated") else 1), (F, C))
    shapes += (attention + feed_forward + norms(2)) * c["layers"]
    shapes += (2 * attention + feed_forward + norms(3)) * c["decoder_layers"]
    shapes += norms(int(c["embedding_norm"]))
    for _ in range(2 if c["decoder_layers"] else 1):
        shapes += norms(int(c["final_norm"])) + [(c["relative_buckets"], c["heads"])]
    shapes += linears((C, C)) if c["pooler"] else []
    shapes += [] if c["tied"] else [(c["vocab"], C)]
    return sum(math.prod(shape) for shape in shapes)


def random_config(dice, *, modern=True):
    heads, size = dice.choice([1, 2, 4, 6]), dice.randrange(1, 7)
    extra = dict(kv_heads=dice.choice([h for h in range(1, heads + 1) if heads % h == 0]), gated=dice.random() < 0.5) if modern and dice.random() < 0.5 else {}
    return config(**extra, vocab=dice.randrange(50, 90), positions=dice.choice([0, 11]), segments=dice.choice([0, 3]), d_model=dice.randrange(5, 20), d_ff=dice.randrange(7, 40),
                  heads=heads, inner=heads * size, layers=dice.randrange(1, 6), decoder_layers=dice.choice([0, 0, 4]), biases=dice.random() < 0.5,
                  embedding_norm=dice.random() < 0.5, final_norm=dice.random() < 0.5, relative_buckets=dice.choice([0, 5]), pooler=dice.random() < 0.5,
                  tied=dice.random() < 0.5)


ONE_BY_ONE = [dict(vocab=7), dict(positions=7), dict(segments=7), dict(layers=3), dict(layers=3, biases=True), dict(layers=2, decoder_layers=3),
              dict(layers=2, decoder_layers=3, biases=True), dict(layers=1, inner=10, heads=5), dict(embedding_norm=True), dict(embedding_norm=True, biases=True),
              dict(final_norm=True, layers=1), dict(final_norm=True, layers=1, decoder_layers=1), dict(relative_buckets=9, layers=1), dict(relative_buckets=9, layers=1, decoder_layers=1),
              dict(pooler=True), dict(pooler=True, biases=True), dict(vocab=7, tied=False), dict(vocab=7, tied=False, biases=True)]
MODERN = [dict(layers=1, gated=True), dict(layers=1, gated=True, biases=True), dict(layers=1, gated=False, kv_heads=2), dict(layers=1, kv_heads=1), dict(layers=1, kv_heads=1, biases=True),
          dict(layers=1, heads=6, inner=12, kv_heads=2), dict(layers=2, decoder_layers=3, heads=6, inner=12, kv_heads=2, gated=True, biases=True, relative_buckets=9)]


class TestCountParameters(Exercise, id="history-count-parameters"):
    def probe(self, submission):
        kept = submission.keep(GPT2)
        submission.count_parameters(kept)
        return [submission.count_parameters(config(**changes)) for changes in ONE_BY_ONE + MODERN] + [submission.count_parameters(c) for c, _ in RELEASED] + [submission.value(kept)]

    def test_each_part_alone(self, submission):
        """Each part of the configuration adds what the docstring says."""
        for changes in ONE_BY_ONE:
            weigh(submission.count_parameters(config(**changes)), config(**changes), told(changes))

    @core
    def test_weighs_decoders_to_the_last_number(self, submission, dice):
        """The example of the docstring, GPT-2 small (124,439,808) and other decoders of its kind come out exactly."""
        kind = dict(relative_buckets=0, segments=0, decoder_layers=0, embedding_norm=False, pooler=False, tied=True)
        for c in (config(vocab=10, layers=1), GPT2, *({**random_config(dice, modern=False), **kind} for _ in range(10))):
            weigh(submission.count_parameters(c), c)

    def test_weighs_bert_and_t5_to_the_last_number(self, submission):
        """BERT-base (109,482,240) and T5-small (60,506,624) come out exactly."""
        for released, numbers in RELEASED[1:]:
            got = submission.count_parameters(released)
            weigh(got, released)
            expect.equal(got, numbers)

    def test_gates_and_shared_heads(self, submission):
        """With kv_heads and gated it weighs SmolLM2-135M: 134,515,008. Both keys may be missing, and the configuration stays as it came."""
        for changes in [*MODERN, {"layers": 1}, SMOL]:
            c = config(**changes)
            kept = submission.keep(c)
            weigh(submission.count_parameters(kept), c, "this is SmolLM2-135M" if changes is SMOL else told(changes), called=f"count_parameters({c})")
            expect.equal(submission.value(kept), c, why="the configuration was changed; leave it as it came", called=f"count_parameters({c})")
        expect.equal(submission.count_parameters(SMOL), 134_515_008)

    def test_agrees_with_the_gpt3_paper_within_one_percent(self, submission):
        """Five rows of the GPT-3 table come out within 1% of the paper, and exactly as the sum of their tensors."""
        for said, layers, width, heads, size in GPT3:
            c = config(vocab=50257, positions=2048, d_model=width, d_ff=4 * width, heads=heads, inner=heads * size, layers=layers, biases=True, final_norm=True)
            got = submission.count_parameters(c)
            expect.close(got, float(said), rtol=0.01, atol=0.0)
            weigh(got, c)

    def test_any_configuration(self, submission, dice):
        """Random configurations come out as the sum of their tensors, an int."""
        for _ in range(40):
            c = random_config(dice)
            weigh(submission.count_parameters(c), c)


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
                submission.timeline([card("A", "2001-02", "all", "translation", "B"), card("B", "2001-04", "all", "translation")]),
                submission.timeline([card("GPT-2", "1999-02", "all", "translation"), card("A", "2001-04", "all", "translation", "GPT")]),
                submission.timeline([card("GPT-2", "1999-02", "all", "translation"), card("A", "2001-04", "all", "translation", "gpt-2")]),
                submission.timeline([card("Z", "1999-02", "all", "translation"), card("A", "2001-04", "all", "translation", "Z"), card("B", "2001-04", "all", "translation")]),
                submission.timeline([card("A", "1999-02", "all", "translation"), card("Z", "2001-04", "all", "translation", "A", "A", "nobody", "A")]))

    @core
    def test_brings_the_real_milestones_into_order(self, submission, dice):
        """The six models of the lesson, shuffled, come out by date, each with its architecture and objective."""
        expect.equal(submission.timeline(dice.sample(REAL, len(REAL))), as_rows(ROWS))

    @core
    def test_reads_the_cards_and_not_the_names(self, submission, dice):
        """Cards of made-up models are read by what they say."""
        sees = {"before": "decoder", "all": "encoder", "all, then before": "encoder-decoder"}
        predicts = {"next token": "causal", "hidden tokens": "masked", "hidden spans": "span corruption", "translation": "translation"}
        both = list(itertools.product(sees, predicts)) * 2
        dates = [f"{1988 + i}-{dice.randrange(1, 13):02}" for i in range(len(both))]
        cards = [card(f"M{dice.randrange(10**6)}", date, s, p) for date, (s, p) in zip(dates, dice.sample(both, len(both)), strict=True)]
        want = as_rows([(int(c["published"][:4]), c["model"], sees[c["sees"]], predicts[c["predicts"]]) for c in cards])
        mixed = dice.sample(cards, len(cards))
        expect.equal(submission.timeline(mixed), want)
        changed = {"before": "all", "all": "all, then before", "all, then before": "before"}
        expect.equal(submission.timeline([{**c, "sees": changed[c["sees"]]} for c in mixed]), [{**row, "architecture": sees[changed[c["sees"]]]} for row, c in zip(want, cards, strict=True)],
                     why="these are the same cards, but for what each model sees: nothing may be remembered from the call before")

    def test_months_count_and_ties_keep_their_order(self, submission):
        """Within a year the month decides; cards of the same month stay in the order in which they came."""
        cards = [card("late", "2005-11", "all", "translation"), card("m", "2005-03", "all", "translation"), card("z", "2005-03", "before", "next token"), card("a", "2005-03", "all", "hidden spans"),
                 card("early", "2005-02", "all", "hidden tokens")]
        got = submission.timeline(cards)
        expect.true(isinstance(got, list) and all(isinstance(row, dict) and "model" in row for row in got), "it must return a list of dicts", got=got)
        expect.equal([row["model"] for row in got], ["early", "m", "z", "a", "late"])
        cards = [card("root", "1999-12", "all", "translation")] + [card(name, "2000-01", "all", "translation", *["root"] * parents) for name, parents in (("y", 1), ("b", 0), ("k", 1))]
        got = submission.timeline(cards)
        expect.true(isinstance(got, list) and all(isinstance(row, dict) and "model" in row for row in got), "it must return a list of dicts", got=got)
        expect.equal([row["model"] for row in got], ["root", "y", "b", "k"], why="y, b and k are of the same month: they stay in the order in which they came")
        expect.equal([row.get("year") for row in got], [1999, 2000, 2000, 2000])

    def test_nothing_builds_on_the_future(self, submission):
        """A card that builds on a model of the same or a later month, on itself, or on an unknown one raises ValueError."""
        older, newer = card("old", "2001-03", "all", "translation"), card("new", "2001-04", "all", "translation", "old")
        got = submission.timeline([newer, older])
        expect.true(isinstance(got, list) and len(got) == 2, "a card may build on one published a month earlier, wherever it stands in the list", got=got)
        for cards, why in (([card("a", "2001-03", "all", "translation", "b")], "a builds on b, which is not among the cards"),
                           ([card("a", "2001-03", "all", "translation", "a")], "a builds on itself"),
                           ([older, card("b", "2001-03", "all", "translation", "old")], "b builds on old, which is of the same month"),
                           ([older, card("b", "2000-12", "all", "translation", "old")], "b builds on old, which is of a later month"),
                           ([older, newer, card("b", "2002-01", "all", "translation", "old", "new", "nobody")], "b builds on old, on new, and on nobody, which is not among the cards"),
                           ([card("c", "2009-01", "all", "translation"), card("b", "2010-06", "all", "translation", "later"), card("later", "2010-07", "all", "translation", "c")],
                            "b builds on later, which is of a later month of the same year"),
                           ([card("GPT-2", "2019-02", "before", "next token"), card("b", "2020-05", "all", "translation", "GPT")], "b builds on GPT, which is not among the cards; GPT-2 is another model"),
                           ([card("GPT-2", "2019-02", "before", "next token"), card("b", "2020-05", "all", "translation", "gpt-2")], "b builds on gpt-2, which is not among the cards: names count as they are written"),
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
          "at once": ([(3, 1.0), (10, 0.5)], [(1, 0.2)], 2.0), "just so": ([(0, 4.0), (10, 2.0)], [(0, 3.0), (5, 2.0)], 2.0),
          "tuned from the start": ([(0, 4.0), (100, 2.0)], [(0, 2.5), (100, 1.0)], 3.0), "scratch from the start": ([(0, 2.5), (40, 1.0)], [(0, 4.0), (10, 2.0)], 3.0),
          "both from the start": ([(0, 2.5), (40, 1.0)], [(0, 2.0), (10, 1.0)], 3.0), "the first point is the target": ([(4, 3.0), (10, 5.0), (20, 1.0)], [(1, 3.0), (10, 1.0)], 3.0),
          "flat above": ([(0, 4.0), (10, 4.0), (20, 1.0)], [(0, 3.0), (4, 3.0), (8, 2.0)], 2.5), "flat at the target": ([(0, 4.0), (10, 2.0), (30, 2.0), (40, 1.0)], [(0, 3.0), (5, 2.0), (9, 2.0)], 2.0),
          "a long and a short curve": ([(0, 5.0), (10, 4.0), (20, 3.5), (30, 3.0), (40, 1.0)], [(0, 4.0), (20, 1.0)], 2.0),
          "a short and a long curve": ([(0, 4.0), (20, 1.0)], [(0, 5.0), (10, 4.0), (20, 3.5), (30, 3.0), (40, 1.0)], 2.0),
          "one point each": ([(7, 1.0)], [(3, 1.5)], 2.0), "a higher bump first": ([(0, 4.0), (10, 3.0), (20, 5.0), (30, 1.0)], [(0, 4.0), (10, 1.0)], 2.0),
          "millions of examples": ([(0, 4.0), (8_000_000, 2.0)], [(0, 3.0), (4_000_000, 1.0)], 2.5),
          "down to 0": ([(0, 2.0), (8, 0.0)], [(0, 1.0), (3, 0.5), (5, 0.0)], 0.0), "one point, never": ([(7, 3.0)], [(3, 1.5)], 2.0), "one point each, never": ([(7, 3.0)], [(3, 4.0)], 2.0),
          "down and up again": ([(0, 5.0), (10, 1.0), (20, 4.0)], [(0, 4.0), (4, 1.0), (8, 3.0)], 2.0),
          "a long one gets there late, a short one never": ([(0, 5.0), (10, 4.0), (20, 3.0), (30, 1.0)], [(0, 4.0), (5, 3.0)], 2.0),
          "a short one never, a long one gets there late": ([(0, 4.0), (5, 3.0)], [(0, 5.0), (10, 4.0), (20, 3.0), (30, 1.0)], 2.0),
          "almost": ([(0, 4.0), (10, 2.0 + 5e-7)], [(0, 4.0), (10, 1.0)], 2.0), "tuned at once, scratch never": ([(0, 4.0), (10, 3.0)], [(0, 1.0), (10, 0.5)], 2.0),
          "scratch at once, tuned never": ([(0, 1.0), (10, 0.5)], [(0, 4.0), (10, 3.0)], 2.0)}
FIRST = ["up and down", "three crossings", "a loss", "no gain", "at once", "just so", "tuned from the start", "scratch from the start", "both from the start", "the first point is the target",
         "flat above", "flat at the target", "a long and a short curve", "a short and a long curve", "one point each", "a higher bump first", "millions of examples", "down to 0", "down and up again"]
NEVER = ["only tuned", "only scratch", "neither", "one point, never", "one point each, never", "a long one gets there late, a short one never", "a short one never, a long one gets there late", "almost", "tuned at once, scratch never", "scratch at once, tuned never"]


NEAR = {"atol": 1e-3, "rtol": 0.0}  # of an example


def called(name):
    """The call as a learner would write it, where the curves go as kept objects."""
    return f"pretraining_gain({', '.join(map(str, CURVES[name]))})"


class TestPretrainingGain(Exercise, id="history-pretraining-gain"):
    def probe(self, submission):
        kept = [submission.keep(curve) for curve in CURVES["plain"][:2]]
        submission.pretraining_gain(*kept, 2.5)
        return [submission.pretraining_gain(*curves) for curves in CURVES.values()] + [submission.value(curve) for curve in kept]

    @core
    def test_measures_along_the_target(self, submission):
        """The gain is the examples from scratch minus those after pretraining, where each curve crosses the target."""
        for name in ("plain", "at a point", "uneven steps"):
            expect.close(submission.pretraining_gain(*CURVES[name]), gain_by_hand(*CURVES[name]), **NEAR, why=f"this case is: {name}")

    @core
    def test_random_curves(self, submission, dice):
        """On random curves it agrees with a search along the line."""
        for _ in range(20):
            curves = []
            for _ in range(2):
                xs = sorted(dice.sample(range(1000), dice.randrange(3, 9)))
                curves.append([*((x, dice.randrange(1, 41) / 8) for x in xs), (dice.randrange(1000, 2000), 0.125)])
            target = dice.randrange(4, 33) / 8  # eighths are exact in every precision, and often a point lies on the target
            expect.close(submission.pretraining_gain(*curves, target), gain_by_hand(*curves, target), atol=2e-3, rtol=0.0)

    def test_the_first_time_counts(self, submission):
        """The first crossing counts, a gain may be negative or 0.0, at the target is enough, a curve may be there from the start, and the curves stay as they came."""
        for name in FIRST:
            curves = [submission.keep(curve) for curve in CURVES[name][:2]]
            expect.close(submission.pretraining_gain(*curves, CURVES[name][2]), gain_by_hand(*CURVES[name]), **NEAR, why=f"this case is: {name}", called=called(name))
            expect.equal([submission.value(curve) for curve in curves], list(CURVES[name][:2]), why="a curve was changed; leave both as they came", called=called(name))

    def test_curves_that_never_get_there(self, submission):
        """Infinity if only one curve reaches the target, with its sign, and None if neither does."""
        for name in NEVER:
            got, want = submission.pretraining_gain(*CURVES[name]), gain_by_hand(*CURVES[name])
            (expect.equal if want is None or math.isinf(want) else expect.close)(got, want, why=f"this case is: {name}")
