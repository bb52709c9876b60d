"""Plausible wrong answers to p2_3_data_mixing, each with what its author should be told; and right answers written another way."""

import itertools
import math
import random
import re
import zlib

from grader.mutation import edit, mutant, variant

AUGMENT, WEIGHTS, SAMPLE = "mix-augment", "mix-weights", "mix-sample"
EPOCHS, SPLIT, CONTAMINATED = "mix-epochs-penalty", "mix-split-by-group", "mix-contaminated"

# --------------------------------------------------------------------------------------------------- augment

edit(
    AUGMENT,
    "changes_the_entity",
    "Words inside a protected name are replaced; the name of a thing is no ordinary word.",
    ("found.start() in kept", "False"),
)
edit(
    AUGMENT,
    "protects_the_words_everywhere",
    "Every word that occurs in a name is left alone everywhere; protect the places of the name only.",
    ("found.start() in kept", "any(word in name for name in keep)"),
)
edit(
    AUGMENT,
    "names_in_any_case",
    "Names are protected in any case; they count as they stand in the text.",
    ('(?!{letter})", text)', '(?!{letter})", text, re.I)'),
)
edit(
    AUGMENT,
    "names_inside_words",
    "A name is protected inside longer words too; it must stand by itself.",
    ("(?<!{letter}){re.escape(name)}(?!{letter})", "{re.escape(name)}"),
)
edit(
    AUGMENT,
    "name_as_a_pattern",
    "The name is used as a pattern, so that '.' and '+' mean something else; escape it.",
    ("{re.escape(name)}", "{name.replace('++', '+')}"),
)
edit(
    AUGMENT,
    "word_borders_by_b",
    "The pattern \\b needs a letter beside it, so a name that ends in a sign is never found.",
    ("(?<!{letter}){re.escape(name)}(?!{letter})", r"\b{re.escape(name)}\b"),
)
edit(AUGMENT, "first_name_only", "Only the first of the names is protected.", ("for name in keep:", "for name in list(keep)[:1]:"))
edit(
    AUGMENT,
    "first_place_only",
    "Only the first place of each name is protected.",
    (
        '(?!{letter})", text):',
        '(?!{letter})", text[: (re.search(rf"(?<!{letter}){re.escape(name)}(?!{letter})", text) or re.search("$", text)).end()]):',
    ),
)
edit(AUGMENT, "english_letters_only", "Only a to z count as letters; words may be of any alphabet.", (r'r"[^\W\d_]"', '"[A-Za-z]"'))
edit(AUGMENT, "digits_are_letters", "Digits and underscores are taken for letters; a word is a run of letters.", (r'r"[^\W\d_]"', r'r"\w"'))
edit(
    AUGMENT,
    "loses_the_capital",
    "A word with a capital is replaced by one without.",
    ("return new[0].upper() + new[1:] if word[0].isupper() else new", "return new"),
)
edit(
    AUGMENT, "capitalises_the_rest_away", "str.capitalize makes all the other letters small.", ("new[0].upper() + new[1:] if", "new.capitalize() if")
)
edit(
    AUGMENT,
    "shouts",
    "A word in capitals makes the whole synonym capitals; only the first letter follows.",
    ("return new[0].upper()", "return new.upper() if word.isupper() and len(word) > 1 else new[0].upper()"),
)
edit(
    AUGMENT,
    "lower_case_words_only",
    "A word with a capital is never replaced; look it up in lower case.",
    ("synonyms.get(word.lower())", "synonyms.get(word)"),
)
edit(AUGMENT, "always_replaces", "Every word is replaced, whatever p is.", ("rng.random() >= p", "p == 0"))
edit(AUGMENT, "chance_upside_down", "A word is replaced with chance 1 − p.", ("rng.random() >= p", "rng.random() < p"))
edit(AUGMENT, "half_by_default", "The default of p is 0.3.", ("p: float = 0.3", "p: float = 0.5"))
edit(AUGMENT, "first_synonym", "The first synonym is always taken; draw among all of them.", ("rng.choice(choices)", "choices[0]"))
edit(
    AUGMENT,
    "never_the_last_synonym",
    "The last synonym is never drawn.",
    ("rng.choice(choices)", "choices[int(rng.random() * max(len(choices) - 1, 1))]"),
)
edit(
    AUGMENT,
    "one_fate_for_all",
    "One draw decides for all words; each needs a draw of its own.",
    ("    letter = ", "    fate = rng.random()\n    letter = "),
    ("rng.random() >= p", "fate >= p"),
)
edit(
    AUGMENT,
    "global_chance",
    "The module random is used, not the generator that was given.",
    ("rng.random() >= p", "random.random() >= p"),
    ("rng.choice", "random.choice"),
)
edit(
    AUGMENT,
    "seeds_itself",
    "A generator with a seed of its own gives the same variation every time.",
    ("    letter = ", "    rng = random.Random(0)\n    letter = "),
)
edit(
    AUGMENT,
    "seeds_the_world",
    "The global generator is seeded, which changes everybody's random numbers.",
    ("    letter = ", "    random.seed(rng.random())\n    letter = "),
)
edit(AUGMENT, "accepts_any_p", "A p outside 0 to 1 passes; the docstring promises a ValueError.", ("if not 0 <= p <= 1:", "if p != p:"))


@mutant(AUGMENT, provides="augment")
def replaces_inside_words(text, rng, synonyms, keep=(), p=0.3):
    """str.replace hits inside longer words, and all places of a word share one fate."""
    for word, choices in synonyms.items():
        if rng.random() < p:
            text = text.replace(word, rng.choice(choices))
    return text


@mutant(AUGMENT, provides="augment")
def replaces_again(text, rng, synonyms, keep=(), p=0.3):
    """What was put in is replaced again when it has a synonym itself; each word is looked at once."""
    for _ in range(2):
        text = by_hand(text, rng, synonyms, keep, p)
    return text


