"""Audits of judges with known faults: each fails exactly the checks that it should, and no failure is a number."""

from __future__ import annotations

import base64
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from src.audit.check import Check, why_not
from src.audit.checks import kendall_tau_a
from src.audit.figures import CheckOutcome, Figure, Threshold, by_interval, lead_figure
from src.audit.partners import sharing, with_partners, with_siblings
from src.audit.plan import plan_lines
from src.audit.preference import preference
from src.audit.probes import NAMES, TARGET, UNSEEN
from src.audit.reorder import reordered
from src.audit.robustness import reply_length
from src.audit.run import Audit, audit
from src.audit.table import print_audit, to_json, write_audit
from src.audit.targets import ReferenceTargets
from src.config import AuditConfig, Config
from src.data.image import LazyImage
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import ModelUnusable, OutputError
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import scorer_plan
from src.reporting.paired import paired_difference
from tests.conftest import item

ROOT = Path(__file__).parent.parent
SAMPLES = 45
COMPARISONS = {"no_edit", "order", "source", "instruction", "picture"}
NEED_WORDS = {"no_rationale", "foreign_instruction_alone", "foreign_rationale", "reordered", "cut_reply"}
"""Probes that are not made for a judge that only scores, of samples without a rationale."""
MADE = len(NAMES) - len(NEED_WORDS)
ASKED = MADE - 1  # without rationales a foreign instruction is the same question with and without the foreign one
LADDERS = {"blur", "jpeg"}

Write = Callable[..., Path]
Make = Callable[..., Config]


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def picture_item(index: int, **changes: Any) -> dict[str, Any]:
    """An item whose picture has something to blur, and whose edit paints one more box."""
    dice = np.random.default_rng(index)
    source = np.full((32, 32, 3), dice.integers(150, 255, 3), dtype=np.uint8)
    for _ in range(3):
        x, y = dice.integers(0, 24, 2)
        source[y : y + 7, x : x + 7] = dice.integers(0, 70, 3)
    target = source.copy()
    x, y = dice.integers(0, 20, 2)
    target[y : y + 10, x : x + 10] = (255, 40, 255)
    pictures = {"src_img_b64": _png(source), "reference_img_b64": _png(target)}
    return item(index, **(pictures | changes))


@pytest.fixture
def benchmark(write_benchmark: Write) -> Path:
    return write_benchmark([picture_item(index) for index in range(SAMPLES)])


@pytest.fixture
def told(write_benchmark: Write) -> Path:
    """A benchmark whose samples have a rationale."""
    rationales = [{"rationale_short_en": f"it is {index} now"} for index in range(SAMPLES)]
    return write_benchmark([picture_item(index, **changes) for index, changes in enumerate(rationales)], "told.json")


def reading(data: Path, **params: Any) -> dict[str, Any]:
    return {"class_path": "tests.audit_judges.ReadingJudge", "params": {"data": str(data), **params}}


def outcomes(audited: Audit) -> dict[str, CheckOutcome]:
    return {check.name: check.outcome for check in audited.checks}


def row(audited: Audit, name: str) -> Check:
    return next(check for check in audited.checks if check.name == name)


def failing(audited: Audit) -> set[str]:
    return {name for name, outcome in outcomes(audited).items() if outcome is CheckOutcome.FAIL}


@pytest.mark.parametrize(
    ("judge", "params", "rows"),
    [
        ("KnowingJudge", {}, set()),
        ("KnowingJudge", {"blind_to": "source"}, {"source"}),
        ("KnowingJudge", {"blind_to": "instruction"}, {"instruction"}),
        ("ConstantJudge", {}, COMPARISONS | LADDERS),
        ("TextJudge", {}, COMPARISONS | LADDERS),
        ("SharpnessJudge", {}, COMPARISONS | {"jpeg"}),
    ],
)
def test_a_judge_fails_exactly_the_checks_of_what_it_cannot_see(
    benchmark: Path, make_config: Make, judge: str, params: dict[str, Any], rows: set[str]
) -> None:
    if judge == "KnowingJudge":
        params = {**params, "data": str(benchmark)}
    audited = audit(
        make_config(benchmark, reward_model={"class_path": f"tests.audit_judges.{judge}", "params": params})
    )
    assert failing(audited) == rows
    passing = {name for name, outcome in outcomes(audited).items() if outcome is CheckOutcome.PASS}
    assert passing == outcomes(audited).keys() - rows - {"rationale", "reply_length"}, "nothing else is left open"
    assert row(audited, "rationale").reason == "the samples have no rationale"
    assert "no reply was written" in (row(audited, "reply_length").reason or "")
    assert audited.passed == (not rows)


