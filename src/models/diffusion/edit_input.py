"""`EditInput`: what an editor may be given in the place of the instruction."""

from __future__ import annotations

from typing import Protocol


class EditInput(Protocol):
    """Embeddings that a transformer paints from, or codes of a picture, made by a policy from the instruction."""

    @property
    def sha256(self) -> str:
        """Hash of all that decides the edit; it stands for the instruction in the edit's content key."""
