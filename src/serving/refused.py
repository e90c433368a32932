"""`Refused`: why a request gets no picture, in the form in which its client hears of it."""

from __future__ import annotations

from starlette.responses import Response

from src.models.diffusion.edit_protocol import ErrorBody, ErrorKind
from src.terminal import clean

CLOSE = {"connection": "close"}
_LONGEST_REASON = 500


class Refused(Exception):
    """Why a request gets no picture, with the status that says so."""

    def __init__(self, status: int, kind: ErrorKind, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.problem = ErrorBody(kind=kind, reason=clean(reason)[:_LONGEST_REASON])
        self.headers = headers

    def response(self) -> Response:
        """Returns the answer that the client gets."""
        return Response(self.problem.model_dump_json(), self.status, self.headers, "application/json")
