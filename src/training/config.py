"""The YAML of a training run: the benchmark's own sections, and those that only training has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic

from src.benchmark_config import SelectionConfig
from src.benchmark_layouts import BenchmarkLayout
from src.config import (
    DECODED_MEGABYTES,
    DEFAULT_SCORER,
    ClassConfig,
    LoggingConfig,
    ModelConfig,
    PromptConfig,
    RuntimeConfig,
)
from src.config_file import checked, fill_in, load
from src.data.selection import Selection
from src.engine_config import EngineConfig
from src.errors import ConfigError
from src.section import Section

DEFAULT_TASK = "src.training.tasks.rewrite.RewriteTask"
LANGUAGE_MODEL_LAYERS = r"^(?!.*(visual|vision)).*\.(q|k|v|o|gate|up|down)_proj$"
"""Regular expression of every linear layer of the language model and of none of the vision tower."""

CODEC_MODULES = r".*\bvqmodel\..*"
"""Regular expression of every module of a token editor's VQ-VAE."""


class LoraSettings(pydantic.BaseModel):
    """A low-rank adapter; further fields of `peft.LoraConfig` may be set beside these (`grpo.adapter_fields`)."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    r: int = pydantic.Field(64, ge=1)
    lora_alpha: int = pydantic.Field(128, ge=1)
    lora_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    target_modules: str | list[str] = LANGUAGE_MODEL_LAYERS


class PolicySettings(Section):
    """The vision-language model that is trained."""

    model: str
    """Hub id or local folder."""
    revision: str | None = None
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Number type of weights that an adapter leaves as they are: `auto` is bfloat16 on an accelerator and float32 on
    the CPU. Weights that are trained are in float32."""
    attn_implementation: str | None = None
    """Attention kernel, as in `from_pretrained`; None lets transformers choose."""
    lora: LoraSettings | None = None
    """The adapter that is trained; None trains all weights of the language model."""
    freeze_vision_tower: bool = True
    trust_remote_code: bool = False
    image_max_side: int | None = pydantic.Field(None, ge=28)
    """Larger pictures are scaled down before the policy sees them; the editor and the judge get them as they are."""

    @pydantic.model_validator(mode="after")
    def _trains_in_float32(self) -> Self:
        if self.trains_stored_weights and self.dtype in ("bfloat16", "float16"):
            raise ValueError(
                f"dtype: {self.dtype} would round away most updates of the weights that are trained (at a learning "
                "rate of 2e-6, 96 % of them never change): leave it out, so that they are in float32 and only computed "
                "in bfloat16, or train an adapter alone (policy.lora, without modules_to_save and bias)"
            )
        return self

    @property
    def trains_stored_weights(self) -> bool:
        """Whether weights of the checkpoint itself are trained, not only matrices beside them."""
        if self.lora is None:
            return True
        own = self.lora.model_extra or {}
        return bool(own.get("modules_to_save")) or own.get("bias", "none") != "none"

    def of_token_editor(self) -> Self:
        """Returns the policy as that of a token editor, whose adapter leaves the VQ-VAE out."""
        if self.lora is None or "exclude_modules" in (self.lora.model_extra or {}):
            return self
        fields = self.lora.model_dump() | {"exclude_modules": CODEC_MODULES}
        return self.model_copy(update={"lora": type(self.lora).model_validate(fields)})


class DataFile(Section):
    """One file of training data."""

    path: str
    coefficient: float = pydantic.Field(1.0, gt=0, le=1000)
    """How often each sample enters an epoch: 2 is twice, 0.5 is a random half of them, 1.5 is all and a half again."""


class SampleFile(DataFile):
    """One file of samples, in the layout of all files or in one of its own."""

    format: BenchmarkLayout | None = None
    """The layout of this file; None is that of the section."""
    image_dir: Path | None = None
    """The folder from which its image paths lead; where neither is set, that of the section."""

    def selection(self, section: SelectionConfig, *, limited: bool = True) -> Selection:
        """What is taken of this file; see `Selection.of`."""
        own: dict[str, Any] = {} if self.image_dir is None else {"image_dir": self.image_dir}
        if self.format is not None:
            own = {"format": self.format, "image_dir": self.image_dir}
        return Selection.of(section.model_copy(update=own), limited=limited)


