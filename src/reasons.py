"""Words the reason that records and reports give for an exception: equal failures have equal reasons."""

from __future__ import annotations

import re
import threading

_ADDRESS = re.compile(r"( at )?\b0x[0-9a-f]{6,}\b", re.IGNORECASE)


class Told(Exception):
    """A failure whose text is the whole reason: its class tells nobody anything."""


def is_failure(error: BaseException) -> bool:
    """Whether whatever was called has failed, so that the work may go on without it.

    In the main thread, `KeyboardInterrupt` is Ctrl-C, and `SystemExit` the end of the command. Python raises neither in
    other threads by itself: there a plug-in has raised it, such as by `sys.exit`.
    """
    return isinstance(error, Exception) or threading.current_thread() is not threading.main_thread()


def reason_of(error: BaseException) -> str:
    """Returns `RuntimeError: out of paint`, without what differs between failures: see `without_addresses`."""
    text = without_addresses(str(error))
    if isinstance(error, Told):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def without_addresses(text: str) -> str:
    """Returns the text without memory addresses: `<Image size=4x4 at 0x7F03A4>` reads `<Image size=4x4>`."""
    return _ADDRESS.sub(lambda match: "" if match[1] else "0x…", text)