def wishes_of(index: int, **changes: Any) -> list[dict[str, Any]]:
    """Two items that ask for different edits of one picture."""
    first, other = picture_item(index, **changes), picture_item(index + 1000, **changes)
    painted = np.asarray(LazyImage(base64_text=first["src_img_b64"]).decode()).copy()
    painted[:9, :9] = (40, 255, 255)
    same = {"src_img_b64": first["src_img_b64"], "reference_img_b64": _png(painted)}
    return [first, other | same]


@pytest.mark.parametrize(
    ("blind_to", "shared", "rows"),
    [("wish", False, set()), ("wish", True, {"instruction"}), (None, True, set())],
)
def test_a_judge_that_only_tells_whether_words_fit_the_picture_fails_where_another_wish_shares_it(
    write_benchmark: Write, make_config: Make, blind_to: str | None, shared: bool, rows: set[str]
) -> None:
    data = write_benchmark([one for index in range(20) for one in wishes_of(index)[: 2 if shared else 1]])
    judge = {"class_path": "tests.audit_judges.KnowingJudge", "params": {"data": str(data), "blind_to": blind_to}}
    audited = audit(make_config(data, reward_model=judge))
    assert failing(audited) == rows
    assert outcomes(audited)["instruction"] in (CheckOutcome.FAIL, CheckOutcome.PASS)


def test_a_judge_that_throws_dice_fails_all_but_coverage(write_benchmark: Write, make_config: Make) -> None:
    data = write_benchmark([picture_item(index) for index in range(200)])
    audited = audit(make_config(data, reward_model={"class_path": "tests.audit_judges.RandomJudge"}))
    assert failing(audited) == COMPARISONS | LADDERS | {"exact_target", "repeat", "stability"}
    assert outcomes(audited)["coverage"] is CheckOutcome.PASS


ALL_CHECKS = COMPARISONS | LADDERS | {"exact_target", "rationale", "stability", "reply_length", "repeat", "coverage"}


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        ({"heeds": "instruction", "wordy": False}, set()),
        ({"heeds": "both", "wordy": False}, set()),
        ({"heeds": "rationale"}, {"instruction", "rationale"}),
        ({"heeds": "told", "wordy": False}, {"instruction"}),
        ({"noise": 0.2}, set()),
        ({"noise": 3.0}, {"repeat", "stability"}),
        ({"wordy": True}, {"reply_length"}),
    ],
)
def test_what_a_judge_takes_from_the_words_is_told_apart(
    told: Path, make_config: Make, params: dict[str, Any], rows: set[str]
) -> None:
    audited = audit(make_config(told, reward_model=reading(told, **params)))
    assert failing(audited) == rows
    passing = {name for name, outcome in outcomes(audited).items() if outcome is CheckOutcome.PASS}
    assert ALL_CHECKS - passing - rows <= {"reply_length"}, "but for the length of replies nothing is left open"


def test_a_judge_of_the_rationale_alone_is_found_out_though_its_score_falls_when_both_are_shuffled(
    told: Path, make_config: Make
) -> None:
    audited = audit(make_config(told, reward_model=reading(told, heeds="rationale")))
    means = {name: values["mean"] for name, values in audited.probe_statistics.items()}
    assert means["target"] == means["foreign_instruction"] == 10
    assert means["shuffled_instruction"] == means["foreign_rationale"] < 2
    assert means["no_rationale"] == means["foreign_instruction_alone"] == 5


def test_a_difference_in_the_second_decimal_is_not_heeding(told: Path, make_config: Make) -> None:
    audited = audit(make_config(told, reward_model=reading(told, heeds="rationale", hint=0.03)))
    share, lead = row(audited, "instruction").figures[:2]
    assert (share.value, share.outcome) == (1.0, CheckOutcome.PASS)
    assert (lead.value, lead.outcome) == (pytest.approx(0.03), CheckOutcome.FAIL)


