"""One verdict as a card: static HTML for a notebook, plain text for a terminal, and its points as a number."""
from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from html import escape
from typing import Any

from grader.course import ExerciseInfo
from grader.judge.outcome import CheckResult, Outcome, Verdict

TITLES = {
    Outcome.PASSED: "Passed",
    Outcome.FAILED: "Not yet",
    Outcome.NOT_ATTEMPTED: "Not attempted yet",
    Outcome.LEARNER_ERROR: "Your code stops with an error",
    Outcome.TOO_SLOW: "Too slow",
    Outcome.COULD_NOT_CHECK: "Could not check (our fault, not counted)",
}
# Okabe-Ito colours, red, green, blue: told apart by colour-blind readers, and every colour also has a sign
# and a word. Words keep the page's own colour, so that they are legible in light and dark themes.
COLOURS = {Outcome.PASSED: "0,158,115", Outcome.NOT_ATTEMPTED: "127,127,127", Outcome.COULD_NOT_CHECK: "0,114,178"}
WRONG = "213,94,0"
SIGNS = {Outcome.PASSED: "✓", Outcome.NOT_ATTEMPTED: "–", Outcome.COULD_NOT_CHECK: "?"}
SUMMARY_WIDTH = 80  # `nbgrader validate` cuts longer lines
BOX = "padding:6px 10px;border-radius:4px;background:rgba(127,127,127,.12)"
MARKER = "15px"  # the width of the triangle before what can be opened
CODE = re.compile(r"(?:check|hint|solution)\([^)]*\)")


