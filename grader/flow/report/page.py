"""The report as one HTML page: what to look at first, then scores, exercises, students and where the verdicts come from."""
from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable
from html import escape

from grader.flow.report import pictures
from grader.flow.report.gather import ClassData
from grader.flow.report.numbers import FEW, ExerciseNumbers, LessonNumbers, exercise_numbers, lesson_numbers, stuck

COMMONEST = 5
STYLE = """
:root { color-scheme: light }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 1040px; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: .2rem } h2 { margin-top: 2.4rem; border-bottom: 2px solid #0072b2; padding-bottom: .2rem }
table { border-collapse: collapse; margin: .6rem 0 }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
th { font-weight: 600 } .n { text-align: right } .bar { display: inline-block; height: .6em; background: #0072b2; margin-left: .5em }
.bad { background: #fbe3d6 } .none { color: #666 } .note { color: #444; max-width: 80ch } figure { margin: 1rem 0 }
.first { border-left: 4px solid #d55e00; padding-left: 1rem }
code { background: #f3f3f3; padding: 0 .2em } details { margin: .3rem 0 } summary { cursor: pointer }
nav a { margin-right: 1rem }
"""


def report_page(data: ClassData, *, below: float = 0.5) -> str:
    """The whole page. `below` is the share of all points under which a student is listed as stuck."""
    lessons, exercises = lesson_numbers(data), exercise_numbers(data)
    there = len(data.students) - len(data.missing)
    when = f"graded {data.graded_at[0][:16]} to {data.graded_at[1][:16]} · " if data.graded_at else ""
    head = (f"<h1>{escape(data.title)}: the class</h1><p class='note'>{len(data.students)} students, {there} handed something in · {when}"
            f"written {datetime.datetime.now().isoformat(' ', 'minutes')}</p>")
    names = {"first": "Look at these first", "scores": "Scores", "exercises": "Exercises", "mistakes": "Mistakes", "stuck": "Who is stuck where",
             "late": "Late work", "provenance": "Where the verdicts come from"}
    bodies = {"first": _first(data), "scores": _scores(lessons), "exercises": _exercises(exercises), "mistakes": _mistakes(data, exercises),
              "stuck": _stuck(data, lessons, below), "late": _late(data), "provenance": _provenance(data)}
    links = "".join(f"<a href='#{key}'>{names[key]}</a>" for key, body in bodies.items() if body)
    sections = "".join(f"<section id='{key}'><h2>{names[key]}</h2>{body}</section>" for key, body in bodies.items() if body)
    return (f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
            f"<title>{escape(data.title)}: the class</title><style>{STYLE}</style></head><body>{head}<nav>{links}</nav>{sections}</body></html>\n")


def _first(data: ClassData) -> str:
    parts = []
    if data.stale:
        parts.append(f"<p><b>{len(data.stale)} collected or changed since the grading</b>; run <code>grader autograde</code>: "
                     f"{_names(data.stale)}</p>")
    if data.missing:
        parts.append(f"<p><b>{len(data.missing)} of the roster sent nothing</b>: {_names(data.missing)}</p>")
    if data.look_at:
        parts.append(f"<p><b>{len(data.look_at)} need review</b></p>" + _table(("notebook", "why"), data.look_at.items()))
    if data.notes:
        rows = ((name, line) for name, lines in data.notes.items() for line in lines)
        parts.append(f"<p><b>{len(data.notes)} with something odd</b>, which cost nobody points by itself</p>" + _table(("notebook", "seen"), rows))
    return f"<div class='first'>{''.join(parts)}</div>" if parts else "<p>Nothing: everything was graded, and nothing odd was seen.</p>"


def _scores(lessons: list[LessonNumbers]) -> str:
    rows = []
    for lesson in lessons:
        mean = sum(lesson.shares) / len(lesson.shares) if lesson.shares else 0.0
        middle = "too few" if lesson.few else f"{mean:.0%}"
        median = "too few" if lesson.few or lesson.median is None else f"{lesson.median:.0%}"
        rows.append((lesson.title, str(len(lesson.shares)), str(lesson.absent), f"{lesson.max:g}", middle, median))
    return (pictures.distributions(lessons) + _table(("lesson", "handed in", "not handed in", "points", "mean", "median"), rows, right=range(1, 6))
            + f"<p class='note'>Shares are of those who handed the lesson in; for fewer than {FEW} students there are none.</p>")


