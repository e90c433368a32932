"""The reward of a text encoder's thoughts, without a trainer: what is encoded, painted, reused, averaged and masked."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image, ImageStat

from src.data.selection import Selection
from src.data.verdict import Status, Verdict, failed
from src.errors import ConfigError, ModelError
from src.models.diffusion.conditioning import Conditioner, Conditioning, ConditioningRequest
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.pipeline.keys import sample_seed
from src.training.config import TrainingConfig, parse_training_config
from src.training.dataset import ImageStore
from src.training.grpo.conditioning_rewards import ConditioningRewards, averaged
from src.training.grpo.reward_function import RewardSetting
from src.training.grpo.rollout import CompletionOutcome
from src.training.tasks.base import Example, UnparsableCompletion
from src.training.tasks.conditioning import ConditioningTask
from src.training.validate import build_task
from tests.conftest import item
from tests.tiny_pipelines import plus_folder, qwen_folder  # noqa: F401 (fixtures)
from tests.tiny_qwen21 import qwen21_folder  # noqa: F401 (fixture)
from tests.training_plugins import PixelJudge

EDITOR = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"
SMALL = {
    "num_inference_steps": 1,
    "true_cfg_scale": 1.0,
    "output_resolution": 32,
    "condition_resolution": 32,
    "batch_size": 4,
}
IDS = [[20, 21], [], [30, 31, 32, 33, 34], [40], list(range(50, 70))]


class Bench:
    """A reward function called as TRL calls it, with a text encoder in the trainer's place."""

    def __init__(self, config: TrainingConfig, data: Path, folder: Path) -> None:
        from accelerate import Accelerator
        from transformers import AutoModelForImageTextToText

        task = build_task(config)
        rewards = task.rewards(RewardSetting(config))
        assert isinstance(rewards, ConditioningRewards)
        self.task, self.rewards = task, rewards
        store = ImageStore(folder / "images")
        found = task.examples(str(data), Selection(), store.keep)
        self.examples = [one for one in found if isinstance(one, Example)]
        rewards.load()
        rewards.add_examples(self.examples)
        self.encoder = AutoModelForImageTextToText.from_pretrained(config.policy.model)
        self.end = rewards.policy_processor().tokenizer.eos_token_id
        arguments = SimpleNamespace(ds3_gather_for_generation=True, gradient_checkpointing_kwargs=None)
        trainer: Any = SimpleNamespace(
            model_wrapped=self.encoder,
            accelerator=Accelerator(cpu=True),
            args=arguments,
            eos_token_ids=[self.end],
        )
        rewards.take_trainer(trainer)
        self.metrics: dict[str, float] = {}

    def __call__(self, ids: list[list[int]], samples: list[int] | None = None, step: int = 0) -> list[float | None]:
        samples = samples or [0] * len(ids)
        return self.rewards(
            completions=[[{"role": "assistant", "content": "equal texts"}] for _ in ids],
            completion_ids=[[*one, self.end] for one in ids],
            example_id=[self.examples[sample].example_id for sample in samples],
            trainer_state=SimpleNamespace(global_step=step),
            log_metric=self.metrics.__setitem__,
            log_extra=lambda *_: None,
        )

    def painted(self, model: Any, ids: list[int], sample: int = 0, noise: int = 0) -> Image.Image:
        """What the model paints, by one call for this completion alone."""
        example = self.examples[sample]
        seed = sample_seed(0, example.example_id + (f" noise {noise}" if noise else ""))
        if example.subject.source is None:
            return model.generate_image("", seed=seed, conditioning=self.encoded(model, example.request, (), ids))
        source = example.subject.source.decode()
        conditioning = self.encoded(model, example.request, tuple(model.shown_to_encoder(source)), ids)
        return model.edit_image(source, "", seed=seed, conditioning=conditioning)

    def encoded(self, model: Any, words: str, pictures: tuple[Image.Image, ...], ids: list[int]) -> Conditioning:
        request = ConditioningRequest(words, pictures, tuple(ids))
        return Conditioner(model.pipe).encode(request, self.encoder, torch.float32)


