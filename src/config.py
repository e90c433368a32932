"""The YAML of a run: schema, environment variables, overrides.

Every key of the older benchmark is accepted with its old meaning; unknown keys are errors with a suggestion. Keys that
the older system documented but never used are accepted and listed in `IGNORED_KEYS`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic

from src.errors import ConfigError
from src.paths import from_folder
from src.redaction import redact, remember_environment, remember_secrets
from src.validation import config_error
from src.yaml_text import parse_yaml

logger = logging.getLogger(__name__)

IGNORED_KEYS = (
    "diffusion_model.type",
    "reward_model.type",
    "evaluation.checkpoint_path",
    "evaluation.enable_checkpoint",
    "evaluation.checkpoint_interval",
    "runtime.num_workers",
    "runtime.use_multiprocessing",
    "logging.save_to_file",
    "logging.log_dir",
)
"""Accepted for old files, without effect: the record is always kept and always at `output_dir/record.sqlite`."""

AS_THEY_STAND = ("prompts",)
"""Places where `${NAME}` is no environment variable: what is written in a prompt is meant for the judge."""
LONGEST_NAME = 255
"""Bytes of a file's or folder's name on common file systems."""
_ENVIRONMENT_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class _Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @pydantic.model_validator(mode="after")
    def _paths_are_possible(self) -> Self:
        for name, value in self:
            if isinstance(value, Path) or name == "data_path":
                parts = Path(value).parts
                if "\0" in str(value) or any(len(part.encode()) > LONGEST_NAME for part in parts):
                    raise ValueError(f"{name} {str(value)!r:.80} is no possible path: a part has NUL or over 255 bytes")
        return self


Name = Annotated[str, pydantic.Field(coerce_numbers_to_str=True)]
"""A text; `5` in a YAML is one here, as it is in data files."""


class BenchmarkConfig(_Section):
    """Which samples are run."""

    data_path: str
    """Benchmark file (JSON list, JSONL, parquet), folder of parquet files, or `hf://org/name`."""
    categories: list[Name] | None = None
    """Categories to run, by either of their names; all when absent."""
    difficulties: list[Name] | None = None
    limit: int | None = pydantic.Field(default=None, ge=1)
    """Run only the first N selected samples."""
    language: Literal["en", "zh"] = "en"
    """Language of instructions, descriptions and rationales."""
    follow_links: bool = False
    """Read images behind links out of the benchmark's folder; without it they are bad samples."""
    max_source_pixels: int | None = pydantic.Field(None, ge=4096)
    """Width times height of the largest source that is used as it is. Above 64,000,000 every source is refused."""
    larger_sources: Literal["refuse", "scale"] = "refuse"
    """`refuse` makes them bad samples; `scale` shrinks them to it, for editor and judge alike."""


class ModelConfig(_Section):
    """A model named by its class."""

    class_path: str
    """`package.module.ClassName`, from this project or any importable module."""
    params: dict[str, Any] = pydantic.Field(default_factory=dict)
    type: str | None = None


DECODED_MEGABYTES = 1000
DEFAULT_SCORER = "src.rewards.scorers.category.CategoryScorer"


class PromptConfig(_Section):
    """Judge prompts of one category; `{original_description}` and `{edit_instruction}` are filled in."""

    system_prompt: str
    user_prompt_template: str


Metric = Literal["mean", "std", "median", "min", "max", "count"]


class EvaluationConfig(_Section):
    """Where results go and how the run is scheduled."""

    output_dir: Path = Path("outputs")
    results_dir: Path | None = None
    """Reports; `output_dir/results` when absent."""
    images_dir: Path | None = None
    """Edited pictures by category; `output_dir/images` when absent."""
    logs_dir: Path | None = None
    """`evaluation.log`; `output_dir/logs` when absent."""
    save_generated_images: bool = True
    resume_from_checkpoint: bool = False
    metrics: list[Metric] = ["mean", "std", "median", "min", "max"]
    schedule: Literal["auto", "overlapped", "two_stage"] = "auto"
    """`overlapped`: judge while editing. `two_stage`: edit all, free the editor, judge all. `auto`: two-stage exactly
    when editor and judge name the same GPU."""
    checkpoint_path: str | None = None
    enable_checkpoint: bool | None = None
    checkpoint_interval: int | None = None

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


class LoggingConfig(_Section):
    """How much is logged, and where."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    console_output: bool = True
    """Warnings and errors on the console (progress and the final table are always shown)."""
    file_output: bool = True
    log_file: Path | None = None
    """Overrides `logs_dir/evaluation.log`."""
    save_to_file: bool | None = None
    log_dir: str | None = None


class RuntimeConfig(_Section):
    """Reproducibility, and what the run may take."""

    seed: int = 0
    """The run's seed; each sample's seed follows from it and the sample's id. `diffusion_model.params.seed` wins."""
    decoded_megabytes: int = pydantic.Field(DECODED_MEGABYTES, ge=1)
    """Million bytes of decoded pictures that wait or are worked on at the same time. Pictures beyond wait encoded; one
    that is larger is worked on alone. What models hold for themselves is not counted."""
    num_workers: int | None = None
    use_multiprocessing: bool | None = None


