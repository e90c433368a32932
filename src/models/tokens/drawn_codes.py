"""`DrawnCodes`: the codes of one picture that a token editor has drawn."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class DrawnCodes:
    """The codes of an edit, row by row."""

    rows: tuple[tuple[int, ...], ...]

    @cached_property
    def sha256(self) -> str:
        """Hash of all codes and of their grid."""
        return hashlib.sha256(json.dumps(self.rows).encode()).hexdigest()
