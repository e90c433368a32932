"""`Quantization`: linear layers of a pipeline's models in 8 or 4 bits, as diffusers and transformers offer it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic

from src.errors import ModelError

if TYPE_CHECKING:
    import torch
    from diffusers import PipelineQuantizationConfig

WeightFormat = Literal["int8", "nf4"]
PACKAGES: dict[WeightFormat, str] = {"int8": "torchao", "nf4": "bitsandbytes"}
"""Which package makes them. Not offered: quanto, which diffusers is about to drop; 8 bits of bitsandbytes, which cannot
be moved between devices; 4 bits of torchao, which need a further package."""


class Quantization(pydantic.BaseModel):
    """How the weights of linear layers are stored; they are computed with in the pipeline's own number type."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    weights: WeightFormat
    """`int8`: integers with a scale for each row, by torchao. `nf4`: 4-bit NormalFloat in blocks of 64 (QLoRA, arXiv
    2305.14314), by bitsandbytes; diffusers makes it on a GPU only."""
    components: Annotated[list[str], pydantic.Field(min_length=1)] = ["transformer", "text_encoder"]
    """Names from the checkpoint's `model_index.json`."""


def require_package(quantization: Quantization) -> None:
    """Looks for the package, and for the GPU that it may need.

    Raises:
        ModelError: naming what is missing and what to do.
    """
    package = PACKAGES[quantization.weights]
    if importlib.util.find_spec(package) is None:
        raise ModelError(
            f"quantization.weights: {quantization.weights} needs the package {package}, which is not installed; "
            f"get it with: pip install {package}"
        )
    if quantization.weights == "nf4":
        import torch

        if not torch.cuda.is_available():
            raise ModelError(
                "quantization.weights: diffusers makes nf4 on a GPU only, and torch sees none; set weights: int8"
            )


def pipeline_quantization(
    quantization: Quantization, index: dict[str, Any], dtype: torch.dtype
) -> PipelineQuantizationConfig:
    """What `from_pretrained` of a pipeline takes as `quantization_config`.

    diffusers and transformers have a class each for the same method, and take no other's.

    Args:
        quantization: What the params ask for.
        index: The checkpoint's `model_index.json`: library and class of each part.
        dtype: In which is computed.

    Raises:
        ModelError: a component that the checkpoint does not have, or that is no model.
    """
    import diffusers
    import transformers

    sources: dict[str, Any] = {"diffusers": diffusers, "transformers": transformers}
    libraries = {name: entry[0] for name, entry in index.items() if isinstance(entry, list) and entry[0]}
    mapping = {}
    for name in quantization.components:
        if libraries.get(name) not in sources:
            raise ModelError(
                f"quantization.components: the checkpoint has no model {name!r}; "
                f"its parts are {', '.join(sorted(libraries))}"
            )
        mapping[name] = _configuration(quantization.weights, sources[libraries[name]], dtype)
    return diffusers.PipelineQuantizationConfig(quant_mapping=mapping)


def _configuration(weights: WeightFormat, library: Any, dtype: torch.dtype) -> Any:
    if weights == "nf4":
        return library.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    from torchao.quantization import Int8WeightOnlyConfig  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return library.TorchAoConfig(Int8WeightOnlyConfig())
