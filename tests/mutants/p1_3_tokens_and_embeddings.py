"""Plausible wrong answers to p1_3_tokens_and_embeddings, each with what its author should be told; and right answers written another way."""
import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import torch
import torch.nn.functional as F

from grader.mutation import edit, mutant, variant

# Counting pairs

COUNTS = "bpe-pair-counts"
edit(COUNTS, "counts_from_zero", "The first time a pair is seen it counts 0; it must count 1.", ("counts[pair] = counts.get(pair, 0) + 1", "counts[pair] = counts[pair] + 1 if pair in counts else 0"))
edit(COUNTS, "marks_instead_of_counting", "Every pair gets the count 1, however often it occurs.", ("counts.get(pair, 0) + 1", "1"))
edit(COUNTS, "misses_the_last_pair", "The last pair is not counted: n ids have n - 1 pairs.", ("range(len(ids) - 1)", "range(len(ids) - 2)"))
edit(COUNTS, "misses_the_first_pair", "Counting starts at the second id; the first pair is left out.", ("range(len(ids) - 1)", "range(1, len(ids) - 1)"))
edit(COUNTS, "ids_with_a_gap", "The ids of a pair are two places apart; they must be direct neighbours.", ("range(len(ids) - 1)", "range(len(ids) - 2)"), ("ids[at + 1]", "ids[at + 2]"))
edit(COUNTS, "pairs_side_by_side", "The list is cut into separate pairs; a pair stands at every position, also at odd ones.", ("range(len(ids) - 1)", "range(0, len(ids) - 1, 2)"))
edit(COUNTS, "wraps_around", "The last id is paired with the first one; they are not neighbours.", ("range(len(ids) - 1)", "range(len(ids))"), ("(ids[at], ids[at + 1])", "(ids[at], ids[(at + 1) % len(ids)])"))
edit(COUNTS, "ignores_the_order", "(1, 2) and (2, 1) are counted as one pair; left and right are different places.", ("(ids[at], ids[at + 1])", "tuple(sorted((ids[at], ids[at + 1])))"))
edit(COUNTS, "swaps_left_and_right", "The pairs are written (right, left).", ("(ids[at], ids[at + 1])", "(ids[at + 1], ids[at])"))
edit(COUNTS, "only_bytes", "Pairs with ids above 255 are left out; merged tokens have pairs too.", ("        counts[pair]", "        if max(pair) > 255:\n            continue\n        counts[pair]"))
edit(COUNTS, "joins_equal_ids", "Pairs of equal ids are left out.", ("        counts[pair]", "        if pair[0] == pair[1]:\n            continue\n        counts[pair]"))


edit(COUNTS, "zero_is_nothing", "Pairs with id 0 are left out; 0 is an id like all others, and `if id` takes it for nothing.", ("        counts[pair]", "        if not all(pair):\n            continue\n        counts[pair]"))
edit(COUNTS, "ids_in_16_bits", "Ids above 65535 are cut to 16 bits; real vocabularies are larger.", ("(ids[at], ids[at + 1])", "(ids[at] % 65536, ids[at + 1] % 65536)"))
edit(COUNTS, "counts_in_a_byte", "No count is above 255; counts are numbers of any size.", ("counts.get(pair, 0) + 1", "min(255, counts.get(pair, 0) + 1)"))


@mutant(COUNTS, provides="pair_counts")
def skips_overlaps(ids):
    """Overlapping pairs are skipped: in 7, 7, 7 the pair stands at two positions, so it counts 2."""
    counts, last = {}, {}
    for at in range(len(ids) - 1):
        pair = (ids[at], ids[at + 1])
        if last.get(pair) == at - 1:
            continue
        last[pair] = at
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@mutant(COUNTS, provides="pair_counts")
def lists_absent_pairs(ids):
    """Pairs that do not occur are in the result, with the count 0; leave them out."""
    counts = dict.fromkeys(itertools.product(sorted(set(ids)), repeat=2), 0)
    for pair in itertools.pairwise(ids):
        counts[pair] += 1
    return counts


@mutant(COUNTS, provides="pair_counts")
def eats_its_input(ids):
    """The ids are taken out of the caller's list, which is empty afterwards."""
    counts = {}
    while len(ids) > 1:
        left = ids.pop(0)
        counts[left, ids[0]] = counts.get((left, ids[0]), 0) + 1
    return counts


@mutant(COUNTS, provides="pair_counts")
def fails_on_an_empty_list(ids):
    """An empty list raises an error; it has no pairs, and the result is an empty dict."""
    counts, left = {}, ids[0]
    for right in ids[1:]:
        counts[left, right] = counts.get((left, right), 0) + 1
        left = right
    return counts


@mutant(COUNTS, provides="pair_counts")
def remembers_earlier_lists(ids, counts={}):  # noqa: B006
    """Counts of earlier calls are still in the result: a default argument {} is made once, not for each call."""
    for pair in itertools.pairwise(ids):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@variant(COUNTS, provides="pair_counts")
def by_counter(ids):
    """Right: a Counter is a dict."""
    return Counter(itertools.pairwise(ids))


@variant(COUNTS, provides="pair_counts")
def by_position(ids):
    """Right: positions and a defaultdict."""
    counts = defaultdict(int)
    for at in range(1, len(ids)):
        counts[ids[at - 1], ids[at]] += 1
    return counts


@variant(COUNTS, provides="pair_counts")
def by_numpy(ids):
    """Right: NumPy counts equal rows."""
    if len(ids) < 2:
        return {}
    pairs, counts = np.unique(np.column_stack([ids[:-1], ids[1:]]), axis=0, return_counts=True)
    return {(left, right): count for (left, right), count in zip(pairs, counts, strict=True)}


# Merging

MERGE = "bpe-merge"
edit(MERGE, "keeps_the_right_id", "The right id of the pair is still there after the new one: go on by two positions after a merge.", ("at += 2", "at += 1"))
edit(MERGE, "skips_an_id_after_a_merge", "The id behind a merged pair is lost: go on by two positions, not by three.", ("at += 2", "at += 3"))
edit(MERGE, "loses_the_last_id", "The last id is lost when it is not part of a pair.", ("while at < len(ids):", "while at < len(ids) - 1:"))
edit(MERGE, "looks_at_the_left_only", "Only the left id is compared; the pair is left followed by right.", ("tuple(ids[at : at + 2]) == pair", "ids[at] == pair[0]"))
edit(MERGE, "either_order", "right, left is merged too; it is another pair.", ("tuple(ids[at : at + 2]) == pair", "tuple(ids[at : at + 2]) in (pair, pair[::-1])"))
edit(MERGE, "only_the_first", "Only the first occurrence is merged; the pair may stand in many places.", ("tuple(ids[at : at + 2]) == pair", "new_id not in merged and tuple(ids[at : at + 2]) == pair"))
edit(MERGE, "always_256", "The new id is always 256; use new_id.", ("merged.append(new_id)", "merged.append(256)"))
edit(MERGE, "fails_at_the_last_id", "A left id at the very end raises an error: it has no right neighbour, so it stays.",
     ("tuple(ids[at : at + 2]) == pair", "ids[at] == pair[0] and ids[at + 1] == pair[1]"))
