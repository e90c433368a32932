"""What only a GPU can show, on the miniature weights: the precision of training, "after" against the trained policy,
offload, noise, and what is said when memory runs out.

Under two minutes on any NVIDIA GPU; `--device cpu` runs what a CPU can.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import TrainerCallback

from benchmarks.harness import close, console, show
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import ModelError
from src.models.diffusion.implementations import rewrite_editor
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.diffusion.implementations.rewrite_editor import RewriteEditor
from src.models.vlm.prompts import load_prompt
from src.models.vlm.question import LabelledImage, Question
from src.models.vlm.trained_policy import TrainedPolicy
from src.training.config import TrainingConfig, load_training_config
from src.training.held_out.edits import rewriting_editor, with_trained_policy
from src.training.tasks.rewrite import RewriteTask
from src.training.train import train

CONFIG = Path("configs/training/miniature_rewrite.yaml")
EDITOR = {
    "model_name": "assets/miniature/editor",
    "num_inference_steps": 8,
    "true_cfg_scale": 1.0,
    "output_resolution": 64,
    "condition_resolution": 64,
    "vl_resolution": 64,
}
BENCHMARK = "assets/miniature/benchmark.json"
SHORT = ["training.grpo.max_steps=8", "training.grpo.per_device_train_batch_size=16", "training.show_every=0"]
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
LEVELS = 2 / 255
NOISE = 2 / 255
LEFT_FREE = 24 * 2**20


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


def config_of(folder: Path, rate: str, *changes: str) -> TrainingConfig:
    """The miniature run, short, at a learning rate."""
    own = [f"training.output_dir={folder}", f"training.grpo.learning_rate={rate}"]
    return load_training_config(CONFIG, [*SHORT, *QUIET, *own, *changes])


def share_on_cpu(folder: Path) -> float:
    """In a process that sees no GPU: the share of the weights that the same short training changes in float32."""
    command = [sys.executable, "-m", "benchmarks.gpu_first_light", "--share-into", str(folder / "share.json")]
    done = subprocess.run(
        command, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the training on the CPU failed: {done.stderr[-2000:]}")
    return float(json.loads((folder / "share.json").read_text()))


def share_into(path: Path) -> None:
    """Trains here in float32, and writes the share."""
    watch = Watch()
    train(config_of(path.parent / "reference", SMALL_RATE, *SINGLE), callbacks=[watch])
    path.write_text(json.dumps(watch.share))


@dataclass
class Finding:
    """One line of the table."""

    what: str
    measured: str
    wanted: str
    holds: bool


def precision_of_training(folder: Path) -> list[Finding]:
    """(1) Full training in its automatic number type changes what float32 on the CPU changes."""
    reference = share_on_cpu(folder)
    watch = Watch()
    train(config_of(folder / "auto", SMALL_RATE), callbacks=[watch])
    types = ", ".join(sorted(watch.dtypes))
    return [
        Finding(
            f"weights changed by full training, lr {SMALL_RATE}, 8 steps",
            f"{watch.share:.2%} in {types}",
            f"{reference:.2%} (float32, CPU)",
            watch.share >= SHARE_OF_REFERENCE * reference,
        )
    ]


def after_is_the_trained_policy(folder: Path, kind: str, precision: str) -> list[Finding]:
    """(2) What is evaluated as "after" speaks as the policy did in the trainer."""
    lora = LORA if kind == "LoRA" else []
    config = config_of(folder / f"{kind}_{precision}", LARGE_RATE, *PRECISIONS[precision], *lora)
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
            f'"after" − trained policy, {kind}, {precision}',
            f"{difference:.2e}",
            f"≤ {EQUAL:g} × the change ({change:.2e})",
            change > 0 and difference <= EQUAL * change,
        )
    ]


def _evaluated(params: dict[str, Any]) -> TrainedPolicy:
    """The policy as the evaluation loads it."""
    return TrainedPolicy(rewrite_editor._policy_params(RewriteEditor.Params(**params)))


def _question() -> Question:
    sample = _sample()
    system, user = load_prompt("rewrite", "first_pass", "en").render(edit_instruction=sample.instruction)
    return Question(system, (LabelledImage("", sample.source.decode()),), user)


def _sample() -> EditSample:
    return next(item for item in load_samples(BENCHMARK, Selection()) if isinstance(item, EditSample))


def _edited(**params: Any) -> tuple[QwenImageEditModel, np.ndarray]:
    """An editor, and what it makes of the first sample: float pixels from 0 to 1."""
    sample = _sample()
    editor = QwenImageEditModel({**EDITOR, **params})
    return editor, _pixels(editor.edit_image(sample.source.decode(), sample.instruction, seed=1))


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float32) / 255


def offload_changes_nothing() -> list[Finding]:
    """(3) Weights that wait in main memory make the same picture on the same device."""
    plain, wanted = _edited()
    findings = []
    for offload in ("none", "model", "sequential"):
        editor, pixels = _edited(offload=offload)
        difference = float(np.abs(pixels - wanted).max())
        here, there = (torch.device(str(one.pipe._execution_device)) for one in (plain, editor))
        same = (here.type, here.index or 0) == (there.type, there.index or 0)
        findings.append(
            Finding(
                f"offload: {offload} against none, on {there}",
                f"{difference * 255:.0f} of 255 at most",
                f"≤ {LEVELS * 255:.0f}, on {here}",
                same and difference <= LEVELS,
            )
        )
    return findings


def same_picture_as_on_the_cpu(device: str) -> list[Finding]:
    """(4) The noise comes from the CPU, so that float32 makes the same picture everywhere."""
    pictures = [_edited(device=where, dtype="float32")[1] for where in ("cpu", device)]
    mean, most = (float(amount(np.abs(pictures[0] - pictures[1]))) for amount in (np.mean, np.max))
    return [
        Finding(
            f"picture on {device} − on the CPU, float32",
            f"mean {mean * 255:.3f}, most {most * 255:.0f} of 255",
            f"mean ≤ {NOISE * 255:.0f}",
            mean <= NOISE,
        )
    ]


def a_batch_against_single_calls(device: str) -> list[Finding]:
    """(6) Kernels for other shapes round differently: a batch is equal to single calls but for that."""
    samples = [item for item in islice(load_samples(BENCHMARK, Selection()), 8) if isinstance(item, EditSample)]
    sources, instructions = [one.source.decode() for one in samples], [one.instruction for one in samples]
    findings = []
    for dtype in ("float32", "bfloat16"):
        editor = QwenImageEditModel({**EDITOR, "device": device, "dtype": dtype, "batch_size": len(samples)})
        together = editor.batch_edit(sources, instructions, list(range(len(samples))))
        pairs = zip(sources, instructions, strict=True)
        alone = [editor.edit_image(*pair, seed=seed) for seed, pair in enumerate(pairs)]
        gaps = [np.abs(_pixels(one) - _pixels(other)) for one, other in zip(together, alone, strict=True)]
        mean, most = float(np.mean(gaps)) * 255, float(np.max(gaps)) * 255
        findings.append(
            Finding(
                f"{len(samples)} edits in a batch − one by one, {dtype}",
                f"mean {mean:.3f}, most {most:.0f} of 255",
                f"mean ≤ {NOISE * 255:.0f}",
                mean <= NOISE * 255,
            )
        )
    return findings


def memory_runs_out() -> list[Finding]:
    """(5) The message is ours, and says what to change."""
    editor, _ = _edited(output_resolution=1024, num_inference_steps=1)
    sample = _sample()
    filling = _fill_memory()
    try:
        editor.edit_image(sample.source.decode(), sample.instruction)
        said = "no error"
    except ModelError as error:
        said = str(error)
    except RuntimeError as error:
        said = f"{type(error).__name__}: {error}"
    del filling
    torch.cuda.empty_cache()
    good = said.startswith("out of memory on") and QwenImageEditModel.MEMORY_SETTINGS in said
    return [Finding("what an edit without memory says", said[:100], "ModelError with the settings to change", good)]


def _fill_memory() -> list[torch.Tensor]:
    """Takes nearly all memory that the driver has left."""
    taken: list[torch.Tensor] = []
    torch.cuda.empty_cache()
    block = 2**34
    while block >= LEFT_FREE // 2:
        if torch.cuda.mem_get_info()[0] < block + LEFT_FREE:
            block //= 2
            continue
        try:
            taken.append(torch.empty(block, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            block //= 2
    return taken


def main() -> None:
    """Runs all parts; one that breaks is a line that does not hold, and the others go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cpu leaves out what needs a GPU")
    parser.add_argument("--share-into", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    logging.getLogger("src").setLevel(logging.ERROR)
    if chosen.share_into is not None:
        share_into(chosen.share_into)
        return
    on_gpu = chosen.device != "cpu"
    if on_gpu and not torch.cuda.is_available():
        parser.exit(2, f"torch {torch.__version__} sees no GPU; --device cpu runs what a CPU can\n")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        parts: list[Callable[[], list[Finding]]] = [
            partial(precision_of_training, root),
            *(
                partial(after_is_the_trained_policy, root, kind, precision)
                for kind in ("full", "LoRA")
                for precision in PRECISIONS
            ),
            partial(same_picture_as_on_the_cpu, chosen.device),
            partial(a_batch_against_single_calls, chosen.device),
        ]
        if on_gpu:
            parts += [offload_changes_nothing, memory_runs_out]
        findings = [finding for part in parts for finding in _found(part)]
    rows = [[one.what, one.measured, one.wanted, "yes" if one.holds else "NO"] for one in findings]
    device = torch.cuda.get_device_name() if on_gpu else "CPU"
    title = f"{device}, torch {torch.__version__}, {time.perf_counter() - started:.0f} s"
    show(title, ["what", "measured", "wanted", "holds"], rows)
    close("gpu_first_light", sum(not one.holds for one in findings), "lines of the table that do not hold", "== 0")


def _found(part: Callable[[], list[Finding]]) -> list[Finding]:
    name = getattr(part, "func", part).__name__
    console.print(name.replace("_", " "))
    try:
        return part()
    except Exception as error:  # whatever breaks, the other parts are worth knowing
        traceback.print_exc()
        return [Finding(name.replace("_", " "), f"{type(error).__name__}: {error}"[:100], "no error", holds=False)]


if __name__ == "__main__":
    main()
