"""The folder of a preference judge: what was trained on top of which weights, and what its numbers mean."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic
from PIL import Image

from src.errors import ModelError
from src.models.vlm.question import Question, before_and_after
from src.models.weights import is_local, resolve_revision

if TYPE_CHECKING:
    from src.models.vlm.scalar_head import ScalarHeadModel

DESCRIPTION = "preference_judge.json"
WEIGHTS = "trained.safetensors"
"""The trained tensors alone, by their names in a `ScalarHeadModel`: adapter or weights, and the head."""
QUESTION_VERSION: Literal[1] = 1
"""Version of `preference_question`; a judge is only ever asked in the words in which it was trained."""
_NAMED = 3


class ScoreMap(pydantic.BaseModel):
    """The rising map from a reward to a score: 10 · sigmoid(scale · (reward − offset)).

    A Bradley–Terry reward has neither a zero nor a unit: only differences within one question were trained. Offset and
    scale are a convention, no calibration.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    offset: float = pydantic.Field(allow_inf_nan=False)
    """The reward that becomes 5."""
    scale: float = pydantic.Field(gt=0, allow_inf_nan=False)

    def __call__(self, reward: float) -> float:
        """The score of a reward, 0–10.

        Raises:
            ValueError: the reward is NaN or infinite.
        """
        if not math.isfinite(reward):
            raise ValueError(f"the judge's reward is {reward}, which is no number to make a score of")
        return 5.0 * (1.0 + math.tanh(0.5 * self.scale * (reward - self.offset)))


class PreferenceDescription(pydantic.BaseModel):
    """What `train-judge` writes beside the weights."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    base: str
    """Hub id or local folder of the weights below."""
    base_revision: str
    """The hub's commit, or the fingerprint of the folder."""
    trust_remote_code: bool = False
    lora: dict[str, Any] | None = None
    """Fields of `peft.LoraConfig`; None where weights of the base themselves were trained."""
    frozen: tuple[str, ...] = ()
    """Names of the modules that were left as they are."""
    image_max_side: int | None = None
    rationale: bool = True
    """Whether the judge is told a sample's rationale, where it has one."""
    question: Literal[1] = QUESTION_VERSION
    score_map: ScoreMap

    def write(self, folder: Path) -> None:
        """Writes the description into a folder."""
        (folder / DESCRIPTION).write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> PreferenceDescription:
        """Reads what `write` wrote.

        Raises:
            ModelError: it is not there, or no such description.
        """
        file = folder / DESCRIPTION
        if not file.is_file() or not (folder / WEIGHTS).is_file():
            raise ModelError(
                f"{folder} is no preference judge: it has no {DESCRIPTION} with {WEIGHTS}; name the folder that "
                "`python main.py train-judge` wrote (training.output_dir/judge)"
            )
        try:
            return cls.model_validate_json(file.read_bytes())
        except (OSError, pydantic.ValidationError) as error:
            raise ModelError(f"{file} is no description of a preference judge: {error}") from error

    @property
    def hub_revision(self) -> str | None:
        """The commit of a base on the hub; None for a folder."""
        return None if is_local(self.base) else self.base_revision

    def check_base(self) -> str:
        """The revision of the base's weights, which must be those that were trained on.

        Raises:
            ModelError: they are missing, or others lie there today.
        """
        found = resolve_revision(self.base, self.hub_revision)
        if found != self.base_revision:
            raise ModelError(
                f"the weights at {self.base} are not those on which this preference judge was trained (revision "
                f"{found:.12} now, {self.base_revision:.12} then): put these back, or train the judge again"
            )
        return found


def preference_question(
    source: Image.Image, edited: Image.Image, instruction: str, rationale: str | None = None
) -> Question:
    """What a preference judge is shown and told of one edit, in training and afterwards."""
    expected = f"\nWhat a right edit shows: {rationale}" if rationale else ""
    text = f"Instruction: {instruction}{expected}\nHow good is the edit?"
    return Question("", before_and_after(source, edited), text)


def prepare_trained(model: ScalarHeadModel, lora: Mapping[str, Any] | None, frozen: Sequence[str]) -> None:
    """Makes exactly those weights trainable that are stored, in float32: adapter and head, or all but what is frozen.

    Args:
        model: A model with a fresh head; an adapter is put into its body.
        lora: Fields of `peft.LoraConfig`, or None.
        frozen: Names of modules, such as the vision tower.

    Raises:
        ModelError: the adapter has no place in the model.
    """
    if lora is not None:
        from peft import LoraConfig, inject_adapter_in_model

        model.body.requires_grad_(False)
        try:
            inject_adapter_in_model(LoraConfig(**lora), model.body)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"the adapter of the preference judge has no place in its base model: {error}") from error
    for name in frozen:
        model.get_submodule(name).requires_grad_(False)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def trained_names(model: ScalarHeadModel) -> list[str]:
    """Names of the weights that are trained and stored."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def load_trained(model: ScalarHeadModel, folder: Path) -> None:
    """Loads the stored weights into a model that was prepared as for their training: all of them, and no others.

    Raises:
        ModelError: the file cannot be read, or weights are missing, left over or of another shape.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        stored = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the weights of the preference judge in {folder} cannot be read: {error}") from error
    own = dict(model.named_parameters())
    wanted = set(trained_names(model))
    strays = sorted(wanted ^ set(stored)) or sorted(name for name in wanted if own[name].shape != stored[name].shape)
    if strays:
        raise ModelError(
            f"the preference judge in {folder} does not fit its base model: {len(strays)} weights are missing, left "
            f"over or of another shape ({', '.join(strays[:_NAMED])} …)"
        )
    with torch.no_grad():
        for name in wanted:
            own[name].copy_(stored[name])


def save_trained(model: ScalarHeadModel, folder: Path) -> None:
    """Writes the trained weights, in float32, so that a kill leaves no half of a file."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    own = dict(model.named_parameters())
    partial = folder / f"{WEIGHTS}.part"
    save_file({name: own[name].detach().cpu().contiguous() for name in trained_names(model)}, partial)
    partial.replace(folder / WEIGHTS)
