"""The reward of a run as a picture, where matplotlib is installed (the `dev` extra)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

SMOOTHING = 10
"""Steps over which the curve's mean runs."""


def draw_curve(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws the mean reward of each logged step, and its running mean, into a PNG; without matplotlib, nothing."""
    points = [(entry["step"], entry["reward"]) for entry in history if entry.get("reward") is not None]
    if not points:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logger.info("matplotlib is not installed; %s is not drawn", path)
        return
    steps, rewards = zip(*points, strict=True)
    means = [
        sum(part) / len(part) for part in (rewards[max(0, i + 1 - SMOOTHING) : i + 1] for i in range(len(rewards)))
    ]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, rewards, color="0.75", label="step")
    axes.plot(steps, means, color="C0", label=f"mean of {SMOOTHING} steps")
    axes.set(xlabel="step", ylabel="reward (0–10)", title="Reward of the policy's completions")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
