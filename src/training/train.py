"""`train`: one training run — check, read, train or go on, save, and compare before with after."""

from __future__ import annotations

import gc
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ModelError, OutputError
from src.models.adapter import load_adapter_weights
from src.models.plain_text import PlainText
from src.pipeline.output import exclusive
from src.training.checkpoints import StepStart, latest_checkpoint, unfounded_warnings_hidden, whole_model
from src.training.config import POLICY, TrainingConfig
from src.training.curve import draw_curve
from src.training.dataset import ImageStore, Split, read_split
from src.training.gain import Gain
from src.training.grpo_settings import CHECKPOINTS, prompts_drawn
from src.training.policy import keep_trained_in_float32, load_policy, lora_config, unsayable
from src.training.policy_check import check_policy
from src.training.processes import Processes, loading_whole
from src.training.prompts import prompt_rows, run_order
from src.training.rewards import RewardFunction
from src.training.rollouts import show_each_picture_once
from src.training.settled import TrainingStopped
from src.training.shared_record import open_shared
from src.training.stored_run import STORED_RUN, as_run, check_same_run
from src.training.tasks.base import Example
from src.training.validate import check_data, check_devices, check_processes, validate

if TYPE_CHECKING:
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

logger = logging.getLogger(__name__)

HISTORY = "history.json"
GAINS = "gains.json"
_FOLDERS = (CHECKPOINTS, POLICY, "record", "images", "shown", "evaluation")
_FILES = (STORED_RUN, "held_out.jsonl", HISTORY, GAINS)
MEMORY_SETTINGS = (
    "training.grpo.per_device_train_batch_size (smaller, with more gradient_accumulation_steps), "
    "training.grpo.max_completion_length, training.grpo.gradient_checkpointing, policy.image_max_side, policy.lora, "
    "or give the editor another device or a server of its own"
)


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished run."""

    policy: Path
    """Folder of the trained weights: a whole model, or an adapter."""
    history: Path
    """JSON list of the metrics of each logged step."""
    gains: list[Gain]
    """Before against after on held-out samples, one entry a scorer; empty when nothing was evaluated."""


def train(
    config: TrainingConfig, *, resume: bool = False, callbacks: Sequence[TrainerCallback] = ()
) -> TrainingOutcome | None:
    """Trains a policy and, where there is held-out data, measures what that changed.

    Args:
        config: What to train.
        resume: Go on from the newest checkpoint of `training.output_dir`; nothing that is recorded is paid for twice.
        callbacks: Of the trainer, for a display.

    Returns:
        What came of it; None in all processes of a distributed run but the first.

    Raises:
        EditLoopError: for everything that makes the run impossible, or makes it stop; in the latter case a checkpoint
            is there.
    """
    checked = validate(config)
    check_processes(config, checked.arguments)
    check_devices(config)
    arguments, processes, task = checked.arguments, checked.processes, checked.task
    output_dir = config.training.output_dir
    with _place(config, processes, resume=resume):
        with processes.first_here_first():
            split = read_split(task, config.data, config.training.seed, ImageStore(output_dir / "images"))
        split = check_data(config, checked, split)
        with loading_whole(arguments):
            check_policy(config.policy)
        _train(config, arguments, checked.rewards, split, callbacks, resume=resume)
        if not processes.end_and_is_first():
            return None
        _free_memory()
        gains: list[Gain] = []
        if config.is_evaluated and split.held_out:
            with loading_whole(arguments):
                gains = task.gains(config, split.held_out, checked.longest_completion)
        _write_json(output_dir / GAINS, [asdict(gain) for gain in gains])
        return TrainingOutcome(config.training.policy_folder, output_dir / HISTORY, gains)


def _train(
    config: TrainingConfig,
    arguments: GRPOConfig,
    rewards: RewardFunction,
    split: Split,
    callbacks: Sequence[TrainerCallback],
    *,
    resume: bool,
) -> None:
    output_dir = config.training.output_dir
    with closing(rewards):
        with loading_whole(arguments):
            rewards.load()
        start = StepStart()
        own = [rewards.setting.clock.callback(), start.callback()]
        checkpoint = latest_checkpoint(Path(arguments.output_dir)) if resume else None
        examples = rewards.prepare(split.train)
        trainer = _trainer(config, arguments, rewards, examples, [*own, *callbacks], checkpoint)
        try:
            _run(trainer, start, checkpoint)
        finally:
            if trainer.is_world_process_zero():
                _write_json(output_dir / HISTORY, trainer.state.log_history)
                draw_curve(trainer.state.log_history, output_dir / "reward_curve.png")
        trainer.save_model(str(config.training.policy_folder))


def _run(trainer: GRPOTrainer, start: StepStart, checkpoint: Path | None) -> None:
    """Trains to the end, or until it has to stop; then with a checkpoint."""
    try:
        with unfounded_warnings_hidden():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except TrainingStopped as error:
        saved = start.save(trainer)
        raise TrainingStopped(f"{error}{f' (checkpoint: {saved})' if saved else ''}") from error
    except RuntimeError as error:  # torch's own class for it exists on CUDA only
        if "out of memory" not in str(error).lower():
            raise
        raise ModelError(f"out of memory in training; change {MEMORY_SETTINGS} ({error})") from error


def _trainer(
    config: TrainingConfig,
    arguments: GRPOConfig,
    rewards: RewardFunction,
    examples: list[Example],
    callbacks: Sequence[TrainerCallback],
    checkpoint: Path | None,
) -> GRPOTrainer:
    from transformers import PrinterCallback
    from trl import GRPOTrainer

    model, processor = load_policy(config, whole_model(checkpoint))
    arguments.generation_kwargs = unsayable(
        processor, config.training.grpo.get("generation_kwargs") or {}, vllm=arguments.use_vllm
    )
    order = run_order(len(examples), prompts_drawn(arguments, len(examples)), config.training.seed)
    arguments.num_train_epochs = 1
    rewards.know(examples)
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=[rewards],
        args=arguments,
        train_dataset=prompt_rows(examples, config.policy.image_max_side, PlainText([processor])).select(order),
        processing_class=processor,
        peft_config=lora_config(config.policy.lora) if config.policy.lora else None,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    if arguments.use_vllm and arguments.vllm_mode == "colocate":
        show_each_picture_once(trainer)
    if config.policy.lora is not None:
        if not trainer.is_deepspeed_enabled:  # whose optimizer keeps such copies
            keep_trained_in_float32(trainer.model)
        if checkpoint is not None:
            load_adapter_weights(trainer.model, checkpoint)
    return trainer


def _free_memory() -> None:
    """The trainer and its model refer to each other in circles."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def _place(config: TrainingConfig, processes: Processes, *, resume: bool) -> Iterator[None]:
    """The output directory, ours alone; the first process prepares it for all."""
    output_dir = config.training.output_dir
    with exclusive(output_dir) if processes.is_first else nullcontext():
        if processes.is_first:
            _prepare(config, resume=resume)
        processes.wait()
        if processes.is_first_here:
            open_shared(output_dir, processes)
        processes.wait()
        yield


def _prepare(config: TrainingConfig, *, resume: bool) -> None:
    output_dir = config.training.output_dir
    if resume:
        check_same_run(config)
    elif moved := _set_aside(output_dir):
        logger.warning("%s held an earlier run; it is now in %s", output_dir, moved)
    _write_json(output_dir / STORED_RUN, as_run(config))


def _set_aside(output_dir: Path) -> Path | None:
    """Moves an earlier run into `previous/<time>/`, so that a fresh one loses nothing."""
    found = [output_dir / name for name in (*_FOLDERS, *_FILES) if (output_dir / name).exists()]
    if not found:
        return None
    target = output_dir / "previous" / datetime.now().strftime("%Y%m%d_%H%M%S_%f")
    target.mkdir(parents=True)
    for path in found:
        shutil.move(path, target / path.name)
    return target


def _write_json(path: Path, data: Any) -> None:
    try:
        path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; free space, then --resume") from error
