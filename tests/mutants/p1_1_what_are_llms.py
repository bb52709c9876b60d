"""Plausible wrong answers to p1_1_what_are_llms, each with what its author should be told; and right answers written another way."""
import itertools
import math

import torch

from grader.mutation import edit, edit_variant, mutant, variant

TEMPERATURE, TOP_K, TOP_P = "sampling-next-token-distribution", "sampling-top-k", "sampling-top-p"
LOOP, TRIAGE = "generation-loop", "use-cases-triage"
NEG = float("-inf")

# ---------------------------------------------------------------------------------------------- temperature

SOFTMAX = "torch.softmax(logits / temperature, dim=-1)"
edit(TEMPERATURE, "divides_after_the_softmax", "The probabilities are divided by the temperature, so they no longer sum to one; divide the scores before the softmax.",
     (SOFTMAX, "torch.softmax(logits, dim=-1) / temperature"))
edit(TEMPERATURE, "ignores_the_temperature", "The temperature is not used, or it is divided out again: dividing probabilities and then making them sum to one gives back the same.",
     (SOFTMAX, "torch.softmax(logits, dim=-1)"))
edit(TEMPERATURE, "multiplies", "The scores are multiplied by the temperature; a high temperature must flatten, so divide.", (SOFTMAX, "torch.softmax(logits * temperature, dim=-1)"))
edit(TEMPERATURE, "overflows", "exp of a large score is infinite, and infinity divided by infinity is NaN: take each row's maximum away first, or use torch.softmax.",
     (SOFTMAX, "torch.exp(logits / temperature) / torch.exp(logits / temperature).sum(-1, keepdim=True)"))
edit(TEMPERATURE, "hides_the_overflow", "exp overflows at a low temperature, and nan_to_num turns the NaN into 0, so the row no longer sums to one.",
     (SOFTMAX, "(torch.exp(logits / temperature) / torch.exp(logits / temperature).sum(-1, keepdim=True)).nan_to_num(0.0)"))
edit(TEMPERATURE, "takes_the_maximum_of_all", "The maximum of the whole batch is taken away, so a row far below it vanishes to 0/0; each row needs its own maximum.",
     (SOFTMAX, "(lambda e: e / e.sum(-1, keepdim=True))(torch.exp((logits - logits.max()) / temperature))"))
edit(TEMPERATURE, "wrong_axis", "The softmax runs over the first axis; each row of the last axis must sum to one.", (SOFTMAX, "torch.softmax(logits / temperature, dim=0)"))
edit(TEMPERATURE, "one_softmax_for_all", "One softmax runs over all rows together; each row must sum to one by itself.",
     (SOFTMAX, "torch.softmax(logits.flatten() / temperature, dim=0).reshape(logits.shape)"))
edit(TEMPERATURE, "divides_by_zero", "At temperature 0 the scores are divided by zero, which gives NaN; 0 needs a branch of its own.", ("if temperature == 0:", "if False:"))
edit(TEMPERATURE, "first_of_the_tied", "At temperature 0 the first of several tied scores takes everything; the limit of the softmax shares equally.",
     ("top = logits == logits.amax(dim=-1, keepdim=True)", "top = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1])"))
edit(TEMPERATURE, "zero_means_no_change", "Temperature 0 is treated as if it were 1; it must leave the best token alone.", ("if temperature == 0:", "temperature = temperature or 1.0\n    if False:"))
edit(TEMPERATURE, "forgets_to_share", "At temperature 0 every tied token gets probability 1, so the row sums to more than one.", ("return top / top.sum(dim=-1, keepdim=True)", "return top.float()"))
edit(TEMPERATURE, "accepts_negative", "A negative temperature turns the order round; the docstring promises a ValueError.", ("if temperature < 0:", "if False:"))
edit(TEMPERATURE, "clamps_the_temperature", "A small number below which the temperature may not fall keeps a cold distribution warm; 0.001 must be used as it is.",
     (SOFTMAX, "torch.softmax(logits / max(temperature, 0.5), dim=-1)"))
edit(TEMPERATURE, "writes_into_its_input", "`logits /= temperature` changes the caller's tensor.", (SOFTMAX, "torch.softmax(logits.div_(temperature), dim=-1)"))
edit(TEMPERATURE, "returns_logarithms", "The result is the logarithm of the probabilities; the docstring asks for the probabilities.", (SOFTMAX, "torch.log_softmax(logits / temperature, dim=-1)"))
edit(TEMPERATURE, "drops_the_negative", "Negative scores are cut off at 0 before the softmax; a score may be any number.", (SOFTMAX, "torch.softmax(logits.clamp(min=0) / temperature, dim=-1)"))
edit(TEMPERATURE, "smooths_the_ruled_out", "A small number is added to every probability, so ruled-out tokens can be drawn again.",
     (SOFTMAX, "(torch.softmax(logits / temperature, dim=-1) + 1e-3) / (1 + 1e-3 * logits.shape[-1])"))
edit(TEMPERATURE, "refuses_zero", "Temperature 0 is refused; the docstring allows it and says what to return.", ("if temperature < 0:", "if temperature <= 0:"))
edit(TEMPERATURE, "nearly_tied_is_tied", "At temperature 0 scores that are nearly equal share as if they tied; only equal scores tie.",
     ("logits == logits.amax(dim=-1, keepdim=True)", "torch.isclose(logits, logits.amax(dim=-1, keepdim=True))"))
edit(TEMPERATURE, "a_small_number_for_zero", "0 is replaced by a small temperature that is not small enough: scores that differ in the last digits still share. Give 0 its own branch.",
     ("if temperature == 0:", "temperature = max(temperature, 1e-6)\n    if False:"))
edit(TEMPERATURE, "cold_is_zero", "A low temperature is treated as 0; 0.001 is a temperature like any other.", ("if temperature == 0:", "if temperature < 0.01:"))
edit(TEMPERATURE, "adds_to_the_temperature", "A small number is added to the temperature against division by zero, which changes every result; give 0 its own branch.",
     (SOFTMAX, "torch.softmax(logits / (temperature + 1e-3), dim=-1)"))
