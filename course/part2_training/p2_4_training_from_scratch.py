# %% [markdown]
# # Training from scratch, and when not to
#
# Lesson 3 decided what a model is fed. This lesson is about the run itself: a model starts as random numbers, and some hundred steps later it tells stories.
#
# Below, a GPT of 0.84 million parameters reads stories from the course's own grammar. The picture is drawn again while the loss falls.
#
# **Predict before you run.** The vocabulary has about 300 words. What is the loss of a model that guesses evenly, in nats ($\log$ of what)? And where will the curve end: at zero, or above it?

# %% demo
from handbook import training_lab as lab
from handbook.answers import yours_or_ours

stories = lab.all_stories()
model = lab.gpt(stories)
before = stories.text(model.generate([0], 12, seed=1))
run = lab.train(model, stories, lambda step: 3e-3 * min((step + 1) / 20, (210 - step) / 190), steps=200, check_every=20, live=True)
print(f"{lab.parameters(model):,} parameters, {200 * 16 * 64:,} words read in 200 steps")

# %% demo
print("before:", before)
print("\nafter: ", stories.text(model.generate([0], 90, temperature=0.4, seed=3)))

# %% [markdown]
# The loss starts a little above $\log 307 = 5.73$ and ends near 0.5, not at zero: which name or which place comes next is the story-teller's free choice.
# A few hundred steps were enough because someone had chosen well: a learning rate and its schedule, an optimizer, a limit on the gradient, a batch.
# You now write each of these, then search for the settings, then ask whether to train from scratch at all.
#
# ## The learning rate over time
#
# A learning rate is rarely one number. It *warms up*, because the first gradients are large, and the optimizer has no experience with them yet.
# Then it falls along half a cosine wave to a *floor*: large steps travel, small steps settle.
# With a warm-up of 3 steps, a peak of 1 and 8 steps in all, by hand:

# %%
import math

print("warm-up:", [round((step + 1) / 4, 2) for step in range(3)], " then the peak: [1.0]")
for step in range(4, 8):
    print(f"step {step}: {step - 3} of 4 on the way down, {0.5 * (1 + math.cos(math.pi * (step - 3) / 4)):.2f} of the peak")

# %% [markdown]
# **Predict before you run.** A schedule of 8 steps has the steps 0 to 7. If the way down is divided into 5 parts instead of 4, what is the learning rate of the last step?

# %%
print(f"{0.5 * (1 + math.cos(math.pi * 4 / 5)):.2f} of the peak: the floor would come at step 8, which is never run")

# %% [markdown]
# ## Exercise: A learning-rate schedule · 2 points · ★☆☆

# %% exercise="training-lr-schedule"
import math


def lr_schedule(step: int, total: int, warmup: int, peak: float, floor: float = 0.0) -> float:
    """Give the learning rate of one step: a straight warm-up to the peak, then half a cosine wave down to the floor.

    Steps count from 0; a run of `total` steps has the steps 0 ... total - 1.
    The first `warmup` steps rise in equal parts: step 0 has 1 / (warmup + 1) of the peak, step 1 twice that, and so on.
        The warm-up starts from zero, whatever the floor.
    Step `warmup` has the peak itself; without a warm-up that is step 0.
    From there half a cosine wave leads down to the floor, which is reached at step total - 1; halfway down, the rate is
        (peak + floor) / 2.
    Steps from `total` on have the floor. If warmup = total - 1, the last step has the peak: there is no way down.
    Raises: ValueError if step < 0, or not 0 <= warmup < total (these tests are given).

    >>> [round(lr_schedule(step, total=8, warmup=3, peak=1.0), 2) for step in range(9)]
    [0.25, 0.5, 0.75, 1.0, 0.85, 0.5, 0.15, 0.0, 0.0]

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983 (the cosine).
    """
    if step < 0 or not 0 <= warmup < total:
        raise ValueError(f"no schedule for step {step} of {total} with a warm-up of {warmup}")
    ### BEGIN SOLUTION
    if step >= total:
        return floor
    if step <= warmup:
        return peak * (step + 1) / (warmup + 1)
    done = (step - warmup) / (total - 1 - warmup)  # 0 at the peak, 1 at the last step
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's list: up in four equal parts, down slowly, fast, slowly, and zero at step 7, the last one.

# %% check="training-lr-schedule"

# %% [markdown]
# ## AdamW, one step
#
# The gradient says which way; *Adam* (Kingma and Ba 2015) decides how far, for each number of the weight by itself. It keeps a running mean of the gradient and a running mean of its square, and divides one by the root of the other.
# Both means start at zero, so early on they are too small. That is repaired by a *bias correction*: divide by $1 - \beta^t$ at step $t$.

