"""A model behind HTTP, asked by the official `openai` client: a tiny made-up model, and (slow) SmolLM2."""
from __future__ import annotations

import json
import socket
import threading
import urllib.request

import pytest
import torch

openai = pytest.importorskip("openai", reason="the client `openai` is not installed")
pytest.importorskip("fastapi", reason="`fastapi` is not installed")
pytest.importorskip("uvicorn", reason="`uvicorn` is not installed")

from handbook.serving import app_for, chat_body, serve, serve_app, why_not  # noqa: E402
from openai.types.chat import ChatCompletion  # noqa: E402

END = 256


class Parrot:
    """Repeats its prompt, byte by byte, and then ends. A token is a byte; its rival is the next number."""

    name, context, stop_ids = "parrot", 64, frozenset({END})

    def chat_text(self, messages):
        return messages[-1]["content"]

    def encode(self, text):
        return list(text.encode())

    def decode(self, ids):
        return bytes(ids).decode(errors="replace")

    def feed(self):
        seen: list[int] = []

        def read(ids):
            if not seen:
                seen.extend(ids)
                read.said = 0
            if seen[0] == ord("!"):
                raise RuntimeError("a secret of the server")
            scores = torch.full((END + 1,), -50.0)
            right = seen[read.said] if read.said < len(seen) else END
            scores[right], scores[(right + 1) % END] = 2.0, 0.0
            read.said += 1
            return scores

        return read


@pytest.fixture(scope="module")
def server():
    with serve(Parrot()) as running:
        yield running


def client_of(server, key="none"):
    return openai.OpenAI(base_url=server.url, api_key=key, max_retries=0, timeout=20)


@pytest.fixture(scope="module")
def client(server):
    with client_of(server) as client:
        yield client


def say(client, text, **options):
    options = {"temperature": 0} | options
    return client.chat.completions.create(model="parrot", messages=[{"role": "user", "content": text}], **options)