edit(TEMPERATURE, "powers_of_probabilities", "Probabilities to the power of 1/T are right on paper, but at a low temperature they all vanish to 0; divide the scores.",
     (SOFTMAX, "(lambda powers: powers / powers.sum(-1, keepdim=True))(torch.softmax(logits, dim=-1) ** (1 / temperature))"))
edit(TEMPERATURE, "shares_across_rows", "At temperature 0 the tied scores of all rows are counted together; each row must sum to one by itself.",
     ("top.sum(dim=-1, keepdim=True)", "top.sum()"))
edit(TEMPERATURE, "a_number_for_minus_infinity", "-inf is replaced by a large negative number, which a high temperature makes small again; leave -inf to the softmax.",
     (SOFTMAX, "torch.softmax(logits.clamp(min=-1e4) / temperature, dim=-1)"))
edit(TEMPERATURE, "minus_infinity_as_zero", "-inf is replaced by 0, and a score of 0 takes a share; leave -inf to the softmax.",
     (SOFTMAX, "torch.softmax(logits.nan_to_num(neginf=0.0) / temperature, dim=-1)"))

edit(TEMPERATURE, "is_for_equals", "`temperature is 0` asks for the very object 0, and 0.0 is another one, so it is divided by; ask with ==.",
     ("if temperature == 0:", "if type(temperature) is int and temperature == 0:"))
edit(TEMPERATURE, "hot_means_uniform", "A high temperature is treated as if it were infinite; scores that are thousands apart still differ a little.",
     (SOFTMAX, "torch.softmax(torch.where(logits.isinf(), logits, 0.0) if temperature > 1000 else logits / temperature, dim=-1)"))
edit(TEMPERATURE, "a_floor_under_the_exponent", "The exponent has a lower end, so a ruled-out token keeps a tiny probability; leave -inf to the exponential.",
     (SOFTMAX, "(lambda e: e / e.sum(-1, keepdim=True))(((logits - logits.amax(-1, keepdim=True)) / temperature).clamp(min=-30).exp())"))
edit(TEMPERATURE, "loses_axes_of_length_one", "squeeze() takes away every axis of length one, a batch of one row too; the result has the shape of logits.",
     (SOFTMAX, "torch.softmax(logits / temperature, dim=-1).squeeze()"))


@variant(TEMPERATURE, provides="next_token_distribution")
def by_hand(logits, temperature):
    """Right: the exponential by hand, each row's maximum taken away first."""
    if temperature < 0:
        raise ValueError("negative temperature")
    away = logits - logits.max(-1, keepdim=True).values
    powers = (away == 0).to(logits.dtype) if temperature == 0 else torch.exp(away / temperature)
    return powers / powers.sum(-1, keepdim=True)


@variant(TEMPERATURE, provides="next_token_distribution")
def through_log_softmax(logits, temperature):
    """Right: log-probabilities divided by the temperature, then made to sum to one; in double precision."""
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        top = (logits == logits.amax(-1, keepdim=True)).double()
        return top / top.sum(-1, keepdim=True)
    return torch.softmax(torch.log_softmax(logits.double(), -1) / temperature, -1)


@variant(TEMPERATURE, provides="next_token_distribution")
def zero_as_a_tiny_number(logits, temperature):
    """Right: 0 as a temperature so small that only ties survive, after the maximum is taken away."""
    if temperature < 0:
        raise ValueError("negative temperature")
    away = logits - logits.amax(-1, keepdim=True)
    return (away / max(temperature, 1e-9)).softmax(-1)


# ---------------------------------------------------------------------------------------------- top-k

KTH = "logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]"
FILL = "logits.masked_fill(logits < kth, float(\"-inf\"))"
edit(TOP_K, "crashes_on_a_large_k", "k may be larger than the vocabulary; topk then fails. Ask for min(k, V).", ("min(k, logits.shape[-1])", "k"))
edit(TOP_K, "drops_the_kth", "The comparison is `<=`, so the k-th best token goes as well.", ("logits < kth", "logits <= kth"))
edit(TOP_K, "keeps_one_too_many", "The threshold is the score after the k-th, so k + 1 tokens stay.", ("min(k, logits.shape[-1])", "min(k + 1, logits.shape[-1])"))
edit(TOP_K, "sets_zero", "Ruled-out scores become 0, and e^0 = 1 still takes a share, more than a negative score does; they must become -inf.", ('float("-inf")', "0.0"))
edit(TOP_K, "sets_a_large_number", "Ruled-out scores become a large negative number; the docstring asks for -inf, and real scores may be lower still.", ('float("-inf")', "-1e4"))
edit(TOP_K, "keeps_the_worst", "The k lowest scores stay; topk with largest=False, or a sort upwards, takes the wrong end.",
     ("dim=-1)", "dim=-1, largest=False)"), ("logits < kth", "logits > kth"))
edit(TOP_K, "one_threshold_for_all", "The k best are searched in the whole batch; each row has its own.",
     (KTH, "logits.flatten().topk(min(k, logits.numel())).values[-1]"))
edit(TOP_K, "threshold_of_the_first_row", "Every row is cut at the threshold of the first row.", ("values[..., -1:]", "values.reshape(-1, min(k, logits.shape[-1]))[0, -1]"))
edit(TOP_K, "wrong_axis", "The k best are taken over the first axis, across the batch; the vocabulary is the last.",
     (KTH, "logits.topk(min(k, logits.shape[0]), dim=0).values[-1:]"))
edit(TOP_K, "counts_distinct_scores", "The k-th *distinct* score is the threshold, so ties count only once and too many tokens stay.",
     (KTH, "torch.stack([row.unique().flip(0)[min(k, len(row.unique())) - 1] for row in logits.reshape(-1, logits.shape[-1])]).reshape(*logits.shape[:-1], 1)"))
edit(TOP_K, "accepts_zero", "k below 1 leaves nothing to draw from, or counts from the wrong end; the docstring promises a ValueError.", ("if k < 1:", "if False:"))
edit(TOP_K, "quietly_keeps_one", "k below 1 is quietly turned into 1; the docstring promises a ValueError.",
     ("if k < 1:\n        raise ValueError(f\"k is {k}; at least one token must stay\")", "k = max(k, 1)"))
