"""The JSON of a request, read within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import pydantic
from starlette.requests import Request

from src.serving.refused import CLOSE, Refused

Model = TypeVar("Model", bound=pydantic.BaseModel)


async def read_json(request: Request, model: type[Model], seconds: float, most: int) -> Model:
    """The body of a request as a model; one above `most` bytes, or one that takes longer, is not read to its end.

    Raises:
        Refused: 415, 413, 408 or 400, with what is wrong.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "bad_request", "the request must have the header content-type: application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise Refused(413, "too_large", f"the request has more than {most:,} bytes; send a smaller one")
    except TimeoutError:
        raise Refused(408, "too_slow", f"the request did not arrive within {seconds:g} s", CLOSE) from None
    try:
        return model.model_validate_json(bytes(body))
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        reasons = [f"{'.'.join(map(str, detail['loc'])) or 'body'}: {detail['msg']}" for detail in details]
        raise Refused(400, "bad_request", "; ".join(reasons)) from None
