"""Find answers to one exercise that are nearly the same, with what everybody was given left out.

Winnowing (Schleimer, Wilkerson, Aiken 2003, doi:10.1145/872757.872770) over Python's tokens, line by line: every run of
GRAM tokens is hashed, and of each window of WINDOW hashes the smallest is kept. Names that the learner chose count as
one and the same name, comments, docstrings and parentheses as nothing; a run never crosses a line, so the order of lines is free.
Left out are the runs of the stub, and those that more than a third of the class (and more than COMMON answers) share:
a short exercise has one obvious answer, and that is no evidence.

Why not the library copydetect, which does the same for files: it hashes characters in which all names, also those of
torch's functions, are one letter, so that short answers look alike; its hashes differ between runs (`hash` of a string);
it removes starter code from the kept hashes only; and it brings in matplotlib, tqdm and a report of its own.
"""
from __future__ import annotations

import ast
import io
import json
import keyword
import re
import tokenize
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from grader.folders import Folders
from grader.intake.pristine import Pristine, pristine_from
from grader.intake.released import library_of_release

GRAM = 5
WINDOW = 3
LEAST = 25  # tokens of their own that the shorter answer of a pair must have: fewer are no evidence
COMMON = 5  # answers that may share a run before a third of the class counts as everybody
FORMATTED = 'f""'
_WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|\S")
_LAYOUT = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


