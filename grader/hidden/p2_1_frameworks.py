"""Hidden checks for p2_1_frameworks: a whole small network carried over, and properties that an answer must have."""

import json

import torch

from grader.checks.p2_1_frameworks import agrees, card, contract, first_meeting, offer, random_card, random_offer, reply
from grader.judge import Exercise, core, expect


def carried_over(load, seed):
    """The outputs of a small network, from torch and from the carried weights by x @ w (runs on the learner's side)."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(*[torch.nn.Linear(4, 4) for _ in range(12)], torch.nn.Linear(4, 3))
    state = dict(net.state_dict())
    with torch.no_grad():
        w = load(state, {"12.weight": "last.T", "12.bias": "lost", "*.weight": "w*.T", "*.bias": "b*"})
        x = torch.randn(2, 4)
        y = x
        for n in range(12):
            y = y @ w[f"w{n}"] + w[f"b{n}"]
        before, y = net(x), y @ w["last"] + w["lost"]
        for weight in w.values():
            weight.zero_()
        return y, before, net(x)


class TestHiddenLoadWeights(Exercise, id="frameworks-load-weights", hidden=True):
    """More of frameworks-load-weights."""

    @core
    def test_a_network_computes_the_same(self, submission, dice):
        """Thirteen layers, twelve of them square, give the same outputs from the carried weights as before."""
        result = submission.run(carried_over, submission.load_weights, dice.randrange(1 << 30))
        expect.true(isinstance(result, tuple), "it must return a dict of tensors", got=result)
        expect.close(result[0], result[1], why="a weight of torch.nn.Linear is (out, in); x @ w needs (in, out)")
        expect.close(result[2], result[1], why="writing into the carried weights has changed the network that they came from: clone")

    def test_there_and_back(self, submission, rng):
        """Carried over and back again, a checkpoint is what it was."""
        state = {f"net.{a}.{b}.w": torch.randn(3, 3, generator=rng) for a in (0, 10) for b in (1, 11)} | {"s": torch.randn((), generator=rng)}
        over = submission.load_weights(state, {"net.*.*.w": "*-*.T", "s": "scale"})
        back = submission.load_weights(over, {"*-*": "net.*.*.w.T", "scale": "s"})
        expect.close(back, state, why="transposing twice gives the matrix back, and every number returns to its place")


class TestHiddenChatCompletionResponse(Exercise, id="frameworks-chat-response", hidden=True):
    """More of frameworks-chat-response."""

    def test_many_kinds_of_replies(self, submission, dice):
        """Replies of every kind in one body keep to the contract."""
        calls = [[], [("f", {})], [("g", {"x": [1, {"y": "ü\n\"'"}]}), ("f", {"z": False})]]
        for n in (1, 4, 9):
            replies = [reply(dice.choice([None, "", "text", "0"]), dice.randint(0, 40), dice.random() < 0.7, *dice.choice(calls)) for _ in range(n)]
            replies = [one if one.get("calls") or one["text"] is not None else one | {"text": "x"} for one in replies]
            first, second = submission.each("chat_completion_response", [("m", replies, 17)] * 2)
            for body in (first, second):
                problem = contract(body, "m", replies, 17)
                expect.true(not problem, problem, got=body)
            expect.true(first["id"] != second["id"], "two bodies have one id", got=first["id"])

    def test_true_and_null_in_arguments(self, submission):
        """Arguments are JSON, with true and null and double quotes, and not Python's words for them."""
        body = submission.chat_completion_response("m", [reply(None, 1, True, ("f", {"a": True, "b": None, "c": "it's"}))], 1)
        text = body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
        expect.equal(json.loads(text), {"a": True, "b": None, "c": "it's"}, why="json.dumps, not str")


class TestHiddenChooseStack(Exercise, id="frameworks-choose-stack", hidden=True):
    """More of frameworks-choose-stack."""

    def test_many_catalogues(self, submission, dice):
        """Sixty cards and catalogues more."""
        cases = [(random_card(dice), [random_offer(dice, f"o{n}") for n in range(dice.randint(0, 6))]) for _ in range(60)]
        for case, got in zip(cases, submission.each("choose_stack", cases), strict=True):
            agrees(got, *case)

    def test_an_offer_more(self, submission, dice):
        """An offer that is worse than the chosen one changes nothing but the list of what is ruled out."""
        catalogue = [offer("good", quality=4), offer("fair", quality=2)]
        for worse in (offer("new", quality=1), offer("new", quality=4, per_million=5.0), offer("new", data=("confidential",), quality=5)):
            more = dice.sample([*catalogue, worse], 3)
            agrees(submission.choose_stack(card(), more), card(), more)


class TestHiddenBreakEvenTokens(Exercise, id="frameworks-break-even", hidden=True):
    """More of frameworks-break-even."""

    def test_units(self, submission, dice):
        """With all dollars doubled the point stays; with the API alone twice as dear it halves."""
        price, cost, people = dice.uniform(4, 9), dice.uniform(0.5, 2), dice.uniform(0, 300)
        first, same, half = submission.each("break_even_tokens", [(k * price, m * cost, 2000, 0.5, m * people) for k, m in ((1, 1), (2, 2), (2, 1))])
        expect.close(same, first, rtol=1e-6, atol=1e-3, why="a dollar is a dollar on both sides")
        expect.close(half, first / 2, rtol=1e-6, atol=1e-3, why="the API's price divides")
        many = [(3.0, 2.0, 1000, 0.4, servers * 1693.6 - dice.uniform(100, 1500)) for servers in (2, 3, 7, 20)]
        for case, got in zip(many, submission.each("break_even_tokens", many), strict=True):
            expect.close(got, first_meeting(*case), rtol=1e-6, atol=1e-3, why="as many servers as it takes to carry the people, all of them paid")

    def test_busier_never_hurts(self, submission, dice):
        """The busier the servers can be kept, the earlier they pay, or as early."""
        people = dice.uniform(100, 9000)
        points = list(submission.each("break_even_tokens", [(3.0, 2.0, 1000, share / 20, people) for share in range(1, 21)]))
        expect.true(all(isinstance(point, float) for point in points), "it must return a float", got=points[-1])
        expect.true(points == sorted(points, reverse=True), "a higher utilisation has moved the point up", got=points)
