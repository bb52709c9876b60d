"""Hidden checks for p2_5_distributed_training: other sizes, and properties that an answer must have."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from grader.checks.p2_5_distributed_training import near, shuffled
from grader.judge import Exercise, core, expect


def deep_step(ddp_step, x, y, cuts, lr):
    """A step of a deeper network on the rows cut into ranks: the losses of all rows before and after it, and the largest gap between replicas."""

    def network():
        torch.manual_seed(4)
        return nn.Sequential(nn.Linear(x.shape[1], 6), nn.Tanh(), nn.Linear(6, 3))

    replicas = [network() for _ in cuts[1:]]
    alone = network()
    told = ddp_step(replicas, [(x[a:b], y[a:b]) for a, b in itertools.pairwise(cuts)], lr)
    before = F.cross_entropy(alone(x), y)
    before.backward()
    gaps = [
        float((p - (q - lr * q.grad)).abs().max())
        for replica in replicas
        for p, q in zip(replica.parameters(), alone.parameters(), strict=True)
    ]
    return told, before.item(), max(gaps)


class TestHiddenDdpStep(Exercise, id="distributed-ddp-step", hidden=True):
    """More of distributed-ddp-step."""

    @core
    def test_cutting_the_rows_otherwise_changes_nothing(self, submission, rng):
        """A deeper network makes the same step however its rows are dealt out to ranks."""
        x, y = torch.randn(9, 5, generator=rng), torch.randint(3, (9,), generator=rng)
        for cuts in ([0, 9], [0, 2, 9], [0, 3, 3, 8, 9], list(range(10))):
            told, want, gap = submission.run(deep_step, submission.ddp_step, x, y, cuts, 0.7)
            expect.close(told, want, why="the loss is the mean over all rows")
            expect.true(gap < 1e-4, "a replica is not where one process with all rows would be", got=gap, why="each row counts the same")


class TestHiddenRingAllReduce(Exercise, id="distributed-ring-all-reduce", hidden=True):
    """More of distributed-ring-all-reduce."""

    @core
    def test_all_sizes(self, submission, rng):
        """For every number of ranks and values the sums are right, and all ranks together send each value 2 (W - 1) times."""
        cases = [[torch.randint(-50, 50, (N,), generator=rng).double() for _ in range(W)] for W, N in ((2, 5), (3, 2), (6, 20), (7, 10), (8, 9))]
        for shards, (results, sent) in zip(cases, submission.each("ring_all_reduce", [(shards,) for shards in cases]), strict=True):
            expect.close(list(results), [torch.stack(shards).sum(0)] * len(shards), why="every rank has the sum")
            expect.equal(sum(sent), 2 * (len(shards) - 1) * len(shards[0]) * 8, why="count what goes over the wire, in bytes")


def by_ranks(shard_optimizer_state, zero_step, params, gradient, worlds):
    """The parameters after a step with equal gradients on all ranks, for each number of ranks (runs on the learner's side)."""
    return [zero_step(params, [gradient] * world, shard_optimizer_state(len(params), world), 0.3) for world in worlds]


class TestHiddenOptimizerShards(Exercise, id="distributed-optimizer-shards", hidden=True):
    """More of distributed-optimizer-shards."""

    def test_the_number_of_ranks_makes_no_difference(self, submission, rng):
        """With equal gradients on all ranks, any number of ranks gives the parameters that one rank gives."""
        params, gradient = torch.randn(11, generator=rng), torch.randn(11, generator=rng)
        alone, *others = submission.run(by_ranks, submission.shard_optimizer_state, submission.zero_step, params, gradient, [1, 2, 3, 4, 6, 12])
        for got in others:
            expect.close(got, alone, why="each parameter is updated once, by the rank that owns it")

    def test_memory(self, submission):
        """All ranks together hold two numbers a parameter, and none holds more than its share, rounded up."""
        cases = [(23, 4), (100, 8), (3, 7)]
        for (n, world), states in zip(cases, submission.each("shard_optimizer_state", cases), strict=True):
            held = [len(state["mean"]) + len(state["square"]) for state in states]
            expect.equal(sum(held), 2 * n, why="nothing is padded and nothing kept twice")
            expect.true(max(held) <= 2 * -(-n // world), "one rank holds more than its share", got=held)


class TestHiddenShuffleBuffer(Exercise, id="distributed-shuffle-buffer", hidden=True):
    """More of distributed-shuffle-buffer."""

    def test_how_far_an_item_can_jump(self, submission, dice):
        """No item comes out more than size - 1 places early; the first item comes first once in `size` times."""
        got = submission.run(shuffled, submission.shuffle_buffer, list(range(40)), 8, [dice.randrange(1 << 40) for _ in range(400)])
        for order in got:
            expect.equal(sorted(order), list(range(40)), why="each item once")
            expect.true(all(item <= place + 7 for place, item in enumerate(order)), "an item came out before it could be in a buffer of 8", got=order)
        near(sum(order[0] == 0 for order in got), 400, 1 / 8, "the first item came first", "each place has the same chance")


def all_shares(shard_stream, items, world):
    """Each rank's items."""
    return [list(shard_stream((item for item in items), rank, world)) for rank in range(world)]


class TestHiddenShardStream(Exercise, id="distributed-shard-stream", hidden=True):
    """More of distributed-shard-stream."""

    def test_any_world(self, submission, dice):
        """For any number of ranks the shares put together, round by round, are the beginning of the stream."""
        items = [dice.randint(0, 9) for _ in range(37)]
        for world in (2, 3, 6, 11):
            shares = submission.run(all_shares, submission.shard_stream, items, world)
            together = [item for one_round in zip(*shares, strict=False) for item in one_round]
            expect.equal(together, items[: 37 // world * world], why="each round gives one item to each rank, in order")
            expect.equal([len(share) for share in shares], [37 // world] * world, why="all ranks get as many")


class TestHiddenPackSequences(Exercise, id="distributed-pack-sequences", hidden=True):
    """More of distributed-pack-sequences."""

    def test_documents_can_be_read_back(self, submission, dice):
        """The tokens that a document's last token reads are the document; there are as many labels as tokens that have a next one."""
        documents = [[dice.randint(0, 99) for _ in range(dice.randint(1, 7))] for _ in range(25)]
        packed = submission.pack_sequences(documents, 10)
        read = packed["may_read"].sum(-1)
        real = (packed["positions"] + 1 == read) & ((packed["labels"] != -100) | (packed["ids"] >= 0))
        expect.equal(int((packed["labels"] != -100).sum()), sum(len(document) - 1 for document in documents), why="all tokens but the last of each document")
        lasts = [(b, t) for b, t in (real & (packed["labels"] == -100)).nonzero().tolist()]
        found = [packed["ids"][b][packed["may_read"][b, t]].tolist() for b, t in lasts]
        missing = [document for document in documents if document not in found]
        expect.true(not missing, "a document can't be found in the rows", got=missing[:2], why="its last token reads all of it, and nothing else")


class TestHiddenPipelineBubble(Exercise, id="distributed-pipeline-bubble", hidden=True):
    """More of distributed-pipeline-bubble."""

    def test_more_micro_batches_never_make_it_larger(self, submission):
        """The bubble shrinks with the number of micro-batches, towards 1 - mean / max."""
        stages = [1.0, 3.0, 2.0, 2.0]
        got = list(submission.each("pipeline_bubble", [(stages, m) for m in (1, 2, 5, 20, 100, 100_000)]))
        expect.true(all(a > b for a, b in itertools.pairwise(got)), "the bubble must shrink with more micro-batches", got=got)
        expect.close(got[-1], 1 - 2.0 / 3.0, atol=1e-4, why="in the end only the slowest stage never waits")
        expect.close(got[0], 0.75, why="with one micro-batch three of four stages wait")