edit(MERGE, "drops_the_pair", "The pair is taken out and nothing put in its place.", ("            merged.append(new_id)\n", ""))
edit(MERGE, "zero_is_nothing", "A pair that begins with id 0 is not merged; 0 is an id like all others.", ("tuple(ids[at : at + 2]) == pair", "ids[at] and tuple(ids[at : at + 2]) == pair"))
edit(MERGE, "gives_back_the_same_list", "If nothing was merged, the caller's own list comes back; return a new one.", ("    return merged", "    return merged if new_id in merged else ids"))
edit(MERGE, "first_hundred_ids", "Only the first hundred ids come back; go through the whole list.", ("while at < len(ids):", "while at < min(100, len(ids)):"))


@mutant(MERGE, provides="merge")
def misses_a_pair_at_the_end(ids, pair, new_id):
    """A pair at the very end of the list is not merged."""
    merged, at = [], 0
    while at < len(ids):
        if at < len(ids) - 2 and (ids[at], ids[at + 1]) == pair:
            merged.append(new_id)
            at += 2
        else:
            merged.append(ids[at])
            at += 1
    return merged


@mutant(MERGE, provides="merge")
def uses_an_id_twice(ids, pair, new_id):
    """In 7, 7, 7 the middle id is used for two merges; an id that was merged is used up."""
    hits = [at for at in range(len(ids) - 1) if (ids[at], ids[at + 1]) == pair]
    return [new_id if at in hits else ids[at] for at in range(len(ids)) if at in hits or at - 1 not in hits]


@mutant(MERGE, provides="merge")
def from_the_right(ids, pair, new_id):
    """Merging goes from right to left; in 7, 7, 7 the first two must be merged, not the last two."""
    merged, at = [], len(ids) - 1
    while at >= 0:
        if at and (ids[at - 1], ids[at]) == pair:
            merged.insert(0, new_id)
            at -= 2
        else:
            merged.insert(0, ids[at])
            at -= 1
    return merged


@mutant(MERGE, provides="merge")
def edits_the_callers_list(ids, pair, new_id):
    """The caller's list is changed; build a new one."""
    at = 0
    while at < len(ids) - 1:
        if (ids[at], ids[at + 1]) == pair:
            ids[at : at + 2] = [new_id]
        at += 1
    return ids


@mutant(MERGE, provides="merge")
def replaces_digits(ids, pair, new_id):
    """The ids are joined as text and replaced there, so 11, 2 is taken for the pair (1, 2)."""
    return [int(word) for word in " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", f"{new_id}").split()]


@mutant(MERGE, provides="merge")
def replaces_words(ids, pair, new_id):
    """Two occurrences that touch share a space in the joined text, so the second one is missed."""
    text = " " + " ".join(map(str, ids)) + " "
    return [int(word) for word in text.replace(f" {pair[0]} {pair[1]} ", f" {new_id} ").split()]


@variant(MERGE, provides="merge")
def by_iterator(ids, pair, new_id):
    """Right: looks back at what has been written."""
    out, fresh = [], False  # fresh: the last item of out came from ids and was not merged
    for token in ids:
        if fresh and out[-1] == pair[0] and token == pair[1]:
            out[-1] = new_id
            fresh = False
        else:
            out.append(token)
            fresh = True
    return out


@variant(MERGE, provides="merge")
def by_skipping(ids, pair, new_id):
    """Right: a for loop that skips the right id."""
    out, skip = [], False
    for left, right in itertools.zip_longest(ids, ids[1:]):
        if skip:
            skip = False
        elif (left, right) == pair:
            out.append(new_id)
            skip = True
        else:
            out.append(left)
    return out


@variant(MERGE, provides="merge")
def by_string(ids, pair, new_id):
    """Right: one character for each id, and the string's own replace."""
    return [ord(c) for c in "".join(map(chr, ids)).replace(chr(pair[0]) + chr(pair[1]), chr(new_id))]


# Training

TRAIN = "bpe-train"
edit(TRAIN, "first_in_the_text_wins_ties", "Of equally frequent pairs the first one in the text is taken; the smallest pair must win.",
     ("min(pair for pair, count in counts.items() if count == most)", "max(counts, key=counts.get)"))
edit(TRAIN, "largest_wins_ties", "Of equally frequent pairs the largest one is taken; the smallest pair must win.",
     ("min(pair for pair, count in counts.items() if count == most)", "max(counts, key=lambda pair: (counts[pair], pair))"))
edit(TRAIN, "compares_the_left_id_only", "Ties are broken by the left id alone; if the left ids are equal, the smaller right id must win.",
     ("min(pair for pair, count in counts.items() if count == most)", "min((pair for pair, count in counts.items() if count == most), key=lambda pair: pair[0])"))
VOCABULARY = ("    merges: list[tuple[int, int]] = []", "    merges: list[tuple[int, int]] = []\n    pieces = [bytes([byte]) for byte in range(256)]")
edit(TRAIN, "compares_bytes", "Ties are broken by the bytes of the tokens; their ids must be compared.", VOCABULARY,
     ("min(pair for pair, count in counts.items() if count == most)", "min((pair for pair, count in counts.items() if count == most), key=lambda pair: (pieces[pair[0]], pieces[pair[1]]))"),
     ("merges.append(pair)", "merges.append(pair)\n        pieces.append(pieces[pair[0]] + pieces[pair[1]])"))
edit(TRAIN, "composes_characters", "Characters are put into another Unicode form (NFC) first; their bytes must stay as they are.",
     ("    ids = list(", "    import unicodedata\n\n    ids = list("), ("text.encode", "unicodedata.normalize(\"NFC\", text).encode"))
