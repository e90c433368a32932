"""`HttpEditor` against real servers on this machine."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydantic
import pytest
from PIL import Image

from src.config import Config
from src.errors import ConfigError, ModelError, ModelUnusable
from src.models.diffusion.implementations.http_editor import HttpEditor
from src.models.http import endpoints as endpoints_module
from src.models.http import retries
from src.models.http.endpoints import Endpoints
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from tests.conftest import png
from tests.edit_servers import edit_server, free_port, server_process
from tests.plugins import BatchEditor, FaultyEditor, InvertEditor, SeedEditor

SOURCE = Image.new("RGB", (16, 16), (10, 20, 30))
A, B = "http://a", "http://b"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.02)


def http_editor(*urls: str, **params: Any) -> HttpEditor:
    return HttpEditor({"endpoints": list(urls), **params})


@dataclass
class FakeServer:
    """Says it serves `InvertEditor`, and answers edits with `answers` in turn; the last one stays."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)


def problem(status: int, kind: str, reason: str = "why", **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps({"kind": kind, "reason": reason}).encode()


PICTURE = (200, {"content-type": "image/png"}, png())


@contextmanager
def fake_server(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[FakeServer]:
    state = FakeServer(answers=list(answers))
    health = {
        "ready": True,
        "editor": InvertEditor.identity({}),
        "digest": "d" * 64,
        "batch_size": 1,
        "waiting": 0,
        "editing": 0,
        "capacity": 9,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {}, json.dumps(health).encode())

        def do_POST(self) -> None:
            state.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._answer(*(state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]))

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def test_an_edit_over_http_has_the_pixels_of_the_local_editor() -> None:
    noise = Image.effect_noise((40, 24), 90).convert("RGB")
    with edit_server(InvertEditor()) as url:
        assert http_editor(url).edit_image(noise, "x", seed=3) == InvertEditor().edit_image(noise, "x")


def test_results_keep_the_order_of_a_batch_over_several_endpoints() -> None:
    with edit_server(SeedEditor()) as one, edit_server(SeedEditor()) as two:
        edits = http_editor(one, two).batch_edit([SOURCE] * 40, ["x"] * 40, list(range(40)))
    assert [edit.getpixel((0, 0))[0] for edit in edits] == list(range(40))


def test_calls_from_many_threads_fill_the_servers_batches() -> None:
    BatchEditor.batches.clear()
    with edit_server(BatchEditor(), max_wait=1.0) as url:
        editor = http_editor(url, max_concurrency=8)
        editor.batch_edit([SOURCE] * 8, ["x"] * 8, list(range(8)))
    assert BatchEditor.batches == [4, 4]


def test_its_identity_is_that_of_the_served_editor() -> None:
    editor = BatchEditor({"style": "plain"})
    with edit_server(editor) as url:
        assert HttpEditor.identity({"endpoints": [url]}) == BatchEditor.identity(editor.config)


def test_edits_of_a_run_are_shared_with_the_same_editor_in_process(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config], tmp_path: Path
) -> None:
    log = tmp_path / "edits.log"
    local = make_config(write_benchmark(6), diffusion_model={"params": {"log": str(log)}})
    evaluate(local)
    with edit_server(InvertEditor({"log": str(log)})) as url:
        served = {
            "class_path": "src.models.diffusion.implementations.http_editor.HttpEditor",
            "params": {"endpoints": [url + "/"]},
        }
        resumed = {"resume_from_checkpoint": True}
        remote = make_config(Path(local.benchmark.data_path), diffusion_model=served, evaluation=resumed)
        assert RunPlan(remote).editor.identity() == RunPlan(local).editor.identity()
        report = evaluate(remote).report
    assert len(log.read_text(encoding="utf-8").splitlines()) == 6
    assert report["overall_statistics"]["num_samples"] == 6


def test_a_whole_run_edits_over_http(write_benchmark: Callable[..., Path], make_config: Callable[..., Config]) -> None:
    with edit_server(BatchEditor()) as one, edit_server(BatchEditor()) as two:
        served = {
            "class_path": "src.models.diffusion.implementations.http_editor.HttpEditor",
            "params": {"endpoints": [one, two]},
        }
        report = evaluate(make_config(write_benchmark(12), diffusion_model=served)).report
    assert report["overall_statistics"]["num_samples"] == 12


