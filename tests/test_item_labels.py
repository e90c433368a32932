"""Categories and difficulties as they stand in benchmark files, and what a selection makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from tests.conftest import item
from tests.test_data_files import as_jsonl, good, load

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("category", "problem"),
    [
        ("物" * 51, "is over 150 bytes long"),
        ("c" * 300, "is over 150 bytes long"),
        ("a\0b", "holds control characters"),
        ("a\nb", "holds control characters"),
        ("a\x1b[31mb", "holds control characters"),
        ("a\u2028b", "holds control characters"),
    ],
)
@pytest.mark.parametrize("selection", [{}, {"categories": ("物理",)}])
def test_a_category_that_is_no_name_is_a_bad_sample_whatever_is_selected(
    write_benchmark: Write, category: str, problem: str, selection: dict[str, Any]
) -> None:
    bad, sound = load(write_benchmark([item(0, subset=category), item(5)]), **selection)
    assert isinstance(bad, BadSample)
    assert isinstance(sound, EditSample)
    assert bad.category is None
    assert bad.sample_id == "00000_物理_easy"
    assert problem in bad.reason
    assert bad.reason.isprintable()


@pytest.mark.parametrize(("stated", "read"), [(3, "3"), (3.0, "3"), (2.5, "2.5"), (-1, "-1"), (float("nan"), None)])
def test_a_difficulty_in_numbers_is_read_as_text(tmp_path: Path, stated: float, read: str | None) -> None:
    path = as_jsonl(tmp_path / "b.jsonl", [item(0, difficulty=stated), item(1, difficulty="hard")])
    assert [sample.difficulty for sample in good(path)] == [read, "hard"]
    if read:
        assert [sample.index for sample in good(path, difficulties=(read,))] == [0]


@pytest.mark.parametrize("difficulty", [True, ["hard"], {"level": 3}, 10**400, float("inf")])
def test_a_difficulty_that_is_no_word_or_number_is_a_bad_sample(tmp_path: Path, difficulty: Any) -> None:
    path = as_jsonl(tmp_path / "b.jsonl", [item(0, difficulty=difficulty), item(1)])
    bad, sound = load(path)
    assert isinstance(bad, BadSample)
    assert isinstance(sound, EditSample)
    assert "`difficulty`" in bad.reason


def test_what_a_selection_leaves_out_is_counted(write_benchmark: Write) -> None:
    path = write_benchmark([*(item(index) for index in range(10)), item(10, subset="化学"), item(11, src_img_b64=None)])
    left_out: Counter[str] = Counter()
    found = list(load_samples(str(path), Selection(categories=("物理",), difficulties=("easy",)), left_out=left_out))
    assert [found_item.index for found_item in found] == [0]
    assert left_out == {"物理": 1, "环境": 3, "社会": 2, "因果": 2, "指代": 2, "化学": 1}
    assert len(found) + left_out.total() == 12
