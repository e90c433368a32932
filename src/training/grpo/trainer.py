"""TRL's trainer for a run: built from the config, and run until the end or until training has to stop."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from src.models.vlm.adapter import load_adapter_weights
from src.training.config import TrainingConfig
from src.training.curriculum import bin_scores, curriculum_order, stage_lines, stages_of
from src.training.grpo.checkpoints import StepRandomState, unfounded_warnings_hidden, whole_model
from src.training.grpo.divergence import GRPO_ADVICE, finite_loss_trainer, finite_weights
from src.training.grpo.early_stop import TrainingStopped
from src.training.grpo.policy import keep_trained_in_float32, load_policy, lora_config, suppressed_vision_tokens
from src.training.grpo.precision import policy_precision
from src.training.grpo.processes import without_zero3_sharding
from src.training.grpo.reward_function import RewardFunction
from src.training.grpo.settings import prompts_drawn, prompts_per_generation
from src.training.grpo.vllm_prompts import collapse_image_tokens
from src.training.out_of_memory import out_of_memory_named
from src.training.prompts import run_order
from src.training.tasks.example import Example

if TYPE_CHECKING:
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

logger = logging.getLogger(__name__)

MEMORY_SETTINGS = (
    "training.grpo.per_device_train_batch_size (smaller, with more gradient_accumulation_steps), "
    "training.grpo.max_completion_length, training.grpo.gradient_checkpointing, policy.image_max_side, policy.lora, "
    "or give the editor another device or a server of its own"
)


def build_trainer(
    config: TrainingConfig,
    arguments: GRPOConfig,
    rewards: RewardFunction,
    examples: Sequence[Example],
    callbacks: Sequence[TrainerCallback],
    checkpoint: Path | None,
) -> GRPOTrainer:
    """Loads the policy and joins it with the prompts and the reward function.

    Args:
        config: The config of the run.
        arguments: The trainer's arguments; the order of the data is laid out here as one long epoch.
        rewards: The loaded reward function.
        examples: The training examples of one epoch, as the policy sees them.
        callbacks: Callbacks of the trainer.
        checkpoint: The checkpoint from which the run goes on; None for a new run.

    Raises:
        ConfigError: there are too few examples for one generation.
        ModelError: the policy cannot be loaded.
    """
    with without_zero3_sharding(arguments) if rewards.LOADS_WHOLE_POLICY else nullcontext():
        trainer = _built(config, arguments, rewards, examples, callbacks, checkpoint)
    rewards.take_trainer(trainer)
    if arguments.use_vllm and arguments.vllm_mode == "colocate":
        collapse_image_tokens(trainer)
    if config.policy.lora is not None:
        if not trainer.is_deepspeed_enabled:  # whose optimizer keeps such copies
            keep_trained_in_float32(trainer.model)
        if checkpoint is not None:
            load_adapter_weights(trainer.model, checkpoint)
    return trainer


def _built(
    config: TrainingConfig,
    arguments: GRPOConfig,
    rewards: RewardFunction,
    examples: Sequence[Example],
    callbacks: Sequence[TrainerCallback],
    checkpoint: Path | None,
) -> GRPOTrainer:
    """TRL's trainer, which loads the reference model where there is one."""
    from transformers import PrinterCallback
    from trl import GRPOTrainer

    number_type = policy_precision(config).weights
    model, processor = load_policy(config.policy, number_type, whole_model(checkpoint), rewards.policy_processor())
    rewards.take_policy(model)
    arguments.generation_kwargs = suppressed_vision_tokens(
        processor, config.training.grpo.get("generation_kwargs") or {}, vllm=arguments.use_vllm
    )
    order = _order(config, arguments, examples)
    arguments.num_train_epochs = 1
    rows = rewards.prompt_rows(examples, processor)
    rewards.add_examples(examples)
    trainer: GRPOTrainer = rewards.policy_trainer(finite_loss_trainer(GRPOTrainer, GRPO_ADVICE))(
        model=model,
        reward_funcs=[rewards],
        args=arguments,
        train_dataset=rows.select(order),
        processing_class=processor,
        peft_config=lora_config(config.policy.lora) if config.policy.lora else None,
        callbacks=[finite_weights(), *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _order(config: TrainingConfig, arguments: GRPOConfig, examples: Sequence[Example]) -> list[int]:
    """Returns the index of the example of each prompt of the run; all processes and all resumed runs have the same."""
    drawn, seed = prompts_drawn(arguments, len(examples)), config.training.seed
    if config.data.curriculum is None:
        return run_order(len(examples), drawn, seed)
    stages = stages_of(examples, bin_scores(config.data.curriculum), config.data.curriculum.stages)
    for line in stage_lines(examples, stages):
        logger.info("curriculum, %s", line)
    return curriculum_order(stages, drawn, prompts_per_generation(arguments), seed)


def run_trainer(trainer: GRPOTrainer, random_state: StepRandomState, checkpoint: Path | None) -> None:
    """Trains to the end, or until training has to stop; in that case it saves a checkpoint first.

    Args:
        trainer: The trainer, with the callback of `random_state`.
        random_state: The random states at the start of the current step.
        checkpoint: The checkpoint from which the run goes on; None for a new run.

    Raises:
        TrainingStopped: with the place of the checkpoint.
        TrainingDiverged: a loss or weight is NaN or infinite; no checkpoint is written.
        ModelError: the accelerator's memory does not suffice.
    """
    try:
        with unfounded_warnings_hidden(), out_of_memory_named(MEMORY_SETTINGS):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except TrainingStopped as error:
        saved = random_state.save(trainer)
        raise TrainingStopped(f"{error}{f' (checkpoint: {saved})' if saved else ''}") from error