@mutant(AUGMENT, provides="augment")
def splits_at_spaces(text, rng, synonyms=None, keep=(), p=0.3):
    """Words are cut at spaces, so punctuation hides a word, and the spaces themselves are lost."""
    if not 0 <= p <= 1:
        raise ValueError
    synonyms = synonyms or {"old": ("aged",)}
    words = [
        rng.choice(synonyms[word.lower()]) if word.lower() in synonyms and word not in " ".join(keep) and rng.random() < p else word
        for word in text.split()
    ]
    return " ".join(words)


@mutant(AUGMENT, provides="augment")
def a_fixed_number(text, rng, synonyms=None, keep=(), p=0.3):
    """A fixed share of the words is replaced; each word has a chance of its own."""
    synonyms = {"old": ("aged", "worn"), "buy": ("purchase",), "quick": ("fast",)} if synonyms is None else synonyms
    known = [at for at, found in enumerate(re.finditer(r"[^\W\d_]+", text)) if by_hand(found[0], random.Random(0), synonyms, (), 1) != found[0]]
    if not 0 <= p <= 1:
        raise ValueError
    chosen, number = set(rng.sample(known, round(p * len(known)))), itertools.count()
    full = iter(
        re.findall(
            r"[^\W\d_]+",
            by_hand(text, rng, {word: [choice.replace(" ", "qqq") for choice in choices] for word, choices in synonyms.items()}, keep, 1),
        )
    )
    return re.sub(r"[^\W\d_]+", lambda found: next(full).replace("qqq", " ") if next(number) in chosen else (found[0], next(full))[0], text)


def by_hand(text, rng, synonyms=None, keep=(), p=0.3):
    synonyms = (
        {"old": ("aged", "worn"), "quick": ("fast",), "fast": ("quick", "speedy"), "broken": ("damaged", "faulty"), "buy": ("purchase",)}
        if synonyms is None
        else synonyms
    )
    if p < 0 or p > 1:
        raise ValueError(p)
    kept = [False] * len(text)
    for name in keep:
        at = text.find(name)
        while at >= 0:
            if not text[:at][-1:].isalpha() and not text[at + len(name) :][:1].isalpha():
                kept[at : at + len(name)] = [True] * len(name)
            at = text.find(name, at + 1)
    parts, start = [], 0
    for is_word, group in itertools.groupby(text, str.isalpha):
        part = "".join(group)
        options = list(synonyms.get(part.lower(), ())) if is_word and not kept[start] else []
        start += len(part)
        if options and rng.uniform(0, 1) < p:
            new = options[rng.randrange(len(options))]
            part = new[:1].upper() + new[1:] if part[:1].isupper() else new
        parts.append(part)
    return "".join(parts)


@variant(AUGMENT, provides="augment")
def letter_by_letter(text, rng, synonyms=None, keep=(), p=0.3):
    """Right: names found by str.find, words by groupby."""
    return by_hand(text, rng, synonyms, keep, p)


@variant(AUGMENT, provides="augment")
def draws_ahead(text, rng, synonyms=None, keep=(), p=0.3):
    """Right: numbers are drawn for every run of letters, needed or not, and the text is put together from pieces."""
    synonyms = (
        {"old": ("aged", "worn"), "quick": ("fast",), "fast": ("quick", "speedy"), "broken": ("damaged", "faulty"), "buy": ("purchase",)}
        if synonyms is None
        else synonyms
    )
    if not 0.0 <= p <= 1.0:
        raise ValueError("p")
    spans = [m.span() for name in keep for m in re.finditer(r"(?<![^\W\d_])" + re.escape(name) + r"(?![^\W\d_])", text)]
    out, last = "", 0
    for m in re.finditer(r"[^\W\d_]+", text):
        fate, which = rng.random(), rng.random()
        known = synonyms.get(m[0].lower(), [])
        inside = any(a <= m.start() < b for a, b in spans)
        out += text[last : m.start()]
        last = m.end()
        if known and not inside and fate < p:
            new = known[int(which * len(known))]
            out += (new[0].upper() if m[0][0] != m[0][0].lower() else new[0]) + new[1:]
        else:
            out += m[0]
    return out + text[last:]


# --------------------------------------------------------------------------------------------------- weights

