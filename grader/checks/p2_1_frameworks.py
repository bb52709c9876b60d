"""Checks for p2_1_frameworks.

Definitions: torch.nn.Module.load_state_dict (strict) · OpenAI's API reference, the chat completion object · the course's own cost model.
"""

import json
import math
import re
import time
from fractions import Fraction

import pytest
import torch
from handbook.stack_cards import CARDS, CATALOGUE

from grader.judge import Exercise, core, expect


def all_raise(submission, kind, name, cases, why):
    """Each of these calls must raise `kind`; `why` is a sentence for all, or has one for each."""
    ends = submission.each(name, cases)
    for at in range(len(cases)):
        expect.raises(kind, next, ends, why=why if isinstance(why, str) else why[at])


# ---------------------------------------------------------------------------------------------- weights


def moved(state_dict, moves):
    """The result by a table (name, new name, transposed) that says everything outright: no rules to read."""
    return {new: state_dict[old].T if turned else state_dict[old] for old, new, turned in moves}


def numbered(rng, layers):
    """A checkpoint with six tensors a layer, wide, square, with one row and plain, its rules, and the table of moves."""
    state, moves = {"tok.weight": torch.randn(7, 3, generator=rng)}, [("tok.weight", "embed", False)]
    kinds = {"fc1.weight": ("up.T", 5, 3), "fc2.weight": ("square.T", 4, 4), "fc2.bias": ("bias", 3), "fc3.weight": ("T", 4, 4), "T": ("T.w", 2, 3), "gate": ("gate.T", 1, 3)}
    for n in layers:
        for name, (new, *shape) in kinds.items():
            state[f"model.h.{n}.{name}"] = torch.randn(*shape, generator=rng)
            moves.append((f"model.h.{n}.{name}", f"b{n}_{new.removesuffix('.T')}", new.endswith(".T")))
    return state, {f"model.h.*.{name}": f"b*_{new}" for name, (new, *_) in kinds.items()} | {"tok.weight": "embed"}, moves


def after_writing(load, state_dict, rename, tied):
    """Write into every tensor of the result in turn; report memory order, and what changed besides (runs on the learner's side)."""
    state_dict = dict(state_dict)
    if tied:
        state_dict["tied.1"], state_dict["odd"] = state_dict["tied.0"], state_dict["odd"].T.contiguous().T
    loaded = load(state_dict, rename)
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        return "no dict of tensors"
    rows = all(value.is_contiguous() for value in loaded.values())
    with torch.no_grad():
        for at, value in enumerate(loaded.values()):
            value.fill_(100 + at)
    alone = all(bool((value == 100 + at).all()) for at, value in enumerate(loaded.values()))
    return rows, alone, [str(value.dtype) for value in loaded.values()], state_dict, list(rename.items())


ONE, PAIR = torch.ones(1), torch.arange(4.0).reshape(2, 2)
SMALL = {"a.0.w": torch.arange(6.0).reshape(2, 3), "a.1.w": PAIR, "b": torch.arange(3.0)}
MIXED = {"e.12.l.03.w": PAIR, "e.3.l.12.w": PAIR + 9}


