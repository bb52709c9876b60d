"""Plausible wrong answers to p1_2_history, and right answers written another way."""
import itertools
import math
from collections import Counter, defaultdict

from grader.mutation import edit, edit_variant, mutant, variant

TRAIN = "history-ngram-train"
edit(TRAIN, "context_of_n_tokens", "The context is n tokens long; a piece of n tokens has n - 1 tokens of context.",
     ("range(n - 1, len(tokens))", "range(n, len(tokens))"), ("tokens[i - n + 1 : i]", "tokens[i - n : i]"))
edit(TRAIN, "loses_the_last_token", "The last token of the text is never counted; it ends the last piece.", ("range(n - 1, len(tokens))", "range(n - 1, len(tokens) - 1)"))
edit(TRAIN, "loses_the_first_piece", "The first piece of the text is never counted; it starts at the first token.", ("range(n - 1, len(tokens))", "range(n, len(tokens))"))
edit(TRAIN, "pieces_that_do_not_overlap", "The window jumps n tokens at a time; it must move by one.", ("range(n - 1, len(tokens))", "range(n - 1, len(tokens), n)"))
edit(TRAIN, "counts_once", "Each follower is counted once; repeated ones must add up.", ("after.get(tokens[i], 0) + 1", "1"))
edit(TRAIN, "context_reversed", "The context is in reverse order; it stands as in the text.", ("tuple(tokens[i - n + 1 : i])", "tuple(reversed(tokens[i - n + 1 : i]))"))
edit(TRAIN, "context_as_text", "The context is a joined text; it must be a tuple of tokens.", ("tuple(tokens[i - n + 1 : i])", "' '.join(map(str, tokens[i - n + 1 : i]))"))
edit(TRAIN, "vocabulary_in_order_of_arrival", "The vocabulary stands in order of arrival; it must be sorted.", ("sorted(set(tokens))", "list(dict.fromkeys(tokens))"))
edit(TRAIN, "vocabulary_with_repeats", "The vocabulary repeats tokens; each stands in it once.", ("sorted(set(tokens))", "sorted(tokens)"))
edit(TRAIN, "no_refusal", "n below 1, or fewer than n tokens, is accepted; it must raise ValueError.", ("if n < 1 or len(tokens) < n:", "if False:"))
edit(TRAIN, "lower_case", "Words are turned into lower case; \"The\" and \"the\" are two tokens.",
     ("    if n < 1 or", "    tokens = [token.lower() if isinstance(token, str) else token for token in tokens]\n    if n < 1 or"))
edit(TRAIN, "uses_up_the_text", "The list of tokens is emptied on the way; leave it as it came.",
     ("    return {\"n\": n, \"vocabulary\": sorted(set(tokens)),", "    vocabulary = sorted(set(tokens))\n    tokens.clear()\n    return {\"n\": n, \"vocabulary\": vocabulary,"))
edit(TRAIN, "skips_the_token_0", "Tokens that count as false, 0 and \"\", are skipped; every token is counted.",
     ("        after = counts.setdefault", "        if not tokens[i]:\n            continue\n        after = counts.setdefault"))
edit(TRAIN, "strips_spaces", "Spaces around tokens are cut off; \" the\" and \"the\" are two tokens.",
     ("    counts: dict", "    tokens = [token.strip() if isinstance(token, str) else token for token in tokens]\n    counts: dict"))
edit(TRAIN, "stops_after_a_thousand", "Only the first 1000 tokens are read; the text is counted to its end.", ("    counts: dict", "    tokens = tokens[:1000]\n    counts: dict"))


@mutant(TRAIN, provides="train_ngram")
def remembers_earlier_texts(tokens, n, counts={}):  # noqa: B006
    """The counts of earlier calls are still there: a default {} is made once, not at every call."""
    if n < 1 or len(tokens) < n:
        raise ValueError
    for i in range(n - 1, len(tokens)):
        after = counts.setdefault(tuple(tokens[i - n + 1 : i]), {})
        after[tokens[i]] = after.get(tokens[i], 0) + 1
    return {"n": n, "vocabulary": sorted(set(tokens)), "counts": counts}


