"""`data tokenize`: pictures of a benchmark file become the codes of a token editor, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from src.benchmark_layouts import BenchmarkLayout
from src.commands import console, interruptible, log_to_console, print_lines, readable_errors
from src.counted import counted
from src.errors import ConfigError
from src.shard import Shard

_NAMED = 20


@readable_errors()
def tokenize(
    file: Annotated[str, typer.Argument(help="Benchmark file, folder or hf:// id; references are the targets.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the tokenised data.")],
    model: Annotated[str, typer.Option(help="Checkpoint of a token editor, whose VQ-VAE encodes: folder or hub id.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a checkpoint on the hub.")] = None,
    image_area: Annotated[
        int | None, typer.Option(min=64, help="Pixels that the VQ-VAE sees at most; else its processor decides.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda:1 …")] = "auto",
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the instructions.")] = "en",
    layout: Annotated[BenchmarkLayout, typer.Option("--format", help="Layout of the file or folder.")] = "native",
    image_dir: Annotated[Path | None, typer.Option(help="Folder of images, if not in its layout's place.")] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Read images behind links out of the file's folder.")
    ] = False,
    shard_size: Annotated[int, typer.Option(min=1, help="Samples a shard; one shard is in memory.")] = 512,
    part: Annotated[
        str, typer.Option(metavar="N/M", help="Make each Mth shard from the Nth on; M processes share the work.")
    ] = "1/1",
) -> None:
    """Encode sources and right edits as tokens, in shards; what is there is kept, so the same command goes on."""
    from src.data.selection import Selection
    from src.models.tokens.tokenize_data import Encoder, tokenise

    try:
        own = Shard.parse(part)
    except ValueError as error:
        raise ConfigError(f"--part: {error}") from error
    log_to_console()
    images = None if image_dir is None else str(image_dir)
    selection = Selection(language=language, follow_links=follow_links, format=layout, image_dir=images)
    encoder = Encoder.of(model, revision, image_area, device)
    with interruptible("all finished shards are kept. The same command goes on with them"), console.status("encoding"):
        done = tokenise(file, selection, output, encoder, shard_size, own)
    left_out = [f"{name}: {reason}" for name, reason in done.left_out.items()]
    rest = [f"and {len(left_out) - _NAMED} more"] if len(left_out) > _NAMED else []
    print_lines([*left_out[:_NAMED], *rest], style="red")
    shards = f"{counted(done.written, 'shard')} made, {done.kept} there before"
    if done.missing:
        print_lines([f"{output}: {shards}, {done.missing} left for other parts"])
        return
    print_lines([f"{output}: {counted(done.edits, 'edit')}, {len(left_out)} left out; {shards}"])
