"""The benchmark on held-out samples, with the policy before and after training in front of the editor."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from src.benchmark_config import BenchmarkConfig
from src.config import ClassConfig, Config, EvaluationConfig, ModelConfig
from src.data.image import LazyImage
from src.data.loader import Language
from src.data.sample import EditSample
from src.errors import EditLoopError, ModelError
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from src.training.config import TrainingConfig
from src.training.data_check import check_samples
from src.training.grpo.precision import policy_precision
from src.training.held_out.gain import Gain, ScoredSample, paired_gain
from src.training.tasks.example import Example

logger = logging.getLogger(__name__)

REWRITE_EDITOR = "src.models.diffusion.implementations.rewrite_editor.RewriteEditor"


class PolicyAtWork(Protocol):
    """How a trained policy becomes an entry of the benchmark."""

    @property
    def instructions(self) -> str:
        """The system message of the policy, in which a scorer of the form must find the tags that it demands."""

    def editors(self, config: TrainingConfig, max_new_tokens: int) -> dict[str, ModelConfig]:
        """Returns the sections of the editors with the policy `before` and `after` training."""


@dataclass(frozen=True)
class RewritePrompt:
    """How a policy is asked for a rewrite, in training and after it."""

    name: str
    """Name of the prompt in the protocol `rewrite`."""
    instructions: str
    """The system message, in which a scorer of the form must find the tags that it demands."""
    rules: str
    """The scorer's rules of form below it; empty for none."""

    def editors(self, config: TrainingConfig, max_new_tokens: int) -> dict[str, ModelConfig]:
        """Returns the sections of `RewriteEditor` with the policy before and after training."""
        before = rewriting_editor(config, self, max_new_tokens)
        is_adapter = config.policy.lora is not None
        return {
            "before": before,
            "after": with_trained_policy(before, config.training.policy_folder, is_adapter=is_adapter),
        }


