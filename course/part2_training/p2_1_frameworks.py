# %% [markdown]
# # Frameworks: one model, many doors
#
# Part 1 took a language model apart. Part 2 sets one up and trains it, and the first question of every project is: with what?
# With PyTorch or TensorFlow, with the library Transformers, or with somebody's API, where you see no model at all?
#
# A *framework* decides what you write yourself and what is done for you. It does not decide what the model says.
# This lesson opens three doors to the same network, SmolLM2, and asks the same question through each. Here is the first, Transformers:

# %% demo
from handbook import load_lm, plots

lm = load_lm()
QUESTION = "The capital of France is"
plots.next_token_bars(lm, QUESTION, 6)

# %% [markdown]
# Keep the picture in mind. At the end of the second door and of the third, the same bars should come out: computed by twenty lines of matrix products of your own, and read from the JSON of a web server.
#
# | door | you write | you see | you can't see |
# |---|---|---|---|
# | PyTorch, TensorFlow | the layers, the loop, the loss | every number | nothing |
# | Transformers | the name of a model, the text | logits, weights, gradients | nothing, if you dig |
# | an API, such as OpenAI's | a request in JSON | the text, perhaps a few probabilities | the weights, the server, the day it changes |
#
# ## Door one: Transformers
#
# `load_lm()` hides little. Below it are two objects of the library Transformers, a tokenizer and a model, and three lines use them:

# %% demo
import torch

ids = lm.tokenizer(QUESTION, return_tensors="pt").input_ids
with torch.no_grad():
    from_transformers = lm.model(ids).logits[0]
print(type(lm.model).__name__, "reads", ids[0].tolist(), "and returns logits", tuple(from_transformers.shape))
print("likeliest next token:", lm.tokens(from_transformers[-1].argmax())[0])

# %% [markdown]
# What it holds is a dictionary: a name for each tensor. PyTorch calls it the *state dict*, and a checkpoint file holds little else.

# %% demo
for name, weight in lm.model.state_dict().items():
    if "layers" not in name or "layers.0." in name:
        print(f"{name:50} {tuple(weight.shape)}")
tied = lm.model.lm_head.weight.data_ptr() == lm.model.model.embed_tokens.weight.data_ptr()
print(f"\n{lm.model.config.num_hidden_layers} such layers; lm_head and embed_tokens are the same memory: {tied}")

# %% [markdown]
# Look at `up_proj`, which widens a vector from 576 to 1536 numbers: its weight is (1536, 576), outputs first. `torch.nn.Linear` keeps weights as (out, in) and computes `x @ weight.T`.
# Other layouts are as common. A Keras `Dense` layer keeps (in, out). So does the `Conv1D` of GPT-2 in Transformers. So will our own matrix products, because `x @ w` is the shortest thing to write.
# The names differ too. Whoever carries weights from one framework to another needs a table of names, and for each name the layout.
#
# **Predict before you run.** One weight below is stored the wrong way round. Which of the two mistakes does PyTorch notice?

# %%
import torch

x = torch.ones(2, 3)
wide = torch.arange(12.0).reshape(3, 4)  # (in, out): 3 to 4
square = torch.arange(9.0).reshape(3, 3)  # (in, out): 3 to 3
for name, weight in (("wide", wide), ("square", square)):
    try:
        print(f"{name:6} right {(x @ weight)[0].tolist()}   transposed {(x @ weight.T)[0].tolist()}")
    except RuntimeError as error:
        print(f"{name:6} right {(x @ weight)[0].tolist()}   transposed: error, {error}")

# %% [markdown]
# The wrong shape stops the program. The square one goes through and gives other numbers: no message, only a worse model. In SmolLM2 two of the seven matrices of each layer are square, in GPT-2 one of four.
#
# ## Exercise: Weights from one layout to another · 3 points · ★★☆

# %% exercise="frameworks-load-weights"
import re

import torch
from torch import Tensor


