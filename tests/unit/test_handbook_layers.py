"""The library-made pieces: equal to plain formulas, causal, and able to learn."""

from __future__ import annotations

import math

import pytest
import torch
from handbook import layers
from handbook.grammar import stories
from handbook.layers import Block, CausalSelfAttention, TinyGPT, mean_loss, random_windows, train_language_model

torch.set_num_threads(1)  # threads that wait for each other would make this slow beside other tests


@pytest.fixture
def dice():
    return torch.Generator().manual_seed(11)


def test_attention_equals_the_formula_head_by_head(dice):
    module = CausalSelfAttention(d_model=6, n_heads=2)
    x = torch.randn(2, 5, 6, generator=dice)
    q, k, v = (x @ module.qkv.weight.T).split(6, dim=-1)
    heads = []
    for at in (0, 3):
        scores = q[..., at : at + 3] @ k[..., at : at + 3].transpose(-2, -1) / math.sqrt(3)
        scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), float("-inf"))
        heads.append(torch.softmax(scores, -1) @ v[..., at : at + 3])
    torch.testing.assert_close(module(x), torch.cat(heads, -1) @ module.out.weight.T)


def test_heads_must_share_the_width():
    with pytest.raises(ValueError, match="4 heads can't share 6 features"):
        CausalSelfAttention(6, 4)


@pytest.mark.parametrize("make", [lambda: CausalSelfAttention(8, 2), lambda: Block(8, 2)])
def test_the_future_is_not_read(make, dice):
    module, x = make(), torch.randn(1, 6, 8, generator=dice)
    changed = x.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(module(x)[:, :4], module(changed)[:, :4])
    assert not torch.allclose(module(x)[:, 4:], module(changed)[:, 4:])


def test_a_block_adds_to_its_input():
    block = Block(8, 2)
    with torch.no_grad():
        block.attention.out.weight.zero_()
        block.feed_forward[2].weight.zero_()
        block.feed_forward[2].bias.zero_()
    x = torch.ones(1, 3, 8)
    assert torch.equal(block(x), x)


def test_tiny_gpt_starts_at_the_loss_of_a_guess():
    torch.manual_seed(0)
    model = TinyGPT(50, d_model=32, n_layers=2, n_heads=4, context=16)
    ids = torch.arange(200) % 50
    assert mean_loss(model, ids) == pytest.approx(math.log(50), abs=0.1)
    assert model(torch.zeros(2, 7, dtype=torch.long)).shape == (2, 7, 50)


def test_more_than_the_context_is_refused():
    with pytest.raises(ValueError, match="17 tokens, but the context is 16"):
        TinyGPT(50, context=16)(torch.zeros(1, 17, dtype=torch.long))


def test_windows_are_followed_by_their_next_token(dice):
    inputs, targets = random_windows(torch.arange(20), batch=200, length=5, dice=dice)
    assert inputs.shape == targets.shape == (200, 5)
    assert torch.equal(inputs + 1, targets)
    assert int(inputs.min()) == 0
    assert int(targets.max()) == 19


def test_training_learns_and_follows_the_seed():
    text = "\n".join(stories(60, 0))
    letters = sorted(set(text))
    ids = torch.tensor([letters.index(letter) for letter in text])

    def train(seed):
        torch.manual_seed(seed)
        model = TinyGPT(len(letters), d_model=32, n_layers=1, n_heads=2, context=32)
        return model, train_language_model(model, ids, steps=60, lr=1e-2, batch=16, seed=seed)

    (model, losses), (_, again) = train(1), train(1)
    assert losses == again
    assert sum(losses[-10:]) / 10 < losses[0] - 0.8
    assert not model.training
    assert mean_loss(model, ids[:500]) == pytest.approx(sum(losses[-10:]) / 10, abs=0.4)


def test_mean_loss_counts_each_token_once():
    torch.manual_seed(0)
    model = TinyGPT(10, d_model=8, n_layers=1, n_heads=2, context=4)
    ids = torch.tensor([1, 2, 3, 4, 5, 6, 7])
    with torch.no_grad():
        windows = [ids[:5], ids[4:7]]
        parts = [torch.nn.functional.cross_entropy(model(w[None, :-1])[0], w[1:], reduction="none") for w in windows]
    assert mean_loss(model, ids) == pytest.approx(float(torch.cat(parts).mean()), abs=1e-5)


def test_generation_follows_the_seed_and_keeps_the_start():
    torch.manual_seed(0)
    model = TinyGPT(10, d_model=8, n_layers=1, n_heads=2, context=4)
    out = model.generate([1, 2, 3], 9, seed=5)
    assert out[:3] == [1, 2, 3]
    assert len(out) == 12
    assert model.generate(torch.tensor([1, 2, 3]), 9, seed=5) == out
    assert model.generate([1, 2, 3], 9, seed=6) != out
    greedy = model.generate([1, 2, 3], 1, temperature=0)
    assert greedy[-1] == int(model(torch.tensor([[1, 2, 3]]))[0, -1].argmax())


def test_generation_needs_a_start():
    with pytest.raises(ValueError, match="at least one token"):
        TinyGPT(10).generate([], 3)


def test_library_attention_gives_zeros_where_nothing_may_be_read(dice):
    q, k, v = (torch.randn(2, n, d, generator=dice) for n, d in ((3, 4), (5, 4), (5, 6)))
    mask = torch.tensor([[True] * 5, [False] * 5, [True, False, False, False, False]])
    out = layers.scaled_dot_product_attention(q, k, v, mask)
    assert out.shape == (2, 3, 6)
    assert float(out[:, 1].abs().max()) == 0
    torch.testing.assert_close(out[:, 2], v[:, 0])
    want = torch.softmax(q[:, :1] @ k.transpose(1, 2) / 2, dim=-1) @ v
    torch.testing.assert_close(out[:, :1], want)


def test_library_loss_and_mask(dice):
    logits, ids = torch.randn(2, 4, 5, generator=dice), torch.randint(5, (2, 4), generator=dice)
    logprobs = torch.log_softmax(logits, -1)
    by_hand = [-float(logprobs[b, t, ids[b, t + 1]]) for b in range(2) for t in range(3)]
    assert float(layers.causal_lm_loss(logits, ids)) == pytest.approx(sum(by_hand) / 6, abs=1e-5)
    assert layers.causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
