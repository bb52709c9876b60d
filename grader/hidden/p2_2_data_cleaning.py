"""Hidden checks for p2_2_data_cleaning: other inputs, and properties that an answer must have."""

import math
import unicodedata

from grader.checks.p2_2_data_cleaning import (
    agreeing,
    at_the_limits,
    audited,
    catches,
    check_audits,
    edges,
    first_of_each,
    grouped,
    is_signature,
    jaccard,
    luhn,
    never_alarmed,
    number,
    pairs_of,
    same,
    sample,
    share,
    texts,
    under_another_salt,
    web_line,
    word,
)
from grader.judge import Exercise, expect


class TestHiddenStripHtml(Exercise, id="clean-strip-html", hidden=True):
    """More of clean-strip-html."""

    def test_nested_blocks(self, submission, dice):
        """Blocks within blocks, tables and lists give one line for each of their texts."""
        a, b, c, d = (word(dice) for _ in range(4))
        pairs = [
            (f"<table><tr><td>{a}<td>{b}</tr><tr><th>{c}</th><td>{d}</td></tr></table>", "\n".join((a, b, c, d))),
            (f"<ul><li>{a}<ul><li>{b}</li></ul></li><li>{c}</li></ul>{d}", "\n".join((a, b, c, d))),
            (f"{a}<div>{b}</div>{c}<br>{d}", "\n".join((a, b, c, d))),
        ]
        same(submission, "strip_html", texts(pairs), "every block, opening or closing, starts a new line")

    def test_a_long_page(self, submission, dice):
        """A page of a thousand paragraphs comes back whole, and in a moment."""
        lines = [web_line(dice) for _ in range(1000)]
        html = "".join(f"<p>{marked}</p>" for marked, _ in lines)
        expect.equal(submission.strip_html(html), "\n".join(text for _, text in lines), why="the page was made from this text")

    def test_text_in_other_scripts(self, submission):
        """Text in all scripts stays, by itself or by its codes."""
        pairs = [("<p>Ελλάδα 你好</p><p>&#1055;&#x440;ивет 👩\u200d👧</p>", "Ελλάδα 你好\nПривет 👩\u200d👧")]
        same(submission, "strip_html", texts(pairs), "nothing but markup is taken away")


class TestHiddenNormaliseUnicode(Exercise, id="clean-normalise-unicode", hidden=True):
    """More of clean-normalise-unicode."""

    def test_every_character_of_the_first_plane(self, submission):
        """Each character alone is treated by its category: Cc and INVISIBLE go, Zs is a space, all others are only normalised."""
        letters = [chr(code) for code in range(0x3100) if not 0xD800 <= code < 0xE000] + ["\ufeff", "\ufb01", "\uff21"]
        got = submission.normalise_unicode("|".join(letters)).split("|")
        want = "|".join(self.by_category(letter) for letter in letters).split("|")
        wrong = [f"U+{ord(letter):04X}" for letter, x, y in zip(letters, got, want, strict=False) if x != y]
        expect.true(
            len(got) == len(want) and not wrong,
            f"these characters are treated wrongly: {', '.join(wrong[:5])}",
            why="go by unicodedata.category, and by INVISIBLE",
        )

    def test_everything_in_one_text(self, submission):
        """A text with all of it at once comes out right, and the number of spaces and lines is kept."""
        pairs = [("E\u00ad\u0301\u200b\r\n\r\n  a\x07\u030a\u00a0\u00a0 b\rc\t\u200d² ", "É\n\n  å   b\nc\t\u200d² ")]
        same(submission, "normalise_unicode", texts(pairs), "line ends, what nobody sees, spaces, and then the normal form")

    def by_category(self, letter):
        if letter in "\u00ad\u200b\u2060\ufeff" or (unicodedata.category(letter) == "Cc" and letter not in "\n\t\r"):
            return ""
        return "\n" if letter == "\r" else " " if unicodedata.category(letter) == "Zs" else unicodedata.normalize("NFC", letter)


class TestHiddenQualityRules(Exercise, id="clean-quality-rules", hidden=True):
    """More of clean-quality-rules."""

    def test_all_limits_again(self, submission, dice):
        """Documents at and beyond every limit, in an order of their own, are judged one by one."""
        cases = [((doc,), []) for inside, _ in edges(dice).values() for doc in inside]
        cases += [((doc,), [rule]) for rule, (_, outside) in edges(dice).items() for doc in outside]
        dice.shuffle(cases)
        same(submission, "quality_rules", cases, "each document stands for itself")

    def test_all_that_is_broken(self, submission):
        """A document that breaks several rules gets all their names, in order, and one without words only the first."""
        cases = [
            (("\u2003\n",), ["too short"]), (("12 ... 34\n" * 5,), ["too short", "word length", "symbols", "letters", "stop words", "repeated lines"]),
            (("x" * 90 + " and the",), ["too short", "word length"]), (("of the wooden mill #\n" * 8,), ["symbols", "repeated lines"]), (("1234 5678 the of\n" * 6,), ["letters", "repeated lines"]),
        ]  # fmt: skip
        same(submission, "quality_rules", cases, "name every broken rule, in the order of the docstring")