edit(TOP_K, "accepts_negative_k", "`if k == 0` lets negative numbers through; every k below 1 must raise ValueError.", ("if k < 1:", "if k == 0:"),
     ("min(k, logits.shape[-1])", "min(abs(k), logits.shape[-1])"))
edit(TOP_K, "writes_into_its_input", "masked_fill_ with an underscore changes the caller's tensor.", ("logits.masked_fill(", "logits.masked_fill_("))
edit(TOP_K, "returns_probabilities", "The result holds probabilities; the docstring asks for the scores, unchanged where they stay.", (FILL, FILL + ".softmax(-1)"))
edit(TOP_K, "compares_sizes", "The scores are compared by size without their sign; a score of -9 is low, not large.", (KTH, KTH.replace("logits.topk", "logits.abs().topk")),
     ("logits < kth", "logits.abs() < kth"))
edit(TOP_K, "lowest_threshold_for_all", "Every row is cut at the lowest threshold of all rows; each row has its own.", ("values[..., -1:]", "values[..., -1:].min()"))
edit(TOP_K, "nearly_tied_is_tied", "Scores that nearly equal the k-th stay as well; only equal ones tie.", ("logits < kth", "(logits < kth) & ~torch.isclose(logits, kth)"))
edit(TOP_K, "sets_a_larger_number", "Ruled-out scores become a large negative number; the docstring asks for -inf.", ('float("-inf")', "-1e9"))
edit(TOP_K, "sets_the_lowest_number", "Ruled-out scores become the lowest finite number; the docstring asks for -inf.", ('float("-inf")', "torch.finfo(logits.dtype).min"))
edit(TOP_K, "refuses_a_large_k", "A k above V is refused; the docstring allows it, and then everything stays.", ("if k < 1:", "if k < 1 or k > logits.shape[-1]:"))

edit(TOP_K, "ranks_by_probability", "The probabilities are compared, and softmax rounds small ones to 0, where they seem to tie; compare the scores.",
     (KTH, "logits.softmax(-1).topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]"), ("logits < kth", "logits.softmax(-1) < kth"))
edit(TOP_K, "loses_axes_of_length_one", "squeeze() takes away every axis of length one, a batch of one row too; the result has the shape of logits.", (FILL, FILL + ".squeeze()"))
edit(TOP_K, "all_equal_is_special", "A row of equal scores is cut to k places; they all tie with the k-th, so they all stay.",
     (FILL, FILL.replace("logits < kth", "(logits < kth) | ((logits == logits[..., :1]).all(-1, keepdim=True) & (torch.arange(logits.shape[-1]) >= k))")))


@mutant(TOP_K, provides="top_k_filter")
def cuts_ties(logits, k):
    """Exactly k places are picked, so of several scores that tie with the k-th only some stay; compare with the k-th score instead."""
    if k < 1:
        raise ValueError
    best = logits.topk(min(k, logits.shape[-1]), dim=-1)
    return torch.full_like(logits, NEG).scatter(-1, best.indices, best.values)


@mutant(TOP_K, provides="top_k_filter")
def returns_them_sorted(logits, k):
    """The scores come back sorted: each must stay in its place, because the place is the token."""
    if k < 1:
        raise ValueError
    ordered = logits.sort(-1, descending=True).values
    return ordered.masked_fill(ordered < ordered[..., min(k, logits.shape[-1]) - 1, None], NEG)


@mutant(TOP_K, provides="top_k_filter")
def returns_only_the_best(logits, k):
    """Only the k best come back; the result must have a place for every token of the vocabulary."""
    if k < 1:
        raise ValueError
    return logits.topk(min(k, logits.shape[-1]), dim=-1).values


@mutant(TOP_K, provides="top_k_filter")
def keeps_ties_of_the_best_only(logits, k):
    """Only ties with the best score are kept, not those with the k-th."""
    if k < 1:
        raise ValueError
    best = logits.topk(min(k, logits.shape[-1]), dim=-1)
    kept = torch.full_like(logits, NEG).scatter(-1, best.indices, best.values)
    return torch.where(logits == logits.amax(-1, keepdim=True), logits, kept)


@variant(TOP_K, provides="top_k_filter")
def by_sorting(logits, k):
    """Right: the threshold from a sort, and torch.where."""
    if not k >= 1:
        raise ValueError("k must be at least 1")
    threshold = logits.sort(-1).values[..., -k, None] if k < logits.shape[-1] else logits.amin(-1, keepdim=True)
    return torch.where(logits >= threshold, logits, torch.tensor(NEG, dtype=logits.dtype))


@variant(TOP_K, provides="top_k_filter")
def by_counting(logits, k):
    """Right: a token stays if fewer than k tokens are strictly better."""
    if k <= 0:
        raise ValueError("k must be at least 1")
    better = (logits.unsqueeze(-2) > logits.unsqueeze(-1)).sum(-1)
    out = logits.clone()
    out[better >= k] = NEG
    return out


@variant(TOP_K, provides="top_k_filter")
def from_lists(logits, k):
    """Right: plain Python lists, one row after the other."""
    if k < 1:
        raise ValueError("k must be at least 1")
    rows = logits.reshape(-1, logits.shape[-1]).tolist()
    cuts = [sorted(row, reverse=True)[: k][-1] for row in rows]
    return torch.tensor([[z if z >= cut else NEG for z in row] for row, cut in zip(rows, cuts, strict=True)]).reshape(logits.shape)


# ---------------------------------------------------------------------------------------------- top-p

edit(TOP_P, "cuts_the_crossing_token", "The token that crosses p is cut, so the rest holds less than p, and a sure model keeps nothing.",
     ("before = probabilities.cumsum(dim=-1) - probabilities", "before = probabilities.cumsum(dim=-1)"),
     ("logits < ordered.gather(-1, last)", "(logits < ordered.gather(-1, last.clamp(min=0))) | (last < 0)"))
