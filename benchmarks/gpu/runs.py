"""Whole runs of the miniature benchmark: two stages on one GPU, and a replica on each of two."""

from __future__ import annotations

import tempfile
import weakref
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

from benchmarks.gpu.check import DoesNotApply, Finding, Setting
from benchmarks.gpu.editing import MIB, ROUNDING, allocated, difference, pixels
from src.config import Config, load_config
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.pipeline.evaluation import evaluate

CONFIG = Path("config.yaml")


class WitnessedEditor(QwenImageEditModel):
    """The editor, which notes who is alive, and on which device each edit was made."""

    alive: ClassVar[weakref.WeakSet[WitnessedEditor]] = weakref.WeakSet()
    edits: ClassVar[Counter[str]] = Counter()

    def _initialize(self) -> None:
        super()._initialize()
        self.alive.add(self)

    def batch_edit(
        self, images: list[Image.Image], instructions: list[str], seeds: list[int] | None = None, **kwargs: Any
    ) -> list[Image.Image]:
        """Edits, and counts by replica."""
        self.edits[f"{self.device} ({id(self)})"] += len(images)
        return super().batch_edit(images, instructions, seeds, **kwargs)


class WitnessedJudge(Qwen3VLRewardModel):
    """The judge, which notes what it finds when it loads."""

    found: ClassVar[list[tuple[int, int]]] = []
    """Editors alive, and bytes that tensors hold on the GPU."""

    def _initialize(self) -> None:
        self.found.append((len(WitnessedEditor.alive), allocated(Setting(self.params.device))))
        super()._initialize()


def config_of(folder: Path, setting: Setting, **options: Any) -> Config:
    """The default benchmark, short, with both models on one device."""
    own = {
        "benchmark.limit": 2 if setting.tiny else 16,
        "diffusion_model.class_path": f"{__name__}.WitnessedEditor",
        "diffusion_model.params.num_inference_steps": 1 if setting.tiny else 4,
        "diffusion_model.params.batch_size": 1 if setting.tiny else 4,
        "diffusion_model.params.dtype": "float32",
        "reward_model.class_path": f"{__name__}.WitnessedJudge",
        "reward_model.params.device": setting.device,
        "evaluation.output_dir": str(folder),
    }
    return load_config(CONFIG, options={**own, **options})


def two_stage(setting: Setting) -> list[Finding]:
    """The judge loads only when the editor has left the GPU; every sample gets its score."""
    WitnessedJudge.found.clear()
    before = allocated(setting)
    # On a CPU, which editor and judge may share, `auto` would overlap them.
    options = {"diffusion_model.params.device": setting.device}
    options |= {} if setting.on_gpu else {"evaluation.schedule": "two_stage"}
    with tempfile.TemporaryDirectory() as folder:
        report = evaluate(config_of(Path(folder), setting, **options)).report
    ((editors, found),) = WitnessedJudge.found
    findings = [
        Finding("editors alive when the judge loads", str(editors), "0", editors == 0),
        Finding("samples with a score", f"{scored(report)} of {total(report)}", "all", scored(report) == total(report)),
    ]
    if setting.on_gpu:
        held = (found - before) / MIB
        what = "held on the GPU when the judge loads"
        findings.insert(1, Finding(what, f"{held:.1f} MiB", "≤ 16 MiB", held <= 16, {"mib": held}))
    return findings


def replicas(setting: Setting) -> list[Finding]:
    """An editor on each of two devices: both work, and their edits are those of one editor."""
    if setting.on_gpu and (count := torch.cuda.device_count()) < 2:
        raise DoesNotApply(f"{count} GPU is here; two replicas need two")
    devices: list[int | str] = [0, 1] if setting.on_gpu else ["cpu", "cpu"]
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root) / name for name in ("one", "two")]
        evaluate(config_of(folders[0], setting, **{"diffusion_model.params.device": setting.device}))
        WitnessedEditor.edits.clear()
        report = evaluate(config_of(folders[1], setting, **{"diffusion_model.params.device_ids": devices})).report
        one, two = (pictures(folder) for folder in folders)
    by_replica = " and ".join(str(count) for count in WitnessedEditor.edits.values())
    same = one.keys() == two.keys()
    findings = [
        Finding("edits by replica", by_replica, "two that work", len(WitnessedEditor.edits) == 2),
        Finding("samples with a score", f"{scored(report)} of {total(report)}", "all", scored(report) == total(report)),
        Finding("samples edited", f"{len(two)}", f"those of one editor ({len(one)})", same),
    ]
    if same:
        of_one, of_two = (np.concatenate([run[name].ravel() for name in sorted(one)]) for run in (one, two))
        findings.append(difference("edits of two replicas − of one, float32", of_two, of_one, ROUNDING["float32"]))
    return findings


def pictures(folder: Path) -> dict[str, np.ndarray]:
    """The edits of a run, by their path below `images`."""
    found = sorted((folder / "images").rglob("*.png"))
    return {str(path.relative_to(folder)): pixels(Image.open(path).convert("RGB")) for path in found}


def scored(report: dict[str, Any]) -> int:
    """How many samples of a report have a score."""
    return int(report["statuses"].get("scored", 0))


def total(report: dict[str, Any]) -> int:
    """How many samples a report has."""
    return sum(int(count) for count in report["statuses"].values())