class TestLoadWeights(Exercise, id="frameworks-load-weights"):
    """Exercise frameworks-load-weights."""

    def probe(self, submission):
        """Layers past 9, several stars, literal dots, first rule, all errors, dtypes, and whose memory it is."""
        load, kinds = submission.load_weights, {"a": PAIR.bfloat16(), "b": PAIR.to(torch.int8)}
        cases = [
            (SMALL, {"a.*.w": "*.w.T", "b": "b"}),
            (SMALL, {"a.*.w": "*.w", "b": "b"}),
            ({f"l{n}x": ONE * n for n in (1, 10, 11, 2)}, {"l*x": "*"}),
            (MIXED, {"e.*.l.*.w": "w.*.*.T"}),
            ({"a.1": ONE, "a.2": 2 * ONE}, {"a.1": "first", "a.*": "rest.*"}),
            ({"a.1": ONE, "a.2": 2 * ONE}, {"a.*": "rest.*", "a.1": "first"}),
            ({"ab.1": ONE, "ab.2": 2 * ONE}, {"ab.1": "first", "ab.*": "rest.*"}),
            ({"a.1": ONE, "a.23": 2 * ONE}, {"a.*": "rest.*", "a.23": "last"}),
            *(({name: ONE, "a.5": ONE}, {"a.*": "r*"}) for name in ("aX1", "pre.a.1", "a.1.post", "a.b", "a.", "a.1\n")),
            *(({"a.1": ONE}, {"a.*": "r*", gone: gone}) for gone in ("gone", "gone.*")),
            ({"a.1": PAIR, "b.1": PAIR}, {"a.*": "r*", "b.*": "r*"}),
            ({"a.1": PAIR, "b.1": PAIR + 1}, {"a.*": "r*.T", "b.*": "r*"}),
            *(({"a.1": torch.ones(shape)}, {"a.*": "r*.T"}) for shape in ((1,), (2, 3, 4), ())),
            ({"T.1": PAIR}, {"T.*": "T.*"}),
            ({"a.w": PAIR}, {"a.w": "a.T.w"}),
            ({"a.w": PAIR}, {"a.w": "aT"}),
            ({"a": PAIR}, {"a": "x.T.T"}),
            ({"a": PAIR[:1]}, {"a": "b.T"}),
            ({}, {}),
        ]
        own = [submission.run(after_writing, load, *case, False) for case in (*cases[:2], (kinds, {"a": "a.T", "b": "b"}))]
        return *submission.each("load_weights", cases), own, submission.run(after_writing, load, {"tied.0": PAIR, "odd": PAIR}, {"tied.*": "*", "odd": "o"}, True)

    @core
    @pytest.mark.parametrize("layers", [range(2), (0, 1, 2, 10, 11, 12, 101)], ids=["two layers", "numbers of several digits"])
    def test_names_and_layouts(self, submission, rng, layers):
        """Every tensor gets its new name and layout, whatever the number of its layer; square ones too are transposed only on request."""
        state, rename, moves = numbered(rng, layers)
        why = "* stands for all digits of a number; '.T' at the end of a target asks for the transposed matrix, and is no part of the name"
        expect.close(submission.load_weights(state, rename), moved(state, moves), why=why)

    def test_the_mark_stands_at_the_end(self, submission, rng):
        """Only a .T at the very end is a mark, and only that one is cut off: T, .T.w and T.T keep the rest of their names."""
        state = {name: torch.randn(3, 3, generator=rng) for name in "abcdef"}
        targets = {"a": "x.T.w", "b": "TT.T", "c": "y.T.T", "d": "zT", "e": "T", "f": "T.w"}
        moves = [("a", "x.T.w", False), ("b", "TT", True), ("c", "y.T", True), ("d", "zT", False), ("e", "T", False), ("f", "T.w", False)]
        expect.close(submission.load_weights(state, targets), moved(state, moves), why="ask for endswith('.T'), and cut off two characters, once")

    def test_several_stars(self, submission, rng):
        """The first * of the target gets the digits of the first * of the name, the second those of the second, as they were written."""
        state = {f"e.{a}.l.{b}.w": torch.randn(2, 3, generator=rng) for a, b in (("0", "12"), ("12", "0"), ("7", "003"), ("21", "1"))}
        moves = [(name, "x" + ".".join(name.split(".")[1:4:2]), True) for name in state]
        got = submission.load_weights(state, {"e.*.l.*.w": "x*.*.T"})
        expect.close(got, moved(state, moves), why="numbers are put in by order, digit for digit: 003 stays 003")

    def test_the_first_rule_that_fits_is_used(self, submission, rng):
        """If two rules fit a name, the one that comes first in rename decides, and not the longer or the plainer one."""
        state = {f"head.{n}": torch.randn(2, 3, generator=rng) for n in (0, 1, 345)}
        for first in ("1", "345"):  # as long as head.*, and longer
            moves = [(name, "main" if name == f"head.{first}" else f"rest.{name[5:]}", name == f"head.{first}") for name in state]
            got = submission.load_weights(state, {f"head.{first}": "main.T", "head.*": "rest.*"})
            expect.close(got, moved(state, moves), why="go through rename in its order")
            why = "the second rule is never used: the first fits"
            expect.raises("KeyError", submission.load_weights, state, {"head.*": "rest.*", f"head.{first}": "main.T"}, why=why)

    def test_rules_are_literal_and_fit_the_whole_name(self, submission):
        """Only * is special, and it stands for digits: a name that fits no rule as a whole is a KeyError."""
        names = ["aX1.w", "a.1Xw", "pre.a.1.w", "a.1.w.post", "a.1.ws", "a.b.w", "a..w", "a.1.2.w", "a.-1.w", "a.1b.w", "A.1.w", "a.1.w\n"]
        cases = [({"a.5.w": ONE, name: ONE}, {"a.*.w": "r*"}) for name in names]
        all_raise(submission, "KeyError", "load_weights", cases, [f"the rule a.*.w does not fit {name}" for name in names])
        got = submission.load_weights({"a+b(1)[0]": ONE, "w": 2 * ONE}, {"a+b(*)[*]": "r*_*", "w": "\\1"})
        expect.close(got, {"r1_0": ONE, "\\1": 2 * ONE}, why="brackets, plus and backslash stand for themselves")

    def test_nothing_is_missing(self, submission):
        """A rule that no tensor uses is a KeyError: something is missing in the checkpoint."""
        rename = {"a.*.w": "r*", "b": "b"}
        cases = [(SMALL, {gone: "new"} | rename) for gone in ("gone", "gone.*", "a.*.b", "a")] + [({}, {"a": "a"})]
        all_raise(submission, "KeyError", "load_weights", cases, "a rule without a tensor is an error, as a tensor without a rule is")
        expect.equal(submission.load_weights({}, {}), {}, why="no tensors and no rules are fine")

    def test_refuses_two_of_one_name_and_what_is_no_matrix(self, submission, rng):
        """Two tensors with one new name are a ValueError, and so is `.T` of a tensor with one axis, with three, or with none."""
        renames = [{"a.*": "x*", "b.*": "x*"}, {"a.*": "x*.T", "b.*": "x*"}, {"a.*": "x", "b.*": "x.T"}]
        cases = [({"a.1": PAIR, "b.1": PAIR}, rename) for rename in renames] + [({"a.1": PAIR, "a.2": PAIR}, {"a.*": "x"})]
        all_raise(submission, "ValueError", "load_weights", cases, "both tensors would get one name, and one of them would be lost")
        shapes = [(3,), (2, 3, 4), (), (1,)]
        cases = [({"a": torch.randn(shape, generator=rng)}, {"a": "b.T"}) for shape in shapes]
        all_raise(submission, "ValueError", "load_weights", cases, [f"a tensor of shape {shape} has no two axes" for shape in shapes])
        three = torch.randn(2, 3, 4, generator=rng)
        expect.close(submission.load_weights({"a": three}, {"a": "b"}), {"b": three}, why="without .T any number of axes is fine")

    @pytest.mark.parametrize("turned", [".T", ""], ids=["transposed", "as it is"])
    def test_copies_of_its_own(self, submission, rng, turned):
        """Each tensor has memory of its own, in row order, and its dtype; tied weights come apart, and the checkpoint stays as it was."""
        tied, odd = torch.randn(3, 4, generator=rng).bfloat16(), torch.randn(4, 3, generator=rng).double()
        state, rename = {"tied.0": tied, "tied.1": tied, "odd": odd, "steps": torch.arange(3)}, {"tied.*": "t*" + turned, "odd": "odd", "steps": "n"}
        result = submission.run(after_writing, submission.load_weights, state, rename, True)
        expect.true(isinstance(result, tuple), "it must return a dict of tensors", got=result)
        rows, alone, kinds, left, rules = result
        expect.true(rows is True, "a tensor of the result is not contiguous", why="a transposed tensor is a view in another order, and so may be its clone")
        expect.true(alone is True, "two tensors of the result share memory", why="clone each tensor")
        expect.equal(sorted(kinds), ["torch.bfloat16"] * 2 + ["torch.float64", "torch.int64"], why="copy, don't convert")
        expect.close(left, state, why="the result shares memory with the checkpoint, or the checkpoint was changed: clone each tensor")
        expect.equal(rules, list(rename.items()), why="rename was changed")