@variant(TRAIN, provides="train_ngram")
def by_counters(tokens, n):
    """Right: zipped slices and Counters."""
    if n < 1 or n > len(tokens):
        raise ValueError("n does not fit the text")
    counts = defaultdict(Counter)
    for piece in zip(*(tokens[i:] for i in range(n)), strict=False):
        counts[piece[:-1]][piece[-1]] += 1
    return {"n": n, "vocabulary": sorted(set(tokens)), "counts": counts}


@variant(TRAIN, provides="train_ngram")
def by_one_counter(tokens, n):
    """Right: count whole pieces, then sort them under their contexts."""
    if n < 1 or len(tokens) < n:
        raise ValueError
    counts = {}
    for piece, number in Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)).items():
        counts[piece[:-1]] = {**counts.get(piece[:-1], {}), piece[-1]: number}
    return {"vocabulary": sorted({*tokens}), "n": n, "counts": counts}


PPL = "history-ngram-perplexity"
SEEN = "counts.get(tuple(tokens[i - n + 1 : i]), {})"
TOTAL = "(sum(seen.values()) + k * len(vocabulary))"
edit(PPL, "unseen_context_crashes", "A context that was never seen stops the function with a KeyError; it has only zero counts.", (SEEN, "counts[tuple(tokens[i - n + 1 : i])]"))
edit(PPL, "skips_unseen_contexts", "Words in contexts that were never seen are left out; each of them has probability 1/V.",
     (SEEN, SEEN + "\n        if not seen:\n            continue"))
edit(PPL, "log_of_zero", "k is added to the denominator only, so a word never seen there has probability 0; add k to its count too.", ("(seen.get(tokens[i], 0) + k)", "seen.get(tokens[i], 0)"))
edit(PPL, "adds_k_once", "k is added once to the denominator; it is added to each of the V counts, so V times.", (TOTAL, "(sum(seen.values()) + k)"))
edit(PPL, "counts_only_followers", "The denominator adds k for the words seen in that context only; it must be the whole vocabulary.", (TOTAL, "(sum(seen.values()) + k * max(len(seen), 1))"))
edit(PPL, "divides_by_all_tokens", "The mean is over all tokens; only those with a full context are predicted.", ("(len(tokens) - n + 1)", "len(tokens)"))
edit(PPL, "base_two_and_e", "The logarithm is to base 2 but the exponential to base e; they must match.", ("total += math.log(", "total += math.log2("))
edit(PPL, "forgets_the_exponential", "It returns the mean negative logarithm, the cross-entropy; perplexity is exp of that.", ("return math.exp(-total / (len(tokens) - n + 1))", "return -total / (len(tokens) - n + 1)"))
edit(PPL, "wrong_sign", "The sign is lost and the result is 1 / perplexity; perplexity is exp of the negative mean logarithm.", ("math.exp(-total", "math.exp(total"))
edit(PPL, "ignores_k", "k is fixed at 1; the argument must be used.", ("    total = 0.0", "    k = 1.0\n    total = 0.0"))
edit(PPL, "accepts_unknown_tokens", "A token outside the vocabulary is accepted; it must raise ValueError.", (" or not vocabulary.issuperset(tokens)", ""))
edit(PPL, "accepts_k_of_zero", "k of 0 or below is accepted; it must raise ValueError.", ("k <= 0 or ", ""))
edit(PPL, "grows_the_model", "Contexts that were never seen are written into the model; leave it as it came.", (SEEN, "counts.setdefault(tuple(tokens[i - n + 1 : i]), {})"))
edit(PPL, "checks_predicted_tokens_only", "The first n - 1 tokens may be outside the vocabulary; every token of the text must be in it.", ("issuperset(tokens)", "issuperset(tokens[n - 1:])"))
edit(PPL, "clamps_small_probabilities", "Probabilities below 1e-6 are set to 1e-6; a small k makes them smaller, and that must show.",
     (f"(seen.get(tokens[i], 0) + k) / {TOTAL}", f"max(1e-6, (seen.get(tokens[i], 0) + k) / {TOTAL})"))
edit(PPL, "leaves_unknown_tokens_out", "Tokens outside the vocabulary are left out without a word; they must raise ValueError.",
     ("    if k <= 0", "    tokens = [token for token in tokens if token in vocabulary]\n    if k <= 0"))


