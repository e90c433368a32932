"""Scores without a judge: against the benchmark's reference, and against what the miniature world draws."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.config import Config, parse_config
from src.data.image import LazyImage
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.data.verdict import Status
from src.miniature.oracle_scorer import OracleScorer
from src.miniature.world.benchmark import write_benchmark as write_miniature
from src.models.reward.implementations.reference import ReferenceRewardModel
from src.pipeline.evaluation import evaluate
from src.rewards.core.scorer import EditedSample
from src.rewards.scorers.reference import ReferenceScorer
from tests.test_resume import resumed, timings

REFERENCE = {"class_path": "src.rewards.scorers.reference.ReferenceScorer"}
ORACLE = {"class_path": "src.miniature.oracle_scorer.OracleScorer"}


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "benchmark.json"
    write_miniature(path, per_category=2)
    return path


@pytest.fixture(scope="module")
def samples(miniature: Path) -> list[EditSample]:
    return [one for one in load_samples(str(miniature), Selection()) if isinstance(one, EditSample)]


def lazy(image: Image.Image) -> LazyImage:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return LazyImage.from_bytes(buffer.getvalue())


def target(sample: EditSample) -> Image.Image:
    assert sample.reference is not None
    return sample.reference.decode()


def blend(sample: EditSample, share: float) -> EditedSample:
    source = sample.source.decode()
    return EditedSample(sample, source, Image.blend(source, target(sample), share))


@pytest.mark.parametrize("scorer", [ReferenceScorer(), OracleScorer()])
def test_the_untouched_source_gets_nothing_and_the_exact_result_everything(
    scorer: ReferenceScorer, samples: list[EditSample]
) -> None:
    untouched = scorer.score([blend(sample, 0.0) for sample in samples])
    exact = scorer.score([blend(sample, 1.0) for sample in samples])
    assert {verdict.score for verdict in untouched} == {0.0}
    assert {verdict.score for verdict in exact} == {10.0}
    assert exact[0].dimensions == {"change": 10.0, "preservation": 10.0}


def test_scorer_judge_and_oracle_give_the_same_numbers(samples: list[EditSample]) -> None:
    edits = [blend(sample, 0.6) for sample in samples]
    by_reference = [verdict.score for verdict in ReferenceScorer().score(edits)]
    by_world = [verdict.score for verdict in OracleScorer().score(edits)]
    judge = ReferenceRewardModel()
    by_judge = [
        judge.score(edit.edited, "", "", "", "", original_image=edit.source, reference_image=target(edit.sample))
        for edit in edits
    ]
    assert by_reference == by_world == by_judge
    assert all(score is not None and 0 < score < 10 for score in by_reference)


def test_without_a_usable_reference_there_is_no_score(samples: list[EditSample]) -> None:
    first = samples[0]
    broken = {
        "no reference image": dataclasses.replace(first, reference=None),
        "no difference": dataclasses.replace(first, reference=first.source),
        "the reference image cannot be used": dataclasses.replace(first, reference=LazyImage(base64_text="!")),
    }
    edits = [EditedSample(sample, first.source.decode(), target(first)) for sample in broken.values()]
    verdicts = ReferenceScorer().score(edits)
    for reason, verdict in zip(broken, verdicts, strict=True):
        assert (verdict.status, verdict.score) == (Status.NOT_APPLICABLE, None)
        assert reason in str(verdict.reason)


def test_the_question_changes_with_the_reference(samples: list[EditSample]) -> None:
    scorer = ReferenceScorer()
    questions = [scorer.question(dataclasses.replace(samples[0], reference=one.reference)) for one in samples[:2]]
    none = scorer.question(dataclasses.replace(samples[0], reference=None))
    broken = scorer.question(dataclasses.replace(samples[0], reference=LazyImage(base64_text="!")))
    assert len({*questions, none, broken}) == 4


def test_the_oracle_does_not_believe_the_file(samples: list[EditSample]) -> None:
    sample = samples[0]
    forged = dataclasses.replace(sample, reference=lazy(Image.new("RGB", (64, 64), "pink")))
    assert OracleScorer().question(forged) == OracleScorer().question(sample)
    (verdict,) = OracleScorer().score([EditedSample(forged, sample.source.decode(), target(sample))])
    assert verdict.score == 10.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": None}, "does not say"),
        ({"family": None}, "does not say"),
        ({"difficulty": None}, "does not say"),
        ({"category": "物理学"}, "not of the miniature world: unknown category"),
        ({"family": "make_soup"}, "not of the miniature world: unknown family"),
        ({"seed": 999}, "is not what the miniature world draws"),
    ],
)
def test_the_oracle_refuses_what_is_not_of_its_world(
    samples: list[EditSample], changes: dict[str, Any], reason: str
) -> None:
    foreign = dataclasses.replace(samples[0], **changes)
    (verdict,) = OracleScorer().score([blend(foreign, 1.0)])
    assert (verdict.status, verdict.score) == (Status.NOT_APPLICABLE, None)
    assert reason in str(verdict.reason)
    assert OracleScorer().question(foreign) != OracleScorer().question(samples[0])


def test_the_oracle_sees_a_single_wrong_pixel_in_the_source(samples: list[EditSample]) -> None:
    pixels = np.array(samples[0].source.decode())
    pixels[0, 0, 0] ^= 1
    (verdict,) = OracleScorer().score([EditedSample(samples[0], Image.fromarray(pixels), target(samples[0]))])
    assert verdict.status is Status.NOT_APPLICABLE


@pytest.mark.parametrize("scorer", [REFERENCE, ORACLE])
def test_a_run_needs_no_judge(miniature: Path, tmp_path: Path, scorer: dict[str, Any]) -> None:
    config = parse_config(
        {
            "benchmark": {"data_path": str(miniature)},
            "diffusion_model": {"class_path": "src.models.diffusion.implementations.identity.IdentityModel"},
            "scorer": scorer,
            "evaluation": {"output_dir": str(tmp_path / "out")},
        },
        "test config",
    )
    overall = evaluate(config).report["overall_statistics"]
    assert (overall["mean"], overall["num_samples"]) == (0.0, 10)


def test_another_scorer_judges_a_finished_run_without_editing_anything_again(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    data = write_benchmark(6)
    evaluate(make_config(data))
    assert timings(evaluate(resumed(make_config(data, scorer=REFERENCE)))) == (0, 6, 6, 0)