# --------------------------------------------------------------------------------------------- responses


def contract(body, model, replies, prompt_tokens):
    """The first field of a chat completion that is not as OpenAI's interface has it, in words; "" if all are."""
    if not isinstance(body, dict):
        return "the body must be a dict"
    calls = [reply.get("calls") or [] for reply in replies]
    written = sum(reply["tokens"] for reply in replies)
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": written, "total_tokens": prompt_tokens + written}
    used, choices = body.get("usage"), body.get("choices")
    if not isinstance(choices, list) or len(choices) != len(replies):
        return f"choices must be a list with one entry for each of the {len(replies)} replies"
    rows = [_choice(choice, index, *pair) for index, (choice, pair) in enumerate(zip(choices, zip(replies, calls, strict=True), strict=True))]
    facts = {
        'id must be a text that begins with "chatcmpl-", and goes on': type(body.get("id")) is str and body["id"].startswith("chatcmpl-") and len(body["id"]) > 9,
        'object must be "chat.completion"': body.get("object") == "chat.completion",
        "created must be an int: the seconds since 1970": type(body.get("created")) is int and abs(body["created"] - time.time()) < 600,
        f"model must be {model!r}": body.get("model") == model,
        f"usage must hold {usage}": isinstance(used, dict) and all(type(used.get(name)) is int and used[name] == count for name, count in usage.items()),
    }
    return next((problem for problem in rows if problem), "") or next((fact for fact, holds in facts.items() if not holds), "")


def _choice(choice, index, reply, calls):
    where, message = f"choices[{index}]", choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return f"{where} must be a dict with a message, which is a dict"
    reason = "length" if not reply["ended"] else "tool_calls" if calls else "stop"
    told = message.get("tool_calls") or []
    facts = {
        f"index must be {index}": type(choice.get("index")) is int and choice["index"] == index,
        'the role must be "assistant"': message.get("role") == "assistant",
        f"the content must be {reply['text']!r}": "content" in message and message["content"] == reply["text"],
        f"finish_reason must be {reason!r}": choice.get("finish_reason") == reason,
        f"there must be {len(calls)} tool calls": isinstance(told, list) and len(told) == len(calls) and (bool(calls) or message.get("tool_calls") is None),
    }
    problem = next((fact for fact, holds in facts.items() if not holds), "") or next(filter(None, map(_call, told, calls)), "")
    return f"{where}: {problem}" if problem else ""


def _call(told, call):
    function = told.get("function") if isinstance(told, dict) else None
    if not isinstance(function, dict) or type(told.get("id")) is not str or not told["id"] or told.get("type") != "function":
        return 'a tool call is {"id": text, "type": "function", "function": {…}}'
    if function.get("name") != call[0]:
        return f"the function's name must be {call[0]!r}"
    if type(function.get("arguments")) is not str:
        return "arguments must be a text that holds JSON, not the dict itself"
    try:
        same = json.loads(function["arguments"]) == call[1]
    except ValueError:
        return "arguments must be a text that holds JSON, which str() of a dict is not"
    return "" if same else f"arguments must hold {call[1]}"


