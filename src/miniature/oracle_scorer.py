"""`OracleScorer`: the exact score of an edit in the miniature world, by what the world knows and not by the file."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from src.data.image import content_hash
from src.data.sample import EditSample
from src.errors import ConfigError
from src.miniature.world.edits import MiniatureEdit, make_edit
from src.models.reward.base_reward import NotApplicable
from src.rewards.core.scorer import EditedSample
from src.rewards.scorers.reference import ReferenceScorer


class OracleScorer(ReferenceScorer):
    """`ReferenceScorer` against the target that the world draws anew from category, difficulty, seed and family.

    A sample whose source the world would not draw in the same pixels is not of that world, and not applicable: a score
    of 10 always means the exact result, whatever `reference_img` a file may hold.
    """

    def inapplicable(self, sample: EditSample) -> str | None:
        """Why the miniature world cannot draw the sample, or None."""
        try:
            _draw(sample)
        except NotApplicable as error:
            return str(error)
        return None

    def question(self, sample: EditSample) -> Any:
        """The hash of the target's pixels, or why there is none."""
        try:
            return content_hash(_draw(sample).target.tobytes())
        except NotApplicable as error:
            return str(error)

    def reference(self, edit: EditedSample) -> Image.Image:
        """The world's target.

        Raises:
            NotApplicable: when the sample does not come from the miniature world.
        """
        drawn = _draw(edit.sample)
        if not np.array_equal(drawn.source, np.asarray(edit.given_source.convert("RGB"))):
            raise NotApplicable("the sample's source is not what the miniature world draws from its family and seed")
        return Image.fromarray(drawn.target)


def _draw(sample: EditSample) -> MiniatureEdit:
    if sample.difficulty is None or sample.family is None or sample.seed is None:
        raise NotApplicable("the sample does not say from which difficulty, family and seed a miniature world made it")
    try:
        return make_edit(sample.category, sample.difficulty, sample.seed, sample.family)
    except ConfigError as error:
        raise NotApplicable(f"the sample is not of the miniature world: {error}") from error
