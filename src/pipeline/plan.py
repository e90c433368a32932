"""`RunPlan`: everything about a run that is known before a model loads — classes, params, identities, keys."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import src
from src.config import Config
from src.data.categories import category_key, difficulty_key
from src.data.sample import EditSample
from src.data.selection import Selection
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.replicas import replica_params
from src.pipeline.keys import digest, edit_key, sample_seed, verdict_key
from src.pipeline.record import SampleKeys
from src.pipeline.results import RunInfo
from src.redaction import redact
from src.registry import check_params, load_class
from src.rewards.base import ScorerSetting
from src.rewards.build import build_scorer
from src.rewards.judge_handle import JudgeHandle

_LIBRARIES = ("pillow", "torch", "diffusers", "transformers")


class RunPlan:
    """A checked configuration.

    Args:
        config: Of the run.
        has_completions: Whether a policy's text is scored with each edit, as in a training.

    Raises:
        ConfigError: on construction, for anything in the config that could not run.
        ModelError: on construction, when weights are missing.
    """

    def __init__(self, config: Config, *, has_completions: bool = False) -> None:
        self.config = config
        editor = config.diffusion_model
        self.editor_class = load_class(editor.class_path, BaseDiffusionModel)  # type: ignore[type-abstract]
        check_params(self.editor_class, editor.params, "diffusion_model.params")
        self.judge = JudgeHandle(config.reward_model) if config.reward_model else None
        setting = ScorerSetting(self.judge, config.prompts, config.benchmark.language, has_completions)
        self.scorer = build_scorer(config.scorer, setting)
        self.scorer.check_categories(config.benchmark.categories or [])
        self.editor_identity = self.editor_class.identity(editor.params)
        self.editor_class.check_weights(editor.params)
        self.scorer_identity = self.scorer.identity()
        if self.judge is not None and self._asks_judge:
            self.judge.check_weights()
        self._editor_digest = digest(self.editor_identity)
        self._scorer_digest = digest(self.scorer_identity)

    @property
    def selection(self) -> Selection:
        """Which samples of the benchmark are run."""
        benchmark = self.config.benchmark
        return Selection(
            categories=tuple(benchmark.categories) if benchmark.categories else None,
            difficulties=tuple(benchmark.difficulties) if benchmark.difficulties else None,
            limit=benchmark.limit,
            language=benchmark.language,
            follow_links=benchmark.follow_links,
        )

    @property
    def run_key(self) -> str:
        """Equal for two runs exactly when they ask for the same results."""
        inline = {category: prompt.model_dump() for category, prompt in self.config.prompts.items()}
        prompts = [inline, self.scorer.prompt_versions()]
        unset = {"max_source_pixels", "larger_sources"} if self.config.benchmark.max_source_pixels is None else set()
        benchmark = self.config.benchmark.model_dump(mode="json", exclude={"follow_links"} | unset)
        for name, key in (("categories", category_key), ("difficulties", difficulty_key)):
            benchmark[name] = benchmark[name] and [key(value) for value in benchmark[name]]
        return digest(["run", benchmark, prompts, self._editor_digest, self._scorer_digest, self.config.seed])

    def keys(self, sample: EditSample, source_sha256: str) -> SampleKeys:
        """The content keys of a sample."""
        seed = sample_seed(self.config.seed, sample.sample_id)
        edit = edit_key(self._editor_digest, source_sha256, sample.instruction, seed)
        inapplicable, verdict = self.judgement(sample, edit)
        return SampleKeys(seed, source_sha256, edit, verdict, inapplicable)

    def judgement(self, sample: EditSample, edit: str) -> tuple[str | None, str]:
        """Why the scorer cannot judge any edit of the sample, if so, and the key of its verdict on the edit."""
        inapplicable = self.scorer.inapplicable(sample)
        question = inapplicable or self.scorer.question(sample)
        return inapplicable, verdict_key(self._scorer_digest, question, edit)

    def left_out(self, sample: EditSample) -> list[str]:
        """What the scorer leaves out of the score of the sample's edit, each with the reason."""
        return [f"{name}: {reason}" for name, reason in self.scorer.left_out(sample).items()]

    def info(self) -> RunInfo:
        """The run as the record stores it."""
        versions = {name: importlib.metadata.version(name) for name in _LIBRARIES if _installed(name)}
        environment = {
            "editloop": src.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        }
        return RunInfo(
            run_key=self.run_key,
            config=self.config.redacted(),
            editor=redact(self.editor_identity),
            scorer=redact(self.scorer_identity) | {"prompts": self.scorer.prompt_versions()},
            environment=environment | versions,
        )

    def editor_replicas(self) -> list[dict[str, Any]]:
        """Params of each editor: one per entry of `device_ids`, else a single one."""
        return replica_params(self.config.diffusion_model.params)

    def check_devices(self) -> None:
        """For a run on this machine; a plan alone may be one for another.

        Raises:
            ModelError: editor or judge ask for a GPU that is not here.
        """
        self.editor_class.check_devices(self.config.diffusion_model.params)
        if self.judge is not None and self._asks_judge:
            self.judge.check_devices()

    @property
    def _asks_judge(self) -> bool:
        """Not every scorer does; a judge that is not asked is not loaded."""
        return "judge" in self.scorer_identity

    def two_stage(self) -> bool:
        """Whether to edit everything before judging anything."""
        schedule = self.config.evaluation.schedule
        if schedule != "auto":
            return schedule == "two_stage"
        if self.judge is None:
            return False
        editors = set(self.editor_class.devices(self.config.diffusion_model.params))
        return bool((editors & set(self.judge.devices())) - {"cpu"})


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
