"""The reward or loss of a run as a picture, where matplotlib is installed (the `dev` extra)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

SMOOTHING = 10
"""Steps over which the curve's mean runs."""


def draw_curve(
    history: Sequence[Mapping[str, Any]],
    path: Path,
    figure_name: str = "reward",
    label: str = "reward (0–10)",
    title: str = "Reward of the policy's completions",
) -> None:
    """Draws a figure of each logged step, and its running mean, into a PNG; without matplotlib, nothing.

    Args:
        history: Of the trainer.
        path: Of the picture.
        figure_name: The figure's name in the history.
        label: Of the axis.
        title: Of the picture.
    """
    points = [(entry["step"], entry[figure_name]) for entry in history if entry.get(figure_name) is not None]
    if not points:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logger.info("matplotlib is not installed; %s is not drawn", path)
        return
    steps, values = zip(*points, strict=True)
    means = [sum(part) / len(part) for part in (values[max(0, i + 1 - SMOOTHING) : i + 1] for i in range(len(values)))]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, values, color="0.75", label="step")
    axes.plot(steps, means, color="C0", label=f"mean of {SMOOTHING} steps")
    axes.set(xlabel="step", ylabel=label, title=title)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
