"""`ReferenceScorer`: how close an edit comes to the sample's reference image. No judge, no prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from src.data.image import ImageError
from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE, Status, Verdict, failed
from src.models.reward.base_reward import NotApplicable
from src.models.reward.implementations.reference import ReferenceRewardModel
from src.reasons import without_addresses
from src.rewards.core.scorer import NO_REFERENCE, EditedSample, Scorer, ScorerSetting, reference_key


class ReferenceScorer(Scorer):
    """`score = 10 × change × preservation`, by `compare_with_reference`; the untouched source gets 0, the reference 10.

    The same numbers as `ReferenceRewardModel` gives as a judge, for configs that name no judge. Samples without a
    reference, or with one that equals the source, are not applicable. Dimensions: `change` and `preservation`, 0–10.
    """

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        self._comparison = ReferenceRewardModel()

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so where the sample has no reference image."""
        return None if sample.reference else NO_REFERENCE

    def question(self, sample: EditSample) -> Any:
        """The hash of the reference image, or why it cannot be read."""
        return reference_key(sample)

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """Returns one verdict for each edit, in order."""
        return [self._verdict(edit) for edit in batch]

    def reference(self, edit: EditedSample) -> Image.Image | None:
        """Returns the picture that the edit is compared with.

        Raises:
            ImageError: when the sample's reference cannot be decoded.
            NotApplicable: by a subclass that takes the picture from elsewhere and has none for this sample.
        """
        return edit.sample.reference.decode() if edit.sample.reference else None

    def _verdict(self, edit: EditedSample) -> Verdict:
        try:
            found = self._comparison.score_with_dimensions(edit.edited, edit.source, self.reference(edit))
        except ImageError as error:
            return failed(Status.NOT_APPLICABLE, f"the reference image cannot be used: {error}")
        except NotApplicable as error:
            return failed(Status.NOT_APPLICABLE, without_addresses(str(error)))
        full = SCORE_RANGE[1]
        dimensions: dict[str, float | None] = {
            "change": full * found.change,
            "preservation": full * found.preservation,
        }
        return Verdict(Status.SCORED, found.score, dimensions)
