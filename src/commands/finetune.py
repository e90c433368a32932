"""`finetune`: teaches a token editor or a policy to write given answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from src.commands import GO_ON, console, interruptible, print_lines, readable_errors
from src.run_log import log_to


@readable_errors()
def finetune(
    config: Annotated[Path, typer.Option("--config", help="YAML file of the training.")],
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. training.max_steps=20.")
    ] = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, and train nothing.")
    ] = False,
) -> None:
    """Teach a token editor to write right edits, or a policy right completions, before GRPO (supervised)."""
    from src.training.finetune.check import check_finetune
    from src.training.finetune.config import load_finetune_config
    from src.training.finetune.train import finetune as train
    from src.training.tracking.progress import TrainingProgress

    loaded = load_finetune_config(config, assignments)
    if dry_run:
        print_lines(check_finetune(loaded))
        return
    log_to(loaded.logging, loaded.training.log_file, console)
    progress = TrainingProgress(console)
    with interruptible(f"the last checkpoint is kept. {GO_ON}"), progress.shown():
        outcome = train(loaded, resume=resume, callbacks=[progress.callback()])
    if outcome is not None:
        print_lines([outcome.policy, outcome.history])
