from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from src import redaction
from src.commands import console
from src.config import Config, parse_config
from src.errors import ConfigError
from src.models.base import BaseModel
from src.pipeline.evaluation import evaluate
from src.pipeline.pixels import PixelBudget
from src.redaction import fingerprints, is_secret, masked, redact
from src.run_log import log_to
from src.serving.admission import Admission
from src.serving.edit_server import create_app
from src.serving.edit_service import EditService
from tests.plugins import FaultyEditor, InvertEditor

NAMES = [
    "api_key", "apiKey", "x-api-key", "X-Api-Key", "secret_key", "openai_key", "OPENAI_API_KEY", "access_key",
    "aws_secret_access_key", "private_key", "signing_key", "license_key", "accessToken", "hf_token",
    "session_token", "bearer_token", "refresh_tokens", "X-Auth-Token", "pwd", "password", "dbPassword",
    "user_pass", "passphrase", "client_secret", "Authorization", "basic_auth", "auth", "credentials", "cookie",
    "jwt", "dsn", "GITHUB_PAT", "connection_string", "sas", "key",
    "api_key_2", "api_key2", "token1", "hftoken", "clientsecret", "accesstoken", "password2", "SECRET_KEY_PROD",
    "oauth", "sig", "authtoken", "openaikey", "userpass", "dbpassword", "secretKeyBase", "private_key_pem",
    "credentials_json",
]  # fmt: skip
OPEN_NAMES = [
    "max_new_tokens", "tokens", "prompt_tokens", "api_key_env", "sort_key", "edit_key", "keys", "use_kv_cache",
    "bos_token_id", "tokenizer", "author", "monkey", "compass", "bypass", "keyboard", "model_name",
]  # fmt: skip


@pytest.mark.parametrize("switch", ["1", "true", "on"])
def test_a_switch_under_a_secret_name_is_masked_there_alone(switch: str) -> None:
    config = {"token": switch, "version": switch}
    redaction.remember_secrets(config)
    assert redact(config) == {"token": "***", "version": switch}
    assert fingerprints({"version": switch}) == {"version": switch}


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_of_this_name_is_a_secret_at_every_depth(name: str) -> None:
    assert is_secret(name)
    assert "hunter2" not in json.dumps(redact({"a": [{"b": {name: "hunter2"}}]}))


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_a_setting_of_this_name_is_shown(name: str) -> None:
    assert redact({name: "shown"}) == {name: "shown"}