def _exercises(exercises: list[ExerciseNumbers]) -> str:
    heads = ("exercise", "points", "attempted", "difficulty", "discrimination", "remark")
    rows = []
    for row in exercises:
        bar = f"<span class='bar' style='width:{60 * row.difficulty:.0f}px'></span>" if row.difficulty is not None else ""
        separates = "" if row.difficulty is None else "–" if row.discrimination is None else f"{row.discrimination:.2f}"
        rows.append(f"<td>{escape(row.title)}<br><span class='none'>{escape(row.exercise)}</span></td><td class='n'>{row.max:g}</td>"
                    f"<td class='n'>{row.attempted} of {row.handed_in}</td><td>{'' if row.difficulty is None else f'{row.difficulty:.0%}'}{bar}</td>"
                    f"<td class='n'>{separates}</td><td>{escape(row.remark)}</td>")
    note = ("<p class='note'>Difficulty: the mean share of the points of those who handed the lesson in. Discrimination: how this share goes with "
            "that of the lesson's other exercises, from −1 to 1 (corrected item-total correlation, Henrysson 1963); below 0.2 an exercise says "
            f"little about the rest. – : no spread. Fewer than {FEW} students: too few to say.</p>")
    return pictures.endings(exercises) + _raw_table(heads, rows) + note


def _mistakes(data: ClassData, exercises: list[ExerciseNumbers]) -> str:
    parts = []
    for row in exercises:
        mistakes, missed = data.mistakes.get(row.exercise, Counter()), data.missed.get(row.exercise, Counter())
        if mistakes or missed:
            parts.append(f"<details{' open' if mistakes else ''}><summary><b>{escape(row.title)}</b> · "
                         f"{sum(mistakes.values())} with a known mistake</summary>{_counts('mistake', mistakes)}"
                         f"{_counts('check that did not pass', missed)}</details>")
    return "".join(parts)


def _stuck(data: ClassData, lessons: list[LessonNumbers], below: float) -> str:
    found = stuck(data, below=below)
    if not found:
        return f"<p>Nobody has less than {below:.0%} of all points.</p>"
    rows = []
    for student, shares, total in found:
        cells = "".join("<td class='none'>not handed in</td>" if shares[lesson.lesson] is None else
                        f"<td class='{'bad' if (shares[lesson.lesson] or 0) < below else ''}'>{shares[lesson.lesson]:.0%}</td>" for lesson in lessons)
        rows.append(f"<td>{escape(student)}</td><td class='n'>{total:.0%}</td>{cells}")
    heads = ("student", "of all points", *(lesson.lesson for lesson in lessons))
    return f"<p>{len(found)} of {len(data.students)} students have less than {below:.0%} of all points.</p>" + _raw_table(heads, rows)


def _late(data: ClassData) -> str:
    rows = [(student, lesson, str(found)) for (student, lesson), found in sorted(data.late.items())]
    return _table(("student", "lesson", "how late"), rows) if rows else ""


def _provenance(data: ClassData) -> str:
    rows = [(kind, f"{value} ({count})") for kind, counts in data.provenance.items() for value, count in counts.most_common()]
    return _table(("what", "value (notebooks)"), rows)


def _counts(head: str, counts: Counter[str]) -> str:
    return _table((head, "students"), [(text, str(count)) for text, count in counts.most_common(COMMONEST)], right=(1,)) if counts else ""


def _names(names: Iterable[str]) -> str:
    return escape(", ".join(names))


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]], *, right: Iterable[int] = ()) -> str:
    right = set(right)
    cells = ["".join(f"<td{' class=n' if place in right else ''}>{escape(value)}</td>" for place, value in enumerate(row)) for row in rows]
    return _raw_table(heads, cells)


def _raw_table(heads: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"
