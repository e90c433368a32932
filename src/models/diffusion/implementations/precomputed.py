"""`PrecomputedEditModel`: edits that were made elsewhere, read from a folder."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic
from PIL import Image

from src.data.benchmarks.complex_edit import LEVELS
from src.data.benchmarks.complex_edit_outputs import LevelOutputs
from src.data.benchmarks.outputs import SUFFIXES, find_output
from src.data.image import decode_image
from src.errors import ModelError
from src.models.base import ModelParams
from src.models.diffusion.generation_model import GenerationModel
from src.paths import RULE


class PrecomputedEditModel(GenerationModel):
    """Serves `<folder>/**/<sample_id>.{png,jpg,jpeg,webp}` as the edit of a sample, or as its picture of text alone.

    For editors without a Python interface, for outputs of other tools in the `layout` of a public benchmark, and for
    judging the images of an earlier run again (`folder` is then its `images` folder). A sample without a file, or with
    several, has no edit: it fails alone.
    """

    class Params(ModelParams):
        """Names the folder in which the edits lie, and how."""

        folder: Path
        """Searched with all its subfolders; for a public benchmark's layout, the folder of one editor's outputs."""
        layout: Literal["native", "gedit", "imgedit", "imgedit-uge", "rise", "kris", "uniredit", "complex-edit"] = (
            "native"
        )
        """The layout of a public benchmark's outputs: gedit `<task_type>/<en|cn>/<key>` (in `fullset` or not), imgedit
        and imgedit-uge `<key>`, rise `<category>/<index>` (in `images` or not), kris `<category>/<id>`, uniredit
        `<name>/<idx>`, complex-edit one folder a level, with the pictures numbered from 0 or in the order of the
        rows."""
        level: int | None = pydantic.Field(None, ge=1, le=LEVELS)
        """The level of the outputs, for complex-edit alone, whose layout does not say it."""
        rows: int | None = pydantic.Field(None, ge=1)
        """How many rows the set has, for outputs of complex-edit that are not numbered from 0."""

        @pydantic.model_validator(mode="after")
        def _level_of_complex_edit(self) -> PrecomputedEditModel.Params:
            of_levels = self.layout == "complex-edit"
            if of_levels and self.level is None:
                raise ValueError(f"set level (1 to {LEVELS}): the outputs of complex-edit do not say theirs")
            if not of_levels and (self.level, self.rows) != (None, None):
                raise ValueError("level and rows are those of layout complex-edit; remove them")
            return self

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Refuses outputs of which nothing says which sample each is of."""
        _level_outputs(cls.Params(**params))

    def _initialize(self) -> None:
        self._of_level = _level_outputs(self.params)
        self._files: defaultdict[str, list[Path]] = defaultdict(list)
        for path in _images(self.params.folder) if self.params.layout == "native" else ():
            self._files[path.stem].append(path)

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, sample_id: str = "", **kwargs: Any
    ) -> Image.Image:
        """Returns the stored edit of `sample_id`.

        Raises:
            FileNotFoundError: there is no file for the sample; the text says which was looked for.
            ValueError: there are several files for it, or the file is not a usable image.
        """
        return self._stored(sample_id)

    def generate_image(self, prompt: str, sample_id: str = "", **kwargs: Any) -> Image.Image:
        """Returns the stored picture of `sample_id`; raises as `edit_image`."""
        return self._stored(sample_id)

    def _stored(self, sample_id: str) -> Image.Image:
        if self._of_level is not None:
            return decode_image(self._of_level.find(sample_id).read_bytes())
        if self.params.layout != "native":
            return decode_image(find_output(self.params.folder, self.params.layout, sample_id).read_bytes())
        pattern = f"{self.params.folder}/**/{sample_id}.{{{','.join(suffix[1:] for suffix in SUFFIXES)}}}"
        found = self._files.get(sample_id, [])
        if not found:
            raise FileNotFoundError(f"no edit of sample {sample_id!r}: nothing matches {pattern}")
        if len(found) > 1:
            names = ", ".join(str(path) for path in found)
            raise ValueError(f"{len(found)} edits of sample {sample_id!r} match {pattern}: {names}; keep one of them")
        return decode_image(found[0].read_bytes())

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of any model; the layout and its settings are in it where it is not EditLoop's own."""
        identity = super().identity(params)
        unset = {"layout": "native", "level": None, "rows": None}
        for name, value in unset.items():
            if identity["params"][name] == value:
                del identity["params"][name]
        return identity

    @classmethod
    def takes_source(cls, params: Mapping[str, Any]) -> bool:
        """Pictures of either kind may lie in the folder."""
        return True

    @classmethod
    def takes_further_images(cls, params: Mapping[str, Any]) -> bool:
        """Whoever made the edits has seen all source pictures."""
        return True

    @classmethod
    def takes_turns(cls, params: Mapping[str, Any]) -> bool:
        """Whoever made the edits may have made them in turns."""
        return True

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """A digest of names, sizes and modification times of the folder's images."""
        folder = cls.Params(**params).folder
        listing = hashlib.sha256()
        for path in _images(folder):
            status = path.stat()
            listing.update(f"{path.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return listing.hexdigest()


def _images(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise ModelError(f"the folder of edits {folder} does not exist; correct diffusion_model.params.folder ({RULE})")
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())


def _level_outputs(params: Any) -> LevelOutputs | None:
    if params.layout != "complex-edit":
        return None
    return LevelOutputs(params.folder, params.level, params.rows)