class TestHiddenExactDedup(Exercise, id="dedup-exact", hidden=True):
    """More of dedup-exact."""

    def test_once_is_enough(self, submission, dice):
        """Deduplicating twice changes nothing, and what is kept of two lists together begins with what is kept of the first."""
        docs = ["Straße", "b\t", "STRASSE"] + [dice.choice(("A ", "a", " a", "b\t", "B", "c  d", "C d", "")) for _ in range(30)]
        given = submission.keep(docs)
        kept = submission.exact_dedup(given)
        expect.equal(kept, first_of_each(docs), why="the first of each stays")
        expect.equal(submission.value(given), docs, why="make a new list")
        expect.equal(submission.exact_dedup(kept), kept, why="no copies are left")
        new = [f"page {number}" for number in range(900)]
        expect.equal(submission.exact_dedup([*docs, *new, *docs, *new]), [*kept, *new], why="the first of each stays, in order")


def right_by_groups():
    def dedup(docs):
        from itertools import groupby

        keyed = sorted((" ".join(doc.casefold().split()), at) for at, doc in enumerate(docs))
        firsts = [next(group)[1] for _, group in groupby(keyed, key=lambda row: row[0])]
        return [docs[at] for at in sorted(firsts)]

    return dedup


def sorts_by_length():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.casefold().split()), doc)
        return sorted(first.values(), key=len)

    return dedup


def removes_one_copy_only():
    def dedup(docs):
        count, kept = {}, []
        for doc in docs:
            key = " ".join(doc.casefold().split())
            count[key] = count.get(key, 0) + 1
            if count[key] != 2:
                kept.append(doc)
        return kept

    return dedup


def compares_sets_of_words():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(frozenset(doc.casefold().split()), doc)
        return list(first.values())

    return dedup


def drops_all_space():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault("".join(doc.casefold().split()), doc)
        return list(first.values())

    return dedup


def trims_what_it_keeps():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.casefold().split()), doc.strip())
        return list(first.values())

    return dedup


def returns_its_argument():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.casefold().split()), doc)
        return docs if len(first) == len(docs) else list(first.values())

    return dedup


class TestHiddenCheckDedup(Exercise, id="dedup-write-the-test", hidden=True):
    """More of dedup-write-the-test."""

    def test_another_right_one_passes(self, submission):
        """It is silent about a right deduplicator that sorts and groups."""
        never_alarmed(submission, right_by_groups)

    test_notices_sorts_by_length = catches(sorts_by_length, "returns short texts first")
    test_notices_removes_one_copy_only = catches(removes_one_copy_only, "removes the second of three copies, but not the third")
    test_notices_compares_sets_of_words = catches(compares_sets_of_words, "compares sets of words")
    test_notices_drops_all_space = catches(drops_all_space, "takes 'a b' and 'ab' for the same text")
    test_notices_trims_what_it_keeps = catches(trims_what_it_keeps, "takes off the white space of what it keeps")
    test_notices_returns_its_argument = catches(returns_its_argument, "returns the very list that came in if it has no copies")


