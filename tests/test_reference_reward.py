"""The judge that compares with the exact result."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

from src.models.reward.base_reward import JudgeRequest, NotApplicable
from src.models.reward.implementations.reference import ReferenceRewardModel

SOURCE = Image.new("RGB", (32, 32), (10, 200, 30))
REFERENCE = SOURCE.copy()
REFERENCE.paste((250, 0, 0), (4, 4, 20, 20))


def score(edited: Image.Image, source: Image.Image | None = SOURCE, reference: Image.Image | None = REFERENCE) -> float:
    judge = ReferenceRewardModel({})
    return judge.score(edited, "", "", "", "", original_image=source, reference_image=reference)


def test_the_source_gets_zero_and_the_reference_ten() -> None:
    assert score(SOURCE) == 0.0
    assert score(REFERENCE) == 10.0


def test_half_of_the_change_gets_half_of_the_points() -> None:
    assert score(Image.blend(SOURCE, REFERENCE, 0.5)) == pytest.approx(5.0, abs=0.1)


def test_damage_elsewhere_costs_points_and_shows_in_the_dimensions() -> None:
    damaged = REFERENCE.copy()
    damaged.paste((60, 200, 30), (28, 0, 32, 8))
    judgement = ReferenceRewardModel({}).judge(JudgeRequest(damaged, SOURCE, "", "", reference_image=REFERENCE))
    assert judgement.dimensions["change"] == 10.0
    assert 0 < judgement.score == judgement.dimensions["preservation"] < 10  # type: ignore[operator]


@pytest.mark.parametrize("size", [(64, 64), (16, 16), (48, 32)])
def test_edits_of_another_size_are_compared_at_the_size_of_the_reference(size: tuple[int, int]) -> None:
    scaled = REFERENCE.resize(size, Image.Resampling.NEAREST)
    assert score(scaled) > 7.0
    assert score(SOURCE.resize(size)) == 0.0


def test_a_source_of_another_size_is_scaled_too() -> None:
    assert score(REFERENCE, source=SOURCE.resize((64, 64))) == 10.0


def test_grey_and_transparent_pictures_are_compared_as_rgb() -> None:
    assert score(REFERENCE.convert("RGBA")) == 10.0
    assert score(SOURCE.convert("L")) < 10.0


@pytest.mark.parametrize(
    ("source", "reference", "reason"),
    [(SOURCE, None, "no reference"), (None, REFERENCE, "no source"), (SOURCE, SOURCE, "no difference")],
)
def test_a_sample_without_a_usable_reference_is_not_applicable(
    source: Image.Image | None, reference: Image.Image | None, reason: str
) -> None:
    with pytest.raises(NotApplicable, match=reason):
        score(REFERENCE, source, reference)


def test_the_judge_runs_without_torch() -> None:
    code = (
        "import sys; from PIL import Image; from src.models.reward.implementations.reference import *\n"
        "a, b = Image.new('RGB', (8, 8)), Image.new('RGB', (8, 8), (255, 0, 0))\n"
        "ReferenceRewardModel({}).score(b, '', '', '', '', original_image=a, reference_image=b)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
