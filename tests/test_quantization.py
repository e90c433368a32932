"""Editors with weights in 8 or 4 bits; those that edit need torchao (`make test-quantization`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.errors import ConfigError, ModelError
from src.models.diffusion import quantization
from src.models.diffusion.implementations.diffusers_edit import DiffusersEditModel
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.diffusion.pipeline_editor import PipelineEditor
from src.registry import check_params
from tests.tiny_parts import gradient
from tests.tiny_pipelines import pix2pix_folder, qwen_folder

__all__ = ["pix2pix_folder", "qwen_folder"]

SMALL = {
    "num_inference_steps": 2,
    "true_cfg_scale": 1.0,
    "output_resolution": 64,
    "condition_resolution": 64,
    "device": "cpu",
}


def _editor(folder: Path, **params: Any) -> QwenImageEditModel:
    return QwenImageEditModel({"model_name": str(folder), **SMALL, **params})


def _linear_bytes(model: Any) -> int:
    """Bytes of the weights of linear layers, of whatever tensors they are made."""
    return sum(
        sum(getattr(weight, name).nbytes for name in weight.__tensor_flatten__()[0])
        if hasattr(weight, "__tensor_flatten__")
        else weight.nbytes
        for name, weight in model.named_parameters()
        if name.endswith(("to_q.weight", "mlp.up_proj.weight"))
    )


def test_a_quantised_editor_is_smaller_and_edits_nearly_as_the_whole_one(qwen_folder: Path) -> None:
    pytest.importorskip("torchao")
    whole = _editor(qwen_folder)
    small = _editor(qwen_folder, quantization={"weights": "int8"})
    for part in ("transformer", "text_encoder"):
        assert _linear_bytes(getattr(whole.pipe, part)) > 3.5 * _linear_bytes(getattr(small.pipe, part))

    pictures = [np.asarray(editor.edit_image(gradient(), "make the sky red", 3), float) for editor in (whole, small)]
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 2


def test_components_that_are_not_named_stay_as_they_are(qwen_folder: Path) -> None:
    pytest.importorskip("torchao")
    editor = _editor(qwen_folder, quantization={"weights": "int8", "components": ["transformer"]})
    assert _linear_bytes(editor.pipe.text_encoder) == _linear_bytes(_editor(qwen_folder).pipe.text_encoder)


def test_quantization_is_part_of_the_identity(qwen_folder: Path) -> None:
    params = {"model_name": str(qwen_folder)}
    identities = [
        QwenImageEditModel.identity(params | {"quantization": {"weights": weights}}) for weights in ("int8", "nf4")
    ]
    assert QwenImageEditModel.identity(params) not in identities
    assert identities[0] != identities[1]


@pytest.mark.parametrize("editor", [QwenImageEditModel, DiffusersEditModel])
def test_a_missing_package_is_found_before_anything_loads(
    editor: type[PipelineEditor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quantization.PACKAGES, "int8", "a_missing_package")
    params = {"model_name": "some/model", "quantization": {"weights": "int8"}}
    with pytest.raises(ModelError, match=r"a_missing_package, which is not installed.* pip install"):
        check_params(editor, params, "diffusion_model.params")


def test_nf4_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setitem(quantization.PACKAGES, "nf4", "torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    params = {"model_name": "some/model", "quantization": {"weights": "nf4"}}
    with pytest.raises(ModelError, match=r"on a GPU only.*weights: int8"):
        check_params(QwenImageEditModel, params, "diffusion_model.params")


def test_other_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="quantization"):
        check_params(QwenImageEditModel, {"quantization": {"weights": "int2"}}, "diffusion_model.params")


def test_a_component_that_the_checkpoint_lacks_is_named_with_those_it_has(
    qwen_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quantization.PACKAGES, "int8", "torch")
    with pytest.raises(ModelError, match=r"no model 'unet'; its parts are .*text_encoder.*transformer"):
        _editor(qwen_folder, quantization={"weights": "int8", "components": ["unet"]})
