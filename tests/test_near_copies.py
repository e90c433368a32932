"""Edits that hardly differ from their source: measured, and marked in record, console, page, Markdown and CSV."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from rich.console import Console
from typer.testing import CliRunner

from main import app
from src.config import Config
from src.data.loader import load_samples
from src.data.picture_change import NEAR_COPY, picture_change
from src.data.sample import EditSample
from src.data.selection import Selection
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.evaluation import evaluate
from src.record.record import Record
from src.reporting.console import print_report
from src.reporting.frame import load_run

IDENTITY = "src.models.diffusion.implementations.identity.IdentityModel"


def picture(side: int = 512, seed: int = 0) -> Image.Image:
    """Soft shapes with some texture."""
    dice = np.random.default_rng(seed)
    coarse = Image.fromarray(dice.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((side, side))
    grain = dice.normal(0, 8, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8))


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def with_noise(image: Image.Image, decibels: float) -> Image.Image:
    noise = np.random.default_rng(1).normal(0, 255 / 10 ** (decibels / 20), (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def with_square(image: Image.Image, side: int) -> Image.Image:
    """A small object is put in."""
    changed = image.copy()
    changed.paste((255, 255, 0), (101, 203, 101 + side, 203 + side))
    return changed


def test_the_very_same_picture_has_no_change() -> None:
    assert picture_change(picture(), picture()) == 0


@pytest.mark.parametrize(
    "copy",
    [
        lambda image: as_jpeg(image, 50),
        lambda image: with_noise(image, 22),
        lambda image: image.resize((500, 500)).resize((512, 512)),
        lambda image: image.resize((768, 768)),
    ],
    ids=["a codec", "noise of 22 dB", "scaled and back", "another size"],
)
def test_the_traces_of_codecs_noise_and_scaling_are_no_change(copy: Callable[[Image.Image], Image.Image]) -> None:
    assert picture_change(picture(), copy(picture())) <= NEAR_COPY


def drawn_scene() -> Image.Image:
    """Rectangles with hard edges, whose haloes are strong."""
    dice = np.random.default_rng(0)
    scene = Image.fromarray(dice.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((1024, 1024))
    pen = ImageDraw.Draw(scene)
    for _ in range(60):
        (x, y), (width, height) = dice.integers(0, 1024, 2).tolist(), dice.integers(10, 200, 2).tolist()
        pen.rectangle((x, y, x + width, y + height), fill=tuple(dice.integers(0, 256, 3).tolist()))
    return scene


def test_copies_that_the_mark_misses_are_those_that_the_docs_name() -> None:
    scene = drawn_scene()
    pixels = np.asarray(scene).astype(int)
    copies = {
        "haloes": scene.filter(ImageFilter.UnsharpMask(4, 200, 0)),
        "shifted": Image.fromarray(np.roll(np.asarray(scene), 2, 1)),
        "brighter": Image.fromarray(np.clip(pixels + 13, 0, 255).astype(np.uint8)),
        "cropped": scene.crop((10, 10, 1014, 1014)).resize((1024, 1024)),
    }
    assert {name for name, copy in copies.items() if picture_change(scene, copy) <= NEAR_COPY} == set()
    marked = [Image.fromarray(np.roll(np.asarray(scene), 1, 1)), scene.resize((512, 512)).resize((1024, 1024))]
    assert max(picture_change(scene, copy) for copy in marked) <= NEAR_COPY


def test_edits_that_are_marked_although_they_are_none_are_those_that_the_docs_name() -> None:
    page = Image.new("RGB", (1024, 1024), "white")
    line, before, after = page.copy(), page.copy(), page.copy()
    ImageDraw.Draw(line).line((100, 100, 900, 105), fill="black", width=1)
    for image, said in ((before, "SALE 40%"), (after, "SALE 50%")):
        ImageDraw.Draw(image).text((300, 300), said, fill="black", font=ImageFont.load_default(24))
    grey = np.full((1024, 1024, 3), 128)
    texture = grey + ((np.indices((1024, 1024)).sum(0) // 4 % 2 * 2 - 1) * 60)[..., None]
    textured = [Image.fromarray(pixels.astype(np.uint8)) for pixels in (grey, texture)]
    for source, edited in ((page, line), (before, after), textured):
        assert 0 <= picture_change(source, edited) <= NEAR_COPY


@pytest.mark.parametrize("side", [24, 64])
def test_a_small_object_is_a_change(side: int) -> None:
    assert picture_change(picture(), with_square(picture(), side)) > 2 * NEAR_COPY


def test_a_picture_smaller_than_a_cell_can_be_compared() -> None:
    assert picture_change(Image.new("RGB", (3, 5)), Image.new("RGB", (3, 5), (0, 30, 0))) == 30


def test_the_threshold_lies_between_copies_and_demanded_edits_of_the_miniature_benchmark() -> None:
    """The reason that is given for the threshold: 64 × 64 pictures, where codecs do most harm."""
    samples = load_samples("assets/miniature/benchmark.json", Selection())
    pairs = [
        (one.source.decode(), one.reference.decode())
        for one in samples
        if isinstance(one, EditSample) and one.reference
    ]
    assert len(pairs) == 100
    assert min(picture_change(source, right) for source, right in pairs) >= 40
    assert sum(picture_change(source, as_jpeg(source, 75)) <= NEAR_COPY for source, _ in pairs) == 98
    assert max(picture_change(source, as_jpeg(source, 75)) for source, _ in pairs) <= 14
    assert max(picture_change(source, with_noise(source, 22)) for source, _ in pairs) <= NEAR_COPY


class CopyingEditor(BaseDiffusionModel):
    """Inverts every second picture, and returns the others with faint noise."""

    def _initialize(self) -> None: ...

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        if int(edit_instruction.split()[-1]) % 2:
            return Image.fromarray(255 - np.asarray(original_image))
        return with_noise(original_image, 30)


@pytest.fixture
def run(write_benchmark: Callable[..., Path], make_config: Callable[..., Config]) -> Config:
    config = make_config(write_benchmark(6), diffusion_model={"class_path": f"{__name__}.CopyingEditor"})
    evaluate(config)
    return config


def test_near_copies_are_marked_everywhere_and_no_score_changes(run: Config, tmp_path: Path) -> None:
    folder = run.evaluation.output_dir
    with closing(Record(folder, for_reading=True)) as record:
        results = list(record.results(record.latest_run().run_key))
    assert [result.near_copy for result in results] == [True, False] * 3
    outcome = evaluate(
        run.model_copy(update={"evaluation": run.evaluation.model_copy(update={"resume_from_checkpoint": True})})
    )
    told = outcome.report["near_copies"]
    copies = [result.sample_id for result in results if result.near_copy]
    assert told == {"threshold": NEAR_COPY, "measured": 6, "count": 3, "sample_ids": copies}
    console = Console(width=200, record=True, file=io.StringIO())
    print_report(outcome.report, console)
    assert "near-copies: 3 of 6 edits hardly differ from the source" in console.export_text()
    assert "near-copies: 3 of 6 edits" in outcome.paths.markdown.read_text(encoding="utf-8")
    page = outcome.paths.page.read_text(encoding="utf-8")
    assert page.count('"near-copy"') == 3
    frame = load_run(folder)
    assert frame["near_copy"].tolist() == [True, False] * 3
    table = tmp_path / "table.csv"
    assert CliRunner().invoke(app, ["report", str(folder), "--csv", str(table)]).exit_code == 0
    assert "near_copy" in table.read_text(encoding="utf-8").splitlines()[0]
    assert outcome.report["statuses"] == {"scored": 6}


def test_the_control_that_edits_nothing_is_all_near_copies(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    report = evaluate(make_config(write_benchmark(3), diffusion_model={"class_path": IDENTITY})).report
    assert report["near_copies"]["count"] == 3
    assert [row["change"] for row in report["samples"]] == [0, 0, 0]
