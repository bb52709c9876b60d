"""A causal language model with its tokenizer, as the lessons use it: a few methods, plain tensors and strings out."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": "..."}
BYTE_OF = {  # the byte that each character of a byte-level BPE piece stands for (GPT-2's table)
    **{chr(b): b for b in [*range(33, 127), *range(161, 173), *range(174, 256)]},
    **{chr(256 + n): b for n, b in enumerate([*range(33), *range(127, 161), 173])},
}


class LanguageModel:
    """A causal model from Transformers and its tokenizer, in evaluation mode, without gradients in any method.

    Axes in the shapes below: T tokens of the text, V vocabulary, H heads, C hidden width. A text is never empty.
    `model` and `tokenizer` are the Transformers objects, for all that these methods do not cover.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "") -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name

    def __repr__(self) -> str:
        return f"LanguageModel({self.name!r}, {self.parameters / 1e6:.0f} M parameters, {self.device}, {self.dtype})"

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def parameters(self) -> int:
        """Count the weights, tied ones once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def copy(self) -> LanguageModel:
        """Return an independent copy, to train or to cut: the one from `load_lm()` is shared by all who ask."""
        return LanguageModel(copy.deepcopy(self.model), self.tokenizer, name=self.name)

    # Text and tokens

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text; special tokens are recognised, none are added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, ids: list[int] | Tensor, *, skip_special: bool = False) -> str:
        """Return the text of token ids; bytes that are not UTF-8 become U+FFFD."""
        text: str = self.tokenizer.decode(_as_list(ids), skip_special_tokens=skip_special)
        return text

    def tokens(self, text: str | list[int] | Tensor) -> list[str]:
        """Return the tokens of a text (or of ids) as readable strings; half a character shows its bytes: `<EC95>`.

        >>> load_lm().tokens("The trophy is big.")
        ['The', ' trophy', ' is', ' big', '.']
        """
        ids = self.encode(text) if isinstance(text, str) else _as_list(text)
        return [self._readable(index) for index in ids]

    def _readable(self, index: int) -> str:
        text = self.decode([index])
        piece: str = self.tokenizer.convert_ids_to_tokens(index)
        if "\ufffd" in text and all(character in BYTE_OF for character in piece):
            return "<" + "".join(f"{BYTE_OF[character]:02X}" for character in piece) + ">"
        return text

    def ids(self, text: str | list[int] | Tensor) -> Tensor:
        """Return the model's input for a text or for ids. Shapes: returns (1, T), on the model's device.

        Raises: ValueError if there is no token, or more than the model's context holds.
        """
        values = self.encode(text) if isinstance(text, str) else _as_list(text)
        limit = self.model.config.max_position_embeddings
        if not 0 < len(values) <= limit:
            raise ValueError(f"the text has {len(values)} tokens; {self.name} takes 1 to {limit}")
        return torch.tensor([values], device=self.device)

    # What the model says comes next

    @torch.no_grad()
    def logits(self, text: str | list[int] | Tensor) -> Tensor:
        """Return the scores of every token at every position. Shapes: returns (T, V), float32, on the CPU."""
        scores: Tensor = self.model(self.ids(text)).logits[0]
        return _plain(scores)

    @torch.no_grad()
    def next_token_logits(self, text: str | list[int] | Tensor) -> Tensor:
        """Return the scores of every possible next token. Shapes: returns (V,), float32, on the CPU."""
        scores: Tensor = self.model(self.ids(text), logits_to_keep=1).logits[0, -1]
        return _plain(scores)

    def next_token_probs(self, text: str | list[int] | Tensor, k: int = 10) -> list[tuple[str, float]]:
        """Return the k likeliest next tokens with their probabilities (0 to 1), likeliest first."""
        top = torch.softmax(self.next_token_logits(text), dim=-1).topk(k)
        return [(self._readable(int(index)), float(p)) for p, index in zip(top.values, top.indices, strict=True)]

    @torch.no_grad()
    def generate(self, text: str, max_new_tokens: int = 40, *, temperature: float = 0.0, seed: int = 0) -> str:
        """Continue a text and return the new part only; stops at the end-of-text token.

        Temperature 0 takes the likeliest token each time; above 0, tokens are drawn and `seed` decides which.
        Raises: ValueError if the temperature is negative or the text is empty.
        """
        if temperature < 0:
            raise ValueError(f"temperature is {temperature}; it must be 0 or more")
        dice = torch.Generator().manual_seed(seed)
        fed, cache, new = self.ids(text), self._new_cache(), list[int]()
        for _ in range(max_new_tokens):
            scores = self.model(fed, use_cache=True, logits_to_keep=1, **cache).logits[0, -1].float().cpu()
            token = _pick(scores, temperature, dice)
            if token in self.stop_ids:
                break
            new.append(token)
            fed = torch.tensor([[token]], device=self.device)
        return self.decode(new)

    def _new_cache(self) -> dict[str, Any]:
        """An empty key-value cache, filled in place, under the name that this version of Transformers has for it."""
        from transformers import DynamicCache

        known = inspect.signature(self.model.forward).parameters
        return {"cache" if "cache" in known else "past_key_values": DynamicCache(config=self.model.config)}

    @property
    def stop_ids(self) -> set[int]:
        """The tokens that end a text or a turn."""
        known = self.model.generation_config.eos_token_id
        ends = known if isinstance(known, list) else [known]
        return {index for index in [*ends, self.tokenizer.eos_token_id] if index is not None}

    def chat_text(self, messages: str | list[Message]) -> str:
        """Return the text that the model really reads for a conversation: the chat template, filled in."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text

    def chat(
        self, messages: str | list[Message], max_new_tokens: int = 60, *, temperature: float = 0.0, seed: int = 0
    ) -> str:
        """Answer a user's message, or a conversation of {"role": ..., "content": ...}, and return the reply."""
        text = self.chat_text(messages)
        return self.generate(text, max_new_tokens, temperature=temperature, seed=seed).strip()

    # How well it knows a text

    def token_nll(self, text: str | list[int] | Tensor) -> Tensor:
        """Return how surprised the model is by each token after the first, in nats. Shapes: returns (T - 1,).

        Raises: ValueError if the text has fewer than two tokens: the first has nothing before it to predict it from.
        """
        ids = self.ids(text)[0].cpu()
        if len(ids) < 2:
            raise ValueError("a text of one token has nothing to predict; give at least two")
        return torch.nn.functional.cross_entropy(self.logits(ids)[:-1], ids[1:], reduction="none")

    def loss(self, text: str | list[int] | Tensor) -> float:
        """Return the mean of `token_nll`, in nats a token."""
        return float(self.token_nll(text).mean())

    def perplexity(self, text: str | list[int] | Tensor) -> float:
        """Return exp(loss): the number of equally likely tokens that the model hesitates between, on average."""
        return float(self.token_nll(text).mean().exp())

    # What goes on inside

    @torch.no_grad()
    def attentions(self, text: str | list[int] | Tensor) -> Tensor:
        """Return who reads whom: each row sums to 1 over the tokens up to itself. Shapes: returns (layers, H, T, T)."""
        before = self.model.config._attn_implementation
        self.model.set_attn_implementation("eager")  # the fused kernels never form the weights
        try:
            maps = self.model(self.ids(text), output_attentions=True).attentions
        finally:
            self.model.set_attn_implementation(before)
        return _plain(torch.cat(maps))

    @torch.no_grad()
    def hidden_states(self, text: str | list[int] | Tensor) -> Tensor:
        """Return the vectors between the layers, embeddings first. Shapes: returns (layers + 1, T, C)."""
        states = self.model(self.ids(text), output_hidden_states=True).hidden_states
        return _plain(torch.cat(states))


def _as_list(ids: list[int] | Tensor) -> list[int]:
    return [int(index) for index in (ids.flatten() if isinstance(ids, Tensor) else ids)]


def _pick(scores: Tensor, temperature: float, dice: torch.Generator) -> int:
    """Return the likeliest token at temperature 0, else one drawn from softmax(scores / temperature)."""
    if temperature == 0:
        return int(scores.argmax())
    return int(torch.multinomial(torch.softmax(scores / temperature, dim=-1), 1, generator=dice))


def _plain(values: Tensor) -> Tensor:
    """Return values as a float32 tensor on the CPU."""
    return values.float().cpu()