edit(TOP_P, "cuts_the_crossing_token_unless_first", "The token that crosses p is cut, except when it is the best one; it belongs to the nucleus.",
     ("before = probabilities.cumsum(dim=-1) - probabilities", "before = probabilities.cumsum(dim=-1)"), ("- 1  # (..., 1)", "- 1\n    last = last.clamp(min=0)  # (..., 1)"))
edit(TOP_P, "keeps_one_too_many", "One token after the crossing one stays as well.", ("keepdim=True) - 1", "keepdim=True).clamp(max=logits.shape[-1] - 1)"))
edit(TOP_P, "sorts_upwards", "The sort runs upwards, so the unlikely tokens are counted first and stay.", ("descending=True", "descending=False"),
     ("logits < ordered", "logits > ordered"))
edit(TOP_P, "does_not_sort", "The sum runs in the order of the vocabulary; likelier tokens must be counted first.",
     ("ordered = logits.sort(dim=-1, descending=True).values", "ordered = logits"),
     ("logits.masked_fill(logits < ordered.gather(-1, last), float(\"-inf\"))", "logits.masked_fill(before >= p, float(\"-inf\"))"))
edit(TOP_P, "forgets_to_unsort", "The mask is in sorted order and is laid over scores in the order of the vocabulary: bring it back first, or use a threshold.",
     ("logits < ordered.gather(-1, last)", "before >= p"))
edit(TOP_P, "returns_them_sorted", "The scores come back sorted: each must stay in its place, because the place is the token.",
     ("return logits.masked_fill(logits < ordered", "return ordered.masked_fill(ordered < ordered"))
edit(TOP_P, "a_floor_for_each_token", "Tokens with a probability below p are cut; p is a bound for the sum of the likelier ones, not for each.",
     ("logits < ordered.gather(-1, last)", "(logits.softmax(-1) < p) & (logits < ordered[..., :1])"))
edit(TOP_P, "relative_to_the_best", "Tokens are compared with p times the best probability; that is another method (min-p).",
     ("logits < ordered.gather(-1, last)", "logits.softmax(-1) < p * logits.softmax(-1).amax(-1, keepdim=True)"))
edit(TOP_P, "one_minus_p", "The set reaches 1 - p in place of p.", ("before < p", "(before < 1 - p) | (before == 0)"))
edit(TOP_P, "loses_the_tail_at_one", "With p = 1 rounding cuts unlikely tokens: the running sum is 1.0 before the end. p = 1 needs a branch of its own.", ("if p == 1:", "if False:"))
edit(TOP_P, "sums_the_scores", "The scores are added up in place of their probabilities; take the softmax first.", ("torch.softmax(ordered, dim=-1)", "ordered"),
     ("keepdim=True) - 1", "keepdim=True).clamp(min=1) - 1"))
edit(TOP_P, "overflows", "The exponential of large scores is infinite; use torch.softmax, or take the maximum away first.",
     ("torch.softmax(ordered, dim=-1)", "ordered.exp() / ordered.exp().sum(-1, keepdim=True)"), ("keepdim=True) - 1", "keepdim=True).clamp(min=1) - 1"))
edit(TOP_P, "one_nucleus_for_all", "Every row is cut at the place that fits the first row.", ("keepdim=True) - 1", "keepdim=True) - 1\n    last = last.reshape(-1)[:1].expand(last.shape)"))
edit(TOP_P, "wrong_axis", "Sort, softmax and sum run over the first axis; the vocabulary is the last.",
     ("logits.sort(dim=-1", "logits.sort(dim=0"), ("torch.softmax(ordered, dim=-1)", "torch.softmax(ordered, dim=0)"), ("cumsum(dim=-1)", "cumsum(dim=0)"),
     ("sum(dim=-1, keepdim=True)", "sum(dim=0, keepdim=True)"), ("gather(-1, last)", "gather(0, last)"))
edit(TOP_P, "accepts_zero", "p = 0 must raise ValueError; it is not a set that reaches anything.", ("not 0 < p <= 1", "not 0 <= p <= 1"), ("before < p", "before <= p"))
edit(TOP_P, "accepts_more_than_one", "A p above 1 must raise ValueError; was it meant as a percentage?", ("not 0 < p <= 1", "not 0 < p"))
edit(TOP_P, "refuses_one", "p = 1 is allowed and keeps everything.", ("not 0 < p <= 1", "not 0 < p < 1"))
edit(TOP_P, "sets_zero", "Ruled-out scores become 0, which is still a score; they must become -inf.", ('float("-inf")', "0.0"))
edit(TOP_P, "returns_probabilities", "The result holds probabilities; the docstring asks for the scores, unchanged where they stay.",
     ("ordered.gather(-1, last), float(\"-inf\"))", "ordered.gather(-1, last), float(\"-inf\")).softmax(-1)"))
edit(TOP_P, "writes_into_its_input", "masked_fill_ with an underscore changes the caller's tensor.", ("logits.masked_fill(", "logits.masked_fill_("))

edit(TOP_P, "less_or_equal", "If the likelier tokens hold exactly p, the set has reached p and is complete: < and not <=.", ("before < p", "before <= p"))
edit(TOP_P, "nearly_one_is_one", "A p near 1 is treated as 1, so the end of the tail stays; only p = 1 keeps everything.", ("if p == 1:", "if p > 0.999:"))
edit(TOP_P, "nearly_tied_is_tied", "Scores that nearly equal the last one that stays are kept as well; only equal ones share its fate.",
     ("logits < ordered.gather(-1, last)", "(logits < ordered.gather(-1, last)) & ~torch.isclose(logits, ordered.gather(-1, last))"))
edit(TOP_P, "takes_values_for_places", "A score stays if it is in the nucleus of any row; the same number in another row is another token.",
     ("logits < ordered.gather(-1, last)", "~torch.isin(logits, ordered.masked_fill(before >= p, float(\"nan\")))"))


