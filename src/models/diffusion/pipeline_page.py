"""The table of editing pipelines in docs/editors.md: `python -m src.models.diffusion.pipeline_page` writes it anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from src.command_line import only_help
from src.models.diffusion.pipeline_table import MEGAPIXEL, PIPELINES, EditingPipeline, as_it_is

PAGE = Path(__file__).parents[3] / "docs" / "editors.md"
_START = "<!-- written by python -m src.models.diffusion.pipeline_page -->\n"
_END = "<!-- end of what is written -->\n"
_MEGAPIXEL = "1 megapixel"
_SAMPLE = "an instruction"


def table() -> str:
    """Returns a Markdown table with a row for each pipeline."""
    heads = (
        "pipeline",
        "pictures per call",
        "sources of an edit",
        "size without `resolution`",
        "seed",
        "own defaults",
        "remarks",
    )
    rows = [heads, tuple("---" for _ in heads), *(_cells(row) for row in PIPELINES.values())]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def with_table(page: str) -> str:
    """Returns the page with the table as it should be."""
    before, _, rest = page.partition(_START)
    after = rest.partition(_END)[2]
    return f"{before}{_START}\n{table()}\n{_END}{after}"


def _cells(row: EditingPipeline) -> tuple[str, ...]:
    defaults = (f"{row.steps} steps", *(f"{name} {value:g}" for name, value in row.guidance.items()))
    return (
        f"`{row.name}`",
        "`batch_size`" if row.shares_calls else "1",
        "one or several" if row.several else "one",
        _size(row),
        "own generators" if row.draws_globally else "own generator",
        ", ".join(defaults),
        "; ".join(_remarks(row)) or "–",
    )


def _size(row: EditingPipeline) -> str:
    if row.own_sizes:
        return f"nearest of its own sizes of about {_MEGAPIXEL}"
    if row.area is not None:
        return f"{_MEGAPIXEL if row.area == 1024**2 else '480 × 832 pixels'}, aspect ratio of the source"
    bounds = ", ".join(
        f"{name} {area / MEGAPIXEL:g} megapixel{'s' if area > MEGAPIXEL else ''}"
        for name, area in (("at least", row.smallest), ("at most", row.largest))
        if area is not None
    )
    return f"that of the source, {bounds}" if bounds else "that of the source"


def _remarks(row: EditingPipeline) -> Iterator[str]:
    if row.dtype:
        yield f"needs `dtype: {row.dtype}`"
    if row.packages:
        yield f"needs the package {', '.join(row.packages)}"
    if row.prompt is not as_it_is:
        yield f"prompt: `{row.prompt(_SAMPLE, 1).replace('|', chr(92) + '|')}`"
    if row.output == "frames":
        yield "the last frame is the edit"
    if row.ignored:
        yield f"{', '.join(f'`{name}`' for name in row.ignored)} without effect"


def main() -> None:
    """Writes the table into the page."""
    only_help(__doc__)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
