"""Checks for p1_3_tokens_and_embeddings. Sources: Sennrich et al. 2016, arXiv:1508.07909; Su et al. 2021, arXiv:2104.09864."""
import math
from collections import Counter
from itertools import pairwise, product

import pytest
import torch

from grader.judge import Exercise, core, expect
from grader.judge.show import show
from grader.seam import LearnerError

SAMPLES = ["a", "Hello hello", "naïve façade", "🙂🙃 🙂", "안녕하세요 안녕", "e\u0301 and \u00e9", "ﬁt", "line\n\tline\r\n\0", "  ab  ", "\n", "\ufeffx"]
STRAY = [b"\xff", b"\x80\x80\x80", b"abc\xc3", "한".encode()[:2] + b"x", b" ab\n", bytes(range(256))]


def draw_ids(dice, length, alphabet=(3, 3, 0, 7, 250, 256, 300, 1000, 70_003)):
    """Ids of which some are bytes and some are merged tokens; 3 is likelier, so that runs occur."""
    return [dice.choice(alphabet) for _ in range(length)]


class TestPairCounts(Exercise, id="bpe-pair-counts"):
    def probe(self, submission):
        count = submission.pair_counts
        kept = submission.keep([4, 5, 4, 5, 300])
        count(kept)
        lists = ([], [9], [1, 2], [2, 1, 2, 2, 1], [7, 7, 7, 7], [300, 256, 300, 256, 8], [5, 5, 1, 5, 5, 5])
        return *(sorted_items(count(ids)) for ids in lists), submission.value(kept), sorted_items(count([0, 0, 70_003, 0])), sorted_items(count([9] * 300))

    @core
    def test_counts_every_neighbouring_pair(self, submission, dice):
        """The count of a pair is the number of positions at which it stands."""
        ids = draw_ids(dice, dice.randrange(40, 60))
        stands = {pair: [at for at in range(len(ids) - 1) if (ids[at], ids[at + 1]) == pair] for pair in product(set(ids), repeat=2)}
        expect.equal(submission.pair_counts(ids), {pair: len(places) for pair, places in stands.items() if places})

    @core
    def test_left_and_right_are_not_the_same(self, submission, dice):
        """(1, 2) and (2, 1) are different pairs."""
        left, right = dice.sample(range(600), 2)
        expect.equal(submission.pair_counts([left, right, right, left, right]),
                     {(left, right): 2, (right, right): 1, (right, left): 1}, why="a pair keeps the order of its two ids")

    @core
    @pytest.mark.parametrize("length", [2, 3, 4, 7])
    def test_overlapping_pairs_count_at_every_position(self, submission, dice, length):
        """A run of n equal ids holds their pair n - 1 times."""
        same = dice.randrange(600)
        expect.equal(submission.pair_counts([same] * length), {(same, same): length - 1}, why="pairs that overlap are counted too")

    @core
    def test_any_id_and_any_length(self, submission, dice):
        """Id 0 and ids of large vocabularies are tokens like all others, and lists may be long."""
        large = dice.randrange(66_000, 200_000)
        expect.equal(submission.pair_counts([0, 0, large, large + 65_536, 0]),
                     {(0, 0): 1, (0, large): 1, (large, large + 65_536): 1, (large + 65_536, 0): 1}, why="no id is special, and none too large")
        expect.equal(submission.pair_counts([5] * 300 + [0, 1] * 60), {(5, 5): 299, (5, 0): 1, (0, 1): 60, (1, 0): 59}, why="go through the whole list")

    def test_each_list_is_counted_afresh(self, submission, dice):
        """A call knows nothing of the calls before it."""
        ids = draw_ids(dice, 12, alphabet=(1, 1, 2, 3))
        for again in (ids, ids[::-1], sorted(ids)):
            expect.equal(submission.pair_counts(again), dict(Counter(pairwise(again))), why="something is kept between calls")

    def test_short_lists_have_no_pairs(self, submission, dice):
        """No id and one id give an empty dict; two give one pair."""
        left, right = dice.sample(range(600), 2)
        expect.equal(submission.pair_counts([]), {})
        expect.equal(submission.pair_counts([left]), {})
        expect.equal(submission.pair_counts([left, right]), {(left, right): 1})

    def test_leaves_its_argument_alone(self, submission, dice):
        """ids are the same after the call as before."""
        ids = draw_ids(dice, 12)
        kept = submission.keep(ids)
        expect.true(isinstance(submission.pair_counts(kept), dict), "the result must be a dict")
        expect.equal(submission.value(kept), ids, why="ids was changed in place")


def sorted_items(counts):
    """A dict in a fixed order, anything else as it is."""
    return sorted(counts.items()) if isinstance(counts, dict) and all(isinstance(key, tuple) for key in counts) else counts


def merged_by_string(ids, pair, new_id):
    """The oracle: a string's own replace goes from left to right and uses no character twice."""
    return [ord(letter) for letter in "".join(map(chr, ids)).replace(chr(pair[0]) + chr(pair[1]), chr(new_id))]


