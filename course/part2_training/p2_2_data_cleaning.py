# %% [markdown]
# # Cleaning data: what a model should never read
#
# In lesson 2.1 you loaded a model that others had trained. From here on you train, and training begins long before the first step: with the text.
#
# A crawler brings home pages, not text. Around each story there is markup; inside it are characters that nobody sees; the same story comes back ten times, and some pages are no text at all.
# The model can't know. It is asked to predict *every* token that you give it, and each one costs the same compute.
#
# You work on a small corpus with *planted dirt*: web pages of our own, made dirty by a program that wrote down what it did. So you can measure what a real crawl never lets you measure: how much your cleaner misses, and what it destroys.

# %% demo
from handbook.planted_dirt import pages

found = pages()
page = next(page for page in found if {"markup", "invisible"} <= set(page.dirt))
print(len(found), "pages. One of them begins:\n")
print(page.text[:330].encode("unicode_escape").decode())
print("\nits key:", page.dirt)

# %% [markdown]
# SmolLM2 reads this page twice, once as it was found and once as it should be:

# %% demo
from handbook import load_lm
from handbook.cleaning_lab import share_of_tokens_picture

lm = load_lm()
share_of_tokens_picture(lm, page)

# %% [markdown]
# The difference is not a nuisance: it is most of the page. Every surplus token is paid for in training, and what the model learns from it is to write markup and broken words.
#
# You now build the cleaner piece by piece:
#
# | step | what it takes away |
# |---|---|
# | text out of HTML | markup, scripts, styles, comments |
# | Unicode | characters that nobody sees |
# | quality rules | pages that are no text |
# | exact, then near duplicates | the same text again |
# | personal data | addresses and numbers that point at people |
# | toxicity, with an audit | insults, and by mistake much else |
#
# ## Text out of HTML
#
# The obvious way is a pattern that deletes whatever stands between `<` and `>`:

# %%
import re

html = "<p>If 3 < 5 then <b>bold</b>ly go.</p><p>See <img alt='a > b'> &lt;here&gt;.</p><script>go();</script>"
print(re.sub(r"<[^>]*>", "", html))

# %% [markdown]
# Five things went wrong in one line. Find them before you read on.
#
# - `3 <` was taken for the beginning of a tag, and "5 then" is gone with it.
# - The two paragraphs run into each other: "go.See".
# - The `>` inside the quotation marks ended the tag too early, and ` b'>` is left.
# - `&lt;here&gt;` is still written in *character references*, the codes by which HTML writes characters.
# - The script is still there: its tags went, its code stayed.
#
# **Predict before you run.** Someone mends the fourth point by decoding the references first and deleting tags afterwards. What happens to `&lt;here&gt;`?

# %%
import html as html_codes

print(repr(re.sub(r"<[^>]*>", "", html_codes.unescape("See &lt;here&gt;."))))

# %% [markdown]
# The author wrote "<here>" for people to read, and it is gone. Order matters: first the tags, then the references, and those only once.
# HTML is a language, so let a parser read it. Python has one in its library, `html.parser.HTMLParser`: you make a subclass and say what to do at a start tag, an end tag, and text.
#
# ## Exercise: Text out of HTML · 3 points · ★★☆

# %% exercise="clean-strip-html"
import re
from html.parser import HTMLParser

BLOCKS = frozenset(
    "address article aside blockquote br div dd dl dt footer h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table td th tr ul".split()
)
UNSEEN = frozenset(["script", "style"])


def strip_html(html: str) -> str:
    """Return the text of a web page, line by line as a reader sees it.

    - Tags and comments disappear. A tag ends at the first > outside quotation marks. A < that is not followed by a letter,
      /, ! or ? is text. Names of tags may be written in capitals.
    - What stands inside the elements of UNSEEN (scripts and styles) disappears as well.
    - A tag in BLOCKS, opening or closing, starts a new line. All other tags leave nothing behind, not even a space.
    - Character references (&amp;, &quot;, &#233;, &#xe9; …) are decoded, once, and what they give is text: &lt;b&gt; becomes
      <b>, and &amp;lt; becomes &lt;.
    - A run of white space, line ends and no-break spaces included, is one space. Lines have none at their ends; empty
      lines are left out; the lines are joined by a line end.
    The page is complete: every tag, comment and script in it is closed.

    >>> strip_html("<h1>Fish &amp; chips</h1><p>un<b>believ</b>able,<br>at 3 &lt; 5</p><script>var a;</script>")
    'Fish & chips\\nunbelievable,\\nat 3 < 5'

    Source: the HTML Standard, https://html.spec.whatwg.org/multipage/parsing.html
    """
    ### BEGIN SOLUTION
    parts: list[str] = []

    class Reader(HTMLParser):
        unseen = False

        def handle_starttag(self, tag, attrs):
            self.unseen = self.unseen or tag in UNSEEN
            self.handle_endtag(tag) if tag in BLOCKS else None

        def handle_endtag(self, tag):
            if tag in UNSEEN:
                self.unseen = False
            if tag in BLOCKS:
                parts.append("\n")

        def handle_data(self, data):
            if not self.unseen:
                parts.append(re.sub(r"\s+", " ", data))

    reader = Reader()
    reader.feed(html)
    reader.close()  # the parser may still hold the last words back
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example gives three lines, with no script and no gap inside "unbelievable".