@pytest.mark.parametrize(
    "value",
    [
        "sk-abcdefghijklmnop1234",
        "hf_abcdefghijklmnopqrst",
        "ghp_abcdefghijklmnopqrstuvwx",
        "AKIAABCDEFGHIJKLMNOP",
        "xoxb-1234567890-abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh",
        "aB3dE6gH9kL2nP5rS8uV1xY4zA7cD0fG",
        "https://user:hunter2@example.com/v1",
        "https://example.com/v1?api_key=hunter2222",
        "Bearer abcdefghijkl",
        "Authorization: Bearer hunter2",
        "curl -u me:hunter2 x",
        "https://a.example/c?sv=1&sig=hunter2",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_credential_is_masked_under_any_name(value: str) -> None:
    shown = redact({"setting": value})["setting"]
    assert "***" in shown
    assert not any(part in shown for part in ("hunter2", "abcdefgh", "aB3dE6", "AKIA", "1234567890", "eyJ"))


def test_headers_are_masked_but_for_those_that_say_nothing_of_the_user() -> None:
    given_headers = {"Authorization": "Basic abc", "X-Gate": "hunter2", "Content-Type": "application/json"}
    assert redact({"headers": given_headers})["headers"] == {
        "Authorization": "***",
        "X-Gate": "***",
        "Content-Type": "application/json",
    }
    assert redact([{"name": "Authorization", "value": "hunter2"}]) == [{"name": "Authorization", "value": "***"}]


@pytest.mark.parametrize("name", ["default_headers", "extra_headers", "hdrs", "requestHeaders"])
def test_headers_are_masked_whatever_their_mapping_is_called(name: str) -> None:
    assert redact({name: {"X-Gate": "hunter2"}}) == {name: {"X-Gate": "***"}}


def test_every_leaf_below_a_secret_name_is_remembered() -> None:
    redaction.remember_secrets({"pin_password": 84736251, "passwords": ["lst-zq-one"], "token": {"inner": "deep-zq"}})
    for secret in ("84736251", "lst-zq-one", "deep-zq"):
        assert masked(f"refused {secret} here") == "refused *** here"


def test_only_a_secret_is_masked_in_an_ordinary_configuration() -> None:
    ordinary = {
        "model_name": "Qwen/Qwen-Image-Edit-2511",
        "pipeline_class": "StableDiffusionInstructPix2PixPipeline",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "base_url": "http://127.0.0.1:8000/v1",
        "prompt": "Answer with a score: 0 to 10. The key: look at the source.",
        "flags": {"use_auth": True, "device_ids": [0, 1], "seed": 7, "note": None},
    }
    assert redact(ordinary) == ordinary
    assert fingerprints(ordinary) == ordinary


class _Keyed(InvertEditor):
    pass


@pytest.mark.parametrize(
    "sentence",
    [
        "hardly any completion would pass: name the tags",
        "write it as section.key=value",
        "unexpected token: comma",
        "connection: refused by the server",
    ],
)
def test_an_ordinary_sentence_is_left_alone(sentence: str) -> None:
    assert masked(sentence) == sentence


def test_an_identity_tells_secrets_apart_and_shows_none() -> None:
    def identity(secret: str) -> dict[str, Any]:
        return _Keyed.identity({"headers": {"X-Gate": secret}, "secret_key": secret, "url": f"http://u:{secret}@h/"})

    assert identity("hunter2") == identity("hunter2")
    assert identity("hunter2") != identity("hunter3")
    assert "hunter2" not in json.dumps(identity("hunter2"))


@given(st.text(min_size=6).filter(str.isprintable), st.text(max_size=20), st.text(max_size=20))
def test_a_remembered_secret_is_found_in_any_text(secret: str, before: str, after: str) -> None:
    redaction._remembered.clear()
    redaction.remember(secret)
    assert secret not in masked(f"{before}{secret}{after}") or secret in "***"


def run_with_secrets(
    make_config: Callable[..., Config], data: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Config, list[str]]:
    secrets = [f"hunter-{index:02d}-{name}" for index, name in enumerate(NAMES)]
    params = dict(zip(NAMES, secrets, strict=True))
    monkeypatch.setenv("SOME_VALUE", "from-the-environment")
    base = make_config(data).model_dump(mode="json")
    base["diffusion_model"] = {
        "class_path": "tests.plugins.FaultyEditor",
        "params": {**params, "nested": {"headers": {"X-Gate": "gate-hunter"}}, "innocent": "${SOME_VALUE}"},
    }
    base["reward_model"]["params"] = {"url": "https://me:url-hunter@example.com", "options": [params]}
    return parse_config(base, "test"), [*secrets, "gate-hunter", "url-hunter", "from-the-environment"]


class _TalkativeEditor(FaultyEditor):
    def edit_image(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"refused with {self.config}")


def test_no_secret_is_in_any_file_of_a_run_nor_on_the_console(
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tests.plugins.FaultyEditor", _TalkativeEditor)
    config, secrets = run_with_secrets(make_config, write_benchmark(3), monkeypatch)
    log_to(config.logging, config.evaluation.log_file, console)
    outcome = evaluate(config)
    logging.getLogger("tests").warning("the config is %s", config)
    assert outcome.report["overall_statistics"]["num_samples"] == 0
    files = [path for path in config.evaluation.output_dir.rglob("*") if path.is_file()]
    with sqlite3.connect(config.evaluation.output_dir / "record.sqlite") as database:
        stored = "\n".join(database.iterdump())
    captured = capsys.readouterr()
    texts = {"record": stored, "console": captured.out + captured.err}
    texts |= {path.name: path.read_bytes().decode(errors="replace") for path in files}
    assert len(texts) >= 6, texts.keys()
    assert "refused with" in stored, "the error of the editor is recorded"
    assert [(name, secret) for name, text in texts.items() for secret in secrets if secret in text] == []


def test_the_edit_server_tells_no_secret() -> None:
    params = dict.fromkeys(NAMES, "hunter2")
    service = EditService([InvertEditor(params)], 4, 0.0, PixelBudget())
    identity = InvertEditor.identity({**params, "headers": {"X-Gate": "hunter2"}})
    with TestClient(create_app(service, identity, Admission(frozenset({"testserver"})))) as client:
        answers = [client.get("/health"), client.post("/edit", json={"image": "", "instruction": "x", "digest": "y"})]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert not any("hunter2" in answer.text for answer in answers)


def test_a_refused_setting_is_quoted_without_its_secret() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config({"diffusion_model": {"class_path": "a.B", "params": 3, "api_key": "hunter2"}}, "x")
    assert "hunter2" not in str(refused.value)


def test_identities_without_secrets_are_as_they_were() -> None:
    assert BaseModel.identity.__func__(InvertEditor, {"strength": 3, "name": "x"})["params"] == {
        "strength": 3,
        "name": "x",
    }