@mutant(PPL, provides="ngram_perplexity")
def multiplies_probabilities(model, tokens, k=1.0):
    """The probabilities are multiplied, and after some hundred words the product is 0; add logarithms."""
    n, V = model["n"], len(model["vocabulary"])
    if k <= 0 or len(tokens) < n or set(tokens) - set(model["vocabulary"]):
        raise ValueError
    product = 1.0
    for i in range(n - 1, len(tokens)):
        seen = model["counts"].get(tuple(tokens[i - n + 1 : i]), {})
        product *= (seen.get(tokens[i], 0) + k) / (sum(seen.values()) + k * V)
    return product ** (-1 / (len(tokens) - n + 1)) if product else math.inf


@variant(PPL, provides="ngram_perplexity")
def by_base_two(model, tokens, k=1.0):
    """Right: bits, and two to their mean."""
    n, V = model["n"], len(model["vocabulary"])
    if k <= 0 or len(tokens) < n or any(token not in model["vocabulary"] for token in set(tokens)):
        raise ValueError("bad input")
    bits = []
    for i in range(len(tokens) - n + 1):
        *context, word = tokens[i : i + n]
        seen = Counter(model["counts"].get(tuple(context), {}))
        bits.append(-math.log2((seen[word] + k) / (seen.total() + k * V)))
    return 2 ** (sum(bits) / len(bits))


edit_variant(PPL, "difference_of_logarithms", "Right: log of the count minus log of the total.",
             (f"math.log((seen.get(tokens[i], 0) + k) / {TOTAL})", f"math.log(seen.get(tokens[i], 0) + k) - math.log{TOTAL}"))

COUNT = "history-count-parameters"
edit(COUNT, "counts_tied_embeddings_twice", "A tied output layer is counted again; it is the embedding table itself.", ("0 if config[\"tied\"] else config", "config"))
edit(COUNT, "forgets_the_biases", "The biases are forgotten: a linear layer a -> b has b of them, and a norm has C.",
     ("(b if config[\"biases\"] else 0)", "0"), ("2 * C if config[\"biases\"] else C", "C"))
edit(COUNT, "forgets_the_biases_of_norms", "The biases of the norms are forgotten; a norm has C of them.", ("2 * C if config[\"biases\"] else C", "C"))
edit(COUNT, "attention_of_three", "The linear layer of attention back to C is missing; attention has four linear layers.", (" + linear(inner, C)\n", "\n"))
edit(COUNT, "square_attention", "Attention is counted as C -> C; its inner width is I = heads × width of a head.", ("config[\"d_ff\"], config[\"inner\"]", "config[\"d_ff\"], config[\"d_model\"]"))
edit(COUNT, "no_cross_attention", "The cross-attention is missing; a decoder layer of an encoder-decoder has a second attention, with its norm.", ("(layer + attention + norm)", "layer"))
edit(COUNT, "forgets_the_third_norm", "The norm of the cross-attention is missing; a decoder layer of an encoder-decoder has three norms.", ("(layer + attention + norm)", "(layer + attention)"))
edit(COUNT, "one_stack", "An encoder-decoder is counted as one stack; it has two, each with its final norm and its own relative table.", ("2 if config[\"decoder_layers\"] else 1", "1"))
edit(COUNT, "forgets_positions", "The tables of positions and segments are missing; each of their rows has C numbers.", ("(config[\"vocab\"] + config[\"positions\"] + config[\"segments\"])", "config[\"vocab\"]"))
edit(COUNT, "one_norm_a_layer", "One norm a layer is counted; a layer has two.", ("+ 2 * norm", "+ norm"))
edit(COUNT, "bias_on_the_output", "The output layer is given a bias; it has none, whatever the other layers have.", ("config[\"vocab\"] * C)", "linear(C, config[\"vocab\"]))"))
edit(COUNT, "buckets_without_heads", "The relative table is counted with one number a bucket; it has buckets × heads numbers.", ("config[\"relative_buckets\"] * config[\"heads\"]", "config[\"relative_buckets\"]"))
STACKS = "stacks * (norm * config[\"final_norm\"] + config[\"relative_buckets\"] * config[\"heads\"])"
KV = "inner * config.get(\"kv_heads\", config[\"heads\"]) // config[\"heads\"]"
edit(COUNT, "one_relative_table", "An encoder-decoder is given one relative table; there is one per stack.",
     (STACKS, "stacks * norm * config[\"final_norm\"] + config[\"relative_buckets\"] * config[\"heads\"]"))
