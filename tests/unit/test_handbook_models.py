"""The two real models behind their small interface. Slow: Transformers alone takes seconds to import."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from handbook.models import LanguageModel, ModelError, load_encoder, load_lm

pytestmark = pytest.mark.slow

TEXT = (
    "The water cycle describes how water moves between the oceans, the atmosphere and the land. Heat from the sun makes "
    "water evaporate from the surface of the sea. The vapour rises, cools and forms clouds. When the droplets become "
    "heavy enough, they fall as rain or snow. Rivers carry the water back to the sea, and the cycle begins again."
)


@pytest.fixture(scope="module")
def lm():
    return load_lm()


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


def test_loading_says_nothing_on_stderr_and_needs_no_network():
    code = (
        "import socket\n"
        "def refuse(*_): raise OSError('no network in this test')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from handbook import load_lm, load_encoder\n"
        "lm = load_lm(); print(lm.generate('One two three', 2)); load_encoder().encode('a'); lm.attentions('a b')\n"
        "import torch; print(torch.get_num_threads())\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "1"


def test_the_same_call_gives_the_same_object(lm):
    assert load_lm() is lm
    assert load_encoder() is load_encoder()


def test_it_is_the_model_that_it_says(lm):
    assert lm.parameters == 134_515_008
    assert "135 M" in repr(lm)
    assert lm.dtype == torch.float32


def test_tokens_read_as_text(lm):
    assert lm.tokens("The trophy didn't fit.") == ["The", " trophy", " didn", "'t", " fit", "."]
    assert lm.tokens("x  12") == ["x", "  ", "1", "2"]  # every digit alone, and the spaces before them together
    assert lm.tokens(lm.encode("The trophy")) == ["The", " trophy"]


def test_half_a_character_shows_its_bytes(lm):
    tokens = lm.tokens("녕")
    assert "".join(token.strip("<>") for token in tokens) == "녕".encode().hex().upper()


@pytest.mark.parametrize(
    "text", ["Hello, world!\n\tdef f(x):", "안녕하세요 🙂", "12,345.67  end ", "<|im_start|>user", "Straße naïve"]
)
def test_decoding_gives_the_text_back(lm, text):
    assert lm.decode(lm.encode(text)) == text


def test_special_tokens_are_one_token(lm):
    assert lm.encode("<|im_start|>") == [1]
    assert lm.encode("<|im_end|>") == [2]


def test_it_knows_plain_english(lm):
    assert 5 < lm.perplexity(TEXT) < 12  # measured 7.9
    shuffled = " ".join(sorted(TEXT.split()))
    assert lm.perplexity(shuffled) > 10 * lm.perplexity(TEXT)


def test_paris(lm):
    (first, probability), second = lm.next_token_probs("The capital of France is", 2)
    assert first == " Paris"
    assert 0.5 < probability < 1
    assert second[1] < probability


def test_next_token_scores_are_the_last_row_of_all_scores(lm):
    every = lm.logits("The cat sat on")
    assert every.shape == (4, 49152)
    torch.testing.assert_close(lm.next_token_logits("The cat sat on"), every[-1], atol=1e-3, rtol=1e-4)
    assert sum(p for _, p in lm.next_token_probs("The cat sat on", 49152)) == pytest.approx(1, abs=1e-4)


def test_surprise_is_minus_log_probability(lm):
    ids = lm.encode("The cat sat")
    logprobs = torch.log_softmax(lm.logits(ids), -1)
    by_hand = [-float(logprobs[at, ids[at + 1]]) for at in range(len(ids) - 1)]
    assert lm.token_nll("The cat sat").tolist() == pytest.approx(by_hand, abs=1e-4)
    assert lm.loss(ids) == pytest.approx(sum(by_hand) / 2, abs=1e-4)
    assert lm.perplexity(torch.tensor(ids)) == pytest.approx(torch.tensor(by_hand).mean().exp().item(), rel=1e-4)


def test_generation_with_the_cache_equals_generation_without(lm):
    ids = lm.encode("The sun rises in the")
    start = len(ids)
    for _ in range(8):
        ids.append(int(lm.next_token_logits(ids).argmax()))
    assert lm.generate("The sun rises in the", 8) == lm.decode(ids[start:])


def test_drawn_text_follows_the_seed(lm):
    drawn = [lm.generate("Once upon a time", 12, temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_chat_fills_in_the_template_and_stops_at_the_end_of_the_turn(lm):
    text = lm.chat_text("Hi")
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    with_system = lm.chat_text([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    assert with_system.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    reply = lm.chat("Say hello to me.", 60)
    assert reply
    assert "<|im" not in reply


def test_attention_rows_are_shares_of_the_past(lm):
    maps = lm.attentions("The cat sat on the mat")
    assert maps.shape == (30, 9, 6, 6)
    torch.testing.assert_close(maps.sum(-1), torch.ones(30, 9, 6))
    assert float(maps.triu(1).abs().max()) == 0
    assert lm.model.config._attn_implementation == "sdpa"


def test_hidden_states_start_with_the_embeddings(lm):
    states = lm.hidden_states("The cat")
    assert states.shape == (31, 2, 576)
    torch.testing.assert_close(states[0], lm.model.get_input_embeddings().weight[lm.encode("The cat")].detach())


def test_what_comes_out_can_be_trained_on(lm):
    weight = torch.zeros(576, requires_grad=True)
    (lm.hidden_states("The cat")[-1] @ weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("method", "text", "message"),
    [
        ("logits", "", "0 tokens"),
        ("next_token_logits", [5] * 8193, "8193 tokens"),
        ("token_nll", "cat", "one token"),
        ("generate", "", "0 tokens"),
    ],
)
def test_a_text_that_is_too_short_or_long_is_refused(lm, method, text, message):
    with pytest.raises(ValueError, match=message):
        getattr(lm, method)(text)


def test_a_negative_temperature_is_refused(lm):
    with pytest.raises(ValueError, match="temperature"):
        lm.generate("a", temperature=-1)


def test_a_copy_is_independent(lm):
    other = lm.copy()
    with torch.no_grad():
        other.model.get_input_embeddings().weight.zero_()
    assert isinstance(other, LanguageModel)
    assert lm.next_token_probs("The capital of France is", 1)[0][0] == " Paris"


def test_an_unknown_hub_name_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match="without a name"):
        load_lm(str(tmp_path / "no-model-here"))


def test_a_folder_is_as_good_as_a_hub_name(lm, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=49152, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    assert load_lm(str(tmp_path), dtype=torch.float32).next_token_logits("a b").shape == (49152,)


def test_sentence_vectors_have_length_one(encoder):
    vectors = encoder.encode(["A cat.", "A much longer sentence about something else altogether."])
    assert vectors.shape == (2, 384)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))
    assert encoder.encode("A cat.").shape == (1, 384)
    assert encoder.encode([]).shape == (0, 384)


def test_padding_and_batches_make_no_difference(encoder):
    texts = ["A cat.", "A much longer sentence about something else altogether.", "Hm", "x " * 600]
    torch.testing.assert_close(encoder.encode(texts, batch_size=2), encoder.encode(texts), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder.encode(texts)[:1], encoder.encode(texts[0]), atol=1e-5, rtol=1e-4)


def test_what_means_the_same_lies_closer(encoder):
    near, far = encoder.similarity("A cat sat.", ["A kitten was sitting.", "Stock prices fell."])[0].tolist()
    assert near > far + 0.3


def test_the_token_table_is_a_copy_of_the_input_embeddings(encoder):
    table = encoder.token_table()
    assert table.shape == (30522, 384)
    table.zero_()
    assert float(encoder.token_table().abs().sum()) > 0
    assert encoder.tokens("unhappiness") == ["un", "##ha", "##pp", "##iness"]
