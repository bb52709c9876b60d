"""Name what honest answers never do, line by line. It is for the instructor's eye: it never decides a grade.

An answer that hides well is not named here, and an odd but honest one may be. What an answer can do is decided by the
sandbox and by the judge, which stands apart.
"""
from __future__ import annotations

import ast
import builtins
import functools
import re
import warnings
from collections.abc import Iterator, Sequence

from grader.intake.suspects import ABSOLUTE, CALLS, INSIDES, MODULES, NAMES, TRUE_FOR_ALL, TURNED, WORDS
from grader.python_text import plain_python

MOST = 12  # lines that are named
TELLING = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.Name, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete,
           ast.FunctionDef, ast.ClassDef, ast.While, ast.Constant)


def suspicious(source: str, usual: str = "") -> tuple[str, ...]:
    """What stands out in a cell's source, one sentence a line, in the order of the lines; empty for most answers.

    What `usual`, the course's own answer, does as well is not named: whoever writes checkpoints opens files.

    >>> suspicious("import os\\ndef f():\\n    os._exit(0)")
    ('line 3: it ends the process (os._exit)',)
    """
    expected = _kinds(usual) if usual else frozenset()
    first: dict[str, int] = {}
    for line, sentence in _found(source):
        if _kind(sentence) not in expected:
            first[sentence] = min(line, first.get(sentence, line))
    lines = [f"line {line}: it {sentence}" for sentence, line in sorted(first.items(), key=lambda row: row[1])]
    return tuple(lines[:MOST])


def _found(source: str) -> Iterator[tuple[int, str]]:
    tree = _tree(source)
    return _by_text(source) if tree is None else _by_tree(tree)


@functools.lru_cache(maxsize=1000)
def _kinds(source: str) -> frozenset[str]:
    return frozenset(_kind(sentence) for _, sentence in _found(source))


def _kind(sentence: str) -> str:
    """What a sentence is about: all that is done to files is one kind."""
    kind = sentence.partition(" (")[0]
    return "files" if kind.endswith(" files") else kind


def _tree(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(plain_python(source))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _by_text(source: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(source.splitlines(), 1):
        for word, sentence in WORDS.items():
            if word in line[:2000]:
                yield number, f"{sentence} ({word})"


def _by_tree(tree: ast.Module) -> Iterator[tuple[int, str]]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, TELLING)]
    names = _imported(nodes)
    for node in nodes:
        line = getattr(node, "lineno", 1)
        for sentence in _said_of(node, names):
            yield line, sentence


