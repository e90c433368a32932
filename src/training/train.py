"""`train`: the story of a training — check the config, read the data, train, save, and compare before with after."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.models.device import free_memory
from src.training.config import TrainingConfig
from src.training.dataset import ImageStore, Split, read_split
from src.training.grpo.checkpoints import StepRandomState, latest_checkpoint
from src.training.grpo.processes import without_zero3_sharding
from src.training.grpo.trainer import build_trainer, run_trainer
from src.training.held_out.gain import Gain
from src.training.policy_check import check_completions, check_policy
from src.training.storage.output_directory import GAINS, HISTORY, output_directory, write_history, write_json
from src.training.tracking.curve import draw_curve
from src.training.validate import Validated, check_data, check_devices, check_processes, completed, validate

if TYPE_CHECKING:
    from transformers import TrainerCallback


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished run."""

    policy: Path
    """Folder of the trained weights: a whole model, or an adapter."""
    history: Path
    """JSON list of the metrics of each logged step."""
    gains: list[Gain]
    """Before against after on held-out samples, one entry for each scorer; empty when nothing was evaluated."""


def train(
    config: TrainingConfig, *, resume: bool = False, callbacks: Sequence[TrainerCallback] = ()
) -> TrainingOutcome | None:
    """Trains a policy and, where there is held-out data, measures what that changed.

    Args:
        config: The config of the training.
        resume: Go on from the newest checkpoint of `training.output_dir`; nothing that is recorded is paid for twice.
        callbacks: Further callbacks of the trainer, such as a display.

    Returns:
        What came of it; None in all processes of a distributed run but the first.

    Raises:
        EditLoopError: for everything that makes the run impossible, or makes it stop; in the latter case a checkpoint
            is there.
    """
    config = completed(config)
    checked = validate(config)
    check_processes(config, checked.arguments)
    check_devices(config)
    processes = checked.processes
    with output_directory(config, processes, resume=resume):
        split = _read_data(config, checked)
        with without_zero3_sharding(checked.arguments):
            check_policy(config.policy)
            check_completions(config.policy, checked.arguments, config.evaluation.max_new_tokens)
        _train_policy(config, checked, split, callbacks, resume=resume)
        if not processes.end_and_is_first():
            return None
        free_memory()
        gains = _compare_on_held_out(config, checked, split)
        return TrainingOutcome(config.training.policy_folder, config.training.output_dir / HISTORY, gains)


def _read_data(config: TrainingConfig, checked: Validated) -> Split:
    """Reads the data, on each machine once, and leaves out examples that can never be rewarded."""
    with checked.processes.first_here_first():
        store = ImageStore(config.training.output_dir / "images")
        split = read_split(checked.task, config.data, config.training.seed, store)
    return check_data(config, checked, split)


def _train_policy(
    config: TrainingConfig, checked: Validated, split: Split, callbacks: Sequence[TrainerCallback], *, resume: bool
) -> None:
    """Trains the policy, and saves its weights and the metrics of its steps."""
    arguments, rewards, output_dir = checked.arguments, checked.rewards, config.training.output_dir
    with closing(rewards):
        with without_zero3_sharding(arguments):
            rewards.load()
        random_state = StepRandomState()
        own = [rewards.setting.clock.callback(), random_state.callback()]
        checkpoint = latest_checkpoint(Path(arguments.output_dir)) if resume else None
        examples = rewards.prepare(split.train)
        trainer = build_trainer(config, arguments, rewards, examples, [*own, *callbacks], checkpoint)
        try:
            run_trainer(trainer, random_state, checkpoint)
        finally:
            if trainer.is_world_process_zero():
                write_history(output_dir, trainer.state.log_history)
                draw_curve(trainer.state.log_history, output_dir / "reward_curve.png")
        trainer.save_model(str(config.training.policy_folder))
        if trainer.is_world_process_zero() and config.policy.lora is None:
            rewards.complete_saved(config.training.policy_folder)


def _compare_on_held_out(config: TrainingConfig, checked: Validated, split: Split) -> list[Gain]:
    """Measures by each scorer what training changed, and writes it down."""
    gains: list[Gain] = []
    if config.is_evaluated and split.held_out:
        with without_zero3_sharding(checked.arguments):
            gains = checked.task.gains(config, split.held_out, checked.longest_completion)
    write_json(config.training.output_dir / GAINS, [asdict(gain) for gain in gains])
    return gains