class TestMerge(Exercise, id="bpe-merge"):
    def probe(self, submission):
        merge = submission.merge
        kept = submission.keep([1, 2, 3, 1, 2])
        merge(kept, (1, 2), 300)
        lists = ([], [1], [1, 2], [5, 1, 2, 1, 2, 1], [2, 1, 1, 2, 2, 1], [11, 2, 1, 22, 1, 2], [1, 3, 1, 2, 3, 2], [4, 5], [1, 2, 9, 1, 2])
        runs = (merge([7] * length, (7, 7), 300) for length in (3, 4))
        return (*(merge(ids, (1, 2), 300) for ids in lists), *runs, submission.value(kept), merge([0, 1, 0, 0, 1], (0, 1), 70_000),
                submission.run(is_the_same, merge, [4, 5], (1, 2), 300), merge([4, 5] * 60, (4, 5), 300))

    @core
    def test_replaces_the_pair_everywhere(self, submission, dice):
        """Every occurrence of the pair becomes the new id, and all other ids stay in their order."""
        ids = draw_ids(dice, dice.randrange(30, 50), alphabet=(0, 2, 2, 3, 260, 70_003))
        pair = (ids[10], ids[11])
        new_id = dice.randrange(301, 50_000)
        expect.equal(submission.merge(ids, pair, new_id), merged_by_string(ids, pair, new_id))

    @core
    @pytest.mark.parametrize("length", [2, 3, 4, 5, 8])
    def test_an_id_is_used_once(self, submission, dice, length):
        """In a run of equal ids, pairs are taken from the left, and an odd one is left over on the right."""
        same, new_id = dice.sample(range(600), 2)
        expect.equal(submission.merge([same] * length, (same, same), new_id), [new_id] * (length // 2) + [same] * (length % 2),
                     why="after a merge, go on behind both ids")

    def test_occurrences_may_touch(self, submission, dice):
        """left, right, left, right becomes the new id twice."""
        left, right, new_id = dice.sample(range(600), 3)
        expect.equal(submission.merge([left, right] * 3 + [left], (left, right), new_id), [new_id] * 3 + [left])

    @core
    def test_order_matters(self, submission, dice):
        """right, left is another pair and stays as it is; so do left alone and right alone."""
        left, right, other, new_id = dice.sample(range(600), 4)
        ids = [right, left, other, left, left, other, right, right, left]
        expect.equal(submission.merge(ids, (left, right), new_id), ids, why="only left followed by right is the pair")

    def test_ids_are_numbers_not_text(self, submission):
        """11, 2 does not hold the pair (1, 2), nor does 1, 22."""
        expect.equal(submission.merge([11, 2, 1, 22, 12, 1], (1, 2), 300), [11, 2, 1, 22, 12, 1], why="compare ids, not their digits")

    def test_the_ends_of_the_list(self, submission, dice):
        """A pair at the very end is merged; a last id, a single id and an empty list stay."""
        left, right, other, new_id = dice.sample(range(600), 4)
        expect.equal(submission.merge([other, left, right], (left, right), new_id), [other, new_id])
        expect.equal(submission.merge([left, right], (left, right), new_id), [new_id])
        expect.equal(submission.merge([left, right, left], (left, right), new_id), [new_id, left])
        expect.equal(submission.merge([left], (left, right), new_id), [left])
        expect.equal(submission.merge([], (left, right), new_id), [])

    def test_leaves_its_argument_alone(self, submission):
        """ids are the same after the call as before."""
        kept = submission.keep([1, 2, 3, 1, 2])
        expect.equal(submission.merge(kept, (1, 2), 300), [300, 3, 300])
        expect.equal(submission.value(kept), [1, 2, 3, 1, 2], why="ids was changed in place; build a new list")

    def test_gives_a_new_list(self, submission):
        """The result is a list of its own, also where the pair does not occur."""
        for ids in ([4, 5, 6], [7], []):
            same = submission.run(is_the_same, submission.merge, ids, (1, 2), 300)
            expect.true(same is False, "the caller's own list came back: whoever changes one now changes both", got=same)

    @core
    def test_any_id_and_any_length(self, submission, dice):
        """Id 0 and ids of large vocabularies can be merged, and lists may be long."""
        large, new_id = dice.randrange(66_000, 100_000), dice.randrange(100_001, 200_000)
        expect.equal(submission.merge([0, large, 0, 0, large], (0, large), new_id), [new_id, 0, new_id], why="no id is special, and none too large")
        expect.equal(submission.merge([large, 0, 9], (large, 0), 1), [1, 9])
        expect.equal(submission.merge([3, 4] * 220 + [3], (3, 4), new_id), [new_id] * 220 + [3], why="go through the whole list")

    def test_each_call_uses_its_own_new_id(self, submission, dice):
        """A call knows nothing of the calls before it."""
        for new_id in dice.sample(range(300, 900), 3):
            expect.equal(submission.merge([8, 9, 8], (8, 9), new_id), [new_id, 8], why="something is kept between calls")


def is_the_same(merge, ids, pair, new_id):
    """Whether the list that comes back is the caller's; runs on the far side."""
    result = merge(ids, pair, new_id)
    return result is ids if isinstance(result, list) else None


def learned_by_string(text, n_merges):
    """The oracle for training: one character stands for one token."""
    letters, merges = "".join(map(chr, text.encode())), []
    while len(merges) < n_merges:
        counts = Counter(map("".join, pairwise(letters)))
        count, pair = min(((-count, pair) for pair, count in counts.items()), default=(0, ""))
        if count > -2:
            break
        letters = letters.replace(pair, chr(256 + len(merges)))
        merges.append((ord(pair[0]), ord(pair[1])))
    return merges


def draw_text(dice, length, alphabet="aab cdé"):
    return "".join(dice.choice(alphabet) for _ in range(length))


def draw_twice(dice, length):
    """A text that stands there twice, so that nearly as many merges can be learned from it as it has characters."""
    return 2 * draw_text(dice, length, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ .é")


class TestTrainBpe(Exercise, id="bpe-train"):
    def probe(self, submission):
        train = submission.train_bpe
        calls = [("", 3), ("abc", 3), ("abab", 9), ("dcdcabab", 1), ("axayxax ay", 2), ("aaaxyxy", 1), ("the cat the cat the dog", 6),
                 ("Ab ab AB ab Ab", 4), ("한글 한글 한", 5), ("abababab", 0), ("   ab", 2), ("adabadab", 1), ("\ufeffx", 1),
                 ("aaabaaac", 3), ("abcabcabbc", 3), ("zyabzyabzy", 3), ("e\u0301e\u0301", 2), ("a\r\na\r\n", 2), (2 * "".join(map(chr, range(33, 80))), 45)]
        return [train(*call) for call in calls]

    @core
    def test_learns_the_pairs_in_order(self, submission, dice):
        """Each merge is the most frequent pair of what the merges before it have left."""
        text = draw_text(dice, dice.randrange(60, 90))
        expect.equal(submission.train_bpe(text, 8), learned_by_string(text, 8))

    @core
    def test_new_tokens_are_numbered_from_256(self, submission):
        """The first new token is 256, the next 257, and both can be merged again."""
        expect.equal(submission.train_bpe("abababab" * 2, 3), [(97, 98), (256, 256), (257, 257)], why="the first new token has the id 256")

    @core
    @pytest.mark.parametrize("text", ["dcdcabab", "adabadab", "zyzyxx xx", "bcbcaxayaxay", "zyabzyab"])
    def test_breaks_ties_by_the_smaller_pair(self, submission, text):
        """Of equally frequent pairs, the smaller left id wins, then the smaller right id."""
        expect.equal(submission.train_bpe(text, 1), learned_by_string(text, 1), why="equally frequent pairs: take the smallest tuple")
        expect.equal(submission.train_bpe(text, 3), learned_by_string(text, 3), why="of equally frequent pairs take the smallest tuple of ids, not of bytes or texts")

    def test_counts_overlapping_pairs(self, submission):
        """In "aaa" the pair "aa" counts at two positions."""
        expect.equal(submission.train_bpe("aaaxyxy", 1), [(97, 97)], why="(a, a) and (x, y) both stand at two positions; the smaller one wins")

    @core
    @pytest.mark.parametrize("text", ["한글 한글 한글", "né né né à à", "🙂🙃🙂🙃"])
    def test_works_on_bytes(self, submission, text):
        """Text in any script is trained on its UTF-8 bytes."""
        expect.equal(submission.train_bpe(text, 4), learned_by_string(text, 4), why="start from text.encode(\"utf-8\")")

    def test_nothing_is_cut_or_changed_beforehand(self, submission):
        """Spaces, line ends, capitals and combining signs are bytes like all others, also at the ends of the text."""
        for text in ("a b a b a b", "\n\n\n\n", "AbAb ab", "  xy  xy  ", "\ufeffx", "e\u0301e\u0301", "ﬁﬁﬁ", "x\r\nx\r\n", "\0a\0a", "a\tb\tb\t", "10 10 2010"):
            expect.equal(submission.train_bpe(text, 3), learned_by_string(text, 3))

    def test_stops_when_no_pair_repeats(self, submission):
        """A pair that occurs once is not merged; the list may be shorter than n_merges, and empty."""
        expect.equal(submission.train_bpe("abab", 10), [(97, 98)], why="after one merge, no pair is left that occurs twice")
        expect.equal(submission.train_bpe("aaa", 10), [(97, 97)], why="(a, a) stands at two positions, so it is merged")
        for text in ("abc", "a", ""):
            expect.equal(submission.train_bpe(text, 5), [], why="a merge that is used once saves nothing")

    @pytest.mark.parametrize("text", ["aaabaaac", "aaaabaaaab aaa", "aaaaaaa"])
    def test_merges_runs_from_the_left(self, submission, text):
        """In a run of one letter, pairs are replaced from left to right."""
        expect.equal(submission.train_bpe(text, 4), learned_by_string(text, 4), why="in a, a, a the first two are merged, not the last two")

    @core
    def test_learns_hundreds_of_merges(self, submission, dice):
        """A longer text and more than 256 merges."""
        text = draw_twice(dice, 330)
        expect.equal(submission.train_bpe(text, 300), learned_by_string(text, 300), why="neither the text nor the list of merges is cut short")

    def test_learns_no_more_than_asked(self, submission, dice):
        """n_merges pairs come back where that many can be learned, and none for 0."""
        text = "abcd" * 20
        wanted = dice.randrange(2, 5)
        expect.equal(submission.train_bpe(text, wanted), learned_by_string(text, wanted))
        expect.equal(submission.train_bpe(text, 0), [])


def encoded_by_string(data, merges):
    """The oracle: apply the merges one after the other."""
    letters = "".join(map(chr, data.encode() if isinstance(data, str) else data))
    for rank, (left, right) in enumerate(merges):
        letters = letters.replace(chr(left) + chr(right), chr(256 + rank))
    return [ord(letter) for letter in letters]


def bytes_of(token, merges):
    """The bytes that a token stands for, by going down the merges."""
    return bytes([token]) if token < 256 else b"".join(bytes_of(part, merges) for part in merges[token - 256])


def learned(dice):
    """Merges that were really learned, from a text with all kinds of characters in it."""
    return learned_by_string(draw_text(dice, 60, "aab c") + "🙂🙃🙂 안녕하세요 안녕 né né " + draw_text(dice, 40, "abc"), 14)


BC_THEN_AB = [(98, 99), (97, 98)]
LONG = [(98, 99), (97, 98), (257, 99), (258, 100)]  # bc, ab, ab+c, abc+d
EMOJI = [(240, 159), (256, 153), (130, 240)]
SAME_BYTES = [(97, 98), (256, 99), (98, 99), (97, 258)]  # ab, ab+c, bc, a+bc: two tokens with the bytes abc


class TestEncodeDecode(Exercise, id="bpe-encode-decode"):
    def probe(self, submission):
        encode, decode = submission.encode, submission.decode
        texts = [("abc", BC_THEN_AB), ("abcabab", BC_THEN_AB), ("abcd ab", LONG), ("ababab", [(97, 98), (256, 256)]),
                 ("aaaaa", [(97, 97), (256, 97)]),
                 ("né", BC_THEN_AB), ("xbc", [(97, 98), (98, 99)]), ("🙂🙂", EMOJI), (b"ab\xff\xc3", BC_THEN_AB), ("", LONG), ("ab", [])]
        texts += [("abc", BC_THEN_AB[::-1]), ("bcd", [(99, 100), (98, 256), (98, 99)]), (" Ab ", [(32, 65), (97, 98)]), ("abcabc", SAME_BYTES), ("e\u0301", EMOJI)]
        kept = submission.keep(list(BC_THEN_AB))
        encode("abc", kept)
        ids = [([97, 256, 257], BC_THEN_AB), ([258, 259, 97], LONG), ([257, 130, 257, 130], EMOJI), ([255, 195, 40], []), ([], LONG),
               ([258], BC_THEN_AB), ([-1], BC_THEN_AB), ([97, 5000], LONG), ([97, -1], BC_THEN_AB), ([-1, 97], BC_THEN_AB), ([98, -1, 97], BC_THEN_AB)]
        kept_ids = submission.keep([97, 256])
        decode(kept_ids, BC_THEN_AB)
        return *(encode(*call) for call in texts), *(decode(*call) for call in ids), submission.value(kept), submission.value(kept_ids)

    @core
    def test_encodes_by_rank(self, submission, dice):
        """The ids are those that are left when all merges have been applied in the order of the list."""
        merges = learned(dice)
        for text in (draw_text(dice, 40, "aab c"), "안녕 né 🙂 abc"):
            expect.equal(submission.encode(text, merges), encoded_by_string(text, merges))

    @core
    def test_decodes_any_ids(self, submission, dice):
        """Each token gives back its bytes, also in an order that encode would never give."""
        merges = learned(dice)
        ids = [dice.randrange(256 + len(merges)) for _ in range(20)] + [255 + len(merges)]
        expect.equal(submission.decode(ids, merges), b"".join(bytes_of(token, merges) for token in ids))

    @core
    def test_rank_decides_not_the_place_in_the_text(self, submission):
        """In "abc" the pair that was learned first is merged, although another one stands further left."""
        expect.equal(submission.encode("abc", BC_THEN_AB), [97, 256], why="b c has rank 0 and a b has rank 1; merging from the left gives ab, c")
        expect.equal(submission.encode("abcab", BC_THEN_AB), [97, 256, 257])

    @core
    def test_rank_decides_not_the_length_of_the_token(self, submission):
        """The longest known token is not taken when a merge of smaller rank uses up its parts."""
        expect.equal(submission.encode("abcd", LONG), [97, 256, 100], why="abcd is a known token, but b c is merged first")
        same = "merges[r] is a pair of ids: other ids with the same bytes are another pair"
        expect.equal(submission.encode("bcabc", [(98, 99), (97, 98), (257, 99)]), [256, 97, 256], why=same)

    @core
    def test_merges_that_do_not_occur_are_passed_over(self, submission):
        """A merge whose pair is not in the text does not end the work."""
        expect.equal(submission.encode("xyxyz", [(97, 98), (120, 121), (113, 113), (257, 257)]), [259, 122])

    @core
    def test_merges_build_on_merges(self, submission):
        """Tokens that a merge has made are merged again."""
        merges = [(97, 97), (256, 256), (257, 97)]
        expect.equal(submission.encode("aaaaaaa", merges), [257, 256, 97])
        expect.equal(submission.encode("aaaaa", merges), [258])
        expect.equal(submission.encode("aa", merges), [256], why="two bytes can be one token")
        expect.equal(submission.decode([258, 257], merges), b"aaaaaaaaa")

    @core
    @pytest.mark.parametrize("data", [*SAMPLES, *STRAY], ids=repr)
    def test_gives_back_every_byte(self, submission, dice, data):
        """Emoji, Hangul, control characters and bytes that are no text come back unchanged."""
        tables = [[], learned(dice), EMOJI, [(97, 98), (32, 32)]]
        cases = [(encoded_by_string(data, merges), merges) for merges in tables]
        for (ids, _), got in zip(cases, submission.each("encode", [(data, merges) for merges in tables]), strict=True):
            expect.equal(got, ids)
        for got in submission.each("decode", cases):
            expect.equal(got, data.encode() if isinstance(data, str) else data)

    def test_nothing_in_nothing_out(self, submission):
        """No text has no ids, and no ids have no bytes."""
        for empty in ("", b""):
            expect.equal(submission.encode(empty, LONG), [])
        expect.equal(submission.decode([], LONG), b"")

    @core
    def test_many_merges(self, submission, dice):
        """Hundreds of merges, and tokens of dozens of bytes."""
        text = draw_twice(dice, 330)
        merges = learned_by_string(text, 300)
        half, last = text[:330], 255 + len(merges)
        ids = submission.encode(half, merges)
        expect.equal(ids, encoded_by_string(half, merges), why="all merges count, also those behind number 256")
        expect.equal(submission.decode([*ids, last, 400], merges), half.encode() + bytes_of(last, merges) + bytes_of(400, merges))

    def test_each_call_uses_its_own_merges(self, submission):
        """Nothing is kept from a call with other merges."""
        for merges, ids, data in ((BC_THEN_AB, [97, 256], b"bc"), (BC_THEN_AB[::-1], [256, 99], b"ab"), (BC_THEN_AB, [97, 256], b"bc")):
            expect.equal(submission.encode("abc", merges), ids, why="something is kept between calls")
            expect.equal(submission.decode([256], merges), data, why="something is kept between calls")

    def test_leaves_its_arguments_alone(self, submission):
        """The list of merges and the list of ids are the same after the call as before."""
        kept = [submission.keep(list(LONG)), submission.keep([97, 256, 100])]
        expect.equal(submission.encode("abcd", kept[0]), [97, 256, 100])
        expect.equal(submission.decode(kept[1], kept[0]), b"abcd")
        expect.equal(submission.value(kept[0]), LONG, why="merges was changed in place; the next text needs it too")
        expect.equal(submission.value(kept[1]), [97, 256, 100], why="ids was changed in place")

    def test_a_token_may_be_half_a_character(self, submission):
        """Tokens are joined as bytes before anyone makes text of them."""
        ids = [257, 130, 257, 131]  # F0 9F 99 and 82, then 83
        expect.equal(submission.decode(ids, EMOJI), "🙂🙃".encode(), why="a token by itself need not be valid UTF-8")

    @pytest.mark.parametrize("wrong", [-1, -256])
    def test_refuses_negative_ids(self, submission, wrong):
        """An id below 0 raises ValueError, in any place and also alone."""
        for ids in unknown_at_each_place(wrong):
            expect.raises("ValueError", submission.decode, ids, BC_THEN_AB, why="a list counts negative numbers from its end; no token has the id -1")

    @pytest.mark.parametrize("wrong", [258, 259, 70000])
    def test_refuses_ids_that_are_too_large(self, submission, wrong):
        """An id above 255 + len(merges) raises ValueError, in any place and also alone."""
        for ids in unknown_at_each_place(wrong):
            expect.raises("ValueError", submission.decode, ids, BC_THEN_AB, why="the vocabulary has the ids 0 … 255 + len(merges); check each id")
        expect.raises("ValueError", submission.decode, [wrong - 2], [], why="without merges, 255 is the last id")


def unknown_at_each_place(wrong):
    """Ids of which one is wrong."""
    return [97, wrong, 98], [wrong, 97, 98], [97, 98, wrong], [wrong]


def look_up_and_sum(lookup, table, ids, weights):
    """The gradient that reaches the table; runs on the far side."""
    table = table.clone().requires_grad_()
    fetched = lookup(table, ids)
    if not fetched.requires_grad:
        return None
    (fetched * weights).sum().backward()
    return table.grad


def look_up_transposed(lookup, table, ids):
    """A table and ids that do not lie in memory in order; runs on the far side, since tensors that cross are copied."""
    return lookup(table.T, ids.T)


def after_the_call(submission, table, ids):
    """The learner's table and ids after a call."""
    kept = [submission.keep(table), submission.keep(ids)]
    submission.embedding_lookup(*kept)
    return [submission.value(handle) for handle in kept]


def rows_by_loop(table, ids):
    """The oracle: one row after the other."""
    rows = [table[int(token)] for token in ids.flatten()]
    return torch.stack(rows).reshape(*ids.shape, table.shape[1]) if rows else table.new_zeros(*ids.shape, table.shape[1])


class TestEmbeddingLookup(Exercise, id="embedding-lookup"):
    def probe(self, submission):
        lookup = submission.embedding_lookup
        table = torch.arange(15.0).reshape(5, 3) - 4
        ids = torch.tensor([[4, 0, 4, 1], [2, 3, 0, 4]])
        gradient = submission.run(look_up_and_sum, lookup, table, ids, torch.ones(2, 4, 3))
        return (lookup(table, ids), lookup(table, ids[0]), lookup(table, torch.tensor(2)), lookup(table, torch.zeros(0, 2, dtype=torch.long)),
                lookup(table.double() / 3, ids[1]), lookup(1000 * table, ids[0]), gradient, lookup(table, torch.tensor([-1])), lookup(table, torch.tensor([1, 5])),
                str(getattr(lookup(table.double(), ids), "dtype", "")), str(getattr(lookup(table.bfloat16(), ids), "dtype", "")),
                lookup(table[:, :1], ids), submission.run(look_up_transposed, lookup, table.T.contiguous(), ids), lookup(table, torch.tensor(-1)), lookup(table, ids[None, None]),
                lookup(table, torch.zeros(0, dtype=torch.long)), *after_the_call(submission, table, ids))

    @core
    @pytest.mark.parametrize("shape", [(6,), (2, 4), (2, 1, 3), (2, 1, 3, 2)], ids=["one axis", "two axes", "three axes", "four axes"])
    def test_fetches_a_row_for_each_id(self, submission, rng, shape):
        """Id v gives row v of the table, whatever the shape of ids."""
        table = torch.randn(9, 5, generator=rng)
        ids = torch.randint(9, shape, generator=rng)
        ids.view(-1)[0] = 8  # the last row belongs to an id too
        expect.close(submission.embedding_lookup(table, ids), rows_by_loop(table, ids))

    def test_no_axis_and_no_ids(self, submission, rng):
        """A single id gives one vector of shape (C,); no ids give no vectors."""
        table = torch.randn(7, 4, generator=rng)
        expect.close(submission.embedding_lookup(table, torch.tensor(3)), table[3])
        for shape in ((2, 0), (0,)):
            got = submission.embedding_lookup(table.double(), torch.zeros(shape, dtype=torch.long))
            expect.close(got, torch.zeros(*shape, 4, dtype=torch.float64))
            expect.true(got.dtype == torch.float64, "the result must be float64, as the table is", got=got)

    @core
    def test_large_tables(self, submission, rng):
        """Hundreds of tokens: the last row is as near as the first."""
        table = torch.randn(400, 3, generator=rng)
        ids = torch.tensor([[399, 255, 256], [0, 127, 128]])
        expect.close(submission.embedding_lookup(table, ids), rows_by_loop(table, ids))

    def test_no_id_is_special(self, submission, rng):
        """Ids 0 and V - 1 are tokens like all others, and the vectors are neither scaled nor shifted."""
        table = torch.randn(6, 3, generator=rng) + 2
        for factor in (1, 1000):
            expect.close(submission.embedding_lookup(factor * table, torch.arange(6)), factor * table, why="fetch the rows as they are")

    def test_any_layout(self, submission, rng):
        """Tables with one column, and tables and ids that are transposed in memory, are read as they look."""
        table, ids = torch.randn(6, 1, generator=rng), torch.randint(6, (3, 2), generator=rng)
        expect.close(submission.embedding_lookup(table, ids), rows_by_loop(table, ids), why="with C = 1 the last axis is still there")
        table = torch.randn(4, 6, generator=rng)
        got = submission.run(look_up_transposed, submission.embedding_lookup, table, ids)
        expect.close(got, rows_by_loop(table.T, ids.T), why="view needs memory in order; reshape and indexing do not")

    def test_leaves_its_arguments_alone(self, submission, rng):
        """table and ids are the same after the call as before."""
        table, ids = torch.randn(5, 3, generator=rng), torch.tensor([[4, 0], [2, 1]])
        kept_table, kept_ids = after_the_call(submission, table, ids)
        expect.close(kept_table, table, atol=0.0, rtol=0.0, why="table was changed in place")
        expect.equal(kept_ids, ids, why="ids was changed in place")

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
    def test_keeps_the_dtype_of_the_table(self, submission, rng, dtype):
        """The vectors are exactly the table's, in its dtype."""
        table = torch.randn(6, 3, generator=rng, dtype=torch.float64).to(dtype)
        got = submission.embedding_lookup(table, torch.tensor([5, 2]))
        expect.true(getattr(got, "dtype", None) == dtype, f"the result must be {dtype}, as the table is", got=got)
        expect.close(got, table[[5, 2]], atol=0.0, rtol=0.0)

    @core
    def test_gradients_reach_the_rows(self, submission, rng):
        """The rows that were fetched are trained, a row that was fetched twice by the sum, the others not at all."""
        table, weights = torch.randn(5, 3, generator=rng), torch.randn(6, 3, generator=rng)
        for ids in ([3, 0, 1, 4, 2, 3], [1, 0, 1, 4, 1, 2]):
            got = submission.run(look_up_and_sum, submission.embedding_lookup, table, torch.tensor(ids).reshape(2, 3), weights.reshape(2, 3, 3))
            want = torch.stack([weights[torch.tensor(ids) == row].sum(0) for row in range(5)])
            expect.true(got is not None, "no gradient comes back to the table", why="detach, numpy or .data cut the way back")
            expect.close(got, want)

    @core
    @pytest.mark.parametrize("wrong", [-1, -100, 5])
    def test_no_wrong_id_passes_in_silence(self, submission, rng, wrong):
        """An id below 0, or V or more, is an error: it must not fetch any vector."""
        table = torch.randn(5, 3, generator=rng)
        expect.close(submission.embedding_lookup(table, torch.tensor([[0, 1], [2, 4]])), table[[0, 1, 2, 4]].reshape(2, 2, 3))
        try:
            got = submission.embedding_lookup(table, torch.tensor([[0, 1], [wrong, 4]]))
        except LearnerError:
            return
        expect.true(False, f"id {wrong} of a table with 5 rows is no token, but a result came back", got=got, why="table[-1] is the last row, without a warning")

    @pytest.mark.parametrize("wrong", [-1, -5, 5, 6, 100])
    def test_refuses_ids_outside_the_table(self, submission, rng, wrong):
        """An id below 0, or V or more, raises IndexError, in any place and also alone."""
        table = torch.randn(5, 3, generator=rng)
        for ids in ([[0, 1], [wrong, 4]], [wrong, 0, 2], [2, 0, wrong], wrong):
            expect.raises("IndexError", submission.embedding_lookup, table, torch.tensor(ids), why="check each id, also a single one without an axis")


def cosine_by_hand(a, b):
    """The cosine of two rows of float32, in float64; 0 where one of them is all zeros."""
    a, b = a.double(), b.double()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else 0.0


def check_neighbours(got, vector, table, k):
    """Right rows, right cosines, best first. Rows of equal cosine may change places."""
    form = "the result must be a list of pairs (row, cosine): tuples in a list"
    expect.true(isinstance(got, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in got), form, got=got)
    swapped = any(isinstance(row, float) and isinstance(cosine, int) for row, cosine in got)
    expect.true(not swapped, "the pairs are (cosine, row); they must be (row, cosine)", got=got)
    plain = all(isinstance(row, int) and isinstance(cosine, int | float) for row, cosine in got)
    expect.true(plain, "rows and cosines must be plain Python numbers", got=got, why=".tolist() or .item() makes them out of tensors")
    others = {row: cosine_by_hand(vector, table[row]) for row in range(len(table)) if not torch.equal(table[row], vector)}
    ranked = sorted(others.items(), key=lambda pair: -pair[1])
    problem, why = fault(got, ranked, k, others)
    if problem:
        raise expect.Mismatch(problem, got=pairs_in_words(got), want=pairs_in_words(ranked[:k]), why=why)


def fault(got, ranked, k, others):
    """What is wrong with the neighbours and the likeliest cause, or two empty strings."""
    want, rows = ranked[:k], [row for row, _ in got]
    shifted = "rows were taken away before sorting, so the numbers of the others shifted: find the row numbers of the table you were given"
    if any(math.isnan(cosine) for _, cosine in got):
        return "a cosine is not a number (NaN)", "0 / 0: a row of zeros has length 0"
    if alike(got, ranked[1 : k + 1]) and not alike(ranked[1 : k + 1], want):
        return "the nearest row is missing", "the best row was left out without a look whether it equals the vector"
    if len(got) != len(want):
        return f"{len(want)} neighbour{'s were' if len(want) != 1 else ' was'} expected", "the vector's own row is among the k" if len(got) < len(want) else ""
    if not alike(got, want):
        itself = "a row that equals the vector is the vector itself: leave it out" if set(rows) - set(others) else ""
        return "these are not the nearest rows with their cosines", itself
    if len(set(rows)) < len(rows) or not set(rows) <= set(others):
        return "a row is named twice, or is no neighbour", shifted
    if any(abs(cosine - others[row]) > CLOSE for row, cosine in got):
        return "a row is named with the cosine of another row", shifted
    return "", ""


CLOSE = 2e-5  # float32 knows a cosine to about 1e-6; the rest is for 1e-8 in a denominator


def alike(found, want):
    """Whether the cosines are the same, in order."""
    return len(found) == len(want) and all(abs(mine - theirs) <= CLOSE for (_, mine), (_, theirs) in zip(found, want, strict=True))


def pairs_in_words(found):
    """Neighbours as a card shows them; cosines with five digits, so that they fit the line."""
    return show([(row, round(cosine, 5)) for row, cosine in found])


def draw_table(rng, rows, width):
    """Rows of very different lengths, so that a dot product ranks them wrongly."""
    return torch.randn(rows, width, generator=rng) * torch.logspace(-1, 1, rows)[torch.randperm(rows, generator=rng), None]


class TestCosineNeighbours(Exercise, id="embedding-neighbours"):
    def probe(self, submission):
        near = submission.cosine_neighbours
        table = torch.tensor([[1.0, 0.0], [9.0, 9.0], [0.6, 0.1], [-3.0, 0.1], [0.0, 0.0], [1.0, 0.0], [0.0, -2.0], [3.0, 0.1]])
        own, foreign = table[0], torch.tensor([0.5, 0.2])
        keep = submission.keep(table)
        near(foreign, keep, 2)
        return (rounded(near(own, table, 3)), rounded(near(foreign, table, 2)), rounded(near(foreign, table, 20)), rounded(near(table[7], table, 3)),
                rounded(near(foreign, table[:4], 0)), rounded(near(2 * own, table[[0, 3, 5, 6]], 3)), rounded(near(next_number(table[7]), table, 1)), submission.value(keep),
                rounded(near(0.02 * foreign, 0.02 * table[:4], 4), 5), rounded(near(-own, table[[0, 2, 3]], 3)),
                [str(type(pair)) for pair in found] if isinstance(found := near(own, table, 2), list) else str(type(found)),
                rounded(near(table[2].double(), table[2:4].double() * (1 + 1e-12), 2)), rounded(near(own, table[[0, 5]], 2)))

    @core
    @pytest.mark.parametrize("k", [1, 4])
    def test_finds_the_nearest_directions(self, submission, rng, k):
        """The k rows with the largest cosine come back, best first, with their cosines."""
        table, vector = draw_table(rng, 9, 5), torch.randn(5, generator=rng) * 3
        check_neighbours(submission.cosine_neighbours(vector, table, k), vector, table, k)

    def test_lengths_do_not_count(self, submission):
        """A long row is not nearer than a short one, and a near point is not nearer than a far one on the same line."""
        table = torch.tensor([[100.0, 100.0], [0.1, 0.01], [50.0, 1.0], [1.0, 0.6]])
        vector = torch.tensor([1.0, 0.0])
        check_neighbours(submission.cosine_neighbours(vector, table, 4), vector, table, 4)

    @core
    def test_leaves_out_the_vector_itself(self, submission, rng):
        """The row that is exactly equal to the vector is no neighbour of it."""
        table = draw_table(rng, 8, 4)
        for row in (3, 0, 7):
            check_neighbours(submission.cosine_neighbours(table[row].clone(), table, 3), table[row], table, 3)

    def test_leaves_out_every_equal_row(self, submission, rng):
        """However many rows are exactly equal to the vector, none of them is returned."""
        table = draw_table(rng, 8, 4)
        table[5] = table[2]
        check_neighbours(submission.cosine_neighbours(table[2].clone(), table, 3), table[2], table, 3)
        check_neighbours(submission.cosine_neighbours(table[7].clone(), table, 3), table[7], table, 3)
        check_neighbours(submission.cosine_neighbours(table[2].clone(), table[2].repeat(3, 1), 2), table[2], table[2].repeat(3, 1), 2)

    def test_leaves_out_nothing_else(self, submission):
        """Rows as long as the vector, its opposite, and rows that equal each other: all are returned."""
        table = torch.tensor([[3.0, 4.0], [5.0, 0.0], [4.0, 3.0], [0.1, 0.7], [4.0, 3.0], [3.0, -4.0], [1.0, 4.0], [-3.0, -4.0]])
        for k in (1, 2, 3, 7):
            check_neighbours(submission.cosine_neighbours(table[0].clone(), table, k), table[0], table, k)

    def test_nearly_equal_is_not_equal(self, submission):
        """A row that differs from the vector in the last digit of one number is a neighbour, in float32 and in float64."""
        table = torch.tensor([[3.0, 4.0], [5.0, 0.0], [0.1, 0.7]])
        for vector in (table[0] * 1.00001, next_number(table[0]), next_number(table[0].double())):
            check_neighbours(submission.cosine_neighbours(vector, table.to(vector.dtype), 2), vector, table.to(vector.dtype), 2)

    def test_small_numbers_are_numbers_too(self, submission, rng):
        """Vectors may be short: cosines of rows with length 0.03 are as good as those of long ones."""
        table = torch.nn.functional.normalize(torch.randn(7, 4, generator=rng), dim=-1) * 0.03
        vector = torch.nn.functional.normalize(torch.randn(4, generator=rng), dim=-1) * 0.02
        check_neighbours(submission.cosine_neighbours(vector, table, 7), vector, table, 7)

    @core
    def test_a_vector_from_elsewhere_loses_no_neighbour(self, submission, rng):
        """If the vector is not in the table, the best row stays in the result."""
        table = draw_table(rng, 6, 4)
        vector = table[3] + 0.01 * table[3].norm() * torch.nn.functional.normalize(torch.randn(4, generator=rng), dim=0)
        check_neighbours(submission.cosine_neighbours(vector, table, 2), vector, table, 2)

    @pytest.mark.parametrize("factor", [0.5, 4.0])
    def test_the_same_direction_is_a_neighbour(self, submission, rng, factor):
        """A row that is longer or shorter than the vector and points the same way has cosine 1 and is returned."""
        table = draw_table(rng, 6, 4)
        vector = table[1] * factor
        check_neighbours(submission.cosine_neighbours(vector, table, 2), vector, table, 2)

    def test_a_row_of_zeros_has_cosine_zero(self, submission, rng):
        """No NaN: a row of zeros stands between the rows that point towards the vector and those that point away."""
        table = torch.tensor([[-1.0, 0.2], [0.0, 0.0], [2.0, 1.0], [0.3, -0.1]])
        vector = torch.tensor([1.0, 0.1])
        for k in (1, 3, 4):
            check_neighbours(submission.cosine_neighbours(vector, table, k), vector, table, k)

    def test_any_k_will_do(self, submission, rng):
        """k = 0 gives an empty list, and a k that is too large gives all rows that there are."""
        table = draw_table(rng, 5, 3)
        for vector in (table[4].clone(), torch.randn(3, generator=rng)):
            for k in (0, 4, 5, 50):
                check_neighbours(submission.cosine_neighbours(vector, table, k), vector, table, k)
        table = draw_table(rng, 40, 3)
        check_neighbours(submission.cosine_neighbours(table[4].clone(), table, 35), table[4], table, 35)

    def test_leaves_its_arguments_alone(self, submission, rng):
        """vector and table are the same after the call as before."""
        table, vector = draw_table(rng, 6, 4), torch.randn(4, generator=rng) * 3
        kept = [submission.keep(vector), submission.keep(table)]
        check_neighbours(submission.cosine_neighbours(*kept, 2), vector, table, 2)
        expect.equal(submission.value(kept[0]), vector, why="vector was changed in place")
        expect.equal(submission.value(kept[1]), table, why="table was changed in place")


def next_number(vector):
    """The vector with its last number moved to the next one that its dtype can hold."""
    moved = vector.clone()
    moved[-1] = torch.nextafter(vector[-1], vector.new_tensor(math.inf))
    return moved


def rounded(found, digits=3):
    """Neighbours with rounded cosines; anything else as it is."""
    if isinstance(found, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in found):
        return [[int(row), round(float(cosine), digits)] for row, cosine in found]
    return found


def turned_by_complex_numbers(x, positions, base=10000.0):
    """The oracle: a pair is a complex number, and turning is a multiplication. In float64."""
    half = x.shape[-1] // 2
    pairs = torch.complex(x[..., :half].double(), x[..., half:].double())
    angles = torch.tensor([[float(p) * base ** (-2 * i / x.shape[-1]) for i in range(half)] for p in positions.tolist()], dtype=torch.float64)
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


def turn_transposed(rope, x, positions):
    """Vectors that do not lie in memory in order; runs on the far side, since tensors that cross are copied."""
    return rope(x.transpose(1, 2), positions)


def gradient_of(function, x, *rest):
    """What a loss on the result sends back to x, zeros where nothing arrives; runs on the far side and on this one."""
    mine = x.clone().requires_grad_()
    result = function(mine, *rest)
    if result.requires_grad:
        result.sin().sum().backward()
    return torch.zeros_like(x) if mine.grad is None else mine.grad


# leading axes, T, D: all different, so that no swapped axis survives
ROPE_SHAPES = [((), 5, 6), ((3,), 4, 12), ((2, 3), 7, 4), ((1, 2, 1, 2), 3, 10), ((2,), 7, 14), ((5,), 5, 8)]


class TestRope(Exercise, id="rope"):
    def probe(self, submission):
        rope = submission.rope
        x = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(8))
        positions = torch.tensor([0, 3, 1, 40, 3])
        kept = submission.keep(x[0])
        rope(kept, positions)
        half = rope(x[0, 0].half(), torch.tensor([3001, 0, 2999, 4097, 5]))
        return (rope(x[0, 0], positions), rope(x[0], positions, 100.0), rope(x, torch.arange(5)), half, str(getattr(half, "dtype", "")),
                rope(x[0, 0], torch.tensor([-2.5, 0.5, 0.0, 1.0, 7.0])), submission.value(kept), rope(x[0, 0, :, :3], positions),
                rope(x[0, 0].double(), positions * 70_001), submission.run(gradient_of, rope, x[0], positions),
                rope(x[0, 0], positions[:1]), rope(x[0, 0], positions[:4]), rope(x[0, 0, :3], positions),
                submission.run(turn_transposed, rope, x, positions[:3]), str(getattr(rope(x[0, 0], positions.double()), "dtype", "")), rope(torch.ones(1, 1), positions[:1]),
                rope(x[0, 0].double(), positions.double() + 1_234_567.89), rope(torch.ones(3, 12), positions[:3]), submission.run(gradient_of, rope, x[0, 0].double(), positions))

    @core
    @pytest.mark.parametrize("shape", ROPE_SHAPES, ids=["no leading axis", "one", "two", "four", "as many positions as pairs", "as many vectors as positions"])
    def test_turns_each_pair_by_its_angle(self, submission, rng, shape):
        """Numbers i and i + D/2 turn by positions[t] * base^(-2i/D)."""
        leading, T, D = shape
        x, positions = torch.randn(*leading, T, D, generator=rng), torch.arange(T) + 1
        got = submission.rope(x, positions)
        expect.close(got, turned_by_complex_numbers(x, positions).float(), atol=1e-4, why="which numbers make a pair, and which way does it turn?")

    @core
    def test_uses_the_positions_it_is_given(self, submission, rng):
        """Positions may have gaps, repeat, go backwards, be negative, and be no whole numbers."""
        x = torch.randn(2, 5, 6, generator=rng)
        for positions in (torch.tensor([7, 0, 31, 2, 2]), torch.tensor([-3, 50, -1, 4, 9]), torch.tensor([0.5, 2.25, 0.0, 1.5, 9.0])):
            want = turned_by_complex_numbers(x, positions).float()
            expect.close(submission.rope(x, positions), want, atol=1e-4, why="positions[t] belongs to vector t")

    def test_position_zero_changes_nothing(self, submission, rng):
        """A vector at position 0 stays as it is."""
        x = torch.randn(3, 8, generator=rng)
        expect.close(submission.rope(x, torch.zeros(3, dtype=torch.long)), x)

    @core
    def test_scores_depend_on_the_distance_only(self, submission, rng):
        """Moving a query and a key by the same number of positions leaves their dot product as it was."""
        q, k = torch.randn(1, 8, generator=rng), torch.randn(1, 8, generator=rng)
        scores = [float((submission.rope(q, torch.tensor([9 + by])) * submission.rope(k, torch.tensor([4 + by]))).sum()) for by in (0, 1, 17, 50)]
        expect.close(scores, [float((turned_by_complex_numbers(q, torch.tensor([5])) * k).sum())] * 4, atol=1e-3)

    def test_keeps_lengths(self, submission, rng):
        """Turning makes no vector longer or shorter."""
        x = torch.randn(6, 10, generator=rng)
        got = submission.rope(x, torch.arange(6) * 3)
        expect.true(isinstance(got, torch.Tensor) and got.shape == x.shape, "the shape must be that of x", got=got)
        expect.true(not torch.equal(got, x), "the vectors did not turn at all")
        expect.close(got.norm(dim=-1), x.norm(dim=-1), atol=1e-4)

    @core
    @pytest.mark.parametrize("base", [2.5, 100.0, 500000.0])
    def test_uses_the_base(self, submission, rng, base):
        """Another base gives other speeds."""
        x, positions = torch.randn(4, 6, generator=rng), torch.tensor([1, 5, 2, 30])
        expect.close(submission.rope(x, positions, base), turned_by_complex_numbers(x, positions, base).float(), atol=1e-4)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
    def test_keeps_the_dtype(self, submission, rng, dtype):
        """The result has the dtype of x, whatever that of positions."""
        x = torch.randn(3, 6, generator=rng).to(dtype)
        for positions in (torch.tensor([3, 0, 1]), torch.tensor([3.0, 0.5, 1.0], dtype=torch.float64)):
            got = submission.rope(x, positions)
            expect.true(getattr(got, "dtype", None) == dtype, f"the result must be {dtype}, as x is", got=got)

    @pytest.mark.parametrize(("dtype", "atol"), [(torch.float16, 0.01), (torch.bfloat16, 0.06), (torch.float64, 1e-9)], ids=str)
    def test_computes_angles_exactly(self, submission, rng, dtype, atol):
        """Angles far along a text are right in half precision too, and in float64 to many digits."""
        # atol: a few roundings of numbers up to 2 in this dtype, so that turning in half precision passes, and angles in it do not
        x, positions = torch.randn(3, 6, generator=rng).clamp(-2, 2).to(dtype), torch.tensor([3001, 2999, 4097])
        want = turned_by_complex_numbers(x, positions).to(dtype)
        half = "3001 can't be written in half precision: make the angles in float32"
        expect.close(submission.rope(x, positions), want, atol=atol, rtol=0.0, why="compute in float64 where x is float64" if dtype == torch.float64 else half)

    def test_any_position_in_float64(self, submission, rng, dice):
        """Where x is float64, positions above 16,777,216 and positions with many digits are not rounded."""
        x = torch.randn(3, 6, generator=rng, dtype=torch.float64).clamp(-2, 2)
        for positions in (torch.tensor([16_777_217, dice.randrange(20_000_000) * 2 + 1, 3]), 10_000 * torch.rand(3, generator=rng, dtype=torch.float64)):
            want = turned_by_complex_numbers(x, positions)
            expect.close(submission.rope(x, positions), want, atol=1e-6, rtol=0.0, why="positions in float32 are rounded: convert them to the dtype in which you compute")

    def test_any_layout(self, submission, rng):
        """Vectors need not lie in memory in order: queries are often (B, T, H, D), transposed."""
        x, positions = torch.randn(2, 3, 4, 6, generator=rng), torch.tensor([5, 0, 9])
        want = turned_by_complex_numbers(x.transpose(1, 2), positions).float()
        expect.close(submission.run(turn_transposed, submission.rope, x, positions), want, atol=1e-4, why="view needs memory in order; reshape and slices do not")

    @pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 0.03), (torch.float64, 1e-9)], ids=str)
    def test_positions_have_no_end(self, submission, rng, dice, dtype, atol):
        """Positions near 100,000 are as good as those near 0."""
        # atol: at such a position, float32 knows an angle to about 0.005
        x, positions = torch.randn(3, 6, generator=rng).clamp(-2, 2).to(dtype), torch.tensor([dice.randrange(99_000, 101_000) for _ in range(3)])
        want = turned_by_complex_numbers(x, positions).to(dtype)
        expect.close(submission.rope(x, positions), want, atol=atol, rtol=0.0, why="a table of angles ends somewhere; positions do not")

    @core
    @pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-4), (torch.float64, 1e-4), (torch.float16, 0.02)], ids=str)
    def test_gradients_flow(self, submission, rng, dtype, atol):
        """A loss on the result sends the right gradient to x."""
        x, positions = torch.randn(2, 4, 6, generator=rng).to(dtype), torch.tensor([3, 0, 11, 7])
        got, want = submission.run(gradient_of, submission.rope, x, positions), gradient_of(turned_by_complex_numbers, x, positions)
        expect.close(got, want, atol=atol, why="detach(), no_grad() and numpy cut the gradient: nothing below could learn")

    def test_refuses_what_does_not_fit(self, submission):
        """An odd width, and too few or too many positions, raise ValueError."""
        for odd in (5, 1):
            expect.raises("ValueError", submission.rope, torch.ones(4, odd), torch.arange(4), why="an odd number of numbers does not make pairs")
        for positions in (torch.tensor([3]), torch.arange(3), torch.arange(5), torch.arange(0)):
            expect.raises("ValueError", submission.rope, torch.ones(2, 4, 6), positions, why="each of the 4 vectors needs a position")

    def test_leaves_its_arguments_alone(self, submission, rng):
        """x and positions are the same after the call as before."""
        x, positions = torch.randn(4, 6, generator=rng), torch.tensor([1, 5, 2, 30])
        kept = [submission.keep(x), submission.keep(positions)]
        expect.close(submission.rope(*kept), turned_by_complex_numbers(x, positions).float(), atol=1e-4)
        expect.equal(submission.value(kept[0]), x, why="x was changed in place")
        expect.equal(submission.value(kept[1]), positions, why="positions was changed in place")
