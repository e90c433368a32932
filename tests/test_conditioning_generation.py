"""A text-to-image model's text encoder as policy: its reward without a trainer, and a run by the command line."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from main import app
from src.data.verdict import Status
from src.errors import DataError
from src.models.diffusion.implementations.qwen_image import QwenImageModel
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.question import Question, Reply
from src.pipeline.keys import sample_seed
from src.record.record import Record
from src.training.config import TrainingConfig, load_training_config, parse_training_config
from src.training.dataset import ImageStore, read_split
from src.training.grpo.reward_function import RewardSetting
from src.training.storage.record import TrainingRecord
from src.training.validate import build_task
from tests.conftest import item
from tests.test_conditioning_rewards import IDS, Bench
from tests.test_qwen_image_edit import difference
from tests.test_text_to_image import prompt_item
from tests.test_thinking_generation import SMALL
from tests.tiny_pipelines import qwen_folder, qwen_image_folder, seen_by  # noqa: F401 (fixtures)
from tests.training_plugins import PixelJudge

pytestmark = pytest.mark.timeout(300)

PAINTER = "src.models.diffusion.implementations.qwen_image.QwenImageModel"
TASK = "src.training.tasks.conditioning.ConditioningTask"
JUDGE = "tests.test_conditioning_generation.HurriedJudge"


class HurriedJudge(VisionLanguageJudge):
    """Gives every picture of text alone a score of its own; the higher, the sooner, four at a time."""

    max_concurrency = 4

    def _initialize(self) -> None:
        pass

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        scores = [PixelJudge.score_of(one.images[0].image) for one in questions]
        time.sleep((10 - min(scores)) / 10 * 0.05)
        return [Reply(f"Score: {score:.4f}", "stop") for score in scores]


@pytest.fixture
def make_config(tmp_path: Path, write_benchmark: Callable[..., Path], qwen_image_folder: Path) -> Callable[..., Any]:
    data = write_benchmark([prompt_item(index, prompt_en=f"paint {'a tree ' * index}") for index in range(3)])

    def make(**sections: Any) -> dict[str, Any]:
        config: dict[str, Any] = {
            "policy": {"model": str(qwen_image_folder / "text_encoder")},
            "task": {"class_path": TASK},
            "data": {"train": str(data)},
            "diffusion_model": {"class_path": PAINTER, "params": {"model_name": str(qwen_image_folder), **SMALL}},
            "reward_model": {"class_path": JUDGE},
            "scorer": {"class_path": "src.rewards.scorers.prompt_alignment.PromptAlignmentScorer"},
            "training": {"output_dir": str(tmp_path / "run"), "patience": 0, "show_every": 1},
        }
        for section, changes in sections.items():
            config[section] = {**config.get(section, {}), **changes}
        return config

    return make


@pytest.fixture
def make_bench(make_config: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**sections: Any) -> Bench:
        config = parse_training_config(make_config(**sections), "test")
        made.append(Bench(config, Path(config.data.files[0].path), tmp_path))
        return made[-1]

    yield make
    for bench in made:
        bench.rewards.close()


def painter(config: dict[str, Any], **changes: Any) -> QwenImageModel:
    return QwenImageModel(config["diffusion_model"]["params"] | changes)


def test_each_reward_is_that_of_the_picture_painted_from_its_own_completion_and_prompt(
    make_bench: Callable[..., Bench], make_config: Callable[..., Any]
) -> None:
    one_a_call = {"params": {**make_config()["diffusion_model"]["params"], "batch_size": 1}}
    bench, model = make_bench(diffusion_model=one_a_call), painter(make_config())
    samples = [0, 0, 1, 1, 2]
    found = bench(IDS, samples)  # the higher, the sooner it is judged
    wanted = [PixelJudge.score_of(bench.painted(model, *about)) for about in zip(IDS, samples, strict=True)]
    assert found == pytest.approx(wanted, abs=0.001)
    assert len({round(value, 2) for value in wanted}) == len(IDS)
    assert [one.images for one in bench.examples] == [()] * 3
    assert bench.rewards._editor.pipe.text_encoder is None


def test_an_empty_completion_is_rewarded_for_the_stock_picture(
    make_bench: Callable[..., Bench], make_config: Callable[..., Any]
) -> None:
    bench, model = make_bench(), painter(make_config())
    example = bench.examples[1]
    stock = model.generate_image(example.request, seed=sample_seed(0, example.example_id))
    assert bench([[]], [1]) == pytest.approx([PixelJudge.score_of(stock)], abs=0.001)


def test_completions_of_different_lengths_share_a_call_and_are_painted_as_alone(
    make_bench: Callable[..., Bench], make_config: Callable[..., Any]
) -> None:
    bench, model = make_bench(), painter(make_config())
    calls = seen_by(bench.rewards._editor.pipe, "transformer")
    bench(IDS[:4])
    assert [len(call["hidden_states"]) for call in calls] == [4]
    for row in bench.rewards.record.completions(1):
        with Image.open(bench.rewards.record.edit_path(str(row.edit_key))) as picture:
            assert difference(picture, bench.painted(model, IDS[row.position])) <= 1


def test_the_sample_s_noise_is_the_benchmarks_and_several_are_averaged(
    make_bench: Callable[..., Bench], make_config: Callable[..., Any]
) -> None:
    task = {"class_path": TASK, "params": {"noise_seeds": 2}}
    one_a_call = {"params": {**make_config()["diffusion_model"]["params"], "batch_size": 1}}
    bench, model = make_bench(task=task, diffusion_model=one_a_call), painter(make_config())
    scores = [PixelJudge.score_of(bench.painted(model, IDS[0], noise=noise)) for noise in range(2)]
    assert bench([IDS[0]]) == pytest.approx([sum(scores) / 2], abs=0.001)


def test_the_policy_reads_the_pipelines_own_prompt_and_nothing_of_editing(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    processor, example = bench.rewards.policy_processor(), bench.examples[1]
    messages = [{"role": "system", "content": example.system}, {"role": "user", "content": example.user}]
    rendered = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert rendered == bench.rewards._editor.pipe.prompt_template_encode.format(example.request)
    assert processor.tokenizer.padding_side == "left"


def test_a_prompt_that_is_too_long_is_masked_with_the_number_of_its_tokens(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(task={"class_path": TASK, "params": {"max_tokens": 8}}, training={"most_failures": 1})
    assert bench([[20]], [2]) == [None]
    [row] = bench.rewards.record.completions(1)
    assert row.status is Status.EDIT_FAILED
    assert (row.reason or "").startswith("the prompt has ")


@pytest.mark.parametrize("edits", [True, False])
def test_samples_of_the_other_kind_are_left_out_and_refused_where_there_are_no_others(
    make_config: Callable[..., Any],
    write_benchmark: Callable[..., Path],
    qwen_folder: Path,
    tmp_path: Path,
    edits: bool,
) -> None:
    prompts, sourced = [prompt_item(0)], [item(1)]
    model: dict[str, Any] = {}
    if edits:
        small = {"num_inference_steps": 1, "output_resolution": 32, "condition_resolution": 32}
        class_path = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"
        model = {"class_path": class_path, "params": {"model_name": str(qwen_folder), **small}}

    def rewardable(items: list[dict[str, Any]]) -> list[int]:
        data = write_benchmark(items, f"{len(items)}.json")
        config = parse_training_config(make_config(data={"train": str(data)}, diffusion_model=model), "test")
        task = build_task(config)
        rewards = task.rewards(RewardSetting(config))
        split = read_split(task, config.data, 0, ImageStore(tmp_path / "images"))
        return [len(one.images) for one in rewards.rewardable(split.train)]

    assert rewardable(prompts + sourced) == [int(edits)]
    with pytest.raises(DataError, match="name a GenerationModel" if edits else "name an editor"):
        rewardable(prompts if edits else sourced)


def completions(config: TrainingConfig) -> list[Any]:
    with closing(TrainingRecord(config.training.output_dir / "record")) as record:
        return [row for step in (1, 2, 3) for row in record.completions(step)]


def test_the_command_line_trains_and_the_trained_policy_is_an_entry_of_the_benchmark(
    make_config: Callable[..., Any], write_benchmark: Callable[..., Path], tmp_path: Path
) -> None:
    held_out = write_benchmark([prompt_item(9, prompt_en="a tree beside the house")], "held_out.json")
    grpo = {
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 6,
        "max_steps": 3,
        "learning_rate": 1e-2,
        "gradient_checkpointing": False,
        "save_steps": 1,
        "report_to": "none",
    }
    config = make_config(
        policy={"lora": {"r": 4, "lora_alpha": 8}},
        data={"held_out": str(held_out)},
        training={"grpo": grpo},
        evaluation={"diffusion_params": {"num_inference_steps": 2}},
    )
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    for command in ("check", "train"):
        done = CliRunner().invoke(app, [command, "--config", str(path)])
        assert done.exit_code == 0, done.output
    loaded = load_training_config(path)
    rows = completions(loaded)
    assert len(rows) == 12
    assert {row.status for row in rows} == {Status.SCORED}
    assert len({row.reward for row in rows}) > 4
    [gain] = json.loads((loaded.training.output_dir / "gains.json").read_text(encoding="utf-8"))
    assert gain["samples"] == 1
    assert gain["before"] != gain["after"]
    with closing(Record(loaded.training.output_dir / "evaluation" / "after")) as record:
        params = record.latest_run().config["diffusion_model"]["params"]
        [result] = record.results(record.latest_run().run_key)
        with Image.open(record.edit_path(str(result.edit_key))) as picture:
            stored = picture.convert("RGB")
    entry = QwenImageModel({**params, "batch_size": 1})
    assert difference(stored, entry.generate_image("a tree beside the house", seed=sample_seed(0, "p9"))) == 0
    assert params["num_inference_steps"] == 2
    assert params["think"]["adapter"] == str(loaded.training.policy_folder)