@mutant(TOP_P, provides="top_p_filter")
def cuts_ties(logits, p):
    """Of tokens with equal scores some are cut and some stay, as the sort happened to order them; they must share one fate."""
    if not 0 < p <= 1:
        raise ValueError
    if p == 1:
        return logits.clone()
    ordered, order = logits.sort(-1, descending=True)
    shares = ordered.softmax(-1)
    cut = (shares.cumsum(-1) - shares >= p).gather(-1, order.argsort(-1))
    return logits.masked_fill(cut, NEG)


@mutant(TOP_P, provides="top_p_filter")
def unsorts_with_the_wrong_order(logits, p):
    """gather and scatter are mixed up: the mask is sorted once more, not brought back. scatter(-1, order, mask) puts it back."""
    if not 0 < p <= 1:
        raise ValueError
    if p == 1:
        return logits.clone()
    ordered, order = logits.sort(-1, descending=True)
    shares = ordered.softmax(-1)
    before = shares.cumsum(-1) - shares
    last = (before < p).sum(-1, keepdim=True) - 1
    return logits.masked_fill((ordered < ordered.gather(-1, last)).gather(-1, order), NEG)


@mutant(TOP_P, provides="top_p_filter")
def takes_the_maximum_of_all(logits, p):
    """The maximum of the whole batch is taken away before the exponential, so a row far below it vanishes; each row needs its own."""
    if not 0 < p <= 1:
        raise ValueError
    if p == 1:
        return logits.clone()
    ordered = logits.sort(-1, descending=True).values
    powers = (ordered - ordered.max()).exp()
    shares = powers / powers.sum(-1, keepdim=True)
    last = ((shares.cumsum(-1) - shares < p).sum(-1, keepdim=True) - 1).clamp(min=0)
    return logits.masked_fill(logits < ordered.gather(-1, last), NEG)


@variant(TOP_P, provides="top_p_filter")
def by_comparing_all_pairs(logits, p):
    """Right: for each token, the probability of all strictly better ones, without a sort."""
    if p <= 0 or p > 1:
        raise ValueError("p is out of range")
    shares = logits.double().softmax(-1)
    better = logits.unsqueeze(-2) > logits.unsqueeze(-1)  # (..., V, V): is column better than row?
    held = (shares.unsqueeze(-2) * better).sum(-1)
    return logits.clone() if p == 1 else torch.where(held < p, logits, torch.full_like(logits, NEG))


@variant(TOP_P, provides="top_p_filter")
def row_after_row(logits, p):
    """Right: plain Python, one row after the other, in double precision."""
    if not (p > 0 and p <= 1):
        raise ValueError("p is out of range")
    rows = []
    for row in logits.reshape(-1, logits.shape[-1]).tolist():
        best = max(row)
        powers = sorted(((z, math.exp(z - best)) for z in row), reverse=True)
        total, held, lowest = sum(power for _, power in powers), 0.0, best
        for z, power in powers:
            if p < 1 and held >= p * total:
                break
            lowest, held = z, held + power
        rows.append([z if z >= lowest else NEG for z in row])
    return torch.tensor(rows, dtype=logits.dtype).reshape(logits.shape)


# ---------------------------------------------------------------------------------------------- the loop

edit(LOOP, "feeds_only_the_last_token", "step gets only the newest token; the model then has no memory of the text.", ("sampler(step(ids))", "sampler(step(ids[-1:]))"))
edit(LOOP, "feeds_only_the_prompt", "step always gets the prompt alone, so each new token ignores the ones before it.",
     ("ids = list(ids)", "prompt, ids = list(ids), list(ids)"), ("sampler(step(ids))", "sampler(step(prompt))"))
edit(LOOP, "feeds_only_the_new_tokens", "From the second round on step gets the new tokens without the prompt.",
     ("ids = list(ids)", "n, ids = len(ids), list(ids)"), ("sampler(step(ids))", "sampler(step(ids[n:] or ids))"))
edit(LOOP, "never_stops", "The loop goes on after the end token.", ("if token == eos_id:", "if False:"))
edit(LOOP, "ignores_the_limit", "max_new_tokens is not used: without an end token the loop never ends.", ("for _ in range(max_new_tokens):", "while True:"))
edit(LOOP, "drops_the_prompt", "Only the new tokens come back; the result starts with the prompt.", ("ids = list(ids)", "n, ids = len(ids), list(ids)"), ("return ids", "return ids[n:]"))
edit(LOOP, "drops_the_end_token", "The end token is not kept: compare after appending, not before.",
     ("        ids.append(token)\n        if token == eos_id:\n            break", "        if token == eos_id:\n            break\n        ids.append(token)"))
edit(LOOP, "id_zero_never_ends", "`if eos_id and …` is false for id 0, which may be the end token like any other.", ("if token == eos_id:", "if eos_id and token == eos_id:"))
edit(LOOP, "no_end_token_means_zero", "With eos_id=None the loop ends at id 0; None means that nothing ends it.", ("if token == eos_id:", "if token == (eos_id or 0):"))
edit(LOOP, "stops_at_the_prompts_end_token", "An end token in the prompt ends the text before it begins; only a new one may.", ("if token == eos_id:", "if eos_id in ids:"))
edit(LOOP, "does_not_start_after_an_end_token", "A prompt that closes with the end token gets no continuation; only a new end token ends the text.",
     ("token = sampler(", "if ids[-1] == eos_id:\n            break\n        token = sampler("))
edit(LOOP, "one_too_many", "One token more than max_new_tokens is made.", ("range(max_new_tokens)", "range(max_new_tokens + 1)"))
edit(LOOP, "one_too_few", "One token less than max_new_tokens is made.", ("range(max_new_tokens)", "range(max_new_tokens - 1)"))
edit(LOOP, "limits_the_whole_length", "max_new_tokens is compared with the length of prompt and new tokens together; it counts new ones only.",
     ("for _ in range(max_new_tokens):", "while len(ids) < max_new_tokens:"))
edit(LOOP, "looks_ahead", "step is asked once more than needed, at the end.",
     ("        token = sampler(step(ids))", "        token = sampler(scores)"), ("    for _ in", "    scores = step(ids)\n    for _ in"), ("            break", "            break\n        scores = step(ids)"))
