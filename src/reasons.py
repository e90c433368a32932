"""Words the reason that records and reports give for an exception: equal failures have equal reasons."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"( at )?\b0x[0-9a-f]{6,}\b", re.IGNORECASE)


def reason_of(error: BaseException) -> str:
    """Returns `RuntimeError: out of paint`, without what differs between failures: see `without_addresses`."""
    text = without_addresses(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def without_addresses(text: str) -> str:
    """Returns the text without memory addresses: `<Image size=4x4 at 0x7F03A4>` reads `<Image size=4x4>`."""
    return _ADDRESS.sub(lambda match: "" if match[1] else "0x…", text)