# %%
gradient, beta = 4.0, 0.9
mean = (1 - beta) * gradient
print("running mean after one step:", round(mean, 2), "· corrected:", round(mean / (1 - beta**1), 2))

# %% [markdown]
# *Weight decay* pulls every weight a little towards zero. Put it into the gradient, and Adam divides it by the size of the gradients: weights with large gradients are hardly pulled at all.
# AdamW takes it out of the gradient and shrinks the weight directly, by the factor $1 - \text{lr} \cdot \text{decay}$. That is its W.
#
# **Predict before you run.** Two weights are 1.0. One has gradients of 100, the other of 0.01. Which moves further in the first step of Adam?

# %%
import torch

weights = torch.nn.Parameter(torch.ones(2))
weights.grad = torch.tensor([100.0, 0.01])
torch.optim.AdamW([weights], lr=0.1, weight_decay=0.0).step()
print(weights.detach())

# %% [markdown]
# Both move by the learning rate: the size of the gradient has cancelled. In the first step only its sign counts.
#
# ## Exercise: One step of AdamW · 3 points · ★★☆

# %% exercise="training-adamw-step"
import torch
from torch import Tensor


def adamw_step(
    weight: Tensor, grad: Tensor, state: dict, *, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01
) -> tuple[Tensor, dict]:
    """Take one step of AdamW and return the new weight and the new state.

    Shapes: weight and grad (...), any one shape, float32 or float64 · returns the weight in the same shape and dtype.
    State: {} before the first step, afterwards what the last call returned: a dict with the keys "step" (int, steps taken),
        "mean" and "square" (tensors of the weight's shape: the running means of the gradient and of its square, as they are
        before the bias correction).
    The running means start at zero and keep a share betas[0] or betas[1] of themselves. Both are corrected for that start.
    The weight first shrinks by the factor 1 - lr * weight_decay; then lr * mean / (sqrt(square) + eps), both corrected, is
        subtracted: eps is outside the root, and added after the correction.
    Leave weight, grad and state as they came; what you return shares no memory with them. No gradient is needed.

    >>> weight, state = adamw_step(torch.ones(2), torch.tensor([4.0, -0.5]), {}, lr=0.1, weight_decay=0.0)
    >>> weight, state["step"]
    (tensor([0.9000, 1.1000]), 1)

    Source: Loshchilov and Hutter 2019, arXiv:1711.05101, in the form of torch.optim.AdamW: weight decay is multiplied by lr.
    """
    ### BEGIN SOLUTION
    step = state.get("step", 0) + 1
    mean = betas[0] * state.get("mean", torch.zeros_like(weight)) + (1 - betas[0]) * grad
    square = betas[1] * state.get("square", torch.zeros_like(weight)) + (1 - betas[1]) * grad**2
    direction = (mean / (1 - betas[0] ** step)) / ((square / (1 - betas[1] ** step)).sqrt() + eps)
    new = weight * (1 - lr * weight_decay) - lr * direction
    return new, {"step": step, "mean": mean, "square": square}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** `adamw_step(torch.ones(2), torch.tensor([4.0, -0.5]), {}, lr=0.1, weight_decay=0.0)` moves both numbers by 0.1, against the sign of their gradient.

# %% check="training-adamw-step"

# %% [markdown]
# **What it means in the real model.** A small copy of the GPT (74,000 parameters), 120 steps. *SGD*, stochastic gradient descent, subtracts lr times the gradient and nothing more. It gets its own best learning rate here; it still falls far behind.
# AdamW keeps two numbers for every weight, so optimizer state takes twice the memory of the weights. Lesson 6 counts it.

# %% demo
losses = {f"SGD, lr {lr:g}": lab.final_loss(stories, lab.constant(lr), steps=120, optimizer=lambda p: torch.optim.SGD(p, lr=0.1)) for lr in (0.3, 1.0, 3.0)}
losses["AdamW, lr 0.01"] = lab.final_loss(stories, lab.constant(0.01), steps=120)
for name, loss in losses.items():
    print(f"{name:15} {loss:.2f} nats a word on held-out stories")

# %% [markdown]
# ## A limit on the gradient
#
# Now and then a batch has a gradient many times the usual size, and one such step can undo a hundred. *Clipping* shortens the gradient when its norm is above a limit, and leaves it alone otherwise.
# The norm is that of *all* gradients together, as if they stood in one long vector, so clipping changes the length of the step and not its direction:

# %%
first, second = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])  # the gradients of two parameters
norm = float((first.square().sum() + second.square().sum()).sqrt())
print("norm of all:", norm, "· clipped to 1:", first / norm, second / norm)

# %% [markdown]
# **Predict before you run.** What if each of the two were clipped to 1 by itself? Is the direction still the same?

# %%
print("one by one:", first / first.norm(), second / second.norm(), " the 3 to 4 has become 1 to 1")

# %% [markdown]
# ## Exercise: Clip the gradient · 2 points · ★★☆

# %% exercise="training-clip-gradients"
import math
from collections.abc import Iterable

import torch
from torch import nn


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> float:
    """Shorten all gradients together if their common norm is above max_norm; return the norm as it was before.

    Args: parameters may be a list or something that can be walked through only once, as model.parameters() is. Gradients
        have any shape (...), float32 or float64. Parameters without a gradient (None) are passed over and stay so. max_norm > 0.
    The norm is the square root of the sum of the squares of all numbers in all gradients; without any gradient it is 0.
    Above max_norm every gradient is multiplied, in place, by the same factor, so that the new norm is max_norm (to a relative
        error of 1e-4: a small number added to the norm does no harm). Otherwise no gradient changes.
    Returns: the norm as a float.
    Raises: ValueError if the norm is infinite or NaN; then no gradient has changed.

    >>> weight = nn.Parameter(torch.zeros(2)); weight.grad = torch.tensor([3.0, 4.0])
    >>> clip_gradients([weight], max_norm=1.0), weight.grad
    (5.0, tensor([0.6000, 0.8000]))

    Source: Pascanu et al. 2013, arXiv:1211.5063.
    """
    ### BEGIN SOLUTION
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = math.sqrt(sum(float(grad.double().square().sum()) for grad in grads))
    if not math.isfinite(norm):
        raise ValueError(f"the gradient's norm is {norm}")
    if norm > max_norm:
        for grad in grads:
            grad.mul_(max_norm / norm)
    return norm
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example: a norm of 5, and a gradient of length 1 in the same direction.

# %% check="training-clip-gradients"

# %% [markdown]
# **What it means in the real model.** These are the norms of the run at the top of the lesson; its limit was 1.

# %% demo
picture = lab.gradient_norms(run, limit=1.0)

# %% [markdown]
# Clipping works at the beginning, when the model is still random, and is a safety belt afterwards. If most steps of a long run are clipped, the limit is no longer a limit but a second learning rate.
#
# ## Large batches on small machines
#
# A batch that does not fit the memory is cut into *micro-batches*. Each goes forward and backward alone, their gradients add up, and the optimizer steps once: *gradient accumulation*.
# Done right, it gives the very gradient of the large batch. You know the trap from lesson 1.5: padding.

# %%
sums, counts = [9.0, 5.0], [9, 1]  # the summed loss of two micro-batches, and the tokens that count in each
print("mean of the two means:", (9.0 / 9 + 5.0 / 1) / 2, "· mean over all tokens:", sum(sums) / sum(counts))

# %% [markdown]
# **Predict before you run.** To divide by the number of all tokens, when must you know that number: before the first backward pass, or after the last?
#
# Before: each backward pass already adds to the gradient. Count the tokens of all micro-batches first; that needs no model.
#
# ## Exercise: A step over micro-batches · 3 points · ★★☆

# %% exercise="training-accumulate"
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, micro_batches: list[tuple[Tensor, Tensor]]) -> float:
    """Take one optimizer step on several micro-batches, as if they were one large batch, and return the loss.

    Shapes: each micro-batch is (inputs, targets), both (B, T), int64; B and T may differ from one to the next, and a target
        of -100 does not count · model(inputs) gives logits (B, T, V), float.
    The loss is the sum of the surprise -log p at every target that counts, in all micro-batches, divided by how many there are in all.
    The step: put the model in train mode, forget old gradients, go forward and backward through one micro-batch after the
        other, once each (so that only one needs memory at a time: backward comes before the next forward), and step the optimizer once.
    Returns: the loss before the step, as a float.
    If no target counts at all, return 0.0 and leave gradients, weights and the optimizer as they are.
    Leave the micro-batches as they came.

    >>> model = nn.Sequential(nn.Embedding(5, 5)); nn.init.zeros_(model[0].weight).shape
    torch.Size([5, 5])
    >>> round(train_step(model, torch.optim.SGD(model.parameters(), lr=0.1), [(torch.tensor([[1, 2]]), torch.tensor([[2, -100]]))]), 4)
    1.6094

    Source: the definition above; on the trap see huggingface/transformers pull request 34191.
    """
    ### BEGIN SOLUTION
    counted = sum(int((targets != -100).sum()) for _, targets in micro_batches)
    if counted == 0:
        return 0.0
    model.train()
    optimizer.zero_grad()
    total = 0.0
    for inputs, targets in micro_batches:
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum") / counted
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example five tokens are equally likely, so the one target that counts costs $\log 5 = 1.6094$ nats.