edit(LOOP, "asks_twice", "step is called twice for each token; keep its result in a variable.", ("sampler(step(ids))", "step(ids) is not None and sampler(step(ids))"))
edit(LOOP, "ignores_the_sampler", "The best token is taken whatever the sampler says; the choice is the sampler's.", ("sampler(step(ids))", "int(step(ids).argmax())"))
edit(LOOP, "writes_into_the_prompt", "append changes the caller's list; start from a copy.", ("ids = list(ids)", "pass"))
edit(LOOP, "puts_new_tokens_in_front", "The new token is put at the front; text grows at its end.", ("ids.append(token)", "ids.insert(0, token)"))
edit(LOOP, "stops_when_it_repeats", "The loop ends when a token comes a second time; only eos_id or the limit may end it.", ("if token == eos_id:", "if token == eos_id or token in ids[:-1]:"))
edit(LOOP, "hands_over_probabilities", "The sampler gets probabilities, but it takes what step returned: softmax, temperature and filters are its own business.",
     ("sampler(step(ids))", "sampler(step(ids).softmax(-1))"))
edit(LOOP, "ends_when_the_best_is_the_end_token", "The loop ends when eos_id has the best score, even if the sampler chose another token; compare the chosen id.",
     ("token = sampler(step(ids))", "scores = step(ids)\n        token = sampler(scores)"), ("if token == eos_id:", "if int(scores.argmax()) == eos_id:"))
edit(LOOP, "asks_the_sampler_twice", "The sampler is called twice for each token, and a sampler that draws chooses something else each time; keep its result.",
     ("token = sampler(step(ids))", "scores = step(ids)\n        token = sampler(scores)"), ("if token == eos_id:", "if sampler(scores) == eos_id:"))
edit(LOOP, "at_least_one_token", "One token is made even if max_new_tokens is 0.", ("range(max_new_tokens)", "range(max(1, max_new_tokens))"))
edit(LOOP, "returns_the_callers_list", "With max_new_tokens = 0 the caller's own list comes back; the result is always a new list.",
     ("ids = list(ids)", "ids = list(ids) if max_new_tokens else ids"))
edit(LOOP, "stops_at_three_in_a_row", "The loop ends when a token comes three times in a row; only eos_id or the limit may end it.",
     ("if token == eos_id:", "if token == eos_id or ids[-3:] == [token] * 3:"))
edit(LOOP, "keeps_tensors", "The new ids are tensors; the sampler returns ints, and the result is a list of ints.",
     ("token = sampler(step(ids))", "token = torch.tensor(sampler(step(ids)))"), ("ids = list(ids)", "import torch\n    ids = list(ids)"))
edit(LOOP, "hands_over_a_tensor", "step gets a tensor; it takes a list of ids.", ("sampler(step(ids))", "sampler(step(torch.tensor(ids)))"), ("ids = list(ids)", "import torch\n    ids = list(ids)"))
edit(LOOP, "hands_over_a_tuple", "step gets a tuple; it takes a list of ids.", ("sampler(step(ids))", "sampler(step(tuple(ids)))"))

edit(LOOP, "is_for_equals", "`token is eos_id` asks whether both are the same object; for ids above 256 equal numbers usually are not. Compare with ==.", ("if token == eos_id:", "if token is eos_id:"))
edit(LOOP, "zero_ends_too", "Id 0 ends the text although eos_id is another id; only eos_id ends it.", ("if token == eos_id:", "if token == eos_id or (eos_id and token == 0):"))
edit(LOOP, "swallows_errors", "An error in step is caught, and half a text comes back as if all were well; let it through.",
     ("token = sampler(step(ids))", "try:\n            token = sampler(step(ids))\n        except Exception:\n            break"))


@mutant(LOOP, provides="generate")
def remembers_earlier_calls(step, ids, max_new_tokens, eos_id, sampler, _known={}):  # noqa: B006
    """The result for a prompt is kept and given back although step is another one; keep nothing between calls."""
    key = (tuple(ids), max_new_tokens, eos_id)
    if key not in _known:
        text = list(ids)
        for _ in range(max_new_tokens):
            text.append(sampler(step(text)))
            if text[-1] == eos_id:
                break
        _known[key] = text
    return list(_known[key])


@mutant(LOOP, provides="generate")
def reads_a_short_window(step, ids, max_new_tokens, eos_id, sampler):
    """step gets only the last few tokens; it reads everything so far."""
    ids = list(ids)
    for _ in range(max_new_tokens):
        ids.append(sampler(step(ids[-4:])))
        if ids[-1] == eos_id:
            break
    return ids


@variant(LOOP, provides="generate")
def by_counting_down(step, ids, max_new_tokens, eos_id, sampler):
    """Right: a while loop over a growing list of new tokens."""
    new = []
    while len(new) < max_new_tokens and not (new and eos_id is not None and new[-1] == eos_id):
        scores = step([*ids, *new])
        new.append(sampler(scores))
    return [*ids, *new]


@variant(LOOP, provides="generate")
def by_recursion(step, ids, max_new_tokens, eos_id, sampler):
    """Right: one token, then the rest."""
    if max_new_tokens == 0:
        return [*ids]
    token = int(sampler(step(ids[:])))
    return [*ids, token] if token == eos_id else by_recursion(step, [*ids, token], max_new_tokens - 1, eos_id, sampler)


# ---------------------------------------------------------------------------------------------- use cases

FIELDS = {
    "personal_data": (True, False),
    "runs_on": ("own servers", "contracted provider", "public service"),
    "harm": ("low", "high"),
    "final_say": ("person", "model"),
    "exact_rule": (True, False),
    "checkable": (True, False),
}
UNKNOWN = "insufficient information"


def decided(card):
    """The five rules on a full card."""
    if card["personal_data"] and card["runs_on"] == "public service":
        return "reject"
    if card["harm"] == "high" and card["final_say"] == "model":
        return "reject"
    if card["exact_rule"]:
        return "use a program"
    return "human review" if card["harm"] == "high" or not card["checkable"] else "go ahead"


