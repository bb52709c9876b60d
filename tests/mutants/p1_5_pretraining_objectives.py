"""Plausible wrong answers to p1_5_pretraining_objectives, each with what its author should be told; and right answers written another way."""

import itertools
import math

import torch
from torch import nn

from grader.mutation import edit, mutant, variant

BATCH, LOSS, PERPLEXITY = "objective-causal-batch", "objective-causal-loss", "objective-perplexity"
MASKED, SPANS = "objective-masked-batch", "objective-t5-spans"

# ---------------------------------------------------------------------------------------------- causal batch

edit(
    BATCH,
    "copies_the_input",
    "The targets are the inputs themselves: the model is asked to copy, not to predict. The target is the next token.",
    ("ids[..., 1:].clone()", "ids[..., :-1].clone()"),
)
edit(
    BATCH,
    "predicts_the_past",
    "The shift goes the wrong way: the model reads a token and is asked for the one before it.",
    ("inputs, targets = ids[..., :-1], ids[..., 1:].clone()", "inputs, targets = ids[..., 1:], ids[..., :-1].clone()"),
)
edit(
    BATCH,
    "skips_a_token",
    "The targets are two tokens ahead of the inputs; they must be one ahead.",
    ("inputs, targets = ids[..., :-1], ids[..., 1:].clone()", "inputs, targets = ids[..., :-2], ids[..., 2:].clone()"),
)
edit(
    BATCH,
    "adds_one_to_the_ids",
    "x + 1 is the next number in the vocabulary, not the next token in the text: shift positions, not ids.",
    ("ids[..., 1:].clone()", "ids[..., :-1] + 1"),
)
edit(
    BATCH,
    "shifts_the_batch",
    "The shift runs over the first axis, so a row is asked for another row; shift along the last axis, time.",
    ("inputs, targets = ids[..., :-1], ids[..., 1:].clone()", "inputs, targets = ids[:-1], ids[1:].clone()"),
)
edit(
    BATCH,
    "scores_padding",
    "Padding stays in the targets, so the model is trained to say padding; those targets must be −100.",
    ("targets[targets == pad_id] = -100", "pass"),
)
edit(
    BATCH,
    "forgets_that_zero_is_an_id",
    "`if pad_id:` is false for padding id 0; ask `if pad_id is not None:`.",
    ("if pad_id is not None:", "if pad_id:"),
)
edit(
    BATCH,
    "looks_for_padding_in_the_inputs",
    "The targets are ignored where the input is padding; what matters is whether the target is.",
    ("targets == pad_id", "inputs == pad_id"),
)
edit(
    BATCH,
    "writes_through_a_view",
    "A slice shares memory with ids, so writing −100 changes ids and the inputs: clone the targets first.",
    ("ids[..., 1:].clone()", "ids[..., 1:]"),
)
edit(
    BATCH,
    "marks_with_minus_one",
    "Ignored targets are marked with −1; the value that cross-entropy leaves out is −100.",
    ("pad_id] = -100", "pad_id] = -1"),
)
edit(
    BATCH,
    "accepts_a_single_token",
    "A row of one token has nothing to predict; the docstring promises a ValueError.",
    ("ids.shape[-1] < 2", "False"),
)


edit(
    BATCH,
    "refuses_two_tokens",
    "A row of two tokens is refused; it is one question, and only a shorter row has none.",
    ("ids.shape[-1] < 2", "ids.shape[-1] <= 2"),
)
edit(
    BATCH,
    "refuses_one_row",
    "The number of rows is compared with 2, and a batch of one row is refused; T is the size of the last axis.",
    ("ids.shape[-1] < 2", "ids.shape[0] < 2 and ids.dim() > 1 or ids.shape[-1] < 2"),
)
edit(
    BATCH,
    "rounds_large_ids",
    "The ids go through float32, which can't tell large ids apart; ids are int64 all the way.",
    ("ids[..., 1:].clone()", "ids[..., 1:].float().long()"),
)


@mutant(BATCH, provides="causal_lm_batch")
def asks_with_is(ids, pad_id=None):
    """Ids are compared by `is`, which asks for the same object and fails above 256; ask with ==."""
    if ids.shape[-1] < 2:
        raise ValueError
    marked = [-100 if token is pad_id else token for token in ids[..., 1:].flatten().tolist()]
    return ids[..., :-1], torch.tensor(marked, dtype=torch.int64).reshape(ids[..., 1:].shape)


@mutant(BATCH, provides="causal_lm_batch")
def rolls_round_the_end(ids, pad_id=None):
    """The last position is asked for the first token of its row, which does not follow it: drop the last position."""
    if ids.shape[-1] < 2:
        raise ValueError
    targets = ids.roll(-1, -1)
    return ids, targets if pad_id is None else targets.masked_fill(targets == pad_id, -100)


@mutant(BATCH, provides="causal_lm_batch")
def ignores_id_zero_always(ids, pad_id=0):
    """Id 0 is treated as padding although no pad_id was given."""
    if ids.shape[-1] < 2:
        raise ValueError
    return ids[..., :-1], ids[..., 1:].masked_fill(ids[..., 1:] == (0 if pad_id is None else pad_id), -100)


@mutant(BATCH, provides="causal_lm_batch")
def ignores_all_after_the_first_padding(ids, pad_id=None):
    """Everything after the first padding is ignored; a real token that follows padding must still be predicted."""
    if ids.shape[-1] < 2:
        raise ValueError
    targets = ids[..., 1:]
    return ids[..., :-1], targets if pad_id is None else targets.masked_fill((targets == pad_id).cumsum(-1) > 0, -100)


@mutant(BATCH, provides="causal_lm_batch")
def ignores_only_padding_at_the_end(ids, pad_id=None):
    """Only the padding at the end of a row is ignored; padding may stand anywhere."""
    if ids.shape[-1] < 2:
        raise ValueError
    targets = ids[..., 1:].clone()
    if pad_id is not None:
        targets[(targets == pad_id).flip(-1).long().cumprod(-1).flip(-1).bool()] = -100
    return ids[..., :-1], targets


@mutant(BATCH, provides="causal_lm_batch")
def saves_memory_with_int32(ids, pad_id=None):
    """Inputs and targets are int32; cross-entropy refuses them, so keep int64."""
    if ids.shape[-1] < 2:
        raise ValueError
    inputs, targets = ids[..., :-1].int(), ids[..., 1:].int()
    return inputs, targets if pad_id is None else targets.masked_fill(targets == pad_id, -100)


