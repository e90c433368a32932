"""What makes runs incomparable, how that is said, and what lets them pass."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from src.data.verdict import Status
from src.errors import ComparisonError
from src.record.results import Attempt
from src.reporting.comparability import check_comparable, mismatches, samples_identity
from src.reporting.mismatch import Difference
from src.reporting.stored_runs import StoredRun
from tests.comparable_runs import changed, judged_by, run
from tests.sample_results import bad_sample, failure, info, result

ONE = run("one", [5.0, 6.0, 7.0])
INTERRUPTED = (Attempt("2026-01-02T03:04:05+00:00", 12.5, "interrupted", 3, 0, 3, 0),)


def other(**changes: Any) -> StoredRun:
    return run("other", [4.0, 6.0, 8.0], **changes)


def scored_by(scorer: dict[str, Any]) -> StoredRun:
    return replace(other(), info=judged_by(scorer))


def test_runs_of_the_same_samples_and_judge_are_comparable_whatever_edited_them() -> None:
    assert mismatches(ONE, other(editor={"class": "another.Editor", "params": {"steps": 1}})) == []


DIFFERENT: dict[str, tuple[StoredRun, Difference, str]] = {
    "a sample less": (
        replace(ONE, name="other", results=ONE.results[:2]),
        Difference.SAMPLES,
        "other lacks 1 of the 3",
    ),
    "a sample more": (run("other", [1.0] * 4), Difference.SAMPLES, "one lacks 1 of the 4 samples of other (00003)"),
    "another picture": (changed(other(), 1, source_sha256="else"), Difference.SAMPLES, "another source picture"),
    "another instruction": (changed(other(), 1, instruction="else"), Difference.SAMPLES, "another instruction"),
    "another description": (changed(other(), 1, description="else"), Difference.SAMPLES, "another description"),
    "another category": (changed(other(), 1, category="环境 "), Difference.SAMPLES, "another category"),
    "another reference picture": (
        changed(other(), 1, expected={"reference picture": "else"}),
        Difference.REFERENCES,
        "1 sample has another reference picture in other than in one (00001)",
    ),
    "another rationale": (
        changed(other(), 2, expected={"reference picture": "hash", "rationale": "else"}),
        Difference.REFERENCES,
        "another rationale in other",
    ),
    "no reference picture": (changed(other(), 0, expected={}), Difference.REFERENCES, "another reference picture"),
    "another scorer": (
        scored_by({"class": "src.Else"}),
        Difference.JUDGE,
        'class is "src.Scorer" in one and "src.Else"',
    ),
    "another judge": (scored_by({"judge": {"class": "my.Else"}}), Difference.JUDGE, 'judge.class is "my.Judge" in one'),
    "another temperature": (
        scored_by({"judge": {"class": "my.Judge", "params": {"temperature": 1}}}),
        Difference.JUDGE,
        "judge.params.temperature is 0 in one and 1 in other",
    ),
    "another size of pictures": (
        scored_by({"judge": {"class": "my.Judge", "params": {"temperature": 0, "image_max_side": 768}}}),
        Difference.IMAGES,
        "judge.params.image_max_side is not set in one and 768 in other",
    ),
    "another rubric": (scored_by({"prompts": {"category/physical v1": "abc"}}), Difference.RUBRIC, "physical v1"),
    "another inline prompt": (
        other(config={**info().config, "prompts": {"physical": {"system_prompt": "be kind"}}}),
        Difference.RUBRIC,
        "be kind",
    ),
}


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_what_differs_is_refused_by_name_with_the_way_to_make_it_equal(name: str) -> None:
    second, kind, text = DIFFERENT[name]
    with pytest.raises(ComparisonError, match=re.escape(text)) as refused:
        check_comparable([ONE, second], set(Difference) - {kind})
    told = str(refused.value)
    assert f"--allow {kind}" in told
    assert "--resume" in told
    assert [mismatch.kind for mismatch in check_comparable([ONE, second], [kind])] == [kind]


def test_a_record_of_before_references_were_noted_is_comparable_with_any() -> None:
    before = replace(ONE, results=tuple(replace(row, expected=None) for row in ONE.results))
    assert mismatches(before, other()) == mismatches(other(), before) == []


def test_a_judge_that_was_resolved_to_another_model_is_another_judge() -> None:
    june, august = (
        replace(found, results=tuple(replace(row, judge_model=model) for row in found.results))
        for found, model in ((ONE, "gpt-2026-06"), (other(), "gpt-2026-08"))
    )
    [found] = mismatches(june, august)
    assert found.kind is Difference.JUDGE
    assert 'answered by is ["gpt-2026-06"] in one and ["gpt-2026-08"] in other' in found.text
    assert mismatches(ONE, august) == [], "older records do not say which model answered"


def test_the_prompts_of_categories_without_samples_do_not_matter() -> None:
    prompts = {"prompts": {"no such category": {"system_prompt": "be kind"}}}
    assert mismatches(ONE, other(config={**info().config, **prompts})) == []


def test_what_records_of_before_did_not_keep_of_bad_samples_makes_no_other_set_of_samples() -> None:
    known = replace(bad_sample(1), source_sha256=None, difficulty="hard", instruction="make it rain")
    before = replace(known, difficulty=None, instruction="", description="", tags=())
    assert samples_identity([result(0), known]) == samples_identity([result(0), before])
    assert samples_identity([result(0), known]) != samples_identity([result(0)])


def test_an_unfinished_run_may_lack_samples_but_not_have_others() -> None:
    started = replace(ONE, name="other", results=ONE.results[:2], info=info(attempts=INTERRUPTED))
    assert mismatches(ONE, started) == []
    assert [one.kind for one in mismatches(replace(ONE, results=ONE.results[1:]), started)] == [Difference.SAMPLES]


def test_a_sample_that_could_not_be_read_is_a_failure_and_not_another_sample() -> None:
    bad = changed(other(), 1, source_sha256=None, status=Status.BAD_SAMPLE, score=None, instruction="", category=None)
    assert mismatches(ONE, bad) == []


def test_every_run_is_compared_with_the_first() -> None:
    third = replace(DIFFERENT["another judge"][0], name="third")
    with pytest.raises(ComparisonError, match="third"):
        check_comparable([ONE, other(), third], [])


def test_a_run_without_a_score_or_without_samples_is_named_with_its_reason() -> None:
    with pytest.raises(ComparisonError, match=r"none of the 2 samples of other has a score \(boom\)"):
        check_comparable([ONE, run("other", [None, None])], list(Difference))
    with pytest.raises(ComparisonError, match="other holds no sample yet"):
        check_comparable([ONE, run("other", [])], list(Difference))
    unfinished = replace(ONE, name="other", results=(failure(0, None, None),))
    with pytest.raises(ComparisonError, match="ended before the first verdict"):
        check_comparable([unfinished, ONE], [])
