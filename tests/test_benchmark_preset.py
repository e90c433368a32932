"""The shipped file that runs a public benchmark by its protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.config import load_config
from tests.api_judge import server  # noqa: F401 (fixture)
from tests.chat_server import ChatServer
from tests.official_layouts import GEDIT_ROWS, gedit
from tests.protocol_samples import replies

PRESET = Path(__file__).parent.parent / "configs/evaluation/qwen_image_edit_2511_gedit_gpt41_judge.yaml"
EDITOR = ["--set", "diffusion_model={class_path: tests.plugins.InvertEditor}"]


def said(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "300"})
    return done.exit_code, " ".join(done.output.split())


def test_the_preset_names_the_benchmark_on_the_hub_its_protocol_and_a_dated_judge() -> None:
    config = load_config(PRESET)
    assert (config.benchmark.format, config.benchmark.data_path) == ("gedit", "hf://stepfun-ai/GEdit-Bench")
    assert config.scorer.params["protocol"] == "gedit@2025-05"
    assert config.reward_model is not None
    assert config.reward_model.params == {"model": "gpt-4.1-2025-04-14"}


def test_the_preset_judges_by_the_protocol_over_any_server(
    server: ChatServer,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    replies(server, {"": '{"score": [9, 4]}'})
    data = gedit(tmp_path / "data", GEDIT_ROWS)
    changes = [f"benchmark.data_path={data}", f"reward_model.params.base_url={server.url}"]
    sets = [part for change in changes for part in ("--set", change)]
    config = ["--config", str(PRESET), *EDITOR, *sets]
    code, told = said("check", *config)
    assert code == 0, told
    assert "protocol gedit@2025-05. The questions are in this project's own wording" in told
    code, told = said("evaluate", *config, "--output-dir", str(tmp_path / "out"))
    assert code == 0, told
    [path] = (tmp_path / "out" / "results").glob("*.json")
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert report["statuses"] == {"scored": 3}
    assert report["overall_statistics"]["mean"] == pytest.approx(4.0)
    assert {body["model"] for body in server.requests} == {"gpt-4.1-2025-04-14"}


@pytest.mark.parametrize("command", ["check", "inspect"])
@pytest.mark.parametrize("state", ["absent", "unreachable", "empty"])
def test_data_that_are_not_there_are_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, state: str
) -> None:
    def load_dataset(*arguments: Any, **settings: Any) -> Any:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    (tmp_path / "empty").mkdir()
    path = "hf://stepfun-ai/GEdit-Bench" if state == "unreachable" else str(tmp_path / state)
    expected = {
        "absent": f"benchmark {path} does not exist. Correct the path: ",
        "unreachable": f"{path}@train cannot be loaded: no route to the hub. Check the name, the network",
        "empty": f"folder {path} holds neither .parquet files nor a dataset",
    }[state]
    if command == "check":
        code, told = said("check", "--config", str(PRESET), *EDITOR, "--set", f"benchmark.data_path={path}")
    else:
        code, told = said("data", "inspect", path, "--format", "gedit")
    assert code == 1
    assert expected in told, told
    if state == "absent":
        assert "Or set benchmark.data_path to hf://stepfun-ai/GEdit-Bench" in told
