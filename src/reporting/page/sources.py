"""The samples of a run as its benchmark file has them today: sources, references and both languages, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from src.benchmark_config import BenchmarkConfig
from src.config_file import checked
from src.data.image import ImageError, LazyImage, content_hash
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import EditLoopError
from src.reporting.page.model import Picture, Word
from src.reporting.page.pictures import PagePictures


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


def source_pictures(row: Mapping[str, Any], sample: EditSample, pictures: PagePictures) -> list[Picture]:
    """The source and those after it, as the benchmark file has them; none for text alone."""
    if sample.source is None:
        return []
    first = _source(row, sample.source, pictures)
    if first.missing or not sample.further_sources:
        return [first]
    every = [first, *(pictures.of(Word("source"), one) for one in sample.further_sources)]
    return [replace(picture, place=place) for place, picture in enumerate(every, 1)]


def _source(row: Mapping[str, Any], source: LazyImage, pictures: PagePictures) -> Picture:
    """The source, if the benchmark file still has the very picture that the run has edited."""
    try:
        data = source.read_bytes()
        if row["source_sha256"] not in (None, content_hash(data)):
            return Picture(Word("source"), missing="the benchmark file has another picture now than the run edited")
        return pictures.of_bytes(Word("source"), data, source.path, row["source_size"])
    except ImageError as error:
        return Picture(Word("source"), missing=str(error))