def load_weights(state_dict: dict[str, Tensor], rename: dict[str, str]) -> dict[str, Tensor]:
    """Give the tensors of a checkpoint the names and the layout that another framework expects.

    Shapes: a tensor keeps its shape and dtype; one whose target ends in ".T" goes from (out, in) to (in, out).
    `rename` maps names in the checkpoint to names in the result.
    - A `*` in a name stands for one number (a run of digits), and there may be several. The first * of the target gets the
      digits of the first * of the name, exactly as they were written, and so on. All else is literal, dots too,
      and a rule must fit the whole name. If two rules fit, the one that comes first in `rename` is used.
    - A target that ends in ".T" asks for the transposed matrix. The ".T" is not part of the new name.
    Every tensor of the result is a copy with memory of its own, contiguous (in row order, as files want it): training it later
        must not change the checkpoint, nor another tensor of the result.
    Raises: KeyError if no rule fits a name, or if a rule is used for no name: nothing may be lost or missing in silence.
        ValueError if two tensors would get the same name, or if ".T" is asked of a tensor that does not have two axes.
    Leave state_dict and rename as they came.

    >>> load_weights({"layers.10.fc.weight": torch.ones(3, 2), "bias": torch.ones(3)}, {"layers.*.fc.weight": "block.*.w.T", "bias": "b"})
    {'block.10.w': tensor([[1., 1., 1.],
            [1., 1., 1.]]), 'b': tensor([1., 1., 1.])}

    Source: the documentation of torch.nn.Module.load_state_dict, whose `strict` means the same as the KeyErrors here.
    """
    ### BEGIN SOLUTION
    patterns = {source: re.compile(r"(\d+)".join(map(re.escape, source.split("*")))) for source in rename}
    loaded: dict[str, Tensor] = {}
    used = set()
    for name, tensor in state_dict.items():
        fits = [source for source, pattern in patterns.items() if pattern.fullmatch(name)]
        if not fits:
            raise KeyError(f"no rule for {name}")
        used.add(fits[0])
        target = rename[fits[0]]
        for number in patterns[fits[0]].fullmatch(name).groups():
            target = target.replace("*", number, 1)
        if target.endswith(".T"):
            if tensor.ndim != 2:
                raise ValueError(f"{name} has {tensor.ndim} axes and can't be transposed")
            target, tensor = target[:-2], tensor.T
        if target in loaded:
            raise ValueError(f"two tensors would be called {target}")
        loaded[target] = tensor.detach().clone(memory_format=torch.contiguous_format)
    if missing := set(rename) - used:
        raise KeyError(f"nothing in the checkpoint for {sorted(missing)}")
    return loaded
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the example `block.10.w` has the shape (2, 3), the bias is still (3,), and the 10 has stayed a 10.

# %% check="frameworks-load-weights"

# %% [markdown]
# ## Door two: PyTorch, by hand
#
# Now carry SmolLM2 over into matrices that multiply from the right, one layer at a time: a second copy of the whole network would take half a gigabyte.
# The embedding and the last norm need no new layout, and the head is the embedding, read the other way round.

# %% demo
from handbook.answers import yours_or_ours

carry = yours_or_ours("load_weights", globals(), exercise="frameworks-load-weights")
RENAME = {"model.layers.*.input_layernorm.weight": "*.norm_1", "model.layers.*.post_attention_layernorm.weight": "*.norm_2"}
RENAME |= {f"model.layers.*.self_attn.{part}_proj.weight": f"*.{part}.T" for part in "qkvo"}
RENAME |= {f"model.layers.*.mlp.{part}_proj.weight": f"*.{part}.T" for part in ("gate", "up", "down")}
checkpoint = lm.model.state_dict()
ends = {"embed": checkpoint["model.embed_tokens.weight"], "norm": checkpoint["model.norm.weight"]}


def layer(n):
    carried = carry({name: weight for name, weight in checkpoint.items() if f".layers.{n}." in name}, RENAME)
    return {name.removeprefix(f"{n}."): weight for name, weight in carried.items()}


print(list(layer(29)), "· layer 29 widens by", tuple(layer(29)["up"].shape))

# %% [markdown]
# The network itself. Lesson 4 of Part 1 built each piece with care; here they are once more, as short as they go. T tokens, C = 576 channels, 9 heads that ask and 3 that answer, D = 64 numbers a head.

# %%
from collections.abc import Callable

import torch
from torch import Tensor


def norm(x: Tensor, scale: Tensor) -> Tensor:  # (T, C): each row to length √C, then a scale for each channel
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * scale


def rotate(x: Tensor, base: float = 100_000.0) -> Tensor:  # (H, T, D): turn each pair of numbers by its position
    T, D = x.shape[1:]
    angle = torch.arange(T)[:, None] * base ** -(torch.arange(0, D, 2) / D)  # (T, D / 2)
    first, second = x.chunk(2, -1)
    return torch.cat([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], -1)