def as_text(respond, cases):
    """The bodies as JSON, as a server would send them, and the replies as they are afterwards (runs on the learner's side)."""
    import json

    return [json.dumps(respond(*case)) for case in cases], [case[1] for case in cases]


def ids_of(respond, case, times):
    """The ids of many bodies (runs on the learner's side)."""
    return [respond(*case)["id"] for _ in range(times)]


def without_draws(value):
    """The same without the hexadecimal digits of ids, which are drawn anew in every run."""
    if isinstance(value, str):
        return re.sub("[0-9a-f]{8,}", "#", value)
    if type(value) in (list, tuple):
        return [without_draws(item) for item in value]
    return {key: without_draws(item) for key, item in value.items()} if type(value) is dict else value


def fixed(body):
    """A body without what differs from call to call."""
    if not isinstance(body, dict):
        return body
    calls = [choice["message"].get("tool_calls") or [] for choice in body.get("choices", []) if isinstance(choice, dict) and isinstance(choice.get("message"), dict)]
    ids = [call.pop("id", None) for group in calls for call in group if isinstance(call, dict)]
    made = body.get("created")
    start, close_by = str(body.get("id"))[:9], made if made == 0 else isinstance(made, int | float) and abs(made - time.time()) < 600
    return body | {"id": start, "created": [type(made).__name__, close_by]}, len(ids), len(set(map(str, ids))), str(ids[:1])[:4]


def reply(text, tokens, ended, *calls):
    """One reply, with a list of calls if there are any."""
    return {"text": text, "tokens": tokens, "ended": ended} | ({"calls": list(calls)} if calls else {})


WEATHER, NOTE = ("weather", {"city": "Zürich", "days": 2, "wind": True}), ("note", {})
FIXED = [
    ("m", [reply("Hi", 2, True)], 5),
    ("M/2", [reply(" a \n", 3, False), reply("", 0, True), reply("b", 7, True) | {"calls": []}], 11),
    ("m", [reply(None, 9, True, WEATHER, WEATHER, NOTE), reply("I look.", 4, False, NOTE)], 20),
    ("m", [], 1),
]


class TestChatCompletionResponse(Exercise, id="frameworks-chat-response"):
    """Exercise frameworks-chat-response."""

    def probe(self, submission):
        """One reply; three, one cut, one empty; calls, also in a cut reply; whether 300 bodies have as many ids; what is sent."""
        bodies = list(submission.each("chat_completion_response", FIXED))
        many = submission.run(ids_of, submission.chat_completion_response, FIXED[0], 300)
        ids = len(set(map(str, many))) if isinstance(many, list) else many
        sent = submission.run(as_text, submission.chat_completion_response, FIXED)
        seen = [fixed(body) for body in bodies], ids if ids == 300 else "a few" if ids in (1, 2) else "not all", sent[1] if isinstance(sent, tuple) else sent
        return without_draws(seen)

    def bodies(self, submission, cases):
        """Hold each body against the contract."""
        found = []
        for case, body in zip(cases, submission.each("chat_completion_response", cases), strict=True):
            problem = contract(body, *case)
            expect.true(not problem, problem, got=body)
            found.append(body)
        return found

    @core
    def test_one_whole_reply(self, submission, dice):
        """One reply that the model has ended becomes one choice, in a body with all its fields."""
        words = ["Paris", " I see.\n", "Grüße, 世界", '"quoted" {"a": 1}', "", "<b>"]
        cases = [(model, [reply(text, dice.randint(1, 900), True)], dice.randint(1, 900)) for text in words for model in ("tiny", "Org/Model-2")]
        self.bodies(submission, cases)

    def test_a_cut_reply(self, submission, dice):
        """A reply that was cut at the limit has the finish_reason "length"."""
        self.bodies(submission, [("tiny", [reply("To be or", dice.randint(1, 50), False)], dice.randint(1, 50))])

    def test_several_replies(self, submission, dice):
        """Each reply has its own choice, index and finish_reason, in order; all their tokens count, and the prompt counts once."""
        cases = [("tiny", [reply(dice.choice("abc") * 3, dice.randint(1, 99), dice.random() < 0.5) for _ in range(n)], dice.randint(9, 99)) for n in (2, 3, 8)]
        cases.append(("tiny", [reply("same", 4, True), reply("same", 4, False), reply("same", 4, True)], 7))
        self.bodies(submission, cases)

    def test_tool_calls(self, submission, dice):
        """Calls go into the message with arguments as JSON text; the content is the text or None, and the finish_reason "tool_calls"."""
        weather = ("weather", {"city": "Zürich", "days": dice.randint(1, 9), "units": ["C", None], "deep": {"wind": True}})
        cases = [
            ("tiny", [reply(None, 9, True, weather)], 3),
            ("tiny", [reply("I look.", 12, True, NOTE, weather), reply("No need.", 3, True), reply(None, 5, True, NOTE)], 30),
        ]
        self.bodies(submission, cases)

    def test_an_empty_list_of_calls(self, submission):
        """An empty list of calls is no call: no tool_calls in the message, and the reply stops as any other."""
        self.bodies(submission, [("tiny", [reply("Done.", 2, True) | {"calls": []}, reply("Cut", 2, False) | {"calls": []}], 3)])

    def test_a_cut_reply_with_calls(self, submission):
        """A reply that was cut has the finish_reason "length" even if it has calls, and the calls are still there."""
        self.bodies(submission, [("tiny", [reply(None, 6, False, WEATHER), reply("x", 6, True, NOTE)], 3)])

    def test_ids_are_new(self, submission):
        """Every body has an id of its own, and so has every tool call, also for the same reply in the same second."""
        bodies = self.bodies(submission, [("tiny", [reply(None, 6, True, WEATHER, WEATHER, NOTE)] * 2, 3)] * 12)
        ids = {body["id"] for body in bodies}
        calls = {call["id"] for body in bodies for choice in body["choices"] for call in choice["message"]["tool_calls"]}
        expect.true(len(ids) == 12, f"12 calls gave {len(ids)} different ids", why="an id made of the time, the model or a constant comes twice")
        many = len(set(submission.run(ids_of, submission.chat_completion_response, FIXED[0], 300)))
        expect.true(many == 300, f"300 calls gave {many} different ids", why="a few random digits come twice before long")
        expect.true(len(calls) == 12 * 6, f"72 tool calls have {len(calls)} different ids", why="a client answers each call by its id")

    def test_ready_to_be_sent(self, submission, dice):
        """json.dumps takes the body as it is, and the replies are as they were."""
        cases = [("tiny", [reply("é", dice.randint(1, 9), True), reply(None, 3, True, WEATHER)], 3)]
        result = submission.run(as_text, submission.chat_completion_response, cases)
        expect.true(isinstance(result, tuple), "it must return plain dicts, lists, texts and numbers", got=result)
        problem = contract(json.loads(result[0][0]), *cases[0])
        expect.true(not problem, problem, why="after json.dumps and json.loads")
        expect.equal(result[1], [cases[0][1]], why="replies was changed: build new dicts")


