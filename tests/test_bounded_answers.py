"""Judges and editors over HTTP against servers whose answers are too long, or send their clients elsewhere."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from src.errors import ModelError, ModelUnusable
from src.models.diffusion.implementations.http_editor import HttpEditor
from src.models.diffusion.implementations.openai_image_edit import OpenAIImageEditModel
from src.models.http import answer_limits
from src.models.reward.implementations.openai_reward import OpenAIRewardModel
from src.models.vlm.question import Question, Reply
from tests.chat_server import completion
from tests.conftest import png
from tests.plugins import InvertEditor

SOURCE = Image.new("RGB", (16, 16))
QUESTION = Question("You judge edits.", (), "How good?")
PIECE = bytes(2**16)
Open = Callable[..., "Server"]


@dataclass
class Server:
    """Answers every POST alike; `body` is followed by `zeros` bytes, each after `seconds` where that is not 0."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    zeros: int = 0
    seconds: float = 0.0
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    health = {"ready": True, "editor": InvertEditor.identity({}), "digest": "d" * 64}
    numbers = dict.fromkeys(("batch_size", "waiting", "editing", "capacity"), 1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(f"GET {self.path}")
            self._send(200, json.dumps(health | numbers).encode(), {}, 0)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            server.asked.append(f"POST {self.path}")
            with suppress(OSError):  # the client has heard enough
                self._send(server.status, server.body, server.headers, server.zeros)

        def _send(self, status: int, body: bytes, headers: dict[str, str], zeros: int) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            for _ in range(zeros // len(PIECE)) if not server.seconds else range(zeros):
                self.wfile.write(b"0" if server.seconds else PIECE)
                time.sleep(server.seconds)

        def log_message(self, *args: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ExitStack() as stack:
        yield lambda **what: stack.enter_context(running(Server(**what)))


def judge_at(server: Server, **params: Any) -> OpenAIRewardModel:
    return OpenAIRewardModel({"model": "judge", "base_url": server.url, "max_retries": 2, **params})


def asked(server: Server, **params: Any) -> Reply:
    return judge_at(server, **params).ask([QUESTION])[0]


def most_bytes(work: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_judges_endless_answer_is_a_clear_failure_of_one_try_and_little_memory(start: Open, status: int) -> None:
    server = start(status=status, zeros=2**36)
    judge, replies = judge_at(server), []
    assert most_bytes(lambda: replies.extend(judge.ask([QUESTION]))) < 20e6
    assert "more than 1,000,000 bytes" in replies[0].error
    assert "max_reply_bytes" in replies[0].error
    assert len(server.asked) == 1


def test_a_small_answer_that_unpacks_to_a_large_one_is_too_long(start: Open) -> None:
    bomb = gzip.compress(bytes(100_000_000), 1)
    server = start(body=bomb, headers={"content-encoding": "gzip", "content-length": str(len(bomb))})
    judge, replies = judge_at(server), []
    assert most_bytes(lambda: replies.extend(judge.ask([QUESTION]))) < 20e6
    assert "more than 1,000,000 bytes" in replies[0].error


def test_a_compressed_answer_within_the_limit_is_read(start: Open) -> None:
    body = gzip.compress(json.dumps(completion("Score: 6.5")).encode())
    reply = asked(start(body=body, headers={"content-encoding": "gzip"}))
    assert (reply.text, reply.error) == ("Score: 6.5", None)


def test_the_limit_is_a_setting_of_the_judge(start: Open) -> None:
    server = start(body=json.dumps(completion("good " * 1000)).encode())
    assert "more than 2,000 bytes" in (asked(server, max_reply_bytes=2000).error or "")
    assert asked(server, max_reply_bytes=20_000).error is None


def test_log_probabilities_of_a_long_answer_have_room_beyond_the_limit(start: Open) -> None:
    alternatives = [{"token": "x", "logprob": -1.25, "bytes": [120]} for _ in range(20)]
    answer = completion("Score: 7.0")
    tokens = [{"token": "x", "logprob": -1.25, "top_logprobs": alternatives}] * 1024
    answer["choices"][0]["logprobs"] = {"content": tokens}
    server = start(body=json.dumps(answer).encode())
    assert len(server.body) > 1_000_000
    assert asked(server, score_mode="expected").error is None
    assert "more than 1,000,000 bytes" in (asked(server).error or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_judges_redirect_is_not_followed_and_names_both_addresses(start: Open, status: int) -> None:
    elsewhere = start(body=json.dumps(completion("Score: 10")).encode())
    server = start(status=status, headers={"location": f"{elsewhere.url}/steal?key=private", "content-length": "0"})
    reply = asked(server)
    assert reply.text == ""
    for part in (f"HTTP {status}", f"{server.url}/chat/completions", f"{elsewhere.url}/steal", "not followed"):
        assert part in (reply.error or "")
    assert "private" not in (reply.error or "")
    assert (elsewhere.asked, len(server.asked)) == ([], 1)


def image_editor(server: Server, **params: Any) -> OpenAIImageEditModel:
    return OpenAIImageEditModel({"base_url": server.url, "max_retries": 2, **params})


def http_editor(server: Server, **params: Any) -> HttpEditor:
    return HttpEditor({"endpoints": [server.url], "max_retries": 2, **params})


@pytest.fixture
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("openai_image_edit", "http_editor"):
        monkeypatch.setattr(f"src.models.diffusion.implementations.{module}.PICTURE_BYTES", 2_000_000)


@pytest.mark.usefixtures("_small_pictures")
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("make", [image_editor, http_editor])
def test_an_editors_endless_answer_fails_one_edit_after_one_try(
    start: Open, make: Callable[[Server], Any], status: int
) -> None:
    server = start(status=status, zeros=2**36)
    editor = make(server)

    def edit() -> None:
        with pytest.raises(ModelError, match="more than 2,000,000 bytes") as caught:
            editor.edit_image(SOURCE, "x")
        assert not isinstance(caught.value, ModelUnusable)

    assert most_bytes(edit) < 20e6
    assert sum(line.startswith("POST") for line in server.asked) == 1


def test_the_longest_answers_of_editors_have_room_for_large_pictures() -> None:
    assert answer_limits.PICTURE_BYTES >= 64 * 2**20


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("make", [image_editor, http_editor])
def test_an_editors_redirect_is_not_followed(start: Open, make: Callable[[Server], Any], status: int) -> None:
    encoded = {"data": [{"b64_json": base64.b64encode(png()).decode()}]}
    elsewhere = start(body=json.dumps(encoded).encode() if make is image_editor else png())
    server = start(status=status, headers={"location": elsewhere.url + "/x", "content-length": "0"})
    with pytest.raises(ModelError, match="redirects are not followed") as caught:
        make(server).edit_image(SOURCE, "x")
    assert elsewhere.url + "/x" in str(caught.value)
    assert elsewhere.asked == []


@pytest.mark.parametrize("make", [image_editor, http_editor])
def test_an_answer_that_drips_ends_with_the_timeout(start: Open, make: Callable[..., Any]) -> None:
    editor = make(start(zeros=1000, seconds=0.05), timeout=0.4, max_retries=0)
    began = time.monotonic()
    with pytest.raises(ModelError):
        editor.edit_image(SOURCE, "x")
    assert time.monotonic() - began < 5
