"""The author's gate: proof that an exercise's checks accept what is right and name what is wrong.

The reference passes over many seeds, every variant gets full marks, the stub is not attempted, lazy answers earn
nothing, every mutant loses marks, and its probe tells it apart from the reference and from every other mutant.
"""
from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grader.course import ExerciseInfo, find_lesson
from grader.judge import fingerprints
from grader.judge.outcome import Outcome, Verdict
from grader.judge.run import check_classes, judge
from grader.mutation import Alternative, defined_names, load_answers, references, run_source, stubs
from grader.seam import LocalSubmission

MUTANT_SEEDS = 2  # seeds that every mutant is tried with
PATIENCE = 2.0  # seconds that a call may take here: endless mutants would wait longer for nothing
MIN_MUTANTS, MIN_VARIANTS = 5, 2


class Yes:
    """A lazy answer: claims to be equal to everything, and gives itself for any question."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __call__(self, *args: Any, **kwargs: Any) -> Yes:
        return self

    def __getattr__(self, name: str) -> Yes:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


LAZY: dict[str, Callable[..., Any]] = {
    "returns None": lambda *args, **kwargs: None,
    "returns 0": lambda *args, **kwargs: 0,
    "returns True": lambda *args, **kwargs: True,
    "returns its first argument": lambda *args, **kwargs: args[0] if args else None,
    "returns an object that equals everything": lambda *args, **kwargs: Yes(),
}


@dataclass
class Report:
    """What the gate found for one exercise. It is passed when `problems` is empty."""

    exercise: str
    problems: list[str] = field(default_factory=list)
    mutants: int = 0
    variants: int = 0
    seconds: float = 0.0
    check_seconds: float = 0.0
    prints: list[dict[str, Any]] = field(default_factory=list)


def examine(info: ExerciseInfo, *, seeds: int = 30) -> Report:
    """Run the whole gate for one exercise."""
    started = time.perf_counter()
    report = Report(info.id)
    source = references(info.lesson)[info.id]
    answers = [answer for answer in load_answers(info.lesson) if answer.exercise == info.id]
    mutants = [answer for answer in answers if not answer.right]
    variants = [answer for answer in answers if answer.right]
    report.mutants, report.variants = len(mutants), len(variants)
    if len(mutants) < MIN_MUTANTS or len(variants) < MIN_VARIANTS:
        report.problems.append(f"{len(mutants)} mutants and {len(variants)} variants; at least {MIN_MUTANTS} and {MIN_VARIANTS} are needed")
    if not any(getattr(check, "is_core", False) for cls in check_classes(info, hidden=False) for check in cls.checks().values()):
        report.problems.append("no check is marked @core")
    _reference(info, source, seeds, report)
    _stub(info, report)
    _lazy(info, source, report)
    for answer in variants:
        _must_pass(info, f"variant {answer.name}", lambda answer=answer: answer.namespace(source), range(MUTANT_SEEDS), report)  # type: ignore[misc]
    _mutants(info, source, mutants, report)
    report.seconds = time.perf_counter() - started
    return report


def _judge(info: ExerciseInfo, make: Callable[[], dict[str, Any]], seed: int) -> Verdict:
    namespace = make()
    return judge(info.id, lambda: LocalSubmission(namespace, seconds=PATIENCE), seed=seed, recognise=False)


def _reference(info: ExerciseInfo, source: str, seeds: int, report: Report) -> None:
    name = f"{info.id}.py"
    started = time.perf_counter()
    _must_pass(info, "the reference", lambda: run_source(source, name), range(seeds), report)
    report.check_seconds = (time.perf_counter() - started) / max(seeds, 1)


def _must_pass(info: ExerciseInfo, who: str, make: Callable[[], dict[str, Any]], seeds: range, report: Report) -> None:
    for seed in seeds:
        verdict = _judge(info, make, seed)
        if not verdict.passed or verdict.points != info.points:
            bad = next((check for check in verdict.checks if check.outcome is not Outcome.PASSED), None)
            told = f"{bad.name}: {bad.outcome.value}: {bad.problem} {bad.line}" if bad else verdict.outcome.value
            report.problems.append(f"{who} does not pass with seed {seed}: {told}")
            return


def _stub(info: ExerciseInfo, report: Report) -> None:
    verdict = _judge(info, lambda: run_source(stubs(info.lesson)[info.id], "stub.py"), 0)
    if verdict.outcome is not Outcome.NOT_ATTEMPTED or verdict.points:
        report.problems.append(f"the untouched stub is {verdict.outcome.value!r} with {verdict.points} points")
    if _judge(info, dict, 0).outcome is not Outcome.NOT_ATTEMPTED:
        report.problems.append("an answer cell that was never run is not 'not attempted'")


def _lazy(info: ExerciseInfo, source: str, report: Report) -> None:
    names = defined_names(source)
    for title, answer in LAZY.items():
        verdict = _judge(info, lambda answer=answer: dict.fromkeys(names, answer), 0)  # type: ignore[misc]
        if verdict.points:
            report.problems.append(f"lazy answer earns {verdict.points} points: {title}")


def _mutants(info: ExerciseInfo, source: str, mutants: list[Alternative], report: Report) -> None:
    classes = check_classes(info)
    right = fingerprints.fingerprint(classes[0], _maker(run_source(source, f"{info.id}.py")))
    if isinstance(right, dict) and "broke" in right:
        report.problems.append(f"the probe breaks on the reference: {right['broke']}")
    for answer in mutants:
        verdicts = [_judge(info, lambda answer=answer: answer.namespace(source), seed) for seed in range(MUTANT_SEEDS)]  # type: ignore[misc]
        for verdict in verdicts:
            broken = [check for check in verdict.checks if check.outcome is Outcome.COULD_NOT_CHECK]
            if verdict.points >= info.points or verdict.passed or broken:
                report.problems.append(f"mutant {answer.name} keeps its marks with seed {verdict.seed}"
                                       if not broken else f"mutant {answer.name}: {broken[0].name} could not check: {broken[0].problem}")
                break
        probe = fingerprints.fingerprint(classes[0], _maker(answer.namespace(source)))
        twins = [row["name"] for row in report.prints if fingerprints.same(row["probe"], probe)]
        if fingerprints.same(probe, right):
            report.problems.append(f"mutant {answer.name}: its probe equals the reference's")
        elif twins:
            report.problems.append(f"mutant {answer.name}: its probe equals that of {twins[0]}")
        fails = sorted({check.name for verdict in verdicts for check in verdict.checks
                        if check.outcome is not Outcome.PASSED and not check.hidden})
        report.prints.append({"name": answer.name, "says": answer.says, "fails": fails, "probe": probe})


def _maker(namespace: dict[str, Any]) -> Callable[[], LocalSubmission]:
    return lambda: LocalSubmission(namespace)


def write_fingerprints(lesson: str, reports: list[Report]) -> bool:
    """Store the fingerprints of a lesson's mutants beside its checks. Returns whether the file changed."""
    rows = {**fingerprints.stored(lesson), **{report.exercise: report.prints for report in reports}}
    order = [exercise.id for exercise in find_lesson(lesson).exercises]
    body = ",\n".join(
        json.dumps(name) + ": [\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows[name]) + "\n]"
        for name in order if name in rows)
    text = "{\n" + body + "\n}\n"
    path = fingerprints.path_of(lesson)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    fingerprints.stored.cache_clear()
    return True
