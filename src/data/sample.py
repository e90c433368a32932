"""What a benchmark is made of: `EditSample`, and `BadSample` for an item that cannot be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from src.data.image import ImageError, LazyImage, content_hash
from src.data.knowledge_graph import KnowledgeGraph

NO_SOURCE = "the sample has no source picture: it asks for one that is made of text alone"
MAX_INSTRUCTION = 20_000
"""Characters of the longest instruction, in files, over HTTP and before any editor alike."""


@dataclass(frozen=True, slots=True)
class EditSample:
    """One task of editing a picture, or of making one of text alone. Images stay encoded until somebody asks for their
    pixels.
    """

    sample_id: str
    """Unique within a run and safe as a file name: the stem of `original_image_path`, or the item's `id`."""
    index: int
    """Position of the item in its file, from 0. For messages only: nothing random may depend on it."""
    category: str
    instruction: str
    """The edit instruction, or the prompt of a picture that is to be made, in the language of the run."""
    description: str
    """What the source image shows, in the language of the run; may be empty."""
    source: LazyImage | None
    """The picture that is edited; None where a picture is to be made of the text alone."""
    difficulty: str | None = None
    tags: tuple[str, ...] = ()
    rationale: str | None = None
    """Why the right edit looks as it does; shown to judges that ask for it, never to editors."""
    reference: LazyImage | None = None
    """The exact or a model edit, where the benchmark has one."""
    preliminary: LazyImage | None = None
    """An editor's first attempt, where the data bring one: what a second pass corrects."""
    graph: KnowledgeGraph | None = None
    """What a right edit shows, where the benchmark says it as elements and dependencies."""
    family: str | None = None
    """The rule of the miniature world that made the sample."""
    seed: int | None = None
    """The seed of the miniature world that made the sample; with category, difficulty and family it makes it again."""
    other_instruction: str | None = None
    """The instruction in the language that is not the run's, where the data has both: for people, not for models."""
    further_sources: tuple[LazyImage, ...] = ()
    """The source pictures after the first one, where the edit is made of several; their order counts."""
    cluster: str | None = None
    """Names the samples that are not independent of this one, where the benchmark says so; else the source picture
    does."""
    attributes: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, hash=False)
    """The fields of a public benchmark's own row that its protocol needs, by the names that the benchmark gives them.
    Absent and empty ones are left out; numbers are text, and truth values are `true` and `false`."""
    instruction_language: Literal["en", "zh"] | None = None
    """The language of the instruction, where every row of the benchmark has one of its own; None where a row has all
    languages."""
    turns: tuple[str, ...] = ()
    """The instructions of an edit in several turns, each of what the one before has made; none for an edit in one. The
    `instruction` then lists them."""

    @property
    def given_source(self) -> LazyImage:
        """The source picture, for whoever can do nothing without one.

        Raises:
            ImageError: the sample has none.
        """
        if self.source is None:
            raise ImageError(NO_SOURCE)
        return self.source

    def source_key(self, data: bytes | None) -> str:
        """What tells the source picture from others: the hash of its bytes, or of the prompt where there is none.

        Samples that share it are not independent of one another.

        Args:
            data: The encoded source picture as a model gets it; None where there is none.
        """
        if data is not None:
            return content_hash(data)
        return content_hash(b"text to image: " + self.instruction.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class BadSample:
    """An item of the benchmark that cannot be run; recorded with status `bad_sample`, never scored."""

    sample_id: str
    index: int
    category: str | None
    reason: str
    """One sentence: what is wrong with the item and where (field name), for the report."""
    difficulty: str | None = None
    """This and what follows: as far as it can be read, so that reports count and show the item where it belongs."""
    tags: tuple[str, ...] = ()
    instruction: str = ""
    description: str = ""
    instruction_language: Literal["en", "zh"] | None = None

    @classmethod
    def of(cls, sample: EditSample, reason: str) -> BadSample:
        """A sample that turned out to be unusable after it was read."""
        told = (sample.difficulty, sample.tags, sample.instruction, sample.description, sample.instruction_language)
        return cls(sample.sample_id, sample.index, sample.category, reason, *told)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An item of the benchmark that was not read."""

    index: int
    category: str | None = None


class Unusable(ValueError):
    """An item of a data file cannot be used; the text says why and becomes the reason of its `BadSample`."""