class CurriculumSettings(Section):
    """Easy training samples first: bins of difficulty and category, opened in stages."""

    scores: str
    """What says how easy each bin is, the higher the easier: a JSON file such as MMMG's difficulty summary, or the
    output directory of a benchmark run, whose mean scores are taken."""
    stages: int = pydantic.Field(5, ge=2)
    """Number of stages, which share the generations of the run evenly; each keeps the bins of those before."""


class DataSettings(SelectionConfig):
    """The data that the policy is trained and tested on. `limit` counts in each file, and `format` is that of all that
    name none of their own.
    """

    train: str | list[SampleFile]
    """One file, or several with coefficients."""
    held_out: str | float | None = None
    """A file of its own, or the share (0–1) of the training data's source images that is kept out of training."""
    curriculum: CurriculumSettings | None = None
    """The order in which training samples are met; shuffled epochs of all when absent."""

    @pydantic.field_validator("held_out")
    @classmethod
    def _is_a_share(cls, value: str | float | None) -> str | float | None:
        if isinstance(value, float | int) and not 0 < value < 1:
            raise ValueError("a share lies between 0 and 1; a file is given by its path")
        return value

    @property
    def files(self) -> list[SampleFile]:
        """The training files, in order."""
        return [SampleFile(path=self.train)] if isinstance(self.train, str) else self.train


class ComparisonSettings(Section):
    """The comparison after training on held-out data: the benchmark makes and judges edits, answers are scored."""

    enabled: bool = True
    """Off, or without held-out data, only training happens."""
    limit: int | None = pydantic.Field(None, ge=1)
    """Only the first N held-out samples."""
    diffusion_params: dict[str, Any] = pydantic.Field(default_factory=dict)
    """Laid over `diffusion_model.params`: training may edit with few steps and small pictures, this should not."""
    reward_model: ModelConfig | None = None
    """Another judge than the one that trains; needs `scorer` beside it."""
    scorer: ClassConfig | None = None
    """Another scorer than the one that trains, by which the difference is judged as well."""
    max_new_tokens: int | None = pydantic.Field(None, ge=1)
    """The most tokens of a completion; `training.grpo.max_completion_length` when absent."""
    batch_size: int = pydantic.Field(8, ge=1)
    """Number of completions that the policy writes at once."""


class ServedModel(Section):
    """A model behind HTTP, on GPUs of its own or beside a process of the training."""

    gpus: Annotated[list[int], pydantic.Field(min_length=1)]
    """GPUs of the server, with one replica on each."""
    editor: str | None = None
    """YAML for `python main.py serve-editor`."""
    judge: str | None = None
    """Model for `vllm serve`."""
    port: int = 8100
    gpu_memory_utilization: float = pydantic.Field(0.9, gt=0, le=1)
    """The share of a GPU that `vllm serve` takes."""
    max_model_length: int = pydantic.Field(8192, ge=1)
    """Tokens of a judge's prompt and reply: the whole context of Qwen3-VL, 262,144, would need 36 GiB of KV cache."""

    @pydantic.model_validator(mode="after")
    def _serves_one(self) -> Self:
        if (self.editor is None) == (self.judge is None):
            raise ValueError("name either an editor or a judge")
        return self


class HardwareSettings(Section):
    """The GPUs that a training is meant for, and which model works where. `check` computes by it."""

    gpus: int = pydantic.Field(ge=1)
    gpu_memory: float = pydantic.Field(gt=0)
    """GiB of one GPU."""
    training: list[int] = pydantic.Field(default=[0], min_length=1)
    """GPUs of the policy, one for each process."""
    accelerate: str | None = None
    """File for `accelerate launch`; None for one process."""
    servers: list[ServedModel] = pydantic.Field(default=[])

    @pydantic.model_validator(mode="after")
    def _has_them(self) -> Self:
        named = {*self.training, *(gpu for server in self.servers for gpu in server.gpus)}
        if missing := sorted(gpu for gpu in named if not 0 <= gpu < self.gpus):
            raise ValueError(f"there is no GPU {missing[0]}: {self.gpus} are numbered from 0")
        if len(set(self.training)) < len(self.training):
            raise ValueError("each process of the training needs a GPU of its own")
        return self


