"""The lesson on cleaning: its references agree with its oracles on many cases, and the planted key with both."""

import random
from typing import Any

import pytest
from handbook.planted_dirt import KINDS, one_line, pages

from grader.checks import p2_2_data_cleaning as checks
from grader.mutation import references, run_source

LESSON = "p2_2_data_cleaning"


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """All names that the reference answers define."""
    names: dict[str, Any] = {}
    for exercise, source in references(LESSON).items():
        names |= run_source(source, f"{exercise}.py")
    return names


@pytest.mark.parametrize("seed", range(40))
def test_references_agree_with_their_oracles(answers: dict[str, Any], seed: int) -> None:
    dice = random.Random(seed)
    html, text = checks.web_page(dice)
    assert answers["strip_html"](html) == text

    docs = [dice.choice(("A b", "a  B", "ß", "SS", "", " ", "a", "b\n", "c.", "c")) for _ in range(12)]
    assert answers["exact_dedup"](docs) == checks.first_of_each(docs)

    digits = "".join(dice.choices("0123456789", k=dice.randint(1, 20)))
    assert answers["luhn_valid"](digits) == checks.luhn(digits)

    signatures = [[dice.randrange(3) for _ in range(12)] for _ in range(9)]
    for bands in (2, 3, 6):
        assert answers["near_duplicates"](signatures, bands, 0.5) == checks.agreeing(signatures, bands, 0.5)

    lists = checks.sample(dice, 30, digits=1)
    assert answers["toxicity_filter"](*lists, 0.25) == checks.audited(*lists, 0.25)

    for rule, (inside, outside) in checks.edges(dice).items():
        assert [answers["quality_rules"](doc) for doc in inside] == [[]] * len(inside)
        assert [answers["quality_rules"](doc) for doc in outside] == [[rule]] * len(outside)


def test_the_planted_corpus_is_the_same_every_time() -> None:
    assert pages(20, seed=3) == pages(20, seed=3)
    assert pages(20, seed=3) != pages(20, seed=4)


def test_the_key_names_every_kind_of_dirt() -> None:
    found = pages()
    assert {kind for page in found for kind in page.dirt} == set(KINDS)
    assert all((page.source < 0) == (page.dirt == ("junk",)) == (page.clean == "") for page in found)


def test_a_perfect_cleaner_gives_what_the_key_says(answers: dict[str, Any]) -> None:
    for page in pages():
        if page.source >= 0 and "near copy" not in page.dirt:
            text = answers["mask_pii"](answers["normalise_unicode"](answers["strip_html"](page.text)))
            assert one_line(text).casefold() == page.clean.casefold()
