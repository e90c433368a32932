"""The miniature training: its precision, and "after" against the trained policy.

    python -m benchmarks.gpu.training FILE     trains in float32 and writes the share of weights that changed

The check of precision has this done by a process that sees no GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from benchmarks.gpu.check import Finding, Setting, require_success
from benchmarks.gpu.editing import samples
from benchmarks.harness import command_line
from src.models.diffusion.implementations import rewrite_editor
from src.models.diffusion.implementations.rewrite_editor import RewriteEditor
from src.models.vlm.prompts import load_prompt
from src.models.vlm.question import LabelledImage, Question
from src.models.vlm.trained_policy import TrainedPolicy
from src.training.config import TrainingConfig, load_training_config
from src.training.held_out.edits import rewriting_editor, with_trained_policy
from src.training.tasks.rewrite import RewriteTask
from src.training.train import train

CONFIG = Path("configs/training/miniature_rewrite.yaml")
SHORT = ["training.grpo.max_steps=8", "training.grpo.per_device_train_batch_size=16", "training.show_every=0"]
TINY = [
    "training.grpo.max_steps=1",
    "training.grpo.per_device_train_batch_size=8",
    "training.grpo.num_generations=4",
    "training.show_every=0",
]
QUIET = ["evaluation.enabled=false", "training.grpo.report_to=none", "training.grpo.save_strategy='no'"]
SMALL_RATE, LARGE_RATE = "2e-6", "3e-4"
SINGLE = ["policy.dtype=float32", "training.grpo.bf16=false"]
LORA = ["policy.lora.r=8", "policy.lora.lora_alpha=16"]
PRECISIONS = {"float32": SINGLE, "bfloat16": ["training.grpo.bf16=true"]}
"""The second leaves `policy.dtype: auto`: the rule of the run itself."""
SHARE_OF_REFERENCE = 0.99
EQUAL = 1e-3
"""Largest difference of log-probabilities, relative to the largest change by training, that counts as none: kernels for
other shapes or in another order round differently."""


@dataclass
class Watch(TrainerCallback):
    """What the trainer itself holds: the weights that are trained, and what the trained policy says."""

    inputs: dict[str, Any] | None = None
    before: dict[str, torch.Tensor] = field(default_factory=dict)
    share: float = 0.0
    dtypes: set[str] = field(default_factory=set)
    spoken: torch.Tensor | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Keeps a copy of what is trained."""
        self.before = {name: tensor.detach().cpu().clone() for name, tensor in _trained(model)}

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Counts the numbers that changed, and lets the policy speak while it is as the trainer has it."""
        after = {name: tensor.detach().cpu() for name, tensor in _trained(model)}
        changed = sum(int((after[name] != tensor).sum()) for name, tensor in self.before.items())
        self.share = changed / sum(tensor.numel() for tensor in self.before.values())
        self.dtypes = {str(tensor.dtype).removeprefix("torch.") for tensor in after.values()}
        if self.inputs is not None:
            model.eval()
            self.spoken = log_probabilities(model, self.inputs)


def _trained(model: Any) -> list[tuple[str, torch.Tensor]]:
    return [(name, tensor) for name, tensor in model.named_parameters() if tensor.requires_grad]


def log_probabilities(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Of every token at every place of the inputs: (1, tokens, vocabulary), on the CPU in float32."""
    placed = {name: value.to(model.device) for name, value in inputs.items()}
    with torch.inference_mode():
        spoken: torch.Tensor = model(**placed).logits.float().log_softmax(-1).cpu()
    return spoken


def config_of(folder: Path, rate: str, setting: Setting, *changes: str) -> TrainingConfig:
    """The miniature run, short, at a learning rate."""
    own = [f"training.output_dir={folder}", f"training.grpo.learning_rate={rate}"]
    return load_training_config(CONFIG, [*(TINY if setting.tiny else SHORT), *QUIET, *own, *changes])