@variant(BATCH, provides="causal_lm_batch")
def by_where(ids, pad_id=None):
    """Right: torch.where, and narrow instead of slices."""
    length = ids.size(-1)
    if length <= 1:
        raise ValueError("nothing follows")
    targets = ids.narrow(-1, 1, length - 1)
    if pad_id is not None:
        targets = torch.where(targets.eq(pad_id), torch.full_like(targets, -100), targets)
    return [ids.narrow(-1, 0, length - 1), targets]


@variant(BATCH, provides="causal_lm_batch")
def by_copying_positions(ids, pad_id=None):
    """Right: a loop over positions that fills new tensors."""
    if ids.shape[-1] < 2:
        raise ValueError("nothing follows")
    inputs, targets = torch.empty_like(ids[..., 1:]), torch.empty_like(ids[..., 1:])
    for t in range(ids.shape[-1] - 1):
        inputs[..., t], targets[..., t] = ids[..., t], ids[..., t + 1]
    if pad_id is not None:
        targets.masked_fill_(targets == pad_id, -100)
    return inputs, targets


# ----------------------------------------------------------------------------------------------- causal loss

SHIFT = "scores, targets = logits[:, :-1], ids[:, 1:]"
MEAN = "nll.sum() / max(nll.numel(), 1)"
edit(
    LOSS,
    "forgets_to_shift",
    "The logits at t are compared with the token at t, which the model has already read; compare with the token at t + 1.",
    (SHIFT, "scores, targets = logits, ids"),
)
edit(
    LOSS,
    "shifts_the_wrong_way",
    "The logits at t are compared with the token at t − 1; they speak about the token at t + 1.",
    (SHIFT, "scores, targets = logits[:, 1:], ids[:, :-1]"),
)
edit(
    LOSS,
    "shifts_twice",
    "The logits at t are compared with the token at t + 2: shift once, not twice.",
    (SHIFT, "scores, targets = logits[:, :-2], ids[:, 2:]"),
)
edit(
    LOSS,
    "averages_over_padding",
    "The sum is divided by all B × (T − 1) positions; divide by the number of tokens that count.",
    (MEAN, "nll.sum() / max(targets.numel(), 1)"),
)
edit(LOSS, "sums", "The loss is the sum over the tokens, not their mean.", (MEAN, "nll.sum()"))
edit(
    LOSS,
    "divides_by_rows",
    "The sum is divided by the number of rows; divide by the number of tokens that count.",
    (MEAN, "nll.sum() / len(ids)"),
)
edit(
    LOSS,
    "knows_only_minus_100",
    "The number −100 is written into the code; use the argument ignore_index.",
    ("targets != ignore_index", "targets != -100"),
)
edit(
    LOSS,
    "looks_at_the_input",
    "Positions are ignored where the token that was read is ignored; look at the token to predict.",
    ("targets != ignore_index", "(ids[:, :-1] != ignore_index) & (targets >= 0)"),
)
edit(
    LOSS,
    "nan_when_nothing_counts",
    "With every target ignored, 0 / 0 gives NaN; the loss must be 0.",
    (MEAN, "nll.sum() / nll.numel()"),
)
edit(
    LOSS,
    "takes_log_of_softmax",
    "log(softmax(x)) becomes −inf for large logits; log_softmax does both steps safely.",
    ("torch.log_softmax(scores, dim=-1)", "torch.softmax(scores, dim=-1).log()"),
)
edit(
    LOSS,
    "clamps_the_probability",
    "A floor under the probability bounds the loss, and large surprises are lost; use log_softmax.",
    ("torch.log_softmax(scores, dim=-1)", "(torch.softmax(scores, dim=-1) + 1e-9).log()"),
)
edit(
    LOSS,
    "normalises_over_time",
    "The softmax runs over positions; it must run over the vocabulary, the last axis.",
    ("torch.log_softmax(scores, dim=-1)", "torch.log_softmax(scores, dim=1)"),
)
edit(
    LOSS,
    "counts_in_bits",
    "The surprise is in bits (base 2); the docstring asks for nats (base e).",
    (MEAN, MEAN + " / 0.6931471805599453"),
)
edit(
    LOSS,
    "forgets_the_minus",
    "The sign is missing: surprise is −log p, which is never negative.",
    ("nll = -log_probs", "nll = log_probs"),
)
edit(
    LOSS,
    "counts_at_least_one_a_row",
    "The divisor is never below the number of rows; with fewer tokens than rows the loss comes out too small.",
    (MEAN, "nll.sum() / max(nll.numel(), len(ids))"),
)
edit(
    LOSS,
    "counts_only_surprises",
    "Tokens with surprise 0 are not counted; being sure and right lowers the mean.",
    (MEAN, "nll.sum() / max(int((nll != 0).sum()), 1)"),
)
edit(
    LOSS,
    "ignores_smaller_ids",
    "All ids up to ignore_index are ignored; only a token that equals it is.",
    ("targets != ignore_index", "targets > ignore_index"),
)
edit(
    LOSS,
    "subtracts_one_maximum",
    "One maximum is subtracted from all positions, and where the scores are lower exp() gives 0; each position has its own.",
    (
        "torch.log_softmax(scores, dim=-1)",
        "((shifted := scores - (scores.max() if scores.numel() else 0)) - shifted.exp().sum(-1, keepdim=True).log())",
    ),
)
edit(
    LOSS,
    "cuts_the_gradient",
    "The loss is detached from the logits, so nothing can be learnt from it.",
    (MEAN, "(" + MEAN + ").detach()"),
)
edit(
    LOSS,
    "accepts_any_shapes",
    "Logits and ids of different B or T are taken; the docstring promises a ValueError.",
    ("logits.shape[:2] != ids.shape", "False"),
)


@mutant(LOSS, provides="causal_lm_loss")
def averages_the_rows(logits, ids, ignore_index=-100):
    """Each row is averaged first, so a token of a short row weighs more; take one mean over all tokens that count."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    nll = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], ignore_index=ignore_index, reduction="none")
    counted = ids[:, 1:] != ignore_index
    return (nll.sum(1) / counted.sum(1).clamp(min=1)).mean()


@mutant(LOSS, provides="causal_lm_loss")
def scores_padding_as_token_zero(logits, ids, ignore_index=-100):
    """Ignored targets are turned into token 0 and then scored like real ones; leave them out."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    targets = ids[:, 1:].masked_fill(ids[:, 1:] == ignore_index, 0)
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), targets.flatten())


