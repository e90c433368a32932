"""What a step of a token editor's GRPO costs: sampling with and without the grammar and the cache, reward and update.

The editor has random weights and the shape of a small one: 512 codes, pictures of 8 × 8, four layers of 192. All
figures are ratios within one run, of rounds that take turns.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from PIL import Image

from benchmarks.harness import close, command_line, show, write_benchmark
from src.models.diffusion.implementations.token_edit import TokenEditModel
from src.models.tokens.sampling import SamplingSettings, TokenRequest, sample
from src.training.config import parse_training_config
from src.training.train import train
from tests.tiny_token_editors import tiny_token_editor

if TYPE_CHECKING:
    import torch

BATCH, CODES, SIDE = 16, 512, 64
SHAPE: dict[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "initializer_range": 0.02,
}
STAGES = {
    "sampling": "seconds/rollout",
    "decoding": "seconds/edit",
    "judging": "seconds/judge",
    "reward, all of it": "seconds/reward",
    "update": "seconds/update",
}


class Unconstrained:
    """In the place of the grammar's processor: allows all but the end of the sequence, so that lengths stay equal."""

    def __init__(self, grammars: Sequence[Any], device: Any) -> None:
        self._end = grammars[0].picture.vocabulary.eos

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Changes one logit in place."""
        scores[:, self._end] = -float("inf")
        return scores


def seconds(action: Callable[[], Any]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def sampling_seconds(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds for `BATCH` pictures of each way to sample, in rounds that take turns."""
    editor = TokenEditModel({"model_name": str(folder), "device": "cpu", "image_area": SIDE * SIDE})
    source = Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB")
    requests = [editor.request(source, "make the sky red", row) for row in range(BATCH)]

    def draw(requests: Sequence[TokenRequest], **how: Any) -> Callable[[], Any]:
        return lambda: sample(editor.model, requests, SamplingSettings(), **how)

    def freely() -> None:
        with patch("src.models.tokens.sampling.GrammarProcessor", Unconstrained):
            draw(requests)()

    ways = {"with cache and grammar": draw(requests), "with cache, without grammar": freely}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # the first call of a process imports what it needs
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(seconds(way))
    found["without cache, with grammar"] = [seconds(draw(requests, use_cache=False))]
    return found


def step_split(folder: Path, steps: int) -> dict[str, float]:
    """Mean seconds of the parts of a step, without the first, which warms up."""
    with tempfile.TemporaryDirectory() as work:
        data = write_benchmark(Path(work) / "benchmark.json", 16, SIDE)
        grpo = {
            "max_steps": steps,
            "per_device_train_batch_size": BATCH,
            "num_generations": 8,
            "max_completion_length": 75,
            "gradient_checkpointing": False,
            "save_strategy": "no",
            "report_to": "none",
        }
        config = {
            "policy": {"model": str(folder)},
            "task": {
                "class_path": "src.training.tasks.token_edit.TokenEditTask",
                "params": {"image_area": SIDE * SIDE},
            },
            "data": {"train": str(data)},
            "reward_model": {"class_path": "benchmarks.models.BrightnessJudge"},
            "training": {"output_dir": f"{work}/training", "show_every": 0, "grpo": grpo},
        }
        outcome = train(parse_training_config(config, "benchmark"))
        assert outcome is not None, "one process alone is the first"
        logged = [entry for entry in json.loads(outcome.history.read_text(encoding="utf-8")) if "step_time" in entry]
    names = ("step_time", *STAGES.values())
    return {name: fmean(entry[name] for entry in logged[1:] if name in entry) for name in names}


def main() -> None:
    """Measures sampling, then a few steps of a training."""
    parser = command_line(__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of sampling with and without the grammar")
    parser.add_argument("--steps", type=int, default=6, help="steps of the training; 0 leaves it out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in tiny_token_editor(codebook=CODES, **SHAPE):
            part.save_pretrained(folder)
        found = sampling_seconds(folder, given.rounds)
        split = step_split(folder, given.steps) if given.steps else {}
    constrained, free = found["with cache and grammar"], found["with cache, without grammar"]
    cost = median(one / other for one, other in zip(constrained, free, strict=True)) - 1
    tokens, reference = BATCH * 75, median(constrained)
    rows = [[way, f"{tokens / median(times):.0f}", f"{median(times) / reference:.2f}"] for way, times in found.items()]
    show(f"{BATCH} pictures of 8 × 8 codes at once", ["sampling", "tokens/s", "time ÷ with both"], rows)
    if split:
        cells = [
            [part, f"{split[name]:.2f}", f"{split[name] / split['step_time']:.0%}"] for part, name in STAGES.items()
        ]
        show(f"a step of {BATCH} completions", ["part", "s", "of the step"], cells)
    close("token_step", cost, "the grammar's share of sampling, of the median round", "<= 0.05")


if __name__ == "__main__":
    main()
