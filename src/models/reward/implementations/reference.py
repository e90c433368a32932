"""`ReferenceRewardModel`: a judge that compares with the exact result; it needs no model and no prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from src.models.base import ModelParams
from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest, NotApplicable

if TYPE_CHECKING:
    import numpy as np

    from src.models.reward.reference_formula import ReferenceComparison


class ReferenceRewardModel(BaseRewardModel):
    """Scores how much of the demanded change was made and how well the rest was left alone.

    `score = 10 × change × preservation`: `change` (0–1) is the mean progress from source to reference over the
    connected components of the pixels in which the two differ; `preservation` (0–1) falls with the visible change of
    all other pixels and reaches zero when that is as large as the demanded change. The untouched source gets 0, the
    reference itself 10. The exact formula is in `src/models/reward/reference_formula.py`.

    Source and edit are resized (bicubic) to the size of the reference first. Samples without a reference image, or with
    one that equals the source, are not applicable.
    """

    needs_prompts: ClassVar[bool] = False
    needs_reference: ClassVar[bool] = True

    class Params(ModelParams):
        """The judge takes no params."""

    def _initialize(self) -> None: ...

    def score(
        self,
        edited_image: Image.Image,
        original_description: str,
        edit_instruction: str,
        system_prompt: str,
        user_prompt: str,
        original_image: Image.Image | None = None,
        reference_image: Image.Image | None = None,
        **kwargs: Any,
    ) -> float:
        """Scores one edit, 0–10; reads the three images only.

        Raises:
            NotApplicable: there is no source or no reference image, or the two are the same picture.
        """
        return self.score_with_dimensions(edited_image, original_image, reference_image).score

    def judge(self, request: JudgeRequest) -> Judgement:
        """The score with its two factors as dimensions, 0–10 each."""
        result = self.score_with_dimensions(request.edited_image, request.original_image, request.reference_image)
        return Judgement(
            result.score, dimensions={"change": 10.0 * result.change, "preservation": 10.0 * result.preservation}
        )

    def score_with_dimensions(
        self,
        edited_image: Image.Image,
        original_image: Image.Image | None,
        reference_image: Image.Image | None,
    ) -> ReferenceComparison:
        """Returns the comparison that `score` rests on.

        Raises:
            NotApplicable: there is no source or no reference image, or the two are the same picture.
        """
        from src.models.reward.reference_formula import compare_with_reference

        if original_image is None or reference_image is None:
            missing = "source" if original_image is None else "reference"
            raise NotApplicable(f"the sample has no {missing} image to compare with")
        size = reference_image.size
        images = [_pixels(image, size) for image in (original_image, edited_image, reference_image)]
        try:
            return compare_with_reference(*images)
        except ValueError as error:  # all three have one shape here, so what is left is a reference without a change
            raise NotApplicable(str(error)) from error


def _pixels(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    import numpy as np

    rgb = image.convert("RGB")
    return np.asarray(rgb if rgb.size == size else rgb.resize(size, Image.Resampling.BICUBIC))