edit(TRAIN, "one_kind_of_line_end", "Line ends are made alike (\\r\\n becomes \\n); every byte counts.", ("text.encode", "text.replace(\"\\r\\n\", \"\\n\").encode"))
edit(TRAIN, "at_most_32", "No more than 32 merges are learned, whatever n_merges says.", ("256 + n_merges):", "256 + min(32, n_merges)):"))
edit(TRAIN, "characters_not_bytes", "Training starts from characters; it must start from the UTF-8 bytes of the text.", ('list(text.encode("utf-8"))', "[ord(character) for character in text]"))
edit(TRAIN, "drops_what_is_not_ascii", "Characters outside ASCII are dropped before training.", ('text.encode("utf-8")', 'text.encode("ascii", "ignore")'))
edit(TRAIN, "lower_case", "The text is turned into lower case first; capitals are bytes of their own.", ('text.encode("utf-8")', 'text.lower().encode("utf-8")'))
edit(TRAIN, "strips_the_text", "White space at the ends of the text is cut off; it counts like all other bytes.", ('text.encode("utf-8")', 'text.strip().encode("utf-8")'))
edit(TRAIN, "adds_a_byte_order_mark", "The text is encoded with a byte order mark, three bytes that it does not have.", ('"utf-8"', '"utf-8-sig"'))
edit(TRAIN, "never_merges", "The pair is noted, but not replaced in the text, so the same pair wins again and again.", ("        ids = replace_pair(ids, pair, new_id)\n", ""))
edit(TRAIN, "numbers_from_257", "The first new token gets the id 257; it must be 256.", ("replace_pair(ids, pair, new_id)", "replace_pair(ids, pair, new_id + 1)"))
edit(TRAIN, "numbers_from_255", "The first new token gets the id 255, which is a byte; it must be 256.", ("replace_pair(ids, pair, new_id)", "replace_pair(ids, pair, new_id - 1)"))
edit(TRAIN, "always_the_same_new_id", "Every merge makes token 256; each needs an id of its own.", ("replace_pair(ids, pair, new_id)", "replace_pair(ids, pair, 256)"))
edit(TRAIN, "merges_single_pairs", "Pairs that occur only once are merged too; stop when no pair occurs twice.", ("if most < 2:", "if most < 1:"))
edit(TRAIN, "stops_at_pairs_of_two", "Training stops while pairs that occur twice are left; these are still merged.", ("if most < 2:", "if most < 3:"))
edit(TRAIN, "fails_when_pairs_run_out", "A text without pairs raises an error; training must stop early instead.", ("max(counts.values(), default=0)", "max(counts.values())"))
edit(TRAIN, "one_merge_too_many", "One more merge is learned than n_merges.", ("256 + n_merges):", "257 + n_merges):"))
edit(TRAIN, "one_merge_too_few", "One merge less is learned than n_merges.", ("256 + n_merges):", "255 + n_merges):"))


@mutant(TRAIN, provides="train_bpe")
def replaces_from_the_right(text, n_merges):
    """Pairs are replaced from right to left; in a, a, a the first two must be merged, not the last two."""
    letters, merges = "".join(map(chr, text.encode()))[::-1], []
    while len(merges) < n_merges:
        counts = Counter(itertools.pairwise(letters))
        best = min(counts, key=lambda pair: (-counts[pair], pair[::-1]), default=None)
        if best is None or counts[best] < 2:
            break
        letters = letters.replace("".join(best), chr(256 + len(merges)))
        merges.append((ord(best[1]), ord(best[0])))
    return merges


@mutant(TRAIN, provides="train_bpe")
def counts_only_once(text, n_merges):
    """Pairs are counted once, at the start; after each merge the neighbours are others and must be counted again."""
    ids = list(text.encode())
    counts = Counter(itertools.pairwise(ids))
    return [pair for pair, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > 1][:n_merges]


@mutant(TRAIN, provides="train_bpe")
def cuts_into_words_first(text, n_merges):
    """The text is cut at spaces before training, so no merge can hold one; nothing may be cut beforehand."""
    words, merges = [[*map(chr, word.encode())] for word in text.split()], []
    while len(merges) < n_merges:
        counts = Counter(pair for word in words for pair in itertools.pairwise(word))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        new = chr(256 + len(merges))
        words = [[*"".join(word).replace("".join(best), new)] for word in words]
        merges.append((ord(best[0]), ord(best[1])))
    return merges


@mutant(TRAIN, provides="train_bpe")
def counts_without_overlaps(text, n_merges):
    """Overlapping pairs are not counted; "aaa" holds "aa" at two positions."""
    letters, merges = "".join(map(chr, text.encode())), []
    while len(merges) < n_merges:
        pairs = {letters[at : at + 2] for at in range(len(letters) - 1)}
        best = min(pairs, key=lambda pair: (-letters.count(pair), pair), default=None)
        if best is None or letters.count(best) < 2:
            break
        letters = letters.replace(best, chr(256 + len(merges)))
        merges.append((ord(best[0]), ord(best[1])))
    return merges


@mutant(TRAIN, provides="train_bpe")
def returns_a_dict(text, n_merges):
    """The result is a dict; it must be a list of pairs in the order learned."""
    from handbook import bpe

    return {pair: 256 + rank for rank, pair in enumerate(bpe.train(text, n_merges))}


@mutant(TRAIN, provides="train_bpe")
def returns_pieces(text, n_merges):
    """The result holds the bytes of each pair; it must hold the two token ids."""
    from handbook import bpe

    merges = bpe.train(text, n_merges)
    pieces = bpe.vocabulary(merges)
    return [(pieces[left], pieces[right]) for left, right in merges]


@variant(TRAIN, provides="train_bpe")
def in_plain_loops(text, n_merges):
    """Right: everything written out, the best pair by one key."""
    ids, merges = list(text.encode()), []
    while len(merges) < n_merges:
        counts = {}
        for at in range(len(ids) - 1):
            pair = ids[at], ids[at + 1]
            counts[pair] = counts.get(pair, 0) + 1
        ranked = sorted(counts, key=lambda pair: (-counts[pair], *pair))
        if not ranked or counts[ranked[0]] == 1:
            return merges
        out = []
        for token in ids:
            out.append(token)
            if tuple(out[-2:]) == ranked[0] and len(out) > 1:
                out[-2:] = [256 + len(merges)]
        ids = out
        merges.append(ranked[0])
    return merges


@variant(TRAIN, provides="train_bpe")
def by_handbook(text, n_merges):
    """Right: strings instead of lists."""
    from handbook import bpe

    return bpe.train(text, n_merges)


# Encoding and decoding

CODE = "bpe-encode-decode"
STEP = ("ids = replace_pair(ids, pair, 256 + rank)",)
edit(CODE, "last_learned_first", "The merges are applied from the last to the first; merge 0 comes first.", ("in enumerate(merges):", "in reversed([*enumerate(merges)]):"))
edit(CODE, "smallest_pair_first", "Merges are applied in the order of their ids, not of their rank.",
     ("in enumerate(merges):", "in sorted(enumerate(merges), key=lambda merge: merge[1]):"))