def write_held_out_samples(samples: Sequence[EditSample], path: Path, language: Language) -> None:
    """Writes samples whose images are files below `path`'s folder as JSONL that `load_samples` reads back equal.

    Args:
        samples: The samples.
        path: The file.
        language: The language in which their instructions were read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(_item(sample, path.parent, language), ensure_ascii=False) + "\n")


def _item(sample: EditSample, folder: Path, language: Language) -> dict[str, Any]:
    chinese, english = sample.instruction, sample.other_instruction
    if language == "en" and english is not None:
        chinese, english = english, chinese
    fields: dict[str, Any] = {
        "id": sample.sample_id,
        "subset": sample.category,
        **_texts("prompt" if sample.source is None else "edit_instruction", chinese, english),
        "original_description": sample.description,
        "src_img": _inside(sample.source, folder) if sample.source else None,
        "difficulty": sample.difficulty,
        "tags": list(sample.tags),
        "rationale_short": sample.rationale,
        "reference_img": _inside(sample.reference, folder) if sample.reference else None,
        "preliminary_img": _inside(sample.preliminary, folder) if sample.preliminary else None,
        "family": sample.family,
        "seed": sample.seed,
        "cluster": sample.cluster,
        "attributes": dict(sample.attributes) or None,
    }
    if sample.graph is not None:
        graph = asdict(sample.graph)
        graph["dependencies"] = [list(one.values()) for one in graph["dependencies"]]
        fields["knowledge_graph"] = graph
    return {name: value for name, value in fields.items() if value is not None}


def _texts(name: str, chinese: str, english: str | None) -> dict[str, str | None]:
    return {name: chinese, f"{name}_en": english}


def _inside(image: LazyImage, folder: Path) -> str:
    assert image.path is not None, "held-out samples come from an image store"
    return image.path.resolve().relative_to(folder.resolve()).as_posix()


def rewriting_editor(config: TrainingConfig, prompt: RewritePrompt, max_new_tokens: int) -> ModelConfig:
    """Returns the section of `RewriteEditor`: the policy before training, and the editor as the evaluation has it."""
    assert config.diffusion_model is not None, "only tasks with edits are evaluated by the benchmark"
    inner, precision = config.diffusion_model, policy_precision(config)
    params = {
        "policy": config.policy.model,
        "revision": config.policy.revision,
        "dtype": precision.weights,
        "autocast": precision.autocast,
        "trust_remote_code": config.policy.trust_remote_code,
        "image_max_side": config.policy.image_max_side,
        "prompt": prompt.name,
        "rules": prompt.rules or None,
        "language": config.data.language,
        "max_new_tokens": max_new_tokens,
        "batch_size": config.evaluation.batch_size,
        "editor": {
            "class_path": inner.class_path,
            "params": inner.params | config.evaluation.diffusion_params,
        },
    }
    return ModelConfig(
        class_path=REWRITE_EDITOR, params={key: value for key, value in params.items() if value is not None}
    )


def with_trained_policy(editor: ModelConfig, policy: Path, *, is_adapter: bool) -> ModelConfig:
    """Returns the same section with the trained policy."""
    changed = {"adapter": str(policy)} if is_adapter else {"policy": str(policy), "revision": None}
    params = {key: value for key, value in (editor.params | changed).items() if value is not None}
    return ModelConfig(class_path=editor.class_path, params=params)


def compare_edits(
    config: TrainingConfig, policy: PolicyAtWork, examples: Sequence[Example[EditSample]], max_new_tokens: int
) -> list[Gain]:
    """Runs the benchmark with both policies, by the training's scorer and by the evaluation's own, if there is one.

    Each run goes on where it stopped, and the second scorer judges the edits of the first.

    Args:
        config: The config of a finished training.
        policy: How the policy is asked, as in training.
        examples: The held-out samples.
        max_new_tokens: The most tokens of a rewrite.
    """
    if not isinstance(config.data.held_out, str):
        write_held_out_samples([example.subject for example in examples], _data_path(config), config.data.language)
    gains = []
    for scorer, runs in _runs(config, policy, max_new_tokens):
        rows = {}
        for name, run in runs.items():
            logger.info("evaluating %s training by %s", name, scorer.class_path)
            samples = evaluate(run).report["samples"]
            rows[name] = [ScoredSample(row["sample_id"], row["source_sha256"], row["score"]) for row in samples]
        gains.append(paired_gain(scorer.class_path.rpartition(".")[2], rows["before"], rows["after"]))
    return gains


def check_evaluation(config: TrainingConfig, policy: PolicyAtWork, max_new_tokens: int) -> None:
    """Plans the runs of `compare_edits` as they will be, of which only the trained policy and the data are missing.

    Raises:
        ConfigError: for whatever in `evaluation` could not run.
        ModelError: for missing weights or keys.
    """
    missing: ModelError | None = None
    for _, runs in _runs(config, policy, max_new_tokens):
        try:
            RunPlan(runs["before"]).scoring.scorer.prompt_agrees(policy.instructions)
        except EditLoopError as error:
            found = type(error)(f"section evaluation, for the comparison after training: {error}")
            if not isinstance(found, ModelError):
                raise found from error
            missing = missing or found  # the second scorer may be wrong besides
    if missing is not None:
        raise missing


def check_held_out(config: TrainingConfig, policy: PolicyAtWork, examples: Sequence[Example[EditSample]]) -> None:
    """Finds held-out samples that a scorer of `compare_edits` has nothing to say about.

    Raises:
        DataError: that is true of all of them.
    """
    samples = [example.subject for example in examples[: config.evaluation.limit]]
    for place, (_, runs) in enumerate(_runs(config, policy, max_new_tokens=1)):
        where, plan = "evaluation.scorer" if place else "scorer", RunPlan(runs["before"])
        check_samples(plan.scoring.scorer, samples, f"{where}, on the held-out samples", plan.editor)


def _runs(
    config: TrainingConfig, policy: PolicyAtWork, max_new_tokens: int
) -> Iterator[tuple[ClassConfig, dict[str, Config]]]:
    """Yields each scorer with the configs of the benchmark's run before training and of the one after."""
    editors = policy.editors(config, max_new_tokens)
    for scorer, judge in _scorers(config):
        yield (
            scorer,
            {
                name: Config(
                    benchmark=_benchmark(config),
                    diffusion_model=editor,
                    reward_model=judge,
                    scorer=scorer,
                    prompts=config.prompts,
                    evaluation=EvaluationConfig(
                        output_dir=config.training.output_dir / "evaluation" / name, resume_from_checkpoint=True
                    ),
                    runtime=config.training.runtime,
                )
                for name, editor in editors.items()
            },
        )


def _data_path(config: TrainingConfig) -> Path:
    """Returns the held-out file, or the place to which the held-out share is written."""
    held_out = config.data.held_out
    return Path(held_out) if isinstance(held_out, str) else config.training.output_dir / "held_out.jsonl"


def _benchmark(config: TrainingConfig) -> BenchmarkConfig:
    data = config.data
    layout = {"format": data.format, "image_dir": data.image_dir} if isinstance(data.held_out, str) else {}
    return BenchmarkConfig(
        **layout,
        data_path=str(_data_path(config)),
        categories=data.categories,
        difficulties=data.difficulties,
        limit=config.evaluation.limit,
        language=data.language,
    )


def _scorers(config: TrainingConfig) -> list[tuple[ClassConfig, ModelConfig | None]]:
    own = config.evaluation
    training = (config.scorer, config.reward_model)
    return [training] if own.scorer is None else [training, (own.scorer, own.reward_model)]
