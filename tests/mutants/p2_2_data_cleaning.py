"""Plausible wrong answers to p2_2_data_cleaning, each with what its author should be told; and right answers written another way."""

import hashlib
import html as html_codes
import math
import random
import re
import string
import unicodedata
from itertools import combinations, groupby

from grader.mutation import edit, edit_variant, mutant, variant

HTML, UNICODE, QUALITY, EXACT = "clean-strip-html", "clean-normalise-unicode", "clean-quality-rules", "dedup-exact"
TEST, MINHASH, PII, TOXIC = "dedup-write-the-test", "dedup-minhash", "clean-mask-pii", "clean-toxicity-audit"

BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "div",
        "dd",
        "dl",
        "dt",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)

# ------------------------------------------------------------------------------------------------ HTML

edit(HTML, "keeps_scripts", "What scripts and styles hold is kept; a reader never sees it.", ("if not self.unseen:", "if True:"))
edit(
    HTML,
    "never_sees_again",
    "After the first script nothing is kept any more: the end tag must switch the text on again.",
    ("self.unseen = False", "pass"),
)
edit(
    HTML,
    "forgets_to_close",
    "The parser is not closed, so it may keep the last words to itself: call close() after feed().",
    ("reader.close()", "pass"),
)
edit(HTML, "keeps_source_lines", "The line ends of the source are kept; only blocks start a new line.", ('re.sub(r"\\s+", " ", data)', "data"))
edit(HTML, "keeps_empty_lines", "Empty lines are kept; they must be left out.", ("for line in lines if line", "for line in lines"))
edit(
    HTML,
    "lines_only_once",
    "A line that was there before is dropped; the page may well repeat it.",
    ('return "\\n".join(line for line in lines if line)', 'return "\\n".join(dict.fromkeys(line for line in lines if line))'),
)
edit(HTML, "no_lines", "The lines are joined by spaces; each block is a line of its own.", ('return "\\n".join(', 'return " ".join('))
edit(
    HTML,
    "end_tags_start_no_line",
    "Only opening blocks start a line; what follows a closed block begins a new one too.",
    ("self.handle_endtag(tag) if tag in BLOCKS else None", 'parts.append("\\n") if tag in BLOCKS else None'),
    ('if tag in BLOCKS:\n                parts.append("\\n")', "pass"),
)
edit(
    HTML,
    "start_tags_start_no_line",
    "Only closing blocks start a line; <br> and <li> have no end tag as a rule.",
    ("self.handle_endtag(tag) if tag in BLOCKS else None", "pass"),
)
edit(
    HTML,
    "every_tag_is_a_space",
    "Tags inside a line leave a space, and words fall apart; only blocks separate.",
    ("self.handle_endtag(tag) if tag in BLOCKS else None", 'self.handle_endtag(tag) if tag in BLOCKS else parts.append(" ")'),
)
edit(
    HTML,
    "trims_no_lines",
    "The white space in the lines is left; each run of it is one space, with none at the ends.",
    ('" ".join(line.split()) for line', "line for line"),
)
edit(
    HTML,
    "trims_each_piece",
    "Every piece of text is stripped, so words grow together at the edges of inline tags.",
    ('re.sub(r"\\s+", " ", data)', '" ".join(data.split())'),
)
edit(
    HTML,
    "leaves_codes",
    "Character references stay as codes; HTMLParser decodes them unless told otherwise.",
    ("reader = Reader()", "reader = Reader(convert_charrefs=False)"),
)
edit(
    HTML,
    "decodes_twice",
    "References are decoded twice, so &amp;lt; becomes <.",
    ('parts.append(re.sub(r"\\s+", " ", data))', 'parts.append(re.sub(r"\\s+", " ", __import__(\'html\').unescape(data)))'),
)
edit(HTML, "keeps_styles", "Styles are kept; UNSEEN names scripts and styles.", ("self.unseen or tag in UNSEEN", "self.unseen or tag == 'script'"))


@mutant(HTML, provides="strip_html")
def by_a_simple_pattern(html):
    """Any < begins a tag and the next > ends it, so "3 < 5" and quotation marks break the page; use a parser."""
    html = re.sub(r"(?is)<(script|style).*?</\1>|<!--.*?-->", "", html)
    html = re.sub(r"\s+", " ", html)
    html = re.sub(r"(?i)</?([a-z0-9]+)[^>]*>", lambda found: "\n" if found[1].lower() in BLOCKS else found[0], html)
    lines = html_codes.unescape(re.sub(r"<[^>]*>", "", html)).split("\n")
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