# %% check="clean-strip-html"

# %% [markdown]
# **What it means in a real crawl.** Real pages also carry menus, cookie banners and "read more" links: visible, but not the text you came for. Tools such as *trafilatura* add rules about where on a page the text stands.
# In the FineWeb corpus, text taken from the raw HTML with such a tool gave better models than the ready-made text extracts that come with the crawl (Penedo et al. 2024).
#
# ## Characters that nobody sees
#
# Two words look the same on the screen. **Predict before you run:** does Python agree?

# %%
one, two, three = "caf\u00e9", "cafe\u0301", "ca\u00adfe\u0301"
print(one, two, three)
print(one == two, len(one), len(two), len(three))

# %% [markdown]
# The first has one character é. The second has an e and a *combining accent* after it. The third also hides a *soft hyphen*, a mark that says where the word may be broken.
# A tokenizer cuts them into different tokens, a duplicate search takes them for three texts, and a mask for personal data is blind behind one zero-width space.
#
# Unicode defines *normal forms*. NFC puts letter and accent together and changes nothing that you can see. NFKC goes further, and sometimes too far:

# %%
import unicodedata

for text in ("caf" + "e\u0301", "2\u00b3 = 8", "1\u00bd hours", "\ufb01ne", "a\u00a0b"):
    print(f"{text:10} NFC {unicodedata.normalize('NFC', text):10} NFKC {unicodedata.normalize('NFKC', text)}")

# %% [markdown]
# NFKC made 23 of 2³, and a page about arithmetic now says that 23 = 8. Take the gentle form, and take away by name what you do not want.
# By name, because a broad sweep hurts people: the *zero-width joiner* is as invisible as the others, but it holds family emoji together, and its sibling, the non-joiner, is spelling in Persian.
#
# ## Exercise: Unicode · 2 points · ★☆☆

# %% exercise="clean-normalise-unicode"
import unicodedata

INVISIBLE = "\u00ad\u200b\u2060\ufeff"  # soft hyphen, zero-width space, word joiner, byte order mark


def normalise_unicode(text: str) -> str:
    """Write a text with one code for what looks the same, and without what nobody sees.

    - Line ends become "\\n": both "\\r\\n" and a "\\r" alone.
    - The characters in INVISIBLE disappear, and so do control characters (category Cc) other than "\\n" and "\\t".
    - Every kind of space (category Zs) becomes " ". The number of spaces stays.
    - The result is in normal form NFC, and nothing changes if the function is applied to it once more.
    All else stays as it is: case, quotation marks, dashes, ligatures, superscripts, tabs, the joiners U+200C and U+200D.

    >>> normalise_unicode("ca\\u00adfe\\u0301\\u00a0noir\\r\\n")
    'café noir\\n'

    Source: Unicode Standard Annex #15, Unicode Normalization Forms, https://unicode.org/reports/tr15/
    """
    ### BEGIN SOLUTION
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = []
    for letter in text:
        category = unicodedata.category(letter)
        if letter in INVISIBLE or (category == "Cc" and letter not in "\n\t"):
            continue
        kept.append(" " if category == "Zs" else letter)
    return unicodedata.normalize("NFC", "".join(kept))  # last: what was hidden stood between a letter and its accent
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example gives `'café noir\n'`, ten characters.

# %% check="clean-normalise-unicode"

# %% [markdown]
# ## Pages that are no text
#
# Price lists, tag clouds, error messages: nobody reads millions of them to throw them out. Simple counts catch most. The team of Gopher published theirs (Rae et al. 2021): how many words, how long, how many symbols, are the small words of the language there?
#
# Every such rule is a bet. "At least two stop words" is true of nearly all English prose, and it throws out a recipe. So it pays to know *which* rule a page broke, and a rule is easy to trust when it can be tested alone.
#
# **Predict before you run.** Which rule would you break with each of these?

# %%
candidates = {
    "tags": "#lamp #light #sale " * 3 + "the best of all the lamps that we have to offer, and the price is right for you",
    "keywords": "cheap boats boat hire lake boats rent boat cheap lake hire boats weekend boats offer boat price compare boats",
    "recipe": "Chop onions. Heat oil. Fry onions until golden. Add tomatoes, salt, pepper. Simmer twenty minutes. Stir often. Serve hot, sprinkle parsley over.",
}
for name, text in candidates.items():
    words = [word.strip(".,!").lower() for word in text.split()]
    stops = len({"the", "be", "to", "of", "and", "that", "have", "with"} & set(words))
    print(f"{name:9} {len(words):3} words · {text.count('#') / len(words):.2f} # a word · {stops} different stop words")

# %% [markdown]
# The recipe is a good page, and it falls with the keywords. You will not find a limit that keeps the one and drops the other.
#
# ## Exercise: Quality rules · 3 points · ★★☆
#
# The limits follow Gopher's, except for the first: our pages are short. (Gopher's is 50 words.)

# %% exercise="clean-quality-rules"
import string

STOP_WORDS = frozenset(["the", "be", "to", "of", "and", "that", "have", "with"])