edit(CODE, "merges_once", "Only one merge is made; go on until all have been applied.", (*STEP, "if (left := replace_pair(ids, pair, 256 + rank)) != ids:\n            return left"))
edit(CODE, "stops_at_a_merge_that_is_not_there", "The work ends at the first merge whose pair does not occur; later merges may still apply.",
     (*STEP, "if ids == (ids := replace_pair(ids, pair, 256 + rank)):\n            break"))
edit(CODE, "numbers_from_257", "Merge 0 makes token 257; it must make token 256.", (*STEP, "ids = replace_pair(ids, pair, 257 + rank)"))
edit(CODE, "strips_the_text", "White space at the ends of the text is cut off; every byte counts.", ("data.encode(", "data.strip().encode("))
edit(CODE, "lower_case", "The text is turned into lower case first; capitals are bytes of their own.", ("data.encode(", "data.lower().encode("))
edit(CODE, "composes_characters", "Characters are put into another Unicode form (NFC) first; their bytes must stay as they are.",
     ("    ids = list(", "    import unicodedata\n\n    data = unicodedata.normalize(\"NFC\", data) if isinstance(data, str) else data\n    ids = list("))
edit(CODE, "empties_the_merges", "The merges are taken out of the caller's list, which is empty afterwards.", ("in enumerate(merges):", "in ((rank, merges.pop(0)) for rank in range(len(merges))):"))
edit(CODE, "empties_the_ids", "The ids are taken out of the caller's list, which is empty afterwards.",
     ('b"".join(pieces[token] for token in ids)', 'b"".join(pieces[ids.pop(0)] for _ in range(len(ids)))'))
edit(CODE, "checks_the_first_id", "Only the first id is checked; every id must be.", ("for token in ids if", "for token in ids[:1] if"), ("join(pieces[token] for", "join(pieces[token % len(pieces)] for"))
edit(CODE, "does_not_check_the_last_id", "The last id is not checked; every id must be.", ("for token in ids if", "for token in ids[:-1] if"), ("join(pieces[token] for", "join(pieces[token % len(pieces)] for"))
edit(CODE, "encodes_characters", "The text is encoded as characters; token ids start from its UTF-8 bytes.",
     ('list(data.encode("utf-8") if isinstance(data, str) else data)', "[ord(character) for character in data] if isinstance(data, str) else list(data)"))
edit(CODE, "refuses_bytes", "Bytes raise an error; encode takes text or bytes.", ('data.encode("utf-8") if isinstance(data, str) else data', 'data.encode("utf-8")'))
edit(CODE, "loses_stray_bytes", "Bytes that are no text are dropped on the way in.",
     ('data.encode("utf-8") if isinstance(data, str) else data', 'data.encode("utf-8") if isinstance(data, str) else data.decode("utf-8", "ignore").encode("utf-8")'))
edit(CODE, "right_before_left", "A merged token is put together the wrong way round: its left part comes first.", ("pieces[left] + pieces[right]", "pieces[right] + pieces[left]"))
edit(CODE, "each_token_to_text", "Each token is turned into text by itself, which breaks characters that span tokens; join the bytes first.",
     ('b"".join(pieces[token] for token in ids)', '"".join(pieces[token].decode("utf-8", "replace") for token in ids).encode("utf-8")'))
edit(CODE, "whole_to_text_and_back", "Bytes that are no text are replaced; decode must give them back as they were.",
     ('b"".join(pieces[token] for token in ids)', 'b"".join(pieces[token] for token in ids).decode("utf-8", "replace").encode("utf-8")'))
edit(CODE, "returns_text", "decode returns a str; it must return bytes.", ('b"".join(pieces[token] for token in ids)', 'b"".join(pieces[token] for token in ids).decode("utf-8", "replace")'))
edit(CODE, "counts_from_the_end", "A negative id fetches a token from the end of the list; it must raise ValueError.", ("if not 0 <= token < len(pieces)", "if not token < len(pieces)"))
edit(CODE, "wrong_kind_of_error", "An unknown id raises an IndexError; the docstring promises a ValueError.", ("raise ValueError(", "raise IndexError("))
edit(CODE, "skips_unknown_ids", "Unknown ids are passed over in silence; they must raise ValueError.",
     ('        raise ValueError(f"these ids are not in the vocabulary: {unknown}")', "        ids = [token for token in ids if token not in unknown]"))
edit(CODE, "one_level_only", "A token that was made of merged tokens is not taken apart to the end.",
     ("pieces.append(pieces[left] + pieces[right])", 'pieces.append(b"".join(pieces[part] for part in (left, right) if part < 256))'))


@mutant(CODE, provides="encode")
def longest_token_first(data, merges):
    """At each place the longest known token is taken; merges must be applied by rank."""
    data = data.encode() if isinstance(data, str) else data
    pieces = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        pieces.append(pieces[left] + pieces[right])
    number, ids, at = {piece: token for token, piece in enumerate(pieces)}, [], 0
    while at < len(data):
        length = next(length for length in range(len(data) - at, 0, -1) if data[at : at + length] in number)
        ids.append(number[data[at : at + length]])
        at += length
    return ids


@mutant(CODE, provides="encode")
def from_the_left(data, merges):
    """Merges are applied from left to right in the text; the one of smallest rank comes first, wherever it stands."""
    ids = list(data.encode("utf-8") if isinstance(data, str) else data)
    rank = {pair: r for r, pair in enumerate(merges)}
    while at := [at for at in range(len(ids) - 1) if (ids[at], ids[at + 1]) in rank]:
        ids[at[0] : at[0] + 2] = [256 + rank[ids[at[0]], ids[at[0] + 1]]]
    return ids


@mutant(CODE, provides="encode")
def looks_up_bytes(data, merges):
    """Two tokens are joined when their bytes are known together; a merge is a pair of ids, and other ids with the same bytes are another pair."""
    pieces = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        pieces.append(pieces[left] + pieces[right])
    number = {piece: token for token, piece in reversed([*enumerate(pieces)])}
    parts = [bytes([byte]) for byte in (data.encode("utf-8") if isinstance(data, str) else data)]
    while len(parts) > 1:
        known, at = min((number.get(parts[at] + parts[at + 1], len(pieces)), at) for at in range(len(parts) - 1))
        if known == len(pieces):
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return [number[part] for part in parts]


@mutant(CODE, provides="encode")
def each_merge_at_one_place(data, merges):
    """Each merge is applied at its first place only; it must be applied everywhere."""
    letters = "".join(map(chr, data.encode() if isinstance(data, str) else data))
    for rank, (left, right) in enumerate(merges):
        letters = letters.replace(chr(left) + chr(right), chr(256 + rank), 1)
    return [ord(c) for c in letters]


