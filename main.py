"""EditLoop's command line. Every command calls into `src/commands.py`."""

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

from src import __version__, commands


class EvaluatesByDefault(TyperGroup):
    """`editloop --config X` means `editloop evaluate --config X`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's, of the arguments with the command that is meant."""
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
data_app = typer.Typer(no_args_is_help=True, help="Look into data files, and convert them.")
app.add_typer(data_app, name="data")

ConfigPath = Annotated[Path, typer.Option("--config", help="YAML file of the run.")]
Assignments = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. benchmark.limit=5.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Run only the first N selected samples.")]
Categories = Annotated[list[str], typer.Option("--category", help="Run only this category; may be repeated.")]
Difficulties = Annotated[list[str], typer.Option("--difficulty", help="Run only this difficulty; may be repeated.")]
OutputDir = Annotated[Path | None, typer.Option(help="Where results go instead of evaluation.output_dir.")]
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
    options = commands.config_options(
        limit=limit, categories=category, difficulties=difficulty, output_dir=output_dir, resume=resume
    )
    commands.evaluate(config, assignments, options)


@app.command()
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
) -> None:
    """Check config, data and models, say what a run (and in what time) or a training would do, and run nothing."""
    options = commands.config_options(limit=limit, categories=category, difficulties=difficulty, output_dir=output_dir)
    commands.check(config, assignments, options, edit_seconds, judge_seconds)


@app.command()
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
) -> None:
    """Check without labels whether the config's judge can be trusted; exit 1 if not. Goes on where it stopped."""
    options = commands.config_options(limit=limit, categories=category, difficulties=difficulty)
    commands.audit(config, assignments, options, output_dir, edits)


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(help="Output directory of a run; it may be read-only.")],
    output_dir: Annotated[Path | None, typer.Option(help="Where the reports go instead of RUN_DIR.")] = None,
) -> None:
    """Show the report of a run from its record, and write it anew; loads no model."""
    commands.report(run_dir, output_dir)


@app.command()
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
    commands.train(config, assignments, resume)


@app.command("serve-editor")
def serve_editor(
    config: ConfigPath = Path("config.yaml"),
    assignments: Assignments = [],  # noqa: B006
    host: Annotated[str, typer.Option(help="Address to listen on; any other than loopback is open to its network.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8100,
    queue: Annotated[int, typer.Option(min=1, help="Requests that may wait; more are sent away (429).")] = 64,
    max_wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for others to fill a batch.")] = 0.02,
    decoded_mb: Annotated[int, typer.Option(min=1, help="Million bytes of decoded pictures at once.")] = 1000,
    allow_host: Annotated[
        list[str], typer.Option(metavar="NAME", help="Name by which clients call the server; repeatable.")
    ] = [],  # noqa: B006
    token: Annotated[
        str | None,
        typer.Option(envvar="EDITLOOP_SERVE_TOKEN", help="What clients must send; better by the variable than typed."),
    ] = None,
    request_seconds: Annotated[float, typer.Option(min=0.1, help="For a request to arrive.")] = 60.0,
) -> None:
    """Serve the config's editor over HTTP, for HttpEditor in runs and trainings elsewhere."""
    commands.serve_editor(
        config, assignments, host, port, queue, max_wait, decoded_mb, allow_host, token, request_seconds
    )


@app.command("merge-lora")
def merge_lora(
    base: Annotated[str, typer.Option(help="Vision-language model that the adapter was trained on: folder or hub id.")],
    adapter: Annotated[Path, typer.Option(help="Folder with adapter_config.json.")],
    output: Annotated[Path, typer.Option(help="New folder for the merged model.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a base model on the hub.")] = None,
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32"], typer.Option(help="How it is stored; auto: as the base.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda:1 …")] = "auto",
    push_to_hub: Annotated[str | None, typer.Option(metavar="ID", help="Upload the result there as well.")] = None,
) -> None:
    """Merge a LoRA adapter into its base model, and prove that the result answers as both together."""
    commands.merge_lora(base, adapter, output, revision, dtype, device, push_to_hub)


@data_app.command("inspect")
def inspect_data(
    file: Annotated[str, typer.Argument(help="Benchmark file, folder or hf:// id.")],
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the instructions to check.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Read images behind links out of the file's folder.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when there is any problem.")] = False,
) -> None:
    """Count categories, difficulties, tags and image sizes, and name every problem with its sample."""
    commands.inspect_data(file, language, as_json=as_json, follow_links=follow_links, strict=strict)


@data_app.command("convert")
def convert_data(
    source: Annotated[str, typer.Argument(metavar="IN", help="File, folder, pattern or hf:// id.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A .jsonl file; images go to a folder beside it.")],
    source_format: Annotated[
        str, typer.Option("--from", help="complex-edit, conversations, edit-parquet, plain or vqa-rad.")
    ],
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Setting of the format, e.g. levels=[1,8].")
    ] = [],  # noqa: B006
) -> None:
    """Convert training data into EditLoop's formats; bad rows are named and left out."""
    commands.convert_data(source_format, source, output, assignments)


def main() -> None:
    """Runs the command line under the name by which it was called."""
    app(prog_name=Path(sys.argv[0]).name)


if __name__ == "__main__":
    main()
