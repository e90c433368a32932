from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from src.config import load_config
from src.errors import ConfigError, EditLoopError
from src.pipeline.check import check_run
from src.pipeline.plan import RunPlan
from tests.conftest import item

ODD = [
    None, "", 0, -1, 3.5, True, [], {}, [1], {"a": 1}, "abc", "x" * 5000, "\x00", "${HOME}", "${NO_SUCH_VARIABLE}",
    float("nan"), float("inf"), 10**30, 2**63, ["a"] * 50, {"class_path": "x"}, [[[]]], "../../etc", "日本", "\ud800",
    "a.b.C", "os.system", {1: 2}, {None: 3},
]  # fmt: skip

DIRT = ["", "[", "{", "&a ", "*a", "!!int ", "\n- ", ": ", "\t", "'", "\x1b", "9" * 5000]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("sound")
    (folder / "b.json").write_text(json.dumps([item(index) for index in range(3)]), encoding="utf-8")
    params = {"batch_size": 1, "device": "cpu", "seed": 0, "device_ids": ["cpu"]}
    return {
        "benchmark": {"data_path": str(folder / "b.json"), "categories": ["物理"], "language": "en", "limit": 2},
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor", "params": params},
        "reward_model": {"class_path": "tests.plugins.BrightnessJudge", "params": {"concurrency": 1}},
        "scorer": {"class_path": "src.rewards.scorers.category.CategoryScorer", "params": {}},
        "prompts": {"物理": {"system_prompt": "s", "user_prompt_template": "{edit_instruction}"}},
        "evaluation": {"output_dir": str(folder / "out"), "save_generated_images": True, "metrics": ["mean"]},
        "runtime": {"seed": 0},
        "logging": {"level": "INFO"},
    }


def places(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every setting, and every section, of nested mappings."""
    for key, held in value.items() if isinstance(value, dict) else ():
        yield (*above, key)
        yield from places(held, (*above, key))


def checked(path: Path) -> str | None:
    """The message of the error on purpose that a file leads to; None when all is well."""
    try:
        list(check_run(load_config(path)))
    except EditLoopError as error:
        return str(error)
    return None


def test_a_sound_file_is_sound(sound: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(sound, allow_unicode=True), encoding="utf-8")
    assert checked(tmp_path / "c.yaml") is None


def test_no_odd_value_in_any_place_ends_in_a_traceback(sound: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    refused = 0
    for number, place in enumerate(places(sound)):
        for odd in ODD[number % 3 :: 3]:  # a third of them at each place, and each of them at a third of the places
            data = copy.deepcopy(sound)
            section = data
            for key in place[:-1]:
                section = section[key]
            section[place[-1]] = odd
            path.write_text(yaml.safe_dump(data, allow_unicode=odd != "\ud800"), encoding="utf-8")
            refused += checked(path) is not None
    assert refused > 130, "most of them cannot run, and say so"
    assert not (tmp_path / "etc").exists()


@given(data=st.data())
def test_no_damaged_file_ends_in_a_traceback(
    data: st.DataObject, sound: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = yaml.safe_dump(sound, allow_unicode=True)
    place = data.draw(st.integers(0, len(text)))
    dirt = data.draw(st.sampled_from(DIRT))
    path = tmp_path_factory.mktemp("damaged") / "c.yaml"
    path.write_text(text[:place] + dirt + text[place + data.draw(st.integers(0, 30)) :], encoding="utf-8")
    checked(path)


@pytest.mark.parametrize("device_ids", [5, "cuda:0", [None], [1.5], [True], {"a": 1}])
def test_devices_that_are_no_list_are_refused(sound: dict[str, Any], tmp_path: Path, device_ids: Any) -> None:
    data = copy.deepcopy(sound)
    data["diffusion_model"]["params"]["device_ids"] = device_ids
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigError, match="device_ids"):
        list(check_run(load_config(tmp_path / "c.yaml")))


def test_a_seed_of_null_is_the_seed_of_the_run(sound: dict[str, Any], tmp_path: Path) -> None:
    data = copy.deepcopy(sound)
    data["diffusion_model"]["params"]["seed"], data["runtime"]["seed"] = None, 7
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    assert RunPlan(load_config(tmp_path / "c.yaml")).editor.seed == 7
