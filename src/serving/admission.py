"""`Admission`: which requests the edit server looks at: those of its own clients, not of web pages or of strangers.

A web page that somebody opens on a machine of the network can make their browser send requests to the server. It cannot
send JSON without asking first, it says where it comes from (`Origin`), and when a name of its own leads to the server's
address (DNS rebinding), that name is in `Host`.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from src.errors import ConfigError
from src.redaction import remember
from src.serving.refused import Refused

REQUEST_SECONDS = 60.0


@dataclass(frozen=True)
class Admission:
    """The rules by which one server admits requests.

    Raises:
        ConfigError: on construction, for a token that cannot stand in a header.
    """

    hosts: frozenset[str] = frozenset()
    """Names by which the server is called besides those of the loopback and the address that was connected to."""
    token: str | None = None
    """What every request must bring as `Authorization: Bearer …`; None asks for nothing."""
    seconds: float = REQUEST_SECONDS
    """Seconds that a client has for the head of a request, and again for its body."""

    def __post_init__(self) -> None:
        if self.token is None:
            return
        if not self.token or not all("!" <= character <= "~" for character in self.token):
            raise ConfigError("the token of serve-editor must be one word of printable ASCII characters")
        remember(self.token)

    def check(self, request: Request) -> None:
        """Lets the request pass, or raises the refusal that answers it.

        Raises:
            Refused: 403 for a foreign host or origin, 401 without the right token.
        """
        host = request.headers.get("host", "")
        server = request.scope.get("server") or ("", None)
        if not self._is_ours(_name(host), str(server[0])):
            raise Refused(403, "forbidden", f"host {host!r} is not this server's; allow it with --allow-host")
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refused(403, "forbidden", f"requests from pages of {origin!r} are not served")
        if self.token is not None:
            given = request.headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
                reason = "this server wants its token as the bearer in the Authorization header (HttpEditor: token_env)"
                raise Refused(401, "unauthorized", reason, {"www-authenticate": "Bearer"})

    def _is_ours(self, name: str, connected_to: str) -> bool:
        return name == "localhost" or _is_loopback(name) or name == connected_to.lower() or name in self.hosts


def _name(host: str) -> str:
    """The name or address within a `Host` header, without port and brackets; empty for what is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