def brightness(picture: Image.Image) -> float:
    return ImageStat.Stat(picture).mean[0] / 25.5


@pytest.fixture
def make_config(tmp_path: Path, write_benchmark: Callable[..., Path], qwen_folder: Path) -> Callable[..., Any]:
    data = write_benchmark([item(index, edit_instruction_en=f"make the sky {index}") for index in range(3)])

    def make(folder: Path = qwen_folder, **sections: Any) -> tuple[TrainingConfig, Path]:
        config: dict[str, Any] = {
            "policy": {"model": str(folder / "text_encoder")},
            "task": {"class_path": "src.training.tasks.conditioning.ConditioningTask"},
            "data": {"train": str(data)},
            "diffusion_model": {"class_path": EDITOR, "params": {"model_name": str(folder), **SMALL}},
            "reward_model": {"class_path": "tests.training_plugins.DelayedJudge"},
            "training": {"output_dir": str(tmp_path), "patience": 0, "show_every": 0},
        }
        for section, changes in sections.items():
            config[section] = {**config.get(section, {}), **changes}
        return parse_training_config(config, "test"), data

    return make


@pytest.fixture
def make_bench(make_config: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(folder: Any = None, **sections: Any) -> Bench:
        config, data = make_config(**({"folder": folder} if folder else {}), **sections)
        made.append(Bench(config, data, tmp_path))
        return made[-1]

    yield make
    for bench in made:
        bench.rewards.close()


def plain_editor(folder: Path, **changes: Any) -> QwenImageEditModel:
    return QwenImageEditModel({"model_name": str(folder), **SMALL, **changes})


@pytest.mark.parametrize("kind", ["qwen_folder", "plus_folder"])
def test_each_reward_is_that_of_the_edit_painted_from_its_own_completion_and_sample(
    make_bench: Callable[..., Bench], request: pytest.FixtureRequest, kind: str
) -> None:
    folder = request.getfixturevalue(kind)
    one_a_call = {"class_path": EDITOR, "params": {"model_name": str(folder), **SMALL, "batch_size": 1}}
    judge = {"class_path": "tests.training_plugins.PixelJudge"}
    bench, model = make_bench(folder, diffusion_model=one_a_call, reward_model=judge), plain_editor(folder)
    samples = [0, 0, 1, 1, 2]
    found = bench(IDS, samples)  # the higher, the sooner it is judged
    wanted = [PixelJudge.score_of(bench.painted(model, *about)) for about in zip(IDS, samples, strict=True)]
    assert found == pytest.approx(wanted)
    assert len({round(value, 2) for value in wanted}) == len(IDS)
    assert bench.metrics["conditioning/dropped_tokens"] == 0


def test_an_empty_completion_is_rewarded_for_the_stock_edit(
    make_bench: Callable[..., Bench], qwen_folder: Path
) -> None:
    bench, model = make_bench(), plain_editor(qwen_folder)
    example = bench.examples[0]
    stock = model.edit_image(example.subject.source.decode(), example.request, seed=sample_seed(0, example.example_id))
    assert bench([[]]) == pytest.approx([brightness(stock)], abs=1e-6)


def test_an_edit_is_reused_for_the_same_conditioning_and_never_for_the_same_text(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench()
    first = bench([IDS[0], IDS[0], IDS[2]], step=0)
    assert bench.metrics["edits/made"] == 2
    assert first[0] == first[1]
    assert bench([IDS[0], IDS[2]], step=1) == [first[0], first[2]]
    assert bench.metrics["edits/made"] == 0
    with torch.no_grad():
        bench.encoder.model.language_model.layers[-1].mlp.down_proj.weight.mul_(3)
    after = bench([IDS[0], IDS[2]], step=2)
    assert bench.metrics["edits/made"] == 2
    assert after != [first[0], first[2]]


def test_a_negative_prompt_of_the_present_weights_follows_them_and_one_of_the_initial_weights_does_not(
    make_bench: Callable[..., Bench], qwen_folder: Path
) -> None:
    guided = {"params": {"model_name": str(qwen_folder), **SMALL, "true_cfg_scale": 4.0}}
    reference = plain_editor(qwen_folder, true_cfg_scale=4.0)
    made = {}
    for source in ("initial", "present"):
        task = {"params": {"negative_prompt_from": source}}
        class_path = "src.training.tasks.conditioning.ConditioningTask"
        bench = make_bench(diffusion_model={"class_path": EDITOR, **guided}, task={"class_path": class_path, **task})
        assert (bench.rewards._editor.pipe.text_encoder is None) == (source == "present")
        with torch.no_grad():
            bench.encoder.model.language_model.layers[-1].mlp.down_proj.weight.mul_(3)
        [made[source]] = bench([IDS[0]])
        if source == "present":
            reference.pipe.text_encoder = bench.encoder
        assert made[source] == pytest.approx(brightness(bench.painted(reference, IDS[0])), abs=0.02)
    assert made["initial"] != pytest.approx(made["present"], abs=0.02)


def test_several_noises_are_shared_by_a_group_and_averaged(make_bench: Callable[..., Bench], qwen_folder: Path) -> None:
    task = {"class_path": "src.training.tasks.conditioning.ConditioningTask", "params": {"noise_seeds": 3}}
    bench, model = make_bench(task=task), plain_editor(qwen_folder)
    found = bench([IDS[0], IDS[2]])
    assert bench.metrics["edits/made"] == 6
    scores = [[brightness(bench.painted(model, ids, noise=noise)) for noise in range(3)] for ids in (IDS[0], IDS[2])]
    assert found == pytest.approx([sum(three) / 3 for three in scores], abs=0.02)
    assert max(scores[0]) - min(scores[0]) > 0.02


def test_a_mean_over_noises_needs_a_score_of_each() -> None:
    def scored(value: float, part: float | None) -> CompletionOutcome:
        return CompletionOutcome(Verdict(Status.SCORED, value, {"part": part}), "edit", "verdict")

    broken = CompletionOutcome(failed(Status.JUDGE_FAILED, "away"), "other", "other")
    whole = averaged([scored(4, 2), scored(7, 4)])
    assert (whole.verdict.score, whole.verdict.dimensions, whole.edit_key) == (5.5, {"part": 3}, "edit")
    assert averaged([scored(4, None), scored(7, 4)]).verdict.dimensions == {"part": None}
    masked = averaged([scored(4, 2), broken]).verdict
    assert (masked.status, masked.score, masked.reason) == (Status.JUDGE_FAILED, None, "away")


def test_a_completion_with_a_placeholder_of_a_picture_cannot_be_read_and_costs_no_edit(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(training={"unparsable_reward": 1.5, "show_every": 0, "patience": 0})
    hostile = [20, bench.encoder.config.image_token_id]
    assert bench([hostile]) == [1.5]
    assert "edits/made" not in bench.metrics or bench.metrics["edits/made"] == 0
    assert bench.metrics["completions/unparsable"] == 1


class NoThought(ConditioningTask):
    """Takes no text for a thought."""

    def read(self, completion: str) -> str:
        raise UnparsableCompletion("it says nothing")


def test_a_task_of_ones_own_may_refuse_completions(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(task={"class_path": "tests.test_conditioning_rewards.NoThought"})
    assert bench(IDS[:2]) == [0.0, 0.0]
    assert bench.metrics["completions/unparsable"] == 1


def test_a_limit_counts_what_it_drops_and_a_prompt_that_is_too_long_is_masked(
    make_bench: Callable[..., Bench], write_benchmark: Callable[..., Path]
) -> None:
    wishes = ["make the sky red", "paint " * 60]
    data = write_benchmark([item(index, edit_instruction_en=wish) for index, wish in enumerate(wishes)], "long.json")
    task = {"class_path": "src.training.tasks.conditioning.ConditioningTask", "params": {"max_tokens": 60}}
    bench = make_bench(task=task, data={"train": str(data)}, training={"most_failures": 1, "show_every": 0})
    bench.examples = [
        one
        for one in bench.task.examples(str(data), Selection(), ImageStore(data.parent / "images").keep)
        if isinstance(one, Example)
    ]
    bench.rewards.add_examples(bench.examples)
    found = bench([list(range(50, 150)), [20]], [0, 1])
    assert found[0] is not None
    assert found[1] is None
    assert bench.metrics["conditioning/tokens"] == 60
    assert bench.metrics["conditioning/dropped_tokens"] > 50
    row = bench.rewards.record.completions(1)[1]
    assert row.status is Status.EDIT_FAILED
    assert "picture and instruction have" in (row.reason or "")


def test_a_picture_that_is_too_long_by_itself_is_masked_and_stops_nothing(make_bench: Callable[..., Bench]) -> None:
    task = {"class_path": "src.training.tasks.conditioning.ConditioningTask"}
    present = {"max_tokens": 3, "negative_prompt_from": "present"}
    bench = make_bench(task=task | {"params": present}, training={"most_failures": 1, "show_every": 0})
    passes: list[int] = []
    bench.encoder.register_forward_hook(lambda *_: passes.append(1))
    assert bench(IDS[:2]) == [None, None]
    assert len(passes) == 2  # as many as there would be otherwise: processes share a sharded policy
    bench.rewards._editor.params = bench.rewards._editor.params.model_copy(update={"true_cfg_scale": 4.0})
    assert bench(IDS[:2], step=1) == [None, None]
    assert len(passes) == 2 + 4


def test_the_policy_is_told_what_the_pipeline_tells_its_encoder_unless_the_task_says_otherwise(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench()
    template = bench.rewards._editor.pipe.prompt_template_encode
    assert bench.examples[0].system
    assert f"<|im_start|>system\n{bench.examples[0].system}<|im_end|>" in template
    own = {"class_path": "src.training.tasks.conditioning.ConditioningTask", "params": {"system": "Think."}}
    assert make_bench(task=own).examples[0].system == "Think."


def test_the_editor_keeps_no_text_encoder_that_nothing_asks(make_bench: Callable[..., Bench]) -> None:
    assert make_bench().rewards._editor.pipe.text_encoder is None


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"diffusion_model": {"class_path": "tests.training_plugins.ToneEditor"}}, "only QwenImageEditModel"),
        ({"policy_more": {"image_max_side": 64}}, "vl_resolution"),
        ({"training": {"engine": "ray"}}, "the policy itself"),
        ({"training": {"grpo": {"use_vllm": True}}}, "not proven"),
        ({"editor_more": {"think": True}}, "thinks already"),
        ({"editor_more": {"offload": "model"}}, "set none"),
        ({"task_params": {"noise_seeds": 0}}, "noise_seeds"),
        ({"task_params": {"negative_prompt_from": "now"}}, "negative_prompt_from"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_loads(
    make_config: Callable[..., Any], qwen_folder: Path, sections: dict[str, Any], message: str
) -> None:
    changes = dict(sections)
    if more := changes.pop("policy_more", None):
        changes["policy"] = {"model": str(qwen_folder / "text_encoder"), **more}
    if more := changes.pop("editor_more", None):
        changes["diffusion_model"] = {"params": {"model_name": str(qwen_folder), **SMALL, **more}}
    if more := changes.pop("task_params", None):
        changes["task"] = {"class_path": "src.training.tasks.conditioning.ConditioningTask", "params": more}
    if changes.get("diffusion_model", {}).get("class_path", "").endswith("ToneEditor"):
        changes["diffusion_model"]["params"] = {}
    config, _ = make_config(**changes)
    with pytest.raises(ConfigError, match=message):
        build_task(config).rewards(RewardSetting(config))


def test_a_policy_that_is_not_the_text_encoder_of_the_editor_is_refused_before_anything_loads(
    make_config: Callable[..., Any], qwen21_folder: Path
) -> None:
    config, _ = make_config(policy={"model": "assets/miniature/policy"})
    with pytest.raises(ModelError, match=r"policy.model: .* has .* and the editor's text encoder has"):
        build_task(config).rewards(RewardSetting(config))
    config, _ = make_config(folder=qwen21_folder)
    with pytest.raises(ModelError, match="image_pad_mask"):
        build_task(config).rewards(RewardSetting(config))
