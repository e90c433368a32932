"""The number types of training: nothing learned is rounded away, and "after" is the policy that was trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from src.errors import ConfigError, ModelError
from src.models.diffusion.implementations.rewrite_editor import RewriteEditor, _policy_params
from src.models.vlm.question import LabelledImage, Question
from src.models.vlm.trained_policy import TrainedPolicy
from src.training.config import TrainingConfig
from src.training.grpo.precision import Precision, policy_precision
from src.training.grpo.settings import grpo_config
from src.training.held_out.answers import _policies
from src.training.held_out.edits import rewriting_editor, with_trained_policy
from src.training.tasks.rewrite import RewriteTask
from src.training.train import train
from tests.test_training_run import make_run
from tests.tiny_policies import policy_folder

__all__ = ["make_run", "policy_folder"]

MakeRun = Callable[..., TrainingConfig]
LORA = {"lora": {"r": 4, "lora_alpha": 8}}
WHOLE = {"lora": {"r": 4, "target_modules": ["q_proj"], "modules_to_save": ["mlp"]}}
MIXED, SINGLE = {"bf16": True}, {"bf16": False}


class Trainee(TrainerCallback):
    """The weights that are trained, before and after, and what the trained policy says in the trainer's hands."""

    def __init__(self, inputs: dict[str, Any] | None = None) -> None:
        self.inputs = inputs
        self.before: dict[str, torch.Tensor] = {}
        self.after: dict[str, torch.Tensor] = {}
        self.said = torch.empty(0)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.before = {name: weight.detach().clone() for name, weight in _trained(model)}

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.after = {name: weight.detach().clone() for name, weight in _trained(model)}
        if self.inputs is not None:
            self.said = said(model.eval(), self.inputs)

    @property
    def changed(self) -> float:
        """Share of the trained numbers."""
        changed = sum(int((self.after[name] != weight).sum()) for name, weight in self.before.items())
        return changed / sum(weight.numel() for weight in self.before.values())


