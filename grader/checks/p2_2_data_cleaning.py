"""Checks for p2_2_data_cleaning.

Definitions: the HTML Standard · Unicode Standard Annex #15 · Rae et al. 2021, arXiv:2112.11446 (quality rules) ·
Broder 1997 (MinHash) · Luhn 1960. The oracles build the dirty text from the clean one, or count by brute force.
"""

import math
import random
import unicodedata

from grader.judge import Exercise, core, expect


def same(submission, name, cases, why):
    """Every case of (arguments, what must come back), by one message."""
    results = submission.each(name, [args for args, _ in cases])
    for (_, want), got in zip(cases, results, strict=True):
        expect.equal(got, want, why=why)


def texts(pairs):
    """Cases of a function of one text."""
    return [((before,), after) for before, after in pairs]


def probed(submission, name, cases):
    """The results for many arguments: where one raises, the others still answer."""
    return list(submission.each(name, cases))


def word(dice, low=3, high=7):
    return "".join(dice.choices("abdegiklmnoprstuvz", k=dice.randint(low, high)))


# ------------------------------------------------------------------------------------------------ HTML

INLINE = ("b", "i", "em", "span class='x'", 'a href="/p?q=1&r=2" title="a > b"', "A HREF='x'", "strong", "code")
BLOCK = ("p", "div", "h2", "li", "P", "section id=s", "td", "blockquote", "pre", "H1")
CODES = (("&amp;", "&"), ("&lt;b&gt;", "<b>"), ("&quot;", '"'), ("&#233;", "é"), ("&#xe9;", "é"), ("&amp;lt;", "&lt;"), ("&euro;", "€"))
UNSEEN_PIECES = (
    "<script>if (a > b) { w('<p>no</p>'); }</script>",
    "<style>p > b { x: 'y' }</style>",
    "<!-- <p>no</p> > -->",
    "<img alt='a > b'>",
    "<STYLE>b {}</STYLE>",
)


def web_line(dice):
    """One line as HTML and as text: words, some in tags, some by codes, with white space and unseen things in between."""
    html, text = [], []
    for _ in range(dice.randint(2, 6)):
        plain = word(dice)
        match dice.randrange(5):
            case 0:
                tag = dice.choice(INLINE)
                html.append(f"{plain[:2]}<{tag}>{plain[2:]}</{tag.split()[0]}>")
            case 1:
                code, means = dice.choice(CODES)
                html.append(plain + code)
                plain += means
            case 2:
                html.append(plain[:1] + dice.choice(UNSEEN_PIECES) + plain[1:])
            case 3:
                html.append(plain + " < 5")
                plain += " < 5"
            case _:
                html.append(plain)
        text.append(plain)
    return "".join(piece + dice.choice((" ", "\n", "  \t", "&nbsp;")) for piece in html), " ".join(text)


def web_page(dice):
    html, lines = "<!DOCTYPE html>\n", []
    for _ in range(dice.randint(2, 5)):
        (marked, text), tag = web_line(dice), dice.choice(BLOCK)
        between, more = dice.choice((("", []), ("\n\n", []), ("<hr/>", []), ("ok<br/>ok<HR>ok", ["ok"] * 3)))
        html += f"<{tag}>\n {marked}</{tag.split()[0]}>{between}"
        lines += [text, *more]
    last = f"{word(dice)} R&D"  # a parser may hold back what follows the last &
    return f"{html}<br>{last}", "\n".join([*lines, last])


HTML_PROBE = (
    "<p>un<b>believ</b>able</p>and<br>on", "a<script>var a;</script>b<style>p {}</style>c<!-- x > y -->d", "&lt;b&gt; &amp;lt; &eacute;", "3 < 5 and 5 > 2",
    "<img alt='a > b'>c", "<P>one</P>\n\n<P>  two \t three&nbsp;</P>", "Fish & chips", "", "<SCRIPT>x</SCRIPT>y", "a\nb<br/>c", "<td>a</td><td>b</td>", "<li>a<li>b", "A&B", "<p>a</p><p>a</p>",
)  # fmt: skip


class TestStripHtml(Exercise, id="clean-strip-html"):
    """Exercise clean-strip-html."""

    def probe(self, submission):
        return probed(submission, "strip_html", [(html,) for html in HTML_PROBE])

    @core
    def test_whole_pages(self, submission, dice):
        """From a whole page the words come back, in their lines, and nothing else."""
        a, b, c = word(dice), word(dice), word(dice)
        pairs = [(f"<h1>{a}</h1><p>{b} <b>{c}</b></p>", f"{a}\n{b} {c}"), (f"<div>\n<p>{c}</p>\n<p>{a} {b}</p>\n</div>", f"{c}\n{a} {b}")]
        same(submission, "strip_html", texts(pairs), "each block is a line, and tags are gone")

    @core
    def test_tags_inside_a_line_leave_nothing(self, submission, dice):
        """A tag that is no block leaves nothing behind, not even a space, and the words around it stay."""
        a, b, c = word(dice), word(dice), word(dice)
        pairs = [(f"{a}<{tag}>{b}</{tag.split()[0]}>{c}", a + b + c) for tag in INLINE]
        same(submission, "strip_html", texts(pairs), "only tags in BLOCKS break a line")

    def test_everything_together(self, submission, dice):
        """Pages with all kinds of markup at once give the text that they were made from."""
        same(submission, "strip_html", texts(web_page(dice) for _ in range(25)), "the page was made from this text")

    def test_every_block_starts_a_line(self, submission):
        """Every tag in BLOCKS starts a line, opening or closing, in small letters or capitals, and <br/> too; no two lines have an empty one between them."""
        tags = "address article aside blockquote br div dd dl dt footer h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table td th tr ul".split()
        pairs = [(f"a<{tag}>b", "a\nb") for tag in tags] + [(f"a</{tag}>b", "a\nb") for tag in tags if tag not in ("br", "p", "hr")]
        pairs += [
            ("a<BR/>b<br />c", "a\nb\nc"),
            ("<Div>a</DIV>b", "a\nb"),
            ("<ul><li>a</li>\n\n<li>b</li></ul>c", "a\nb\nc"),
            ("<div><p></p><p> </p></div>a", "a"),
            ("<p>a</p><p>b</p><p>a</p><p>a</p>", "a\nb\na\na"),
        ]
        same(submission, "strip_html", texts(pairs), "a start tag and an end tag in BLOCKS each begin a new line; empty lines are left out")

    def test_scripts_styles_and_comments(self, submission):
        """Scripts, styles and comments are gone with all they hold, also where this looks like tags; what follows them stays."""
        pairs = [
            ("a<script>var b;</script>c", "ac"), ("a<style>p { x: y }</style>c", "ac"), ("a<!-- b -->c", "ac"),
            ("a<script type='t'>w('<p>b</p>'); if (x > 1) y;</script> c", "a c"), ("<SCRIPT>b</SCRIPT>c<Style>d</Style>e", "ce"),
            ("a<!-- <b>b</b> > \n <script> -->c", "ac"), ("<script>a</script><script>b</script>c<style>d</style>", "c"), ("a<!-- b --><!-- c -->d", "ad"),
            ("<p>one</p><script>\nline();\nline();\n</script><p>two</p>", "one\ntwo"),
        ]  # fmt: skip
        same(submission, "strip_html", texts(pairs), "leave out what UNSEEN elements and comments hold, up to their own end and no further")

    def test_character_references(self, submission, dice):
        """Character references of every form are decoded once, after the tags are gone."""
        pairs = [
            *CODES,
            ("&lt;script&gt;a&lt;/script&gt;", "<script>a</script>"),
            ("&amp;amp;amp;", "&amp;amp;"),
            ("a&#x26;lt;b", "a&lt;b"),
            ("x &lt; y &gt; z", "x < y > z"),
        ]
        pairs += [(f"&#{code};", chr(code)) for code in dice.sample(range(0x3B1, 0x3C9), 2)]
        same(submission, "strip_html", texts(pairs), "tags first, then the references, each once")

    def test_signs_that_are_no_tags(self, submission):
        """A < before a space or a digit is text, and so is a > outside a tag; a > inside quotation marks ends no tag."""
        pairs = [
            ("3 < 5", "3 < 5"), ("a<b>b</b> <3", "ab <3"), ("5 > 3 < 4 <i>x</i>", "5 > 3 < 4 x"), ("<img alt='a > b'>c", "c"),
            ('<a title="x > y" href=z>c</a>', "c"), ("1 <2 & 3> 2", "1 <2 & 3> 2"), ("<img alt=\"it's > b\">c", "c"),
        ]  # fmt: skip
        same(submission, "strip_html", texts(pairs), "read tags by the rules of the docstring, not from any < to the next >")

    def test_white_space(self, submission):
        """White space of all kinds is one space, line ends of the source included, and none is left at the ends of lines."""
        pairs = [
            ("a\nb\r\n c\td", "a b c d"),
            (" <p>\n a&nbsp;&nbsp; b </p> ", "a b"),
            ("a <b> b</b>", "a b"),
            ("a\n<i>\n</i>\nb<br> c", "a b\nc"),
            ("a\u00a0\u00a0b", "a b"),
        ]
        same(submission, "strip_html", texts(pairs), "only blocks make lines; the source's own line ends are spaces")

    def test_the_last_words_are_there(self, submission, dice):
        """Text after the last tag, text with a lone &, and text without any tag come back whole; an empty page is empty."""
        a = word(dice)
        pairs = [
            (f"<b>Fish</b> & {a}", f"Fish & {a}"),
            ("Fish & chips", "Fish & chips"),
            (a, a),
            ("", ""),
            ("<p></p>", ""),
            (f"{a} R&D", f"{a} R&D"),
            (f"<i>{a}</i>&{a}", f"{a}&{a}"),
        ]
        same(submission, "strip_html", texts(pairs), "close() the parser: it may hold the end of the text back")


