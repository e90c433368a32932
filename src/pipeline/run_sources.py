"""The samples of a finished run with the sources that it edited, read from its benchmark once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from src.config import Config
from src.config_file import checked
from src.counted import counted
from src.data.image import ImageError
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import ConfigError, DataError
from src.pipeline.pixels import PixelBudget
from src.pipeline.reader import within_limit
from src.record.results import RunInfo, SampleResult


def sources_of_run(info: RunInfo, rows: Mapping[str, SampleResult]) -> Iterator[tuple[EditSample, bytes | None]]:
    """Yields each of these samples with the encoded source that the run's editor got, in the order of the benchmark.

    A sample of text alone comes with None, as long as its prompt is the one of the run.

    Args:
        info: Of the run.
        rows: The samples by id.

    Raises:
        ConfigError: the benchmark cannot be read, or has other sources or prompts today; after those that it still has.
    """
    benchmark = checked(Config, info.config, "the configuration stored with the run").benchmark
    missing = dict.fromkeys(rows)
    try:
        for sample in load_samples(benchmark.data_path, Selection.of(benchmark)):
            if not isinstance(sample, EditSample) or sample.sample_id not in missing:
                continue
            _, data = within_limit(sample, benchmark, PixelBudget(1000))
            if sample.source_key(data) == rows[sample.sample_id].source_sha256:
                del missing[sample.sample_id]
                yield sample, data
    except (DataError, ImageError) as error:
        raise ConfigError(f"the source pictures are read from the benchmark of the run, but {error}") from error
    if missing:
        raise ConfigError(
            f"{benchmark.data_path} no longer has the source pictures or prompts of "
            f"{counted(len(missing), 'sample')} of the run ({next(iter(missing))!r:.60} …): "
            "put back the benchmark file that was run"
        )