def _imported(nodes: Sequence[ast.AST]) -> dict[str, str]:
    """What each imported name stands for: `F` is torch.nn.functional."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for row in node.names:
                names[row.asname or row.name.split(".")[0]] = row.name if row.asname else row.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for row in node.names:
                names[row.asname or row.name] = f"{node.module or ''}.{row.name}"
    return names


def _said_of(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from _imports(node)
        case ast.Call():
            yield from _call(node, names)
        case ast.Attribute():
            yield from _attribute(node, names)
        case ast.Name(id=name) if name in NAMES and name not in names:
            yield f"{NAMES[name]} ({name})"
        case ast.Assign(targets=targets):
            yield from (said for target in targets for said in _assigned(target, node.value, names))
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield from _assigned(target, node.value, names)
        case ast.Delete(targets=targets):
            yield from (said for target in targets for said in _replaced(target, names))
        case ast.FunctionDef():
            yield from _defined(node)
        case ast.ClassDef(body=body):
            yield from (f"defines {name}, by which objects deceive" for name in TURNED & _bound(body))
        case ast.While() if _catches_all(node):
            yield "catches everything in a loop, endings included"
        case ast.Constant(value=str(text)) if ABSOLUTE.match(text):
            yield f"{'reads /proc' if text.startswith('/proc') else 'names an absolute path'} ({text[:60]})"


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    rows = [row.name for row in node.names]
    if isinstance(node, ast.ImportFrom):
        rows = [f"{node.module or ''}.{row}" for row in rows]
    for name in rows:
        yield from _module(name)


def _module(name: str) -> Iterator[str]:
    """What importing a module, or a name from it, says."""
    for prefix, sentence in MODULES.items():
        if name == prefix or name.startswith(f"{prefix}."):
            yield f"{sentence} ({prefix})"
            return


def _call(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    called = _name_of(node.func, names)
    if called == "open" and _writes(node):
        yield "writes files (open)"
    elif called in CALLS:
        yield f"{CALLS[called]} ({called})"
    elif called in ("setattr", "delattr") and node.args and _is_imported(node.args[0], names):
        yield f"replaces a part of {_name_of(node.args[0], names)} ({called})"
    elif called == "getattr" and len(node.args) > 1:
        yield from _fetched(node, names)
    elif called == "type" and len(node.args) == 3:
        yield "builds a class at run time (type)"
    if called in ("__import__", "importlib.import_module"):
        yield from (said for row in node.args if isinstance(row, ast.Constant) and isinstance(row.value, str) for said in _module(row.value))
    if called.rpartition(".")[2] in ("write_text", "write_bytes", "symlink_to", "hardlink_to", "unlink", "rmdir"):
        yield f"changes files ({called.rpartition('.')[2]})"


def _fetched(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    """getattr(os, "_exit") says what os._exit says."""
    base = _name_of(node.args[0], names)
    name = node.args[1]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        full = f"{base}.{name.value}"
        if full in CALLS:
            yield f"{CALLS[full]} ({full})"
    elif base in ("os", "sys", "builtins"):
        yield f"takes a name that is put together at run time from {base} (getattr)"


def _attribute(node: ast.Attribute, names: dict[str, str]) -> Iterator[str]:
    full = _name_of(node, names)
    if node.attr in INSIDES:
        yield f"reaches into Python's insides ({node.attr})"
    elif full in NAMES:
        yield f"{NAMES[full]} ({full})"


def _assigned(target: ast.AST, value: ast.AST | None, names: dict[str, str]) -> Iterator[str]:
    yield from _replaced(target, names)
    if isinstance(target, ast.Name) and target.id == "check":
        yield "replaces check, the course's own word"


def _replaced(target: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """A part of something imported that is assigned or deleted: torch.allclose, os.environ["X"], sys.modules["y"]."""
    if isinstance(target, ast.Tuple | ast.List):
        for row in target.elts:
            yield from _replaced(row, names)
    elif isinstance(target, ast.Attribute) and _is_imported(target, names):
        yield f"replaces {_name_of(target, names)}"
    elif isinstance(target, ast.Subscript):
        base = _name_of(target.value, names)
        if base in ("globals", "sys.modules") or (isinstance(target.value, ast.Call) and _name_of(target.value.func, names) in ("vars", "globals")):
            yield f"replaces names by their text ({base or 'globals'})"


def _defined(node: ast.FunctionDef) -> Iterator[str]:
    if node.name == "check":
        yield "replaces check, the course's own word"
    elif node.name in TURNED:
        yield f"defines {node.name}, by which objects deceive"
    elif node.name in TRUE_FOR_ALL and _always_true(node):
        yield f"defines {node.name} that is true for everything"


def _bound(body: list[ast.stmt]) -> set[str]:
    return {target.id for row in body if isinstance(row, ast.Assign) for target in row.targets if isinstance(target, ast.Name)}


def _always_true(node: ast.FunctionDef) -> bool:
    returned = [row.value for row in ast.walk(node) if isinstance(row, ast.Return)]
    return bool(returned) and all(isinstance(value, ast.Constant) and value.value is True for value in returned)


def _catches_all(node: ast.While) -> bool:
    """`while True` around a handler of everything that neither leaves nor raises."""
    if not (isinstance(node.test, ast.Constant) and node.test.value):
        return False
    handlers = [row for row in ast.walk(node) if isinstance(row, ast.ExceptHandler)]
    broad = [row for row in handlers if row.type is None or getattr(row.type, "id", "") == "BaseException"]
    return any(not any(isinstance(below, ast.Raise | ast.Return | ast.Break) for below in ast.walk(row)) for row in broad)


def _writes(node: ast.Call) -> bool:
    mode = next((word.value for word in node.keywords if word.arg == "mode"), node.args[1] if len(node.args) > 1 else None)
    return isinstance(mode, ast.Constant) and bool(re.search("[wax+]", str(mode.value)))


def _is_imported(node: ast.AST, names: dict[str, str]) -> bool:
    """Whether the thing belongs to a module; a part of a built-in counts, a part of the learner's own object doesn't."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and (node.id in names or node.id == "__builtins__")


def _name_of(node: ast.AST, names: dict[str, str]) -> str:
    """`F.softmax` as torch.nn.functional.softmax; an empty text for what has no name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call):  # __import__("os")._exit
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called == "__import__" and node.args and isinstance(node.args[0], ast.Constant):
            return ".".join([str(node.args[0].value), *reversed(parts)])
        return f"().{'.'.join(reversed(parts))}" if parts else ""
    if not isinstance(node, ast.Name):
        return f"().{'.'.join(reversed(parts))}" if parts else ""
    root = names.get(node.id, node.id)
    root = root if node.id in names or hasattr(builtins, node.id) or not parts else f"().{node.id}"
    return ".".join([root, *reversed(parts)])
