"""`RunPlan`: everything about a run that is known before a model loads — classes, params, identities, keys."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from src import __version__
from src.benchmark_config import BenchmarkConfig
from src.config import Config
from src.data.categories import category_key, difficulty_key
from src.data.image import content_hash
from src.data.sample import EditSample
from src.data.selection import Selection
from src.pipeline.budget import check_budget
from src.pipeline.editor_plan import EditorPlan
from src.pipeline.keys import digest
from src.pipeline.placement import Placement
from src.pipeline.scorer_plan import ScorerPlan
from src.pipeline.work_item import WorkItem, work_item
from src.record.record import SampleKeys
from src.record.results import RunInfo
from src.redaction import redact
from src.shard import Shard

_LIBRARIES = ("pillow", "torch", "diffusers", "transformers")


class RunPlan:
    """A checked configuration of a run.

    Raises:
        ConfigError: on construction, for anything in the config that could not run.
        ModelError: on construction, when weights are missing.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.editor = EditorPlan(config.diffusion_model, config.runtime)
        self.scoring = scorer_plan(config, self.editor.placement)
        check_budget(config.evaluation.budget, self.scoring)
        self.editor.check_weights()
        self.scoring.check_weights()

    @property
    def selection(self) -> Selection:
        """The selection of samples of the benchmark that are run."""
        return Selection.of(self.config.benchmark)

    @property
    def run_key(self) -> str:
        """Equal for two runs exactly when they ask for the same results."""
        return run_key(self.config.benchmark, self.scoring, self.editor.digest, self.editor.seed)

    def item(self, sample: EditSample, source_sha256: str) -> tuple[WorkItem, SampleKeys]:
        """The work that the run has with a sample, and the content keys under which the record finds it.

        Raises:
            ImageError: a further source picture cannot be read.
        """
        further = [content_hash(picture.read_bytes()) for picture in sample.further_sources]
        seed, edit_key = self.editor.keys(sample.sample_id, source_sha256, sample.instruction, further)
        uneditable = self.editor.inapplicable(sample)
        pending = self.scoring.pending_verdict(sample, edit_key, uneditable=uneditable)
        item = work_item(sample, edit_key, [pending], seed=seed)
        return item, SampleKeys(seed, source_sha256, edit_key, pending.verdict_key)

    def left_out(self, sample: EditSample) -> list[str]:
        """What the scorer leaves out of the score of the sample's edit, each with the reason."""
        return [f"{name}: {reason}" for name, reason in self.scoring.scorer.left_out(sample).items()]

    def info(self) -> RunInfo:
        """The run as the record stores it."""
        return run_info(self.config, self.scoring, self.run_key, redact(self.editor.identity()))

    def check_devices(self) -> None:
        """Checks the devices for a run on this machine; a plan that is not run may be meant for another.

        Raises:
            ModelError: editor or judge ask for a GPU that is not here.
        """
        self.editor.check_devices(self.judges_beside_editors())
        self.scoring.check_devices()

    def judges_beside_editors(self) -> int:
        """How many processes of a cluster judge while others edit."""
        return 0 if self.two_stage() else self.scoring.judge_actors

    def two_stage(self) -> bool:
        """Whether to edit everything before judging anything."""
        schedule = self.config.evaluation.schedule
        if schedule != "auto":
            return schedule == "two_stage"
        if self.scoring.judge is None:
            return False
        shared = set(self.editor.devices()) & set(self.scoring.judge.devices())
        return bool(shared - {"cpu"})


def scorer_plan(config: Config, placement: Placement | None = None) -> ScorerPlan:
    """The scorer of a run, checked against the categories that it selects.

    Args:
        config: Of the run.
        placement: Where its editor is, if that has a place elsewhere; else it is what the config says.

    Raises:
        ConfigError: for anything in its sections that could not run.
    """
    benchmark = config.benchmark
    placement = placement or Placement.of(config.runtime)
    plan = ScorerPlan(config.scorer, config.reward_model, config.prompts, benchmark.language, placement)
    plan.scorer.check_categories(benchmark.categories or [])
    return plan


def run_key(section: BenchmarkConfig, scoring: ScorerPlan, editor_digest: str, seed: int) -> str:
    """Equal for two runs exactly when they ask for the same results."""
    inline = {category: prompt.model_dump() for category, prompt in scoring.prompts.items()}
    prompts = [inline, scoring.scorer.prompt_versions()]
    unset = {"max_source_pixels", "larger_sources"} if section.max_source_pixels is None else set()
    unset |= {"format"} if section.format == "native" else set()
    benchmark = section.model_dump(mode="json", exclude={"follow_links", "shard", "image_dir"} | unset)
    for name, key in (("categories", category_key), ("difficulties", difficulty_key)):
        benchmark[name] = benchmark[name] and [key(value) for value in benchmark[name]]
    whole = digest(["run", benchmark, prompts, editor_digest, scoring.digest, seed])
    return Shard.parse(section.shard).run_key(whole) if section.shard else whole


def run_info(config: Config, scoring: ScorerPlan, key: str, editor: dict[str, Any]) -> RunInfo:
    """A run as the record stores it, without secrets.

    Args:
        config: What was asked for.
        scoring: Its scorer.
        key: The run's key.
        editor: What decides the edits, redacted.
    """
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES if _installed(name)}
    environment = {
        "editloop": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    return RunInfo(
        run_key=key,
        config=config.redacted(),
        editor=editor,
        scorer=redact(scoring.identity()) | {"prompts": scoring.scorer.prompt_versions()},
        environment=environment | versions,
    )


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
