"""`train-judge`: the story — check config and pairs, train, keep the best, measure it beside another judge."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from src.config import ClassConfig, ModelConfig
from src.errors import ConfigError, EditLoopError
from src.models.device import free_memory
from src.models.reward.trained_preference import PreferenceDescription, save_trained
from src.models.weights import resolve_revision
from src.pipeline.output import exclusive
from src.pipeline.scorer_plan import ScorerPlan
from src.run_log import check_log
from src.training.dataset import ImageStore
from src.training.grpo.checkpoints import latest_checkpoint
from src.training.out_of_memory import out_of_memory_named
from src.training.preference.agreement import Judged, agreement, difference, judge_pairs
from src.training.preference.config import JUDGE, PreferenceConfig
from src.training.preference.data import PreferenceExample, PreferenceSplit, read_preferences
from src.training.preference.model import TrainableJudge, check_judge, checkpoints_folder, load_judge
from src.training.preference.report import write_agreement
from src.training.preference.score_map import MOST_ANCHORS, fit_score_map
from src.training.preference.trainer import build_trainer, questions_of
from src.training.storage.kept_run import keep_run
from src.training.storage.output_directory import ANOTHER_DIRECTORY, HISTORY, write_history, write_json

if TYPE_CHECKING:
    from transformers import TrainerCallback
    from trl import RewardTrainer

REWARD_MODEL = "src.models.reward.implementations.preference.PreferenceRewardModel"
SCORER = "src.rewards.scorers.preference.PreferenceScorer"
_FIXED = ("judge", "preferences")
_MAY_CHANGE = frozenset({"output_dir", "evaluation_batch_size"})
_TRAINED = "trained.json"
_MEMORY_SETTINGS = (
    "training.batch_size (with more gradient_accumulation_steps), training.gradient_checkpointing, "
    "judge.image_max_side or judge.lora"
)


def train_judge(
    config: PreferenceConfig, *, resume: bool = False, callbacks: Sequence[TrainerCallback] = ()
) -> dict[str, Any]:
    """Trains a preference judge, and returns the report on its agreement with held-out pairs.

    Args:
        config: The config of the training.
        resume: Go on from the newest checkpoint of `training.output_dir`.
        callbacks: Further callbacks of the trainer, such as a display.

    Raises:
        EditLoopError: for everything that makes the training impossible.
    """
    validate(config)
    settings = config.training
    with exclusive(settings.output_dir, ANOTHER_DIRECTORY):
        _prepare(config, resume=resume)
        split = read_preferences(config.preferences, settings.seed, ImageStore(settings.output_dir / "images"))
        if not (settings.judge_folder / _TRAINED).is_file():
            _train(config, split, callbacks, resume=resume)
            free_memory()
        return _measure(config, split)


def validate(config: PreferenceConfig) -> None:
    """Finds whatever is wrong with the config, before pairs are read.

    Raises:
        EditLoopError: what is wrong, where, and what to do.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("train-judge works in one process: start it with python, without accelerate launch")
    check_log(config.logging)
    other = None if config.compare_with is None else _other_plan(config).judge
    check_judge(config.judge)
    if other is not None:
        other.model_class.check_ready(other.params)
        other.check_weights()
        other.check_devices()


def _prepare(config: PreferenceConfig, *, resume: bool) -> None:
    keep_run(
        config.training.output_dir,
        config.redacted(),
        resume=resume,
        fixed=_FIXED,
        may_change=_MAY_CHANGE,
        names=("checkpoints", JUDGE, "results", HISTORY),
    )


def _train(
    config: PreferenceConfig, split: PreferenceSplit, callbacks: Sequence[TrainerCallback], *, resume: bool
) -> None:
    judge = load_judge(config)
    trainer = build_trainer(config, judge, split, callbacks)
    checkpoint = latest_checkpoint(checkpoints_folder(config)) if resume else None
    with out_of_memory_named(_MEMORY_SETTINGS):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    write_history(config.training.output_dir, trainer.state.log_history)
    _save_judge(config, judge, trainer, split)


def _save_judge(
    config: PreferenceConfig, judge: TrainableJudge, trainer: RewardTrainer, split: PreferenceSplit
) -> None:
    """Writes the judge's folder as a whole: a kill leaves no half of it."""
    anchors = split.train[:: max(1, len(split.train) // MOST_ANCHORS)][:MOST_ANCHORS]
    chosen, rejected, unedited = (
        trainer.rewards(questions_of(anchors, picture))
        for picture in (lambda one: one.chosen, lambda one: one.rejected, lambda one: one.source)
    )
    score_map, how = fit_score_map(chosen, rejected, unedited)
    settings = config.judge
    folder = config.training.judge_folder
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_trained(judge.model, partial)
    PreferenceDescription(
        base=settings.model,
        base_revision=resolve_revision(settings.model, settings.revision),
        trust_remote_code=settings.trust_remote_code,
        lora=judge.lora,
        frozen=judge.frozen,
        image_max_side=settings.image_max_side,
        rationale=config.preferences.rationale,
        score_map=score_map,
    ).write(partial)
    facts = {"steps": trainer.state.global_step, "best_step": trainer.state.best_global_step, "score_map": how}
    write_json(partial / _TRAINED, facts)
    partial.rename(folder)


def _measure(config: PreferenceConfig, split: PreferenceSplit) -> dict[str, Any]:
    """Judges the held-out pairs by the stored judge, as a run would, and by the other judge."""
    folder, pairs = config.training.judge_folder, split.held_out
    facts = json.loads((folder / _TRAINED).read_text(encoding="utf-8"))
    description = PreferenceDescription.read(folder)
    params = {"model_name": str(folder), "batch_size": config.training.evaluation_batch_size}
    params |= {"dtype": config.judge.dtype} if config.judge.lora else {}
    language = config.preferences.language
    ours = ScorerPlan(ClassConfig(class_path=SCORER), ModelConfig(class_path=REWARD_MODEL, params=params), {}, language)
    judged = {"trained": _judged(ours, pairs)}
    if config.compare_with is not None:
        judged["other"] = _judged(_other_plan(config), pairs)
    report: dict[str, Any] = {
        "data": {
            "train": len(split.train),
            "train_sources": split.sources(held_out=False),
            "held_out": len(pairs),
            "held_out_sources": split.sources(held_out=True),
            "bad": split.bad,
            "left_out": dict(split.left_out),
        },
        "steps": facts["steps"],
        "best_step": facts["best_step"],
        "score_map": description.score_map.model_dump() | {"how": facts["score_map"]},
        "judges": {name: agreement(pairs, one) for name, one in judged.items()},
    }
    if "other" in judged:
        report["difference"] = difference(pairs, judged["trained"], judged["other"])
    write_agreement(report, config.training.output_dir)
    return report


def _judged(plan: ScorerPlan, pairs: Sequence[PreferenceExample]) -> Judged:
    try:
        return judge_pairs(plan, pairs)
    finally:
        if plan.judge is not None:
            plan.judge.unload()
        free_memory()


def _other_plan(config: PreferenceConfig) -> ScorerPlan:
    other = config.compare_with
    assert other is not None
    try:
        return ScorerPlan(other.scorer, other.reward_model, other.prompts, config.preferences.language)
    except EditLoopError as error:
        raise ConfigError(f"compare_with: {error}") from error
