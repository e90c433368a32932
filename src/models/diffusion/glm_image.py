"""What `GlmImagePipeline` of diffusers 0.42.1 needs of us to edit a picture beside transformers 5.23."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from src.models.diffusion.pipeline_sizes import own_vision_size


@contextmanager
def one_source_apart(pipeline: Any, width: int, height: int) -> Iterator[None]:
    """Lets a `GlmImagePipeline` edit one source, which is as large as the edit, without the global generator.

    - It joins what the vision tower makes of the sources to one tensor, and hands that to a method of transformers
      that reads one source after the other: rows of pixels would be taken for pictures.
    - Its processor scales a source that is small or large for it, and its autoencoder does not, so that codes and
      latents would not be of one size.
    - Its prior draws from the global generator, to which it gives the seed. `own_noise` has that seed already.

    Args:
        pipeline: The pipeline; it is as before at the end of the block.
        width: Of the edit.
        height: Of the edit.
    """
    encoder = pipeline.vision_language_encoder
    tokens_of, prior = encoder.get_image_tokens, pipeline.generate_prior_tokens
    encoder.get_image_tokens = lambda joined, grids: tokens_of([joined], grids)
    pipeline.generate_prior_tokens = lambda **arguments: prior(**{**arguments, "generator": None})
    try:
        with own_vision_size(pipeline, width, height):
            yield
    finally:
        del encoder.get_image_tokens, pipeline.generate_prior_tokens
