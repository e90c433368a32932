"""`data.curriculum`: the order of the prompts follows from scores and settings alone, also after a break."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import Config
from src.errors import ConfigError, DataError
from src.pipeline.evaluation import evaluate
from src.training.check import check_training
from src.training.config import CurriculumSettings, TrainingConfig
from src.training.curriculum import bin_scores, curriculum_order, stage_lines, stages_of
from src.training.tasks.example import Example
from src.training.train import train
from tests.conftest import item
from tests.test_training_run import Killed, MakeRun, history, make_run
from tests.tiny_policies import policy_folder

__all__ = ["make_run", "policy_folder"]


@dataclass(frozen=True)
class Subject:
    difficulty: str | None


def example(name: str, level: str | None, discipline: str) -> Example[Subject]:
    return Example(name, name, discipline, "", "", "", (), Subject(level))


EASY_FIRST = ("easy", "medium", "hard")


def scores_file(folder: Path, entries: Any) -> str:
    path = folder / "difficulty.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return str(path)


def entry(level: str, discipline: str, score: Any, name: str = "score") -> dict[str, Any]:
    return {"level": level, "discipline": discipline, name: score}


@settings(max_examples=60)
@given(
    st.integers(2, 4).flatmap(
        lambda count: st.lists(st.integers(0, count - 1), max_size=12).map(lambda more: [*range(count), *more])
    ),
    st.integers(1, 3),
    st.integers(1, 30),
    st.integers(0, 5),
)
def test_a_prompt_is_of_its_generations_stage_or_an_earlier_one_and_none_is_met_twice_before_all_were(
    stages: list[int], per_generation: int, generations: int, seed: int
) -> None:
    order = curriculum_order(stages, generations * per_generation, per_generation, seed)
    assert len(order) == generations * per_generation
    count = max(stages) + 1
    by_stage: dict[int, list[int]] = {}
    for place, index in enumerate(order):
        stage = (place // per_generation) * count // generations
        assert stages[index] <= stage
        by_stage.setdefault(stage, []).append(index)
    for stage, drawn in by_stage.items():
        open_to_it = sum(of <= stage for of in stages)
        for start in range(0, len(drawn), open_to_it):
            epoch = drawn[start : start + open_to_it]
            assert len(set(epoch)) == len(epoch)


def test_another_seed_gives_another_order_and_the_same_one_the_same() -> None:
    stages = [index * 3 // 30 for index in range(30)]
    orders = [curriculum_order(stages, 60, 2, seed) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_bins_are_cut_into_stages_by_falling_scores(tmp_path: Path) -> None:
    entries = [
        entry("0_preschool", "Biology", 0.2),
        entry("5_PhD", "History", 0.9),
        entry("1_primaryschool", "Math", 0.5),
        entry("2_secondaryschool", "Math", 0.5),
        entry("3_highschool", "Art", 0.99),
    ]
    examples = [
        example("a", "0_preschool", "biology"),
        example("b", "5_phd", "history"),
        example("c", "2_secondaryschool", "math"),
        example("d", "1_primaryschool", "math"),
        example("e", "5_phd", "history"),
    ]
    scores = bin_scores(CurriculumSettings(scores=scores_file(tmp_path, entries)))
    assert stages_of(examples, scores, 2) == [1, 0, 1, 0, 0]
    assert stages_of(examples, scores, 4) == [3, 0, 2, 1, 0]
    assert list(stage_lines(examples, [1, 0, 1, 0, 0])) == [
        "stage 1: 3 examples of 1_primaryschool / math, 5_phd / history",
        "stage 2: 2 examples of 0_preschool / biology, 2_secondaryschool / math",
    ]


def test_a_summary_as_mmmg_writes_it_is_read(tmp_path: Path) -> None:
    tuples = [entry("0_preschool", "Biology", 0.654, "avg_k_score_w") | {"count": 7, "avg_ged": 0.3}]
    path = scores_file(tmp_path, {"total_tuples": 1, "tuples": tuples})
    assert bin_scores(CurriculumSettings(scores=path)) == {("0_preschool", "biology"): 0.654}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([entry("a", "b", "much")], "entry 0, has no number for avg_k_score_w or score"),
        ([entry("a", "b", True)], "has no number"),
        ([entry("a", "b", float("nan"))], "has no number"),
        ([entry("a", "b", -(10**400))], "entry 0, has no number"),
        ([{"level": "a", "score": 1}], "has no text for level or difficulty"),
        (["a"], "is str, not an object"),
        ({"a": [1], "b": [2]}, "has 2 lists of bins"),
        ({"a": 3}, "has 0 lists of bins"),
        ([entry("a", "b", 1), entry("A", "b", 2)], "gives a / b two different scores"),
    ],
)
def test_scores_that_cannot_be_used_are_refused_with_their_place(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        bin_scores(CurriculumSettings(scores=scores_file(tmp_path, content)))


def test_a_file_that_is_not_there_or_no_json_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json cannot be read"):
        bin_scores(CurriculumSettings(scores=str(tmp_path / "nowhere.json")))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataError, match=r"broken\.json is no JSON"):
        bin_scores(CurriculumSettings(scores=str(tmp_path / "broken.json")))


def test_a_bin_without_a_score_and_more_stages_than_bins_are_refused() -> None:
    examples = [example("a", None, "art"), example("b", "easy", "art")]
    with pytest.raises(DataError, match=r"nothing of 1 bin of the training data \(no difficulty / art\)"):
        stages_of(examples, {("easy", "art"): 1.0}, 2)
    with pytest.raises(DataError, match="3 stages need as many bins"):
        stages_of(examples, {("easy", "art"): 1.0, ("", "art"): 2.0}, 3)


def test_measured_scores_are_the_means_of_a_run(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    config = make_config(write_benchmark(20))
    report = evaluate(config).report
    scores = bin_scores(CurriculumSettings(scores=str(config.evaluation.output_dir)))
    rows = [row for row in report["samples"] if (row["difficulty"], row["category"]) == ("easy", "物理")]
    assert len(rows) == 2
    assert scores["easy", "物理"] == pytest.approx(sum(row["score"] for row in rows) / 2)
    assert len(scores) == 15


def drawn(config: TrainingConfig) -> list[tuple[int, str]]:
    """Who was asked in which step, in the order of the completions."""
    with sqlite3.connect(config.training.output_dir / "record" / "record.sqlite") as connection:
        return connection.execute("SELECT step, example_id FROM completions ORDER BY step, position").fetchall()


@pytest.fixture
def in_stages(make_run: MakeRun, tmp_path: Path, write_benchmark: Callable[..., Path]) -> Callable[..., TrainingConfig]:
    """A run of six steps with two prompts each over nine samples, whose difficulties open one after the other."""
    levels = ("hard", "easy", "medium")
    items = [item(index, subset="物理", difficulty=levels[index % 3], id=f"{index}") for index in range(9)]
    data = write_benchmark(items, "bins.json")
    entries = [entry(level, "physical", score) for level, score in (("easy", 3), ("medium", 2), ("hard", 1))]
    curriculum = {"scores": scores_file(tmp_path, entries), "stages": 3}

    def make(name: str, **sections: Any) -> TrainingConfig:
        return make_run(name, data={"train": str(data), "curriculum": curriculum}, **sections)

    return make


def test_a_killed_and_resumed_run_meets_the_prompts_in_the_order_of_the_unbroken_one(
    in_stages: Callable[..., TrainingConfig],
) -> None:
    unbroken, killed = in_stages("unbroken"), in_stages("killed")
    train(unbroken)
    with pytest.raises(KeyboardInterrupt):
        train(killed, callbacks=[Killed()])
    train(killed, resume=True)
    assert drawn(killed) == drawn(unbroken)
    assert history(killed) == history(unbroken)
    # Stage 1 is steps 1 and 2, of the three easy samples; stage 2 adds the medium ones, and stage 3 the hard ones.
    allowed = {1: {1, 4, 7}, 2: {1, 4, 7, 2, 5, 8}, 3: set(range(9))}
    assert all(int(name) in allowed[(step + 1) // 2] for step, name in drawn(unbroken))
    wanted = curriculum_order([(index - 1) % 3 for index in range(9)], 12, 2, 0)
    assert [int(name) for _, name in drawn(unbroken)][::4] == wanted


def test_check_lists_the_stages_and_finds_scores_that_do_not_fit(
    in_stages: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    lines = list(check_training(in_stages("run"), tmp_path / "run.yaml"))
    stages = [line.strip() for line in lines if line.strip().startswith("stage ")]
    assert stages == [f"stage {place + 1}: 3 examples of {level} / 物理" for place, level in enumerate(EASY_FIRST)]
    scores_file(tmp_path, [entry("easy", "physical", 3)])
    with pytest.raises(DataError, match=r"says nothing of 2 bins"):
        list(check_training(in_stages("run"), tmp_path / "run.yaml"))


def test_a_curriculum_that_has_changed_cannot_be_resumed(
    in_stages: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    config = in_stages("run", grpo={"max_steps": 2, "save_steps": 1, "num_generations": 8})
    scores_file(tmp_path, [entry("easy", "physical", 3)])
    with pytest.raises(DataError, match=r"says nothing of 2 bins"):
        train(config)
    entries = [entry(level, "physical", score) for level, score in (("easy", 3), ("medium", 2), ("hard", 1))]
    scores_file(tmp_path, entries)
    train(config)
    longer = in_stages("run", grpo={"max_steps": 4, "save_steps": 1, "num_generations": 8})
    with pytest.raises(ConfigError, match=r"training\.grpo\.max_steps \(with a curriculum"):
        train(longer, resume=True)
    scores_file(tmp_path, [*entries[:2], entry("hard", "physical", 2.5)])
    with pytest.raises(ConfigError, match=r"the scores of data\.curriculum differ"):
        train(config, resume=True)
