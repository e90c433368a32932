"""The API editor against a real HTTP server on this machine."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from src.data.image import encode_png
from src.errors import ModelError, ModelUnusable
from src.models.diffusion.implementations.openai_image_edit import OpenAIImageEditModel
from tests.conftest import png

KEY = "sk-very-secret-key"
SOURCE = Image.new("RGB", (16, 16), (10, 20, 30))


def picture(color: tuple[int, int, int] = (200, 30, 30)) -> dict[str, Any]:
    return {"created": 1, "data": [{"b64_json": base64.b64encode(png(color)).decode()}]}


def failure(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


@dataclass
class Server:
    """Answers each request with the next of `answers` (status, body); the last one stays."""

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    waiting: threading.Barrier | None = None
    retry_after_ms: int = 5


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.requests.append((self.path, self.headers["authorization"], body))
            if state.waiting:
                state.waiting.wait(timeout=20)
            status, answer = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.send_header("retry-after-ms", str(state.retry_after_ms))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{httpd.server_port}/v1"
    yield state
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def editor(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., OpenAIImageEditModel]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def make(**params: Any) -> OpenAIImageEditModel:
        return OpenAIImageEditModel({"base_url": server.url, **params})

    return make


def test_the_picture_of_the_answer_is_the_edit(editor: Callable[..., OpenAIImageEditModel], server: Server) -> None:
    server.answers = [(200, picture((1, 2, 3)))]
    edited = editor(model="gpt-image-1", size="1024x1024").edit_image(SOURCE, "把天空变红")
    assert edited.getpixel((0, 0)) == (1, 2, 3)
    [(path, authorization, body)] = server.requests
    assert (path, authorization) == ("/v1/images/edits", f"Bearer {KEY}")
    for part in ("把天空变红".encode(), b"gpt-image-1", b"1024x1024", b"\x89PNG"):
        assert part in body
    for absent in (b"quality", b"response_format"):
        assert absent not in body


def test_several_sources_are_sent_in_their_order(editor: Callable[..., OpenAIImageEditModel], server: Server) -> None:
    server.answers = [(200, picture((1, 2, 3)))]
    further = [Image.new("RGB", (8, 8), color) for color in ((0, 200, 0), (0, 0, 200))]
    assert OpenAIImageEditModel.takes_further_images({})
    assert editor().edit_image(SOURCE, "join them", further_images=further).getpixel((0, 0)) == (1, 2, 3)
    [(_, _, body)] = server.requests
    places = [body.index(encode_png(one)) for one in (SOURCE, *further)]
    assert places == sorted(places)
    assert body.count(b'name="image[]"') == 3


@pytest.mark.parametrize("status", [400, 403])
def test_a_moderation_refusal_fails_one_edit_and_keeps_its_message(
    editor: Callable[..., OpenAIImageEditModel], server: Server, status: int
) -> None:
    server.answers = [(status, failure("Your request was rejected by the safety system", "moderation_blocked"))]
    with pytest.raises(ModelError, match="rejected by the safety system") as caught:
        editor().edit_image(SOURCE, "x")
    assert not isinstance(caught.value, ModelUnusable)
    assert len(server.requests) == 1


def test_a_rate_limit_is_waited_out(editor: Callable[..., OpenAIImageEditModel], server: Server) -> None:
    server.answers = [(429, failure("slow down")), (503, failure("busy")), (200, picture())]
    assert editor().edit_image(SOURCE, "x").size == (16, 16)
    assert len(server.requests) == 3


def test_retries_are_bounded(editor: Callable[..., OpenAIImageEditModel], server: Server) -> None:
    server.answers = [(429, failure("slow down"))]
    with pytest.raises(ModelError, match="slow down") as caught:
        editor(max_retries=2).edit_image(SOURCE, "x")
    assert not isinstance(caught.value, ModelUnusable)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (401, failure(f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (403, failure("not for you"), "OPENAI_API_KEY"),
        (404, failure("The model gpt-image-1 does not exist"), "has no model 'gpt-image-1'"),
        (429, failure("You exceeded your current quota", "insufficient_quota"), "no credit left: .*quota"),
    ],
)
def test_what_no_sample_can_survive_stops_the_run_without_repeating_the_key(
    editor: Callable[..., OpenAIImageEditModel], server: Server, status: int, answer: Any, message: str
) -> None:
    server.answers = [(status, answer)]
    with pytest.raises(ModelUnusable, match=message) as caught:
        editor(max_retries=0).edit_image(SOURCE, "x")
    assert KEY not in str(caught.value)


def test_a_spent_account_is_not_asked_again(editor: Callable[..., OpenAIImageEditModel], server: Server) -> None:
    server.answers = [(429, failure("You exceeded your current quota", "insufficient_quota"))]
    with pytest.raises(ModelUnusable):
        editor(max_retries=3).edit_image(SOURCE, "x")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>gateway</html>", "gave no edit|without a picture"),
        (b'{"data": [', "gave no edit|without a picture"),
        ({"created": 1}, "without a picture"),
        ({"data": []}, "without a picture"),
        ({"data": [{}]}, "emptily"),
        ({"data": [{"url": "http://127.0.0.1/x.png"}]}, "response_format: b64_json"),
        ({"data": [{"b64_json": "!!!"}]}, "not valid base64"),
        ({"data": [{"b64_json": base64.b64encode(b"no image").decode()}]}, "unreadable picture"),
    ],
)
def test_an_answer_without_a_picture_is_an_error(
    editor: Callable[..., OpenAIImageEditModel], server: Server, answer: Any, message: str
) -> None:
    server.answers = [(200, answer)]
    with pytest.raises(ModelError, match=message):
        editor(max_retries=0).edit_image(SOURCE, "x")


def test_a_server_that_is_not_there_is_an_error(editor: Callable[..., OpenAIImageEditModel]) -> None:
    with pytest.raises(ModelError, match="APIConnectionError"):
        editor(base_url="http://127.0.0.1:9/v1", max_retries=0).edit_image(SOURCE, "x")


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ModelError, match="MY_KEY"):
        OpenAIImageEditModel({"api_key_env": "MY_KEY"})


def test_several_edits_run_at_the_same_time(editor: Callable[..., OpenAIImageEditModel], server: Server) -> None:
    server.answers, server.waiting = [(200, picture())], threading.Barrier(3)
    model = editor(max_concurrency=3)
    assert model.max_concurrency == 3
    with ThreadPoolExecutor(3) as pool:
        assert len(list(pool.map(lambda text: model.edit_image(SOURCE, text), "abc"))) == 3


def test_the_key_is_never_logged_and_never_part_of_the_identity(
    editor: Callable[..., OpenAIImageEditModel], server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [(500, failure(f"failed for {KEY}"))]
    with caplog.at_level(logging.DEBUG), pytest.raises(ModelError, match=r"failed for \*\*\*"):
        editor(max_retries=1).edit_image(SOURCE, "x")
    assert KEY not in caplog.text.replace(f"failed for {KEY}", "")
    identity = OpenAIImageEditModel.identity({"model": "gpt-image-1", "max_concurrency": 9})
    assert identity == OpenAIImageEditModel.identity({"model": "gpt-image-1"})
