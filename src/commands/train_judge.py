"""`train-judge`: trains a judge on preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from src.commands import GO_ON, console, interruptible, print_lines, readable_errors
from src.run_log import log_to


@readable_errors()
def train_judge(
    config: Annotated[Path, typer.Option("--config", help="YAML file of the training.")],
    assignments: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. training.max_steps=20.")
    ] = [],  # noqa: B006
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, and train nothing.")
    ] = False,
) -> None:
    """Train a judge on pairs of edits of which people or a scorer prefer one (Bradley-Terry, a scalar head)."""
    from src.training.preference.check import check_preference_training
    from src.training.preference.config import load_preference_config
    from src.training.preference.report import agreement_lines
    from src.training.preference.train import train_judge as train
    from src.training.tracking.progress import TrainingProgress

    loaded = load_preference_config(config, assignments)
    if dry_run:
        print_lines(check_preference_training(loaded))
        return
    log_to(loaded.logging, loaded.training.log_file, console)
    progress = TrainingProgress(console)
    with interruptible(f"the last checkpoint is kept. {GO_ON}"), progress.shown():
        report = train(loaded, resume=resume, callbacks=[progress.callback()])
    print_lines(agreement_lines(report))
    print_lines([loaded.training.judge_folder])
