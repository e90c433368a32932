"""`python main.py merge-lora`: an adapter becomes part of its base model, with proof that it did."""

from __future__ import annotations

import gc
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from src.errors import ModelError, OutputError
from src.models.device import pick_device
from src.models.vlm.adapter import with_adapter
from src.models.weights import is_local, pinned
from src.training.lora.adapter_weights import WeightChanges, merge
from src.training.lora.greedy_answers import AnswerAgreement, answer_agreement, greedy_answers

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Dtype = Literal["auto", "bfloat16", "float16", "float32"]

NEAR_TIES = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.5}
"""The lead in logits, by stored type, below which another token counts as a tie that rounding decided."""
MUCH_ROUNDING = 0.5
_LARGEST_SHARD = "5GB"


@dataclass(frozen=True)
class MergeProof:
    """The figures that show that a merge worked."""

    weights: WeightChanges
    answers: AnswerAgreement
    dtype: str

    def lines(self) -> list[str]:
        """Returns the figures as lines for people."""
        weights, answers = self.weights, self.answers
        return [
            f"weights: {weights.changed} of {weights.tensors} adapted tensors changed, "
            f"by {weights.largest:.3g} at most; rounding to {self.dtype} is {weights.rounding:.1%} of the change",
            f"answers: {answers.same_tokens} of {answers.tokens} greedy tokens as base + adapter, "
            f"logits differ by {answers.largest_logit_difference:.3g} at most",
        ]


def merge_lora(
    base: str,
    adapter: Path,
    output: Path,
    *,
    revision: str | None = None,
    dtype: Dtype = "auto",
    device: str = "auto",
    push_to_hub: str | None = None,
) -> MergeProof:
    """Merges in float32, stores safetensors and processor, loads the result again and asks it what it asked before.

    The folder `output` appears only once everything is proven. In half precision small changes can drown in rounding,
    so the result is compared as it is stored.

    Args:
        base: Hub id or local folder of the vision-language model on which the adapter was trained.
        adapter: Folder with `adapter_config.json` and the adapter's weights.
        output: Folder that does not exist yet.
        revision: Of the base model on the hub.
        dtype: How the result is stored; `auto` is as the base model is.
        device: Where to compute.
        push_to_hub: Repository to which the proven result is uploaded as well.

    Raises:
        OutputError: `output` exists.
        ModelError: base or adapter are missing or do not fit each other, the merge changed nothing, or the merged
            model answers otherwise than base and adapter together.
    """
    _check(base, adapter, output)
    where, stored_as = pick_device(device), _stored_dtype(base, revision, dtype)
    processor = _processor(base, revision)
    model = with_adapter(_load(base, "float32", where, **pinned(base, revision)), adapter)
    wanted = greedy_answers(model.get_base_model(), processor)
    merged, changes = merge(model, _torch_dtype(stored_as))
    _require_change(changes, adapter, stored_as)
    unproven = output.with_name(f"{output.name}.unproven")
    try:
        merged.to(_torch_dtype(stored_as)).save_pretrained(unproven, max_shard_size=_LARGEST_SHARD)
        processor.save_pretrained(unproven)
        del model, merged
        gc.collect()
        answers = answer_agreement(wanted, greedy_answers(_load(str(unproven), "float32", where), processor))
        _require_same_answers(answers, stored_as)
        unproven.rename(output)
    finally:
        shutil.rmtree(unproven, ignore_errors=True)
    if push_to_hub:
        _upload(output, push_to_hub)
    return MergeProof(changes, answers, stored_as)


def _check(base: str, adapter: Path, output: Path) -> None:
    import json

    if output.exists():
        raise OutputError(f"{output} exists already; choose another --output, or remove it")
    try:
        settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{adapter} is no adapter: its adapter_config.json cannot be read ({error}); "
            "give the checkpoint folder that holds this file"
        ) from error
    trained_on = settings.get("base_model_name_or_path")
    if trained_on and trained_on != base:
        logger.warning("the adapter says it was trained on %s, and is merged into %s", trained_on, base)
    output.parent.mkdir(parents=True, exist_ok=True)


def _stored_dtype(base: str, revision: str | None, dtype: Dtype) -> str:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(base, **pinned(base, revision))
    except (OSError, ValueError) as error:
        raise ModelError(f"the base model {base} could not be loaded: {error}") from error
    if getattr(config, "quantization_config", None):
        raise ModelError(f"{base} is quantised: merge into the model that it was made from, then quantise the result")
    if dtype != "auto":
        return dtype
    found = str(config.dtype).removeprefix("torch.")
    return found if found in NEAR_TIES else "float32"


def _torch_dtype(name: str) -> torch.dtype:
    import torch

    found: torch.dtype = getattr(torch, name)
    return found


def _load(name: str, dtype: str, device: str, **arguments: Any) -> Any:
    from transformers import AutoModelForImageTextToText

    try:
        model = AutoModelForImageTextToText.from_pretrained(name, dtype=_torch_dtype(dtype), **arguments)
    except (OSError, ValueError) as error:
        again = "the folder is incomplete or damaged" if is_local(name) else f"get it with: hf download {name}"
        raise ModelError(f"the base model {name} could not be loaded; {again} ({error})") from error
    return model.to(device).eval()


def _processor(base: str, revision: str | None) -> Any:
    from transformers import AutoProcessor

    try:
        return AutoProcessor.from_pretrained(base, **pinned(base, revision))
    except (OSError, ValueError) as error:
        raise ModelError(f"the processor of {base} could not be loaded: {error}") from error


def _require_change(changes: WeightChanges, adapter: Path, dtype: str) -> None:
    if not changes.changed:
        raise ModelError(
            f"merging {adapter} changes none of {changes.tensors} weights as stored in {dtype}: the adapter was never "
            "trained, or what it learned is smaller than the rounding (then use --dtype float32)"
        )
    if changes.rounding > MUCH_ROUNDING:
        logger.warning(
            "rounding to %s is %.0f %% of what the adapter changes; --dtype float32 would keep all of it",
            dtype,
            100 * changes.rounding,
        )


def _require_same_answers(answers: AnswerAgreement, dtype: str) -> None:
    if answers.closest_call > NEAR_TIES[dtype]:
        raise ModelError(
            f"the merged model answers otherwise than base + adapter: {answers.same_tokens} of {answers.tokens} greedy "
            f"tokens are the same, and one that had a lead of {answers.closest_call:.3g} logits is not; nothing was "
            f"written. {'Try --dtype float32' if dtype != 'float32' else 'The adapter cannot be merged exactly'}"
        )


def _upload(folder: Path, repository: str) -> None:
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(repository, exist_ok=True, private=True)
        api.upload_folder(repo_id=repository, folder_path=folder)
    except Exception as error:  # the hub's client passes on errors of its HTTP library, which have no common base
        raise OutputError(
            f"{folder} is complete, but its upload to {repository} failed ({error}); "
            f"repeat it with: hf upload {repository} {folder}"
        ) from error