@pytest.mark.parametrize(("place", "moved"), [(False, 0.0), (True, 1.0)])
def test_labelled_pictures_are_shown_in_the_other_order_as_well(
    told: Path, make_config: Make, place: bool, moved: float
) -> None:
    audited = audit(make_config(told, reward_model=reading(told, place=place)))
    shown = {figure.label: figure for figure in row(audited, "order").figures}["moved, edit first"]
    assert (shown.value, shown.needed) == (moved, None)
    assert outcomes(audited)["order"] is CheckOutcome.PASS


@pytest.mark.parametrize(
    ("scorer", "params", "shown"),
    [
        ("combined.CombinedScorer", {}, [["edited", "source"], ["edited", "source"], ["edited"]]),
        ("combined.CombinedScorer", {"compare_with_original": False}, None),
        ("reference.ReferenceScorer", {}, None),
    ],
)
def test_only_questions_that_label_source_and_edit_can_be_shown_in_the_other_order(
    told: Path, make_config: Make, scorer: str, params: dict[str, Any], shown: list[list[str]] | None
) -> None:
    parts = [{"class_path": f"src.rewards.scorers.{name}"} for name in ("category.CategoryScorer", "vie.VIEScorer")]
    section = {"class_path": f"src.rewards.scorers.{scorer}", "params": {"parts": parts} if "Comb" in scorer else {}}
    judge = {"class_path": "tests.audit_judges.LabelJudge", "params": {"compare_with_reference": False, **params}}
    plan = scorer_plan(make_config(told, scorer=section, reward_model=judge))
    [one] = load_samples(str(told), Selection(limit=1))
    assert isinstance(one, EditSample)
    other = reordered(plan.pending_verdict(one, "edit").question, plan.judge)
    found = other and [list(prompt.shows) for part in other.parts.values() for prompt in part.question.prompts]
    assert found == shown


@pytest.mark.parametrize(
    ("tells", "outcome", "with_score"), [(True, CheckOutcome.PASS, 0.0), (False, CheckOutcome.FAIL, 1.0)]
)
def test_a_score_that_is_read_from_half_a_reply_is_found_out(
    told: Path, make_config: Make, tells: bool, outcome: CheckOutcome, with_score: float
) -> None:
    judge = reading(told, tells=tells, max_new_tokens=100)
    audited = audit(make_config(told, reward_model=judge, audit={"cut_tokens": 4}))
    figures = {figure.label: figure for figure in row(audited, "reply_length").figures}
    assert (figures["moved when cut"].outcome, figures["scored when cut"].value) == (outcome, with_score)
    assert outcomes(audited)["coverage"] is CheckOutcome.PASS, "replies that were cut on purpose are not counted"
    whole = audit(make_config(told, reward_model=judge, audit={"cut_tokens": 100}))
    assert "no reply was shorter" in (row(whole, "reply_length").reason or "")


def test_the_oracle_of_the_miniature_world_passes(make_config: Make) -> None:
    oracle = {"class_path": "src.miniature.oracle_scorer.OracleScorer"}
    audited = audit(make_config(ROOT / "assets/miniature/benchmark.json", scorer=oracle), samples=40)
    assert audited.passed
    unmeasured = {name for name, outcome in outcomes(audited).items() if outcome is not CheckOutcome.PASS}
    assert unmeasured == {"instruction", "rationale", "order", "reply_length"}
    for name in {*unmeasured, "stability"} - {"reply_length"}:
        assert "not what the miniature world draws" in (row(audited, name).reason or ""), "no guess, and no number"


def test_thresholds_are_settings(benchmark: Path, make_config: Make) -> None:
    judge = {"class_path": "tests.audit_judges.ConstantJudge"}
    strict = audit(make_config(benchmark, reward_model=judge, audit={"target_score": 7.5}))
    assert failing(strict) - COMPARISONS - LADDERS == {"exact_target"}


