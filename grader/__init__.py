"""The grader of the LLM Engineer's Handbook. In a notebook: `check("id")`, `hint("id")`, `solution("id")`."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.notebook import check, hint, solution

__all__ = ["check", "hint", "solution"]


def __getattr__(name: str) -> Any:
    """Load the notebook's words only when they are used: the import costs torch and pytest."""
    if name in __all__:
        from grader import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'grader' has no attribute {name!r}")