@mutant(HTML, provides="strip_html")
def decodes_first(html):
    """References are decoded before the tags are taken away, so that what an author wrote as &lt;b&gt; is lost."""
    html = re.sub(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->", "", html_codes.unescape(html))
    html = re.sub(r"\s+", " ", html)
    tag = r"""</?([a-zA-Z][a-zA-Z0-9]*)(?:"[^"]*"|'[^']*'|[^'">])*>|<!(?:[^>]*)>"""
    lines = re.sub(tag, lambda found: "\n" if (found[1] or "").lower() in BLOCKS else "", html).split("\n")
    return "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)


@variant(HTML, provides="strip_html")
def by_careful_patterns(html):
    """Right: patterns that know quotation marks, then the references."""
    html = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<!doctype[^>]*>", "", html)
    html = re.sub(r"\s+", " ", html)
    tag = r"""</?([a-zA-Z][a-zA-Z0-9]*)(?:"[^"]*"|'[^']*'|[^'">])*>"""
    html = re.sub(tag, lambda found: "\n" if found[1].lower() in BLOCKS else "", html)
    lines = [" ".join(html_codes.unescape(line).split()) for line in html.split("\n")]
    return "\n".join(filter(None, lines))


@variant(HTML, provides="strip_html")
def by_one_handler(html):
    """Right: a parser that builds lines as it goes."""
    from html.parser import HTMLParser

    class Lines(HTMLParser):
        def __init__(self):
            super().__init__(convert_charrefs=True)
            self.lines, self.depth = [""], 0

        def handle_starttag(self, tag, attrs):
            self.depth += tag in ("script", "style")
            if tag in BLOCKS:
                self.lines.append("")

        def handle_endtag(self, tag):
            self.depth -= tag in ("script", "style") and self.depth > 0
            if tag in BLOCKS:
                self.lines.append("")

        def handle_data(self, data):
            if self.depth == 0:
                self.lines[-1] += data

    reader = Lines()
    reader.feed(html)
    reader.close()
    return "\n".join(" ".join(line.split()) for line in reader.lines if line.split())


# --------------------------------------------------------------------------------------------- Unicode

edit(UNICODE, "compatibility_form", "NFKC also rewrites superscripts, ligatures and full-width letters: 2³ becomes 23. Use NFC.", ('"NFC"', '"NFKC"'))
edit(UNICODE, "takes_apart", "NFD takes letters and accents apart; NFC puts them together.", ('"NFC"', '"NFD"'))
edit(
    UNICODE,
    "normalises_first",
    "The normal form is made before the invisible characters are gone, so what stood between letter and accent keeps them apart.",
    ('text = text.replace("\\r\\n"', 'text = unicodedata.normalize("NFC", text).replace("\\r\\n"'),
    ('return unicodedata.normalize("NFC", "".join(kept))', 'return "".join(kept)'),
)
edit(
    UNICODE,
    "drops_all_format_characters",
    "All of category Cf is dropped, and the joiners with it: Persian words and family emoji fall apart. Drop INVISIBLE by name.",
    ('category == "Cc" and', 'category == "Cf" or category == "Cc" and'),
)
edit(UNICODE, "drops_tabs_and_line_ends", "Line ends and tabs are controls too, and must stay.", (' and letter not in "\\n\\t"', ""))
edit(UNICODE, "drops_tabs", "Tabs are dropped; they must stay.", ('not in "\\n\\t"', 'not in "\\n"'))
edit(
    UNICODE,
    "keeps_controls",
    "Control characters stay; they must go, but for line ends and tabs.",
    ('(category == "Cc" and letter not in "\\n\\t")', "False"),
)
edit(
    UNICODE,
    "keeps_invisible",
    "Soft hyphens and zero-width spaces stay: they are not of category Cc, so INVISIBLE names them.",
    ("letter in INVISIBLE or", ""),
)
edit(
    UNICODE,
    "invisible_becomes_a_space",
    "Invisible characters become spaces, and words are torn apart; they must disappear.",
    ("            continue", '            letter, category = " ", "Zs"'),
)
edit(UNICODE, "knows_one_space", "Only the no-break space is replaced; category Zs has more.", ('category == "Zs"', 'letter == "\\u00a0"'))
edit(UNICODE, "keeps_odd_spaces", "No-break and thin spaces stay; each becomes a plain space.", ('" " if category == "Zs" else letter', "letter"))
edit(
    UNICODE,
    "two_line_ends",
    "\\r\\n becomes two line ends: replace it before the lone \\r.",
    ('text.replace("\\r\\n", "\\n").replace("\\r", "\\n")', 'text.replace("\\r", "\\n")'),
)
edit(UNICODE, "drops_lone_returns", "A \\r alone is dropped; it is a line end of its own.", ('.replace("\\r", "\\n")', ""))
edit(UNICODE, "lowers", "Capitals are lost; only codes change here, not what a reader sees.", ('"".join(kept))', '"".join(kept).lower())'))
edit(UNICODE, "strips", "White space at the ends is stripped; the number of spaces stays.", ('"".join(kept))', '"".join(kept).strip())'))
edit(
    UNICODE,
    "collapses",
    "Runs of spaces are made one; the number of spaces stays.",
    ('"".join(kept))', '__import__("re").sub(" +", " ", "".join(kept)))'),
)


@mutant(UNICODE, provides="normalise_unicode")
def keeps_ascii_only(text):
    """Everything beyond ASCII is thrown away, and most of the world's writing with it."""
    text = unicodedata.normalize("NFKD", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(letter for letter in text if letter.isascii() and (letter.isprintable() or letter in "\n\t"))


@variant(UNICODE, provides="normalise_unicode")
def by_pattern(text):
    """Right: patterns and a table in place of a loop."""
    text = re.sub(r"\r\n?", "\n", text)
    text = re.sub("[\u00ad\u200b\u2060\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)
    text = re.sub("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", " ", text)
    return unicodedata.normalize("NFC", text)


@variant(UNICODE, provides="normalise_unicode")
def by_translate(text):
    """Right: str.translate with a table of the characters that occur."""
    table = {}
    for letter in set(text) - {"\n", "\t", "\r"}:
        kind = unicodedata.category(letter)
        if kind == "Cc" or letter in "\u00ad\u200b\u2060\ufeff":
            table[ord(letter)] = None
        elif kind == "Zs":
            table[ord(letter)] = " "
    return unicodedata.normalize("NFC", "\n".join("\n".join(text.split("\r\n")).split("\r")).translate(table))


# --------------------------------------------------------------------------------------- quality rules

edit(QUALITY, "twenty_is_too_short", "Twenty words are called too short; the limit itself is allowed.", ("n < 20", "n <= 20"))
edit(QUALITY, "nineteen_is_enough", "Nineteen words pass; fewer than 20 are too short.", ("n < 20", "n < 19"))
edit(
    QUALITY,
    "limits_of_length_excluded",
    "A mean length of exactly 3 or 10 is refused; the limits are allowed.",
    ("3 <= mean_length <= 10", "3 < mean_length < 10"),
)
edit(QUALITY, "no_upper_length", "Words that are too long pass; the mean must not be above 10.", ("3 <= mean_length <= 10", "3 <= mean_length"))
edit(QUALITY, "no_lower_length", "Words that are too short pass; the mean must not be below 3.", ("3 <= mean_length <= 10", "mean_length <= 10"))
edit(
    QUALITY,
    "length_with_spaces",
    "The length of the document is divided by its words, so spaces count as letters.",
    ("sum(map(len, words)) / n", "len(doc) / n"),
)
edit(
    QUALITY,
    "length_without_punctuation",
    "Punctuation is not counted in the length of a word; doc.split() gives it with the word.",
    ("sum(map(len, words)) / n", "sum(len(word.strip(string.punctuation)) for word in words) / n"),
)
edit(
    QUALITY,
    "adds_both_symbols",
    "Hash signs and ellipses are added up; each has a limit of its own.",
    ('max(doc.count("#"), doc.count("…") + doc.count("..."))', '(doc.count("#") + doc.count("…") + doc.count("..."))'),
)
edit(QUALITY, "one_kind_of_ellipsis", "Only … counts as an ellipsis; three full stops are one too.", (' + doc.count("...")', ""))
edit(QUALITY, "only_three_dots", "Only three full stops count as an ellipsis; the single character … is one too.", ('doc.count("…") + ', ""))
edit(QUALITY, "symbols_per_letter", "Symbols are divided by characters; the rule counts them per word.", (" / n > 0.1", " / len(doc) > 0.1"))
edit(QUALITY, "a_tenth_is_too_much", "Exactly 0.1 symbols a word are refused; only more is.", (" / n > 0.1", " / n >= 0.1"))
edit(
    QUALITY,
    "counts_words_with_symbols",
    "Words that begin with a hash sign are counted, not the signs.",
    ('doc.count("#")', 'sum(word.startswith("#") for word in words)'),
)
edit(
    QUALITY,
    "all_letters",
    "A word must be letters through and through, so punctuation makes it none; one letter is enough.",
    ("any(map(str.isalpha, word))", "all(map(str.isalpha, word))"),
)
edit(
    QUALITY,
    "first_letter_only",
    "Only the first character of a word is looked at; a letter anywhere in it is enough.",
    ("any(map(str.isalpha, word))", "word[0].isalpha()"),
)
edit(
    QUALITY,
    "latin_letters_only",
    "Only the letters a to z count; str.isalpha knows all alphabets.",
    ("any(map(str.isalpha, word))", "any(c in string.ascii_letters for c in word)"),
)
edit(
    QUALITY,
    "eighty_percent_is_too_few",
    "Exactly 80 % of words with letters are refused; only fewer are.",
    ("lettered / n < 0.8", "lettered / n <= 0.8"),
)
edit(
    QUALITY,
    "counts_stop_words_twice",
    "The same stop word twice counts as two; two different ones are asked for.",
    (
        "STOP_WORDS & {word.strip(string.punctuation).lower() for word in words}",
        "[word for word in words if word.strip(string.punctuation).lower() in STOP_WORDS]",
    ),
)
edit(QUALITY, "one_stop_word_is_enough", "One stop word is enough here; two are asked for.", ("len(stops) < 2", "len(stops) < 1"))
edit(QUALITY, "three_stop_words", "Two stop words are refused; two are enough.", ("len(stops) < 2", "len(stops) <= 2"))
edit(
    QUALITY,
    "stop_words_in_small_letters",
    "Capitals hide a stop word; it counts in any case.",
    (".lower() for word in words}", " for word in words}"),
)
edit(QUALITY, "stop_words_with_punctuation", "A comma hides a stop word; take punctuation off its ends.", (".strip(string.punctuation)", ""))
edit(
    QUALITY,
    "stop_words_inside_words",
    'A stop word is found inside other words ("of" in "often"); only whole words count.',
    ("STOP_WORDS & {word.strip(string.punctuation).lower() for word in words}", "{stop for stop in STOP_WORDS if stop in doc.lower()}"),
)
edit(
    QUALITY,
    "counts_empty_lines",
    "Empty lines count as repeated lines; leave them out.",
    ("for line in doc.splitlines() if line.strip()", "for line in doc.splitlines()"),
)
edit(
    QUALITY, "lines_with_indentation", "Indentation makes a line another; compare lines stripped.", ("[line.strip() for line in", "[line for line in")
)
edit(
    QUALITY, "a_quarter_is_too_much", "Exactly a quarter of repeated lines is refused; only more is.", ("/ len(lines) > 0.25", "/ len(lines) >= 0.25")
)
edit(
    QUALITY,
    "counts_originals_too",
    "All copies of a repeated line are counted, the first as well; only repeats of an earlier line count.",
    ("(len(lines) - len(set(lines)))", "sum(lines.count(line) > 1 for line in lines)"),
)
edit(
    QUALITY, "runs_of_hashes", 'A run of hash signs is counted as one; "##" are two.', ('doc.count("#")', 'len(__import__("re").findall("#+", doc))')
)
edit(
    QUALITY,
    "length_in_bytes",
    "The length of a word is counted in bytes; an é or a ж is one character and two bytes.",
    ("sum(map(len, words)) / n", "sum(len(word.encode()) for word in words) / n"),
)
edit(
    QUALITY,
    "lines_in_any_case",
    "Lines in other case count as repeats; they are only stripped.",
    ("[line.strip() for line in", "[line.strip().lower() for line in"),
)
edit(
    QUALITY,
    "digits_are_letters",
    "Digits count as letters; str.isalpha is asked for.",
    ("any(map(str.isalpha, word))", "any(map(str.isalnum, word))"),
)
edit(QUALITY, "stops_at_the_first", "Only the first broken rule is named; all of them are asked for.", ("if is_broken]", "if is_broken][:1]"))
edit(
    QUALITY,
    "in_the_order_of_the_alphabet",
    "The rules are sorted by name; keep the order of the docstring.",
    ("return [rule for rule, is_broken in broken.items() if is_broken]", "return sorted(rule for rule, is_broken in broken.items() if is_broken)"),
)
edit(QUALITY, "empty_is_fine", "The empty document passes; it is too short.", ('return ["too short"]', "return []"))
edit(
    QUALITY, "crashes_on_nothing", "A document without words divides by zero; answer for it first.", ('        return ["too short"]', "        pass")
)


@variant(QUALITY, provides="quality_rules")
def rule_by_rule(doc):
    """Right: one if after another, in whole numbers."""
    words, broken = doc.split(), []
    count, letters = len(words), sum(len(word) for word in words)
    if count < 20:
        broken.append("too short")
    if not count:
        return broken
    if letters < 3 * count or letters > 10 * count:
        broken.append("word length")
    if 10 * doc.count("#") > count or 10 * doc.replace("...", "…").count("…") > count:
        broken.append("symbols")
    if 5 * sum(not any(c.isalpha() for c in word) for word in words) > count:
        broken.append("letters")
    if (
        len(
            {
                stripped
                for stripped in (word.lower().strip(string.punctuation) for word in words)
                if stripped in ("the", "be", "to", "of", "and", "that", "have", "with")
            }
        )
        < 2
    ):
        broken.append("stop words")
    seen, repeats, total = set(), 0, 0
    for line in map(str.strip, doc.split("\n")):
        if line:
            total += 1
            repeats += line in seen
            seen.add(line)
    if 4 * repeats > total:
        broken.append("repeated lines")
    return broken


@variant(QUALITY, provides="quality_rules")
def by_shares(doc):
    """Right: shares, compared the other way round."""
    words = doc.split()
    if len(words) == 0:
        return ["too short"]
    n, lines = len(words), [line for line in (line.strip() for line in doc.splitlines()) if line != ""]
    found = {word.lower().strip(string.punctuation) for word in words}.intersection(["the", "be", "to", "of", "and", "that", "have", "with"])
    tests = [
        ("too short", n >= 20), ("word length", 3 <= sum(len(word) for word in words) / n <= 10), ("symbols", doc.count("#") <= 0.1 * n and len(re.findall(r"…|\.\.\.", doc)) <= 0.1 * n),
        ("letters", sum(bool(re.search(r"[^\W\d_]", word)) for word in words) >= 0.8 * n), ("stop words", len(found) >= 2), ("repeated lines", 1 - len(set(lines)) / len(lines) <= 0.25),
    ]  # fmt: skip
    return [name for name, passed in tests if not passed]


# ------------------------------------------------------------------------------------ exact duplicates

edit(EXACT, "minds_case", "Capitals make another text; compare casefolded texts.", ("doc.casefold().split()", "doc.split()"))
edit(EXACT, "lower_only", "lower() leaves ß and final ς; casefold() is made for comparing.", ("doc.casefold()", "doc.lower()"))
edit(
    EXACT,
    "minds_white_space",
    "White space makes another text; every run of it counts as one space.",
    ('" ".join(doc.casefold().split())', "doc.casefold()"),
)
edit(
    EXACT,
    "minds_inner_white_space",
    "White space inside the text makes another text; only the ends are stripped.",
    ('" ".join(doc.casefold().split())', "doc.casefold().strip()"),
)
edit(
    EXACT,
    "minds_outer_white_space",
    "White space at the ends makes another text; it counts for nothing.",
    ('" ".join(doc.casefold().split())', '__import__("re").sub(r"\\s+", " ", doc.casefold())'),
)
edit(EXACT, "drops_all_spaces", '"a b" and "ab" become the same text; a run of white space is one space, not none.', ('" ".join(doc', '"".join(doc'))
edit(
    EXACT,
    "splits_at_blanks",
    "Line ends and tabs make another text: split() without an argument knows all white space.",
    ('" ".join(doc.casefold().split())', '" ".join(part for part in doc.casefold().split(" ") if part)'),
)
edit(EXACT, "returns_keys", "The keys are returned; each document must come back as it came.", ("kept.append(doc)", "kept.append(key)"))
edit(
    EXACT,
    "strips_what_it_keeps",
    "What is kept loses its white space; it must come back exactly as it came.",
    ("kept.append(doc)", "kept.append(doc.strip())"),
)
edit(
    EXACT,
    "compares_beginnings",
    "Only the beginnings are compared; texts may differ at their ends.",
    ('key = " ".join(doc.casefold().split())', 'key = " ".join(doc.casefold().split())[:100]'),
)
edit(
    EXACT,
    "compares_sets_of_words",
    "Sets of words are compared, so order and number of words are lost.",
    ('" ".join(doc.casefold().split())', "tuple(sorted(set(doc.casefold().split())))"),
)
edit(
    EXACT,
    "ignores_punctuation",
    "Punctuation is ignored; nothing but case and white space makes texts the same.",
    ("doc.casefold().split()", '__import__("re").sub(r"[^\\w\\s]", "", doc.casefold()).split()'),
)
edit(EXACT, "drops_the_empty", "The empty document is dropped; it is a text like any other.", ("if key not in seen", "if key and key not in seen"))
edit(EXACT, "sorts", "The result is sorted; keep the order in which the documents came.", ("return kept", "return sorted(kept)"))
edit(EXACT, "forgets_what_it_saw", "Only the document before is remembered, so a copy further away stays.", ("seen.add(key)", "seen = {key}"))


@mutant(EXACT, provides="exact_dedup")
def keeps_the_last(docs):
    """The last form of each text is kept; keep the first."""
    return list({" ".join(doc.casefold().split()): doc for doc in docs}.values())


@mutant(EXACT, provides="exact_dedup")
def drops_originals(docs):
    """Texts that have copies are dropped altogether; one of each must stay."""
    keys = [" ".join(doc.casefold().split()) for doc in docs]
    return [doc for doc, key in zip(docs, keys, strict=True) if keys.count(key) == 1]


@mutant(EXACT, provides="exact_dedup")
def works_in_place(docs):
    """The list that came in is changed; make a new one."""
    seen = set()
    for doc in list(docs):
        key = " ".join(doc.casefold().split())
        if key in seen:
            docs.reverse(), docs.remove(doc), docs.reverse()
        seen.add(key)
    return docs


@mutant(EXACT, provides="exact_dedup")
def remembers(docs, seen=set()):  # noqa: B006 - the mistake itself
    """Texts of earlier calls are remembered: a default value is made once, not in every call."""
    kept = []
    for doc in docs:
        key = " ".join(doc.casefold().split())
        if key not in seen:
            seen.add(key)
            kept.append(doc)
    return kept


@variant(EXACT, provides="exact_dedup")
def by_dict(docs):
    """Right: a dict keeps the first by setdefault."""
    first = {}
    for doc in docs:
        first.setdefault(tuple(doc.casefold().split()), doc)
    return [*first.values()]


@variant(EXACT, provides="exact_dedup")
def by_digest(docs):
    """Right: digests in place of texts, and positions in place of documents."""
    first = {}
    for at, doc in enumerate(docs):
        first.setdefault(hashlib.md5(re.sub(r"\s+", " ", doc.strip()).casefold().encode()).digest(), at)
    return [docs[at] for at in sorted(first.values())]


# -------------------------------------------------------------------------------------- write the test


def must(docs, got, want):
    assert got == want, (docs, got, want)


@mutant(TEST, provides="check_dedup")
def only_counts(dedup):
    """Only the number of documents is compared, so wrong ones of the right number pass; compare the whole result."""
    assert len(dedup(["A", "b", "a"])) == 2
    assert len(dedup(["A\n", "a", "x y", "x  y", "ß", "ss", "", " "])) == 4


@mutant(TEST, provides="check_dedup")
def only_the_example(dedup):
    """Only the docstring's example is tried; most clauses are never put to the test."""
    must("example", dedup(["The fox ran.", "A hare.", "the  FOX\nran. ", "A hare!"]), ["The fox ran.", "A hare.", "A hare!"])


@mutant(TEST, provides="check_dedup")
def always_alarmed(dedup):
    """It raises for every deduplicator, right ones included; see that your expected results are right."""
    raise AssertionError("no deduplicator is good enough")


@mutant(TEST, provides="check_dedup")
def never_alarmed(dedup):
    """It never raises: a comparison without assert does nothing, nor does an assert whose error is caught."""
    try:
        assert dedup(["a", "A", "b"]) == ["a", "b"]
    except AssertionError as error:
        print("wrong:", error)


@mutant(TEST, provides="check_dedup")
def expects_the_last(dedup):
    """It expects the last form of each text; the docstring says the first."""
    must("last", dedup(["A", "b", "a"]), ["b", "a"])


@mutant(TEST, provides="check_dedup")
def expects_punctuation_to_be_ignored(dedup):
    """It expects texts with other punctuation to be copies; the docstring says that they are not."""
    must("dots", dedup(["a.", "a", "b"]), ["a.", "b"])


@mutant(TEST, provides="check_dedup")
def compares_sets(dedup):
    """Results are compared as sets, so the order of the documents is never tested."""
    for docs, want in ((["b", "a", "B", "c", "a"], {"b", "a", "c"}), (["a\nb ", "A b", "x"], {"a\nb ", "x"}), (["a.", "a", ""], {"a.", "a", ""})):
        assert set(dedup(list(docs))) == want


@mutant(TEST, provides="check_dedup")
def knows_neighbours_only(dedup):
    """Every copy stands right behind its original; a deduplicator that forgets passes."""
    for docs, want in (
        (["B", "b", "a"], ["B", "a"]),
        (["x y", "x\n\ty ", "X Y", "w"], ["x y", "w"]),
        (["", " ", "k."], ["", "k."]),
        (["Straße", "STRASSE", "k"], ["Straße", "k"]),
    ):
        given = list(docs)
        must(docs, dedup(given), want)
        assert given == docs
    must("again", dedup(["B", "b", "a"]), ["B", "a"])


@mutant(TEST, provides="check_dedup")
def never_looks_at_the_argument(dedup):
    """What happens to the list that is given is never looked at, nor a second call made."""
    long = "x" * 200
    docs = ["Straße", "k", " ", "STRASSE", "a b", "A\n\tb ", "", "a.", long + "a", long + "b", "k", "k"]
    must(docs, dedup(docs.copy()), ["Straße", "k", " ", "a b", "a.", long + "a", long + "b"])


@mutant(TEST, provides="check_dedup")
def tries_one_random_list(dedup):
    """One list of one-letter texts says nothing about white space, long texts or the empty document."""
    docs = list("zyxabcABCxyz")
    must(docs, dedup(list(docs)), list("zyxabc"))


@mutant(TEST, provides="check_dedup")
def crashes_on_everything(dedup):
    """The test itself has an error, and so it raises for right deduplicators too."""
    assert dedup(["a", "a"]).tolist() == ["a"]


@variant(TEST, provides="check_dedup")
def against_an_own_answer(dedup):
    """Right: random lists, compared with an own deduplicator."""
    dice = random.Random(5)
    pool = [
        "Straße",
        "STRASSE",
        "b a",
        "B  a",
        " b\na\t",
        "b a.",
        "ba",
        "a b",
        "a b a",
        "",
        "  \n",
        "zz",
        "Z" * 300 + "a",
        "z" * 300 + "b",
        "A fox",
        "a fox ",
        "  a Fox",
    ]
    for _ in range(60):
        docs = dice.choices(pool, k=dice.randrange(12))
        given, first = list(docs), {}
        for doc in docs:
            first.setdefault(" ".join(doc.casefold().split()), doc)
        got = dedup(given)
        assert got == list(first.values())
        assert given == docs
        assert got is not given


@variant(TEST, provides="check_dedup")
def clause_by_clause(dedup):
    """Right: one assert for each clause."""
    long = "once upon a time " * 20
    assert dedup(["b", "a", "c", "dd", "b", "b"]) == ["b", "a", "c", "dd"]
    assert dedup(["yyy", "a", "YYY"]) == ["yyy", "a"]
    assert dedup([" Yyy \t", "a", "yyy", "q\n\nr", "q r"]) == [" Yyy \t", "a", "q\n\nr"]
    assert dedup(["ß", "ss"]) == ["ß"]
    assert dedup(["", "a", " "]) == ["", "a"]
    assert dedup(["a.", "a", "b a", "a b", "ab", "a a"]) == ["a.", "a", "b a", "a b", "ab", "a a"]
    assert dedup([long + "x", long + "y", "z " + long]) == [long + "x", long + "y", "z " + long]
    docs = ["k", "K", "l"]
    for _ in range(2):
        assert dedup(docs) == ["k", "l"]
        assert docs == ["k", "K", "l"]
    assert dedup([]) == []
    fresh = ["n", "m"]
    assert dedup(fresh) is not fresh


# ------------------------------------------------------------------------------------- near duplicates

edit(
    MINHASH,
    "one_permutation",
    "Every place has the same hash function, so the share is all or nothing; draw one for each place.",
    (
        "(dice.randrange(1, prime), dice.randrange(prime)) for _ in range(num_perm)",
        "(a, b) for a, b in [(dice.randrange(1, prime), dice.randrange(prime))] * num_perm",
    ),
)
edit(
    MINHASH,
    "compares_words",
    "Sets of words are compared, so a text in another order looks the same; take runs of three words.",
    ('{" ".join(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}', "set(words) or {''}"),
)
edit(
    MINHASH,
    "runs_of_two",
    "The shingles are runs of two words; the docstring says three.",
    ("words[at : at + 3]", "words[at : at + 2]"),
    ("max(len(words) - 2, 1)", "max(len(words) - 1, 1)"),
)
edit(
    MINHASH,
    "misses_the_last_shingle",
    "The last shingle is missing: a text of n words has n - 2 of them.",
    ("max(len(words) - 2, 1)", "max(len(words) - 3, 1)"),
)
edit(
    MINHASH,
    "ragged_end",
    "The last one or two words are shingles of their own; only a text of fewer than three words has a short one.",
    ("max(len(words) - 2, 1)", "max(len(words), 1)"),
)
edit(
    MINHASH,
    "minds_case",
    "Capitals make other shingles; the words are those of the casefolded text.",
    ("words = text.casefold().split()", "words = text.split()"),
)
edit(
    MINHASH,
    "lower_only",
    "lower() leaves ß and final ς; the words are those of the casefolded text.",
    ("words = text.casefold().split()", "words = text.lower().split()"),
)
edit(
    MINHASH,
    "strips_punctuation",
    "Punctuation is taken off the words; they are just what split() gives.",
    ("words = text.casefold().split()", 'words = [word.strip(".,;:!?") for word in text.casefold().split()]'),
)
edit(
    MINHASH,
    "letters_for_words",
    "The shingles are runs of three letters; they are runs of three words.",
    ("words = text.casefold().split()", 'words = " ".join(text.casefold().split())'),
)
edit(
    MINHASH,
    "order_lost_in_shingles",
    "The words of a shingle are sorted, so their order is lost.",
    ('" ".join(words[at : at + 3])', '" ".join(sorted(words[at : at + 3]))'),
)
edit(
    MINHASH,
    "adds_up",
    "The hashes are added up, and one other word changes every place; take the smallest.",
    ("[min((a * number + b) % prime for number in hashes)", "[sum((a * number + b) % prime for number in hashes)"),
)
edit(
    MINHASH, "forgets_the_seed", "The seed is not used, so all signatures have the same hash functions.", ("random.Random(seed)", "random.Random(0)")
)
edit(
    MINHASH,
    "unseeded",
    "The hash functions are other ones in every call, so no two signatures can be compared.",
    ("random.Random(seed)", "random.Random()"),
)
edit(MINHASH, "always_64", "num_perm is not used; a signature has as many places as it says.", ("for _ in range(num_perm)]", "for _ in range(64)]"))
edit(
    MINHASH,
    "few_values",
    "The hashes have 16 values, so different shingles look the same; keep 8 bytes.",
    ("digest_size=8).digest()", "digest_size=1).digest()[:1].translate(bytes(n % 16 for n in range(256)))"),
)
edit(
    MINHASH,
    "eight_functions",
    "Only eight hash functions are drawn and repeated, so the share is as rough as that of eight places.",
    ("for _ in range(num_perm)]\n", "for _ in range(8)] * (num_perm // 8 + 1)\n"),
    ("for a, b in functions]", "for a, b in functions[:num_perm]]"),
)
edit(
    MINHASH,
    "all_pairs",
    "Pairs are returned that agree in no whole band; only candidates are looked at.",
    (
        "        for alike in buckets.values():\n            candidates.update(combinations(alike, 2))",
        "        candidates.update(combinations(range(len(signatures)), 2))",
    ),
)
edit(
    MINHASH,
    "trusts_candidates",
    "Every candidate is returned; the share of all places must reach the threshold too.",
    ("if agreement(i, j) >= threshold", ""),
)
edit(
    MINHASH,
    "above_the_threshold",
    "A pair at exactly the threshold is left out; it belongs to the result.",
    ("agreement(i, j) >= threshold", "agreement(i, j) > threshold"),
)
edit(
    MINHASH,
    "one_place_is_enough",
    "A single common place makes a candidate; the whole band must agree.",
    ("tuple(signature[start : start + rows])", "tuple(signature[start : start + 1])"),
)
edit(
    MINHASH,
    "shares_buckets_between_bands",
    "All bands share one dictionary, so one text's first band meets another's second.",
    ("        buckets: dict[tuple[int, ...], list[int]] = {}\n", ""),
    ("    candidates: set[tuple[int, int]] = set()\n", "    candidates: set[tuple[int, int]] = set()\n    buckets = {}\n"),
    ("combinations(alike, 2))", "(x, y) for x, y in combinations(sorted(set(alike)), 2))"),
)
edit(MINHASH, "overlapping_bands", "The bands overlap; they are cut one after the other.", ("range(0, n, max(rows, 1))", "range(0, n - rows + 1)"))
edit(MINHASH, "rows_for_bands", "The number of bands is taken for the length of a band.", ("rows = n // bands", "rows = bands"))
edit(MINHASH, "first_band_only", "Only the first band is looked at.", ("range(0, n, max(rows, 1))", "range(0, min(n, 1))"))
edit(
    MINHASH,
    "neighbours_in_buckets",
    "Of three alike documents only neighbours are paired; every two of them are a pair.",
    ("combinations(alike, 2)", "zip(alike, alike[1:])"),
)
edit(
    MINHASH,
    "not_sorted",
    "The pairs come in no order; the docstring says sorted.",
    (
        "return sorted((i, j) for i, j in candidates if agreement(i, j) >= threshold)",
        "return sorted(((i, j) for i, j in candidates if agreement(i, j) >= threshold), key=lambda p: (p[1], -p[0]))",
    ),
)
edit(MINHASH, "larger_first", "The larger position comes first; i < j.", ("sorted((i, j) for", "sorted((j, i) for"))
edit(
    MINHASH,
    "needs_a_document",
    "An empty list of signatures crashes; it has no pairs.",
    ("len(signatures[0]) if signatures else 0", "len(signatures[0])"),
)
edit(MINHASH, "eight_bands_unless_told", "The number of bands is 8 unless told; the docstring says 16.", ("bands: int = 16", "bands: int = 8"))
edit(
    MINHASH,
    "other_default_threshold",
    "The threshold is 0.8 unless told; the docstring says 0.7.",
    ("threshold: float = 0.7", "threshold: float = 0.8"),
)


@variant(MINHASH, provides="minhash_signature")
def by_salted_digests(text, num_perm=64, seed=0):
    """Right: a digest with a salt of its own for every place."""
    words = text.casefold().split()
    shingles = {" ".join(words[i : i + 3]) for i in range(len(words) - 2)} or {" ".join(words)}
    signature = []
    for place in range(num_perm):
        base = hashlib.blake2b(f"{seed}/{place}".encode(), digest_size=16)
        values = []
        for shingle in shingles:
            digest = base.copy()
            digest.update(shingle.encode())
            values.append(digest.digest()[:8])
        signature.append(int.from_bytes(max(values), "little"))
    return signature


@variant(MINHASH, provides="near_duplicates")
def pair_by_pair(signatures, bands=16, threshold=0.7):
    """Right, if slow: every pair, band by band."""
    if any(len(signature) != len(signatures[0]) or len(signature) % bands for signature in signatures):
        raise ValueError
    pairs = []
    for i, j in combinations(range(len(signatures)), 2):
        same = [x == y for x, y in zip(signatures[i], signatures[j], strict=True)]
        rows = len(same) // bands
        if any(all(same[start : start + rows]) for start in range(0, len(same), rows)) and sum(same) / len(same) >= threshold:
            pairs.append((i, j))
    return pairs


# --------------------------------------------------------------------------------------- personal data

edit(
    PII,
    "luhn_from_the_left",
    "Luhn's test counts from the left, so odd lengths come out wrong; begin with the last digit.",
    ("enumerate(reversed(digits))", "enumerate(digits)"),
)
edit(PII, "luhn_doubles_the_last", "The last digit is doubled; begin with the one before it.", ("(1 + at % 2)", "(2 - at % 2)"))
edit(PII, "luhn_keeps_large", "9 is not taken off where doubling gives more than 9.", ("value - 9 if value > 9 else value", "value"))
edit(
    PII,
    "luhn_nine_off_from_nine",
    "9 is taken off 9 itself only by luck; above 9 it is.",
    ("value - 9 if value > 9 else value", "value - 9 if value > 10 else value"),
)
edit(PII, "no_luhn", "Every long row of digits is a card number; it must pass Luhn's test.", (" and luhn_valid(digits) else run", " else run"))
edit(PII, "any_octet", "Numbers above 255 pass as parts of an internet address.", ('(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"', '[0-9]{1,3}"'))
edit(PII, "leading_zeros", "Parts with leading zeros pass; they are none.", ('[1-9]?[0-9])"', '[0-9]?[0-9])"'))
edit(
    PII,
    "part_of_a_longer_number",
    "Four parts of a longer dotted number are masked; it is no address.",
    (r"(?![0-9]|\.[0-9])", ""),
    (r"(?<![0-9])(?<![0-9]\.)", ""),
)
edit(
    PII,
    "stop_hides_an_address",
    "A full stop behind an internet address hides it; only a dot and a digit make it longer.",
    (r"(?![0-9]|\.[0-9])", r"(?![0-9.])"),
)
edit(
    PII,
    "masks_dates",
    "Long rows of digits and hyphens are all phone numbers, and dates are destroyed.",
    ("[0-9]{3}-[0-9]{3}-[0-9]{4}", "[0-9][0-9 -]{7,14}"),
)
edit(
    PII,
    "no_plain_phones",
    "Phone numbers of the shape 555-123-4567 stay.",
    ('        if re.fullmatch("[0-9]{3}-[0-9]{3}-[0-9]{4}", run):\n            return "[PHONE]"\n', ""),
)
edit(PII, "any_separator", "555 123 4567 is masked; the shape has hyphens.", ("[0-9]{3}-[0-9]{3}-[0-9]{4}", "[0-9]{3}.[0-9]{3}.[0-9]{4}"))
edit(
    PII,
    "shape_as_a_beginning",
    "A longer run that begins like a phone number is masked; the whole run must have the shape.",
    ("re.fullmatch(", "re.match("),
)
edit(
    PII, "short_phones", "A plus sign and seven digits are masked; 8 to 15 are a phone number.", ("8 <= len(digits) <= 15", "7 <= len(digits) <= 15")
)
edit(PII, "nine_at_least", "A plus sign and eight digits stay; 8 to 15 are a phone number.", ("8 <= len(digits) <= 15", "9 <= len(digits) <= 15"))
edit(PII, "long_phones", "A plus sign and sixteen digits are masked; a phone number has at most 15.", ("8 <= len(digits) <= 15", "8 <= len(digits)"))
edit(
    PII, "fourteen_at_most", "A plus sign and fifteen digits stay; a phone number may have 15.", ("8 <= len(digits) <= 15", "8 <= len(digits) <= 14")
)
edit(PII, "cards_have_16", "Only 16 digits are a card number; there are cards of 13 to 19.", ("13 <= len(digits) <= 19", "len(digits) == 16"))
edit(PII, "cards_from_12", "12 digits are taken for a card number; it has at least 13.", ("13 <= len(digits) <= 19", "12 <= len(digits) <= 19"))
edit(PII, "cards_to_18", "19 digits are no card number here; 13 to 19 are.", ("13 <= len(digits) <= 19", "13 <= len(digits) < 19"))
edit(PII, "cards_to_20", "20 digits are taken for a card number; it has at most 19.", ("13 <= len(digits) <= 19", "13 <= len(digits) <= 20"))
edit(
    PII,
    "spaces_in_cards_only",
    "Hyphens between the groups hide a number; spaces and hyphens both belong to a run.",
    (r"\+?[0-9](?:[ -]?[0-9])*", r"\+?[0-9](?: ?[0-9])*|[0-9]{3}-[0-9]{3}-[0-9]{4}"),
)
edit(PII, "ungrouped_only", "Spaces inside a number hide it.", (r"\+?[0-9](?:[ -]?[0-9])*", r"\+?[0-9](?:-?[0-9])*"))
edit(PII, "two_spaces_in_a_run", "A run goes on over two spaces; at most one sign stands between two digits.", ("(?:[ -]?[0-9])*", "(?:[ -]*[0-9])*"))
edit(PII, "keeps_the_plus", "The plus sign stays in front of the mask; it belongs to the run.", ('return "[PHONE]" if 8', 'return "+[PHONE]" if 8'))
edit(
    PII,
    "phone_with_plus_may_be_a_card",
    "A run with a plus sign that is too long for a phone number is taken for a card.",
    ('"[PHONE]" if 8 <= len(digits) <= 15 else run', '"[PHONE]" if 8 <= len(digits) <= 15 else "[CARD]" if luhn_valid(digits) else run'),
)
edit(
    PII,
    "plain_emails_only",
    "Dots and plus signs in front of the @ are not known, so half of an address stays.",
    ("[A-Za-z0-9._%+-]+@", "[A-Za-z0-9]+@"),
)
edit(
    PII,
    "one_dot_in_a_domain",
    "Domains with more than one dot are not masked whole.",
    ("(?:[A-Za-z0-9-]+\\.)+[A-Za-z]{2,}(?![A-Za-z0-9-])", "[A-Za-z0-9-]+\\.[A-Za-z]{2,}"),
)
edit(PII, "greedy_email", "The full stop behind an e-mail address is masked with it.", ("[A-Za-z]{2,}(?![A-Za-z0-9-])", "[A-Za-z]{2,}\\.?"))
edit(
    PII,
    "any_at",
    "Whatever has an @ in it is masked; a domain has a dot and a last part of letters.",
    ("(?:[A-Za-z0-9-]+\\.)+[A-Za-z]{2,}(?![A-Za-z0-9-])", "[A-Za-z0-9.-]*[A-Za-z0-9]"),
)
edit(PII, "one_letter_at_the_end", "a@b.c is masked; the last part of a domain has at least two letters.", ("[A-Za-z]{2,}", "[A-Za-z]+"))
edit(
    PII,
    "word_boundaries",
    "A letter next to an internet address hides it; only digits and dots can make it part of something else.",
    (r"(?<![0-9])(?<![0-9]\.)", r"\b(?<![0-9]\.)"),
)
edit(PII, "small_endings_only", "An e-mail address in capitals is not masked whole.", ("[A-Za-z]{2,}(?![A-Za-z0-9-])", "[a-z]{2,}(?![A-Za-z0-9-])"))
edit(
    PII,
    "one_kind_of_separator",
    "A card number with both spaces and hyphens stays; either may stand between any two digits.",
    ("13 <= len(digits) <= 19 and", '13 <= len(digits) <= 19 and not {" ", "-"} <= set(run) and'),
)
edit(PII, "removes", "What was found is removed; put the name of its kind in its place.", ('"[EMAIL]", text', '"", text'))
edit(PII, "first_address_only", "Only the first internet address is masked.", ('"[IP]", text)', '"[IP]", text, count=1)'))


@mutant(PII, provides="mask_pii")
def digits_before_addresses(text):
    """Digits are masked before e-mail addresses, so that an address with a number in it is torn apart."""
    text = re.sub(r"\b[0-9]{3}-[0-9]{3}-[0-9]{4}\b|\+[0-9](?:[ -]?[0-9]){7,14}(?![ -]?[0-9])", "[PHONE]", text)
    return re.sub(r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}", "[EMAIL]", text)


@mutant(PII, provides="mask_pii")
def internet_before_mail(text):
    """Internet addresses are masked first, so that an e-mail address that begins with one is torn apart; keep the docstring's order."""

    def luhn(digits):
        return sum(sum(divmod(int(d) * (1 + at % 2), 10)) for at, d in enumerate(digits[::-1])) % 10 == 0

    def decide(found):
        run, digits = found[0], re.sub("[^0-9]", "", found[0])
        if run[0] == "+":
            return "[PHONE]" if 8 <= len(digits) <= 15 else run
        if re.fullmatch("[0-9]{3}-[0-9]{3}-[0-9]{4}", run):
            return "[PHONE]"
        return "[CARD]" if 13 <= len(digits) <= 19 and luhn(digits) else run

    octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    text = re.sub(rf"(?<![0-9])(?<![0-9]\.){octet}(?:\.{octet}){{3}}(?!\.?[0-9])", "[IP]", text)
    text = re.sub(r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![A-Za-z0-9-])", "[EMAIL]", text)
    return re.sub(r"\+?[0-9](?:[ -]?[0-9])*", decide, text)


@variant(PII, provides="mask_pii")
def by_one_pattern(text):
    """Right: one pattern with a name for each kind."""

    def luhn(digits):
        return sum(sum(divmod(int(d) * (1 + at % 2), 10)) for at, d in enumerate(digits[::-1])) % 10 == 0

    def one(found):
        if found["mail"]:
            return "[EMAIL]"
        run = found["run"]
        digits = run.replace(" ", "").replace("-", "")
        if run[0] == "+":
            return "[PHONE]" if 9 <= len(digits) <= 16 else run
        if len(run) == 12 and [len(part) for part in run.split("-")] == [3, 3, 4]:
            return "[PHONE]"
        return "[CARD]" if len(digits) in range(13, 20) and luhn(digits) else run

    octet = "(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
    text = re.sub(r"(?P<mail>[\w.%+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,})(?![\w-])|(?P<run>(?!))", one, text, flags=re.I | re.A)
    text = re.sub(rf"(?<![0-9])(?<!\.){octet}\.{octet}\.{octet}\.{octet}(?!\.?[0-9])", "[IP]", text)
    return re.sub(r"(?P<run>\+?[0-9]([ -]?[0-9])*)(?P<mail>(?!))?", one, text)


@variant(PII, provides="luhn_valid")
def by_digit_sums(digits):
    """Right: the digit sum of twice the digit is what taking 9 off gives."""
    even, odd = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, even)) + sum(sum(map(int, str(2 * int(d)))) for d in odd)) % 10 == 0


