# %% [markdown]
# # Distributed training: many processes, one model
#
# Lesson 2.4 trained a model in one process, and added up the gradients of several small batches before each step. In this lesson those batches lie on different machines.
#
# A process that takes part is called a *rank*; the number of ranks is the *world size*. Each rank has its own memory and sees nothing of the others. All they can do is send each other messages.
# Here are two real ones, on this machine. The function below is sent to two new Python processes, and each runs it with its own number.

# %% demo
from handbook.ranks import run_ranks


def hello(rank, world):
    import os
    import torch
    import torch.distributed as dist

    mine = torch.tensor([10.0 * rank + 1])
    total = mine.clone()
    dist.all_reduce(total)  # every rank leaves this line with the sum of all
    return f"rank {rank} of {world} had {mine.item():g} and now knows that the sum is {total.item():g}", os.getpid()


said = run_ranks(hello, world=2)
print(*(sentence for sentence, _ in said), f"two processes: {said[0][1] != said[1][1]}", sep="\n")

# %% [markdown]
# `all_reduce` is the one operation that you need most: everyone brings a tensor, and everyone leaves with the sum.
# With it, and with PyTorch's own `DistributedDataParallel`, the next cell trains a small transformer on stories. With one rank, each step reads 16 stories. With two, each rank reads 8 of these 16.
#
# **Predict before you run.** Two ranks start from the same weights and read different stories. Will the loss fall along the same curve as with one rank, or along another one?

# %% demo


def train(rank, world, steps):
    import torch
    from handbook.data_parallel import small_model, story_batches, story_loss

    model = torch.nn.parallel.DistributedDataParallel(small_model())  # the same weights on every rank
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    for ids in story_batches(16, steps):  # all ranks draw the same 16 stories ...
        loss = story_loss(model, ids[rank::world])  # ... and each reads its own part
        optimizer.zero_grad()
        loss.backward()  # here DistributedDataParallel averages the gradients of all ranks
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% demo
from handbook.plots_distributed import two_curves

(ones,) = run_ranks(train, world=1, steps=40)
twos = [(a + b) / 2 for a, b in zip(*run_ranks(train, world=2, steps=40), strict=True)]  # the mean over both ranks
print(f"largest difference between the two curves: {max(abs(a - b) for a, b in zip(ones, twos, strict=True)):.6f} nats")
two_curves({"1 rank": ones, "2 ranks": twos})

# %% [markdown]
# The curves lie on each other. Two processes that never see each other's stories have trained the same model, as exactly as floating-point numbers allow.
#
# That is what *data parallel* training promises. You now build what it takes:
#
# 1. a step whose result does not depend on the number of ranks;
# 2. the ring on which the gradients travel;
# 3. an optimizer whose memory is split between the ranks;
# 4. data that is too large to hold: shuffled as it streams past, dealt out to the ranks, packed without padding;
# 5. and the price of the other way to split a model, by layers.
#
# In your answers, the ranks are entries of a list in one process: what one rank knows stands at its place in the list.
#
# ## Mean of what?
#
# Each rank computes the gradient of its own rows. What must be done with these gradients so that the step equals that of one process with all the rows?
#
# By hand: a model with one weight $w = 0$, and the loss $(w - y)^2$, averaged over rows. Its gradient is $2(w - y)$, averaged over rows. Rank 0 has three rows, rank 1 has one.

# %%
rows = [[1.0, 2.0, 3.0], [10.0]]  # y on rank 0, y on rank 1
means = [sum(2 * (0 - y) for y in mine) / len(mine) for mine in rows]
print("each rank's own mean gradient ", means)
print("sum of the two                ", sum(means))
print("mean of the two               ", sum(means) / 2)
print("one process with all four rows", sum(2 * (0 - y) for mine in rows for y in mine) / 4)

# %% [markdown]
# The sum is too large: with more ranks the steps would grow. The mean of the two is right only if all ranks have the same number of rows; here the one row on rank 1 counts as much as three.
# PyTorch's `DistributedDataParallel` takes the mean over ranks (Li et al. 2020, arXiv:2006.15704). So with uneven batches it is up to you to make the rows count alike.
#
# The way out: each rank takes the *sum* over its rows and divides by the number of rows on *all* ranks. These gradients are then only added.
#
# **Predict before you run.** Someone divides by the number of all rows, as above, and then averages over the ranks as well. What happens to the training?

# %%
sums = [sum(2 * (0 - y) for y in mine) / 4 for mine in rows]
print("added                  ", sum(sums))
print("added, then halved too ", sum(sums) / 2)

# %% [markdown]
# With 64 ranks it would be a sixty-fourth of the step. No error is raised; with plain gradient descent the model just learns very slowly. Adam hides even that, because it divides by the size of the gradients (lesson 2.4).
#
# ## Exercise: A step of all ranks · 3 points · ★★☆

# %% exercise="distributed-ddp-step"
import torch
from torch import Tensor, nn