def share_on_cpu(folder: Path) -> float:
    """In a process that sees no GPU: the share of the weights that the same short training changes in float32."""
    command = [sys.executable, "-m", "benchmarks.gpu.training", str(folder / "share.json")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    require_success(done, "the training on the CPU")
    return float(json.loads((folder / "share.json").read_text()))


def share_into(path: Path, setting: Setting) -> None:
    """Trains here in float32, and writes the share."""
    watch = Watch()
    train(config_of(path.parent / "reference", SMALL_RATE, setting, *SINGLE), callbacks=[watch])
    path.write_text(json.dumps(watch.share))


def training_precision(setting: Setting) -> list[Finding]:
    """Full training in its automatic number type changes what float32 on the CPU changes."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        if setting.tiny:
            share_into(folder / "share.json", setting)
            reference = float(json.loads((folder / "share.json").read_text()))
        else:
            reference = share_on_cpu(folder)
        watch = Watch()
        train(config_of(folder / "auto", SMALL_RATE, setting), callbacks=[watch])
    types = ", ".join(sorted(watch.dtypes))
    return [
        Finding(
            f"weights changed by full training, lr {SMALL_RATE}",
            f"{watch.share:.2%} in {types}",
            f"≥ {SHARE_OF_REFERENCE:g} × {reference:.2%} (float32, CPU)",
            watch.share > 0 and watch.share >= SHARE_OF_REFERENCE * reference,
            {"share": watch.share, "share_float32_cpu": reference},
        )
    ]


def after_full_float32(setting: Setting) -> list[Finding]:
    """Full training in float32."""
    return _after(setting, [], "full, float32", SINGLE)


def after_full_bfloat16(setting: Setting) -> list[Finding]:
    """Full training in bfloat16."""
    return _after(setting, [], "full, bfloat16", PRECISIONS["bfloat16"])


def after_lora_float32(setting: Setting) -> list[Finding]:
    """An adapter, trained in float32."""
    return _after(setting, LORA, "LoRA, float32", SINGLE)


def after_lora_bfloat16(setting: Setting) -> list[Finding]:
    """An adapter, trained in bfloat16."""
    return _after(setting, LORA, "LoRA, bfloat16", PRECISIONS["bfloat16"])


def _after(setting: Setting, lora: list[str], name: str, precision: list[str]) -> list[Finding]:
    """What is evaluated as "after" speaks as the policy did in the trainer."""
    with tempfile.TemporaryDirectory() as root:
        config = config_of(Path(root) / "run", LARGE_RATE, setting, *precision, *lora)
        editor = rewriting_editor(config, RewriteTask().policy_prompt, 16)
        base = _evaluated(editor.params)
        inputs = {name: value.cpu() for name, value in base.encode([_question()]).items()}
        before = log_probabilities(base.model, inputs)
        del base
        watch = Watch(inputs)
        train(config, callbacks=[watch])
        params = with_trained_policy(editor, config.training.policy_folder, is_adapter=bool(lora)).params
        after = log_probabilities(_evaluated(params).model, inputs)
    assert watch.spoken is not None, "the callback runs at the end of every training"
    change = float((watch.spoken - before).abs().max())
    difference = float((watch.spoken - after).abs().max())
    return [
        Finding(
            f'"after" − trained policy, {name}',
            f"{difference:.2e}",
            f"≤ {EQUAL:g} × the change ({change:.2e})",
            change > 0 and difference <= EQUAL * change,
            {"difference": difference, "change": change},
        )
    ]


def _evaluated(params: dict[str, Any]) -> TrainedPolicy:
    """The policy as the evaluation loads it."""
    return TrainedPolicy(rewrite_editor._policy_params(RewriteEditor.Params(**params)))


def _question() -> Question:
    (sample,) = samples(1)
    system, user = load_prompt("rewrite", "first_pass", "en").render(edit_instruction=sample.instruction)
    return Question(system, (LabelledImage("", sample.given_source.decode()),), user)


def main() -> None:
    """Trains on the device that is there."""
    parser = command_line(__doc__)
    parser.add_argument("file", type=Path, help="where the share is written to, as JSON")
    share_into(parser.parse_args().file, Setting())


if __name__ == "__main__":
    main()