# %% check="training-accumulate"

# %% [markdown]
# ## Search for the learning rate
#
# Of all settings the learning rate matters most, and no formula gives it. So one tries: the same model from the same start, at seven rates, each a factor of three apart.
#
# **Predict before you run.** Draw the held-out loss against the learning rate. Which side of the curve is steeper? And on which side does a warm-up help?

# %% demo
from handbook import plots

schedule = yours_or_ours("lr_schedule", globals(), exercise="training-lr-schedule")
rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]


def loss_after(rate, warmup):
    return lab.final_loss(stories, lambda step: schedule(step, 120, warmup, rate), steps=120)


loss_at = {"warm-up of 12 steps": [loss_after(rate, 12) for rate in rates], "no warm-up": [loss_after(rate, 0) for rate in rates]}
plots.lines(rates, loss_at, title="A learning-rate sweep after 120 steps", logx=True,
            xlabel="peak learning rate", ylabel="held-out loss (nats a word)")  # fmt: skip

# %% [markdown]
# A U: on the left the model has not got anywhere yet, on the right it is thrown about. Without a warm-up the right wall is the steeper one: three times too much costs more than three times too little.
# A warm-up changes nothing on the left. It moves the right wall outwards, and so makes the choice less delicate.
# The best rate of one model is not the best of another: GPT-3 was trained in eight sizes, and the larger ones had smaller rates (Brown et al. 2020).
#
# ## Spend the search where it pays
#
# Most candidates show early that they will not win. *Successive halving* gives each of n candidates a little training, drops the worse half, and gives the rest more, until one is left.
# The budget is split evenly over the rounds; the fewer are left, the more each gets. With 8 candidates and a budget of 72 calls, where one call is one unit of training:

# %%
alive, budget, rounds = 8, 72, 3
for number in range(rounds):
    each = budget // rounds // alive
    print(f"round {number + 1}: {alive} candidates, {each} calls each, {alive * each} calls")
    alive = (alive + 1) // 2

# %% [markdown]
# **Predict before you run.** The winner has had 3 + 6 + 12 = 21 calls. What would it have cost to give all eight as many?

# %%
print("all eight to the end:", 8 * 21, "calls · successive halving: 72")

# %% [markdown]
# ## Exercise: Successive halving · 3 points · ★★☆

# %% exercise="training-successive-halving"
from collections.abc import Callable


