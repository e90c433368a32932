"""The learning proof: its wishes, its arithmetic on hand-made scores, and the whole command in its quick form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.errors import ConfigError, OutputError
from src.miniature.learning.curve import COLUMNS, curve_csv, curve_sentences
from src.miniature.learning.findings import MeasuredSet, findings, goals
from src.miniature.learning.instruments import Judges, instruments
from src.miniature.learning.measure import Measured
from src.miniature.learning.order import (
    OrderedPairs,
    StepOrder,
    hacking_begins,
    ordered_pairs,
    stop_here,
    windowed_share,
)
from src.miniature.learning.prove import CONFIG, ProofRecipe, main, prove
from src.miniature.learning.wishes import (
    HELD_OUT_PATH,
    MEASURED_SEED,
    SETS,
    TASKS_PATH,
    TOKEN_TASKS_PATH,
    TOKEN_TASKS_PER_CATEGORY,
    TOKEN_TASKS_SEED,
    measured_wishes,
    write_held_out,
    write_tasks,
)
from src.miniature.world.benchmark import HELD_OUT_SEEDS, TRAINING_SEEDS
from src.miniature.world.edits import CATEGORIES, make_edit
from src.miniature.world.split import HELD_OUT_FAMILIES
from src.pipeline.output import exclusive
from src.training.config import load_training_config

Levels = float | np.ndarray

TOKEN_TASKS = (TOKEN_TASKS_PER_CATEGORY, TOKEN_TASKS_SEED)


@pytest.mark.parametrize(("path", "settings"), [(TASKS_PATH, ()), (TOKEN_TASKS_PATH, TOKEN_TASKS)])
def test_the_shipped_tasks_are_implicit_wishes_of_untaught_families_in_training_wordings(
    path: Path, settings: tuple[int, ...], tmp_path: Path
) -> None:
    write_tasks(tmp_path / "tasks.json", *settings)
    assert (tmp_path / "tasks.json").read_bytes() == path.read_bytes(), "write the shipped file anew"
    items = json.loads(path.read_text(encoding="utf-8"))
    assert {item["family"] for item in items} == HELD_OUT_FAMILIES
    assert {item["difficulty"] for item in items} == {"medium", "hard"}
    for item in items[::7]:
        edit = make_edit(item["subset"], item["difficulty"], item["seed"], item["family"], "training")
        assert item["edit_instruction_en"] == edit.instruction_en


def test_the_shipped_held_out_wishes_are_of_the_families_of_the_tasks_and_of_no_picture_of_theirs(
    tmp_path: Path,
) -> None:
    write_held_out(tmp_path / "held_out.json")
    assert (tmp_path / "held_out.json").read_bytes() == HELD_OUT_PATH.read_bytes(), "write the shipped file anew"
    items = json.loads(HELD_OUT_PATH.read_text(encoding="utf-8"))
    assert {item["family"] for item in items} == HELD_OUT_FAMILIES
    assert {item["difficulty"] for item in items} == {"medium", "hard"}
    for path in (TASKS_PATH, TOKEN_TASKS_PATH):
        tasks = json.loads(path.read_text(encoding="utf-8"))
        assert not {item["src_img_b64"] for item in items} & {item["src_img_b64"] for item in tasks}, path


@pytest.mark.parametrize("name", SETS)
def test_measured_wishes_have_seeds_of_their_own_and_the_families_and_wordings_of_their_set(
    name: str, tmp_path: Path
) -> None:
    wishes = measured_wishes(name, tmp_path, per_category=6)
    trained_on = {item["seed"] for item in json.loads(TASKS_PATH.read_text(encoding="utf-8"))}
    assert len(wishes) == 30
    for wish in wishes:
        sample, edit = wish.sample, wish.edit
        assert sample.seed is not None
        assert sample.difficulty is not None
        assert MEASURED_SEED <= sample.seed < HELD_OUT_SEEDS.start < TRAINING_SEEDS.start
        assert sample.seed not in trained_on
        assert edit.held_out == (name != "taught")
        assert sample.instruction == edit.instruction_en
        assert np.array_equal(np.asarray(sample.source.decode()), edit.source)
        same = make_edit(edit.category, sample.difficulty, sample.seed, edit.family, SETS[name].wordings)
        assert sample.instruction == same.instruction_en


def test_pairs_count_where_the_truth_tells_them_apart_and_ties_count_one_half() -> None:
    assert ordered_pairs([1.0, 3.0, 3.2], [0.0, 5.0, 4.0]) == OrderedPairs(2.0, 2), "3.0 and 3.2 are too near"
    assert ordered_pairs([1.0, 3.0], [2.0, 2.0]) == OrderedPairs(0.5, 1)
    assert ordered_pairs([1.0, 3.0], [2.0, 1.9]) == OrderedPairs(0.0, 1)


def steps(reward: list[float], oracle: list[float], agreement: list[float] | None = None) -> list[StepOrder]:
    shares = agreement or [1.0] * len(reward)
    return [
        StepOrder(place + 1, one, true, OrderedPairs(20 * share, 20), OrderedPairs(20 * share, 20), None)
        for place, (one, true, share) in enumerate(zip(reward, oracle, shares, strict=True))
    ]


def test_a_window_of_few_pairs_has_no_share() -> None:
    assert windowed_share([OrderedPairs(10, 20)] * 3) == [None, 0.5, 0.5]


STEPS = 80


def noisy(dice: np.random.Generator, reward: Levels, oracle: Levels, alike: Levels = 0.8) -> list[StepOrder]:
    """Steps whose means scatter by 0.8 about their levels, as those of four wishes do, and the other judge's order."""
    shared = dice.normal(0, 0.5, STEPS)  # what a step draws is easy or hard for both
    rewards = reward + shared + dice.normal(0, 0.6, STEPS)
    oracles = oracle + shared + dice.normal(0, 0.6, STEPS)
    pairs = dice.integers(1, 40, STEPS)
    return [
        StepOrder(place + 1, rewards[place], oracles[place], OrderedPairs(0, 0), OrderedPairs(same, pairs[place]), None)
        for place, same in enumerate(dice.binomial(pairs, alike).astype(float))
    ]


