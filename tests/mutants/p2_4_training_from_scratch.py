"""Plausible wrong answers to p2_4_training_from_scratch, each with what its author should be told; and right answers written another way."""

import math
import os
import random
import tempfile
from pathlib import Path

import torch
from torch import nn

from grader.mutation import edit, edit_variant, mutant, variant

SCHEDULE, ADAMW, CLIP, STEP = "training-lr-schedule", "training-adamw-step", "training-clip-gradients", "training-accumulate"
HALVING, DECIDE, CHECKPOINT, BUGS = "training-successive-halving", "training-scratch-or-finetune", "training-checkpoint", "training-find-the-bugs"

# ------------------------------------------------------------------------------------------------ learning rate

edit(SCHEDULE, "peak_a_step_early", "The warm-up is divided by warmup, so the peak comes one step too early; divide by warmup + 1.", ("(step + 1) / (warmup + 1)", "min((step + 1) / max(warmup, 1), 1)"))
edit(SCHEDULE, "starts_at_zero", "Step 0 has a learning rate of zero and learns nothing; it has 1 / (warmup + 1) of the peak.", ("(step + 1) / (warmup + 1)", "step / max(warmup, 1)"))
edit(SCHEDULE, "never_reaches_the_floor", "The way down is divided by total − warmup, so it would arrive at step total, which is never run.", ("(total - 1 - warmup)", "(total - warmup)"))
edit(SCHEDULE, "counts_down_from_the_start", "The way down is measured from step 0, so the rate jumps after the warm-up; begin at step `warmup`.", ("(step - warmup) / (total - 1 - warmup)", "step / (total - 1)"))
edit(SCHEDULE, "falls_in_a_line", "The way down is a straight line; the docstring asks for half a cosine wave.", ("0.5 * (1 + math.cos(math.pi * done))", "(1 - done)"))
edit(SCHEDULE, "a_whole_wave", "The cosine runs through a whole wave and is back at the peak at the end; half a wave ends at π.", ("math.pi * done", "2 * math.pi * done"))
edit(SCHEDULE, "a_quarter_wave", "cos from 0 to π/2 falls like a quarter of a wave; use (1 + cos) / 2 from 0 to π.", ("0.5 * (1 + math.cos(math.pi * done))", "math.cos(math.pi / 2 * done)"))
edit(SCHEDULE, "adds_the_floor", "The floor is added to the whole wave, so the peak is peak + floor; the wave spans peak − floor.", ("(peak - floor) * 0.5", "peak * 0.5"))
edit(SCHEDULE, "forgets_the_floor", "The rate falls to zero whatever the floor is.", ("floor + (peak - floor)", "peak"))
edit(SCHEDULE, "clips_at_the_floor", "The wave falls to zero and is cut off at the floor; it must lead down to the floor.", ("floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))", "max(floor, peak * 0.5 * (1 + math.cos(math.pi * done)))"))
edit(SCHEDULE, "comes_up_again", "After the last step the cosine rises again; from step `total` on the floor stays.", ("    if step >= total:\n        return floor\n", "    if warmup == total - 1 and step >= total:\n        return floor\n"))
edit(SCHEDULE, "zero_after_the_end", "After the last step the rate is zero; it is the floor.", ("        return floor\n", "        return 0.0\n"))
edit(SCHEDULE, "warms_up_from_the_floor", "The warm-up starts from the floor; it starts from zero.", ("return peak * (step + 1) / (warmup + 1)", "return floor + (peak - floor) * (step + 1) / (warmup + 1)"))
edit(SCHEDULE, "last_step_is_always_the_floor", "With warmup = total − 1 the last step has the peak, not the floor.", ("if step >= total:", "if step >= total - 1:"))
edit(SCHEDULE, "stays_at_the_peak", "The step after the peak has the peak once more; the way down begins at once.", ("(step - warmup) / (total - 1 - warmup)", "max(step - warmup - 1, 0) / max(total - 2 - warmup, 1)"))
edit(SCHEDULE, "geometric_fall", "The wave runs between logarithms of the rates; it runs between the rates.", ("floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))", "max(floor, 1e-9) * (peak / max(floor, 1e-9)) ** (0.5 * (1 + math.cos(math.pi * done)))"))


@variant(SCHEDULE, provides="lr_schedule")
def by_sine(step, total, warmup, peak, floor=0.0):
    """Right: the squared cosine of half the angle, and a warm-up by min."""
    if step < 0 or not 0 <= warmup < total:
        raise ValueError
    down = floor if step >= total else peak
    if warmup < step < total:
        down = floor + (peak - floor) * math.cos(math.pi / 2 * (step - warmup) / (total - 1 - warmup)) ** 2
    return min((step + 1) / (warmup + 1), 1) * peak if step <= warmup else down


@variant(SCHEDULE, provides="lr_schedule")
def by_tensor(step, total, warmup, peak, floor=0.0):
    """Right: by PyTorch, in float64."""
    if step < 0 or not 0 <= warmup < total:
        raise ValueError
    if step <= warmup:
        return float(torch.tensor(peak, dtype=torch.float64) * (step + 1) / (warmup + 1))
    wave = torch.linspace(0, math.pi, total - warmup, dtype=torch.float64).cos() / 2 + 0.5
    return float(floor + (peak - floor) * wave[step - warmup]) if step < total else floor


# ------------------------------------------------------------------------------------------------------- AdamW