edit(WEIGHTS, "forgets_the_temperature", "The shares are in proportion at every temperature.", (" / temperature for", " for"))
edit(
    WEIGHTS,
    "temperature_upside_down",
    "The power is the temperature; it is 1 / temperature.",
    (" / temperature for", " * min(temperature, 1e300) for"),
)
edit(WEIGHTS, "forgets_the_limit", "The limit is ignored.", ("min(n, limit or n)", "n"))
edit(
    WEIGHTS,
    "limits_after_the_power",
    "The limit is applied after the power; a source counts as min(n, limit) first.",
    ("math.log(min(n, limit or n)) / temperature", "min(math.log(n) / temperature, math.log(limit or 10**40))"),
)
edit(WEIGHTS, "limit_from_below", "Small sources are raised to the limit; large ones are cut to it.", ("min(n, limit or n)", "max(n, limit or n)"))
edit(
    WEIGHTS,
    "drops_large_sources",
    "A source above the limit is left out; it counts as the limit.",
    ("if n > 0}", "if 0 < n <= (limit or n)} or {name: 0.0 for name in sizes}"),
)
edit(
    WEIGHTS,
    "leaves_empty_ones_out",
    "Empty sources are missing; their share is 0.0.",
    ("for name in sizes}\n", "for name in sizes if sizes[name]}\n"),
)
edit(
    WEIGHTS,
    "empty_ones_get_a_share",
    "An empty source gets a share, because 0 ** 0 is 1.",
    ("for name, n in sizes.items() if n > 0", "for name, n in ((name, n or 1) for name, n in sizes.items())"),
)
edit(WEIGHTS, "not_normalised", "The shares do not sum to 1.", ("power / total", "power"))
edit(WEIGHTS, "sorts_the_sources", "The shares come sorted; they stand in the order of sizes.", ("in powers.items()}", "in sorted(powers.items())}"))
edit(
    WEIGHTS,
    "softmax_of_sizes",
    "A softmax of the sizes is not a power of them: take it of their logarithms.",
    ("math.log(min(n, limit or n)) / temperature", "min(n, limit or n) / temperature"),
)
edit(WEIGHTS, "two_by_default", "The default temperature is 1.", ("temperature: float = 1.0", "temperature: float = 2.0"))
edit(
    WEIGHTS,
    "add_one_logarithm",
    "log(1 + n) is not log(n); small sources get too much.",
    ("math.log(min(n, limit or n))", "math.log1p(min(n, limit or n))"),
)
edit(
    WEIGHTS,
    "writes_into_sizes",
    "The sizes are cut to the limit in place; the caller's dict is changed.",
    ("    logs = ", "    sizes.update({name: min(n, limit or n) for name, n in sizes.items()})\n    logs = "),
)
edit(
    WEIGHTS,
    "accepts_everything",
    "Impossible temperatures and sizes do not end in a ValueError.",
    (
        '    if not temperature > 0 or (limit is not None and limit <= 0) or min(sizes.values(), default=0) < 0 or not any(sizes.values()):\n        raise ValueError("a temperature and a limit above 0, and a source that holds something, are needed")\n',
        "    if not any(sizes.values()) or temperature == 0: return {}\n",
    ),
)


@mutant(WEIGHTS, provides="mixture_weights")
def powers_of_floats(sizes, temperature=1.0, limit=None):
    """At low temperatures the powers overflow; take logarithms, and subtract the largest."""
    if not temperature > 0 or (limit is not None and limit <= 0) or min(sizes.values(), default=0) < 0 or not any(sizes.values()):
        raise ValueError
    powers = {name: float(min(n, limit or n)) ** (1 / temperature) if n else 0.0 for name, n in sizes.items()}
    return {name: power / sum(powers.values()) for name, power in powers.items()}


@mutant(WEIGHTS, provides="mixture_weights")
def winner_takes_all(sizes, temperature=1.0, limit=None):
    """Below a temperature of 0.1 one source takes all, even when another is as large."""
    if not temperature > 0 or (limit is not None and limit <= 0) or min(sizes.values(), default=0) < 0 or not any(sizes.values()):
        raise ValueError
    if temperature < 0.1:
        best = max(sizes, key=sizes.get)
        return {name: float(name == best) for name in sizes}
    return by_shares(sizes, temperature, limit)


@mutant(WEIGHTS, provides="mixture_weights")
def mixes_with_equal_parts(sizes, temperature=1.0, limit=None):
    """The shares are blended with equal parts in a straight line; a temperature is a power."""
    plain = by_shares(sizes, 1.0, limit)
    if not temperature > 0:
        raise ValueError
    held = sum(1 for n in sizes.values() if n)
    return {name: (share / temperature + (1 - 1 / temperature) / held) if sizes[name] else 0.0 for name, share in plain.items()}


def by_shares(sizes, temperature=1.0, limit=None):
    if not temperature > 0 or (limit is not None and limit <= 0) or min(sizes.values(), default=0) < 0 or not any(sizes.values()):
        raise ValueError
    cut = [n if limit is None else min(n, limit) for n in sizes.values()]
    powers = [(n / max(cut)) ** (1 / temperature) if n else 0.0 for n in cut]
    return dict(zip(sizes, [power / math.fsum(powers) for power in powers], strict=True))


@variant(WEIGHTS, provides="mixture_weights")
def relative_to_the_largest(sizes, temperature=1.0, limit=None):
    """Right: divide by the largest size before the power, which can't overflow then."""
    return by_shares(sizes, temperature, limit)


@variant(WEIGHTS, provides="mixture_weights")
def by_tensor(sizes, temperature=1.0, limit=None):
    """Right: a softmax of log-sizes in float64."""
    import torch

    values = torch.tensor(list(sizes.values()), dtype=torch.float64)
    if temperature <= 0 or (limit is not None and limit <= 0) or len(values) == 0 or values.min() < 0 or values.max() == 0:
        raise ValueError("sizes")
    values = values.clamp(max=limit) if limit else values
    scores = values.log() / temperature
    scores[values == 0] = -math.inf
    return dict(zip(sizes, scores.softmax(0).tolist(), strict=True))


# ---------------------------------------------------------------------------------------------------- stream