@mutant(LOSS, provides="causal_lm_loss")
def runs_across_rows(logits, ids, ignore_index=-100):
    """The rows are joined before the shift, so the end of a row is asked for the start of the next: shift each row."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    return nn.functional.cross_entropy(logits.flatten(0, 1)[:-1], ids.flatten()[1:], ignore_index=ignore_index, reduction="sum") / max(
        int((ids.flatten()[1:] != ignore_index).sum()), 1
    )


@mutant(LOSS, provides="causal_lm_loss")
def replaces_nan_afterwards(logits, ids, ignore_index=-100):
    """The loss of an empty batch is 0, but its gradient is NaN, which ruins every weight in one step: do not divide by 0."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    counted = ids[:, 1:] != ignore_index
    targets = ids[:, 1:].masked_fill(~counted, 0).unsqueeze(-1)
    nll = -logits[:, :-1].log_softmax(-1).gather(-1, targets).squeeze(-1)
    return ((nll * counted).sum() / counted.sum()).nan_to_num(0.0)


@mutant(LOSS, provides="causal_lm_loss")
def returns_a_number(logits, ids, ignore_index=-100):
    """The loss is a Python number; backward() needs a tensor that is still connected to the logits."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=ignore_index, reduction="sum").item() / max(
        int((ids[:, 1:] != ignore_index).sum()), 1
    )


@mutant(LOSS, provides="causal_lm_loss")
def writes_into_ids(logits, ids, ignore_index=-100):
    """Ignored tokens are overwritten in ids itself; the caller's text is lost."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    counted = ids[:, 1:] != ignore_index
    ids[ids == ignore_index] = 0
    nll = -logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return nll[counted].sum() / max(int(counted.sum()), 1)


def mean_surprise(logits, ids, counted):
    """What the next three have in common: the mean over the targets that `counted` marks, or a zero."""
    if not counted.any():
        return logits.sum() * 0
    return nn.functional.cross_entropy(logits[:, :-1][counted], ids[:, 1:][counted])


@mutant(LOSS, provides="causal_lm_loss")
def stops_at_the_first_ignored(logits, ids, ignore_index=-100):
    """A row ends at its first ignored token; real tokens that follow it must be scored too."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    return mean_surprise(logits, ids, (ids[:, 1:] == ignore_index).cumsum(-1) == 0)


@mutant(LOSS, provides="causal_lm_loss")
def takes_the_softmax_twice(logits, ids, ignore_index=-100):
    """Cross-entropy takes logits and does the softmax itself; here it gets probabilities, so the softmax is taken twice."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    return mean_surprise(logits.softmax(-1), ids, ids[:, 1:] != ignore_index)


@mutant(LOSS, provides="causal_lm_loss")
def compares_only_the_lengths(logits, ids, ignore_index=-100):
    """Only T is compared; with another number of rows, rows are scored against the wrong text or not at all."""
    if logits.shape[1] != ids.shape[1]:
        raise ValueError
    B = min(len(logits), len(ids))
    return mean_surprise(logits[:B], ids[:B], ids[:B, 1:] != ignore_index)


@mutant(LOSS, provides="causal_lm_loss")
def returns_a_zero_of_its_own(logits, ids, ignore_index=-100):
    """With nothing to count the loss is a new 0 that is not connected to the logits, so backward() fails on it."""
    if logits.shape[:2] != ids.shape:
        raise ValueError
    counted = ids[:, 1:] != ignore_index
    return mean_surprise(logits, ids, counted) if counted.any() else torch.tensor(0.0)


@variant(LOSS, provides="causal_lm_loss")
def by_cross_entropy(logits, ids, ignore_index=-100):
    """Right: torch's own cross-entropy with the empty case put right."""
    if logits.shape[:2] != ids.shape:
        raise ValueError("B or T differ")
    targets = ids[:, 1:].reshape(-1)
    if not (targets != ignore_index).any():
        return logits.sum() * 0.0
    return nn.functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), targets, ignore_index=ignore_index)


@variant(LOSS, provides="causal_lm_loss")
def by_cross_entropy_and_nan_to_num(logits, ids, ignore_index=-100):
    """Right: torch's cross-entropy sends no gradient to ignored positions, so its NaN may be replaced."""
    if logits.shape[:2] != ids.shape:
        raise ValueError("B or T differ")
    scores, targets = logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()
    return nn.functional.cross_entropy(scores, targets, ignore_index=ignore_index).nan_to_num(0.0)


@variant(LOSS, provides="causal_lm_loss")
def by_logsumexp(logits, ids, ignore_index=-100):
    """Right: logsumexp minus the right token's score, weighted by a mask, in float64."""
    if tuple(logits.shape[:2]) != tuple(ids.shape):
        raise ValueError("B or T differ")
    scores, targets = logits[:, :-1].double(), ids[:, 1:]
    mask = (targets != ignore_index).double()
    right = scores.gather(-1, torch.where(mask.bool(), targets, 0)[..., None])[..., 0]
    return ((scores.logsumexp(-1) - right) * mask).sum() / mask.sum().clamp(min=1.0)


@variant(LOSS, provides="causal_lm_loss")
def by_marking_the_last_position(logits, ids, ignore_index=-100):
    """Right: targets shifted to the left and the last position ignored, as transformers does."""
    if logits.shape[:2] != ids.shape:
        raise ValueError("B or T differ")
    targets = nn.functional.pad(ids, (0, 1), value=ignore_index)[:, 1:]
    total = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignore_index, reduction="sum")
    return total / torch.clamp((targets != ignore_index).sum(), min=1)


# ------------------------------------------------------------------------------------------------ perplexity