@dataclass(frozen=True)
class Card:
    """What `check()` returns. Its plain text is the points, which is what nbgrader reads as the grade of the cell."""

    info: ExerciseInfo
    verdict: Verdict
    progress: tuple[int, int] | None = None
    in_kernel: bool = True
    repeatable: bool = True  # a graded card does not tell the seed of its hidden inputs

    def __float__(self) -> float:
        return float(self.verdict.points)

    def __repr__(self) -> str:
        return f"{self.verdict.points:.2f}" if self.in_kernel else self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": repr(self)}

    def text(self) -> str:
        """The card for a terminal."""
        verdict = self.verdict
        lines = [f"{TITLES[verdict.outcome]} · {self.info.title} · {_points(verdict)}"]
        if verdict.note:
            lines.append(f"  {verdict.note}")
        if verdict.mistake:
            lines.append(f"  Looks like: {verdict.mistake}")
        shown = False
        for check in [] if verdict.outcome is Outcome.NOT_ATTEMPTED else verdict.checks:
            lines.append(f"  {_sign(check)} {_sentence(check)}")
            if check.outcome is not Outcome.PASSED and not shown:
                lines += [f"      {label}: {value}" for label, value in _details(check, known=bool(verdict.mistake))]
                shown = True
        lines.append("  " + self._next_step(f"hint(\"{self.info.id}\")"))
        if self.progress:
            lines.append(f"  {self.progress[0]} of {self.progress[1]} exercises of this lesson")
        return "\n".join(lines)

    def summary(self) -> str:
        """The card in three short lines, for nbgrader's Validate: how it ended, why, and where to read more."""
        verdict = self.verdict
        lines = [f"{TITLES[verdict.outcome]} · {self.info.title} · {_points(verdict)}"]
        if verdict.outcome is Outcome.NOT_ATTEMPTED:
            return f"{lines[0]}\nNo answer yet: write it in the cell above."
        missed = next((check.sentence for check in verdict.checks if check.outcome is not Outcome.PASSED), "")
        reason = verdict.note or (f"Looks like: {verdict.mistake}" if verdict.mistake else missed)
        lines += textwrap.wrap(reason, SUMMARY_WIDTH)
        return "\n".join([*lines, "Run this cell in the notebook: its card shows what was called, and hints."])

    def html(self) -> str:
        """The card for a notebook: inline styles only, so that it survives an untrusted reopen."""
        verdict = self.verdict
        colour = COLOURS.get(verdict.outcome, WRONG)
        parts = [f"<div style='padding:4px 10px;border-radius:4px;background:rgba({colour},.14)'>"
                 f"<span style='float:right'>{_points(verdict)}</span><b style='color:rgb({colour})'>{SIGNS.get(verdict.outcome, '✗')}</b> "
                 f"<b>{TITLES[verdict.outcome]}</b> · {escape(self.info.title)}</div>"]
        if verdict.note:
            parts.append(f"<div style='{BOX};margin:6px 0'>{escape(verdict.note)}</div>")
        if verdict.mistake:
            parts.append(f"<div style='{BOX};margin:6px 0'><b>Looks like:</b> {escape(verdict.mistake)}</div>")
        if verdict.outcome is not Outcome.NOT_ATTEMPTED:
            parts.append(self._rows())
        if not verdict.passed:
            parts.append(self._hints())
        parts.append(self._foot(colour))
        return (f"<div style='border-left:4px solid rgb({colour});padding:2px 0 2px 10px;margin:4px 0;max-width:780px;"
                f"font-family:system-ui,sans-serif;line-height:1.45'>{''.join(parts)}</div>")

    def _rows(self) -> str:
        rows, opened = [], False
        for check in self.verdict.checks:
            colour = COLOURS.get(check.outcome, WRONG)
            row = f"<b style='color:rgb({colour})'>{_sign(check)}</b> {escape(_sentence(check))}"
            details = "".join(f"<b>{label}</b><code style='white-space:pre-wrap;background:none;padding:0'>{escape(value)}</code>"
                              for label, value in _details(check, known=bool(self.verdict.mistake)))
            indent = MARKER
            if details:
                state, opened, indent = ("" if opened else " open"), True, "0"
                row = (f"<details{state}><summary style='cursor:pointer'>{row}</summary><div style='{BOX};margin:4px 0 6px {MARKER};"
                       f"display:grid;grid-template-columns:max-content 1fr;column-gap:12px;align-items:baseline'>{details}</div></details>")
            rows.append(f"<div style='margin:2px 0;padding-left:{indent}'>{row}</div>")
        return f"<div style='margin:6px 0 6px 10px'>{''.join(rows)}</div>"

    def _hints(self) -> str:
        kinds = ("a question", "a pointer", "nearly the answer")
        return "".join(f"<details style='margin:2px 0 2px 10px'><summary style='cursor:pointer'>Hint {number} · {kind}</summary>"
                       f"<div style='padding:2px {MARKER} 4px'>{escape(hint)}</div></details>"
                       for number, (kind, hint) in enumerate(zip(kinds, self.info.hints, strict=True), 1))

    def _foot(self, colour: str) -> str:
        parts = [f"<div>{CODE.sub(lambda call: f'<code>{call[0]}</code>', escape(self._next_step(), quote=False))}</div>"]
        if self.progress:
            done, total = self.progress
            bar = "height:6px;border-radius:3px;background:"
            parts.append(f"<div><span style='display:inline-block;width:120px;{bar}rgba(127,127,127,.25)'>"
                         f"<span style='display:block;width:{100 * done / max(total, 1):.0f}%;{bar}rgb({colour})'></span></span> "
                         f"{done} of {total} exercises of this lesson</div>")
        return f"<div style='margin:6px 0 0 10px;font-size:.9em;opacity:.85'>{''.join(parts)}</div>"

    def _next_step(self, hint: str = "") -> str:
        """What to do now. The hint's call is named where the hints themselves are not at hand."""
        verdict = self.verdict
        if verdict.passed:
            return f"Next: read on, or compare with our answer: solution(\"{self.info.id}\")"
        if verdict.outcome is Outcome.NOT_ATTEMPTED:
            return "Write your answer in the cell above, run it, then run this cell again." + (f" A first idea: {hint}" if hint else "")
        if verdict.outcome is Outcome.COULD_NOT_CHECK:
            return "Nothing is lost: please report this card, and go on with the lesson."
        stuck = f" Stuck? {hint}." if hint else ""
        return ("Change your answer, run its cell, then run this cell again."
                f"{stuck}" + (f" The same inputs again: check(\"{self.info.id}\", seed={verdict.seed})" if self.repeatable else ""))


def _points(verdict: Verdict) -> str:
    return f"{verdict.points:g} of {verdict.max_points:g} point{'' if verdict.max_points == 1 else 's'}"


def _sign(check: CheckResult) -> str:
    return SIGNS.get(check.outcome, "✗")


def _sentence(check: CheckResult) -> str:
    """What was checked; of a hidden check it is told how it ended, but not with what; of a core check, that it must pass."""
    if check.outcome is Outcome.PASSED:
        return check.sentence
    notes = ["core: it must pass before the others count"] * check.core + [f"hidden check: {check.outcome.value}"] * check.hidden
    return f"{check.sentence} ({'; '.join(notes)})" if notes else check.sentence


def _details(check: CheckResult, *, known: bool) -> list[tuple[str, str]]:
    """Labelled lines of a check that did not pass, in the order in which a person asks.

    A mistake that is known by its probe says more than the check's own guess at a cause, so that is then left out.
    """
    if check.outcome is Outcome.PASSED:
        return []
    problem = "" if check.problem == check.outcome.value else check.problem
    rows = [("Problem", problem), ("We called", check.call), ("It returned", check.got), ("Expected", check.want),
            ("Your line", check.line), ("A common cause", "" if known else check.why)]
    return [(label, value) for label, value in rows if value]