edit(
    SAMPLE,
    "starts_over_each_time",
    "A source is opened anew for each item, so its first item comes for ever.",
    ("if name in iterators else end", "if False else end"),
)
edit(
    SAMPLE,
    "ends_with_a_source",
    "The stream ends when the first source does; open that source again.",
    ('            raise ValueError(f"the source {name} is empty")', "            raise ValueError"),
    (
        "        if item is end:\n            iterators",
        "        if item is end and name in iterators:\n            return\n        if item is end:\n            iterators",
    ),
)
edit(
    SAMPLE,
    "ignores_the_weights",
    "All sources are equally likely, whatever the weights.",
    ("rng.choices(names, shares)", "rng.choices([name for name in names if weights[name]])"),
)
edit(
    SAMPLE,
    "weights_need_to_sum_to_one",
    "The weights are taken for chances as they are; divide by their sum.",
    ("rng.choices(names, shares)", "(lambda u: [next((n for n, c in zip(names, itertools.accumulate(shares)) if u < c), names[-1])])(rng.random())"),
    ("import random\n", "import itertools\nimport random\n"),
)
edit(
    SAMPLE,
    "squares_the_weights",
    "The weights are squared; the chances are in proportion to them.",
    ("weights[name] for name", "weights[name] ** 2 for name"),
)
edit(SAMPLE, "global_chance", "The global generator is used, so any other draw changes the stream.", ("rng.choices(", "random.choices("))
edit(
    SAMPLE,
    "seeds_the_world",
    "random.seed changes everybody's random numbers, and anybody's draws change the stream.",
    ("rng = random.Random(seed)", "random.seed(seed); rng = random"),
)
edit(SAMPLE, "ignores_the_seed", "Every seed gives the same stream.", ("random.Random(seed)", "random.Random(0)"))
edit(SAMPLE, "last_bits_of_the_seed", "Only the last bits of the seed count; take it as it is.", ("random.Random(seed)", "random.Random(seed % 256)"))
edit(
    SAMPLE,
    "generator_of_torch",
    "The global generator of torch is seeded and used: other draws change the stream, and theirs change too.",
    ("    rng = random.Random(seed)", "    import torch\n\n    torch.manual_seed(seed)"),
    ("rng.choices(names, shares)[0]", "names[int(torch.multinomial(torch.tensor([float(share) for share in shares]), 1))]"),
)
edit(SAMPLE, "ignores_skip", "The argument skip is ignored.", ("if done >= skip:", "if True:"))
edit(SAMPLE, "skips_one_too_many", "One pair more than skip is left out.", ("if done >= skip:", "if done >= skip + (skip > 0):"))
edit(
    SAMPLE,
    "skips_without_reading",
    "Skipped pairs are drawn but not read, so the items are those of the beginning.",
    (
        "        item = next(iterators[name], end) if",
        "        if done < skip:\n            done += 1\n            continue\n        item = next(iterators[name], end) if",
    ),
)
edit(
    SAMPLE,
    "skips_without_drawing",
    "Nothing is drawn for what is skipped: the first item of each source is passed over, but the draws begin anew.",
    (
        "    done = 0\n",
        "    done = skip\n    for n in range(skip):\n        k = names[n % len(names)]\n        iterators.setdefault(k, iter(sources[k])) if weights[k] else 0\n        next(iterators.get(k, iter(())), 0)\n",
    ),
)
edit(
    SAMPLE,
    "resumes_by_another_seed",
    "After a break the stream is drawn by another seed; it must go on as it would have.",
    ("random.Random(seed)", "random.Random(seed + skip)"),
)
edit(
    SAMPLE,
    "falsy_items_end_a_source",
    "None, 0 and empty texts are taken for the end of the source; ask for an object of your own.",
    ("        if item is end:\n            iterators", "        if item is end or not item:\n            iterators"),
)
edit(
    SAMPLE,
    "loads_everything",
    "All items of a source are read into a list first; an endless source never gets there.",
    ("iter(sources[name])", "iter(list(itertools.islice(sources[name], 10000)))"),
    ("import random\n", "import itertools\nimport random\n"),
)
edit(
    SAMPLE,
    "reads_one_ahead",
    "An item is read from every source before any is drawn; open a source when it is drawn first.",
    (
        "    done = 0\n",
        "    done = 0\n    for n in names:\n        i = iter(sources[n])\n        iterators[n] = itertools.chain([x for x in [next(i, end)] if x is not end], i)\n",
    ),
    ("import random\n", "import itertools\nimport random\n"),
)
edit(
    SAMPLE,
    "opens_all_at_once",
    "All sources are opened at the start, also those that are never drawn.",
    ("    done = 0\n", "    done = 0\n    iterators.update({n: iter(sources[n]) for n in names})\n"),
)
edit(
    SAMPLE,
    "shuffles_a_source",
    "The items of a source come in another order; keep its own.",
    (
        "iter(sources[name])",
        "(lambda first: iter(sorted(first, key=lambda _: rng.random())) if len(first) < 500 else iter(first))(list(itertools.islice(sources[name], 500)))",
    ),
    ("import random\n", "import itertools\nimport random\n"),
)
edit(
    SAMPLE,
    "draws_whole_passes",
    "A source that is drawn is read to its end; draw anew for every item.",
    ("        name = rng.choices(names, shares)[0]\n", "        name = name if done % 3 else rng.choices(names, shares)[0]\n"),
)
edit(
    SAMPLE,
    "empty_sources_are_passed_over",
    "An empty source is silently passed over; a source that is drawn and has nothing is a ValueError.",
    ('            raise ValueError(f"the source {name} is empty")', "            shares[names.index(name)] = 0; continue"),
    ("        name = rng.choices", "        if not any(shares): return\n        name = rng.choices"),
)
edit(
    SAMPLE,
    "stop_iteration_escapes",
    "next() on an empty source raises StopIteration, which a generator turns into a RuntimeError.",
    ("            item = next(iterators[name], end)\n", "            item = next(iterators[name])\n"),
)
edit(SAMPLE, "items_without_names", "Only the items are yielded; a pair of name and item is asked for.", ("yield name, item", "yield item"))
edit(SAMPLE, "pairs_swapped", "The pairs are (item, name); the name comes first.", ("yield name, item", "yield item, name"))
edit(
    SAMPLE,
    "accepts_any_weights",
    "Weights that do not fit the sources do not end in a ValueError.",
    ("set(sources) != set(weights) or min(weights.values(), default=0) < 0 or ", ""),
    ("weights[name] for name", "max(weights.get(name, 1), 0) for name"),
)
edit(
    SAMPLE,
    "keeps_its_place",
    "The iterators are kept from one stream to the next, so a second stream does not begin at the beginning.",
    ("iterators: dict[str, Iterator[Any]] = {}", "iterators = sample_mixture.__dict__.setdefault('open', {})"),
)


