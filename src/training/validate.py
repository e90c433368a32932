"""`validate`: whatever can be wrong with a training's config, found before anything is read, loaded or written."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config import ModelConfig
from src.errors import ConfigError, ModelError
from src.models.base import BaseModel
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.model_handle import ModelHandle
from src.models.reward.base_reward import BaseRewardModel
from src.models.vlm.attention import require_attention
from src.models.vlm.stored_architecture import require_vision_language
from src.pipeline.placement import Placement
from src.registry import load_class, resolve
from src.run_log import check_log
from src.training.config import PolicySettings, TrainingConfig
from src.training.curriculum import bin_scores, stages_of
from src.training.dataset import Split
from src.training.grpo.policy import lora_config
from src.training.grpo.processes import Processes, require_one_gpu
from src.training.grpo.reward_function import RewardFunction, RewardSetting
from src.training.grpo.settings import CHECKPOINTS, grpo_config, prompts_drawn
from src.training.storage.output_directory import require_writable
from src.training.tasks.base import Task
from src.training.tracking.show import StepPageWriter
from src.training.tracking.trackers import open_trackers

if TYPE_CHECKING:
    from trl import GRPOConfig

LONGEST_COMPLETION = 1024
"""The most tokens of a completion on held-out data where neither evaluation nor training has a limit."""


@dataclass(frozen=True)
class Validated:
    """A training that could start, as far as its config tells."""

    arguments: GRPOConfig
    """The trainer's arguments."""
    processes: Processes
    task: Task
    rewards: RewardFunction
    """Built from the config; nothing of it is loaded."""
    longest_completion: int
    """The most tokens of a completion on held-out data."""


def validate(config: TrainingConfig) -> Validated:
    """Checks a config as a whole. What data and policy have to do with it is found by `check_data` and `check_policy`.

    Found are unknown and contradicting settings of trainer, adapter, task, editor, judge and scorers, those of the
    evaluation after training included; missing weights and keys; trackers that cannot be used; an output directory
    that cannot be written. Nothing is written.

    Raises:
        EditLoopError: what is wrong, where, and what to do.
    """
    arguments = grpo_config(config.training)
    check_vllm(arguments)
    _check_policy_kind(config.policy)
    task = build_task(config)
    processes = Processes.of(arguments)
    output_dir = config.training.output_dir
    setting = RewardSetting(
        config=config,
        processes=processes,
        page_writer=_page_writer(arguments, output_dir) if processes.is_first else None,
    )
    rewards = task.rewards(setting)
    check_settings(config)
    longest = longest_completion(config, arguments)
    if config.is_evaluated:
        task.check_evaluation(config, longest)
    return Validated(arguments, processes, task, rewards, longest)


def _check_policy_kind(policy: PolicySettings) -> None:
    """Names the policy where its folder holds another kind of model; weights that are missing are found later."""
    own_code_decides = policy.trust_remote_code
    if own_code_decides or not Path(policy.model).is_dir():
        return
    try:
        require_vision_language(policy.model, policy.revision)
    except ModelError as error:
        raise ModelError(f"policy.model: {error}") from error


def check_settings(config: TrainingConfig) -> None:
    """Checks the adapter, the sections of the evaluation beside each other, and the output directory.

    Nothing of it needs weights, keys or servers.

    Raises:
        ConfigError: settings that cannot be, or not together.
        OutputError: the output directory cannot be written.
    """
    if config.policy.lora is not None:
        lora_config(config.policy.lora)
    if config.policy.attn_implementation is not None:
        require_attention(config.policy.attn_implementation, "policy.attn_implementation")
    _check_judge_has_scorer(config)
    require_writable(config.training.output_dir)
    check_log(config.logging)


def longest_completion(config: TrainingConfig, arguments: GRPOConfig) -> int:
    """Returns the most tokens of a completion in the evaluation."""
    return int(config.evaluation.max_new_tokens or arguments.max_completion_length or LONGEST_COMPLETION)


def models_of(config: TrainingConfig) -> Iterator[tuple[str, ModelConfig, type[BaseModel]]]:
    """Yields place in the config, section and base class of each model that trains or evaluates the policy."""
    for where, model, base in (
        ("diffusion_model", config.diffusion_model, BaseDiffusionModel),
        ("reward_model", config.reward_model, BaseRewardModel),
        ("evaluation.reward_model", config.evaluation.reward_model, BaseRewardModel),
    ):
        if model is not None:
            yield where, model, base


