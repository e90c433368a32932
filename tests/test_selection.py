"""Which names of categories and difficulties select what, and what is said when nothing has them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config import Config
from src.data.categories import ENGLISH, category_key
from src.data.loader import load_samples
from src.data.selection import Selection
from src.errors import DataError
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from tests.conftest import item

Write = Callable[..., Path]
Make = Callable[..., Config]


def selected(path: Path, **selection: tuple[str, ...]) -> list[int]:
    return [sample.index for sample in load_samples(str(path), Selection(**selection))]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["因果", "causal", "Causal", "CAUSAL", " causal "])
def test_a_category_is_selected_by_both_of_its_names_in_any_case(write_benchmark: Write, name: str) -> None:
    in_chinese, in_english = write_benchmark(10), write_benchmark([item(0), item(1, subset="Causal")], "en.json")
    assert selected(in_chinese, categories=(name,)) == [3, 8]
    assert selected(in_english, categories=(name,)) == [1]


@pytest.mark.parametrize("name", ["hard", "Hard", "HARD"])
def test_a_difficulty_is_selected_in_any_case(write_benchmark: Write, name: str) -> None:
    assert selected(write_benchmark(6), difficulties=(name,)) == [2, 5]


def test_own_categories_and_difficulties_are_texts_whatever_they_look_like(write_benchmark: Write) -> None:
    path = write_benchmark([item(0, subset="yes", difficulty="5"), item(1, subset="null", difficulty=5), item(2)])
    assert selected(path, categories=("YES",)) == [0]
    assert selected(path, categories=("null",)) == [1]
    assert selected(path, difficulties=("5",)) == [0, 1]


def test_a_number_in_the_yaml_selects_the_text(write_benchmark: Write, make_config: Make) -> None:
    path = write_benchmark([item(0, subset="7", difficulty=5), item(1)])
    config = make_config(path, benchmark={"data_path": str(path), "categories": [7], "difficulties": [5]})
    assert [sample.index for sample in load_samples(str(path), RunPlan(config).selection)] == [0]


@given(st.text(), st.sampled_from([*ENGLISH.items()]))
def test_a_name_means_one_of_the_five_exactly_when_it_is_one_of_their_names(text: str, pair: tuple[str, str]) -> None:
    assert category_key(category_key(text)) == category_key(text)
    assert category_key(pair[1]) == category_key(pair[0]) == pair[0]
    assert (category_key(text) == pair[0]) == (text.strip().casefold() in pair)


def test_a_name_that_nothing_has_is_told_what_exists_and_what_is_near(
    write_benchmark: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_benchmark(10)
    with pytest.raises(
        DataError, match=r"No item has the category 'casual'\. Did you mean 'causal'\? There is: 物理 p"
    ):
        selected(path, categories=("casual",))
    with pytest.raises(DataError, match=r"the difficulty 'hrad'\. Did you mean 'hard'\? There is: easy 4, medium 3"):
        selected(path, difficulties=("hrad",))
    with caplog.at_level(logging.WARNING):
        assert selected(path, difficulties=("hard", "extreme"), categories=("causal", "magic")) == [8]
    assert "No item has the category 'magic'" in caplog.text
    assert "No item has the difficulty 'extreme'" in caplog.text


def test_a_category_of_which_only_the_difficulty_is_absent_is_not_called_unknown(
    write_benchmark: Write, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DataError, match=r"matches category in 物理; difficulty in hard\. The file holds 物理 easy: 1"):
        selected(write_benchmark(3), categories=("物理",), difficulties=("hard",))


def test_either_name_is_the_same_run_and_is_reported_as_the_data_calls_it(
    write_benchmark: Write, make_config: Make
) -> None:
    path = write_benchmark(10)
    sections = [{"data_path": str(path), "categories": [name], "difficulties": ["Hard"]} for name in ("causal", "因果")]
    english, chinese = (make_config(path, benchmark=section) for section in sections)
    assert RunPlan(english).run_key == RunPlan(chinese).run_key
    report = evaluate(english).report
    assert report["category_statistics"]["因果"]["total"] == 1
    assert list(report["category_statistics"]) == ["因果"]


def test_a_named_category_without_samples_is_still_shown(write_benchmark: Write, make_config: Make) -> None:
    path = write_benchmark(2)
    report = evaluate(make_config(path, benchmark={"data_path": str(path), "categories": ["causal", "物理"]})).report
    assert {name: group["total"] for name, group in report["category_statistics"].items()} == {"causal": 0, "物理": 1}
