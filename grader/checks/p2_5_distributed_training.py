"""Checks for p2_5_distributed_training. All ranks are simulated in one process.

Oracles: softmax regression in closed form · the ring's sums chunk by chunk and its bytes in closed form · Adam on the whole tensor, one parameter at a time ·
packing token by token · every outcome of a shuffle buffer with its probability · a pipeline played event by event.
"""

import math
import random

import pytest
import torch
from torch import nn

from grader.judge import Exercise, core, expect

ODDS = 1e-9  # how often, at most, chance alone may take a right answer out of a range that `near` allows


def near(count, n, chance, sentence, why):
    """A count out of n draws must fit its chance: by Chernoff's bound a right answer fails once in 1 / ODDS tries, or less."""
    parts = (count / n, chance), (1 - count / n, 1 - chance)
    divergence = sum(share * math.log(share / expected) for share, expected in parts if share > 0)
    expect.true(n * divergence <= math.log(2 / ODDS), f"{sentence}: {count} of {n} (about {n * chance:.0f} expected)", why=why)


# --------------------------------------------------------------------------------------------------- DDP step


def one_step(ddp_step, weight, batches, lr, steps=1, stale=0.0):
    """Steps of replicas of a linear layer, on the learner's side.

    Returns the losses, each replica's parameters in the end and the rows it was called with, and the batches afterwards.
    """

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(torch.zeros(weight.shape[1]))
            self.unused, self.frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.arange(float(weight.shape[1])), requires_grad=False)
            self.seen = []

        def forward(self, x):
            self.seen.append(x.detach().clone())
            return x @ self.weight + self.bias + self.frozen

    replicas = [Net() for _ in batches]
    for net in replicas:
        for p in net.parameters():
            if stale and p.requires_grad:
                p.grad = torch.full_like(p, stale)
    losses = [ddp_step(replicas, batches, lr) for _ in range(steps)]
    after = [{name: p.detach().clone() for name, p in net.named_parameters()} for net in replicas]
    seen = [torch.cat([torch.zeros(0, weight.shape[0]), *(x.reshape(-1, weight.shape[0]) for x in net.seen)]) for net in replicas]
    return losses, after, seen, batches


def gradient_descent(weight, batches, lr, steps=1):
    """Losses and parameters of one process with all rows: softmax regression in closed form, in float64."""
    x, y = torch.cat([x for x, _ in batches]).double(), torch.cat([y for _, y in batches])
    frozen = torch.arange(float(weight.shape[1])).double()
    w, b, losses = weight.double(), torch.zeros(weight.shape[1]).double(), []
    for _ in range(steps):
        p = (x @ w + b + frozen).softmax(-1)
        losses.append(-float(p[torch.arange(len(y)), y].log().mean()))
        error = (p - torch.eye(len(frozen)).double()[y]) / len(y)
        w, b = w - lr * x.T @ error, b - lr * error.sum(0)
    return losses, {"weight": w.float(), "bias": b.float()}


def written_to(ddp_step, weight, batches):
    """The weights of all replicas after a step and after each was then filled with a number of its own (runs on the learner's side)."""
    replicas = [nn.Linear(*weight.shape) for _ in batches]
    for net in replicas:
        net.load_state_dict({"weight": weight.T, "bias": torch.zeros(weight.shape[1])})
    ddp_step(replicas, batches, 0.5)
    with torch.no_grad():
        for number, net in enumerate(replicas):
            net.weight.fill_(number)
    return [net.weight.detach().clone() for net in replicas]


def rows_for(rng, sizes, C=3, V=4, scale=1.0):
    """A weight (C, V), and random rows for each rank."""
    batches = [(scale * torch.randn(n, C, generator=rng), torch.randint(V, (n,), generator=rng)) for n in sizes]
    return torch.randn(C, V, generator=rng), batches


class TestDdpStep(Exercise, id="distributed-ddp-step"):
    """Exercise distributed-ddp-step."""

    def after(self, submission, weight, batches, lr=0.5, **how):
        return submission.run(one_step, submission.ddp_step, weight, batches, lr, **how)

    def same(self, submission, rng, sizes, why, lr=0.5, scale=1.0, **how):
        weight, batches = rows_for(rng, sizes, scale=scale)
        losses, replicas, _, _ = self.after(submission, weight, batches, lr, **how)
        want_losses, want = gradient_descent(weight, batches, lr, how.get("steps", 1))
        called = f"ddp_step with {' and '.join(map(str, sizes))} rows on {len(sizes)} ranks"
        for rank, got in enumerate(replicas):
            for name in want:
                expect.close(got[name], want[name], atol=2e-5, why=f"{name} of rank {rank}: {why}", called=called)
        expect.close(losses, want_losses, why="the loss is the mean over all rows of all ranks, before the step", called=called)

    def probe(self, submission):
        """Even and uneven rows, an empty rank, three steps, stale gradients, one rank; the rows that each replica saw; memory; two refusals."""
        rng = torch.Generator().manual_seed(3)
        results = []
        for sizes, how in (([2, 2], {}), ([4, 1, 2], {}), ([0, 3], {}), ([2, 1], {"steps": 3}), ([2, 2], {"stale": 2.0}), ([3], {})):
            answer = submission.run(one_step, submission.ddp_step, *rows_for(rng, sizes, C=1, V=2, scale=9.0 if sizes == [3] else 1.0), 0.5, **how)
            if isinstance(answer, tuple):  # a short form; what was read is kept of one case
                replicas = [torch.cat([p.flatten() for p in net.values()]) for net in answer[1]]
                answer = (answer[0], replicas, answer[2] if sizes == [4, 1, 2] else None)
            results.append(answer)
        weight, batches = rows_for(rng, [2, 1], C=1, V=2)
        return (
            *results,
            submission.run(written_to, submission.ddp_step, weight, batches),
            submission.ddp_step([], [], 0.1),
            submission.run(one_step, submission.ddp_step, weight, [(x[:0], y[:0]) for x, y in batches], 0.1),
        )

    @core
    @pytest.mark.parametrize("sizes", [(3, 3), (2, 2, 2, 2), (5,)], ids=["two ranks", "four ranks", "one rank"])
    def test_equals_one_process(self, submission, rng, sizes):
        """With as many rows on each rank, the step and the loss are those of one process with all rows."""
        self.same(submission, rng, sizes, "divide by the number of rows on all ranks, once, and add up the ranks' gradients")

    @core
    def test_every_row_counts_the_same(self, submission, rng):
        """Ranks with different numbers of rows still make the step of one process with all rows."""
        for sizes in ((5, 1), (1, 2, 6)):
            self.same(submission, rng, sizes, "a mean of the ranks' means lets a row on a short rank count more")

    def test_a_rank_without_rows(self, submission, rng):
        """A rank whose data has run out adds nothing, and ends with the new weights too."""
        for sizes in ((0, 3), (2, 0, 1), (4, 0)):
            self.same(submission, rng, sizes, "the mean over no rows is NaN; the sum over no rows, divided by all rows, is 0")

    def test_several_steps(self, submission, rng):
        """Three steps in a row are three steps of one process: no gradient is counted twice."""
        self.same(submission, rng, (2, 3), "backward() adds to .grad: clear it first", steps=3)

    def test_old_gradients_do_not_count(self, submission, rng):
        """What was left in .grad before the call changes nothing."""
        self.same(submission, rng, (3, 2), "backward() adds to .grad: clear it on every replica", stale=1.5)
        weight, batches = rows_for(rng, (2, 2))
        for got in self.after(submission, weight, batches, stale=1.5)[1]:
            expect.close(got["unused"], torch.ones(2), why="an old gradient of a parameter that the model does not use is not a gradient of this loss")

    def test_the_learning_rate(self, submission, rng):
        """The step is as long as lr says, also where gradients are large; with lr = 0 nothing moves."""
        for lr, scale in ((0.0, 1.0), (0.01, 1.0), (2.0, 1.0), (0.1, 6.0)):
            self.same(submission, rng, (2, 3), "p - lr · gradient", lr=lr, scale=scale)

    def test_replicas_share_no_memory(self, submission, rng):
        """After the step each replica still has parameters of its own: what is written into one shows in no other."""
        weight, batches = rows_for(rng, (2, 1, 2))
        got = submission.run(written_to, submission.ddp_step, weight, batches)
        for rank, weights in enumerate(got):
            own = bool((weights == rank).all())
            expect.true(own, f"what was written into another replica shows in replica {rank}", got=weights, why="change each parameter in place; ranks have no memory in common")

    def test_leaves_other_parameters(self, submission, rng):
        """A parameter that is frozen or not used stays as it is, on all replicas."""
        weight, batches = rows_for(rng, (2, 3))
        for got in self.after(submission, weight, batches)[1]:
            expect.close(got["unused"], torch.ones(2), why="its .grad is None, and so there is nothing to subtract")
            expect.close(got["frozen"], torch.arange(4.0), why="requires_grad is False: leave it")

    @core
    def test_a_rank_reads_its_own_rows(self, submission, rng):
        """Each replica is called with the rows of its own rank only."""
        weight, batches = rows_for(rng, (2, 3, 1))
        for rank, seen in enumerate(self.after(submission, weight, batches)[2]):
            own = batches[rank][0]
            expect.true(len(seen) > 0, f"replica {rank} was never called, so it has not computed anything")
            strange = [row.tolist() for row in seen if not any(torch.equal(row, mine) for mine in own)]
            expect.true(not strange, f"replica {rank} was called with rows of another rank", got=strange, why="gradients travel between ranks, data does not")

    def test_leaves_the_batches_alone(self, submission, rng):
        """The batches are the same after the call as before."""
        weight, batches = rows_for(rng, (2, 3))
        got = self.after(submission, weight, batches)[3]
        expect.close([list(pair) for pair in got], [list(pair) for pair in batches], why="rows belong to the caller")


