"""Judges that misbehave in any order, and random requests to the edit server, over real connections on loopback."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import base64
import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.config import parse_config
from src.data.verdict import Status
from src.pipeline.evaluation import evaluate
from tests.api_judge import Make, judge, server  # noqa: F401 (fixtures)
from tests.chat_server import FAULTS, Answer, ChatServer
from tests.conftest import item, png
from tests.edit_servers import CLIENT, edit_server
from tests.plugins import InvertEditor

SCORE = 7.0
QUICK_FAULTS = sorted(name for name in FAULTS if name != "hang")
SAME_FIXTURES = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SAME_FIXTURES
@given(st.lists(st.sampled_from([*QUICK_FAULTS, "fine", "fine"]), min_size=1, max_size=8))
def test_faults_of_a_judge_in_any_order_are_statuses_and_never_numbers(
    judge: Make, server: ChatServer, order: list[str]
) -> None:
    answers = [Answer() if name == "fine" else FAULTS[name] for name in order]
    asked = iter(range(10**6))
    server.script = lambda body, number: answers[next(asked) % len(answers)]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "b.json"
        data.write_text(json.dumps([item(index) for index in range(5)]))
        params = {"model": "judge", "base_url": server.url, "max_retries": 1, "timeout": 5}
        config = parse_config(
            {
                "benchmark": {"data_path": str(data)},
                "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
                "reward_model": {
                    "class_path": "src.models.reward.implementations.openai_reward.OpenAIRewardModel",
                    "params": params,
                },
                "evaluation": {"output_dir": str(Path(folder) / "out")},
            },
            "test",
        )
        report = evaluate(config).report
    rows = report["samples"]
    assert len(rows) == 5
    assert all((row["score"] == SCORE) == (row["status"] == Status.SCORED) for row in rows)
    assert all(row["score"] is None and row["reason"] for row in rows if row["status"] != Status.SCORED)
    if "fine" not in order:
        assert report["overall_statistics"]["num_samples"] == 0
    if set(order) == {"fine"}:
        assert report["overall_statistics"]["num_samples"] == 5


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with edit_server(InvertEditor()) as running:
        yield running


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SOUND = {"image": base64.b64encode(png()).decode(), "instruction": "do it", "seed": 7}
BODIES = (
    st.binary(max_size=200)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from([*SOUND, "digest", "x"]), VALUES, max_size=4).map(
        lambda changes: json.dumps(SOUND | changes).encode()
    )
)
NAMES = ("content-type", "origin", "host", "content-length", "transfer-encoding", "authorization", "expect")
TEXTS = ("application/json", "text/plain", "", "chunked", "5", "-1", "evil.example", "100-continue", "x" * 999)
HEADERS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS), max_size=4)


def answer_of(url: str, request: bytes) -> bytes:
    """What a server says to these bytes until it falls silent or hangs up."""
    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=0.15) as connection:
        said = b""
        try:
            connection.sendall(request)
            while data := connection.recv(65536):
                said += data
        except OSError:
            pass
        return said


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "\x00", "POST\r\n"]),
    st.sampled_from(["/edit", "/health", "/", "/../etc/passwd", "/edit?a=\x1b", "/%00", "*", "http://evil.example/"]),
    HEADERS,
    BODIES,
)
def test_no_request_to_the_edit_server_keeps_it_from_serving_the_next(
    url: str, caplog: pytest.LogCaptureFixture, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    stated = {
        "host": urlsplit(url).netloc,
        "content-type": "application/json",
        "content-length": str(len(body)),
    } | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in stated.items())
    said = answer_of(url, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace") + body)
    status = said.split(b" ", 2)[1:2]
    assert not status or status[0][:1] in (b"1", b"2", b"4"), said[:300]
    assert not [record for record in caplog.records if record.exc_info]


def test_after_all_that_the_edit_server_edits(url: str) -> None:
    reply = CLIENT.post(f"{url}/edit", json=SOUND)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    health: dict[str, Any] = CLIENT.get(f"{url}/health").json()
    assert (health["waiting"], health["editing"], health["ready"]) == (0, 0, True)
