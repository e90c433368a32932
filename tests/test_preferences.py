"""Files of preference pairs: what a pair is, what is none, and that no source picture is on both sides of a split."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src.data.preferences import PreferencePair, load_preferences
from src.data.sample import BadSample
from src.errors import DataError
from src.training.dataset import ImageStore
from src.training.preference.config import PreferenceData
from src.training.preference.data import read_preferences
from tests.conftest import png
from tests.preference_pairs import row, swapped, write_pairs


def read(path: Path) -> list[PreferencePair | BadSample]:
    return list(load_preferences(str(path)))


def split(path: Path, seed: int = 0, **data: Any) -> Any:
    return read_preferences(PreferenceData(train=str(path), **data), seed, ImageStore(path.parent / "images"))


def test_a_pair_has_its_pictures_words_winner_margin_and_category(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((1, 2, 3)))
    (pair,) = read(
        write_pairs(tmp_path / "pairs.jsonl", [row(0, a_img="a.png", a_img_b64=None, winner="Model_B", margin=2)])
    )
    assert isinstance(pair, PreferencePair)
    assert (pair.pair_id, pair.instruction, pair.rationale) == ("p0", "change to 0", "as it should be")
    assert (pair.winner, pair.margin, pair.category) == ("b", 2.0, "物理")
    assert pair.edits[0].decode().getpixel((0, 0)) == (1, 2, 3)


def test_the_chinese_words_are_taken_where_they_are_asked_for(tmp_path: Path) -> None:
    (pair,) = load_preferences(str(write_pairs(tmp_path / "pairs.jsonl", [row(0)])), "zh")
    assert isinstance(pair, PreferencePair)
    assert pair.instruction == "改成 0"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"winner": "c"}, "field `winner` is 'c'"),
        ({"winner": None}, "field `winner` is None"),
        ({"winner": 1}, "none of a, b, tie and both_bad"),
        ({"a_img_b64": None}, "the image (fields `a_img`, `a_img_b64`) is absent"),
        ({"b_img_b64": 7}, "not base64 text"),
        ({"src_img_b64": None}, "`src_img`"),
        ({"edit_instruction": None, "edit_instruction_en": None}, "the instruction"),
        ({"margin": -1}, "field `margin` is -1"),
        ({"margin": "big"}, "field `margin` is 'big'"),
        ({"margin": True}, "field `margin` is True"),
        ({"a_img": "../a.png", "a_img_b64": None}, "leads out of the folder"),
        ({"subset": 5}, "field `subset` is int"),
    ],
)
def test_what_is_no_pair_is_named_with_its_field(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    bad, good = read(write_pairs(tmp_path / "pairs.jsonl", [row(0, **changes), row(1)]))
    assert isinstance(bad, BadSample)
    assert said in bad.reason
    assert isinstance(good, PreferencePair)


def test_an_id_that_is_there_twice_is_refused_the_second_time(tmp_path: Path) -> None:
    _, second = read(write_pairs(tmp_path / "pairs.jsonl", [row(0), row(1, id="p0")]))
    assert isinstance(second, BadSample)
    assert "duplicate of item 0" in second.reason


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(changes=st.dictionaries(st.sampled_from([*row(0), "margin", "a_img", "src_img", "category"]), JSON_VALUES))
def test_whatever_stands_in_a_field_a_row_is_a_pair_or_bad_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "pairs.jsonl"
    found = read(write_pairs(path, [row(0) | changes]))
    assert len(found) == 1
    assert isinstance(found[0], PreferencePair) or found[0].reason


@given(
    sources=st.lists(st.integers(0, 9), min_size=12, max_size=40),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.2, 0.8),
)
def test_no_source_is_trained_on_and_held_out(
    tmp_path_factory: pytest.TempPathFactory, sources: list[int], seed: int, share: float
) -> None:
    folder = tmp_path_factory.mktemp("split")
    rows = [
        row(index, src_img_b64=base64.b64encode(png((source, 40, 90))).decode()) for index, source in enumerate(sources)
    ]
    try:
        found = split(write_pairs(folder / "pairs.jsonl", rows), seed, held_out=share)
    except DataError:  # a side without pairs is refused, not made up
        return
    trained, held_out = ({one.source_id for one in side} for side in (found.train, found.held_out))
    assert trained
    assert held_out
    assert not trained & held_out
    assert len(found.train) + len(found.held_out) == len(rows)


def test_the_same_picture_stored_in_two_ways_is_one_source(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (0, 40, 90)).save(buffer, format="BMP")
    rows = [row(0), row(1, src_img_b64=base64.b64encode(buffer.getvalue()).decode()), *map(row, range(2, 40))]
    found = split(write_pairs(tmp_path / "pairs.jsonl", rows), held_out=0.5)
    ids = {one.pair_id: one.source_id for one in [*found.train, *found.held_out]}
    assert ids["0-p0"] == ids["0-p1"]


def test_a_file_of_held_out_pairs_with_a_trained_source_is_refused(tmp_path: Path) -> None:
    train = write_pairs(tmp_path / "train.jsonl", [row(index) for index in range(4)])
    held_out = write_pairs(tmp_path / "held_out.jsonl", [row(3), row(4), row(5)])
    with pytest.raises(DataError, match=r"1 pairs of preferences.held_out .* trained on as well .*held-out-p3 = 0-p3"):
        split(train, held_out=str(held_out))


def test_ties_equal_edits_bad_rows_and_weak_margins_are_left_out_and_counted(tmp_path: Path) -> None:
    same = row(2)["a_img_b64"]
    rows = [row(0, winner="tie"), row(1, winner="both_bad"), row(2, b_img_b64=same), row(3, winner="?")]
    rows += [row(index, margin=index) for index in range(4, 60)]
    found = split(write_pairs(tmp_path / "pairs.jsonl", rows), held_out=0.5, least_margin=30)
    assert found.left_out["no winner (tie, or both bad)"] == 2
    assert found.left_out["both edits are the same file"] == 1
    (bad,) = found.bad
    assert "winner" in bad
    assert min(one.margin for one in found.train) >= 30
    assert min(one.margin for one in found.held_out) < 30


def test_a_picture_that_is_none_is_a_bad_pair_that_names_it(tmp_path: Path) -> None:
    broken = base64.b64encode(b"no picture").decode()
    path = write_pairs(tmp_path / "pairs.jsonl", [row(0, b_img_b64=broken), *map(row, range(1, 30))])
    found = split(path, held_out=0.5)
    assert "edited (b) image: not a readable image" in found.bad[0]


def test_too_few_held_out_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"held-out pairs are of [01] source pictures, and 2 are needed"):
        split(write_pairs(tmp_path / "pairs.jsonl", [row(0), row(1)]), held_out=0.01)


def test_which_edit_is_called_a_changes_nothing(tmp_path: Path) -> None:
    rows = [row(index, winner="ab"[index % 2]) for index in range(20)]
    (tmp_path / "other").mkdir()
    plain = split(write_pairs(tmp_path / "pairs.jsonl", rows), held_out=0.5)
    other = split(write_pairs(tmp_path / "other" / "pairs.jsonl", list(map(swapped, rows))), held_out=0.5)
    for side in ("train", "held_out"):
        one, two = (
            [(pair.pair_id, pair.chosen.read_bytes(), pair.rejected.read_bytes()) for pair in getattr(found, side)]
            for found in (plain, other)
        )
        assert one == two