# ------------------------------------------------------------------------------------------------------- ring


def chunk_edges(N, W):
    """Where each chunk begins, and the end."""
    return [c * N // W for c in range(W + 1)]


def ring_sums(shards):
    """The sum of each chunk in the order of the ring, one chunk at a time."""
    W, edges = len(shards), chunk_edges(len(shards[0]), len(shards))
    chunks = []
    for c in range(W):
        part = slice(edges[c], edges[c + 1])
        total = shards[c][part]
        for hop in range(1, W):
            total = total + shards[(c + hop) % W][part]
        chunks.append(total)
    return torch.cat(chunks)


def ring_bytes(N, W, size):
    """What each rank sends: twice all chunks, less the one that it completes and the one that it gets last."""
    edges = chunk_edges(N, W)
    lengths = [edges[c + 1] - edges[c] for c in range(W)]
    return [size * (2 * N - lengths[(r + 1) % W] - lengths[(r + 2) % W]) if W > 1 else 0 for r in range(W)]


def touched(ring_all_reduce, shards):
    """The results and shards after a number of its own has been written into each result (runs on the learner's side)."""
    results, _ = ring_all_reduce(shards)
    for rank, result in enumerate(results):
        result.fill_(-7 - rank)
    return results, shards


def cancelling(rng, W, N, dtype=torch.float32):
    """Shards whose sum in floating point depends on the order: large numbers that cancel, beside small ones."""
    numbers = torch.tensor([3e8, -3e8, 1.0, 5.0, 7.0][:W] + [2.0] * (W - 5), dtype=dtype)
    return list(torch.stack([numbers[torch.randperm(W, generator=rng)] for _ in range(N)], 1))


class TestRingAllReduce(Exercise, id="distributed-ring-all-reduce"):
    """Exercise distributed-ring-all-reduce."""

    def reduced(self, submission, cases):
        for shards, answer in zip(cases, submission.each("ring_all_reduce", [(shards,) for shards in cases]), strict=True):
            expect.true(isinstance(answer, tuple | list) and len(answer) == 2, "it must return two things: results and sent", got=answer)
            expect.true(isinstance(answer[0], tuple | list), "results must be a list with a tensor for each rank", got=answer[0])
            yield shards, list(answer[0]), answer[1]

    def sums(self, submission, cases, why, exact=False):
        for shards, results, _ in self.reduced(submission, cases):
            want = ring_sums(shards)
            expect.close(results, [want] * len(shards), why=why, **(dict(atol=0.0, rtol=0.0) if exact else {}))

    def sent(self, submission, cases, why):
        for shards, _, sent in self.reduced(submission, cases):
            want = ring_bytes(len(shards[0]), len(shards), shards[0].element_size())
            expect.equal(list(sent) if isinstance(sent, tuple | list) else sent, want, why=why)

    def probe(self, submission):
        """Even, uneven and empty chunks, one rank, three dtypes, an order that shows, memory, two refusals."""
        rng = torch.Generator().manual_seed(1)
        cases = [[torch.randint(-99, 99, (N,), generator=rng).float() for _ in range(W)] for W, N in ((2, 4), (3, 7), (4, 3), (1, 3), (2, 0))]
        cases += [[torch.arange(5) * 3**rank for rank in range(3)], [torch.arange(5.0).double() + rank for rank in range(3)], cancelling(rng, 4, 6)]
        kept = submission.keep(cases[1])
        return (
            submission.ring_all_reduce(kept),
            submission.value(kept),
            *(submission.ring_all_reduce(case) for case in (cases[0], *cases[2:])),
            submission.run(touched, submission.ring_all_reduce, cases[1]),
            submission.run(touched, submission.ring_all_reduce, cases[3]),
            submission.ring_all_reduce([]),
            submission.ring_all_reduce([torch.ones(3), torch.ones(4)]),
        )

    @core
    def test_every_rank_gets_the_sum(self, submission, rng):
        """In the end each rank has the sum over all ranks, at every position."""
        cases = [[torch.randn(N, generator=rng) for _ in range(W)] for W, N in ((2, 4), (3, 6), (4, 12), (5, 5))]
        self.sums(submission, cases, "follow one chunk round the ring: W - 1 times it is added, then W - 1 times it replaces")

    @core
    def test_counts_the_bytes(self, submission, rng):
        """With equal chunks each rank sends 2 (W - 1) chunks of N / W values."""
        cases = [[torch.randn(N, generator=rng) for _ in range(W)] for W, N in ((2, 4), (3, 6), (4, 12))]
        self.sent(submission, cases, "in each of 2 (W - 1) steps every rank sends one chunk; a float32 has 4 bytes")

    def test_chunks_of_different_size(self, submission, rng):
        """Where N is not a multiple of W, chunks differ in size, and some may be empty; the sums are right all the same."""
        cases = [[torch.randn(N, generator=rng) for _ in range(W)] for W, N in ((2, 3), (3, 7), (4, 6), (5, 3), (4, 1), (3, 0), (7, 10))]
        self.sums(submission, cases, "chunk c is the values from c · N // W up to (c + 1) · N // W")

    def test_counts_the_bytes_of_uneven_chunks(self, submission, rng):
        """Where chunks differ in size, the ranks send different numbers of bytes, by the chunks that each sends."""
        cases = [[torch.randn(N, generator=rng) for _ in range(W)] for W, N in ((2, 3), (3, 7), (4, 6), (5, 3), (3, 0))]
        self.sent(submission, cases, "count the values that are on the wire; in step s rank r sends chunk (r - s) mod W")

    def test_one_rank(self, submission, rng):
        """A single rank sends nothing and has its own values."""
        cases = [[torch.randn(4, generator=rng)]]
        self.sums(submission, cases, "with W = 1 there is no step")
        self.sent(submission, cases, "with W = 1 there is nobody to send to")

    @pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.float16, torch.uint8], ids=str)
    def test_keeps_the_dtype(self, submission, rng, dtype):
        """Results have the dtype of the shards, and the bytes are counted by its size."""
        cases = [[torch.randint(0, 50, (5,), generator=rng).to(dtype) for _ in range(3)]]
        for shards, results, sent in self.reduced(submission, cases):
            expect.true(all(getattr(result, "dtype", None) == dtype for result in results), f"results must be {dtype}, as the shards are", got=results)
            expect.close(results, [ring_sums(shards)] * 3, why="the sum over all ranks")
            expect.equal(list(sent), ring_bytes(5, 3, shards[0].element_size()), why="ask the tensor for its element_size()")

    def test_adds_in_the_order_of_the_ring(self, submission, rng):
        """Chunk c is summed from rank c on, and all ranks end with the very same bits."""
        cases = [cancelling(rng, W, N) for W, N in ((3, 9), (4, 12), (6, 13))]
        self.sums(submission, cases, "floating-point sums depend on their order: let each chunk travel, do not add the shards in order of rank", exact=True)

    def test_leaves_the_shards_alone(self, submission, rng):
        """The shards are the same after the call as before."""
        shards = [torch.randn(7, generator=rng) for _ in range(3)]
        kept = submission.keep(shards)
        submission.ring_all_reduce(kept)
        expect.close(submission.value(kept), shards, why="clone the shards first, and work on the clones")

    def test_results_share_no_memory(self, submission, rng):
        """Writing into one rank's result changes neither another rank's result nor the shards."""
        for W in (1, 3):
            shards = [torch.randn(7, generator=rng) for _ in range(W)]
            results, after = submission.run(touched, submission.ring_all_reduce, shards)
            expect.close(after, shards, why="the result of a rank is a tensor of its own, also when there is one rank only")
            own = [torch.full((7,), -7.0 - rank) for rank in range(W)]
            expect.close(list(results), own, why="each rank has memory of its own: do not put one tensor into the list twice")


