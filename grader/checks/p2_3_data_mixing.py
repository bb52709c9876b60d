"""Checks for p2_3_data_mixing.

Oracles: text walked letter by letter, powers in exact or decimal arithmetic, a fine grid for the fit, n-grams found by
comparing every place with every other; chance is judged by counts.
"""

import decimal
import itertools
import math
import random

from grader.judge import Exercise, core, expect

FAR = 2**12 * 3 * 7 * 11 * 13 * 5**3  # two seeds this far apart share their last bits and digits, and most small remainders
ODDS = 1e-9  # how often, at most, chance alone may take a right answer out of a range that `near` allows


def near(count, n, chance, sentence, why):
    """A count out of n independent draws must fit their chance: by Chernoff's bound a right answer fails once in 1 / ODDS tries."""
    parts = (count / n, chance), (1 - count / n, 1 - chance)
    divergence = sum(share * math.log(share / expected) for share, expected in parts if share > 0)
    expect.true(n * divergence <= math.log(2 / ODDS), f"{sentence}: {count} of {n}, about {n * chance:.0f} expected", why=why)


# --------------------------------------------------------------------------------------------------- augment


def augmented(augment, cases):
    """The texts for (text, seed, options), each with a random.Random of its own (runs on the learner's side)."""
    return [augment(text, random.Random(seed), **options) for text, seed, options in cases]


def sources_of_chance(augment, text):
    """Texts from equal states under two global seeds, two from one generator, whether the global state and the arguments are as before."""
    synonyms, keep, texts = {"old": ["aged", "worn", "grey"]}, ["Old"], []
    for seed in (1, 2):
        random.seed(seed)
        before = random.getstate()
        texts.append(augment(text, random.Random(5), synonyms, keep, 0.5))
        untouched = random.getstate() == before
    rng = random.Random(5)
    twice = [augment(text, rng, synonyms, keep, 0.5) for _ in range(2)]
    return texts, twice, untouched, (synonyms, keep)


def all_replaced(text, synonyms, keep=()):
    """The text with every word replaced that may be, letter by letter; each word has one synonym."""
    kept, at, parts = set(), 0, []
    for name in keep:
        for start in range(len(text) - len(name) + 1):
            end = start + len(name)
            if text[start:end] == name and not text[start - 1 : start].isalpha() and not text[end : end + 1].isalpha():
                kept |= set(range(start, end))
    while at < len(text):
        end = at
        while end < len(text) and text[end].isalpha():
            end += 1
        word = text[at:end]
        new = synonyms.get(word.lower(), [word])[0] if at not in kept else word
        parts.append(new[:1].upper() + new[1:] if word[:1].isupper() else new)
        parts.append(text[end : end + 1])
        at = end + 1
    return "".join(parts)


ONE = {"old": ["aged"], "aged": ["ripe"], "house": ["iPad"], "quick": ["very fast"], "été": ["saison"], "s": ["is"], "c": ["sea"]}
PIECES = (
    "old",
    "Old",
    "OLD",
    "gold",
    "older",
    "aged",
    "house",
    "House",
    "quick",
    "Été",
    "old-time",
    "it's",
    "(old)",
    "old2",
    "2old",
    "_old_",
    "  ",
    "\n",
    "tea.",
    "Old?",
)