# --------------------------------------------------------------------------------------------- Unicode

ACCENTED = "éüñçåøÄÖšžاłあが한글ệ"
KEEP = "aZ09 -_\n\t'\"“”’–—…«»²½ﬁﾊＡ™\u200c\u200d☃é👩\u200d👧\u2028"
GONE = "\u00ad\u200b\u2060\ufeff\x00\x07\x0b\x0c\x1b\x7f\x85\x9f"
SPACES = "\u00a0\u1680\u2000\u2003\u2009\u202f\u205f\u3000"
UNICODE_PROBE = (
    "e\u0301\u00e9",
    "a\r\nb\rc\n",
    "a\u00a0\u3000 b",
    "e\u00ad\u0301",
    "a\u200bb\ufeffc\u2060d",
    "a\x00\x07\tb",
    "x² ½ ﬁ Ａ “a”",
    "\u200d\u200c",
    "É  Ab ",
    "a\x85b\u2028c",
    "e\x07\u0301",
)


class TestNormaliseUnicode(Exercise, id="clean-normalise-unicode"):
    """Exercise clean-normalise-unicode."""

    def probe(self, submission):
        return probed(submission, "normalise_unicode", [(text,) for text in UNICODE_PROBE])

    @core
    def test_letters_and_accents_are_one(self, submission, dice):
        """A letter and its combining accents become one character where there is one, in every script."""
        pairs = [(a + unicodedata.normalize("NFD", letter) + b, a + letter + b) for letter in ACCENTED for a, b in [(word(dice), word(dice))]]
        same(submission, "normalise_unicode", texts(pairs), "the normal form is NFC")

    @core
    def test_what_nobody_sees_is_gone(self, submission, dice):
        """Soft hyphens, zero-width spaces, byte order marks and control characters disappear, wherever they stand."""
        pairs = [((a := word(dice)) + letter + (b := word(dice)) + letter, a + b) for letter in GONE]
        same(submission, "normalise_unicode", texts(pairs), "drop INVISIBLE and category Cc, but line ends and tabs stay")

    def test_spaces_are_spaces(self, submission):
        """Every kind of space becomes the plain one, as many as there were, also at the ends."""
        pairs = [(f"{letter}a{letter}{letter}b ", " a  b ") for letter in SPACES] + [("a  \t b\n", "a  \t b\n")]
        same(submission, "normalise_unicode", texts(pairs), "replace each space of category Zs; do not strip or collapse")

    def test_line_ends(self, submission):
        """\\r\\n and a lone \\r are one line end each; \\n stays."""
        pairs = [("a\r\nb", "a\nb"), ("a\rb", "a\nb"), ("a\r\rb\r\n\r\n", "a\n\nb\n\n"), ("a\n\rb", "a\n\nb"), ("a\nb\n", "a\nb\n")]
        same(submission, "normalise_unicode", texts(pairs), "first \\r\\n, then what is left of \\r")

    def test_all_else_stays(self, submission, dice):
        """Quotation marks, ligatures, superscripts, full-width letters, capitals, tabs and the two joiners stay as they are."""
        letters = list(KEEP.replace("👩\u200d👧", ""))
        pairs = [(f"x{letter}y", f"x{letter}y") for letter in letters] + [("👩\u200d👧", "👩\u200d👧"), ("", ""), ("می\u200cخواهم", "می\u200cخواهم")]
        pairs += [(text := "".join(dice.choices("aZ ﬁ²“’\n", k=30)), text)]
        same(submission, "normalise_unicode", texts(pairs), "NFKC, a broad sweep over category Cf, or lower() change what a reader sees")

    def test_nothing_hides_between_letter_and_accent(self, submission, dice):
        """A letter and its accent join also if something invisible stood between them, so that a second pass changes nothing."""
        pairs = [(f"e{letter}\u0301 A{letter}\u030a", "é Å") for letter in GONE]
        same(submission, "normalise_unicode", texts(pairs), "make the normal form last")
        mixed = ["".join(dice.choices("aeou\u0301\u0308\u0323" + GONE + SPACES + "\r\n", k=40)) for _ in range(15)]
        once = list(submission.each("normalise_unicode", [(text,) for text in mixed]))
        expect.true(all(isinstance(text, str) and unicodedata.is_normalized("NFC", text) for text in once), "the result is not in normal form NFC")
        same(submission, "normalise_unicode", texts(zip(once, once, strict=True)), "applied to its own result, it must change nothing")


# --------------------------------------------------------------------------------------- quality rules

RULES = ("too short", "word length", "symbols", "letters", "stop words", "repeated lines")


def prose(dice, n, stops=("the", "of", "and")):
    """n ordinary words: the stop words, then words that are none, mixed."""
    words = [*stops, *("x" + word(dice, 3, 5) for _ in range(n - len(stops)))]
    dice.shuffle(words)
    return words