# --------------------------------------------------------------------------------------------- sharded optimizer


def borders(n, world):
    """Start and end of each slice, by dealing out the parameters one at a time."""
    owner = [i // math.ceil(n / world) for i in range(n)]
    counts = [owner.count(rank) for rank in range(world)]
    return [(sum(counts[:rank]), sum(counts[: rank + 1])) for rank in range(world)]


def fresh(n, world):
    """The state that shard_optimizer_state must make."""
    return [
        {"start": start, "end": end, "step": 0, "mean": torch.zeros(end - start), "square": torch.zeros(end - start)} for start, end in borders(n, world)
    ]


def write_to_each(shard_optimizer_state, n, world):
    """Fill each tensor of the states with a number of its own; what they all hold then (runs on the learner's side)."""
    states = shard_optimizer_state(n, world)
    tensors = [state[name] for state in states for name in ("mean", "square")]
    for number, tensor in enumerate(tensors):
        tensor.fill_(number)
    return tensors


def numbers_held(shard_optimizer_state, n, world):
    """How many float32 numbers the memory behind all averages can hold, each piece of memory counted once (runs on the learner's side)."""
    tensors = [state[name] for state in shard_optimizer_state(n, world) for name in ("mean", "square")]
    return sum({tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors}.values()) // 4


def some_steps(zero_step, params, gradients, states, lr):
    """The parameters after each step, and the states, the first parameters and the gradients in the end (runs on the learner's side)."""
    now, seen = params, []
    for of_ranks in gradients:
        now = zero_step(now, of_ranks, states, lr)
        seen.append(now.clone() if isinstance(now, torch.Tensor) else now)
    return seen, states, params, gradients


def from_scratch(shard_optimizer_state, zero_step, params, gradients, lr):
    """The parameters after each step with states made on the learner's side."""
    states, seen = shard_optimizer_state(len(params), len(gradients[0])), []
    for of_ranks in gradients:
        params = zero_step(params, of_ranks, states, lr)
        seen.append(params.clone())
    return seen


def overwritten(zero_step, params, gradients, states):
    """The parameters after the result was written to (runs on the learner's side)."""
    zero_step(params, gradients, states, 0.1).fill_(-7.0)
    return params


def whole_adam(params, gradients, lr):
    """Adam (Kingma and Ba 2015) with the mean gradients, one parameter at a time: the parameters after each step, and its two averages."""
    p, m, v, seen = params.tolist(), [0.0] * len(params), [0.0] * len(params), []
    for t, of_ranks in enumerate(gradients, start=1):
        for i, column in enumerate(zip(*(gradient.tolist() for gradient in of_ranks), strict=True)):
            g = sum(column) / len(column)
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g * g
            p[i] -= lr * (m[i] / (1 - 0.9**t)) / (math.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
        seen.append(torch.tensor(p))
    return seen, torch.tensor(m), torch.tensor(v)


def training(rng, n, world, steps):
    """Parameters, and for each step the gradients of all ranks."""
    return torch.randn(n, generator=rng), [[torch.randn(n, generator=rng) for _ in range(world)] for _ in range(steps)]


class TestOptimizerShards(Exercise, id="distributed-optimizer-shards"):
    """Exercise distributed-optimizer-shards."""

    def same(self, submission, rng, cases, why, lr=0.1, idle=None):
        """Cases are (parameters, ranks, steps); all of them go over in one message. An idle rank's gradients are 0."""
        runs = [(*training(rng, *case), fresh(*case[:2]), lr) for case in cases]
        for of_ranks in (of_ranks for run in runs for of_ranks in run[1] if idle is not None):
            of_ranks[idle].zero_()
        step = submission.zero_step
        answers = submission.each(some_steps, [(step, *run) for run in runs])
        for (n, world, steps), (params, gradients, _, _), answer in zip(cases, runs, answers, strict=True):
            self.one(n, world, steps, params, gradients, lr, answer, why)

    def one(self, n, world, steps, params, gradients, lr, answer, why):
        seen, states, params_after, gradients_after = answer
        want, mean, square = whole_adam(params, gradients, lr)
        called = f"zero_step with {n} parameters on {world} ranks"
        expect.close(seen, want, why=why, called=called)
        expect.true(len(states) == world, "the list of states must keep one state a rank", called=called)
        for rank, (state, (start, end)) in enumerate(zip(states, borders(n, world), strict=True)):
            expect.equal(state["step"], steps, why=f"rank {rank} makes one step in each step, also with an empty slice", called=called)
            expect.close(state["mean"], mean[start:end], why=f"rank {rank}'s state is about its slice of the mean over all ranks' gradients", called=called)
            expect.close(state["square"], square[start:end], why=f"rank {rank}'s state is about its slice of the mean over all ranks' gradients", called=called)
        expect.close([params_after, gradients_after], [params, gradients], why="params and gradients belong to the caller: make new tensors", called=called)

    def probe(self, submission):
        """Slices of many sizes and their memory; steps with even, short and empty slices, one rank; memory; refusals."""
        rng = torch.Generator().manual_seed(2)
        steps = []
        for n, world, count in ((4, 2, 1), (5, 3, 3), (4, 3, 2), (2, 1, 2)):
            params, gradients = training(rng, n, world, count)
            gradients[0][-1].mul_(n % 2)  # of some cases the last rank is idle in the first step
            answer = submission.run(some_steps, submission.zero_step, params, gradients, fresh(n, world), 0.1)
            if isinstance(answer, tuple) and world != 2:  # a short form; what became of params and gradients is kept of one case
                answer = (answer[0][-1:], [list(state.values())[2:] for state in answer[1]])
            steps.append(answer)
        made = list(submission.each("shard_optimizer_state", [(6, 2), (7, 3), (5, 4), (4, 1), (2, 5), (10, 4)]))
        states = [state for answer in made if isinstance(answer, list) for state in answer if isinstance(state, dict)]
        return (
            *([list(state.values())[:3] for state in answer] if isinstance(answer, list) else answer for answer in made),
            [len(state["mean"]) for state in states if isinstance(state.get("mean"), torch.Tensor)],
            sorted(str(getattr(value, "dtype", "")) for state in states[:2] for value in state.values()),
            submission.run(write_to_each, submission.shard_optimizer_state, 4, 2),
            submission.run(numbers_held, submission.shard_optimizer_state, 7, 3),
            *steps,
            submission.run(overwritten, submission.zero_step, torch.ones(4), [torch.ones(4)], fresh(4, 1)),
            submission.shard_optimizer_state(0, 2),
            submission.shard_optimizer_state(3, 0),
            submission.zero_step(torch.ones(4), [torch.ones(4)], fresh(4, 2), 0.1),
        )

    @core
    def test_slices(self, submission):
        """The slices follow each other, each of n_params / world parameters, rounded up, the last ones cut at the end."""
        cases = [(6, 2), (7, 3), (9, 4), (4, 1), (10, 4), (12, 4)]
        for case, states in zip(cases, submission.each("shard_optimizer_state", cases), strict=True):
            expect.true(
                isinstance(states, list | tuple) and all(isinstance(state, dict) and {"start", "end"} <= set(state) for state in states),
                "it must return a list with one dict a rank",
                got=states,
            )
            got = [(state["start"], state["end"]) for state in states]
            expect.equal(got, borders(*case), why="rounded down, the last parameters have no owner; the last slice may be shorter, not longer")

    def test_empty_slices(self, submission):
        """With few parameters for many ranks the last slices are empty: start = end = n_params."""
        cases = [(5, 4), (2, 5), (1, 3), (6, 4)]
        for case, states in zip(cases, submission.each("shard_optimizer_state", cases), strict=True):
            expect.equal([(state["start"], state["end"]) for state in states], borders(*case), why="cut both start and end at n_params")

    def test_states_hold_their_slice_only(self, submission):
        """Each rank's averages are float32 zeros, as many as its slice has parameters; nothing is padded."""
        cases = [(7, 3), (5, 4), (3, 1)]
        for case, states in zip(cases, submission.each("shard_optimizer_state", cases), strict=True):
            expect.close(list(states), fresh(*case), why="a rank that holds more than its slice saves nothing")
            right = all(getattr(state[name], "dtype", None) == torch.float32 for state in states for name in ("mean", "square"))
            expect.true(right, "mean and square must be float32")

    def test_the_memory_is_split_too(self, submission):
        """The memory behind all averages holds two numbers a parameter, and no more."""
        for n, world in ((7, 3), (12, 4)):
            held = submission.run(numbers_held, submission.shard_optimizer_state, n, world)
            expect.true(held <= 2 * n, f"{n} parameters on {world} ranks take memory for {held} numbers; {2 * n} are enough", why="a slice of a long tensor keeps the whole tensor alive")

    def test_states_share_no_memory(self, submission):
        """Every mean and every square is a tensor of its own."""
        got = submission.run(write_to_each, submission.shard_optimizer_state, 7, 3)
        want = [torch.full((size,), float(number)) for number, size in enumerate((3, 3, 3, 3, 1, 1))]
        expect.close(got, want, why="what is written into one rank's mean must not appear anywhere else")

    @core
    def test_one_step_equals_one_adam(self, submission, rng):
        """After a step the parameters are those of one Adam with the mean gradient, on all slices."""
        self.same(submission, rng, [(6, 2, 1)], "each rank updates its slice with the mean over all ranks' gradients, and the slices are put together")
        self.same(submission, rng, [(12, 4, 1)], "the length of the step is lr, for each slice", lr=0.7)

    def test_several_steps(self, submission, rng):
        """Over many steps the sharded optimizer stays equal to one Adam."""
        self.same(submission, rng, [(8, 2, 5)], "the averages live on in the states, in place", lr=0.02)
        self.same(submission, rng, [(6, 3, 3)], "a rank whose gradients are 0 counts in the mean as well", idle=1)

    def test_uneven_slices(self, submission, rng):
        """A last slice that is shorter, or empty, is no exception."""
        self.same(submission, rng, [(7, 3, 2), (5, 4, 2), (2, 4, 2), (9, 2, 2)], "start and end are in the state: use them")

    def test_both_together(self, submission, rng):
        """Steps with the states that shard_optimizer_state has made are those of one Adam."""
        params, gradients = training(rng, 7, 3, 2)
        seen = submission.run(from_scratch, submission.shard_optimizer_state, submission.zero_step, params, gradients, 0.2)
        expect.close(seen, whole_adam(params, gradients, 0.2)[0], why="Adam begins with zeros and at step 0")

    def test_one_rank(self, submission, rng):
        """With one rank it is plain Adam, and the result is a new tensor."""
        self.same(submission, rng, [(5, 1, 2)], "one slice, one gradient")
        params = torch.randn(4, generator=rng)
        got = submission.run(overwritten, submission.zero_step, params, [torch.ones(4)], fresh(4, 1))
        expect.close(got, params, why="the result must not share memory with params")


# -------------------------------------------------------------------------------------------------- shuffle buffer


def shuffled(shuffle_buffer, items, size, seeds):
    """The outputs for some seeds, from a list (runs on the learner's side)."""
    return [list(shuffle_buffer(items, size, random.Random(seed))) for seed in seeds]


def tally(shuffle_buffer, n, size, times, seed):
    """How often each order of the first n letters comes out (runs on the learner's side)."""
    rng, counts = random.Random(seed), {}
    for _ in range(times):
        order = "".join(shuffle_buffer(iter("abcdefgh"[:n]), size, rng))
        counts[order] = counts.get(order, 0) + 1
    return counts


def firsts(shuffle_buffer, n, size, times, seed):
    """How often each item comes first, of a buffer of `size` and n numbers (runs on the learner's side)."""
    rng, counts = random.Random(seed), [0] * n
    for _ in range(times):
        counts[next(iter(shuffle_buffer(range(n), size, rng)))] += 1
    return counts


def reads_of_buffer(shuffle_buffer, n, size, stop):
    """How many items of a one-way stream of n were read when each of the first `stop` came out (runs on the learner's side)."""
    count, out = [0], []

    def stream():
        for item in range(n):
            count[0] += 1
            yield item

    for _ in shuffle_buffer(stream(), size, random.Random(3)):
        out.append(count[0])
        if len(out) == stop:
            break
    return out


def sources_of_chance(shuffle_buffer, n, size):
    """Orders from equal states under two global seeds, of one generator used twice, and whether the global state is as before (runs on the learner's side)."""
    orders = []
    for seed in (1, 2):
        random.seed(seed)
        torch.manual_seed(seed)
        before = random.getstate()
        orders.append(list(shuffle_buffer(range(n), size, random.Random(5))))
        same = random.getstate() == before
    rng = random.Random(5)
    twice = [list(shuffle_buffer(range(n), size, rng)) for _ in range(2)]
    return orders, twice, same


def broken_stream(function, numbers, stop):
    """What comes out when reading a stream fails after `stop` items; without a second number a rng is given (runs on the learner's side)."""

    def stream():
        yield from range(stop)
        raise OSError("the connection is lost")

    try:
        list(function(stream(), *numbers, *[random.Random(1)][: 2 - len(numbers)]))
    except OSError:
        return "OSError"
    return "no error"


def every_order(n, size):
    """Every order that a buffer can give, with its chance: a walk over all draws."""
    chances = {}

    def walk(buffer, read, order, chance):
        if not buffer:
            chances[order] = chances.get(order, 0.0) + chance
        for place, letter in enumerate(buffer):
            fresh_one = "abcdefgh"[read:n][:1]
            walk(buffer[:place] + fresh_one + buffer[place + 1 :], read + len(fresh_one), order + letter, chance / len(buffer))

    walk("abcdefgh"[: min(size, n)], min(size, n), "", 1.0)
    return chances


class TestShuffleBuffer(Exercise, id="distributed-shuffle-buffer"):
    """Exercise distributed-shuffle-buffer."""

    def probe(self, submission):
        """Orders for many sizes and streams, reads, sources of chance, shares of orders in thirds, a refusal."""
        shuffle = submission.shuffle_buffer
        shares = {}
        for n, size in ((3, 3), (4, 2), (5, 3)):
            counts = submission.run(tally, shuffle, n, size, 1200, 4)
            shares[n] = {order: round(count / 1200 * len(every_order(n, size)) * 2) for order, count in counts.items()} if isinstance(counts, dict) else counts
        return (
            *(submission.run(shuffled, shuffle, items, size, [1, 2]) for items, size in (([4, 4, None, 1], 2), ([], 2), ([1, 2, 3, 4, 5], 1), ([1, 2, 3], 9), ([0, 1, 0, False, ""], 3))),
            *(submission.run(shuffled, shuffle, list(range(12)), size, [1, 2, 3]) for size in (2, 5, 11, 12)),
            shares,
            submission.run(broken_stream, shuffle, (3,), 6),
            submission.run(shuffled, shuffle, [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])], 2, [0]),
            submission.run(sources_of_chance, shuffle, 12, 4),
            submission.run(reads_of_buffer, shuffle, 90, 5, 30),
            submission.run(reads_of_buffer, shuffle, 90, 70, 1),
            submission.run(shuffled, shuffle, [1, 2], 0, [1]),
            submission.run(shuffled, shuffle, [], 0, [1]),
        )

    def orders(self, submission, n, size, seed, times=3000):
        got, want = submission.run(tally, submission.shuffle_buffer, n, size, times, seed), every_order(n, size)
        strange = [order for order in got if order not in want]
        expect.true(
            not strange,
            f"an order that can't come out of a buffer of {size}, for the stream {'abcdefgh'[:n]}",
            got=strange[:3],
            why="the next item is one of `size` items; it is drawn before the one that takes its place has a turn",
        )
        for order, chance in want.items():
            near(got.get(order, 0), times, chance, f"the order {order} from a buffer of {size}", "each place in the buffer has the same chance in each draw")

    @core
    def test_every_item_comes_out_once(self, submission, dice):
        """All items come out, none twice, whatever the size of the buffer."""
        sizes = ((12, 4), (5, 8), (6, 6), (7, 6), (1, 3), (0, 2), (40, 1))
        shuffle = submission.shuffle_buffer
        cases = [(shuffle, [dice.randint(-3, 3) for _ in range(n)], size, [dice.randrange(1 << 30)]) for n, size in sizes]
        for (_, items, _, _), (got,) in zip(cases, submission.each(shuffled, cases), strict=True):
            expect.equal(sorted(got), sorted(items), why="what is still in the buffer at the end of the stream must come out too")

    @core
    def test_the_order_is_random(self, submission, dice):
        """Different seeds give different orders of a long stream."""
        got = submission.run(shuffled, submission.shuffle_buffer, list(range(60)), 20, [dice.randrange(1 << 30) for _ in range(3)])
        for n, order in enumerate(got):
            expect.equal(sorted(order), list(range(60)), why="each item once")
            expect.true(order != list(range(60)), "the order has not changed", got=order)
            expect.true(order not in got[:n], "two seeds gave one order", got=order, why="draw from rng")

    def test_size_one_keeps_the_order(self, submission):
        """A buffer of one item can't change the order."""
        got = submission.run(shuffled, submission.shuffle_buffer, list(range(30)), 1, [1, 2])
        expect.equal(got, [list(range(30))] * 2, why="with one item in the buffer there is no choice; do not draw from the stream's next item as well")

    def test_a_large_buffer_gives_every_order(self, submission, dice):
        """A buffer as large as the stream, or larger, gives every order the same chance."""
        for size in (3, 7):
            self.orders(submission, 3, size, dice.randrange(1 << 30), times=30_000 if size == 3 else 3000)

    def test_each_draw_is_uniform(self, submission, dice):
        """While the stream lasts, and when the buffer is emptied, each item in the buffer has the same chance."""
        for n, size in ((4, 2), (5, 3), (4, 3)):
            self.orders(submission, n, size, dice.randrange(1 << 30))

    def test_the_first_is_any_of_the_buffer(self, submission, dice):
        """The first item that comes out is any of the first `size` items of the stream, with the same chance, also for a large buffer."""
        for n, size, times in ((9, 4, 2000), (300, 200, 600)):
            counts = submission.run(firsts, submission.shuffle_buffer, n, size, times, dice.randrange(1 << 30))
            expect.equal(sum(counts[size:]), 0, why=f"with a buffer of {size}, only the first {size} items of the stream can come first")
            for quarter in range(4):
                got = sum(counts[quarter * size // 4 : (quarter + 1) * size // 4])
                near(got, times, 1 / 4, f"the first item came from quarter {quarter} of a buffer of {size}", "each place has the same chance")

    def test_an_item_may_stay_long(self, submission, dice):
        """An item stays in the buffer until it is drawn: the first one is still there after `size` draws about once in three times."""
        got = submission.run(shuffled, submission.shuffle_buffer, list(range(20)), 5, [dice.randrange(1 << 30) for _ in range(600)])
        late = sum(order.index(0) >= 5 for order in got)
        near(late, 600, 0.8**5, "item 0 was not among the first 5 that came out", "a new item takes the place of the one that left; the others stay")

    def test_a_stream_may_be_endless(self, submission):
        """The first items come out long before the stream has ended."""
        got = submission.run(reads_of_buffer, submission.shuffle_buffer, 20_000, 8, 10)
        expect.true(len(got) == 10 and max(got) < 10_000, "the whole stream was read before the first items came out", got=got, why="yield while you read")

    def test_reads_no_further_than_needed(self, submission):
        """When k items have been yielded, at most size + k have been read, also of a stream that never ends."""
        got = submission.run(reads_of_buffer, submission.shuffle_buffer, 50_000, 5, 200)
        expect.equal(len(got), 200, why="200 items were asked for")
        for k, read in enumerate(got, start=1):
            expect.true(read <= 5 + k, f"{read} items were read when {k} had been yielded, from a buffer of 5", why="yield while the stream is being read")

    def test_items_can_be_anything(self, submission):
        """None, 0, False, empty items, equal items and tensors come out like all others."""
        tensors = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0])]
        shuffle = submission.shuffle_buffer
        cases = [(shuffle, items, size, list(range(8))) for items in ([None, 0, "", None, 7, 7, False, 3], tensors) for size in (1, 3, 20)]
        for (_, items, _, _), orders in zip(cases, submission.each(shuffled, cases), strict=True):
            for got in orders:
                expect.equal(sorted(map(repr, got)), sorted(map(repr, items)), why="do not ask whether an item is true, equal to another, or already there")

    def test_passes_errors_on(self, submission):
        """What goes wrong in the stream is not taken for its end."""
        shuffle = submission.shuffle_buffer
        for got in submission.each(broken_stream, [(shuffle, (3,), 1), (shuffle, (3,), 6)]):
            expect.true(got == "OSError", "the stream broke off with an OSError, and your answer ended as if there were no more items", why="catch StopIteration only, or use a for loop")

    def test_chance_comes_from_rng(self, submission):
        """Equal states of rng give equal orders, each use goes on drawing, and the global generator is left alone."""
        orders, twice, same = submission.run(sources_of_chance, submission.shuffle_buffer, 40, 10)
        expect.equal(orders[0], orders[1], why="draw from rng only, not from the module random")
        expect.equal(sorted(orders[0]), list(range(40)), why="each item once")
        expect.true(twice[0] != twice[1], "one rng, used twice, gave the same order twice", why="do not seed or copy rng")
        expect.true(same, "the global generator of the module random was used or seeded")

    def test_a_run_can_be_repeated(self, submission, dice):
        """The same seed gives the same order, call after call."""
        seed = dice.randrange(1 << 30)
        for n, size in ((40, 10), (6, 6)):
            got = submission.run(shuffled, submission.shuffle_buffer, list(range(n)), size, [seed] * 6)
            expect.equal(got, [got[0]] * 6, why="all chance must come from rng")

    def test_refuses_an_empty_buffer(self, submission):
        """A size below 1 is a ValueError."""
        expect.equal(submission.run(shuffled, submission.shuffle_buffer, [7], 1, [1]), [[7]], why="a buffer of one item is no error")
        for items, size in (([1, 2], 0), ([1, 2], -2), ([], 0)):
            expect.raises("ValueError", submission.run, shuffled, submission.shuffle_buffer, items, size, [1], why="nothing fits into it")


