"""`find_output`: where the output of another tool for a sample lies in the official layout of a benchmark."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from src.benchmark_layouts import BenchmarkLayout
from src.data.benchmarks.formats import FORMATS

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Of outputs; files of other kinds are not looked at."""


def find_output(folder: Path, layout: BenchmarkLayout, sample_id: str) -> Path:
    """The file of a sample's output.

    Args:
        folder: The editor's folder, or the one in it that the layout has for outputs (`fullset`, `images`).
        layout: Of a benchmark whose outputs have names.
        sample_id: As the benchmark's format names its samples.

    Raises:
        FileNotFoundError: there is none; the text says which was looked for.
        ValueError: there are several, or the id is none of the benchmark's.
    """
    benchmark = FORMATS[layout]
    names = benchmark.output_names(sample_id)
    if not names:
        raise ValueError(
            f"the sample id {sample_id!r:.80} is none of {benchmark.NAME}'s: set benchmark.format to {layout}, or the "
            "editor's params.layout to the layout in which its outputs lie"
        )
    stems = [folder / inside / name for inside, name in product(benchmark.OUTPUT_FOLDERS, names)]
    found = [path for stem in stems for suffix in SUFFIXES if (path := stem.with_name(stem.name + suffix)).is_file()]
    if not found:
        raise FileNotFoundError(f"no edit of sample {sample_id!r}: there is no {_looked_for(stems)}{_there(stems)}")
    if len(found) > 1:
        files = ", ".join(map(str, found))
        raise ValueError(f"{len(found)} edits of sample {sample_id!r}: {files}; keep one of them")
    return found[0]


def _looked_for(stems: list[Path]) -> str:
    suffixes = f"{{{','.join(suffix[1:] for suffix in SUFFIXES)}}}"
    return ", nor ".join(f"{stem}.{suffixes}" for stem in stems)


def _there(stems: list[Path]) -> str:
    """What is where the folder of the outputs is not, if so."""
    if any(stem.parent.is_dir() for stem in stems):
        return ""
    near = next(parent for parent in stems[0].parents if parent.is_dir())
    entries = sorted(entry.name for entry in near.iterdir())[:6]
    return f"; {near} holds {', '.join(entries) or 'nothing'}"
