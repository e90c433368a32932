"""The memory of editors and judges that a training has in processes of a Ray cluster, on GPUs of their own."""

from __future__ import annotations

from collections.abc import Iterator

from src.models.reward.base_reward import BaseRewardModel
from src.training.config import HardwareSettings, TrainingConfig
from src.training.memory.comparison_memory import asked_policy_memory, compared_editor, comparing_judges
from src.training.memory.editor_memory import editor_memory, judge_memory
from src.training.memory.parts import read_sharding
from src.training.memory.placement import Gpu, editor_places, judge_places
from src.training.memory.policy_memory import SequenceLengths
from src.training.validate import is_placed


def place_in_cluster(
    config: TrainingConfig, hardware: HardwareSettings, sizes: SequenceLengths, longest: int
) -> Iterator[tuple[str, Gpu]]:
    """Yields what the GPU of one editor holds, and that of one judge, each with the setting that says how much it gets.

    Args:
        config: Of the training.
        hardware: What the training is meant for.
        sizes: Of prompts and completions.
        longest: Completion on held-out data, in tokens.
    """
    if config.training.engine != "ray":
        return
    if config.diffusion_model is not None and config.training.ray.editor_gpus and editor_places(config.diffusion_model):
        yield "editor_gpus", _editor(config, hardware, sizes, longest)
    judges = [config.reward_model, *(comparing_judges(config) if config.is_evaluated else ())]
    placed = [
        judge
        for judge in judges
        if judge is not None and judge_places(judge) and is_placed(config, judge, BaseRewardModel)  # type: ignore[type-abstract]
    ]
    if placed and config.training.ray.judge_gpus:
        gpu = Gpu(models=["a judge"], processes=1)
        gpu.take(judge_memory(placed[0]), gpu.parts)
        for judge in placed[1:]:
            gpu.compared.append([])
            gpu.take(judge_memory(judge), gpu.compared[-1])
        yield "judge_gpus", gpu


def _editor(config: TrainingConfig, hardware: HardwareSettings, sizes: SequenceLengths, longest: int) -> Gpu:
    """An editor while the policy is trained; after it the policy beside the editor, in one process."""
    assert config.diffusion_model is not None, "there is an editor"
    gpu = Gpu(models=["an editor"], processes=1)
    gpu.take(editor_memory(config.diffusion_model), gpu.parts)
    editor = compared_editor(config)
    if config.is_evaluated and editor is not None:
        sharding = read_sharding(hardware.accelerate, len(hardware.training))
        gpu.compared.append([])
        gpu.take(editor_memory(editor), gpu.compared[-1])
        gpu.take(asked_policy_memory(config, sizes, sharding, longest), gpu.compared[-1])
    return gpu