def quality_rules(doc: str) -> list[str]:
    """Name the rules that a document breaks, in the order of this list; an empty list means that it may stay.

    Words are what doc.split() gives, punctuation included. The rules:
    "too short"      fewer than 20 words
    "word length"    the mean number of characters of a word is below 3 or above 10
    "symbols"        more than 0.1 hash sign (#) a word, or more than 0.1 ellipsis a word; "…" and "..." each are one ellipsis
    "letters"        fewer than 80 % of the words contain a letter (str.isalpha), of whatever alphabet
    "stop words"     fewer than 2 different STOP_WORDS among the words, in any case and without string.punctuation at their ends
    "repeated lines" more than a quarter of the lines repeat an earlier line; lines count stripped, and empty ones not at all
    A document at exactly a limit is within it. One without words is only "too short".

    >>> quality_rules("#sale " * 30)
    ['symbols', 'stop words']

    Source: after Rae et al. 2021, "Scaling Language Models", arXiv:2112.11446.
    """
    ### BEGIN SOLUTION
    words = doc.split()
    if not words:
        return ["too short"]
    n = len(words)
    mean_length = sum(map(len, words)) / n
    lettered = sum(any(map(str.isalpha, word)) for word in words)
    stops = STOP_WORDS & {word.strip(string.punctuation).lower() for word in words}
    lines = [line.strip() for line in doc.splitlines() if line.strip()]
    broken = {
        "too short": n < 20,
        "word length": not 3 <= mean_length <= 10,
        "symbols": max(doc.count("#"), doc.count("…") + doc.count("...")) / n > 0.1,
        "letters": lettered / n < 0.8,
        "stop words": len(stops) < 2,
        "repeated lines": (len(lines) - len(set(lines))) / len(lines) > 0.25,
    }
    return [rule for rule, is_broken in broken.items() if is_broken]
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example breaks two rules. It is one line, so it repeats no line.

# %% check="clean-quality-rules"

# %% [markdown]
# **What the rules miss.** Run them over the pages of which the key says that they are junk, and over the clean stories:

# %% demo
from handbook import plots
from handbook.answers import yours_or_ours
from handbook.cleaning_lab import broken_rules_picture

rules = yours_or_ours("quality_rules", globals(), exercise="clean-quality-rules")
print("clean stories thrown out:", sum(bool(rules(page.text)) for page in found if not page.dirt))
broken_rules_picture(rules, found)

# %% [markdown]
# Many pages break more than one rule. Those that break none are mostly advertisements: fluent, with stop words, no symbols. Counting can't see that a page wants to sell something. For this, large projects train a classifier on examples. FineWeb-Edu does, with a language model's judgement of "is this educational?" as labels (Penedo et al. 2024).
#
# ## The same text again
#
# Copies are everywhere on the web, and they cost twice. In training, a text that comes a thousand times is learnt by heart: after deduplication, models emitted memorised text ten times less often (Lee et al. 2022).
# In testing, a copy of a training text in the test set makes any model look good.
#
# The simplest search finds texts that are the same up to case and white space. You keep a set of what you have seen; to save memory, real pipelines keep a short *hash* of each text and not the text.
#
# **Predict before you run.** German writes ß, and in capitals SS. Which of the two methods finds that these are one word?

# %%
print("lower:   ", "Straße".lower() == "STRASSE".lower())
print("casefold:", "Straße".casefold() == "STRASSE".casefold())

# %% [markdown]
# ## Exercise: Exact duplicates · 2 points · ★☆☆

# %% exercise="dedup-exact"


def exact_dedup(docs: list[str]) -> list[str]:
    """Keep the first of all documents that are the same text.

    Two documents are the same if they are equal after str.casefold(), with every run of white space (as str.split() sees
    it) taken as one space and none at the ends. Nothing else makes them the same; the empty document is one like any other.
    Returns: a new list of those kept, each exactly as it came, in the order in which they came.
    Leave docs as it came. Every call starts afresh.

    >>> exact_dedup(["The fox ran.", "A hare.", "the  FOX\\nran. ", "A hare!"])
    ['The fox ran.', 'A hare.', 'A hare!']

    Source: Lee et al. 2022, arXiv:2107.06499.
    """
    ### BEGIN SOLUTION
    seen: set[str] = set()
    kept = []
    for doc in docs:
        key = " ".join(doc.casefold().split())
        if key not in seen:
            seen.add(key)
            kept.append(doc)
    return kept
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example keeps three of four. "A hare." and "A hare!" are two texts.

# %% check="dedup-exact"

# %% [markdown]
# ## Who tests the cleaner?
#
# A cleaner that is wrong makes no noise. It returns a list, a little shorter than before, and nobody looks at it again. So this time you write the test, and we write the cleaners.
# **Predict before you run.** Which of these two does this test catch?

# %%
sample = ["A fox.", "a fox.", "A hare."]


def neighbours_only(docs):
    return [doc for at, doc in enumerate(docs) if at == 0 or doc.casefold() != docs[at - 1].casefold()]


def keeps_nothing_twice(docs):
    return list({doc.casefold(): doc for doc in docs}.values())


