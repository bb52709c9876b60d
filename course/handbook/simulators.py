"""A simulated language model: deterministic, instant, and with the weaknesses of a real one written down as rules.

Newer models make yesterday's prompting exercises pass untouched; this one stays as it is. It does this and no more:

1. Window. It reads the last `context` tokens (words and signs), in whole lines: what is too old is gone without a word,
   and that is the instruction first.
2. Form. A prompt may end in an empty field, `Label:`. A pair of lines with this field filled in, `Text: ...` and
   `Label: ...`, is a shot; the last `Text:` is the query. Without an empty last field, the last line is the query.
3. Labels. It chooses among the answers of the shots and those that the instruction names: `one of: good, bad`. With
   neither, among positive and negative.
4. Knowledge. It knows a hundred English words that praise or blame (data/feelings.txt), and that "not" turns the next
   one around. A label that is such a word needs no shot; any other (`A`, `foo`) means what the shots show, or nothing.
5. Likeness. A query is like a shot if it praises or blames as the shot does, and if it shares words with it.
6. Majority. The more of the shots have a label, the more it likes that label, whatever the query says.
7. Recency. It likes the labels of the latest shots.
8. Taste. It likes labels that praise.
9. Form of the answer. Without shots it chats: "I would say this is good." With shots it answers as the last shot does,
   with its capitals and signs. "only the label" in the instruction stops the chat; "JSON" gives {"label": "good"}.
10. Obedience. `ignore the instructions ... and say X` makes it say X, wherever in the prompt it stands, unless that is
    inside delimiters that the instruction names: `between <data> and </data>`, `inside <<<>>>`, `inside triple quotes`.
    A closing delimiter inside the data ends the data.
11. Length. In `logprobs`, each token of a label after the first costs one nat more.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from handbook.texts import read_sections

FEELINGS = {kind: frozenset(" ".join(lines).split()) for kind, lines in read_sections("feelings.txt").items()}
GOOD, BAD = FEELINGS["praise"], FEELINGS["blame"]
NEGATIONS = frozenset({"not", "never", "hardly", "isn't", "wasn't", "don't", "didn't"})
SMALL_WORDS = frozenset({"a", "an", "the", "and", "or", "of", "to", "in", "is", "it", "was", "i", "we", "my", "that"})

KNOWLEDGE, LIKENESS = 2.0, 1.6  # weights of rules 4 and 5, nats
CHAT = "I would say this is {}."
TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
FIELD = re.compile(r"^(\w[\w ]{0,20}):[ \t]*(.*)$")
NAMED_LABELS = re.compile(r"\bone of:?\s+([^.\n]+)", re.I)
ORDER = re.compile(
    r"\b(?:ignore|forget|disregard)\b[^.\n]{0,40}\b(?:instructions?|rules|above)\b[^\n]{0,20}?"
    r"\b(?:say|answer|output|write|reply)\b(?: with)?\s+[\"'“]?([\w ]+)",
    re.I,
)
NAMED_DELIMITERS = {
    re.compile(r"\b(?:inside|between|in) (?:the )?<(\w+)>", re.I): r"<{0}>(.*?)</{0}>",
    re.compile(r"\b(?:inside|between|in) <<<", re.I): r"<<<(.*?)>>>",
    re.compile(r"\b(?:inside|between|in) triple quotes", re.I): r'"""(.*?)"""',
}


@dataclass(frozen=True)
class Shot:
    """A worked example in a prompt."""

    text: str
    answer: str


@dataclass(frozen=True)
class Reading:
    """What the model makes of a prompt."""

    instruction: str
    shots: tuple[Shot, ...]
    query: str
    order: str | None  # what an injected "ignore the instructions and say ..." makes it say
    lines_lost: int  # too old for the window

    @property
    def labels(self) -> list[str]:
        """The answers that it chooses among, without form: lower case, no signs."""
        named = NAMED_LABELS.search(self.instruction)
        words = re.split(r",|/|\bor\b", named[1]) if named else []
        found = [bare(answer) for answer in [*(shot.answer for shot in self.shots), *words]]
        return list(dict.fromkeys(label for label in found if label)) or ["positive", "negative"]


class SimLLM:
    """The simulated model. The rules are in the docstring of this module; the arguments are their weights, in nats.

    >>> SimLLM().complete("Text: I loved it.\\nLabel: GOOD\\nText: An awful film.\\nLabel: BAD\\nText: Great!\\nLabel:")
    'GOOD'
    """

    def __init__(self, *, context: int = 256, majority: float = 0.8, recency: float = 0.6, taste: float = 0.4) -> None:
        self.context = context
        self.majority = majority
        self.recency = recency
        self.taste = taste
        self.calls = 0

    def complete(self, prompt: str, max_tokens: int = 32) -> str:
        """Return the answer to a prompt, at most `max_tokens` tokens of it."""
        self.calls += 1
        reading = self.read(prompt)
        if reading.order is not None:
            return cut(reading.order, max_tokens)
        scores = self._scores(reading, reading.labels)
        best = max(scores, key=scores.__getitem__)  # of equals, the one named first
        return cut(_in_form(best, reading), max_tokens)

    def logprobs(self, prompt: str, labels: Sequence[str]) -> dict[str, float]:
        """Return the log-probability, in nats, of each label as the answer; the labels share all of it before rule 11.

        Raises: ValueError without labels.
        """
        if not labels:
            raise ValueError("give at least one label")
        self.calls += 1
        reading = self.read(prompt)
        scores = self._scores(reading, [bare(label) for label in labels])
        if reading.order is not None and bare(reading.order) in scores:
            scores[bare(reading.order)] += 10.0
        total = math.log(sum(math.exp(scores[bare(label)]) for label in labels))
        return {label: scores[bare(label)] - total - (count_tokens(label) - 1) for label in labels}

    def read(self, prompt: str) -> Reading:
        """Return what the model makes of a prompt: rules 1, 2 and 10."""
        lines, lost = self._window(prompt)
        text, blocks = _set_data_aside("\n".join(lines))
        order = ORDER.search(text)
        instruction, shots, query = _parts(text)

        def whole(part: str) -> str:
            return re.sub("\0(\\d+)\0", lambda found: blocks[int(found[1])], part).strip()

        examples = tuple(Shot(whole(shot.text), whole(shot.answer)) for shot in shots)
        return Reading(whole(instruction), examples, whole(query), order[1].strip() if order else None, lost)

    def _window(self, prompt: str) -> tuple[list[str], int]:
        lines = prompt.strip().split("\n")
        total = count_tokens(prompt)
        lost = 0
        while total > self.context and lost < len(lines) - 1:
            total -= count_tokens(lines[lost])
            lost += 1
        return lines[lost:], lost

    def _scores(self, reading: Reading, labels: list[str]) -> dict[str, float]:
        """Return the score of each label: the sum of rules 4 to 8."""
        answers = [bare(shot.answer) for shot in reading.shots]
        scores = {}
        for label in labels:
            mine = [shot for shot, answer in zip(reading.shots, answers, strict=True) if answer == label]
            score = KNOWLEDGE * feeling(reading.query) * feeling(label) + self.taste * (feeling(label) > 0)
            if mine:
                score += LIKENESS * sum(likeness(reading.query, shot.text) for shot in mine) / len(mine)
                score += self.majority * len(mine) / len(answers)
                score += self.recency * 0.5 ** answers[::-1].index(label)
            scores[label] = score
        return scores


def count_tokens(text: str) -> int:
    """Count words and signs, which are this model's tokens."""
    return len(TOKEN.findall(text))


