"""`Protocol`: what a published protocol asks about a sample, and what follows from the answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from PIL import Image

from src.data.protocol_facts import ProtocolFacts
from src.data.sample import EditSample
from src.errors import ConfigError
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Picture
from src.rewards.core.judge_prompt import JudgePrompt, ReplyFormat

OWN_SCORE = "protocol_score"
"""The dimension that holds a sample's score on the protocol's own scale."""


@dataclass(frozen=True)
class Shown:
    """A picture that a call shows."""

    picture: Picture
    label: str = ""
    """The words before it; none where the protocol has none."""
    place: int = 0
    """Which of the sample's source pictures, from 0."""


@dataclass(frozen=True)
class Call:
    """One call of a protocol about one sample."""

    name: str
    """The prompt file of this project's own wording, in the protocol's folder."""
    official: tuple[str, ...]
    """The names of the texts in the benchmark's repository, which are asked together."""
    shown: tuple[Shown, ...]
    """The pictures, in their order."""
    dimensions: tuple[str, ...]
    """The names of the values that its reply gives."""
    reply: ReplyFormat
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the prompt tells: `instruction` and what else its text names."""
    delivery: Delivery | None = None
    """How it is sent, where that differs from the protocol's other calls."""
    official_system: tuple[str, ...] = ()
    """The names of the texts of the system role, where the protocol has one."""
    added_to_system: str = ""
    """What the official script adds to those texts, in this project's own wording."""
    schema: Mapping[str, Any] | None = None
    """JSON schema of the reply, where the protocol enforces one."""
    places_pictures: bool = False
    """Whether the text says by `<image>` where each picture stands: what is before a picture becomes its label."""


@dataclass(frozen=True)
class ProtocolPrompt(JudgePrompt):
    """A prompt of a published protocol, which shows each picture after a label of its own."""

    shown: tuple[Shown, ...] = ()

    def key(self) -> list[Any]:
        """All that decides the reply and what is read from it, apart from the pixels; JSON-able."""
        return [*super().key(), [[one.picture, one.label, one.place] for one in self.shown]]


_PLACE = "<image>"
_INSTRUCTION = "\0"
"""In the place of the instruction while a text is divided, so that an instruction can place no picture."""


def between_pictures(
    call: Call, render: Callable[[Mapping[str, Any]], tuple[str, str]]
) -> tuple[str, str, tuple[Shown, ...]]:
    """System role, the text behind the last picture, and the pictures, each with the words before it as its label.

    Args:
        call: Its text may have a mark for each picture.
        render: Makes system role and text of the values that they name.

    Raises:
        ConfigError: the text has another number of marks than there are pictures.
    """
    if not call.places_pictures:
        return *render(call.values), call.shown
    system, text = render({**call.values, "instruction": _INSTRUCTION})
    parts = [part.replace(_INSTRUCTION, str(call.values["instruction"])) for part in text.split(_PLACE)]
    if len(parts) != len(call.shown) + 1:
        raise ConfigError(
            f"official prompts: {', '.join(call.official)} places {len(parts) - 1} pictures by {_PLACE}, and "
            f"{len(call.shown)} are shown"
        )
    shown = tuple(replace(one, label=label) for one, label in zip(call.shown, parts, strict=False))
    return system, parts[-1], shown


class Protocol(ABC):
    """One version of one protocol."""

    VERSION: ClassVar[str] = "1"
    """Raise it when the code changes what a sample's score is, so that stored verdicts are not reused."""
    FOLDER: ClassVar[str] = ""
    """The folder of its prompts, below `prompts/protocols`; by default that of the benchmark's name."""
    facts: ClassVar[ProtocolFacts]
    delivery: ClassVar[Delivery]
    official: ClassVar[OfficialFiles]
    repeats: ClassVar[int] = 1
    """How often the protocol asks each question."""
    averages_scores: ClassVar[bool] = False
    """Whether repeats are passes, each with a score of its own, of which the mean is taken. Else each value is the mean
    over the repeats, and one score is computed of these."""

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says why the protocol has nothing to say about a sample; by default it has."""
        return None

    def prepare(self, image: Image.Image, source: Image.Image) -> Image.Image:
        """The pixels that are sent of a picture of a sample with this source; by default all of them."""
        return image

    @abstractmethod
    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """What is asked about an applicable sample; with `as_published`, as the official script does it."""

    @abstractmethod
    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """The sample's score on the protocol's own scale."""

    def derived(self, values: Mapping[str, float]) -> dict[str, float]:
        """Further values to report, beside those that were asked for."""
        return {}