@dataclass(frozen=True)
class Pair:
    """Two answers that share more than chance gives. `share` is that of the shorter one; lines are those in common."""

    lesson: str
    exercise: str
    students: tuple[str, str]
    share: float
    tokens: int
    sources: tuple[str, str]
    lines: tuple[tuple[int, ...], tuple[int, ...]]

    def as_json(self) -> dict[str, Any]:
        """The pair as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Prints:
    """What is kept of one answer: hashes with the lines and tokens on which they lie."""

    source: str
    at: Mapping[int, frozenset[tuple[int, int, int]]]  # a hash: statement, token in it, line

    def tokens(self, kept: Iterable[int]) -> int:
        """How many tokens these hashes cover, some of them perhaps between two that are kept."""
        return len({(number, start + offset) for gram in kept for number, start, _ in self.at[gram] for offset in range(GRAM)})


def find_similar(folders: Folders, *, lessons: Iterable[str] = (), above: float = 0.8, tick: Callable[[], None] = lambda: None) -> list[Pair]:
    """Pairs of collected answers that share at least `above`, the most alike first."""
    wanted, pairs = set(lessons), []
    for pristine in library_of_release(folders).by_stem.values():
        if not wanted or pristine.stem in wanted:
            for exercise, answers in _answers(folders, pristine).items():
                stub = pristine.answers[exercise].source
                pairs += compare(answers, stub, above=above, lesson=pristine.stem, exercise=exercise)
        tick()
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.tokens, pair.exercise, pair.students))


def compare(answers: Mapping[str, str], stub: str, *, above: float = 0.8, lesson: str = "", exercise: str = "") -> list[Pair]:
    """The pairs among the answers of one exercise, by student."""
    given = set(_grams(stub, _own_names(stub)))
    prints = {student: _prints(source, given) for student, source in answers.items() if source.strip() != stub.strip()}
    holders: dict[int, list[str]] = defaultdict(list)
    for student, found in sorted(prints.items()):
        for gram in found.at:
            holders[gram].append(student)
    many = max(COMMON, len(prints) // 3)
    rare = {gram: names for gram, names in holders.items() if len(names) <= many}
    own = {student: [gram for gram in found.at if gram in rare] for student, found in prints.items()}
    shared: Counter[tuple[str, str]] = Counter(pair for names in rare.values() for pair in combinations(names, 2))
    pairs = []
    for (left, right), count in shared.items():
        share = count / min(len(own[left]), len(own[right]))
        least = min(prints[left].tokens(own[left]), prints[right].tokens(own[right]))
        if share >= above and least >= LEAST:
            both = [gram for gram in own[left] if gram in prints[right].at]
            lines = tuple(tuple(sorted({line for gram in both for *_, line in prints[name].at[gram]})) for name in (left, right))
            pairs.append(Pair(lesson, exercise, (left, right), round(share, 3), least, (answers[left], answers[right]), (lines[0], lines[1])))
    return pairs


def _answers(folders: Folders, pristine: Pristine) -> dict[str, dict[str, str]]:
    """What each student wrote, by exercise."""
    found: dict[str, dict[str, str]] = {exercise: {} for exercise in pristine.answers}
    for path in sorted(folders.submitted.glob(f"*/{pristine.part}/{pristine.stem}.ipynb")):
        notebook = pristine_from(json.loads(path.read_text(encoding="utf-8")), pristine.stem, pristine.part)
        for exercise, cell in notebook.answers.items():
            if exercise in found:
                found[exercise][path.parent.parent.name] = cell.source
    return found


def _prints(source: str, given: set[int]) -> Prints:
    """The hashes that winnowing keeps of an answer, without those that were given."""
    at: dict[int, set[tuple[int, int, int]]] = defaultdict(set)
    rows: dict[int, list[tuple[int, tuple[int, int, int]]]] = defaultdict(list)
    for gram, places in _grams(source, _own_names(source)).items():
        for place in places if gram not in given else ():
            rows[place[0]].append((gram, place))
    for row in rows.values():
        row.sort(key=lambda entry: entry[1])
        for first in range(max(1, len(row) - WINDOW + 1)):
            gram, place = min(row[first : first + WINDOW], key=lambda entry: (entry[0], -entry[1][1]))  # the rightmost of the smallest
            at[gram].add(place)
    return Prints(source, {gram: frozenset(places) for gram, places in at.items()})


def _grams(source: str, own: frozenset[str]) -> dict[int, list[tuple[int, int, int]]]:
    """Every run of GRAM tokens within a statement by its hash: the statement, the token there, the line on which it begins."""
    found: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for number, statement in enumerate(_statements(source)):
        words = ["·" if word in own and before != "." else word for (before, _), (word, _) in pairwise([("", 0), *statement])]
        for start in range(len(words) - GRAM + 1):
            found[zlib.crc32("\0".join(words[start : start + GRAM]).encode())].append((number, start, statement[start][1]))
    return found


def _statements(source: str) -> list[list[tuple[str, int]]]:
    """The tokens of each logical line with the lines on which they stand, without comments, docstrings and layout."""
    rows: list[list[tuple[str, int]]] = [[]]
    inside = 0  # f-strings, which Python 3.12 and later take apart
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = tokenize.tok_name[token.type]
            inside += (kind == "FSTRING_START") - (kind == "FSTRING_END")
            if token.type == tokenize.NEWLINE:
                rows.append([])
            elif kind == "FSTRING_END" and not inside:
                rows[-1].append((FORMATTED, token.start[0]))
            elif token.type not in _LAYOUT and token.string not in ("(", ")") and not inside:
                rows[-1].append((_word(token), token.start[0]))
    except (tokenize.TokenError, SyntaxError):  # not Python: word by word, a line a statement
        rows = [[(word, number) for word in _WORD.findall(line.partition("#")[0])] for number, line in enumerate(source.splitlines(), 1)]
    return [row for row in rows if not all(word.startswith(('"', "'")) for word, _ in row)]


def _word(token: tokenize.TokenInfo) -> str:
    """A token as it is compared: quotes are all alike, and of a formatted string nothing is told."""
    if token.type != tokenize.STRING:
        return token.string
    return FORMATTED if re.match("[bru]*f", token.string, re.I) else token.string.replace("'", '"')


def _own_names(source: str) -> frozenset[str]:
    """The names that a learner may choose: those that the answer binds, but not what it defines for others or imports."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset(name for name in re.findall(r"\b([A-Za-z_]\w*)\s*(?:=(?!=)|\bin\b|,|:)", source) if not keyword.iskeyword(name))
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    inner = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    return frozenset(bound | inner)


def write_page(path: Path, pairs: list[Pair], *, above: float) -> None:
    """Write the pairs side by side as one HTML page."""
    from grader.flow.similar_page import html
    from grader.folders import write_whole

    write_whole(path, html(pairs, above=above))