for dedup in (neighbours_only, keeps_nothing_twice):
    print(f"{dedup.__name__:20} {dedup(sample)}", "passes" if len(dedup(sample)) == 2 else "fails")

# %% [markdown]
# Neither: the test counts, and counts are right. The first forgets a text as soon as another comes between; the second returns the *last* form of a text, not the first.
# A good test names the exact result, for inputs that were chosen because a certain mistake would show on them.
#
# ## Exercise: Write the test · 3 points · ★★☆
#
# You get deduplicators that promise what `exact_dedup`'s docstring says. Some keep the promise, in whatever way; the others have one mistake each. Read that docstring once more, clause by clause: which input shows that the clause is broken?
# Your marks are the share of wrong ones that you catch. Catching a right one, even once, costs all of them.

# %% exercise="dedup-write-the-test"
from collections.abc import Callable


def check_dedup(dedup: Callable[[list[str]], list[str]]) -> None:
    """Raise AssertionError if a deduplicator breaks the promise of `exact_dedup`; else return None.

    `dedup` takes a list of strings and returns a list. It is right if it does all that the docstring of `exact_dedup` says,
    however it does it. Call it as often as you like, with lists of your own of up to 1000 documents.
    Do not look inside it: only what it returns and what it does to its argument count.
    Any exception counts as an alarm, so also an error that a strange result causes in your own code.

    >>> check_dedup(lambda docs: list(docs))
    Traceback (most recent call last):
    AssertionError

    Source: the docstring of `exact_dedup`.
    """
    ### BEGIN SOLUTION
    fox, hare, owl = "The fox ran.", "A hare slept.", "Owls hunt at night."
    long = "Once upon a time " * 30
    cases = [
        ([], []),
        ([fox], [fox]),
        ([owl, fox, hare], [owl, fox, hare]),  # nothing to do; not in the order of the alphabet, nor of length
        ([fox, hare, fox], [fox, hare]),  # a copy that is no neighbour
        ([fox, fox, hare, fox, fox], [fox, hare]),  # more than one copy
        ([hare, fox, fox], [hare, fox]),
        ([fox.upper(), fox, fox.lower()], [fox.upper()]),  # the first, as it came
        (["  The fox\tran.\n", fox], ["  The fox\tran.\n"]),
        ([fox, "The\n\n fox  ran. "], [fox]),
        (["Straße", "STRASSE"], ["Straße"]),
        (["Thefox ran.", fox], ["Thefox ran.", fox]),
        ([fox, "The fox ran", "The fox ran!"], [fox, "The fox ran", "The fox ran!"]),
        (["fox the ran", "the fox ran"], ["fox the ran", "the fox ran"]),
        (["the fox", "the the fox"], ["the fox", "the the fox"]),
        (["page 1", "page 2"], ["page 1", "page 2"]),
        (["cafe", "café"], ["cafe", "café"]),
        ([long + "A.", long + "B.", "C " + long, "D " + long], [long + "A.", long + "B.", "C " + long, "D " + long]),
        ([fox, "", hare, " \n"], [fox, "", hare]),
        ([str(n) for n in range(500)] * 2, [str(n) for n in range(500)]),
        ([fox, hare], [fox, hare]),  # the same texts as before: does it remember?
    ]
    for docs, want in cases:
        given = list(docs)
        got = dedup(given)
        assert got == want, f"{docs[:5]} gave {got[:5]}"
        assert given == docs, "the argument was changed"
        assert got is not given, "it must be a new list"
    ### END SOLUTION


# %% [markdown]
# **What you should see.** `check_dedup(lambda docs: list(docs))` raises AssertionError; with your own `exact_dedup` it says nothing.

# %% check="dedup-write-the-test"

# %% [markdown]
# ## Nearly the same text
#
# A copied story with one word changed is a new text for any exact search. What is needed is a measure of *how much* is the same.
# Cut each text into its *shingles*, all runs of three words, and divide the number that both have by the number that either has. This is the **Jaccard similarity**:


# %%
def shingles(text, n=3):
    row = text.casefold().split()
    return {tuple(row[at : at + n]) for at in range(max(len(row) - n + 1, 1))}


def jaccard(a, b):
    return len(a & b) / len(a | b)


first = "the fox saw the hare and the hare ran away"
print(jaccard(shingles(first), shingles("the fox saw the hare and the hare ran home")), "one word changed")
print(jaccard(shingles(first), shingles("away ran the fox and the hare saw the hare")), "the same words, another story")

# %% [markdown]
# Order counts: that is why shingles are used, and not words.
#
# Now the cost. A million documents make 500 billion pairs, each a comparison of two sets. *MinHash* (Broder 1997) replaces a set by a short list of numbers, its **signature**, so that two signatures agree in about as many places as the sets are similar.
#
# The trick: shuffle all shingles in the world, and let each document name its first one. Two documents name the same one exactly if the first shingle of *both together* is one that they share. The chance of this is shared / all: the Jaccard similarity.
# One shuffle gives one yes or no; sixty-four shuffles give a share. Nobody shuffles the world, of course: a hash function $h$ gives each shingle a number, and $(a h + b) \bmod p$ with random $a, b$ puts the numbers in another order for each place.
#
# **Predict before you run.** How far from the truth is the share of 64 yes-or-no answers? (Think of 64 throws of a coin.)