def ddp_step(replicas: list[nn.Module], batches: list[tuple[Tensor, Tensor]], lr: float) -> float:
    """Make one step of data-parallel gradient descent: as one process would with the rows of all ranks.

    Args: replicas[r] is rank r's copy of one model; all copies have equal weights, and replicas[r](x) gives logits ·
        batches[r] are rank r's own rows, (x, y) · lr is the learning rate.
    Shapes: x (N, C), float · y (N,), int64, the right class · logits (N, V). N differs from rank to rank; a rank without rows (N = 0) takes part too.
    The loss is the mean cross-entropy over all rows of all ranks: each row counts the same.
    Each parameter becomes p - lr · gradient of this loss, in place, on every replica; all replicas end with the same weights, each in memory of its own.
        Gradients that were left in .grad before the call do not count. A parameter that gets no gradient from this loss
        (because requires_grad is False, or because the model does not use it) stays as it is.
    A rank reads its own rows only: replicas[r] is called with rows of batches[r] and with nothing else.
    Returns: the loss before the step, a float.
    Raises: ValueError if there are not as many batches as replicas, or no rows at all (these tests are given).
    Leave the batches as they came.

    >>> layers = [nn.Linear(1, 2, bias=False) for _ in range(2)]
    >>> for layer in layers:
    ...     _ = layer.weight.data.zero_()
    >>> batches = [(torch.ones(3, 1), torch.tensor([0, 0, 0])), (torch.ones(1, 1), torch.tensor([1]))]
    >>> round(ddp_step(layers, batches, 1.0), 4), layers[1].weight.tolist()     # three rows for class 0, one for class 1
    (0.6931, [[0.25], [-0.25]])

    Source: Li et al. 2020, arXiv:2006.15704, which averages over ranks and so assumes that all have as many rows.
    """
    if len(replicas) != len(batches) or not any(len(y) for _, y in batches):
        raise ValueError(f"{len(replicas)} replicas and batches of {[len(y) for _, y in batches]} rows make no step")
    ### BEGIN SOLUTION
    rows = sum(len(y) for _, y in batches)
    loss_of_all = 0.0
    for model, (x, y) in zip(replicas, batches, strict=True):
        for p in model.parameters():
            p.grad = None
        loss = nn.functional.cross_entropy(model(x), y, reduction="sum") / rows
        loss.backward()
        loss_of_all += loss.item()
    with torch.no_grad():
        for copies in zip(*(model.parameters() for model in replicas), strict=True):
            gradients = [p.grad for p in copies if p.grad is not None]
            if gradients:
                total = torch.stack(gradients).sum(0)  # the all-reduce
                for p in copies:
                    p -= lr * total
    return loss_of_all
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example the gradient is (−0.25, 0.25): the mean over four rows. The mean over two ranks would give no step at all, for the two ranks would cancel.

# %% check="distributed-ddp-step"

# %% [markdown]
# **What it means for a language model.** The rows of a language model are tokens, and ranks rarely have equally many that count: texts differ in length, and −100 marks what does not count.
# So the ranks must first agree on the number of tokens, by one more all-reduce of a single number. Lesson 1.5 told of the same slip between parts of one batch.
#
# Note also what a rank without rows does: it still calls the all-reduce. If it stayed away, all others would wait for it. Watch it happen, with a limit of a few seconds:

# %% demo
from handbook.ranks import RankFailedError


def one_goes_home(rank, world):
    import torch
    import torch.distributed as dist

    if rank == 0:
        dist.all_reduce(torch.ones(1))  # rank 1 has no data left and does not come
    else:
        raise RuntimeError("my data is used up, I leave")


try:
    run_ranks(one_goes_home, world=2, seconds=60)
except RankFailedError as error:
    print(error)

# %% [markdown]
# `run_ranks` sees a rank leave and ends the others. On a cluster without such a guard rank 0 would wait until a time limit ends the job, and burn its GPU hours until then.
#
# ## The ring
#
# How do all ranks get the sum? The simplest way: all send their gradients to rank 0, which adds them and sends the sum back. Then rank 0 must receive from everybody, and the more ranks there are, the longer it takes.
#
# In a *ring*, each rank talks to its neighbours only: it sends to the next and receives from the one before. Every tensor is cut into as many *chunks* as there are ranks, and all ranks send at the same time.
# For the first steps, whoever receives a chunk **adds** it to its own. Then each chunk is complete on one rank, and for as many steps again it is passed on and **replaces** what the others have:

# %% demo
from handbook.plots_distributed import ring_steps

ring_steps([[1, 2, 3], [10, 20, 30], [100, 200, 300]])

# %% [markdown]
# Follow chunk 0 (blue has just come in, green is complete). It starts on rank 0, is added on rank 1, then on rank 2, where it is complete: 111. The two steps after that carry it round.
#
# **Predict before you run.** A tensor has $N$ values on each of $W$ ranks. How many values does each rank send, in all? And if the number of ranks grows from 2 to 1,000?

# %%
N = 1_000_000
for W in (2, 4, 8, 1000):
    print(f"{W:5} ranks: {2 * (W - 1)} steps of {N // W} values = {2 * (W - 1) * N // W:,} values a rank")

