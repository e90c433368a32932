"""The samples of a run as its benchmark file has them today: sources, references and both languages, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.benchmark_config import BenchmarkConfig
from src.config_file import checked
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import EditLoopError


class BenchmarkSamples:
    """Reads the benchmark of a run once more, in file order. After the last sample, `problem` says what went wrong.

    Args:
        benchmark: The section `benchmark` of the run's stored config.
    """

    def __init__(self, benchmark: Mapping[str, Any]) -> None:
        self._benchmark = benchmark
        self.problem = "the benchmark file no longer holds this sample"
        """Why a sample of the run was not among those that came."""
        self.language: str = benchmark.get("language", "en")
        """In which the run asked where the file has both languages."""

    def __iter__(self) -> Iterator[EditSample]:
        try:
            section = checked(BenchmarkConfig, self._benchmark, "the benchmark stored with the run")
            for sample in load_samples(section.data_path, Selection.of(section)):
                if isinstance(sample, EditSample):
                    yield sample
        except EditLoopError as error:
            self.problem = f"the benchmark cannot be read any more: {error}"
        except OSError as error:
            self.problem = f"the benchmark cannot be read any more: {error.strerror or error}"
