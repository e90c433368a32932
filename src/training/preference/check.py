"""`python main.py check` of a `train-judge` config, and its `--dry-run`: nothing is loaded, trained or kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from src.errors import ModelError
from src.training.dataset import NAMED, ImageStore
from src.training.preference.config import PreferenceConfig
from src.training.preference.data import read_preferences
from src.training.preference.train import validate


def check_preference_training(config: PreferenceConfig) -> Iterator[str]:
    """Lines that say what would be trained on what, and what is still to get.

    Raises:
        EditLoopError: for whatever is wrong. Weights and data that are not there yet are lines instead.
    """
    missing: list[str] = []
    try:
        validate(config)
    except ModelError as error:
        missing.append(f"to get: {error}")
    settings = config.training
    adapter = f"LoRA of rank {config.judge.lora.r}" if config.judge.lora else "all weights"
    frozen = ", vision tower frozen" if config.judge.lora is None and config.judge.freeze_vision_tower else ""
    yield f"judge: {config.judge.model}, a scalar head and {adapter}{frozen}"
    absent = [name for name in [*config.preferences.files, *_own_file(config)] if _is_absent(name)]
    if absent:
        missing += [f"to get: the preference pairs {name} are not there" for name in absent]
    else:
        yield from _data_lines(config)
    pairs = settings.batch_size * settings.gradient_accumulation_steps
    yield (
        f"training: at most {settings.max_steps} steps of {pairs} pairs ({2 * pairs} questions), measured every "
        f"{settings.evaluate_every} steps; {settings.output_dir}"
    )
    if config.compare_with is not None:
        judge = config.compare_with.reward_model
        yield f"beside it: {judge.class_path if judge else config.compare_with.scorer.class_path}"
    yield from missing


def _own_file(config: PreferenceConfig) -> list[str]:
    held_out = config.preferences.held_out
    return [held_out] if isinstance(held_out, str) else []


def _is_absent(name: str) -> bool:
    return not name.startswith("hf://") and "*" not in name and not Path(name).expanduser().exists()


def _data_lines(config: PreferenceConfig) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="editloop-check") as folder:
        split = read_preferences(config.preferences, config.training.seed, ImageStore(Path(folder)))
    yield (
        f"pairs: {len(split.train)} of {split.sources(held_out=False)} source pictures to train on, "
        f"{len(split.held_out)} of {split.sources(held_out=True)} held out"
    )
    for reason, count in split.left_out.items():
        yield f"left out: {count} pairs: {reason}"
    if split.bad:
        yield f"left out: {len(split.bad)} bad pairs: {'; '.join(split.bad[:NAMED])}"
