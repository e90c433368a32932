"""The section `benchmark` of a YAML, and what the data of a training have of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic

from src.benchmark_layouts import BenchmarkLayout
from src.section import Name, Section
from src.shard import Shard


class SelectionConfig(Section):
    """Which items of a data file are taken, and in which language; shared by benchmark and training data."""

    categories: list[Name] | None = None
    """Categories to take, by either of their names; all when absent."""
    difficulties: list[Name] | None = None
    limit: int | None = pydantic.Field(default=None, ge=1)
    """Only the first N selected items of each file."""
    language: Literal["en", "zh"] = "en"
    """Language of instructions, descriptions and rationales."""
    follow_links: bool = False
    """Read images behind links out of the file's folder; without it their items are bad."""
    format: BenchmarkLayout = "native"
    """The layout of the data: EditLoop's own, or the official one of a public benchmark; see
    docs/public_benchmarks.md."""
    image_dir: Path | None = None
    """The folder from which the image paths of a public benchmark lead, where it is not the one of its layout."""


class BenchmarkConfig(SelectionConfig):
    """The benchmark file, and which of its samples are run."""

    data_path: str
    """Benchmark file (JSON list, JSONL, parquet), folder of parquet files, or `hf://org/name`."""
    max_source_pixels: int | None = pydantic.Field(None, ge=4096)
    """Width times height of the largest source that is used as it is. Above 64,000,000 every source is refused."""
    larger_sources: Literal["refuse", "scale"] = "refuse"
    """`refuse` makes them bad samples; `scale` shrinks them to it, for editor and judge alike."""
    shard: str | None = None
    """The shard of the samples that is run, such as `3/16`, of what the other keys select; see docs/clusters.md."""

    @pydantic.field_validator("shard")
    @classmethod
    def _is_a_shard(cls, text: str | None) -> str | None:
        return None if text is None else str(Shard.parse(text))