def test_some_samples_are_spread_over_the_categories_and_more_include_fewer(benchmark: Path, make_config: Make) -> None:
    config = make_config(benchmark, reward_model={"class_path": "tests.audit_judges.ConstantJudge"})

    def probed(most: int) -> dict[str, str]:
        rows = audit(config, samples=most).report["samples"]
        return {row["sample_id"].rpartition("/")[0]: row["category"] for row in rows}

    few, more = probed(5), probed(10)
    assert len(set(few.values())) == len(few) == 5
    assert few.items() < more.items()


def test_a_plan_states_the_calls_before_they_are_made_and_writes_nothing(
    told: Path, make_config: Make, tmp_path: Path
) -> None:
    log = tmp_path / "asked.log"
    config = make_config(told, reward_model=reading(told, log=str(log)))
    before = list(plan_lines(config, samples=10))
    assert not config.evaluation.output_dir.exists()
    audit(config, samples=10)
    calls = len(log.read_text().splitlines())
    assert before == [
        "samples  10 are probed, 0 are bad",
        f"ask      {calls} judgements are to be made, 0 are in the record",
        f"calls    {calls} questions to the judge; what is asked again comes on top",
    ]
    assert f"ask      0 judgements are to be made, {calls} are in the record" in list(plan_lines(config, samples=10))
    assert calls == 10 * (len(NAMES) - 1), "all but the cut reply, and all of them different questions"


def test_the_exact_formula_passes_but_cannot_judge_an_edit_whose_source_is_already_the_result(
    benchmark: Path, make_config: Make
) -> None:
    judge = {"class_path": "src.models.reward.implementations.reference.ReferenceRewardModel"}
    audited = audit(make_config(benchmark, reward_model=judge))
    assert outcomes(audited).pop("order") is CheckOutcome.NOT_MEASURED
    assert "source and reference show no difference" in (row(audited, "order").reason or "")
    assert set(outcomes(audited).values()) == {CheckOutcome.PASS, CheckOutcome.NOT_MEASURED}


def test_questions_without_a_score_lower_coverage_and_enter_no_mean(benchmark: Path, make_config: Make) -> None:
    audited = audit(make_config(benchmark, reward_model={"class_path": "tests.audit_judges.MumblingJudge"}))
    (figure,) = row(audited, "coverage").figures
    statuses = audited.report["statuses"]
    assert statuses["unparsable"] > 0
    assert figure.value == statuses["scored"] / (statuses["scored"] + statuses["unparsable"])
    assert figure.outcome is CheckOutcome.FAIL
    assert {values["mean"] for values in audited.probe_statistics.values()} == {7.0}
    assert "unparsable: the reply holds no score" in printed(audited)


def test_repeats_are_asked_in_one_call_and_show_noise_other_words_and_questions_asked_again(
    write_benchmark: Write, make_config: Make
) -> None:
    data = write_benchmark([picture_item(place, reference_img_b64=None) for place in range(6)])
    audited = audit(make_config(data, reward_model={"class_path": "tests.audit_judges.HesitantJudge"}))
    noise, differing, asked_again = row(audited, "repeat").figures
    assert noise.value == pytest.approx(math.sqrt(4 / 3)), "of 4, 6, 4 or of 6, 4, 6"
    assert noise.outcome is CheckOutcome.FAIL
    assert (differing.value, asked_again.value) == (1.0, pytest.approx(1 / 18))


def test_an_interrupted_audit_goes_on_and_a_finished_one_asks_nothing(
    benchmark: Path, make_config: Make, tmp_path: Path
) -> None:
    log = tmp_path / "asked.log"

    def run(**params: int) -> Audit:
        judge = {"class_path": "tests.audit_judges.ConstantJudge", "params": {"log": str(log), **params}}
        return audit(make_config(benchmark, reward_model=judge))

    with pytest.raises(ModelUnusable):
        run(patience=100)
    assert len(log.read_text().splitlines()) == 100
    first = run()
    assert len(log.read_text().splitlines()) == SAMPLES * ASKED
    again = run()
    assert len(log.read_text().splitlines()) == SAMPLES * ASKED
    assert again.checks == first.checks


