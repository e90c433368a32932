"""`patient_protocol`: connections on which nothing comes, or nothing is taken, do not stay."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def patient_protocol(seconds: float) -> type[H11Protocol]:
    """The server's HTTP with a limit on the time for the head of a request, and for an answer that nobody takes.

    Between two requests, and within a request's body, uvicorn and the application have limits of their own.

    Args:
        seconds: After which the connection is cut.
    """

    class PatientProtocol(H11Protocol):
        _cut: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._cut is None:
                self._start()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._stop()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._start()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _start(self) -> None:
            self._stop()
            self._cut = self.loop.call_later(seconds, self.transport.abort)

        def _stop(self) -> None:
            if self._cut is not None:
                self._cut.cancel()
                self._cut = None

    return PatientProtocol


def uvicorn_settings(seconds: float) -> dict[str, Any]:
    """What the server's `uvicorn.Config` is given besides the application."""
    return {"log_config": None, "backlog": 512, "http": patient_protocol(seconds), "ws": "none"}
