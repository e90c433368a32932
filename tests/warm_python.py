"""An interpreter that has the libraries of a training loaded, and forks one that runs a script for each line it reads.

Loading them takes a process longer than a training of two steps, and a test of two processes starts up to five. What
is forked here has run nothing yet: it gets arguments, environment and streams of its own, and ends as any interpreter.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
from typing import Any

LOADED = (
    "main",
    "src.training.train",
    "src.training.finetune.train",
    "trl.trainer.grpo_trainer",
    "accelerate.commands.launch",
    "torch.distributed.fsdp",
    "torch._dynamo",
)


def forked(asked: dict[str, Any]) -> bool:
    """Whether this is the process that runs the script; the other one has waited for it and told its exit code."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        return False
    for stream, (name, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (asked["output"], os.O_WRONLY), (asked["errors"], os.O_WRONLY))
    ):
        file = os.open(name, flags | os.O_CREAT)
        os.dup2(file, stream)
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["environment"])
    return True


def run(arguments: list[str]) -> None:
    """As `python` runs them: a module after `-m`, or a script."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    while line := sys.stdin.readline():
        asked = json.loads(line)
        if forked(asked):
            return run(asked["arguments"])


if __name__ == "__main__":
    main()
