"""What a lesson's outputs depend on, and one hash of it: only when it changes is the lesson run again."""
from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from grader.build.layout import Layout
from grader.course import Lesson
from grader.lesson import read_lesson

BUILDER = "1"  # raise it when the same sources give other outputs


def source_hash(layout: Layout, lesson: Lesson) -> str:
    """Hash the lesson, its table, its checks and every handbook module that it imports, however indirectly."""
    own = [lesson.path, lesson.path.with_suffix(".toml"), layout.checks / f"{lesson.stem}.py", layout.hidden / f"{lesson.stem}.py"]
    digest = hashlib.sha256(f"builder {BUILDER}".encode())
    for path in [path for path in own if path.exists()] + sorted(handbook_files(layout, lesson)):
        digest.update(f"\n{path.relative_to(layout.root).as_posix()}\n".encode())
        digest.update(path.read_text(encoding="utf-8").encode())
    return digest.hexdigest()


def handbook_files(layout: Layout, lesson: Lesson) -> set[Path]:
    """The handbook's files that a lesson imports, directly or through one another."""
    code = "\n".join(cell.source for cell in read_lesson(lesson.path) if cell.kind not in ("markdown", "check"))
    lazy = _lazy_names(layout.handbook / "__init__.py")
    found: set[Path] = set()
    waiting = [path for name in _imports(_parse(code), "", lazy) for path in _files(layout.handbook, name)]
    while waiting:
        path = waiting.pop()
        if path in found or path == layout.handbook / "__init__.py":
            continue
        found.add(path)
        package = _package(layout.handbook, path)
        names = _imports(_parse(path.read_text(encoding="utf-8")), package, lazy)
        waiting += [file for name in names for file in _files(layout.handbook, name)]
    return found


def _parse(code: str) -> ast.Module:
    try:
        return ast.parse(code)
    except SyntaxError:  # running the lesson will tell where
        return ast.Module(body=[], type_ignores=[])


def _lazy_names(init: Path) -> dict[str, str]:
    """Names that `handbook` takes from one of its modules when asked: `load_lm` -> `handbook.models`."""
    if not init.exists():
        return {}
    nodes = [node for node in ast.walk(_parse(init.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module for node in nodes if node.module and node.module != "handbook" for alias in node.names}


def _imports(tree: ast.Module, package: str, lazy: dict[str, str]) -> Iterator[str]:
    """Every `handbook…` name that is imported anywhere in the code, as a dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "handbook")
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            if module.split(".")[0] == "handbook":
                yield module
                yield from (lazy.get(alias.name, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("handbook."):
            yield node.value  # importlib.import_module("handbook.layers")


def _files(handbook: Path, name: str) -> list[Path]:
    """The files of a module and of the packages it lies in; none for a name that is not a module."""
    path = handbook
    files = []
    for part in name.split(".")[1:]:
        path = path / part
        files += [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return files


def _package(handbook: Path, path: Path) -> str:
    return ".".join(("handbook", *path.relative_to(handbook).parent.parts))
