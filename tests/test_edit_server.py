"""The editor's server over real connections on this machine."""

from __future__ import annotations

import base64
import io
import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from src.config import ModelConfig, load_served_model
from src.errors import ConfigError, ModelUnusable
from src.pipeline.keys import digest
from src.serving import edit_server as edit_server_module
from src.serving.serve import ServingOptions, serve_editor
from tests.conftest import png
from tests.edit_servers import CLIENT, edit_server, free_port, server_process
from tests.plugins import BatchEditor, FaultyEditor, InvertEditor, SeedEditor


class GatedEditor(SeedEditor):
    """Works in batches of two, each only once the test opens the gate for it."""

    batch_size = 2

    def _initialize(self) -> None:
        self.gate = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def batch_edit(
        self, images: list[Image.Image], instructions: list[str], seeds: list[int] | None = None, **kwargs: Any
    ) -> list[Image.Image]:
        self.gate.acquire(timeout=20)
        self.batches.append(list(seeds or []))
        return [SeedEditor.edit_image(self, image, "", seed) for image, seed in zip(images, seeds or [], strict=True)]

    def edit_image(self, original_image: Image.Image, edit_instruction: str, seed: int = 0) -> Image.Image:
        return self.batch_edit([original_image], [edit_instruction], [seed])[0]


class BrokeEditor(SeedEditor):
    """Can serve nobody."""

    def edit_image(self, original_image: Image.Image, edit_instruction: str, seed: int = 0) -> Image.Image:
        raise ModelUnusable("the quota is exhausted")


@pytest.fixture
def gated() -> Iterator[GatedEditor]:
    editor = GatedEditor()
    yield editor
    editor.gate.release(1000)


JSON = {"content-type": "application/json"}


def request(image: bytes | None = None, **changes: Any) -> dict[str, Any]:
    return {"image": base64.b64encode(image or png()).decode(), "instruction": "do it", "seed": 7} | changes


def post(url: str, body: Any) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CLIENT.post(url + "/edit", content=content, headers=JSON)


def wait_until(url: str, **state: int) -> None:
    deadline = time.monotonic() + 20
    while not state.items() <= (health := CLIENT.get(url + "/health").json()).items():
        assert time.monotonic() < deadline, health
        time.sleep(0.01)


def picture(answer: httpx2.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_an_edit_comes_back_as_a_png_without_loss() -> None:
    noise = Image.effect_noise((33, 21), 90).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, format="PNG")
    with edit_server(InvertEditor()) as url:
        answer = post(url, request(buffer.getvalue()))
    edited = picture(answer)
    assert answer.headers["content-type"] == "image/png"
    assert edited.format == "PNG"
    assert [255 - value for value in edited.tobytes()] == list(noise.tobytes())
    assert re.fullmatch(r"queue;dur=[\d.]+, edit;dur=[\d.]+;desc=batch-of-1", answer.headers["server-timing"])


def test_the_seed_of_a_request_reaches_the_editor() -> None:
    with edit_server(SeedEditor()) as url:
        assert picture(post(url, request(seed=0x030201))).getpixel((0, 0)) == (1, 2, 3)


def test_health_names_the_editor_by_its_identity() -> None:
    editor = BatchEditor({"style": "plain"})
    with edit_server(editor, capacity=5) as url:
        health = CLIENT.get(url + "/health").json()
    identity = BatchEditor.identity(editor.config)
    assert health == {
        "ready": True,
        "editor": identity,
        "digest": digest(identity),
        "takes_source": True,
        "takes_text_alone": False,
        "takes_further_images": False,
        "batch_size": 4,
        "waiting": 0,
        "editing": 0,
        "capacity": 5,
    }


def test_requests_that_come_together_share_batches() -> None:
    BatchEditor.batches.clear()
    with edit_server(BatchEditor(), max_wait=2.0) as url, ThreadPoolExecutor(8) as threads:
        colours = [
            picture(answer).getpixel((0, 0))
            for answer in threads.map(lambda seed: post(url, request(seed=seed)), range(8))
        ]
    assert BatchEditor.batches == [4, 4]
    assert colours == [(seed, 0, 0) for seed in range(8)]


def test_a_lone_request_does_not_wait_for_a_full_batch() -> None:
    with edit_server(BatchEditor(), max_wait=0.05) as url:
        answer = post(url, request())
    assert "batch-of-1" in answer.headers["server-timing"]


def test_a_full_queue_sends_requests_away_with_a_time_to_come_back(gated: GatedEditor) -> None:
    with edit_server(gated, capacity=1, max_wait=0) as url, ThreadPoolExecutor(2) as threads:
        first = threads.submit(post, url, request())
        wait_until(url, editing=1)
        second = threads.submit(post, url, request())
        wait_until(url, waiting=1)
        away = post(url, request())
        gated.gate.release(2)
        assert [first.result().status_code, second.result().status_code] == [200, 200]
    assert away.status_code == 429
    assert away.json()["kind"] == "busy"
    assert int(away.headers["retry-after"]) >= 1
    assert int(away.headers["retry-after-ms"]) > 0


def test_a_request_whose_client_hung_up_is_not_edited(gated: GatedEditor) -> None:
    with edit_server(gated, max_wait=0) as url, ThreadPoolExecutor(2) as threads:
        first = threads.submit(post, url, request(seed=1))
        wait_until(url, editing=1)
        with pytest.raises(httpx2.ReadTimeout):
            CLIENT.post(url + "/edit", json=request(seed=2), timeout=0.2)
        third = threads.submit(post, url, request(seed=3))
        wait_until(url, waiting=2)
        gated.gate.release(2)
        assert [first.result().status_code, third.result().status_code] == [200, 200]
    assert gated.batches == [[1], [3]]


