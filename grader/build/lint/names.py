"""Which names a cell uses without having imported or defined them: a small, static look at its scopes."""
from __future__ import annotations

import builtins
import symtable
from collections.abc import Iterator


def unknown_names(source: str) -> list[str]:
    """Names that this code takes from outside itself, sorted. Annotations count as uses, strings do not.

    >>> unknown_names("def f(x: Tensor):\\n    return torch.relu(x)")
    ['Tensor', 'torch']
    """
    top = symtable.symtable(source, "cell", "exec")
    bound = set(_bound(top))
    return sorted({name for name in _taken(top) if name not in bound and not hasattr(builtins, name) and not name.startswith("__")})


def _bound(table: symtable.SymbolTable) -> Iterator[str]:
    """What the module's own namespace gets: its own assignments, and those under `global` further in."""
    for symbol in table.get_symbols():
        ours = table.get_type() == "module" or symbol.is_declared_global()
        if ours and (symbol.is_assigned() or symbol.is_imported()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _bound(child)


def _taken(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        outside = symbol.is_global() or (table.get_type() == "module" and not symbol.is_local())
        if outside and symbol.is_referenced():
            yield symbol.get_name()
    for child in table.get_children():
        yield from _taken(child)

