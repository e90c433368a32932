"""The four YAMLs of the older benchmark, in our own words: class paths and keys are theirs, models are tiny."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from src.config import Config, parse_config
from src.models.reward.implementations.example_reward import ExampleRewardModel
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from tests.tiny_judges import save_judge
from tests.tiny_pipelines import qwen_folder as qwen_folder

CONFIGS = Path(__file__).parent / "older_configs"
NAMES = ("template", "multi_gpu", "multi_gpu_subprocess", "full_multi_gpu")


@pytest.fixture(scope="module")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_judge(tmp_path_factory.mktemp("judge"), "qwen3")


@pytest.fixture
def load(
    qwen_folder: Path,
    judge_folder: Path,
    write_benchmark: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Config]:
    """Reads a file of `older_configs` with folders in place of its capitals, from a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    places = {"BENCHMARK": write_benchmark(2), "EDITOR": qwen_folder, "JUDGE": judge_folder}

    def read(name: str) -> Config:
        text = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
        for word, folder in places.items():
            text = text.replace(f'"{word}"', f'"{folder}"')
        return parse_config(yaml.safe_load(text), name)

    return read


def on_the_cpu(config: Config) -> Config:
    """Without the GPUs that the file asks for, at the smallest size."""
    small = {"device": "cpu", "dtype": "float32"}
    editor = config.diffusion_model.params | small | {"device_ids": None, "num_inference_steps": 1}
    editor |= {"output_resolution": 32, "condition_resolution": 32}
    assert config.reward_model is not None
    judge = config.reward_model.params | small | {"device_ids": None, "max_new_tokens": 4}
    changes = {
        "diffusion_model": config.diffusion_model.model_copy(update={"params": editor}),
        "reward_model": config.reward_model.model_copy(update={"params": judge}),
    }
    return config.model_copy(update=changes)


@pytest.mark.parametrize("name", NAMES)
def test_every_yaml_of_the_older_benchmark_is_understood_as_it_is(load: Callable[[str], Config], name: str) -> None:
    plan = RunPlan(load(name))
    assert len(plan.editor.replicas()) == (1 if name == "template" else 6)


def test_the_template_runs_and_its_judge_says_that_it_is_none(
    load: Callable[[str], Config], caplog: pytest.LogCaptureFixture
) -> None:
    report = evaluate(load("template")).report
    assert report["statuses"] == {"scored": 2}
    assert "draws its scores at random" in caplog.text


@pytest.mark.parametrize("name", NAMES[1:])
def test_the_others_run_on_a_laptop_with_nothing_but_devices_and_sizes_changed(
    load: Callable[[str], Config], name: str
) -> None:
    report = evaluate(on_the_cpu(load(name))).report
    # An untrained judge never comes to a score; it was asked, in its own form, about edits that were made.
    assert all("max_new_tokens" in sample["reason"] for sample in report["samples"]), report["samples"]
    assert all(sample["edit_seconds"] is not None for sample in report["samples"])


def test_the_placeholder_judge_gives_equal_edits_equal_scores_over_the_range_of_the_older_one() -> None:
    judge = ExampleRewardModel({"model_name": "some-judge", "device": "cuda", "temperature": 0.7})
    pictures = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in range(200)]
    scores = [judge.score(picture, "", "make it red", "", "") for picture in pictures]
    assert scores == [judge.score(picture, "", "make it red", "", "") for picture in pictures]
    assert min(scores) >= 5.0
    assert max(scores) <= 9.0
    assert max(scores) - min(scores) > 3.5
    assert judge.score(pictures[0], "", "make it blue", "", "") != scores[0]
