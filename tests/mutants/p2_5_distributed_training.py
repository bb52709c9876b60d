"""Plausible wrong answers to p2_5_distributed_training, each with what its author should be told; and right answers written another way."""

import contextlib
import itertools
import math
import random
from fractions import Fraction

import torch
from torch import nn

from grader.mutation import edit, edit_variant, mutant, variant

DDP, RING, ZERO = "distributed-ddp-step", "distributed-ring-all-reduce", "distributed-optimizer-shards"
BUFFER, SHARE, PACK, BUBBLE = "distributed-shuffle-buffer", "distributed-shard-stream", "distributed-pack-sequences", "distributed-pipeline-bubble"

# --------------------------------------------------------------------------------------------------- DDP step

LOSS = 'nn.functional.cross_entropy(model(x), y, reduction="sum") / rows'
TOTAL = "torch.stack(gradients).sum(0)"
edit(DDP, "adds_the_means", "The mean gradients of the ranks are added, so the step grows with the number of ranks: sum, where a mean is due.",
     (LOSS, "nn.functional.cross_entropy(model(x), y)"))
edit(DDP, "averages_the_means", "The mean of the ranks' means lets a row on a rank with few rows count more; divide by the number of all rows.",
     (LOSS, "nn.functional.cross_entropy(model(x), y)"), (TOTAL, "torch.stack(gradients).mean(0)"),
     ("return loss_of_all", "return loss_of_all / len(replicas)"))
edit(DDP, "averages_twice", "The gradients are divided by the number of all rows, and then by the number of ranks as well.",
     (TOTAL, "torch.stack(gradients).mean(0)"))
edit(DDP, "adds_the_sums", "The loss is the sum over rows; it must be their mean.", (LOSS, 'nn.functional.cross_entropy(model(x), y, reduction="sum")'))
edit(DDP, "only_the_first_replica_moves", "Only rank 0 makes the step, and the replicas are no longer equal; each of them must make it.",
     ("for p in copies:\n                    p -= lr * total", "for p in copies[:1]:\n                    p -= lr * total"))
edit(DDP, "no_all_reduce", "Each replica steps by its own gradient, and they drift apart: add the gradients of all ranks first.",
     ("for p in copies:\n                    p -= lr * total", "for p in copies:\n                    p -= lr * (0 if p.grad is None else p.grad)"))
edit(DDP, "keeps_old_gradients", "Gradients from before the call are added to the new ones: clear .grad first.", ("p.grad = None", "pass"))
edit(DDP, "climbs", "The step goes up the loss: subtract lr · gradient.", ("p -= lr * total", "p += lr * total"))
edit(DDP, "forgets_the_learning_rate", "The step is the whole gradient: multiply by lr.", ("p -= lr * total", "p -= total"))
edit(DDP, "skips_empty_gradients_badly", "A parameter without gradient is given a random one; leave it as it is.",
     ("            if gradients:\n", "            gradients = gradients or [torch.ones_like(p) for p in copies]\n            if gradients:\n"))
edit(DDP, "tells_the_last_loss", "The loss of the last rank alone is returned, not the loss of all rows.", ("loss_of_all += loss.item()", "loss_of_all = loss.item()"))
edit(DDP, "tells_the_sum", "The returned loss is a sum over rows; return the mean.", ("return loss_of_all", "return loss_of_all * rows"))
edit(DDP, "weighs_by_the_first_rank", "All ranks are taken to have as many rows as rank 0: count the rows of each.",
     ("sum(len(y) for _, y in batches)\n    loss_of_all", "len(batches[0][1]) * len(batches) or 1\n    loss_of_all"))


edit(DDP, "clips_gradients", "Gradients are cut at 1; a step is lr times the gradient, however large that is.", ("p -= lr * total", "p -= lr * total.clamp(-1, 1)"))
edit(DDP, "one_memory_for_all", "All replicas end with the very same tensor; change each one's own in place, for ranks have no memory in common.",
     ("for p in copies:\n                    p -= lr * total", "new = copies[0] - lr * total\n                for p in copies:\n                    p.data = new"))

@mutant(DDP, provides="ddp_step")
def sends_the_data_to_rank_0(replicas, batches, lr):
    """All rows are sent to rank 0, which works alone; the data stays where it is, and only gradients travel."""
    if len(replicas) != len(batches) or not any(len(y) for _, y in batches):
        raise ValueError
    x, y = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    replicas[0].zero_grad()
    loss = nn.functional.cross_entropy(replicas[0](x), y)
    loss.backward()
    with torch.no_grad():
        for copies in zip(*(model.parameters() for model in replicas), strict=True):
            if copies[0].grad is not None:
                step = lr * copies[0].grad
                for p in copies:
                    p -= step
    return loss.item()


@mutant(DDP, provides="ddp_step")
def leaves_out_empty_ranks(replicas, batches, lr):
    """A rank without rows is left out, and keeps old weights; it takes part in the step all the same."""
    if len(replicas) != len(batches) or not any(len(y) for _, y in batches):
        raise ValueError
    pairs = [(model, batch) for model, batch in zip(replicas, batches, strict=True) if len(batch[1])]
    rows, told = sum(len(y) for _, (_, y) in pairs), 0.0
    for model, (x, y) in pairs:
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y, reduction="sum") / rows
        loss.backward()
        told += loss.item()
    with torch.no_grad():
        for copies in zip(*(model.parameters() for model, _ in pairs), strict=True):
            if copies[0].grad is not None:
                step = sum(p.grad for p in copies)
                for p in copies:
                    p -= lr * step
    return told