def unknown_fields(card):
    return [field for field in FIELDS if card.get(field) is None]


PRIVACY = 'if card["personal_data"] and card["runs_on"] == "public service":'
FINAL = 'if card["harm"] == "high" and card["final_say"] == "model":'
edit(TRIAGE, "any_provider_is_public", "A contracted provider is treated like a public service; only the public service breaks the constraint.",
     (PRIVACY, 'if card["personal_data"] and card["runs_on"] != "own servers":'))
edit(TRIAGE, "public_is_always_rejected", "A public service is rejected even without personal data.", (PRIVACY, 'if card["runs_on"] == "public service":'))
edit(TRIAGE, "personal_data_is_always_rejected", "Personal data are rejected wherever they go; the constraint is about a public service.", (PRIVACY, 'if card["personal_data"]:'))
edit(TRIAGE, "high_harm_is_always_rejected", "High harm is rejected even where a person has the final say; then it is for human review.", (FINAL, 'if card["harm"] == "high":'))
edit(TRIAGE, "final_say_of_the_model_is_always_rejected", "The model's final say is rejected even where the harm is low.", (FINAL, 'if card["final_say"] == "model":'))
edit(TRIAGE, "forgets_privacy", "The first hard constraint is missing: personal data in a public service are rejected.", (PRIVACY, "if False:"))
edit(TRIAGE, "forgets_the_final_say", "The second hard constraint is missing: high harm with the model's final say is rejected.", (FINAL, "if False:"))
edit(TRIAGE, "forgets_programs", "An exact rule asks for a program, before the question of review.", ('if card["exact_rule"]:', "if False:"))
edit(TRIAGE, "both_for_review", "Rule 4 says `or`: high harm alone, or an output that can't be checked, is enough for review.",
     ('card["harm"] == "high" or not card["checkable"]', 'card["harm"] == "high" and not card["checkable"]'))
edit(TRIAGE, "review_by_harm_alone", "An output that nobody can check needs review also when the harm is low.",
     ('card["harm"] == "high" or not card["checkable"]', 'card["harm"] == "high"'))
edit(TRIAGE, "review_before_programs", "The review rule is asked before the rule on programs; the first rule that applies decides.",
     ('if card["exact_rule"]:', 'if card["exact_rule"] and card["harm"] == "low" and card["checkable"]:'))
edit(TRIAGE, "takes_the_first_guess", "A gap is filled with the first value that comes to mind; try all of them and see whether the decision changes.",
     ('return decisions.pop() if len(decisions) == 1 else "insufficient information"', "return triage_use_case({**card, field: values[0]})"))
edit(TRIAGE, "asks_about_absent_fields_only", "A field that is None is as unknown as one that is absent.", ("card.get(field) is None", "field not in card"))
edit(TRIAGE, "crashes_on_absent_fields", "A field may be absent: card[field] is a KeyError then, card.get(field) is None.", ("card.get(field)", "card[field]"))
edit(TRIAGE, "false_is_unknown", "`not card.get(field)` treats False as unknown; ask `is None`.", ("card.get(field) is None:", "not card.get(field):"),
     ("decisions = {triage_use_case({**card, field: value}) for value in values}", "decisions = {triage_use_case({**card, field: value}) for value in values if value}"))
edit(TRIAGE, "assumes_the_worst", "A gap is read as the worst case; the docstring asks whether the gap matters at all.",
     ('return decisions.pop() if len(decisions) == 1 else "insufficient information"',
      'return next(d for d in ("reject", "human review", "use a program", "go ahead", "insufficient information") if d in decisions)'))
edit(TRIAGE, "writes_into_the_card", "Filling a gap changes the caller's card; work on a copy.",
     ("decisions = {triage_use_case({**card, field: value}) for value in values}",
      "decisions = set()\n            for value in values:\n                card[field] = value\n                decisions.add(triage_use_case(dict(card)))"))

edit(TRIAGE, "fills_in_the_missing_keys", "Absent fields are written into the caller's card as None; work on a copy.",
     ("    for field, values in FIELDS.items():", "    for field in FIELDS:\n        card.setdefault(field, None)\n    for field, values in FIELDS.items():"))
edit(TRIAGE, "any_none_is_a_gap", "A field that never decides is None, and the answer is \"insufficient information\"; only the six fields count.",
     ("    for field, values in FIELDS.items():", "    if any(value is None for field, value in card.items() if field not in FIELDS):\n        return \"insufficient information\"\n    for field, values in FIELDS.items():"))


@mutant(TRIAGE, provides="triage_use_case")
def always_careful(card):
    """The answer is the same for every card; a decision must follow from the facts."""
    return "human review"


@mutant(TRIAGE, provides="triage_use_case")
def by_keywords(card):
    """The decision follows words in the title; the title never decides, the six facts do."""
    title = str(card.get("title", "")).lower()
    if any(word in title for word in ("patient", "rash", "diagnos", "loan", "public", "legal", "rights")):
        return "reject"
    if any(word in title for word in ("interest", "count", "add up", "calculate")):
        return "use a program"
    return "human review" if any(word in title for word in ("draft", "find", "shorten", "compare")) else "go ahead"


@mutant(TRIAGE, provides="triage_use_case")
def by_industry(card):
    """Healthcare and law are treated as dangerous, the rest as harmless; the industry never decides."""
    if unknown_fields(card):
        return UNKNOWN
    decision = decided(card)
    return "human review" if decision == "go ahead" and card.get("industry") in ("healthcare", "law") else decision


@mutant(TRIAGE, provides="triage_use_case")
def missing_means_no(card):
    """An unknown fact is read as False, or as the harmless value: "unknown" is not "no"."""
    harmless = {"personal_data": False, "runs_on": "own servers", "harm": "low", "final_say": "person", "exact_rule": False, "checkable": False}
    return decided({**harmless, **{field: card[field] for field in FIELDS if card.get(field) is not None}})


@mutant(TRIAGE, provides="triage_use_case")
def any_gap_is_too_much(card):
    """Every gap ends in "insufficient information", also where the decision is certain without the missing fact."""
    return UNKNOWN if unknown_fields(card) else decided(card)


