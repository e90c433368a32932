"""The command `import-scores`: score files of a benchmark's official script, aggregated here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from src.commands import console, print_lines, print_page, readable_errors

ScoredLayout = Literal["gedit", "imgedit", "imgedit-uge", "rise", "kris", "uniredit", "complex-edit"]


@readable_errors()
def import_scores(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="Score file of the official script, or a folder.")],
    layout: Annotated[ScoredLayout, typer.Option("--format", help="The benchmark.")],
    data: Annotated[str, typer.Option("--data", metavar="PATH", help="The benchmark's data, as benchmark.data_path.")],
    output_dir: Annotated[Path, typer.Option(help="Where record and reports go.")],
    name: Annotated[str, typer.Option(help="What the editor is called in reports.")] = "an editor of others",
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the instructions.")] = "en",
    image_dir: Annotated[Path | None, typer.Option(help="Folder of the images, as benchmark.image_dir.")] = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Read images behind links.")] = False,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="Aggregate with the defects of the official script.")
    ] = False,
    opens: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Take over the scores of a benchmark's official script and aggregate them again; edits and asks nothing."""
    from src.pipeline.import_scores import Imported
    from src.pipeline.import_scores import import_scores as take
    from src.reporting.console import print_report

    images = None if image_dir is None else str(image_dir)
    section = {"language": language, "image_dir": images, "follow_links": follow_links}
    finished = take(Imported(scores, layout, data, name, section, as_published), output_dir)
    print_report(finished.report, console)
    print_lines([finished.paths.json, finished.paths.markdown])
    print_page(finished.paths.page, opens=opens)
