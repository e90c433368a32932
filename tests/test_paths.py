"""Where relative paths in a YAML lead: from the working directory or, where nothing is there, from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from src.config import load_config, load_served_model
from src.data.loader import load_samples
from src.data.selection import Selection
from src.errors import DataError
from src.models.weights import resolve_revision
from src.paths import RULE, from_folder
from src.training.config import load_training_config
from tests.conftest import item


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a YAML and its files, and another one to work in."""
    folder = tmp_path / "project"
    (folder / "models" / "editor").mkdir(parents=True)
    (folder / "data.json").write_text(json.dumps([item(0)]), encoding="utf-8")
    (folder / "adapter.safetensors").write_bytes(b"0")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def write(folder: Path, **sections: Any) -> Path:
    base = {"benchmark": {"data_path": "data.json"}, "diffusion_model": {"class_path": "a.B"}}
    (folder / "run.yaml").write_text(yaml.safe_dump(base | sections), encoding="utf-8")
    return Path("../project/run.yaml")


def test_what_lies_beside_the_yaml_is_found_from_any_working_directory(project: Path) -> None:
    params = {"model_name": "models/editor", "lora": ["adapter.safetensors"], "mode": "models", "folder": "models"}
    config = load_config(write(project, diffusion_model={"class_path": "a.B", "params": params}))
    assert len(list(load_samples(config.benchmark.data_path, Selection()))) == 1
    found = config.diffusion_model.params
    assert Path(found["model_name"]).samefile(project / "models" / "editor")
    assert Path(found["lora"][0]).samefile(project / "adapter.safetensors")
    assert Path(found["folder"]).samefile(project / "models")
    assert found["mode"] == "models", "a bare word is a path only where a file or folder is asked for"
    assert load_served_model(Path("../project/run.yaml")).params == found


def test_the_working_directory_goes_first(project: Path) -> None:
    Path("data.json").write_text(json.dumps([item(0), item(1)]), encoding="utf-8")
    config = load_config(write(project))
    assert config.benchmark.data_path == "data.json"
    assert len(list(load_samples(config.benchmark.data_path, Selection()))) == 2


def test_a_pattern_and_the_data_of_a_training_follow_the_same_rule(project: Path) -> None:
    (project / "parts").mkdir()
    (project / "parts" / "1.parquet").write_bytes(b"")
    assert load_config(write(project, benchmark={"data_path": "parts/*.parquet"})).benchmark.data_path == (
        "../project/parts/*.parquet"
    )
    training = {
        "policy": {"model": "models/editor"},
        "data": {"train": [{"path": "data.json"}], "held_out": "data.json"},
    }
    (project / "train.yaml").write_text(yaml.safe_dump(training), encoding="utf-8")
    config = load_training_config(Path("../project/train.yaml"))
    assert config.data.files[0].path == config.data.held_out == "../project/data.json"
    assert config.policy.model == "../project/models/editor"


def test_outputs_lead_from_the_working_directory_alone(project: Path) -> None:
    (project / "out").mkdir()
    (project / "out.log").touch()
    config = load_config(write(project, evaluation={"output_dir": "out"}, logging={"log_file": "out.log"}))
    assert (config.evaluation.output_dir, config.logging.log_file) == (Path("out"), Path("out.log"))


def test_what_is_nowhere_is_named_as_written_with_the_rule(project: Path) -> None:
    config = load_config(write(project, benchmark={"data_path": "dada.json"}))
    with pytest.raises(DataError) as caught:
        next(load_samples(config.benchmark.data_path, Selection()))
    assert "benchmark dada.json does not exist" in str(caught.value)
    assert RULE in str(caught.value)


def test_weights_that_are_nowhere_are_named_with_the_rule() -> None:
    with pytest.raises(Exception, match=RULE):
        resolve_revision("./no/weights")


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_where_nothing_is_beside_the_yaml_nothing_is_changed(value: Any) -> None:
    assert from_folder(value, Path("/nothing/is/here")) == value
