"""Checks for p1_3_tokens_and_embeddings. Sources: Sennrich et al. 2016, arXiv:1508.07909; Su et al. 2021, arXiv:2104.09864."""
import math
from collections import Counter
from itertools import product

import pytest
import torch

from grader.judge import Exercise, core, expect
from grader.judge.show import show

SAMPLES = ["", "a", "hello hello", "naïve façade", "🙂🙃 🙂", "안녕하세요 안녕", "e\u0301 and \u00e9", "line\n\tline\r\n\0"]
STRAY = [b"\xff", b"\x80\x80\x80", b"abc\xc3", "한".encode()[:2] + b"x", bytes(range(256))]


def draw_ids(dice, length, alphabet=(3, 3, 7, 250, 256, 300, 1000)):
    """Ids of which some are bytes and some are merged tokens; 3 is likelier, so that runs occur."""
    return [dice.choice(alphabet) for _ in range(length)]


class TestPairCounts(Exercise, id="bpe-pair-counts"):
    def probe(self, submission):
        count = submission.pair_counts
        kept = submission.keep([4, 5, 4, 5, 300])
        count(kept)
        lists = ([], [9], [1, 2], [2, 1, 2, 2, 1], [7, 7, 7, 7], [300, 256, 300, 256, 8], [5, 5, 1, 5, 5, 5])
        return *(sorted_items(count(ids)) for ids in lists), submission.value(kept)

    @core
    def test_counts_every_neighbouring_pair(self, submission, dice):
        """The count of a pair is the number of positions at which it stands."""
        ids = draw_ids(dice, dice.randrange(25, 40))
        stands = {pair: [at for at in range(len(ids) - 1) if (ids[at], ids[at + 1]) == pair] for pair in product(set(ids), repeat=2)}
        expect.equal(submission.pair_counts(ids), {pair: len(places) for pair, places in stands.items() if places})

    def test_left_and_right_are_not_the_same(self, submission, dice):
        """(1, 2) and (2, 1) are different pairs."""
        left, right = dice.sample(range(600), 2)
        expect.equal(submission.pair_counts([left, right, right, left, right]),
                     {(left, right): 2, (right, right): 1, (right, left): 1}, why="a pair keeps the order of its two ids")

    @pytest.mark.parametrize("length", [2, 3, 4, 7])
    def test_overlapping_pairs_count_at_every_position(self, submission, dice, length):
        """A run of n equal ids holds their pair n - 1 times."""
        same = dice.randrange(600)
        expect.equal(submission.pair_counts([same] * length), {(same, same): length - 1}, why="pairs that overlap are counted too")

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
        return *(merge(ids, (1, 2), 300) for ids in lists), *runs, submission.value(kept)

    @core
    def test_replaces_the_pair_everywhere(self, submission, dice):
        """Every occurrence of the pair becomes the new id, and all other ids stay in their order."""
        ids = draw_ids(dice, dice.randrange(30, 50), alphabet=(1, 2, 2, 3, 260))
        pair = (ids[10], ids[11])
        new_id = dice.randrange(301, 5000)
        expect.equal(submission.merge(ids, pair, new_id), merged_by_string(ids, pair, new_id))

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
        expect.equal(submission.merge([left, right, left], (left, right), new_id), [new_id, left])
        expect.equal(submission.merge([left], (left, right), new_id), [left])
        expect.equal(submission.merge([], (left, right), new_id), [])

    def test_leaves_its_argument_alone(self, submission):
        """ids are the same after the call as before."""
        kept = submission.keep([1, 2, 3, 1, 2])
        expect.equal(submission.merge(kept, (1, 2), 300), [300, 3, 300])
        expect.equal(submission.value(kept), [1, 2, 3, 1, 2], why="ids was changed in place; build a new list")


def learned_by_string(text, n_merges):
    """The oracle for training: one character stands for one token."""
    letters, merges = "".join(map(chr, text.encode())), []
    while len(merges) < n_merges:
        counts = Counter(letters[at : at + 2] for at in range(len(letters) - 1))
        ranked = sorted((-count, pair) for pair, count in counts.items())
        if not ranked or ranked[0][0] > -2:
            break
        pair = ranked[0][1]
        letters = letters.replace(pair, chr(256 + len(merges)))
        merges.append((ord(pair[0]), ord(pair[1])))
    return merges


def draw_text(dice, length, alphabet="aab cdé"):
    return "".join(dice.choice(alphabet) for _ in range(length))


