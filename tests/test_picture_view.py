"""`images/` shows the pictures of the latest run, and of no other."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src.config import Config
from src.errors import OutputError
from src.pipeline import picture_view
from src.pipeline.evaluation import evaluate
from src.pipeline.picture_view import MANIFEST, folder_name
from tests.conftest import item
from tests.test_resume import resumed

Write = Callable[..., Path]
Make = Callable[..., Config]


def shown(images: Path) -> list[str]:
    return sorted(str(picture.relative_to(images)) for picture in images.rglob("*.png"))


@given(st.text())
def test_any_category_is_the_name_of_one_folder(category: str) -> None:
    name = folder_name(category)
    with tempfile.TemporaryDirectory() as parent:
        (Path(parent) / name / "inside").mkdir(parents=True)
        assert [entry.name for entry in Path(parent).iterdir()] == [name]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", name)


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_a_resumed_run_with_another_selection_shows_its_own_pictures_only(
    write_benchmark: Write, make_config: Make, tmp_path: Path, schedule: str
) -> None:
    data, settings = write_benchmark(10), {"schedule": schedule}
    evaluate(make_config(data, evaluation=settings))
    assert len(shown(tmp_path / "out" / "images")) == 10
    evaluate(resumed(make_config(data, benchmark={"categories": ["环境"]}, evaluation=settings)))
    assert shown(tmp_path / "out" / "images") == ["环境/00001_环境_medium.png", "环境/00006_环境_easy.png"]
    assert [path.name for path in (tmp_path / "out" / "images").iterdir() if path.is_dir()] == ["环境"], (
        "no empty folders stay"
    )
    evaluate(resumed(make_config(data, evaluation=settings)))
    assert len(shown(tmp_path / "out" / "images")) == 10, "nothing was lost, it was only not shown"


def test_a_sample_that_another_editor_fails_on_does_not_show_the_first_ones_picture(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark([item(0, edit_instruction_en="raise"), item(1)])
    evaluate(make_config(data))
    evaluate(resumed(make_config(data, diffusion_model={"class_path": "tests.plugins.FaultyEditor"})))
    assert shown(tmp_path / "out" / "images") == ["环境/00001_环境_medium.png"]


def test_samples_that_left_the_file_or_turned_bad_leave_the_pictures(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    evaluate(make_config(write_benchmark(3)))
    evaluate(resumed(make_config(write_benchmark([item(0), item(1, src_img_b64="!!")]))))
    assert shown(tmp_path / "out" / "images") == ["物理/00000_物理_easy.png"]


def test_a_fresh_run_takes_over_a_picture_folder_of_its_own_place_without_touching_foreign_files(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    settings = {"images_dir": str(tmp_path / "gallery")}
    evaluate(make_config(write_benchmark(5), evaluation=settings))
    Image.new("RGB", (8, 8)).save(tmp_path / "gallery" / "物理" / "mine.png")
    evaluate(make_config(write_benchmark([item(1)]), evaluation=settings))
    assert shown(tmp_path / "gallery") == ["物理/mine.png", "环境/00001_环境_medium.png"]
    (previous,) = (tmp_path / "out" / "previous").iterdir()
    assert len(list((previous / "edits").rglob("*.png"))) == 5


def test_a_file_that_is_no_record_is_set_aside_all_the_same(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "record.sqlite").write_bytes(b"not a database at all" * 100)
    outcome = evaluate(make_config(write_benchmark(2), evaluation={"images_dir": str(tmp_path / "gallery")}))
    assert json.loads(outcome.paths.json.read_text())["statuses"] == {"scored": 2}
    assert len(shown(tmp_path / "gallery")) == 2


def test_a_folder_that_shows_another_runs_pictures_is_refused_while_that_run_is_there(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data, gallery = write_benchmark(3), str(tmp_path / "gallery")
    other = {"output_dir": str(tmp_path / "other"), "images_dir": gallery}
    evaluate(make_config(data, evaluation={"images_dir": gallery}))
    before = shown(tmp_path / "gallery")
    with pytest.raises(OutputError, match=r"gallery shows the pictures of the run in .*out: choose another evaluation"):
        evaluate(make_config(write_benchmark([item(7)]), evaluation=other))
    assert shown(tmp_path / "gallery") == before
    assert not (tmp_path / "other" / "record.sqlite").exists(), "it is refused before anything is recorded"
    evaluate(make_config(data, evaluation={**other, "save_generated_images": False}))
    assert shown(tmp_path / "gallery") == before, "a run that shows nothing leaves the other's pictures"
    shutil.rmtree(tmp_path / "out")
    evaluate(make_config(write_benchmark([item(7)]), evaluation={**other, "resume_from_checkpoint": False}))
    assert [Path(one).stem[:5] for one in shown(tmp_path / "gallery")] == ["00007"], "the owner is gone"


def test_pictures_of_a_run_whose_record_was_deleted_by_hand_leave_the_view_and_foreign_ones_stay(
    write_benchmark: Write, make_config: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = tmp_path / "out" / "images"
    evaluate(make_config(write_benchmark(5)))
    Image.new("RGB", (8, 8)).save(images / "物理" / "mine.png")
    for path in (tmp_path / "out").glob("record.sqlite*"):
        path.unlink()
    evaluate(make_config(write_benchmark(5), benchmark={"limit": 1}))
    assert shown(images) == ["物理/00000_物理_easy.png", "物理/mine.png"]
    assert "holds 1 pictures that this run did not put there; they are left (the first: 物理/mine.png)" in caplog.text


def test_a_foreign_picture_of_a_samples_name_is_kept_under_another(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    mine = tmp_path / "out" / "images" / "物理" / "00000_物理_easy.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    evaluate(make_config(write_benchmark(1)))
    assert mine.read_bytes() != b"mine"
    (kept,) = mine.parent.glob("*.kept.png")
    assert kept.read_bytes() == b"mine"


def test_a_copied_output_directory_owns_the_pictures_in_it(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    evaluate(make_config(write_benchmark(3)))
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    copy = {"output_dir": str(tmp_path / "copy")}
    evaluate(resumed(make_config(write_benchmark(3), benchmark={"limit": 1}, evaluation=copy)))
    assert len(shown(tmp_path / "copy" / "images")) == 1
    assert len(shown(tmp_path / "out" / "images")) == 3


@pytest.mark.parametrize("line", ['"../../victim.png"', '"../victim.png"', '"victim.png"', '"/victim.png"', "[", "3"])
def test_a_damaged_list_of_pictures_removes_nothing_elsewhere(
    write_benchmark: Write, make_config: Make, tmp_path: Path, line: str
) -> None:
    victims = [folder / "victim.png" for folder in (tmp_path, tmp_path / "out", tmp_path / "out" / "images")]
    evaluate(make_config(write_benchmark(1)))
    for victim in victims:
        victim.touch()
    with (tmp_path / "out" / "images" / MANIFEST).open("a") as file:
        file.write(line + "\n")
    evaluate(resumed(make_config(write_benchmark(1))))
    assert all(victim.exists() for victim in victims)


@pytest.mark.parametrize("order", ["as it is", "resumed"])
def test_pictures_of_many_samples_lie_in_sub_folders_by_the_places_of_the_samples_in_the_file(
    write_benchmark: Write, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Ten samples, of which four lie side by side; those of category 物理 are the first and the sixth."""
    config = make_config(write_benchmark(10))
    if order == "resumed":
        evaluate(make_config(write_benchmark(10), benchmark={"categories": ["环境"]}))
        config = resumed(config)
    monkeypatch.setattr(picture_view, "IN_ONE_FOLDER", 4)
    evaluate(config)
    found = shown(tmp_path / "out" / "images")
    assert len(found) == 10
    assert [one for one in found if one.startswith("物理")] == [
        "物理/00000_物理_easy.png",
        "物理/from_4/00005_物理_hard.png",
    ]


def test_a_picture_that_another_version_showed_elsewhere_is_shown_once(
    write_benchmark: Write, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(write_benchmark(10))
    evaluate(config)
    images = tmp_path / "out" / "images"
    (images / "物理" / "mine").mkdir()
    (images / "物理" / "mine" / "own.png").touch()
    monkeypatch.setattr(picture_view, "IN_ONE_FOLDER", 2)
    evaluate(resumed(config))
    assert len(shown(images)) == 11
    assert sum("/from_" in one for one in shown(images)) == 8
    monkeypatch.setattr(picture_view, "IN_ONE_FOLDER", 99)
    evaluate(resumed(config))
    assert sum("/from_" in one for one in shown(images)) == 0
    assert not list(images.rglob("from_*")), "no empty folders stay"
    assert (images / "物理" / "mine" / "own.png").exists()
