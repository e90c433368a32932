"""The editors that need no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.config import load_config
from src.errors import ConfigError, ModelError
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.implementations.identity import IdentityModel
from src.models.diffusion.implementations.precomputed import PrecomputedEditModel
from src.registry import check_params, load_class
from tests.conftest import png

CONFIGS = sorted(Path(__file__).parent.parent.glob("configs/evaluation/*.yaml"))
SOURCE = Image.new("RGB", (16, 16), (10, 20, 30))


def test_the_control_returns_a_copy_of_the_source() -> None:
    edited = IdentityModel({}).edit_image(SOURCE, "make it red", seed=3)
    assert edited is not SOURCE
    assert edited.tobytes() == SOURCE.tobytes()


def test_the_control_takes_no_params() -> None:
    with pytest.raises(ConfigError, match="strength"):
        check_params(IdentityModel, {"strength": 1}, "diffusion_model.params")


def store(folder: Path, name: str, color: tuple[int, int, int] = (1, 2, 3)) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(color))


def editor(folder: Path) -> PrecomputedEditModel:
    return PrecomputedEditModel({"folder": str(folder)})


def revision(folder: Path) -> Any:
    return PrecomputedEditModel.identity({"folder": str(folder)})["weights"]


@pytest.mark.parametrize("name", ["a.png", "物理/a.png", "deep/er/a.webp", "a.JPG"])
def test_an_edit_is_found_by_its_sample_id_in_any_subfolder(tmp_path: Path, name: str) -> None:
    store(tmp_path, name)
    store(tmp_path, "aa.png", (9, 9, 9))
    assert editor(tmp_path).edit_image(SOURCE, "x", sample_id="a").getpixel((3, 3)) == (1, 2, 3)


def test_sample_ids_with_dots_and_brackets_are_taken_literally(tmp_path: Path) -> None:
    store(tmp_path, "v1.5 [x].png", (7, 7, 7))
    store(tmp_path, "v1.png")
    assert editor(tmp_path).edit_image(SOURCE, "x", sample_id="v1.5 [x]").getpixel((0, 0)) == (7, 7, 7)


def test_a_missing_edit_says_what_was_looked_for(tmp_path: Path) -> None:
    store(tmp_path, "a.png")
    with pytest.raises(FileNotFoundError) as caught:
        editor(tmp_path).edit_image(SOURCE, "x", sample_id="b")
    assert f"{tmp_path}/**/b.{{png,jpg,jpeg,webp}}" in str(caught.value)


def test_two_edits_of_one_sample_are_refused_with_both_names(tmp_path: Path) -> None:
    store(tmp_path, "one/a.png")
    store(tmp_path, "two/a.jpg")
    with pytest.raises(ValueError, match=r"one/a\.png.*two/a\.jpg"):
        editor(tmp_path).edit_image(SOURCE, "x", sample_id="a")


def test_a_broken_file_is_an_error_and_no_edit(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png()[:40])
    with pytest.raises(ValueError, match="not a readable image"):
        editor(tmp_path).edit_image(SOURCE, "x", sample_id="a")


def test_a_missing_folder_is_an_error_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        revision(tmp_path / "nowhere")


def test_the_identity_changes_with_the_pictures_and_with_nothing_else(tmp_path: Path) -> None:
    store(tmp_path, "a.png")
    before = revision(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    assert revision(tmp_path) == before
    store(tmp_path, "b.png")
    with_b = revision(tmp_path)
    store(tmp_path, "a.png", (200, 100, 50))
    assert len({before, with_b, revision(tmp_path)}) == 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_names_an_editor_and_params_that_it_knows(path: Path) -> None:
    model = load_config(path).diffusion_model
    check_params(load_class(model.class_path, BaseDiffusionModel), model.params, str(path))  # type: ignore[type-abstract]