class TestTrainBpe(Exercise, id="bpe-train"):
    def probe(self, submission):
        train = submission.train_bpe
        calls = [("", 3), ("abc", 3), ("abab", 9), ("dcdcabab", 1), ("axayxax ay", 2), ("aaaxyxy", 1), ("the cat the cat the dog", 6),
                 ("Ab ab AB ab Ab", 4), ("한글 한글 한", 5), ("abababab", 0), ("   ab", 2), ("adabadab", 1), ("\ufeffx", 1)]
        return [train(*call) for call in calls]

    @core
    def test_learns_the_pairs_in_order(self, submission, dice):
        """Each merge is the most frequent pair of what the merges before it have left."""
        text = draw_text(dice, dice.randrange(60, 90))
        expect.equal(submission.train_bpe(text, 8), learned_by_string(text, 8))

    def test_new_tokens_are_numbered_from_256(self, submission):
        """The first new token is 256, the next 257, and both can be merged again."""
        expect.equal(submission.train_bpe("abababab" * 2, 3), [(97, 98), (256, 256), (257, 257)], why="the first new token has the id 256")

    @pytest.mark.parametrize("text", ["dcdcabab", "adabadab", "zyzyxx xx", "bcbcaxayaxay"])
    def test_breaks_ties_by_the_smaller_pair(self, submission, text):
        """Of equally frequent pairs, the smaller left id wins, then the smaller right id."""
        expect.equal(submission.train_bpe(text, 1), learned_by_string(text, 1), why="equally frequent pairs: take the smallest tuple")

    def test_counts_overlapping_pairs(self, submission):
        """In "aaa" the pair "aa" counts at two positions."""
        expect.equal(submission.train_bpe("aaaxyxy", 1), [(97, 97)], why="(a, a) and (x, y) both stand at two positions; the smaller one wins")

    @pytest.mark.parametrize("text", ["한글 한글 한글", "né né né à à", "🙂🙃🙂🙃"])
    def test_works_on_bytes(self, submission, text):
        """Text in any script is trained on its UTF-8 bytes."""
        expect.equal(submission.train_bpe(text, 4), learned_by_string(text, 4), why="start from text.encode(\"utf-8\")")

    def test_nothing_is_cut_or_changed_beforehand(self, submission):
        """Spaces, line ends and capitals are bytes like all others, also at the ends of the text."""
        for text in ("a b a b a b", "\n\n\n\n", "AbAb ab", "  xy  xy  ", "\ufeffx"):
            expect.equal(submission.train_bpe(text, 3), learned_by_string(text, 3))

    def test_stops_when_no_pair_repeats(self, submission):
        """A pair that occurs once is not merged; the list may be shorter than n_merges, and empty."""
        expect.equal(submission.train_bpe("abab", 10), [(97, 98)], why="after one merge, no pair is left that occurs twice")
        for text in ("abc", "a", ""):
            expect.equal(submission.train_bpe(text, 5), [], why="a merge that is used once saves nothing")

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


