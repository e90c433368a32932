"""One process of a distributed training up to its data, as a program: `python -m tests.reading_process FOLDER`.

It prints how many pictures it decoded. Each takes a while, so that processes that read at the same time decode the
same ones.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from src.data.image import decode_image
from src.errors import DataError
from src.training import dataset, train
from src.training.config import parse_training_config


def main(folder: Path) -> None:
    config = parse_training_config(
        {
            "policy": {"model": "unused"},
            "data": {"train": str(folder / "benchmark.json")},
            "diffusion_model": {"class_path": "tests.training_plugins.ToneEditor"},
            "reward_model": {"class_path": "tests.training_plugins.DelayedJudge"},
            "training": {"output_dir": str(folder / "out"), "grpo": {"use_cpu": True, "report_to": "none"}},
        },
        "test",
    )
    decoded = 0

    def slowly(data: bytes) -> Image.Image:
        nonlocal decoded
        decoded += 1
        time.sleep(0.1)
        return decode_image(data)

    def enough(*_: Any) -> None:
        raise DataError("the data are read")

    with patch.object(dataset, "decode_image", slowly), patch.object(train, "check_data", enough):
        try:
            train.train(config)
        except DataError as error:
            print(decoded, error)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