# ------------------------------------------------------------------------------------------- toxicity

edit(
    TOXIC,
    "drops_a_dialect",
    "The loss is taken over all groups together, so that a small group may be removed altogether; every group has its own limit.",
    (
        "if all(loss <= max_loss for loss in losses.values()):",
        "if sum(s >= threshold for own in harmless.values() for s in own) <= max_loss * sum(map(len, harmless.values())):",
    ),
)
edit(
    TOXIC,
    "mean_over_groups",
    "The losses of the groups are averaged; no single one may be above the limit.",
    ("all(loss <= max_loss for loss in losses.values())", "sum(losses.values()) <= max_loss * len(losses)"),
)
edit(
    TOXIC,
    "best_group_decides",
    "One group within the limit is enough here; all must be.",
    ("if all(loss", "if any(loss"),
    ("in losses.values()):", "in losses.values()) or not losses:"),
)
edit(TOXIC, "counts_toxic_ones", "Toxic documents count as a loss; only harmless ones do.", ("if not is_toxic:", "if True:"))
edit(TOXIC, "protects_the_toxic", "The loss is taken over toxic documents: the labels are turned round.", ("if not is_toxic:", "if is_toxic:"))
edit(
    TOXIC,
    "removes_above_only",
    "A document at the threshold stays; it is removed if its score is >= the threshold.",
    ("score >= threshold", "score > threshold"),
)
edit(TOXIC, "limit_excluded", "A loss of exactly max_loss is refused; it is allowed.", ("loss <= max_loss", "loss < max_loss"))
edit(
    TOXIC,
    "highest_threshold",
    "The highest threshold is returned, which removes nearly nothing; the lowest fair one is asked for.",
    ("[*sorted(set(scores)), math.inf]", "[*sorted(set(scores), reverse=True), math.inf]"),
)
edit(
    TOXIC,
    "without_infinity",
    "Infinity is not tried, so the result is unfair where even the highest score costs too much.",
    ("[*sorted(set(scores)), math.inf]", "sorted(set(scores)) or [math.inf]"),
)
edit(TOXIC, "unsorted", "The thresholds are tried in the order of the documents; begin with the lowest.", ("*sorted(set(scores))", "*scores"))
edit(
    TOXIC,
    "harmless_scores_only",
    "Only scores of harmless documents are tried as thresholds; a toxic one's may be lower and just as fair.",
    ("sorted(set(scores))", "sorted(s for own in harmless.values() for s in own)"),
)
edit(
    TOXIC,
    "share_of_the_group",
    "The loss is divided by all documents of the group; divide by its harmless ones.",
    ("/ max(len(own), 1)", "/ groups.count(group)"),
)
edit(TOXIC, "counts_not_shares", "The number of lost documents is returned; a loss is a share.", ("/ max(len(own), 1)", "/ 1"))
edit(
    TOXIC,
    "forgets_groups_without_harmless",
    "Groups without harmless documents are left out; their loss is 0.0.",
    ("for group, own in harmless.items()}", "for group, own in harmless.items() if own}"),
)
edit(TOXIC, "ignores_max_loss", "The limit is fixed at 0.1; max_loss says what is allowed.", ("loss <= max_loss", "loss <= 0.1"))
edit(TOXIC, "default_of_one_percent", "The limit is 0.01 unless told; the docstring says 0.1.", ("max_loss: float = 0.1", "max_loss: float = 0.01"))
edit(
    TOXIC,
    "grid_of_thresholds",
    "Thresholds are tried on a grid; the scores themselves are the candidates.",
    ("*sorted(set(scores))", "*[n / 20 for n in range(21)]"),
)
edit(
    TOXIC,
    "empty_crashes",
    "An empty sample crashes; nothing is lost, and the threshold is infinity.",
    ("    return threshold, losses", "    max(scores)\n    return threshold, losses"),
)