def successive_halving(curves: list[Callable[[], float]], budget: int) -> int:
    """Find the best of n candidates with at most `budget` units of training, and return its index.

    Args: curves[i]() trains candidate i for one more unit, going on from where it stopped, and returns its loss then: lower is
        better. A call costs one unit, and can't be taken back. n >= 1. A loss may be +infinity or NaN: such a candidate has
        diverged. It is worse than all with a number, and all diverged are equal. Until a round ends, no candidate is dropped.
    There are ceil(log2(n)) rounds. Each may spend budget // rounds calls, and calls every candidate that is left the same number
        of times: that allowance // candidates left. What a round leaves over is not spent.
    After a round the better half stays, of an odd number the larger half: (k + 1) // 2 of k. Candidates are compared by the
        *latest* loss of each; of equal ones, the lower index is better.
    With one candidate there is no round: return 0 and call nothing.
    Raises: ValueError, before any call, if the first round can't call every candidate at least once.

    >>> losses = [[5.0, 4.0, 3.0], [3.0, 2.0, 1.0]]
    >>> successive_halving([iter(row).__next__ for row in losses], budget=6)
    1

    Source: Jamieson and Talwalkar 2016, arXiv:1502.07943; which half stays of an odd number is a rule of this course.
    """
    ### BEGIN SOLUTION
    alive = list(range(len(curves)))
    rounds = (len(curves) - 1).bit_length()  # ceil(log2(n))
    if rounds and budget // rounds < len(curves):
        raise ValueError(f"{budget} calls are too few for {rounds} rounds of {len(curves)} candidates")
    for _ in range(rounds):
        latest = {}
        for i in alive:
            for _ in range(budget // rounds // len(alive)):
                loss = curves[i]()
            latest[i] = loss if loss == loss else float("inf")  # NaN is not equal to itself
        alive = sorted(sorted(alive), key=lambda i: latest[i])[: (len(alive) + 1) // 2]
    return alive[0]
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example each candidate is called three times, and candidate 1 has the lower loss.

# %% check="training-successive-halving"

# %% [markdown]
# **On real training runs.** Eight learning rates, one call for ten steps of the small GPT.

# %% demo
halving = yours_or_ours("successive_halving", globals(), exercise="training-successive-halving")
tried = [1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 2e-2, 6e-2]
candidates = [lab.Candidate(stories, rate, unit=10) for rate in tried]
best = halving(candidates, budget=72)
for rate, candidate in zip(tried, candidates, strict=True):
    print(f"learning rate {rate:7.4f}: {candidate.calls:2} calls", "<- best" if candidate is candidates[best] else "")

# %% [markdown]
# It has one blind spot: a candidate that starts slowly and ends best is dropped in the first round. Small learning rates are such candidates, and so a search by short runs leans towards large ones.
#
# ## Warm start or cold start
#
# Everything so far started from random weights. Now let a model that has read 3,000 stories, none of them about a race, meet 40 stories in which two animals race each other.
# The *cold* model has the same shape and random weights.
#
# **Predict before you run.** At step 0, before any training on races, which one has the lower loss? And how many steps does the warm one need to reach the cold one's end?

# %% demo
many, few = lab.two_domains()
pretrained = lab.gpt(many)
lab.train(pretrained, many, lambda step: schedule(step, 200, 20, 3e-3, 3e-4), steps=200, batch=8)
runs = lab.warm_and_cold(pretrained, few, lambda step: schedule(step, 60, 6, 3e-3, 3e-4), steps=60, every=6)
steps = [step for step, _ in next(iter(runs.values())).checked]
plots.lines(steps, {name: [loss for _, loss in each.checked] for name, each in runs.items()}, title="40 stories of a new kind",
            xlabel="training step on the new stories", ylabel="held-out loss (nats a word)")  # fmt: skip

# %% demo
warm, cold = (each.checked for each in runs.values())
reached = next((step for step, loss in warm if loss <= cold[-1][1]), None)
print(f"cold after {cold[-1][0]} steps: {cold[-1][1]:.2f} · warm gets there in {reached} steps, and ends at {warm[-1][1]:.2f}")

# %% [markdown]
# At step 0 the warm model is hardly better than an even guess, if at all: it is sure of words that do not come. But it knows names, commas, who is *he* and who is *she*; only the plot is new. It gains a lot from the first few steps.
# The pretraining was paid once. Each new kind of story now costs less than half as many steps, and ends lower than the cold one after as many.
#
# ## The decision
#
# So when is training from scratch right? When there is no base that you may use, and you have the text and the compute. Both can be counted:
#
# - Text: of all ways to spend a given compute, about 20 tokens for each parameter give the lowest loss (Hoffmann et al. 2022). With less text, a smaller model does better.
# - Compute: training costs about 6 floating-point operations for each parameter and token (Kaplan et al. 2020).

# %%
N = 1_000_000_000
D = 20 * N
print(f"{N:.0e} parameters want {D:.0e} tokens and {6 * N * D:.1e} operations from scratch")
print(f"fine-tuning them on 10 million tokens takes {6 * N * 1e7:.0e}: {D / 1e7:,.0f} times less")

# %% [markdown]
# ## Exercise: From scratch, or fine-tune? · 3 points · ★★☆

# %% exercise="training-scratch-or-finetune"
def scratch_or_finetune(card: dict) -> tuple[str, list[str]]:
    """Decide how to get a model for a project, and name what stood in the way of the first choice.

    Card: "parameters" (int) of the model you need · "tokens" (int) of text you have · "flops" (float) you can pay for ·
        "audited" (bool): must the origin of all training data be known? · "base": None, or a dict about a pretrained model with
        "parameters" (int), "licensed" (bool: may you use it so?), "data_known" (bool), "tokens_per_word" (float, of its tokenizer on your text).
    Fine-tuning the base is the first choice. Each of these, if true, stands in its way:
        "no base"    there is none; nothing else is then asked about the base
        "licence"    it may not be used
        "audit"      an audit is asked for and its data is not known
        "tokenizer"  tokens_per_word is above 3.0: it spells out your language letter by letter
        "size"       it has more than twice the parameters that you need
        "compute"    6 * its parameters * your tokens is above your flops
    From scratch is the second choice. It needs 20 tokens or more for each parameter you need, and flops of at least
        6 * parameters * (20 * parameters): one run on just that many of your tokens.
    Returns: (decision, reasons). The decision is "finetune", else "scratch", else "neither". The reasons are all the words
        above that stand in the way of fine-tuning, in the order of the list above, and [] for "finetune". If the decision is
        "neither", there follow "text" if the tokens are too few, and "scratch compute" if the flops are.
    Limits belong to the good side: exactly 3.0, twice, 20 tokens, or just enough flops is enough. Leave the card as it came.

    >>> scratch_or_finetune({"parameters": 10**8, "tokens": 10**7, "flops": 1e17, "audited": False, "base": None})
    ('neither', ['no base', 'text', 'scratch compute'])

    Source: Kaplan et al. 2020, arXiv:2001.08361 (6 per parameter and token); Hoffmann et al. 2022, arXiv:2203.15556 (about 20
        tokens a parameter). The other limits are rules of thumb of this course.
    """
    ### BEGIN SOLUTION
    need, tokens, flops, base = card["parameters"], card["tokens"], card["flops"], card["base"]
    if base is None:
        reasons = ["no base"]
    else:
        tests = {
            "licence": not base["licensed"],
            "audit": card["audited"] and not base["data_known"],
            "tokenizer": base["tokens_per_word"] > 3.0,
            "size": base["parameters"] > 2 * need,
            "compute": 6 * base["parameters"] * tokens > flops,
        }
        reasons = [name for name, stands_in_the_way in tests.items() if stands_in_the_way]
    if not reasons:
        return "finetune", []
    lacking = {"text": tokens < 20 * need, "scratch compute": flops < 6 * need * 20 * need}
    if not any(lacking.values()):
        return "scratch", reasons
    return "neither", reasons + [name for name, lacks in lacking.items() if lacks]
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's project has a tenth of a token for each parameter: nothing works, and three words say why.

# %% check="training-scratch-or-finetune"

# %% [markdown]
# **Four projects.** Change a number and see what tips the decision.

# %% demo
decide = yours_or_ours("scratch_or_finetune", globals(), exercise="training-scratch-or-finetune")
smol = {"parameters": 135_000_000, "licensed": True, "data_known": True, "tokens_per_word": 1.4}
card = {"parameters": 135_000_000, "tokens": 5_000_000, "flops": 1e18, "audited": False, "base": smol}
projects = {"tickets in English": card, "the same in a rare script": {**card, "base": {**smol, "tokens_per_word": 6.1}},
            "a protein model": {**card, "tokens": 4 * 10**9, "flops": 1e19, "base": None},
            "a base of unknown data, audited": {**card, "audited": True, "base": {**smol, "data_known": False}}}  # fmt: skip
for name, project in projects.items():
    print(f"{name:32}", *decide(project))

# %% [markdown]
# Most projects end in the first line. Before you start a run from scratch, look at the second and the last: sometimes a smaller model, more text, or another base changes the answer.
#
# ## A run that can stop
#
# Machines fail, and cheap ones are taken away without warning. A *checkpoint* is good if the run that goes on from it is the run that never stopped, bit for bit. Anything less can't be told from a bug.
#
# **Predict before you run.** A run stops after 30 steps. You load the weights into a new model, make a new optimizer and go on. What is lost?

# %% demo
full = lab.ResumableRun(stories, seed=5)
full.go(30)
weights = {name: weight.clone() for name, weight in full.model.state_dict().items()}
straight = full.go(30)
again = lab.ResumableRun(stories, seed=6)
again.model.load_state_dict(weights)
only_weights = again.go(30)
plots.lines(list(range(30, 60)), {"never stopped": straight, "weights loaded, the rest new": only_weights},
            title="Weights alone are not a checkpoint", xlabel="training step", ylabel="loss (nats a word)")  # fmt: skip

# %% [markdown]
# It is another run now. The optimizer's running means are gone, so its first steps are as blind as those of step 0. And the batches and the noise are others, because they come from random number generators with a state of their own.
# Here there are three: PyTorch's global one (dropout draws from it), Python's `random`, and the `torch.Generator` that shuffles the data. (A GPU has another one for each device; NumPy has its own.)

# %%
import random

random.seed(1)
state = random.getstate()
first = [random.randrange(10) for _ in range(5)]
random.setstate(state)
print(first, "and once more", [random.randrange(10) for _ in range(5)])

# %% [markdown]
# One more thing can go wrong: the machine dies *while* the checkpoint is written, and the only good copy is now half a file. So write beside it, and rename when done: `os.replace` swaps the files in one move.
#
# ## Exercise: Save and resume · 4 points · ★★★

# %% exercise="training-checkpoint"
import os
import random
from pathlib import Path

import torch
from torch import nn


def save_checkpoint(path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, rng: torch.Generator) -> None:
    """Write everything that the rest of a run depends on to one file.

    That is: the states of the model and of the optimizer, the step, and the states of three random number generators:
        `rng` (it draws the batches), PyTorch's global one on the CPU, and Python's `random`.
    Saving changes none of them. Afterwards the file is there, under this very name. No other file beside it is new, changed or gone.
    A checkpoint that stands at the path already is replaced in one move, when the new one is complete beside it; nothing is
        ever written into the old file. If writing fails half-way (the optimizer's state can't be written, say), the error is
        raised, the old file is as it was, and no half-written file is left.
    The file is one that torch.load(path, weights_only=True) reads: tensors, numbers, texts, and containers of these.

    Source: the saving and loading tutorial of PyTorch's documentation; torch.save.
    """
    ### BEGIN SOLUTION
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "rng": rng.get_state(),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
    }
    beside = Path(f"{path}.part")
    try:
        torch.save(checkpoint, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    ### END SOLUTION


def resume(path: str | Path, model: nn.Module, optimizer: torch.optim.Optimizer, rng: torch.Generator) -> int:
    """Bring a run back to where its checkpoint was saved, and return the step.

    `model` and `optimizer` are new ones of the same shape; their states, that of `rng`, and those of PyTorch's global generator on the CPU and of Python's `random`
        are set, in place. From here on the run goes on bit for bit as the one that was saved. The file stays as it is.
    """
    ### BEGIN SOLUTION
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    rng.set_state(checkpoint["rng"])
    torch.set_rng_state(checkpoint["torch"])
    random.setstate(checkpoint["python"])
    return checkpoint["step"]
    ### END SOLUTION


# %% [markdown]
# **What you should see.** Below, the two rows of numbers are the same in every digit.

# %% check="training-checkpoint"

# %% demo
import tempfile
from pathlib import Path

save, load = (yours_or_ours(name, globals(), exercise="training-checkpoint") for name in ("save_checkpoint", "resume"))
with tempfile.TemporaryDirectory() as folder:
    one, other = lab.ResumableRun(stories, seed=5), lab.ResumableRun(stories, seed=6)
    one.go(30)
    save(Path(folder) / "run.pt", one.model, one.optimizer, one.step, one.rng)
    straight = one.go(5)
    print(f"checkpoint of {sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e3:,.0f} kB for {4 * lab.parameters(one.model) / 1e3:,.0f} kB of weights")
    other.step = load(Path(folder) / "run.pt", other.model, other.optimizer, other.rng)
print("never stopped:", straight, "\nresumed:      ", other.go(5), sep="\n")

# %% [markdown]
# The file is three times as large as the weights: AdamW's two running means go with them. How often to save is a question of what a lost hour costs; lesson 6 has the formula.
#
# ## Find the bugs
#
# Bugs in training code rarely stop the program. The loss falls, if not as low as it could, and the numbers look fine. Below is a training script as you might be handed it. It runs. Five bugs are planted in it.

# %%
from handbook import buggy_training

print(buggy_training.numbered())

# %% [markdown]
# **Predict before you go on.** Read it twice: once along the data (where do a batch, a target, a held-out row come from?), and once along a step (what happens in which order, and in which state is the model?). Write down what you suspect.
# Not everything that looks odd is wrong, and each bug breaks something that the script itself promises, in a docstring or a name.
#
# Here is how it is run, and how a patch goes in. A patch is the new text of a line, with its indentation. `"    a\n    b"` puts two lines in place of one:

# %%
print(buggy_training.patched({13: "    return peak * (1 - done)"}).splitlines()[12])

# %% [markdown]
# ## Exercise: Find the bugs · 4 points · ★★★

# %% exercise="training-find-the-bugs"
def find_bugs() -> dict[int, str]:
    """Return patches that mend the five bugs of handbook.buggy_training.SCRIPT: {line number: the line as it should be}.

    Line numbers are those of handbook.buggy_training.numbered(), from 1 on, and always those of the unpatched script. A patch
        has the indentation that the line needs. It may be several lines with "\\n" between them, or "" for none: so lines can
        be added, removed, or swapped.
    At most 8 lines may be replaced, by at most 12 lines in all.
    The script is patched and run on small data, and judged by what it does: any patch that mends a bug is right. What the
        script does well must stay: the names and arguments of its functions and what they return, the shuffling, the optimizer, the number of steps,
        the clipping, the log.

    >>> find_bugs()  # doctest: +SKIP
    {13: "    return peak * (1 - done)", ...}

    Source: this course wrote the script; on mistakes that raise no error see Karpathy 2019, "A Recipe for Training Neural Networks".
    """
    ### BEGIN SOLUTION
    return {
        20: "    return nll[targets.flatten() != PAD].mean()",
        27: "    loss = loss_of(model, held_out).item()\n    model.train()\n    return loss",
        34: "    held_out, to_learn = rows[:8], rows[8:]",
        41: "        optimizer.zero_grad()\n        loss.backward()",
        43: '        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)',
        44: "        optimizer.step()",
    }
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The check names what the patched script still does wrong, not where.

# %% check="training-find-the-bugs"

# %% [markdown]
# None of the five raised an error. What would have shown them? A loss on a batch of known answer (padding), a look at the first batches and the held-out rows side by side (the leak), a printed learning rate, and the oldest test of all:
# can the model learn one batch by heart?
#
# ## Recap
#
# - A schedule warms up, peaks, and falls to its floor at the last step that is run.
# - AdamW divides a running mean by the root of another, both corrected for their start at zero; weight decay acts on the weight, not through the gradient.
# - Clip by the norm of all gradients together, and only above the limit.
# - Accumulated micro-batches equal one large batch when you divide by all tokens that count.
# - Search learning rates by factors, and stop the losers early.
# - Start warm if you may and can. From scratch wants 20 tokens for each parameter and the compute for it.
# - A checkpoint holds weights, optimizer, step, and every generator's state, and replaces the old one in one move.
#
# **Limits.** A grammar of 300 words is learnt in seconds; real text is not. Rates and step counts here are for these small models. The shapes of the curves are what carries over.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. Why is Adam's first step about as long for a gradient of 0.01 as for one of 100?</summary>
#
# After the correction the running mean is the gradient and the running square is its square. One divided by the root of the other is its sign, so each number moves by the learning rate.
# </details>
#
# <details><summary>2. Two micro-batches hold 30 and 10 tokens that count. You call backward() on the mean loss of each, divided by two. What is wrong?</summary>
#
# The tokens of the second weigh three times as much as those of the first. Divide both sums by 40.
# </details>
#
# <details><summary>3. A run is resumed from its weights, optimizer and step. Its curve differs from that of the run that never stopped. What was forgotten?</summary>
#
# The random number generators: other batches are drawn, and dropout drops other units. (The schedule follows from the step.)
# </details>
#
# **Next.** One machine has been enough so far. Lesson 5 puts several to work on one model, and shows what they must tell each other after every step.
#
# ## Further reading
#
# - Kingma and Ba 2015, [Adam: A Method for Stochastic Optimization](https://arxiv.org/abs/1412.6980), arXiv:1412.6980.
# - Loshchilov and Hutter 2019, [Decoupled Weight Decay Regularization](https://arxiv.org/abs/1711.05101), arXiv:1711.05101; and 2017, [SGDR](https://arxiv.org/abs/1608.03983), arXiv:1608.03983, for the cosine.
# - Pascanu et al. 2013, [On the difficulty of training Recurrent Neural Networks](https://arxiv.org/abs/1211.5063), arXiv:1211.5063: clipping.
# - Jamieson and Talwalkar 2016, [Non-stochastic Best Arm Identification and Hyperparameter Optimization](https://arxiv.org/abs/1502.07943), arXiv:1502.07943; Li et al. 2018, [Hyperband](https://arxiv.org/abs/1603.06560), arXiv:1603.06560.
# - Brown et al. 2020, [Language Models are Few-Shot Learners](https://arxiv.org/abs/2005.14165), arXiv:2005.14165: the sizes of GPT-3 and their learning rates.
# - Kaplan et al. 2020, [Scaling Laws for Neural Language Models](https://arxiv.org/abs/2001.08361), arXiv:2001.08361; Hoffmann et al. 2022, [Training Compute-Optimal Large Language Models](https://arxiv.org/abs/2203.15556), arXiv:2203.15556.
# - Karpathy 2019, [A Recipe for Training Neural Networks](https://karpathy.github.io/2019/04/25/recipe/).
