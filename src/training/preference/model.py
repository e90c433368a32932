"""The model that a preference judge is trained from: loaded, with its head, and checked without its weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError, ModelError
from src.models.device import resolved_device, resolved_dtype
from src.models.reward.trained_preference import prepare_trained
from src.models.vlm.question_encoder import QuestionEncoder
from src.models.vlm.stored_architecture import require_vision_language
from src.models.weights import is_local, pinned
from src.training.config import PolicySettings
from src.training.grpo.adapter_fields import checked_adapter_fields
from src.training.grpo.policy import VISION_TOWERS
from src.training.policy_check import check_policy
from src.training.preference.config import PreferenceConfig

if TYPE_CHECKING:
    from src.models.vlm.scalar_head import ScalarHeadModel


_POLICY = re.compile(r"(?<![/\w.-])policy(?=\.[a-z_])|(?<=\bthe )policy\b")
"""The section or the model of a policy in a message, and not a part of a path."""


@dataclass(frozen=True)
class TrainableJudge:
    """A loaded model, ready to be trained."""

    model: ScalarHeadModel
    encoder: QuestionEncoder
    tokenizer: Any
    lora: dict[str, Any] | None
    """Checked fields of the adapter."""
    frozen: tuple[str, ...]
    """Modules that are left as they are."""


@contextmanager
def named_judge() -> Iterator[None]:
    """Lets errors about the model name the section `judge`, which has the settings of a section `policy`."""
    try:
        yield
    except (ConfigError, ModelError) as error:
        raise type(error)(_POLICY.sub("judge", str(error))) from error


def check_judge(settings: PolicySettings) -> None:
    """Builds the model without its weights, and looks for what the settings name in it.

    Raises:
        ConfigError: the adapter names what the model does not have, or has settings that are not supported.
        ModelError: it is missing, or no vision-language model.
    """
    with named_judge():
        if settings.lora is not None:
            checked_adapter_fields(settings.lora.model_dump())
        if not settings.trust_remote_code and is_local(settings.model):
            require_vision_language(settings.model, settings.revision)
        check_policy(settings)


def load_judge(config: PreferenceConfig) -> TrainableJudge:
    """Loads the weights, and puts a fresh head and adapter on them, drawn from `training.seed`.

    Raises:
        ModelError: the weights are missing, or not those of a vision-language model.
    """
    import torch
    import transformers

    from src.models.vlm.scalar_head import ScalarHeadModel

    settings = config.judge
    transformers.utils.logging.disable_progress_bar()  # it would be drawn across the run's own display
    source = {**pinned(settings.model, settings.revision), "trust_remote_code": settings.trust_remote_code}
    dtype = "float32" if settings.trains_stored_weights else resolved_dtype(settings.dtype, "auto")
    attention = {"attn_implementation": settings.attn_implementation} if settings.attn_implementation else {}
    try:
        processor = transformers.AutoProcessor.from_pretrained(settings.model, padding_side="left", **source)
        loaded = transformers.AutoModelForImageTextToText.from_pretrained(
            settings.model, dtype=getattr(torch, dtype), **attention, **source
        )
    except (OSError, ValueError) as error:
        again = "correct judge.model" if is_local(settings.model) else f"get it with: hf download {settings.model}"
        raise ModelError(f"the model {settings.model} could not be loaded; {again} ({error})") from error
    processor.tokenizer.pad_token = processor.tokenizer.pad_token or processor.tokenizer.eos_token
    torch.manual_seed(config.training.seed)
    model = ScalarHeadModel(loaded)
    lora = checked_adapter_fields(settings.lora.model_dump()) if settings.lora else None
    frozen = _frozen(model, settings)
    prepare_trained(model, lora, frozen)
    return TrainableJudge(model, QuestionEncoder(processor, settings.image_max_side), processor.tokenizer, lora, frozen)


def _frozen(model: ScalarHeadModel, settings: PolicySettings) -> tuple[str, ...]:
    """The vision tower, where all other weights are trained; an adapter leaves the base as it is anyway."""
    if settings.lora is not None or not settings.freeze_vision_tower:
        return ()
    return tuple(name for name, _ in model.named_modules() if name.rpartition(".")[2] in VISION_TOWERS)


def computes_in_bfloat16(config: PreferenceConfig) -> bool:
    """Whether the forward pass computes in bfloat16: as asked for, else on an accelerator."""
    chosen = config.training.bf16
    return resolved_device("auto") != "cpu" if chosen is None else chosen


def checkpoints_folder(config: PreferenceConfig) -> Path:
    """Folder of the trainer's checkpoints."""
    return config.training.output_dir / "checkpoints"
