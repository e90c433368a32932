"""`python main.py data inspect`: what a benchmark file holds, and every problem in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from src.counted import counted
from src.data.image import ImageError, decode_image, image_kind, naming
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

MOST_ROWS = 15


@dataclass(frozen=True)
class DataProblem:
    """An item that would be a `bad_sample`."""

    sample_id: str
    index: int
    reason: str


@dataclass
class Inspection:
    """Counts over all items of a file; every picture was decoded."""

    items: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    difficulties: Counter[str] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)
    image_sizes: Counter[str] = field(default_factory=Counter)
    image_kinds: Counter[str] = field(default_factory=Counter)
    """Format and pixel mode as stored: what is not RGB will be converted."""
    with_reference: int = 0
    with_preliminary: int = 0
    """Items that bring an editor's first attempt."""
    with_rationale: int = 0
    without_source: int = 0
    """Items that ask for a picture of text alone."""
    distinct_sources: int = 0
    """Different source pictures, and different prompts of items without one."""
    with_several_sources: int = 0
    """Items that editors of one picture cannot do."""
    with_several_turns: int = 0
    """Items that editors of one turn cannot do."""
    clusters: int = 0
    """Groups of dependent items that the benchmark names; 0 where only the source pictures say what is dependent."""
    in_other_languages: int = 0
    """Items that are not read, as their only instruction is in another language than was asked for."""
    problems: list[DataProblem] = field(default_factory=list)
    broken_off: str | None = None
    """Why the file could not be read to its end, if it could not."""

    @property
    def is_sound(self) -> bool:
        """Whether every item can be used and the file was read to its end."""
        return not self.problems and self.broken_off is None

    def to_json(self) -> str:
        """Returns all that was found as JSON."""
        return json.dumps(vars(self), default=asdict, ensure_ascii=False, indent=1)


def inspect_benchmark(data_path: str, selection: Selection | None = None) -> Inspection:
    """Reads every item and decodes every picture, one at a time.

    Args:
        data_path: What the selection's format reads.
        selection: The language of the instructions, the layout, and how links are taken; all items are read.

    Raises:
        DataError: when not a single item can be read.
    """
    found = Inspection()
    sources: set[str] = set()
    clusters: set[str] = set()
    for item in _until_it_breaks(data_path, selection or Selection(), found):
        found.items += 1
        found.categories[item.category or "(none)"] += 1
        found.difficulties[item.difficulty or "(none)"] += 1
        found.tags.update(item.tags)
        if isinstance(item, BadSample):
            found.problems.append(DataProblem(item.sample_id, item.index, item.reason))
            continue
        found.with_reference += item.reference is not None
        found.with_preliminary += item.preliminary is not None
        found.with_rationale += item.rationale is not None
        found.with_several_sources += bool(item.further_sources)
        found.with_several_turns += bool(item.turns)
        clusters.update(filter(None, [item.cluster]))
        try:
            data = None if item.source is None else item.source.read_bytes()
            sources.add(item.source_key(data))
            if data is None:
                found.without_source += 1
            else:
                found.image_sizes["×".join(map(str, decode_image(data).size))] += 1
                found.image_kinds[image_kind(data)] += 1
            _check_further_images(item)
        except ImageError as error:
            found.problems.append(DataProblem(item.sample_id, item.index, str(error)))
    found.distinct_sources = len(sources)
    found.clusters = len(clusters)
    return found


def _until_it_breaks(data_path: str, selection: Selection, found: Inspection) -> Iterator[EditSample | BadSample]:
    left_out: Counter[str] = Counter()
    try:
        yield from load_samples(data_path, selection, left_out=left_out)
    except DataError as error:
        if not found.items:
            raise
        found.broken_off = str(error)
    found.in_other_languages = left_out.total()


def _check_further_images(sample: EditSample) -> None:
    further = ((f"source {place}", image) for place, image in enumerate(sample.further_sources, 2))
    for name, image in (*further, ("reference", sample.reference), ("preliminary", sample.preliminary)):
        if image is not None:
            with naming(name):
                image.decode()


def _only_where_there_are(inspection: Inspection) -> str:
    told = {
        "without a source image": inspection.without_source,
        "with several source images": inspection.with_several_sources,
        "with several turns": inspection.with_several_turns,
        "clusters": inspection.clusters,
        "in another language, which are not read": inspection.in_other_languages,
    }
    return "".join(f", {count} {what}" for what, count in told.items() if count)


def render_inspection(inspection: Inspection, console: Console) -> None:
    """Prints the counts as tables and each problem on a line of its own."""
    console.print(
        f"{inspection.items} items, {inspection.distinct_sources} distinct source images, "
        f"{inspection.with_reference} with a reference, {inspection.with_preliminary} with a first attempt, "
        f"{inspection.with_rationale} with a rationale{_only_where_there_are(inspection)}"
    )
    counts: Mapping[str, Counter[str]] = {
        "category": inspection.categories,
        "difficulty": inspection.difficulties,
        "image size": inspection.image_sizes,
        "image kind": inspection.image_kinds,
        "tag": inspection.tags,
    }
    for name, counter in counts.items():
        table = Table(name, "items")
        for value, count in counter.most_common(MOST_ROWS):
            table.add_row(escape(value), str(count))
        if len(counter) > MOST_ROWS:
            table.add_row(f"({len(counter) - MOST_ROWS} more)", "")
        console.print(table)
    for problem in inspection.problems:
        text = f"{problem.sample_id} (item {problem.index}): {problem.reason}"
        console.print(f"[red]{escape(text)}[/red]", highlight=False, soft_wrap=True)
    if inspection.broken_off:
        console.print(f"[red]{escape(inspection.broken_off)}[/red]", highlight=False, soft_wrap=True)
    count = len(inspection.problems) + (inspection.broken_off is not None)
    console.print("no problems" if inspection.is_sound else counted(count, "problem"))