class TestEncodeDecode(Exercise, id="bpe-encode-decode"):
    def probe(self, submission):
        encode, decode = submission.encode, submission.decode
        texts = [("abc", BC_THEN_AB), ("abcabab", BC_THEN_AB), ("abcd ab", LONG), ("ababab", [(97, 98), (256, 256)]),
                 ("aaaaa", [(97, 97), (256, 97)]),
                 ("né", BC_THEN_AB), ("xbc", [(97, 98), (98, 99)]), ("🙂🙂", EMOJI), (b"ab\xff\xc3", BC_THEN_AB), ("", LONG), ("ab", [])]
        texts += [("abc", BC_THEN_AB[::-1]), ("bcd", [(99, 100), (98, 256), (98, 99)])]
        ids = [([97, 256, 257], BC_THEN_AB), ([258, 259, 97], LONG), ([257, 130, 257, 130], EMOJI), ([255, 195, 40], []), ([], LONG),
               ([258], BC_THEN_AB), ([-1], BC_THEN_AB), ([97, 5000], LONG)]
        return *(encode(*call) for call in texts), *(decode(*call) for call in ids)

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

    def test_rank_decides_not_the_place_in_the_text(self, submission):
        """In "abc" the pair that was learned first is merged, although another one stands further left."""
        expect.equal(submission.encode("abc", BC_THEN_AB), [97, 256], why="b c has rank 0 and a b has rank 1; merging from the left gives ab, c")
        expect.equal(submission.encode("abcab", BC_THEN_AB), [97, 256, 257])

    def test_rank_decides_not_the_length_of_the_token(self, submission):
        """The longest known token is not taken when a merge of smaller rank uses up its parts."""
        expect.equal(submission.encode("abcd", LONG), [97, 256, 100], why="abcd is a known token, but b c is merged first")

    def test_merges_that_do_not_occur_are_passed_over(self, submission):
        """A merge whose pair is not in the text does not end the work."""
        expect.equal(submission.encode("xyxyz", [(97, 98), (120, 121), (113, 113), (257, 257)]), [259, 122])

    def test_merges_build_on_merges(self, submission):
        """Tokens that a merge has made are merged again."""
        merges = [(97, 97), (256, 256), (257, 97)]
        expect.equal(submission.encode("aaaaaaa", merges), [257, 256, 97])
        expect.equal(submission.encode("aaaaa", merges), [258])
        expect.equal(submission.decode([258, 257], merges), b"a" * 9)

    @pytest.mark.parametrize("data", [*SAMPLES, *STRAY], ids=repr)
    def test_gives_back_every_byte(self, submission, dice, data):
        """Emoji, Hangul, control characters and bytes that are no text come back unchanged."""
        for merges in ([], learned(dice), EMOJI):
            ids = submission.encode(data, merges)
            expect.equal(ids, encoded_by_string(data, merges))
            expect.equal(submission.decode(ids, merges), data.encode() if isinstance(data, str) else data)

    def test_a_token_may_be_half_a_character(self, submission):
        """Tokens are joined as bytes before anyone makes text of them."""
        ids = [257, 130, 257, 131]  # F0 9F 99 and 82, then 83
        expect.equal(submission.decode(ids, EMOJI), "🙂🙃".encode(), why="a token by itself need not be valid UTF-8")

    @pytest.mark.parametrize("wrong", [-1, -256, 258, 259, 70000])
    def test_refuses_unknown_ids(self, submission, wrong):
        """An id below 0 or above 255 + len(merges) raises ValueError."""
        expect.raises("ValueError", submission.decode, [97, wrong, 98], BC_THEN_AB, why="the vocabulary has the ids 0 … 255 + len(merges)")


def look_up_and_sum(lookup, table, ids, weights):
    """The gradient that reaches the table; runs on the far side."""
    table = table.clone().requires_grad_()
    fetched = lookup(table, ids)
    if not fetched.requires_grad:
        return None
    (fetched * weights).sum().backward()
    return table.grad


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
                str(getattr(lookup(table.double(), ids), "dtype", "")))

    @core
    @pytest.mark.parametrize("shape", [(6,), (2, 4), (2, 1, 3)], ids=["one axis", "two axes", "three axes"])
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
        expect.close(submission.embedding_lookup(table, torch.zeros(2, 0, dtype=torch.long)), torch.zeros(2, 0, 4))

    def test_no_id_is_special(self, submission, rng):
        """Ids 0 and V - 1 are tokens like all others, and the vectors are neither scaled nor shifted."""
        table = torch.randn(6, 3, generator=rng) + 2
        for factor in (1, 1000):
            expect.close(submission.embedding_lookup(factor * table, torch.arange(6)), factor * table, why="fetch the rows as they are")

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
    def test_keeps_the_dtype_of_the_table(self, submission, rng, dtype):
        """The vectors are exactly the table's, in its dtype."""
        table = torch.randn(6, 3, generator=rng, dtype=torch.float64).to(dtype)
        got = submission.embedding_lookup(table, torch.tensor([5, 2]))
        expect.true(getattr(got, "dtype", None) == dtype, f"the result must be {dtype}, as the table is", got=got)
        expect.close(got, table[[5, 2]], atol=0.0, rtol=0.0)

    def test_gradients_reach_the_rows(self, submission, rng):
        """The rows that were fetched are trained, a row that was fetched twice by the sum, the others not at all."""
        table, weights = torch.randn(5, 3, generator=rng), torch.randn(4, 3, generator=rng)
        got = submission.run(look_up_and_sum, submission.embedding_lookup, table, torch.tensor([3, 0, 3, 4]), weights)
        want = torch.zeros(5, 3)
        want[0], want[3], want[4] = weights[1], weights[0] + weights[2], weights[3]
        expect.true(got is not None, "no gradient comes back to the table", why="detach, numpy or .data cut the way back")
        expect.close(got, want)

    @pytest.mark.parametrize("wrong", [-1, -5, 5, 6, 100])
    def test_refuses_ids_outside_the_table(self, submission, rng, wrong):
        """An id below 0, or V or more, raises IndexError."""
        table = torch.randn(5, 3, generator=rng)
        ids = torch.tensor([[0, 1], [wrong, 4]])
        expect.raises("IndexError", submission.embedding_lookup, table, ids, why="table[-1] is the last row, without a warning")


