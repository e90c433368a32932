"""EditLoop's command line. Every command calls into `src/commands.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from src import commands

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_show_locals=False, help=__doc__)
data_app = typer.Typer(no_args_is_help=True, help="Look into benchmark files.")
app.add_typer(data_app, name="data")

ConfigPath = Annotated[Path, typer.Option("--config", help="YAML file of the run.")]
Assignments = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. benchmark.limit=5.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Run only the first N selected samples.")]
Categories = Annotated[list[str], typer.Option("--category", help="Run only this category; may be repeated.")]
Difficulties = Annotated[list[str], typer.Option("--difficulty", help="Run only this difficulty; may be repeated.")]
OutputDir = Annotated[Path | None, typer.Option(help="Where results go instead of evaluation.output_dir.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped; nothing is done twice.")]


@app.command()
def evaluate(
    config: ConfigPath = Path("config.yaml"),
    assignments: Assignments = [],  # noqa: B006 (typer copies defaults)
    limit: Limit = None,
    category: Categories = [],  # noqa: B006
    difficulty: Difficulties = [],  # noqa: B006
    output_dir: OutputDir = None,
    resume: Resume = False,
) -> None:
    """Run the benchmark: edit every sample, judge every edit, write the reports. The default command."""
    overrides = commands.config_overrides(
        assignments,
        limit=limit,
        categories=category,
        difficulties=difficulty,
        output_dir=output_dir,
        resume=resume,
    )
    commands.evaluate(config, overrides)


@app.command()
def check(
    config: ConfigPath = Path("config.yaml"),
    assignments: Assignments = [],  # noqa: B006
) -> None:
    """Check config, data and models, say what a run would do, and run nothing."""
    commands.check(config, assignments)


@app.command()
def report(run_dir: Annotated[Path, typer.Argument(help="Output directory of a run.")]) -> None:
    """Rebuild all reports of a run from its record; loads no model."""
    commands.report(run_dir)


@data_app.command("inspect")
def inspect_data(
    file: Annotated[str, typer.Argument(help="Benchmark file, folder or hf:// id.")],
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the instructions to check.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Count categories, difficulties, tags and image sizes, and name every problem with its sample."""
    commands.inspect_data(file, language, as_json)


def main() -> None:
    """`python main.py --config X` means `python main.py evaluate --config X`."""
    import sys

    arguments = sys.argv[1:]
    if arguments and arguments[0].startswith("-") and arguments[0] != "--help":
        arguments = ["evaluate", *arguments]
    app(arguments, prog_name="main.py")


if __name__ == "__main__":
    main()
