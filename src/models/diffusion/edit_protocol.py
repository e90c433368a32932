"""What travels between `HttpEditor` and the server of `python main.py serve-editor`, besides the edited PNG itself."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from src.data.sample import MAX_INSTRUCTION

HEALTH_PATH, EDIT_PATH = "/health", "/edit"
MOST_FURTHER_IMAGES = 15

ErrorKind = Literal[
    "bad_request",
    "bad_image",
    "too_large",
    "too_slow",
    "unauthorized",
    "forbidden",
    "unknown",
    "other_editor",
    "busy",
    "edit_failed",
    "unusable",
    "failed",
]
"""Why a server gives no picture."""


class EditBody(pydantic.BaseModel):
    """The JSON of `POST /edit`."""

    model_config = pydantic.ConfigDict(extra="forbid")

    image: str | None = None
    """The source: base64 of a PNG or any other format that EditLoop reads. None asks for a picture of text alone."""
    further_images: list[str] = pydantic.Field(default=[], max_length=MOST_FURTHER_IMAGES)
    """The source pictures after `image`, in their order, each as `image` is."""
    instruction: str = pydantic.Field(min_length=1, max_length=MAX_INSTRUCTION)
    seed: int = pydantic.Field(0, ge=0, lt=2**63)
    digest: str | None = None
    """Digest of the editor that the client expects, from `Health`; None takes whatever is served."""


class Health(pydantic.BaseModel):
    """The JSON of `GET /health`."""

    ready: bool
    """False once the editor said that it can serve nothing any more."""
    editor: dict[str, Any]
    """What decides the editor's results (`BaseModel.identity`)."""
    digest: str
    """The hash of `editor`."""
    takes_source: bool = True
    """Whether the model edits pictures; servers of before have editors."""
    takes_text_alone: bool = False
    """Whether the model makes pictures of text alone."""
    takes_further_images: bool = False
    """Whether the model edits several source pictures into one; servers of before edit one each."""
    batch_size: int
    waiting: int
    """Requests in the queue."""
    editing: int
    """Requests in the batches under way."""
    capacity: int
    """Requests that may wait before the server answers 429."""


class ErrorBody(pydantic.BaseModel):
    """The JSON of every answer that is neither a picture nor `Health`."""

    kind: ErrorKind
    reason: str