# ------------------------------------------------------------------------------------------------ stacks


def chosen_by_hand(card, catalogue):
    """Every offer against every field, in exact arithmetic, and the best by sorting."""
    ruled_out, left = {}, []
    for place, offer in enumerate(catalogue):
        machines = 1
        while offer["capacity"] is not None and machines * offer["capacity"] < card["tokens"]:
            machines += 1
        cost = Fraction(offer["per_million"]) * Fraction(card["tokens"]) + offer["fixed"] * machines
        failed = {"data"} if card["data"] not in offer["data"] else set()
        failed |= {field for field in ("on_prem", "weights") if card[field] and not offer[field]}
        failed |= set() if offer["quality"] >= card["quality"] else {"quality"}
        failed |= set() if offer["engineers"] <= card["engineers"] else {"engineers"}
        failed |= set() if cost <= card["budget"] else {"budget"}
        if failed:
            ruled_out[offer["name"]] = sorted(failed)
        else:
            left.append((-offer["quality"], cost, place, offer["name"]))
    best = min(left, default=None)
    return {"stack": best and best[3], "cost": best and float(best[1]), "ruled_out": ruled_out}


def agrees(got, card, catalogue):
    """The answer for one card, held against the one by hand: the fields that rule out may come in any order."""
    want = chosen_by_hand(card, catalogue)
    expect.true(isinstance(got, dict) and set(got) == set(want), f"it must return a dict with {', '.join(want)}", got=got)
    told = got["ruled_out"]
    right = isinstance(told, dict) and all(isinstance(fields, list | tuple) and all(isinstance(field, str) for field in fields) for fields in told.values())
    expect.true(right, "ruled_out must be a dict with a list of fields for each offer that fails", got=told)
    expect.equal({name: sorted(fields) for name, fields in told.items()}, want["ruled_out"], why="ask every offer for every field, and name all that fail")
    expect.equal(got["stack"], want["stack"], why="quality first, then cost, then the place in the catalogue")
    expect.close(got["cost"], want["cost"], why="per_million × tokens + fixed × machines, with as many machines as the tokens need")


def offer(name, **changes):
    """An offer that takes all data, is everywhere, and costs $1 a million tokens, but for the changes."""
    base = {"data": ("phi", "public", "confidential"), "on_prem": True, "weights": True, "quality": 3, "per_million": 1.0, "fixed": 0, "capacity": None, "engineers": 0}
    return {"name": name} | base | changes


def card(**changes):
    """A card that asks for nothing but 10 million tokens, but for the changes."""
    base = {"title": "", "data": "public", "on_prem": False, "weights": False, "quality": 1, "tokens": 10, "budget": 1e6, "engineers": 9}
    return base | changes