@mutant(SAMPLE, provides="sample_mixture")
def in_fixed_proportion(sources, weights, seed, skip=0):
    """The sources take turns in fixed proportion; each item's source is to be drawn anew."""
    if set(sources) != set(weights) or min(weights.values(), default=0) < 0 or not any(weights.values()):
        raise ValueError
    given, cycles = dict.fromkeys(sources, 0), {name: again(source) for name, source in sources.items()}
    for done in itertools.count():
        name = max((name for name in sources if weights[name]), key=lambda name: weights[name] * (done + 1) / sum(weights.values()) - given[name])
        given[name] += 1
        item = next(cycles[name])
        if done >= skip:
            yield name, item


@mutant(SAMPLE, provides="sample_mixture")
def ends_after_one_pass(sources, weights, seed, skip=0):
    """The stream ends when every source has been read once; it goes on for ever."""
    if set(sources) != set(weights) or min(weights.values(), default=0) < 0 or not any(weights.values()):
        raise ValueError
    rng, left = random.Random(seed), {name: iter(source) for name, source in sources.items() if weights[name]}
    done = 0
    while left:
        name = rng.choices(list(left), [weights[name] for name in left])[0]
        for item in left[name]:
            if done >= skip:
                yield name, item
            done += 1
            break
        else:
            del left[name]


def again(source):
    """The items of a source for ever, or a ValueError."""
    while True:
        empty = True
        for item in source:
            empty = False
            yield item
        if empty:
            raise ValueError("an empty source")


@variant(SAMPLE, provides="sample_mixture")
def by_generators(sources, weights, seed, skip=0):
    """Right: one endless generator a source, checks at the call, islice for what is skipped."""
    if sources.keys() != weights.keys() or any(weight < 0 for weight in weights.values()) or sum(weights.values()) == 0:
        raise ValueError("weights")
    rng, endless = random.Random(f"mixture {seed}"), {name: again(source) for name, source in sources.items()}

    def pairs():
        while True:
            u = rng.random() * sum(weights.values())
            edges = itertools.accumulate(weights.values())
            name = next(name for name, edge in zip(weights, edges, strict=True) if u < edge)
            yield name, next(endless[name])

    return itertools.islice(pairs(), skip, None)


@variant(SAMPLE, provides="sample_mixture")
def as_a_class(sources, weights, seed, skip=0):
    """Right: an object with __next__, numpy for the draws, lists as pairs."""
    import numpy as np

    if sorted(sources) != sorted(weights) or min(weights.values(), default=-1) < 0 or max(weights.values()) == 0:
        raise ValueError("weights")

    class Stream:
        def __init__(self):
            self.rng, self.places, self.left = np.random.default_rng(seed), {}, skip

        def __iter__(self):
            return self

        def __next__(self):
            total = sum(weights.values())
            name = list(weights)[self.rng.choice(len(weights), p=[weight / total for weight in weights.values()])]
            self.places.setdefault(name, again(sources[name]))
            pair = [name, next(self.places[name])]
            if self.left:
                self.left -= 1
                return next(self)
            return pair

    return Stream()


# ---------------------------------------------------------------------------------------------------- epochs

edit(
    EPOCHS,
    "first_pass_repeats",
    "The first pass is counted as a repetition; only epochs − 1 passes are.",
    ("math.exp(-(epochs - 1) / r_star)", "math.exp(-epochs / r_star)"),
)
edit(EPOCHS, "forgets_the_first_pass", "The worth of the first pass is missing.", ("return 1 + r_star", "return r_star"))
edit(EPOCHS, "half_life", "The decay is by powers of 2; the formula has exp.", ("math.exp(-(epochs - 1) / r_star)", "2 ** (-(epochs - 1) / r_star)"))
edit(EPOCHS, "constant_inside_only", "The factor r_star before the bracket is missing.", ("return 1 + r_star * (1 -", "return 1 + (1 -"))
edit(EPOCHS, "part_of_a_pass_is_a_pass", "Half a pass is taken for a whole one.", ("        return epochs\n", "        return 1.0\n"))
edit(EPOCHS, "formula_below_one", "Up to one pass nothing is repeated, and the formula does not hold.", ("if epochs <= 1:", "if epochs < 0:"))
edit(
    EPOCHS,
    "hyperbolic",
    "The worth falls off as 1 / (1 + x), not exponentially.",
    ("(1 - math.exp(-(epochs - 1) / r_star))", "(1 - 1 / (1 + (epochs - 1) / r_star))"),
)
edit(
    EPOCHS,
    "absolute_errors",
    "Absolute differences are summed; the smallest sum of squares is asked for.",
    ("** 2 for e", "** 2) ** 0.5 for e"),
    ("sum((effective", "sum(((effective"),
)
edit(
    EPOCHS,
    "relative_errors",
    "The differences are divided by the worth, so large ones count less.",
    ("math.exp(log_r)) - w) ** 2", "math.exp(log_r)) / max(w, 0.01) - 1) ** 2"),
)
edit(EPOCHS, "last_measurement_only", "Only the last measurement is fitted.", ("zip(epochs, worth, strict=True))", "[max(zip(epochs, worth))])"))
edit(
    EPOCHS, "coarse_grid", "The search stops at a coarse grid and misses the best by several per cent.", ("for _ in range(5):", "for _ in range(1):")
)
edit(
    EPOCHS, "many_passes_count_more", "The squares are weighted by the passes; all measurements count alike.", ("- w) ** 2 for", "- w) ** 2 * e for")
)
edit(
    EPOCHS,
    "one_measurement_for_each_number",
    "A dictionary keeps only one of the measurements at the same number of passes.",
    ("zip(epochs, worth, strict=True))", "dict(zip(epochs, worth, strict=True)).items())"),
)
edit(EPOCHS, "short_range", "The search ends at 100; the range goes to R_MAX.", ("math.log(R_MAX)", "math.log(100)"))
edit(EPOCHS, "starts_at_one", "The search begins at 1; the range begins at R_MIN.", ("math.log(R_MIN)", "math.log(1.0)"))
edit(EPOCHS, "returns_the_logarithm", "The logarithm of r_star is returned.", ("return math.exp(best)", "return best"))
edit(EPOCHS, "always_the_papers", "The constant of the paper is returned, whatever was measured.", ("return math.exp(best)", "return 15.387756"))
edit(EPOCHS, "maximises", "The largest error is looked for.", ("key=error)", "key=lambda x: -error(x))"))
edit(EPOCHS, "swaps_the_lists", "Epochs and worth are swapped.", ("zip(epochs, worth, strict=True))", "zip(worth, epochs, strict=True))"))
edit(
    EPOCHS,
    "accepts_no_repetition",
    "Data without a repetition is fitted; the docstring promises a ValueError.",
    (" or not any(e > 1 for e in epochs)", ""),
)
edit(
    EPOCHS,
    "accepts_two_lengths",
    "Lists of two lengths are cut to the shorter one; the docstring promises a ValueError.",
    ("len(epochs) != len(worth) or ", ""),
    ("strict=True", "strict=False"),
)