@variant(DDP, provides="ddp_step")
def by_names(replicas, batches, lr):
    """Right: log_softmax by hand, parameters by name, and the sum written into .grad first, as DistributedDataParallel does."""
    if len(replicas) != len(batches) or not any(len(y) for _, y in batches):
        raise ValueError("no step")
    everyone = sum(y.numel() for _, y in batches)
    losses = []
    for model, (x, y) in zip(replicas, batches, strict=True):
        model.zero_grad(set_to_none=True)
        logits = model(x)
        loss = -torch.log_softmax(logits, -1)[torch.arange(len(y)), y].sum() / everyone
        loss.backward()
        losses.append(loss.detach())
    wires = [{name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None} for model in replicas]
    for model in replicas:
        for name, p in model.named_parameters():
            if any(name in wire for wire in wires):
                p.grad = sum(wire[name] for wire in wires if name in wire)
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p.sub_(p.grad, alpha=lr)
    return float(sum(losses))


@variant(DDP, provides="ddp_step")
def by_weighted_means(replicas, batches, lr):
    """Right: each busy rank's mean gradient by autograd.grad, weighed by its share of the rows."""
    if len(replicas) != len(batches) or not any(len(y) for _, y in batches):
        raise ValueError("no step")
    n, told, change = sum(len(x) for x, _ in batches), 0.0, {}
    for model, (x, y) in zip(replicas, batches, strict=True):
        if len(y) == 0:
            continue
        loss = nn.functional.cross_entropy(model(x), y)
        told += float(loss) * len(y) / n
        names = [name for name, p in model.named_parameters() if p.requires_grad]
        parts = torch.autograd.grad(loss, [dict(model.named_parameters())[name] for name in names], allow_unused=True)
        for name, part in zip(names, parts, strict=True):
            if part is not None:
                change[name] = change.get(name, 0) + part * len(y) / n
    for model in replicas:
        for name, p in model.named_parameters():
            if name in change:
                p.data = p.data - lr * change[name]
    return told


# ------------------------------------------------------------------------------------------------------- ring

COPY = "mine.copy_(wire[r - 1] + mine if step < W - 1 else wire[r - 1])"
COUNT = "sent[r] += wire[r].numel() * wire[r].element_size()"
edit(RING, "adds_in_every_step", "The second half adds too, so values are counted more than once; there a chunk replaces what the receiver has.",
     (COPY, "mine.copy_(wire[r - 1] + mine)"))
edit(RING, "replaces_in_every_step", "Nothing is ever added: in the first W - 1 steps the receiver adds.", (COPY, "mine.copy_(wire[r - 1])"))
edit(RING, "stops_after_the_first_half", "The second half is missing: each rank has only one complete chunk.", ("range(2 * (W - 1))", "range(W - 1)"))
edit(RING, "one_step_too_many", "There are 2W steps; 2 (W - 1) are enough, and the rest is sent for nothing.", ("range(2 * (W - 1))", "range(2 * W if W > 1 else 0)"))
edit(RING, "adds_one_step_too_long", "The switch from adding to replacing comes a step late: the first W - 1 steps add.", ("step < W - 1", "step < W"))
edit(RING, "adds_one_step_too_short", "The switch from adding to replacing comes a step early: the first W - 1 steps add.", ("step < W - 1", "step < W - 2"))
edit(RING, "counts_values", "Values are counted, not bytes: multiply by element_size().", (COUNT, "sent[r] += wire[r].numel()"))
edit(RING, "counts_four_bytes", "Every value is taken to have 4 bytes; ask the tensor for its element_size().", (COUNT, "sent[r] += wire[r].numel() * 4"))
edit(RING, "counts_the_adding_half_only", "The bytes of the second half are not counted.", (COUNT, "sent[r] += wire[r].numel() * wire[r].element_size() * (step < W - 1)"))
edit(RING, "counts_what_it_receives", "The bytes that a rank receives are counted, not those that it sends.", (COUNT, "sent[r] += wire[r - 1].numel() * wire[r - 1].element_size()"))
edit(RING, "drops_the_rest", "Chunks of N // W values leave out the last values where N is not a multiple of W.",
     ("slice(c * N // W, (c + 1) * N // W)", "slice(c * (N // W), (c + 1) * (N // W))"))
edit(RING, "puts_the_rest_into_the_last_chunk", "The last chunk takes all that is left over; chunk c goes from c · N // W to (c + 1) · N // W.",
     ("slice(c * N // W, (c + 1) * N // W)", "slice(c * (N // W), (c + 1) * (N // W) if c < W - 1 else N)"))
edit(RING, "rounds_chunks_up", "Chunks of N / W values, rounded up, are not those of the docstring: chunk c goes from c · N // W to (c + 1) · N // W.",
     ("slice(c * N // W, (c + 1) * N // W)", "slice(c * -(-N // W), (c + 1) * -(-N // W))"))
edit(RING, "works_on_the_callers_tensors", "The caller's shards are changed: clone them first.", ("shard.clone() for shard in shards", "shard for shard in shards"))
edit(RING, "averages", "The result is the mean over ranks; all-reduce gives the sum.", ("return held, sent", "return [part / W for part in held], sent"))
edit(RING, "everything_in_float32", "The shards are turned into float32; results keep the dtype of the shards.", ("shard.clone() for shard in shards", "shard.float().clone() for shard in shards"))


edit(RING, "shares_all_but_the_first", "All ranks but the first get one and the same tensor; each needs memory of its own.",
     ("return held, sent", "return held[:1] + held[1:2] * (W - 1), sent"))

@mutant(RING, provides="ring_all_reduce")
def adds_them_up(shards):
    """The shards are added in order of rank and the bytes worked out by a formula; the values have not travelled on the ring, and rounding differs."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError
    W, N = len(shards), len(shards[0])
    sizes = [(c + 1) * N // W - c * N // W for c in range(W)]
    total = shards[0].clone()
    for shard in shards[1:]:
        total = total + shard
    sent = [(2 * N - sizes[(r + 1) % W] - sizes[(r + 2) % W]) * total.element_size() if W > 1 else 0 for r in range(W)]
    return [total.clone() for _ in shards], sent


@mutant(RING, provides="ring_all_reduce")
def all_to_rank_0(shards):
    """All ranks send to rank 0, which adds and sends back: that is no ring, and rank 0 sends W - 1 whole tensors."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError
    total = torch.stack(shards).sum(0).to(shards[0].dtype)
    size = total.numel() * total.element_size()
    return [total.clone() for _ in shards], [(len(shards) - 1) * size, *[size] * (len(shards) - 1)]


