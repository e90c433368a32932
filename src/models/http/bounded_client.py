"""HTTP clients that believe a server nothing: no answer above a limit, none without end, no redirect.

Answers are read piece by piece, decompressed in pieces too, so that an answer beyond the limit costs no more memory
than the limit, whatever its status and however small it was on the wire.
"""

from __future__ import annotations

import time
from typing import Any

import httpx2

from src.models.http.answer_limits import AnswerTooLong

_FRAMING = ("content-encoding", "content-length", "transfer-encoding")


class BoundedClient(httpx2.Client):
    """A client all of whose answers are whole, within the limit, and from the address that was asked."""

    def __init__(
        self, limit: int, timeout: float, connect: float | None = None, headers: dict[str, str] | None = None
    ) -> None:
        """Makes a client without a limit on connections; proxies are those of the environment.

        Args:
            limit: Bytes of the longest answer, decompressed.
            timeout: Seconds from the answer's beginning to its last byte, and for each wait before.
            connect: Seconds for the connection alone; None is `timeout`.
            headers: Of every request.
        """
        super().__init__(headers=headers, **_settings(timeout, connect))
        self._limit = limit
        self._seconds = timeout

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Sends a request and reads the answer to its end.

        Raises:
            AnswerTooLong: it is longer than the limit.
            httpx2.ReadTimeout: it has not ended in time.
        """
        response = super().send(request, stream=True, **options)
        reading = _WholeAnswer(response, self._limit, self._seconds)
        try:
            for piece in response.iter_bytes():
                reading.add(piece)
        finally:
            response.close()
        return reading.whole()


class BoundedAsyncClient(httpx2.AsyncClient):
    """The same client as `BoundedClient`, for one event loop."""

    def __init__(self, limit: int, timeout: float) -> None:
        super().__init__(**_settings(timeout, None))
        self._limit = limit
        self._seconds = timeout

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Sends a request and reads the answer to its end, as `BoundedClient.send` does."""
        response = await super().send(request, stream=True, **options)
        reading = _WholeAnswer(response, self._limit, self._seconds)
        try:
            async for piece in response.aiter_bytes():
                reading.add(piece)
        finally:
            await response.aclose()
        return reading.whole()


def _settings(timeout: float, connect: float | None) -> dict[str, Any]:
    return {
        "timeout": httpx2.Timeout(timeout, connect=timeout if connect is None else connect),
        "limits": httpx2.Limits(max_connections=None),
        "follow_redirects": False,
    }


class _WholeAnswer:
    """Collects the bytes of an answer until it is whole, within the limits of size and time."""

    def __init__(self, response: httpx2.Response, limit: int, seconds: float) -> None:
        self._response = response
        self._limit = limit
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._body = bytearray()

    def add(self, piece: bytes) -> None:
        if len(self._body) + len(piece) > self._limit:
            raise AnswerTooLong(self._limit)
        if time.monotonic() > self._ends:
            raise httpx2.ReadTimeout(f"no whole answer within {self._seconds:g} s", request=self._response.request)
        self._body += piece

    def whole(self) -> httpx2.Response:
        headers = [pair for pair in self._response.headers.multi_items() if pair[0].lower() not in _FRAMING]
        return httpx2.Response(
            self._response.status_code,
            headers=headers,
            content=bytes(self._body),
            request=self._response.request,
            extensions={key: value for key, value in self._response.extensions.items() if key != "network_stream"},
        )
