"""The command `judge-bench`: how far does the scorer of a config agree with people?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from src.commands import Assignments, ConfigPath, console, interruptible, print_lines, print_page, readable_errors
from src.data.winners import PreferenceFormat
from src.run_log import log_to


@readable_errors()
def judge_bench(
    data: Annotated[str, typer.Option("--data", metavar="PATH", help="File or folder of preferences, or hf:// id.")],
    config: ConfigPath = Path("config.yaml"),
    assignments: Assignments = [],  # noqa: B006 (typer copies defaults)
    layout: Annotated[PreferenceFormat, typer.Option("--format", help="The layout of the data.")] = "preferences",
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only the first N pairs.")] = None,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the judge's prompts.")] = "en",
    other: Annotated[
        Path | None, typer.Option("--against", metavar="OTHER", help="Folder of another judge's, to compare with.")
    ] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="Instead of the folder judge-bench in evaluation.output_dir.")
    ] = None,
    opens: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Measure how far the config's judge agrees with people's preferences. Goes on where it stopped; asks no editor."""
    from src.config_file import read_yaml
    from src.pipeline.display import waiting
    from src.pipeline.judge_bench import FOLDER, Preferences, judge_bench_config
    from src.pipeline.judge_bench import judge_bench as measure
    from src.pipeline.tally import Tally
    from src.reporting.judge_bench.report import build_judge_bench
    from src.reporting.judge_bench.tables import print_judge_bench
    from src.reporting.judge_bench.write import read_other, write_judge_bench

    def progress(tally: Tally) -> str:
        judged = tally.verdicts_made + tally.verdicts_failed
        counts = f"{tally.read} pairs read, {judged} edits judged, {tally.verdicts_reused} known already"
        return f"loading {tally.loading} …" if tally.loading else f"{counts} {waiting(tally.seconds_to_wait())}"

    preferences = Preferences(layout, data, limit, language)
    loaded = judge_bench_config(read_yaml(config, assignments), config, preferences)
    loaded = loaded.moved_to(output_dir or loaded.evaluation.output_dir / FOLDER)
    beside = read_other(other) if other is not None else None
    log_to(loaded.logging, loaded.evaluation.log_file, console)
    advice = "all verdicts are recorded. The same command goes on with them"
    with interruptible(advice), console.status("reading") as status:
        measured = measure(loaded, preferences, lambda tally: status.update(progress(tally)))
    report = build_judge_bench(measured.info, measured.results, beside)
    print_judge_bench(report, console)
    paths = write_judge_bench(report, measured.results, preferences.pairs(), loaded.evaluation.results)
    print_lines([paths.json, paths.markdown])
    print_page(paths.page, opens=opens)