# ---------------------------------------------------------------------------------------------------- shard stream


def dealt(shard_stream, items, world):
    """Each rank's items, each from its own one-way reading of the stream (runs on the learner's side)."""
    return [list(shard_stream(iter(items), rank, world)) for rank in range(world)]


def rounds(items, world):
    """Each rank's items, one complete round after the other."""
    complete = [items[at : at + world] for at in range(0, len(items) - world + 1, world)]
    return [[one_round[rank] for one_round in complete] for rank in range(world)]


def one_after_another(shard_stream, items, rank, world):
    """How many items of a long stream were read when each of a rank's items came out (runs on the learner's side)."""
    count, out = [0], []

    def stream():
        for item in range(items):
            count[0] += 1
            yield item

    for item in shard_stream(stream(), rank, world):
        out.append((item, count[0]))
        if len(out) == 50:
            break
    return out


def dealt_one(shard_stream, items, rank, world):
    """One rank's items (runs on the learner's side)."""
    return list(shard_stream(items, rank, world))


class TestShardStream(Exercise, id="distributed-shard-stream"):
    """Exercise distributed-shard-stream."""

    def deal(self, submission, cases, why):
        shard = submission.shard_stream
        for (items, world), got in zip(cases, submission.each(dealt, [(shard, *case) for case in cases]), strict=True):
            expect.equal(got, rounds(items, world), why=why, called=f"shard_stream for each of {world} ranks, with {len(items)} items")

    def probe(self, submission):
        """Complete and incomplete rounds, few items, equal and false ones, one rank, reads, refusals."""
        shard = submission.shard_stream
        cases = ((list("abcdef"), 3), (list("abcdefgh"), 3), ([1, 2], 3), ([], 2), ([None, 0, None, 0, 5, 5, None], 2), ([7, 8, 9], 1), (list(range(11)), 4))
        return (
            *(submission.run(dealt, shard, items, world) for items, world in cases),
            submission.run(broken_stream, shard, (0, 2), 7),
            submission.run(one_after_another, shard, 2000, 3, 4),
            submission.run(one_after_another, shard, 60, 0, 4),
            *(submission.run(dealt_one, shard, [1, 2, 3], rank, world) for rank, world in ((3, 3), (-1, 3), (0, 0))),
        )

    @core
    def test_deals_like_cards(self, submission, dice):
        """Of each round of world items, rank r gets the one at place r."""
        items = [dice.randint(0, 99) for _ in range(12)]
        self.deal(submission, [(items, 3), (items, 4), (items[:10], 2), (items[:5], 5)], "rank r takes the items r, r + world, r + 2 world, ...")

    @core
    def test_all_ranks_get_as_many(self, submission, dice):
        """A last round that is not complete is left out, for all ranks."""
        items = [dice.randint(0, 99) for _ in range(13)]
        self.deal(submission, [(items, 3), (items, 5), (items[:11], 4), (items[:7], 2)], "yield only when the whole round has come")

    def test_no_item_twice(self, submission):
        """Each item of a complete round goes to exactly one rank."""
        got = submission.run(dealt, submission.shard_stream, list(range(29)), 4)
        everything = sorted(item for share in got for item in share)
        expect.equal(everything, list(range(28)), why="28 of 29 items make complete rounds, and each is read by one rank")

    def test_short_streams(self, submission):
        """A stream with fewer items than ranks, or with none, gives nobody anything."""
        self.deal(submission, [([1, 2], 3), ([], 2), ([4], 2), ([1, 2, 3], 3)], "no round is complete, so there is no step to make")

    def test_one_rank_gets_all(self, submission):
        """With one rank every item is a round."""
        self.deal(submission, [([3, 1, 2], 1), ([9], 1)], "world = 1: rounds of one item")

    def test_items_can_be_anything(self, submission):
        """None, 0, equal items and tensors are dealt like all others."""
        self.deal(submission, [([None, 0, None, 0, 5, 5, None], 2), ([0, False, "", None, 1, 1], 3), ([torch.arange(2), torch.arange(3), torch.arange(2), torch.arange(2)], 2)], "count places, do not look at the items")

    def test_passes_errors_on(self, submission):
        """What goes wrong in the stream is not taken for its end."""
        shard = submission.shard_stream
        for got in submission.each(broken_stream, [(shard, (0, 2), 0), (shard, (0, 2), 5), (shard, (1, 2), 5)]):
            expect.true(got == "OSError", "the stream broke off with an OSError, and your answer ended as if there were no more items", why="catch StopIteration only, or use a for loop")

    def test_a_stream_may_be_endless(self, submission):
        """The first items come out long before the stream has ended."""
        got = submission.run(one_after_another, submission.shard_stream, 20_000, 1, 3)
        expect.true(len(got) == 50 and got[-1][1] < 10_000, "the whole stream was read before the first items came out", got=got, why="yield while you read")

    @pytest.mark.parametrize("rank", [0, 2, 4], ids=["first rank", "a rank between", "last rank"])
    def test_reads_no_further_than_needed(self, submission, rank):
        """To yield k items, at most k · world are read, also of a stream that never ends."""
        got = submission.run(one_after_another, submission.shard_stream, 50_000, rank, 5)
        expect.equal([item for item, _ in got], list(range(rank, 250, 5)), why="one item of each round")
        for k, (_, read) in enumerate(got, start=1):
            expect.true(read <= 5 * k, f"{read} items were read for {k} items of rank {rank} of 5", why="yield as soon as the round is complete")

    def test_refuses_a_rank_that_is_not_there(self, submission):
        """A rank below 0, or not below world, is a ValueError."""
        expect.equal(submission.run(dealt_one, submission.shard_stream, [1, 2, 3], 2, 3), [3], why="rank 2 of 3 is there")
        for rank, world in ((3, 3), (-1, 3), (5, 2)):
            expect.raises("ValueError", submission.run, dealt_one, submission.shard_stream, [1, 2, 3], rank, world, why="ranks are 0 ... world - 1")