edit(COUNT, "one_final_norm", "An encoder-decoder is given one final norm; there is one per stack.",
     (STACKS, "norm * config[\"final_norm\"] + stacks * config[\"relative_buckets\"] * config[\"heads\"]"))
edit(COUNT, "ignores_kv_heads", "kv_heads is not used: with fewer of them the layers of keys and values are narrower, I · kv_heads / heads.", (KV, "inner"))
edit(COUNT, "narrow_queries_too", "With kv_heads the queries and the way back are made narrower too; only keys and values are.",
     ("linear(C, inner) + 2 * linear(C, narrow) + linear(inner, C)", "3 * linear(C, narrow) + linear(narrow, C)"))
edit(COUNT, "needs_the_optional_keys", "A configuration without kv_heads or gated stops with a KeyError; both may be missing.", ("config.get(\"gated\")", "config[\"gated\"]"))
edit(COUNT, "ignores_the_gate", "gated is not used: a gate is one more linear layer C -> F in every layer.", ("(2 if config.get(\"gated\") else 1) * ", ""))
edit(COUNT, "gate_on_the_way_down", "The gate is counted as F -> C; it is one more layer C -> F. With biases the two differ.",
     ("(2 if config.get(\"gated\") else 1) * linear(C, F) + linear(F, C)", "linear(C, F) + (2 if config.get(\"gated\") else 1) * linear(F, C)"))
edit(COUNT, "writes_into_the_configuration", "The defaults are written into the configuration; leave it as it came.", ("config.get(\"kv_heads\", config[\"heads\"])", "config.setdefault(\"kv_heads\", config[\"heads\"])"),
     ("config.get(\"gated\")", "config.setdefault(\"gated\", False)"))


@variant(COUNT, provides="count_parameters")
def by_listing(config):
    """Right: all shapes are listed and multiplied."""
    C, F, inner, b = config["d_model"], config["d_ff"], config["inner"], int(config["biases"])
    head = inner // config["heads"]
    attention = [(C + b) * inner, (inner + b) * C] + [(C + b) * head * config.get("kv_heads", config["heads"])] * 2
    norm = [C * (1 + b)]
    plain = attention + [(C + b) * F, (F + b) * C] + [(C + b) * F] * config.get("gated", False) + norm * 2
    parts = [config["vocab"] * C, config["positions"] * C, config["segments"] * C]
    parts += plain * config["layers"] + (plain + attention + norm) * config["decoder_layers"]
    parts += norm * int(config["embedding_norm"])
    per_stack = norm * int(config["final_norm"]) + [config["relative_buckets"] * config["heads"]]
    parts += per_stack * (1 + bool(config["decoder_layers"]))
    parts += [(C + b) * C] * int(config["pooler"]) + [config["vocab"] * C] * (not config["tied"])
    return sum(parts)


edit_variant(COUNT, "written_flat", "Right: attention as one fused layer.",
             ("linear(C, inner) + 2 * linear(C, narrow) + linear(inner, C)", "linear(C, inner + 2 * narrow) + linear(inner, C)"))

TIME = "history-timeline"
edit(TIME, "not_sorted", "The rows stay in the order of the cards; they must be sorted by date.", ("sorted(cards, key=lambda card: card[\"published\"])", "cards"))
edit(TIME, "sorted_by_name", "The rows are sorted by name; they must be sorted by date.", ("key=lambda card: card[\"published\"]", "key=lambda card: card[\"model\"]"))
edit(TIME, "sorted_by_year_only", "Only the year is compared; within a year the month decides.", ("key=lambda card: card[\"published\"]", "key=lambda card: card[\"published\"][:4]"))
edit(TIME, "latest_first", "The latest comes first; it must be the earliest.", ("key=lambda card: card[\"published\"])", "key=lambda card: card[\"published\"], reverse=True)"))
edit(TIME, "ties_by_name", "Cards of the same month are sorted by name; they stay in the order in which they came.", ("card: card[\"published\"])", "card: (card[\"published\"], card[\"model\"]))"))
edit(TIME, "ties_reversed", "Cards of the same month come out in reverse order; they stay in the order in which they came.",
     ("sorted(cards, key=lambda card: card[\"published\"])", "sorted(cards, key=lambda card: card[\"published\"], reverse=True)[::-1]"))
