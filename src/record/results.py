"""What a run leaves behind, as plain frozen data: the only thing that reports are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from src.data.picture_change import NEAR_COPY
from src.data.verdict import SentPrompt, Status, Verdict


@dataclass(frozen=True, slots=True)
class SampleResult:
    """One sample of one run, joined with its edit and its verdict."""

    sample_id: str
    index: int
    category: str | None
    difficulty: str | None
    tags: tuple[str, ...]
    instruction: str
    description: str
    seed: int | None
    status: Status | None
    """The status; None where the sample was read, but the run ended before its verdict."""
    score: float | None
    dimensions: dict[str, float | None]
    reason: str | None
    replies: tuple[str, ...]
    usage: dict[str, float]
    edit_key: str | None
    source_sha256: str | None
    image_path: str | None
    """The edited picture, relative to the output directory; None when there is none."""
    source_size: tuple[int, int] | None
    """Width and height in pixels of the source as the editor got it."""
    edit_size: tuple[int, int] | None
    """Width and height in pixels of the picture that the editor returned."""
    edit_seconds: float | None
    judge_seconds: float | None
    judge_model: str = ""
    """The model that answered, as its server resolved the name; empty for judges that do not say."""
    expected: dict[str, str] | None = None
    """Digests of what the benchmark says of the right edit, by its name; None in records from before it was noted."""
    repeats: tuple[Verdict, ...] | None = None
    """The verdict of each repeat, where the judge was asked repeatedly, and none where it was asked once; None where
    nothing was judged, or where the record does not say (before version 4, or a combination of unequal repeats)."""
    prompts: tuple[SentPrompt, ...] = ()
    """What the judge was asked; none where the record does not have it (before version 4)."""
    cluster: str | None = None
    """See `EditSample.cluster`; None as well in records from before version 6."""
    attributes: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    """See `EditSample.attributes`; none as well in records from before version 6."""

    change: float | None = None
    """How far the edit differs from the source, in grey levels (`picture_change`); None where it was not measured."""

    @property
    def near_copy(self) -> bool | None:
        """Whether the edit hardly differs from its source; None where that was not measured."""
        return None if self.change is None else self.change <= NEAR_COPY

    @property
    def dependence(self) -> str | None:
        """Equal for samples that are not independent of each other: of one cluster, or else of one source picture.

        None where that is not known: such a sample counts as independent of all.
        """
        return self.source_sha256 if self.cluster is None else f"cluster {self.cluster}"


BUDGET_SPENT = "budget spent"
"""How the outcome of an attempt begins that stopped before all was done as the run's budget was spent."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One invocation of a run: the first, or a `--resume`."""

    started: str
    """ISO 8601 with offset."""
    seconds: float | None
    """Wall time; None while it runs or when it was killed."""
    outcome: str
    """`running` (or killed), `finished`, `interrupted`, `failed`, `budget spent: ` with what is spent, or what the run
    was merged without."""
    edits_made: int
    edits_reused: int
    verdicts_made: int
    verdicts_reused: int


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What was run, with what, and how it went."""

    run_key: str
    config: dict[str, Any]
    """The resolved configuration with secrets redacted."""
    editor: dict[str, Any]
    """`BaseModel.identity` of the editor."""
    scorer: dict[str, Any]
    """Identity of the scorer and its judge: class, params, weights, prompt hash, image policy."""
    environment: dict[str, str]
    """Versions: python, platform, editloop, and the libraries that were loaded."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Items that the selection passed over, by category."""
    attempts: tuple[Attempt, ...] = field(default_factory=tuple)
