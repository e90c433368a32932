"""`EditorActor`: an editor in a process of a Ray cluster; encoded pictures in, PNG out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from src.cluster.placed_model import PlacedModel
from src.data.image import LazyImage, encode_png
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditFailure, EditRequest, decoded_request, edit_each


@dataclass(frozen=True)
class PlacedRequest:
    """What an editor is asked to do, but for the first source, which travels beside it."""

    instruction: str
    seed: int
    sample_id: str
    further: tuple[bytes, ...] = ()
    """The encoded source pictures after the first one."""


@dataclass(frozen=True)
class PlacedEdit:
    """An edit as it comes back."""

    png: bytes
    size: tuple[int, int]
    """Width and height in pixels."""


class EditorActor(PlacedModel[BaseDiffusionModel]):
    """While one batch is edited, the next one is decoded and the one before encoded."""

    base = BaseDiffusionModel

    def edit(self, requests: Sequence[PlacedRequest], *sources: bytes) -> tuple[list[PlacedEdit | EditFailure], float]:
        """Makes edits; see `edit_each`.

        Args:
            requests: What is asked.
            sources: The encoded source of each request, in order; empty for a picture of text alone.

        Returns:
            An edit or a failure for each request, in order, and the seconds that the editor took for each.

        Raises:
            ModelUnusable: the editor can serve no request at all.
        """
        asked = [_decoded(request, data) for request, data in zip(requests, sources, strict=True)]
        with self._turns:
            started = time.perf_counter()
            edited = iter(edit_each(self.model, [one for one in asked if isinstance(one, EditRequest)]))
            seconds = (time.perf_counter() - started) / len(requests)
        outcomes = [one if isinstance(one, EditFailure) else next(edited) for one in asked]
        return [
            one if isinstance(one, EditFailure) else PlacedEdit(encode_png(one), one.size) for one in outcomes
        ], seconds


def _decoded(request: PlacedRequest, data: bytes) -> EditRequest | EditFailure:
    source = LazyImage.from_bytes(data) if data else None
    further = [LazyImage.from_bytes(one) for one in request.further]
    return decoded_request(
        lambda: None if source is None else source.decode(),
        request.instruction,
        request.seed,
        request.sample_id,
        further,
    )
