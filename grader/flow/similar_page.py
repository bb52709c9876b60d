"""The page of `grader similar`: pairs of answers side by side, with what they share marked; nothing in it runs."""
from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.flow.similar import Pair

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1400px; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #ddd }
section { margin-top: 2.2rem } .both { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem }
pre { background: #f6f6f6; padding: .6rem; overflow-x: auto; font-size: 13px; line-height: 1.45; margin: .3rem 0 }
mark { background: #cfe4f5; color: inherit; border-left: 3px solid #0072b2; padding-left: 3px; margin-left: -6px }
.note { color: #444; max-width: 80ch } @media (max-width: 900px) { .both { grid-template-columns: 1fr } }
"""
MOST = 200  # pairs that are shown side by side
NOTE = ("The share is that of the shorter answer, after leaving out what the stub gives and what much of the class writes. "
        "Comments, names that the learner chose and the order of lines count for nothing. "
        "A high share is a reason to look and to ask, not proof: both may have the same source, or worked together openly.")


def html(pairs: list[Pair], *, above: float) -> str:
    """All pairs: a table first, then each with both sources."""
    rows = "".join(f"<tr><td>{pair.share:.0%}</td><td><a href='#pair-{number}'>{escape(' · '.join(pair.students))}</a></td>"
                   f"<td>{escape(pair.exercise)}</td><td>{pair.tokens}</td></tr>" for number, pair in enumerate(pairs, 1))
    table = ("<table><thead><tr><th>share</th><th>students</th><th>exercise</th><th>tokens compared</th></tr></thead>"
             f"<tbody>{rows}</tbody></table>") if pairs else f"<p>No two answers share {above:.0%} or more.</p>"
    sections = "".join(_section(number, pair) for number, pair in enumerate(pairs[:MOST], 1))
    more = f"<p>The first {MOST} are shown side by side; raise --above to see fewer.</p>" if len(pairs) > MOST else ""
    return (f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
            f"<title>Similar answers</title><style>{STYLE}</style></head><body><h1>Similar answers</h1>"
            f"<p class='note'>{NOTE}</p>{more}{table}{sections}</body></html>\n")


def _section(number: int, pair: Pair) -> str:
    sides = "".join(f"<div><b>{escape(student)}</b><pre>{_marked(source, lines)}</pre></div>"
                    for student, source, lines in zip(pair.students, pair.sources, pair.lines, strict=True))
    return (f"<section id='pair-{number}'><h2>{pair.share:.0%} · {escape(pair.exercise)} · {escape(' and '.join(pair.students))}</h2>"
            f"<div class='both'>{sides}</div></section>")


def _marked(source: str, lines: tuple[int, ...]) -> str:
    """The source with the shared lines marked."""
    rows = [escape(line) or " " for line in source.splitlines()]
    return "\n".join(f"<mark>{row}</mark>" if number in lines else row for number, row in enumerate(rows, 1))
