"""EditLoop's command line: each command reads what it needs, calls the room of `src` that does the work, shows the end.

Heavy imports happen inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

try:
    import typer
    from typer.core import TyperGroup
except ModuleNotFoundError as error:
    sys.exit(
        f"{error}: {sys.executable} is not EditLoop's Python. `make setup` installs it in .venv;"
        " then `source .venv/bin/activate`, or `.venv/bin/editloop` instead of `python main.py`"
    )

from src import __version__
from src.benchmark_layouts import BenchmarkLayout
from src.commands import (
    BUDGET_SPENT,
    GO_ON,
    Assignments,
    ConfigPath,
    config_options,
    console,
    interruptible,
    print_lines,
    print_page,
    readable_errors,
)
from src.commands.compare import compare, leaderboard
from src.commands.drift import drift
from src.commands.finetune import finetune
from src.commands.import_scores import import_scores
from src.commands.judge_bench import judge_bench
from src.commands.merge import merge
from src.commands.models import convert_emu3, merge_lora, serve_editor
from src.commands.pairs import pairs
from src.commands.people import calibrate, label
from src.commands.report import report
from src.commands.tokenize import tokenize
from src.commands.train_judge import train_judge
from src.errors import ConfigError, EditLoopError
from src.run_log import log_to
from src.terminal import clean_json


class EvaluatesByDefault(TyperGroup):
    """`editloop --config X` means `editloop evaluate --config X`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments, with `evaluate` in front of them where they name no command."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0].startswith("-") and args[0].partition("=")[0] not in own:
            args = ["evaluate", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=EvaluatesByDefault,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="EditLoop benchmarks editors of pictures and trains with the same scorers. Without a command: evaluate.",
)
data_app = typer.Typer(no_args_is_help=True, help="Look into data files, convert and tokenize them, and make pairs.")
app.add_typer(data_app, name="data")

Limit = Annotated[int | None, typer.Option(min=1, help="Run only the first N selected samples.")]
Categories = Annotated[list[str], typer.Option("--category", help="Run only this category; may be repeated.")]
Difficulties = Annotated[list[str], typer.Option("--difficulty", help="Run only this difficulty; may be repeated.")]
OutputDir = Annotated[Path | None, typer.Option(help="Where results go instead of evaluation.output_dir.")]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="N/M", help="Run one of M parts, in a folder of its own below the output; then `merge`."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an earlier run stopped; nothing is done twice.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"editloop {__version__}")
        raise typer.Exit


@app.callback()
def editloop(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that need no command."""


@app.command()
@readable_errors()
def evaluate(
    config: ConfigPath = Path("config.yaml"),
    assignments: Assignments = [],  # noqa: B006 (typer copies defaults)
    limit: Limit = None,
    category: Categories = [],  # noqa: B006
    difficulty: Difficulties = [],  # noqa: B006
    output_dir: OutputDir = None,
    resume: Resume = False,
    shard: ShardOption = None,
) -> None:
    """Run the benchmark: edit every sample, judge every edit, write the reports. The default command."""
    from src.config import load_config
    from src.pipeline.display import RunDisplay
    from src.pipeline.evaluation import evaluate as run
    from src.reporting.console import print_report

    options = config_options(
        limit=limit, categories=category, difficulties=difficulty, output_dir=output_dir, resume=resume, shard=shard
    )
    loaded = load_config(config, assignments, options).in_folder_of_shard()
    log_to(loaded.logging, loaded.evaluation.log_file, console)
    with interruptible(f"all finished work is recorded. {GO_ON}"), RunDisplay(console) as display:
        outcome = run(loaded, display.tick, with_samples=False)
    print_report(outcome.report, console)
    print_lines([outcome.paths.json, outcome.paths.markdown])
    print_page(outcome.paths.page)
    if outcome.budget_spent:
        raise typer.Exit(BUDGET_SPENT)
    if outcome.nothing_scored:
        raise EditLoopError(f"no sample was scored; the reasons are in {outcome.paths.markdown}")


@app.command()
@readable_errors()
def check(
    config: ConfigPath = Path("config.yaml"),
    assignments: Assignments = [],  # noqa: B006
    limit: Limit = None,
    category: Categories = [],  # noqa: B006
    difficulty: Difficulties = [],  # noqa: B006
    output_dir: OutputDir = None,
    edit_seconds: Annotated[
        float | None, typer.Option(min=0, help="Of one edit, where no earlier run was measured.")
    ] = None,
    judge_seconds: Annotated[float | None, typer.Option(min=0, help="Of one judgement, likewise.")] = None,
    shard: ShardOption = None,
) -> None:
    """Check config, data and models, say what a run (and in what time) or a training would do, and run nothing."""
    from src.config import load_config
    from src.config_file import read_yaml
    from src.pipeline.check import check_run
    from src.pipeline.forecast import GivenRates
    from src.training.config import load_training_config
    from src.training.finetune.config import SECTIONS as FINETUNE_SECTIONS

    options = config_options(
        limit=limit, categories=category, difficulties=difficulty, output_dir=output_dir, shard=shard
    )
    given = GivenRates(edit_seconds, judge_seconds)
    sections = read_yaml(config, assignments)
    if not {"policy", "preferences", *FINETUNE_SECTIONS} & set(sections):
        print_lines(check_run(load_config(config, assignments, options).in_folder_of_shard(), given))
        return
    if options or given.stated:
        raise ConfigError(f"{config} is a training: of the options of check it takes --set alone")
    if "preferences" in sections:
        from src.training.preference.check import check_preference_training
        from src.training.preference.config import load_preference_config

        print_lines(check_preference_training(load_preference_config(config, assignments)))
        return
    if set(FINETUNE_SECTIONS) & set(sections):
        from src.training.finetune.check import check_finetune
        from src.training.finetune.config import load_finetune_config

        print_lines(check_finetune(load_finetune_config(config, assignments)))
        return
    from src.training.check import check_training

    print_lines(check_training(load_training_config(config, assignments), config))


@app.command()
@readable_errors()
def audit(
    config: ConfigPath = Path("config.yaml"),
    assignments: Assignments = [],  # noqa: B006
    limit: Limit = None,
    category: Categories = [],  # noqa: B006
    difficulty: Difficulties = [],  # noqa: B006
    output_dir: Annotated[
        Path | None, typer.Option(help="Instead of the folder audit in evaluation.output_dir.")
    ] = None,
    edits: Annotated[Path | None, typer.Option(help="A run whose edits count as right, instead of references.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Probe only so many samples, spread over the categories.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be asked, ask nothing, and end.")] = False,
) -> None:
    """Check without labels whether the config's judge can be trusted; exit 1 if not. Goes on where it stopped."""
    from src.audit.run import audit as run
    from src.audit.table import describe_progress, print_audit, write_audit
    from src.config import load_config

    options = config_options(limit=limit, categories=category, difficulties=difficulty)
    loaded = load_config(config, assignments, options)
    loaded = loaded.moved_to(output_dir or loaded.evaluation.output_dir / "audit")
    if plan:
        from src.audit.plan import plan_lines

        print_lines(plan_lines(loaded, edits, samples))
        return
    log_to(loaded.logging, loaded.evaluation.log_file, console)
    advice = "all finished work is recorded. The same command goes on with it"
    with interruptible(advice), console.status("reading") as status:
        finished = run(loaded, edits, samples, lambda tally: status.update(describe_progress(tally)))
    print_audit(finished, console)
    print_lines(write_audit(finished, loaded.evaluation.output_dir))
    if not finished.passed:
        raise typer.Exit(1)


@app.command()
@readable_errors()
def train(
    config: Annotated[Path, typer.Option("--config", help="YAML file of the training.")],
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. training.grpo.max_steps=20.")
    ] = [],  # noqa: B006
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint; no edit is paid twice.")
    ] = (False),
) -> None:
    """Train a vision-language policy by GRPO against the scorers of the benchmark; also under accelerate launch."""
    from src.training.config import load_training_config
    from src.training.held_out.table import print_gains
    from src.training.tracking.progress import TrainingProgress
    from src.training.train import train as run

    loaded = load_training_config(config, assignments)
    log_to(loaded.logging, loaded.training.log_file, console)
    progress = TrainingProgress(console)
    with interruptible(f"edits and verdicts are recorded. {GO_ON}"), progress.shown():
        outcome = run(loaded, resume=resume, callbacks=[progress.callback()])
    if outcome is not None:
        print_gains(outcome, console)