@mutant(EPOCHS, provides="epochs_penalty")
def mean_of_single_fits(epochs, worth):
    """Each measurement is fitted by itself and the results are averaged; one r_star has to fit them all."""
    if len(epochs) != len(worth) or not any(e > 1 for e in epochs):
        raise ValueError
    found = [golden([e], [w]) for e, w in zip(epochs, worth, strict=True) if e > 1]
    return sum(found) / len(found)


def golden(epochs, worth):
    def value(e, r):
        return e if e <= 1 else 1 - r * math.expm1((1 - e) / r)

    def error(x):
        return math.fsum((value(e, 10**x) - w) ** 2 for e, w in zip(epochs, worth, strict=True))

    start = min((k / 20 for k in range(-20, 61)), key=error)
    low, high = max(start - 0.05, -1), min(start + 0.05, 3)
    for _ in range(40):
        left, right = high - 0.618 * (high - low), low + 0.618 * (high - low)
        low, high = (low, right) if error(left) <= error(right) else (left, high)
    return 10 ** ((low + high) / 2)


@variant(EPOCHS, provides="epochs_penalty")
def by_golden_section(epochs, worth):
    """Right: a grid, then a golden-section search. (The formula is written beside it.)"""
    if len(epochs) != len(worth) or max(epochs, default=0) <= 1:
        raise ValueError("nothing repeated")
    return golden(epochs, worth)


@variant(EPOCHS, provides="epochs_penalty")
def one_fine_grid(epochs, worth):
    """Right: one grid of 2,500 values, by a tensor."""
    import torch

    if len(epochs) != len(worth) or max(epochs, default=0) <= 1:
        raise ValueError("nothing repeated")
    r = torch.logspace(-1, 3, 2500, dtype=torch.float64)[:, None]
    e, w = torch.tensor(epochs, dtype=torch.float64), torch.tensor(worth, dtype=torch.float64)
    predicted = torch.where(e > 1, 1 + r * (1 - torch.exp(-(e - 1) / r)), e)
    return float(r[((predicted - w) ** 2).sum(1).argmin(), 0])


# ---------------------------------------------------------------------------------------------------- groups

edit(
    SPLIT, "ignores_the_groups", "Each example is drawn by itself, so a group lies on both sides.", ("if in_test(group)]", "if in_test((group, at))]")
)
edit(
    SPLIT,
    "sides_swapped",
    "Test and training are swapped; train comes first.",
    ("return [at for at in range(len(groups)) if at not in held], test", "return test, [at for at in range(len(groups)) if at not in held]"),
)
edit(SPLIT, "a_fifth_always", "The share is ignored.", ("/ 2**64 < share", "/ 2**64 < 0.2"))
edit(SPLIT, "a_tenth_by_default", "The default share is 0.2.", ("share: float = 0.2", "share: float = 0.1"))
edit(SPLIT, "forgets_the_seed", "Every seed gives the same split.", ('f"{seed}:{group}"', 'f"{group}"'))
edit(
    SPLIT,
    "a_hundred_buckets",
    "The hash is cut to a hundred steps, so a share below 1 % is never met; take more of it.",
    ('int.from_bytes(digest[:8], "big") / 2**64', 'int.from_bytes(digest[:8], "big") % 100 / 100'),
)
edit(
    SPLIT,
    "nameless_into_training",
    "The group without a name always trains; it is a group like any other.",
    ("return int.from", 'return group != "" and int.from'),
)
edit(SPLIT, "same_letters_same_side", "Names made of the same letters get the same number; the order counts.", ('{group}"', '{sorted(group)}"'))
edit(SPLIT, "last_bits_of_the_seed", "Only the last bits of the seed count; hash all of it.", ('f"{seed}:', 'f"{seed % 256}:'))
edit(SPLIT, "group_in_lower_case", "Groups that differ in case only are thrown together.", ('{group}"', '{group.lower()}"'))
edit(
    SPLIT,
    "returns_names",
    "The names of the groups are returned; positions are asked for.",
    ("test = [at for at, group", "test = [group for at, group"),
    ("[at for at in range(len(groups)) if at not in held]", "[group for group in groups if group not in held]"),
)
edit(
    SPLIT,
    "returns_sets",
    "Sets are returned; lists in ascending order are asked for.",
    ("if at not in held], test", "if at not in held}, held"),
    ("return [at for", "return {at for"),
)
edit(
    SPLIT,
    "drops_repeats",
    "Only the first example of each group is kept.",
    ("enumerate(groups) if", "enumerate(groups) if group not in groups[:at] and"),
    ("if at not in held]", "if at not in held and groups[at] not in groups[:at]]"),
)
edit(
    SPLIT, "accepts_any_share", "A share of 0 or 1 passes; the docstring promises a ValueError.", ("if not 0 < share < 1:", "if not 0 <= share <= 2:")
)
edit(
    SPLIT,
    "share_belongs_to_the_hash",
    "The share is hashed too, so a larger share draws all sides anew.",
    ('f"{seed}:{group}"', 'f"{seed}:{share}:{group}"'),
)
edit(
    SPLIT,
    "sorts_the_callers_list",
    "The caller's list is sorted in place, and the positions are those of the sorted one.",
    ("    def in_test", "    groups.sort(key=lambda g: g[::-1])\n\n    def in_test"),
)