# ---------------------------------------------------------------------------------------------------- packed rows


def packed_by_hand(documents, length, pad_id=0):
    """The four tensors, filled place by place from the list of (row, start, document)."""
    used, places = [], []
    for document in documents:
        if document:
            row = next((row for row, full in enumerate(used) if full + len(document) <= length), len(used))
            used += [0] * (row == len(used))
            places.append((row, used[row], document))
            used[row] += len(document)
    B = len(used)
    ids, positions, labels = (torch.full((B, length), value) for value in (pad_id, 0, -100))
    may_read = torch.zeros(B, length, length, dtype=torch.bool)
    for row, start, document in places:
        for n, token in enumerate(document):
            ids[row, start + n], positions[row, start + n] = token, n
            labels[row, start + n] = document[n + 1] if n + 1 < len(document) else -100
            for past in range(n + 1):
                may_read[row, start + n, start + past] = True
    real = may_read.any(-1)
    return {"ids": ids, "positions": positions, "labels": labels, "may_read": may_read}, real


WHY = {
    "ids": "each document goes to the first row with room for all of it, behind what is there",
    "positions": "positions start again at 0 in each document, and are 0 at padding",
    "labels": "the last token of a document has no next token: -100, as at padding",
    "may_read": "a token reads its own document only, itself and what comes before",
}
TEXTS = [[11, 12, 13, 14], [21, 22, 23], [31], [41, 42, 43, 44, 45], [51, 52], [61, 62, 63]]


