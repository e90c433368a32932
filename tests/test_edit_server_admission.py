"""Whose requests the edit server looks at, and for how long it waits for them."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from src.data.loader import Selection, load_samples
from src.data.sample import MAX_INSTRUCTION, BadSample
from src.errors import ConfigError, ModelError
from src.models.diffusion.batching import EditFailure
from src.models.diffusion.implementations.http_editor import HttpEditor
from src.pipeline.editing import PendingEdit, edit_within
from src.pipeline.pixels import PixelBudget
from src.serving.admission import Admission
from src.serving.edit_service import EditService
from tests.conftest import item, png
from tests.edit_servers import CLIENT, edit_server, free_port, server_process
from tests.plugins import InvertEditor
from tests.test_edit_server import GatedEditor, gated, wait_until  # noqa: F401 (fixture)

TOKEN = "correct-horse-battery-staple"
BODY = json.dumps({"image": base64.b64encode(png()).decode(), "instruction": "x"}).encode()
JSON = {"content-type": "application/json"}
SOURCE = Image.new("RGB", (16, 16))


def status(url: str, method: str = "POST", path: str = "/edit", **headers: str | bytes) -> int:
    named: dict[str, Any] = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
    return CLIENT.request(method, url + path, content=BODY if method == "POST" else None, headers=named).status_code


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_only_json_is_read(kind: str) -> None:
    with edit_server(InvertEditor()) as url:
        assert status(url, content_type=kind) == 415
        assert status(url, content_type="Application/JSON; charset=utf-8") == 200


@pytest.mark.parametrize("path", ["GET /health", "POST /edit"])
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", 200),
        ("localhost:8100", 200),
        ("[::1]:8100", 200),
        ("Editor.Example:1", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("[", 403),
        ("10.0.0.1", 403),
    ],
)
def test_only_hosts_of_its_own_are_answered(host: str, expected: int, path: str) -> None:
    method, path = path.split()
    with edit_server(InvertEditor(), admission=Admission(frozenset({"editor.example"}))) as url:
        assert status(url, method, path, host=host) == expected


def test_pages_of_other_origins_are_refused() -> None:
    with edit_server(InvertEditor()) as url:
        for origin in ("http://evil.example", "null", "http://localhost:1", url.replace("127.0.0.1", "127.0.0.2")):
            assert status(url, origin=origin) == 403
        assert status(url, origin=url) == 200


def test_a_token_is_asked_for_and_never_shown() -> None:
    with edit_server(InvertEditor(), admission=Admission(token=TOKEN)) as url:
        for method, path in (("GET", "/health"), ("POST", "/edit")):
            assert status(url, method, path) == 401
            assert status(url, method, path, authorization=f"Bearer {TOKEN}x") == 401
            assert status(url, method, path, authorization="Bearer café".encode()) == 401
            assert status(url, method, path, authorization=f"Bearer {TOKEN}") == 200
        answer = CLIENT.get(url + "/health")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text
    assert "wants its token as the bearer in the Authorization header (HttpEditor: token_env)" in answer.text


@pytest.mark.parametrize("token", ["", "two words", "schlüssel", "line\nbreak"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="printable ASCII"):
        Admission(token=token)


def test_an_http_editor_sends_the_token_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with edit_server(InvertEditor(), admission=Admission(token=TOKEN)) as url:
        params: dict[str, Any] = {"endpoints": [url], "token_env": "MY_EDITOR_TOKEN"}
        with pytest.raises(ModelError, match="MY_EDITOR_TOKEN"):
            HttpEditor(params)
        monkeypatch.setenv("MY_EDITOR_TOKEN", TOKEN)
        assert HttpEditor(params).edit_image(SOURCE, "x") == InvertEditor().edit_image(SOURCE, "x")
        assert HttpEditor.identity(params) == InvertEditor.identity({})
        with pytest.raises(ModelError, match=r"unauthorized.*token_env"):
            HttpEditor({"endpoints": [url]})


def test_the_command_takes_the_token_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITLOOP_SERVE_TOKEN", TOKEN)
    port = free_port()
    with server_process(tmp_path, {"class_path": "tests.plugins.InvertEditor"}, port):
        url = f"http://127.0.0.1:{port}"
        assert [status(url), status(url, authorization=f"Bearer {TOKEN}")] == [401, 200]


HEAD = b"POST /edit HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    "beginning", [b"", HEAD, HEAD + b"content-length: 1000\r\n\r\n{"], ids=["nothing", "half a head", "half a body"]
)
def test_half_open_requests_do_not_stay(beginning: bytes) -> None:
    with edit_server(InvertEditor(), admission=Admission(seconds=0.4)) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        connections = [socket.create_connection(address) for _ in range(100)]
        for connection in connections:
            connection.settimeout(20)
            connection.sendall(beginning)
        began = time.monotonic()
        for connection in connections:
            answer = b""
            try:
                while piece := connection.recv(4096):
                    answer += piece
            except ConnectionResetError:
                pass
            assert answer == b"" or (b" 408 " in answer and b"too_slow" in answer)
            connection.close()
        assert time.monotonic() - began < 15
        assert status(url) == 200


def test_an_edit_that_takes_longer_than_a_request_may_is_finished() -> None:
    with edit_server(InvertEditor({"seconds": 0.8}), admission=Admission(seconds=0.3)) as url:
        assert status(url) == 200


def test_requests_that_wait_hold_no_more_pixels_than_the_budget_and_none_once_their_clients_left(
    gated: GatedEditor,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services: list[EditService] = []
    looked = EditService._look_at

    async def spied(self: EditService, edit: PendingEdit) -> None:
        services.append(self)
        await looked(self, edit)

    monkeypatch.setattr(EditService, "_look_at", spied)
    large = json.dumps({"image": base64.b64encode(png(size=(600, 500))).decode(), "instruction": "x"}).encode()

    def leave_early(_: int) -> None:
        with pytest.raises(httpx2.ReadTimeout):
            CLIENT.post(url + "/edit", content=large, headers=JSON, timeout=1.5)

    with edit_server(gated, max_wait=0, megabytes=10) as url, ThreadPoolExecutor(16) as threads:
        first = threads.submit(CLIENT.post, url + "/edit", content=large, headers=JSON)
        wait_until(url, editing=1)
        leaving = threads.map(leave_early, range(8))
        wait_until(url, waiting=8)
        [pixels] = {service._pixels for service in services}
        assert pixels.held <= 10_000_000
        assert pixels.held > 3 * 600 * 500 * 4, "some of them wait decoded"
        list(leaving)
        deadline = time.monotonic() + 10
        while pixels.held > 3 * 600 * 500 * 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        gated.gate.release(10)
        assert first.result().status_code == 200
        wait_until(url, waiting=0, editing=0)
        assert pixels.held == 0


def test_an_instruction_above_the_limit_is_refused_in_files_over_http_and_in_process_alike(
    write_benchmark: Callable[..., Path],
) -> None:
    fits, above = "x" * MAX_INSTRUCTION, "x" * (MAX_INSTRUCTION + 1)
    items = [item(0, edit_instruction_en=fits), item(1, edit_instruction_en=above)]
    sound, bad = load_samples(str(write_benchmark(items)), Selection())
    assert isinstance(bad, BadSample)
    assert "20,001 characters, above the limit of 20,000" in bad.reason
    assert not isinstance(sound, BadSample)
    assert sound.instruction == fits
    with edit_server(InvertEditor()) as url:
        for text, expected in ((fits, 200), (above, 400)):
            body = json.loads(BODY) | {"instruction": text}
            assert CLIENT.post(url + "/edit", json=body).status_code == expected


def test_a_written_instruction_above_the_limit_fails_alone_in_its_batch(write_benchmark: Callable[..., Path]) -> None:
    samples = [
        sample for sample in load_samples(str(write_benchmark(2)), Selection()) if not isinstance(sample, BadSample)
    ]
    object.__setattr__(samples[1], "instruction", "x" * (MAX_INSTRUCTION + 1))
    edits = [PendingEdit(sample.source, sample.instruction, sample.sample_id) for sample in samples]
    fine, failure = edit_within(PixelBudget(), InvertEditor(), edits)
    assert fine is None
    assert isinstance(failure, EditFailure)
    assert "above the limit of 20,000" in failure.reason