@mutant(SPLIT, provides="split_by_group")
def shuffles_the_groups(groups, share=0.2, seed=0):
    """The list of groups is shuffled and cut: a new group moves old ones to the other side."""
    if not 0 < share < 1:
        raise ValueError
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)
    chosen = set(names[: round(share * len(names))])
    return [at for at, group in enumerate(groups) if group not in chosen], [at for at, group in enumerate(groups) if group in chosen]


@mutant(SPLIT, provides="split_by_group")
def cuts_the_list(groups, share=0.2, seed=0):
    """The last part of the list is the test, whatever groups it cuts in two."""
    if not 0 < share < 1:
        raise ValueError
    cut = round(len(groups) * (1 - share))
    return list(range(cut)), list(range(cut, len(groups)))


@mutant(SPLIT, provides="split_by_group")
def draws_as_they_come(groups, share=0.2, seed=0):
    """One seeded generator draws for the groups as they come, so their order decides."""
    if not 0 < share < 1:
        raise ValueError
    rng, side = random.Random(seed), {}
    for group in groups:
        if group not in side:
            side[group] = rng.random() < share
    return [at for at, group in enumerate(groups) if not side[group]], [at for at, group in enumerate(groups) if side[group]]


@mutant(SPLIT, provides="split_by_group")
def seed_added_to_the_number(groups, share=0.2, seed=0):
    """The seed only shifts the numbers of the groups, so the splits of two seeds hang together; hash it with the name."""
    if not 0 < share < 1:
        raise ValueError
    test = [at for at, group in enumerate(groups) if (zlib.crc32(group.encode()) / 2**32 + seed * 0.01) % 1 < share]
    return [at for at in range(len(groups)) if at not in set(test)], test


@mutant(SPLIT, provides="split_by_group")
def remembers_the_sides(groups, share=0.2, seed=0, known={}):  # noqa: B006
    """Sides are remembered from earlier calls, whatever the share and the seed."""
    if not 0 < share < 1:
        raise ValueError
    for group in groups:
        known.setdefault(group, random.Random(f"{seed}:{group}").random() < share)
    return [at for at, group in enumerate(groups) if not known[group]], [at for at, group in enumerate(groups) if known[group]]


@variant(SPLIT, provides="split_by_group")
def by_seeded_generators(groups, share=0.2, seed=0):
    """Right: a generator seeded with text for each group, which is the same in every run."""
    if not 0 < share < 1:
        raise ValueError("share")
    sides = {group: random.Random(f"{seed}/{group}").random() < share for group in set(groups)}
    train, test = [], []
    for at, group in enumerate(groups):
        (test if sides[group] else train).append(at)
    return [train, test]


@variant(SPLIT, provides="split_by_group")
def by_md5(groups, share=0.2, seed=0):
    """Right: another hash, keyed by the seed, in a million buckets."""
    import hashlib

    if share <= 0 or share >= 1:
        raise ValueError("share")
    number = [int(hashlib.md5(repr((seed, group)).encode()).hexdigest(), 16) % 10**6 for group in groups]
    return tuple([at for at, n in enumerate(number) if (n < share * 10**6) is side] for side in (False, True))


# --------------------------------------------------------------------------------------------- contamination