def after(start: int, before: float, then: float) -> np.ndarray:
    return np.where(np.arange(1, STEPS + 1) < start, before, then)


def test_without_a_trend_a_step_is_named_in_five_runs_of_a_hundred_at_most() -> None:
    dice = np.random.default_rng(0)
    flat = [noisy(dice, 4.3, 2.4) for _ in range(300)]
    assert np.mean([hacking_begins(run) is not None for run in flat]) <= 0.08
    assert np.mean([stop_here(run) is not None for run in flat]) <= 0.08


def test_the_step_from_which_the_reward_leaves_the_oracle_is_found_nearly() -> None:
    dice = np.random.default_rng(1)
    parting: list[tuple[Levels, Levels]] = [(after(40, 4, 6), 3.0), (6.0, after(40, 4, 2.5))]
    parting.append((after(40, 4, 5), after(40, 4, 3)))
    for reward, oracle in parting:
        found = [hacking_begins(noisy(dice, reward, oracle)) for _ in range(20)]
        assert sum(step is not None and abs(step - 40) <= 3 for step in found) >= 17, found


def test_a_reward_that_falls_as_well_or_an_oracle_that_follows_is_no_hacking() -> None:
    dice = np.random.default_rng(2)
    together: list[tuple[Levels, Levels]] = [(after(40, 6, 5), after(40, 4, 1)), (5.0, after(40, 2, 4))]
    together.append((after(40, 4, 7), after(40, 4, 5)))
    for reward, oracle in together:
        assert sum(hacking_begins(noisy(dice, reward, oracle)) is not None for _ in range(20)) <= 1


def test_the_step_from_which_two_judges_agree_less_is_found_nearly_and_a_rise_is_none() -> None:
    dice = np.random.default_rng(3)
    found = [stop_here(noisy(dice, 5, 5, after(40, 0.9, 0.75))) for _ in range(20)]
    assert sum(step is not None and abs(step - 40) <= 5 for step in found) >= 17, found
    assert sum(stop_here(noisy(dice, 5, 5, after(40, 0.75, 0.9))) is not None for _ in range(20)) <= 1


def test_steps_without_ordered_pairs_are_passed_over_and_few_steps_say_nothing() -> None:
    run = steps([4.0] * 39 + [8.0] * 41, [3.0] * STEPS, [0.95] * 39 + [0.6] * 41)
    assert stop_here([replace(one, with_judge=None) for one in run]) is None
    unknown = (None, OrderedPairs(0, 0))
    gaps = [replace(one, with_judge=unknown[one.step % 2]) if 10 < one.step < 50 else one for one in run]
    assert stop_here(gaps) == 50, "the first step with pairs after the fall"
    assert hacking_begins(run[::2]) == 41, "the number of the step, not its place"
    assert hacking_begins(run[35:44]) is stop_here(run[35:44]) is None
    assert hacking_begins(steps([5.0] * 20, [5.0] * 20)) is stop_here(steps([5.0] * 20, [5.0] * 20)) is None


def test_what_cannot_be_told_from_noise_is_said_so_with_the_rate_of_false_alarms() -> None:
    flat = curve_sentences(steps([5.0] * 20, [5.0] * 20), "seed 0")
    assert flat[1:] == [
        "seed 0: no step from which the reward leaves the oracle can be told from noise (5% false alarms)",
        "seed 0: no step from which the two judges agree less can be told from noise (5% false alarms)",
    ]
    parted = steps([5.0] * 10 + [7.0] * 10, [5.0] * 20, [0.9] * 8 + [0.6] * 12)
    assert curve_sentences(parted, "seed 1")[1:] == [
        "seed 1: the reward leaves the oracle from step 11 on (5% false alarms)",
        "seed 1: the two judges agree less from step 9 on (5% false alarms)",
    ]
    alone = [replace(one, with_judge=None) for one in parted]
    assert not any("judges" in sentence for sentence in curve_sentences(alone, "seed 2"))