for command in (
    *(
        train_judge,
        finetune,
        report,
        merge,
        compare,
        leaderboard,
        drift,
        judge_bench,
        import_scores,
        label,
        calibrate,
        serve_editor,
        merge_lora,
        convert_emu3,
    ),
):
    app.command(command.__name__.replace("_", "-"))(command)
data_app.command("pairs")(pairs)
data_app.command("tokenize")(tokenize)


@data_app.command("inspect")
@readable_errors()
def inspect_data(
    file: Annotated[str, typer.Argument(help="Benchmark file, folder or hf:// id.")],
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the instructions to check.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Read images behind links out of the file's folder.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when there is any problem.")] = False,
    layout: Annotated[BenchmarkLayout, typer.Option("--format", help="Layout of the file or folder.")] = "native",
    image_dir: Annotated[
        Path | None, typer.Option(help="Folder of a public benchmark's images, where it is not in its layout's place.")
    ] = None,
) -> None:
    """Count categories, difficulties, tags and image sizes, and name every problem with its sample."""
    from src.data.inspect import inspect_benchmark, render_inspection
    from src.data.selection import Selection

    images = None if image_dir is None else str(image_dir)
    selection = Selection(language=language, follow_links=follow_links, format=layout, image_dir=images)
    inspection = inspect_benchmark(file, selection)
    if as_json:
        typer.echo(clean_json(inspection.to_json()))
    else:
        render_inspection(inspection, console)
    if strict and not inspection.is_sound:
        raise typer.Exit(1)


@data_app.command("convert")
@readable_errors()
def convert_data(
    source: Annotated[str, typer.Argument(metavar="IN", help="File, folder, pattern or hf:// id.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A .jsonl file; images go to a folder beside it.")],
    source_format: Annotated[
        str,
        typer.Option("--from", help="complex-edit, conversations, edit-parquet, edit-preferences, plain, vqa-rad."),
    ],
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Setting of the format, e.g. levels=[1,8].")
    ] = [],  # noqa: B006
) -> None:
    """Convert training data into EditLoop's formats; bad rows are named and left out."""
    from src.config_file import apply_override
    from src.data.convert.run import build_converter, convert

    params: dict[str, Any] = {}
    for assignment in assignments:
        apply_override(params, assignment)
    result = convert(build_converter(source_format, params), source, output)
    print_lines([*result.bad, *filter(None, [result.broken_off])], style="red")
    counts = f"{result.items} items and {result.images} images from {result.rows} rows, {len(result.bad)} bad"
    print_lines([f"{output}: {counts}"])


def main() -> None:
    """Runs the command line under the name by which it was called."""
    app(prog_name=Path(sys.argv[0]).name)


if __name__ == "__main__":
    main()