def in_few_letters(answer):
    """An answer with each tensor as a string, for a short fingerprint."""
    if not isinstance(answer, dict):
        return answer
    return {name: str((1 * part).tolist()).replace(" ", "") if isinstance(part, torch.Tensor) else part for name, part in answer.items()}


class TestPackSequences(Exercise, id="distributed-pack-sequences"):
    """Exercise distributed-pack-sequences."""

    def same(self, submission, cases, parts=tuple(WHY), why=""):
        for case, got in zip(cases, submission.each("pack_sequences", cases), strict=True):
            want, real = packed_by_hand(*case)
            expect.true(isinstance(got, dict) and set(got) == set(WHY), f"it must return a dict with {', '.join(WHY)}", got=got)
            for name in parts:
                mine = got[name]
                if name == "may_read" and isinstance(mine, torch.Tensor) and mine.shape == want[name].shape and mine.dtype == torch.bool:
                    expect.true(bool(mine.diagonal(dim1=1, dim2=2).all()), "in may_read every position, padding too, must read itself", got=mine)
                    mine = mine & real[:, :, None]  # what else padding reads is of no account
                expect.close(mine, want[name], why=why or WHY[name])
                expect.true(mine.dtype == want[name].dtype, f"{name} must be {want[name].dtype}", got=mine)

    def probe(self, submission):
        """Documents that fit, that must go back to an earlier row, of one token, empty, none; padding ids; the argument; refusals."""
        kept = submission.keep(TEXTS)
        cases = [(TEXTS, 6), (TEXTS[1:4], 5, 9), ([[5, 6, 7], [8, 9]], 6), ([[0, 0], [7], [0]], 3), ([[]], 2), ([], 4), ([[7, 7, 7]] * 3, 7, 7)]
        cases.append(([[1, 2, 3], [4, 5, 6, 7], [8]], 6))
        answers = list(submission.each("pack_sequences", cases))
        dtypes = sorted(str(getattr(part, "dtype", "")) for answer in answers[:1] if isinstance(answer, dict) for part in answer.values())
        submission.pack_sequences(kept, 6)
        return (*map(in_few_letters, answers), dtypes, submission.value(kept), submission.pack_sequences([[1, 2, 3]], 2))

    @core
    def test_no_token_reads_another_document(self, submission, dice):
        """A token may read itself and the past of its own document, and nothing else."""
        lengths = [[2, 3], [4, 1, 3], [1, 1, 1, 2], [5], [3, 4, 2, 2]]
        self.same(submission, [([[dice.randint(1, 99) for _ in range(n)] for n in row], 8) for row in lengths], ["ids", "may_read"])

    @core
    def test_the_last_token_has_no_label(self, submission, dice):
        """The label is the next token of the same document; a document's last token has none, nor has padding."""
        lengths = [[2, 3], [4, 1, 3], [1, 1, 1, 2], [5], [8], [3, 4, 2, 2]]
        self.same(submission, [([[dice.randint(1, 99) for _ in range(n)] for n in row], 8) for row in lengths], ["ids", "labels"])

    def test_positions_start_again(self, submission, dice):
        """Positions count from 0 in each document."""
        lengths = [[2, 3], [4, 1, 3], [1, 1, 1, 2], [5], [3, 4, 2, 2]]
        self.same(submission, [([[dice.randint(1, 99) for _ in range(n)] for n in row], 8) for row in lengths], ["positions"])

    def test_goes_to_the_first_row_with_room(self, submission, dice):
        """Documents keep their order, are never cut, and fill the first row that has room, also one further back."""
        lengths = [[4, 5, 2, 1, 1, 3], [3, 3, 3, 2, 2, 1], [6, 6, 1], [2, 5, 4, 1, 1, 1], [1, 2, 3, 4, 5, 6]]
        self.same(submission, [([[dice.randint(1, 99) for _ in range(n)] for n in row], 6) for row in lengths])

    def test_many_documents(self, submission, dice):
        """Sixty documents of all lengths are packed as the rule says, into rows of other lengths too."""
        documents = [[dice.randint(0, 60_000) for _ in range(dice.randint(0, 9))] for _ in range(60)]
        self.same(submission, [(documents, 9), (documents, 14)])

    def test_a_row_that_is_full(self, submission):
        """Documents that fill a row to its last place leave no padding."""
        self.same(submission, [([[1, 2, 3], [4, 5, 6]], 6), ([[1, 2], [3, 4], [5]], 2), ([[7], [8]], 1), ([[n] for n in range(7)], 6)])

    def test_short_and_empty_documents(self, submission):
        """A document of one token is a document, and so is one that came before; an empty one is left out; without documents there are no rows."""
        self.same(submission, [([[5], [6], [7]], 4), ([[], [5, 6], [], [7]], 4), ([[]], 3), ([], 3), ([[5, 6], [5, 6], [7], [5, 6], [7]], 4)])

    def test_padding(self, submission):
        """Free places hold pad_id, and a token that equals pad_id is still a token."""
        self.same(submission, [([[5, 6, 7]], 5, 9), ([[0, 4, 0], [0, 0]], 7), ([[9, 9], [9, 1, 9]], 6, 9), ([[3, 1], [2]], 4, -1)], why="go by places, not by whether an id equals pad_id")

    def test_leaves_the_documents_alone(self, submission):
        """The documents are the same after the call as before."""
        kept = submission.keep(TEXTS)
        submission.pack_sequences(kept, 6)
        expect.equal(submission.value(kept), TEXTS, why="do not pop, sort or extend the caller's lists")

    def test_refuses_a_document_that_is_too_long(self, submission):
        """A document longer than a row is a ValueError; one that is as long fits."""
        self.same(submission, [([[1], [1, 2, 3]], 3)])
        expect.raises("ValueError", submission.pack_sequences, [[1], [1, 2, 3, 4]], 3, why="it must not be cut")