def test_the_curve_is_written_with_gaps_where_nothing_is_known() -> None:
    some = steps([4.0, 6.0], [1.0, 2.0])
    assert curve_csv(some).splitlines() == [",".join(COLUMNS), "1,4,1,,,", "2,5,1.5,1,1,"]


def measured(scores: list[float]) -> Measured:
    return Measured(["Remove the red circle."] * len(scores), {"oracle": list(scores)})


def test_findings_pair_every_seed_with_the_users_own_words_and_cluster_by_picture(tmp_path: Path) -> None:
    wishes = measured_wishes("new_wordings", tmp_path, per_category=4)
    own = [2.0 + place % 3 for place in range(20)]
    better = [score + 1.5 + 0.1 * (place % 2) for place, score in enumerate(own)]
    found = MeasuredSet(
        wishes, measured(own), measured([9.0] * 20), measured([1.0] * 20), {0: measured(better), 1: measured(better)}
    )
    rows = findings("new_wordings", found, ["oracle"])
    assert [(row.category, row.seeds) for row in rows] == [
        *((category, (0, 1)) for category in (*CATEGORIES, "all")),
        ("all", (0,)),
        ("all", (1,)),
    ]
    both, one = rows[5], rows[6]
    assert (both.edits, both.after_minus_own.pairs, both.after_minus_own.clusters) == (20, 40, 20)
    assert both.after_minus_own.difference == pytest.approx(1.55)
    assert both.after_minus_own.ci95 is not None
    assert both.after_minus_own.ci95 == pytest.approx(one.after_minus_own.ci95), "a second seed brings no new picture"
    assert both.exact == 9.0
    (sentence,) = goals(rows)
    assert "+1.55" in sentence
    assert sentence.endswith(": reached.")


def test_a_gain_below_the_goal_is_called_not_reached(tmp_path: Path) -> None:
    wishes = measured_wishes("taught", tmp_path, per_category=4)
    own, worse = measured([5.0 + place % 2 for place in range(20)]), measured([4.5] * 20)
    (sentence,) = goals(findings("taught", MeasuredSet(wishes, own, own, worse, {0: worse}), ["oracle"]))
    assert "**not reached**" in sentence


def test_a_reward_that_does_not_exist_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    recipe = ProofRecipe("configs/training/miniature_rewrite.yaml", "preference", 1, "", "")
    with pytest.raises(ConfigError, match="missing does not exist"):
        prove(recipe, [0], Judges(preference=tmp_path / "missing"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_proof_that_another_process_makes_is_refused_with_the_option_of_this_command(tmp_path: Path) -> None:
    recipe = ProofRecipe("configs/training/miniature_rewrite.yaml", "judge", 1, "", "")
    with exclusive(tmp_path / "out"), pytest.raises(OutputError, match=r"out; wait for it, or .* with --out$"):
        prove(recipe, [0], Judges(), tmp_path / "out")


def test_a_judge_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    assert list(instruments(Judges(preference=tmp_path / "missing"))) == ["oracle", "judge"]


def test_each_instrument_can_reward_a_training(tmp_path: Path) -> None:
    for name, instrument in instruments(Judges(preference=tmp_path)).items():
        config = load_training_config(CONFIG, instrument.overrides())
        assert config.scorer.class_path == instrument.scorer.class_path
        assert config.reward_model is not None
        if name == "preference":
            assert config.reward_model.params == {"model_name": str(tmp_path), "batch_size": 16}


@pytest.mark.timeout(400)
def test_the_quick_proof_trains_measures_and_is_not_done_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["--quick", "--reward", "oracle", "--out", str(tmp_path), "--preference", str(tmp_path / "missing")]
    main(command)
    folder = tmp_path / "oracle"
    found = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    of_all = [row for row in found["findings"] if row["category"] == "all"]
    assert {(row["wishes"], row["instrument"]) for row in of_all} == {
        (name, instrument) for name in SETS for instrument in ("oracle", "judge")
    }
    assert all(0 <= row["exact"] <= 10 for row in of_all)
    assert {row["policy"] for row in found["readability"]} == {"before", "after, seed 0"}
    assert (folder / "seed0" / "order.csv").read_text(encoding="utf-8").startswith("step,reward,oracle")
    page = (folder / "findings.md").read_bytes()
    for name in ("prove.train", "measure.completions", "measure.edit_pictures"):
        monkeypatch.setattr(f"src.miniature.learning.{name}", lambda *_, **__: pytest.fail("done twice"))
    main(command)
    assert (folder / "findings.md").read_bytes() == page
    with pytest.raises(ConfigError, match="another per_category"):
        main([argument for argument in command if argument != "--quick"])