TOTAL = "sum(nll * count for nll, count in scored) / sum(count for _, count in scored)"
edit(
    PERPLEXITY,
    "averages_the_batches",
    "Every batch weighs the same, whatever its number of tokens; weigh each mean by its count.",
    (TOTAL, "sum(nll for nll, _ in scored) / len(scored)"),
)
edit(
    PERPLEXITY,
    "takes_means_for_sums",
    "The means are added up as if they were sums; multiply each by its number of tokens first.",
    (TOTAL, "sum(nll for nll, _ in scored) / sum(count for _, count in scored)"),
)
edit(
    PERPLEXITY,
    "forgets_to_exponentiate",
    "This is the mean surprise in nats; perplexity is its exponential.",
    ("return math.exp(mean)", "return mean"),
)
edit(
    PERPLEXITY,
    "uses_base_two",
    "2 to the power of a surprise in nats; nats go with the base e.",
    ("math.exp(mean)", "2**mean"),
)
edit(
    PERPLEXITY,
    "flips_the_sign",
    "exp(−mean) is the geometric mean of the probabilities; perplexity is one over it.",
    ("math.exp(mean)", "math.exp(-mean)"),
)
edit(
    PERPLEXITY,
    "keeps_empty_batches",
    "A batch of 0 tokens still enters the sum, and 0 × NaN is NaN: leave it out.",
    (" if count > 0]", "]"),
)
edit(
    PERPLEXITY,
    "drops_infinite_surprise",
    "Infinite surprise is dropped, which hides that the model held a token for impossible.",
    ("if count > 0]", "if count > 0 and math.isfinite(nll)]"),
)
edit(
    PERPLEXITY,
    "ignores_extra_items",
    "zip stops at the shorter list without a word; lists of different length must be a ValueError.",
    ("len(token_nll) != len(counts)", "False"),
)
edit(
    PERPLEXITY,
    "accepts_negative_counts",
    "A negative count passes; the docstring promises a ValueError.",
    (" or any(count < 0 for count in counts)", ""),
)


edit(
    PERPLEXITY,
    "caps_the_exponent",
    "Large means are taken for infinite; up to 700 nats the perplexity is still a number.",
    ("math.exp(mean)", "(math.exp(mean) if mean < 50 else math.inf)"),
)


edit(
    PERPLEXITY,
    "counts_like_batches_once",
    "Two batches of the same mean and size are taken for one; every batch counts.",
    ("in zip(token_nll, counts, strict=False)", "in dict.fromkeys(zip(token_nll, counts, strict=False))"),
)
edit(
    PERPLEXITY,
    "rounds",
    "The result is rounded to four decimals, and good models look alike; return the number as it is.",
    ("math.exp(mean)", "round(math.exp(mean), 4)"),
)
edit(
    PERPLEXITY,
    "leaves_out_certain_batches",
    "A batch of mean 0 is left out as if it had no tokens; look at its count.",
    ("if count > 0]", "if nll and count > 0]"),
)


@mutant(PERPLEXITY, provides="perplexity")
def multiplies_probabilities(token_nll, counts):
    """The probabilities of all tokens are multiplied, and from a few hundred on the product is 0; add surprises instead."""
    if len(token_nll) != len(counts) or any(count < 0 for count in counts) or not sum(counts):
        raise ValueError
    product = math.prod(math.exp(-nll) ** count for nll, count in zip(token_nll, counts, strict=True) if count)
    return product ** (-1 / sum(counts)) if product else math.inf


@mutant(PERPLEXITY, provides="perplexity")
def deletes_in_the_callers_lists(token_nll, counts):
    """Empty batches are deleted from the caller's own lists; make new ones."""
    if len(token_nll) != len(counts) or any(count < 0 for count in counts) or not sum(counts):
        raise ValueError
    for at in reversed(range(len(counts))):
        if not counts[at]:
            del token_nll[at], counts[at]
    return math.exp(sum(nll * count for nll, count in zip(token_nll, counts, strict=True)) / sum(counts))


@mutant(PERPLEXITY, provides="perplexity")
def averages_perplexities(token_nll, counts):
    """Each batch is exponentiated first and the perplexities are averaged; average the surprise, then exponentiate once."""
    if len(token_nll) != len(counts) or any(count < 0 for count in counts) or not sum(counts):
        raise ValueError
    scored = [math.exp(nll) for nll, count in zip(token_nll, counts, strict=True) if count]
    return sum(scored) / len(scored)


@mutant(PERPLEXITY, provides="perplexity")
def weighs_perplexities(token_nll, counts):
    """The perplexities are weighted by tokens, but still averaged after the exponential; average the surprise instead."""
    if len(token_nll) != len(counts) or any(count < 0 for count in counts) or not sum(counts):
        raise ValueError
    return sum(math.exp(nll) * count for nll, count in zip(token_nll, counts, strict=True) if count) / sum(counts)


@mutant(PERPLEXITY, provides="perplexity")
def answers_without_tokens(token_nll, counts):
    """Without any token there is no mean; the docstring promises a ValueError, not a number."""
    if len(token_nll) != len(counts) or any(count < 0 for count in counts):
        raise ValueError
    return math.exp(sum(n * c for n, c in zip(token_nll, counts, strict=True) if c) / max(sum(counts), 1))


@mutant(PERPLEXITY, provides="perplexity")
def drops_infinite_batches(token_nll, counts):
    """Batches of infinite mean are left out; one impossible token makes the perplexity infinite."""
    if len(token_nll) != len(counts) or any(count < 0 for count in counts) or not sum(counts):
        raise ValueError
    total = sum(nll * count for nll, count in zip(token_nll, counts, strict=True) if count and math.isfinite(nll))
    return math.exp(total / sum(counts))


@variant(PERPLEXITY, provides="perplexity")
def by_tensors(token_nll, counts):
    """Right: tensors, with empty batches cut out by a mask."""
    if len(token_nll) != len(counts):
        raise ValueError("lengths differ")
    nll, n = torch.tensor(token_nll, dtype=torch.float64), torch.tensor(counts, dtype=torch.float64)
    if (n < 0).any() or n.sum() == 0:
        raise ValueError("no tokens")
    return torch.exp((nll[n > 0] * n[n > 0]).sum() / n.sum())


@variant(PERPLEXITY, provides="perplexity")
def by_a_product(token_nll, counts):
    """Right: the weighted geometric mean of the batch perplexities."""
    if len(token_nll) != len(counts) or min(counts, default=0) < 0 or sum(counts) == 0:
        raise ValueError("no mean")
    total = sum(counts)
    return math.prod(math.exp(nll) ** (count / total) for nll, count in zip(token_nll, counts, strict=True) if count)


# ---------------------------------------------------------------------------------------------- masked batch