edit(ADAMW, "decay_in_the_gradient", "Weight decay is added to the gradient (L2), where Adam divides it away again; shrink the weight itself.", ('step = state.get("step", 0) + 1', 'step = state.get("step", 0) + 1; grad = grad + weight_decay * weight; weight_decay = 0.0'))
edit(ADAMW, "no_bias_correction", "The running means are not corrected for their start at zero, so the first steps are far too small or large.", ("(mean / (1 - betas[0] ** step)) / ((square / (1 - betas[1] ** step)).sqrt() + eps)", "mean / (square.sqrt() + eps)"))
edit(ADAMW, "corrects_one_mean_only", "Only the mean of the gradient is corrected; the mean of its square starts at zero too.", ("(square / (1 - betas[1] ** step))", "square"))
edit(ADAMW, "corrects_the_square_only", "Only the mean of the square is corrected; the mean of the gradient starts at zero too.", ("(mean / (1 - betas[0] ** step))", "mean"))
edit(ADAMW, "step_stays_one", "The step in the correction is always 1; it counts the steps.", ('state.get("step", 0) + 1', "1"))
edit(ADAMW, "step_a_beat_late", "The correction uses the number of steps before this one, which is 0 in the first.", ("(mean / (1 - betas[0] ** step)) / ((square / (1 - betas[1] ** step)).sqrt() + eps)", "(mean / (1 - betas[0] ** max(step - 1, 1))) / ((square / (1 - betas[1] ** max(step - 1, 1))).sqrt() + eps)"))
edit(ADAMW, "eps_inside_the_root", "eps stands inside the root; it is added to the root.", (".sqrt() + eps)", " + eps).sqrt()"))
edit(ADAMW, "eps_before_the_correction", "eps is added before the root is corrected, so it is divided too; correct first, then add it.", ("((square / (1 - betas[1] ** step)).sqrt() + eps)", "((square.sqrt() + eps) / (1 - betas[1] ** step) ** 0.5)"))
edit(ADAMW, "no_root", "The mean is divided by the mean of the square, not by its root.", ("(square / (1 - betas[1] ** step)).sqrt()", "(square / (1 - betas[1] ** step))"))
edit(ADAMW, "betas_swapped", "betas[0] belongs to the mean of the gradient, betas[1] to the mean of its square.", ('step = state.get("step", 0) + 1', 'step = state.get("step", 0) + 1; betas = betas[::-1]'))
edit(ADAMW, "decay_without_the_rate", "The weight shrinks by weight_decay; the factor is 1 − lr · weight_decay.", ("(1 - lr * weight_decay)", "(1 - weight_decay)"))
edit(ADAMW, "decay_forgotten", "Weight decay is not used.", ("weight * (1 - lr * weight_decay)", "weight"))
edit(ADAMW, "uphill", "The step goes along the gradient; it goes against it.", ("- lr * direction", "+ lr * direction"))
edit(ADAMW, "keeps_corrected_means", "The state keeps the corrected means, which are then corrected again; keep them as they are before.", ('{"step": step, "mean": mean, "square": square}', '{"step": step, "mean": mean / (1 - betas[0] ** step), "square": square / (1 - betas[1] ** step)}'))
edit(ADAMW, "sums_instead_of_means", "The gradient is added with its full weight; a running mean adds a share of 1 − beta.", ("(1 - betas[0]) * grad", "grad"))
edit(ADAMW, "forgets_the_past", "The mean is not carried on in the state, so every step is like the first.", ('"mean": mean,', '"mean": torch.zeros_like(mean),'))
edit(ADAMW, "fixed_betas", "The betas are written into the code; use those of the call.", ('step = state.get("step", 0) + 1', 'step = state.get("step", 0) + 1; betas = (0.9, 0.999)'))
edit(ADAMW, "fixed_eps", "eps is written into the code; use that of the call.", (".sqrt() + eps)", ".sqrt() + 1e-8)"))
edit(ADAMW, "decays_the_moved_weight", "The weight shrinks after the step, so the step shrinks too; shrink first.", ("weight * (1 - lr * weight_decay) - lr * direction", "(weight - lr * direction) * (1 - lr * weight_decay)"))
edit(ADAMW, "writes_into_the_weight", "The weight is changed in place; return a new tensor.", ("    new = weight * (1 - lr * weight_decay) - lr * direction", "    new = weight.mul_(1 - lr * weight_decay).sub_(lr * direction)"))
edit(ADAMW, "writes_into_the_state", "The state that came in is changed; make a new dict.", ('return new, {"step": step, "mean": mean, "square": square}', "state.update(step=step, mean=mean, square=square)\n    return new, state"))
edit(ADAMW, "through_float32", "A float64 weight is cut to float32 on the way.", ("    return new, {", "    return new.float().to(torch.float32), {"))

_steps = {}


