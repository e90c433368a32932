"""`out_of_memory_named`: what a training says when the accelerator's memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from src.errors import ModelError


@contextmanager
def out_of_memory_named(settings: str) -> Iterator[None]:
    """Turns torch's error of exhausted memory into a sentence; every other error passes.

    Args:
        settings: What to change, as the sentence names it.

    Raises:
        ModelError: the memory did not suffice.
    """
    try:
        yield
    except RuntimeError as error:  # torch's own class for it exists on CUDA only
        if "out of memory" not in str(error).lower():
            raise
        raise ModelError(f"out of memory in training; change {settings} ({error})") from error