def random_offer(dice, name):
    """An offer with prices in quarters, which floats hold exactly."""
    kinds = dice.sample(["public", "confidential", "phi"], dice.randint(1, 3))
    place = {"on_prem": dice.random() < 0.5, "weights": dice.random() < 0.5, "quality": dice.randint(1, 5), "engineers": dice.randint(0, 2)}
    price = {"per_million": dice.randint(0, 12) / 4, "fixed": 50 * dice.randint(0, 4), "capacity": dice.choice([None, 20, 50, 100])}
    return {"name": name, "data": dice.choice([tuple, list])(kinds)} | place | price


def random_card(dice):
    """A card that some offers meet and some do not."""
    kind = dice.choice(["public", "confidential", "phi"])
    place = {"on_prem": dice.random() < 0.3, "weights": dice.random() < 0.3, "quality": dice.randint(1, 4), "engineers": dice.randint(0, 2)}
    return {"title": "x", "data": kind} | place | {"tokens": 10 * dice.randint(0, 30), "budget": 50 * dice.randint(0, 20)}


def with_kept(choose, requirements, catalogue):
    """The answer, and both arguments as they are afterwards (runs on the learner's side)."""
    return choose(requirements, catalogue), requirements, catalogue


RACK = [offer("rack", fixed=100, per_million=0.0, capacity=20, quality=2), offer("api", per_million=2.0, weights=False, on_prem=False, data=("public",))]
EDGES = [
    (card(tokens=20, budget=100), RACK[:1]),
    (card(tokens=21, budget=200), RACK[:1]),
    (card(tokens=0), RACK[:1]),
    (card(tokens=20, budget=99), RACK),
    (card(quality=3, tokens=50, budget=100), RACK),
    (card(data="phi", on_prem=True, weights=True, quality=3, engineers=0, budget=0), RACK),
    (card(engineers=1), [offer("two", engineers=2), offer("one", engineers=1, quality=2)]),
    (card(), [offer("dear", per_million=3.0), offer("cheap"), offer("cheap too"), offer("worse", quality=2, per_million=0.0)]),
    (card(data="phi", on_prem=True), [offer("contract", on_prem=False, quality=5), offer("cellar", data=["phi"])]),
    (card(on_prem=True), [offer("no phi", data=("public",)), offer("out", on_prem=False, quality=4)]),
    (card(), [offer("a", per_million=3.0, quality=2), offer("b", per_million=2.0, quality=4), offer("c", quality=4), offer("d", per_million=5.0, quality=4)]),
    (card(), [offer("a", per_million=3.0, quality=2), offer("b", quality=4)]),
    (card(data="phi"), [offer("house", data=("public",)), offer("street", on_prem=False)]),
    (card(), []),
]


