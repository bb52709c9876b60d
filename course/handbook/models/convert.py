"""Convert SmolLM2's GGUF file (4-bit) to fp16 safetensors with a saved tokenizer: slow once, quick to load ever after.

Run as `python -m handbook.models.convert FILE FOLDER`, in its own process: the memory it takes goes back when it ends.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP_NAMES = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
CONTROL = 3  # GGUF's type number for special tokens such as <|im_start|>


def convert(file: Path, folder: Path) -> None:
    """Write config, weights and tokenizer of a GGUF Llama model into `folder`, in the Hugging Face layout."""
    import gguf
    from transformers import LlamaForCausalLM

    reader = gguf.GGUFReader(file)
    config = read_config(reader)
    model = LlamaForCausalLM(config).half()
    weights = read_weights(reader, config.num_attention_heads, config.num_key_value_heads)
    model.load_state_dict({**weights, "lm_head.weight": weights["model.embed_tokens.weight"]})
    model.save_pretrained(folder)
    read_tokenizer(reader).save_pretrained(folder)


def field(reader: Any, name: str) -> Any:
    """Return one metadata value of a GGUF file."""
    return reader.get_field(name).contents()


def read_config(reader: Any) -> Any:
    """Rebuild the Llama configuration from the file's metadata."""
    from transformers import LlamaConfig

    heads = field(reader, "llama.attention.head_count")
    width = field(reader, "llama.embedding_length")
    return LlamaConfig(
        vocab_size=len(field(reader, "tokenizer.ggml.tokens")),
        hidden_size=width,
        intermediate_size=field(reader, "llama.feed_forward_length"),
        num_hidden_layers=field(reader, "llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=field(reader, "llama.attention.head_count_kv"),
        head_dim=width // heads,
        max_position_embeddings=field(reader, "llama.context_length"),
        rms_norm_eps=field(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": field(reader, "llama.rope.freq_base")},
        bos_token_id=field(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=field(reader, "tokenizer.ggml.eos_token_id"),
        pad_token_id=field(reader, "tokenizer.ggml.padding_token_id"),
        tie_word_embeddings=True,
    )


def read_weights(reader: Any, heads: int, kv_heads: int) -> dict[str, Tensor]:
    """Unpack every tensor to fp16 under the name that `LlamaForCausalLM` uses."""
    import gguf

    weights = {}
    for tensor in reader.tensors:
        values = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        if tensor.name in TOP_NAMES:
            name = TOP_NAMES[tensor.name]
        else:  # blk.7.attn_q.weight -> model.layers.7.self_attn.q_proj.weight
            _, layer, part, _ = tensor.name.split(".")
            name = f"model.layers.{layer}.{LAYER_NAMES[part]}.weight"
        if ".attn_q." in tensor.name:
            values = halves_apart(values, heads)
        if ".attn_k." in tensor.name:
            values = halves_apart(values, kv_heads)
        weights[name] = values.half()
    return weights


def halves_apart(weight: Tensor, heads: int) -> Tensor:
    """Undo GGUF's row order: it rotates neighbouring pairs of a head (RoPE), Transformers rotates its two halves.

    Shapes: weight (H * D, C) · returns (H * D, C), same rows in another order.
    """
    rows, width = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, width).transpose(1, 2).reshape(rows, width)


def read_tokenizer(reader: Any) -> Any:
    """Rebuild the byte-level BPE tokenizer, with its chat template, from the file's metadata."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ", 1)) for merge in field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=merges))
    split_digits = pre_tokenizers.Digits(individual_digits=True)  # what the file's `tokenizer.ggml.pre = smollm` means
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split_digits, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    kinds = field(reader, "tokenizer.ggml.token_type")
    special = [piece for piece, kind in zip(pieces, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=pieces[field(reader, "tokenizer.ggml.bos_token_id")],
        eos_token=pieces[field(reader, "tokenizer.ggml.eos_token_id")],
        pad_token=pieces[field(reader, "tokenizer.ggml.padding_token_id")],
        unk_token=pieces[field(reader, "tokenizer.ggml.unknown_token_id")],
        chat_template=field(reader, "tokenizer.chat_template"),
        model_max_length=field(reader, "llama.context_length"),
        clean_up_tokenization_spaces=False,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
