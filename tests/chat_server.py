"""A chat-completions server on loopback that can be told to misbehave."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def completion(text: str | None = "Score: 7.0", finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion",
        "model": "judge-2026-01-01",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


@dataclass(frozen=True)
class Answer:
    """What the server does with one request."""

    body: Any = field(default_factory=completion)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    how: str = "whole"
    """`whole`, `truncated` (breaks off within the body) or `reset` (no answer at all)."""


def failure(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer({"error": {"message": message, "type": "error", "code": code}}, status, named)


FAULTS = {
    "429": failure(429),
    "429 with Retry-After": failure(429, retry_after="0.02"),
    "500": failure(500),
    "503": failure(503),
    "reset": Answer(how="reset"),
    "truncated": Answer(how="truncated"),
    "invalid JSON": Answer(b'{"choices": [{'),
    "a web page": Answer(b"<html>gateway</html>"),
    "wrong schema": Answer({"choices": {"message": "hello"}}),
    "no choices": Answer(completion() | {"choices": []}),
    "empty": Answer(completion("")),
    "null": Answer(completion(None)),
    "hang": Answer(seconds=1.5),
}


@dataclass
class ChatServer:
    """Each request is answered by `script(body, number)`: the number of earlier requests with the same text."""

    script: Callable[[dict[str, Any], int], Answer] = lambda body, number: Answer()
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    def play(self, *answers: Answer) -> None:
        """The answers in turn, whatever is asked; the last one stays."""
        left = list(answers)
        self.script = lambda body, number: left.pop(0) if len(left) > 1 else left[0]


def text_of(body: dict[str, Any]) -> str:
    """The text after the images, or all texts where an image is last."""
    content = body["messages"][-1]["content"]
    texts = [part["text"] for part in content if part["type"] == "text"]
    return str(texts[-1] if content[-1]["type"] == "text" else "\n".join(texts))


@contextmanager
def chat_server(port: int = 0) -> Iterator[ChatServer]:
    state = ChatServer()
    lock = threading.Lock()
    connections: set[socket.socket] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            connections.add(self.connection)

        def finish(self) -> None:
            connections.discard(self.connection)
            super().finish()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = sum(text_of(earlier) == text_of(body) for earlier in state.requests)
                state.requests.append(body)
                state.keys.append(self.headers["authorization"])
                answer = state.script(body, number)
                state.under_way += 1
                state.most_under_way = max(state.most_under_way, state.under_way)
            time.sleep(answer.seconds)
            with lock:
                state.under_way -= 1
            self._answer(answer)

        def _answer(self, answer: Answer) -> None:
            if answer.how == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if answer.how == "truncated":
                data, self.close_connection = data[:20], True
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *args: Any) -> None: ...

    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        for connection in list(connections):  # a server that is gone answers nobody any more
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
