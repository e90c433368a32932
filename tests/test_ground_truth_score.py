from __future__ import annotations

from src.data.verdict import Status
from src.rewards.scorers.ground_truth import GroundTruthScorer
from tests.judged_edits import EDITED, REFERENCE, SOURCE, asked, edit, judged


def test_the_judge_sees_source_edit_and_reference_and_its_score_is_the_score() -> None:
    scorer = judged(GroundTruthScorer, {"": ["The same change.\nScore: 8.5"]})
    (verdict,) = scorer.score([edit()])
    assert (verdict.status, verdict.score, verdict.dimensions) == (Status.SCORED, 8.5, {})
    ((question,),) = asked(scorer)
    shown = [image.image.tobytes() for image in question.images]
    assert shown == [image.tobytes() for image in (SOURCE, EDITED, REFERENCE)]


def test_an_expected_score_refines_that_of_the_text() -> None:
    scorer = judged(GroundTruthScorer, {"": [{"text": "Score: 8", "expected_score": 7.25}]})
    assert scorer.score([edit()])[0].score == 7.25


def test_a_sample_without_a_reference_is_not_applicable_and_asks_nothing() -> None:
    scorer = judged(GroundTruthScorer, {"": ["Score: 8"]})
    (verdict,) = scorer.score([edit(reference=None)])
    assert (verdict.status, verdict.score) == (Status.NOT_APPLICABLE, None)
    assert "the sample has none" in str(verdict.reason)
    assert scorer.inapplicable(edit(reference=None).sample) == "the sample has no reference image"
    assert scorer.inapplicable(edit().sample) is None
    assert asked(scorer) == []


def test_an_unreadable_reply_is_no_score() -> None:
    (verdict,) = judged(GroundTruthScorer, {"": ["rather alike"]}).score([edit()])
    assert (verdict.status, verdict.score, len(verdict.replies)) == (Status.UNPARSABLE, None, 3)