# ----------------------------------------------------------------------------------------------------- the bubble


def idle_share(stages, micro):
    """The idle share of a pipeline that is played event by event."""
    free = [0.0] * len(stages)  # when each stage is free again
    for _ in range(micro):
        ready = 0.0
        for stage, cost in enumerate(stages):
            ready = free[stage] = max(ready, free[stage]) + cost
    return 1 - micro * math.fsum(stages) / (len(stages) * max(free))


class TestPipelineBubble(Exercise, id="distributed-pipeline-bubble"):
    """Exercise distributed-pipeline-bubble."""

    def same(self, submission, cases, why):
        for case, got in zip(cases, submission.each("pipeline_bubble", cases), strict=True):
            expect.close(got, idle_share(*case), atol=1e-7, rtol=1e-6, why=why, called=f"pipeline_bubble({case[0]}, {case[1]})")

    def probe(self, submission):
        """Equal and unequal stages, one micro-batch, one stage, many; the argument; refusals."""
        kept = submission.keep([3.0, 1.0, 2.0])
        cases = [([1.0, 1.0, 1.0], 4), ([1.0, 2.0, 1.0], 4), ([2.0, 1.0], 3), ([1.0, 2.0], 3), ([5.0, 1.0, 1.0, 2.0], 1), ([3.0], 5), ([3.0], 1), ([0.1] * 8, 64), ([1.0, 2.0, 4.0], 50)]
        wrong = [([], 3), ([1.0, 0.0], 2), ([1.0, -1.0, 2.0], 2), ([1.0], 0)]
        fine = submission.pipeline_bubble([1.0] * 3, 7)
        cases_and_digits = [*submission.each("pipeline_bubble", cases), 1e5 * (fine - 0.2222) if isinstance(fine, float) else fine]
        return (*cases_and_digits, submission.pipeline_bubble(kept, 2), submission.value(kept), *(submission.pipeline_bubble(*case) for case in wrong))

    @core
    def test_equal_stages(self, submission, dice):
        """With p equal stages and m micro-batches, p - 1 of m + p - 1 time slots are idle."""
        cases = [([seconds] * p, m) for p, m, seconds in ((3, 4, 1.0), (2, 1, 0.5), (8, 32, 2.0), (dice.randint(4, 9), dice.randint(2, 9), dice.uniform(0.1, 4.0)))]
        for case, got in zip(cases, submission.each("pipeline_bubble", cases), strict=True):
            p, m = len(case[0]), case[1]
            expect.close(got, (p - 1) / (m + p - 1), why="the share of all time, not of the working time", called=f"pipeline_bubble({case[0]}, {m})")

    @core
    def test_unequal_stages(self, submission, dice):
        """The slowest stage sets the pace, wherever it stands."""
        stages = [dice.uniform(0.5, 2.0) for _ in range(4)]
        cases = [([1.0, 2.0, 1.0], 4), ([4.0, 1.0], 5), ([1.0, 4.0], 5), (stages, 6), (stages[::-1], 6), (sorted(stages), 3), ([1.0, 1.5, 3.0, 2.5, 0.5, 1.0], 7)]
        self.same(submission, cases, "the first micro-batch takes sum(stages), each further one max(stages) more")

    def test_one_micro_batch(self, submission, dice):
        """With one micro-batch one stage works at a time, so all but 1 / p of the time is idle."""
        stages = [dice.uniform(0.5, 2.0) for _ in range(5)]
        self.same(submission, [(stages, 1), ([2.0, 2.0], 1), ([1.0, 3.0, 9.0], 1)], "while one stage works, all others wait")

    def test_one_stage_never_waits(self, submission):
        """A pipeline of one stage has no bubble."""
        self.same(submission, [([2.5], 1), ([2.5], 7)], "0 of the time is idle")

    def test_many_micro_batches(self, submission, dice):
        """With many micro-batches equal stages hardly wait, and unequal ones wait for the slowest; the result is not rounded."""
        self.same(submission, [([1.0] * 4, 10_000), ([1.0, 2.0, 1.0], 10_000), ([0.003, 0.001], 37), ([1e6, 2e6, 3e6], 11)], "in the end the bubble is 1 - mean / max")

    def test_the_unit_does_not_matter(self, submission, dice):
        """In milliseconds the share is the same as in seconds."""
        stages, m = [dice.uniform(0.5, 2.0) for _ in range(3)], dice.randint(2, 9)
        self.same(submission, [([1000 * stage for stage in stages], m), ([stage / 1000 for stage in stages], m), ([2, 3, 1], m)], "a share has no unit")

    def test_leaves_the_stages_alone(self, submission):
        """The list is the same after the call as before."""
        kept = submission.keep([3.0, 1.0, 2.0])
        submission.pipeline_bubble(kept, 4)
        expect.equal(submission.value(kept), [3.0, 1.0, 2.0], why="do not sort or change the caller's list")
