"""Checks for p2_4_training_from_scratch.

Oracles: the definitions step by step in plain Python or float64, and torch.optim for AdamW and SGD.
"""

import itertools
import math
import random

import pytest
import torch
from handbook.buggy_training import MOST_LINES, MOST_PATCHES, patched
from torch import nn

from grader.judge import Exercise, core, expect


def wake_optimizers():
    """PyTorch imports a lot with its first optimizer: not within the time of a learner's call."""
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)


def gist(value):
    """What a fingerprint keeps of tensors: two sums that hardly any mistake leaves as they are."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        flat = value.double().flatten()
        return [float(flat.abs().sum()), float(flat @ torch.arange(1.0, len(flat) + 1, dtype=torch.float64).cos())]
    return [gist(item) for item in value] if isinstance(value, list | tuple) else value


# ------------------------------------------------------------------------------------------------ learning rate


def rate_by_hand(step, total, warmup, peak, floor=0.0):
    """The learning rate of a step: the way up, the way down as a squared cosine, the floor."""
    if step >= total:
        return floor
    if step <= warmup:
        return peak / (warmup + 1) * (step + 1)
    share = math.cos(math.pi / 2 * (step - warmup) / (total - 1 - warmup)) ** 2
    return share * peak + (1 - share) * floor


def compare_rates(submission, cases, why):
    for case, got in zip(cases, submission.each("lr_schedule", cases), strict=True):
        want = rate_by_hand(*case)
        expect.close(got, want, atol=1e-6 * case[3], rtol=1e-5, why=why)


def plans(dice, number):
    """Runs of several lengths, with a peak and a floor of their own."""
    for _ in range(number):
        total = dice.randrange(9, 60)
        peak = 10 ** dice.uniform(-4, 1)
        yield total, dice.randrange(1, total - 4), peak, peak * dice.uniform(0.05, 0.6)


class TestLrSchedule(Exercise, id="training-lr-schedule"):
    """Exercise training-lr-schedule."""

    def probe(self, submission):
        """Whole runs with and without warm-up and floor, runs of one step, the last step as peak."""
        runs = [(8, 3, 1.0, 0.0), (8, 3, 1.0, 0.25), (7, 0, 0.1, 0.01), (5, 4, 2.0, 0.5), (1, 0, 3.0, 1.0), (9, 1, 0.2, 0.0)]
        cases = [(step, *run) for run in runs for step in range(run[0] + 3)]
        return list(submission.each("lr_schedule", [*cases, (6, 8, 3, 1.0), (9, 8, 3, 2.0), (-1, 8, 3, 1.0), (2, 8, 8, 1.0)]))

    @core
    def test_warms_up_in_equal_parts(self, submission, dice):
        """The first steps rise in equal parts, from 1 / (warmup + 1) of the peak, and step `warmup` has the peak."""
        cases = [(step, total, warmup, peak, floor) for total, warmup, peak, floor in plans(dice, 4) for step in range(warmup + 1)]
        compare_rates(submission, cases, "step s of the warm-up has (s + 1) / (warmup + 1) of the peak; the floor plays no part yet")

    @core
    def test_falls_along_a_cosine(self, submission, dice):
        """After the peak the rate falls along half a cosine wave, to the floor at the last step that is run."""
        cases = [(step, total, warmup, peak, floor) for total, warmup, peak, floor in plans(dice, 4) for step in range(warmup, total)]
        compare_rates(submission, cases, "the way down begins at step warmup and ends at step total - 1: that is total - 1 - warmup parts")

    def test_reaches_the_floor_and_stays(self, submission, dice):
        """Step total - 1 has the floor, and so has every step after it."""
        cases = [(total + later, total, warmup, peak, floor) for total, warmup, peak, floor in plans(dice, 4) for later in (-1, 0, 1, 2, 50, total)]
        compare_rates(submission, cases, "a cosine that runs on comes up again, and one that is a step too long never arrives")

    def test_the_floor_is_zero_unless_given(self, submission, dice):
        """Without a floor the rate falls to zero."""
        cases = [(step, 12, 4, 0.5) for step in range(14)]
        compare_rates(submission, cases, "the floor's default is 0")

    def test_without_a_warm_up_the_first_step_has_the_peak(self, submission):
        """With warmup = 0, step 0 has the peak, and the way down begins at once."""
        cases = [(step, total, 0, 0.3, 0.03) for total in (1, 2, 3, 11) for step in range(total + 1)]
        compare_rates(submission, cases, "step `warmup` is the peak; without a warm-up that is step 0")

    def test_a_warm_up_as_long_as_the_run(self, submission):
        """With warmup = total - 1 the last step has the peak, and the next one the floor."""
        cases = [(step, total, total - 1, 2.0, 0.5) for total in (1, 2, 6) for step in range(total + 2)]
        compare_rates(submission, cases, "there are no parts to divide the way down into: mind the division by zero")

    def test_refuses_what_is_no_step(self, submission):
        """A negative step, or a warm-up that does not fit the run, ends in a ValueError; the smallest run does not."""
        expect.close(submission.lr_schedule(0, 1, 0, 2.0), 2.0, why="step `warmup` has the peak, also in a run of one step")
        for case in ((-1, 8, 3, 1.0), (0, 8, 8, 1.0), (0, 8, -1, 1.0), (0, 0, 0, 1.0)):
            expect.raises("ValueError", submission.lr_schedule, *case, why="leave the given test where it is")


# ------------------------------------------------------------------------------------------------------- AdamW

PLAIN = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}


def walk(step, weight, grads, options):
    """The weights and states after each gradient (runs on the learner's side)."""
    state, seen = {}, []
    for grad in grads:
        weight, state = step(weight, grad, state, **options)
        seen.append((weight, dict(state)))
    return seen


def one_call(step, weight, grad, state, options):
    """One call, and what is then left of its arguments; whether new tensors share memory with old ones."""
    old = [weight, grad, *[value for value in state.values() if isinstance(value, torch.Tensor)]]
    new_weight, new_state = step(weight, grad, state, **options)
    new = [new_weight, *[value for value in new_state.values() if isinstance(value, torch.Tensor)]]
    shared = any(a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr() for a in old for b in new)
    twins = len({tensor.untyped_storage().data_ptr() for tensor in new}) < len(new)
    return weight, grad, dict(state), shared or twins, new_state is state


def by_torch(weight, grads, options):
    """The weights after each step of torch.optim.AdamW, with its running means."""
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.AdamW([parameter], **options)
    seen = []
    for grad in grads:
        parameter.grad = grad.clone()
        optimizer.step()
        state = optimizer.state[parameter]
        seen.append((parameter.detach().clone(), {"step": len(seen) + 1, "mean": state["exp_avg"].clone(), "square": state["exp_avg_sq"].clone()}))
    return seen


def compare_walk(submission, weight, grads, options, why, *, states=False):
    got = submission.run(walk, submission.adamw_step, weight, grads, options)
    for number, ((mine, state), (theirs, want)) in enumerate(zip(got, by_torch(weight, grads, options), strict=True), start=1):
        called = f"step {number} of adamw_step with {', '.join(f'{k}={v}' for k, v in options.items()) or 'the defaults'}"
        expect.close(mine, theirs, atol=1e-6, rtol=2e-5, why=why, called=called)
        if states:
            expect.close(state, want, atol=1e-7, rtol=2e-5, why=why, called=called)


def some_grads(rng, shape, steps, dtype=torch.float32):
    return [torch.randn(shape, generator=rng, dtype=dtype) * 10.0 ** (n % 3 - 1) for n in range(steps)]


class TestAdamwStep(Exercise, id="training-adamw-step"):
    """Exercise training-adamw-step."""

    def probe(self, submission):
        """Three steps at the defaults, with strong decay, with large eps, other betas, float64; the state; the arguments afterwards."""
        rng = torch.Generator().manual_seed(3)
        weight, grads = torch.randn(2, generator=rng), some_grads(rng, (2,), 3)
        runs = [{"lr": 0.1}, {**PLAIN, "weight_decay": 0.9}, {**PLAIN, "eps": 0.5}, {**PLAIN, "betas": (0.5, 0.7)}, {**PLAIN, "weight_decay": 0.0, "lr": 0.01}]
        walks = [submission.run(walk, submission.adamw_step, weight, grads, options) for options in runs]
        state = {"step": 2, "mean": grads[0], "square": grads[1] ** 2}
        return (
            walks[0],
            *([gist(weight) for weight, _ in seen] if isinstance(seen, list) else seen for seen in walks[1:]),
            str(getattr(submission.run(walk, submission.adamw_step, weight.double(), [grad.double() for grad in grads], PLAIN)[0][0], "dtype", "")),
            submission.run(one_call, submission.adamw_step, weight, grads[2], state, PLAIN),
            submission.run(one_call, submission.adamw_step, weight, grads[2], {}, {**PLAIN, "lr": 0.0, "weight_decay": 0.0}),
        )

    @core
    def test_the_first_step(self, submission, rng):
        """The first step moves every number by the learning rate, against the sign of its gradient."""
        weight, grad = torch.randn(3, 4, generator=rng), torch.randn(3, 4, generator=rng)
        compare_walk(submission, weight, [grad], {**PLAIN, "weight_decay": 0.0}, "are both running means corrected by 1 - beta ** step, with step = 1 now?")

    @core
    def test_many_steps_equal_torch(self, submission, rng):
        """Over eight steps every weight equals that of torch.optim.AdamW."""
        for shape in ((3, 2), (5,)):
            weight = torch.randn(shape, generator=rng)
            compare_walk(submission, weight, some_grads(rng, shape, 8), PLAIN, "does the state carry the step and both running means on?")

    def test_weight_decay_is_decoupled(self, submission, rng):
        """Weight decay shrinks the weight by lr * weight_decay, and stays out of the gradient and its running means."""
        weight = 5 * torch.randn(4, generator=rng)
        for lr in (0.1, 0.003):
            options = {**PLAIN, "weight_decay": 0.8, "lr": lr}
            compare_walk(submission, weight, some_grads(rng, (4,), 4), options, "weight decay in the gradient is L2, not AdamW; the factor is 1 - lr * weight_decay")

    def test_every_option_is_used(self, submission, rng):
        """The learning rate, both betas and eps are those of the call."""
        weight, grads = torch.randn(2, 3, generator=rng), some_grads(rng, (2, 3), 5)
        for change in ({"lr": 0.7}, {"betas": (0.5, 0.999)}, {"betas": (0.9, 0.6)}, {"betas": (0.0, 0.0)}, {"eps": 0.3}, {"eps": 1e-3}, {"weight_decay": 0.0}):
            compare_walk(submission, weight, grads, {**PLAIN, **change}, "eps is added to the root of the corrected square; betas[0] is for the mean, betas[1] for the square")

    def test_the_defaults(self, submission, rng):
        """Unless told otherwise: betas 0.9 and 0.999, eps 1e-8, weight decay 0.01."""
        weight, grads = 3 * torch.randn(6, generator=rng), some_grads(rng, (6,), 4)
        got = submission.run(walk, submission.adamw_step, weight, grads, {"lr": 0.5})
        expect.close([weight for weight, _ in got], [weight for weight, _ in by_torch(weight, grads, {**PLAIN, "lr": 0.5})], atol=1e-6, rtol=2e-5)

    def test_the_state_is_the_documented_one(self, submission, rng):
        """The state holds the steps taken and both running means as they are before the correction, under these names."""
        weight, grads = torch.randn(2, 2, generator=rng), some_grads(rng, (2, 2), 3)
        compare_walk(submission, weight, grads, PLAIN, "keep the uncorrected means; correct copies of them", states=True)

    def test_goes_on_from_a_state(self, submission, rng):
        """A step goes on from the state that it is given, whatever was called before."""
        weight, grads = torch.randn(4, generator=rng), some_grads(rng, (4,), 6)
        want = by_torch(weight, grads, PLAIN)
        expect.close(submission.adamw_step(want[4][0], grads[5], want[4][1], **PLAIN)[0], want[5][0], atol=1e-6, why="everything is in the state; keep nothing between calls")
        expect.close(submission.adamw_step(want[1][0], grads[2], want[1][1], **PLAIN)[0], want[2][0], atol=1e-6, why="everything is in the state; keep nothing between calls")

    def test_zero_gradients_and_double_precision(self, submission, rng):
        """Gradients of zero move nothing but by decay, and float64 stays float64, to its precision."""
        weight = torch.randn(3, 2, generator=rng, dtype=torch.float64)
        grads = [torch.zeros(3, 2, dtype=torch.float64), *some_grads(rng, (3, 2), 3, torch.float64)]
        got = submission.run(walk, submission.adamw_step, weight, grads, PLAIN)
        for (mine, _), (theirs, _) in zip(got, by_torch(weight, grads, PLAIN), strict=True):
            expect.close(mine, theirs, atol=1e-12, rtol=1e-10, why="0 / (0 + eps) is 0; and don't go through float32")
            expect.true(getattr(mine, "dtype", None) == torch.float64, "a float64 weight must stay float64", got=mine)

    def test_leaves_its_arguments_alone(self, submission, rng):
        """Weight, gradient and state are the same afterwards, and the new ones share no memory with them."""
        weight, grad = torch.randn(3, generator=rng), torch.randn(3, generator=rng)
        state = {"step": 4, "mean": torch.randn(3, generator=rng), "square": torch.rand(3, generator=rng)}
        for before in (state, {}):
            *left, shared, same = submission.run(one_call, submission.adamw_step, weight, grad, before, PLAIN)
            expect.close(left, [weight, grad, before], atol=0, rtol=0, called="what is left of weight, grad and state", why="mul_ and add_ write into the tensor itself")
            expect.true(not shared, "what you return shares memory with an argument, or with each other", why="make new tensors")
            expect.true(not same, "the state that you return is the dict that came in", why="make a new dict")


# ---------------------------------------------------------------------------------------------------- clipping


def clip_all(clip, cases):
    """For each (gradients, limit, how to hand them over): the answer or "ValueError", the gradients, whether they are the same tensors."""
    seen = []
    for grads, limit, once in cases:
        parameters = [nn.Parameter(torch.zeros(2) if grad is None else torch.zeros_like(grad)) for grad in grads]
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = None if grad is None else grad.clone()
        before = [parameter.grad for parameter in parameters]
        try:
            norm = clip((parameter for parameter in parameters) if once else parameters, limit)
        except ValueError:
            norm = "ValueError"
        kept = all(parameter.grad is grad for parameter, grad in zip(parameters, before, strict=True))
        moved = any(bool(parameter.detach().any()) for parameter in parameters)
        seen.append((norm, [parameter.grad for parameter in parameters], kept, moved))
    return seen


def norm_by_hand(grads):
    return math.sqrt(math.fsum(number**2 for grad in grads if grad is not None for number in grad.double().flatten().tolist()))


def compare_clips(submission, cases, why):
    """Every case against the definition: norm, gradients, in place."""
    for (grads, limit, _), (norm, after, kept, moved) in zip(cases, submission.run(clip_all, submission.clip_gradients, cases), strict=True):
        want, called = norm_by_hand(grads), f"clip_gradients(..., {limit}) with gradients of norm {norm_by_hand(grads):.4g}"
        expect.close(norm, want, atol=1e-7, rtol=1e-4, why="return the common norm as it was before", called=called)
        expect.true(type(norm) is float, "the norm must be a float", got=norm)
        scale = min(1.0, limit / want) if want else 1.0
        expect.close(after, [grad if grad is None else grad * scale for grad in grads], atol=1e-9, rtol=2e-4, why=why, called=f"the gradients after {called}")
        expect.true(kept, "a gradient has been replaced by another tensor", why="change it in place: grad.mul_(factor)")
        expect.true(not moved, "a weight has changed", why="multiply the gradients, not the parameters")


def gradients(rng, norm, shapes=((2, 3), (4,), (1, 2, 2)), dtype=torch.float32):
    grads = [torch.randn(shape, generator=rng, dtype=dtype) for shape in shapes]
    return [grad * (norm / norm_by_hand(grads)) for grad in grads]


class TestClipGradients(Exercise, id="training-clip-gradients"):
    """Exercise training-clip-gradients."""

    def probe(self, submission):
        """Above, below and at the limit; None, no gradients; a generator; NaN and infinity; float64."""
        rng = torch.Generator().manual_seed(1)
        grads = gradients(rng, 5.0)
        odd = [grads[0], torch.tensor([1.0, math.inf]), grads[1]]
        cases = [
            (grads, 1.0, False), (grads, 4.0, True), (grads, 7.5, False), ([torch.tensor([3.0, 4.0])], 5.0, False), ([None, grads[0], None], 0.5, True),
            ([None], 1.0, False), ([], 1.0, False), (odd, 1.0, False), ([torch.tensor([math.nan]), grads[0]], 1.0, True), ([-grads[1].abs()], 0.1, False),
            ([grads[0].double()], 0.01, False), ([torch.zeros(3)], 1.0, False), (gradients(rng, 0.5), 0.4, True), (gradients(rng, 1.02), 1.0, False),
        ]  # fmt: skip
        return gist([submission.run(clip_all, submission.clip_gradients, [case]) for case in cases])

    @core
    def test_shortens_all_gradients_by_one_factor(self, submission, rng):
        """Above the limit all gradients are multiplied by the same factor, and their common norm is the limit."""
        cases = [(gradients(rng, norm), limit, False) for norm, limit in ((5.0, 1.0), (1.02, 1.0), (300.0, 0.25), (0.5, 0.1), (40.0, 30.0))]
        compare_clips(submission, cases, "one factor max_norm / norm for all, from the norm of all together")

    @core
    def test_leaves_small_gradients_alone(self, submission, rng):
        """At or below the limit no gradient changes."""
        cases = [(gradients(rng, norm), limit, False) for norm, limit in ((0.3, 1.0), (0.98, 1.0), (2.0, 2.5), (1e-4, 0.01))]
        cases += [([torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])], 5.0, False), ([torch.zeros(3)], 1.0, False)]
        compare_clips(submission, cases, "clipping only ever shortens: below the limit, nothing changes")

    def test_parameters_may_come_only_once(self, submission, rng):
        """model.parameters() is a generator: it can be walked through once."""
        compare_clips(submission, [(gradients(rng, 5.0), 1.0, True), (gradients(rng, 0.5), 1.0, True)], "the second walk through a generator finds nothing: make a list first")

    def test_passes_over_missing_gradients(self, submission, rng):
        """A parameter without a gradient is passed over; without any gradient the norm is 0."""
        first, second, _ = gradients(rng, 3.0)
        compare_clips(submission, [([None, first, None, second], 0.7, False), ([None, None], 1.0, False), ([], 1.0, True)], "a gradient of None stays None")

    def test_one_parameter_and_many(self, submission, rng):
        """The norm is that of all gradients together, for one parameter as for twelve."""
        cases = [(gradients(rng, 6.0, [(3, 5)]), 2.0, False), (gradients(rng, 6.0, [(2,)] * 12), 2.0, True), (gradients(rng, 6.0, [(), (1,)]), 2.0, False)]
        compare_clips(submission, cases, "add up the squares of all numbers, then take one root")

    def test_double_precision(self, submission, rng):
        """Gradients of float64 are clipped too, alone or beside float32."""
        mixed = [*gradients(rng, 3.0, [(2, 2)], torch.float64), *gradients(rng, 4.0, [(3,)])]
        compare_clips(submission, [(gradients(rng, 9.0, [(4,), (2, 3)], torch.float64), 1.0, False), (mixed, 2.0, False)], "multiply in place, in each gradient's own dtype")

    def test_refuses_what_is_not_finite(self, submission, rng):
        """An infinite norm or NaN ends in a ValueError, and no gradient has changed."""
        good = gradients(rng, 5.0, [(3,), (2,)])
        cases = [([good[0], torch.tensor([bad, 1.0]), good[1]], 1.0, once) for bad in (math.inf, -math.inf, math.nan) for once in (False, True)]
        for (grads, *_), (norm, after, *_) in zip(cases, submission.run(clip_all, submission.clip_gradients, cases), strict=True):
            expect.equal(norm, "ValueError", called="clip_gradients with an infinite number or NaN in a gradient", why="NaN > max_norm is false, so it passes every comparison: ask math.isfinite")
            expect.close(after, grads, atol=0, rtol=0, called="the gradients afterwards", why="look at the norm before you multiply anything")