def test_without_references_every_comparison_says_what_it_lacks(write_benchmark: Write, make_config: Make) -> None:
    data = write_benchmark([picture_item(index, reference_img_b64=None) for index in range(20)])
    audited = audit(make_config(data, reward_model={"class_path": "tests.audit_judges.ConstantJudge"}))
    impossible = {check for check in audited.checks if check.outcome is CheckOutcome.NOT_MEASURED}
    assert {check.name for check in impossible} == (
        COMPARISONS | LADDERS | {"exact_target", "stability", "reply_length", "rationale"}
    ) - {"no_edit"}
    assert all("--edits" in (check.reason or "") for check in impossible if check.name != "rationale")
    assert failing(audited) == {"no_edit"}, "7 for an unedited picture is too much whatever the target gets"
    assert "--edits" in (row(audited, "no_edit").reason or "")
    assert outcomes(audited)["repeat"] is CheckOutcome.PASS


def test_edits_of_a_run_stand_in_for_references_but_are_not_taken_for_right(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    items = [picture_item(index) for index in range(20)]
    data = write_benchmark([{**entry, "reference_img_b64": None} for entry in items])
    pictures = tmp_path / "made"
    pictures.mkdir()
    for index, entry in enumerate(items):
        name = Path(entry["original_image_path"]).stem if index else "another_sample"
        (pictures / f"{name}.png").write_bytes(base64.b64decode(entry["reference_img_b64"]))
    editor = {
        "class_path": "src.models.diffusion.implementations.precomputed.PrecomputedEditModel",
        "params": {"folder": str(pictures)},
    }
    run_dir = tmp_path / "run"
    evaluate(make_config(data, diffusion_model=editor, evaluation={"output_dir": str(run_dir)}))
    whole = write_benchmark(items, "with_references.json")
    knowing = {"class_path": "tests.audit_judges.KnowingJudge", "params": {"data": str(whole), "blind_to": "source"}}
    audited = audit(make_config(data, reward_model=knowing), edits=run_dir)
    assert failing(audited) == {"source"}
    assert "nobody knows that they are right" in (row(audited, "exact_target").reason or "")
    assert audited.probe_statistics["target"]["total"] == 19, "of one sample there is no edit"
    assert audited.probe_statistics["no_edit"]["total"] == 20


def test_an_unreadable_source_is_a_bad_sample_with_edits_of_a_run_as_well(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark([picture_item(0), picture_item(5, src_img_b64="!!")])
    evaluate(make_config(data, evaluation={"output_dir": str(tmp_path / "run")}))
    audited = audit(make_config(data), edits=tmp_path / "run")
    assert audited.samples == 1
    assert audited.report["statuses"]["bad_sample"] == 1


def test_a_folder_without_a_run_is_refused_as_source_of_edits(
    benchmark: Path, make_config: Make, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=r"record\.sqlite"):
        audit(make_config(benchmark), edits=tmp_path)


def test_bad_samples_are_left_out_and_named_and_blamed_on_no_partner(write_benchmark: Write, make_config: Make) -> None:
    broken = base64.b64encode(b"no picture").decode()
    items = [picture_item(0), picture_item(5, src_img_b64=broken), picture_item(10), picture_item(15, subset=None)]
    data = write_benchmark([*items, picture_item(20, reference_img_b64=broken)])
    audited = audit(make_config(data, reward_model={"class_path": "tests.audit_judges.ConstantJudge"}))
    assert audited.samples == 2
    assert audited.report["statuses"] == {"scored": 2 * MADE, "bad_sample": 3}
    text = printed(audited)
    assert "bad_sample: source image: not a readable image" in text
    assert "bad_sample: reference image: not a readable image" in text


def test_an_audit_without_a_single_sound_sample_does_not_pass(write_benchmark: Write, make_config: Make) -> None:
    audited = audit(make_config(write_benchmark([picture_item(0, src_img_b64="!!")])))
    assert set(outcomes(audited).values()) == {CheckOutcome.NOT_MEASURED}
    assert not audited.passed


def test_a_lone_sample_of_its_category_has_no_partner_to_borrow_from(write_benchmark: Write, make_config: Make) -> None:
    data = write_benchmark([picture_item(0), picture_item(1)])
    audited = audit(make_config(data, reward_model={"class_path": "tests.audit_judges.ConstantJudge"}))
    for name in ("source", "instruction", "picture"):
        assert row(audited, name).reason == "no two samples of a category differ in source and instruction"
    assert outcomes(audited)["order"] is CheckOutcome.INCONCLUSIVE, "two samples prove nothing"


def test_json_markdown_and_console_hold_every_row_and_say_what_a_failure_means(
    benchmark: Path, make_config: Make, tmp_path: Path
) -> None:
    audited = audit(make_config(benchmark, reward_model={"class_path": "tests.audit_judges.ConstantJudge"}))
    as_json, as_markdown = write_audit(audited, tmp_path)
    data = json.loads(as_json.read_text(encoding="utf-8"))
    assert data == json.loads(json.dumps(to_json(audited)))
    assert not data["passed"]
    assert [check["name"] for check in data["checks"]] == list(outcomes(audited))
    for text in (as_markdown.read_text(encoding="utf-8"), printed(audited)):
        plain = text.replace("\\", "")
        for check in audited.checks:
            assert check.name in plain
            assert (check.meaning in plain) == (check.outcome is CheckOutcome.FAIL)


def test_what_few_samples_leave_open_is_said_with_the_number_that_is_sensible(
    write_benchmark: Write, make_config: Make
) -> None:
    data = write_benchmark([picture_item(index) for index in range(7)])
    judge = {"class_path": "tests.audit_judges.KnowingJudge", "params": {"data": str(data), "blind_to": "instruction"}}
    audited = audit(make_config(data, reward_model=judge))
    assert outcomes(audited)["instruction"] is CheckOutcome.INCONCLUSIVE
    said = "instruction: the interval of 4 samples holds both answers; audit more: 50 and more are sensible"
    assert said in printed(audited), "three of the seven are alone in their category"
    many = Figure("ahead", 0.6, (0.5, 0.7), 60, Threshold(">=", 0.67), CheckOutcome.INCONCLUSIVE)
    lines = printed(replace(audited, checks=[Check("instruction", "", "", (many,))])).splitlines()
    assert "instruction: the interval of 60 samples holds both answers; audit more" in lines


def test_the_command_needs_no_editor_and_its_exit_code_says_whether_a_check_failed(tmp_path: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "main.py", "audit", "--samples", "20", "--output-dir", str(tmp_path / "audit")]
        nobody = ["--set", "diffusion_model.class_path=no.such.Editor"]
        return subprocess.run([*command, *nobody, *options], cwd=ROOT, capture_output=True, text=True, check=False)

    good = run("--set", "scorer.class_path=src.rewards.scorers.reference.ReferenceScorer")
    assert good.returncode == 0, good.stdout + good.stderr
    bad = run("--set", "reward_model.class_path=tests.audit_judges.ConstantJudge")
    assert bad.returncode == 1
    assert "the scorer does not look at the source image" in " ".join(bad.stdout.split())


def printed(audited: Audit) -> str:
    console = Console(width=200, file=io.StringIO())
    print_audit(audited, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def sample(index: int, category: str, instruction: str, picture: str, family: str | None = None) -> EditSample:
    source = LazyImage(base64_text=picture)
    return EditSample(str(index), index, category, instruction, "", source, family=family)


def test_no_sample_is_told_to_do_what_its_own_family_asks_for_in_other_words() -> None:
    families = ["light", "light", "rain", "light"]
    samples = [sample(index, "a", f"do {index}", f"picture {index}", family) for index, family in enumerate(families)]
    partners = {one.index: partner and partner.index for one, partner in with_partners(iter(samples))}
    assert partners == {0: 2, 1: 2, 2: 3, 3: 2}, "the last one takes the first that is of another family"


def test_foreign_words_are_first_of_another_edit_of_the_same_picture() -> None:
    fields = [("a", "left", "p", "l"), ("a", "links", "p", "l"), ("a", "on", "q", "o"), ("a", "right", "p", "r")]
    fields += [("a", "right", "p", "s"), ("b", "up", "p", "u"), ("a", "off", "q", None), ("a", "all", "p", "t")]
    samples = [
        replace(sample(index, category, text, picture, "rule"), reference=right and LazyImage(base64_text=right))
        for index, (category, text, picture, right) in enumerate(fields)
    ]
    found = {one.index: other and other.index for one, _, other in with_siblings(samples, sharing(samples))}
    assert found == {0: 3, 1: 3, 3: 7, 4: 7, 7: 0, 2: None, 5: None, 6: None}, "the next one, of the last one the first"
    assert {one.index for one, *_ in with_siblings(samples[:3], sharing(samples))} == {0, 1, 2}, "some may be bad"


@given(st.lists(st.tuples(*[st.sampled_from("abc")] * 3), max_size=30))
def test_every_sample_comes_once_with_a_partner_of_its_category_that_differs_in_both(
    drawn: list[tuple[str, str, str]],
) -> None:
    samples = [sample(index, *fields) for index, fields in enumerate(drawn)]
    paired = list(with_partners(iter(samples)))
    assert sorted(one.index for one, _ in paired) == list(range(len(samples)))
    for one, partner in paired:
        if partner is not None:
            assert one.category == partner.category
            assert one.instruction != partner.instruction
            assert one.source != partner.source


@given(st.lists(st.sampled_from([-1.0, 0.0, 2.0]), min_size=1, max_size=40))
def test_a_preference_lies_in_its_interval_and_turns_around_with_the_signs(differences: list[float]) -> None:
    clusters = list(range(len(differences)))
    share, (low, high) = preference(differences, clusters)
    assert 0 <= low <= share <= high <= 1
    turned, (turned_low, turned_high) = preference([-difference for difference in differences], clusters)
    assert (turned, turned_low, turned_high) == pytest.approx((1 - share, 1 - high, 1 - low))


def test_a_preference_is_the_adjusted_wald_interval_of_bonett_and_price() -> None:
    # 7 wins, 1 loss, 2 ties: p₊ = 8/12 and p₋ = 2/12 after the adjustment.
    share, interval = preference([1.0] * 7 + [-1.0] + [0.0] * 2, range(10))
    half = 1.959964 * math.sqrt((10 / 12 - (6 / 12) ** 2) / 12)
    assert share == pytest.approx(0.8)
    assert interval == pytest.approx(((1 + 0.5 - half) / 2, (1 + 0.5 + half) / 2))


def test_samples_that_share_a_source_count_as_one_for_the_width() -> None:
    assert preference([1.0] * 40, ["the same"] * 40) == preference([1.0], ["the same"])


@pytest.mark.parametrize(
    ("scores", "tau"), [([3, 2, 1, 0], -1.0), ([0, 1, 2, 3], 1.0), ([5, 5, 5, 5], 0.0), ([3, 2, 2, 4], 1 / 6)]
)
def test_kendalls_tau_counts_rising_against_falling_pairs(scores: list[float], tau: float) -> None:
    assert kendall_tau_a(scores) == tau


def test_a_lead_is_decided_as_the_difference_of_two_runs() -> None:
    behind, ahead, sources = [4.0, 5.0, 9.0, 2.0], [5.0, 8.5, 9.0, 6.0], ["a", "a", "b", "c"]
    found = lead_figure("mean lead", ahead, behind, sources)
    assert found.interval == paired_difference(behind, ahead, sources).ci95
    assert (found.value, found.samples) == (2.125, 4)
    assert lead_figure("mean lead", [5.5, 8.5], [5.0, 8.0], ["a", "b"]).interval is None, "two that agree prove nothing"


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((0.7, 0.9), CheckOutcome.PASS),
        ((0.5, 0.5), CheckOutcome.PASS),
        ((0.1, 0.4), CheckOutcome.FAIL),
        ((0.4, 0.6), CheckOutcome.INCONCLUSIVE),
        (None, CheckOutcome.INCONCLUSIVE),
    ],
)
def test_a_figure_passes_or_fails_only_when_its_whole_interval_does(
    interval: tuple[float, float] | None, outcome: CheckOutcome
) -> None:
    assert by_interval("share", 0.5, interval, 10, Threshold(">=", 0.5)).outcome is outcome


def test_an_audit_in_which_no_sample_could_be_probed_advises_no_other_edits() -> None:
    targets = ReferenceTargets()
    said = [why_not([], targets, TARGET, *UNSEEN), reply_length([], targets, AuditConfig(), None).reason]
    assert set(said) == {"no sample could be probed; its bad samples say why"}
