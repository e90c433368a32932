"""`opened`: a benchmark in whatever layout a selection says that it is stored."""

from __future__ import annotations

from src.benchmark_layouts import BenchmarkLayout
from src.data.benchmarks.complex_edit import ComplexEditLevels
from src.data.benchmarks.edit_pairs import Aurora, HumanEdit, MagicBrush, OmniEdit, VisMin
from src.data.benchmarks.gedit import GEdit
from src.data.benchmarks.imgedit import ImgEdit, ImgEditUGE
from src.data.benchmarks.imgedit_multiturn import ImgEditMultiTurn
from src.data.benchmarks.kris import Kris
from src.data.benchmarks.layout import BenchmarkFormat
from src.data.benchmarks.mmmg import MMMG
from src.data.benchmarks.native import Native
from src.data.benchmarks.rise import RISE
from src.data.benchmarks.uniredit import UniREdit
from src.data.selection import Selection

FORMATS: dict[BenchmarkLayout, type[BenchmarkFormat]] = {
    "native": Native,
    "gedit": GEdit,
    "imgedit": ImgEdit,
    "imgedit-uge": ImgEditUGE,
    "imgedit-multiturn": ImgEditMultiTurn,
    "rise": RISE,
    "kris": Kris,
    "uniredit": UniREdit,
    "complex-edit": ComplexEditLevels,
    "mmmg": MMMG,
    "omni-edit": OmniEdit,
    "magicbrush": MagicBrush,
    "aurora": Aurora,
    "human-edit": HumanEdit,
    "vismin": VisMin,
}
"""The layouts by the names that `benchmark.format` has for them."""


def opened(data_path: str, selection: Selection) -> BenchmarkFormat:
    """Opens a benchmark; what it holds is read later.

    Args:
        data_path: As in the config.
        selection: Says in which layout it is, and where its images are.

    Raises:
        DataError: nothing of the layout is there.
    """
    layout = FORMATS[selection.format]
    return layout(data_path, selection.image_dir, selection.language, follow_links=selection.follow_links)