POLICY = "policy"
"""Folder of the trained weights within `training.output_dir`."""


class TrainingSettings(EngineConfig):
    """The output directory of the training, where editor and judge compute, how completions are rewarded, and when the
    training gives up.
    """

    output_dir: Path = Path("outputs/training")
    seed: int = pydantic.Field(0, ge=0, lt=2**32)
    """Seed of the order of the data, of sampling, and of the edits of every group."""
    unparsable_reward: float | None = pydantic.Field(0.0, ge=0, le=10)
    """Reward of a completion that cannot be read: its own fault, so the lowest score. None masks it."""
    most_failures: float = pydantic.Field(0.5, ge=0, le=1)
    """When more than this share of a step's completions fails, through editor or judge, they are tried again until
    `patience` ends; then the run stops. Refusals and verdicts that do not apply are no failures."""
    patience: float = pydantic.Field(600.0, ge=0)
    """Seconds for which a step with too many failures is tried again, with growing pauses."""
    show_every: int = pydantic.Field(10, ge=0)
    """An HTML page of the completions, edits and rewards of every N-th step; 0 makes none."""
    decoded_megabytes: int = pydantic.Field(DECODED_MEGABYTES, ge=1)
    """Million bytes of decoded pictures at the same time, in a step and in the evaluation; see `RuntimeConfig`."""
    grpo: dict[str, Any] = pydantic.Field(default_factory=dict)
    """Any field of `trl.GRPOConfig`."""

    @property
    def runtime(self) -> RuntimeConfig:
        """The settings that the stages of the benchmark need, in their own section."""
        shared = {name: getattr(self, name) for name in ("seed", "decoded_megabytes", *EngineConfig.model_fields)}
        return RuntimeConfig(**shared)

    @property
    def log_file(self) -> Path:
        """The training's log."""
        return self.output_dir / "logs" / "training.log"

    @property
    def policy_folder(self) -> Path:
        """Folder of the trained weights in the end: a whole model, or an adapter."""
        return self.output_dir / POLICY


class TrainingConfig(Section):
    """A whole training run."""

    policy: PolicySettings
    task: ClassConfig = ClassConfig(class_path=DEFAULT_TASK)
    data: DataSettings
    diffusion_model: ModelConfig | None = None
    """The frozen editor; tasks without edits do without, and those whose policy is the editor."""
    reward_model: ModelConfig | None = None
    scorer: ClassConfig = ClassConfig(class_path=DEFAULT_SCORER)
    prompts: dict[str, PromptConfig] = pydantic.Field(default_factory=dict)
    training: TrainingSettings = pydantic.Field(default_factory=TrainingSettings)
    evaluation: ComparisonSettings = pydantic.Field(default_factory=ComparisonSettings)
    hardware: HardwareSettings | None = None
    """The GPUs that the training has; None stands for a single one, or for the CPU."""
    logging: LoggingConfig = pydantic.Field(default_factory=LoggingConfig)

    @property
    def is_evaluated(self) -> bool:
        """Whether training ends with a comparison of before and after."""
        return self.evaluation.enabled and self.data.held_out is not None


def load_training_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Loads the config of a training; see `config_file.load`."""
    return _without_shadows(load(TrainingConfig, path, overrides))


def parse_training_config(data: Mapping[str, Any], where: str) -> TrainingConfig:
    """Checks a mapping as if it were a file in the working directory; `where` names it in messages."""
    return _without_shadows(checked(TrainingConfig, fill_in(data, Path()), where))


def _without_shadows(config: TrainingConfig) -> TrainingConfig:
    for name in ("output_dir", "seed"):
        if name in config.training.grpo:
            raise ConfigError(f"training.grpo.{name}: set training.{name} instead, which also serves the edits")
    return config
