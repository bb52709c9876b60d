"""Which names a cell needs and which it leaves, read from its source without running it."""
from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator

from grader.python_text import plain_python, syntax_error

GIVEN = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out", "_", "__name__", "__file__", "__doc__"}


def names_left(source: str) -> frozenset[str]:
    """The names that a cell binds at its top level."""
    plain = plain_python(source)
    if syntax_error(plain):
        return frozenset()
    bound: set[str] = set()
    for node in _top_level(ast.parse(plain)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
    return frozenset(bound)


def names_needed(source: str) -> frozenset[str]:
    """The names that a cell takes from outside: used somewhere in it, bound nowhere in it, and no part of Python."""
    plain = plain_python(source)
    if syntax_error(plain):
        return frozenset()
    try:
        table = symtable.symtable(plain, "cell", "exec")
    except SyntaxError:  # `await` at the top: IPython's, not Python's
        return frozenset()
    used = {name for scope in _scopes(table) for name in _from_outside(scope)}
    return frozenset(used - names_left(source) - GIVEN)


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those inside functions, classes, lambdas and comprehensions, whose names are their own."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.ListComp | ast.SetComp
                          | ast.DictComp | ast.GeneratorExp):
            yield from _top_level(child)


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)


def _from_outside(scope: symtable.SymbolTable) -> Iterator[str]:
    top = scope.get_type() == "module"  # from Python 3.12 on the names of comprehensions stand here too, as assigned
    for symbol in scope.get_symbols():
        if symbol.is_referenced() and (not symbol.is_assigned() if top else symbol.is_global()):
            yield symbol.get_name()
