"""`serve-editor`, `merge-lora` and `convert-emu3`: the commands about a single model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from src.commands import Assignments, ConfigPath, log_to_console, print_lines, readable_errors


@readable_errors()
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
    from src.config import load_served_model
    from src.serving.serve import ServingOptions
    from src.serving.serve import serve_editor as serve

    log_to_console()
    names = frozenset(name.lower() for name in allow_host)
    options = ServingOptions(host, port, queue, max_wait, decoded_mb, names, token or None, request_seconds)
    serve(load_served_model(config, assignments), options)


@readable_errors()
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
    from src.training.lora.merge import merge_lora as merge

    proof = merge(base, adapter, output, revision=revision, dtype=dtype, device=device, push_to_hub=push_to_hub)
    print_lines([*proof.lines(), output])


@readable_errors()
def convert_emu3(
    model: Annotated[
        str, typer.Option(help="Language model of Emu3's original layout, such as EARL's: folder or hub id.")
    ],
    output: Annotated[Path, typer.Option(help="New folder for the checkpoint of transformers' layout.")],
    vision_tokenizer: Annotated[str, typer.Option(help="Its VQ-VAE: folder or hub id.")] = "BAAI/Emu3-VisionTokenizer",
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder or hub id with emu3.tiktoken, where the model's own has none.")
    ] = None,
) -> None:
    """Convert a checkpoint of Emu3's original layout for TokenEditModel, and prove that it answers as the original."""
    from src.models.tokens.emu3.convert import convert_emu3 as convert

    log_to_console()
    print_lines([*convert(model, vision_tokenizer, tokenizer, output).lines(), output])
