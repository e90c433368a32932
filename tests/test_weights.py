"""Which weights a model name stands for."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from src.errors import ModelError
from src.models import weights
from src.models.weights import pinned, resolve_revision

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "transformer").mkdir(parents=True)
    (root / "model_index.json").write_text("{}")
    (root / "transformer" / "model.safetensors").write_bytes(bytes(1000))
    return root


def test_a_fingerprint_depends_on_content_and_not_on_place_or_time(folder: Path) -> None:
    before = resolve_revision(str(folder))
    os.utime(folder / "model_index.json", (1, 1))
    moved = folder.rename(folder.with_name("elsewhere"))
    assert resolve_revision(str(moved)) == before


def test_one_changed_byte_a_new_name_and_a_new_file_change_the_fingerprint(folder: Path) -> None:
    seen = {resolve_revision(str(folder))}
    file = folder / "transformer" / "model.safetensors"
    file.write_bytes(bytes(500) + b"x" + bytes(499))
    seen.add(resolve_revision(str(folder)))
    file.rename(file.with_name("other.safetensors"))
    seen.add(resolve_revision(str(folder)))
    (folder / "config.json").write_text("{}")
    seen.add(resolve_revision(str(folder)))
    assert len(seen) == 4


def test_model_cards_and_download_caches_do_not_count(folder: Path) -> None:
    before = resolve_revision(str(folder))
    (folder / "README.md").write_text("a card")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "lock").write_text("x")
    assert resolve_revision(str(folder)) == before


@pytest.mark.parametrize(("place", "noticed"), [(0, True), (2500, True), (4999, True), (1500, False)])
def test_of_large_files_the_first_middle_and_last_piece_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: int, noticed: bool
) -> None:
    monkeypatch.setattr(weights, "WHOLE_FILE_LIMIT", 4000)
    monkeypatch.setattr(weights, "PIECE", 100)
    file = folder / "transformer" / "model.safetensors"
    file.write_bytes(bytes(5000))
    before = resolve_revision(str(folder))
    file.write_bytes(bytes(place) + b"x" + bytes(4999 - place))
    assert (resolve_revision(str(folder)) != before) is noticed


def test_a_single_file_has_a_fingerprint_too(folder: Path) -> None:
    assert len(resolve_revision(str(folder / "model_index.json"))) == 64


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no weights"):
        resolve_revision(str(tmp_path))


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c", "../x"])
def test_a_path_with_nothing_there_is_an_error_and_no_hub_request(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="there are no weights"):
        resolve_revision(name)


SHIPPED = sorted(folder.name for folder in Path("assets/miniature").iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", [*SHIPPED, "token_editor"])
def test_missing_miniature_weights_name_a_recipe_that_exists(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="there are no weights") as raised:
        resolve_revision(f"assets/miniature/{name}")
    named = re.search(r"python -m (src\.miniature\.[\w.]+)$", str(raised.value))
    assert named is not None, raised.value
    assert importlib.util.find_spec(named.group(1)) is not None, named.group(1)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub on this machine that knows `org/known`, and an empty cache; yields the models asked for."""
    from huggingface_hub import constants

    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/models/"):
                asked.append(self.path)
            known = self.path.startswith("/api/models/org/known")
            body = json.dumps(
                {"id": "org/known", "sha": COMMIT} if known else {"error": "Repository not found"}
            ).encode()
            self.send_response(200 if known else 404)
            if not known:
                self.send_header("x-error-code", "RepoNotFound")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield asked
    server.shutdown()
    server.server_close()


def test_a_commit_stands_for_itself_without_any_request(hub: list[str]) -> None:
    assert resolve_revision("org/unknown", COMMIT) == COMMIT
    assert hub == []


def test_the_cache_is_asked_before_the_hub(hub: list[str], tmp_path: Path) -> None:
    refs = tmp_path / "cache" / "models--org--cached" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    assert resolve_revision("org/cached") == COMMIT
    assert pinned("org/cached") == {"revision": COMMIT}
    assert hub == []


def test_the_hub_names_the_commit_with_one_request(hub: list[str]) -> None:
    assert resolve_revision("org/known", "v2") == COMMIT
    assert hub == ["/api/models/org/known/revision/v2"]


def test_unknown_weights_name_the_command_that_gets_them(hub: list[str]) -> None:
    with pytest.raises(ModelError, match=r"org/unknown.*hf download org/unknown --revision v2$"):
        resolve_revision("org/unknown", "v2")


def test_without_network_missing_weights_name_the_command_that_gets_them(
    hub: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"in the local cache.*hf download org/known$"):
        resolve_revision("org/known")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"hf download org/known$"):
        resolve_revision("org/known")


def test_local_weights_are_loaded_without_a_revision(folder: Path) -> None:
    assert pinned(str(folder)) == {}
