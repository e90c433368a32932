"""The memory of the comparison after training, which the first process makes alone when the trainer is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from src.config import ModelConfig
from src.training.config import TrainingConfig
from src.training.memory.parts import MemoryPart, Sharding
from src.training.memory.policy_memory import SequenceLengths, count, generation_memory
from src.training.memory.text_encoder import text_encoder_task
from src.training.memory.token_editor import token_editor_task


def asked_policy_memory(
    config: TrainingConfig, sizes: SequenceLengths, sharding: Sharding, longest: int
) -> Iterator[MemoryPart]:
    """Yields the parts of the policy that rewrites or answers: whole on one GPU, in the number types of its training.

    Args:
        config: Of the training.
        sizes: Of its prompts.
        sharding: Of the training; with DeepSpeed the trained weights are in 16 bits.
        longest: Completion, in tokens.

    Raises:
        UnknownShape: its size cannot be told.
    """
    counts, policy = count(config.policy), config.policy
    in_half = sharding.is_deepspeed if policy.lora is None else policy.dtype != "float32"
    if text_encoder_task(config) is not None and (editor := config.diffusion_model) is not None:
        in_half = editor.params.get("dtype") != "float32"  # it computes as the editor does
    yield MemoryPart("policy's weights", counts.total * (2.0 if in_half else 4.0))
    if policy.lora is not None:
        yield MemoryPart("adapter", 4.0 * counts.trained)
    batch = config.evaluation.batch_size
    yield from generation_memory(policy, replace(sizes, batch=batch, rollouts=batch, completion=longest))


def compared_editor(config: TrainingConfig) -> ModelConfig | None:
    """The editor at the fidelity of the comparison, of which there is one; None where the policy is the editor."""
    if config.diffusion_model is None or token_editor_task(config) is not None:
        return None
    params = config.diffusion_model.params | config.evaluation.diffusion_params
    alone = {name: value for name, value in params.items() if name != "device_ids"}
    return ModelConfig(class_path=config.diffusion_model.class_path, params=alone)


def comparing_judges(config: TrainingConfig) -> Iterator[ModelConfig]:
    """Yields the judges that judge one after the other, each after all edits."""
    judges = [config.reward_model]
    if config.evaluation.scorer is not None:
        judges.append(config.evaluation.reward_model)
    yield from (judge for judge in judges if judge is not None)