def sized(dice, total):
    """Twenty words with two stop words and this many characters in all."""
    lengths = [(total - 4) // 18 + (at < (total - 4) % 18) for at in range(18)]
    words = ["to", "of", *("x" * (length - 1) + dice.choice("y,") for length in lengths)]
    return " ".join(dice.sample(words, 20))


def with_marks(dice, marks, n=200):
    words = prose(dice, n)
    free = [at for at in range(n) if words[at].startswith("x")]  # an ellipsis would hide a stop word
    for at, mark in zip(dice.sample(free, len(marks)), marks, strict=True):
        words[at] += mark
    return " ".join(words)


def with_figures(dice, figures, n=200):
    words = prose(dice, n - figures) + dice.choices(("2024", "1,50", "3-4", "12%", "(777)"), k=figures)
    return " ".join(dice.sample(words, n))


def in_lines(dice, fresh, repeats):
    lines = ["Of the mill and the boats " + " ".join(prose(dice, 8)) + " and of the hill" for _ in range(fresh)]
    again = [dice.choice(("  ", "\t", "")) + dice.choice(lines[:2]) + dice.choice((" ", "")) for _ in range(repeats)]
    rest = lines[2:] + again
    dice.shuffle(rest)
    return "\n \n".join(lines[:2] + rest)


def edges(dice):
    """For each rule: documents at the limit, which break no rule, and just beyond it, which break this rule alone."""
    return {
        "too short": ([" ".join(prose(dice, 20))], [" ".join(prose(dice, n)) for n in (19, 5)]),
        "word length": ([sized(dice, 200), sized(dice, 60), " ".join(["to", "of", *["ж" * 10] * 18])], [sized(dice, 201), sized(dice, 59)]),
        "symbols": (
            [with_marks(dice, marks) for marks in ("#" * 20, "…" * 20, ["..."] * 20, ["…", "..."] * 10, [*"#" * 20, *["…", "..."] * 10])],
            [with_marks(dice, marks) for marks in ("#" * 21, ["##"] * 10 + ["#"], "…" * 21, ["..."] * 21, ["…", *["…", "..."] * 10])],
        ),
        "letters": ([with_figures(dice, 40), " ".join(["the", "of", *("αβγδ", "слово", "言葉", "7a7", "(é)") * 5])], [with_figures(dice, 41)]),
        "stop words": (
            [" ".join(prose(dice, 30, stops)) for stops in (("the", "have"), ("(To", "“x”", "BE,"), ("With.", "'that'"), ("of", "of", "and"))],
            [
                " ".join(prose(dice, 30, stops))
                for stops in (("the",) * 5, ("The", "the.", "THE"), (), ("their", "often", "bees", "and"), ("that's", "to-be", "of"))
            ],
        ),
        "repeated lines": (
            [in_lines(dice, 6, 2), in_lines(dice, 3, 1), in_lines(dice, 5, 0), (four := in_lines(dice, 4, 0)) + "\n" + four.upper()],
            [in_lines(dice, 5, 2), in_lines(dice, 2, 2)],
        ),
    }


class TestQualityRules(Exercise, id="clean-quality-rules"):
    """Exercise clean-quality-rules."""

    def probe(self, submission):
        dice = random.Random(4)
        docs = [doc for inside, outside in edges(dice).values() for doc in inside + outside]
        docs += [
            in_lines(dice, 6, 1),
            "",
            " \n",
            "#",
            "#sale " * 30,
            "1 2 3",
            "a a\na a\na a",
            "αβγ " * 18 + "the of",
            " ".join(["the", "be,"] + ["word"] * 18),
        ]
        return probed(submission, "quality_rules", [(doc,) for doc in docs])

    @core
    def test_good_prose_breaks_no_rule(self, submission, dice):
        """Ordinary documents of any length break no rule."""
        same(
            submission,
            "quality_rules",
            [((" ".join(prose(dice, n)),), []) for n in (25, 60, 200)],
            "an ordinary document may stay: the list is empty",
        )

    @core
    def test_notices_bad_documents(self, submission, dice):
        """Documents that are far beyond the limit of a rule do not pass: nearly all of them break some rule."""
        results = list(submission.each("quality_rules", [(doc,) for doc in self.far_beyond(dice).values()]))
        found = [isinstance(got, list) and got != [] and set(map(str, got)) <= set(RULES) for got in results]
        expect.true(sum(found) >= 4, "bad documents break no rule of the list", got=results)

    def test_each_rule_alone(self, submission, dice):
        """A document far beyond the limit of one rule breaks this rule and no other."""
        same(
            submission,
            "quality_rules",
            [((doc,), [rule]) for rule, doc in self.far_beyond(dice).items()],
            "one rule is broken here, and the others are not",
        )

    def far_beyond(self, dice):
        return {
            "too short": " ".join(prose(dice, 6)), "word length": " ".join([*prose(dice, 20), *("x" * 60 for _ in range(10))]), "symbols": with_marks(dice, "#" * 90),
            "letters": with_figures(dice, 100), "stop words": " ".join(prose(dice, 40, ())), "repeated lines": in_lines(dice, 2, 6),
        }  # fmt: skip

    def test_the_limits_of_words(self, submission, dice):
        """Twenty words are enough, and a mean word length of exactly 3 or 10 is allowed, punctuation counted."""
        self.at_the_edge(submission, dice, "too short", "word length")

    def test_the_limits_of_symbols(self, submission, dice):
        """Exactly 0.1 of either symbol a word is allowed, hash signs and ellipses are two counts, and "…" and "..." are one."""
        self.at_the_edge(submission, dice, "symbols")

    def test_the_limits_of_letters(self, submission, dice):
        """Exactly 80 % words with a letter are allowed, whatever the alphabet, and one letter makes a word."""
        self.at_the_edge(submission, dice, "letters")
        greek = " ".join(["the", "of", *("αβγδ", "7слово", "“言葉です”", "7a7", "x2024") * 5])
        same(submission, "quality_rules", [((greek,), [])], "str.isalpha knows the letters of all alphabets; one of them is enough")

    def test_the_limits_of_stop_words(self, submission, dice):
        """Two different stop words are enough, in any case and with punctuation around them; one of them many times is not, nor part of a word."""
        self.at_the_edge(submission, dice, "stop words")
        for stop in ("the", "be", "to", "of", "and", "that", "have", "with"):
            doc = " ".join(prose(dice, 30, (stop.upper(), "the" if stop != "the" else "of")))
            same(submission, "quality_rules", [((doc,), [])], f"{stop!r} is a stop word too")

    def test_the_limits_of_lines(self, submission, dice):
        """Exactly a quarter of repeated lines is allowed; lines are compared stripped, and empty ones do not count."""
        self.at_the_edge(submission, dice, "repeated lines")

    def at_the_edge(self, submission, dice, *rules):
        for rule in rules:
            inside, outside = edges(dice)[rule]
            same(submission, "quality_rules", [((doc,), []) for doc in inside], f"this document is within the limit of {rule!r}, or exactly at it")
            same(submission, "quality_rules", [((doc,), [rule]) for doc in outside], f"this document is just beyond the limit of {rule!r}")

    def test_several_rules_in_order(self, submission, dice):
        """Broken rules are named in the order of the docstring, each once; a document without words is only too short."""
        cases = [
            ("", ["too short"]), (" \n\t", ["too short"]), ("#sale " * 30, ["symbols", "stop words"]), ("# 1", ["too short", "word length", "symbols", "letters", "stop words"]),
            ("1 2\n" * 3, ["too short", "word length", "letters", "stop words", "repeated lines"]), ("...\n" * 30, ["symbols", "letters", "stop words", "repeated lines"]),
        ]  # fmt: skip
        same(submission, "quality_rules", texts(cases), "answer for the empty document first, and list the rules in order")


# ------------------------------------------------------------------------------------ exact duplicates


def first_of_each(docs):
    """Compare every document with all that are kept, letter by letter."""
    kept = []
    for doc in docs:
        if not any(" ".join(doc.split()).casefold() == " ".join(other.split()).casefold() for other in kept):
            kept.append(doc)
    return kept


def disguised(dice, text):
    """The same text to exact_dedup: other case, other white space."""
    spaced = dice.choice(("", " ", "\n")) + dice.choice((" ", "\n", "\t\u00a0", "  ")).join(text.split()) + dice.choice(("", "  ", "\r\n"))
    return dice.choice((str.upper, str.lower, str.title, str))(spaced)


DEDUP_PROBE = (
    ["a b", "c", "a b"], ["A b", "c", "a B"], ["a b", " a\n b "], ["Straße", "STRASSE"], ["b", "a"], ["", "a", " "], ["a.", "a"], ["a b", "b a"], ["x" * 200 + "a", "x" * 200 + "b"], [],
    ["a", "a", "b", "a", "a"], ["ab", "a b"], ["caf\u00e9", "cafe"], ["a\u00a0b", "a b"], ["1", "2"], ["a a", "a"], [" a ", "b\n"], ["a\tb", "a b"], ["a  b", "a b"],
)  # fmt: skip


class TestExactDedup(Exercise, id="dedup-exact"):
    """Exercise dedup-exact."""

    def probe(self, submission):
        docs = ["b", "a", "b"]
        kept = submission.keep(docs)
        return (*probed(submission, "exact_dedup", [(list(docs),) for docs in DEDUP_PROBE]), submission.exact_dedup(kept), submission.value(kept))

    @core
    def test_keeps_the_first_of_each(self, submission, dice):
        """Copies go, however far apart and however many; the first of each stays, in the order in which they came."""
        rows = []
        for _ in range(6):
            pool = [f"{word(dice)} {word(dice)}" for _ in range(6)]
            docs = [*pool, *dice.choices(pool, k=dice.randint(1, 12))]
            dice.shuffle(docs)
            rows.append(docs)
        same(submission, "exact_dedup", [((docs,), first_of_each(docs)) for docs in rows], "keep the first of each text, in order")

    @core
    def test_case_and_white_space_do_not_matter(self, submission, dice):
        """A text in other case or with other white space is the same text, and what is kept is the first form, exactly as it came."""
        rows = []
        for _ in range(6):
            pool = [f"{word(dice)} {word(dice)} {word(dice)}." for _ in range(4)]
            rows.append([disguised(dice, text) for text in dice.sample(pool * 3, 12)])
        same(submission, "exact_dedup", [((docs,), first_of_each(docs)) for docs in rows], "compare a key made of the text; return the text itself")

    def test_other_letters(self, submission):
        """casefold() decides: ß is ss, and ς is σ; other white space than the blank counts as white space."""
        rows = ["Straße", "STRASSE"], ["ὈΔΟΣ", "ὀδος", "ὀδοσ"], ["a b", "a\u00a0b", "a\u3000b", "a\tb", "a\r\nb", "a\u2003\n b"]
        same(submission, "exact_dedup", [((list(docs),), docs[:1]) for docs in rows], "use casefold(), and split() without an argument")

    @core
    def test_nothing_else_makes_them_the_same(self, submission, dice):
        """Punctuation, accents, digits, the order and number of words, and where spaces stand make another text, however long the common part."""
        long = " ".join(word(dice) for _ in range(400))
        rows = [
            ["a.", "a", "a!", "'a'"],
            ["cafe", "café"],
            ["page 1", "page 2"],
            ["a b", "b a"],
            ["a a", "a", "a a a"],
            ["ab", "a b"],
            [long + " a", long + " b"],
            ["a " + long, "b " + long],
            ["caf\u00e9", "cafe\u0301"],
            ["ı", "i"],
        ]
        same(submission, "exact_dedup", [((docs,), docs) for docs in rows], "these are different texts")

    def test_the_empty_document(self, submission):
        """The empty document is one like any other: its first copy stays. No documents give an empty list."""
        rows = [["", "a", " \n", ""], [" ", ""], [""], []]
        same(submission, "exact_dedup", [((docs,), first_of_each(docs)) for docs in rows], "the empty text is a text")

    def test_every_call_starts_afresh(self, submission, dice):
        """The same list twice gives the same result twice."""
        docs = [word(dice), word(dice), "a"]
        same(
            submission,
            "exact_dedup",
            [((docs,), docs), ((docs,), docs), ((docs[:1],), docs[:1])],
            "what was seen in one call must be forgotten in the next",
        )

    def test_leaves_its_argument_alone(self, submission, dice):
        """The list is the same after the call as before, and the result is a new list, also where there is nothing to do."""
        for docs in (["b", "a", "B", "c"], ["b", "a"]):
            kept = submission.keep(docs)
            expect.equal(submission.exact_dedup(kept), first_of_each(docs))
            expect.equal(submission.value(kept), docs, why="make a new list")
            expect.true(
                submission.run(is_new, submission.exact_dedup, docs) is True,
                "the result is the very list that came in, or no list",
                why="make a new list",
            )

    def test_many_documents(self, submission, dice):
        """Of several thousand documents none is mixed up with another."""
        docs = [f"{word(dice)}{word(dice)} {dice.randrange(9)}" for _ in range(3000)]
        docs += dice.sample(docs, 1000)
        expect.equal(submission.exact_dedup(docs), list(dict.fromkeys(docs)), why="a hash that is too short takes different texts for the same")


def is_new(dedup, docs):
    """Whether the result is another list than the argument (runs on the learner's side)."""
    got = dedup(docs)
    return isinstance(got, list) and got is not docs


# -------------------------------------------------------------------------------------- write the test
# Makers of deduplicators. They cross as source, so each stands alone, and every product has the same name.


def right_by_set():
    def dedup(docs):
        seen, kept = set(), []
        for doc in docs:
            key = " ".join(doc.casefold().split())
            if key not in seen:
                seen.add(key)
                kept.append(doc)
        return kept

    return dedup


def right_by_dict():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(tuple(doc.casefold().split()), doc)
        return list(first.values())

    return dedup


def right_by_hash():
    import hashlib

    def dedup(docs):
        keys = [hashlib.sha256(" ".join(doc.split()).casefold().encode()).digest() for doc in docs]
        return [doc for at, doc in enumerate(docs) if keys.index(keys[at]) == at]

    return dedup


def right_from_behind():
    def dedup(docs):
        where = {" ".join(docs[at].casefold().split()): at for at in reversed(range(len(docs)))}
        return [docs[at] for at in sorted(where.values())]

    return dedup


RIGHT = [right_by_set, right_by_dict, right_by_hash, right_from_behind]


def does_nothing():
    def dedup(docs):
        return list(docs)

    return dedup


def keeps_the_last():
    def dedup(docs):
        where = {" ".join(doc.casefold().split()): at for at, doc in enumerate(docs)}
        return [docs[at] for at in sorted(where.values())]

    return dedup


def neighbours_only():
    def dedup(docs):
        keys = [" ".join(doc.casefold().split()) for doc in docs]
        return [doc for at, doc in enumerate(docs) if at == 0 or keys[at] != keys[at - 1]]

    return dedup


def minds_case():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.split()), doc)
        return list(first.values())

    return dedup