@variant(CODE, provides="encode")
def merge_by_merge(data, merges):
    """Right: all merges in their order, each over the whole list."""
    ids = list(data.encode() if isinstance(data, str) else data)
    for rank, pair in enumerate(merges):
        out, at = [], 0
        while at < len(ids):
            hit = tuple(ids[at : at + 2]) == tuple(pair)
            out.append(256 + rank if hit else ids[at])
            at += 1 + hit
        ids = out
    return ids


@variant(CODE, provides="encode")
def smallest_rank_each_time(data, merges):
    """Right: looks for the pair of smallest rank, again and again, as quick tokenizers do."""
    ids = list(data.encode("utf-8") if isinstance(data, str) else data)
    rank = {pair: r for r, pair in enumerate(merges)}
    while len(ids) > 1:
        pairs = [(ids[at], ids[at + 1]) for at in range(len(ids) - 1)]
        best = min(pairs, key=lambda pair: rank.get(pair, len(merges)))
        if best not in rank:
            break
        at = pairs.index(best)
        ids[at : at + 2] = [256 + rank[best]]
    return ids


@variant(CODE, provides="decode")
def by_recursion(ids, merges):
    """Right: takes each token apart by recursion."""
    def down(token):
        if token < 256:
            return bytes((token,))
        left, right = merges[token - 256]
        return down(left) + down(right)

    out = bytearray()
    for token in ids:
        if token < 0 or token >= 256 + len(merges):
            raise ValueError(token)
        out += down(token)
    return bytes(out)


@variant(CODE, provides="decode")
def by_dict(ids, merges):
    """Right: a dict of pieces, and a KeyError turned into a ValueError."""
    pieces = {byte: bytes([byte]) for byte in range(256)}
    for rank, (left, right) in enumerate(merges):
        pieces[256 + rank] = pieces[left] + pieces[right]
    try:
        return b"".join([pieces[token] for token in ids])
    except KeyError as missing:
        raise ValueError(f"no token {missing}") from None


# Looking up

LOOKUP = "embedding-lookup"
edit(LOOKUP, "counts_from_the_end", "A negative id fetches a row from the end of the table; it must raise IndexError.", ("(ids < 0) | (ids >= V)", "ids >= V"))
edit(LOOKUP, "allows_one_too_many", "Id V passes the check; the last row has the number V - 1.", ("return table[ids]", "return table[ids.clamp(max=V - 1)]"), ("(ids >= V)", "(ids > V)"))
edit(LOOKUP, "wrong_kind_of_error", "An id outside the table raises a ValueError; the docstring promises an IndexError.", ("raise IndexError(", "raise ValueError("))
edit(LOOKUP, "clamps", "Ids outside the table are moved to its ends; they must raise IndexError.", ('        raise IndexError(f"ids must be from 0 to {V - 1}")', "        ids = ids.clamp(0, V - 1)"))
edit(LOOKUP, "cuts_the_gradient", "No gradient comes back to the table: detach() cuts the way.", ("return table[ids]", "return table.detach()[ids]"))
edit(LOOKUP, "counts_from_one", "Id 1 fetches the first row; ids start at 0.", ("return table[ids]", "return table[ids - 1]"))
edit(LOOKUP, "fetches_columns", "Columns are fetched; a token's vector is a row.", ("return table[ids]", "return table.T[ids % table.shape[1]]"))
edit(LOOKUP, "zero_is_padding", "Id 0 gets a vector of zeros, as if it were padding; it is a token like all others.", ("return table[ids]", "return table[ids] * (ids != 0)[..., None]"))
edit(LOOKUP, "zero_is_not_trained", "Id 0 gets no gradient, as if it were padding (padding_idx); it is a token like all others.",
     ("return table[ids]", "return torch.nn.functional.embedding(ids, table, padding_idx=0)"))
edit(LOOKUP, "checks_the_first_id", "Only the first id is checked; every id must be.", ("((ids < 0) | (ids >= V)).any()", "not 0 <= ids.flatten()[:1].sum() < V"), ("table[ids]", "table[ids % V]"))
edit(LOOKUP, "flattens", "A batch of ids comes back as one long list of vectors; keep the axes of ids.", ("return table[ids]", "return table[ids.flatten()]"))
edit(LOOKUP, "scales", "The vectors are multiplied by the root of C; fetch the rows as they are.", ("return table[ids]", "return table[ids] * table.shape[1] ** 0.5"))
edit(LOOKUP, "normalises", "The vectors are brought to length 1; fetch the rows as they are.", ("return table[ids]", "return torch.nn.functional.normalize(table[ids], dim=-1)"))
edit(LOOKUP, "cuts_large_numbers_off", "Numbers above 50 or below -50 are cut off; fetch the rows as they are.", ("return table[ids]", "return table[ids].clamp(-50, 50)"))
edit(LOOKUP, "each_row_once", "An id that occurs twice is fetched once, and the rows are sorted; one row for each id, in order.", ("return table[ids]", "return table[ids.unique()]"))
edit(LOOKUP, "always_float32", "The result is float32 whatever the table is; keep the table's dtype.", ("return table[ids]", "return table[ids].float()"))
edit(LOOKUP, "loses_a_single_column", "A table with one column gives vectors without their axis; the result is (..., C), also for C = 1.", ("return table[ids]", "return table[ids].squeeze(-1)"))
edit(LOOKUP, "single_id_not_checked", "An id without an axis is not checked; -1 fetches the last row.", ("((ids < 0)", "ids.ndim and ((ids < 0)"))
edit(LOOKUP, "needs_memory_in_order", "Ids that are transposed in memory raise an error: view needs them in order, reshape does not.", ("return table[ids]", "return table[ids.view(-1)].view(*ids.shape, table.shape[1])"))
edit(LOOKUP, "changes_the_ids", "The caller's ids are changed.", ("    return table[ids]", "    fetched = table[ids]\n    ids += 1\n    return fetched"))
edit(LOOKUP, "bfloat16_becomes_float32", "A bfloat16 table gives float32 vectors; keep the table's dtype.", ("return table[ids]", "return table[ids].float() if table.dtype == torch.bfloat16 else table[ids]"))
edit(LOOKUP, "fails_without_ids", "An empty tensor of ids raises an error, because it has no smallest number.", ("((ids < 0) | (ids >= V)).any()", "ids.min() < 0 or ids.max() >= V"))


@mutant(LOOKUP, provides="embedding_lookup")
def first_fetch_gets_all(table, ids):
    """A row that is fetched twice gets the gradient of one place only; both must be added."""
    if ((ids < 0) | (ids >= len(table))).any():
        raise IndexError
    rows, seen = [], set()
    for token in ids.flatten().tolist():
        rows.append(table[token].detach() if token in seen else table[token])
        seen.add(token)
    return torch.stack(rows).reshape(*ids.shape, -1) if rows else table.new_zeros(*ids.shape, table.shape[1])


