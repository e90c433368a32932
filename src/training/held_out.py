"""Before and after: the benchmark on held-out samples, with the policy as it was and as it is now."""

from __future__ import annotations

import json
import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from src.config import BenchmarkConfig, Config, EvaluationConfig, ModelConfig, RuntimeConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.pipeline.evaluation import evaluate
from src.reporting.statistics import mean_interval
from src.training.config import TrainingConfig

logger = logging.getLogger(__name__)

REWRITE_EDITOR = "src.models.diffusion.implementations.rewrite_editor.RewriteEditor"


@dataclass(frozen=True)
class Gain:
    """What training changed, by one scorer, on the held-out samples that both runs have a score for."""

    scorer: str
    samples: int
    """How many these are; None stands for every figure when there are none."""
    before: float | None
    after: float | None
    difference: float | None
    """Mean of the paired differences, in points of 10."""
    ci95: tuple[float, float] | None
    """Its 95 % interval, clustered by source image; see `mean_interval`."""
    coverage: float
    """Share of the held-out samples that have a score in both runs."""


def write_benchmark(samples: Sequence[EditSample], path: Path) -> None:
    """Writes samples whose images are files below `path`'s folder as JSONL that `load_samples` reads back equal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for sample in samples:
            file.write(json.dumps(_item(sample, path.parent), ensure_ascii=False) + "\n")


def _item(sample: EditSample, folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": sample.sample_id,
        "subset": sample.category,
        "edit_instruction": sample.instruction,
        "original_description": sample.description,
        "src_img": _inside(sample.source, folder),
        "difficulty": sample.difficulty,
        "tags": list(sample.tags),
        "rationale_short": sample.rationale,
        "reference_img": _inside(sample.reference, folder) if sample.reference else None,
        "family": sample.family,
        "seed": sample.seed,
    }
    if sample.graph is not None:
        graph = asdict(sample.graph)
        graph["dependencies"] = [list(one.values()) for one in graph["dependencies"]]
        fields["knowledge_graph"] = graph
    return {name: value for name, value in fields.items() if value is not None}


def _inside(image: LazyImage, folder: Path) -> str:
    assert image.path is not None, "held-out samples come from an image store"
    return image.path.resolve().relative_to(folder.resolve()).as_posix()


def rewriting_editor(config: TrainingConfig, prompt: str, max_new_tokens: int | None) -> ModelConfig:
    """The policy as it was before training, in front of the editor at full fidelity."""
    assert config.diffusion_model is not None, "only tasks with edits are evaluated by the benchmark"
    inner = config.diffusion_model
    params = {
        "policy": config.policy.model,
        "revision": config.policy.revision,
        "dtype": config.policy.dtype,
        "trust_remote_code": config.policy.trust_remote_code,
        "image_max_side": config.policy.image_max_side,
        "prompt": prompt,
        "language": config.data.language,
        "max_new_tokens": config.evaluation.max_new_tokens or max_new_tokens,
        "batch_size": config.evaluation.batch_size,
        "editor": {
            "class_path": inner.class_path,
            "params": inner.params | config.evaluation.diffusion_params,
        },
    }
    return ModelConfig(
        class_path=REWRITE_EDITOR, params={key: value for key, value in params.items() if value is not None}
    )


def trained(editor: ModelConfig, policy: Path, *, is_adapter: bool) -> ModelConfig:
    """The same editor behind the trained policy."""
    changed = {"adapter": str(policy)} if is_adapter else {"policy": str(policy), "revision": None}
    params = {key: value for key, value in (editor.params | changed).items() if value is not None}
    return ModelConfig(class_path=editor.class_path, params=params)


def compare(
    config: TrainingConfig, benchmark: BenchmarkConfig, editors: Mapping[str, ModelConfig], folder: Path
) -> list[Gain]:
    """Runs the benchmark with both editors, by the training's scorer and by the evaluation's own, if there is one.

    Each run goes on where it stopped, and the second scorer judges the edits of the first.

    Args:
        config: Whose scorers and prompts are used.
        benchmark: The held-out samples.
        editors: By name, `before` and `after`; each name is a folder of its own.
        folder: Where the runs go.
    """
    gains = []
    for scorer, judge in _scorers(config):
        rows: dict[str, list[dict[str, Any]]] = {}
        for name, editor in editors.items():
            run = Config(
                benchmark=benchmark,
                diffusion_model=editor,
                reward_model=judge,
                scorer=scorer,
                prompts=config.prompts,
                evaluation=EvaluationConfig(output_dir=folder / name, resume_from_checkpoint=True),
                runtime=RuntimeConfig(seed=config.training.seed),
            )
            logger.info("evaluating %s training by %s", name, scorer.class_path)
            rows[name] = evaluate(run).report["samples"]
        gains.append(_gain(scorer.class_path.rpartition(".")[2], rows["before"], rows["after"]))
    return gains


def _scorers(config: TrainingConfig) -> list[tuple[ModelConfig, ModelConfig | None]]:
    own = config.evaluation
    found = [(config.scorer, config.reward_model)]
    return [*found, (own.scorer, own.reward_model)] if own.scorer is not None else found


def _gain(scorer: str, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> Gain:
    """Pairs the samples that both runs have a score for."""
    later = {row["sample_id"]: row["score"] for row in after}
    pairs = [
        (row["score"], later[row["sample_id"]], row["source_sha256"])
        for row in before
        if row["score"] is not None and later.get(row["sample_id"]) is not None
    ]
    differences = [score - earlier for earlier, score, _ in pairs]
    return Gain(
        scorer=scorer,
        samples=len(pairs),
        coverage=len(pairs) / len(before),
        before=_mean([earlier for earlier, _, _ in pairs]),
        after=_mean([score for _, score, _ in pairs]),
        difference=_mean(differences),
        ci95=mean_interval(differences, [source for _, _, source in pairs]) if pairs else None,
    )


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
