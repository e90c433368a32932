"""The order in which a resumed run takes its samples: first those of which the record does not say that they are done.

A benchmark of a hundred thousand samples takes minutes to compare with its record: every source and every edit is
hashed. Editors need not wait for that. What rows say is only a hint about the order: what they call done is read and
compared afterwards, while the others are worked on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from src.benchmark_config import BenchmarkConfig
from src.data.loader import load_others, load_samples
from src.data.sample import BadSample, EditSample, PassedOver
from src.data.selected_content import SelectedContent
from src.data.selection import Selection
from src.errors import DataError
from src.pipeline.tally import Tally


def undone_first(
    benchmark: BenchmarkConfig, done: Mapping[int, str], tally: Tally, content: SelectedContent | None = None
) -> Iterator[EditSample | BadSample | PassedOver]:
    """Reads a benchmark twice: each sample comes once, those that seem to be done last.

    In the first reading they come as `PassedOver`. A sample that the second reading calls otherwise than the first
    one, as the file is not the one that the record was made from, comes again.

    Args:
        benchmark: The section of the config.
        done: The ids of the samples that seem to be done, by their places in the file.
        tally: Where progress is noted.
        content: See `load_samples`.

    Raises:
        DataError: the file cannot be read, or breaks off: after all that could be read.
    """
    selection = Selection.of(benchmark)
    taken: dict[int, str] = {}
    with suppress(DataError):  # the second reading meets it as well
        for sample in load_others(benchmark.data_path, selection, done, tally.reading):
            if isinstance(sample, PassedOver):
                tally.add(passed_over=1)
            else:
                taken[sample.index] = sample.sample_id
            yield sample
    tally.left_out.clear()
    if content is not None:
        content.clear()
    for again in load_samples(benchmark.data_path, selection, left_out=tally.left_out, content=content):
        if taken.get(again.index) != again.sample_id:
            tally.add(passed_over=-1)
            yield again