# %%
J = 0.8
print(f"one standard deviation of 64 answers: {(J * (1 - J) / 64) ** 0.5:.3f}; of 256: {(J * (1 - J) / 256) ** 0.5:.3f}")

# %% [markdown]
# The second trick avoids comparing all pairs of signatures. Cut each signature into *bands*, and look only at pairs that agree in *all* places of some band: a dictionary per band finds them. How likely is a pair to be found?

# %% demo
similarity = [at / 50 for at in range(51)]
curves = {f"{bands} bands of {64 // bands}": [1 - (1 - s ** (64 // bands)) ** bands for s in similarity] for bands in (4, 8, 16)}
plots.lines(
    similarity,
    curves,
    title="Which pairs become candidates",
    xlabel="Jaccard similarity of the two documents",
    ylabel="chance to be a candidate",
    markers=False,
)

# %% [markdown]
# With 16 bands of 4, pairs below 0.2 nearly never come up and pairs above 0.7 nearly always do. In between the signatures decide.
#
# ## Exercise: Near duplicates · 4 points · ★★★
#
# Python's `hash("text")` gives other numbers in every process, so signatures from two machines would not fit. Take a hash from `hashlib`.

# %% exercise="dedup-minhash"
import hashlib
import random
from itertools import combinations


def minhash_signature(text: str, num_perm: int = 64, seed: int = 0) -> list[int]:
    """Sum up a text's shingles in num_perm whole numbers, so that similar texts agree in many places.

    The shingles are the set of all runs of 3 consecutive words of text.casefold().split(); a text of fewer words has one
    shingle, all of its words. In each place stands the smallest hash of a shingle, each place with another hash function
    of its own, drawn by `seed`. The share of places in which two signatures agree then estimates the Jaccard similarity of
    their sets of shingles: right on average, and the places err independently of each other.
    The same text, num_perm and seed give the same signature, in every process; another seed gives other hash functions.

    >>> minhash_signature("A fox ran home.") == minhash_signature("a FOX  ran home."), len(minhash_signature("fox", 16))
    (True, 16)

    Source: Broder 1997, "On the resemblance and containment of documents".
    """
    ### BEGIN SOLUTION
    words = text.casefold().split()
    shingles = {" ".join(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}
    hashes = [int.from_bytes(hashlib.blake2b(shingle.encode(), digest_size=8).digest(), "big") for shingle in shingles]
    prime = 2**61 - 1
    dice = random.Random(seed)
    functions = [(dice.randrange(1, prime), dice.randrange(prime)) for _ in range(num_perm)]
    return [min((a * number + b) % prime for number in hashes) for a, b in functions]
    ### END SOLUTION


def near_duplicates(signatures: list[list[int]], bands: int = 16, threshold: float = 0.7) -> list[tuple[int, int]]:
    """Find the pairs of similar documents by their signatures, looking only at those that agree in a whole band.

    A signature of n places is cut into `bands` bands of n / bands consecutive places. A pair is a candidate if in at least
    one band, the same for both, it agrees in every place. A candidate is returned if the share of all n places in which it
    agrees is at least `threshold`.
    Returns: pairs (i, j) of positions in the list, i < j, sorted, each once.
    Raises: ValueError if the signatures differ in length, or can't be cut into equal bands (this test is given).

    >>> near_duplicates([[1, 2, 3, 4], [1, 2, 3, 9], [8, 2, 3, 4]], bands=2, threshold=0.75)
    [(0, 1), (0, 2)]

    Source: Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
    """
    if any(len(signature) != len(signatures[0]) or len(signature) % bands for signature in signatures):
        raise ValueError(f"the signatures can't be cut into {bands} bands of one size")
    ### BEGIN SOLUTION
    n = len(signatures[0]) if signatures else 0
    rows = n // bands
    candidates: set[tuple[int, int]] = set()
    for start in range(0, n, max(rows, 1)):
        buckets: dict[tuple[int, ...], list[int]] = {}
        for i, signature in enumerate(signatures):
            buckets.setdefault(tuple(signature[start : start + rows]), []).append(i)
        for alike in buckets.values():
            candidates.update(combinations(alike, 2))

    def agreement(i, j):
        return sum(x == y for x, y in zip(signatures[i], signatures[j], strict=True)) / n

    return sorted((i, j) for i, j in candidates if agreement(i, j) >= threshold)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the second example documents 1 and 2 agree in half of their places only, so they are not returned.

# %% check="dedup-minhash"

# %% [markdown]
# **What it finds.** The key knows which stories are copies of each other. How well does the share of 64 places estimate the true similarity?

# %% demo
signature_of = yours_or_ours("minhash_signature", globals(), exercise="dedup-minhash")
dressed = [page for page in found if page.source >= 0 and not {"markup", "invisible"} & set(page.dirt)][:60]
sets, signed = [shingles(page.text) for page in dressed], [signature_of(page.text) for page in dressed]
pairs = [(i, j) for j in range(len(dressed)) for i in range(j) if jaccard(sets[i], sets[j]) > 0.02]
true = [jaccard(sets[i], sets[j]) for i, j in pairs]
share = [sum(x == y for x, y in zip(signed[i], signed[j], strict=True)) / 64 for i, j in pairs]
kinds = ["copies of one story" if dressed[i].source == dressed[j].source else "different stories" for i, j in pairs]
plots.scatter(
    true, share, groups=kinds, title="What 64 numbers know about two documents", xlabel="true Jaccard similarity", ylabel="share of agreeing places"
)

# %% [markdown]
# The points lie along the diagonal, as far from it as you predicted. And there is a gap between copies and other stories, wide enough for a threshold. On the web there is none: quotations, templates and legal texts fill it, and where you cut decides what you lose.
#
# *A good place for a break. What comes now is about people.*
#
# ## Personal data
#
# A model can repeat what it has read, addresses and numbers included. So they are *masked*: replaced by a word that says what stood there. Two mistakes are possible, and they are not alike:
#
# - What is missed, a person pays for.
# - What is masked by mistake, the text pays for. A mask that takes every long row of digits destroys dates, prices and version numbers, and the model learns that history happened in [PHONE].
#
# **Predict before you run.** What does this quick pattern mask here?

# %%
note = "Born 1815-12-10. Call +44 20 7946 0123. Order 4111-1111-1111-1112, version 10.0.0.256."
print(re.sub(r"\+?\d[\d .-]{6,}\d", "[PHONE]", note))

# %% [markdown]
# Everything: a birthday, an order number and a version, too. Numbers have to be looked at more closely. An internet address has four parts of at most 255. A card number carries a *check digit*, by a rule of Hans Peter Luhn (1960):
# double every second digit, beginning with the one before the last; take 9 off where this gives more than 9; add everything up; the sum must end in 0.

# %%
digits = [4, 5, 3, 9, 1, 4, 8, 8, 0, 3, 4, 3, 6, 4, 6, 7]
doubled = [2 * d - 9 * (2 * d > 9) if at % 2 else d for at, d in enumerate(reversed(digits))]
print("from the right:", doubled, "sum", sum(doubled))

# %% [markdown]
# Nine of ten random numbers fail this test, so an order number of 16 digits is rarely taken for a card.
#
# ## Exercise: Personal data · 4 points · ★★★
#
# The docstring speaks of *runs*. Take whole runs first and decide then what each is: this is easier than four patterns that get into each other's way.

# %% exercise="clean-mask-pii"
import re


def luhn_valid(digits: str) -> bool:
    """Tell whether a string of digits, at least one, passes Luhn's test.

    >>> luhn_valid("4539148803436467"), luhn_valid("4539148803436476")
    (True, False)
    """
    ### BEGIN SOLUTION
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
    ### END SOLUTION


def mask_pii(text: str) -> str:
    """Replace e-mail addresses, internet addresses, phone numbers and card numbers, and leave all else as it is.

    In this order:
    [EMAIL]  one or more of A-Z a-z 0-9 . _ % + -, then @, then a domain: labels of A-Z a-z 0-9 - joined by dots, two or more,
             the last of at least two letters and nothing else. A full stop after it stays.
    [IP]     four numbers from 0 to 255, without leading zeros, joined by dots. Before or after it stands no digit, nor a dot
             with a digit beyond it: that would be part of a longer dotted number. A full stop after it stays.
    Then the digit runs: 0-9 with at most one space or hyphen between two neighbours, as long as it goes on; a plus sign right
    before the first digit belongs to the run. Each whole run becomes
    [PHONE]  if it has a plus sign and 8 to 15 digits, or no plus sign and exactly the shape 555-123-4567;
    [CARD]   else, if it has no plus sign, 13 to 19 digits, and passes Luhn's test;
    and else it stays: dates, prices, years, order numbers, versions.

    >>> mask_pii("On 2024-05-17 ada@mill.example wrote from 192.0.2.7: call +44 20 7946 0123, card 4539 1488 0343 6467.")
    'On 2024-05-17 [EMAIL] wrote from [IP]: call [PHONE], card [CARD].'

    Source: Luhn 1960, US patent 2,950,048 · ITU-T E.164 (phone numbers have at most 15 digits).
    """
    ### BEGIN SOLUTION
    text = re.sub(r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![A-Za-z0-9-])", "[EMAIL]", text)
    part = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    text = re.sub(rf"(?<![0-9])(?<![0-9]\.){part}(?:\.{part}){{3}}(?![0-9]|\.[0-9])", "[IP]", text)

    def decide(found):
        run = found[0]
        digits = re.sub("[^0-9]", "", run)
        if run.startswith("+"):
            return "[PHONE]" if 8 <= len(digits) <= 15 else run
        if re.fullmatch("[0-9]{3}-[0-9]{3}-[0-9]{4}", run):
            return "[PHONE]"
        return "[CARD]" if 13 <= len(digits) <= 19 and luhn_valid(digits) else run

    return re.sub(r"\+?[0-9](?:[ -]?[0-9])*", decide, text)
    ### END SOLUTION


# %% [markdown]
# **What you should see.** The docstring's example masks four things and keeps the date.

# %% check="clean-mask-pii"

# %% [markdown]
# **What it means for real data.** Names, home addresses and "my daughter in class 3b" have no pattern; they need a model that recognises them, and it errs.
# Masking is a help, no permission: whether you may use a text about people is a question of law and of consent.
#
# ## Who does the filter remove?
#
# Insults should not be learnt by heart. So a classifier scores every document, and those above a threshold are removed. The usual way to choose it: look at the overall rate of harmless documents that are lost, and call it small.
#
# Small for whom? When Dodge et al. (2021) looked at what a list of bad words had removed from C4, the corpus of T5, it had disproportionately hit texts from and about minorities.
# Let us look at a small sample ourselves: harmless and rude sentences, in standard English and in Scots, and sentences in which people say who they are. The classifier was trained on forty sentences, all in standard English.
#
# **Predict before you run.** Which group loses the most harmless sentences? And whose rude ones get through?

# %% demo
from handbook import load_encoder
from handbook.cleaning_lab import RudenessScorer, audit_sample

sentences, rude, groups = audit_sample()
scores = RudenessScorer(load_encoder())(sentences)
for group in dict.fromkeys(groups):
    for kind in (False, True):
        mine = [s for s, r, g in zip(scores, rude, groups, strict=True) if g == group and r == kind]
        if mine:
            print(f"{group:16} {'rude' if kind else 'harmless':8} {sum(s >= 0.5 for s in mine):2} of {len(mine)} removed")

# %% [markdown]
# A difference of two sentences in sixteen may be chance. But one overall number could not even have raised the question.
# To ask it, you need a labelled sample in which every group is present, and you must look group by group.
#
# ## Exercise: The audited filter · 3 points · ★★☆
#
# Choose the threshold by the group that fares worst: as strict as possible, as long as *no* group loses more than it may.

# %% exercise="clean-toxicity-audit"
import math


def toxicity_filter(scores: list[float], toxic: list[bool], groups: list[str], max_loss: float = 0.1) -> tuple[float, dict[str, float]]:
    """Choose a filter's threshold on a labelled sample, so that no group loses more than its share of harmless documents.

    Args: scores[i] is how toxic a classifier thinks document i is, toxic[i] whether people say it is, groups[i] whose it is.
    A filter with threshold t removes every document with a score >= t. A group's loss is the share of its *harmless*
        documents that are removed; it is 0.0 for a group that has no harmless ones.
    Returns: (threshold, losses). The threshold is the lowest among the scores and math.inf (which removes nothing) at which
        no group's loss is above max_loss; losses[group] is the loss at that threshold, for every group that occurs.
    Leave the lists as they came.

    >>> toxicity_filter([0.9, 0.2, 0.4, 0.8, 0.7], [True, False, False, True, False], ["a", "a", "a", "b", "b"], max_loss=0.5)
    (0.8, {'a': 0.0, 'b': 0.0})

    Source: after Dodge et al. 2021, arXiv:2104.08758, who ask whose documents a filter removes.
    """
    ### BEGIN SOLUTION
    harmless: dict[str, list[float]] = {group: [] for group in groups}
    for score, is_toxic, group in zip(scores, toxic, groups, strict=True):
        if not is_toxic:
            harmless[group].append(score)
    for threshold in [*sorted(set(scores)), math.inf]:
        losses = {group: sum(score >= threshold for score in own) / max(len(own), 1) for group, own in harmless.items()}
        if all(loss <= max_loss for loss in losses.values()):
            break
    return threshold, losses
    ### END SOLUTION


# %% [markdown]
# **What you should see.** In the docstring's example group b has one harmless document, with score 0.7. At 0.7 it would be lost, all of b's harmless ones; so the threshold is 0.8.

# %% check="clean-toxicity-audit"

# %% [markdown]
# **What it means for a real filter.** The same audit serves any score. Here it judges two: the classifier from above, and a common kind of *quality* filter, which removes what a language model finds surprising. (CCNet sorts its pages by such a score; Wenzek et al. 2020.)

# %% demo
from handbook.cleaning_lab import losses_picture, surprise_by_text

audited = yours_or_ours("toxicity_filter", globals(), exercise="clean-toxicity-audit")
filters = {"classifier of rudeness": scores, "surprise of SmolLM2": surprise_by_text(lm, sentences)}
for name, score in filters.items():
    fair, _ = audited(score, rude, groups)
    caught = sum(s >= fair for s, r in zip(score, rude, strict=True) if r)
    print(f"{name:23} fair threshold {fair:.2f}: catches {caught} of {sum(rude)} rude sentences")

# %% demo
overall = {name: audited(score, rude, ["all"] * len(score))[0] for name, score in filters.items()}  # the usual way
losses_picture(filters, overall, rude, groups)

# %% [markdown]
# Overall both filters stay within their 10 %, and one group pays most of it. To a model that has read little Scots, Scots is noise. Nobody decided to remove it.
# With 16 sentences a group such a share is rough (one sentence is 6 %), so take the direction and not the figure; an audit that decides something needs hundreds, written by the people concerned.
#
# The fair threshold has a price as well: it lets more rude sentences through. If the price is too high, the answer is not to drop the rule but to mend the classifier, for instance by training it on sentences of all groups.
# What is removed is then also missing from the model: after such filtering, models got worse at the language of the groups concerned (Xu et al. 2021 show it for detoxified models).
#
# ## Everything together
#
# Run the whole cleaner over the 400 pages and ask the key after each step what is still wrong:

# %% demo
from handbook.cleaning_lab import drop_if, edit_each, keep_chosen, wash

strip, tidy, mask, exact = (yours_or_ours(name, globals()) for name in ("strip_html", "normalise_unicode", "mask_pii", "exact_dedup"))
near = yours_or_ours("near_duplicates", globals(), exercise="dedup-minhash")


def without_near_copies(docs):
    copies = {j for _, j in near([signature_of(doc) for doc in docs], threshold=0.6)}
    return [doc for at, doc in enumerate(docs) if at not in copies]


# %% demo
steps = {
    "HTML, Unicode": edit_each(lambda text: tidy(strip(text))),
    "quality rules": drop_if(rules),
    "personal data": edit_each(mask),
    "exact copies": keep_chosen(exact),
    "near copies": keep_chosen(without_near_copies),
}
kept = wash(found, steps)

# %% [markdown]
# Read the columns. Each step has its own column to bring down, and what is left at the end is as interesting as what is gone: fluent junk, and a copy that had changed too much.
# The last column is the price: stories that were so much alike that one was taken for a copy of another.
# Order matters too: before the invisible characters went, neither the copies nor the phone numbers could be recognised.
# And personal data goes before the search for copies: then two copies that differ only in a phone number are the same text.
#
# **Predict before you run.** Two tiny models, the same first weights, the same number of steps. One reads all pages as found, the other the clean ones, less than half as many. Which is better on new stories that neither has seen? By how much?

# %% demo
from handbook.cleaning_lab import held_out_perplexity, train_on, vocabulary_of
from handbook.texts import stories

new = stories(100, seed=99)
ids = vocabulary_of(new + [page.text for page in found])  # one vocabulary, so that the numbers can be compared
corpora = {"pages as found": [page.text for page in found], "cleaned pages": [text for _, text in kept]}
results = {name: held_out_perplexity(train_on(texts, ids), new, ids) for name, texts in corpora.items()}

# %% demo
title, xlabel = "New stories, read by two tiny models", "perplexity a word (lower is better)"
plots.bars(list(results), list(results.values()), title=title, xlabel=xlabel, ylabel="trained on", highlight="cleaned pages", decimals=2)

# %% [markdown]
# The smaller corpus wins. Nothing was added: the second model spent all of its steps on what it was for. The gap is as large as the dirt that we planted, so do not expect this figure elsewhere. The direction is what large projects find as well, step after step (Penedo et al. 2024).
#
# ## Recap
#
# - Parse HTML; do not delete by pattern. First tags, then character references, once.
# - NFC, and take invisible characters away by name. Some of them are spelling.
# - A quality rule is a bet on prose. Know which rule a page broke, and look at what falls.
# - Exact copies: a set of normalised keys. Near copies: MinHash signatures, bands for candidates, the full signature to decide.
# - A mask has two kinds of error. Check digits and ranges keep it from eating dates.
# - Audit every filter group by group, on harmless texts.
#
# **Limits.** The dirt was planted, of kinds that we could think of. A real crawl has others, and no key.
#
# ## From memory
#
# Answer aloud or on paper, then open.
#
# <details><summary>1. Two signatures of 64 places agree in 48. What do you know about the texts? What if all 64 hash functions were the same one?</summary>
#
# About three quarters of their shingles together are shared, give or take 0.05. With one function 64 times over, the answer would be all or nothing, whatever the similarity.
# </details>
#
# <details><summary>2. Why is the normal form made after the invisible characters are removed, and not before?</summary>
#
# One may stand between a letter and its accent. Then the two do not join, and a second pass would change the text again.
# </details>
#
# <details><summary>3. A filter loses 2 % of all harmless documents. What do you ask?</summary>
#
# Whose. If a dialect makes up 3 % of the documents, the filter may remove most of it and still report 2 %.
# </details>
#
# **Next.** Now the text is clean, there is less of it, and it comes from several sources. Lesson 2.3 is about what to do then: add to it, mix it, repeat it, and keep the test set out of it.
#
# ## Further reading
#
# - Lee et al. 2022, [Deduplicating Training Data Makes Language Models Better](https://arxiv.org/abs/2107.06499), arXiv:2107.06499.
# - Rae et al. 2021, [Scaling Language Models: Methods, Analysis & Insights from Training Gopher](https://arxiv.org/abs/2112.11446), arXiv:2112.11446: the quality rules.
# - Penedo et al. 2024, [The FineWeb Datasets](https://arxiv.org/abs/2406.17557), arXiv:2406.17557: every choice of a large cleaner, measured one at a time.
# - Dodge et al. 2021, [Documenting Large Webtext Corpora](https://arxiv.org/abs/2104.08758), arXiv:2104.08758: what a filter removed from C4.
# - Xu et al. 2021, [Detoxifying Language Models Risks Marginalizing Minority Voices](https://arxiv.org/abs/2104.06390), arXiv:2104.06390.
# - Wenzek et al. 2020, [CCNet](https://arxiv.org/abs/1911.00359), arXiv:1911.00359: filtering by a language model's perplexity.
