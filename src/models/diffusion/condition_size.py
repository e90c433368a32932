"""How large the pictures are that the Qwen edit pipelines work on.

The stock pipelines scale the source to fixed areas (about one megapixel) before they encode it, whatever output size is
asked for: a module-level `calculate_dimensions(area, ratio)` decides. It is replaced once per module by one that asks
for our areas within `condition_sizes(...)`, in this thread only, and is the original everywhere else.
"""

from __future__ import annotations

import functools
import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any

STOCK_AREA = 1024 * 1024
"""The area at which every Qwen edit pipeline encodes the source with its autoencoder."""


@dataclass(frozen=True, slots=True)
class _Sizes:
    areas: dict[int, float]
    multiple: int


_wanted: ContextVar[_Sizes | None] = ContextVar("condition_sizes", default=None)
_installing = threading.Lock()


@contextmanager
def condition_sizes(pipeline: Any, condition_side: float, vl_side: int | None) -> Iterator[None]:
    """Within the block, calls of `pipeline` in this thread encode the source at these sizes.

    Args:
        pipeline: A `QwenImageEditPipeline` or `QwenImageEditPlusPipeline`.
        condition_side: Side in pixels of the square whose area the autoencoder sees.
        vl_side: The same for the picture that the vision-language encoder sees, where the pipeline makes it separately
            (Plus); None leaves it as it is.
    """
    module = sys.modules[type(pipeline).__module__]
    _install(module)
    areas: dict[int, float] = {STOCK_AREA: condition_side**2}
    if vl_side is not None and hasattr(module, "CONDITION_IMAGE_SIZE"):
        areas[module.CONDITION_IMAGE_SIZE] = vl_side**2
    token = _wanted.set(_Sizes(areas, rounding(pipeline)))
    try:
        yield
    finally:
        _wanted.reset(token)


def rounding(pipeline: Any) -> int:
    """Widths and heights are multiples of this: two transformer patches, the stock 32 at the stock factor of 8."""
    return 4 * int(pipeline.vae_scale_factor)


def fit_area(area: float, ratio: float, multiple: int) -> tuple[int, int]:
    """Width and height of about `area` pixels with width / height ≈ `ratio`, in multiples of `multiple`."""
    width = math.sqrt(area * ratio)
    return tuple(max(multiple, round(side / multiple) * multiple) for side in (width, width / ratio))  # type: ignore[return-value]


def _install(module: ModuleType) -> None:
    with _installing:
        stock: Callable[..., Any] = module.calculate_dimensions
        if getattr(stock, "asks_condition_sizes", False):
            return

        @functools.wraps(stock)
        def calculate_dimensions(target_area: int, ratio: float) -> Any:
            sizes = _wanted.get()
            if sizes is None:
                return stock(target_area, ratio)
            rest = stock(target_area, ratio)[2:]  # some pipelines unpack a third value
            return (*fit_area(sizes.areas.get(target_area, target_area), ratio, sizes.multiple), *rest)

        calculate_dimensions.asks_condition_sizes = True  # type: ignore[attr-defined]
        module.calculate_dimensions = calculate_dimensions  # type: ignore[attr-defined]
