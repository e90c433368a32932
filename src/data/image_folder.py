"""`ImageFolder`: where a data file's image paths lead, and may not lead out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from src.data.image import LazyImage
from src.data.sample import Unusable


class OutsideFolder(Unusable):
    """An image path that is not read: a foreign file must not choose what is read here and sent to a judge."""


@dataclass(frozen=True)
class ImageFolder:
    """The folder of a data file."""

    path: Path
    follow_links: bool = False
    """Read images behind links out of the folder, as the cache of the Hugging Face hub has them."""

    @classmethod
    def of(cls, data_path: str, *, follow_links: bool) -> ImageFolder:
        """The folder of a data file, or the data folder itself."""
        path = Path(data_path)
        return cls(path if path.is_dir() else path.parent, follow_links)

    @cached_property
    def _resolved(self) -> Path:
        return self.path.resolve()

    def image(self, path: str) -> LazyImage:
        """Returns the image at a path that starts from here.

        Raises:
            OutsideFolder: the path or a link on its way leads elsewhere, or it cannot be the name of a file.
        """
        if Path(path).is_absolute() or ".." in PurePosixPath(path.replace("\\", "/")).parts:
            raise OutsideFolder(f"the image path {path!r:.80} leads out of the folder {self.path}")
        found = self.path / path
        if not self.follow_links:
            try:
                is_inside = found.resolve().is_relative_to(self._resolved)
            except (OSError, ValueError, RuntimeError) as error:  # NUL, half a surrogate pair, links in a circle
                raise OutsideFolder(f"the image path {path!r:.80} is not a possible file name: {error}") from error
            if not is_inside:
                raise OutsideFolder(
                    f"the image path {path!r:.80} is a link that leads out of the folder {self.path}; "
                    "if you trust the file that names it, set follow_links: true"
                )
        return LazyImage(path=found)