def minds_inner_space():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(doc.strip().casefold(), doc)
        return list(first.values())

    return dedup


def minds_outer_space():
    def dedup(docs):
        import re

        first = {}
        for doc in docs:
            first.setdefault(re.sub(r"\s+", " ", doc).casefold(), doc)
        return list(first.values())

    return dedup


def knows_blanks_only():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(part for part in doc.casefold().split(" ") if part), doc)
        return list(first.values())

    return dedup


def lowers_only():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.lower().split()), doc)
        return list(first.values())

    return dedup


def returns_keys():
    def dedup(docs):
        return list(dict.fromkeys(" ".join(doc.casefold().split()) for doc in docs))

    return dedup


def sorts():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.casefold().split()), doc)
        return sorted(first.values())

    return dedup


def drops_both():
    def dedup(docs):
        keys = [" ".join(doc.casefold().split()) for doc in docs]
        return [doc for doc, key in zip(docs, keys, strict=True) if keys.count(key) == 1]

    return dedup


def looks_at_the_beginning():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.casefold().split())[:30], doc)
        return list(first.values())

    return dedup


def drops_the_empty():
    def dedup(docs):
        first = {}
        for doc in docs:
            first.setdefault(" ".join(doc.casefold().split()), doc)
        return [doc for doc in first.values() if doc.strip()]

    return dedup


def ignores_punctuation():
    def dedup(docs):
        first = {}
        for doc in docs:
            key = "".join(letter for letter in doc.casefold() if letter.isalnum() or letter.isspace())
            first.setdefault(" ".join(key.split()), doc)
        return list(first.values())

    return dedup


def works_in_place():
    def dedup(docs):
        seen, at = set(), 0
        while at < len(docs):
            key = " ".join(docs[at].casefold().split())
            if key in seen:
                del docs[at]
            else:
                seen.add(key)
                at += 1
        return list(docs)

    return dedup


def remembers():
    seen = set()

    def dedup(docs):
        kept = []
        for doc in docs:
            key = " ".join(doc.casefold().split())
            if key not in seen:
                seen.add(key)
                kept.append(doc)
        return kept

    return dedup


WRONG = [
    does_nothing, keeps_the_last, neighbours_only, minds_case, minds_inner_space, minds_outer_space, knows_blanks_only, lowers_only, returns_keys, sorts, drops_both,
    looks_at_the_beginning, drops_the_empty, ignores_punctuation, works_in_place, remembers,
]  # fmt: skip


def heard(given, *makers):
    """What the learner's test raises for what each maker builds, or an empty string (runs on the learner's side)."""
    (check_dedup,), kinds = given, []
    for make in makers:
        dedup = make()
        dedup.__qualname__ = "dedup"  # its name must not give it away
        try:
            result = check_dedup(dedup)
        except NotImplementedError:
            raise
        except Exception as error:
            kinds.append(type(error).__name__)
        else:
            kinds.append("" if result is None else "a result")
    return kinds


def alarms(submission, *makers):
    """The kind of alarm for each maker's deduplicator, or an empty string."""
    kinds = submission.run(heard, [submission.check_dedup], *makers)  # in a list: a card need not show this call
    expect.true("a result" not in kinds, "check_dedup must raise AssertionError or return None; it returned something")
    return kinds


def never_alarmed(submission, *makers):
    """Say so if the learner's test raises for a right deduplicator."""
    kinds = alarms(submission, *makers)
    expect.true(
        not any(kinds),
        "your test raises for a deduplicator that does all that the docstring says",
        got=kinds,
        why="test only what the docstring promises, and see that your expected results are right",
    )


def catches(maker, what, *, must=False):
    """A check that says whether the learner's test notices one wrong deduplicator."""

    def test(self, submission, dice):
        right = dice.choice(RIGHT)
        makers = dice.sample([maker, right], 2)  # in no order, so that none can be guessed
        kinds = dict(zip(makers, alarms(submission, *makers), strict=True))
        expect.true(
            bool(kinds[maker]) and not kinds[right],
            f"your test is silent about a deduplicator that {what}" if not kinds[maker] else "your test raises for a right deduplicator too",
            why="which input would show it? Read exact_dedup's docstring clause by clause",
        )

    test.__name__ = f"test_notices_{maker.__name__}"  # the judge knows a check by its function's name
    test.__doc__ = f"It notices a deduplicator that {what}."
    return core(test) if must else test