@mutant(TOXIC, provides="toxicity_filter")
def sorts_in_place(scores, toxic, groups, max_loss=0.1):
    """The list of scores is sorted in place, and no longer fits the other two; sorted() makes a new one."""
    rows = list(zip(scores, toxic, groups, strict=True))
    scores.sort()
    for threshold in [*scores, math.inf]:
        own = {g: [s for s, t, h in rows if h == g and not t] for g in groups}
        losses = {g: sum(s >= threshold for s in own[g]) / max(len(own[g]), 1) for g in own}
        if all(loss <= max_loss for loss in losses.values()):
            return threshold, losses
    raise ValueError("nothing was tried")


@variant(TOXIC, provides="toxicity_filter")
def from_the_top(scores, toxic, groups, max_loss=0.1):
    """Right: thresholds from the highest down, until one is unfair."""

    def losses_at(threshold):
        losses = {}
        for group in set(groups):
            own = [score for score, bad, name in zip(scores, toxic, groups, strict=True) if name == group and not bad]
            losses[group] = len([score for score in own if score >= threshold]) / len(own) if own else 0.0
        return losses

    best = math.inf
    for threshold in sorted(scores, reverse=True):
        if max(losses_at(threshold).values()) > max_loss:
            break
        best = threshold
    return best, losses_at(best)


@variant(TOXIC, provides="toxicity_filter")
def by_group_limits(scores, toxic, groups, max_loss=0.1):
    """Right: each group's own lowest threshold, and the highest of these."""
    own, needed = {}, -math.inf
    rows = sorted(zip(groups, toxic, scores, strict=True), key=lambda row: row[0])
    for group, members in groupby(rows, key=lambda row: row[0]):
        own[group] = [score for _, bad, score in members if not bad]
        fair = [t for t in [*scores, math.inf] if sum(s >= t for s in own[group]) <= max_loss * len(own[group]) + 1e-12]
        needed = max(needed, min(fair))
    threshold = needed if own else math.inf
    return threshold, {group: sum(s >= threshold for s in mine) / len(mine) if mine else 0.0 for group, mine in own.items()}


edit_variant(TOXIC, "as_a_list_of_two", "Right: the two results as a list.", ("return threshold, losses", "return [threshold, losses]"))