edit(
    MASKED,
    "scores_every_position",
    "Every position has a label, so copying what can be seen is rewarded; labels are −100 where nothing was chosen.",
    ("labels = ids.masked_fill(~chosen, -100)", "labels = ids.clone()"),
)
edit(
    MASKED,
    "masks_special_tokens",
    "Padding and separators are chosen too; ids of special_ids must never be.",
    (" & ~special", ""),
)
edit(
    MASKED,
    "always_masks",
    "Every chosen token becomes mask_id; the model then never sees a real token that it must doubt. Use 80 / 10 / 10.",
    ("fate < 0.8", "fate < 2"),
    ("fate >= 0.9", "fate > 2"),
)
edit(
    MASKED,
    "uses_one_draw_for_both",
    "The number that chose the token also decides its fate, so for p below 0.8 all become mask_id; draw again.",
    ("fate = torch.rand(ids.shape, generator=rng)", "fate = draw"),
)
edit(
    MASKED,
    "never_keeps",
    "20 % become random and none stay; 10 % random and 10 % unchanged.",
    ("fate >= 0.9", "fate >= 0.8"),
)
edit(
    MASKED,
    "never_draws_a_random_id",
    "20 % stay and none become random; 10 % random and 10 % unchanged.",
    ("fate >= 0.9", "fate > 2"),
)
edit(
    MASKED,
    "labels_only_what_changed",
    "Chosen tokens that stayed lose their label; the model must predict them too.",
    ("return inputs, labels", "return inputs, labels.masked_fill(inputs == ids, -100)"),
)
edit(
    MASKED,
    "labels_the_mask",
    "The labels are what the model reads, not what it should find: take them from ids.",
    ("return inputs, labels", "return inputs, torch.where(chosen, inputs, -100)"),
)
edit(
    MASKED,
    "labels_the_others",
    "The labels are set where a token was not chosen; it is the chosen ones that are predicted.",
    ("ids.masked_fill(~chosen, -100)", "ids.masked_fill(chosen, -100)"),
)
edit(
    MASKED,
    "pads_labels_with_zero",
    "Positions without a question have label 0, a real id; −100 is what cross-entropy leaves out.",
    ("ids.masked_fill(~chosen, -100)", "ids.masked_fill(~chosen, 0)"),
)
edit(
    MASKED,
    "draws_from_the_batch",
    "The random ids are other tokens of the same batch; draw them from the whole vocabulary.",
    (
        "torch.randint(vocab_size, ids.shape, generator=rng)",
        "ids.flatten()[torch.randint(ids.numel(), ids.shape, generator=rng)]",
    ),
)
edit(
    MASKED,
    "misses_the_last_id",
    "The last id of the vocabulary is never drawn: randint already leaves its upper end out.",
    ("torch.randint(vocab_size,", "torch.randint(vocab_size - 1,"),
)
edit(
    MASKED,
    "draws_past_the_end",
    "vocab_size itself is drawn, an id that does not exist: randint(vocab_size) already ends at vocab_size − 1.",
    ("torch.randint(vocab_size,", "torch.randint(vocab_size + 1,"),
)
edit(
    MASKED,
    "draws_one_random_id",
    "One random id is drawn and used everywhere; each replaced token needs its own.",
    (
        "torch.randint(vocab_size, ids.shape, generator=rng)",
        "torch.randint(vocab_size, (1,), generator=rng).expand(ids.shape)",
    ),
)
edit(
    MASKED,
    "shares_the_pattern",
    "One pattern is drawn for all rows; draw one number for every token of the batch.",
    (
        "draw = torch.rand(ids.shape, generator=rng)",
        "draw = torch.rand(ids.shape[-1], generator=rng).expand(ids.shape)",
    ),
)
edit(
    MASKED,
    "chooses_whole_rows",
    "One number is drawn for a row, so a row is chosen wholly or not at all; draw one for every token.",
    ("draw = torch.rand(ids.shape, generator=rng)", "draw = torch.rand(len(ids), 1, generator=rng).expand(ids.shape)"),
)
edit(
    MASKED,
    "decides_fate_by_row",
    "All chosen tokens of a row share one fate; draw it for every token.",
    ("fate = torch.rand(ids.shape, generator=rng)", "fate = torch.rand(len(ids), 1, generator=rng).expand(ids.shape)"),
)
edit(
    MASKED,
    "seeds_itself",
    "The function seeds its generator anew, so every batch hides the same positions; go on drawing from rng.",
    ("special =", "rng = torch.Generator().manual_seed(0); special ="),
)
edit(
    MASKED,
    "ignores_the_generator",
    "The draws come from torch's global generator; give generator=rng to each, or a run can't be repeated.",
    ("draw = torch.rand(ids.shape, generator=rng)", "draw = torch.rand(ids.shape)"),
)
edit(
    MASKED,
    "takes_any_p",
    "A p above 1 or below 0 passes; the docstring promises a ValueError.",
    ("not 0 <= p <= 1", "False"),
)
RANDOM_IDS = "random_ids = torch.randint(vocab_size, ids.shape, generator=rng)"
edit(
    MASKED,
    "avoids_special_ids",
    "The random id is never a special one; the docstring has it uniform over the whole vocabulary.",
    (
        RANDOM_IDS,
        "free = torch.tensor([v for v in range(vocab_size) if v not in set(special_ids)]); random_ids = free[torch.randint(len(free), ids.shape, generator=rng)]",
    ),
)
edit(
    MASKED,
    "avoids_the_original",
    "The random id is never the original; the docstring has it uniform over the whole vocabulary, the original too.",
    (RANDOM_IDS, "random_ids = (ids + torch.randint(1, vocab_size, ids.shape, generator=rng)) % vocab_size"),
)
edit(
    MASKED,
    "prefers_small_ids",
    "Some ids are drawn more often than others; a random id is uniform, as torch.randint draws it.",
    (RANDOM_IDS, "random_ids = (torch.rand(ids.shape, generator=rng) ** 1.3 * vocab_size).long()"),
)
edit(
    MASKED,
    "rounds_to_an_id",
    "Rounding gives the first and the last id half the chance of the others; torch.randint draws all alike.",
    (RANDOM_IDS, "random_ids = (torch.rand(ids.shape, generator=rng) * (vocab_size - 1)).round().long()"),
)
edit(
    MASKED,
    "draws_one_random_id_a_row",
    "All random ids of a row are the same; each token draws its own.",
    (RANDOM_IDS, "random_ids = torch.randint(vocab_size, (len(ids), 1), generator=rng).expand(ids.shape)"),
)
edit(
    MASKED,
    "tosses_one_coin_a_row",
    "What was not masked becomes random in a whole row or in none; each token draws its own fate.",
    ("inputs = torch.where(chosen & (fate >= 0.9)", "inputs = torch.where(chosen & (fate >= 0.8) & (torch.rand(len(ids), 1, generator=rng) < 0.5)"),
)
edit(
    MASKED,
    "draws_by_word",
    "One number is drawn for each id of the vocabulary, so a word is chosen everywhere or nowhere; draw one for every token.",
    ("draw = torch.rand(ids.shape, generator=rng)", "draw = torch.rand(30_003, generator=rng)[ids]"),
)
edit(
    MASKED,
    "chooses_an_exact_share",
    "Exactly the share p of the batch is chosen; p is the chance of each token, so the number varies.",
    (
        "chosen = (draw < p) & ~special",
        "order = (draw + 2 * special).flatten().argsort().argsort().reshape(ids.shape); chosen = (order < round(p * int((~special).sum()))) & ~special",
    ),
)
edit(
    MASKED,
    "deals_out_exact_fates",
    "Exactly 80 and 10 % of the chosen tokens are masked and changed; each token draws its own fate, so the numbers vary.",
    (
        "fate = torch.rand(ids.shape, generator=rng)",
        "n = int(chosen.sum()); fate = torch.ones(ids.shape); fate[chosen] = ((torch.randperm(n, generator=rng) + 0.5) / max(n, 1)).float()",
    ),
)
edit(
    MASKED,
    "always_chooses_one",
    "Where no token was chosen one is chosen by force, so tokens of small batches have a higher chance than p.",
    (
        "labels = ids.masked_fill(~chosen, -100)",
        "chosen = chosen | ((draw + 2 * special == (draw + 2 * special).min()) & ~special & (not chosen.any() and p > 0)); labels = ids.masked_fill(~chosen, -100)",
    ),
)
edit(
    MASKED,
    "returns_ids_themselves",
    "With nothing to hide ids itself is returned; what is then written into the batch is written into the text.",
    ("special = torch.isin", "if p == 0: return ids, torch.full_like(ids, -100)\n    special = torch.isin"),
)
edit(
    MASKED,
    "seeds_the_global_generator",
    "torch.manual_seed changes the random numbers of the whole program; give generator=rng to each draw instead.",
    ("special = torch.isin", "torch.manual_seed(int(torch.randint(1 << 31, (), generator=rng))); rng = None\n    special = torch.isin"),
)
edit(
    MASKED,
    "keeps_what_p_chooses",
    "p is the chance to be chosen; here it is the chance to be left alone.",
    ("draw < p", "draw >= p"),
)