@variant(LOOKUP, provides="embedding_lookup")
def by_library(table, ids):
    """Right: torch's own function checks the ids too."""
    return F.embedding(ids, table)


@variant(LOOKUP, provides="embedding_lookup")
def by_one_hot(table, ids):
    """Right: a matrix product with one-hot rows."""
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= len(table)):
        raise IndexError("id outside the table")
    return (ids[..., None] == torch.arange(len(table))).to(table.dtype) @ table


@variant(LOOKUP, provides="embedding_lookup")
def by_rows(table, ids):
    """Right: one row after the other."""
    if any(not 0 <= token < len(table) for token in ids.flatten().tolist()):
        raise IndexError("id outside the table")
    return table.index_select(0, ids.flatten()).view(*ids.shape, table.shape[1])


# Neighbours

NEAR = "embedding-neighbours"
edit(NEAR, "plain_dot_product", "The dot products are not divided by the lengths, so long rows come first.", ("table @ vector / torch.where(lengths > 0, lengths, 1.0)", "table @ vector"))
edit(NEAR, "divides_by_the_vector_only", "Only the vector is brought to length 1, not the rows.", ("table.norm(dim=-1) * vector.norm()", "torch.ones(len(table)) * vector.norm()"))
edit(NEAR, "divides_by_the_rows_only", "Only the rows are brought to length 1, not the vector: the order is right, the cosines are not.", ("table.norm(dim=-1) * vector.norm()", "table.norm(dim=-1)"))
edit(NEAR, "squared_lengths", "The dot product is divided by squared lengths; take the root.", ("table.norm(dim=-1) * vector.norm()", "(table.norm(dim=-1) * vector.norm()) ** 2"))
edit(NEAR, "lengths_over_rows", "Lengths are taken down the columns; each row has a length.",
     ("cosines = table @ vector / torch.where(lengths > 0, lengths, 1.0)", "cosines = torch.nn.functional.normalize(table, dim=0) @ vector / vector.norm()"))
edit(NEAR, "returns_itself", "The vector itself is among its neighbours; leave out rows that are equal to it.", ("order[~itself[order]][:k]", "order[:k]"))
edit(NEAR, "always_drops_the_best", "The best row is left out without a look whether it equals the vector; only then is it the vector itself.", ("order[~itself[order]][:k]", "order[1 : k + 1]"))
edit(NEAR, "drops_parallel_rows", "Rows that point the same way but have another length are left out; only rows that are equal are the vector itself.",
     ("(table == vector).all(dim=-1)", "cosines > 0.9999"))
edit(NEAR, "nearly_equal_is_enough", "Rows that are nearly equal to the vector are left out; only rows that are exactly equal are the vector itself.",
     ("(table == vector).all(dim=-1)", "torch.isclose(table, vector).all(dim=-1)"))
edit(NEAR, "drops_one_equal_row", "If several rows are equal to the vector, only one of them is left out.", ("order[~itself[order]][:k]", "order[torch.arange(len(order)) != (itself[order].int().argmax() if itself.any() else -1)][:k]"))
edit(NEAR, "any_equal_number", "A row is left out when one of its numbers equals the vector's; all of them must.", ("(table == vector).all(dim=-1)", "(table == vector).any(dim=-1)"))
edit(NEAR, "equal_length_is_enough", "Rows that are as long as the vector are left out; only rows that are equal to it are.", ("(table == vector).all(dim=-1)", "table.norm(dim=-1) == vector.norm()"))
edit(NEAR, "drops_doubles", "Of several equal rows only the first comes back; each row of the table is a token of its own.",
     ("itself = (table == vector).all(dim=-1)", "itself = (table == vector).all(dim=-1)\n    itself |= torch.tensor([bool((table[:row] == table[row]).all(-1).any()) for row in range(len(table))])"))
edit(NEAR, "worst_first", "The smallest cosine comes first; it must be the largest.", ("argsort(descending=True)", "argsort()"))
edit(NEAR, "ignores_the_sign", "Opposite directions count as near: the absolute value of the cosine is taken.", ("order = cosines.argsort", "cosines = cosines.abs()\n    order = cosines.argsort"))
edit(NEAR, "not_a_number_for_zeros", "A row of zeros gives 0 / 0 = NaN, and NaN is sorted to the front; its cosine counts as 0.", ("torch.where(lengths > 0, lengths, 1.0)", "lengths"))
edit(NEAR, "leaves_out_zeros", "Rows of zeros are left out; their cosine counts as 0.", ("itself = (table == vector).all(dim=-1)", "itself = (table == vector).all(dim=-1) | (lengths == 0)"))
edit(NEAR, "renumbered_rows", "Row numbers are those of the table without the vector's own row; they must be those of the table you were given.",
     ("    lengths = table.norm", "    table = table[~(table == vector).all(dim=-1)]\n    lengths = table.norm"))
edit(NEAR, "one_too_few", "The vector itself is counted among the k: one neighbour less comes back.", ("order[~itself[order]][:k]", "order[:k][~itself[order[:k]]]"))
edit(NEAR, "fails_on_large_k", "A k that is larger than the table raises an error; return all rows that there are.", ("cosines.argsort(descending=True)", "cosines.topk(k + int(itself.sum())).indices"))
edit(NEAR, "changes_the_table", "The rows are brought to length 1 in the caller's table.",
     ("    return list(zip(", "    table /= torch.where(lengths > 0, table.norm(dim=-1), 1.0)[:, None]\n    return list(zip("))
edit(NEAR, "only_row_numbers", "Only the row numbers come back; each needs its cosine.", ("list(zip(order.tolist(), cosines[order].tolist(), strict=True))", "order.tolist()"))
edit(NEAR, "cosine_first", "The pairs are (cosine, row); they must be (row, cosine).", ("zip(order.tolist(), cosines[order].tolist(), ", "zip(cosines[order].tolist(), order.tolist(), "))


edit(NEAR, "adds_a_millionth", "A millionth is added to the product of the lengths, so that cosines of short vectors are too small.", ("torch.where(lengths > 0, lengths, 1.0)", "(lengths + 1e-6)"))
edit(NEAR, "rounds_to_two_digits", "The cosines are rounded; return them as they are.", ("cosines[order].tolist()", "[round(cosine, 2) for cosine in cosines[order].tolist()]"))
edit(NEAR, "opposite_is_itself", "The opposite of the vector is left out too; only rows that are equal are the vector itself.", ("(table == vector).all(dim=-1)", "(table.abs() == vector.abs()).all(dim=-1)"))
edit(NEAR, "equal_in_float32", "Rows are compared in float32; in float64 they may differ.", ("(table == vector).all(dim=-1)", "(table.float() == vector.float()).all(dim=-1)"))
edit(NEAR, "lists_for_pairs", "The pairs are lists; they must be tuples (row, cosine).", ("    return list(zip(", "    return list(map(list, zip("), ("strict=True))", "strict=True)))"))