# %% [markdown]
# Never more than $2N$, however many ranks there are. As long as only the ranks add, and not the network between them, no algorithm sends fewer (Patarasuk and Yuan 2009), which is why the ring carries so much of distributed training.
# Its weakness shows in the number of steps: each costs a message's delay, and 1,998 of them in a row make the ring slow for small tensors.
#
# ## Exercise: All-reduce on a ring · 4 points · ★★★
#
# Which chunk a rank sends in which step is the whole art. In step 0 it is the one with the rank's own number; after that, the one that came in the step before.

# %% exercise="distributed-ring-all-reduce"
import torch
from torch import Tensor


def ring_all_reduce(shards: list[Tensor]) -> tuple[list[Tensor], list[int]]:
    """Add up one tensor per rank on a ring, and count what each rank sends.

    Shapes: shards[r] is what rank r brings, (N,), all of one dtype · returns (results, sent): results[r] is what rank r has in the end,
        (N,), of the same dtype · sent[r] is the number of bytes that rank r sent, an int.
    With W ranks, chunk c is the values from position c · N // W up to, not including, (c + 1) · N // W. Chunks may differ in size, and be empty.
    In step s = 0, 1, ... 2W - 3, all at once, rank r sends its chunk (r - s) mod W to rank (r + 1) mod W.
        In the first W - 1 steps the receiver adds it to its own chunk; in the others it replaces its own by it.
    So all results are equal, bit for bit, and chunk c is summed in the order of ranks c, c + 1, ... around the ring.
    Bytes: a float32 has 4, a float64 has 8, and so on. A single rank sends nothing.
    Raises: ValueError if there are no ranks, or the shards differ in shape (these tests are given).
    Leave the shards as they came. The results share no memory with them or with each other.

    >>> ring_all_reduce([torch.tensor([1.0, 2, 3]), torch.tensor([10.0, 20, 30])])    # chunks of 1 and 2 values
    ([tensor([11., 22., 33.]), tensor([11., 22., 33.])], [12, 12])

    Source: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".
    """
    if not shards or any(shard.shape != shards[0].shape for shard in shards):
        raise ValueError(f"shards of shapes {[tuple(shard.shape) for shard in shards]} can't be added")
    ### BEGIN SOLUTION
    W, N = len(shards), len(shards[0])
    chunks = [slice(c * N // W, (c + 1) * N // W) for c in range(W)]
    held = [shard.clone() for shard in shards]
    sent = [0] * W
    for step in range(2 * (W - 1)):
        wire = [held[r][chunks[(r - step) % W]].clone() for r in range(W)]  # what each rank sends
        for r in range(W):
            sent[r] += wire[r].numel() * wire[r].element_size()
            mine = held[r][chunks[(r - 1 - step) % W]]  # a view: what rank r - 1 sends belongs here
            mine.copy_(wire[r - 1] + mine if step < W - 1 else wire[r - 1])
    return held, sent
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example rank 0 sends chunk 0 (one value) and then chunk 1 (two values): 12 bytes. Rank 1 sends them the other way round.

# %% check="distributed-ring-all-reduce"

# %% [markdown]
# **What it means for a real model.** SmolLM2 has 134.5 million parameters. Here is what a rank sends in each step for its gradients in float32, and how long that takes at least over links of different speed:

# %% demo
from handbook.answers import yours_or_ours

all_reduce = yours_or_ours("ring_all_reduce", globals(), exercise="distributed-ring-all-reduce")
small = [torch.zeros(134_515) for _ in range(8)]  # a thousandth of the model, on each of 8 ranks
sent = 1000 * max(all_reduce(small)[1])
for link, gigabits in {"office network": 1, "data centre network": 100, "link between GPUs": 3600}.items():
    print(f"{sent / 1e6:,.0f} MB a step over a link of {gigabits:4} Gbit/s ({link}): {8 * sent / gigabits / 1e9:8.4f} s")

# %% [markdown]
# A step over the office network takes longer to talk than to compute. This is why the link matters as much as the processor, and why real systems send a layer's gradients while the layers before it are still computing theirs.
# (The speeds are round figures for their kinds of link.)
#
# ## Who holds what
#
# Data parallel training copies everything to every rank. In *mixed precision* with Adam that is 16 bytes a parameter: 2 for the weight, 2 for its gradient, and 12 for the optimizer,
# which keeps a float32 copy of the weight and Adam's two averages (Rajbhandari et al. 2019, arXiv:1910.02054). All ranks compute the same update of the same weights from the same gradients: $W - 1$ of them do it for nothing.
#
# *ZeRO* splits the work instead of repeating it: each rank keeps one slice. Level 1 slices the optimizer's state, level 2 also the gradients, level 3 also the weights.

# %% demo
from handbook.plots_distributed import who_holds_what

who_holds_what(world=4)

# %% [markdown]
# **Predict before you run.** A model of 7.5 billion parameters on 64 ranks: how many gigabytes does each rank need, without ZeRO and at its three levels?

# %%
from handbook.plots_distributed import LEVELS, bytes_per_parameter

for level, name in enumerate(LEVELS):
    print(f"{name:14} {7.5 * bytes_per_parameter(level, world=64):6.1f} GB a rank")

# %% [markdown]
# The paper shows this very example. Level 1 already takes away three quarters, and it costs no extra bytes on the wire: instead of an all-reduce of the gradients,
# the ranks do its first half (each gets the sum for its own slice: *reduce-scatter*), update their slice of the weights, and do the second half with the weights (*all-gather*).
#
# ## Exercise: A sharded optimizer · 4 points · ★★★
#
# The parameters are one flat tensor, as in real implementations. Slices are equal, except that the last ones may be short or empty.
# Adam itself is given: it changes one rank's state in place and returns by how much its parameters change.

# %% exercise="distributed-optimizer-shards"
from typing import Any

import torch
from torch import Tensor


def _adam(state: dict[str, Any], gradient: Tensor, lr: float) -> Tensor:
    """Update one rank's state in place; return the change of the parameters that it is about. (Given: leave it as it is.)"""
    state["step"] += 1
    state["mean"].mul_(0.9).add_(gradient, alpha=0.1)
    state["square"].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    mean = state["mean"] / (1 - 0.9 ** state["step"])
    square = state["square"] / (1 - 0.999 ** state["step"])
    return -lr * mean / (square.sqrt() + 1e-8)


def shard_optimizer_state(n_params: int, world: int) -> list[dict[str, Any]]:
    """Make Adam's state for a flat tensor of n_params parameters, one slice for each rank (ZeRO-1).

    Returns: one dict a rank. Rank r's slice has ⌈n_params / world⌉ parameters and begins where that of rank r - 1 ends;
        the last slices are cut at n_params, so they may be shorter, or empty (then start = end = n_params).
        "start" and "end" are its half-open borders, "step" is 0, "mean" and "square" are float32 zeros of shape (end - start,).
    Nothing is padded or kept twice: all the means together hold n_params numbers, and so do the squares. No two share memory.
        That is meant of the memory behind them, too: a slice of a longer tensor keeps all of it.
    Raises: ValueError if n_params or world is below 1 (this test is given).

    >>> [(state["start"], state["end"]) for state in shard_optimizer_state(7, 3)]
    [(0, 3), (3, 6), (6, 7)]
    """
    if n_params < 1 or world < 1:
        raise ValueError(f"{n_params} parameters can't be split between {world} ranks")
    ### BEGIN SOLUTION
    size = -(-n_params // world)  # rounded up
    borders = [min(rank * size, n_params) for rank in range(world + 1)]
    return [
        {"start": start, "end": end, "step": 0, "mean": torch.zeros(end - start), "square": torch.zeros(end - start)}
        for start, end in zip(borders[:-1], borders[1:], strict=True)
    ]
    ### END SOLUTION


def zero_step(params: Tensor, gradients: list[Tensor], states: list[dict[str, Any]], lr: float) -> Tensor:
    """Make one step of Adam in which each rank updates only its slice.

    Shapes: params (N,), float32, equal on all ranks before the step · gradients[r] (N,), that of rank r's own rows ·
        states as shard_optimizer_state(N, W) makes them, maybe after some steps · returns the new parameters that all ranks have, (N,).
    Rank r gets, for its slice only, the mean over the gradients of all W ranks; it updates its state by `_adam`, in place, once;
        and the slices of all ranks put together are the result, as if one Adam had updated all parameters with the mean gradient.
    Raises: ValueError if there are not as many gradients as states (this test is given).
    Leave params and gradients as they came; the result shares no memory with params.

    >>> zero_step(torch.zeros(3), [torch.tensor([1.0, -4, 0]), torch.tensor([3.0, 0, 0])], shard_optimizer_state(3, 2), lr=0.5)
    tensor([-0.5000,  0.5000,  0.0000])

    Source: Rajbhandari et al. 2019, arXiv:1910.02054: optimizer state partitioning.
    """
    if len(gradients) != len(states):
        raise ValueError(f"{len(gradients)} gradients and {len(states)} states do not fit together")
    ### BEGIN SOLUTION
    slices = []
    for state in states:
        own = slice(state["start"], state["end"])
        gradient = torch.stack([gradient[own] for gradient in gradients]).mean(0)  # reduce-scatter
        slices.append(params[own] + _adam(state, gradient, lr))
    return torch.cat(slices)  # all-gather
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The first step of Adam moves every parameter by lr, against the sign of its mean gradient, and leaves it where that is 0. Which rank did it makes no difference.

# %% check="distributed-optimizer-shards"

# %% [markdown]
# **What it means in practice.** PyTorch's `ZeroRedundancyOptimizer` is level 1; DeepSpeed's ZeRO-3 and PyTorch's *fully sharded data parallel* (Zhao et al. 2023, arXiv:2304.11277) go all the way.
# At level 3 a rank fetches the weights of a layer just before it needs them and drops them afterwards. That sends about half as many bytes again (Rajbhandari et al. 2019), and it is what fits the largest models.
#
# *A good place for a break: the model is done, and its data begins here.*
#
# ## Data that streams past
#
# Pretraining data does not fit into memory, and often not on a disk. It is read as a *stream*: one document after the other, from files called shards.
# From a stream you can't draw at random. But in order you must not read it either: the files hold one web site, one book, one language after the other, and each batch would be about one thing.
#
# The way out is a *shuffle buffer*. It holds `size` documents. Whenever one is asked for, it gives one of them by chance, and the next document of the stream takes its place.
#
# **Predict before you run.** A stream of 12 documents, three each from four sites, and a buffer of 3. Can the last document come first? Can the first come last?

# %% [markdown]
# ## Exercise: A shuffle buffer · 2 points · ★★☆
#
# `yield` makes the function a *generator*: it runs until it yields, and goes on from there when the next item is asked for.

# %% exercise="distributed-shuffle-buffer"
import random
from collections.abc import Iterable, Iterator
from typing import Any


def shuffle_buffer(stream: Iterable[Any], size: int, rng: random.Random) -> Iterator[Any]:
    """Yield the items of a stream in a random order, holding only a few of them at a time.

    The buffer starts with the first `size` items of the stream (all of them, if there are fewer). Each item that is yielded is drawn from the buffer,
        every place in it with the same chance, and the next item of the stream takes its place. When the stream has ended, the buffer is emptied
        in the same way: each draw is uniform over what is left.
    So every item comes out exactly once, size 1 keeps the order, and a size of the whole stream or more gives every order the same chance.
    The stream is read as late as this allows: when k items have been yielded, at most size + k were read. It may be endless, and may be
        an iterator that can be read only once. Items can be anything, also None, equal items, or tensors. An error in the stream is passed on.
    rng: a random.Random, the only source of randomness; equal states give equal orders.
    Raises: ValueError if size is below 1, at the latest when the first item is asked for (this test is given).

    >>> sorted(shuffle_buffer("stream", 3, random.Random(0)))
    ['a', 'e', 'm', 'r', 's', 't']
    >>> list(shuffle_buffer("stream", 1, random.Random(0)))
    ['s', 't', 'r', 'e', 'a', 'm']

    Source: the shuffling of streams in TensorFlow (tf.data.Dataset.shuffle) and in datasets (IterableDataset.shuffle).
    """
    if size < 1:
        raise ValueError(f"a buffer of {size} items holds nothing")
    ### BEGIN SOLUTION
    buffer = []
    for item in stream:
        if len(buffer) < size:
            buffer.append(item)
        else:
            place = rng.randrange(size)
            yield buffer[place]
            buffer[place] = item
    rng.shuffle(buffer)
    yield from buffer
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The last document can't come first: it is not read until nearly all others are out. The first can come last, if chance leaves it in the buffer again and again.

# %% check="distributed-shuffle-buffer"

# %% [markdown]
# **How well does a buffer mix?** 2,000 documents arrive in order. The picture shows when each comes out, for three sizes of buffer, one dot for every tenth document:

# %% demo
from handbook.plots_distributed import how_far_it_mixes

mix = yours_or_ours("shuffle_buffer", globals(), exercise="distributed-shuffle-buffer")
how_far_it_mixes({f"buffer of {size}": list(mix(range(2000), size, random.Random(5))) for size in (20, 300, 2000)})

# %% [markdown]
# A line means that the order has stayed. With a buffer of 20, each batch still comes from one corner of the data. So real pipelines also shuffle the list of files, which costs nothing: it is short.
#
# ## One stream, many ranks
#
# Each rank needs documents of its own. The usual rule deals them out like cards: rank $r$ of $W$ takes the documents $r$, $r + W$, $r + 2W$, …
#
# Two things go wrong here without an error.
#
# *Duplicates.* Each rank shuffles with a seed of its own, and then takes its share. By hand:

# %%
documents = list("abcdefgh")
shares = [random.Random(seed).sample(documents, 8)[rank::2] for rank, seed in enumerate((1, 2))]
print("shuffled by each rank, then dealt:", *shares, " read twice:", sorted(set(shares[0]) & set(shares[1])))
shares = [random.Random(1).sample(documents, 8)[rank::2] for rank in range(2)]
print("one seed for all, then dealt     :", *shares, " read twice:", sorted(set(shares[0]) & set(shares[1])))

# %% [markdown]
# Deal from one and the same order: shuffle with a common seed before, or with seeds of their own after.
#
# *One step too many.* Seven documents and two ranks: rank 0 gets four, rank 1 gets three. In the fourth step rank 0 calls the all-reduce, and rank 1 never comes.
# You have seen above how that ends. The simplest cure is to give all ranks equally many, and let the last, incomplete round go.
#
# **Predict before you run.** 1,000,003 documents and 64 ranks: how many are let go?

# %%
print(1_000_003 % 64)

# %% [markdown]
# ## Exercise: A share for each rank · 2 points · ★☆☆

# %% exercise="distributed-shard-stream"
from collections.abc import Iterable, Iterator
from typing import Any


def shard_stream(stream: Iterable[Any], rank: int, world: int) -> Iterator[Any]:
    """Yield rank's own items of a stream that all ranks read, as many as every other rank gets.

    The stream comes in rounds of `world` items, and in each round rank r gets the item at place r. A last round that is not complete
        is left out for all ranks, so that no rank makes a step which the others don't.
    So no item goes to two ranks, and every item of a complete round goes to one.
    The stream is read no further than needed: to yield k items, at most k · world are read. It may be endless, and may be
        an iterator that can be read only once. Items can be anything, also None, equal items, or tensors. An error in the stream is passed on.
    Raises: ValueError unless 0 <= rank < world, at the latest when the first item is asked for (this test is given).

    >>> [list(shard_stream("abcdefg", rank, 3)) for rank in range(3)]
    [['a', 'd'], ['b', 'e'], ['c', 'f']]

    Source: how datasets splits a stream that is one file (split_dataset_by_node), with the uneven end cut off.
    """
    if not 0 <= rank < world:
        raise ValueError(f"there is no rank {rank} among {world}")
    ### BEGIN SOLUTION
    own = None
    for index, item in enumerate(stream):
        if index % world == rank:
            own = item
        if index % world == world - 1:  # the round is complete
            yield own
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example "g" is let go: it would be rank 0's third item, and no other rank has a third.

# %% check="distributed-shard-stream"

# %% [markdown]
# **What it means in a real library.** `datasets` streams in the same way. Here is a stream of seven documents from one file, and one of eight documents from four files.

# %% demo
from datasets import IterableDataset
from datasets.distributed import split_dataset_by_node


def read(files):
    for name, count in files:
        yield from ({"document": f"{name}{number}"} for number in range(count))


# %% demo
for files in ([("a", 7)], [("a", 2), ("b", 2), ("c", 2), ("d", 2)]):
    stream = IterableDataset.from_generator(read, gen_kwargs={"files": files})
    shares = [[row["document"] for row in split_dataset_by_node(stream, rank=rank, world_size=2)] for rank in range(2)]
    print(f"{len(files)} file{'s' * (len(files) > 1)}:", " · ".join(f"rank {rank} reads {' '.join(share)}" for rank, share in enumerate(shares)))
print("a buffer of 3:", " ".join(row["document"] for row in stream.shuffle(seed=1, buffer_size=3)))

# %% [markdown]
# With four files and two ranks, each rank gets whole files and reads nothing else. With one file both ranks read all of it and throw the other's half away: the work of reading is done twice.
# And the first line shows the uneven end: rank 0 has one document more. The library doesn't cut it off, so your loop must.
#
# ## Packing
#
# Documents have different lengths, and a batch is a rectangle. Padding the short ones up to the longest wastes the work of every padded position:

# %%
lengths = [12, 3, 5, 9, 4, 10, 2, 3]
padded = len(lengths) * max(lengths)
print(f"padded: {len(lengths)} rows of {max(lengths)} = {padded} positions, {1 - sum(lengths) / padded:.0%} of them padding")
rows = [[12], [3, 5, 4], [9, 3], [10, 2]]
print(f"packed: {len(rows)} rows of 12 = {12 * len(rows)} positions, {1 - sum(lengths) / (12 * len(rows)):.0%} of them padding")

# %% [markdown]
# *Packing* puts several documents into one row. Three things must then be put right, or the documents leak into each other:
#
# - **Who may read whom.** A token may read the past of its own document, and no other document.
# - **Positions** start again at 0 in each document.
# - **Labels.** The last token of a document must not be asked for the first token of the next one.
#
# **Predict before you run.** A row holds the documents "the cat sat" and "it rained". How many tokens does "rained" read under a plain causal mask, and how many should it?

# %% demo
from handbook.plots_distributed import reading_map

words, number = ["the", "cat", "sat", "it", "rained"], torch.tensor([0, 0, 0, 1, 1])
past = torch.ones(5, 5, dtype=torch.bool).tril()
reading_map({"plain causal mask": past, "inside each document": past & (number[:, None] == number)}, words)

# %% [markdown]
# ## Exercise: Packed rows · 3 points · ★★☆

# %% exercise="distributed-pack-sequences"
import torch
from torch import Tensor


def pack_sequences(documents: list[list[int]], length: int, pad_id: int = 0) -> dict[str, Tensor]:
    """Pack documents into rows of one length, so that none can see another.

    Args: documents are lists of token ids; empty ones are left out · length is the length T of a row · pad_id fills what stays free, at a row's end.
    Each document, in the order given, goes to the first row that has room for all of it, behind what is there; if none has, it begins a new row.
    Shapes: returns a dict of four tensors for B rows (B = 0 if there is nothing to pack).
        "ids" (B, T), int64: the tokens, and pad_id where there are none.
        "positions" (B, T), int64: 0, 1, 2, ... inside each document; 0 at padding.
        "labels" (B, T), int64: at each token the next token of the same document; -100 at the last token of each document and at padding.
        "may_read" (B, T, T), bool: may_read[b, t, s] is True where the token at t may read the one at s: both of the same document,
            and s not after t. Padding may read itself (else a softmax over nothing gives NaN); whatever else padding reads is of no account.
    A token may happen to be equal to pad_id; it is a token all the same.
    Raises: ValueError if a document is longer than length (this test is given).
    Leave documents as they came.

    >>> packed = pack_sequences([[5, 6, 7], [8, 9]], length=6)
    >>> packed["ids"].tolist(), packed["labels"].tolist(), packed["positions"].tolist()
    ([[5, 6, 7, 8, 9, 0]], [[6, 7, -100, 9, -100, -100]], [[0, 1, 2, 0, 1, 0]])
    >>> packed["may_read"][0, 4].int().tolist()
    [0, 0, 0, 1, 1, 0]

    Source: Krell et al. 2021, arXiv:2107.02027, on packing without cross-contamination; the rule for choosing a row is known as first fit.
    """
    if any(len(document) > length for document in documents):
        raise ValueError(f"a document of {max(map(len, documents))} tokens does not fit into a row of {length}")
    ### BEGIN SOLUTION
    rows: list[list[list[int]]] = []
    for document in documents:
        row = next((row for row in rows if sum(map(len, row)) + len(document) <= length), None)
        if row is not None:
            row.append(document)
        elif document:
            rows.append([document])
    ids = torch.full((len(rows), length), pad_id)
    labels = torch.full_like(ids, -100)
    positions, number = torch.zeros_like(ids), torch.full_like(ids, -1)  # number: which document of its row
    for b, row in enumerate(rows):
        at = 0
        for n, document in enumerate(row):
            end = at + len(document)
            ids[b, at:end], positions[b, at:end], number[b, at:end] = torch.tensor(document), torch.arange(len(document)), n
            labels[b, at : max(end - 1, at)] = ids[b, at + 1 : end]
            at = end
    may_read = (number[:, :, None] == number[:, None, :]).tril()  # (B, T, T)
    return {"ids": ids, "positions": positions, "labels": labels, "may_read": may_read}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example token 7 ends its document, so it has no label, although 8 stands next to it. Token 9 reads 8 and itself.

# %% check="distributed-pack-sequences"

# %% [markdown]
# **What it means in the real model.** SmolLM2 reads a sentence about Paris, alone and packed behind a sentence about Rome. How surprised is it by the second sentence?

# %% demo
from handbook import load_lm

lm = load_lm()
pack = yours_or_ours("pack_sequences", globals(), exercise="distributed-pack-sequences")
first, second = (lm.encode(text) for text in ("The capital of Italy is Rome.", "The capital of France is Paris."))
packed = pack([first, second], len(first) + len(second))
blocked = torch.zeros(packed["may_read"].shape).masked_fill(~packed["may_read"], -1e9)[:, None]  # (B, 1, T, T)


def surprise(**how):
    with torch.no_grad():
        logits = lm.model(input_ids=packed["ids"], **how).logits[0, len(first) : -1]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(second[1:])).item()


# %% demo
print(f"alone                            {lm.loss(second):.4f} nats a token")
print(f"packed, plain causal mask        {surprise():.4f}   <- it has read the answer to another question")
print(f"packed, your mask and positions  {surprise(attention_mask=blocked, position_ids=packed['positions']):.4f}")

# %% [markdown]
# With your mask the model reads the sentence as if it stood alone. With the plain mask it has learnt from the neighbour how such sentences go. In training, neighbours are picked by chance, and such hints teach the wrong thing.
# In SmolLM2 the mask alone would do, for its rotary positions (lesson 1.3) tell only how far apart two tokens are. A model with learned positions needs both.
# Not everyone masks: GPT-3 was trained without, and told the model by a special token where one document ends (Brown et al. 2020, arXiv:2005.14165). Llama 3 masks; its authors found that this made little difference in ordinary pretraining, and an important one in later training on very long rows (Grattafiori et al. 2024, arXiv:2407.21783).
#
# ## Splitting by layers
#
# When even one copy of the weights is too large for a rank, the layers can be dealt out: rank 0 holds the first ones, rank 1 the next, and so on. Such a part is called a *stage*.
# A batch goes through one stage after the other, so most ranks wait most of the time. It helps to cut the batch into *micro-batches* that follow each other as on an assembly line (Huang et al. 2018, arXiv:1811.06965):

# %% demo
from handbook.plots_distributed import pipeline_timetable

for micro in (1, 4):
    pipeline_timetable([1.0, 1.0, 1.0], micro)

# %% [markdown]
# The white part is called the *bubble*: time that is paid for and not used. With $p$ equal stages and $m$ micro-batches, the last one leaves after $m + p - 1$ time slots, in which each stage works $m$.
# The backward pass runs through the same stages the other way round; if it costs twice as much in every stage, working and waiting both grow alike, and the share stays.
#
# **Predict before you run.** Three stages, but the middle one takes twice as long as the others. Do more micro-batches still help? To what share does the bubble shrink in the end?

# %% demo
pipeline_timetable([1.0, 2.0, 1.0], 4)

# %% [markdown]
# The slow stage sets the pace, and the others wait for it, however many micro-batches there are. In the end they work half of the time, and the bubble stays above one third.
#
# ## Exercise: The bubble · 2 points · ★☆☆


# %% exercise="distributed-pipeline-bubble"
def pipeline_bubble(stages: list[float], micro: int) -> float:
    """Work out which share of a pipeline's time is idle.

    Args: stages[s] is the time that stage s needs for one micro-batch, in seconds, above 0 · micro is the number of micro-batches.
    Each micro-batch goes through all stages in order. A stage works on one micro-batch at a time, in their order, and begins as soon as
        it is free and the micro-batch has left the stage before. Passing on takes no time.
    The time that counts is that of all stages together, each from the start of the first stage's work to the end of the last stage's work.
    Returns: the part of it in which stages do nothing, 0 ... 1, not rounded.
    Raises: ValueError if there are no stages, a time is not above 0, or micro is below 1 (these tests are given).
    Leave stages as it came.

    >>> round(pipeline_bubble([1.0, 1.0, 1.0], 4), 4), round(pipeline_bubble([1.0, 2.0, 1.0], 4), 4)   # 2 of 6; 14 of 30
    (0.3333, 0.4667)

    Source: Huang et al. 2018, arXiv:1811.06965, for equal stages.
    """
    if not stages or min(stages) <= 0 or micro < 1:
        raise ValueError(f"no pipeline has stages of {stages} s and {micro} micro-batches")
    ### BEGIN SOLUTION
    total = sum(stages) + (micro - 1) * max(stages)  # one way through, then one more at each beat of the slowest
    return 1 - micro * sum(stages) / (len(stages) * total)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** For three equal stages and four micro-batches, 2 of 6 time slots are idle in every row of the timetable, wherever they lie.

# %% check="distributed-pipeline-bubble"

# %% [markdown]
# **What it means in practice.** How many micro-batches keep the bubble of equal stages below a tenth?

# %% demo
from handbook import plots

bubble = yours_or_ours("pipeline_bubble", globals(), exercise="distributed-pipeline-bubble")
micros = [1, 2, 4, 8, 16, 32, 64, 128]
shares = {f"{p} stages": [100 * bubble([1.0] * p, m) for m in micros] for p in (2, 4, 16)}
plots.lines(micros, shares, title="More micro-batches, less waiting", xlabel="micro-batches in a step", ylabel="idle time (%)", logx=True)

# %% [markdown]
# For 16 stages it takes more than 128. But a micro-batch must not become too small either, or its matrix products no longer fill the processor. And equal stages are rare: the first has the token table, the last has the head.
#
# Real training combines the ways: tensors split inside a machine, layers split between machines, and data parallel over all of it (Narayanan et al. 2021, arXiv:2104.04473).
#
# ## Recap
#
# - A data-parallel step must equal the step of one process: divide by the number of rows on all ranks, then add.
# - A ring all-reduce sends $2(W-1)/W$ times the tensor from each rank, whatever $W$ is.
# - ZeRO splits what data parallel training copies. Level 1, the optimizer, takes away most, and sends no more bytes.
# - A shuffle buffer mixes as far as it reaches. Deal from one common order, and end all ranks together.
# - Packed documents need a mask, positions and labels of their own.
# - A pipeline waits in its bubble: more micro-batches make it smaller, unequal stages keep it.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. Four ranks compute the mean gradient of their own rows, 8 rows each, and these are added. By how much is the step wrong, and what changes if one rank has 2 rows?</summary>
#
# It is four times too large. Divided by 4 it is right, as long as all have 8 rows. With 2 rows on one rank, each of these rows would count four times as much as one of the others: weigh by rows.
# </details>
#
# <details><summary>2. Adam in mixed precision takes 16 bytes a parameter. What does ZeRO-1 leave on each of 4 ranks, and of what?</summary>
#
# 7 bytes: 2 of weights, 2 of gradients, and a quarter of the 12 of the optimizer.
# </details>
#
# <details><summary>3. Each rank shuffles the stream with its own seed and then takes every W-th document. Nothing fails. What is wrong?</summary>
#
# The ranks deal from different orders, so some documents are read twice and others never.
# </details>
#
# **Next.** You know what has to be stored and sent. Lesson 2.6 turns that into hardware: how many GPUs, for how long, and for how much money.
#
# ## Further reading
#
# - Li et al. 2020, [PyTorch Distributed: Experiences on Accelerating Data Parallel Training](https://arxiv.org/abs/2006.15704), arXiv:2006.15704.
# - Sergeev and Del Balso 2018, [Horovod](https://arxiv.org/abs/1802.05799), arXiv:1802.05799: a library that made the ring easy to use with deep learning frameworks.
# - Patarasuk and Yuan 2009, Bandwidth optimal all-reduce algorithms for clusters of workstations, Journal of Parallel and Distributed Computing.
# - Rajbhandari et al. 2019, [ZeRO: Memory Optimizations Toward Training Trillion Parameter Models](https://arxiv.org/abs/1910.02054), arXiv:1910.02054.
# - Zhao et al. 2023, [PyTorch FSDP](https://arxiv.org/abs/2304.11277), arXiv:2304.11277.
# - Huang et al. 2018, [GPipe](https://arxiv.org/abs/1811.06965), arXiv:1811.06965. Narayanan et al. 2021, [Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM](https://arxiv.org/abs/2104.04473), arXiv:2104.04473.
# - Krell et al. 2021, [Efficient Sequence Packing without Cross-contamination](https://arxiv.org/abs/2107.02027), arXiv:2107.02027.
