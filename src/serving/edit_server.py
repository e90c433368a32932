"""The HTTP face of an `EditService`: JSON with a base64 picture in, PNG out, every failure as a kind and a reason.

| answer | kind in its JSON | meaning for the client |
|---|---|---|
| 200 `image/png` | | the edit, without loss; `Server-Timing` has the milliseconds of `queue` and `edit` |
| 400, 413, 415, 422 | `bad_request`, `too_large`, `bad_image` | this request can never succeed |
| 401, 403 | `unauthorized`, `forbidden` | no token, or from a page or for a host that is not this server's |
| 404, 405 | `unknown` | there is only `GET /health` and `POST /edit` |
| 408 | `too_slow` | the request did not arrive in time |
| 409 | `other_editor` | the request expects another editor than the one that is served here |
| 429 with `Retry-After` | `busy` | the queue is full: come again |
| 500 | `edit_failed` | the editor failed on this request; others may work |
| 500 | `failed` | the server has an error of its own |
| 503 | `unusable` | the editor can serve nothing any more |
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from src.data.image import ImageError, LazyImage
from src.errors import ModelUnusable
from src.models.diffusion.batching import EditFailure
from src.models.diffusion.edit_protocol import EDIT_PATH, HEALTH_PATH, EditBody, Health
from src.pipeline.keys import digest
from src.serving.admission import Admission
from src.serving.batching import QueueFull
from src.serving.edit_service import Edited, EditService, Timing
from src.serving.json_body import read_json
from src.serving.refused import Refused

logger = logging.getLogger(__name__)

MAX_BODY = 96 * 2**20
"""Bytes of the largest request that is read: a file of 64 MiB as base64, and its instruction."""


def create_app(service: EditService, identity: dict[str, Any], admission: Admission) -> FastAPI:
    """The web application; its lifespan runs the service.

    Args:
        service: What edits.
        identity: Of the served editor (`BaseModel.identity`), which clients take for their own.
        admission: Whose requests are looked at.
    """
    identity_digest = digest(identity)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(ClientDisconnect, _unheard)
    app.add_exception_handler(Exception, _failed)

    @app.get(HEALTH_PATH)
    async def health(request: Request) -> Health:
        admission.check(request)
        return Health(
            ready=service.unusable is None,
            editor=identity,
            digest=identity_digest,
            takes_source=service.takes_source,
            takes_text_alone=service.takes_text_alone,
            takes_further_images=service.takes_further_images,
            batch_size=service.batch_size,
            waiting=service.waiting,
            editing=service.editing,
            capacity=service.capacity,
        )

    @app.post(EDIT_PATH)
    async def edit(request: Request) -> Response:
        admission.check(request)
        asked = await read_json(request, EditBody, admission.seconds, MAX_BODY)
        if asked.digest not in (None, identity_digest):
            raise Refused(409, "other_editor", f"another editor is served here: {identity}")
        _check_kind(service, asked)
        edited = await _edit_while_connected(service, request, asked)
        return Response(edited.png, headers={"Server-Timing": _timing(edited.timing)}, media_type="image/png")

    return app


def _check_kind(service: EditService, asked: EditBody) -> None:
    """Refuses a request for what the served model does not do."""
    if asked.image is None and not service.takes_text_alone:
        raise Refused(400, "bad_request", "the request has no image, and the model served here edits images")
    if asked.image is not None and not service.takes_source:
        raise Refused(400, "bad_request", "the request has an image, and the model served here takes text alone")
    if asked.further_images and asked.image is None:
        raise Refused(400, "bad_request", "the request has further_images and no image, which is the first one")
    if asked.further_images and not service.takes_further_images:
        count = 1 + len(asked.further_images)
        raise Refused(400, "bad_request", f"the request has {count} images, and the model served here edits one")


async def _edit_while_connected(service: EditService, request: Request, asked: EditBody) -> Edited:
    """The edit; a request whose client hangs up leaves the queue."""
    source = None if asked.image is None else LazyImage(base64_text=asked.image)
    further = [LazyImage(base64_text=image) for image in asked.further_images]
    editing = asyncio.create_task(service.edit(source, asked.instruction, asked.seed, further))
    hanging_up = asyncio.create_task(_hang_up(request))
    try:
        await asyncio.wait({editing, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if not editing.done():
            raise ClientDisconnect
        result = editing.result()
    except QueueFull as error:
        seconds = service.seconds_to_room()
        pause = {"Retry-After": str(math.ceil(seconds)), "Retry-After-Ms": str(math.ceil(seconds * 1000))}
        raise Refused(429, "busy", str(error), pause) from error
    except ImageError as error:
        raise Refused(422, "bad_image", str(error)) from error
    except ModelUnusable as error:
        raise Refused(503, "unusable", str(error)) from error
    finally:
        editing.cancel()
        hanging_up.cancel()
    if isinstance(result, EditFailure):
        if result.of_source:
            raise Refused(422, "bad_image", result.reason)
        raise Refused(500, "edit_failed", result.reason)
    return result


async def _hang_up(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _timing(timing: Timing) -> str:
    queue, edit = timing.queue_seconds * 1000, timing.edit_seconds * 1000
    return f"queue;dur={queue:.1f}, edit;dur={edit:.1f};desc=batch-of-{timing.batch_size}"


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = f"{request.method} {request.url.path}: {error.detail}; there are GET {HEALTH_PATH} and POST {EDIT_PATH}"
    return Refused(error.status_code, "unknown", reason).response()


async def _unheard(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; the number is for the access log


async def _failed(request: Request, error: Exception) -> Response:
    return Refused(500, "failed", f"{type(error).__name__} in the server; its log has the details").response()
