"""What an author of checks is told at once."""
from __future__ import annotations

import pytest

from grader.judge import Exercise


def made() -> object:
    def check(self: object, submission: object) -> None:
        """A sentence."""

    return check


def test_a_check_that_goes_by_another_name_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="is called 'check' in itself"):
        type("TestSums", (Exercise,), {"test_adds": made()}, id="sum-two")