class Config(_Section):
    """A whole run."""

    benchmark: BenchmarkConfig
    diffusion_model: ModelConfig
    reward_model: ModelConfig | None = None
    """The judge. Only scorers that look at the edit by themselves do without."""
    scorer: ModelConfig = ModelConfig(class_path=DEFAULT_SCORER)
    prompts: dict[str, PromptConfig] = pydantic.Field(default_factory=dict)
    evaluation: EvaluationConfig = pydantic.Field(default_factory=EvaluationConfig)
    logging: LoggingConfig = pydantic.Field(default_factory=LoggingConfig)
    runtime: RuntimeConfig = pydantic.Field(default_factory=RuntimeConfig)

    @pydantic.model_validator(mode="after")
    def _seed_is_a_number(self) -> Self:
        try:
            _ = self.seed
        except (TypeError, ValueError) as error:
            raise ValueError(f"diffusion_model.params.seed must be a whole number: {error}") from error
        return self

    @property
    def seed(self) -> int:
        """The seed from which every sample's seed is derived; an editor's own goes before that of the run."""
        own = self.diffusion_model.params.get("seed")
        return self.runtime.seed if own is None else int(own)

    def moved_to(self, output_dir: Path) -> Config:
        """The same config with all its outputs below another directory."""
        places = {"output_dir": output_dir, "results_dir": None, "images_dir": None, "logs_dir": None}
        parts = {
            "evaluation": self.evaluation.model_copy(update=places),
            "logging": self.logging.model_copy(update={"log_file": None}),
        }
        return self.model_copy(update=parts)

    def redacted(self) -> dict[str, Any]:
        """JSON-able copy without secrets, as it is stored with the run."""
        secretless: dict[str, Any] = redact(self.model_dump(mode="json"))
        return secretless


def load_config(path: Path, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None) -> Config:
    """Reads a YAML file, applies `a.b=c` overrides and options, then environment variables, then the schema.

    Args:
        path: Of the file.
        overrides: Their values are YAML, as those of `--set`.
        options: Values by key (`benchmark.limit`), taken as they are: what the command line's own options say.

    Raises:
        ConfigError: naming the file, the key, the reason and the nearest valid name.
    """
    data = read_yaml(path, overrides)
    for key, value in (options or {}).items():
        _set_value(data, key.split("."), value, f"{path}: the command line sets {key}, but")
    return checked_config(fill_in(data, path.parent, (options or {}).keys()), str(path))


def read_yaml(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The mapping in a YAML file, with `a.b=c` overrides applied.

    Raises:
        ConfigError: when there is no such file, or no mapping in it, or an override cannot be applied.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"config file {path} does not exist; give another with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} cannot be read: {error}") from error
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of sections such as diffusion_model and reward_model")
    for override in overrides:
        apply_override(data, override)
    return data


def fill_in(data: Mapping[str, Any], folder: Path, as_they_stand: Collection[str] = ()) -> dict[str, Any]:
    """What a YAML means where it lies: with environment variables, then paths (see `src/paths.py`) filled in.

    Args:
        data: The mapping in the file, or sections of it.
        folder: Of the file.
        as_they_stand: Keys such as `evaluation.output_dir` of which the values are meant literally.
    """
    filled: dict[str, Any] = substitute_environment(dict(data), as_they_stand={*AS_THEY_STAND, *as_they_stand})
    remember_secrets(filled)
    placed: dict[str, Any] = from_folder(filled, folder)
    return placed


def parse_config(data: Mapping[str, Any], where: str) -> Config:
    """As `load_config`, of a mapping that lies in the working directory."""
    return checked_config(fill_in(data, Path()), where)


def checked_config(filled: Mapping[str, Any], where: str) -> Config:
    """Checks a mapping against the schema, with nothing filled in: also what a run has stored."""
    remember_secrets(filled)
    try:
        config = Config.model_validate(filled)
    except pydantic.ValidationError as error:
        raise config_error(error, Config, where) from error
    for key in IGNORED_KEYS:
        section, name = key.split(".")
        if name in getattr(getattr(config, section), "model_fields_set", ()):  # reward_model may be absent
            logger.info("%s is accepted for older files and has no effect", key)
    return config


def apply_override(data: dict[str, Any], override: str) -> None:
    """Sets `a.b.c=value` in nested mappings; the value is read as YAML (`3`, `true`, `[a, b]`, text).

    Raises:
        ConfigError: when the text has no `=`, no key, or runs through something that is not a mapping.
    """
    key, separator, text = override.partition("=")
    parts = key.strip().split(".")
    if not separator or not all(parts):
        raise ConfigError(f"--set {override!r}: write it as section.key=value, e.g. reward_model.params.model=gpt-4o")
    _set_value(data, parts, parse_yaml(text, f"the value of --set {override!r:.200}"), f"--set {override!r}:")


def _set_value(data: dict[str, Any], parts: Sequence[str], value: Any, where: str) -> None:
    target: Any = data
    for position, part in enumerate(parts[:-1]):
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, dict):
            raise ConfigError(f"{where} {'.'.join(parts[: position + 1])} is not a section")
    target[parts[-1]] = value


def substitute_environment(value: Any, path: str = "", as_they_stand: Collection[str] = AS_THEY_STAND) -> Any:
    """Replaces `${NAME}` and `${NAME:-default}` in every string.

    Args:
        value: YAML-like data.
        path: Its place, for messages.
        as_they_stand: Places that are left alone.

    Raises:
        ConfigError: when a variable without default is not set.
    """
    if path in as_they_stand:
        return value
    if isinstance(value, dict):
        places = {key: f"{path}.{key}" if path else str(key) for key in value}
        return {key: substitute_environment(item, places[key], as_they_stand) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute_environment(item, f"{path}[{index}]", as_they_stand) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = os.environ.get(name, default)
        if name in os.environ and ".params." in path:
            setting = path.rpartition(".")[2].partition("[")[0]
            remember_environment(setting, os.environ[name])
        if found is None:
            raise ConfigError(
                f"{path} uses ${{{name}}}, but the environment variable {name} is not set; "
                f"export it, or write ${{{name}:-default}}"
            )
        return found

    return _ENVIRONMENT_VARIABLE.sub(replace, value)
