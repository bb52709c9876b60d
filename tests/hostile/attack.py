"""Submissions that attack or are broken, one function each: `attacks/*.py` registers them, `load_attacks` reads them.

An attack function takes our own right answer to its exercise and returns what is handed in:

    answer     source of that exercise's cell; left out, our right one
    others     "right" (the default): all other exercises are answered right and must keep their points;
               "untouched": they hold the stub, because the attack would break them in its own process
    cells      own cells, (id of the cell that they go in front of, or None for the top; source)
    notebook   a function that changes the whole notebook, for tricks with metadata
    files      a function (folder, text of the notebook) that writes what is handed in, for archives and odd files

Every source may name three things that are filled in when it is handed in: %OUTSIDE% is the folder on the grading machine
that nothing may reach (`OUTSIDE/build` holds the class, `OUTSIDE/harm` the marks of attacks that got through),
%MARKER% a word by which a process of the attack is known, %PORT% a port of the grading machine that listens.

Uncontained attacks do little: they claim at most 6 GiB, start at most 200 processes that live for seconds, and write
only below OUTSIDE and a temporary folder of their own.
"""
from __future__ import annotations

import ast
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile import harm as harms

Notebook = dict[str, Any]
Make = Callable[[str], Mapping[str, Any]]
Harm = Callable[[Path], str]
CANARY = "canary-of-the-grading-machine-51c7"  # the runner puts it into the grader's environment as HANDBOOK_CANARY
SECRET = "secret-of-the-grading-machine-9a2e"  # the runner writes it into OUTSIDE/secret
ATTACKER = "attacker"  # how the id of every attacking student begins
NEIGHBOUR = "neighbour"  # a student who is collected before the attacker, with everything right
FOLDER = Path(__file__).with_name("attacks")


@dataclass(frozen=True)
class HandedIn:
    """What an attacker hands in, with all places filled in."""

    answer: str
    others: str = "right"
    cells: tuple[tuple[str | None, str], ...] = ()
    notebook: Callable[[Notebook], Notebook] | None = None
    files: Callable[[Path, str], None] | None = None

    def __post_init__(self) -> None:
        if self.others not in ("right", "untouched"):
            raise ValueError(f"others is {self.others!r}; it must be 'right' or 'untouched'")


@dataclass(frozen=True)
class Attack:
    """One attack. `earns` is the most it may earn; None where it may earn what an honest answer gets, no more.

    `says` is a regular expression that one line of the report on this student must contain.
    """

    name: str
    kind: str
    what: str
    lesson: str
    exercise: str
    earns: float | None
    says: str
    make: Make
    also: Harm | None = None

    @property
    def marker(self) -> str:
        """The word by which a process of this attack is known."""
        return f"hostile-{self.name.replace('_', '-')}"

    def hand_in(self, answer: str, outside: Path, *, port: int = 9) -> HandedIn:
        """What is handed in. Args: answer is our right answer's source; outside and port are of the grading machine."""
        table = dict(self.make(answer))
        places = {"%OUTSIDE%": str(outside), "%MARKER%": self.marker, "%PORT%": str(port)}

        def filled(text: str) -> str:
            for place, value in places.items():
                text = text.replace(place, value)
            return text

        table["answer"] = filled(table.get("answer", answer))
        table["cells"] = tuple((before, filled(source)) for before, source in table.get("cells", ()))
        change = table.get("notebook")
        if change:
            table["notebook"] = lambda notebook: json.loads(filled(json.dumps(change(notebook))))
        return HandedIn(**table)

    def harm(self, outside: Path) -> str:
        """What harm is seen outside the sandbox after grading; empty if none is."""
        found = [harms.marks(outside), harms.processes(self.marker), self.also(outside) if self.also else ""]
        return "; ".join(filter(None, found))


_registered: list[Attack] = []


def attack(*, lesson: str, exercise: str, earns: float | None, says: str, harm: Harm | None = None) -> Callable[[Make], Make]:
    """Register an attack; the function's docstring says in a sentence what it tries."""

    def take(make: Make) -> Make:
        what = " ".join((make.__doc__ or "").split())
        if not what:
            raise ValueError(f"{make.__name__} needs a docstring that says what it tries")
        _registered.append(Attack(make.__name__, make.__module__.rpartition(".")[2], what, lesson, exercise, earns, says, make, harm))
        return make

    return take


def load_attacks() -> list[Attack]:
    """All attacks, file by file. Raises ValueError if two have one name."""
    _registered.clear()
    for path in sorted(FOLDER.glob("[a-z]*.py")):
        name = f"tests.hostile.attacks.{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} can't be loaded")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    names = [row.name for row in _registered]
    if len(set(names)) < len(names):
        raise ValueError(f"two attacks have one name: {sorted({name for name in names if names.count(name) > 1})}")
    return list(_registered)


def rewarded(answer: str, breach: str, *, on_call: bool = False) -> dict[str, str]:
    """An answer that is right only if the attack gets through, so that points are the proof of a breach.

    Args: breach is the body of a function that returns something true if it got through; on_call says to try in each
    call of the answer instead of once in its cell.
    """
    name = provided(answer)[0]
    body = "\n".join(f"    {line}" for line in breach.strip("\n").splitlines())
    tried = f"def _tried():\n{body}\n\ndef _through():\n    try:\n        return bool(_tried())\n    except Exception:\n        return False\n"
    if on_call:
        turn = f"_right = {name}\ndef {name}(*args, **kwargs):\n    return _right(*args, **kwargs) if _through() else None\n"
    else:
        turn = f"if not _through():\n    {name} = lambda *args, **kwargs: None\n"
    return {"answer": f"{answer}\n\n{tried}\n{turn}"}


def provided(answer: str) -> list[str]:
    """The functions and classes that an answer defines, helpers left out."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(answer).body if isinstance(node, kinds) and not node.name.startswith("_")]
