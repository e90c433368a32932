"""The YAML of a run, and the sections that it shares with a training.

Every key of the older benchmark is accepted with its old meaning; unknown keys are errors with a suggestion. Keys that
the older system documented but never used are `Ignored`: the record is always kept, and always at
`output_dir/record.sqlite`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import pydantic

from src.benchmark_config import BenchmarkConfig
from src.config_file import checked, fill_in, load, read_yaml
from src.engine_config import EngineConfig
from src.errors import ConfigError
from src.section import Ignored, Section
from src.shard import Shard


class ClassConfig(Section):
    """A scorer, a task or another part named by its class."""

    class_path: str
    """`package.module.ClassName`, from this project or any importable module."""
    params: dict[str, Any] = pydantic.Field(default_factory=dict)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _as_stored_before(cls, data: Any) -> Any:
        """Records of before hold `type: null` in every such section."""
        if isinstance(data, dict) and data.get("type", ...) is None:
            data = {key: value for key, value in data.items() if key != "type"}
        return with_class_of_protocol(data)


def with_class_of_protocol(section: Any) -> Any:
    """The section of a scorer with its class, where it names a published protocol (`protocol: gedit@2025-05`) instead.

    Raises:
        ValueError: it names both, or its params name another protocol.
    """
    if not isinstance(section, dict) or "protocol" not in section:
        return section
    rest = {key: value for key, value in section.items() if key != "protocol"}
    if "class_path" in rest:
        raise ValueError("name either class_path or protocol: a protocol has a class of its own")
    params = rest.get("params") or {}
    if isinstance(params, dict):
        params = {"protocol": section["protocol"], **params}
    return {**rest, "class_path": PROTOCOL_SCORER, "params": params}


class ModelConfig(ClassConfig):
    """An editor or a judge named by its class."""

    type: Ignored[str] = None


DECODED_MEGABYTES = 1000
"""Million bytes of decoded pictures at the same time, where nothing else is asked for."""
PROTOCOL_SCORER = "src.rewards.scorers.protocol.ProtocolScorer"
DEFAULT_SCORER = "src.rewards.scorers.category.CategoryScorer"


class PromptConfig(Section):
    """Judge prompts of one category; `{original_description}` and `{edit_instruction}` are filled in."""

    system_prompt: str
    user_prompt_template: str


Metric = Literal["mean", "std", "median", "min", "max", "count"]


class BudgetConfig(Section):
    """What a run may spend, all its attempts together; it stops when the first of the limits is reached."""

    usd: float | None = pydantic.Field(None, gt=0, allow_inf_nan=False)
    """Money for the judge's answers, by the prices in its params, which are then meant in US dollars."""
    judge_calls: int | None = pydantic.Field(None, ge=1)
    """Requests to the judge, further tries included."""
    minutes: float | None = pydantic.Field(None, gt=0, allow_inf_nan=False)
    """Wall time, the loading of models included."""

    @pydantic.model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.usd is None and self.judge_calls is None and self.minutes is None:
            raise ValueError("limits nothing: set usd, judge_calls or minutes, or leave it out")
        return self


class EvaluationConfig(Section):
    """Where the results of a run go, and how it is scheduled."""

    output_dir: Path = Path("outputs")
    results_dir: Path | None = None
    """Reports; `output_dir/results` when absent."""
    images_dir: Path | None = None
    """Edited pictures by category; `output_dir/images` when absent."""
    logs_dir: Path | None = None
    """`evaluation.log`; `output_dir/logs` when absent."""
    save_generated_images: bool = True
    """Whether pictures stay when their verdicts are final."""
    resume_from_checkpoint: bool = False
    """Whether to go on with the run in `output_dir`, as with `--resume`."""
    metrics: list[Metric] = pydantic.Field(default=["mean", "std", "median", "min", "max"])
    schedule: Literal["auto", "overlapped", "two_stage"] = "auto"
    """`overlapped`: judge while editing. `two_stage`: edit all, free the editor, judge all. `auto`: two-stage exactly
    when editor and judge name the same GPU."""
    budget: BudgetConfig | None = None
    """No limit when absent. It is no part of any key: `--resume` goes on with a larger one."""
    checkpoint_path: Ignored[str] = None
    enable_checkpoint: Ignored[bool] = None
    checkpoint_interval: Ignored[int] = None

    @property
    def results(self) -> Path:
        """Folder of the reports."""
        return self.results_dir or self.output_dir / "results"

    @property
    def images(self) -> Path:
        """Folder of the edited pictures."""
        return self.images_dir or self.output_dir / "images"

    @property
    def log_file(self) -> Path:
        """The run's log."""
        return (self.logs_dir or self.output_dir / "logs") / "evaluation.log"