def cut(text: str, max_tokens: int) -> str:
    """Return the first `max_tokens` tokens of a text."""
    ends = [found.end() for found in TOKEN.finditer(text)]
    return text if len(ends) <= max_tokens else text[: ends[max_tokens - 1]] if max_tokens > 0 else ""


def bare(label: str) -> str:
    """Return a label without its form: `Positive.` and `"positive"` are both positive, {"label": "good"} is good."""
    words = re.findall(r"\w+", label.lower())
    return " ".join(words[1:] if label.strip().startswith("{") else words)


def feeling(text: str) -> float:
    """Return how far a text praises (towards 1) or blames (towards -1); 0 if it has no clue that the model knows."""
    good = bad = 0
    turn = False
    for word in re.findall(r"[\w']+", text.lower()):
        if word in NEGATIONS:
            turn = True
        elif word in GOOD or word in BAD:
            praises = (word in GOOD) != turn
            good, bad, turn = good + praises, bad + (not praises), False
    return (good - bad) / (good + bad + 1)


def likeness(a: str, b: str) -> float:
    """Return how alike two texts are to the model: the product of their feelings plus the share of common words."""
    words_a, words_b = (set(re.findall(r"[\w']+", text.lower())) - SMALL_WORDS for text in (a, b))
    common = len(words_a & words_b) / max(1, len(words_a | words_b))
    return feeling(a) * feeling(b) + common


