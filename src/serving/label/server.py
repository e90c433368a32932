"""The HTTP face of a `LabelSession`.

| request | answer |
|---|---|
| `GET /` | the page; it has no data of the run and needs no token |
| `GET /task` | progress, and the task whose turn it is |
| `GET /picture?sample=…&which=…` | one of the task's `pictures` as PNG: `edit`, or `left` and `right`, and a `source` |
| `POST /answer` | stores `{"sample": …, "answer": …}`, and answers with the next task |
| `POST /undo` | takes the latest answer back |

All but the page need `Authorization: Bearer <token>`. The token stands in the fragment of the address that the command
prints, which browsers send to nobody; no page of another origin can ask or read anything.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydantic
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from src.data.image import ImageError
from src.errors import EditLoopError
from src.serving.admission import Admission
from src.serving.json_body import read_json
from src.serving.label.session import LabelSession
from src.serving.label.tasks import as_png
from src.serving.label.words import WORDS
from src.serving.refused import Refused

MAX_BODY = 4096
_PAGES = Path(__file__).parent
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


class AnswerBody(pydantic.BaseModel):
    """An answer of the page."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    sample: str
    answer: int | str


def create_label_app(session: LabelSession, admission: Admission) -> FastAPI:
    """The web application.

    Args:
        session: Of the one rater who uses it.
        admission: With the token.
    """
    app = FastAPI(openapi_url=None)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(EditLoopError, _not_stored)
    without_token = replace(admission, token=None)
    template = Environment(loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined).get_template(
        "page.html.j2"
    )

    @app.get("/")
    async def page(request: Request) -> Response:
        without_token.check(request)
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        html = template.render(nonce=nonce, words=WORDS, pairs=session.of_pairs)
        return HTMLResponse(html, headers=_HEADERS | {"content-security-policy": policy})

    @app.get("/task")
    async def task(request: Request) -> Response:
        admission.check(request)
        return _json(session.state())

    @app.get("/picture")
    async def picture(request: Request, sample: str = "", which: str = "") -> Response:
        admission.check(request)
        found = session.task(sample)
        path = None if found is None else found.pictures.get(which)
        if path is None:
            raise Refused(404, "unknown", "there is no such picture among the tasks")
        try:
            data = await run_in_threadpool(as_png, path)
        except (ImageError, OSError):
            raise Refused(404, "unknown", f"the {which} picture of sample {sample!r} cannot be read any more") from None
        return Response(data, media_type="image/png", headers=_HEADERS)

    @app.post("/answer")
    async def answer(request: Request) -> Response:
        admission.check(request)
        body = await read_json(request, AnswerBody, admission.seconds, MAX_BODY)
        return _json(await run_in_threadpool(session.answer, body.sample, body.answer))

    @app.post("/undo")
    async def undo(request: Request) -> Response:
        admission.check(request)
        return _json(await run_in_threadpool(session.undo))

    return app


def _json(state: dict[str, Any]) -> Response:
    from fastapi.responses import JSONResponse

    return JSONResponse(state, headers=_HEADERS)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Refused(error.status_code, "unknown", f"{request.method} {request.url.path}: {error.detail}").response()


async def _not_stored(request: Request, error: Exception) -> Response:
    return Refused(500, "failed", str(error)).response()
