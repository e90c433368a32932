"""The protocols by which published reward models are asked: passes, seeds, official texts, forms of replies."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from PIL import Image, ImageStat

from src.config import Config
from src.data.verdict import Status, Verdict
from src.errors import OutputError
from src.models.vlm.question import Delivery, Sampling
from src.pipeline.evaluation import evaluate
from src.pipeline.judge_bench import Preferences, judge_bench, judge_bench_config
from src.record.results import RunInfo
from src.reporting.judge_bench.report import build_judge_bench
from src.reporting.official_scores import write_official_scores
from src.rewards.core.scorer import question_key
from src.rewards.scorers.protocols.protocol import ProtocolPrompt
from tests.api_judge import server  # noqa: F401 (fixture)
from tests.chat_server import Answer, ChatServer, completion
from tests.conftest import item
from tests.preference_judges import png
from tests.protocol_samples import JUDGE, edit, protocol_scorer, replies, sample
from tests.reward_model_cases import CRITIQUE, VIE


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def words(body: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in body["messages"][-1]["content"] if part["type"] == "text")


def by_seed(server: ChatServer, consistency: dict[int, str], quality: str) -> None:  # noqa: F811
    """The server answers about consistency by the seed of the request, and about quality always alike."""

    def script(body: dict[str, Any], number: int) -> Answer:
        return Answer(completion(consistency[body["seed"]] if "Compare the two" in words(body) else quality))

    server.script = script


def judged(server: ChatServer, **params: Any) -> Verdict:  # noqa: F811
    judge = {"base_url": server.url, "model": "judge", "max_retries": 0}
    (verdict,) = protocol_scorer("editscore@2025-11", judge, **params).score([edit(sample())])
    return verdict


def numbers(*values: float) -> str:
    return f'{{"reasoning": "r", "score": {list(values)}}}'


def test_editscore_takes_the_mean_of_its_passes_scores_each_with_the_next_seed(server: ChatServer) -> None:  # noqa: F811
    by_seed(server, {42: numbers(25, 0), 43: numbers(0, 25), 44: numbers(25, 25)}, numbers(25, 25))
    verdict = judged(server, repeats=3)
    assert verdict.score == pytest.approx(10 / 3), "of 0, 0 and 10; the score of mean values would be 6.7"
    assert [one.score for one in verdict.repeats or ()] == [0, 0, 10]
    assert verdict.dimensions["prompt_following"] == pytest.approx(20 / 3)
    assert verdict.dimensions["protocol_score"] == pytest.approx(10 / 3)
    assert sorted(body["seed"] for body in server.requests) == [42, 42, 43, 43, 44, 44]
    assert not any("n" in body for body in server.requests)


def test_a_pass_that_cannot_be_read_is_asked_again_with_seeds_of_no_other_pass_and_then_left_out(
    server: ChatServer,  # noqa: F811
) -> None:
    bad = dict.fromkeys((43, 1042, 2042), "fine")
    by_seed(server, {42: numbers(25, 25), 44: numbers(10, 25), **bad}, numbers(25, 25))
    verdict = judged(server, repeats=3)
    assert verdict.score == pytest.approx((10 + math.sqrt(4 * 10)) / 2)
    assert [one.status for one in verdict.repeats or ()] == [Status.SCORED, Status.UNPARSABLE, Status.SCORED]
    assert {body["seed"] for body in server.requests} == {42, 43, 44, 1042, 2042}


def test_passes_of_which_none_is_complete_give_no_score(server: ChatServer) -> None:  # noqa: F811
    def script(body: dict[str, Any], number: int) -> Answer:
        good = 42 if "Compare the two" in words(body) else 43
        return Answer(completion(numbers(25, 25) if body["seed"] == good else "fine"))

    server.script = script
    verdict = judged(server, repeats=2)
    assert (verdict.status, verdict.score) == (Status.UNPARSABLE, None)
    assert '"score"' in str(verdict.reason)


def test_the_settings_of_sampling_are_sent_or_left_to_the_judge(server: ChatServer) -> None:  # noqa: F811
    replies(server, VIE)
    judged(server)
    names = ("temperature", "top_p", "top_k", "seed", "max_tokens")
    assert {tuple(body.get(name) for name in names) for body in server.requests} == {(0.7, 0.9, 20, 42, 512)}
    server.requests.clear()
    judged(server, sampling="judge")
    assert {tuple(body.get(name) for name in names) for body in server.requests} == {(0.0, None, None, None, 1024)}


def test_settings_of_sampling_that_came_later_leave_older_keys_as_they_were() -> None:
    before = {"temperature": 1.0, "max_tokens": 512}
    assert Delivery(True, "png", sampling=Sampling(1.0, 512)).key()["sampling"] == before
    assert Delivery(True, "png", sampling=Sampling(1.0, 512, top_k=20)).key()["sampling"] == before | {"top_k": 20}
    assert Delivery(True, "png", sampling=Sampling(None, None)).key()["sampling"] == dict.fromkeys(before)


def test_the_range_of_official_texts_is_that_of_the_model_and_an_instruction_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "editscore").mkdir()
    (tmp_path / "editscore" / "vie_prompts.py").write_text(
        '_context_no_delimit_reasoning_first = "C"\n_prompts_0shot_two_image_edit_rule = "R"\n'
        '_prompts_0shot_tie_rule_SC = "0 to 10: <instruction>"\n_prompts_0shot_rule_PQ = "10 is best"\n',
        encoding="utf-8",
    )
    scorer = protocol_scorer("editscore@2025-11", official_prompts=str(tmp_path))
    asked = scorer.judge_prompts(sample(instruction="Add 10 <instruction> birds."))
    assert [one.text for one in asked] == ["C\nR\n0 to 25: Add 10 <instruction> birds.", "C\n25 is best"]


def test_a_run_by_a_reward_models_protocol_has_its_tables_and_no_official_score_files(
    server: ChatServer,  # noqa: F811
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
    tmp_path: Path,
) -> None:
    replies(server, VIE)
    data = write_benchmark([{**item(place), "subset": name} for place, name in enumerate("aab")])
    report = evaluate(
        make_config(
            data,
            reward_model={"class_path": JUDGE, "params": {"base_url": server.url, "model": "judge"}},
            scorer={"protocol": "editscore@2025-11"},
        )
    ).report
    told = report["protocol"]
    assert "not comparable with published tables" in told["comparable"]
    (table,) = told["tables"]
    rows = {row["name"]: row for row in table["rows"]}
    assert {name: row["total"] for name, row in rows.items()} == {
        **{"a": 2, "b": 1},
        **{"overall, macro over categories": 3, "overall, micro": 3},
    }
    assert rows["overall, micro"]["values"] == pytest.approx({"SC": 2, "PQ": 4, "O": math.sqrt(8)})
    info = RunInfo("k", {}, {}, {"protocol": {"name": "editscore@2025-11"}}, {})
    with pytest.raises(OutputError, match="the protocol of a reward model"):
        write_official_scores(info, [], tmp_path)


def test_texts_that_a_script_puts_together_are_read_without_running_it(tmp_path: Path) -> None:
    folder = tmp_path / "UnifiedReward-Edit"
    folder.mkdir()
    (folder / "edit_pointwise_instruction_following.py").write_text(
        "raise SystemExit\ninstruction = ''\nproblem = 'Reply as {\\n\"score\": [...]}: ' + f'{instruction}\\n'\n",
        "utf-8",
    )
    (folder / "edit_pointwise_quality.py").write_text("problem = 'Reply as {...}.'\n", "utf-8")
    scorer = protocol_scorer("unifiedreward-edit@2026-06", official_prompts=str(tmp_path))
    asked = scorer.judge_prompts(sample(instruction="Say {instruction}."))
    assert [one.text for one in asked] == ['Reply as {\n"score": [...]}: Say {instruction}.\n', "Reply as {...}."]


@pytest.mark.parametrize(
    "text", ["f'{instruction!r}'", "f'{instruction:>9}'", "f'{a.b}'", "f'{a[0]}'", "'a' % b", "g('a')"]
)
def test_texts_that_a_script_computes_are_not_asked(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "UnifiedReward-Edit"
    folder.mkdir()
    (folder / "edit_pointwise_instruction_following.py").write_text(f"problem = {text}\nother = 'x'\n", "utf-8")
    (folder / "edit_pointwise_quality.py").write_text("problem = 'q'\n", "utf-8")
    scorer = protocol_scorer("unifiedreward-edit@2026-06", official_prompts=str(tmp_path))
    assert "has no text problem" in str(scorer.inapplicable(sample()))


def test_rationalrewards_shows_the_pictures_in_their_places_within_the_text(tmp_path: Path) -> None:
    folder = tmp_path / "diffusion_rl_training"
    folder.mkdir()
    file = folder / "train_qwen_edit_rationalrewards.py"
    system = "SYSTEM_PROMPT = ('You ' 'judge.')\nCOMMON_TASK_GUIDELINE = 'Guideline.'\n"
    file.write_text(f"{system}TASK_RELATED_TEMPLATE = 'I: {{request}}\\n1. <image>\\n2. <image>\\n\\nGo. '", "utf-8")
    scorer = protocol_scorer("rationalrewards@2026-04", official_prompts=str(tmp_path))
    (asked,) = scorer.judge_prompts(sample(instruction="Draw <image> {request}."))
    assert (asked.system, asked.text) == ("You judge.", "\n\nGo. \n\nGuideline.")
    assert isinstance(asked, ProtocolPrompt)
    labels = [(one.picture, one.label) for one in asked.shown]
    assert labels == [("source", "I: Draw <image> {request}.\n1. "), ("edited", "\n2. ")]
    file.write_text(f"{system}TASK_RELATED_TEMPLATE = 'I: {{request}} <image>'", "utf-8")
    scorer = protocol_scorer("rationalrewards@2026-04", official_prompts=str(tmp_path))
    assert "places 1 pictures by <image>, and 2 are shown" in str(scorer.inapplicable(sample()))


def test_another_instruction_is_another_question_though_it_stands_before_a_picture() -> None:
    scorer = protocol_scorer("rationalrewards@2026-04")
    keys = [question_key(scorer.question(sample(instruction=told))) for told in ("Make it blue.", "Make it red.")]
    assert keys[0] != keys[1]


def test_as_published_rationalrewards_takes_the_mean_of_the_aspects_that_can_be_read(server: ChatServer) -> None:  # noqa: F811
    replies(server, {"Judge four": CRITIQUE.replace("## Score: 4.0", "## Score: high")})
    judge = {"base_url": server.url, "model": "judge", "max_retries": 0}
    (strict,) = protocol_scorer("rationalrewards@2026-04", judge).score([edit(sample())])
    (published,) = protocol_scorer("rationalrewards@2026-04", judge, as_published=True).score([edit(sample())])
    assert (strict.status, strict.score) == (Status.UNPARSABLE, None)
    assert published.dimensions["protocol_score"] == pytest.approx(((3.5 + 2.4) / 2 - 1) / 3)


def test_passes_with_and_without_text_rendering_have_the_mean_of_their_scores(server: ChatServer) -> None:  # noqa: F811
    said = [CRITIQUE, CRITIQUE.replace("## Score: N/A", "## Score: 1.0")]
    server.script = lambda body, number: Answer(
        completion() | {"choices": [completion(text)["choices"][0] for text in said]}
    )
    judge = {"base_url": server.url, "model": "judge"}
    (verdict,) = protocol_scorer("rationalrewards@2026-04", judge, repeats=2).score([edit(sample())])
    assert verdict.dimensions["text_rendering"] == 1.0
    assert verdict.dimensions["protocol_score"] == pytest.approx(
        (((3.5 + 4 + 2.4) / 3 - 1) / 3 + ((3.5 + 4 + 2.4 + 1) / 4 - 1) / 3) / 2
    )


REPLIES: dict[str, Callable[[float], str]] = {
    "editscore@2025-11": lambda quality: numbers(25 * quality, 25),
    "unifiedreward-edit@2026-06": lambda quality: numbers(25 * quality, 25),
    "firm-edit@2026-03": lambda quality: numbers(1 + 4 * quality),
    "rationalrewards@2026-04": lambda quality: CRITIQUE.replace("3.5", f"{1 + 3 * quality:.2f}"),
}


@pytest.mark.parametrize("protocol", REPLIES)
def test_judge_bench_measures_a_reward_model_on_editscores_bench(
    server: ChatServer,  # noqa: F811
    tmp_path: Path,
    protocol: str,
) -> None:
    """The server sees how blue an edit is; people prefer the bluer edit in two pairs of three."""

    def script(body: dict[str, Any], number: int) -> Answer:
        urls = [part["image_url"]["url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
        picture = Image.open(io.BytesIO(base64.b64decode(urls[-1].partition(",")[2]))).convert("RGB")
        return Answer(completion(REPLIES[protocol](round(ImageStat.Stat(picture).mean[2]) / 255)))

    server.script = script
    rows = [(200, 40, "prompt_following"), (180, 60, "consistency"), (30, 220, "overall")]
    table = [
        {
            "key": [f"{place}a", f"{place}b"],
            "instruction": "make it blue",
            "input_image": {"bytes": png((place, 0, 9)), "path": None},
            "output_images": [{"bytes": png((place, 0, blue)), "path": None} for blue in (better, worse)],
            "task_type": "color_alter",
            "dimension": dimension,
        }
        for place, (better, worse, dimension) in enumerate(rows)
    ]
    data = tmp_path / "bench.parquet"
    parquet.write_table(arrow.Table.from_pylist(table), data)
    preferences = Preferences("editscore-bench", str(data))
    sections = {
        "reward_model": {"class_path": JUDGE, "params": {"base_url": server.url, "model": "judge"}},
        "scorer": {"protocol": protocol},
        "evaluation": {"output_dir": str(tmp_path / "out")},
    }
    config = judge_bench_config(sections, tmp_path / "config.yaml", preferences)
    measured = judge_bench(config, preferences)
    report = build_judge_bench(measured.info, measured.results)
    assert (report["overall"]["judged"], report["overall"]["accuracy"]["value"]) == (3, pytest.approx(2 / 3))
    own = {name: found["accuracy"]["value"] for name, found in report["dimensions"].items() if "own" in name}
    if protocol == "editscore@2025-11":
        assert own == {
            "prompt_following, by the scorer's own prompt_following": 1,
            "consistency, by the scorer's own consistency": 0.5,
        }


def test_firm_counts_consistency_through_execution_alone(server: ChatServer) -> None:  # noqa: F811
    def score(execution: float, consistency: float, **params: Any) -> float | None:
        replies(server, {"How far was": numbers(execution), "everything else": numbers(consistency)})
        judge = {"base_url": server.url, "model": "judge", "max_retries": 0}
        (verdict,) = protocol_scorer("firm-edit@2026-03", judge, **params).score([edit(sample())])
        return verdict.score

    assert [score(1, 5), score(5, 1), score(5, 5)] == [0, pytest.approx(6), pytest.approx(10)]
    assert score(3.9, 5) == pytest.approx(10 * 2.9 / 4)
    assert score(3.9, 5, as_published=True) == pytest.approx(10 * 2 / 4), "the official script cuts the fraction off"
    assert score(0, 5) is None, "what the official script makes of an unreadable reply is below its own scale"


def test_official_texts_of_firm_are_filled_as_by_str_format(tmp_path: Path) -> None:
    folder = tmp_path / "editing" / "reward_server"
    folder.mkdir(parents=True)
    texts = 'SCORE_EXECUTION = """\nE: {prompt}\n{{"score": [1]}}\n"""\nSCORE_CONSISTENCY = "C: {prompt}"\n'
    (folder / "prompt_template.py").write_text(texts, encoding="utf-8")
    scorer = protocol_scorer("firm-edit@2026-03", official_prompts=str(tmp_path))
    asked = scorer.judge_prompts(sample(instruction="Say {prompt}."))
    assert [one.text for one in asked] == ['\nE: Say {prompt}.\n{"score": [1]}\n', "C: Say {prompt}."]