class TestCheckDedup(Exercise, id="dedup-write-the-test"):
    """Exercise dedup-write-the-test."""

    def probe(self, submission):
        return [submission.check_dedup(submission.run(maker)) for maker in (*RIGHT, *WRONG)]

    @core
    def test_right_ones_pass(self, submission):
        """It is silent about right deduplicators, however they work: an alarm without a cause costs all marks."""
        never_alarmed(submission, *RIGHT)

    test_notices_does_nothing = catches(does_nothing, "returns all documents, copies included", must=True)
    test_notices_keeps_the_last = catches(keeps_the_last, "keeps the last form of each text, not the first")
    test_notices_neighbours_only = catches(neighbours_only, "finds a copy only right behind its original")
    test_notices_minds_case = catches(minds_case, "takes capitals and small letters for different texts")
    test_notices_minds_inner_space = catches(minds_inner_space, "compares the white space inside a text")
    test_notices_minds_outer_space = catches(minds_outer_space, "compares the white space at the ends of a text")
    test_notices_knows_blanks_only = catches(knows_blanks_only, "knows the blank as white space, but no line ends or tabs")
    test_notices_lowers_only = catches(lowers_only, "uses lower() in place of casefold()")
    test_notices_returns_keys = catches(returns_keys, "returns the texts in small letters, not as they came")
    test_notices_sorts = catches(sorts, "returns the texts in the order of the alphabet")
    test_notices_drops_both = catches(drops_both, "drops the original together with its copies")
    test_notices_looks_at_the_beginning = catches(looks_at_the_beginning, "compares the first thirty characters only")
    test_notices_drops_the_empty = catches(drops_the_empty, "drops the empty document")
    test_notices_ignores_punctuation = catches(ignores_punctuation, "takes texts with other punctuation for copies")
    test_notices_works_in_place = catches(works_in_place, "removes documents from the list that it was given")
    test_notices_remembers = catches(remembers, "remembers the documents of earlier calls")


# ------------------------------------------------------------------------------------- near duplicates


def shingles(text):
    words = text.casefold().split()
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)} or {tuple(words)}


def jaccard(a, b):
    left, right = shingles(a), shingles(b)
    return len(left & right) / len(left | right)


def share(a, b):
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


def relatives(dice, n):
    """n pairs of texts of 15 to 40 words, from nearly the same to unrelated, some with the same words in another order."""
    pairs = []
    for at in range(n):
        words = [word(dice, 4, 6) for _ in range(dice.randint(15, 40))]
        other = list(words)
        for place in dice.sample(range(len(words)), dice.randint(1, len(words) // 4)):
            other[place] = word(dice, 4, 6)
        if at % 4 == 3:
            half = len(words) // 2
            other = words[half:] + words[:half] if at % 8 == 3 else dice.sample(words, len(words))
        pairs.append((" ".join(words), " ".join(other)))
    return pairs


def agreeing(signatures, bands, threshold):
    """All pairs, place by place."""
    found = []
    for j in range(len(signatures)):
        for i in range(j):
            hits = [x == y for x, y in zip(signatures[i], signatures[j], strict=True)]
            rows = len(hits) // bands
            if any(all(hits[rows * band : rows * (band + 1)]) for band in range(bands)) and sum(hits) >= threshold * len(hits):
                found.append((i, j))
    return sorted(found)


def under_another_salt(minhash_signature, text):
    """Two signatures of one text, the second with Python's hash() of texts changed as it is in another process (runs there)."""
    import builtins

    first, plain = minhash_signature(text, 8, 0), builtins.hash
    builtins.hash = lambda value: plain(value) if isinstance(value, (int, float)) else plain(("salt", repr(value)))
    try:
        return first, minhash_signature(text, 8, 0)
    finally:
        builtins.hash = plain


def pairs_of(result):
    expect.true(
        isinstance(result, list) and all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in result),
        "it must be a list of pairs (i, j)",
        got=result,
    )
    return [tuple(pair) for pair in result]


def check_pairs(submission, cases, why):
    for case, got in zip(cases, submission.each("near_duplicates", cases), strict=True):
        expect.equal(pairs_of(got), agreeing(*case), why=why)


def is_signature(value, n):
    expect.true(
        isinstance(value, list) and len(value) == n and all(type(x) is int for x in value), f"a signature is a list of {n} whole numbers", got=value
    )
    return value


def patterned(marks):
    """Two signatures that agree where marks has a 1."""
    return [list(range(len(marks))), [at if mark == "1" else 900 + at for at, mark in enumerate(marks)]]


class TestMinhash(Exercise, id="dedup-minhash"):
    """Exercise dedup-minhash."""

    def probe(self, submission):
        dice = random.Random(8)
        f, near = submission.minhash_signature, submission.near_duplicates
        pairs = relatives(dice, 8)
        signs = [(f(a, 256, at), f(b, 256, at)) for at, (a, b) in enumerate(pairs)]
        shares = [round(share(a, b), 2) if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) else "no" for a, b in signs]
        one = f("The fox ran far"), f("the  FOX\nran far")
        rows = [[dice.randrange(2) for _ in range(8)] for _ in range(7)]
        return (
            shares, one[0] == one[1], f("a b") == f("b a"), f("", 3) == f("a", 3), f("a b c d", 4, 1) == f("a b c d", 4, 2), [len(s) if isinstance(s, list) else s for s in (*one, f("x", 5))],
            submission.run(under_another_salt, f, "a b c d e")[0] == submission.run(under_another_salt, f, "a b c d e")[1],
            near(rows, 2, 0.5), near(rows, 4, 0.75), near(rows, 8, 0.125), near(rows, 1, 0.5), near(patterned("1110" * 2), 2, 0.5), near([], 4, 0.5), near([[1] * 16] * 3),
            near(patterned("1" * 45 + "0" * 19)), near(patterned("1" * 44 + "0" * 20)), near(patterned("1111" + "1110" * 15)), near([[1, 2, 3, 4], [3, 4, 1, 2]], 2, 0.0), near([[1, 2, 3]], 2), [len(set(f("a b c d e f g", 32, 3)))], f("straße", 4) == f("STRASSE", 4), f("a b c.", 4) == f("a b c", 4),
        )  # fmt: skip

    @core
    def test_the_form_of_a_signature(self, submission, dice):
        """A signature is a list of num_perm whole numbers, 64 unless told, and the same text has the same one; case and white space do not matter."""
        text = "straße " + " ".join(word(dice) for _ in range(9))
        plain, again, loud, short, seeded, empty = submission.each(
            "minhash_signature", [(text,), (text, 64, 0), (f" {text.upper()}\n".replace(" ", "  "),), (text, 5), (text, 7, 3), ("", 4)]
        )
        is_signature(plain, 64), is_signature(short, 5), is_signature(seeded, 7), is_signature(empty, 4)
        expect.equal(again, plain, why="with the same text, num_perm and seed, the signature is the same")
        expect.equal(loud, plain, why="the words are those of text.casefold().split()")

    @core
    def test_estimates_the_jaccard_similarity(self, submission, dice):
        """Two signatures agree in about as many places as their sets of shingles are similar, and the places err independently of each other."""
        pairs, n = relatives(dice, 24), 256
        cases = [(text, n, 100 + at) for at, pair in enumerate(pairs) for text in pair]
        signed = [is_signature(got, n) for got in submission.each("minhash_signature", cases)]
        errors, scaled = [], []
        for at, (a, b) in enumerate(pairs):
            J, got = jaccard(a, b), share(signed[2 * at], signed[2 * at + 1])
            if J in (0, 1):
                expect.true(
                    abs(got - J) < 0.02,
                    f"two texts with Jaccard similarity {J:.0f} agree in {got:.2f} of the places",
                    why="the shingles are runs of three words, in order",
                )
                continue
            errors.append(got - J)
            scaled.append((got - J) ** 2 / (J * (1 - J) / n))
        mean = math.fsum(errors) / len(errors)
        expect.true(
            abs(mean) < 0.05,
            f"over {len(errors)} pairs the share of agreeing places is off by {mean:+.3f} on average",
            why="take runs of three words, and the smallest hash of all of them in each place",
        )
        expect.true(
            math.fsum(scaled) < 3.8 * len(scaled),
            "the share of agreeing places scatters too much around the Jaccard similarity",
            why="every place needs a hash function of its own",
        )

    def test_short_texts(self, submission):
        """A text of fewer than three words has one shingle, all its words in order; with three words it has one, with four two."""
        texts_ = ["fox", "a fox", "fox a", "", "hare", "a b c", "b a c", "a b c d", "a fox ran off", "a fox ran", "ab cd e", "a bcd e", "a b c."]
        fox, a_fox, fox_a, none, hare, abc, bac, abcd, four, three, left_cut, right_cut, stop = (
            is_signature(got, 400) for got in submission.each("minhash_signature", [(text, 400) for text in texts_])
        )
        for left, right in ((fox, a_fox), (a_fox, fox_a), (none, fox), (fox, hare), (abc, bac), (a_fox, three), (left_cut, right_cut), (abc, stop)):
            expect.true(
                share(left, right) < 0.02,
                "two short texts without a common shingle agree",
                why="fewer than three words are one shingle together; their order counts, and their punctuation",
            )
        for left, right in ((abc, abcd), (three, four)):
            expect.true(
                0.32 < share(left, right) < 0.68,
                "three words and the same with a fourth share one of two shingles, so half of the places agree",
                got=share(left, right),
            )

    def test_the_seed(self, submission, dice):
        """Another seed gives other hash functions, every place has one of its own, and the result is the same in every process."""
        text = " ".join(word(dice) for _ in range(12))
        seeds = [1, 2, *dice.sample(range(3, 999), 4), 1]
        first, *others, again = (is_signature(got, 64) for got in submission.each("minhash_signature", [(text, 64, seed) for seed in seeds]))
        expect.equal(again, first, why="draw the hash functions from random.Random(seed), afresh in each call")
        for other in others:
            expect.true(share(first, other) < 0.1, "signatures with different seeds agree", why="the seed draws the hash functions")
        expect.true(len(set(first)) > 40, "many places of a signature hold the same number", why="every place needs a hash function of its own")
        here, there = submission.run(under_another_salt, submission.minhash_signature, text)
        expect.equal(there, here, why="hash() of a text is another number in every process; hashlib's are always the same")

    @core
    def test_pairs_by_brute_force(self, submission, dice):
        """The pairs are those that agree in a whole band and in enough places, as a comparison of all pairs finds them."""
        cases = []
        for _ in range(16):
            bands, rows = dice.choice([(2, 4), (4, 2), (8, 1), (1, 4), (3, 3), (4, 4)])
            base = [dice.randrange(4) for _ in range(bands * rows)]
            signatures = [[x if dice.random() < 0.75 else dice.randrange(9) for x in base] for _ in range(dice.randint(4, 12))]
            cases.append((signatures, bands, dice.choice([0.0, 0.25, 0.5, 0.75])))
        check_pairs(submission, cases, "a candidate agrees in all places of one band; then all its places are counted")

    def test_agreeing_in_a_whole_band(self, submission):
        """Agreement in most places is not enough: one band must agree in all of its places, and at the same position in both."""
        cases = [
            (patterned("1110" * 2), 2, 0.5), (patterned("1110" * 2), 4, 0.5), (patterned("0111" * 4), 4, 0.5), (patterned("00001111"), 2, 0.5), (patterned("11110000"), 2, 0.5),
            (patterned("00111100"), 2, 0.5), (patterned("00111100"), 4, 0.5), (patterned("000001"), 6, 0.0), ([[1, 2, 3, 4], [3, 4, 1, 2]], 2, 0.0), ([[1, 2], [2, 1]], 1, 0.0), (patterned("0000"), 2, 0.0),
        ]  # fmt: skip
        check_pairs(submission, cases, "cut the signature into consecutive bands, and compare band by band")

    def test_the_threshold(self, submission):
        """A candidate at exactly the threshold is returned, one place less is not; the bands are 16 and the threshold 0.7 unless told."""
        cases = [
            (patterned("11110000"), 2, 0.5),
            (patterned("11100000"), 8, 0.5),
            (patterned("11110100"), 2, 0.75),
            (patterned("11110110"), 2, 0.75),
            (patterned("1" * 8), 2, 1.0),
            (patterned("1" * 7 + "0"), 4, 1.0),
        ]
        check_pairs(submission, cases, "the share of all places that agree must be at least the threshold")
        for marks in ("1" * 45 + "0" * 19, "1" * 44 + "0" * 20, "1110" * 15 + "1111", "1110" * 16):
            expect.equal(
                pairs_of(submission.near_duplicates(patterned(marks))),
                agreeing(patterned(marks), 16, 0.7),
                why="without arguments: 16 bands, threshold 0.7",
            )

    def test_every_pair_once_and_sorted(self, submission):
        """Of several alike documents every pair comes once, i < j, sorted; none and one document give no pair; bands that don't fit raise ValueError."""
        a, b = [1, 2, 3, 4], [5, 6, 7, 8]
        check_pairs(
            submission,
            [([a, b, a, b, a], 2, 0.5), ([a] * 5, 4, 1.0), ([b, a, [1, 2, 9, 9], [9, 9, 7, 8], a], 2, 0.5), ([a], 2, 0.5), ([], 2, 0.5)],
            "collect pairs in a set, and sort it",
        )
        for signatures, bands in (([a, a], 3), ([a, a[:2]], 2), ([a[:3]], 2)):
            expect.raises("ValueError", submission.near_duplicates, signatures, bands)

    def test_finds_planted_copies(self, submission, dice):
        """Both functions together find copies with a word changed, all of them and nothing else."""
        docs = [" ".join(word(dice) for _ in range(60)) for _ in range(10)]
        for at in range(6):
            words = docs[at].split()
            words[dice.randrange(60)] = "another"
            docs.append(" ".join(words))
        signed = list(submission.each("minhash_signature", [(doc,) for doc in docs]))
        want = [(i, j) for i in range(16) for j in range(i + 1, 16) if jaccard(docs[i], docs[j]) > 0.5]
        expect.equal(pairs_of(submission.near_duplicates(signed, 16, 0.6)), want, why="these are the pairs with a Jaccard similarity above 0.5")