class LoggingConfig(Section):
    """How much is logged, and where."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    console_output: bool = True
    """Warnings and errors on the console (progress and the final table are always shown)."""
    file_output: bool = True
    log_file: Path | None = None
    """Overrides `logs_dir/evaluation.log`."""
    save_to_file: Ignored[bool] = None
    log_dir: Ignored[str] = None


class RuntimeConfig(EngineConfig):
    """Reproducibility, where models run, and what the run may take."""

    seed: int = 0
    """The run's seed; each sample's seed follows from it and the sample's id. `diffusion_model.params.seed` wins."""
    decoded_megabytes: int = pydantic.Field(DECODED_MEGABYTES, ge=1)
    """Million bytes of decoded pictures that wait or are worked on at the same time. Pictures beyond wait encoded; one
    that is larger is worked on alone. What models hold for themselves is not counted."""
    num_workers: Ignored[int] = None
    use_multiprocessing: Ignored[bool] = None


class AuditConfig(Section):
    """What `audit` asks of a scorer; points are those of the scale from 0 to 10."""

    target_ahead: float = pydantic.Field(2 / 3, gt=0.5, le=1)
    """Share of samples in which the right edit must be ahead. Chance is 1/2, which could hardly be failed."""
    lead: float = pydantic.Field(1.0, ge=0, le=10)
    """Points by which the right edit must be ahead on average. Without it a difference in the second decimal passes."""
    target_score: float = pydantic.Field(7.0, ge=0, le=10)
    """Mean score that right edits must reach."""
    no_edit_score: float = pydantic.Field(5.0, ge=0, le=10)
    """Mean score that unedited pictures must stay below."""
    rationale_lead: float = pydantic.Field(1.0, ge=0, le=10)
    """Points by which the rationale may count for more than the instruction where the two contradict each other."""
    noise: float = pydantic.Field(1.0, ge=0, le=10)
    """Largest standard deviation of the score of one and the same question."""
    coverage: float = pydantic.Field(0.9, ge=0, le=1)
    """Share of questions that must get a score, of those that the scorer does not call inapplicable."""
    moved_by: float = pydantic.Field(1.0, ge=0, le=10)
    """Points beyond which a score has moved under a change that must not count."""
    moved_share: float = pydantic.Field(0.1, gt=0, lt=1)
    """Largest share of samples whose score may move."""
    length_correlation: float = pydantic.Field(0.7, gt=0, lt=1)
    """Largest rank correlation, of either sign, of the length of the replies about right edits with their scores."""
    cut_tokens: int | None = pydantic.Field(None, ge=1)
    """Most tokens of a reply when the judge is asked once more about right edits; not asked when absent."""


class Config(Section):
    """A whole run."""

    benchmark: BenchmarkConfig
    diffusion_model: ModelConfig
    reward_model: ModelConfig | None = None
    """The judge. Only scorers that look at the edit by themselves do without."""
    scorer: ClassConfig = ClassConfig(class_path=DEFAULT_SCORER)
    prompts: dict[str, PromptConfig] = pydantic.Field(default_factory=dict)
    evaluation: EvaluationConfig = pydantic.Field(default_factory=EvaluationConfig)
    logging: LoggingConfig = pydantic.Field(default_factory=LoggingConfig)
    runtime: RuntimeConfig = pydantic.Field(default_factory=RuntimeConfig)
    audit: AuditConfig = pydantic.Field(default_factory=AuditConfig)

    def in_folder_of_shard(self) -> Config:
        """Returns the same config with the outputs of a shard in a folder of its own; that of a whole run as it is."""
        if self.benchmark.shard is None:
            return self
        return self.moved_to(self.evaluation.output_dir / Shard.parse(self.benchmark.shard).folder)

    def moved_to(self, output_dir: Path) -> Config:
        """Returns the same config with all its outputs below another directory."""
        places = {"output_dir": output_dir, "results_dir": None, "images_dir": None, "logs_dir": None}
        parts = {
            "evaluation": self.evaluation.model_copy(update=places),
            "logging": self.logging.model_copy(update={"log_file": None}),
        }
        return self.model_copy(update=parts)


class _EditorConfig(Section):
    """A config of which only the editor is of interest."""

    diffusion_model: ModelConfig


def load_config(path: Path, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None) -> Config:
    """Loads the config of a run; see `config_file.load`."""
    return load(Config, path, overrides, options)


def parse_config(data: Mapping[str, Any], where: str) -> Config:
    """Checks a mapping as if it were a file in the working directory; `where` names it in messages."""
    return checked(Config, fill_in(data, Path()), where)


def load_served_model(path: Path, overrides: Sequence[str] = ()) -> ModelConfig:
    """Reads the `diffusion_model` of a benchmark's or a training's config, or of a file that has nothing else.

    Raises:
        ConfigError: naming the file, the key and the reason.
    """
    data = read_yaml(path, overrides)
    if "diffusion_model" not in data:
        raise ConfigError(f"{path} names no editor: add diffusion_model.class_path (and params)")
    section = fill_in({"diffusion_model": data["diffusion_model"]}, path.parent)
    return checked(_EditorConfig, section, str(path)).diffusion_model
