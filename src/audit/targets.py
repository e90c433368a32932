"""What counts as the right edit of a sample: the benchmark's reference image, or the edit of an earlier run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Protocol

from src.data.image import LazyImage, content_hash
from src.data.sample import EditSample
from src.record.record import Record


class Targets(Protocol):
    """The source of right edits: the pictures that a scorer should like."""

    exact: bool
    """Whether they are known to be right; edits of a run are only likely to be better than no edit."""
    description: str
    absent: str
    """Why a sample has none, and what to do."""
    identity: str
    """Differs between two sources of targets."""

    def __call__(self, sample: EditSample) -> LazyImage | None:
        """Returns the target of a sample, or None where it has none."""


class ReferenceTargets:
    """The reference images of the benchmark."""

    exact = True
    description = "the benchmark's reference images"
    absent = "no reference images; name a run with good edits by --edits RUN_DIR"
    identity = "references"

    def __call__(self, sample: EditSample) -> LazyImage | None:
        """The sample's reference image."""
        return sample.reference


class RunTargets:
    """The edits of an evaluation run of the same benchmark.

    Raises:
        OutputError: on construction, when `run_dir` holds no record of a run.
    """

    exact = False

    def __init__(self, run_dir: Path) -> None:
        with closing(Record(run_dir, for_reading=True)) as record:
            self.identity = record.latest_run().run_key
            self._edits = {
                result.sample_id: (result.source_sha256, run_dir / result.image_path)
                for result in record.results(self.identity)
                if result.image_path is not None
            }
        self.description = f"the edits in {run_dir}"
        self.absent = f"{run_dir} holds no edits of these samples; name another run by --edits RUN_DIR"

    def __call__(self, sample: EditSample) -> LazyImage | None:
        """The run's edit of the sample, if it was made from the same source picture."""
        source_sha256, path = self._edits.get(sample.sample_id, (None, None))
        if path is None or source_sha256 != content_hash(sample.given_source.read_bytes()):
            return None
        return LazyImage(path=path)


def targets_of(edits: Path | None) -> Targets:
    """The edits of a run, or the benchmark's reference images where no run is named."""
    return RunTargets(edits) if edits is not None else ReferenceTargets()
