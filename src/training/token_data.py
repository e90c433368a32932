"""`MixedTokens`: tokenised data of several folders as one epoch, by the coefficients of `data.files`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from src.data.token_shards import EditShape, TokenisedData, TokenisedEdit
from src.errors import DataError
from src.training.config import DataFile
from src.training.dataset import copies


class MixedTokens(Sequence[TokenisedEdit]):
    """The edits of an epoch, file by file; one that enters twice is there twice.

    Codes stay in the shards until they are asked for; memory holds sixteen bytes an edit.

    Args:
        files: Folders of `data tokenize`, with their coefficients.
        seed: Decides which edits a fractional coefficient takes.

    Raises:
        DataError: a folder cannot be read, was tokenised by another encoder than the first, or nothing is left.
    """

    def __init__(self, files: Sequence[DataFile], seed: int) -> None:
        self._parts = [TokenisedData(Path(file.path)) for file in files]
        self.encoder = self._parts[0].encoder
        for file, part in zip(files, self._parts, strict=True):
            if part.encoder != self.encoder:
                raise DataError(
                    f"{file.path} was tokenised by another encoder than {files[0].path}: their codes do not mean the "
                    "same; tokenise them with one checkpoint and one image area"
                )
        self._owners, self._places = array("l"), array("l")
        for number, (file, part) in enumerate(zip(files, self._parts, strict=True)):
            prefix = f"{number}-{Path(file.path).stem}/" if len(files) > 1 else ""
            for place, name in enumerate(part.sample_ids()):
                count = copies(prefix + name, file.coefficient, seed)
                self._owners.extend([number] * count)
                self._places.extend([place] * count)
        if not self._places:
            raise DataError(f"nothing is left of {', '.join(file.path for file in files)}: raise a coefficient")

    def __len__(self) -> int:
        """The number of edits of an epoch."""
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> TokenisedEdit: ...

    @overload
    def __getitem__(self, place: slice) -> list[TokenisedEdit]: ...

    def __getitem__(self, place: int | slice) -> TokenisedEdit | list[TokenisedEdit]:
        """The edit at a place, or those of a slice; raises `IndexError` beyond the last one."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return self._parts[self._owners[place]][self._places[place]]

    def shapes(self) -> Iterator[EditShape]:
        """The words and sizes of all edits of the epoch, in order; no codes are read for them."""
        at = 0
        for number, part in enumerate(self._parts):
            for place, shape in enumerate(part.shapes()):
                while at < len(self) and (self._owners[at], self._places[at]) == (number, place):
                    yield shape
                    at += 1

    def codes_used(self) -> tuple[int, int]:
        """The smallest and the largest code of all folders."""
        used = [part.codes_used() for part in self._parts]
        return min(low for low, _ in used), max(high for _, high in used)