@mutant(NEAR, provides="cosine_neighbours")
def nearest_points(vector, table, k):
    """Rows are ranked by their distance; a far point can lie in the same direction."""
    order = (table - vector).norm(dim=-1).argsort()
    order = order[~(table == vector).all(-1)[order]][:k]
    return list(zip(order.tolist(), F.cosine_similarity(table, vector[None])[order].tolist(), strict=True))


@variant(NEAR, provides="cosine_neighbours")
def by_torch_cosine(vector, table, k):
    """Right: torch's own cosine and topk."""
    cosines = F.cosine_similarity(table, vector[None], dim=-1)
    keep = (table != vector).any(-1).nonzero().flatten()
    best = cosines[keep].topk(min(k, len(keep)))
    return [(int(keep[at]), float(value)) for value, at in zip(best.values, best.indices, strict=True)]


@variant(NEAR, provides="cosine_neighbours")
def in_plain_python(vector, table, k):
    """Right: lists and math."""
    v, found = vector.tolist(), []
    for row, r in enumerate(table.tolist()):
        if r != v:
            size = math.hypot(*r) * math.hypot(*v)
            found.append((sum(a * b for a, b in zip(r, v, strict=True)) / size if size else 0.0, row))
    found.sort(reverse=True)
    return [(row, cosine) for cosine, row in found][:k]


@variant(NEAR, provides="cosine_neighbours")
def by_numpy_sort(vector, table, k):
    """Right: NumPy, normalising both sides first."""
    t, v = table.numpy().astype(np.float64), vector.numpy().astype(np.float64)
    n = np.linalg.norm(t, axis=1, keepdims=True)
    cosines = np.divide(t, n, out=np.zeros_like(t), where=n > 0) @ (v / np.linalg.norm(v))
    return [(int(row), float(cosines[row])) for row in np.argsort(-cosines) if not np.array_equal(t[row], v)][:k]


# Positions

ROPE = "rope"
edit(ROPE, "ignores_positions", "The positions are not used: vectors are numbered 0, 1, 2 … whatever they say.", ("positions.to(kind)[:, None]", "torch.arange(T).to(kind)[:, None]"))
edit(ROPE, "counts_positions_from_one", "Every position is one too large; position 0 must change nothing.", ("positions.to(kind)[:, None]", "(positions.to(kind) + 1)[:, None]"))
edit(ROPE, "turns_backwards", "The pairs turn the other way: the signs of the sines are swapped.", ("a * cos - b * sin, a * sin + b * cos", "a * cos + b * sin, b * cos - a * sin"))
edit(ROPE, "forgets_the_minus", "The sine has a plus in both lines, so the pair does not turn, it is stretched.", ("a * cos - b * sin", "a * cos + b * sin"))
edit(ROPE, "swaps_sine_and_cosine", "Sine and cosine are swapped.", ("cos, sin = angles.cos(), angles.sin()", "sin, cos = angles.cos(), angles.sin()"))
edit(ROPE, "swaps_the_halves", "The two halves of the result are in the wrong order.", ("a * cos - b * sin, a * sin + b * cos", "a * sin + b * cos, a * cos - b * sin"))
edit(ROPE, "half_the_exponent", "The exponent is -i/D; it must be -2i/D.", ("torch.arange(0, D, 2, dtype=kind)", "torch.arange(D // 2, dtype=kind)"))
edit(ROPE, "twice_the_exponent", "The exponent is -4i/D; it must be -2i/D.", ("dtype=kind) / D)", "dtype=kind) / (D // 2))"))
edit(ROPE, "speeds_grow", "Later pairs turn faster instead of slower: the exponent must be negative.", ("base ** (-torch.arange", "base ** (torch.arange"))
edit(ROPE, "fixed_base", "The base is always 10000; use the argument.", ("speeds = base **", "speeds = 10000.0 **"))
edit(ROPE, "one_speed_for_all", "All pairs turn by the same angle; pair i turns by position * base^(-2i/D).", ("positions.to(kind)[:, None] * speeds", "positions.to(kind)[:, None] * torch.ones(D // 2, dtype=kind)"))
edit(ROPE, "pairs_neighbours", "Numbers 2i and 2i + 1 are paired, as in the paper; here i and i + D/2 make a pair.",
     ("a, b = x[..., : D // 2].to(kind), x[..., D // 2 :].to(kind)", "a, b = x[..., 0::2].to(kind), x[..., 1::2].to(kind)"),
     ("torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)", "torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)"))
edit(ROPE, "splits_one_way_joins_another", "The pairs are taken from the halves, and put back as neighbours.",
     ("torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)", "torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)"))
edit(ROPE, "mirrored_halves", "Number i is paired with number D - 1 - i; its partner is i + D/2.",
     ("x[..., D // 2 :].to(kind)", "x[..., D // 2 :].flip(-1).to(kind)"), ("a * sin + b * cos]", "(a * sin + b * cos).flip(-1)]"))
edit(ROPE, "adds_sines", "Sines and cosines are added to the vectors; RoPE turns them.", ("a * cos - b * sin, a * sin + b * cos", "a + sin, b + cos"))
edit(ROPE, "angles_in_half_precision", "Angles are computed in the dtype of x: in half precision large positions are rounded.",
     ("positions.to(kind)[:, None] * speeds", "positions.to(x.dtype)[:, None] * speeds.to(x.dtype)"), ("angles.cos(), angles.sin()", "angles.to(kind).cos(), angles.to(kind).sin()"))
edit(ROPE, "always_float32", "The result is float32 whatever x is; keep the dtype of x.", (".to(x.dtype)", ""))
edit(ROPE, "any_number_of_positions", "One position for many vectors is accepted; there must be exactly one for each.", (" or positions.shape != (T,)", " or len(positions) not in (1, T)"))
edit(ROPE, "takes_the_first_positions", "More positions than vectors are accepted; there must be exactly one for each.", (" or positions.shape != (T,)", " or len(positions) < T"), ("positions.to(kind)[:, None]", "positions.to(kind)[:T, None]"))
edit(ROPE, "wrong_kind_of_error", "What does not fit raises an AssertionError; the docstring promises a ValueError.", ("raise ValueError(", "raise AssertionError("))
edit(ROPE, "odd_widths", "An odd width passes: the last number has no partner.", ("D % 2 or ", ""),
     ("x[..., D // 2 :].to(kind)", "x[..., D // 2 : D // 2 * 2].to(kind)"), ("[a * cos - b * sin, a * sin + b * cos]", "[a * cos - b * sin, a * sin + b * cos, x[..., D // 2 * 2 :].to(kind)]"),
     ("torch.arange(0, D, 2, dtype=kind)", "torch.arange(0, D // 2 * 2, 2, dtype=kind)"))
