"""Which answers of a server are refused, whoever asked: those that are too long, and redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

PICTURE_BYTES = 96 * 2**20
"""The longest message that carries a picture: a file of 64 MiB as base64, and what stands around it."""
TEXT_BYTES = 1_000_000
"""The longest answer that is text."""


class AnswerTooLong(Exception):
    """A server's answer has more bytes than are read."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the server's answer has more than {limit:,} bytes and is not read to its end")


def redirect_of(response: httpx2.Response) -> str | None:
    """What to say of an answer that sends its client elsewhere, None of any other.

    The address is shown without its query, which may hold what nobody else should see.
    """
    if not 300 <= response.status_code < 400:
        return None
    address = response.headers.get("location", "").partition("?")[0]
    return (
        f"HTTP {response.status_code}: {response.url.copy_with(query=None)} redirects to {address or 'no address'!r}; "
        "redirects are not followed: give the address that answers by itself"
    )