edit(TIME, "checks_the_last_parent_only", "Only the last name in builds_on is checked; every one of them must be among the cards and earlier.",
     ("for older in card[\"builds_on\"]:", "for older in card[\"builds_on\"][-1:]:"))
edit(TIME, "swaps_encoder_and_decoder", "Encoder and decoder are swapped: an encoder sees all, a decoder what stands before.",
     ("\"before\": \"decoder\", \"all\": \"encoder\"", "\"before\": \"encoder\", \"all\": \"decoder\""))
edit(TIME, "spans_are_masked", "Hidden spans are called masked; their objective is span corruption.", ("\"hidden spans\": \"span corruption\"", "\"hidden spans\": \"masked\""))
edit(TIME, "year_as_text", "The year is a text; it must be an int.", ("int(card[\"published\"][:4])", "card[\"published\"][:4]"))
edit(TIME, "builds_on_the_same_month", "A model of the same month is accepted; what a model builds on must be from an earlier month.", (">= card[\"published\"]", "> card[\"published\"]"))
edit(TIME, "builds_on_anything", "What a model builds on is never checked; an unknown or later model must raise ValueError.", ("if older not in dates or dates[older] >= card[\"published\"]:", "if False:"))
edit(TIME, "unknown_parents_pass", "A model that builds on one that is not among the cards is accepted; it must raise ValueError.", ("older not in dates or dates[older]", "dates.get(older, \"\")"))
edit(TIME, "sorts_the_cards", "The list of cards is sorted in place; leave it as it came.",
     ("    rows = []", "    cards.sort(key=lambda card: card[\"published\"])\n    rows = []"))
edit(TIME, "part_of_a_name", "A name counts as present if it is part of another, as GPT is of GPT-2; names must be equal.",
     ("older not in dates or dates[older]", "not any(older in model for model in dates) or dates.get(older, \"\")"))
edit(TIME, "refuses_the_same_year", "Models of the same year can't build on each other here; an earlier month is enough.", ("dates[older] >= card[\"published\"]", "dates[older][:4] >= card[\"published\"][:4]"))
edit(TIME, "this_century_only", "The year is made of its last two digits; models before 2000 get a wrong one.", ("int(card[\"published\"][:4])", "2000 + int(card[\"published\"][2:4])"))


@mutant(TIME, provides="timeline")
def by_heart(cards):
    """The answer is known by heart for famous names; it must be read from the cards."""
    known = {"Transformer": ("encoder-decoder", "translation"), "BERT": ("encoder", "masked"), "T5": ("encoder-decoder", "span corruption")}
    dates = {card["model"]: card["published"] for card in cards}
    if any(dates.get(b, "9") >= c["published"] for c in cards for b in c["builds_on"]):
        raise ValueError
    rows = []
    for card in sorted(cards, key=lambda c: c["published"]):
        architecture, objective = known.get(card["model"], ("decoder", "causal"))
        rows.append({"year": int(card["published"][:4]), "model": card["model"], "architecture": architecture, "objective": objective})
    return rows


@variant(TIME, provides="timeline")
def by_match(cards):
    """Right: conditions instead of dictionaries, the check of what is built on first."""
    for card in cards:
        parents = [other for other in cards if other["model"] in card["builds_on"]]
        if len(parents) != len(card["builds_on"]) or any(p["published"] >= card["published"] for p in parents):
            raise ValueError(card["model"])
    out = []
    for i, card in sorted(enumerate(cards), key=lambda pair: (pair[1]["published"], pair[0])):
        seen, goal = card["sees"], card["predicts"]
        out.append({"model": card["model"], "year": int(card["published"].split("-")[0]),
                    "architecture": "decoder" if seen == "before" else "encoder" if seen == "all" else "encoder-decoder",
                    "objective": "causal" if goal == "next token" else "masked" if goal == "hidden tokens" else "span corruption" if "span" in goal else goal})
        assert i >= 0
    return out


edit_variant(TIME, "checks_afterwards", "Right: a running dictionary is kept too.", ("    rows = []", "    rows: list[dict] = list()"))