def cosine_by_hand(a, b):
    """The cosine of two rows of float32, in float64; 0 where one of them is all zeros."""
    a, b = a.double(), b.double()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else 0.0


def check_neighbours(got, vector, table, k):
    """Right rows, right cosines, best first. Rows of equal cosine may change places."""
    expect.true(isinstance(got, list | tuple) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in got),
                "the result must be a list of pairs (row, cosine)", got=got)
    expect.true(all(isinstance(row, int) and isinstance(cosine, int | float) for row, cosine in got),
                "rows and cosines must be plain Python numbers", got=got, why=".tolist() or .item() makes them out of tensors")
    others = {row: cosine_by_hand(vector, table[row]) for row in range(len(table)) if not torch.equal(table[row], vector)}
    want = sorted(others.items(), key=lambda pair: -pair[1])[:k]
    rows, cosines = [int(row) for row, _ in got], [float(cosine) for _, cosine in got]
    unknown = any(math.isnan(cosine) for cosine in cosines)
    expect.true(not unknown, "a cosine is not a number (NaN)", got=got, why="0 / 0: a row of zeros has length 0")
    expect.true(len(got) == len(want), f"{len(want)} neighbours were expected", got=got)
    if not all(abs(mine - cosine) <= 2e-4 for mine, (_, cosine) in zip(cosines, want, strict=True)):
        best = [(row, round(cosine, 5)) for row, cosine in want]
        raise expect.Mismatch("these are not the nearest rows with their cosines", got=show(got), want=show(best))
    shifted = "if you take rows away before sorting, the numbers of the others shift"
    expect.true(len(set(rows)) == len(rows) and set(rows) <= set(others), "a row is named twice, or is no neighbour", got=got, why=shifted)
    expect.close(cosines, [others[row] for row in rows], atol=2e-4, why=f"a row is named with the cosine of another row: {shifted}")


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
                rounded(near(foreign, table[:4], 0)), rounded(near(2 * own, table[[0, 3, 5, 6]], 3)), rounded(near(next_number(table[7]), table, 1)), submission.value(keep))

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

    def test_leaves_out_the_vector_itself(self, submission, rng):
        """Rows that are exactly equal to the vector are no neighbours, however often they occur."""
        table = draw_table(rng, 8, 4)
        table[5] = table[2]
        check_neighbours(submission.cosine_neighbours(table[2].clone(), table, 3), table[2], table, 3)
        check_neighbours(submission.cosine_neighbours(table[7].clone(), table, 3), table[7], table, 3)

    def test_leaves_out_nothing_else(self, submission):
        """Rows as long as the vector, rows that equal each other, and a row that differs in the last digit of one number: all are returned."""
        table = torch.tensor([[3.0, 4.0], [5.0, 0.0], [4.0, 3.0], [0.1, 0.7], [4.0, 3.0], [3.0, -4.0]])
        for k in (1, 2, 3, 5):
            check_neighbours(submission.cosine_neighbours(table[0].clone(), table, k), table[0], table, k)
        for vector in (table[0] * 1.00001, next_number(table[0])):  # nearly equal is not equal
            check_neighbours(submission.cosine_neighbours(vector, table, 2), vector, table, 2)

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


def rounded(found):
    """Neighbours with rounded cosines; anything else as it is."""
    if isinstance(found, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in found):
        return [[int(row), round(float(cosine), 3)] for row, cosine in found]
    return found


def turned_by_complex_numbers(x, positions, base=10000.0):
    """The oracle: a pair is a complex number, and turning is a multiplication. In float64."""
    half = x.shape[-1] // 2
    pairs = torch.complex(x[..., :half].double(), x[..., half:].double())
    angles = torch.tensor([[float(p) * base ** (-2 * i / x.shape[-1]) for i in range(half)] for p in positions.tolist()], dtype=torch.float64)
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


def gradient_of(function, x, *rest):
    """What a loss on the result sends back to x, zeros where nothing arrives; runs on the far side and on this one."""
    mine = x.clone().requires_grad_()
    result = function(mine, *rest)
    if result.requires_grad:
        result.sin().sum().backward()
    return torch.zeros_like(x) if mine.grad is None else mine.grad


