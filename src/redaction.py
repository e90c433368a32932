"""Secrets stay out of logs, records, reports and identities."""

from __future__ import annotations

import re
from typing import Any

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:api_?key|token|secret|password|passwd|authorization|credentials?)$", re.IGNORECASE
)
REDACTED = "***"


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret (`api_key`, `hf_token`, `password` …; not `max_new_tokens`)."""
    return bool(_SECRET_NAME.search(name))


def redact(value: Any) -> Any:
    """A deep copy of YAML-like data in which every secret is replaced by `***`."""
    if isinstance(value, dict):
        return {key: REDACTED if is_secret(str(key)) and item else redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value