# --------------------------------------------------------------------------------------- personal data


def luhn(digits):
    """Luhn's sum by a table, from the left."""
    table = {0: 0, 1: 2, 2: 4, 3: 6, 4: 8, 5: 1, 6: 3, 7: 5, 8: 7, 9: 9}
    parity = len(digits) % 2
    return sum(table[int(d)] if at % 2 == parity else int(d) for at, d in enumerate(digits)) % 10 == 0


def number(dice, n, valid):
    """n digits that pass Luhn's test, or do not."""
    body = str(dice.randint(1, 9)) + "".join(dice.choices("0123456789", k=n - 2))
    last = next(d for d in "0123456789" if luhn(body + d))
    return body + (last if valid else str((int(last) + dice.randint(1, 9)) % 10))


def grouped(dice, digits, sizes=(4,)):
    """Digits with single spaces or hyphens between groups."""
    groups, at = [], 0
    while at < len(digits):
        size = dice.choice(sizes)
        groups.append(digits[at : at + size])
        at += size
    return dice.choice(" -").join(groups)


def octets(dice):
    return ".".join(str(dice.choice((0, 9, 10, 99, 100, 199, 200, 249, 250, 255, dice.randrange(256)))) for _ in range(4))


EMAILS = (
    "ada@mill.example",
    "a.b+c@shop.example.org",
    "Ada_Fox%1@Mill-7.co.uk",
    "x-y@a.b.cd",
    "007@mill.example",
    "555-123-4567@mill.example",
    "a@1.2.3.example",
    "10.0.0.1@mill.example",
    "ADA@MILL.EXAMPLE",
)
STAYS = (
    "2024-05-17", "17.05.2024", "1815-12-10", "10:32", "1,234.50", "version 3.11.2", "1990-1995", "2024", "12 000 000", "978-0-306-40615-8", "a@home", "@mill.example", "ada@", "a@b.c",
    "mill.example", "555-1234", "555-123-456", "555 123 4567", "1555-123-4567", "555-123-45678", "(3-4)", "+1", "C++", "0.5", "a - b", "1-2-3", "#42", "5550-123-4567", "555.123.4567",
)  # fmt: skip
NOT_IP = (
    "256.1.1.1",
    "1.256.1.1",
    "1.1.256.1",
    "10.0.0.256",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.04",
    "999.1.1.1",
    "1.2.3.4567",
    "1..2.3.4",
    "00.1.2.3",
    "1.2.3.300",
    "300.1.2.3",
    "12.1234.5.6",
)


def around(dice, piece):
    """A piece of text between words, with what it must become."""
    left, right = dice.choice(("", "to ", "(", "see: ", "x, ")), dice.choice(("", ".", ", and", ")", "!", " ok", ". Next"))
    return left + piece + right, left, right


def masked(dice, pieces, mask=None):
    """Cases in which every piece becomes the mask, or stays if there is none."""
    cases = []
    for piece in pieces:
        text, left, right = around(dice, piece)
        cases.append((text, left + (mask or piece) + right))
    return texts(cases)


