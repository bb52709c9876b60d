"""The answers and the oracles of lesson 2.1 against other libraries: openai's types, torch's own loading, a plain scan, and Keras."""
from __future__ import annotations

import importlib.util
import math
import random
from typing import Any

import pytest
import torch
from handbook.keras_block import KERAS_FEED_FORWARD
from handbook.stack_cards import CARDS, CATALOGUE

from grader.checks import p2_1_frameworks as checks
from grader.mutation import references, run_source

ANSWERS: dict[str, Any] = {}
for source in references("p2_1_frameworks").values():
    ANSWERS |= run_source(source, "answer.py")


def replies_of(dice: random.Random) -> list[dict[str, Any]]:
    calls = [[], [], [("f", {"a": [1, None, "ü"]})], [("f", {}), ("g", {"x": {"y": True}})]]
    return [checks.reply(dice.choice(["", "text", "日本\n"]), dice.randint(0, 50), dice.random() < 0.7, *dice.choice(calls)) for _ in range(dice.randint(1, 4))]


def test_responses_are_valid_for_the_openai_client():
    types = pytest.importorskip("openai.types.chat", reason="the client `openai` is not installed")
    dice = random.Random(1)
    for _ in range(200):
        case = ("m", replies_of(dice), dice.randint(1, 99))
        body = ANSWERS["chat_completion_response"](*case)
        assert checks.contract(body, *case) == ""
        read = types.ChatCompletion.model_validate(body, strict=True)
        assert [choice.message.content for choice in read.choices] == [reply["text"] for reply in case[1]]
        assert read.model_dump(exclude_unset=True) == body


@pytest.mark.parametrize("name", ["id", "object", "created", "model", "choices"])
def test_what_the_client_refuses_the_oracle_refuses(name):
    types = pytest.importorskip("openai.types.chat", reason="the client `openai` is not installed")
    case = ("m", [checks.reply("x", 1, True, ("f", {}))], 5)
    for wrong in (None, 7.5, "x"):
        body = ANSWERS["chat_completion_response"](*case)
        if name in ("id", "model") and wrong == "x":  # any text will do for the client
            continue
        with pytest.raises(ValueError, match=name):
            types.ChatCompletion.model_validate(body | {name: wrong}, strict=True)
        assert checks.contract(body | {name: wrong}, *case)


def test_carried_weights_load_into_the_other_network():
    for seed in range(30):
        dice, rng = random.Random(seed), torch.Generator().manual_seed(seed)
        layers = sorted(dice.sample(range(200), 3))
        state, rename, moves = checks.numbered(rng, layers)
        got, want = ANSWERS["load_weights"](state, rename), checks.moved(state, moves)
        assert got.keys() == want.keys()
        assert all(torch.equal(got[name], want[name]) for name in want)
        other = torch.nn.ParameterDict({name.replace(".", "-"): torch.empty_like(value) for name, value in want.items()})
        other.load_state_dict({name.replace(".", "-"): value for name, value in got.items()}, strict=True)


def test_the_answer_chooses_as_the_oracle():
    dice = random.Random(2)
    cases = [(card, CATALOGUE) for card in CARDS]
    cases += [(checks.random_card(dice), [checks.random_offer(dice, f"o{n}") for n in range(dice.randint(0, 8))]) for _ in range(400)]
    for case in cases:
        checks.agrees(ANSWERS["choose_stack"](*case), *case)


def test_the_cards_need_every_field():
    results = [ANSWERS["choose_stack"](card) for card in CARDS]
    assert len(CARDS) == 12
    assert len({result["stack"] for result in results}) >= 6
    deciding = {fields[0] for result in results for fields in result["ruled_out"].values() if len(fields) == 1}
    assert deciding >= {"on_prem", "budget", "quality", "engineers", "data"}
    assert any("weights" in fields for result in results for fields in result["ruled_out"].values())


def test_break_even_is_where_a_scan_finds_it():
    """Nothing is derived here: the two bills are written for many volumes, and compared."""
    dice = random.Random(3)
    for people in [False] * 40 + [True] * 40:
        case = checks.drawn(dice, people=people)
        price, cost, speed, share, staff = case
        got = ANSWERS["break_even_tokens"](*case)
        assert got == pytest.approx(checks.first_meeting(*case), rel=1e-9)

        def own_is_dearer(tokens, cost=cost, speed=speed, share=share, staff=staff, price=price):
            servers = max(1, math.ceil(tokens / (speed * share * 730 * 60 * 60) - 1e-9))
            return staff + servers * cost * 730 > price * tokens / 1e6 * (1 + 1e-9)

        top = got if math.isfinite(got) else 50 * speed * share * 730 * 3600
        assert all(own_is_dearer(top * step / 2000) for step in range(2000))
        assert math.isinf(got) or not own_is_dearer(got)


def test_a_full_server_that_costs_the_same_pays_when_it_is_full():
    """All numbers here are whole, so the tie is exact; with people to pay besides there is no such point."""
    assert ANSWERS["break_even_tokens"](1.0, 36.0, 10_000) == 10_000 * 3600 * 730
    assert ANSWERS["break_even_tokens"](1.0, 36.0, 10_000, 1.0, 5.0) == math.inf


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed: the Keras text of lesson 2.1 is not run")
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_the_keras_text_computes_the_same_layer():
    scope: dict[str, Any] = {}
    exec(compile(KERAS_FEED_FORWARD, "keras_block.py", "exec"), scope)
    C, hidden = 6, 10
    linear = {"gate": (C, hidden), "up": (C, hidden), "down": (hidden, C)}
    torch_layers = {name: torch.nn.Linear(*sizes, bias=False) for name, sizes in linear.items()}
    state = {f"{name}_proj.weight": layer.weight for name, layer in torch_layers.items()}
    weights = ANSWERS["load_weights"](state, {f"{name}_proj.weight": f"{name}.T" for name in linear})
    model = scope["feed_forward"](C, hidden)
    scope["fill"](model, {name: value.numpy() for name, value in weights.items()})
    x = torch.randn(2, 5, C)
    with torch.no_grad():
        want = torch_layers["down"](torch.nn.functional.silu(torch_layers["gate"](x)) * torch_layers["up"](x))
    got = torch.from_numpy(model(x.numpy()).numpy())
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)
