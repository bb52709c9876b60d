"""Further checks for p1_3_tokens_and_embeddings that a learner's copy leaves out: other sizes, other properties."""
import torch

from grader.checks.p1_3_tokens_and_embeddings import (
    bytes_of,
    check_neighbours,
    draw_ids,
    draw_table,
    draw_text,
    encoded_by_string,
    learned,
    learned_by_string,
    merged_by_string,
    rows_by_loop,
    turned_by_complex_numbers,
)
from grader.judge import Exercise, core, expect


class TestHiddenPairCounts(Exercise, id="bpe-pair-counts", hidden=True):
    def test_all_counts_make_n_minus_one(self, submission, dice):
        """n ids have n - 1 neighbouring pairs, and every id but the last is a left one once for each place."""
        ids = draw_ids(dice, dice.randrange(50, 80), alphabet=(1, 1, 2, 700))
        counts = submission.pair_counts(ids)
        pairs = isinstance(counts, dict) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in counts)
        expect.true(pairs, "the result must be a dict of pairs", got=counts)
        for token in set(ids):
            expect.equal(sum(count for (left, _), count in counts.items() if left == token), ids[:-1].count(token))
            expect.equal(sum(count for (_, right), count in counts.items() if right == token), ids[1:].count(token))

    @core
    def test_each_list_is_counted_afresh(self, submission, dice):
        """A second call knows nothing of the first."""
        first, second = [1, 2, 1, 2], [dice.randrange(5, 90) for _ in range(2)]
        submission.pair_counts(first)
        expect.equal(submission.pair_counts(second), {tuple(second): 1})


class TestHiddenMerge(Exercise, id="bpe-merge", hidden=True):
    @core
    def test_random_lists(self, submission, dice):
        """Any list and any of its pairs, runs included."""
        for _ in range(4):
            ids = draw_ids(dice, dice.randrange(2, 30), alphabet=(0, 0, 1, 999))
            at = dice.randrange(len(ids) - 1)
            expect.equal(submission.merge(ids, (ids[at], ids[at + 1]), 1000), merged_by_string(ids, (ids[at], ids[at + 1]), 1000))

    def test_a_pair_that_is_not_there(self, submission, dice):
        """If the pair does not occur, the ids come back as they are."""
        ids = draw_ids(dice, 15, alphabet=(4, 5, 6))
        expect.equal(submission.merge(ids, (5, 77), 300), ids)


class TestHiddenTrainBpe(Exercise, id="bpe-train", hidden=True):
    @core
    def test_random_texts(self, submission, dice):
        """Small alphabets, where ties are frequent."""
        for alphabet in ("ab", "zyx ", "añb"):
            text = draw_text(dice, 40, alphabet)
            expect.equal(submission.train_bpe(text, 7), learned_by_string(text, 7))

    def test_one_long_run(self, submission, dice):
        """A text of one letter only."""
        text = dice.choice("az") * dice.randrange(12, 40)
        expect.equal(submission.train_bpe(text, 9), learned_by_string(text, 9))


class TestHiddenEncodeDecode(Exercise, id="bpe-encode-decode", hidden=True):
    @core
    def test_random_bytes_come_back(self, submission, dice):
        """Any bytes are encoded and decoded without loss."""
        merges = learned(dice)
        data = bytes(dice.choice((97, 98, 32, 195, 240, 255, dice.randrange(256))) for _ in range(40))
        expect.equal(submission.encode(data, merges), encoded_by_string(data, merges))
        expect.equal(submission.decode(submission.encode(data, merges), merges), data)

    def test_text_and_its_bytes_are_the_same(self, submission, dice):
        """A str and its UTF-8 bytes have the same ids."""
        merges, text = learned(dice), draw_text(dice, 30, "aab cé한🙂")
        expect.equal(submission.encode(text, merges), encoded_by_string(text, merges))
        expect.equal(submission.encode(text.encode(), merges), encoded_by_string(text, merges))

    def test_every_token_alone(self, submission, dice):
        """Each token of the vocabulary decodes to its own bytes."""
        merges = learned(dice)
        for token in (0, 10, 127, 128, 255, *range(256, 256 + len(merges))):
            expect.equal(submission.decode([token], merges), bytes_of(token, merges))

    def test_merges_in_which_rank_and_size_of_ids_disagree(self, submission):
        """Sorting the merges by their ids is not sorting them by rank."""
        merges = [(122, 97), (97, 98), (98, 122), (97, 122)]
        for text in ("zab", "azab", "bzab", "abza"):
            expect.equal(submission.encode(text, merges), encoded_by_string(text, merges))


class TestHiddenEmbeddingLookup(Exercise, id="embedding-lookup", hidden=True):
    @core
    def test_random_sizes(self, submission, rng, dice):
        """Any table and any shape of ids."""
        V, C, B, T = dice.sample(range(2, 9), 4)
        table, ids = torch.randn(V, C, generator=rng), torch.randint(V, (B, T), generator=rng)
        expect.close(submission.embedding_lookup(table, ids), rows_by_loop(table, ids))

    def test_a_table_with_one_row(self, submission, rng):
        """With V = 1 the only id is 0."""
        table = torch.randn(1, 4, generator=rng)
        expect.close(submission.embedding_lookup(table, torch.tensor([0, 0])), table.expand(2, 4))
        expect.raises("IndexError", submission.embedding_lookup, table, torch.tensor([1]))


class TestHiddenNeighbours(Exercise, id="embedding-neighbours", hidden=True):
    @core
    def test_random_sizes(self, submission, rng, dice):
        """Any table, any k, the vector from the table or from elsewhere."""
        N, C, k = dice.randrange(6, 15), dice.randrange(2, 6), dice.randrange(1, 20)
        table = draw_table(rng, N, C)
        for vector in (table[dice.randrange(N)].clone(), torch.randn(C, generator=rng) * 3):
            check_neighbours(submission.cosine_neighbours(vector, table, k), vector, table, k)

    def test_opposite_directions_come_last(self, submission, rng):
        """A row that points away has cosine -1, and is no near neighbour."""
        table = draw_table(rng, 6, 5)
        vector = -3 * table[4]
        check_neighbours(submission.cosine_neighbours(vector, table, 6), vector, table, 6)


class TestHiddenRope(Exercise, id="rope", hidden=True):
    @core
    def test_random_sizes(self, submission, rng, dice):
        """Any even width, any number of leading axes, positions in any order."""
        T, half, B, H = dice.sample(range(2, 8), 4)
        x, positions = torch.randn(B, H, 1, T, 2 * half, generator=rng), torch.randint(-20, 60, (T,), generator=rng)
        expect.close(submission.rope(x, positions), turned_by_complex_numbers(x, positions).float(), atol=2e-4)

    def test_one_vector_and_one_pair(self, submission, rng):
        """T = 1 and D = 2 are the smallest case."""
        x = torch.randn(1, 2, generator=rng)
        expect.close(submission.rope(x, torch.tensor([2])), turned_by_complex_numbers(x, torch.tensor([2])).float(), atol=1e-4)

    def test_turning_back(self, submission, rng):
        """Turning by -p undoes turning by p."""
        x, positions = torch.randn(3, 5, 6, generator=rng), torch.tensor([4, 1, 30, 0, 8])
        there = submission.rope(x, positions)
        expect.close(there, turned_by_complex_numbers(x, positions).float(), atol=1e-4)
        expect.close(submission.rope(there, -positions), x, atol=2e-4)
