"""What the cases of `benchmarks.hostile` share: where they work, what they count, and sound items to start from."""

from __future__ import annotations

import base64
import io
import random
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from src.config import Config, parse_config
from src.data.image import ImageError
from src.errors import EditLoopError


@dataclass
class Tried:
    """What came of the trials of a case."""

    trials: int = 0
    tracebacks: int = 0
    """Trials that ended in an exception which EditLoop does not raise on purpose."""
    lost: int = 0
    """What must not be, of each case's kind: finished work that is lost, scores of failures, secrets that are found."""
    escaped: int = 0
    """Files that appeared outside of the output directory."""
    slowest: float = 0.0
    """Seconds of one trial."""
    peak: float = 0.0
    """MiB of this process."""
    first: str = ""
    """The first exception."""

    @contextmanager
    def trial(self, pieces: int = 1) -> Iterator[None]:
        """One trial, or several that share its time; errors on purpose are as good as results."""
        self.trials += pieces
        started = time.perf_counter()
        try:
            yield
        except (EditLoopError, ImageError):
            pass
        except Exception:
            self.tracebacks += 1
            self.first = self.first or traceback.format_exc()[-600:]
        self.slowest = max(self.slowest, (time.perf_counter() - started) / pieces)


@dataclass
class Trials:
    """Where a case works, how often, and with which dice."""

    folder: Path
    count: int
    dice: random.Random
    tried: Tried = field(default_factory=Tried)

    def config(self, data: Path, **sections: dict[str, Any]) -> Config:
        """A run of free models; its output lies below the folder `out`."""
        return parse_config(
            {
                "benchmark": {"data_path": str(data)},
                "diffusion_model": {"class_path": "benchmarks.models.SleepingEditor"},
                "reward_model": {"class_path": "benchmarks.models.ServerJudge"},
                "evaluation": {"output_dir": str(self.folder / "out")},
            }
            | sections,
            "benchmark",
        )

    def file(self, name: str, data: bytes) -> Path:
        """A file in the folder `data`."""
        path = self.folder / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path


def item(**fields: Any) -> dict[str, Any]:
    """A sound item with a small picture; `fields` override."""
    return {"subset": "物理", "edit_instruction_en": "paint it red", "src_img_b64": b64(png((16, 16)))} | fields


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def png(size: tuple[int, int], mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