edit(ROPE, "whole_positions_only", "Positions are rounded down to whole numbers; they may be any numbers.", ("positions.to(kind)[:, None]", "positions.long().to(kind)[:, None]"))
edit(ROPE, "no_negative_positions", "Negative positions are taken as positive.", ("positions.to(kind)[:, None]", "positions.abs().to(kind)[:, None]"))
edit(ROPE, "cuts_the_gradient", "The result is detached, so nothing below it can learn; gradients must flow to x.",
     ("torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)", "torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).detach()"))
edit(ROPE, "starts_again_at_8192", "Positions start again at 8192; each must have its own angle, however far along.", ("positions.to(kind)[:, None]", "positions.fmod(8192).to(kind)[:, None]"))
edit(ROPE, "float64_by_float32", "Angles are always computed in float32; where x is float64, compute in float64.", ("torch.promote_types(x.dtype, torch.float32)", "torch.float32"))
edit(ROPE, "rounds_sines", "Sines and cosines are rounded to bfloat16; compute in float32, or in float64 where x is float64.",
     ("angles.cos(), angles.sin()", "angles.cos().bfloat16().to(kind), angles.sin().bfloat16().to(kind)"))


edit(ROPE, "uses_what_it_has_changed", "The second half is computed from the first half after it was turned; both need the numbers as they came.",
     ("    return torch.cat([a * cos - b * sin,", "    a = a * cos - b * sin\n    return torch.cat([a,"))
edit(ROPE, "positions_in_float32", "Positions are rounded to float32; where x is float64, they need float64 too.", ("positions.to(kind)", "positions.float().to(kind)"))
edit(ROPE, "dtype_of_positions", "Positions in float64 make the result float64; it must have the dtype of x.", (".to(x.dtype)", ".to(torch.promote_types(x.dtype, positions.dtype))"))
edit(ROPE, "needs_memory_in_order", "Vectors that are transposed in memory raise an error: view needs them in order, reshape and slices do not.",
     ("    kind =", "    shape, x = x.shape, x.view(-1, T, D)\n    kind ="), ("dim=-1).to(x.dtype)", "dim=-1).to(x.dtype).view(shape)"))


@mutant(ROPE, provides="rope")
def writes_into_its_input(x, positions, base=10000.0):
    """The vectors are turned in the caller's tensor."""
    T, D = x.shape[-2:]
    if D % 2 or positions.shape != (T,):
        raise ValueError
    kind = torch.promote_types(x.dtype, torch.float32)
    angles = positions.to(kind)[:, None] * base ** (-torch.arange(0, D, 2, dtype=kind) / D)
    a, b = x[..., : D // 2].to(kind), x[..., D // 2 :].to(kind)
    x[..., : D // 2], x[..., D // 2 :] = (a * angles.cos() - b * angles.sin()), (a * angles.sin() + b * angles.cos())
    return x


@mutant(ROPE, provides="rope")
def turns_along_the_first_axis(x, positions, base=10000.0):
    """With leading axes, the positions are laid along the wrong one; they belong to the last axis but one."""
    T, D = x.shape[-2:]
    if D % 2 or positions.shape != (T,):
        raise ValueError
    kind = torch.promote_types(x.dtype, torch.float32)
    angles = positions.to(kind)[:, None] * base ** (-torch.arange(0, D, 2, dtype=kind) / D)
    if x.ndim > 2:
        angles = angles[torch.arange(x.shape[-3]) % T][:, None]
    a, b = x[..., : D // 2].to(kind), x[..., D // 2 :].to(kind)
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1).to(x.dtype)


@mutant(ROPE, provides="rope")
def number_by_number(x, positions, base=10000.0):
    """Neighbouring numbers get the same angle, as for pairs 2i and 2i + 1, but are turned with number i + D/2."""
    T, D = x.shape[-2:]
    if D % 2 or positions.shape != (T,):
        raise ValueError
    kind = torch.promote_types(x.dtype, torch.float32)
    speeds = (base ** (-torch.arange(0, D, 2, dtype=kind) / D)).repeat_interleave(2)
    angles = positions.to(kind)[:, None] * speeds
    rotated = torch.cat([-x[..., D // 2 :], x[..., : D // 2]], -1).to(kind)
    return (x.to(kind) * angles.cos() + rotated * angles.sin()).to(x.dtype)


@variant(ROPE, provides="rope")
def by_rotate_half(x, positions, base=10000.0):
    """Right: as in the transformers library, angles twice and a helper that swaps halves."""
    T, D = x.shape[-2:]
    if D % 2 != 0 or len(positions) != T:
        raise ValueError("does not fit")
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32
    frequencies = 1.0 / base ** (torch.arange(0, D, 2, dtype=kind) / D)
    angles = torch.outer(positions.to(kind), frequencies).repeat(1, 2)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


@variant(ROPE, provides="rope")
def by_complex_numbers(x, positions, base=10000.0):
    """Right: complex numbers in float64."""
    if x.shape[-1] % 2 or tuple(positions.shape) != (x.shape[-2],):
        raise ValueError("does not fit")
    half = x.shape[-1] // 2
    angles = positions.double()[:, None] * torch.exp(-math.log(base) * torch.arange(half, dtype=torch.float64) / half)
    z = torch.complex(x[..., :half].double(), x[..., half:].double()) * torch.exp(1j * angles)
    return torch.cat((z.real, z.imag), -1).to(x.dtype)


@variant(ROPE, provides="rope")
def by_matrices(x, positions, base=10000.0):
    """Right: one rotation matrix for each position, as in the paper's equation 15."""
    T, D = x.shape[-2:]
    if D % 2 or positions.ndim != 1 or len(positions) != T:
        raise ValueError("does not fit")
    out = torch.empty_like(x)
    for t, position in enumerate(positions.tolist()):
        R = torch.eye(D, dtype=torch.float64)
        for i in range(D // 2):
            phi = position * base ** (-2 * i / D)
            R[i, i] = R[i + D // 2, i + D // 2] = math.cos(phi)
            R[i, i + D // 2], R[i + D // 2, i] = -math.sin(phi), math.sin(phi)
        out[..., t, :] = (x[..., t, :].double() @ R.T).to(x.dtype)
    return out