PII_PROBE = (
    "ada@mill.example.", "a.b+c@x.y.org", "a@home a@b.c", "192.0.2.7.", "256.1.1.1", "1.2.3.4.5", "01.2.3.4", "10.0.0.256", "+44 20 7946 0123", "+1234567", "+12345678", "+123456789012345", "+1234567890123456",
    "555-123-4567", "555 123 4567", "555-123-45678", "4539 1488 0343 6467", "4539-1488-0343-6467", "4539148803436468", "2024-05-17", "17.05.2024", "978-0-306-40615-8", "0" * 12, "0" * 13, "0" * 19, "0" * 20,
    "+4539148803436467", "call +44  20 7946 0123 now", "12.30, 1,50", "555-123-4567@mill.example", "1.2.3.4 and 5.6.7.8", "4539--1488-0343-6467", "10.0.0.1@mill.example", "192.0.2.7 555-123-4567", "x192.0.2.7y", "ADA@MILL.EXAMPLE", "4539-1488 0343-6467", "(555-123-4567)", "x4539148803436467y", "0.0.0.0 255.255.255.255",
)  # fmt: skip


def at_the_limits(dice):
    """Pieces of every kind, at and just beyond each limit of the docstring: what stands there, and what it becomes."""
    found = {
        "[EMAIL]": EMAILS,
        "[IP]": ("0.0.0.0", "255.255.255.255", "10.200.30.49"),
        "[PHONE]": ["+" + number(dice, n, False) for n in (8, 15)] + ["+44 20 7946 0123", "555-123-4567"],
        "[CARD]": [number(dice, n, True) for n in (13, 15, 16, 19)] + [grouped(dice, number(dice, 16, True))],
    }
    stays = [*NOT_IP, *STAYS, *("+" + number(dice, n, True) for n in (7, 16)), *(number(dice, n, True) for n in (12, 20)), number(dice, 16, False)]
    rows = [(piece, mask) for mask, pieces in found.items() for piece in pieces] + [(piece, piece) for piece in stays]
    rows += [("192.0.2.7 555-123-4567", "[IP] [PHONE]"), ("x192.0.2.7y", "x[IP]y"), ("x4539-1488 0343-6467y", "x[CARD]y"), ("+ 44 20 7946 0123",) * 2]
    rows += [("ada@mill.example.", "[EMAIL]."), ("192.0.2.7.", "[IP]."), ("+44  20 7946 0123",) * 2, ("055-123-4567", "[PHONE]")]
    return dice.sample(rows, len(rows))


class TestMaskPii(Exercise, id="clean-mask-pii"):
    """Exercise clean-mask-pii."""

    def probe(self, submission):
        digits = ("0", "5", "18", "81", "4539148803436467", "4539148803436476", "059", "79927398713", "00")
        return probed(submission, "mask_pii", [(text,) for text in PII_PROBE]), probed(submission, "luhn_valid", [(text,) for text in digits])

    @core
    def test_masks_the_plain_cases(self, submission, dice):
        """An e-mail address, an internet address, a phone number and a card number, each in a sentence, are masked by their names."""
        pieces = {
            "[EMAIL]": "ada@mill.example",
            "[IP]": f"192.0.2.{dice.randrange(10, 250)}",
            "[PHONE]": "+44 20 7946 0123",
            "[CARD]": grouped(dice, number(dice, 16, True)),
        }
        one_by_one = [(f"Ask {piece} now", f"Ask {mask} now") for mask, piece in pieces.items()]
        many = ", ".join(list(pieces.values()) * 4), ", ".join(list(pieces) * 4)
        same(submission, "mask_pii", texts([*one_by_one, many]), "put the mask where the piece stood, every time, and leave the rest")

    @core
    def test_leaves_other_numbers_alone(self, submission, dice):
        """Dates, prices, times, years and versions stay as they are, and so does a text without numbers."""
        pieces = [
            f"{dice.randint(1900, 2030)}-{dice.randint(10, 12)}-{dice.randint(10, 28)}",
            "17.05.2024",
            "10:32",
            "1,234.50",
            "3.11.2",
            "1990-1995",
            "the fox",
            "",
        ]
        same(submission, "mask_pii", masked(dice, pieces), "this is no personal data: masking it destroys the text")

    def test_luhn(self, submission, dice):
        """luhn_valid doubles every second digit from the right, beginning with the one before the last, at odd and even lengths."""
        numbers = [number(dice, n, valid) for n in (2, 3, 7, 12, 13, 16, 19) for valid in (True, False)] + [
            "0",
            "5",
            "00",
            "059",
            "091",
            "79927398713",
        ]
        same(
            submission,
            "luhn_valid",
            [((digits,), luhn(digits)) for digits in numbers],
            "count from the right; 9 comes off where doubling gives more than 9",
        )

    def test_emails(self, submission, dice):
        """E-mail addresses with dots, signs, digits and sub-domains are masked whole; the full stop behind one stays; without a dot or with one letter at the end it is no address."""
        cases = masked(dice, EMAILS, "[EMAIL]") + texts(
            [(f"Ask {EMAILS[0]}.", "Ask [EMAIL]."), (f"{EMAILS[2]}. Then", "[EMAIL]. Then"), (f"<{EMAILS[1]}>", "<[EMAIL]>")]
        )
        same(submission, "mask_pii", cases, "mask the whole address, and nothing but the address")
        same(
            submission,
            "mask_pii",
            masked(dice, ("a@home", "@mill.example", "ada@", "a@b.c", "ada @mill.example", "a@b.5", "ada at mill.example")),
            "this is no address by the docstring's rule",
        )

    def test_internet_addresses(self, submission, dice):
        """Four numbers from 0 to 255 are masked, also before a full stop; larger numbers, leading zeros and longer dotted numbers stay."""
        same(
            submission,
            "mask_pii",
            masked(dice, ["0.0.0.0", "255.255.255.255", "10.20.30.40", *(octets(dice) for _ in range(10))], "[IP]")
            + texts([("From 192.0.2.7.", "From [IP]."), ("192.0.2.7. Then", "[IP]. Then")]),
            "each part is 0 to 255",
        )
        same(submission, "mask_pii", masked(dice, NOT_IP), "this is no internet address, nor is a part of it")

    def test_phone_numbers(self, submission, dice):
        """With a plus sign 8 to 15 digits are a phone number, without one only the shape 555-123-4567; other lengths and shapes stay."""
        plus = ["+" + grouped(dice, number(dice, n, dice.random() < 0.5), (2, 3, 4, 5)) for n in (8, 9, 11, 13, 14, 15)]
        plain = [f"{dice.randint(100, 999)}-{dice.randint(100, 999)}-{dice.randint(1000, 9999)}" for _ in range(3)] + ["055-123-4567"]
        same(submission, "mask_pii", masked(dice, plus + plain, "[PHONE]"), "mask the whole run, its plus sign included")
        short = ["+" + number(dice, n, True) for n in (2, 6, 7, 16, 19)] + [
            "555 123 4567",
            "555-123 4567",
            "555-1234",
            "555-123-456",
            "5551234567",
            "1555-123-4567",
            "555-123-45678",
            "555.123.4567",
        ]
        same(submission, "mask_pii", masked(dice, short), "count the digits of the whole run, and mind the shape")

    def test_card_numbers(self, submission, dice):
        """13 to 19 digits that pass Luhn's test are a card number, however grouped; 12 or 20 digits, and those that fail the test, stay."""
        cards = [number(dice, n, True) for n in range(13, 20)] + [
            grouped(dice, number(dice, n, True), sizes) for n, sizes in ((16, (4,)), (15, (4, 5, 6)), (13, (3, 4)), (19, (1, 4)))
        ]
        cards += [f"{card[:4]}-{card[4:8]} {card[8:12]}-{card[12:]}" for card in (number(dice, 16, True),)]
        same(submission, "mask_pii", masked(dice, cards, "[CARD]"), "13 to 19 digits that pass Luhn's test, spaces and hyphens left out")
        other = [number(dice, n, False) for n in (13, 16, 19)] + [
            grouped(dice, number(dice, 16, False)),
            number(dice, 12, True),
            number(dice, 20, True),
            number(dice, 24, True),
        ]
        other += [number(dice, 16, True) + "-" + number(dice, 9, False)]
        same(submission, "mask_pii", masked(dice, other), "the run is taken whole: no part of it is masked")

    def test_runs_end_where_they_should(self, submission, dice):
        """A run has at most one space or hyphen between two digits; another sign, or two of them, ends it."""
        card, bad = number(dice, 16, True), number(dice, 16, False)
        pairs = [
            (f"{card}, {card}", "[CARD], [CARD]"), (f"{card}  {bad}", f"[CARD]  {bad}"), (f"{card}\n{card}", "[CARD]\n[CARD]"), (f"{card[:8]}--{card[8:]}",) * 2, (f"{card[:4]}.{card[4:]}",) * 2, (f"{card[:5]}/{card[5:]}",) * 2,
            (f"-{card}-", "-[CARD]-"), ("+44  20 7946 0123",) * 2, ("+44 20 7946 0123, 555-123-4567.", "[PHONE], [PHONE]."), ("+ 44 20 7946 0123",) * 2, (f"x{card}y", "x[CARD]y"),
            (f"192.0.2.7 {card}", "[IP] [CARD]"), ("192.0.2.7-555-123-4567", "[IP]-[PHONE]"), ("192.0.2.7 +44 20 7946 0123 192.0.2.8", "[IP] [PHONE] [IP]"),
        ]  # fmt: skip
        same(submission, "mask_pii", texts(pairs), "take the longest run of digits with single spaces or hyphens, and judge it as a whole")

    def test_leaves_everything_else(self, submission, dice):
        """What is no personal data by the docstring's rules stays, letter by letter, with its spaces and line ends."""
        same(submission, "mask_pii", masked(dice, STAYS), "this must stay as it is")
        same(submission, "mask_pii", texts([("  a \n\t b-\u00a0c  \r\n",) * 2]), "leave white space alone")

    def test_several_in_one_text(self, submission, dice):
        """All pieces of a longer text are masked, each kind by its own name, and what stands between them stays."""
        rows = at_the_limits(dice)
        pairs = [
            (" then ".join(piece for piece, _ in some), " then ".join(mask for _, mask in some))
            for some in (rows[at : at + 6] for at in range(0, len(rows), 6))
        ]
        same(submission, "mask_pii", texts(pairs), "e-mail addresses first, then internet addresses, then the runs of digits")


