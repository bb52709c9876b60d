"""Pictures: shown once, with a text alternative everywhere, readable for all, and without a warning."""

from __future__ import annotations

import base64
import colorsys
import io
import re

import pytest
from handbook import plots
from handbook.plots import picture as picture_module
from handbook.plots.picture import Picture, readable, show, visible

LABELS = {"title": "T", "xlabel": "time (s)", "ylabel": "loss (nats)"}


@pytest.fixture
def shown(monkeypatch):
    """What would appear below the cell in a notebook."""
    outputs: list[tuple[dict[str, str], dict]] = []
    for module in (picture_module, plots.tokens):
        monkeypatch.setattr(module, "in_ipython", lambda: True)
        monkeypatch.setattr(module, "display_bundle", lambda data, metadata=None: outputs.append((data, metadata)))
    return outputs


MADE = {
    "bars": lambda: plots.bars(["a", "b"], [1, 2.5], **LABELS),
    "upright bars": lambda: plots.bars(["a", "b"], [1, 2.5], horizontal=False, log=True, **LABELS),
    "grouped bars": lambda: plots.bars(["a", "b"], {"before": [1, 2], "after": [3, 4]}, highlight="b", **LABELS),
    "lines": lambda: plots.lines([1, 10, 100], {"one": [3, 2, 1], "two": [2, 2]}, logx=True, logy=True, **LABELS),
    "bands": lambda: plots.lines([1, 2], {"one": [3, 2]}, bands={"one": ([2, 1], [4, 3])}, **LABELS),
    "scatter": lambda: plots.scatter([1, 2], [3, 4], labels=["p", "q"], groups=["x", "y"], **LABELS),
    "heatmap": lambda: plots.heatmap([[1, -2, 0], [3, 0.5, 2]], ["a", "b", "longer"], ["c", "d"], **LABELS),
    "diverging": lambda: plots.heatmap([[1, -2], [3, 0.5]], diverging=True, value="change (%)", **LABELS),
    "histogram": lambda: plots.histogram({"a": list(range(9)), "b": [4, 4]}, title="T", xlabel="length (tokens)"),
    "largest share": lambda: plots.largest_share_by_width((4, 16), seed=1),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_every_picture_is_shown_once_with_its_text_and_named_axes(make, shown):
    picture = make()
    ((data, metadata),) = shown
    assert f'alt="{picture.alt}"' in data["text/html"]
    assert data["text/plain"] == picture.alt == metadata["image/png"]["alt"]
    assert re.match(r"(Bar|Line) chart|Scatter plot|Heat map|Histogram", picture.alt)
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    axes = picture.figure.axes[0]
    assert axes.get_title(loc="left")
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_outside_ipython_nothing_is_written(capsys):
    MADE["bars"]()
    assert capsys.readouterr() == ("", "")


def test_the_text_tells_the_data():
    assert MADE["bars"]().alt == "Bar chart: T. a 1.00, b 2.50."
    assert "before: a 1.00, b 2.00; after: a 3.00, b 4.00" in MADE["grouped bars"]().alt
    assert "one goes from 3 at 1 to 1 at 100, lowest 1 at 100, highest 3 at 1" in MADE["lines"]().alt
    assert "2 rows by 3 columns" in MADE["heatmap"]().alt
    assert "the largest is 3, at d, a" in MADE["heatmap"]().alt
    assert "a: 9 values from 0 to 8, mean 4" in MADE["histogram"]().alt
    assert "p (1, 3), q (2, 4)" in MADE["scatter"]().alt


def test_a_text_of_your_own_replaces_it():
    assert plots.bars(["a"], [1], alt="Mine.", **LABELS).alt == "Mine."


def test_a_picture_without_text_is_refused():
    with pytest.raises(ValueError, match="text alternative"):
        show(plots.canvas("T", "x", "y")[0], "  ")


def test_the_text_is_escaped():
    data, _ = Picture(plots.canvas("T", "x", "y")[0], 'a <b> "c" & d').mimebundle()
    assert 'alt="a &lt;b&gt; &quot;c&quot; &amp; d"' in data["text/html"]


def test_a_long_chart_is_told_in_short():
    alt = plots.bars([str(n) for n in range(30)], list(range(30)), **LABELS).alt
    assert "and 18 more" in alt


def test_missing_values_dont_hide_the_rest():
    assert "lowest 1 at 3, highest 2 at 1" in plots.lines([1, 2, 3], {"a": [2, float("nan"), 1]}, **LABELS).alt


def test_labels_and_values_must_match():
    with pytest.raises(ValueError, match="2 labels, but 3 values"):
        plots.bars(["a", "b"], [1, 2, 3], **LABELS)


def test_tensors_are_numbers_too():
    torch = pytest.importorskip("torch")
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    assert plots.bars(["a", "b"], values, **LABELS).alt == "Bar chart: T. a 1.00, b 2.00."


def test_any_token_can_be_a_label():
    labels = ["$x$", "안녕", "\n", " the", "🙂", "\t$", "^{", "\\frac"]
    picture = plots.bars([visible(label) for label in labels], list(range(8)), **LABELS)
    assert picture.png()
    assert readable("a$b안") == r"a\$b▯"
    assert visible(" a\n\t") == "␣a↵⇥"


def test_pictures_are_small_and_wide_enough():
    from PIL import Image

    png = MADE["lines"]().png()
    assert len(png) < 40_000
    with Image.open(io.BytesIO(png)) as image:
        assert 700 <= image.width <= 900


def test_a_pyplot_figure_is_closed_after_showing(shown):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with plots.style():
        figure, _ = pyplot.subplots()
    plots.show(figure, "A flat line at zero.")
    assert pyplot.get_fignums() == []
    assert len(shown) == 1


def test_the_style_ends_with_its_block():
    import matplotlib

    before = matplotlib.rcParams["axes.grid"]
    with plots.style():
        assert matplotlib.rcParams["axes.grid"] is True
    assert matplotlib.rcParams["axes.grid"] == before


def test_subplots_gives_a_grid_of_axes():
    with plots.style():
        figure, axes = plots.subplots(2, 3, size=(6, 4))
    assert axes.shape == (2, 3)
    assert tuple(figure.get_size_inches()) == (6, 4)


def test_neighbouring_colours_differ_in_lightness_or_much_in_hue():
    """The first four colours, the most used, must differ for a reader who sees no red or green: by lightness or blueness."""

    def features(colour):
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return colorsys.rgb_to_hls(red, green, blue)[1], blue - (red + green) / 2

    first = [features(colour) for colour in plots.PALETTE[:4]]
    for at, (light, blueness) in enumerate(first):
        for other_light, other_blueness in first[at + 1 :]:
            assert abs(light - other_light) + abs(blueness - other_blueness) > 0.1


def contrast_with_black(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) / 0.05


def test_tokens_are_boxes_of_real_text(shown):
    strip = plots.token_strip(["Hi", " <b>", "안녕", "\n"], title="Tokens")
    ((data, _),) = shown
    assert "&lt;b&gt;" in data["text/html"]
    assert "안녕" in data["text/html"]
    assert strip.alt == data["text/plain"] == "Tokens: Hi | ␣<b> | 안녕 | ↵"


def test_values_colour_the_boxes_and_stand_below_them():
    strip = plots.token_strip(["a", "b", "c"], [0.0, 5.0, 10.0], value="surprise (nats)", decimals=1)
    colours = re.findall(r"background:(#\w{6})", strip.html)
    assert colours[0] == "#FFFFFF"
    assert [contrast_with_black(colour) for colour in colours] == sorted(
        map(contrast_with_black, colours), reverse=True
    )
    assert "5.0" in strip.html
    assert strip.alt == "surprise (nats): a 0.0 | b 5.0 | c 10.0"


def test_black_text_is_readable_on_every_box():
    from handbook.plots.tokens import TINTS, _shade

    assert all(contrast_with_black(colour) > 7 for colour in (*TINTS, _shade(0), _shade(0.5), _shade(1), _shade(9)))


def test_equal_values_and_no_tokens_are_fine():
    assert "a 1.00 | b 1.00" in plots.token_strip(["a", "b"], [1, 1]).alt
    assert plots.token_strip([], []).alt == ""


def test_as_many_values_as_tokens():
    with pytest.raises(ValueError, match="2 tokens, but 1 values"):
        plots.token_strip(["a", "b"], [1])


class FakeModel:
    """Two layers and two heads over words; head (1, 0) of the last word reads word 2."""

    def tokens(self, text):
        return [word if at == 0 else f" {word}" for at, word in enumerate(text.split())]

    def next_token_probs(self, text, k):
        return [(" one", 0.5), ("\n", 0.25)][:k]

    def attentions(self, text):
        import torch

        T = len(text.split())
        maps = torch.zeros(2, 2, T, T)
        maps[..., 0] = 1.0
        maps[1, 0, -1, 0], maps[1, 0, -1, 2] = 0.3, 0.7
        maps[0, 1, -1, 0], maps[0, 1, -1, T - 2] = 0.1, 0.9  # the left neighbour doesn't count
        maps[1, 1, -1, 0], maps[1, 1, -1, 1] = 0.8, 0.2
        return maps


def test_next_token_bars():
    picture = plots.next_token_bars(FakeModel(), "Count with me:", k=2)
    assert picture.alt == "Bar chart: What comes after: Count with me:. ␣one 0.500, ↵ 0.250."


def test_attention_from_finds_the_head_that_reads_a_word():
    text = "Some great big dogs bark"
    assert "layer 1, head 0" in plots.attention_from(FakeModel(), text, " bark").alt
    assert "3  ␣big 0.70" in plots.attention_from(FakeModel(), text, "bark").alt
    assert "layer 1, head 1" in plots.attention_from(FakeModel(), text, " bark", to="great").alt
    assert "layer 0, head 1" in plots.attention_from(FakeModel(), text, " bark", to="dogs").alt
    assert "layer 0, head 0" in plots.attention_from(FakeModel(), text, " bark", layer=0, head=0).alt


@pytest.mark.parametrize(("token", "message"), [("cat", "not a token of this text"), ("Some", "reads only itself")])
def test_attention_from_a_word_that_cant_be_read_from(token, message):
    with pytest.raises(ValueError, match=message):
        plots.attention_from(FakeModel(), "Some great big dogs bark", token)


def test_attention_map():
    assert (
        "5 rows by 5 columns of share of attention"
        in plots.attention_map(FakeModel(), "Some great big dogs bark", 1, 0).alt
    )


def test_unscaled_scores_give_one_key_nearly_all():
    alt = plots.largest_share_by_width((4, 1024), seed=0).alt
    ends = [float(number) for number in re.findall(r"to ([\d.]+) at 1,024", alt)]
    assert ends[0] > 0.9
    assert ends[1] < 0.4


@pytest.mark.slow
def test_in_a_notebook_a_picture_appears_once_and_its_text_reaches_the_export():
    nbformat = pytest.importorskip("nbformat")
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    code = "from handbook import plots\nplots.bars(['a', 'b'], [1, 2], title='T', xlabel='x', ylabel='y')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3").execute()
    ((output),) = notebook.cells[0].outputs
    assert set(output.data) == {"text/html", "image/png", "text/plain"}
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert 'alt="Bar chart: T. a 1.00, b 2.00."' in page
