"""What a local judge gains by answering several questions at once: time per edit in batches of 8 ÷ one by one."""

from __future__ import annotations

import time

from PIL import Image

from benchmarks.harness import close, command_line, show
from benchmarks.models import judge_folder
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.vlm.question import Question, before_and_after

EDITS, NEW_TOKENS, REPEATS = 32, 12, 3


def questions() -> list[Question]:
    """One about each edit."""
    asked = []
    for index in range(EDITS):
        before, after = (Image.new("RGB", (64, 64), (8 * index, 90, side)) for side in (0, 255))
        asked.append(Question("You judge edits.", before_and_after(before, after), "How well was it made blue?"))
    return asked


def seconds_per_edit(folder: str, batch_size: int) -> float:
    """The best of several rounds, after one that warms up."""
    params = {"model_name": folder, "device": "cpu", "batch_size": batch_size, "max_new_tokens": NEW_TOKENS}
    judge, asked, rounds = Qwen3VLRewardModel(params), questions(), []
    for _ in range(1 + REPEATS):
        started = time.perf_counter()
        replies = judge.ask(asked)
        rounds.append((time.perf_counter() - started) / len(asked))
        assert all(reply.error is None for reply in replies), replies
    return min(rounds[1:])


def measure() -> float:
    """Shows the table; time in batches ÷ time one by one."""
    with judge_folder() as folder:
        alone, batched = (seconds_per_edit(folder, batch_size) for batch_size in (1, 8))
    rows = [[str(size), f"{seconds * 1000:.1f}"] for size, seconds in ((1, alone), (8, batched))]
    show(f"local judge on the CPU, {EDITS} edits", ["batch", "ms per edit"], rows)
    return batched / alone


def main() -> None:
    """Both sizes in one run, so that the machine's load matters little."""
    command_line(__doc__).parse_args()
    close("judge_batching", measure(), "time per edit, batch 8 / batch 1", "<= 0.5")


if __name__ == "__main__":
    main()