@mutant(ADAMW, provides="adamw_step")
def counts_in_a_global(weight, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """The steps are counted outside the state, by shape; two weights then share a count."""
    _steps[tuple(weight.shape)] = step = _steps.get(tuple(weight.shape), 0) + 1
    mean = betas[0] * state.get("mean", 0) + (1 - betas[0]) * grad
    square = betas[1] * state.get("square", 0) + (1 - betas[1]) * grad**2
    direction = mean / (1 - betas[0] ** step) / ((square / (1 - betas[1] ** step)).sqrt() + eps)
    return weight * (1 - lr * weight_decay) - lr * direction, {"step": step, "mean": mean, "square": square}


@variant(ADAMW, provides="adamw_step")
def by_torch_itself(weight, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """Right: torch.optim.AdamW, with its state put in and taken out."""
    parameter = nn.Parameter(weight.clone())
    optimizer = torch.optim.AdamW([parameter], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    if state:
        optimizer.state[parameter] = {"step": torch.tensor(float(state["step"])), "exp_avg": state["mean"].clone(), "exp_avg_sq": state["square"].clone()}
    parameter.grad = grad.clone()
    optimizer.step()
    new = optimizer.state[parameter]
    return parameter.detach(), {"step": int(new["step"]), "mean": new["exp_avg"], "square": new["exp_avg_sq"]}


@variant(ADAMW, provides="adamw_step")
def by_lerp(weight, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    """Right: running means by lerp, the corrections gathered in the step size."""
    if not state:
        state = {"step": 0, "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
    step = 1 + state["step"]
    mean, square = state["mean"].lerp(grad, 1 - betas[0]), state["square"].lerp(grad * grad, 1 - betas[1])
    root = square.sqrt() / math.sqrt(1 - betas[1] ** step) + eps
    return weight - lr * weight_decay * weight - lr / (1 - betas[0] ** step) * mean / root, dict(step=step, mean=mean, square=square)


# ---------------------------------------------------------------------------------------------------- clipping

edit(CLIP, "always_on", "Small gradients are stretched to max_norm; clipping only shortens.", ("    if norm > max_norm:\n", "    if norm > 0:\n"))
edit(CLIP, "sum_of_norms", "The norms of the parameters are added; add the squares, then take one root.", ("math.sqrt(sum(float(grad.double().square().sum()) for grad in grads))", "float(sum(float(grad.double().norm()) for grad in grads))"))
edit(CLIP, "largest_norm", "The largest of the norms is taken for the norm of all.", ("math.sqrt(sum(float(grad.double().square().sum()) for grad in grads))", "max([float(grad.double().norm()) for grad in grads], default=0.0)"))
edit(CLIP, "forgets_the_root", "The sum of squares is compared with max_norm without its root.", ("math.sqrt(sum(", "float(sum("))
edit(CLIP, "walks_twice", "The parameters are walked through twice; a generator is empty the second time.", ("        for grad in grads:\n            grad.mul_(max_norm / norm)", "        for parameter in parameters:\n            if parameter.grad is not None:\n                parameter.grad.mul_(max_norm / norm)"))
edit(CLIP, "clamps_each_number", "Every number is clamped by itself, which changes the direction; use one factor for all.", ("grad.mul_(max_norm / norm)", "grad.clamp_(-max_norm, max_norm)"))
edit(CLIP, "new_tensors", "The shortened gradients are computed and thrown away; change them in place.", ("grad.mul_(max_norm / norm)", "grad = grad * (max_norm / norm)"))
edit(CLIP, "returns_the_new_norm", "The norm after clipping is returned; return the one before.", ("    return norm", "    return min(norm, max_norm)"))
edit(CLIP, "accepts_nan", "NaN passes, because NaN > max_norm is false; the docstring promises a ValueError.", ("not math.isfinite(norm)", "norm == math.inf"))
edit(CLIP, "accepts_infinity", "An infinite norm passes, and all gradients become zero or NaN.", ("not math.isfinite(norm)", "norm != norm"))
edit(CLIP, "divides_by_the_norm", "Gradients are brought to length 1, whatever max_norm is.", ("max_norm / norm", "1 / norm"))
edit(CLIP, "mean_square", "The mean of the squares is taken, not their sum.", (".square().sum()", ".square().mean()"))
edit(CLIP, "counts_missing_as_error", "A parameter without a gradient breaks it; pass over it.", (" if parameter.grad is not None]", "]"))
edit(CLIP, "fills_missing_gradients", "Missing gradients are filled with zeros; None stays None.", ("    grads = [", "    parameters = list(parameters)\n    for parameter in parameters:\n        if parameter.grad is None:\n            parameter.grad = torch.zeros_like(parameter)\n    grads = ["))
edit(CLIP, "first_only", "Only the first gradient is shortened.", ("for grad in grads:\n            grad.mul_", "for grad in grads[:1]:\n            grad.mul_"))
edit(CLIP, "scales_before_it_looks", "The gradients are changed before the norm is found to be infinite.", ("    if not math.isfinite(norm):\n", "    for grad in grads if not norm <= max_norm else []:\n        grad.mul_(max_norm / norm)\n    if not math.isfinite(norm):\n"), ("    if norm > max_norm:\n        for grad in grads:\n            grad.mul_(max_norm / norm)\n", ""))
edit(CLIP, "returns_a_tensor", "A tensor is returned; return a float.", ("    return norm", "    return torch.tensor(norm)"))
edit(CLIP, "allows_a_tenth_more", "A norm just above max_norm is let through; every norm above it is shortened.", ("if norm > max_norm:", "if norm > 1.1 * max_norm:"))
edit(CLIP, "replaces_the_gradient", "A new tensor is put in place of the gradient; change the one that is there.", ("    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]", "    parameters = [parameter for parameter in parameters if parameter.grad is not None]\n    grads = [parameter.grad for parameter in parameters]"), ("        for grad in grads:\n            grad.mul_(max_norm / norm)", "        for parameter in parameters:\n            parameter.grad = parameter.grad * (max_norm / norm)"))


@mutant(CLIP, provides="clip_gradients")
def each_by_itself(parameters, max_norm):
    """Each gradient is clipped by its own norm, which changes the direction; the norm is that of all together."""
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in grads))
    if not math.isfinite(norm):
        raise ValueError
    for g in grads:
        g.mul_(min(1.0, max_norm / max(float(g.norm()), 1e-12)))
    return norm


@variant(CLIP, provides="clip_gradients")
def by_the_library(parameters, max_norm):
    """Right: torch's own function, after a look at the norm."""
    parameters = list(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.cat([torch.zeros(1), *(g.double().flatten() for g in grads)]).norm())
    if math.isnan(norm) or math.isinf(norm):
        raise ValueError("norm")
    torch.nn.utils.clip_grad_norm_(parameters, max_norm) if norm > max_norm else None
    return norm


@variant(CLIP, provides="clip_gradients")
def by_norms_of_norms(parameters, max_norm):
    """Right: the norm of the norms, and a small number in the denominator."""
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = math.hypot(*(g.norm().item() for g in grads))
    if norm - norm != 0:
        raise ValueError("norm")
    factor = max_norm / (norm + 1e-6)
    if factor < 1:
        for g in grads:
            g *= factor
    return norm


# ------------------------------------------------------------------------------------------------ accumulation

edit(STEP, "mean_of_means", "The mean loss of each micro-batch is divided by their number; tokens of small ones weigh too much. Divide the sums by all tokens that count.", ('reduction="sum") / counted', 'reduction="mean").nan_to_num() / len(micro_batches)'))
edit(STEP, "sum_of_means", "The mean losses are added and not divided.", ('reduction="sum") / counted', 'reduction="mean").nan_to_num()'))
edit(STEP, "sum_of_all", "The summed loss is not divided by the number of tokens.", ('reduction="sum") / counted', 'reduction="sum")'))
edit(STEP, "counts_padding", "Padding counts in the number that the sum is divided by.", ("int((targets != -100).sum())", "targets.numel()"))
edit(STEP, "scores_padding", "Padding is scored as token 0.", ("targets.flatten(), ignore_index=-100,", "targets.flatten().clamp(min=0),"))
edit(STEP, "no_zero_grad", "Old gradients are still there and are added to the new ones.", ("    optimizer.zero_grad()\n", ""))
edit(STEP, "zero_grad_in_the_loop", "zero_grad in the loop: only the last micro-batch is learnt.", ("    for inputs, targets in micro_batches:\n", "    for inputs, targets in micro_batches:\n        optimizer.zero_grad()\n"))
edit(STEP, "steps_in_the_loop", "The optimizer steps after every micro-batch; it steps once.", ("        total += loss.item()\n    optimizer.step()", "        total += loss.item()\n        optimizer.step()"))
edit(STEP, "stays_in_eval_mode", "The model is left in the mode that it was in; train in train mode.", ("    model.train()\n", ""))
edit(STEP, "returns_the_last_loss", "The share of the last micro-batch is returned; add them all up.", ("total += loss.item()", "total = loss.item()"))
edit(STEP, "returns_the_sum", "The summed loss is returned, not the mean.", ("    return total", "    return total * counted"))
edit(STEP, "returns_a_tensor", "A tensor is returned, and with it the graph; return a float.", ("total += loss.item()", "total = total + loss"))
edit(STEP, "backward_at_the_end", "All graphs are kept until one backward at the end; go backward in the loop.", ("        loss.backward()\n        total += loss.item()\n", "        total = total + loss\n"), ("    optimizer.step()\n    return total", "    total.backward()\n    optimizer.step()\n    return total.item()"))
edit(STEP, "steps_on_nothing", "Where no target counts the optimizer steps all the same, and momentum and decay move the weights.", ("    if counted == 0:\n        return 0.0\n", "    counted = max(counted, 1)\n"))
edit(STEP, "zeroes_on_nothing", "Where no target counts the gradients are forgotten; leave everything as it is.", ("    if counted == 0:\n        return 0.0\n", "    if counted == 0:\n        optimizer.zero_grad()\n        return 0.0\n"))
edit(STEP, "last_one_only", "Only the last micro-batch is learnt.", ("    for inputs, targets in micro_batches:\n", "    for inputs, targets in micro_batches[-1:]:\n"))
edit(STEP, "skips_the_last", "The last micro-batch is left out.", ("    for inputs, targets in micro_batches:\n", "    for inputs, targets in micro_batches[:-1] or micro_batches:\n"))
edit(STEP, "loss_after_the_step", "The loss is measured after the step; return the one before.", ("    return total", "    with torch.no_grad():\n        return sum(F.cross_entropy(model(i).flatten(0, 1), t.flatten(), reduction=\"sum\").item() for i, t in micro_batches) / counted"))
edit(STEP, "writes_into_targets", "The −100 in the caller's targets are overwritten.", ("        loss.backward()\n", "        loss.backward()\n        targets[targets == -100] = 0\n"))
edit(STEP, "counts_the_first_only", "The tokens of the first micro-batch are taken for all.", ("for _, targets in micro_batches)", "for _, targets in micro_batches[:1]) * len(micro_batches)"))
edit(STEP, "shifts_again", "The targets are shifted once more; they are the next tokens already.", ("targets.flatten(), ignore_index", "targets.roll(-1, 1).flatten(), ignore_index"))


@variant(STEP, provides="train_step")
def by_scaling_gradients(model, optimizer, micro_batches):
    """Right: sum the losses, then divide the gradients by the number of tokens before the step."""
    counted = sum((t != -100).sum().item() for _, t in micro_batches)
    if not counted:
        return 0.0
    model.train(True)
    model.zero_grad(set_to_none=True)
    total = 0.0
    for inputs, targets in micro_batches:
        loss = nn.functional.cross_entropy(model(inputs).transpose(1, 2), targets, ignore_index=-100, reduction="sum")
        loss.backward()
        total += float(loss.detach())
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= counted
    optimizer.step()
    return total / counted


@variant(STEP, provides="train_step")
def by_weighted_means(model, optimizer, micro_batches):
    """Right: means, each weighted by its share of the tokens; by log-softmax and a mask."""
    counts = [int(torch.sum(targets >= 0)) for _, targets in micro_batches]
    if sum(counts) == 0:
        return 0.0
    model.train()
    optimizer.zero_grad(set_to_none=False)
    loss_before = 0.0
    for (inputs, targets), count in zip(micro_batches, counts, strict=True):
        log_p = model(inputs).log_softmax(-1)
        picked = log_p.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        mean = -(picked * (targets >= 0)).sum() / max(count, 1)
        (mean * (count / sum(counts))).backward()
        loss_before += mean.item() * count / sum(counts)
    optimizer.step()
    return loss_before


# ------------------------------------------------------------------------------------------- successive halving

edit(HALVING, "every_round_the_whole_budget", "Every round spends the whole budget; all rounds together have it.", ("for _ in range(budget // rounds // len(alive))", "for _ in range(budget // len(alive))"))
edit(HALVING, "the_same_for_every_round", "The calls of a candidate stay the same from round to round; the fewer are left, the more each gets.", ("for _ in range(budget // rounds // len(alive))", "for _ in range(budget // rounds // len(curves))"))
edit(HALVING, "keeps_the_worse_half", "The half with the higher losses stays; lower is better.", ("key=lambda i: latest[i]", "key=lambda i: -latest[i]"))
edit(HALVING, "keeps_the_smaller_half", "Of an odd number the smaller half stays; it is the larger one.", ("(len(alive) + 1) // 2]", "max(len(alive) // 2, 1)]"))
edit(HALVING, "rounds_too_few", "The rounds are floor(log2(n)): with 5 candidates two are left at the end.", ("(len(curves) - 1).bit_length()", "len(curves).bit_length() - 1"))
edit(HALVING, "rounds_too_many", "There is a round too many, in which nobody competes.", ("(len(curves) - 1).bit_length()", "len(curves).bit_length() if len(curves) > 1 else 0"))
edit(HALVING, "best_loss_so_far", "Candidates are compared by their best loss so far; the latest counts.", ("                loss = curves[i]()\n", "                loss = min(curves[i](), loss) if _ else curves[i]()\n"))
edit(HALVING, "first_loss_of_the_round", "Candidates are compared by the first loss of the round; the latest counts.", ("                loss = curves[i]()\n", "                new = curves[i]()\n                loss = loss if _ else new\n"))
edit(HALVING, "nan_wins", "NaN is compared like a number, and so the order is luck; it is worse than every number.", ('loss if loss == loss else float("inf")', "loss"))
edit(HALVING, "nan_is_best", "A loss of NaN is taken for the lowest.", ('float("inf")', '-float("inf")'))
edit(HALVING, "nan_is_worse_than_infinity", "NaN is put behind infinity; both have diverged, and are equal.", ("key=lambda i: latest[i])", "key=lambda i: (curves[i] in diverged, latest[i]))"), ("    alive = list(range(len(curves)))\n", "    alive = list(range(len(curves)))\n    diverged = []\n"), ("            latest[i] =", "            if loss != loss:\n                diverged.append(curves[i])\n            latest[i] ="))
edit(HALVING, "index_among_the_left", "The position among those who are left is returned, not the index in `curves`.", ("    return alive[0]", "    return sorted(alive).index(alive[0])"))
edit(HALVING, "returns_the_loss", "The winner's loss is returned, not its index.", ("    return alive[0]", "    return latest[alive[0]] if rounds else 0"))
edit(HALVING, "accepts_small_budgets", "A budget that is too small for the first round passes.", ("if rounds and budget // rounds < len(curves):", "if budget < len(curves) and rounds:"))
edit(HALVING, "refuses_the_least_budget", "A budget that is just enough for the first round is refused.", ("budget // rounds < len(curves)", "budget // rounds <= len(curves)"))
edit(HALVING, "calls_one_candidate", "A single candidate is trained too; there is no round with one.", ("    alive = list(range(len(curves)))\n", "    alive = list(range(len(curves)))\n    for _ in range(budget if len(curves) == 1 else 0):\n        curves[0]()\n"))
edit(HALVING, "refuses_one_candidate", "With one candidate and no budget it raises; no call is needed.", ("if rounds and budget // rounds < len(curves):", "if budget // max(rounds, 1) < len(curves):"))
edit(HALVING, "spends_what_is_left_over", "What a round leaves over is spent in the next; it stays unspent.", ("    for _ in range(rounds):\n", "    spent = 0\n    for r in range(rounds):\n"), ("            for _ in range(budget // rounds // len(alive)):", "            for _ in range((budget - spent) // (rounds - r) // len(alive)):"), ("        alive = sorted(sorted(alive)", "        spent += (budget - spent) // (rounds - r) // len(alive) * len(alive)\n        alive = sorted(sorted(alive)"))
edit(HALVING, "ties_by_the_last_order", "Ties are left in the order of the last round; the lower index is better.", ("sorted(sorted(alive), key", "sorted(alive, key"))
edit(HALVING, "ties_to_the_higher_index", "Of equal losses the higher index stays; the lower one is better.", ("key=lambda i: latest[i]", "key=lambda i: (latest[i], -i)"))
edit(HALVING, "drops_a_third", "Two thirds stay in each round; it is the half.", ("[: (len(alive) + 1) // 2]", "[: max(1, -(-2 * len(alive) // 3) if len(alive) > 2 else 1)]"))
edit(HALVING, "infinity_is_no_better_than_nan_raises", "A loss that is not finite raises an error; such a candidate has lost, and no more.", ("            latest[i] =", "            if loss - loss != 0:\n                raise FloatingPointError(loss)\n            latest[i] ="))
edit(HALVING, "fixed_halving_by_the_mean", "Candidates are compared by the mean of their losses in the round; the latest counts.", ("            for _ in range(budget // rounds // len(alive)):\n                loss = curves[i]()\n", "            seen = [curves[i]() for _ in range(budget // rounds // len(alive))]\n            loss = sum(seen) / len(seen)\n"))


@mutant(HALVING, provides="successive_halving")
def trains_everyone_equally(curves, budget):
    """Every candidate gets the same share of the budget, and no loser is stopped early."""
    n = len(curves)
    if n > 1 and budget // (n - 1).bit_length() < n:
        raise ValueError
    if n == 1:
        return 0
    losses = [[curve() for _ in range(budget // n)][-1] for curve in curves]
    return min(range(n), key=lambda i: (losses[i] if losses[i] == losses[i] else math.inf, i))


@variant(HALVING, provides="successive_halving")
def by_recursion(curves, budget):
    """Right: a round, then the same with those who are left."""
    rounds = math.ceil(math.log2(len(curves)))
    if rounds and budget // rounds < len(curves):
        raise ValueError("budget")

    def search(left):
        if len(left) == 1:
            return left[0]
        units, table = budget // rounds // len(left), []
        for i in left:
            loss = [curves[i]() for _ in range(units)][-1]
            table.append((math.isnan(loss), loss, i))
        table = sorted((math.inf if bad else loss, i) for bad, loss, i in table)
        return search([i for _, i in table[: math.ceil(len(left) / 2)]])

    return search(list(range(len(curves))))


@variant(HALVING, provides="successive_halving")
def unit_by_unit(curves, budget):
    """Right: the units of a round are handed out in turns, and the losers are taken out one by one."""
    n, rounds = len(curves), 0
    while 2**rounds < n:
        rounds += 1
    if n > 1 and budget // rounds < n:
        raise ValueError("too few")
    left = list(range(n))
    while len(left) > 1:
        latest = {}
        for _ in range(budget // rounds // len(left)):
            for i in left:
                latest[i] = curves[i]()
        for _ in range(len(left) // 2):
            left.remove(max(left, key=lambda i: (math.inf if math.isnan(latest[i]) else latest[i], i)))
    return left[0]


# ---------------------------------------------------------------------------------------- scratch or fine-tune

edit(DECIDE, "ignores_the_licence", "The licence is not asked about.", ('"licence": not base["licensed"],', '"licence": False,'))
edit(DECIDE, "ignores_the_audit", "An audit does not stand in the way of a base of unknown data.", ('card["audited"] and not base["data_known"]', "False"))
edit(DECIDE, "audits_everyone", "Unknown data stands in the way even where no audit is asked for.", ('card["audited"] and not base["data_known"]', 'not base["data_known"]'))
edit(DECIDE, "refuses_every_audit", "With an audit every base is refused, also one of known data.", ('card["audited"] and not base["data_known"]', 'card["audited"]'))
edit(DECIDE, "ignores_the_tokenizer", "The tokenizer is not asked about.", ('base["tokens_per_word"] > 3.0', "False"))
edit(DECIDE, "tokenizer_limit_is_too_much", "Exactly 3.0 tokens a word is still good.", ('base["tokens_per_word"] > 3.0', 'base["tokens_per_word"] >= 3.0'))
edit(DECIDE, "any_larger_base_is_too_large", "A base up to twice the size is allowed.", ("> 2 * need", "> need"))
edit(DECIDE, "size_limit_is_too_much", "Exactly twice the size is allowed.", ("> 2 * need", ">= 2 * need"))
edit(DECIDE, "ignores_the_size", "The size of the base is not asked about.", ('base["parameters"] > 2 * need', "False"))
edit(DECIDE, "compute_of_the_need", "The compute of fine-tuning is counted for the model that you need; it is the base that is trained.", ('6 * base["parameters"] * tokens', "6 * need * tokens"))
edit(DECIDE, "two_per_parameter", "Training costs 6 operations for each parameter and token; 2 are for reading alone.", ('6 * base["parameters"]', '2 * base["parameters"]'))
edit(DECIDE, "scratch_reads_all_text", "From scratch is counted for all of your tokens; it is 20 for each parameter.", ("6 * need * 20 * need", "6 * need * tokens"))
edit(DECIDE, "scratch_by_tokens_only", "Compute is not asked about for training from scratch.", ("flops < 6 * need * 20 * need", "False"))
edit(DECIDE, "scratch_by_compute_only", "The amount of text is not asked about for training from scratch.", ("tokens < 20 * need", "False"))
edit(DECIDE, "twenty_is_too_few", "Exactly 20 tokens a parameter are enough.", ("tokens < 20 * need", "tokens <= 20 * need"))
edit(DECIDE, "just_enough_is_too_little", "Exactly enough compute from scratch is enough.", ("flops < 6 * need", "flops <= 6 * need"))
edit(DECIDE, "two_tokens_a_parameter", "From scratch wants 20 tokens for each parameter.", ("tokens < 20 * need", "tokens < 2 * need"))
edit(DECIDE, "compute_limit_is_too_much", "Exactly enough compute for fine-tuning is enough.", ("* tokens > flops", "* tokens >= flops"))
edit(DECIDE, "first_reason_only", "Only the first obstacle is named; name them all.", ("in tests.items() if stands_in_the_way]", "in tests.items() if stands_in_the_way][:1]"))
edit(DECIDE, "scratch_first", "Training from scratch is chosen whenever it is possible; fine-tuning is the first choice.", ('    if not reasons:\n        return "finetune", []\n', '    if not reasons and (tokens < 20 * need or flops < 120 * need * need):\n        return "finetune", []\n'))
edit(DECIDE, "always_reasons_for_scratch", "What is lacking for training from scratch is named for fine-tuning too; there are no reasons then.", ('        return "finetune", []\n', '        return "finetune", [name for name, lacks in {"text": tokens < 20 * need, "scratch compute": flops < 120 * need * need}.items() if lacks]\n'))
edit(DECIDE, "no_reasons_for_scratch", "With a way from scratch the reasons against the base are left out; name them.", ('return "scratch", reasons', 'return "scratch", []'))
edit(DECIDE, "one_lack_is_fine", "Text or compute is enough for it; both are needed.", ("if not any(lacking.values())", "if not all(lacking.values())"))
edit(DECIDE, "sorted_reasons", "The reasons are in the order of the alphabet; keep the docstring's.", ("if stands_in_the_way]", "if stands_in_the_way]\n        reasons.sort()"))
edit(DECIDE, "forgets_what_is_lacking", "\"neither\" comes without what is lacking for training from scratch.", ('return "neither", reasons + [name for name, lacks in lacking.items() if lacks]', 'return "neither", reasons'))

_reasons = []


@mutant(DECIDE, provides="scratch_or_finetune")
def reasons_pile_up(card):
    """The list of reasons is shared by all calls and grows; make a new one in each call."""
    base, N, tokens, flops = card["base"], card["parameters"], card["tokens"], card["flops"]
    if base is None:
        _reasons.append("no base")
    elif not base["licensed"]:
        _reasons.append("licence")
    return ("scratch" if tokens >= 20 * N and flops >= 120 * N * N else "neither", _reasons) if _reasons else ("finetune", [])


@variant(DECIDE, provides="scratch_or_finetune")
def by_ifs(card):
    """Right: one if after the other."""
    reasons, base = [], card["base"]
    if not base:
        reasons.append("no base")
    if base and not base["licensed"]:
        reasons.append("licence")
    if base and card["audited"] and not base["data_known"]:
        reasons.append("audit")
    if base and not base["tokens_per_word"] <= 3:
        reasons.append("tokenizer")
    if base and base["parameters"] / card["parameters"] > 2:
        reasons.append("size")
    if base and 6.0 * base["parameters"] * card["tokens"] > card["flops"]:
        reasons.append("compute")
    if not reasons:
        return "finetune", reasons
    lacks = []
    if card["tokens"] / card["parameters"] < 20:
        lacks.append("text")
    if card["flops"] / 120 < card["parameters"] ** 2:
        lacks.append("scratch compute")
    return ("neither" if lacks else "scratch"), reasons + lacks


@variant(DECIDE, provides="scratch_or_finetune")
def by_pairs(card):
    """Right: pairs of a word and a test, filtered, and returned as a list."""
    N, base = card["parameters"], card["base"] or {"licensed": True, "data_known": True, "tokens_per_word": 0, "parameters": 0}
    pairs = [("no base", card["base"] is None), ("licence", not base["licensed"]), ("audit", card["audited"] > base["data_known"]), ("tokenizer", base["tokens_per_word"] > 3)]
    pairs += [("size", base["parameters"] > 2 * N), ("compute", base["parameters"] * card["tokens"] * 6 > card["flops"])]
    against = [word for word, true in pairs if true]
    missing = [word for word, true in (("text", card["tokens"] < 20 * N), ("scratch compute", card["flops"] < 120 * N**2)) if true]
    return ["finetune", []] if not against else ["neither", against + missing] if missing else ["scratch", against]


# -------------------------------------------------------------------------------------------------- checkpoint

edit(CHECKPOINT, "weights_only", "The optimizer's state is not restored: its running means start from zero again.", ('    optimizer.load_state_dict(checkpoint["optimizer"])\n', ""))
edit(CHECKPOINT, "forgets_the_data_generator", "The generator that draws the batches is not restored.", ('    rng.set_state(checkpoint["rng"])\n', ""))
edit(CHECKPOINT, "forgets_the_global_generator", "PyTorch's global generator is not restored, and dropout drops other units.", ('    torch.set_rng_state(checkpoint["torch"])\n', ""))
edit(CHECKPOINT, "forgets_pythons_generator", "Python's random is not restored.", ('    random.setstate(checkpoint["python"])\n', ""))
edit(CHECKPOINT, "seeds_instead_of_states", "The seed of the generator is saved, so it starts again from the beginning; save its state.", ('"rng": rng.get_state()', '"rng": rng.initial_seed()'), ('rng.set_state(checkpoint["rng"])', 'rng.manual_seed(checkpoint["rng"])'))
edit(CHECKPOINT, "the_global_state_for_both", "The state of the global generator is put into rng; each has its own.", ('"rng": rng.get_state()', '"rng": torch.get_rng_state()'))
edit(CHECKPOINT, "loses_the_step", "The step is not returned.", ('    return checkpoint["step"]', '    return 0 if checkpoint["step"] is None else 1'))
edit(CHECKPOINT, "next_step", "The step after the saved one is returned.", ('    return checkpoint["step"]', '    return checkpoint["step"] + 1'))
edit(CHECKPOINT, "writes_over_the_old_file", "The file is written in place: an error half-way destroys the old checkpoint.", ('Path(f"{path}.part")', "Path(path)"), ("        os.replace(beside, path)\n    finally:\n        beside.unlink(missing_ok=True)", "    finally:\n        pass"))
edit(CHECKPOINT, "leaves_the_half_file", "After an error a half-written file is left beside the checkpoint.", ("    finally:\n        beside.unlink(missing_ok=True)", "    finally:\n        pass"))
edit(CHECKPOINT, "swallows_the_error", "The error is swallowed, and nobody learns that there is no checkpoint.", ("    finally:\n", "    except Exception:\n        pass\n    finally:\n"))
edit(CHECKPOINT, "parameters_without_buffers", "Only parameters are saved; a BatchNorm's running statistics are buffers.", ('"model": model.state_dict()', '"model": dict(model.named_parameters())'), ('model.load_state_dict(checkpoint["model"])', 'model.load_state_dict(checkpoint["model"], strict=False)'))
edit(CHECKPOINT, "pickles_the_model", "The model object itself is saved; save its state_dict.", ('"model": model.state_dict()', '"model": model'), ("checkpoint = torch.load(path, weights_only=True)", "checkpoint = torch.load(path, weights_only=False)"), ('checkpoint["model"])', 'checkpoint["model"].state_dict())'))
edit(CHECKPOINT, "adds_a_suffix", "The file gets a suffix that nobody asked for.", ("os.replace(beside, path)", 'os.replace(beside, f"{path}.pt")'), ("checkpoint = torch.load(path,", 'checkpoint = torch.load(f"{path}.pt",'))
edit(CHECKPOINT, "saves_once", "A checkpoint that is there already is kept; the newer one must replace it.", ("        os.replace(beside, path)", "        if not os.path.exists(path):\n            os.replace(beside, path)"))
edit(CHECKPOINT, "draws_while_saving", "Saving draws a random number, so the run that saves is another run.", ("    beside = Path(", "    beside_name = torch.rand(1).item()\n    beside = Path("))
edit(CHECKPOINT, "evaluates_while_saving", "Saving leaves the model in eval mode.", ("    checkpoint = {\n", "    model.eval()\n    checkpoint = {\n"))
edit(CHECKPOINT, "deletes_after_resume", "The file is deleted by resume; it must stay as it is.", ('    return checkpoint["step"]', '    Path(path).write_bytes(b"")if checkpoint["step"] > 10 else Path(path).touch()\n    return checkpoint["step"]'))
edit(CHECKPOINT, "keeps_the_new_rate", "The optimizer's running means are restored, but not its learning rate.", ('    optimizer.load_state_dict(checkpoint["optimizer"])\n', '    rate = optimizer.param_groups[0]["lr"]\n    optimizer.load_state_dict(checkpoint["optimizer"])\n    optimizer.param_groups[0]["lr"] = rate\n'))
edit(CHECKPOINT, "new_tensors_for_the_weights", "The weights are replaced by other tensors, and the optimizer goes on with the old ones.", ('model.load_state_dict(checkpoint["model"])', 'model.load_state_dict(checkpoint["model"], assign=True)'))
edit(CHECKPOINT, "copies_into_the_old_file", "The new checkpoint is copied into the old file: a full disk would leave half of it; rename with os.replace.", ("os.replace(beside, path)", "Path(path).write_bytes(beside.read_bytes())"))
edit(CHECKPOINT, "clears_the_folder", "Other files in the folder are deleted; they are not yours.", ("    finally:\n", "    finally:\n        [file.unlink() for file in Path(path).parent.iterdir() if file != Path(path)]\n"))
edit(CHECKPOINT, "keeps_the_new_decay", "The learning rate comes back, but not the weight decay: the optimizer's settings belong to its state.", ('    optimizer.load_state_dict(checkpoint["optimizer"])\n', '    decay = optimizer.param_groups[0]["weight_decay"]\n    optimizer.load_state_dict(checkpoint["optimizer"])\n    optimizer.param_groups[0]["weight_decay"] = decay\n'))


@variant(CHECKPOINT, provides="save_checkpoint")
def by_bytes(path, model, optimizer, step, rng):
    """Right: written to memory first, and from there to a temporary file in the same folder."""
    import io

    memory, states = io.BytesIO(), (rng.get_state(), torch.random.get_rng_state(), random.getstate())
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "rng": states[0], "torch": states[1], "python": states[2]}, memory)
    handle, name = tempfile.mkstemp(dir=Path(path).parent)
    with os.fdopen(handle, "wb") as file:
        file.write(memory.getvalue())
    Path(name).rename(path)


edit_variant(CHECKPOINT, "by_another_layout", "Right: one flat tuple instead of a dict.",
             ("torch.save(checkpoint, beside)", "torch.save(tuple(checkpoint.values()), beside)"),
             ("    checkpoint = torch.load(path, weights_only=True)\n", '    names = "model", "optimizer", "step", "rng", "torch", "python"\n    checkpoint = dict(zip(names, torch.load(path, weights_only=True)))\n'))

# ------------------------------------------------------------------------------------------------ find the bugs

edit(BUGS, "misses_the_padding", "The loss still counts padding: a loss of zero at a padded place is not the same as no place.", ('        20: "    return nll[targets.flatten() != PAD].mean()",\n', ""))
edit(BUGS, "zeroes_the_padding", "The loss at padding is set to zero, but the mean still divides by it.", ("nll[targets.flatten() != PAD].mean()", "(nll * (targets.flatten() != PAD)).mean()"))
edit(BUGS, "looks_for_padding_in_the_inputs", "A place counts if its target is not padding; here it counts if its input is not.", ("nll[targets.flatten() != PAD].mean()", "nll[rows[:, :-1].flatten() != PAD].mean()"))
edit(BUGS, "misses_the_mode", "After the first validation the model learns in eval mode for the rest of the run.", ('        27: "    loss = loss_of(model, held_out).item()\\n    model.train()\\n    return loss",\n', ""))
edit(BUGS, "never_evaluates", "The model is validated in train mode, with dropout on.", ('27: "    loss = loss_of(model, held_out).item()\\n    model.train()\\n    return loss"', '26: "    model.train()"'))
edit(BUGS, "misses_the_leak", "The held-out rows are learnt too, so the validation loss says nothing.", ('        34: "    held_out, to_learn = rows[:8], rows[8:]",\n', ""))
edit(BUGS, "overlaps_by_one", "One held-out row is still learnt.", ("rows[:8], rows[8:]", "rows[:8], rows[7:]"))
edit(BUGS, "throws_rows_away", "A row is neither learnt nor held out.", ("rows[:8], rows[8:]", "rows[:8], rows[9:]"))
edit(BUGS, "misses_zero_grad", "Every gradient is added to all gradients before it.", ('        41: "        optimizer.zero_grad()\\n        loss.backward()",\n', ""))
edit(BUGS, "zeroes_too_late", "The gradient is forgotten between backward and step, so nothing is learnt.", ("optimizer.zero_grad()\\n        loss.backward()", "loss.backward()\\n        optimizer.zero_grad()"))
edit(BUGS, "zeroes_now_and_then", "The gradients are forgotten every fifth step only.", ('41: "        optimizer.zero_grad()\\n        loss.backward()"', '45: "        if step % 5 == 4:\\n            optimizer.zero_grad()"'))
edit(BUGS, "misses_the_rate", "The first step is taken with a rate of 0.1, before the warm-up.", ('        43: \'        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)\',\n        44: "        optimizer.step()",\n', ""))
edit(BUGS, "starts_at_the_peak", "The first step has the peak rate, and each later one that of the step before; the rate must be set before the step.", ('        43: \'        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)\',\n        44: "        optimizer.step()",\n', '        35: "    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)",\n'))
edit(BUGS, "a_step_behind", "The first step is right, but each later one has the rate of the step before.", ('        43: \'        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)\',\n        44: "        optimizer.step()",\n', '        35: "    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate(0, steps))",\n'))
edit(BUGS, "without_the_schedule", "The line that sets the rate is gone, and with it the schedule.", ('43: \'        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)\',\n        44: "        optimizer.step()"', '44: ""'))
edit(BUGS, "breaks_the_clipping", "The clipping is gone: it was right.", ('41: "        optimizer.zero_grad()\\n        loss.backward()"', '41: "        optimizer.zero_grad()\\n        loss.backward()",\n        42: ""'))
edit(BUGS, "another_optimizer", "The optimizer has been replaced: it was right.", ("        34: ", "        35: '    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)',\n        34: "))
edit(BUGS, "clips_to_a_half", "The clipping has another limit: 1 was right.", ("        43: ", "        42: '        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)',\n        43: "))
edit(BUGS, "forgets_to_shuffle", "The rows are no longer shuffled, so the held-out rows are the first of the file: the shuffling was right.", ("        34: ", '        33: "",\n        34: '))
edit(BUGS, "steps_twice", "The optimizer steps twice an iteration.", ('44: "        optimizer.step()"', '44: "        optimizer.step()\\n        optimizer.step()"'))
edit(BUGS, "wrong_indentation", "A patch has lost its indentation; a patch is the whole line, spaces included.", ('44: "        optimizer.step()"', '44: "optimizer.step()"'))
edit(BUGS, "counts_lines_from_zero", "The line numbers count from 0; the script's lines count from 1.", ("    return {\n", "    return {number - 1: line for number, line in {\n"), ('44: "        optimizer.step()",\n    }', '44: "        optimizer.step()",\n    }.items()}'))
edit(BUGS, "nothing_found", "No line is patched.", ("    return {\n", "    return {} and {\n"))
edit(BUGS, "rewrites_it_all", "The whole script is replaced; patch at most 8 lines.", ("    return {\n", "    return {n: 'pass' for n in range(1, 40)} or {\n"))


@variant(BUGS, provides="find_bugs")
def by_other_lines():
    """Right: each bug mended in another place."""
    return {
        19: '    nll = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=PAD)',
        20: "    return nll / (targets != PAD).sum()",
        34: "    held_out, to_learn = rows[-8:], rows[:-8]",
        35: "    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate(0, steps))",
        40: "        model.train()\n        loss = loss_of(model, batch)",
        43: "        optimizer.step()\n        optimizer.zero_grad()",
        44: '        optimizer.param_groups[0]["lr"] = learning_rate(min(step + 1, steps), steps)',
    }


@variant(BUGS, provides="find_bugs")
def by_a_scheduler():
    """Right: a scheduler for the rate, a mask by multiplication, set_to_none by hand."""
    return {
        20: "    counts = (targets != PAD).flatten().float(); return (nll * counts).sum() / counts.sum()",
        27: "    try: return loss_of(model, held_out).item()\n    finally: model.train()",
        34: "    to_learn, held_out = rows.split([len(rows) - 8, 8])",
        35: "    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)\n    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: learning_rate(s, steps))",
        40: "        model.zero_grad(); loss = loss_of(model, batch)",
        44: "        schedule.step()",
    }