def test_endpoints_that_serve_different_editors_are_refused() -> None:
    with (
        edit_server(InvertEditor()) as one,
        edit_server(SeedEditor()) as two,
        pytest.raises(ConfigError, match=r"(?s)different editors.*InvertEditor.*SeedEditor"),
    ):
        HttpEditor.identity({"endpoints": [one, two]})


def test_a_run_starts_when_one_of_its_endpoints_answers(caplog: pytest.LogCaptureFixture) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with edit_server(SeedEditor()) as url:
        editor = http_editor(dead, url)
        edits = editor.batch_edit([SOURCE] * 6, ["x"] * 6, list(range(6)))
    assert f"going on without {dead}" in caplog.text
    assert [edit.getpixel((0, 0))[0] for edit in edits] == list(range(6))


def test_no_endpoint_at_all_is_an_error_that_names_each() -> None:
    ports = [free_port(), free_port()]
    with pytest.raises(ModelError, match=rf"(?s){ports[0]}.*{ports[1]}.*serve-editor"):
        HttpEditor.identity({"endpoints": [f"http://127.0.0.1:{port}" for port in ports]})


def test_an_address_of_something_else_is_no_endpoint() -> None:
    with edit_server(SeedEditor()) as url, pytest.raises(ModelError, match="HTTP 404, not the answer of an editor"):
        HttpEditor.identity({"endpoints": [url + "/other"]})


def test_when_one_of_two_servers_is_killed_the_other_one_goes_on(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        url = stack.enter_context(edit_server(SeedEditor()))
        process = stack.enter_context(server_process(tmp_path, {"class_path": "tests.plugins.SeedEditor"}, port))
        editor = http_editor(f"http://127.0.0.1:{port}", url)
        edits = []
        for seed in range(12):
            if seed == 4:
                process.kill()
                process.wait(20)
            edits += editor.batch_edit([SOURCE] * 2, ["x"] * 2, [seed, seed + 100])
    assert [edit.getpixel((0, 0))[0] for edit in edits] == [n for seed in range(12) for n in (seed, seed + 100)]


def test_a_server_that_comes_back_is_used_again() -> None:
    port = free_port()
    with edit_server(SeedEditor(), port=port) as url:
        editor = http_editor(url)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(editor.edit_image, SOURCE, "x", 5)
        time.sleep(0.1)
        assert not waiting.done()
        with edit_server(SeedEditor(), port=port):
            assert waiting.result(20).getpixel((0, 0))[0] == 5


def test_a_server_that_is_gone_for_good_is_an_error_that_names_the_endpoints() -> None:
    with edit_server(SeedEditor()) as one, edit_server(SeedEditor()) as two:
        editor = http_editor(one, two, max_retries=3)
    with pytest.raises(ModelError, match=rf"no edit after 4 failures of {one}, {two}; the last"):
        editor.edit_image(SOURCE, "x")


@pytest.mark.parametrize(
    "failure",
    [
        problem(500, "failed"),
        (502, {}, b"<html>gateway</html>"),
        (503, {"retry-after": "0.01"}, b""),
        (200, {}, b"no picture"),
        (200, {"content-length": "999"}, png()),
    ],
)
def test_a_passing_failure_is_tried_again(failure: tuple[int, dict[str, str], bytes]) -> None:
    with fake_server(failure, failure, PICTURE) as server:
        assert http_editor(server.url, timeout=1).edit_image(SOURCE, "x").getpixel((0, 0)) == (200, 30, 30)
    assert len(server.requests) == 3


def test_a_full_queue_is_waited_for_and_costs_no_retry() -> None:
    busy = problem(429, "busy", retry_after_ms="20")
    with fake_server(*[busy] * 5, PICTURE) as server:
        http_editor(server.url, max_retries=0).edit_image(SOURCE, "x")
    assert len(server.requests) == 6


def test_a_queue_that_stays_full_fails_the_edit_after_its_timeout() -> None:
    full = problem(429, "busy", retry_after_ms="20")
    with fake_server(full) as server, pytest.raises(ModelError, match="busy: why"):
        http_editor(server.url, timeout=0.2).edit_image(SOURCE, "x")
    assert len(server.requests) > 2


@pytest.mark.parametrize(
    "answer", [problem(500, "edit_failed"), problem(422, "bad_image"), problem(400, "bad_request")]
)
def test_a_failed_edit_is_not_tried_again(answer: tuple[int, dict[str, str], bytes]) -> None:
    with fake_server(answer) as server, pytest.raises(ModelError, match=rf"{json.loads(answer[2])['kind']}: why"):
        http_editor(server.url).edit_image(SOURCE, "x")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer", [problem(503, "unusable"), problem(409, "other_editor"), problem(404, "unknown"), (403, {}, b"no")]
)
def test_endpoints_that_can_serve_nothing_stop_the_run(answer: tuple[int, dict[str, str], bytes]) -> None:
    with fake_server(answer) as one, fake_server(answer) as two:
        editor = http_editor(one.url, two.url)
        with pytest.raises(ModelUnusable, match=rf"(?s){one.url}: .*{two.url}: "):
            editor.edit_image(SOURCE, "x")
        with pytest.raises(ModelUnusable):
            editor.edit_image(SOURCE, "x")
    assert len(one.requests) == len(two.requests) == 1