# leading axes, T, D: all different, so that no swapped axis survives
ROPE_SHAPES = [((), 5, 6), ((3,), 4, 8), ((2, 3), 7, 4)]


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
                rope(x[0, 0], positions[:1]), rope(x[0, 0], positions[:4]), rope(x[0, 0, :3], positions))

    @core
    @pytest.mark.parametrize("shape", ROPE_SHAPES, ids=["no leading axis", "one", "two"])
    def test_turns_each_pair_by_its_angle(self, submission, rng, shape):
        """Numbers i and i + D/2 turn by positions[t] * base^(-2i/D)."""
        leading, T, D = shape
        x, positions = torch.randn(*leading, T, D, generator=rng), torch.arange(T) + 1
        got = submission.rope(x, positions)
        expect.close(got, turned_by_complex_numbers(x, positions).float(), atol=1e-4, why="which numbers make a pair, and which way does it turn?")

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

    @pytest.mark.parametrize("base", [2.0, 100.0, 500000.0])
    def test_uses_the_base(self, submission, rng, base):
        """Another base gives other speeds."""
        x, positions = torch.randn(4, 6, generator=rng), torch.tensor([1, 5, 2, 30])
        expect.close(submission.rope(x, positions, base), turned_by_complex_numbers(x, positions, base).float(), atol=1e-4)

    @pytest.mark.parametrize(("dtype", "atol"), [(torch.float16, 0.01), (torch.bfloat16, 0.06), (torch.float64, 1e-9)], ids=str)
    def test_keeps_the_dtype_but_computes_angles_exactly(self, submission, rng, dtype, atol):
        """The result has the dtype of x, and angles far along a text are right in half precision too."""
        # atol: a few roundings of numbers up to 2 in this dtype, so that turning in half precision passes, and angles in it do not
        x, positions = torch.randn(3, 6, generator=rng).clamp(-2, 2).to(dtype), torch.tensor([3001, 2999, 4097])
        got, want = submission.rope(x, positions), turned_by_complex_numbers(x, positions).to(dtype)
        expect.true(getattr(got, "dtype", None) == dtype, f"the result must be {dtype}, as x is", got=got)
        half = "3001 can't be written in half precision: make the angles in float32"
        expect.close(got, want, atol=atol, rtol=0.0, why="compute in float64 where x is float64" if dtype == torch.float64 else half)

    @pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 0.03), (torch.float64, 1e-9)], ids=str)
    def test_positions_have_no_end(self, submission, rng, dice, dtype, atol):
        """Positions near 100,000 are as good as those near 0."""
        # atol: at such a position, float32 knows an angle to about 0.005
        x, positions = torch.randn(3, 6, generator=rng).clamp(-2, 2).to(dtype), torch.tensor([dice.randrange(99_000, 101_000) for _ in range(3)])
        want = turned_by_complex_numbers(x, positions).to(dtype)
        expect.close(submission.rope(x, positions), want, atol=atol, rtol=0.0, why="a table of angles ends somewhere; positions do not")

    def test_gradients_flow(self, submission, rng):
        """A loss on the result sends the right gradient to x."""
        x, positions = torch.randn(2, 4, 6, generator=rng), torch.tensor([3, 0, 11, 7])
        got, want = submission.run(gradient_of, submission.rope, x, positions), gradient_of(turned_by_complex_numbers, x, positions)
        expect.close(got, want, atol=1e-4, why="detach(), no_grad() and numpy cut the gradient: nothing below could learn")

    def test_refuses_what_does_not_fit(self, submission):
        """An odd width, and too few or too many positions, raise ValueError."""
        expect.raises("ValueError", submission.rope, torch.ones(4, 5), torch.arange(4), why="5 numbers do not make pairs")
        for positions in (torch.tensor([3]), torch.arange(3), torch.arange(5), torch.arange(0)):
            expect.raises("ValueError", submission.rope, torch.ones(2, 4, 6), positions, why="each of the 4 vectors needs a position")

    def test_leaves_its_arguments_alone(self, submission, rng):
        """x and positions are the same after the call as before."""
        x, positions = torch.randn(4, 6, generator=rng), torch.tensor([1, 5, 2, 30])
        kept = [submission.keep(x), submission.keep(positions)]
        expect.close(submission.rope(*kept), turned_by_complex_numbers(x, positions).float(), atol=1e-4)
        expect.equal(submission.value(kept[0]), x, why="x was changed in place")
        expect.equal(submission.value(kept[1]), positions, why="positions was changed in place")