GAIN = "history-pretraining-gain"
LINE = "x0 + (y0 - target) / (y0 - y) * (x - x0)"
edit(GAIN, "no_line_between_points", "It takes the point at which the loss is down; the curve crosses the target between two points.", (LINE, "float(x)"))
edit(GAIN, "takes_the_point_before", "It takes the last point above the target; the curve crosses between that and the next.", (LINE, "float(x0)"))
edit(GAIN, "wrong_sign", "The sign is the wrong way round; saved is from scratch minus after pretraining.", ("else scratch - tuned", "else tuned - scratch"))
edit(GAIN, "ratio_instead_of_difference", "It returns a ratio; examples saved are a difference.", ("else scratch - tuned", "else scratch / max(tuned, 1e-9)"))
edit(GAIN, "last_crossing", "It finds the last crossing, as np.interp over a reversed curve does; the first time counts.",
     ("        before = None\n", "        before, found = None, math.inf\n"), ("                    return float(x)\n", "                    found = float(x)\n                    before = (x, y)\n                    continue\n"),
     ("                return " + LINE, "                if y0 > target:\n                    found = " + LINE),
     ("        return math.inf\n", "        return found\n"))
edit(GAIN, "below_only", "A loss exactly at the target counts as not reached; at or below reaches it.", ("if y <= target:", "if y < target:"))
edit(GAIN, "halves_the_step", "It takes the middle between the two points; the straight line says where.", (LINE, "(x0 + x) / 2"))
edit(GAIN, "zero_when_neither", "It returns a number if neither curve gets there; the answer is None.", ("return None if", "return 0.0 if"))
edit(GAIN, "no_gain_is_none", "A gain of exactly 0 becomes None; None is for curves that never get there.", ("else scratch - tuned", "else (scratch - tuned) or None"))
edit(GAIN, "starts_at_zero", "A curve that is down at its first point is counted as reached at 0 examples; it is that point's examples.", ("return float(x)\n", "return 0.0\n"))
edit(GAIN, "cuts_the_longer_curve", "The longer curve is cut to the length of the shorter; each curve is read to its own end.",
     ("    scratch, tuned = reached(curve_scratch), reached(curve_tuned)",
      "    short = min(len(curve_scratch), len(curve_tuned))\n    scratch, tuned = reached(curve_scratch[:short]), reached(curve_tuned[:short])"))
edit(GAIN, "zero_examples_are_never", "A curve that is down at 0 examples is taken for one that never gets there; 0 counts as false.",
     ("    return None if", "    scratch, tuned = scratch or math.inf, tuned or math.inf\n    return None if"))
edit(GAIN, "stumbles_over_a_flat_piece", "Two neighbouring points of equal loss end in a division by zero; compute the slope only where the curve crosses.",
     ("        for x, y in curve:\n", "        for x, y in curve:\n            if before is not None:\n                1 / (y - before[1])\n"))
edit(GAIN, "adds_to_the_curves", "A point is added to the caller's curves; leave them as they came.", ("        before = None\n", "        before = None\n        curve.append(curve[-1])\n"))


@mutant(GAIN, provides="pretraining_gain")
def counts_points(curve_scratch, curve_tuned, target):
    """It counts points of the curves; it must count examples."""
    def reached(curve):
        return next((float(i) for i, (_, y) in enumerate(curve) if y <= target), math.inf)

    a, b = reached(curve_scratch), reached(curve_tuned)
    return None if a == b == math.inf else a - b


@mutant(GAIN, provides="pretraining_gain")
def compares_losses(curve_scratch, curve_tuned, target):
    """It compares losses at equal examples; it must compare examples at equal loss."""
    return curve_scratch[-1][1] - curve_tuned[-1][1]


@variant(GAIN, provides="pretraining_gain")
def by_pairs(curve_scratch, curve_tuned, target):
    """Right: pairs of neighbouring points, weights instead of a slope."""
    places = []
    for curve in (curve_scratch, curve_tuned):
        place = math.inf
        if curve[0][1] <= target:
            place = float(curve[0][0])
        else:
            for (x0, y0), (x1, y1) in itertools.pairwise(curve):
                if y1 <= target:
                    place = (x0 * (target - y1) + x1 * (y0 - target)) / (y0 - y1)
                    break
        places.append(place)
    if places == [math.inf, math.inf]:
        return None
    return places[0] - places[1]


edit_variant(GAIN, "named_slope", "Right: the slope has a name.", ("return " + LINE, "slope = (y - y0) / (x - x0)\n                return x0 + (target - y0) / slope"))