def _trained(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


def said(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Log-probabilities of every token at every place."""
    with torch.no_grad():
        return model(**inputs).logits.float().log_softmax(-1)


@pytest.fixture
def on_an_accelerator() -> Iterator[None]:
    """Settings resolve as with a GPU; nothing is moved there."""
    with mock.patch("src.training.grpo.precision.resolved_device", return_value="cuda:0"):
        yield


@pytest.mark.parametrize("ways", ["edits", "answers"])
@pytest.mark.parametrize(
    ("policy", "grpo"),
    [
        ({}, SINGLE),
        ({}, MIXED),
        (LORA, SINGLE),
        (LORA, MIXED),
        (LORA | {"dtype": "bfloat16"}, SINGLE),
        (LORA | {"dtype": "bfloat16"}, MIXED),
        (WHOLE, MIXED),
    ],
    ids=[
        "full fp32",
        "full bf16",
        "LoRA fp32",
        "LoRA bf16",
        "LoRA on bf16 weights",
        "LoRA bf16 on bf16 weights",
        "LoRA and whole modules bf16",
    ],
)
def test_after_as_evaluated_says_what_the_trained_policy_says(
    make_run: MakeRun, policy: dict[str, Any], grpo: dict[str, Any], ways: str
) -> None:
    config = make_run(policy=policy, grpo={**grpo, "max_steps": 2, "save_strategy": "no", "learning_rate": "1e-3"})
    before, after = _evaluated(config, ways)
    base = TrainedPolicy(before)
    question = Question("Rewrite.", (LabelledImage("", Image.new("RGB", (32, 32), "red")),), "paint 3")
    inputs = dict(base.encode([question]))
    trainee = Trainee(inputs)
    train(config, callbacks=[trainee])
    assert (trainee.said - said(base.model, inputs)).abs().max() > 1e-3
    evaluated = TrainedPolicy(after)
    assert torch.equal(said(evaluated.model, dict(evaluated.encode([question]))), trainee.said)


def _evaluated(config: TrainingConfig, ways: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Params of the policy before and after, as each of the two evaluations loads it."""
    if ways == "answers":
        policies = _policies(config, 8)
        return policies["before"], policies["after"]
    editor = rewriting_editor(config, RewriteTask().policy_prompt, 8)
    after = with_trained_policy(editor, config.training.policy_folder, is_adapter=config.policy.lora is not None)
    return _speaking(editor.params), _speaking(after.params)


def _speaking(params: dict[str, Any]) -> dict[str, Any]:
    return _policy_params(RewriteEditor.Params(**params))


@pytest.mark.usefixtures("on_an_accelerator")
@pytest.mark.parametrize("policy", [{}, LORA, WHOLE], ids=["full", "LoRA", "LoRA and whole modules"])
def test_training_as_on_an_accelerator_changes_nearly_every_weight(make_run: MakeRun, policy: dict[str, Any]) -> None:
    config = make_run(policy=policy, grpo={"max_steps": 8, "learning_rate": "2e-6", "save_strategy": "no"})
    assert policy_precision(config).autocast == "bfloat16"
    trainee = Trainee()
    train(config, callbacks=[trainee])
    assert {weight.dtype for weight in trainee.after.values()} == {torch.float32}
    assert trainee.changed > 0.99


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_refused_for_weights_that_are_trained(make_run: MakeRun, dtype: str) -> None:
    for whole in ({}, WHOLE, {"lora": {"bias": "all"}}):
        with pytest.raises(ConfigError, match=r"policy.*round away"):
            make_run(policy={"dtype": dtype, **whole})
    make_run(policy={"dtype": dtype, **LORA})


@pytest.mark.usefixtures("on_an_accelerator")
def test_the_precision_follows_the_settings_and_the_launcher(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def precision(grpo: dict[str, Any] | None = None, **policy: Any) -> Precision:
        return policy_precision(make_run(grpo=grpo, policy=policy))

    with mock.patch("src.models.device.resolved_device", return_value="cuda:0"):
        assert precision() == Precision("float32", "bfloat16")
        assert precision(**LORA) == Precision("bfloat16", "bfloat16")
        assert precision(**LORA, dtype="float32") == Precision("float32", "bfloat16")
        assert precision({"bf16": False}) == Precision("float32", None)
        assert precision({"fp16": True}) == Precision("float32", "float16")
        monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
        assert precision() == precision(**LORA) == Precision("bfloat16", None)
        assert precision({"bf16": False}) == Precision("float32", None)


def test_continuous_batching_which_casts_trained_weights_and_takes_no_pictures_is_refused(make_run: MakeRun) -> None:
    config = make_run(grpo={"bf16": True, "use_transformers_continuous_batching": True})
    with pytest.raises(ConfigError, match="TRL batches no pictures so; use use_vllm"):
        grpo_config(config.training)


def renamed(adapter: Path, folder: Path) -> Path:
    """A copy of the adapter with one weight under another name, as after a change of transformers."""
    shutil.copytree(adapter, folder)
    weights = load_file(adapter / "adapter_model.safetensors")
    first = next(iter(weights))
    moved = {name.replace("layers.", "blocks.") if name == first else name: value for name, value in weights.items()}
    save_file(moved, folder / "adapter_model.safetensors")
    return folder


def test_an_adapter_with_renamed_weights_is_never_evaluated_as_the_base(make_run: MakeRun, tmp_path: Path) -> None:
    config = make_run(policy=LORA, grpo={"max_steps": 1, "save_strategy": "no"})
    train(config)
    params = {"model_name": config.policy.model, "adapter": str(config.training.policy_folder)}
    TrainedPolicy(params)
    broken = renamed(config.training.policy_folder, tmp_path / "renamed")
    with pytest.raises(ModelError, match="have no counterpart"):
        TrainedPolicy(params | {"adapter": str(broken)})


def test_a_lora_training_does_not_go_on_from_an_adapter_with_renamed_weights(make_run: MakeRun) -> None:
    train(make_run(policy=LORA, grpo={"max_steps": 2, "save_steps": 2}))
    config = make_run(policy=LORA, grpo={"max_steps": 4, "save_steps": 2})
    checkpoint = config.training.output_dir / "checkpoints" / "checkpoint-2"
    renamed(shutil.move(checkpoint, checkpoint.with_name("whole")), checkpoint)
    with pytest.raises(ModelError, match="have no counterpart"):
        train(config, resume=True)


def test_a_run_is_not_resumed_in_another_precision(make_run: MakeRun) -> None:
    train(make_run(grpo={"max_steps": 2, "save_steps": 2, "bf16": False}))
    with pytest.raises(ConfigError, match="precision differ"):
        train(make_run(grpo={"max_steps": 4, "save_steps": 2, "bf16": True}), resume=True)