class TestChooseStack(Exercise, id="frameworks-choose-stack"):
    """Exercise frameworks-choose-stack."""

    def probe(self, submission):
        """The twelve cards, edges of each field and of the machines, ties, no offer at all, and what is left of the arguments."""
        cards = [short(row) for row in submission.each("choose_stack", [(one,) for one in CARDS])]
        return cards, [in_order(row) for row in submission.each("choose_stack", EDGES)], submission.run(with_kept, submission.choose_stack, *EDGES[5])[1:]

    @core
    def test_the_twelve_cards(self, submission):
        """Each of the twelve projects gets the best offer that meets all its needs, or none."""
        for one, got in zip(CARDS, submission.each("choose_stack", [(one,) for one in CARDS]), strict=True):
            agrees(got, one, CATALOGUE)

    @core
    def test_health_records_in_the_house(self, submission, dice):
        """Health records that must stay in the house go to no offer outside it, contract or not, however good."""
        catalogue = [offer("contract", on_prem=False, quality=5), offer("public only", data=("public", "confidential"), quality=5), offer("cellar", quality=2)]
        dice.shuffle(catalogue)
        cases = [(card(data="phi", on_prem=on_prem), catalogue) for on_prem in (True, False)] + [(card(data="phi", on_prem=True), catalogue[:1])]
        for case, got in zip(cases, submission.each("choose_stack", cases), strict=True):
            agrees(got, *case)

    def test_other_catalogues(self, submission, dice):
        """Any card gets the right answer from any catalogue, which may be short or in another order."""
        cases = [(random_card(dice), [random_offer(dice, f"offer {n}") for n in range(dice.randint(1, 10))]) for _ in range(40)]
        for case, got in zip(cases, submission.each("choose_stack", cases), strict=True):
            agrees(got, *case)

    @pytest.mark.parametrize(
        ("changes", "offers"),
        [
            ({"budget": 250, "tokens": 50}, {"fixed": [250, 251, 249], "per_million": [0.0]}),
            ({"quality": 3}, {"quality": [3, 2, 4]}),
            ({"engineers": 1}, {"engineers": [1, 2, 0]}),
            ({"weights": True}, {"weights": [True, False]}),
            ({"on_prem": True}, {"on_prem": [True, False]}),
            ({"data": "confidential"}, {"data": [("public",), ("confidential",), ["phi", "public"], ("confidential, but not at night",)]}),
            ({"quality": 4, "weights": True, "budget": 5}, {"quality": [3, 5], "weights": [False]}),
        ],
        ids=["budget", "quality", "engineers", "weights", "on_prem", "data", "several"],
    )
    def test_each_field(self, submission, changes, offers):
        """A requirement that is just met is met, one that is just missed rules out, and what is not required does no harm."""
        base = {field: values[-1] for field, values in offers.items()}
        catalogue = [offer(f"{field} {value}", **base | {field: value}) for field, values in offers.items() for value in values]
        cases = [(card(**changes), catalogue), (card(), catalogue)]
        for case, got in zip(cases, submission.each("choose_stack", cases), strict=True):
            agrees(got, *case)

    def test_whole_machines(self, submission, dice):
        """Machines are rented whole: 20 million tokens fit one machine of 20, one more needs a second, and none still need one."""
        cases = [(card(tokens=tokens, budget=dice.choice([150, 1e6])), RACK) for tokens in (0, 0.5, 19, 20, 21, 40, 41, 60, 100)]
        for case, got in zip(cases, submission.each("choose_stack", cases), strict=True):
            agrees(got, *case)

    def test_who_wins(self, submission, dice):
        """The highest quality wins; among equals the cheapest for these tokens, and among those the first in the catalogue."""
        catalogue = [offer("a", per_million=2.0), offer("b", fixed=50, per_million=0.0), offer("c", fixed=50, per_million=0.0), offer("d", quality=2, per_million=0.0)]
        catalogue += [offer("e", per_million=2.0), offer("f", quality=4, per_million=9.0)]
        cases = [(card(tokens=tokens, budget=100), dice.sample(catalogue, 6)) for tokens in (5, 20, 25, 30, 50) for _ in range(3)]
        for case, got in zip(cases, submission.each("choose_stack", cases), strict=True):
            agrees(got, *case)

    def test_more_budget_is_never_worse(self, submission, dice):
        """As the budget grows, the quality of the choice never falls, and a choice never turns into none."""
        catalogue = [random_offer(dice, f"offer {n}") for n in range(8)] + [offer("last", fixed=900)]
        needs = random_card(dice)
        cases = [(needs | {"budget": budget}, catalogue) for budget in range(0, 1500, 50)]
        quality = {row["name"]: row["quality"] for row in catalogue}
        reached = [quality.get(got["stack"], 0) if well_formed(got) else -1 for got in submission.each("choose_stack", cases)]
        expect.true(-1 not in reached, "ruled_out must be a dict with a list of fields for each offer that fails")
        expect.true(reached == sorted(reached), "a larger budget has led to a lower quality", got=reached, why="budget only rules out; it is no goal to spend it")
        expect.equal(reached[-1], quality.get(chosen_by_hand(*cases[-1])["stack"], 0), why="and the best that money buys is chosen in the end")

    def test_leaves_its_arguments_alone(self, submission, dice):
        """Requirements and catalogue are the same after the call as before."""
        needs, catalogue = random_card(dice), [random_offer(dice, f"offer {n}") for n in range(4)]
        got, *after = submission.run(with_kept, submission.choose_stack, needs, catalogue)
        expect.equal(after, [needs, catalogue], why="copy before you sort or change")
        agrees(got, needs, catalogue)


def in_order(row):
    """An answer with its reasons in alphabetical order: their own order is free."""
    return row | {"ruled_out": {name: sorted(map(str, fields)) for name, fields in row["ruled_out"].items()}} if well_formed(row) else row


def short(row):
    """What was chosen, and how many reasons rule how many offers out."""
    return [row.get("stack"), row.get("cost"), len(row["ruled_out"]), sum(map(len, row["ruled_out"].values()))] if well_formed(row) else row


def well_formed(row):
    """Whether an answer can be read at all."""
    return isinstance(row, dict) and isinstance(row.get("ruled_out"), dict) and all(isinstance(fields, list | tuple) for fields in row["ruled_out"].values())


# -------------------------------------------------------------------------------------------- break-even


MOST_SERVERS = 200


def first_meeting(api_price, server_cost, throughput, utilisation=1.0, people_cost=0.0):
    """Walk up the staircase, one server after the other, as far as any case here goes."""
    for servers in range(1, MOST_SERVERS):
        tokens = (people_cost + servers * server_cost * 730) * 1e6 / api_price
        if tokens <= servers * 730 * 3600 * utilisation * throughput:
            return tokens
    return math.inf


def clear(case):
    """Whether a case lies away from the edges at which rounding decides."""
    price, cost, speed, share, people = case
    saved = speed * 3600 * 730 * share / 1e6 * price - cost * 730
    steps = people / saved
    return abs(saved) > 1e-3 * cost * 730 and (steps < 1e-9 or abs(steps - round(steps)) > 1e-3) and steps < MOST_SERVERS - 1


def drawn(dice, *, people):
    """Cases on both sides of the question whether a full server is cheaper than the API."""
    while True:
        rent, speed, share = dice.uniform(0.5, 9), dice.uniform(50, 3000), dice.uniform(0.05, 1.0)
        own = rent / (speed * 3600 * share) * 1e6  # $ a million tokens of a server that is full
        case = (own * dice.choice([0.5, 0.9, 1.1, 1.5, 3, 10]), rent, speed, share, dice.uniform(100, 9000) if people else 0.0)
        if clear(case):
            return case