@mutant(MASKED, provides="mlm_batch")
def draws_ten_percent_of_the_rest(ids, rng, p, mask_id, vocab_size, special_ids):
    """Random ids go to a tenth of the tokens that were not masked, 2 % in all; of those that remain, half must be random."""
    if not 0 <= p <= 1:
        raise ValueError
    chosen = (torch.rand(ids.shape, generator=rng) < p) & ~torch.isin(ids, torch.tensor(list(special_ids), dtype=torch.int64))
    masked = chosen & (torch.rand(ids.shape, generator=rng) < 0.8)
    changed = chosen & ~masked & (torch.rand(ids.shape, generator=rng) < 0.1)
    inputs = torch.where(changed, torch.randint(vocab_size, ids.shape, generator=rng), ids.masked_fill(masked, mask_id))
    return inputs, ids.masked_fill(~chosen, -100)


@mutant(MASKED, provides="mlm_batch")
def hides_a_fixed_number(ids, rng, p, mask_id, vocab_size, special_ids):
    """Every row has the same number of chosen tokens; each token is chosen on its own with chance p."""
    if not 0 <= p <= 1:
        raise ValueError
    special = torch.isin(ids, torch.tensor(list(special_ids), dtype=torch.int64))
    order = (torch.rand(ids.shape, generator=rng) + special).argsort(-1).argsort(-1)
    chosen = order < ((~special).sum(-1, keepdim=True) * p).round()
    fate = torch.rand(ids.shape, generator=rng)
    inputs = ids.masked_fill(chosen & (fate < 0.8), mask_id)
    inputs = torch.where(chosen & (fate > 0.9), torch.randint(vocab_size, ids.shape, generator=rng), inputs)
    return inputs, ids.masked_fill(~chosen, -100)


@mutant(MASKED, provides="mlm_batch")
def writes_into_ids(ids, rng, p, mask_id, vocab_size, special_ids):
    """The tokens are hidden in ids itself, which destroys the caller's text."""
    if not 0 <= p <= 1:
        raise ValueError
    chosen = (torch.rand(ids.shape, generator=rng) < p) & ~torch.isin(ids, torch.tensor(list(special_ids), dtype=torch.int64))
    labels, fate = ids.masked_fill(~chosen, -100), torch.rand(ids.shape, generator=rng)
    ids[chosen & (fate < 0.8)] = mask_id
    changed = chosen & (fate >= 0.9)
    ids[changed] = torch.randint(vocab_size, ids.shape, generator=rng)[changed]
    return ids, labels


@mutant(MASKED, provides="mlm_batch")
def spares_masks_in_the_text(ids, rng, p, mask_id, vocab_size, special_ids):
    """Tokens that are mask_id already are never chosen; special_ids alone says which ids are spared."""
    return by_one_draw(ids, rng, p, mask_id, vocab_size, [*special_ids, mask_id])


@variant(MASKED, provides="mlm_batch")
def by_one_draw(ids, rng, p, mask_id, vocab_size, special_ids):
    """Right: one uniform number u a token; u < 0.8 p masks, then up to 0.9 p a random id, then up to p nothing."""
    if p < 0 or p > 1:
        raise ValueError("p")
    u = torch.rand(ids.shape, generator=rng)
    for token in special_ids:
        u = u.masked_fill(ids == token, 2.0)
    labels = torch.where(u < p, ids, -100)
    random_ids = torch.randint(0, vocab_size, ids.shape, generator=rng)
    return torch.where(u < 0.8 * p, mask_id, torch.where(u < 0.9 * p, random_ids, ids)), labels


