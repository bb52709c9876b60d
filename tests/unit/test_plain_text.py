"""Text of a learner's in places where it must not act."""
from __future__ import annotations

import doctest

import pytest

from grader import plain_text
from grader.plain_text import no_markup, one_line


@pytest.mark.parametrize("text", ["\x1b[2Jx", "a\r\nb", "a\u2028b", "\u202eabc", "\x9b2K", "\ud800", "\x00\x07"])
def test_nothing_that_acts_is_left(text):
    assert all(ord(sign) >= 32 and sign not in "\u202e\u2028\x9b\ud800" for sign in one_line(text))


def test_a_long_text_is_cut():
    assert len(one_line("x " * 100_000)) <= 500


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=y>", "</pre><b>", "<!-- x"])
def test_no_tag_begins(text):
    assert "<" not in no_markup(text)


def test_honest_text_stays():
    assert no_markup("ValueError: n must be >= 1, is -3 (x < y)") == "ValueError: n must be >= 1, is -3 (x < y)"


def test_the_examples_hold():
    assert doctest.testmod(plain_text).failed == 0
