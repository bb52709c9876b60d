"""Our own texts: what the data card promises, and stories whose words agree."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest
from handbook import grammar, texts


def test_stories_follow_the_seed():
    assert texts.stories(5, 1) == texts.stories(5, 1)
    assert texts.stories(5, 1) != texts.stories(5, 2)
    assert texts.stories(5, 1) == texts.stories(9, 1)[:5]


def test_stories_are_the_same_on_every_machine():
    digest = hashlib.sha256("\n".join(texts.stories(50, 0)).encode()).hexdigest()
    assert digest.startswith("62cd4da717133835"), "the grammar changed: figures in lessons that train on stories move"


def test_stories_vary():
    many = texts.stories(2000, 3)
    assert len(set(many)) > 1950
    words = {word for story in many for word in re.findall(r"\w+", story)}
    assert 250 < len(words) < 450


@pytest.mark.parametrize("seed", range(5))
def test_subject_and_verb_agree(seed):
    for story in texts.stories(200, seed):
        hero = re.search(r"called ([A-Z]\w+(?: and [A-Z]\w+)?)\.", story)[1]
        two = " and " in hero
        be, not_be = ("were", "was") if two else ("was", "were")
        assert f"there {be} " in story
        assert f"{hero} {not_be} " not in story
        pronoun = "They" if two else "She" if hero in grammar.SHE else "He"
        assert f" {pronoun} lived " in story
        assert f"{pronoun.lower()} {not_be} " not in story


def test_articles_fit_their_nouns():
    for story in texts.stories(500, 4):
        assert not re.search(r"\ba ([aeiou]|honest)", story)
        assert not re.search(r"\ban (?!honest)[^aeiou]", story)


def test_the_moral_follows_from_the_first_sentence():
    for story in texts.stories(300, 5):
        trait = next(word for word in re.findall(r"\w+", story.split(".")[0]) if word in grammar.MORALS)
        assert story.endswith(grammar.MORALS[trait])


def test_the_friend_is_somebody_else():
    for story in texts.stories(300, 6):
        hero = re.search(r"called ([A-Z]\w+)(?: and ([A-Z]\w+))?\.", story).groups()
        friend = re.search(r"([A-Z]\w+) the \w+", story)[1]
        assert friend not in hero


def test_tickets_and_reviews_are_as_the_card_says():
    assert Counter(topic for _, topic in texts.TICKETS) == dict.fromkeys(texts.TOPICS, 40)
    assert Counter(label for _, label in texts.REVIEWS) == {"positive": 100, "negative": 100}
    assert len(texts.CONTRAST_PAIRS) == 100
    every = [text for text, _ in (*texts.TICKETS, *texts.REVIEWS)] + [
        text for pair in texts.CONTRAST_PAIRS for text in pair
    ]
    assert len(set(every)) == len(every)
    assert all(len(text) < 130 for text in every)


def test_labels_are_mixed():
    assert len({topic for _, topic in texts.TICKETS[:20]}) >= 4


def test_no_single_word_gives_a_topic_away():
    """The best word of each topic, chosen with all labels in sight, still finds fewer than half of its tickets."""
    words = {text: set(re.findall(r"[a-z']+", text.lower())) for text, _ in texts.TICKETS}
    for topic in texts.TOPICS:
        mine = [text for text, label in texts.TICKETS if label == topic]
        other = [text for text, label in texts.TICKETS if label != topic]
        for word in set().union(*(words[text] for text in mine)):
            found = sum(word in words[text] for text in mine)
            wrong = sum(word in words[text] for text in other)
            assert found < 20 or wrong > found, f"{word!r} gives {topic!r} away"


def test_split_keeps_training_and_test_apart():
    train, test = texts.split(texts.TICKETS, 5, seed=1)
    assert Counter(topic for _, topic in train) == dict.fromkeys(texts.TOPICS, 5)
    assert len(test) == 210
    assert not set(train) & set(test)
    assert texts.split(texts.TICKETS, 5, seed=1) == (train, test)
    assert texts.split(texts.TICKETS, 5, seed=2)[0] != train


def test_split_refuses_to_leave_nothing_for_testing():
    with pytest.raises(ValueError, match="none for testing"):
        texts.split(texts.TICKETS, 40)


SCRIPTS = {
    "Russian": "Ѐ-ӿ",
    "Greek": "Ͱ-Ͽἀ-῿",
    "Arabic": "؀-ۿ",
    "Hindi": "ऀ-ॿ",
    "Korean": "가-힣",
    "Japanese": "ぁ-ヿ一-鿿",
    "Chinese": "一-鿿",
}


def test_the_same_sentences_in_every_language():
    assert len(texts.MULTILINGUAL) == 15
    for language, sentences in texts.MULTILINGUAL.items():
        assert len(sentences) == 4, language
        letters = [letter for letter in "".join(sentences) if letter.isalpha()]
        script = re.compile(f"[{SCRIPTS.get(language, 'A-Za-zÀ-ɏ')}]")
        assert sum(bool(script.match(letter)) for letter in letters) == len(letters), language


def test_every_notation_is_the_same_number():
    value = texts.NUMBER_VALUE
    for name in ("plain digits", "Arabic-Indic digits", "Devanagari digits"):
        assert int(texts.NUMBERS[name]) == value
    for name in ("commas", "points (German)", "spaces (French)", "apostrophes (Swiss)", "lakhs (Indian)"):
        assert int(re.sub(r"\D", "", texts.NUMBERS[name])) == value
    assert int(texts.NUMBERS["hexadecimal"], 16) == value
    assert float(texts.NUMBERS["scientific"]) == value
    digits = {letter: at for at, letter in enumerate("零一二三四五六七八九")}
    units = {"十": 10, "百": 100, "千": 1000}

    def section(text):
        return sum(digits[a] * units.get(b, 1) for a, b in re.findall(r"([一二三四五六七八九])([十百千]?)", text))

    high, low = texts.NUMBERS["Chinese numerals"].split("万")
    assert section(high) * 10_000 + section(low) == value


def test_the_news_holds_its_answers():
    assert all(answer in texts.NEWS for _, answer in texts.NEWS_QUESTIONS)
    assert len(texts.NEWS_SUMMARY) < len(texts.NEWS) / 4


def test_the_dialogue_takes_turns():
    roles = [turn["role"] for turn in texts.DIALOGUE]
    assert roles == ["user", "assistant"] * 3 + ["user"]


def test_the_corpus_is_small_and_fixed():
    assert list(texts.CORPUS) == texts.stories(300, 2024)