# ------------------------------------------------------------------------------------------------ accumulation

IGNORE = -100


def accumulate(step, weights, rounds, momentum, stale, mode):
    """Run the rounds of micro-batches through a small model; what came back, what the model saw, and what is left (learner's side)."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.scores = nn.Embedding(*weights[0].shape), nn.Linear(weights[1].shape[1], weights[1].shape[0], bias=False)
            self.token.weight.data, self.scores.weight.data = weights[0].clone(), weights[1].clone()
            self.seen = []

        def forward(self, ids):
            grad = self.scores.weight.grad
            self.seen.append((list(ids.shape), self.training, torch.is_grad_enabled(), 0.0 if grad is None else float(grad.abs().sum())))
            return self.scores(self.token(ids)) * (1.0 if self.training else 3.0)  # in eval mode it is another model

    model = Net().train(mode)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=momentum, weight_decay=0.05)
    steps = []
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0) if stale else None
    results = []
    for micro_batches in rounds:
        results.append(step(model, optimizer, micro_batches))
    grads = [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()]
    return results, [model.token.weight.data, model.scores.weight.data], model.seen, len(steps), grads, rounds


def large_batch(weights, rounds, momentum):
    """Losses and weights by one large batch a round: all tokens that count in one long row, in float64."""
    token, scores = (torch.nn.Parameter(weight.double()) for weight in weights)
    optimizer = torch.optim.SGD([token, scores], lr=0.3, momentum=momentum, weight_decay=0.05)
    losses = []
    for micro_batches in rounds:
        pairs = [(i, t) for inputs, targets in micro_batches for i, t in zip(inputs.flatten().tolist(), targets.flatten().tolist(), strict=True) if t != IGNORE]
        inputs, targets = (torch.tensor(column) for column in zip(*pairs, strict=True))
        log_p = torch.log_softmax(token[inputs] @ scores.T, -1)
        loss = -log_p[torch.arange(len(targets)), targets].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses, [token.detach().float(), scores.detach().float()]


def micro_batch(rng, B, T, V, padding=0.0):
    inputs, targets = torch.randint(V, (2, B, T), generator=rng)
    targets[torch.rand(B, T, generator=rng) < padding] = IGNORE
    targets[0, 0] = 1  # at least one counts
    return inputs, targets


def small_weights(rng, V=7, C=4):
    return [1.5 * torch.randn(V, C, generator=rng), 1.5 * torch.randn(V, C, generator=rng)]


def flat(rounds):
    return [tensor for micro_batches in rounds for pair in micro_batches for tensor in pair]


def compare_steps(submission, rng, rounds, why, *, momentum=0.0, stale=False, mode=True):
    weights = small_weights(rng)
    losses, want = large_batch(weights, rounds, momentum)
    seen = submission.run(accumulate, submission.train_step, weights, rounds, momentum, stale, mode)
    expect.close(seen[0], losses, atol=1e-5, why=f"the loss: {why}", called="train_step(model, optimizer, micro_batches), call by call")
    expect.close(seen[1], want, atol=2e-5, why=why, called="the weights afterwards")
    return seen


class TestTrainStep(Exercise, id="training-accumulate"):
    """Exercise training-accumulate."""

    def probe(self, submission):
        """One micro-batch; ragged ones; two calls with momentum; stale gradients; eval mode; nothing to count; an empty one in between."""
        rng = torch.Generator().manual_seed(8)
        weights, pad = small_weights(rng), torch.full((2, 3), IGNORE)
        one, two, three = micro_batch(rng, 2, 3, 7), micro_batch(rng, 3, 5, 7, 0.7), micro_batch(rng, 1, 2, 7)
        plays = [
            ([[one]], 0.0, False, True), ([[one, two, three]], 0.0, False, True), ([[two], [one, three]], 0.9, False, True), ([[one, two]], 0.0, True, True),
            ([[one, three]], 0.0, False, False), ([[(one[0], pad)]], 0.9, True, True), ([[one, (one[0], pad), two]], 0.0, False, True), ([[one], [(one[0], pad)]], 0.9, True, False),
            ([[]], 0.0, True, True),
        ]  # fmt: skip
        ends = [submission.run(accumulate, submission.train_step, weights, *play) for play in plays]
        kept = [(*end[:5], all(map(torch.equal, flat(end[5]), flat(play[0])))) if isinstance(end, list | tuple) else end for end, play in zip(ends, plays, strict=True)]
        return gist(kept)

    @core
    def test_one_micro_batch(self, submission, rng):
        """With a single micro-batch it is an ordinary step on the mean loss of its tokens."""
        for padding in (0.0, 0.4):
            compare_steps(submission, rng, [[micro_batch(rng, 3, 4, 7, padding)]], "the sum over targets that count, divided by how many there are")

    @core
    def test_equals_one_large_batch(self, submission, rng):
        """Micro-batches of one size without padding give the step of one large batch."""
        compare_steps(submission, rng, [[micro_batch(rng, 2, 3, 7) for _ in range(3)]], "gradients of all micro-batches add up to that of the mean over all tokens")

    def test_ragged_micro_batches(self, submission, rng):
        """Micro-batches of different size and padding still give the step of one large batch: every token weighs the same."""
        for sizes in (((4, 6, 0.1), (1, 2, 0.0)), ((1, 3, 0.6), (3, 5, 0.8), (2, 2, 0.0)), ((2, 1, 0.0), (1, 8, 0.9))):
            compare_steps(submission, rng, [[micro_batch(rng, B, T, 7, padding) for B, T, padding in sizes]], "a mean of means gives the tokens of a small micro-batch too much weight")

    def test_a_micro_batch_of_padding_alone(self, submission, rng):
        """A micro-batch in which nothing counts adds nothing, and no NaN."""
        one, empty = micro_batch(rng, 2, 3, 7), (torch.ones(2, 2, dtype=torch.int64), torch.full((2, 2), IGNORE))
        for order in ([one, empty], [empty, one], [empty, one, empty]):
            compare_steps(submission, rng, [order], "the mean of no tokens is NaN: use the sum")

    def test_forgets_old_gradients(self, submission, rng):
        """Gradients that were there before play no part, and one call does not reach into the next."""
        rounds = [[micro_batch(rng, 2, 3, 7), micro_batch(rng, 1, 4, 7, 0.3)] for _ in range(3)]
        compare_steps(submission, rng, rounds, "zero_grad once, before the first backward pass", stale=True, momentum=0.8)

    def test_steps_once(self, submission, rng):
        """The optimizer steps once a call, however many micro-batches there are."""
        rounds = [[micro_batch(rng, 2, 3, 7) for _ in range(number)] for number in (1, 4)]
        seen = compare_steps(submission, rng, rounds, "one step a call, after the last backward pass", momentum=0.9)
        expect.equal(seen[3], 2, called="the number of optimizer.step() in two calls", why="step after the loop, not in it")

    def test_trains_in_train_mode(self, submission, rng):
        """The model is in train mode during the step, whatever it was in before."""
        seen = compare_steps(submission, rng, [[micro_batch(rng, 2, 3, 7), micro_batch(rng, 1, 2, 7)]], "call model.train()", mode=False)
        expect.true(all(training for _, training, _, _ in seen[2]), "the model was in eval mode when it was called", why="call model.train() first: dropout is off in eval mode")

    def test_one_micro_batch_at_a_time(self, submission, rng):
        """Each micro-batch goes through the model once, by itself, and backward before the next one goes forward."""
        rounds = [[micro_batch(rng, B, T, 7) for B, T in ((2, 3), (3, 1), (1, 5))]]
        _, _, seen, _, _, _ = submission.run(accumulate, submission.train_step, small_weights(rng), rounds, 0.0, False, True)
        expect.equal([shape for shape, *_ in seen], [[2, 3], [3, 1], [1, 5]], called="the shapes that the model was called with", why="one call for each micro-batch, in their order")
        sums = [total for *_, total in seen]
        expect.true(0.0 == sums[0] < sums[1] and sums[1] != sums[2], "no gradient had arrived when the next micro-batch went forward", why="backward in the loop frees the memory; one backward at the end does not")

    def test_nothing_counts(self, submission, rng):
        """If no target counts, the loss is 0.0 and gradients, weights and optimizer stay as they are."""
        weights = small_weights(rng)
        empty = [(torch.ones(2, 2, dtype=torch.int64), torch.full((2, 2), IGNORE))]
        for micro_batches in (empty, empty * 2, []):
            results, after, _, steps, grads, _ = submission.run(accumulate, submission.train_step, weights, [micro_batches], 0.9, True, True)
            expect.equal(results, [0.0], called="train_step where no target counts", why="return before anything is done")
            expect.close(after, weights, atol=0, rtol=0, called="the weights afterwards", why="a step moves weights even by a gradient of zero: momentum and decay do")
            expect.close(grads, [torch.full_like(weight, 2.0) for weight in weights], called="the gradients afterwards", why="return before zero_grad")
            expect.equal(steps, 0, called="the number of optimizer.step()")

    def test_returns_a_float_and_leaves_the_batches(self, submission, rng):
        """The loss is a plain float, and the micro-batches are as they came."""
        rounds = [[micro_batch(rng, 2, 3, 7, 0.4), micro_batch(rng, 2, 2, 7)]]
        results, *_, left = submission.run(accumulate, submission.train_step, small_weights(rng), rounds, 0.0, False, True)
        expect.true(type(results[0]) is float, "the loss must be a float", got=results[0], why="loss.item(); a tensor keeps the whole graph in memory")
        expect.close(left, rounds, atol=0, rtol=0, called="the micro-batches afterwards", why="don't write into the targets")


# ------------------------------------------------------------------------------------------- successive halving


def halve(find, cases):
    """For each (curves, budget): the winner or "ValueError", and how often each candidate was called (learner's side)."""
    seen = []
    for curves, budget in cases:
        calls = [0] * len(curves)

        def candidate(i, curves=curves, calls=calls):
            def train_one_unit():
                if sum(calls) > 5000:
                    raise RuntimeError("more than 5000 calls")
                calls[i] += 1
                return curves[i][min(calls[i], len(curves[i])) - 1]

            return train_one_unit

        try:
            winner = find([candidate(i) for i in range(len(curves))], budget)
        except ValueError:
            winner = "ValueError"
        seen.append((winner, calls))
    return seen


def halve_by_hand(curves, budget):
    """The rule as the docstring has it, on the curves as lists."""
    n, calls = len(curves), [0] * len(curves)
    rounds = next(r for r in range(99) if 2**r >= n)
    if rounds and budget // rounds < n:
        return "ValueError", calls
    left = list(range(n))
    for _ in range(rounds):
        units = (budget // rounds) // len(left)
        for i in left:
            calls[i] += units
        latest = {i: curves[i][min(calls[i], len(curves[i])) - 1] for i in left}
        ranking = sorted(left, key=lambda i: (math.isnan(latest[i]) or math.isinf(latest[i]), latest[i] if math.isfinite(latest[i]) else 0.0, i))
        left = sorted(ranking[: (len(left) + 1) // 2])
    return left[0], calls


def loss_curve(dice, length=40):
    """A loss that falls from its start to an end of its own, with bumps."""
    start, end, speed = dice.uniform(3, 6), dice.uniform(0, 3), dice.uniform(0.05, 0.6)
    return [end + (start - end) * math.exp(-speed * t) + dice.uniform(-0.3, 0.3) for t in range(length)]


def compare_halving(submission, cases, why, *, counts=True):
    for (curves, budget), (winner, calls) in zip(cases, submission.run(halve, submission.successive_halving, cases), strict=True):
        want, want_calls = halve_by_hand(curves, budget)
        called = f"successive_halving with {len(curves)} candidates and a budget of {budget}"
        if counts:
            expect.equal(calls, want_calls, called=f"the calls of each candidate in {called}", why=why)
        expect.equal(winner, want, called=called, why=why)


class TestSuccessiveHalving(Exercise, id="training-successive-halving"):
    """Exercise training-successive-halving."""

    def probe(self, submission):
        """One to nine candidates, exact and loose budgets, ties, bumps, diverged ones, too small budgets."""
        dice = random.Random(4)
        cases = [([loss_curve(dice) for _ in range(n)], budget) for n, budget in ((1, 5), (2, 6), (3, 20), (5, 47), (8, 72), (9, 100), (6, 18), (4, 9), (1, 0))]
        cases += [([[1.0], [1.0], [1.0]], 12), ([[2.0], [1.0], [1.0], [2.0]], 16), ([[math.nan], [2.0], [math.inf], [3.0]], 16), ([[math.nan], [math.nan]], 4), ([[math.nan], [math.inf]], 4)]
        cases += [([[1.0, 9.0], [5.0, 5.0]], 4), ([[9.0, 9.0, 1.0], [5.0, 5.0, 5.0], [6.0, 6.0, 6.0]], 14), ([loss_curve(dice) for _ in range(8)], 23), ([[1.0]] * 5, 14)]
        cases += [([[5.0] * 3 + [0.0] * 3, [4.0] * 6, [3.0] * 6, [4.5] * 6], 24), ([[3.0, 1.0], [2.0, 2.0]], 2), ([[-1.0], [-2.0], [-3.0]], 7)]
        cases += [([[3.0, 1.0, 1.0], [2.0, 1.0, 1.0], [9.0], [9.0]], 8), ([[math.inf], [7.0]], 2), ([[2.0], [math.nan], [1.0]], 6), ([[4.0], [3.0], [2.0]], 5)]
        return tuple(submission.run(halve, submission.successive_halving, [case]) for case in cases)

    @core
    def test_finds_a_clear_winner(self, submission, dice):
        """A candidate that is best from its first unit on is found, wherever it stands."""
        cases = []
        for n in (2, 3, 4, 7, 8):
            best = dice.randrange(n)
            cases.append(([[0.1 if i == best else 1.0 + i / 10] * 50 for i in range(n)], 12 * n))
        compare_halving(submission, cases, "return the index in `curves` of the candidate that is left", counts=False)

    @core
    def test_keeps_to_the_budget(self, submission, dice):
        """The calls of all candidates together are never more than the budget."""
        cases = [([loss_curve(dice) for _ in range(n)], n * (n - 1).bit_length() + dice.randrange(60)) for n in range(2, 11)]
        for (curves, budget), (_, calls) in zip(cases, submission.run(halve, submission.successive_halving, cases), strict=True):
            called = f"successive_halving with {len(curves)} candidates and a budget of {budget}"
            expect.true(0 < sum(calls) <= budget, f"{sum(calls)} calls were made", called=called, why="a round may spend budget // rounds, in all, not for each candidate")

    def test_spends_evenly(self, submission, dice):
        """A round spends budget // rounds, the same for everyone who is left; the fewer are left, the more each gets."""
        cases = [([loss_curve(dice) for _ in range(n)], n * (n - 1).bit_length() * 2 + dice.randrange(40)) for n in (2, 4, 8, 16)]
        compare_halving(submission, cases, "each one left is called budget // rounds // len(left) times; ceil(log2(n)) rounds")

    def test_any_number_of_candidates(self, submission, dice):
        """Of an odd number the larger half stays: of 5, three, then two, then one."""
        cases = [([loss_curve(dice) for _ in range(n)], n * (n - 1).bit_length() + dice.randrange(90)) for n in (3, 5, 6, 7, 9, 11, 13)]
        compare_halving(submission, cases, "(k + 1) // 2 of k stay, and the rounds are ceil(log2(n))")

    def test_compares_the_latest_losses(self, submission):
        """What counts is the latest loss, not the best one so far, the mean, or the first."""
        cases = [
            ([[1.0, 1.0, 9.0, 9.0], [5.0] * 4], 6), ([[9.0, 9.0, 1.0, 1.0], [5.0] * 4], 6), ([[9.0, 9.0, 9.0, 1.0], [4.0] * 4], 8), ([[4.0] * 4, [0.0, 0.0, 0.0, 5.0]], 8),
            ([[3.0, 3.0, 0.0], [2.0] * 8, [1.0] * 8, [2.5] * 8], 16), ([[1.0] * 2 + [5.0] * 9, [2.0] * 11, [3.0] * 11, [4.0] * 11], 16),
        ]  # fmt: skip
        compare_halving(submission, cases, "remember for each candidate the loss of its last call in this round")

    def test_ties_go_to_the_lower_index(self, submission, dice):
        """Of equal losses the lower index is better, in every round."""
        cases = [([[1.0]] * n, 60) for n in (2, 3, 4, 6, 7)] + [([[2.0], [1.0], [1.0], [1.0], [2.0]], 60)]
        cases += [([[3.0, 1.0, 1.0, 1.0], [2.0, 1.0, 1.0, 1.0], [9.0], [9.0]], 8), ([[2.5] + [1.0] * 9, [2.2] + [1.0] * 9, [2.1] + [1.0] * 9, [9.0]], 8)]
        compare_halving(submission, cases, "sort by (loss, index): what an earlier round's order was plays no part")

    def test_diverged_candidates_lose(self, submission, dice):
        """A loss of NaN or infinity is worse than any number, and is no error."""
        curves = [loss_curve(dice) for _ in range(4)]
        cases = [([[math.nan], curves[0], [math.inf], curves[1]], 40), ([curves[2], [math.nan]], 8), ([[math.nan], curves[2]], 8), ([[math.inf], curves[3], [math.nan]], 30)]
        cases += [([[math.nan], [math.nan], [50.0]], 30), ([[1e9], [math.inf]], 6), ([[math.nan], [1e12]], 6), ([[0.5, math.nan, math.nan], [2.0] * 3], 6)]
        cases += [([[math.nan], [math.inf]], 6), ([[math.inf], [math.nan]], 6), ([[math.nan], [math.inf], [math.inf]], 14)]
        compare_halving(submission, cases, "NaN < x and x < NaN are both false, so sorting by it is sorting by luck")

    def test_one_candidate_needs_no_training(self, submission):
        """With one candidate it is the answer, without a call, whatever the budget."""
        compare_halving(submission, [([[1.0]], 5), ([[1.0]], 0), ([[math.nan]], 7)], "there are no rounds with one candidate")

    def test_refuses_too_small_a_budget(self, submission, dice):
        """If the first round can't call everyone once, it ends in a ValueError before any call; one unit more is enough."""
        cases = []
        for n in (2, 3, 5, 8):
            least = n * (n - 1).bit_length()
            cases += [([loss_curve(dice) for _ in range(n)], budget) for budget in (least - 1, least, 0)]
        compare_halving(submission, cases, "the first round may spend budget // rounds and needs n of them")


# ---------------------------------------------------------------------------------------- scratch or fine-tune

BASE_WORDS = ["licence", "audit", "tokenizer", "size", "compute"]


def decide_by_hand(card):
    """The rule, one sentence of the docstring after the other."""
    base, N = card["base"], card["parameters"]
    found = set()
    if base:
        found |= {"licence"} if not base["licensed"] else set()
        found |= {"audit"} if card["audited"] and not base["data_known"] else set()
        found |= {"tokenizer"} if base["tokens_per_word"] > 3 else set()
        found |= {"size"} if base["parameters"] > N + N else set()
        found |= {"compute"} if 6 * base["parameters"] * card["tokens"] > card["flops"] else set()
    reasons = [word for word in BASE_WORDS if word in found] if base else ["no base"]
    if not reasons:
        return "finetune", []
    lacks = ["text"] * (card["tokens"] < 20 * N) + ["scratch compute"] * (card["flops"] < 120 * N * N)
    return ("neither", reasons + lacks) if lacks else ("scratch", reasons)


GOOD_BASE = {"parameters": 10**8, "licensed": True, "data_known": True, "tokens_per_word": 1.5}
RICH = {"parameters": 10**8, "tokens": 10**10, "flops": 1e22, "audited": False, "base": GOOD_BASE}
POOR = {**RICH, "tokens": 10**6, "flops": 1e15}


def with_base(card, **changes):
    return {**card, "base": {**card["base"], **changes}}


def random_card(dice):
    """A card in which each obstacle stands with some chance."""
    N = 10 ** dice.randrange(6, 10)
    base = {
        "parameters": dice.choice([1, 2, 3, 5, 20]) * N // 2, "licensed": dice.random() < 0.8, "data_known": dice.random() < 0.5,
        "tokens_per_word": dice.choice([1.2, 2.9, 3.1, 7.0]),
    }  # fmt: skip
    return {
        "parameters": N, "tokens": N * dice.choice([1, 15, 25, 300]), "flops": float(N * N * dice.choice([2, 70, 115, 130, 30_000])),
        "audited": dice.random() < 0.5, "base": base if dice.random() < 0.85 else None,
    }  # fmt: skip


def compare_decisions(submission, cards, why):
    for card, got in zip(cards, submission.each("scratch_or_finetune", [(card,) for card in cards]), strict=True):
        decision, reasons = decide_by_hand(card)
        expect.true(isinstance(got, tuple | list) and len(got) == 2, "it must return two things: the decision and the reasons", got=got)
        expect.equal(got[0], decision, called=f"the decision for {card}", why=why)
        expect.equal(got[1], reasons, called=f"the reasons for {card}", why=why)


class TestScratchOrFinetune(Exercise, id="training-scratch-or-finetune"):
    """Exercise training-scratch-or-finetune."""

    def probe(self, submission):
        """Every obstacle alone, with and without a way from scratch; no base; all at once; the limits themselves and just beyond."""
        cards = []
        for card in (RICH, POOR):
            cards += [card, with_base(card, licensed=False), {**with_base(card, data_known=False), "audited": True}, with_base(card, data_known=False), {**card, "audited": True}]
            cards += [with_base(card, tokens_per_word=3.0), with_base(card, tokens_per_word=3.01), with_base(card, parameters=2 * 10**8), with_base(card, parameters=2 * 10**8 + 1)]
            cards += [with_base(card, parameters=15 * 10**7), {**card, "base": None}, {**card, "base": None, "audited": True}]
        cards += [{**POOR, "flops": 6e14}, {**POOR, "flops": 5.99e14}, {**RICH, "base": None, "flops": 1.2e18}, {**RICH, "base": None, "flops": 1.19e18}]
        cards += [{**RICH, "base": None, "tokens": 2 * 10**9}, {**RICH, "base": None, "tokens": 2 * 10**9 - 1}, {**RICH, "flops": 1e18}, {**RICH, "flops": 2e18}, with_base({**RICH, "flops": 6e18, "parameters": 10**8}, parameters=2 * 10**8)]
        everything = {"parameters": 10**9, "licensed": False, "data_known": False, "tokens_per_word": 9.0}
        cards += [{**POOR, "audited": True, "flops": 1e12, "base": everything}, {**RICH, "audited": True, "base": everything}, {**with_base(RICH, licensed=False), "tokens": 10}]
        cards += [{**RICH, "parameters": 10**6, "tokens": 19 * 10**6, "base": None}, {**RICH, "parameters": 10**6, "tokens": 21 * 10**6, "flops": 1.3e14, "base": None}]
        ends = submission.each("scratch_or_finetune", [(card,) for card in cards])
        return [" ".join(map(str, [end[0], *end[1][:9]])) if isinstance(end, list | tuple) and isinstance(end[-1], list) else end for end in ends]

    @core
    def test_fine_tunes_a_good_base(self, submission, dice):
        """A base that nothing speaks against is fine-tuned, with no reasons, however rich the project is."""
        cards = [RICH, POOR, {**POOR, "audited": True}, with_base(POOR, data_known=False), with_base(POOR, parameters=10**7), with_base(RICH, parameters=10**6, tokens_per_word=1.1)]
        compare_decisions(submission, cards, "fine-tuning is the first choice: from scratch is asked about only if something stands in its way")

    @core
    def test_from_scratch_without_a_base(self, submission):
        """Without a base it is from scratch if text and compute are enough, and else neither."""
        cards = [{**card, "base": None, "audited": audited} for card in (RICH, POOR) for audited in (False, True)]
        compare_decisions(submission, cards, 'the first reason is "no base"; "text" and "scratch compute" follow if the decision is "neither"')

    @pytest.mark.parametrize("card", [RICH, POOR], ids=["scratch is possible", "scratch is not possible"])
    def test_each_obstacle_alone(self, submission, card):
        """Each of the five obstacles keeps a project from fine-tuning, and is named."""
        cards = [with_base(card, licensed=False), {**with_base(card, data_known=False), "audited": True}, with_base(card, tokens_per_word=4.2), with_base(card, parameters=3 * 10**8)]
        cards += [with_base({**card, "flops": 6.0 * 10**7 * card["tokens"]}, parameters=1.1e7), {**card, "flops": 5.0 * 10**8 * card["tokens"]}]
        compare_decisions(submission, cards, "one obstacle is enough, and the reasons name it")

    def test_several_obstacles(self, submission, dice):
        """All obstacles are named, in the order of the docstring's list."""
        everything = {"parameters": 10**9, "licensed": False, "data_known": False, "tokens_per_word": 9.0}
        cards = [{**POOR, "audited": True, "flops": 1e12, "base": everything}, {**RICH, "audited": True, "base": everything}]
        compare_decisions(submission, cards + [random_card(dice) for _ in range(60)], "go through all five tests; don't stop at the first")

    def test_limits_belong_to_the_good_side(self, submission):
        """Exactly 3.0 tokens a word, twice the size, 20 tokens a parameter, or just enough compute is enough; the next step is too much."""
        bare = {**RICH, "base": None}
        cards = [with_base(POOR, tokens_per_word=3.0), with_base(POOR, tokens_per_word=3.001), with_base(POOR, parameters=2 * 10**8), with_base(RICH, parameters=2 * 10**8 + 1)]
        cards += [{**POOR, "flops": 6e14}, {**POOR, "flops": 5.9999e14}, {**bare, "tokens": 20 * 10**8}, {**bare, "tokens": 20 * 10**8 - 1}, {**bare, "flops": 1.2e18}, {**bare, "flops": 1.1999e18}]
        compare_decisions(submission, cards, "look at each limit: `above` and `at least`")

    def test_scratch_pays_for_twenty_tokens_a_parameter(self, submission):
        """Compute from scratch is counted for 20 tokens a parameter, not for all of your text; fine-tuning reads all of it once."""
        bare = {**RICH, "base": None, "tokens": 10**12, "flops": 1.3e18}
        compare_decisions(submission, [bare, {**bare, "flops": 1.1e18}, {**bare, "base": GOOD_BASE}], "6 * parameters * (20 * parameters) from scratch, 6 * base parameters * tokens for the base")

    def test_an_audit_matters_only_if_asked_for(self, submission):
        """Unknown data is no obstacle unless the card asks for an audit; from scratch always passes it."""
        cards = [with_base(card, data_known=known) | {"audited": audited} for card in (RICH, POOR) for known in (True, False) for audited in (True, False)]
        compare_decisions(submission, cards, "both must hold: an audit is asked for, and the base's data is not known")

    def test_leaves_the_card_alone(self, submission):
        """The card is as it came, and each call has its own list of reasons."""
        for card in (with_base(POOR, licensed=False), {**RICH, "base": None}):
            kept = submission.keep(card)
            first, second = submission.scratch_or_finetune(kept), submission.scratch_or_finetune(kept)
            expect.equal(submission.value(kept), card, called="the card afterwards", why="read the card, don't write to it")
            expect.equal(list(second), list(decide_by_hand(card)), called="the second call with the same card", why="the reasons of one call must not be left over in the next")
            expect.equal(list(first), list(second))


# -------------------------------------------------------------------------------------------------- checkpoint


def workshop(plan):
    """A folder for one checkpoint, and what it takes to train: make, go, draws, weights (learner's side)."""
    import tempfile
    from pathlib import Path

    class Workshop:
        def __init__(self):
            self.folder = tempfile.TemporaryDirectory()
            Path(self.folder.name, "notes.txt").write_text("somebody else's")
            self.place = Path(self.folder.name, plan.get("name", "run.pt"))
            self.path = str(self.place) if plan.get("text") else self.place

        def make(self, seed, lr):
            torch.manual_seed(seed)
            random.seed(seed)
            model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(plan.get("dropout", 0.5)), nn.Linear(4, 2))
            return model, torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=lr / 2), torch.Generator().manual_seed(seed)

        def go(self, run, steps):
            model, optimizer, rng = run
            losses = []
            for _ in range(steps):
                noise = random.random() if plan.get("noise", True) else 0.0
                loss = model(torch.randn(5, 3, generator=rng) + noise).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            return losses

        def draws(self, rng):
            return [torch.rand(3, generator=rng), torch.rand(3), [random.random() for _ in range(3)]]

        def weights(self, run):
            return {name: value.clone() for name, value in run[0].state_dict().items()}

    return Workshop()


def save_and_go_on(tools, save, plan):
    """Train, save, and train on; then perhaps save once more and fail (learner's side)."""
    seen = {}
    if plan.get("quiet"):
        seen["never saved"] = tools.go(tools.make(1, 0.05), 7)[3:]
    one = tools.make(1, 0.05)
    tools.go(one, 1)
    before = None
    if plan.get("twice"):
        save(tools.path, one[0], one[1], 1, one[2])
        before = tools.place.stat().st_ino if tools.place.exists() else None
    tools.go(one, 2)
    save(tools.path, one[0], one[1], plan.get("step", 3), one[2])
    seen["files"] = sorted(file.name for file in tools.place.parent.iterdir())
    seen["written over"] = tools.place.exists() and tools.place.stat().st_ino == before
    tools.before, seen["weights"] = tools.place.read_bytes(), tools.weights(one)
    generators = torch.get_rng_state(), random.getstate(), one[2].get_state()
    seen["draws"] = tools.draws(one[2])
    torch.set_rng_state(generators[0])
    random.setstate(generators[1])
    one[2].set_state(generators[2])
    seen["never stopped"], seen["weights at the end"] = tools.go(one, 4), tools.weights(one)
    if plan.get("fails"):
        one[1].param_groups[0]["secret"] = lambda: None  # can't be written
        try:
            save(tools.path, one[0], one[1], 7, one[2])
            seen["error"] = "none"
        except Exception:
            seen["error"] = "raised"
        seen["files after the error"] = sorted(file.name for file in tools.place.parent.iterdir())
    return seen


def resume_and_go_on(tools, resume, plan):
    """Load the checkpoint into another run, twice, and train on (learner's side)."""
    seen = {}
    if plan.get("plain"):
        try:
            torch.load(tools.path, weights_only=True)
            seen["plain"] = True
        except Exception:
            seen["plain"] = False
    other = tools.make(50, 0.7)
    tools.go(other, plan.get("used", 0))
    kept = [parameter.data_ptr() for parameter in other[0].parameters()]
    seen["step"] = resume(tools.path, other[0], other[1], other[2])
    seen["weights after"], seen["draws after"], seen["lr"] = tools.weights(other), tools.draws(other[2]), other[1].param_groups[0]["lr"]
    seen["step again"] = resume(tools.path, other[0], other[1], other[2])
    seen["losses"], seen["resumed weights at the end"] = tools.go(other, 4), tools.weights(other)
    seen["in place"] = kept == [parameter.data_ptr() for parameter in other[0].parameters()]
    seen["unchanged"] = tools.before == tools.place.read_bytes()
    return seen


def play(save, resume, plans, workshop, save_and_go_on, resume_and_go_on):
    """What a run did that was saved, and what the one did that was resumed from it, plan by plan (learner's side)."""
    seen = []
    for plan in plans:
        tools = workshop(plan)
        try:
            seen.append({**save_and_go_on(tools, save, plan), **resume_and_go_on(tools, resume, plan)})
        finally:  # an answer may well raise
            tools.folder.cleanup()
    return seen


def played(submission, *plans):
    wake_optimizers()
    return submission.run(play, submission.save_checkpoint, submission.resume, list(plans), workshop, save_and_go_on, resume_and_go_on)


def in_short(seen):
    """What tells one wrong answer from another, without the weights."""
    same = [torch.equal(seen["weights"][name], seen["weights after"][name]) for name in seen["weights"]]
    draws = [bool(torch.equal(torch.as_tensor(old), torch.as_tensor(new))) for old, new in zip(seen["draws"], seen["draws after"], strict=True)]
    rest = ("step", "step again", "lr", "losses", "never stopped", "in place", "files", "written over", "unchanged", "plain", "error", "files after the error")
    return same, draws, *(seen.get(name) for name in rest)


def compare_runs(seen):
    expect.equal(seen["losses"], seen["never stopped"], called="the losses after resume", why="not a digit may differ")
    expect.close(seen["resumed weights at the end"], seen["weights at the end"], atol=0, rtol=0, called="the weights four steps after resume")


def compare_draws(submission, number, called, why):
    """The numbers of one generator after resume, in a new run and in one that has begun."""
    for seen in played(submission, {}, {"used": 3}):
        expect.close(seen["draws after"][number], seen["draws"][number], atol=0, rtol=0, called=f"{called} after resume", why=why)


def compare_files(files, name, when):
    expect.equal(files, sorted([name, "notes.txt"]), called=f"the files in the folder{when}", why="the path is the whole name; rename or remove what you write beside it, and leave other files alone")


class TestCheckpoint(Exercise, id="training-checkpoint"):
    """Exercise training-checkpoint."""

    def probe(self, submission):
        """A run that is saved and resumed, plainly, without noise, over an older file, with a writing error, by other names."""
        plans = ({"quiet": True, "plain": True}, {"dropout": 0.0, "noise": False, "used": 2}, {"twice": True, "step": 12}, {"fails": True}, {"name": "last", "text": True}, {"step": 0})
        plays = [played(submission, plan) for plan in plans]
        return tuple(in_short(seen[0]) if isinstance(seen, list) else seen for seen in plays)

    @core
    def test_weights_and_step_come_back(self, submission, dice):
        """After resume the model has the weights and the running statistics that were saved, and the step is returned."""
        step = dice.randrange(2, 900)
        for seen in played(submission, {"step": step}, {"step": step, "used": 2}):
            expect.equal(seen["step"], step, called="resume(...)", why="save the step, and return it")
            expect.close(seen["weights after"], seen["weights"], atol=0, rtol=0, called="the model's state after resume", why="state_dict() has the weights and the buffers, such as a BatchNorm's")

    @core
    def test_the_optimizer_comes_back(self, submission):
        """Without any chance in it, the resumed run takes the very steps of the run that never stopped."""
        calm = {"dropout": 0.0, "noise": False}
        for seen in played(submission, calm, {**calm, "used": 2}):
            why = "the optimizer has a state too: running means, step counts, and its settings; and `rng` draws the batches"
            expect.close(seen["resumed weights at the end"], seen["weights at the end"], atol=0, rtol=0, called="the weights four steps after resume", why=why)
            expect.close(seen["lr"], 0.05, called="the optimizer's learning rate after resume")

    def test_the_data_generator_comes_back(self, submission):
        """`rng` draws after resume what it would have drawn after saving."""
        compare_draws(submission, 0, "torch.rand(3, generator=rng)", "rng.get_state() when saving, rng.set_state() when resuming")

    def test_the_global_generator_comes_back(self, submission):
        """PyTorch's global generator, which dropout draws from, goes on where it was."""
        compare_draws(submission, 1, "torch.rand(3)", "torch.get_rng_state() and torch.set_rng_state(); a seed is not a state")

    def test_pythons_generator_comes_back(self, submission):
        """Python's random goes on where it was."""
        compare_draws(submission, 2, "random.random() three times", "random.getstate() and random.setstate()")

    def test_the_run_goes_on_bit_for_bit(self, submission):
        """With dropout, noise and shuffled data, the resumed run has the losses and weights of the one that never stopped."""
        compare_runs(*played(submission, {"twice": True, "used": 1}))

    def test_saving_changes_nothing(self, submission):
        """A run that saves takes the same steps as one that does not."""
        (seen,) = played(submission, {"twice": True, "quiet": True})
        expect.equal(seen["never stopped"], seen["never saved"], called="the losses after save_checkpoint", why="saving must not draw a random number, or change mode, weights or state")

    def test_a_newer_checkpoint_replaces_the_older(self, submission):
        """A second checkpoint at the same path takes the place of the first in one move, and no other file is left."""
        (seen,) = played(submission, {"twice": True, "step": 41})
        expect.equal([seen["step"], seen["step again"]], [41, 41], called="resume(...)", why="the latest checkpoint at the path counts")
        compare_files(seen["files"], "run.pt", "")
        expect.true(not seen["written over"], "the new checkpoint was written into the old file", why="a disk that is full half-way leaves half a file: write beside it, then os.replace")

    def test_an_error_leaves_the_old_checkpoint(self, submission):
        """If writing fails half-way the error is raised, and the old checkpoint is whole."""
        (seen,) = played(submission, {"fails": True})
        expect.equal(seen["error"], "raised", called="save_checkpoint with a state that can't be written", why="don't swallow the error: somebody must know")
        expect.true(bool(seen["unchanged"]), "the old checkpoint is damaged or gone", why="write to another name in the same folder, then os.replace")
        compare_files(seen["files after the error"], "run.pt", " after the error")

    def test_any_name(self, submission):
        """The file has the very name that was asked for, with any suffix or none, given as a Path or as text."""
        plans = {"name": "last"}, {"name": "a b.ckpt", "text": True}
        for plan, seen in zip(plans, played(submission, *plans), strict=True):
            compare_files(seen["files"], plan["name"], "")
            compare_runs(seen)

    def test_the_file_is_plain_data(self, submission):
        """torch.load(path, weights_only=True) reads the file, so it holds no code; and resume leaves it as it is."""
        (seen,) = played(submission, {"plain": True})
        expect.true(bool(seen["plain"]), "torch.load(path, weights_only=True) refuses the file", why="save state_dicts and states, not the model object; and use torch.save")
        expect.true(bool(seen["unchanged"]), "the file is not as it was before resume")

    def test_resumes_in_place(self, submission):
        """The model's own tensors are filled, so that the optimizer still holds them, and the step may be 0."""
        (seen,) = played(submission, {"step": 0})
        expect.true(bool(seen["in place"]), "the model's weights are other tensors after resume", why="model.load_state_dict fills the tensors that are there")
        expect.equal(seen["step"], 0, called="resume(...)", why="0 is a step like any other")


# ------------------------------------------------------------------------------------------------ find the bugs


def watch(source, rows, steps, batch_size):
    """Run the script on a model that keeps a diary: what it saw, and every optimizer step (runs on the learner's side)."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.linspace(-20.0, 20.0, 31 * 31).reshape(31, 31).sin() * 0.03)
            self.diary = []

        def forward(self, ids):
            learning = torch.is_grad_enabled()
            learnt = sum(entry[0] for entry in self.diary)
            self.diary.append((learning, self.training, ids[:, 0].tolist()))
            silent = learning and learnt % 3 == 1  # its gradient is zero in every third step
            return self.table[ids] * (0.0 if silent else 100.0)  # gradients that need clipping

    model, taken, kinds = Watched(), [], set()

    def note(optimizer, *_):
        grads = [torch.zeros(1) if p.grad is None else p.grad.detach().flatten() for group in optimizer.param_groups for p in group["params"]]
        taken.append((float(optimizer.param_groups[0]["lr"]), float(torch.cat(grads).norm())))
        kinds.add(type(optimizer).__name__)

    scope = {"__name__": "script"}
    exec(compile(source, "<the patched script>", "exec"), scope)
    hook = register_optimizer_step_pre_hook(note)
    try:
        log = scope["train"](model, rows, steps, batch_size=batch_size)
    finally:
        hook.remove()
    return {"log": [tuple(float(number) for number in entry) for entry in log], "diary": model.diary, "taken": taken, "optimizers": sorted(kinds)}


def loss_in(source, table, rows):
    """What loss_of and validate of the script say of a model that is a table of scores (learner's side)."""

    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(table.clone())

        def forward(self, ids):
            return self.table[ids]

    scope = {"__name__": "script"}
    exec(compile(source, "<the patched script>", "exec"), scope)
    return [float(scope[name](Table(), part)) for part in rows for name in ("loss_of", "validate")]


def padded_rows(rng, number=26, length=7):
    """Rows with a first word of their own, and padding at the end of some."""
    rows = torch.randint(1, 31, (number, length), generator=rng)
    rows[:, 0] = torch.randperm(30, generator=rng)[:number] + 1
    for row in rows[::2]:
        row[int(torch.randint(2, length, (1,), generator=rng)) :] = 0
    return rows


def script_of(submission):
    """The patched script, or a sentence about why the patches can't be applied."""
    patches = submission.find_bugs()
    good = isinstance(patches, dict) and all(type(number) is int and isinstance(patch, str) for number, patch in patches.items())
    expect.true(good, "find_bugs must return a dict from line numbers (int) to lines (str)", got=patches)
    try:
        source = patched(patches)
    except ValueError as error:
        expect.true(False, str(error), why=f"patch what is wrong, not the script: at most {MOST_PATCHES} lines, by at most {MOST_LINES}")
    try:
        compile(source, "<the patched script>", "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "text", None) or ""
        expect.true(False, f"the patched script is not valid Python: {type(error).__name__}: {getattr(error, 'msg', error)}, at `{line.rstrip()}`", why="a patch needs the indentation of its place")
    return source


def padding_counts(submission, source, rng):
    """Whether the loss differs from the mean over the targets that are not padding; the two values."""
    table, rows = 2 * torch.randn(31, 31, generator=rng), padded_rows(rng)
    parts = [rows, rows[:3], rows[1::2], rows[:1]]
    want = []
    for part in parts:
        nll = [float(torch.logsumexp(table[i].double(), 0) - table[i].double()[t]) for row in part.tolist() for i, t in itertools.pairwise(row) if t != 0]
        want += [sum(nll) / len(nll)] * 2
    got = submission.run(loss_in, source, table, parts)
    return any(not math.isclose(mine, theirs, rel_tol=1e-4) for mine, theirs in zip(got, want, strict=True)), got, want


def wrong_with(seen, steps):
    """The bugs that a diary shows, by name."""
    learnt = {word for learning, _, words in seen["diary"] if learning for word in words}
    asked = {word for learning, _, words in seen["diary"] if not learning for word in words}
    found = set()
    if not asked or learnt & asked:
        found.add("leak")
    if not all(training == learning for learning, training, _ in seen["diary"]):
        found.add("mode")
    if any((norm > 1e-12) != (number % 3 != 1) for number, (_, norm) in enumerate(seen["taken"])):
        found.add("stale")
    rates = [rate for rate, _ in seen["taken"]]
    if any(not math.isclose(rate, want, rel_tol=1e-5, abs_tol=1e-12) for rate, want in zip(rates, script_rates(steps), strict=False)):
        found.add("rate")
    return found


def script_rates(steps, peak=0.01, warmup=4):
    """What the script's learning_rate says of each step."""
    return [peak * (s + 1) / warmup if s < warmup else peak * math.cos(math.pi / 2 * (s - warmup) / (steps - warmup)) ** 2 for s in range(steps)]


def watched(submission, source, rng, steps=18, batch_size=8):
    wake_optimizers()
    rows = padded_rows(rng)
    return {**submission.run(watch, source, rows, steps, batch_size), "ends": [set(part[:, 0].tolist()) for part in (rows[:8], rows[-8:])]}


class TestFindTheBugs(Exercise, id="training-find-the-bugs"):
    """Exercise training-find-the-bugs."""

    def probe(self, submission):
        """The diary of the patched script, and its losses; the patches themselves where they can't be applied."""
        rng = torch.Generator().manual_seed(6)
        patches = submission.find_bugs()
        try:
            source = patched(patches)
        except (ValueError, TypeError, AttributeError):
            return patches
        losses = submission.run(loss_in, source, 2 * torch.randn(31, 31, generator=rng), [padded_rows(rng)])
        seen = submission.run(watch, source, padded_rows(rng), 13, 8)
        if not isinstance(seen, dict):
            return losses, seen
        read = [sorted({word for learning, _, words in seen["diary"] if learning is learns for word in words}) for learns in (True, False)]
        return losses, seen["log"], seen["taken"], [training for _, training, _ in seen["diary"]], read

    @core
    def test_the_patched_script_runs_and_is_better(self, submission, rng):
        """The patches are few, fit the script, and at least one of its bugs is gone."""
        source = script_of(submission)
        seen = watched(submission, source, rng)
        bugs = len(wrong_with(seen, 18)) + padding_counts(submission, source, rng)[0]
        expect.true(bugs < 5, "all five bugs are still there", why="find one at a time: each is something that a docstring or a name in the script promises")

    @core
    def test_the_rest_still_works(self, submission, rng):
        """The optimizer, the number of steps, the batches, the clipping and the log are as they were."""
        seen = watched(submission, script_of(submission), rng)
        expect.equal(len(seen["taken"]), 18, called="the optimizer steps in a run of 18", why="one step an iteration")
        longest = max(norm for _, norm in seen["taken"])
        expect.true(0.999 < longest < 1.001, f"the longest gradient at a step has a norm of {longest:.4g}, not 1", why="the clipping to 1 was right: keep it between backward and step")
        expect.equal(seen["optimizers"], ["AdamW"], called="the optimizer that steps")
        expect.equal([entry[0] for entry in seen["log"]], [4.0, 9.0, 14.0], called="the steps in the log")
        expect.true(all(len(entry) == 3 and all(map(math.isfinite, entry)) for entry in seen["log"]), "an entry of the log is not (step, loss, validation loss)", got=seen["log"])
        expect.equal(sorted({len(words) for learning, _, words in seen["diary"] if learning}), [8], called="the sizes of the batches")
        expect.equal(sorted({len(words) for learning, _, words in seen["diary"] if not learning}), [8], called="the number of held-out rows")
        asked = {word for learning, _, words in seen["diary"] if not learning for word in words}
        expect.true(asked not in seen["ends"], "the held-out rows are the first or last eight of the rows as they came", why="the shuffling was right")

    def test_padding_does_not_count(self, submission, rng):
        """The loss is the mean over the targets that are not padding."""
        wrong, got, want = padding_counts(submission, script_of(submission), rng)
        expect.true(not wrong, "the loss of rows with padding is not what its docstring says", got=got[0], why=f"the mean over the targets that are not PAD is {want[0]:.4f} here; a zero in the sum still counts in a mean")

    def test_held_out_rows_are_not_learnt(self, submission, rng):
        """No row is both learnt from and held out, and every other row is learnt from."""
        seen = watched(submission, script_of(submission), rng, steps=60)
        expect.true("leak" not in wrong_with(seen, 60), "the model is trained on rows that it is validated on", why="follow held_out and to_learn from where they are made")
        learnt = {word for learning, _, words in seen["diary"] if learning for word in words}
        expect.equal(len(learnt), 26 - 8, called="the number of rows learnt from, of 26", why="all rows but 8")

    def test_trains_in_train_mode(self, submission, rng):
        """The model is in train mode whenever it learns, and in eval mode whenever it is validated."""
        seen = watched(submission, script_of(submission), rng)
        expect.true("mode" not in wrong_with(seen, 18), "the model learns in eval mode, or is validated in train mode", why="look at what validate leaves behind")

    def test_every_step_has_its_own_gradient(self, submission, rng):
        """The gradient of one step is gone before the next."""
        seen = watched(submission, script_of(submission), rng)
        expect.true("stale" not in wrong_with(seen, 18), "a step has a gradient that its own batch did not give, or none", why="backward adds to what is there")

    def test_every_step_has_its_own_rate(self, submission, rng):
        """Step 0 is taken with learning_rate(0, steps), step 1 with learning_rate(1, steps), and so on."""
        seen = watched(submission, script_of(submission), rng)
        rates = ", ".join(f"{rate:.4g}" for rate, _ in seen["taken"][:4])
        expect.true("rate" not in wrong_with(seen, 18), f"the first steps were taken with rates of {rates}", why="learning_rate says 0.0025, 0.005, 0.0075, 0.01: which comes first, the rate or the step?")