@variant(MASKED, provides="mlm_batch")
def by_bernoulli(ids, rng, p, mask_id, vocab_size, special_ids):
    """Right: as transformers' collator does it, with three Bernoulli draws."""
    if not 0 <= p <= 1:
        raise ValueError("p")
    inputs, labels = ids.clone(), ids.clone()
    chance = torch.full(ids.shape, float(p))
    chance[sum((ids == token for token in special_ids), torch.zeros_like(ids)).bool()] = 0.0
    chosen = torch.bernoulli(chance, generator=rng).bool()
    labels[~chosen] = -100
    masked = torch.bernoulli(torch.full(ids.shape, 0.8), generator=rng).bool() & chosen
    inputs[masked] = mask_id
    changed = torch.bernoulli(torch.full(ids.shape, 0.5), generator=rng).bool() & chosen & ~masked
    inputs[changed] = torch.randint(vocab_size, (int(changed.sum()),), generator=rng)
    return inputs, labels


@variant(MASKED, provides="mlm_batch")
def by_a_loop(ids, rng, p, mask_id, vocab_size, special_ids):
    """Right: one token after the other, with three numbers for each."""
    if not 0 <= p <= 1:
        raise ValueError("p")
    inputs, labels, special = ids.tolist(), torch.full_like(ids, -100).tolist(), set(special_ids)
    numbers = torch.rand(*ids.shape, 3, generator=rng, dtype=torch.float64).tolist()
    for b, row in enumerate(ids.tolist()):
        for t, token in enumerate(row):
            chosen, fate, which = numbers[b][t]
            if token in special or chosen >= p:
                continue
            labels[b][t] = token
            if fate < 0.9:
                inputs[b][t] = mask_id if fate < 0.8 else int(which * vocab_size)
    return torch.tensor(inputs), torch.tensor(labels)


# ------------------------------------------------------------------------------------------------- T5 spans

edit(
    SPANS,
    "uses_one_sentinel",
    "The first sentinel stands for every span, and the model can't tell the gaps apart; give each span the next one.",
    ("zip(spans, sentinels, strict=False)", "((span, sentinels[0]) for span in spans)"),
)
edit(
    SPANS,
    "forgets_the_last_sentinel",
    "The target does not end in a sentinel; one more, unused so far, marks where the last span stops.",
    ("[*targets, sentinels[len(spans)]]", "targets"),
)
edit(
    SPANS,
    "repeats_the_last_sentinel",
    "The target ends in the last span's own sentinel; it must end in the next unused one.",
    ("[*targets, sentinels[len(spans)]]", "[*targets, sentinels[max(len(spans) - 1, 0)]]"),
)
edit(
    SPANS,
    "ends_in_the_last_of_the_list",
    "The target ends in the last sentinel of the list; it must be the next unused one.",
    ("sentinels[len(spans)]]", "sentinels[-1]]"),
)
edit(
    SPANS,
    "includes_the_end",
    "The span takes ids[end] too; spans are half-open, as in ids[start:end].",
    ("targets += [sentinel, *ids[start:end]]", "targets += [sentinel, *ids[start:end + 1]]"),
    ("at = end", "at = end + 1"),
)
edit(
    SPANS,
    "numbers_spans_as_listed",
    "The spans are taken in the order of the list; the first span in the text gets the first sentinel.",
    ("spans = sorted(spans)", "spans = list(spans)"),
)
edit(
    SPANS,
    "sorts_the_callers_list",
    "spans.sort() reorders the caller's list; sorted(spans) makes a new one.",
    ("spans = sorted(spans)", "spans.sort()"),
)
edit(
    SPANS,
    "leaves_the_span_in",
    "The hidden tokens still stand in the inputs, so there is nothing to guess.",
    ("at = end", "at = start"),
)
edit(
    SPANS,
    "targets_without_sentinels",
    "The target is only the hidden tokens; without their sentinels nobody knows which gap they fill.",
    ("targets += [sentinel, *ids[start:end]]", "targets += ids[start:end]"),
)
edit(
    SPANS,
    "drops_the_span",
    "The span vanishes without a sentinel, so the model does not see that something is missing.",
    ("inputs += [*ids[at:start], sentinel]", "inputs += ids[at:start]"),
)
edit(SPANS, "loses_the_tail", "What follows the last span is missing from the inputs.", ("inputs + ids[at:]", "inputs"))
edit(
    SPANS,
    "accepts_overlaps",
    "Overlapping spans pass, and a token is hidden twice; the docstring promises a ValueError.",
    ("len(set(hidden)) < len(hidden)", "False"),
)
edit(
    SPANS,
    "accepts_empty_spans",
    "An empty span passes; the docstring promises a ValueError.",
    ("0 <= start < end", "0 <= start <= end"),
)
edit(
    SPANS,
    "accepts_spans_outside",
    "A span that ends after the text passes, because slices forgive; the docstring promises a ValueError.",
    ("end <= len(ids) for", "end for"),
)
edit(
    SPANS,
    "accepts_too_few_sentinels",
    "With too few sentinels the call must end in a ValueError.",
    ("len(sentinels) < len(spans) + 1", "len(sentinels) < len(spans)"),
)
edit(
    SPANS,
    "counts_from_the_first_sentinel",
    "The sentinels are computed as the first one minus 1, 2, …; use the list as it is given.",
    ("spans = sorted(spans)", "spans = sorted(spans); sentinels = [sentinels[0] - n for n in range(len(sentinels))]"),
)


edit(
    SPANS,
    "returns_ids_themselves",
    "Without spans the caller's own list is returned; what is then added to the inputs is added to the text.",
    ("spans = sorted(spans)", "if not spans: return ids, sentinels[:1]\n    spans = sorted(spans)"),
)
edit(
    SPANS,
    "sorts_as_text",
    "The spans are sorted as text, where 10 comes before 9; sort the numbers.",
    ("spans = sorted(spans)", "spans = sorted(spans, key=str)"),
)
edit(
    SPANS,
    "forgives_a_repeated_span",
    "A span that is given twice is taken once; two spans that overlap are a ValueError.",
    ("hidden = [", "spans = list(set(spans)); hidden = ["),
)


@mutant(SPANS, provides="t5_spans")
def marks_by_zero(ids, spans, sentinels):
    """Hidden tokens are overwritten by 0 and all zeros then removed, those of the text too; cut by position."""
    inputs, targets = list(ids), []
    for sentinel, (start, end) in zip(sentinels, in_order(ids, spans, sentinels), strict=False):
        inputs[start:end] = [sentinel, *[0] * (end - start - 1)]
        targets += [sentinel, *ids[start:end]]
    return [token for token in inputs if token], [*targets, sentinels[len(spans)]]