class TestBreakEvenTokens(Exercise, id="frameworks-break-even"):
    """Exercise frameworks-break-even."""

    def probe(self, submission):
        """The docstring's two, dear and cheap, utilisation and people alone and together, ints, and values outside the ranges."""
        cases = [(1.0, 2.0, 1000), (1.0, 2.0, 1000, 0.5), (3.0, 2.0, 1000, 0.4), (3.0, 2.0, 1000, 0.4, 4000.0), (3.0, 2.0, 1000, 0.4, 1000.0), (3, 2, 1000, 1, 4000),
                 (0.2, 1.5, 400), (20.0, 1.5, 40, 0.75), (8.0, 3.0, 900, 0.3, 20_000.0), (1.0, 2.0, 560), (1.0, 2.0, 550), (1.0, 2.0, 1000, 0.5, 100.0), (7e5, 0.001, 10)]
        outside = [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, 1.0, 0.0), (1.0, 1.0, 1.0, 1.01), (1.0, 1.0, 1.0, 1.0, -1.0)]
        return tuple(submission.each("break_even_tokens", cases + outside))

    def meets(self, submission, cases, why):
        """Hold each case against the walk up the staircase."""
        for case, got in zip(cases, submission.each("break_even_tokens", cases), strict=True):
            expect.close(got, first_meeting(*case), atol=1e-3, rtol=1e-6, why=why)

    @core
    def test_one_server(self, submission, dice):
        """A server that is always busy pays from the tokens that the API would sell for its rent of 730 hours."""
        cases = [(1.0, 2.0, 1000)] + [(dice.uniform(2, 9), dice.uniform(0.5, 4), dice.uniform(2000, 4000)) for _ in range(6)]
        self.meets(submission, cases, "rent = server_cost × 730 hours; the API's price is for a MILLION tokens")

    @core
    def test_never(self, submission, dice):
        """If even a full server is dearer a token than the API, there is no such number: infinity."""
        cases = [(dice.uniform(0.05, 0.4), dice.uniform(2, 6), dice.uniform(20, 1000)) for _ in range(5)] + [(1.0, 2.0, 550)]
        self.meets(submission, cases, "a server has a limit: throughput × 3600 × 730 tokens a month")
        self.meets(submission, [(1.0, 2.0, 560)], "here a full server is just cheaper")

    @core
    def test_utilisation(self, submission, dice):
        """A server that is busy for a part of the time writes that part of the tokens, and is paid for in full."""
        self.meets(submission, [(1.0, 2.0, 1000, 0.5), (1.0, 2.0, 1000, 0.6), (1.0, 2.0, 560, 0.95)], "utilisation belongs to what a server writes, not to what it costs")
        self.meets(submission, [drawn(dice, people=False) for _ in range(30)], "utilisation belongs to what a server writes, not to what it costs")

    def test_people(self, submission, dice):
        """People are paid once, however many servers; where one server can't carry them, the second comes with its whole rent."""
        cases = [(3.0, 2.0, 1000, 0.4, people) for people in (500.0, 1600.0, 1800.0, 4000.0, 9000.0)]
        self.meets(submission, cases + [drawn(dice, people=True) for _ in range(40)], "try 1, 2, 3 … servers: people + n × rent, and can n servers write so many tokens?")

    def test_people_do_not_make_it_pay(self, submission):
        """Where a full server is dearer than the API, more servers only lose more."""
        self.meets(submission, [(1.0, 2.0, 1000, 0.5, people) for people in (1.0, 5000.0, 1e6)], "no number of servers helps if each of them loses money")

    def test_not_rounded(self, submission):
        """The point is a float, as exact as floats are: it need not be a whole number of tokens."""
        self.meets(submission, [(7e5, 0.001, 10), (7e5, 0.001, 10, 0.5, 0.3)], "leave it as it comes, without round, int or //")

    def test_by_name_and_in_whole_numbers(self, submission):
        """Arguments may be given by name and as ints; utilisation and people_cost have defaults."""
        got = submission.break_even_tokens(api_price=3, server_cost=2, throughput=1000, people_cost=4000)
        expect.close(got, first_meeting(3, 2, 1000, 1, 4000), atol=1e-3, rtol=1e-6)
        got = submission.break_even_tokens(throughput=1000, utilisation=1, server_cost=2, api_price=3)
        expect.close(got, first_meeting(3, 2, 1000), atol=1e-3, rtol=1e-6)

    def test_refuses_values_outside(self, submission):
        """Prices and throughput of 0, utilisation of 0 or above 1, and people paid less than nothing are a ValueError."""
        self.meets(submission, [(1.0, 1.0, 1000, 1.0, 0.0)], "a utilisation of 1 and people who cost nothing are allowed")
        cases = [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (-1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 0.0), (1.0, 1.0, 1.0, 1.01), (1.0, 1.0, 1.0, 1.0, -1.0)]
        all_raise(submission, "ValueError", "break_even_tokens", cases, "leave the given test where it is")