def post(server, body, path="/v1/chat/completions"):
    request = urllib.request.Request(server.root + path, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_chat_is_answered(client):
    answer = say(client, "Grüße, 世界!")
    assert answer.choices[0].message.content == "Grüße, 世界!"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == len("Grüße, 世界!".encode())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    ChatCompletion.model_validate(answer.model_dump(), strict=True)


def test_the_limit_and_the_stop_string_end_a_reply(client):
    cut = say(client, "abcdef", max_tokens=3)
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("abc", "length", 3)
    assert say(client, "abcdef", max_completion_tokens=2).choices[0].message.content == "ab"
    stopped = say(client, "one, two; three", stop=["; t", "never"])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("one, two", "stop")
    assert say(client, "one;", stop=";x").choices[0].message.content == "one;"  # the stop string had only begun


def test_a_full_context_is_the_limit(client):
    answer = say(client, "x" * 40)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("x" * 24, "length")


@pytest.mark.parametrize("text", ["abc", "naïve 世界", "one; two"], ids=["plain", "half characters", "stop begins"])
def test_a_stream_gives_the_same_text(client, text):
    pieces = list(say(client, text, stream=True, stop="; three", stream_options={"include_usage": True}))
    texts = [piece.choices[0].delta.content for piece in pieces[:-1] if piece.choices[0].delta.content]
    assert "".join(texts) == text
    assert not [piece for piece in texts if "\ufffd" in piece]
    assert pieces[0].choices[0].delta.role == "assistant"
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert pieces[-1].usage.prompt_tokens == len(text.encode())
    assert len({piece.id for piece in pieces}) == 1


def test_a_stream_arrives_in_pieces_and_says_when_it_is_over(server):
    status, text = post(server, json.dumps({"model": "parrot", "stream": True, "temperature": 0, "messages": [{"role": "user", "content": "abc"}]}).encode())
    events = text.split("\n\n")
    assert status == 200
    assert all(event.startswith("data: ") for event in events[:-1])
    assert events[-2:] == ["data: [DONE]", ""]
    assert len(events) >= 6


def test_several_choices_and_seeds(client):
    answer = say(client, "abcdefgh" * 4, n=3, temperature=1.0, seed=5)
    texts = [choice.message.content for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len(set(texts)) > 1
    assert say(client, "abcdefgh" * 4, temperature=1.0, seed=6).choices[0].message.content not in texts
    assert say(client, "abc", temperature=1.0, seed=2**70 - 1).choices[0].finish_reason in ("stop", "length")
    again = say(client, "abcdefgh" * 4, n=3, temperature=1.0, seed=5)
    assert [choice.message.content for choice in again.choices] == texts
    assert say(client, "abcdefgh" * 4, temperature=1.0, top_p=0.5).choices[0].message.content == "abcdefgh" * 4


def test_log_probabilities(client):
    told = say(client, "ab", logprobs=True, top_logprobs=2).choices[0].logprobs.content[0]
    want = torch.log_softmax(torch.tensor([2.0, 0.0, *[-50.0] * (END - 1)]), 0)
    assert (told.token, [best.token for best in told.top_logprobs]) == ("a", ["a", "b"])
    assert told.logprob == pytest.approx(float(want[0]), abs=1e-5)
    assert told.top_logprobs[1].logprob == pytest.approx(float(want[1]), abs=1e-5)
    plain = client.completions.create(model="parrot", prompt="ab", logprobs=1, temperature=0)
    assert plain.choices[0].text == "ab"
    assert plain.choices[0].logprobs.tokens == ["a", "b"]
    assert plain.choices[0].logprobs.text_offset == [0, 1]


def test_plain_completions(client):
    answer = client.completions.create(model="parrot", prompt=["ab", "cde"], temperature=0)
    assert [choice.text for choice in answer.choices] == ["ab", "cde"]
    pieces = client.completions.create(model="parrot", prompt="ab", temperature=0, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == "ab"


def test_the_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["parrot"]
    assert client.models.retrieve("parrot").owned_by == "you"


@pytest.mark.parametrize(("error", "options", "param"), [
    (openai.NotFoundError, {"model": "gpt-0"}, "model"),
    (openai.BadRequestError, {"temperature": 3}, "temperature"),
    (openai.BadRequestError, {"top_p": 0}, "top_p"),
    (openai.BadRequestError, {"max_tokens": 0}, "max_tokens"),
    (openai.BadRequestError, {"n": 99}, "n"),
    (openai.BadRequestError, {"stop": ["a"] * 5}, "stop"),
    (openai.BadRequestError, {"messages": []}, "messages"),
    (openai.BadRequestError, {"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    (openai.BadRequestError, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    (openai.BadRequestError, {"top_logprobs": 3}, "top_logprobs"),
    (openai.BadRequestError, {"response_format": {"type": "json_object"}}, "response_format"),
    (openai.BadRequestError, {"messages": [{"role": "user", "content": "x" * 64}]}, "messages"),
    (openai.BadRequestError, {"messages": [{"role": "user", "content": "x" * 64}], "stream": True}, "messages"),
])
def test_a_wrong_request_is_told_what_is_wrong(client, error, options, param):
    request = {"model": "parrot", "messages": [{"role": "user", "content": "x"}]} | options
    with pytest.raises(error) as caught:
        client.chat.completions.create(**request)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"\xff", b"[" * 9000], ids=["empty", "broken", "list", "number", "not UTF-8", "deep"])
def test_what_is_no_request_is_a_400(server, body):
    status, text = post(server, body)
    assert status == 400
    assert json.loads(text)["error"]["type"] == "invalid_request_error"


def test_an_unknown_address_has_an_error_body(server):
    status, text = post(server, b"{}", "/v1/nothing")
    assert (status, json.loads(text)["error"]["code"]) == (404, "unknown_url")


def test_a_failure_of_the_model_keeps_its_secret(client):
    with pytest.raises(openai.InternalServerError) as caught:
        say(client, "!")
    assert "secret" not in str(caught.value)
    with pytest.raises(openai.APIError) as caught:
        list(say(client, "!", stream=True))
    assert "secret" not in str(caught.value)
    assert say(client, "still here").choices[0].message.content == "still here"


def test_a_key_is_asked_for():
    with serve(Parrot(), key="right", name="polly") as server:
        with client_of(server, "wrong") as wrong, pytest.raises(openai.AuthenticationError):
            wrong.models.list()
        with client_of(server, "right") as right:
            assert [model.id for model in right.models.list()] == ["polly"]


def test_requests_run_side_by_side(server):
    answers = {}

    def ask(text):
        with client_of(server) as client:
            answers[text] = say(client, text).choices[0].message.content

    threads = [threading.Thread(target=ask, args=(letter * 20,)) for letter in "abcde"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {letter * 20: letter * 20 for letter in "abcde"}


def test_it_ends_with_its_block_and_says_nothing(capfd):
    with serve(Parrot()) as server, client_of(server) as client:
        stream = say(client, "abc", stream=True)
        next(iter(stream))
        stream.close()
        with pytest.raises(openai.InternalServerError):
            say(client, "!")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
    assert not [thread for thread in threading.enumerate() if thread.name == f"model server {server.port}"]
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_an_error(server):
    with pytest.raises(OSError, match="use"), serve(Parrot(), port=server.port):
        pass


def test_an_app_takes_more_routes_and_another_body():
    def ping(request):
        from starlette.responses import PlainTextResponse

        return PlainTextResponse("pong")

    def loud(model, replies, prompt_tokens):
        return chat_body(model, [reply | {"text": reply["text"].upper()} for reply in replies], prompt_tokens)

    app = app_for(Parrot(), chat_body=loud)
    app.add_route("/ping", ping, methods=["GET"])
    with serve_app(app) as server, client_of(server) as client:
        assert say(client, "abc").choices[0].message.content == "ABC"
        with urllib.request.urlopen(f"{server.root}/ping", timeout=20) as answer:
            assert answer.read() == b"pong"


def test_what_is_missing_is_said():
    assert why_not("json") == ""
    assert "pip install surely_not_installed" in why_not("json", "surely_not_installed")


@pytest.mark.slow
def test_smollm2_says_the_same_through_the_client():
    from handbook import load_lm

    lm = load_lm()
    with serve(lm) as server, client_of(server) as client:
        question = [{"role": "user", "content": "What is the capital of France?"}]
        answer = client.chat.completions.create(model=lm.name, messages=question, temperature=0, max_tokens=12)
        assert answer.choices[0].message.content.strip() == lm.chat(question, 12)
        first = client.completions.create(model=lm.name, prompt="The capital of France is", max_tokens=1, logprobs=5, temperature=0)
        want = dict(lm.next_token_probs("The capital of France is", 5))
        got = first.choices[0].logprobs.top_logprobs[0]
        assert {token: pytest.approx(p, abs=1e-3) for token, p in want.items()} == {token: torch.tensor(value).exp().item() for token, value in got.items()}