edit(
    CONTAMINATED,
    "whole_texts_only",
    "Whole texts are compared, which leaks near duplicates: one changed word, and the copy is not found.",
    ("k = min(n, len(words))", "k = len(words)"),
)
edit(CONTAMINATED, "case_counts", "A copy in capitals is not found; compare text.casefold().", ("text.casefold())", "text)"))
edit(CONTAMINATED, "lower_only", "lower() leaves ß as it is, and STRASSE is not found; use casefold().", ("text.casefold())", "text.lower())"))
edit(
    CONTAMINATED,
    "punctuation_counts",
    "Words keep their punctuation, so a comma hides a copy.",
    (r're.findall(r"[^\W_]+", text.casefold())', "text.casefold().split()"),
)
edit(CONTAMINATED, "english_letters_only", "Letters outside a to z are lost; words may be of any alphabet.", (r"[^\W_]+", "[a-z0-9]+"))
edit(CONTAMINATED, "underscore_is_a_letter", "The underscore is taken for a letter; it separates words.", (r"[^\W_]+", r"\w+"))
edit(CONTAMINATED, "letters_only", "Digits are dropped; they belong to words.", (r"[^\W_]+", r"[^\W\d_]+"))
edit(
    CONTAMINATED,
    "misses_the_last_run",
    "The last run of each text is missing: there are len − k + 1 of them.",
    ("len(words) - k + 1", "max(len(words) - k, k == 1)"),
)
edit(CONTAMINATED, "needs_one_word_more", "n + 1 words are asked for; n suffice.", ("min(n, len(words))", "min(n + 1, len(words))"))
edit(CONTAMINATED, "one_word_less", "n − 1 words suffice; n are asked for.", ("min(n, len(words))", "min(max(n - 1, 1), len(words))"))
edit(CONTAMINATED, "ten_by_default", "The default of n is 13.", ("n: int = 13", "n: int = 10"))
edit(
    CONTAMINATED,
    "short_texts_pass",
    "Texts of fewer than n words are never found; they are if all of their words stand in a row.",
    ("if k > 0 and", "if len(words) >= n and"),
)
edit(
    CONTAMINATED,
    "short_texts_are_guilty",
    "Texts of fewer than n words are always found.",
    ("if k > 0 and runs_of(words, k) & seen[k]:", "if k > 0 and (len(words) < n or runs_of(words, k) & seen[k]):"),
)
edit(CONTAMINATED, "empty_texts_are_guilty", "A text without words is found, because every text contains the empty run.", ("if k > 0 and", "if"))
edit(
    CONTAMINATED,
    "joins_the_training_texts",
    "The training texts are joined, so runs across two of them are found.",
    ("[words_of(text) for text in train]", "[words_of(' '.join(train))]"),
)
edit(
    CONTAMINATED,
    "bags_of_words",
    "The order of the words is lost: n words must stand one after the other.",
    ("tuple(words[at : at + k])", "tuple(sorted(words[at : at + k]))"),
)
edit(
    CONTAMINATED, "sets_of_words", "Repeated words within a run are lost.", ("tuple(words[at : at + k])", "tuple(dict.fromkeys(words[at : at + k]))")
)
edit(
    CONTAMINATED,
    "runs_without_overlap",
    "Runs are cut at multiples of k; each place begins a run.",
    ("range(len(words) - k + 1)", "range(0, len(words) - k + 1, max(k, 1))"),
)
edit(CONTAMINATED, "first_training_text_only", "Only the first training text is searched.", ("for row in rows)", "for row in rows[:1])"))
edit(CONTAMINATED, "returns_texts", "The texts are returned; positions are asked for.", ("found.append(at)", "found.append(test[at])"))
edit(
    CONTAMINATED,
    "returns_the_clean_ones",
    "The clean positions are returned.",
    ("if k > 0 and runs_of(words, k) & seen[k]:", "if not (k > 0 and runs_of(words, k) & seen[k]):"),
)
edit(
    CONTAMINATED,
    "flags_for_positions",
    "A list of True and False is returned; positions are asked for.",
    ("    return found\n", "    return [at in found for at in range(len(test))]\n"),
)
edit(
    CONTAMINATED,
    "one_set_for_all_lengths",
    "The runs of the first length are used for all; a shorter text needs shorter runs.",
    ("if k not in seen:", "if not seen:"),
    ("& seen[k]", "& next(iter(seen.values()))"),
)
edit(CONTAMINATED, "all_runs_shared", "Every run must be shared; one is enough.", ("runs_of(words, k) & seen[k]", "runs_of(words, k) <= seen[k]"))
edit(
    CONTAMINATED,
    "swaps_the_lists",
    "The training texts that are in the test are returned.",
    ("    def words_of", "    train, test = test, train\n\n    def words_of"),
)
edit(
    CONTAMINATED,
    "overwrites_the_test",
    "The caller's list is overwritten with lists of words.",
    ("    rows = ", "    test[:] = [text.strip().casefold() for text in test]\n    rows = "),
)
edit(CONTAMINATED, "accepts_empty_runs", "n = 0 passes; the docstring promises a ValueError.", ("if n < 1:", "if n < -1:"))


@mutant(CONTAMINATED, provides="contaminated")
def inside_a_longer_text(train, test, n=13):
    """Runs are looked for as text, so 'he cat' is found in 'the cat'; compare whole words."""
    if n < 1:
        raise ValueError
    rows = [" ".join(split_up(text)) for text in train]
    found = []
    for at, text in enumerate(test):
        words = split_up(text)
        k = min(n, len(words))
        if k and any(" ".join(words[i : i + k]) in row for row in rows for i in range(len(words) - k + 1)):
            found.append(at)
    return found


@mutant(CONTAMINATED, provides="contaminated")
def runs_of_letters(train, test, n=13):
    """Runs of n letters are compared; n words are asked for."""
    if n < 1:
        raise ValueError
    seen = {text.casefold()[at : at + n] for text in train for at in range(len(text) - n + 1)}
    return [at for at, text in enumerate(test) if any(text.casefold()[i : i + n] in seen for i in range(len(text) - n + 1))]


def split_up(text):
    """The words of a text, letter by letter."""
    return "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()


@variant(CONTAMINATED, provides="contaminated")
def by_padded_strings(train, test, n=13):
    """Right: words joined with spaces and spaces at the ends, so that words stay whole."""
    if n <= 0:
        raise ValueError("n")
    rows = [f" {' '.join(split_up(text))} " for text in train]
    answer = []
    for at, text in enumerate(test):
        words = split_up(text)
        length = min(n, len(words))
        runs = [f" {' '.join(words[i : i + length])} " for i in range(len(words) - length + 1)] if words else []
        if any(run in row for run in runs for row in rows):
            answer += [at]
    return answer


@variant(CONTAMINATED, provides="contaminated")
def by_numbers(train, test, n=13):
    """Right: words become numbers first, and runs of all lengths up to n go into one set."""
    if n < 1:
        raise ValueError("n")
    number = {}
    rows, tests = ([[number.setdefault(word, len(number)) for word in split_up(text)] for text in texts] for texts in (train, test))
    rows, tests = list(rows), list(tests)
    seen = {tuple(row[i : i + k]) for row in rows for k in range(1, n + 1) for i in range(len(row) - k + 1)}
    return [at for at, row in enumerate(tests) if row and any(tuple(row[i : i + n]) in seen for i in range(max(len(row) - n, 0) + 1))]