def test_replicas_work_at_the_same_time(gated: GatedEditor) -> None:
    other = GatedEditor()
    with edit_server(gated, other, max_wait=0) as url, ThreadPoolExecutor(2) as threads:
        answers = []
        for count in (1, 2):
            answers.append(threads.submit(post, url, request()))
            wait_until(url, editing=count)
        gated.gate.release()
        other.gate.release()
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert len(gated.batches) == len(other.batches) == 1


@pytest.mark.parametrize(
    ("body", "status", "kind", "reason"),
    [
        (b"{", 400, "bad_request", "Invalid JSON"),
        ({"instruction": "x"}, 400, "bad_request", "the request has no image"),
        (request(instruction=""), 400, "bad_request", "instruction:"),
        (request(seed=-1), 400, "bad_request", "seed:"),
        (request(colour="red"), 400, "bad_request", "colour:"),
        (request(image=b"not a picture"), 422, "bad_image", "not a readable image"),
        (request() | {"image": "%%%"}, 422, "bad_image", "not valid base64"),
        (request(image=png(size=(4, 4))), 422, "bad_image", "at least 8"),
        (request(image=png(size=(9000, 9000))), 422, "bad_image", "above the limit"),
        (request(digest="0" * 64), 409, "other_editor", "tests.plugins.InvertEditor"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(body: Any, status: int, kind: str, reason: str) -> None:
    with edit_server(InvertEditor()) as url:
        answer = post(url, body)
        assert CLIENT.get(url + "/health").json()["ready"]
    assert (answer.status_code, answer.json()["kind"]) == (status, kind)
    assert reason in answer.json()["reason"]
    if isinstance(body, dict) and "image" in body:
        assert body["image"][:30] not in answer.text


def test_a_body_above_the_limit_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_server_module, "MAX_BODY", 1000)
    with edit_server(InvertEditor()) as url:
        answer = post(url, b"x" * 5000)
        assert post(url, request()).status_code == 200
    assert (answer.status_code, answer.json()["kind"]) == (413, "too_large")


def test_an_unknown_path_names_the_known_ones() -> None:
    with edit_server(InvertEditor()) as url:
        answer = CLIENT.get(url + "/edits")
    assert answer.status_code == 404
    assert "POST /edit" in answer.json()["reason"]


@pytest.mark.parametrize("fault", ["raise", "none", "text"])
def test_a_failed_edit_is_an_error_and_never_a_picture(fault: str) -> None:
    with edit_server(FaultyEditor()) as url:
        failed, fine = post(url, request(instruction=fault)), post(url, request())
    assert (failed.status_code, failed.json()["kind"]) == (500, "edit_failed")
    assert failed.json()["reason"]
    assert fine.status_code == 200


def test_one_failing_edit_does_not_spoil_its_batch() -> None:
    with edit_server(BatchEditor({"refuse": "curse"}), max_wait=2.0) as url, ThreadPoolExecutor(4) as threads:
        texts = ["a", "curse", "b", "c"]
        answers = list(threads.map(lambda text: post(url, request(instruction=text)).status_code, texts))
    assert answers == [200, 500, 200, 200]


def test_an_unusable_editor_is_not_ready_any_more() -> None:
    with edit_server(BrokeEditor()) as url:
        answers = [post(url, request()) for _ in range(2)]
        assert not CLIENT.get(url + "/health").json()["ready"]
    assert [(answer.status_code, answer.json()["kind"]) for answer in answers] == [(503, "unusable")] * 2
    assert "quota" in answers[1].json()["reason"]


def test_the_command_serves_and_finishes_accepted_requests_before_it_stops(tmp_path: Path) -> None:
    port = free_port()
    slow = {"class_path": "tests.plugins.InvertEditor", "params": {"seconds": 0.4}}
    with server_process(tmp_path, slow, port) as process:
        url = f"http://127.0.0.1:{port}"
        with ThreadPoolExecutor(3) as threads:
            answers = [threads.submit(post, url, request()) for _ in range(3)]
            wait_until(url, editing=1, waiting=2)
            process.send_signal(signal.SIGINT)
            assert [answer.result().status_code for answer in answers] == [200] * 3
        assert process.wait(20) in (0, 130, -signal.SIGINT)


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_any_config_with_an_editor_can_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLE", "plain")
    text = "diffusion_model: {class_path: a.B, params: {style: '${STYLE}', steps: 1}}\npolicy: {model: x}\n"
    config = load_served_model(write(tmp_path, text), ["diffusion_model.params.steps=9"])
    assert (config.class_path, config.params) == ("a.B", {"style": "plain", "steps": 9})


@pytest.mark.parametrize("text", ["benchmark: {}", "- 1", "diffusion_model: {}", "diffusion_model: {klass: x}", "{"])
def test_a_config_without_an_editor_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_served_model(write(tmp_path, text))


def test_a_port_in_use_is_found_before_the_editor_loads() -> None:
    config = ModelConfig(class_path="tests.plugins.UnloadableEditor")
    with edit_server(InvertEditor()) as url, pytest.raises(ConfigError, match="choose another --port"):
        serve_editor(config, ServingOptions(port=int(url.rpartition(":")[2])))