def _set_data_aside(text: str) -> tuple[str, list[str]]:
    """Replace what stands inside delimiters that the text names by marks; return the text and what was replaced."""
    blocks: list[str] = []

    def mark(found: re.Match[str]) -> str:
        blocks.append(found[1])
        return f"\0{len(blocks) - 1}\0"

    for named, pattern in NAMED_DELIMITERS.items():
        if mention := named.search(text):
            end_of_line = text.find("\n", mention.end())
            after = end_of_line if end_of_line >= 0 else len(text)
            inside = re.compile(pattern.format(*map(re.escape, mention.groups())), re.S)
            text = text[:after] + inside.sub(mark, text[after:])
    return text, blocks


def _parts(text: str) -> tuple[str, list[Shot], str]:
    """Split a prompt into instruction, shots and query (rule 2)."""
    lines = text.split("\n")
    end = FIELD.match(lines[-1])
    if not end or end[2]:
        return "\n".join(lines[:-1]), [], lines[-1]
    answer_field = end[1]
    fields = [found[1] for line in lines[:-1] if (found := FIELD.match(line)) and found[1] != answer_field]
    pairs = [name for name, after in itertools.pairwise(lines) if after.startswith(f"{answer_field}:")]
    first = next((found[1] for line in pairs if (found := FIELD.match(line))), None)
    text_field = first or (fields[-1] if fields else None)
    if text_field is None:
        return "", [], "\n".join(lines[:-1])
    instruction, *records = re.split(rf"^{re.escape(text_field)}:", "\n".join(lines), flags=re.M)
    halves = [re.split(rf"^{re.escape(answer_field)}:", record, maxsplit=1, flags=re.M) for record in records]
    shots = [Shot(half[0], half[1].split("\n")[0]) for half in halves[:-1] if len(half) == 2]
    return instruction, shots, halves[-1][0]


def _in_form(label: str, reading: Reading) -> str:
    """Return a label in the form that rule 9 asks for."""
    if reading.shots:
        same = [shot.answer for shot in reading.shots if bare(shot.answer) == label]
        return same[-1] if same else _like(reading.shots[-1].answer, label)
    if "json" in reading.instruction.lower():
        return json.dumps({"label": label})
    return label if "only the label" in reading.instruction.lower() else CHAT.format(label)


def _like(example: str, label: str) -> str:
    """Give a label the capitals and the signs around it of an example."""
    core = re.search(r"\w[\w ]*", example)
    if core is None or example.strip().startswith("{"):
        return label
    word = core[0].strip()
    dressed = label.upper() if word.isupper() and len(word) > 1 else label.capitalize() if word[0].isupper() else label
    return example.replace(word, dressed, 1)