def check_devices(config: TrainingConfig) -> None:
    """Looks for the GPUs that editor and judges name, those of the evaluation after training included.

    Raises:
        ModelError: one is not on this machine, or not in the Ray cluster.
    """
    placement = Placement(config.training.runtime)
    judges = _judges(config, config.reward_model) if config.training.engine == "ray" and config.reward_model else 0
    for where, model, base in models_of(config):
        try:
            if not is_placed(config, model, base):
                load_class(model.class_path, base).check_devices(model.params)
            elif base is BaseDiffusionModel:
                placement.check_editors(where, judges)
            else:
                placement.check_judges(where, judges or 1)
        except ModelError as error:
            raise ModelError(f"{where}: {error}") from error


def is_placed(config: TrainingConfig, model: ModelConfig, base: type[BaseModel]) -> bool:
    """Whether an editor or a judge of the training is in processes of a Ray cluster, and not in its own."""
    if config.training.engine != "ray":
        return False
    return base is BaseDiffusionModel or _judges(config, model) > 0


def _judges(config: TrainingConfig, model: ModelConfig) -> int:
    judge = ModelHandle(model, BaseRewardModel, "a judge")  # type: ignore[type-abstract]
    return Placement(config.training.runtime).judge_count(judge)


def in_own_processes(config: TrainingConfig) -> TrainingConfig:
    """The same training without the models that are in processes of a Ray cluster."""
    placed: dict[str, Any] = {where: None for where, model, base in models_of(config) if is_placed(config, model, base)}
    if placed.pop("evaluation.reward_model", config) is None:
        placed["evaluation"] = config.evaluation.model_copy(update={"reward_model": None})
    return config.model_copy(update=placed)


def check_processes(config: TrainingConfig, arguments: GRPOConfig) -> None:
    """Compares how a training was started with what it is meant for; `check` may run elsewhere.

    Raises:
        ConfigError: it has another number of processes than section `hardware` says, one that sees several GPUs, or
            several that have no cluster in common.
    """
    count = arguments.world_size
    if config.hardware is not None and count != len(config.hardware.training):
        raise ConfigError(
            f"hardware.training: {config.hardware.training} is {len(config.hardware.training)} process(es), one for "
            f"each GPU, but {count} run(s): batches and memory would be others. Start the training by the command that "
            "`python main.py check` prints, or correct the section (--set hardware=null leaves it out)"
        )
    require_one_gpu(arguments)
    if count > 1 and config.training.engine == "ray" and config.training.ray.address == "local":
        raise ConfigError(
            f"training.ray.address: local would start a Ray cluster in each of {count} processes, and they could share "
            "no editor: run `ray start --head` before (docs/clusters.md) and leave the address out"
        )


def check_data(config: TrainingConfig, checked: Validated, split: Split) -> Split:
    """Checks the data against the rest of a valid config.

    Returns:
        The data without the training examples that can never be rewarded.

    Raises:
        EditLoopError: a scorer, of training or of evaluation, that can score nothing; too few examples; a curriculum
            that does not fit them.
    """
    train = checked.rewards.rewardable(split.train)
    if config.is_evaluated and split.held_out:
        checked.task.check_held_out(config, split.held_out)
    prompts_drawn(checked.arguments, len(train))
    if config.data.curriculum is not None:
        stages_of(train, bin_scores(config.data.curriculum), config.data.curriculum.stages)
    return Split(train, split.held_out)


def check_vllm(arguments: GRPOConfig) -> None:
    """Looks for the package of `use_vllm`.

    Raises:
        ModelError: it is not installed.
    """
    if arguments.use_vllm and importlib.util.find_spec("vllm") is None:
        raise ModelError("training.grpo.use_vllm: the package vllm is missing; get it with: pip install 'trl[vllm]'")


def build_task(config: TrainingConfig) -> Task:
    """The task that a config names.

    Raises:
        ConfigError: for a wrong class path or wrong params.
    """
    task_class = resolve(config.task, Task, "task")  # type: ignore[type-abstract]
    return task_class(config.task.params, config.data.language)


def completed(config: TrainingConfig) -> TrainingConfig:
    """Returns the config with what follows from its task; see `Task.completed`.

    Raises:
        ConfigError: for a wrong task, or settings that have no meaning with it.
    """
    return build_task(config).completed(config)


def _check_judge_has_scorer(config: TrainingConfig) -> None:
    if config.evaluation.reward_model is not None and config.evaluation.scorer is None:
        raise ConfigError(
            "evaluation.reward_model is asked by evaluation.scorer alone: add evaluation.scorer.class_path "
            "(and params), or leave it out"
        )


def _page_writer(arguments: GRPOConfig, output_dir: Path) -> StepPageWriter:
    pictures = output_dir / CHECKPOINTS / "runs" / "pictures"
    return StepPageWriter(output_dir / "shown", open_trackers(arguments.report_to or [], pictures))
