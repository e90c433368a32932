"""`LevelOutputs`: which picture of a folder is the output of which row of Complex-Edit."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from src.data.benchmarks.complex_edit import LEVELS, row_and_level
from src.data.benchmarks.outputs import SUFFIXES
from src.errors import DataError


class LevelOutputs:
    """The outputs for one level of Complex-Edit: a folder of pictures, one for each row of the set.

    Where all names are numbers and 0 is among them, the number is the row, and an output that is missing is missing
    alone. Any other names say nothing: the official script goes by their order, which is right only where no output is
    missing.

    Args:
        folder: Of one editor and one level.
        level: The level, 1 to 8, which neither folder nor names say.
        rows: How many rows the set has, where the pictures are to be taken in the order of their names.

    Raises:
        DataError: on construction, where the names do not say which row each picture is of.
    """

    def __init__(self, folder: Path, level: int, rows: int | None) -> None:
        self._folder, self._level = folder, level
        if not folder.is_dir():
            raise DataError(f"the folder of edits {folder} does not exist; correct diffusion_model.params.folder")
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
        files = [path for path in entries if path.suffix.lower() in SUFFIXES and path.is_file()]
        if not files:
            raise DataError(
                f"{folder} holds no pictures ({', '.join(SUFFIXES)}): outputs of one level lie in it itself"
            )
        self._by_row: defaultdict[int, list[Path]] = defaultdict(list)
        numbers = [int(path.stem) if path.stem.isascii() and path.stem.isdigit() else None for path in files]
        if 0 not in numbers or None in numbers:
            _check_count(folder, files, rows)
            numbers = list(range(len(files)))
        for number, path in zip(numbers, files, strict=True):
            assert number is not None, f"{path} has a number"
            self._by_row[number].append(path)

    def find(self, sample_id: str) -> Path:
        """The file of a sample's output.

        Raises:
            FileNotFoundError: there is none.
            ValueError: there are several, the sample is of another level, or the id is none of Complex-Edit's.
        """
        place = row_and_level(sample_id)
        if place is None:
            raise ValueError(
                f"the sample id {sample_id!r:.80} is none of Complex-Edit's: set benchmark.format to complex-edit"
            )
        row, level = place
        if level != self._level:
            raise ValueError(
                f"{self._folder} holds the outputs of level {self._level} (diffusion_model.params.level), and "
                f'{sample_id} is of level {level}: set benchmark.difficulties to ["{self._level}"]'
            )
        found = self._by_row.get(row, [])
        if len(found) > 1:
            raise ValueError(f"{len(found)} edits of sample {sample_id!r}: {', '.join(map(str, found))}; keep one")
        if not found:
            raise FileNotFoundError(f"no edit of sample {sample_id!r}: {self._folder} has no picture of row {row}")
        return found[0]


def _check_count(folder: Path, files: list[Path], rows: int | None) -> None:
    """Refuses pictures that only their order tells apart, unless there is one for each row."""
    if rows is None:
        raise DataError(
            f"the pictures of {folder} are not numbered from 0 (the first one is {files[0].name}), so that only their "
            "order says which row each is of: set diffusion_model.params.rows to the number of rows of the set"
        )
    if rows != len(files):
        raise DataError(
            f"{folder} holds {len(files)} pictures, and the set has {rows} rows (diffusion_model.params.rows). Their "
            "order says which row each is of: one that is missing gives every later row the picture of another. "
            f"Number them by their rows (00000.png), or name them by sample ids (00000_c{LEVELS}.png) and leave "
            "diffusion_model.params.layout out"
        )
