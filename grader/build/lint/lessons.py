"""One lesson: its headings, its stubs and docstrings, and the length of its cells."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from grader.build.layout import BuildError, Layout
from grader.build.lint.names import unknown_names
from grader.build.lint.problem import Problem
from grader.build.notebook import notebook_of
from grader.course import ExerciseInfo, Lesson
from grader.lesson import Cell, LessonError, read_lesson, reference_of, stub_of

DEMO_LINES, CODE_LINES, ANSWER_LINES = 12, 16, 40  # lines that are neither empty nor comments
_HEADING = re.compile(r"^## Exercise: (?P<rest>.*)$", re.M)
_SHAPES = re.compile(r"\bShapes:|\((?:[A-Z][a-z]?|\.\.\.|…)(?:, *[\w.…* ]+)*,?\)")
_BODY = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.S)


def lesson_problems(layout: Layout, lesson: Lesson) -> Iterator[Problem]:
    """Every rule of a lesson file that this one breaks."""
    path = lesson.path.relative_to(layout.root).as_posix()
    try:
        cells = read_lesson(lesson.path)
        notebook_of(lesson, layout.load())
    except (LessonError, BuildError) as error:
        yield Problem(path, 0, str(error).removeprefix(f"{lesson.stem}: "))
        return
    about = {exercise.id: exercise for exercise in lesson.exercises}
    for index, cell in enumerate(cells):
        texts = [*_lengths(cell)]
        if cell.kind == "exercise" and cell.exercise:
            before = [earlier.source for earlier in cells[:index] if earlier.kind == "markdown"]
            texts += [*_heading(about[cell.exercise], before[-1] if before else ""), *_stub(cell)]
        if cell.kind == "check" and cell.source.strip():
            texts.append("a check cell stays empty: the builder writes it")
        yield from (Problem(path, cell.line, text) for text in texts)
    title = cells[0].source.split("\n")[0].removeprefix("# ")
    if title != lesson.title:
        yield Problem(path, cells[0].line, f"the title is {title!r} here and {lesson.title!r} in the table")
    yield from _hints(layout, lesson)


def _heading(exercise: ExerciseInfo, before: str) -> Iterator[str]:
    want = heading(exercise)
    found = _HEADING.findall(before)
    if not found:
        yield f"the text before this exercise needs the heading `## Exercise: {want}`"
    elif found[-1].casefold() != want.casefold():
        yield f"the heading says `{found[-1]}`, the table says `{want}`"


def heading(exercise: ExerciseInfo) -> str:
    """What stands after `## Exercise: `."""
    return f"{exercise.title} · {exercise.points:g} {'point' if exercise.points == 1 else 'points'} · {exercise.stars}"


def _lengths(cell: Cell) -> Iterator[str]:
    most = {"demo": DEMO_LINES, "code": CODE_LINES}.get(cell.kind)
    if most is not None and _count(cell.source) > most:
        yield f"a {cell.kind} cell has at most {most} lines of code, this one has {_count(cell.source)}: split it, or move it to handbook"


def _stub(cell: Cell) -> Iterator[str]:
    stub, reference = stub_of(cell.source), reference_of(cell.source)
    try:
        tree = ast.parse(stub)
        answer = ast.parse(reference)
    except SyntaxError as error:
        yield f"this exercise is not valid Python, its line {error.lineno}: {error.msg}"
        return
    if stub == cell.source:
        yield "an exercise needs `### BEGIN SOLUTION` and `### END SOLUTION` around its answer"
    for body in _BODY.findall(cell.source):
        if _count(body) > ANSWER_LINES:
            yield f"an answer has at most {ANSWER_LINES} lines, this one has {_count(body)}"
    for what, text in (("stub", stub), ("answer", reference)):
        unknown = unknown_names(text)
        if unknown:
            yield f"the {what} uses what this cell does not import or define: {', '.join(unknown)}"
    yield from _docstrings(tree, answer)


def _docstrings(stub: ast.Module, answer: ast.Module) -> Iterator[str]:
    public = [node for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")]
    texts = {node.name: ast.get_docstring(node) or "" for node in public}
    if not public:
        yield "an exercise defines at least one function or class with a public name"
        return
    yield from (f"{name} needs a docstring: it is the whole assignment" for name, text in texts.items() if not text)
    together = "\n".join([*texts.values(), *(ast.get_docstring(node) or "" for top in public for node in ast.walk(top)
                                             if isinstance(node, ast.FunctionDef))])
    if "Source:" not in together:
        yield "the docstring needs `Source:`, the paper or where the definition comes from"
    if any(_speaks_of_tensors(node) for node in public) and not _SHAPES.search(together):
        yield "the docstring needs `Shapes:`, or shapes such as (B, T, C), for there are tensors in the signature"
    for name in _raised(answer):
        if name not in together:
            yield f"the answer raises {name}; the docstring must say when, under `Raises:`"


def _speaks_of_tensors(node: ast.AST) -> bool:
    names = {sub.id for function in ast.walk(node) if isinstance(function, ast.FunctionDef)
             for hint in [function.returns, *(arg.annotation for arg in function.args.args)] if hint is not None
             for sub in ast.walk(hint) if isinstance(sub, ast.Name)}
    return "Tensor" in names


def _raised(tree: ast.Module) -> list[str]:
    raised = [node.exc.func if isinstance(node.exc, ast.Call) else node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return sorted({node.id for node in raised if isinstance(node, ast.Name)} - {"NotImplementedError", "AssertionError"})


def _hints(layout: Layout, lesson: Lesson) -> Iterator[Problem]:
    table = lesson.path.with_suffix(".toml").relative_to(layout.root).as_posix()
    for exercise in lesson.exercises:
        if len(set(exercise.hints)) != 3 or not all(len(hint) > 10 for hint in exercise.hints):
            yield Problem(table, 0, f"{exercise.id} needs three different hints: a question, a pointer, nearly the answer")
        if exercise.lesson != lesson.stem:
            yield Problem(table, 0, f"{exercise.id} says that it is in {exercise.lesson}")


def _count(source: str) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.split("\n"))
