"""Equal failures have equal reasons, wherever they happen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config import Config
from src.data.image import ImageError, decode_image
from src.data.verdict import Verdict
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.reward.base_reward import BaseRewardModel, NotApplicable
from src.pipeline.evaluation import evaluate
from src.reasons import reason_of, without_addresses
from src.rewards.core.scorer import EditedSample, Scorer
from tests.conftest import item


class Unfit:
    """Its `repr` names its address."""


def complain(*args: Any, **kwargs: Any) -> Any:
    raise TypeError(f"cannot read {Unfit()!r}")


class AddressEditor(BaseDiffusionModel):
    def _initialize(self) -> None: ...

    edit_image = complain


class AddressJudge(BaseRewardModel):
    needs_prompts = False

    def _initialize(self) -> None: ...

    score = complain


class ObjectJudge(AddressJudge):
    def score(self, *args: Any, **kwargs: Any) -> Any:
        return Unfit()


class PickyJudge(AddressJudge):
    def score(self, *args: Any, **kwargs: Any) -> Any:
        raise NotApplicable(f"nothing to say on {Unfit()!r}")


class AddressScorer(Scorer):
    def question(self, sample: Any) -> Any:
        return None

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        return complain()


INVERT = "tests.plugins.InvertEditor"
JUDGE = "tests.test_reasons.AddressJudge"


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"diffusion_model": {"class_path": "tests.test_reasons.AddressEditor"}}, "TypeError: cannot read <"),
        ({"reward_model": {"class_path": JUDGE}}, "TypeError: cannot read <"),
        ({"reward_model": {"class_path": "tests.test_reasons.ObjectJudge"}}, "the judge returned <"),
        ({"reward_model": {"class_path": "tests.test_reasons.PickyJudge"}}, "nothing to say on <"),
        ({"scorer": {"class_path": "tests.test_reasons.AddressScorer"}}, "TypeError: cannot read <"),
    ],
    ids=["editor", "judge", "judge's value", "not applicable", "scorer"],
)
def test_equal_failures_of_two_samples_have_one_reason(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config], sections: dict[str, Any], reason: str
) -> None:
    config = make_config(write_benchmark([item(0), item(1)]), **sections)
    reasons = [sample["reason"] for sample in evaluate(config).report["samples"]]
    assert len(reasons) == 2
    assert len(set(reasons)) == 1
    assert reasons[0].startswith(reason)
    assert "0x" not in reasons[0]


def test_files_that_are_no_picture_have_one_reason() -> None:
    with pytest.raises(ImageError, match="not a readable image: UnidentifiedImageError") as refused:
        decode_image(b"no picture")
    assert "0x" not in str(refused.value)


def test_a_reason_names_the_kind_of_error_and_what_it_says() -> None:
    assert reason_of(RuntimeError("out of paint")) == "RuntimeError: out of paint"
    assert reason_of(TimeoutError()) == "TimeoutError"


def test_addresses_are_left_out_and_short_hexadecimal_numbers_are_not() -> None:
    assert without_addresses("<Image size=4x4 at 0x7F03A4BC10>") == "<Image size=4x4>"
    assert without_addresses("fault in 0x7f03a4bc10, code 0x1F") == "fault in 0x…, code 0x1F"