@mutant(SPANS, provides="t5_spans")
def one_sentinel_a_token(ids, spans, sentinels):
    """Every hidden token leaves a sentinel in the inputs; a span leaves one, however long it is."""
    if len(sentinels) < len(spans) + 1 or any(a >= b or a < 0 or b > len(ids) for a, b in spans):
        raise ValueError
    inputs, targets, order = list(ids), [], sorted(spans)
    if any(left[1] > right[0] for left, right in itertools.pairwise(order)):
        raise ValueError
    for (start, end), sentinel in zip(order, sentinels, strict=False):
        inputs[start:end] = [sentinel] * (end - start)
        targets += [sentinel, *ids[start:end]]
    return inputs, [*targets, sentinels[len(order)]]


@mutant(SPANS, provides="t5_spans")
def cuts_while_positions_move(ids, spans, sentinels):
    """Each cut shortens the list, and the next span is counted in the shortened one; spans refer to the original positions."""
    if len(sentinels) < len(spans) + 1 or any(a >= b or a < 0 or b > len(ids) for a, b in spans):
        raise ValueError
    inputs, targets, order = list(ids), [], sorted(spans)
    if any(left[1] > right[0] for left, right in itertools.pairwise(order)):
        raise ValueError
    for (start, end), sentinel in zip(order, sentinels, strict=False):
        targets += [sentinel, *inputs[start:end]]
        inputs[start:end] = [sentinel]
    return inputs, [*targets, sentinels[len(order)]]


@mutant(SPANS, provides="t5_spans")
def merges_touching_spans(ids, spans, sentinels):
    """Spans that touch are joined into one; the docstring gives each its own sentinel."""
    if len(sentinels) < len(spans) + 1 or any(a >= b or a < 0 or b > len(ids) for a, b in spans):
        raise ValueError
    order = sorted(spans)
    if any(left[1] > right[0] for left, right in itertools.pairwise(order)):
        raise ValueError
    hidden = {at for start, end in spans for at in range(start, end)}
    inputs, targets, used = [], [], 0
    for at, token in enumerate(ids):
        if at not in hidden:
            inputs.append(token)
            continue
        if at - 1 not in hidden:
            inputs.append(sentinels[used])
            targets.append(sentinels[used])
            used += 1
        targets.append(token)
    return inputs, [*targets, sentinels[used]]


def in_order(ids, spans, sentinels):
    """The spans in the order of the text, or the ValueErrors of the docstring."""
    spans = sorted(spans)
    edges = [edge for span in spans for edge in span]
    if len(sentinels) <= len(spans) or edges != sorted(edges) or any(start >= end for start, end in spans):
        raise ValueError
    if edges and (edges[0] < 0 or edges[-1] > len(ids)):
        raise ValueError
    return spans


@mutant(SPANS, provides="t5_spans")
def hands_out_sentinels_before_sorting(ids, spans, sentinels):
    """The sentinels follow the list of spans; the first span in the text must get the first sentinel."""
    own = dict(zip(spans, sentinels, strict=False))
    inputs, targets, at = [], [], 0
    for start, end in in_order(ids, spans, sentinels):
        inputs += [*ids[at:start], own[start, end]]
        targets += [own[start, end], *ids[start:end]]
        at = end
    return inputs + ids[at:], [*targets, sentinels[len(spans)]]


@mutant(SPANS, provides="t5_spans")
def names_the_gap_after_its_tokens(ids, spans, sentinels):
    """In the target the sentinel stands after its tokens; it must come first, to say which gap is being filled."""
    inputs, targets, at = [], [], 0
    for sentinel, (start, end) in zip(sentinels, in_order(ids, spans, sentinels), strict=False):
        inputs += [*ids[at:start], sentinel]
        targets += [*ids[start:end], sentinel]
        at = end
    return inputs + ids[at:], [*targets, sentinels[len(spans)]]


@mutant(SPANS, provides="t5_spans")
def searches_for_the_tokens(ids, spans, sentinels):
    """The tokens of a span are searched for and the first match is cut out; the same tokens may stand elsewhere."""
    inputs, targets = list(ids), []
    for sentinel, (start, end) in zip(sentinels, in_order(ids, spans, sentinels), strict=False):
        hidden = ids[start:end]
        at = next(at for at in range(len(inputs)) if inputs[at : at + len(hidden)] == hidden)
        inputs[at : at + len(hidden)] = [sentinel]
        targets += [sentinel, *hidden]
    return inputs, [*targets, sentinels[len(spans)]]


@mutant(SPANS, provides="t5_spans")
def says_nothing_without_spans(ids, spans, sentinels):
    """Without spans the target is empty; it must hold the sentinel that ends it."""
    if not spans:
        return list(ids), []
    return from_the_back(ids, in_order(ids, spans, sentinels), sentinels)


@variant(SPANS, provides="t5_spans")
def from_the_back(ids, spans, sentinels):
    """Right: cut from the last span to the first, so that earlier positions stay valid."""
    order = sorted(spans)
    ends = [0, *(end for _, end in order)]
    if len(sentinels) <= len(order) or any(s < e0 or s >= e or e > len(ids) for (s, e), e0 in zip(order, ends, strict=False)):
        raise ValueError("bad spans")
    inputs, targets = list(ids), [sentinels[len(order)]]
    for n in reversed(range(len(order))):
        start, end = order[n]
        targets = [sentinels[n], *inputs[start:end], *targets]
        inputs[start:end] = [sentinels[n]]
    return inputs, targets


@variant(SPANS, provides="t5_spans")
def by_a_lookup(ids, spans, sentinels):
    """Right: note which span owns each position, then walk once over the text."""
    if len(sentinels) < len(spans) + 1:
        raise ValueError("sentinels")
    owner = {}
    for number, (start, end) in enumerate(sorted(spans)):
        if not 0 <= start < end <= len(ids):
            raise ValueError("span")
        for at in range(start, end):
            if at in owner:
                raise ValueError("overlap")
            owner[at] = number
    inputs, targets, last = [], [], None
    for at, token in enumerate(ids):
        number = owner.get(at)
        if number is not None and number != last:
            inputs.append(sentinels[number])
            targets.append(sentinels[number])
        last = number
        (inputs if number is None else targets).append(token)
    targets.append(sentinels[len(spans)])
    return [inputs, targets]
