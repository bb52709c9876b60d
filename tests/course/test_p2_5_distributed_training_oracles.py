"""The oracles of lesson 2.5's checks agree with PyTorch and with counting by brute force, on many made-up cases."""
from __future__ import annotations

import math
import random
from collections import Counter

import torch
from torch import nn

from grader.checks import p2_5_distributed_training as checks


def dice(seed):
    return torch.Generator().manual_seed(seed)


def test_softmax_regression_is_autograds():
    for seed in range(60):
        rng = dice(seed)
        weight, batches = checks.rows_for(rng, (seed % 4, 1 + seed % 3))
        losses, want = checks.gradient_descent(weight, batches, 0.5)
        w, b = weight.clone().requires_grad_(True), torch.zeros(4, requires_grad=True)
        x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
        loss = nn.functional.cross_entropy(x @ w + b + torch.arange(4.0), y)
        loss.backward()
        torch.testing.assert_close([loss.item()], losses, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close({"weight": (w - 0.5 * w.grad).detach(), "bias": (b - 0.5 * b.grad).detach()}, want)


def test_ring_sums_and_bytes():
    for seed in range(150):
        rng, W, N = dice(seed), 1 + seed % 6, seed % 17
        shards = [torch.randint(-9, 9, (N,), generator=rng) for _ in range(W)]
        assert torch.equal(checks.ring_sums(shards), torch.stack(shards).sum(0))
        played = [0] * W
        edges = checks.chunk_edges(N, W)
        for step in range(2 * (W - 1)):
            for r in range(W):
                c = (r - step) % W
                played[r] += 8 * (edges[c + 1] - edges[c])
        assert played == checks.ring_bytes(N, W, 8)
        assert sum(played) == 2 * (W - 1) * N * 8, "all ranks together send each value 2 (W - 1) times"


def test_adam_is_torchs():
    for seed in range(40):
        params, gradients = checks.training(dice(seed), 1 + seed % 7, 1 + seed % 3, 4)
        seen, mean, square = checks.whole_adam(params, gradients, 0.05)
        p = nn.Parameter(params.clone())
        optimizer = torch.optim.Adam([p], lr=0.05)
        for of_ranks, want in zip(gradients, seen, strict=True):
            p.grad = torch.stack(of_ranks).mean(0)
            optimizer.step()
            torch.testing.assert_close(p.detach(), want, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(optimizer.state[p]["exp_avg"], mean)
        torch.testing.assert_close(optimizer.state[p]["exp_avg_sq"], square)


def test_borders_cover_every_parameter_once():
    for n in range(1, 25):
        for world in range(1, 12):
            slices = checks.borders(n, world)
            assert [i for start, end in slices for i in range(start, end)] == list(range(n))
            assert all(end - start <= math.ceil(n / world) for start, end in slices)


def test_orders_of_a_buffer():
    for n, size in ((3, 3), (4, 2), (5, 3), (3, 7), (5, 1)):
        chances = checks.every_order(n, size)
        assert math.isclose(sum(chances.values()), 1)
        rng, counts = random.Random(n), Counter()
        for _ in range(4000):
            left, buffer, order = list("abcdefgh"[:n]), [], ""
            while left or buffer:
                while left and len(buffer) < size:
                    buffer.append(left.pop(0))
                order += buffer.pop(rng.randrange(len(buffer)))
            counts[order] += 1
        assert counts.keys() == chances.keys()
        assert all(abs(counts[order] / 4000 - chance) < 6 * math.sqrt(chance / 4000) for order, chance in chances.items())


def test_packing_is_lossless_and_blocks_by_document():
    rng = random.Random(0)
    for _ in range(150):
        documents = [[rng.randint(1, 9) for _ in range(rng.randint(0, 6))] for _ in range(rng.randint(0, 9))]
        packed, real = checks.packed_by_hand(documents, 7)
        assert int(real.sum()) == sum(map(len, documents))
        assert int(packed["may_read"].sum()) == sum(len(d) * (len(d) + 1) // 2 for d in documents)
        assert int((packed["labels"] != -100).sum()) == sum(max(len(d) - 1, 0) for d in documents)
        starts = (real & (packed["positions"] == 0)).nonzero().tolist()
        found = [packed["ids"][b][packed["may_read"][b, :, t]].tolist() for b, t in starts]
        assert sorted(found) == sorted(filter(None, documents))


def test_bubble_of_equal_stages_is_gpipes():
    for p in range(1, 9):
        for m in range(1, 12):
            assert math.isclose(checks.idle_share([0.5] * p, m), (p - 1) / (m + p - 1), abs_tol=1e-12)