# %%
def attend(x: Tensor, w: dict[str, Tensor], D: int = 64) -> Tensor:  # (T, C) -> (T, C)
    T = len(x)
    q, k, v = ((x @ w[part]).view(T, -1, D).transpose(0, 1) for part in "qkv")  # (9, T, D), (3, T, D), (3, T, D)
    k, v = (part.repeat_interleave(len(q) // len(k), 0) for part in (k, v))  # three heads ask the same keys
    scores = rotate(q) @ rotate(k).transpose(1, 2) / D**0.5  # (9, T, T)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    mixed = scores.masked_fill(future, -torch.inf).softmax(-1) @ v  # (9, T, D)
    return mixed.transpose(0, 1).reshape(T, -1) @ w["o"]


# %%
def forward(ids: Tensor, ends: dict[str, Tensor], layer: Callable[[int], dict[str, Tensor]], layers: int = 30) -> Tensor:  # (T,) -> (T, V)
    x = ends["embed"][ids]
    for n in range(layers):
        w = layer(n)
        x = x + attend(norm(x, w["norm_1"]), w)
        h = norm(x, w["norm_2"])
        x = x + (torch.nn.functional.silu(h @ w["gate"]) * (h @ w["up"])) @ w["down"]
    return norm(x, ends["norm"]) @ ends["embed"].T


# %% [markdown]
# That is all of SmolLM2. **Predict before you run.** How far are these logits from those of Transformers, which range over some tens: equal to the last digit, to about 0.0001, or to about 0.1?

# %% demo
from_scratch = forward(ids[0], ends, layer)
print(f"largest difference of {from_scratch.numel():,} logits: {(from_scratch - from_transformers).abs().max():.6f}")
print("likeliest next token:", lm.tokens(from_scratch[-1].argmax())[0])

# %% [markdown]
# Not equal, because sums of float32 depend on their order, and the same for every purpose. There is nothing else in the library's model: no trick, no hidden step.
#
# **Predict before you run.** Now one *square* matrix of each layer is carried over without its `.T`, the output of the attention. All shapes fit. What comes after "The capital of France is"?

# %% demo
def careless(n):
    w = layer(n)
    return w | {"o": w["o"].T}


ruined = forward(ids[0], ends, careless)
probs = ruined[-1].softmax(-1).topk(6)
labels = [plots.visible(token) for token in lm.tokens(probs.indices)]
plots.bars(labels, probs.values, title="One square matrix a layer transposed by mistake", xlabel="probability", ylabel="next token", decimals=3)
lost = torch.nn.functional.cross_entropy(ruined[:-1], ids[0, 1:])
print(f"loss on the question itself: {lm.loss(QUESTION):.2f} nats a token before, {lost:.2f} now; guessing is {torch.tensor(49152.0).log():.2f}")

# %% [markdown]
# No error, and a ruined model. So a converted model is never trusted for its shapes: compare its logits with the original's, on a real text, before anything else.
#
# ### The same layer in TensorFlow
#
# TensorFlow is the other large framework of this kind; its layers are written with Keras. You need not install it. Read this, and find the second half of the loop body of `forward`:

# %%
from handbook.keras_block import KERAS_FEED_FORWARD

print(KERAS_FEED_FORWARD)

# %% [markdown]
# | | PyTorch | TensorFlow with Keras |
# |---|---|---|
# | a layer's sizes | you give in and out | you give out; in is found when it is built |
# | weight of a linear layer | (out, in) | (in, out) |
# | how it runs | line by line, as Python | line by line, or as a graph traced once (`tf.function`) |
# | training | you write the loop | `model.compile` and `model.fit`, or a loop with `GradientTape` |
# | gradients | `loss.backward()` | `tape.gradient(loss, variables)` |
#
# The arithmetic is the same, so weights can move, by a table like yours. (Keras 3 itself runs on TensorFlow, JAX or PyTorch, whichever you choose.)
# Transformers, from its version 5 on, has PyTorch models only: for a language model of today PyTorch is where the code is.
#
# ## Door three: an API
#
# The third door has no weights at all. You send a request over HTTP and get JSON back. One request of OpenAI's, the *chat completion*, has become a common language:
# servers of open models, such as vLLM, llama.cpp and Ollama, answer it too, so one client program talks to all of them, if you change its address.
# (For new programs OpenAI itself now recommends a newer request, *Responses*; it has other fields, and the chat completion stays supported.)
#
# `handbook.serving` is such a server, small enough to read. It runs inside this notebook, on this machine only, with SmolLM2 behind it.
# First without a client, so that you see what goes over the wire:

# %% demo
import json
from urllib.request import Request, urlopen

from handbook.serving import serve, why_not

missing = why_not()  # "" if fastapi, uvicorn and openai are installed
question = {"model": lm.name, "messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "max_tokens": 24}
if missing:
    print(missing)
else:
    with serve(lm) as server:
        request = Request(f"{server.url}/chat/completions", json.dumps(question).encode(), {"Content-Type": "application/json"})
        body = json.load(urlopen(request))
    print(json.dumps(body | {"id": body["id"][:9] + "…", "created": "…"}, indent=1, ensure_ascii=False))

# %% [markdown]
# (The dots stand for what is new at every call: an id, and the time in seconds since 1970.)
#
# Every field has a reader. The client looks for `choices[0].message.content`; your bill is made of `usage`; `finish_reason` says whether the reply is whole:
#
# - `"stop"`: the model has ended its turn,
# - `"length"`: it was cut at `max_tokens`, in the middle of a word perhaps (OpenAI's newer models call this limit `max_completion_tokens`),
# - `"tool_calls"`: it asks your program to run a function. Its `arguments` are a *text* that holds JSON, because a model writes text and may write it wrong.
#
# **Predict before you run.** A client asks for two choices (`"n": 2`). The prompt has 40 tokens, the replies have 12 and 5. What is `total_tokens`?

# %%
prompt_tokens, replies = 40, [12, 5]
print("read once, written twice:", prompt_tokens + sum(replies), "   not", len(replies) * prompt_tokens + sum(replies))

# %% [markdown]
# ## Exercise: A response that the client understands · 3 points · ★★☆
#
# You are the server now. The model has spoken, and the client waits.

# %% exercise="frameworks-chat-response"
import json
import time
import uuid
from typing import Any


def chat_completion_response(model: str, replies: list[dict[str, Any]], prompt_tokens: int) -> dict[str, Any]:
    """Return the body of a chat completion as OpenAI's interface has it: plain dicts and lists, ready for json.dumps.

    Each of `replies` becomes one choice. A reply has "text" (str, or None if the model only calls tools), "tokens" (int, how many
    were written), "ended" (False if it was cut at the limit), and sometimes "calls", a list of (name, arguments) with a dict of
    arguments; the list may be empty.
    The body holds at least:
    - "id": a text that begins with "chatcmpl-" and is another one at every call; "object": "chat.completion"
    - "created": now, an int in seconds since 1970 (Unix time); "model": the model's name
    - "choices": a list in the order of the replies, each with
        "index": 0, 1, 2 …
        "message": "role" "assistant", "content" the text as it is or None, and only if there are calls "tool_calls": a list of
            {"id": text, another one for each call, "type": "function", "function": {"name": name, "arguments": JSON text}}
        "finish_reason": "length" if the reply was cut, with calls or without; else "tool_calls" if it has calls; else "stop"
    - "usage": "prompt_tokens" (the prompt is read once, however many replies), "completion_tokens" (all replies together)
        and "total_tokens"
    Leave replies as they came.

    >>> body = chat_completion_response("tiny", [{"text": "Hi", "tokens": 2, "ended": True}], 5)
    >>> body["choices"][0]["message"], body["usage"]["total_tokens"]
    ({'role': 'assistant', 'content': 'Hi'}, 7)

    Source: the reference of OpenAI's API, the object "chat completion".
    """
    ### BEGIN SOLUTION
    choices = []
    for index, reply in enumerate(replies):
        message: dict[str, Any] = {"role": "assistant", "content": reply["text"]}
        if reply.get("calls"):
            message["tool_calls"] = [
                {"id": f"call_{uuid.uuid4().hex}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                for name, arguments in reply["calls"]
            ]
        reason = "length" if not reply["ended"] else "tool_calls" if reply.get("calls") else "stop"
        choices.append({"index": index, "message": message, "finish_reason": reason})
    written = sum(reply["tokens"] for reply in replies)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": written, "total_tokens": prompt_tokens + written},
    }
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The same fields as in the JSON above; `print(json.dumps(body, indent=1))` shows them.

# %% check="frameworks-chat-response"

# %% [markdown]
# Now let the official client read what your function writes. The server below hands it every reply:

# %% demo
respond = yours_or_ours("chat_completion_response", globals(), exercise="frameworks-chat-response")
if missing:
    print(missing)
else:
    from openai import OpenAI

    with serve(lm, chat_body=respond) as server:
        client = OpenAI(base_url=server.url, api_key="not needed here")
        answer = client.chat.completions.create(**question | {"n": 2, "max_tokens": 12, "temperature": 0.7, "seed": 2})
        for choice in answer.choices:
            print(f"{choice.finish_reason:7} {choice.message.content!r}")
        print(answer.usage.prompt_tokens, "+", answer.usage.completion_tokens, "=", answer.usage.total_tokens, "tokens")

# %% [markdown]
# A reply with `length` was cut at 12 tokens. (Drawn at a temperature of 0.7, so small a model wanders off; that is no fault of the door.)
#
# The client has no idea that there is a toy behind it. With `base_url` left out and a real key, the same lines would talk to OpenAI.
#
# Two things more that every client does. It *streams*, so that a person can read while the model writes; and it must live with refusals, which have a form too:

# %% demo
if not missing:
    from openai import NotFoundError

    with serve(lm) as server, OpenAI(base_url=server.url, api_key="not needed here") as client:
        stream = client.chat.completions.create(**question, stream=True)
        print("|".join(piece.choices[0].delta.content or "" for piece in stream))
        try:
            client.chat.completions.create(**question | {"model": "gpt-0"})
        except NotFoundError as error:
            print(error.status_code, error.code, "·", error.body["message"])

# %% [markdown]
# Each bar between two pieces is a message of its own: the first word is there long before the last. Part 4 builds these parts of a server.
#
# ### Three doors, one distribution
#
# An API may also tell how likely its tokens were, if its owner lets it. Ours does. Here is the question of the beginning, through all three doors:

# %% demo
tokens, first = zip(*lm.next_token_probs(QUESTION, 4), strict=True)
by_hand = dict(zip(lm.tokens(torch.arange(49152)), from_scratch[-1].softmax(-1).tolist(), strict=True))
doors = {"Transformers": first, "matrix products": [by_hand[token] for token in tokens]}
if not missing:
    with serve(lm) as server, OpenAI(base_url=server.url, api_key="not needed here") as client:
        told = client.completions.create(model=lm.name, prompt=QUESTION, max_tokens=1, logprobs=4, temperature=0)
    by_api = told.choices[0].logprobs.top_logprobs[0]
    doors["openai client"] = [torch.tensor(by_api[token]).exp().item() for token in tokens]
labels = [plots.visible(token) for token in tokens]
plots.bars(labels, doors, title="One model through three doors", xlabel="probability", ylabel="next token", decimals=3)

# %% [markdown]
# Three times the same bars. So the choice between doors is not about what the model says. It is about who holds the weights, who sees the data, who is woken at night, and what it costs.
#
# ## Open weights or a commercial API
#
# | | commercial API | open weights |
# |---|---|---|
# | best quality to be had | usually here | close behind, and yours to fine-tune |
# | your data | leaves your house; a contract says what happens to it | stays where you run it |
# | cost | by the token, nothing at rest | by the hour, whether used or not |
# | work | a key and a client | servers, updates, nights |
# | changes | when the provider says so | when you say so |
# | licence | terms of use | a licence to read: some allow everything, some forbid uses or sizes of company |
#
# *Open weights* is not *open source*: of most such models you get the numbers, not the data and not the training code. SmolLM2 is one of the few with all three (Ben Allal et al. 2025).
#
# Arguments about this are often arguments about taste. Turn them into a table instead: what is offered, what the project needs, and which needs rule out which offer.

# %%
from handbook.stack_cards import CARDS, CATALOGUE

print(f"{'offer':32} data up to   house  weights  quality   $/M   $/month  M/machine  people")
for o in CATALOGUE:
    yes = ["yes" if o[field] else "no" for field in ("on_prem", "weights")]
    numbers = f"{o['quality']:>8} {o['per_million']:>6} {o['fixed']:>8} {o['capacity'] or '–':>10} {o['engineers']:>6}"
    print(f"{o['name']:32} {o['data'][-1]:12} {yes[0]:6} {yes[1]:6} {numbers}")

# %% [markdown]
# Offers and prices are made up, in round numbers. `data up to` is the most delicate kind that may be sent there, `quality` a rank from 1 to 5, `M/machine` the millions of tokens
# a month that one machine writes (– where the provider sees to that), and `people` the engineers it takes. *PHI* is protected health information: the records of a person's health, under the law of the United States.
#
# **Predict before you run.** A hospital wants letters written from patient records that must not leave the house: quality 4, 300 million tokens a month, $6,000, two engineers. Which of the seven offers remain?

# %%
letters = CARDS[7]
for o in CATALOGUE:
    print(f"{o['name']:32} takes PHI: {'phi' in o['data']!s:6} in the house: {o['on_prem']!s:6} good enough: {o['quality'] >= letters['quality']}")

# %% [markdown]
# Two of the offers that take PHI are not in the house. A contract makes it lawful to send records out; it does not keep them in. These are two needs, and each must be asked for.
#
# ## Exercise: Choose a stack · 3 points · ★★☆

# %% exercise="frameworks-choose-stack"
import math
from collections.abc import Sequence
from typing import Any

from handbook.stack_cards import CATALOGUE


def choose_stack(requirements: dict[str, Any], catalogue: Sequence[dict[str, Any]] = CATALOGUE) -> dict[str, Any]:
    """Choose the best offer that meets every requirement, and say for each other offer that fails what rules it out.

    requirements: "data" (the kind that will be sent), "on_prem" (True: it must run in the house), "weights" (True: we must hold them),
        "quality" (at least), "engineers" (how many are free), "budget" ($ a month, at most), "tokens" (millions a month).
    An offer: "name"; "data", the kinds that may be sent there; "on_prem", "weights", "quality", "engineers" (how many it takes);
        "per_million" ($ a million tokens), "fixed" ($ a month and machine), "capacity" (millions of tokens a month and machine).
    - Cost a month: per_million × tokens + fixed × machines. Without a capacity (None) there is 1 machine; else as many as
      the tokens need, and at least 1.
    - An offer fails a field of the requirements if it does not meet it; any of "data", "on_prem", "weights", "quality",
      "engineers", "budget" can be failed. What is not required does no harm: with on_prem False all places will do.
    - Of the offers that fail nothing, the highest quality wins; then the lowest cost; then the first in the catalogue.
    Returns {"stack": name of the chosen offer, "cost": its cost a month, "ruled_out": {name of offer: list of the fields it fails}}.
        ruled_out names every offer that fails, with all its fields in any order, and no other offer.
        If every offer fails, stack and cost are None.
    Leave requirements and catalogue as they came.

    >>> phi = {"data": "phi", "on_prem": True, "weights": False, "quality": 4, "tokens": 300, "budget": 6000, "engineers": 2}
    >>> choose_stack(phi)["stack"], choose_stack(phi)["ruled_out"]["open weights, rented GPUs"]
    ('open weights, own GPUs', ['on_prem'])

    Source: this course; offers and cards in handbook.stack_cards.
    """
    ### BEGIN SOLUTION
    best, ruled_out = None, {}
    for offer in catalogue:
        capacity = offer["capacity"]
        machines = 1 if capacity is None else max(1, math.ceil(requirements["tokens"] / capacity))
        cost = offer["per_million"] * requirements["tokens"] + offer["fixed"] * machines
        fits = {
            "data": requirements["data"] in offer["data"],
            "on_prem": offer["on_prem"] or not requirements["on_prem"],
            "weights": offer["weights"] or not requirements["weights"],
            "quality": offer["quality"] >= requirements["quality"],
            "engineers": offer["engineers"] <= requirements["engineers"],
            "budget": cost <= requirements["budget"],
        }
        failed = [field for field, fit in fits.items() if not fit]
        if failed:
            ruled_out[offer["name"]] = failed
        elif best is None or (-offer["quality"], cost) < (-best[0]["quality"], best[1]):
            best = offer, cost
    stack, cost = (best[0]["name"], best[1]) if best else (None, None)
    return {"stack": stack, "cost": cost, "ruled_out": ruled_out}
    ### END SOLUTION


# %% [markdown]
# **What you should see.** For the hospital's card `open weights, own GPUs` at $2,500, and six offers that are ruled out.

# %% check="frameworks-choose-stack"

# %% [markdown]
# Twelve projects, and what each should take. `only by` counts the offers that a single field has ruled out: these are the needs that are worth a second look, because each alone costs you an offer.

# %% demo
from collections import Counter

choose = yours_or_ours("choose_stack", globals(), exercise="frameworks-choose-stack")
for card in CARDS:
    chosen = choose(card)
    alone = Counter(fields[0] for fields in chosen["ruled_out"].values() if len(fields) == 1)
    only_by = ", ".join(f"{field} {count}" for field, count in alone.items())
    cost = "" if chosen["cost"] is None else f"${chosen['cost']:,.0f}"
    print(f"{card['title']:42} {chosen['stack'] or 'nothing':32} {cost:>7}   only by: {only_by}")

# %% [markdown]
# Two projects get *nothing*, and that is an answer. The law firm has one offer that fails its budget alone, and three that fail only its cellar: it can pay more, or let the contracts out. For the diagnosis no amount of money helps: nobody offers quality 5 in the house.
#
# **Predict before you run.** Take three of the projects, let them accept any quality, and let the budget grow from $0 to $4,000 a month. Can more money ever lead to a *worse* choice?

# %% demo
budgets = list(range(0, 4001, 10))
quality = {offer["name"]: offer["quality"] for offer in CATALOGUE}
titles = ["Answers to customers, best quality", "Doctors' letters, nobody to run servers", "Patient notes at a village practice"]
steps = {}
for card in CARDS:
    if card["title"] in titles:
        wish = card | {"quality": 1, "engineers": 2, "tokens": 200}
        steps[card["title"]] = [quality.get(choose(wish | {"budget": budget})["stack"], 0) for budget in budgets]
plots.lines(budgets, steps, title="What a budget buys for 200 million tokens a month", xlabel="budget ($ a month)", ylabel="quality (0: nothing)", markers=False)

# %% [markdown]
# It can't: more budget only removes a reason to rule out, and the best of a larger set is no worse. Such a property is worth a test of its own: it holds for cards that nobody has thought of.
#
# ## By the token or by the hour
#
# Last, the money. An API costs nothing at rest. A server costs the same whether it works or not, so it is cheap only when busy.
#
# **Predict before you run.** A server with a GPU costs $2 an hour and writes 1,000 tokens a second. The API asks $1 a *million* tokens. Which is cheaper a token, if the server never rests? And if it is busy for a tenth of the time?

# %%
for utilisation in (1.0, 0.5, 0.1):
    tokens_an_hour = 1000 * 3600 * utilisation
    print(f"busy {utilisation:4.0%}: ${2 / tokens_an_hour * 1e6:.2f} a million tokens on the server, $1.00 by the API")

# %% [markdown]
# People ask by day and sleep by night; few services keep a server busy for even half of the time. Mind the units too: some price lists say "a thousand tokens", most "a million", which is a factor of a thousand.
#
# ## Exercise: Where your own server pays · 3 points · ★★☆

# %% exercise="frameworks-break-even"
import math


def break_even_tokens(api_price: float, server_cost: float, throughput: float, utilisation: float = 1.0, people_cost: float = 0.0) -> float:
    """Return the smallest number of tokens a month for which your own servers cost no more than the API; math.inf if there is none.

    api_price: $ a million tokens · server_cost: $ an hour for one server, paid for all 730 hours of a month, busy or not ·
    throughput: tokens a second that a server writes while it is busy · utilisation: the share of the time (above 0, up to 1)
    in which it can be kept busy · people_cost: $ a month for those who look after the servers, however many there are.
    The API costs api_price for each million tokens, and nothing else.
    Servers are rented whole and for the month, as many as the tokens need, at least one: when the first can't write more, the second comes at once.
    Returns a float, which need not be whole.
    Raises: ValueError for values outside these ranges (this test is given).

    >>> break_even_tokens(api_price=1.0, server_cost=2.0, throughput=1000)
    1460000000.0
    >>> break_even_tokens(api_price=1.0, server_cost=2.0, throughput=1000, utilisation=0.5)
    inf

    Source: this course. The API's cost is a line through zero, your own a staircase; this is where they first meet.
    """
    if min(api_price, server_cost, throughput) <= 0 or not 0 < utilisation <= 1 or people_cost < 0:
        raise ValueError("prices and throughput must be above 0, utilisation above 0 and up to 1, people_cost 0 or more")
    ### BEGIN SOLUTION
    rent = server_cost * 730  # $ a month and server
    capacity = throughput * 3600 * 730 * utilisation  # tokens a month and server
    saved = capacity / 1e6 * api_price - rent  # $ a month by each server that is full
    if saved < 0 or (saved == 0 and people_cost > 0):
        return math.inf
    servers = max(1, math.ceil(people_cost / saved)) if people_cost else 1
    return (people_cost + servers * rent) / api_price * 1e6
    ### END SOLUTION


# %% [markdown]
# **What you should see.** One and a half billion tokens a month for the server that never rests, and no number at all for the one that is busy half of the time: it writes for $1.11 a million.

# %% check="frameworks-break-even"

# %% [markdown]
# **Predict before you run.** $3 a million by API, a $2 server with 1,000 tokens a second, busy 40 % of the time, and one engineer for a third of her month, $4,000. Where do the two lines meet: near 0.5, near 1.5 or near 3 billion tokens a month?

# %% demo
break_even = yours_or_ours("break_even_tokens", globals(), exercise="frameworks-break-even")
case = {"api_price": 3.0, "server_cost": 2.0, "throughput": 1000, "utilisation": 0.4}
millions = list(range(10, 4001, 10))
own = [2.0 * 730 * math.ceil(m * 1e6 / (1000 * 3600 * 730 * 0.4)) for m in millions]
costs = {"API": [3.0 * m for m in millions], "own servers": own, "own servers and people": [dollars + 4000 for dollars in own]}
plots.lines(millions, costs, title="By the token or by the hour", xlabel="tokens a month (millions)", ylabel="cost ($ a month)", markers=False)
print(f"servers alone: from {break_even(**case) / 1e6:,.0f} million tokens a month")
print(f"with people:   from {break_even(**case, people_cost=4000) / 1e6:,.0f} million tokens a month")

# %% [markdown]
# In the picture the staircase with people meets the line at 2.8 billion, is above it once more when a fourth server comes, and meets it again: near the point, look at the steps.
#
# The servers alone pay early. The people move the point by a factor of nearly six, and yet they are what is left out of most such comparisons.
# Lesson 6 of this part does such sums for training, and Part 4 for serving.
#
# ## Recap
#
# - A framework decides what you write and what you see. The forward pass is the same matrix products behind every door.
# - Weights move between frameworks by a table of names and layouts. A square matrix that is transposed by mistake raises no error: compare logits.
# - An API is a contract in JSON: `choices`, `finish_reason`, `usage`. Who keeps to it can be called by any client.
# - Ask what rules an offer out, field by field. "Takes PHI" and "stays in the house" are two questions.
# - A server is cheap a token only while it is busy, and people are part of its price.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. You convert a checkpoint from Keras to PyTorch. All shapes fit, and the model writes nonsense. What do you look at first?</summary>
#
# The square matrices: a Dense kernel is (in, out), a Linear weight (out, in), and a square one fits both ways. Compare logits or layer outputs on one text.
# </details>
#
# <details><summary>2. A reply has finish_reason "length". What do you know about it, and what must a program not do with it?</summary>
#
# It was cut at the limit, perhaps in the middle of a word. A program must not take it for whole: JSON in it may not parse, and a tool call in it may lack arguments.
# </details>
#
# <details><summary>3. Your server costs $1.50 a million tokens when it is always busy, the API $3. At which utilisation are they equal, and what have you still left out?</summary>
#
# At one half. Left out are the people, and that the volume must come in whole servers.
# </details>
#
# **Next.** You have a model and a door. What it learns from is still missing: lesson 2 collects text from a source as dirty as the web, and cleans it without throwing away the people in it.
#
# ## Further reading
#
# - Paszke et al. 2019, [PyTorch: An Imperative Style, High-Performance Deep Learning Library](https://arxiv.org/abs/1912.01703), arXiv:1912.01703.
# - Abadi et al. 2016, [TensorFlow: A System for Large-Scale Machine Learning](https://arxiv.org/abs/1605.08695), arXiv:1605.08695.
# - Wolf et al. 2019, [HuggingFace's Transformers: State-of-the-art Natural Language Processing](https://arxiv.org/abs/1910.03771), arXiv:1910.03771.
# - Kwon et al. 2023, [Efficient Memory Management for Large Language Model Serving with PagedAttention](https://arxiv.org/abs/2309.06180), arXiv:2309.06180: vLLM, a server with the interface of this lesson.
# - Ben Allal et al. 2025, [SmolLM2: When Smol Goes Big](https://arxiv.org/abs/2502.02737), arXiv:2502.02737: a model with its weights, data and code.
# - Bommasani et al. 2023, [The Foundation Model Transparency Index](https://arxiv.org/abs/2310.12941), arXiv:2310.12941: how much providers tell, on a hundred questions.