@mutant(TRIAGE, provides="triage_use_case")
def more_than_one_gap_is_too_much(card):
    """With two or more gaps the answer is always "insufficient information", also where they do not matter."""
    gaps = unknown_fields(card)
    if len(gaps) > 1:
        return UNKNOWN
    decisions = {decided({**card, gaps[0]: value}) for value in FIELDS[gaps[0]]} if gaps else {decided(card)}
    return decisions.pop() if len(decisions) == 1 else UNKNOWN


@mutant(TRIAGE, provides="triage_use_case")
def only_hard_constraints_survive_gaps(card):
    """With a gap, only a broken hard constraint is still decided; other decisions can be certain too."""
    gaps = unknown_fields(card)
    if (card.get("personal_data") and card.get("runs_on") == "public service") or (card.get("harm") == "high" and card.get("final_say") == "model"):
        return "reject"
    return UNKNOWN if gaps else decided(card)


@mutant(TRIAGE, provides="triage_use_case")
def stops_at_the_first_open_rule(card):
    """The first rule that can't be settled ends in "insufficient information", though a later rule may give the same decision either way."""
    def holds(*conditions):
        states = [None if card.get(field) is None else card[field] == value for field, value in conditions]
        return False if False in states else None if None in states else True

    for decision, rule in (("reject", holds(("personal_data", True), ("runs_on", "public service"))), ("reject", holds(("harm", "high"), ("final_say", "model"))),
                           ("use a program", holds(("exact_rule", True)))):
        if rule is not False:
            return decision if rule else UNKNOWN
    review = [holds(("harm", "high")), holds(("checkable", False))]
    return "human review" if True in review else UNKNOWN if None in review else "go ahead"


@mutant(TRIAGE, provides="triage_use_case")
def fills_one_gap_at_a_time(card):
    """Each gap is tried alone while the other gaps count as False or harmless; gaps must be filled together, in every combination."""
    harmless = {"personal_data": False, "runs_on": "own servers", "harm": "low", "final_say": "person", "exact_rule": False, "checkable": True}
    facts = {**harmless, **{field: card[field] for field in FIELDS if card.get(field) is not None}}
    decisions = {decided({**facts, field: value}) for field in unknown_fields(card) for value in FIELDS[field]} or {decided(facts)}
    return decisions.pop() if len(decisions) == 1 else UNKNOWN


@mutant(TRIAGE, provides="triage_use_case")
def fills_one_gap_beside_first_values(card):
    """Each gap is tried alone while the other gaps keep the first value of FIELDS; gaps must be filled together, in every combination."""
    facts = {field: values[0] if card.get(field) is None else card[field] for field, values in FIELDS.items()}
    decisions = {decided(facts)} | {decided({**facts, field: value}) for field in unknown_fields(card) for value in FIELDS[field]}
    return decisions.pop() if len(decisions) == 1 else UNKNOWN


@mutant(TRIAGE, provides="triage_use_case")
def only_the_two_extremes(card):
    """The gaps are filled all with their first or all with their last values; every combination must be tried."""
    ends = [{field: values[end] if card.get(field) is None else card[field] for field, values in FIELDS.items()} for end in (0, -1)]
    decisions = {decided(facts) for facts in ends}
    return decisions.pop() if len(decisions) == 1 else UNKNOWN


@mutant(TRIAGE, provides="triage_use_case")
def lets_later_rules_overrule(card):
    """All rules are asked and the last that applies wins; the first that applies decides."""
    if unknown_fields(card):
        options = [{**card, **dict(zip(unknown_fields(card), values, strict=True))} for values in itertools.product(*(FIELDS[field] for field in unknown_fields(card)))]
        decisions = {lets_later_rules_overrule(option) for option in options}
        return decisions.pop() if len(decisions) == 1 else UNKNOWN
    decision = "go ahead"
    if (card["personal_data"] and card["runs_on"] == "public service") or (card["harm"] == "high" and card["final_say"] == "model"):
        decision = "reject"
    return "use a program" if card["exact_rule"] else decision if decision == "reject" else decided(card)


@mutant(TRIAGE, provides="triage_use_case")
def by_majority(card):
    """Points for and against are added up; a hard constraint can't be outweighed, and the first rule that applies decides."""
    if unknown_fields(card):
        return UNKNOWN
    risk = sum((card["personal_data"], card["runs_on"] == "public service", card["harm"] == "high", card["final_say"] == "model", not card["checkable"]))
    return "use a program" if card["exact_rule"] else "reject" if risk >= 3 else "human review" if risk == 2 else "go ahead"


@variant(TRIAGE, provides="triage_use_case")
def by_all_combinations(card):
    """Right: every way to fill the gaps at once, with itertools."""
    gaps = unknown_fields(card)
    found = {decided({**card, **dict(zip(gaps, values, strict=True))}) for values in itertools.product(*(FIELDS[gap] for gap in gaps))}
    return next(iter(found)) if len(found) == 1 else UNKNOWN


@variant(TRIAGE, provides="triage_use_case")
def by_rule_table(card):
    """Right: the possible values of each field, and rules that must, may or can't apply."""
    can = {field: {card[field]} if card.get(field) is not None else set(values) for field, values in FIELDS.items()}
    possible = set()
    for values in itertools.product(*can.values()):
        data, place, harm, say, exact, check = values
        rejected = (data and place == "public service") or (harm == "high" and say == "model")
        possible.add("reject" if rejected else "use a program" if exact else "go ahead" if harm == "low" and check else "human review")
    return possible.pop() if len(possible) < 2 else UNKNOWN


edit_variant(TRIAGE, "lists_not_sets", "Right: the decisions in a list, and a comparison with the first.",
             ("decisions = {triage_use_case({**card, field: value}) for value in values}", "decisions = [triage_use_case(dict(card, **{field: value})) for value in values]"),
             ('decisions.pop() if len(decisions) == 1', 'decisions[0] if all(one == decisions[0] for one in decisions)'))