@mutant(RING, provides="ring_all_reduce")
def whole_tensors_round_the_ring(shards):
    """Whole tensors go round the ring, not chunks: each rank sends W - 1 tensors, and the more ranks, the more."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError
    W, held, wire = len(shards), [shard.clone() for shard in shards], [shard.clone() for shard in shards]
    for _ in range(W - 1):
        wire = [wire[r - 1] for r in range(W)]
        held = [held[r] + wire[r] for r in range(W)]
    return held, [(W - 1) * shard.numel() * shard.element_size() for shard in shards]


@mutant(RING, provides="ring_all_reduce")
def same_bytes_for_all(shards):
    """All ranks are said to send the average number of bytes; where chunks differ in size, they don't."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError
    W, N = len(shards), len(shards[0])
    parts = []
    for c in range(W):
        total = shards[c][c * N // W : (c + 1) * N // W]
        for hop in range(1, W):
            total = total + shards[(c + hop) % W][c * N // W : (c + 1) * N // W]
        parts.append(total)
    return [torch.cat(parts) for _ in shards], [2 * (W - 1) * N // W * shards[0].element_size()] * W


@mutant(RING, provides="ring_all_reduce")
def one_tensor_for_all(shards):
    """All ranks get the very same tensor, so that whoever writes into it changes it for all."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError
    W, N = len(shards), len(shards[0])
    sizes, parts = [(c + 1) * N // W - c * N // W for c in range(W)], []
    for c in range(W):
        total = shards[c][c * N // W : (c + 1) * N // W]
        for hop in range(1, W):
            total = total + shards[(c + hop) % W][c * N // W : (c + 1) * N // W]
        parts.append(total)
    sent = [(2 * N - sizes[(r + 1) % W] - sizes[(r + 2) % W]) * shards[0].element_size() if W > 1 else 0 for r in range(W)]
    return [torch.cat(parts)] * W, sent


@variant(RING, provides="ring_all_reduce")
def one_rank_after_the_other(shards):
    """Right: in each step a rank sends another chunk than it receives, so the ranks may take turns."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError("nothing to add")
    W, N = len(shards), len(shards[0])
    held, sent = [shard.clone() for shard in shards], [0] * W
    for step in range(2 * (W - 1)):
        for r, mine in enumerate(held):
            c = (r - step) % W
            part, there = slice(c * N // W, (c + 1) * N // W), held[(r + 1) % W]
            sent[r] += mine[part].numel() * mine.element_size()
            there[part] = there[part] + mine[part] if step < W - 1 else mine[part]
    return held, sent


@variant(RING, provides="ring_all_reduce")
def in_two_phases(shards):
    """Right: reduce-scatter and all-gather as two loops over lists of chunks."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError("nothing to add")
    W, N = len(shards), shards[0].numel()
    edges = [N * c // W for c in range(W + 1)]
    held = [[shard[a:b].clone() for a, b in itertools.pairwise(edges)] for shard in shards]
    sent = [0 for _ in shards]
    for adds, first in ((True, 0), (False, 1)):
        for step in range(W - 1):
            messages = [((r + first - step) % W, held[r][(r + first - step) % W]) for r in range(W)]
            for r, (c, message) in enumerate(messages):
                sent[r] += message.nbytes
                there = held[(r + 1) % W]
                there[c] = there[c] + message if adds else message.clone()
    return [torch.cat(parts) for parts in held], sent


@variant(RING, provides="ring_all_reduce")
def by_reading_the_other_state(shards):
    """Right: a new list of tensors in each step, made from the old one."""
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError("nothing to add")
    W, N = len(shards), len(shards[0])
    place = torch.tensor([c for c in range(W) for _ in range((c + 1) * N // W - c * N // W)], dtype=torch.int64)  # (N,): its chunk
    now, sent = [shard.detach().clone() for shard in shards], torch.zeros(W, dtype=torch.int64)
    for step in range(2 * W - 2):
        old = now
        now = [torch.where(place == (r - 1 - step) % W, old[r] + old[r - 1] if step < W - 1 else old[r - 1], old[r]) for r in range(W)]
        sent += torch.tensor([int((place == (r - step) % W).sum()) * shards[0].element_size() for r in range(W)])
    return tuple(now), sent.tolist()


# --------------------------------------------------------------------------------------------- sharded optimizer

BORDERS = "borders = [min(rank * size, n_params) for rank in range(world + 1)]"
GRADIENT = "torch.stack([gradient[own] for gradient in gradients]).mean(0)"
edit(ZERO, "rounds_down", "The slice size is rounded down, and the last parameters belong to nobody.", ("-(-n_params // world)", "n_params // world"))
edit(ZERO, "gives_the_rest_to_the_last", "The size is rounded down and the last rank takes the rest: that is the longest slice, and the docstring asks for the shortest.",
     ("-(-n_params // world)", "n_params // world"), (BORDERS, "borders = [rank * size for rank in range(world)] + [n_params]"))
edit(ZERO, "pads_the_last_slice", "The last slice reaches beyond the parameters: cut it at n_params.", (BORDERS, "borders = [rank * size for rank in range(world + 1)]"))
edit(ZERO, "every_rank_holds_all", "Every rank holds the averages of all parameters: nothing is saved.",
     ('"mean": torch.zeros(end - start), "square": torch.zeros(end - start)', '"mean": torch.zeros(n_params), "square": torch.zeros(n_params)'))
edit(ZERO, "mean_and_square_are_one", "mean and square are the same tensor.",
     ('{"start": start, "end": end, "step": 0, "mean": torch.zeros(end - start), "square": torch.zeros(end - start)}',
      '{"start": start, "end": end, "step": 0, **dict.fromkeys(("mean", "square"), torch.zeros(end - start))}'))
edit(ZERO, "starts_at_step_one", "step begins at 1; _adam counts it up before it is used, so it begins at 0.", ('"step": 0', '"step": 1'))
edit(ZERO, "spreads_the_rest", "The first slices get one parameter more; the docstring wants slices rounded up and the last ones cut.",
     (BORDERS, "borders = [rank * (n_params // world) + min(rank, n_params % world) for rank in range(world + 1)]"))
edit(ZERO, "float64_state", "The averages are float64, which takes twice the memory; they are float32.", ('"mean": torch.zeros(end - start)', '"mean": torch.zeros(end - start, dtype=torch.float64)'))
edit(ZERO, "its_own_gradient_only", "Each rank uses the gradient of its own rows only; it needs the mean over all ranks, for its slice.",
     (GRADIENT, "gradients[len(slices)][own]"))
edit(ZERO, "the_first_gradient_only", "Only rank 0's gradient is used; take the mean over all ranks.", (GRADIENT, "gradients[0][own]"))
edit(ZERO, "leaves_out_idle_ranks", "Ranks whose gradients are 0 are left out of the mean; it is over all ranks.",
     (GRADIENT, "sum(gradient[own] for gradient in gradients) / max(1, sum(bool(gradient.any()) for gradient in gradients))"))
edit(ZERO, "sums_gradients", "The gradients are added, not averaged. Adam hides it in the parameters, but its averages show it.", (GRADIENT, "torch.stack([gradient[own] for gradient in gradients]).sum(0)"))
edit(ZERO, "no_all_gather", "Only the first slice is updated in the result: the slices of all ranks are put together.", ("return torch.cat(slices)", "return torch.cat([slices[0], params[len(slices[0]) :]])"))
edit(ZERO, "returns_the_changes", "The changes are returned, not the new parameters.", ("params[own] + _adam(state, gradient, lr)", "_adam(state, gradient, lr)"))
edit(ZERO, "climbs", "_adam gives the change with its sign: add it.", ("params[own] + _adam(", "params[own] - _adam("))
edit(ZERO, "updates_a_copy_of_the_state", "A copy of the state is updated, so Adam's averages never grow: update the state in place.",
     ("_adam(state, gradient, lr)", '_adam({**state, "mean": state["mean"].clone(), "square": state["square"].clone()}, gradient, lr)'))
edit(ZERO, "counts_no_step_for_empty_slices", "A rank with an empty slice does not count its step; it takes part in every step.",
     ("    for state in states:\n", '    for state in states:\n        if state["start"] == state["end"]:\n            continue\n'))
edit(ZERO, "a_step_for_each_gradient", "Adam runs once for each gradient; the mean is one gradient and makes one step.",
     (GRADIENT, "torch.stack([gradient[own] for gradient in gradients]).mean(0)\n        for _ in gradients[1:]:\n            _adam(state, gradient, lr)"))
edit(ZERO, "works_on_the_callers_parameters", "The caller's params are changed: make a new tensor.",
     ("slices.append(params[own] + _adam(state, gradient, lr))", "slices.append(params[own].add_(_adam(state, gradient, lr)))"))
edit(ZERO, "puts_slices_in_reverse", "The slices are put together from the last to the first.", ("return torch.cat(slices)", "return torch.cat(slices[::-1])"))


edit(ZERO, "slices_of_a_long_tensor", "Each average is a slice of a tensor as long as all parameters, and that tensor stays in memory: nothing is saved. Make the short one.",
     ('"mean": torch.zeros(end - start), "square": torch.zeros(end - start)', '"mean": torch.zeros(n_params)[start:end], "square": torch.zeros(n_params)[start:end]'))

@variant(ZERO, provides="shard_optimizer_state")
def by_torch_split(n_params, world):
    """Right: torch.arange cut by split, and empty slices added at the end."""
    if min(n_params, world) < 1:
        raise ValueError("no slices")
    parts = list(torch.arange(n_params).split(math.ceil(n_params / world)))
    parts += [torch.arange(0)] * (world - len(parts))
    states, start = [], 0
    for part in parts:
        mean, square = torch.zeros(2, len(part)).unbind()
        states.append({"square": square.clone(), "mean": mean.clone(), "start": start, "end": start + len(part), "step": 0})
        start += len(part)
    return states


edit_variant(ZERO, "writes_into_a_new_tensor", "Right: a clone of the parameters, filled slice by slice, with the gradients averaged once.",
             ("    slices = []\n", "    result, average = params.clone(), sum(gradients) / len(gradients)\n"),
             ("        gradient = torch.stack([gradient[own] for gradient in gradients]).mean(0)  # reduce-scatter\n", ""),
             ("slices.append(params[own] + _adam(state, gradient, lr))", "result[own] += _adam(state, average[own], lr)"),
             ("return torch.cat(slices)  # all-gather", "return result"))

# -------------------------------------------------------------------------------------------------- shuffle buffer

DRAW = "place = rng.randrange(size)"
edit(BUFFER, "loses_the_rest", "What is in the buffer at the end of the stream never comes out.", ("    rng.shuffle(buffer)\n    yield from buffer\n", ""))
edit(BUFFER, "empties_in_order", "At the end the buffer comes out in order: draw from what is left.", ("    rng.shuffle(buffer)\n", ""))
edit(BUFFER, "keeps_the_old_item", "The item that was yielded stays in the buffer, and the new one is lost.", ("buffer[place] = item", "pass"))
edit(BUFFER, "never_draws_the_last_place", "The last place in the buffer is never drawn: randrange(size) already stops before size.", (DRAW, "place = rng.randrange(max(size - 1, 1))"))
edit(BUFFER, "always_the_first_place", "Always the first place is drawn: the buffer only delays the stream.", (DRAW, "place = 0"))
edit(BUFFER, "uses_the_global_generator", "Chance comes from the module random: draw from rng.", (DRAW, "import random\n            place = random.randrange(size)"))
edit(BUFFER, "seeds_its_own", "A generator with a fixed seed is used: two uses of one rng give the same order.",
     ("    buffer = []\n", "    import random\n    rng = random.Random(0)\n    buffer = []\n"))
edit(BUFFER, "accepts_size_zero", "A buffer of size 0 is accepted if the stream is empty; the docstring promises a ValueError.", ("size < 1", "False"))
edit(BUFFER, "one_item_too_many", "The buffer holds size + 1 items.", ("len(buffer) < size", "len(buffer) < size + 1"), (DRAW, "place = rng.randrange(size + 1)"))
edit(BUFFER, "one_item_too_few", "The buffer holds size - 1 items.", ("len(buffer) < size", "len(buffer) < max(size - 1, 1)"), (DRAW, "place = rng.randrange(max(size - 1, 1))"))


@mutant(BUFFER, provides="shuffle_buffer")
def reads_everything_first(stream, size, rng):
    """The whole stream is read and shuffled; a stream may be endless, and the buffer holds `size` items only."""
    if size < 1:
        raise ValueError
    items = list(stream)
    if size > 1:
        rng.shuffle(items)
    yield from items


@mutant(BUFFER, provides="shuffle_buffer")
def shuffles_block_by_block(stream, size, rng):
    """Blocks of `size` items are shuffled one by one, so no item leaves its block; each yielded item makes room for the next one."""
    if size < 1:
        raise ValueError
    stream = iter(stream)
    while block := list(itertools.islice(stream, size)):
        rng.shuffle(block)
        yield from block


@mutant(BUFFER, provides="shuffle_buffer")
def draws_with_the_new_item(stream, size, rng):
    """The new item takes part in the draw before it has a place, so the draw is among size + 1 items."""
    if size < 1:
        raise ValueError
    buffer = []
    for item in stream:
        buffer.append(item)
        if len(buffer) > size:
            yield buffer.pop(rng.randrange(len(buffer)))
    while buffer:
        yield buffer.pop(rng.randrange(len(buffer)))


@mutant(BUFFER, provides="shuffle_buffer")
def drops_false_items(stream, size, rng):
    """Items that are false, such as None and 0, are taken for the end of the stream or left out; they are items too."""
    if size < 1:
        raise ValueError
    buffer = []
    for item in stream:
        if not item:
            continue
        if len(buffer) == size:
            place = rng.randrange(size)
            yield buffer[place]
            buffer[place] = item
        else:
            buffer.append(item)
    rng.shuffle(buffer)
    yield from buffer


@mutant(BUFFER, provides="shuffle_buffer")
def drops_equal_items(stream, size, rng):
    """The buffer is a set or a dict, so equal items are lost."""
    if size < 1:
        raise ValueError
    buffer = []
    for item in stream:
        if item in buffer:
            continue
        if len(buffer) == size:
            place = rng.randrange(size)
            yield buffer[place]
            buffer[place] = item
        else:
            buffer.append(item)
    rng.shuffle(buffer)
    yield from buffer


@mutant(BUFFER, provides="shuffle_buffer")
def keeps_the_order(stream, size, rng):
    """The stream is passed on in its own order: nothing is drawn."""
    if size < 1:
        raise ValueError
    yield from stream


@mutant(BUFFER, provides="shuffle_buffer")
def draws_unevenly(stream, size, rng):
    """The smaller of two draws is taken, so places at the front of the buffer come out more often."""
    if size < 1:
        raise ValueError
    buffer = []
    for item in stream:
        if len(buffer) < size:
            buffer.append(item)
        else:
            place = min(rng.randrange(size), rng.randrange(size))
            yield buffer[place]
            buffer[place] = item
    rng.shuffle(buffer)
    yield from buffer


@mutant(BUFFER, provides="shuffle_buffer")
def fills_far_ahead(stream, size, rng):
    """The stream is read in pieces of a thousand items, much further than the buffer needs."""
    if size < 1:
        raise ValueError
    stream, buffer = iter(stream), []
    while piece := list(itertools.islice(stream, 1000)):
        for item in piece:
            if len(buffer) < size:
                buffer.append(item)
            else:
                place = int(rng.random() * size)
                yield buffer[place]
                buffer[place] = item
    rng.shuffle(buffer)
    yield from buffer


@mutant(BUFFER, provides="shuffle_buffer")
def takes_an_error_for_the_end(stream, size, rng):
    """Any error in the stream is taken for its end, so lost data goes unnoticed: catch StopIteration only, or use a for loop."""
    if size < 1:
        raise ValueError
    source, buffer = iter(stream), []
    with contextlib.suppress(Exception):
        while len(buffer) < size:
            buffer.append(next(source))
    while buffer:
        place = rng.randrange(len(buffer))
        yield buffer[place]
        try:
            buffer[place] = next(source)
        except Exception:
            buffer.pop(place)


@mutant(BUFFER, provides="shuffle_buffer")
def finds_items_by_equality(stream, size, rng):
    """The drawn item is looked for in the buffer by ==, which fails for tensors: draw a place, not an item."""
    if size < 1:
        raise ValueError
    buffer = []
    for item in stream:
        if len(buffer) < size:
            buffer.append(item)
            continue
        place = buffer.index(rng.choice(buffer))
        yield buffer[place]
        buffer[place] = item
    while buffer:
        yield buffer.pop(buffer.index(rng.choice(buffer)))


@mutant(BUFFER, provides="shuffle_buffer")
def caps_the_buffer(stream, size, rng):
    """The buffer never holds more than 64 items, whatever size says."""
    if size < 1:
        raise ValueError
    size, buffer = min(size, 64), []
    for item in stream:
        if len(buffer) < size:
            buffer.append(item)
        else:
            place = rng.randrange(size)
            yield buffer[place]
            buffer[place] = item
    rng.shuffle(buffer)
    yield from buffer


@variant(BUFFER, provides="shuffle_buffer")
def yields_then_reads(stream, size, rng):
    """Right: yields first and reads the next item only when it is asked to go on."""
    if size < 1:
        raise ValueError("too small")
    stream = iter(stream)
    buffer = list(itertools.islice(stream, size))
    while buffer:
        place = rng.randint(0, len(buffer) - 1)
        buffer[place], buffer[-1] = buffer[-1], buffer[place]
        yield buffer.pop()
        buffer.extend(itertools.islice(stream, 1))


@variant(BUFFER, provides="shuffle_buffer")
def by_choice(stream, size, rng):
    """Right: a plain function that checks at once and returns a generator; rng.choice over places."""
    if size < 1:
        raise ValueError("too small")

    def items():
        source, end = iter(stream), object()
        buffer = [item for item in (next(source, end) for _ in range(size)) if item is not end]
        while buffer:
            place = rng.choice(range(len(buffer)))
            out, following = buffer[place], next(source, end)
            if following is end:
                del buffer[place]
            else:
                buffer[place] = following
            yield out

    return items()


# ---------------------------------------------------------------------------------------------------- shard stream

edit(SHARE, "keeps_the_last_round", "An incomplete last round is dealt too, so some ranks make a step that the others don't.",
     ("            own = item\n", "            yield item\n"), ("            yield own\n", "            pass\n"))
edit(SHARE, "everything_to_every_rank", "Every rank gets every item: all ranks train on the same data.", ("index % world == rank", "True"), ("index % world == world - 1", "True"))
edit(SHARE, "every_rank_gets_rank_0s_items", "All ranks get the items of rank 0: use rank.", ("index % world == rank", "index % world == 0"))
edit(SHARE, "counts_ranks_from_one", "Ranks are counted from 1; they are 0 … world - 1.", ("index % world == rank", "index % world == (rank - 1) % world"))
edit(SHARE, "accepts_any_rank", "A rank that is not there is accepted; the docstring promises a ValueError.", ("not 0 <= rank < world", "False"))
edit(SHARE, "accepts_rank_equal_to_world", "rank = world is accepted; ranks are 0 … world - 1.", ("not 0 <= rank < world", "not 0 <= rank <= world"))
edit(SHARE, "accepts_negative_ranks", "A negative rank is accepted; the docstring promises a ValueError.", ("not 0 <= rank < world", "rank >= world"))
edit(SHARE, "waits_for_the_next_round", "An item is yielded only when the next round begins, so a complete last round is lost.",
     ("        if index % world == rank:\n            own = item\n        if index % world == world - 1:  # the round is complete\n            yield own\n",
      "        if index and index % world == 0:\n            yield own\n        if index % world == rank:\n            own = item\n"))
edit(SHARE, "drops_false_items", "Items that are false, such as None and 0, are not yielded; they are items too.", ("            yield own\n", "            if own:\n                yield own\n"))


@mutant(SHARE, provides="shard_stream")
def by_blocks(stream, rank, world):
    """The stream is cut into one block a rank; for that it must be read to its end. Deal the items round by round."""
    if not 0 <= rank < world:
        raise ValueError
    items = list(stream)
    size = len(items) // world
    yield from items[rank * size : (rank + 1) * size]


@mutant(SHARE, provides="shard_stream")
def reads_everything_first(stream, rank, world):
    """The whole stream is read first; it may be endless: yield as soon as a round is complete."""
    if not 0 <= rank < world:
        raise ValueError
    items = list(stream)
    yield from items[rank : len(items) // world * world : world]


@mutant(SHARE, provides="shard_stream")
def by_hash(stream, rank, world):
    """Items are dealt by their hash, so ranks get different numbers of them, and equal items all go to one rank."""
    if not 0 <= rank < world:
        raise ValueError
    for item in stream:
        if hash(repr(item)[:1] and str(sum(map(ord, repr(item))))) is not None and sum(map(ord, repr(item))) % world == rank:
            yield item


@mutant(SHARE, provides="shard_stream")
def pads_the_last_round(stream, rank, world):
    """The last round is filled up with items that were dealt before: they are read twice."""
    if not 0 <= rank < world:
        raise ValueError
    first, one_round = [], []
    for item in stream:
        first += [item] * (len(first) < world)
        one_round.append(item)
        if len(one_round) == world:
            yield one_round[rank]
            one_round = []
    if one_round:
        yield (one_round + first * world)[rank]


@mutant(SHARE, provides="shard_stream")
def skips_the_first_round(stream, rank, world):
    """The first round is not dealt."""
    if not 0 <= rank < world:
        raise ValueError
    stream = iter(stream)
    next(stream, None)
    while len(one_round := list(itertools.islice(stream, world))) == world:
        yield one_round[rank]


@mutant(SHARE, provides="shard_stream")
def shuffles_by_rank(stream, rank, world):
    """Each rank shuffles its rounds with a seed of its own before dealing, so ranks get the same items: deal from one order."""
    if not 0 <= rank < world:
        raise ValueError
    stream = iter(stream)
    dice = random.Random(rank)
    while len(one_round := list(itertools.islice(stream, world))) == world:
        dice.shuffle(one_round)
        yield one_round[rank]


@mutant(SHARE, provides="shard_stream")
def takes_an_error_for_the_end(stream, rank, world):
    """Any error in the stream is taken for its end, so lost data goes unnoticed: catch StopIteration only, or use a for loop."""
    if not 0 <= rank < world:
        raise ValueError
    source = iter(stream)
    while True:
        try:
            one_round = [next(source) for _ in range(world)]
        except Exception:
            return
        yield one_round[rank]


@mutant(SHARE, provides="shard_stream")
def asks_for_none_in_the_round(stream, rank, world):
    """A round that holds None is taken for incomplete, and `in` compares items by ==, which fails for tensors: count places."""
    if not 0 <= rank < world:
        raise ValueError
    source = iter(stream)
    while True:
        one_round = [next(source, None) for _ in range(world)]
        if None in one_round:
            return
        yield one_round[rank]


@variant(SHARE, provides="shard_stream")
def round_by_round(stream, rank, world):
    """Right: islice takes a whole round at a time."""
    if rank < 0 or rank >= world:
        raise ValueError("no such rank")
    stream = iter(stream)
    while True:
        one_round = tuple(itertools.islice(stream, world))
        if len(one_round) < world:
            return
        yield one_round[rank]


@variant(SHARE, provides="shard_stream")
def by_zip(stream, rank, world):
    """Right: zip of one iterator with itself stops at the first incomplete round."""
    if rank not in range(world):
        raise ValueError("no such rank")
    return (one_round[rank] for one_round in zip(*[iter(stream)] * world, strict=False))


# ---------------------------------------------------------------------------------------------------- packed rows

READ = "(number[:, :, None] == number[:, None, :]).tril()"
LABEL = "labels[b, at : max(end - 1, at)] = ids[b, at + 1 : end]"
ROOM = "next((row for row in rows if sum(map(len, row)) + len(document) <= length), None)"
edit(PACK, "reads_across_documents", "A token reads the past of the whole row, other documents too.", (READ, "torch.ones(len(rows), length, length, dtype=torch.bool).tril()"))
edit(PACK, "reads_the_future", "A token reads what comes after it: inside a document, too, only the past may be read.", (READ, "(number[:, :, None] == number[:, None, :])"))
edit(PACK, "mask_upside_down", "The mask is the wrong way round: the row of the mask is the token that reads, and s must not be after t.", (READ, "(number[:, :, None] == number[:, None, :]).triu()"))
edit(PACK, "does_not_read_itself", "A token must read itself too.", (READ, "(number[:, :, None] == number[:, None, :]).tril(-1)"))
edit(PACK, "numbers_documents_by_position", "A new document is noticed by position 0, but padding also has position 0; and the mask lets a token read every earlier document.",
     (READ, "(number[:, :, None] >= number[:, None, :]).tril()"))
edit(PACK, "padding_reads_nothing", "Padding reads nothing at all, and a softmax over nothing is NaN: it may read itself.", (READ, "((number[:, :, None] == number[:, None, :]) & (number >= 0)[:, :, None]).tril()"))
edit(PACK, "predicts_the_next_document", "The last token of a document is asked for the first token of the next one.",
     ("            at = end\n", "            labels[b, max(at - 1, 0) : end - 1] = ids[b, max(at, 1) : end]\n            at = end\n"))
edit(PACK, "copies_the_input", "The labels are the tokens themselves; the label is the next token.", (LABEL, "labels[b, at:end] = ids[b, at:end]"))
edit(PACK, "no_label_before_the_last", "The last but one token has no label either.", (LABEL, "labels[b, at : max(end - 2, at)] = ids[b, at + 1 : max(end - 1, at + 1)]"))
edit(PACK, "positions_go_on", "Positions count through the row; they start again at 0 in each document.", ("torch.arange(len(document))", "torch.arange(at, end)"))
edit(PACK, "positions_from_one", "Positions begin at 1; they begin at 0.", ("torch.arange(len(document))", "torch.arange(len(document)) + 1"))
edit(PACK, "looks_at_the_last_row_only", "Only the last row is asked for room; the first row that has room takes the document.", (ROOM, "next((row for row in rows[-1:] if sum(map(len, row)) + len(document) <= length), None)"))
edit(PACK, "takes_the_last_row_with_room", "The last row that has room takes the document; it must be the first.", (ROOM, "next((row for row in rows[::-1] if sum(map(len, row)) + len(document) <= length), None)"))
edit(PACK, "takes_the_fullest_row", "The fullest row that has room takes the document (best fit); the docstring wants the first.",
     (ROOM, "max((row for row in rows if sum(map(len, row)) + len(document) <= length), key=lambda row: sum(map(len, row)), default=None)"))
edit(PACK, "never_fills_a_row", "A document that fills a row to its last place is not let in: room is what is left, also if it is used up.", (ROOM, "next((row for row in rows if sum(map(len, row)) + len(document) < length), None)"))
edit(PACK, "sorts_by_length", "The documents are sorted by length first; the docstring takes them in the order given.", ("for document in documents:", "for document in sorted(documents, key=len, reverse=True):"))
edit(PACK, "pads_with_zero", "Padding is always 0: use pad_id.", ("(len(rows), length), pad_id)", "(len(rows), length), 0)"))
edit(PACK, "one_row_each", "Every document gets a row of its own: that is padding, not packing.", (ROOM, "None"))
edit(PACK, "cuts_long_documents", "A document that is too long is cut; the docstring promises a ValueError.", ("any(len(document) > length for document in documents)", "False"), ("    rows: list[list[list[int]]] = []\n", "    documents = [document[:length] for document in documents]\n    rows: list[list[list[int]]] = []\n"))
edit(PACK, "refuses_a_full_row", "A document that is as long as a row is refused; it fits.", ("any(len(document) > length", "any(len(document) >= length"))
edit(PACK, "rows_for_empty_documents", "An empty document begins a row; leave it out.", ("elif document:", "else:"))
edit(PACK, "int32", "The labels are int32, which cross-entropy refuses.", ('"labels": labels', '"labels": labels.int()'))


@mutant(PACK, provides="pack_sequences")
def knows_padding_by_its_id(documents, length, pad_id=0):
    """Padding is known by its id, so tokens that happen to equal pad_id lose their label and their readers."""
    packed = _packed(documents, length, pad_id)
    real = packed["ids"] != pad_id
    packed["labels"] = packed["labels"].masked_fill(packed["labels"] == pad_id, -100)
    packed["may_read"] = packed["may_read"] & real[:, None, :] & real[:, :, None] | torch.eye(length, dtype=torch.bool)
    return packed


@mutant(PACK, provides="pack_sequences")
def eats_the_documents(documents, length, pad_id=0):
    """The caller's list is emptied while the rows are filled."""
    packed = _packed(documents, length, pad_id)
    documents.clear()
    return packed


def _packed(documents, length, pad_id):
    if any(len(document) > length for document in documents):
        raise ValueError("too long")
    rows = []
    for document in filter(None, documents):
        for row in rows:
            if length - len(row) >= len(document):
                break
        else:
            rows.append(row := [])
        row += [(token, n, document[n + 1] if n + 1 < len(document) else -100, id(document), n) for n, token in enumerate(document)]
    table = [row + [(pad_id, 0, -100, None, place) for place in range(length - len(row))] for row in rows]
    ids, positions, labels = (torch.tensor([[place[what] for place in row] for row in table], dtype=torch.int64).reshape(-1, length) for what in range(3))
    starts = [[place - entry[4] for place, entry in enumerate(row)] for row in table]
    number = torch.tensor([[start if entry[3] is not None else -1 for start, entry in zip(*pair, strict=True)] for pair in zip(starts, table, strict=True)], dtype=torch.int64).reshape(-1, length)
    may_read = (number.unsqueeze(2) == number.unsqueeze(1)) & torch.ones(length, length, dtype=torch.bool).tril()
    return {"may_read": may_read, "ids": ids, "labels": labels, "positions": positions}


@variant(PACK, provides="pack_sequences")
def place_by_place(documents, length, pad_id=0):
    """Right: rows are lists of places, and become tensors at the end."""
    return _packed(documents, length, pad_id)


@variant(PACK, provides="pack_sequences")
def padding_reads_only_itself(documents, length, pad_id=0):
    """Right: each padding place is a document of its own, and reads itself alone."""
    packed = _packed(documents, length, pad_id)
    real = packed["may_read"] & (packed["may_read"].sum(-1, keepdim=True) == packed["positions"][:, :, None] + 1)
    packed["may_read"] = real | torch.eye(length, dtype=torch.bool)
    return packed


# ----------------------------------------------------------------------------------------------------- the bubble

TIME = "sum(stages) + (micro - 1) * max(stages)"
edit(BUBBLE, "of_the_working_time", "The idle time is divided by the working time; divide by all the time.",
     ("1 - micro * sum(stages) / (len(stages) * total)", "len(stages) * total / (micro * sum(stages)) - 1"))
edit(BUBBLE, "tells_the_busy_share", "The share that is worked is returned; the bubble is the rest.", ("return 1 - micro", "return micro"))
edit(BUBBLE, "takes_equal_stages", "All stages are taken to be equally fast; the slowest sets the pace.", (TIME, "sum(stages) / len(stages) * (len(stages) + micro - 1)"))
edit(BUBBLE, "paced_by_the_first", "The pace is that of the first stage; the slowest sets it, wherever it stands.", (TIME, "sum(stages) + (micro - 1) * stages[0]"))
edit(BUBBLE, "paced_by_the_last", "The pace is that of the last stage; the slowest sets it, wherever it stands.", (TIME, "sum(stages) + (micro - 1) * stages[-1]"))
edit(BUBBLE, "paced_by_the_fastest", "The pace is that of the fastest stage; the slowest sets it.", (TIME, "sum(stages) + (micro - 1) * min(stages)"))
edit(BUBBLE, "one_beat_too_many", "One beat too many: the first micro-batch is already in sum(stages).", (TIME, "sum(stages) + micro * max(stages)"))
edit(BUBBLE, "one_after_the_other", "The micro-batches go through one after the other, as if there were no pipeline.", (TIME, "micro * sum(stages)"))
edit(BUBBLE, "all_stages_at_the_slowest", "The first micro-batch is slowed to the slowest stage's pace everywhere; it takes sum(stages).", (TIME, "(len(stages) + micro - 1) * max(stages)"))
edit(BUBBLE, "whole_number_of_seconds", "The times are rounded to whole seconds.", (TIME, "max(round(sum(stages) + (micro - 1) * max(stages)), 1)"))
edit(BUBBLE, "rounds", "The result is rounded; return the number as it is.", ("return 1 - micro * sum(stages) / (len(stages) * total)", "return round(1 - micro * sum(stages) / (len(stages) * total), 4)"))
edit(BUBBLE, "in_percent", "The result is in percent; a share is 0 … 1.", ("return 1 - micro * sum(stages) / (len(stages) * total)", "return 100 * (1 - micro * sum(stages) / (len(stages) * total))"))
edit(BUBBLE, "in_seconds", "The idle seconds are returned, not their share.", ("return 1 - micro * sum(stages) / (len(stages) * total)", "return len(stages) * total - micro * sum(stages)"))
edit(BUBBLE, "sorts_the_callers_list", "The caller's list is sorted: take max(), or sort a copy.", ("    total = ", "    stages.sort()\n    total = "))


@variant(BUBBLE, provides="pipeline_bubble")
def by_playing_it(stages, micro):
    """Right: plays the timetable, stage by stage."""
    if len(stages) == 0 or any(cost <= 0 for cost in stages) or micro < 1:
        raise ValueError("no pipeline")
    done = [0.0] * micro  # when each micro-batch left the stage before
    for cost in stages:
        free = 0.0
        for k in range(micro):
            free = max(free, done[k]) + cost
            done[k] = free
    return (len(stages) * done[-1] - micro * sum(stages)) / (len(stages) * done[-1])


@variant(BUBBLE, provides="pipeline_bubble")
def by_fractions(stages, micro):
    """Right: exact fractions, and a float at the end."""
    if not stages or min(stages) <= 0 or micro < 1:
        raise ValueError("no pipeline")
    costs = [Fraction(cost) for cost in stages]
    total = len(costs) * (sum(costs) + (micro - 1) * max(costs))
    return float((total - micro * sum(costs)) / total)