class TestAugment(Exercise, id="mix-augment"):
    """Exercise mix-augment."""

    def probe(self, submission):
        """Every rule by itself, at p = 1 and 0; the sources of chance; counts over long texts."""
        cases = [
            (" ".join(PIECES), 1, {"synonyms": ONE, "p": 1.0}),
            ("Old old", 1, {"synonyms": ONE, "p": 0.0}),
            ("", 1, {}),
            ("The Old Mill, old.", 2, {"p": 1, "synonyms": ONE}),
        ]
        keeps = (["Old Mill"], ["old mill"], ["C++ old", "Dr. Old"], ["Old Mill", "Mill Old"], ["old"], ["C++"])
        text = "Old Mill Old, old mill. Dr. Old; Drs Old, C++ old old Older Old Millstone bold old"
        cases += [(text, 3, {"synonyms": ONE, "keep": keep, "p": 1.0}) for keep in keeps]
        (long,) = submission.run(augmented, submission.augment, [("old " * 600, 5, {"synonyms": {"old": ["a", "b", "c"]}})])
        shape = None if not isinstance(long, str) else [round(long.count(mark) / 60) for mark in "abc"]
        first = submission.run(augmented, submission.augment, [("buy an old lamp, quick", 6, {"p": 1.0})])
        raised = [submission.run(augmented, submission.augment, [("old", 1, {"p": p})]) for p in (-0.1, 1.1)]
        twos = submission.run(augmented, submission.augment, [("old old", seed, {"synonyms": {"old": ["a"]}, "p": 0.5}) for seed in range(200)])
        both = round(twos.count("a a") / 40) if isinstance(twos, list) else None
        texts, twice, untouched, arguments = submission.run(sources_of_chance, submission.augment, "old " * 12)
        return (
            submission.run(augmented, submission.augment, cases),
            shape,
            first,
            raised,
            both,
            texts[0] == texts[1],
            twice[0] == twice[1],
            untouched,
            arguments,
        )

    @core
    def test_replaces_whole_words(self, submission, dice):
        """With p = 1 every word that has a synonym is replaced, once, whole words only, and everything else stays."""
        texts = [" ".join(dice.choices(PIECES, k=14)) for _ in range(12)]
        got = submission.run(augmented, submission.augment, [(text, 1, {"synonyms": ONE, "p": 1.0}) for text in texts])
        for text, mine in zip(texts, got, strict=True):
            expect.equal(
                mine,
                all_replaced(text, ONE),
                why="a word is an unbroken run of letters; spaces and signs stay as they are",
                called=f"augment of {text!r}",
            )

    @core
    def test_names_stay(self, submission, dice):
        """No word of a name in `keep` is replaced, wherever the name stands; the same word elsewhere is."""
        words = ["Old", "Mill", "old", "mill", "Dr.", "C++", "Older", "Mills", "Gold", "Old.", "(Old", "house"]
        keeps = [["Old Mill"], ["Dr. Old", "C++ old"], ["Old Mill", "Mill Old"], ["Old"], ["house", "C++"], [], ["Mill C"]]
        cases = [
            (
                " ".join(dice.choices(words, k=20)) + " Old Mill Old, old Mill Dr. Old C++ old Drs Old Dr- Old WindMill Old; Old Millstone, Mill C",
                1,
                {"synonyms": ONE, "keep": keep, "p": 1.0},
            )
            for keep in keeps * 2
        ]
        for (text, _, options), mine in zip(cases, submission.run(augmented, submission.augment, cases), strict=True):
            want = all_replaced(text, ONE, options["keep"])
            expect.equal(
                mine,
                want,
                why="protect the places of a name, not its words; a name may hold signs and overlap another",
                called=f"augment of {text!r} with keep={options['keep']}",
            )

    @core
    def test_the_chance_is_p(self, submission, dice):
        """Each word is replaced with chance p, and all of its synonyms are equally likely."""
        n = 3000
        cases = [("old " * n, dice.randrange(1 << 30), {"synonyms": {"old": ("a", "b", "c")}} | how) for how in ({"p": 0.1}, {"p": 0.7}, {})]
        for (_, _, how), text in zip(cases, submission.run(augmented, submission.augment, cases), strict=True):
            p, words = how.get("p", 0.3), text.split() if isinstance(text, str) else []
            expect.true(len(words) == n, "the number of words must stay the same", got=text)
            near(sum(word != "old" for word in words), n, p, f"words replaced at p = {p}", "draw once for every word; the default of p is 0.3")
            for mark in "abc":
                near(
                    words.count(mark), n, p / 3, f"one of three synonyms at p = {p}", "rng.choice(...) for every word anew, over all of the synonyms"
                )
            pairs = sum(left != "old" and right != "old" for left, right in zip(words[::2], words[1::2], strict=True))
            near(pairs, n // 2, p * p, "neighbours that are both replaced", "each word's draw is its own: a fixed number of words is not a chance")
            alike = sum(left == right != "old" for left, right in zip(words[::2], words[1::2], strict=True))
            near(alike, n // 2, p * p / 3, "neighbours with the same synonym", "draw the synonym anew for each word")

    def test_every_word_by_itself(self, submission, dice):
        """Of two words, sometimes none, sometimes one and sometimes both are replaced."""
        n = 400
        texts = submission.run(
            augmented, submission.augment, [("old old", dice.randrange(1 << 30), {"synonyms": {"old": ["a"]}, "p": 0.5}) for _ in range(n)]
        )
        for text, chance in (("a a", 0.25), ("old old", 0.25), ("a old", 0.25)):
            near(
                texts.count(text),
                n,
                chance,
                f"texts 'old old' that became {text!r} at p = 0.5",
                "a fixed share of the words is not a chance for each",
            )

    def test_none_or_all(self, submission):
        """With p = 0 nothing is replaced, a text without known words stays as it is, and so does an empty one."""
        cases = [
            ("Old  gold,\told.", 1, {"p": 0.0}),
            ("", 2, {"p": 1.0}),
            ("Nothing to\nsee  here...", 3, {"p": 1.0}),
            ("old", 4, {"p": 1, "synonyms": {}}),
        ]
        expect.equal(submission.run(augmented, submission.augment, cases), [text for text, _, _ in cases], why="all else stays as it is")

    def test_all_chance_comes_from_rng(self, submission):
        """Equal states of rng give equal texts, whatever the global seed; the state moves on; the global one is not touched."""
        texts, twice, untouched, _ = submission.run(sources_of_chance, submission.augment, "old " * 60)
        expect.true(
            texts[0] == texts[1] == twice[0], "two rng in the same state gave different texts", why="draw from rng, not from the module random"
        )
        expect.true(
            twice[0] != twice[1], "a second call with the same rng gave the same text again", why="use rng as it comes, without a seed of your own"
        )
        expect.true(untouched, "the global random state was changed", why="random.seed and random.choice belong to everybody; use rng")

    def test_leaves_its_arguments_alone(self, submission):
        """The table of synonyms and the names are the same after the call."""
        arguments = submission.run(sources_of_chance, submission.augment, "old Old gold")[3]
        expect.equal(arguments, ({"old": ["aged", "worn", "grey"]}, ["Old"]), why="do not add to the table that you were given")

    def test_refuses_what_is_no_chance(self, submission):
        """A p below 0 or above 1 ends in a ValueError."""
        expect.equal(
            submission.run(augmented, submission.augment, [("mill", 1, {"p": p}) for p in (0, 1)]), ["mill", "mill"], why="0 and 1 are chances"
        )
        for p in (-0.01, 1.01):
            expect.raises("ValueError", submission.run, augmented, submission.augment, [("old", 1, {"p": p})], why="leave the given test where it is")


# --------------------------------------------------------------------------------------------------- weights


def exact_weights(sizes, temperature=1.0, limit=None):
    """The shares in decimal arithmetic with room for any exponent."""
    with decimal.localcontext(prec=60, Emax=10**9, Emin=-(10**9)):
        power = decimal.Decimal(0) if temperature == math.inf else 1 / decimal.Decimal(temperature)
        powers = {name: decimal.Decimal(min(n, limit or n)) ** power if n else decimal.Decimal(0) for name, n in sizes.items()}
        total = sum(powers.values())
        return {name: float(value / total) for name, value in powers.items()}


def some_sizes(dice, low=1, high=10**6):
    return {f"source {n}": dice.randint(low, high) for n in dice.sample(range(50), dice.randint(2, 6))}


class TestMixtureWeights(Exercise, id="mix-weights"):
    """Exercise mix-weights."""

    CASES = (
        ({"a": 900, "b": 100}, 2.0), ({"b": 3, "a": 1},), ({"a": 30, "b": 10, "c": 0}, math.inf), ({"a": 5},), ({"a": 0, "b": 10**15, "c": 10**14}, 0.001),
        ({"a": 50, "b": 50, "c": 2}, 0.001), ({"a": 1000, "b": 10, "c": 40}, 1.0, 30), ({"a": 1000, "b": 10}, 0.5, 30), ({"a": 1000, "b": 10, "c": 1}, 3.0), ({"a": 2, "b": 8}, 0.5),
        ({"a": 1, "b": 1000},), ({"a": 7, "b": 1}, 1.0, 5), ({"a": 90, "b": 90, "c": 10}, 1.0, 10**9),
    )  # fmt: skip

    def probe(self, submission):
        """Shares at many temperatures and limits, their order, the refusals."""
        bad = [({"a": 1}, 0), ({"a": 1}, -1.0), ({"a": -1, "b": 2},), ({"a": 0},), ({},), ({"a": 1}, 1.0, 0)]
        got = [submission.mixture_weights(*case) for case in self.CASES]
        order = [list(shares) if isinstance(shares, dict) else None for shares in got]
        rounded = [{name: round(share, 7) for name, share in shares.items()} if isinstance(shares, dict) else shares for shares in got]
        kept = submission.keep({"a": 100, "b": 7, "c": 0})
        submission.mixture_weights(kept, 2.0, 50)
        return rounded, order, [submission.mixture_weights(*case) for case in bad], submission.value(kept)

    def compare(self, submission, cases, why):
        for case, got in zip(cases, submission.each("mixture_weights", cases), strict=True):
            expect.close(got, exact_weights(*case), atol=1e-9, rtol=1e-6, why=why)

    @core
    def test_in_proportion(self, submission, dice):
        """At temperature 1, which is the default, shares are in proportion to the sizes."""
        sizes = [some_sizes(dice) for _ in range(6)]
        self.compare(submission, [(each,) for each in sizes] + [(each, 1.0) for each in sizes], "n divided by the sum of all n")

    @core
    def test_temperature(self, submission, dice):
        """A share is proportional to the size to the power of 1 / temperature."""
        cases = [(some_sizes(dice), temperature) for temperature in (0.3, 0.5, 1.7, 2.0, 3, 10.0, 100.0)]
        self.compare(submission, cases, "the power is 1 / temperature, taken before dividing by the sum")

    def test_infinite_temperature(self, submission, dice):
        """At temperature math.inf all sources that hold something get equal parts."""
        cases = [(some_sizes(dice), math.inf), (some_sizes(dice) | {"none": 0}, math.inf)]
        self.compare(submission, cases, "1 / math.inf is 0, and n to the power of 0 is 1; but an empty source stays at 0")

    def test_empty_sources(self, submission, dice):
        """A source without documents has share 0.0 at every temperature, and is not left out."""
        cases = [({"none": 0} | some_sizes(dice) | {"nil": 0}, temperature) for temperature in (0.01, 1.0, 5.0, 1e9, math.inf)]
        self.compare(submission, cases, "0 ** 0 is 1 in Python, and the logarithm of 0 is an error: treat it by itself")
        for got in submission.each("mixture_weights", cases):
            expect.equal([got["none"], got["nil"]], [0.0, 0.0], why="exactly 0.0: a tiny share would be drawn one day, and has nothing to give")

    def test_limit(self, submission, dice):
        """A source larger than the limit counts as the limit, before the temperature is applied; smaller ones as they are."""
        cases = [
            (some_sizes(dice, 1, 200) | {"huge": 10**6}, temperature, limit) for temperature in (1.0, 2.0, 0.7, math.inf) for limit in (1, 60, 10**4)
        ]
        self.compare(submission, cases, "min(n, limit) first, then the power")

    def test_nothing_overflows(self, submission, dice):
        """Sizes of 10 ** 15 and temperatures of 0.001 give the largest source all; equally large ones share it."""
        n = dice.randint(10**14, 10**15)
        cases = [({"a": n, "b": n // 3, "c": n, "d": 1}, t) for t in (0.001, 0.01, 1.0, 4.0)] + [
            ({"a": 3, "b": 1, "c": 3}, 0.001),
            ({"a": 1, "b": 1}, 0.001),
        ]
        self.compare(submission, cases, "n ** 1000 does not fit into a float: take logarithms, and subtract the largest first")

    def test_keeps_the_order(self, submission, dice):
        """The shares stand in the order of the sizes."""
        sizes = {"b": 5, "a": 9, "d": 0, "c": 7}
        got = submission.mixture_weights(sizes, dice.uniform(0.5, 3))
        expect.equal(list(got) if isinstance(got, dict) else got, list(sizes), why="go through sizes once, in its order, the empty ones included")

    def test_leaves_the_sizes_alone(self, submission):
        """The sizes are the same after the call."""
        kept = submission.keep({"a": 100, "none": 0, "b": 7})
        submission.mixture_weights(kept, 2.0, 50)
        expect.equal(submission.value(kept), {"a": 100, "none": 0, "b": 7}, why="make a dict of your own for the numbers that count")

    def test_refuses_the_impossible(self, submission):
        """A temperature or limit that is not above 0, a negative size, or nothing at all ends in a ValueError."""
        expect.close(
            submission.mixture_weights({"a": 1, "b": 0}, 1e-3, 1), {"a": 1.0, "b": 0.0}, why="this is possible: one document, and a small temperature"
        )
        for case in (({"a": 1}, 0), ({"a": 1}, -2.0), ({"a": 1}, 1.0, 0), ({"a": -1, "b": 5},), ({"a": 0},), ({},)):
            expect.raises("ValueError", submission.mixture_weights, *case, why="leave the given test where it is")


# ---------------------------------------------------------------------------------------------------- stream


def taken(sample_mixture, cases, n):
    """The first n pairs for each (sources, weights, seed, options) (runs on the learner's side)."""
    return [[tuple(pair) for pair in itertools.islice(sample_mixture(*case, **options), n)] for *case, options in cases]


def names_drawn(sample_mixture, case, n):
    """The sources of the first n items, whose names are single letters."""
    return "".join(pair[0] for pair in itertools.islice(sample_mixture(*case), n))


def portrait(sample_mixture, sources, weights):
    """What a stream is like, whatever its form: its items, what skip does, how even and how independent it is."""

    def first(n, *case, **options):
        try:
            return list(itertools.islice(sample_mixture(*case, **options), n))
        except Exception as error:
            return [type(error).__name__]

    plain, later = first(60, sources, weights, 4), first(40, sources, weights, 4, skip=7)
    form = repr(plain[0])[:1] + str([type(part).__name__ for part in plain[0]] if isinstance(plain[0], tuple | list) else type(plain[0]).__name__)
    skipped = (
        [plain[k : k + 40] == later for k in (0, 5, 6, 7, 8)],
        [[list(pair)[1] for pair in later if isinstance(pair, tuple | list) and pair[0] == name][:4] for name in sources],
    )
    items = {name: [pair[1] for pair in plain if isinstance(pair, tuple | list) and pair[0] == name][:8] for name in sources}
    many = [pair[0] for pair in first(2000, {"a": [1], "b": [2]}, {"a": 1, "b": 3}, 6) if isinstance(pair, tuple | list)]
    scaled = [pair[0] for pair in first(600, {"a": [1], "b": [2]}, {"a": 3.0, "b": 3.0}, 6) if isinstance(pair, tuple | list)]
    again = sum(left == right for left, right in itertools.pairwise(many))
    return (
        form,
        len(plain),
        skipped,
        items,
        len(many),
        round(many.count("a") / 150),
        round(again / 150),
        round(scaled.count("a") / 150),
        plain == first(60, sources, weights, 5),
        plain == first(60, sources, weights, 4),
    )


def refusal(sample_mixture, *case):
    """The first two pairs of a stream: asking for them must raise (runs on the learner's side)."""
    stream = iter(sample_mixture(*case))
    return tuple(next(stream)), tuple(next(stream))


def reads_of_sources(sample_mixture, n, skip):
    """For each of the first n pairs, how many items had been read of each source by then; and how often each was opened."""
    reads, opened = {"a": 0, "b": 0}, {"a": 0, "b": 0, "never": 0}

    class Endless:
        def __init__(self, name):
            self.name = name

        def __iter__(self):
            opened[self.name] += 1
            return self.items()

        def items(self):
            for number in itertools.count():
                reads[self.name] += 1
                yield number

    stream = sample_mixture({name: Endless(name) for name in opened}, {"a": 3, "b": 1, "never": 0}, 11, skip)
    before = dict(reads)
    seen = []
    for name, item in itertools.islice(stream, n):
        seen.append((name, item, dict(reads)))
    return before, seen, opened


def independence(sample_mixture, case, n):
    """Pairs while other numbers are drawn, two ways; of two streams taken in turns; whether all global states are as before."""
    import sys

    def libraries():  # as far as the answer or anybody else has imported them
        return sys.modules.get("torch"), sys.modules.get("numpy")

    def disturb(seed):
        torch, numpy = libraries()
        for library, seeded in ((random, random.seed), (torch, torch and torch.manual_seed), (numpy, numpy and numpy.random.seed)):
            if library:
                seeded(seed)

    def global_states():
        torch, numpy = libraries()
        return random.getstate(), torch and torch.get_rng_state().tolist(), numpy and repr(numpy.random.get_state()[1:3])

    streams = []
    for start in (1, 1000):
        streams.append([])
        for number, pair in enumerate(itertools.islice(sample_mixture(*case), n), start):
            streams[-1].append(tuple(pair))
            if number % 4 == 1:
                disturb(number)
    before = global_states()
    list(itertools.islice(sample_mixture(*case), n))
    untouched = before == global_states()
    one, two = sample_mixture(*case), sample_mixture(*case)
    turns = [(tuple(next(one)), tuple(next(two))) for _ in range(n)]
    return streams, [pair[0] for pair in turns], [pair[1] for pair in turns], untouched


def orders_drawn(sample_mixture, sources, weights, seeds, n):
    """The order in which each seed draws the sources, whose names are single letters."""
    return ["".join(pair[0] for pair in itertools.islice(sample_mixture(sources, weights, seed), n)) for seed in seeds]


class TestSampleMixture(Exercise, id="mix-sample"):
    """Exercise mix-sample."""

    SOURCES = {"a": [1, None, 0], "b": "xy", "c": [("t", 1), False, "", 7, 8]}  # noqa: RUF012

    def probe(self, submission):
        """A portrait of the stream; independence, reads, refusals."""
        sample, weights = submission.sample_mixture, {"a": 1, "b": 2, "c": 1}
        facts = submission.run(portrait, sample, self.SOURCES, weights)
        bad = [
            ({"a": [1]}, {"b": 1}, 0),
            ({"a": [1], "b": [2]}, {"a": 1}, 0),
            ({"a": [1]}, {"a": 0}, 0),
            ({"a": [1], "b": [1]}, {"a": -1, "b": 2}, 0),
            ({"a": []}, {"a": 1}, 0),
        ]
        refused = [submission.run(refusal, sample, *case) for case in bad]
        found = submission.run(independence, sample, (self.SOURCES, weights, 4), 30)
        same = (found[0][0] == found[0][1], found[0][0] == found[1] == found[2], found[3]) if isinstance(found, tuple) else found
        read = submission.run(reads_of_sources, sample, 30, 5)
        reads = (read[0], [reads[name] - item for name, item, reads in read[1]], read[2]) if isinstance(read, tuple) else read
        empty = submission.run(taken, sample, [({"a": [1, 2], "b": []}, {"a": 1, "b": 0}, 1, {"skip": 3})], 6)
        orders = submission.run(orders_drawn, sample, self.SOURCES, weights, [2, 3, 4, 2 + FAR, 3 + FAR], 30)
        alike = [orders.index(order) for order in orders] if isinstance(orders, list) else orders
        return facts, same, reads, empty, refused, alike

    def pairs(self, submission, cases, n=80):
        return submission.run(taken, submission.sample_mixture, cases, n)

    @core
    def test_each_source_in_its_own_order(self, submission, dice):
        """The items of every source come in its own order, and after the last one it begins again; None and 0 are items too."""
        for got in self.pairs(submission, [(self.SOURCES, {"a": 1, "b": 2, "c": 1}, dice.randrange(1 << 30), {}) for _ in range(3)]):
            expect.true(len(got) == 80, "the stream ended; it must go on for ever", got=got)
            for name, source in self.SOURCES.items():
                mine = [item for each, item in got if each == name]
                expect.equal(
                    mine,
                    (list(source) * 80)[: len(mine)],
                    why="go on where this source was left, and open it again at its end",
                    called=f"the items of source {name} = {source!r}",
                )

    @core
    def test_the_weights_are_chances(self, submission, dice):
        """Every item's source is drawn anew, with chances in proportion to the weights, which need not sum to 1."""
        n = 3000
        short = {"a": [1], "b": list(range(99)), "c": "xy"}
        for sources, weights in ((self.SOURCES, {"a": 5, "b": 3, "c": 2}), (short, {"a": 0.12, "b": 0.06, "c": 0.02})):
            names = submission.run(names_drawn, submission.sample_mixture, (sources, weights, dice.randrange(1 << 30)), n)
            expect.true(len(names) == n, "the stream ended; it must go on for ever", got=names)
            shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
            for name, share in shares.items():
                near(
                    names.count(name),
                    n,
                    share,
                    f"items from {name}, with weight {weights[name]} of {sum(weights.values()):g}",
                    "rng.choices(names, weights) for every item",
                )
            again = sum(left == right for left, right in zip(names[::2], names[1::2], strict=True))
            near(
                again,
                n // 2,
                sum(share**2 for share in shares.values()),
                "neighbours from the same source",
                "draw anew for each item, whatever came before",
            )

    def test_same_seed_same_stream(self, submission, dice):
        """The same seed gives the same pairs, whatever other random numbers are drawn meanwhile."""
        case = (self.SOURCES, {"a": 1, "b": 2, "c": 1}, dice.randrange(1 << 30))
        streams, *_ = submission.run(independence, submission.sample_mixture, case, 40)
        expect.true(
            streams[0] == streams[1],
            "the same seed gave different streams when others drew random numbers in between",
            why="random.Random(seed) inside the function, and iterators of your own",
        )

    def test_other_seeds_other_orders(self, submission, dice):
        """Every seed draws the sources in an order of its own: all of the seed counts, not its last bit or digits."""
        first = dice.randrange(1 << 20)
        seeds = [*range(first, first + 8), *(first + step for step in (100, 1000, 2**16, 2**20, FAR))]
        orders = submission.run(orders_drawn, submission.sample_mixture, self.SOURCES, {"a": 1, "b": 2, "c": 1}, seeds, 60)
        twins = [(one, two) for (one, left), (two, right) in itertools.combinations(zip(seeds, orders, strict=True), 2) if left == right]
        expect.true(not twins, f"different seeds gave the same order of sources: {twins[:3]}", why="seed your generator with `seed`, as it is")

    def test_streams_do_not_disturb_each_other(self, submission, dice):
        """Two streams that are read in turns give what each gives alone, and nobody else's random state is touched."""
        streams, one, two, untouched = submission.run(
            independence, submission.sample_mixture, (self.SOURCES, {"a": 1, "b": 2, "c": 1}, dice.randrange(1 << 30)), 40
        )
        expect.true(
            streams[0] == one == two, "streams that are read in turns disturb each other", why="a generator and iterators of each stream's own"
        )
        expect.true(untouched, "the global random state was changed", why="use a random.Random of your own")

    def test_skip_resumes(self, submission, dice):
        """With skip = n the stream goes on as it would have without a break, across the ends of sources too."""
        seed, weights = dice.randrange(1 << 30), {"a": 1, "b": 2, "c": 4}
        whole, *rest = self.pairs(submission, [(self.SOURCES, weights, seed, {"skip": skip}) for skip in (0, 1, 2, 9, 40)])
        for skip, got in zip((1, 2, 9, 40), rest, strict=True):
            expect.equal(
                got[: 80 - skip],
                whole[skip:],
                why="draw and read what is skipped as well, but do not yield it",
                called=f"a stream with skip = {skip}",
            )

    def test_reads_only_what_it_yields(self, submission):
        """Endless sources work: nothing is read before it is to be yielded, and a source that is never drawn is never opened."""
        for skip in (0, 6):
            before, seen, opened = submission.run(reads_of_sources, submission.sample_mixture, 60, skip)
            expect.equal(before, {"a": 0, "b": 0}, why="nothing is read before the first item is asked for")
            for number, (name, item, reads) in enumerate(seen, start=1):
                expect.true(
                    reads[name] == item + 1 and sum(reads.values()) == number + skip,
                    "more was read than was yielded",
                    got=reads,
                    why="take one item with next(), not a list of them",
                )
            expect.equal(opened, {"a": 1, "b": 1, "never": 0}, why="open a source when it is first drawn")

    def test_weight_zero(self, submission, dice):
        """A source of weight 0 gives nothing and may be empty; whole and skipped pairs are as if it weren't there to be drawn."""
        (got,) = self.pairs(submission, [({"no": [], "a": [1, 2]}, {"no": 0, "a": 0.25}, dice.randrange(1 << 30), {"skip": 1})], 301)
        expect.equal(got, [("a", item) for item in (2, 1) * 150 + (2,)], why="a chance of 0 is never drawn")

    def test_refuses_bad_weights(self, submission):
        """Names that differ, a negative weight or no weight above 0 end in a ValueError."""
        sample = submission.sample_mixture
        expect.equal(list(submission.run(refusal, sample, {"b": [1]}, {"b": 1}, 0)), [("b", 1)] * 2, why="these fit")
        for sources, weights in (
            ({"a": [1]}, {"b": 1}),
            ({"a": [1], "b": [2]}, {"a": 1}),
            ({"a": [1]}, {"a": 0}),
            ({"a": [1], "b": [1]}, {"a": -1, "b": 2}),
        ):
            expect.raises("ValueError", submission.run, refusal, sample, sources, weights, 0, why="leave the given test where it is")

    def test_refuses_an_empty_source(self, submission):
        """A source that is drawn and has no items ends in a ValueError, not in an endless loop or a StopIteration."""
        expect.raises(
            "ValueError",
            submission.run,
            refusal,
            submission.sample_mixture,
            {"a": []},
            {"a": 1},
            0,
            why="a source that is empty right after it was opened stays empty",
        )
        (got,) = self.pairs(submission, [({"a": [1]}, {"a": 1}, 0, {})], 3)
        expect.equal(got, [("a", 1)] * 3, why="a source of one item is not empty: it begins again")


# ---------------------------------------------------------------------------------------------------- epochs


def worth_by_steps(epochs, r_star):
    """The formula as an integral: each bit of a pass is worth exp(-(passes since the first) / r_star)."""
    if epochs <= 1:
        return epochs
    return 1 - r_star * math.expm1(-(epochs - 1) / r_star)


def best_r(epochs, worth):
    """Least squares on a fine grid, evenly spaced in the logarithm."""
    grid = [10 ** (-1 + 4 * i / 1600) for i in range(1601)]
    return min(grid, key=lambda r: sum((worth_by_steps(e, r) - w) ** 2 for e, w in zip(epochs, worth, strict=True)))


def measured(dice, r_star, error=0.0):
    """Passes in any order, up to several r_star, and what they are worth, with an error."""
    epochs = [1 + r_star * x for x in dice.sample((0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.5), dice.randint(4, 8))] + [0.5, 1.0]
    dice.shuffle(epochs)
    return epochs, [worth_by_steps(e, r_star) * (1 + error * dice.uniform(-1, 1)) for e in epochs]


class TestEpochsPenalty(Exercise, id="mix-epochs-penalty"):
    """Exercise mix-epochs-penalty."""

    UNEQUAL = (  # measurements that contradict each other: what the fit is depends on how much each of them counts
        ([3.0, 9.0, 20.0], [2.2, 8.0, 9.0]),
        ([5.0, 5.0, 5.0, 12.0], [4.6, 2.2, 2.4, 6.5]),
        ([1.5, 1.6, 1.8], [1.2, 1.55, 1.35]),
    )

    def probe(self, submission):
        """The formula at many places; fits with and without errors, at the ends of the range, unsorted; the refusals."""
        places = [(e, r) for r in (0.1, 2, 15.4, 1000.0) for e in (0, 0.5, 1, 1.5, 4, 40, 1e4)]
        dice = random.Random(3)
        data = [measured(dice, r, error) for r in (0.4, 3.0, 15.4, 90.0) for error in (0.0, 0.2)] + [
            ([2, 4, 8], [2.0, 4.0, 8.0]),
            ([3, 9], [1.0, 1.0]),
            ([2], [1.5]),
            ([2, 3], [9, 9]),
            ([2.0, 50.0], [1.2, 30.0]),
            *self.UNEQUAL,
        ]
        fits = [submission.epochs_penalty(*case) for case in data]
        bad = [([1, 2], [1.0]), ([0.5, 1], [0.5, 1.0]), ([], [])]
        rounded = [round(math.log(max(fit, 1e-9)), 2) if isinstance(fit, float | int) else fit for fit in fits]
        return [submission.effective_epochs(*place) for place in places], rounded, [submission.epochs_penalty(*case) for case in bad]

    @core
    def test_the_formula(self, submission, dice):
        """Beyond the first pass the worth is 1 + r* (1 − exp(−(epochs − 1) / r*))."""
        cases = [(1 + r * x, r) for r in (0.2, 3.0, dice.uniform(10, 20), 700.0) for x in (0.01, 0.5, dice.uniform(0.8, 3.0), 20.0)]
        for case, got in zip(cases, submission.each("effective_epochs", cases), strict=True):
            expect.close(got, worth_by_steps(*case), atol=1e-9, rtol=1e-6, why="the first pass is fresh: epochs − 1 of them are repetitions")

    def test_up_to_one_pass(self, submission, dice):
        """Up to one pass nothing is repeated: the worth is the number of passes."""
        cases = [(e, r) for e in (0.0, dice.random(), 0.95, 0.999, 1.0, 1) for r in (0.5, 15.0)]
        for (e, _), got in zip(cases, submission.each("effective_epochs", cases), strict=True):
            expect.close(got, float(e), atol=1e-12, rtol=0.0, why="half a pass is worth half a pass")

    @core
    def test_finds_the_constant(self, submission, dice):
        """From exact measurements, in any order, the fit finds the r* that made them, to within 1 %."""
        constants = [0.3, 2.0, dice.uniform(5, 30), dice.uniform(60, 200)]
        cases = [measured(dice, r) for r in constants]
        for r, got in zip(constants, submission.each("epochs_penalty", cases), strict=True):
            expect.close(got, r, rtol=0.0101, atol=0.0, why="search evenly in the logarithm of r_star, and refine around the best")

    def test_measurements_hold_errors(self, submission, dice):
        """With errors the fit has the smallest sum of squared differences in worth."""
        cases = [measured(dice, r, 0.15) for r in (1.0, 6.0, 15.0, 50.0)] + [([1.5, 2, 3, 8], [1.9, 1.7, 3.2, 4.0])]
        for case, got in zip(cases, submission.each("epochs_penalty", cases), strict=True):
            expect.close(
                got, best_r(*case), rtol=0.015, atol=0.0, why="the squares of worth[i] − effective_epochs(epochs[i], r_star), all measurements alike"
            )

    def test_all_measurements_count_alike(self, submission, dice):
        """Every measurement counts the same, at few passes or many; of two at the same number of passes both count."""
        cases = [tuple(zip(*dice.sample(rows, len(rows)), strict=True)) for rows in (list(zip(*case, strict=True)) for case in self.UNEQUAL)]
        for case, got in zip(cases, submission.each("epochs_penalty", cases), strict=True):
            expect.close(
                got, best_r(*case), rtol=0.015, atol=0.0, why="add up plain squares over all pairs, without weights and without a dictionary"
            )

    def test_the_ends_of_the_range(self, submission, dice):
        """Repetition without any loss gives R_MAX, repetition without any use R_MIN."""
        epochs = [dice.uniform(2, 9) for _ in range(3)]
        free, useless = submission.each("epochs_penalty", [(epochs, [e + 0.1 for e in epochs]), (epochs, [1.0, 1.0, 0.9])])
        expect.close(free, 1000.0, rtol=0.0101, atol=0.0, why="the best within the range lies at its upper end")
        expect.close(useless, 0.1, rtol=0.0101, atol=0.0, why="the best within the range lies at its lower end")

    def test_one_measurement_is_enough(self, submission, dice):
        """A single repeated measurement is fitted exactly; others up to one pass do not matter."""
        r = dice.uniform(3, 30)
        cases = [([4 * r], [worth_by_steps(4 * r, r)]), ([0.3, 4 * r, 1.0], [0.1, worth_by_steps(4 * r, r), 1.4])]
        for got in submission.each("epochs_penalty", cases):
            expect.close(got, r, rtol=0.0101, atol=0.0, why="no r_star changes what the first pass is worth")

    def test_refuses_what_cannot_be_fitted(self, submission):
        """Lists of two lengths, or nothing repeated, end in a ValueError."""
        expect.close(submission.epochs_penalty([1, 2], [1.0, 1.0]), 0.1, rtol=0.0101, atol=0.0, why="one repetition is enough for a fit")
        for case in (([1, 2], [1.0]), ([0.5, 1], [0.5, 1.0]), ([], [])):
            expect.raises("ValueError", submission.epochs_penalty, *case, why="leave the given test where it is")


# ---------------------------------------------------------------------------------------------------- groups


def two_salts(split_by_group, groups):
    """Splits in two runs of Python, as far as hash() and the global random state go (runs on the learner's side)."""
    import builtins
    import zlib

    real, answers = builtins.hash, []
    try:
        for salt in (1, 2):
            builtins.hash = lambda value, salt=salt: zlib.crc32(f"{salt}{value}".encode())
            random.seed(salt)
            answers.append(split_by_group(groups, 0.4, 3))
    finally:
        builtins.hash = real
    return answers


def number_in_test(split_by_group, start, n, share):
    """How many of n groups, each with one example, are in the test (runs on the learner's side)."""
    return len(split_by_group([f"page {at}" for at in range(start, start + n)], share, start)[1])


def sides(answer, groups):
    """{group: True if it is in the test}, after the form of the answer has been checked."""
    expect.true(isinstance(answer, tuple | list) and len(answer) == 2, "it must return two lists: train and test", got=answer)
    train, test = (list(side) if isinstance(side, tuple | list) else side for side in answer)
    expect.true(isinstance(train, list) and isinstance(test, list), "it must return two lists: train and test", got=answer)
    expect.equal(sorted([*train, *test]), list(range(len(groups))), why="every position is in one of the two lists, and in one only")
    expect.equal([train, test], [sorted(train), sorted(test)], why="positions come in ascending order")
    in_test = {groups[at] for at in test}
    expect.true(
        in_test.isdisjoint(groups[at] for at in train), "a group is on both sides", got=answer, why="decide once for a group, not for each example"
    )
    return {group: group in in_test for group in groups}


class TestSplitByGroup(Exercise, id="mix-split-by-group"):
    """Exercise mix-split-by-group."""

    def probe(self, submission):
        """Whether groups stay together, order, growth and repeats matter, shares nest, the form of the answer, counts."""
        names = [f"g{n}" for n in range(400)]
        groups = [name for name in names for _ in range(2)]
        plain = submission.split_by_group(groups, 0.4, 3)
        if not (isinstance(plain, tuple | list) and len(plain) == 2 and all(isinstance(side, list) for side in plain)):
            return repr(plain)[:60]

        def test_groups(rows, *how):
            return {rows[at] for at in submission.split_by_group(rows, *how)[1]}

        base = test_groups(groups, 0.4, 3)
        facts = [
            base == test_groups(groups[::-1], 0.4, 3), base == test_groups(names, 0.4, 3), base & set(names[:50]) == test_groups(names[:50], 0.4, 3),
            base <= test_groups(groups, 0.6, 3), base == test_groups(groups, 0.4, 4), base & {groups[at] for at in plain[0]} == set(),
            sorted(plain[0] + plain[1]) == list(range(800)), plain[0] == sorted(plain[0]), plain[1] == sorted(plain[1]), test_groups(names) == test_groups(names, 0.2, 0),
        ]  # fmt: skip
        small, large = test_groups([f"a{n}" for n in range(200)], 0.5), test_groups([f"A{n}" for n in range(200)], 0.5)
        again = round(len(base & test_groups(names, 0.4, 4)) / 16), round(len({name.lower() for name in large} & small) / 40)
        salted = submission.run(two_salts, submission.split_by_group, names)
        refused = [submission.split_by_group(["a"], share) for share in (0.0, 1.0, 1.5)]
        kept = submission.keep(groups[:6])
        submission.split_by_group(kept, 0.4)
        few = submission.run(number_in_test, submission.split_by_group, 0, 5000, 0.0002)
        far = round(len(base & test_groups(names, 0.4, 3 + FAR)) / 16)
        alike = round(len({name[::-1] for name in test_groups(names, 0.5)} & test_groups([name[::-1] for name in names], 0.5)) / 40)
        nameless = round(sum("" in test_groups(["", "a"], 0.5, seed) for seed in range(40)) / 8)
        return (
            facts,
            again,
            salted[0] == salted[1],
            round(len(base) / 40),
            round(len(test_groups(names)) / 40),
            submission.split_by_group([]),
            refused,
            type(plain).__name__,
            submission.value(kept),
            len(plain[0]) // 60,
            (few // 10 if isinstance(few, int) else few, far, alike, nameless),
        )

    @core
    def test_groups_stay_together(self, submission, dice):
        """Every example is on one side, in order, and no group is on both."""
        cases = []
        for _ in range(3):
            groups = [f"user {dice.randrange(40)}" for _ in range(150)]
            cases.append((groups, 0.4, dice.randrange(1 << 30)))
        for (groups, *_), answer in zip(cases, submission.each("split_by_group", cases), strict=True):
            found = sides(answer, groups)
            expect.true(len(set(found.values())) == 2, "with some forty groups and share 0.4, both sides must have some", got=found)

    @core
    def test_the_share_is_a_chance(self, submission, dice):
        """Each group is in the test with chance `share`; by default 0.2."""
        n = 2000
        groups = [f"doc-{at}" for at in range(n)]
        hows = ((0.1, dice.randrange(1 << 30)), (0.55, dice.randrange(1 << 30)), ())
        for how, answer in zip(hows, submission.each("split_by_group", [(groups, *how) for how in hows]), strict=True):
            found = sides(answer, groups)
            share = how[0] if how else 0.2
            near(sum(found.values()), n, share, f"groups in the test at share {share}", "the share is that of the test")
            both = sum(found[left] and found[right] for left, right in zip(groups[::2], groups[1::2], strict=True))
            near(both, n // 2, share**2, "neighbours that are both in the test", "each group's side is decided by itself")

    @core
    def test_depends_on_the_name_alone(self, submission, dice):
        """A group's side stays the same when examples come in another order, more often, or with other groups."""
        names = [f"story {at}" for at in dice.sample(range(10_000), 120)]
        seed = dice.randrange(1 << 30)
        fewer = dice.sample(names, 70)
        corpora = {
            "the first time": names,
            "in reverse": names[::-1],
            "with more examples of some": [*names, *fewer, *fewer],
            "without the others": fewer,
            "with new groups": [*names, *map(str, range(300))],
        }
        answers = submission.each("split_by_group", [(groups, 0.4, seed) for groups in corpora.values()])
        whole = {}
        for (what, groups), answer in zip(corpora.items(), answers, strict=True):
            mine = sides(answer, groups)
            whole = whole or mine
            moved = [group for group in names if group in mine and mine[group] != whole[group]]
            expect.true(
                not moved,
                f"groups changed sides when the corpus came {what}",
                got=moved,
                why="give every group a number of its own, from its name and the seed; do not shuffle a list",
            )

    def test_the_same_in_every_run(self, submission, dice):
        """The split is the same in every run of Python, where hash() of a string is another one each time."""
        one, two = submission.run(two_salts, submission.split_by_group, [f"story {dice.randrange(10**6)}" for _ in range(80)])
        expect.equal(
            one,
            two,
            why="hash() is salted anew at each start, and the global random state is anybody's: use hashlib or a random.Random seeded with text",
        )

    def test_the_seed_draws_anew(self, submission, dice):
        """Another seed, near or far, gives sides that have nothing to do with the first ones."""
        groups, seed = [f"doc-{at}" for at in range(1000)], dice.randrange(1 << 20)
        one, *others = (
            sides(answer, groups) for answer in submission.each("split_by_group", [(groups, 0.3, s) for s in (seed, seed + 1, seed + FAR)])
        )
        for step, other in zip((1, FAR), others, strict=True):
            near(
                sum(one[g] and other[g] for g in groups),
                len(groups),
                0.09,
                f"groups in the test under both seed {seed} and seed {seed + step}",
                "the whole seed belongs into what is hashed, together with the name",
            )

    def test_small_shares(self, submission, dice):
        """A small share is met too: the numbers of the groups are finer than a hundred or 256 steps."""
        n, share, start = 10_000, 0.0002, dice.randrange(10**6)
        count = submission.run(number_in_test, submission.split_by_group, start, n, share)
        near(count, n, share, f"groups in the test at share {share}", "take more of the hash, such as 8 bytes of it divided by 2 ** 64")

    def test_a_larger_share_only_adds(self, submission, dice):
        """With a larger share, groups move from training to test and never back."""
        groups, seed = [f"doc-{at}" for at in range(300)], dice.randrange(1 << 30)
        answers = submission.each("split_by_group", [(groups, share, seed) for share in (0.1, 0.3, 0.8)])
        found = [sides(answer, groups) for answer in answers]
        back = [g for small, large in itertools.pairwise(found) for g in groups if small[g] and not large[g]]
        expect.true(not back, "groups left the test when the share grew", got=back, why="one number for each group, compared with the share")

    def test_small_cases(self, submission, dice):
        """No examples, a few groups, and the group without a name, which is drawn as all others are."""
        expect.equal([list(side) for side in submission.split_by_group([])], [[], []], why="no examples, no positions")
        groups = ["", "a", "A", " a", "é", "a", ""] + ["same"] * 5
        sides(submission.split_by_group(groups, 0.5, dice.randrange(1 << 30)), groups)
        n, odd = 80, ["", " ", "0"]
        found = [sides(answer, odd) for answer in submission.each("split_by_group", [(odd, 0.5, dice.randrange(1 << 30)) for _ in range(n)])]
        for name in odd:
            near(sum(each[name] for each in found), n, 0.5, f"seeds that put the group {name!r} into the test", "any name is a name: hash it")

    def test_alike_is_not_the_same(self, submission, dice):
        """Names that differ in case, a space, an accent, the order of letters, or far from the start are different groups."""
        n, first, prefix = 120, dice.randrange(1000, 5000), "https://example.org/a/long/address/"
        pairs = {
            "case": [(f"a{at}", f"A{at}") for at in range(n)],
            "a space at the end": [(f"a{at}", f"a{at} ") for at in range(n)],
            "an accent": [(f"é{at}", f"è{at}") for at in range(n)],
            "zeros in front": [(f"{first + at}", f"00{first + at}") for at in range(n)],
            "the order of their letters": [(f"x{first + at}y", f"y{str(first + at)[::-1]}x") for at in range(n)],
            "their first letters": [(f"a{prefix}{at}", f"b{prefix}{at}") for at in range(n)],
            "their last letters": [(f"{prefix}{at}/a", f"{prefix}{at}/b") for at in range(n)],
        }
        names = list(dict.fromkeys(name for rows in pairs.values() for pair in rows for name in pair))
        found = sides(submission.split_by_group(names, 0.5, dice.randrange(1 << 30)), names)
        for what, rows in pairs.items():
            near(
                sum(found[left] == found[right] for left, right in rows),
                n,
                0.5,
                f"pairs like {rows[7]} on the same side",
                f"names that differ only in {what} are two groups: hash the whole name, as it is",
            )

    def test_refuses_what_is_no_share(self, submission):
        """A share that is not strictly between 0 and 1 ends in a ValueError."""
        few = [list(side) for answer in submission.each("split_by_group", [(["a", "b"], share) for share in (1e-9, 1 - 1e-9)]) for side in answer]
        expect.equal(few, [[0, 1], [], [], [0, 1]], why="these are shares, and a side may be empty: chance decides for each group")
        for share in (0.0, 1.0, 1.2):
            expect.raises("ValueError", submission.split_by_group, ["a", "b"], share, why="leave the given test where it is")


# --------------------------------------------------------------------------------------------- contamination


def words_by_hand(text):
    words = [""]
    for letter in text.casefold():
        words = [*words[:-1], words[-1] + letter] if letter.isalnum() else [*words, ""]
    return [word for word in words if word]


def by_comparing(train, test, n=13):
    """Every place of every test text against every place of every training text."""
    rows, found = [words_by_hand(text) for text in train], []
    for at, text in enumerate(test):
        words = words_by_hand(text)
        k = min(n, len(words))
        starts = range(len(words) - k + 1)
        if k and any(words[i : i + k] == row[j : j + k] for row in rows for i in starts for j in range(len(row) - k + 1)):
            found.append(at)
    return found


def spoken(dice, words):
    """Words with other case, punctuation and spaces between them."""
    dressed = (dice.choice((word, word.upper(), word.capitalize())) for word in words)
    return dice.choice(("", "- ", "(")) + "".join(word + dice.choice((" ", ", ", "  ", "-", "_", ".\n")) for word in dressed)


def some_texts(dice, vocabulary, number, shortest, longest):
    return [spoken(dice, dice.choices(vocabulary, k=dice.randint(shortest, longest))) for _ in range(number)]


class TestContaminated(Exercise, id="mix-contaminated"):
    """Exercise mix-contaminated."""

    TRAIN = ["Slow steps, they say, reach the end.", "Don't look back_now", "Straße 7 é", "a a b", "", "x y z", "un café noir", "p1 p2"]  # noqa: RUF012
    TEST = [  # noqa: RUF012
        "slow STEPS they", "slow steps reach the end", "end don t", "steps they", "don't look", "dont look back", "", "...", "look back now", "STRASSE 7", "b a a", "a a a",
        "low steps they say", "q", "end", "x y z", "y x z", "reach the end of it all", "they say reach the", "STRASSE 7 É", "slow steps they say reach the end", "a b", "a b b", "a b a", "un caf noir", "p p", "the the end", "q slow they steps say",
    ]  # fmt: skip

    def probe(self, submission):
        """All rules at n from 1 to 13, no training texts, no test texts, the refusal."""
        lists = [submission.contaminated(self.TRAIN, self.TEST, n) for n in (1, 2, 3, 4, 7)]
        long = " ".join(f"w{at}" for at in range(40))
        default = submission.contaminated([long], [" ".join(f"w{at}" for at in range(5, 5 + k)) + " and so on" * 4 for k in (12, 13, 14)])
        one, two = submission.keep(list(self.TRAIN)), submission.keep(list(self.TEST))
        submission.contaminated(one, two, 2)
        return (
            lists,
            default,
            submission.contaminated([], self.TEST, 1),
            submission.contaminated(self.TRAIN, [], 1),
            submission.contaminated(["a"], ["a"], 0),
            submission.value(one),
            submission.value(two),
        )

    def compare(self, submission, cases, why):
        for case, got in zip(cases, submission.each("contaminated", cases), strict=True):
            expect.equal(got, by_comparing(*case), why=why)

    @core
    def test_finds_shared_runs(self, submission, dice):
        """A test text is found if n of its words stand in a row in one training text, whatever the case and punctuation."""
        cases = [(some_texts(dice, "abcdefg", 8, 0, 14), some_texts(dice, "abcdefg", 14, n, 12), n) for n in (1, 2, 3, 4, 5, 6)]
        cases = [(train, [*test, *test[:4]], n) for train, test, n in cases]
        self.compare(submission, cases, "compare lists of words, not letters: every run of n words of the one with every run of the other")

    @core
    def test_finds_edited_copies(self, submission, dice):
        """A copy with one word changed is still found, by the run before it or after it; one word more often is not."""
        vocabulary = [f"w{at}" for at in range(400)]
        rows = [dice.sample(vocabulary, 16) for _ in range(8)]
        copies = [[*row[:at], "new", *row[at + 1 :]] for row, at in zip(rows, (0, 3, 5, 6, 7, 8, 12, 15), strict=True)]
        edited = [row[start : start + length] + ["new"] * 6 for row in rows for start, length in ((0, 7), (4, 8), (9, 7), (8, 8))]
        self.compare(
            submission,
            [([spoken(dice, row) for row in rows], [spoken(dice, row) for row in (*copies, *edited)], 8)],
            "a near duplicate shares long runs; comparing whole texts misses it",
        )

    def test_short_texts(self, submission, dice):
        """A test text of fewer than n words is found if all of its words stand in a row in a training text."""
        cases = [(some_texts(dice, "abcd", 4, 1, 6), some_texts(dice, "abcd", 20, 1, n), n) for n in (3, 4, 13)]
        self.compare(submission, cases, "with fewer than n words, the run is as long as the text")

    def test_words_are_whole(self, submission):
        """Words are compared whole, and split at everything that is neither a letter nor a digit."""
        train = ["the cat sat on a mat", "don't stop_me now", "ÉTÉ Straße 10", "x1 y2", "un café noir", "p1 p2 p3", "a a b c"]
        test = [
            "he cat sat",
            "the cat sa",
            "th ecat sat",
            "cat sat on",
            "thecat sat on",
            "DON T stop",
            "stop me now!",
            "dont stop me",
            "été STRASSE 10",
            "ete strasse 10",
            "x 1 y",
            "x1 - y2",
            "cat; sat; on;",
            "un caf noir",
            "caf noir",
            "p p p",
            "p p",
            "a b b",
            "a b a",
            "b c c",
        ]
        self.compare(submission, [(train, test, n) for n in (2, 3)], "text.casefold(), then runs of letters and digits of any alphabet")

    def test_runs_stay_inside_a_text(self, submission):
        """A run must stand in one training text; it can't begin in one and end in the next, and its order counts."""
        train, test = ["a b c", "d e f", "c g a"], ["b c d", "c d", "c b a", "f c", "b c", "e f d", "a b c d e f", "a c b", "g a b"]
        self.compare(submission, [(train, test, n) for n in (2, 3, 4)], "do not join the training texts, and compare runs, not sets of words")

    def test_thirteen_by_default(self, submission, dice):
        """By default n is 13: a run of 12 is no finding, one of 13 is."""
        row = [f"w{dice.randrange(10**6)}x{at}" for at in range(30)]
        test = [
            " ".join(["new", *row[at : at + length], "end", *"abcdefgh"]) for at, length in ((3, 12), (0, 13), (17, 13), (18, 12), (5, 14), (0, 12))
        ]
        expect.equal(
            submission.contaminated([" ".join(row)], test), [1, 2, 4], why="the default of n is 13, and n words suffice: both ends of a text count"
        )

    def test_nothing_to_compare(self, submission):
        """Texts without words are never contaminated; without training texts nothing is, and without test texts there is nothing."""
        cases = [(["a b", "", "..."], ["", "...", "a", " _ "], 2), ([], ["a", ""], 1), (["a"], [], 1), ([""], ["", "a"], 3), (["..."], ["..."], 1)]
        self.compare(submission, cases, "an empty run is shared by everything; leave texts without words out")

    def test_leaves_the_lists_alone(self, submission):
        """Both lists are the same after the call."""
        train, test = ["One two THREE", "four"], ["TWO three", "", "five"]
        kept = submission.keep(train), submission.keep(test)
        submission.contaminated(*kept, 2)
        expect.equal([submission.value(each) for each in kept], [train, test], why="make lists of your own for the words")

    def test_refuses_empty_runs(self, submission):
        """A run has at least one word: n below 1 ends in a ValueError."""
        expect.equal(submission.contaminated(["a b"], ["c", "a b"], 1), [1], why="a run of one word is a run")
        for n in (0, -1):
            expect.raises("ValueError", submission.contaminated, ["a b"], ["a b"], n, why="leave the given test where it is")
