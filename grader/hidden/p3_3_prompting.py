"""Hidden checks for p3_3_prompting: other inputs, many at once."""

import math

from grader.checks.p3_3_prompting import (
    HOSTILE,
    NAMES,
    PIECES,
    calibrated,
    can_become,
    compare,
    decide,
    drawn,
    few_shots,
    made_up,
    near,
    rendered,
    shares,
    stepped,
    table,
)
from grader.judge import Exercise


class TestHiddenRenderTemplate(Exercise, id="prompt-render-template", hidden=True):
    """More of prompt-render-template."""

    def test_random_templates(self, submission, dice):
        """Templates and values put together at random from braces, names and signs."""
        parts = ["{", "}", "{{", "}}", "&<", " ", "A", *[f"{{{name}}}" for name in NAMES[:3]]]
        cases = [("".join(dice.choices(parts, k=9)), {name: "".join(dice.choices([*parts, *HOSTILE], k=4)) for name in NAMES}) for _ in range(30)]
        cases = [(template, values) for template, values in cases if "{A}" not in template]
        compare(submission, "render_template", cases, rendered, "from left to right: {{, }}, a slot, or any other sign")


class TestHiddenFewShotPrompt(Exercise, id="prompt-few-shot", hidden=True):
    """More of prompt-few-shot."""

    def test_random_pools(self, submission, dice):
        """Random pools, budgets and queries, some of which stand in the pool."""
        cases = []
        for _ in range(16):
            shots = made_up(dice, "BAC"[: dice.randint(1, 3)], dice.randint(1, 5)) + made_up(dice, "B", dice.randint(0, 5))
            query = dice.choice(shots)[0].upper() if dice.random() < 0.5 else "what of this"
            cases.append(("Name the label.", shots, query, dice.randint(30, 160)))
        compare(submission, "few_shot_prompt", cases, few_shots, "rounds of one example a label, within the budget, without the query")


class TestHiddenLabelScores(Exercise, id="prompt-label-scores", hidden=True):
    """More of prompt-label-scores."""

    def test_random_labels(self, submission, dice):
        """Up to nine labels of up to nine tokens."""
        cases = [(drawn(dice, dice.choices(range(1, 10), k=dice.randint(1, 9))),) for _ in range(8)]
        compare(submission, "label_scores", [*cases, ({"a": [-800.0, -900.0], "b": [-851.0], "c": [-math.inf]},)], shares, "softmax of the means", near)


class TestHiddenCalibrate(Exercise, id="prompt-calibrate", hidden=True):
    """More of prompt-calibrate."""

    def test_random_tables(self, submission, dice):
        """Up to five labels and four content-free inputs of any scale."""
        cases = []
        for _ in range(8):
            labels = dice.sample("abcde", dice.randint(1, 5))
            cases.append((table(dice, labels, 7), [table(dice, sorted(labels), dice.choice([0.001, 1, 90])) for _ in range(dice.randint(1, 4))]))
        compare(submission, "calibrate", cases, calibrated, "each input normalised, then averaged, then divided by", near)


class TestHiddenSelfConsistency(Exercise, id="prompt-self-consistency", hidden=True):
    """More of prompt-self-consistency."""

    def test_random_votes(self, submission, dice):
        """Random votes of few answers, with abstentions and changes of mind."""
        forms = ["Answer: a", "answer: B.", "Answer: b", "so ANSWER:c", "Answer: a\nAnswer: b", "?", "Answer: A.\nc", "Answer:"]
        decide(submission, [dice.choices(forms, k=dice.randint(1, 9)) for _ in range(20)], "one vote a sample; of equals, the first")


class TestHiddenJsonStep(Exercise, id="prompt-json-step", hidden=True):
    """More of prompt-json-step."""

    def test_random_walks(self, submission, dice):
        """States reached by random walks, and random scores of all pieces."""
        cases = []
        for _ in range(30):
            state = ""
            for piece in dice.choices(["[", "]", ",", "0", "17", "[[", ",[", "],"], k=25):
                state = state + piece if can_become(state + piece) and len(state) < 14 else state
            scores = {piece: dice.uniform(-5, 5) for piece in dice.sample(PIECES, len(PIECES))}
            cases.append((state, {**scores, "<end>": dice.uniform(-5, 5), "[": -8.0, "]": -9.0, ",": -9.5}))
        compare(submission, "json_constrained_step", cases, stepped, "allowed tokens only, then the highest score")
