"""GGUF to Transformers: the order of rows, and a whole tiny file."""

from __future__ import annotations

import pytest
import torch
from handbook.models.convert import convert, halves_apart


def rotate_neighbours(x, angles):
    """GGUF's RoPE of one head: entries 2i and 2i + 1 turn by angle i."""
    turned = torch.view_as_complex(x.reshape(-1, 2)) * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten()


def rotate_halves(x, angles):
    """Transformers' RoPE of one head: entries i and i + D/2 turn by angle i."""
    first, second = x.chunk(2)
    return torch.cat([first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()])


def test_both_row_orders_give_the_same_attention_scores():
    dice = torch.Generator().manual_seed(3)
    heads, D, C = 3, 6, 5
    q, k = (torch.randn(heads * D, C, generator=dice) for _ in range(2))
    x, y = torch.randn(C, generator=dice), torch.randn(C, generator=dice)
    angles = torch.rand(D // 2, generator=dice)
    ours = [(halves_apart(w, heads) @ vector).view(heads, D) for w, vector in ((q, x), (k, y))]
    theirs = [(w @ vector).view(heads, D) for w, vector in ((q, x), (k, y))]
    for head in range(heads):
        want = rotate_neighbours(theirs[0][head], angles) @ rotate_neighbours(theirs[1][head], 2 * angles)
        got = rotate_halves(ours[0][head], angles) @ rotate_halves(ours[1][head], 2 * angles)
        torch.testing.assert_close(got, want)


def write_tiny_gguf(file):
    """Write a one-layer Llama with 8 bytes of vocabulary; every weight is a multiple of 1/16, so fp16 is exact."""
    import gguf
    import numpy

    dice = numpy.random.default_rng(0)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(32)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(12)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<end>", "<user>", "a", "b", "ab", "1", "Ġ", "Ġa"])
    writer.add_token_types([3, 3, 1, 1, 1, 1, 1, 1])
    writer.add_token_merges(["a b", "Ġ a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    shapes = {"token_embd": (8, 8), "output_norm": (8,), "blk.0.attn_norm": (8,), "blk.0.ffn_norm": (8,)}
    shapes |= {"blk.0.attn_q": (8, 8), "blk.0.attn_k": (4, 8), "blk.0.attn_v": (4, 8), "blk.0.attn_output": (8, 8)}
    shapes |= {"blk.0.ffn_gate": (12, 8), "blk.0.ffn_up": (12, 8), "blk.0.ffn_down": (8, 12)}
    weights = {name: (dice.integers(-16, 17, shape) / 16).astype("float32") for name, shape in shapes.items()}
    for name, values in weights.items():
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {name: torch.from_numpy(values) for name, values in weights.items()}


@pytest.mark.slow
def test_a_whole_file_becomes_a_model_and_a_tokenizer(tmp_path):
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    weights = write_tiny_gguf(tmp_path / "tiny.gguf")
    folder = tmp_path / "out"
    convert(tmp_path / "tiny.gguf", folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    state = model.state_dict()
    layer = "model.layers.0"
    assert torch.equal(state["model.embed_tokens.weight"], weights["token_embd"])
    assert torch.equal(state["lm_head.weight"], weights["token_embd"])
    assert torch.equal(state[f"{layer}.self_attn.q_proj.weight"], halves_apart(weights["blk.0.attn_q"], 2))
    assert torch.equal(state[f"{layer}.self_attn.k_proj.weight"], halves_apart(weights["blk.0.attn_k"], 1))
    assert torch.equal(state[f"{layer}.mlp.down_proj.weight"], weights["blk.0.ffn_down"])
    assert model.config.head_dim == 4
    assert model.config.num_key_value_heads == 1

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert tokenizer.encode("ab a<user>11") == [4, 7, 1, 5, 5]
    assert tokenizer.decode([4, 7]) == "ab a"
    assert tokenizer.eos_token == "<end>"
    assert tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi"


@pytest.mark.slow
def test_a_file_that_is_no_gguf_is_told_in_one_line(tmp_path):
    from handbook.models.loading import _convert_smollm2
    from handbook.models.wheels import SMOLLM2, ModelError

    (tmp_path / SMOLLM2.main).write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"could not be converted: .*Error") as caught:
        _convert_smollm2(tmp_path, tmp_path)
    assert "\n" not in str(caught.value)
