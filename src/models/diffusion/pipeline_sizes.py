"""Sets the width and height at which a pipeline works where the arguments of its call alone do not decide it.

Some pipelines scale every source to about a megapixel by a rule of their own. For the length of one call each function
here replaces that rule by one width and height.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from src.models.diffusion.condition_size import condition_sizes

Resizing = Callable[[Any, int, int], AbstractContextManager[None]]
"""Pipeline, width and height to the block in which the pipeline works at that size."""


def own_module_sizes(pipeline: Any, width: int, height: int) -> AbstractContextManager[None]:
    """Sets the size of pipelines whose module has a `calculate_dimensions`."""
    return condition_sizes(pipeline, math.sqrt(width * height), None)


@contextmanager
def own_buckets(pipeline: Any, width: int, height: int) -> Iterator[None]:
    """Sets the size of pipelines whose image processor picks the nearest of its buckets."""
    processor = getattr(pipeline, "vae_image_processor", pipeline.image_processor)
    processor.get_default_height_width = lambda *_: (height, width)
    try:
        yield
    finally:
        del processor.get_default_height_width


@contextmanager
def own_vision_size(pipeline: Any, width: int, height: int) -> Iterator[None]:
    """Keeps the processor from scaling the picture again, in pipelines that put latents where vision tokens were."""
    processor = pipeline.processor.image_processor
    stock, processor.size = processor.size, {"shortest_edge": 1, "longest_edge": 4 * width * height}
    try:
        yield
    finally:
        processor.size = stock


@contextmanager
def own_resolutions(pipeline: Any, width: int, height: int) -> Iterator[None]:
    """Sets the size of pipelines with a list of `resolutions`."""
    stock, pipeline.resolutions = pipeline.resolutions, [(width, height)]
    try:
        yield
    finally:
        pipeline.resolutions = stock
