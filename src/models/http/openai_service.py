"""`OpenAIService`: who answers a client of OpenAI's protocols, and what to change when nobody does."""

from __future__ import annotations

from dataclasses import dataclass

from src.models.http.api_errors import APIFailure, FailureKind
from src.redaction import REDACTED


@dataclass(frozen=True)
class OpenAIService:
    """A server, the key to it, and the model that is asked there."""

    address: str
    key: str
    """Empty for a server that wants none."""
    key_variable: str
    """The environment variable that holds the key."""
    model: str
    section: str
    """The section of the config that names the model, such as `reward_model`."""

    def redacted(self, text: str) -> str:
        """The text without the key, which a server may repeat in what it says."""
        return text.replace(self.key, REDACTED) if self.key else text

    def remedy(self, failure: APIFailure) -> str:
        """What is wrong with this service and what to do about it, for a failure that is `UNUSABLE`."""
        reason, key = self.redacted(str(failure)), f"the key in {self.key_variable}"
        if failure.kind is FailureKind.KEY:
            return f"{self.address} refuses {key}: {reason}; set the right key in that environment variable"
        if failure.kind is FailureKind.ACCOUNT:
            return f"{self.address} accepts {key}, but its account has no credit left: {reason}; top it up"
        return f"{self.address} has no model {self.model!r}: {reason}; correct {self.section}.params.model or base_url"