# ------------------------------------------------------------------------------------------ toxicity


def audited(scores, toxic, groups, max_loss):
    """Try every threshold and every group, and take the lowest that is fair to all."""
    fair = []
    for threshold in [*scores, math.inf]:
        losses = {}
        for group in set(groups):
            own = [score >= threshold for score, bad, name in zip(scores, toxic, groups, strict=True) if name == group and not bad]
            losses[group] = own.count(True) / len(own) if own else 0.0
        if max(losses.values(), default=0.0) <= max_loss:
            fair.append((threshold, losses))
    return min(fair, key=lambda row: row[0])


def sample(dice, n, names="abc", digits=2):
    """Scores of harmless and toxic documents that overlap, with ties, of groups of very different sizes."""
    groups = dice.choices(names, weights=range(len(names), 0, -1), k=n)
    toxic = [dice.random() < 0.4 for _ in range(n)]
    scores = [round(min(max(dice.gauss(0.65 if bad else 0.4, 0.2), 0.01), 0.99), digits) for bad in toxic]
    return scores, toxic, groups


def check_audits(submission, cases, why):
    for case, got in zip(cases, submission.each("toxicity_filter", cases), strict=True):
        expect.true(isinstance(got, tuple | list) and len(got) == 2, "it must return two things: the threshold and the losses", got=got)
        threshold, losses = audited(*case, *([0.1] if len(case) == 3 else []))
        expect.close(got[0], threshold, why=f"the threshold: {why}")
        expect.close(got[1], losses, why=f"the losses: {why}")


class TestToxicityFilter(Exercise, id="clean-toxicity-audit"):
    """Exercise clean-toxicity-audit."""

    def probe(self, submission):
        dice = random.Random(6)
        f = submission.toxicity_filter
        scores, toxic, groups = sample(dice, 40)
        kept = submission.keep(scores)
        return (
            [f(scores, toxic, groups, limit) for limit in (0.0, 0.1, 0.25, 0.5, 1.0)], f(scores, toxic, groups), f([0.5, 0.5], [False, True], ["a", "b"], 0.5), f([0.9], [False], ["a"], 0.0), f([], [], []),
            f([0.9, 0.2], [True, True], ["a", "b"], 0.0), f([0.2, 0.4, 0.6, 0.8], [False] * 4, ["a"] * 4, 0.5), f([0.9] + [0.1] * 60, [False] * 61, ["b"] + ["a"] * 60), f(kept, toxic, groups), submission.value(kept),
        )  # fmt: skip

    @core
    def test_one_group(self, submission, dice):
        """With one group, the threshold is the lowest at which at most max_loss of the harmless documents are removed."""
        check_audits(
            submission,
            [(*sample(dice, 20, "a"), dice.choice([0.1, 0.25, 0.5])) for _ in range(8)],
            "harmless documents with a score >= threshold are lost, as a share of all harmless ones",
        )

    @core
    def test_the_group_that_fares_worst(self, submission, dice):
        """A small group counts as much as a large one: no group may lose more than max_loss of its harmless documents."""
        cases = []
        for _ in range(6):
            large = [round(dice.uniform(0.05, 0.5), 2) for _ in range(60)]
            small = [round(dice.uniform(0.6, 0.8), 2) for _ in range(4)]
            rude = [round(dice.uniform(0.5, 0.95), 2) for _ in range(20)]
            rows = [
                *((s, False, "large") for s in large),
                *((s, False, "small") for s in small),
                *((s, True, dice.choice(("large", "small"))) for s in rude),
            ]
            dice.shuffle(rows)
            cases.append(tuple(list(column) for column in zip(*rows, strict=True)))
        check_audits(submission, cases, "ask group by group; the overall loss hides that the small group is removed")

    def test_any_sample(self, submission, dice):
        """Samples with ties and three or four groups give what a trial of every threshold gives, for any max_loss, 0.1 unless told."""
        cases = [(*sample(dice, dice.randint(5, 40), "abcd", digits=1), dice.choice([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])) for _ in range(20)]
        cases += [sample(dice, 40, "ab") for _ in range(6)]
        check_audits(submission, cases, "the lowest score at which every group's loss is at most max_loss")

    def test_exactly_the_allowed_loss(self, submission):
        """A loss of exactly max_loss is allowed, and a document whose score is the threshold is removed."""
        ten = [round(0.05 + at / 10, 2) for at in range(10)]
        cases = [
            (ten, [False] * 10, ["a"] * 10), (ten, [False] * 10, ["a"] * 10, 0.5), ([0.2, 0.4, 0.6, 0.8], [False] * 4, ["a"] * 4, 0.25), ([0.5, 0.5, 0.5, 0.1], [False, False, True, False], ["a"] * 4, 0.5),
            ([0.5, 0.5, 0.1], [True, False, False], ["a"] * 3, 0.5), ([0.3, 0.3], [False, True], ["a", "b"], 0.5),
        ]  # fmt: skip
        check_audits(submission, cases, "a document is removed if its score is >= the threshold, and a loss may equal max_loss")

    def test_only_harmless_documents_are_lost(self, submission):
        """Toxic documents do not count as a loss; a group without harmless ones has loss 0.0, and is in the result."""
        cases = [
            ([0.9, 0.8, 0.7, 0.1], [True, True, True, False], ["a"] * 4, 0.0), ([0.9, 0.2], [True, True], ["a", "b"], 0.0), ([0.3, 0.6, 0.9], [True, False, True], ["only rude", "b", "b"], 0.0),
            ([0.2, 0.9, 0.5], [False, True, True], ["a", "b", "c"], 0.5),
        ]  # fmt: skip
        check_audits(submission, cases, "the loss is a share of the group's harmless documents; without any it is 0.0")

    def test_nothing_may_be_removed(self, submission):
        """If even the highest score costs too much, the threshold is math.inf, which removes nothing; so it is for an empty sample."""
        cases = [
            ([0.9], [False], ["a"], 0.0),
            ([0.9, 0.5, 0.9], [False, True, True], ["a", "a", "b"], 0.5),
            ([1.0, 0.2], [False, False], ["a", "b"], 0.9),
            ([], [], [], 0.1),
        ]
        check_audits(submission, cases, "infinity is the last threshold to try")
        check_audits(
            submission,
            [([0.9, 0.3, 0.5], [False, True, False], ["a", "b", "b"], 1.0)],
            "if everything may be lost, the lowest score is the threshold",
        )

    def test_scores_of_any_size(self, submission, dice):
        """Scores may be larger than 1 or negative; only their order counts, and the order of the documents does not."""
        scores, toxic, groups = sample(dice, 30)
        odd = [round(20 * score - 8, 3) for score in scores]
        order = dice.sample(range(30), 30)
        check_audits(
            submission,
            [(odd, toxic, groups, 0.25), tuple([list_[at] for at in order] for list_ in (odd, toxic, groups))],
            "try the scores themselves as thresholds",
        )

    def test_leaves_its_arguments_alone(self, submission, dice):
        """The lists are the same after the call as before."""
        lists = sample(dice, 12)
        kept = [submission.keep(value) for value in lists]
        submission.toxicity_filter(*kept)
        for handle, before in zip(kept, lists, strict=True):
            expect.equal(submission.value(handle), before, why="sorted() makes a new list, .sort() does not")
