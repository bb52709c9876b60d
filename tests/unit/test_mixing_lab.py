"""handbook.mixing_lab: the corpora of the lesson keep apart, a stream is read word by word, passes are worth what was measured."""

import itertools
from collections import Counter

import pytest
import torch
from handbook import mixing_lab as lab
from handbook.story_words import split_words


def test_no_corpus_shares_a_story_with_the_test():
    test = set(lab.held_out())
    for corpus in (lab.clean_stories(20), lab.clean_stories(3500), lab.noisy_stories(3500, rate=0.0)):
        spoken = {" ".join(split_words(text)) for text in corpus}
        assert spoken.isdisjoint(" ".join(split_words(text)) for text in test)


@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_a_noisy_story_keeps_its_length_and_loses_about_that_share_of_its_words(rate):
    clean = [split_words(text) for text in lab.clean_stories(450).texts[:50]]
    noisy = [text.split(" ") for text in lab.noisy_stories(50, rate=rate).texts]
    assert [len(story) for story in clean] == [len(story) for story in noisy]
    pairs = list(zip(itertools.chain(*clean), itertools.chain(*noisy), strict=True))
    assert abs(sum(old != new for old, new in pairs) / len(pairs) - rate) < 0.02
    assert {new for _, new in pairs} <= set(lab.vocabulary()) - {lab.BREAK}


def test_passes_hold_the_same_texts_in_new_orders_and_repeat_by_seed():
    texts = [f"story {number}" for number in range(30)]
    one, two = lab.Shuffled(texts, seed=1), lab.Shuffled(texts, seed=1)
    first, second = list(one), list(one)
    assert sorted(first) == sorted(second) == sorted(texts)
    assert first != second
    assert [list(two), list(two)] == [first, second]


def test_one_source_is_read_for_ever():
    assert list(itertools.islice(lab.only(["a", "b"], "x"), 5)) == [("x", "a"), ("x", "b"), ("x", "a"), ("x", "b"), ("x", "a")]


def test_a_run_reads_the_words_of_its_steps_and_repeats_exactly():
    few, test = lab.clean_stories(4), lab.held_out(4)
    runs = [lab.train_on(lab.only(lab.clean_stories(4), "few"), test, steps=12) for _ in range(2)]
    assert runs[0].words == Counter(few=12 * lab.STEP_WORDS)
    assert runs[0].steps == [12]
    assert runs[0].losses == runs[1].losses == [pytest.approx(lab.loss_on(runs[0].model, test))]
    assert lab.words_in(few) == sum(1 + len(split_words(text)) for text in few.texts)


def test_passes_are_worth_the_fresh_steps_with_the_same_loss_until_they_harm():
    per_pass = 10  # steps
    source = [" ".join(["word"] * (per_pass * lab.STEP_WORDS - 1))]
    steps = [10, 20, 30, 40, 50, 60]
    repeated = lab.Run(None, steps, [6.0, 5.0, 4.0, 3.5, 3.0, 3.2])
    fresh = lab.Run(None, steps, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    passes, worth = lab.worth_of_passes(repeated, fresh, source)
    assert passes == pytest.approx([3, 4, 5])  # after step 50 the loss rises: no longer counted
    assert worth == pytest.approx([3, 3.5, 4])


def test_a_ticket_head_learns_from_copies_only_what_the_originals_say():
    class Letters:
        """An encoder that counts letters."""

        def encode(self, texts):
            return torch.tensor([[text.lower().count(letter) / len(text) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])

    tickets = lab.Tickets(Letters(), draws=1)
    plain, copied = tickets.accuracy(), tickets.accuracy(lambda text, rng: text)
    assert plain == pytest.approx(copied, abs=0.03)
    assert 1 / len(tickets.labels) < plain <= 1


def test_every_synonym_stands_for_a_word_in_lower_case():
    for word, others in lab.TICKET_SYNONYMS.items():
        assert word == word.lower()
        assert others
        assert word not in others


def test_the_leak_search_is_called_for_every_split_and_length():
    calls = []

    def find(train, test, n):
        calls.append((train, n))
        return [0] if n < 10 else []

    picture = lab.share_contaminated(find, {"one": (["a"], ["b", "c"]), "two": (["d"], ["e"])}, [5, 20])
    assert calls == [(["a"], 5), (["a"], 20), (["d"], 5), (["d"], 20)]
    assert "one" in picture.alt
    assert "two" in picture.alt