class TestHiddenMinhash(Exercise, id="dedup-minhash", hidden=True):
    """More of dedup-minhash."""

    def test_a_part_of_a_text(self, submission, dice):
        """The first half of a text shares half of its shingles with the whole: the estimate says so."""
        words = [word(dice, 4, 7) for _ in range(60)]
        whole, half = " ".join(words), " ".join(words[:31])
        signed = [
            is_signature(got, 400) for got in submission.each("minhash_signature", [(text, 400, 9) for text in (whole, half, whole + " " + whole)])
        ]
        for other, text in ((signed[1], half), (signed[2], whole + " " + whole)):
            J = jaccard(whole, text)
            expect.true(
                abs(share(signed[0], other) - J) < 6.2 * math.sqrt(J * (1 - J) / 400),
                f"the Jaccard similarity is {J:.2f}",
                got=share(signed[0], other),
                why="a shingle counts once, however often it comes",
            )

    def test_texts_that_differ_a_little(self, submission, dice):
        """The shingles at both ends count, and the order of the words in each; and the signature fits those of other processes."""
        words = [word(dice, 4, 7) for _ in range(8)]
        texts_ = [" ".join(row) for row in (words, [*words[:-1], "other"], ["other", *words[1:]], words[::-1], words[:-1])]
        whole, *others = (is_signature(got, 400) for got in submission.each("minhash_signature", [(text, 400, 3) for text in texts_]))
        for other, text in zip(others, texts_[1:], strict=True):
            J = jaccard(texts_[0], text)
            expect.true(
                abs(share(whole, other) - J) < 6.2 * math.sqrt(J * (1 - J) / 400) + 0.01,
                f"the Jaccard similarity is {J:.2f}",
                got=share(whole, other),
                why="take all runs of three words, in order, from the first to the last",
            )
        other_seed = submission.minhash_signature(texts_[0], 400, 4)
        expect.true(
            share(whole, is_signature(other_seed, 400)) < 0.1, "signatures with different seeds agree", why="the seed draws the hash functions"
        )
        here, there = submission.run(under_another_salt, submission.minhash_signature, texts_[0])
        expect.equal(there, here, why="take a hash from hashlib, not Python's hash()")

    def test_long_texts(self, submission, dice):
        """Two long texts without a common shingle agree in hardly any place."""
        a, b = (" ".join(f"{letter}{dice.randrange(10**6)}" for _ in range(2000)) for letter in "ab")
        left, right = (is_signature(got, 48) for got in submission.each("minhash_signature", [(a, 48), (b, 48)]))
        expect.true(share(left, right) < 0.04, "texts without a common shingle agree", got=share(left, right), why="the hashes need many values")

    def test_many_signatures(self, submission, dice):
        """Of two hundred signatures the planted pairs are found, in a moment."""
        signatures = [[dice.randrange(1 << 40) for _ in range(16)] for _ in range(200)]
        for _ in range(20):
            i, j = dice.sample(range(200), 2)
            signatures[j] = [x if dice.random() < 0.9 else y for x, y in zip(signatures[i], signatures[j], strict=True)]
        touched = sorted(dice.sample(range(200), 40))
        some = [signatures[at] for at in touched]
        expect.equal(pairs_of(submission.near_duplicates(some, 4, 0.5)), agreeing(some, 4, 0.5))
        got = pairs_of(submission.near_duplicates(signatures, 4, 0.5))
        expect.true(
            all(share(signatures[i], signatures[j]) >= 0.5 for i, j in got) and len(got) == len(set(got)),
            "a pair does not reach the threshold, or comes twice",
        )
        expect.true(len(got) >= 15, "most of the planted pairs must be found", got=got)


class TestHiddenMaskPii(Exercise, id="clean-mask-pii", hidden=True):
    """More of clean-mask-pii."""

    def test_masking_twice(self, submission, dice):
        """What is masked has nothing left to mask."""
        text = f"ada@mill.example, 192.0.2.9, +44 20 7946 0{dice.randrange(100, 999)}, {grouped(dice, number(dice, 16, True))}; 2024-05-17."
        once = submission.mask_pii(text)
        expect.equal(once, "[EMAIL], [IP], [PHONE], [CARD]; 2024-05-17.")
        expect.equal(submission.mask_pii(once), once, why="the masks themselves stay")

    def test_everything_at_the_limits(self, submission, dice):
        """A text with a piece of every kind, at and beyond each limit, one in a line, is masked where it should be."""
        rows = at_the_limits(dice)
        same(
            submission,
            "mask_pii",
            texts([("\n".join(piece for piece, _ in rows), "\n".join(mask for _, mask in rows))]),
            "judge each piece for itself",
        )

    def test_random_runs(self, submission, dice):
        """Runs of all lengths are judged by Luhn's test and by their length."""
        pairs = []
        for n in range(9, 24):
            digits = number(dice, n, dice.random() < 0.6)
            pairs.append((f"no. {digits};", "no. [CARD];" if 13 <= n <= 19 and luhn(digits) else f"no. {digits};"))
        same(submission, "mask_pii", texts(pairs), "13 to 19 digits that pass Luhn's test are a card number")


class TestHiddenToxicityFilter(Exercise, id="clean-toxicity-audit", hidden=True):
    """More of clean-toxicity-audit."""

    def test_a_looser_limit_is_a_lower_threshold(self, submission, dice):
        """The more may be lost, the lower the threshold; and no group ever loses more than it may."""
        lists = sample(dice, 60)
        limits = [0.0, 0.05, 0.2, 0.4, 0.8]
        kept = [submission.keep(value) for value in lists]
        results = list(submission.each("toxicity_filter", [(*kept, limit) for limit in limits]))
        for handle, before in zip(kept, lists, strict=True):
            expect.equal(submission.value(handle), before, why="leave the lists as they came")
        thresholds = [float(result[0]) for result in results]
        expect.true(thresholds == sorted(thresholds, reverse=True), "a looser limit gave a higher threshold", got=thresholds)
        expect.true(
            all(max(losses.values()) <= limit for (_, losses), limit in zip(results, limits, strict=True)),
            "a group loses more than it may",
            got=results,
        )
        expect.close(thresholds, [audited(*lists, limit)[0] for limit in limits])

    def test_names_of_groups(self, submission):
        """Groups may have any names, and one document may be a group."""
        check_audits(
            submission,
            [([0.4, 0.6, 0.5], [False, False, True], ["", "Scots", "a b"], 0.1), ([0.4], [True], ["x"], 0.1)],
            "every group that occurs is in the result",
        )
