"""What the benchmarks share: synthetic benchmark files, configs of stand-in models, and the closing line."""

from __future__ import annotations

import argparse
import base64
import io
import json
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from src.config import Config, parse_config

console = Console()


def write_benchmark(path: Path, samples: int, side: int = 64) -> Path:
    """A benchmark file of noise pictures; noise does not compress, so a side of 816 makes pictures of 2 MB."""
    with path.open("w", encoding="utf-8") as file:
        for index, item in enumerate(_items(samples, side)):
            file.write(("[" if index == 0 else ",") + json.dumps(item, ensure_ascii=False))
        file.write("]")
    return path


def _items(samples: int, side: int) -> Iterator[dict[str, Any]]:
    categories = ("物理", "环境", "社会", "因果", "指代")
    for index in range(samples):
        yield {
            "subset": categories[index % 5],
            "original_description_en": "noise",
            "edit_instruction_en": f"make it {index}",
            "src_img_b64": base64.b64encode(noise_picture(index, side)).decode(),
            "difficulty": "easy",
            "original_image_path": f"{index:06d}.png",
        }


def noise_picture(seed: int, side: int) -> bytes:
    """A square PNG that does not compress."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def config_of(
    data: Path, output: Path, editor: dict[str, Any], judge: dict[str, Any], *, save_generated_images: bool = True
) -> Config:
    """A config whose models are those of `benchmarks.models`."""
    return parse_config(
        {
            "benchmark": {"data_path": str(data)},
            "diffusion_model": {"class_path": "benchmarks.models.SleepingEditor", "params": editor},
            "reward_model": {"class_path": "benchmarks.models.ServerJudge", "params": judge},
            "evaluation": {"output_dir": str(output), "save_generated_images": save_generated_images},
        },
        "benchmark",
    )


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Prints a table."""
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def command_line(description: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark: those that it adds, and `--help` with its docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def close(name: str, value: float, unit: str, goal: str, *, besides: bool = True) -> None:
    """Prints the closing JSON line.

    Args:
        name: The benchmark's.
        value: Its one figure.
        unit: What the figure is, with what must hold besides, if anything must.
        goal: A comparison such as `<= 1.05`.
        besides: Whether that holds.
    """
    sign, bound = goal.split()
    compare = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, "==": operator.eq}[sign]
    holds = compare(value, float(bound)) and besides
    line = {"name": name, "value": round(value, 4), "unit": unit, "goal": goal, "holds": holds}
    console.out(json.dumps(line), highlight=False)