def test_every_request_names_the_editor_that_it_expects() -> None:
    port = free_port()
    with edit_server(SeedEditor(), port=port) as url:
        editor = http_editor(url)
    with edit_server(InvertEditor(), port=port), pytest.raises(ModelUnusable, match="other_editor"):
        editor.edit_image(SOURCE, "x")


def test_the_servers_reason_for_a_failed_edit_is_reported() -> None:
    with edit_server(FaultyEditor()) as url, pytest.raises(ModelError, match="out of paint"):
        http_editor(url).edit_image(SOURCE, "raise")


def test_sources_travel_without_loss() -> None:
    noise = Image.effect_noise((20, 20), 90).convert("RGB")
    with fake_server(PICTURE) as server:
        http_editor(server.url).edit_image(noise, "加上雪", seed=9)
    sent = server.requests[0]
    assert base64.b64decode(sent["image"]).startswith(b"\x89PNG")
    assert (sent["instruction"], sent["seed"], sent["digest"]) == ("加上雪", 9, "d" * 64)


@pytest.mark.parametrize("urls", [[], ["127.0.0.1:8100"], [A, A + "/"]])
def test_wrong_endpoints_are_refused_before_anything_is_asked(urls: list[str]) -> None:
    with pytest.raises(pydantic.ValidationError):
        HttpEditor.Params(endpoints=urls)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    monkeypatch.setattr(endpoints_module, "pause", lambda faults, retry_after: retry_after or 2.0**faults)
    return Endpoints([A, B], clock, clock.sleep)


def test_the_least_loaded_endpoint_is_next(pool: Endpoints) -> None:
    with ExitStack() as leases:
        taken = [leases.enter_context(pool.lease()) for _ in range(4)]
    assert sorted(taken) == [A, A, B, B]
    assert sorted(taken[:2]) == [A, B]


def test_a_faulty_endpoint_rests_longer_each_time_and_is_tried_again(pool: Endpoints, clock: Clock) -> None:
    pool.exclude(B, "gone")
    for rest in (1.0, 2.0, 4.0):
        with pool.lease() as url:
            before = clock.now
            pool.record_failure(url, "no answer")
        with pool.lease():
            assert clock.now - before == rest
    pool.record_success(A)
    pool.record_failure(A, "no answer")
    with pool.lease():
        assert clock.now == 7.0 + 1.0


def test_failures_of_requests_that_were_under_way_together_count_once(pool: Endpoints, clock: Clock) -> None:
    for _ in range(10):
        pool.record_failure(A, "no answer")
        pool.record_failure(B, "no answer")
    with pool.lease():
        assert clock.now == 1.0


def test_while_one_endpoint_rests_the_other_gets_everything(pool: Endpoints, clock: Clock) -> None:
    pool.record_failure(A, "no answer", retry_after=60.0)
    for _ in range(5):
        with pool.lease() as url:
            assert url == B
    assert clock.now == 0.0
