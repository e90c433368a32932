"""Samples without a source: read, made by a `GenerationModel`, judged by whoever needs no source, and served."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from src.config import Config, load_config, parse_config
from src.data.inspect import inspect_benchmark
from src.data.knowledge_graph import read_knowledge_graph
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditFailure, EditRequest, edit_each
from src.models.diffusion.generation_model import GenerationModel
from src.models.diffusion.implementations.http_editor import HttpEditor
from src.models.reward.base_reward import BaseRewardModel
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from src.registry import load_class, resolve
from src.reporting.page.run_page import run_page
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import NEEDS_SOURCE, Scorer, ScorerSetting
from src.rewards.scorers.category import CategoryScorer
from tests.conftest import item, png
from tests.edit_servers import CLIENT, edit_server
from tests.plugins import InvertEditor
from tests.scripted_judge import ScriptedJudge
from tests.test_resume import resumed, timings

Write = Callable[..., Path]
Make = Callable[..., Config]

PAINTER = {"class_path": "tests.test_text_to_image.Painter"}
GRAPH = {"elements": ["sun", "shadow"], "dependencies": [["sun", "Causes", "shadow"]]}
GRAPH_SCORER = {"class_path": "src.rewards.scorers.knowledge_graph.KnowledgeGraphScorer"}
JUDGE = {
    "class_path": "tests.test_text_to_image.WatchedJudge",
    "params": {"script": {"Causes": ["no"], "like it": ["Score: 7"], "": ["yes"]}},
}


class Painter(GenerationModel):
    """Paints a colour that follows from prompt and seed; `fail` is a prompt that it fails on."""

    NOT_IN_IDENTITY = GenerationModel.NOT_IN_IDENTITY | {"log"}
    batches: list[int] = []  # noqa: RUF012 (shared on purpose: tests read it from the class)

    def _initialize(self) -> None:
        self.batch_size = int(self.config.get("batch_size", 1))
        type(self).batches = []

    def generate_image(self, prompt: str, seed: int = 0, sample_id: str = "") -> Image.Image:
        if prompt == "fail":
            raise RuntimeError("out of paint")
        if log := self.config.get("log"):
            with Path(log).open("a", encoding="utf-8") as lines:
                lines.write(f"{sample_id}\n")
        red, green, blue = hashlib.sha256(f"{prompt} {seed}".encode()).digest()[:3]
        return Image.new("RGB", (32, 16), (red, green, blue))

    def batch_generate(self, prompts: list[str], seeds: list[int], **kwargs: Any) -> list[Image.Image]:
        type(self).batches.append(len(prompts))
        return [self.generate_image(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]


class WatchedJudge(ScriptedJudge):
    """Remembers beyond its own life what it was shown."""

    shown: list[list[tuple[str, tuple[int, int]]]] = []  # noqa: RUF012 (as above)

    def _initialize(self) -> None:
        super()._initialize()
        type(self).shown = []

    def _reply(self, question: Any, attempt: int) -> Any:
        type(self).shown.append([(one.label, one.image.size) for one in question.images])
        return super()._reply(question, attempt)


def prompt_item(index: int, **changes: Any) -> dict[str, Any]:
    fields = {"id": f"p{index}", "category": "Biology", "difficulty": "0_preschool", "prompt_en": f"draw {index}"}
    return {**fields, "prompt": f"画 {index}", "knowledge_graph": GRAPH, **changes}


@pytest.fixture
def t2i_config(write_benchmark: Write, make_config: Make) -> Make:
    """A run of three prompts by the painter, judged by their graphs."""

    def make(items: list[dict[str, Any]] | None = None, **sections: Any) -> Config:
        data = write_benchmark(items or [prompt_item(index) for index in range(3)])
        defaults = {"diffusion_model": PAINTER, "reward_model": JUDGE, "scorer": GRAPH_SCORER}
        return make_config(data, **defaults | sections)

    return make


def not_applicable(config: Config) -> str:
    """The one line of `check` about what is not applicable; the run agrees with it and makes nothing."""
    (line,) = (line for line in check_run(config) if line.startswith("not applicable: "))
    done = evaluate(config)
    assert done.report["statuses"] == {"not_applicable": done.report["overall_statistics"]["total"]}
    assert timings(done)[0] == 0
    return line.partition("judged: ")[2]


def test_an_item_with_a_prompt_and_no_picture_is_a_sample_without_a_source(write_benchmark: Write) -> None:
    data = str(write_benchmark([prompt_item(0), prompt_item(1, prompt_en=None)]))
    first, second = load_samples(data, Selection())
    assert isinstance(first, EditSample)
    assert isinstance(second, EditSample)
    assert (first.source, first.instruction, first.other_instruction) == (None, "draw 0", "画 0")
    assert second.instruction == "画 1"
    assert first.graph is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"src_img_b64": "AAAA"}, "the instruction (fields `edit_instruction`, `edit_instruction_en`) is absent"),
        (
            {"further_src_imgs": ["a.png"]},
            "the instruction (fields `edit_instruction`, `edit_instruction_en`) is absent",
        ),
        ({"edit_instruction_en": "tip it"}, "the source image (field `src_img_b64`) is absent"),
        ({"prompt_en": "  ", "prompt": None}, "the instruction (fields `prompt`, `prompt_en`) is absent or blank"),
    ],
)
def test_a_prompt_beside_a_picture_or_an_instruction_makes_no_text_to_image_sample(
    write_benchmark: Write, changes: dict[str, Any], reason: str
) -> None:
    (bad,) = load_samples(str(write_benchmark([prompt_item(0, **changes)])), Selection())
    assert isinstance(bad, BadSample)
    assert reason in bad.reason


def test_a_run_makes_and_judges_pictures_of_text_alone_and_a_resumed_one_makes_none(
    t2i_config: Make, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    config = t2i_config(diffusion_model={**PAINTER, "params": {"log": str(log)}})
    report = evaluate(config).report
    assert report["statuses"] == {"scored": 3}
    assert report["overall_statistics"]["mean"] == pytest.approx(10 * 2 * 2 / (3 + 2))
    assert sorted(log.read_text().split()) == ["p0", "p1", "p2"]
    assert all(shown == [("The image:", (32, 16))] for shown in WatchedJudge.shown)
    rows = report["samples"]
    assert [tuple(row["edit_size"]) for row in rows] == [(32, 16)] * 3
    assert [row["source_size"] for row in rows] == [None] * 3
    assert timings(evaluate(resumed(config))) == (0, 3, 0, 3)
    assert sorted(log.read_text().split()) == ["p0", "p1", "p2"]


def test_check_and_report_speak_of_prompts_where_there_are_no_sources(t2i_config: Make) -> None:
    config = t2i_config([prompt_item(0), prompt_item(1, prompt_en="draw 0"), prompt_item(2)])
    (disk,) = (line for line in check_run(config) if line.startswith("disk"))
    assert "MB for each of text alone)" in disk
    assert "sources" not in disk
    done = evaluate(config)
    assert done.report["sizes"] == [{"source": None, "edit": [32, 16], "count": 3}]
    told = done.paths.markdown.read_text(encoding="utf-8")
    assert "| none: text alone | 32 × 16 | 3 |" in told
    assert "count as one cluster (2 source images or prompts for 3 scores" in told


def test_the_page_of_a_run_shows_the_pictures_without_sources(t2i_config: Make) -> None:
    config = t2i_config()
    folder = config.evaluation.output_dir
    cards = run_page(evaluate(config).report, folder, folder).cards
    assert [list(card.inputs) for card in cards] == [[], [], []]
    assert all(not card.outcomes[0].picture.missing for card in cards if card.outcomes[0].picture)
    assert "draw 0" in str(cards[0].instruction)


def test_a_key_follows_prompt_and_seed_and_samples_of_one_prompt_are_one_cluster(t2i_config: Make) -> None:
    items = [prompt_item(0), prompt_item(1, prompt_en="draw 0"), prompt_item(2)]
    config = t2i_config(items)
    rows = evaluate(config).report["samples"]
    assert len({row["edit_key"] for row in rows}) == 3
    assert rows[0]["source_sha256"] == rows[1]["source_sha256"] != rows[2]["source_sha256"]
    other_seed = RunPlan(config.model_copy(update={"runtime": config.runtime.model_copy(update={"seed": 1})}))
    sample = next(iter(load_samples(config.benchmark.data_path, Selection())))
    assert isinstance(sample, EditSample)
    assert other_seed.item(sample, sample.source_key(None))[1].edit_key != rows[0]["edit_key"]


def test_prompts_share_calls_and_get_their_own_seeds(t2i_config: Make, tmp_path: Path) -> None:
    def colours(name: str, **params: Any) -> list[Any]:
        folder = tmp_path / name
        config = t2i_config(diffusion_model={**PAINTER, "params": params}, evaluation={"output_dir": str(folder)})
        rows = evaluate(config).report["samples"]
        return [Image.open(folder / row["image_path"]).getpixel((0, 0)) for row in rows]

    together = colours("together", batch_size=3)
    assert sum(Painter.batches) == 3
    assert len(set(together)) == 3
    assert colours("alone") == together


def test_a_prompt_on_which_the_model_fails_is_counted_and_stops_nothing(t2i_config: Make) -> None:
    report = evaluate(t2i_config([prompt_item(0), prompt_item(1, prompt_en="fail")])).report
    assert report["statuses"] == {"scored": 1, "edit_failed": 1}
    assert "out of paint" in report["failures"][0]["reason"]


def test_an_editor_refuses_prompts_and_a_generator_refuses_pictures_before_anything_is_made(
    t2i_config: Make, make_config: Make, write_benchmark: Write
) -> None:
    editor = {"class_path": "tests.plugins.UnloadableEditor"}
    said = not_applicable(t2i_config(diffusion_model=editor))
    assert said == "the sample has no source picture, and UnloadableEditor edits pictures: name a GenerationModel"
    edits = make_config(write_benchmark(2, "edits.json"), diffusion_model=PAINTER)
    said = not_applicable(edits)
    assert said == "the sample has a source picture, and Painter makes pictures of text alone: name an editor"


@pytest.mark.parametrize(
    "name",
    [
        *("vie.VIEScorer", "alignment_quality.AlignmentQualityScorer", "six_dimension.SixDimensionScorer"),
        *("ground_truth.GroundTruthScorer", "reference.ReferenceScorer", "category.CategoryScorer"),
    ],
)
def test_a_scorer_that_compares_with_a_source_refuses_samples_without_one(t2i_config: Make, name: str) -> None:
    said = not_applicable(
        t2i_config([prompt_item(0, subset="物理")], scorer={"class_path": f"src.rewards.scorers.{name}"})
    )
    assert said == NEEDS_SOURCE


def test_a_prompt_of_the_config_can_ask_about_a_picture_of_text_alone(t2i_config: Make) -> None:
    section = {"class_path": "src.rewards.scorers.category.CategoryScorer"}
    own = {"system_prompt": "s", "user_prompt_template": "Do you like it as {edit_instruction}?"}
    config = t2i_config(scorer=section, prompts={"Biology": own})
    assert evaluate(config).report["overall_statistics"]["mean"] == 7.0
    assert all(len(shown) == 1 for shown in WatchedJudge.shown)


class SharpnessJudge(BaseRewardModel):
    """Looks at the picture alone."""

    needs_prompts = False
    needs_source = False

    def _initialize(self) -> None: ...

    def score(self, edited_image: Image.Image, *texts: str, original_image: Any = None, **kwargs: Any) -> float:
        return 6.0 if original_image is None else 4.0


class ComparingJudge(SharpnessJudge):
    needs_source = True


def test_a_judge_that_says_that_it_needs_no_source_scores_pictures_of_text_alone(t2i_config: Make) -> None:
    section = {"class_path": "src.rewards.scorers.category.CategoryScorer"}
    judge = {"class_path": "tests.test_text_to_image.SharpnessJudge"}
    config = t2i_config(scorer=section, reward_model=judge)
    assert not any("not applicable" in line for line in check_run(config))
    report = evaluate(config).report
    assert (report["statuses"], report["overall_statistics"]["mean"]) == ({"scored": 3}, 6.0)


def test_a_judge_that_says_nothing_is_given_no_picture_of_text_alone(t2i_config: Make) -> None:
    section = {"class_path": "src.rewards.scorers.category.CategoryScorer"}
    judge = {"class_path": "tests.test_text_to_image.ComparingJudge"}
    said = not_applicable(t2i_config(scorer=section, reward_model=judge))
    assert said == NEEDS_SOURCE
    named = said.rpartition(" ")[2]
    assert not issubclass(load_class(named, Scorer), CategoryScorer)


def test_parts_of_a_combination_that_need_a_source_are_left_out(t2i_config: Make) -> None:
    parts = [GRAPH_SCORER, {"class_path": "src.rewards.scorers.vie.VIEScorer"}]
    scorer = {"class_path": "src.rewards.scorers.combined.CombinedScorer", "params": {"parts": parts}}
    config = t2i_config(scorer=scorer)
    assert any(f"VIEScorer: {NEEDS_SOURCE}" in line for line in check_run(config))
    assert evaluate(config).report["overall_statistics"]["mean"] == pytest.approx(8.0)


def test_stored_pictures_serve_both_kinds_of_samples_of_one_file(t2i_config: Make, tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    folder.mkdir()
    for name in ("p0", "e1"):
        (folder / f"{name}.png").write_bytes(png((1, 2, 3)))
    stored = {
        "class_path": "src.models.diffusion.implementations.precomputed.PrecomputedEditModel",
        "params": {"folder": str(folder)},
    }
    config = t2i_config([prompt_item(0), item(1, id="e1", knowledge_graph=GRAPH)], diffusion_model=stored)
    assert evaluate(config).report["statuses"] == {"scored": 2}


def test_a_batch_never_mixes_edits_and_pictures_of_text_alone() -> None:
    painter = Painter({"batch_size": 2})
    requests = [EditRequest(None, "a", 1), EditRequest(Image.new("RGB", (8, 8)), "b", 2)]
    made, failed = edit_each(painter, requests)
    assert isinstance(made, Image.Image)
    assert isinstance(failed, EditFailure)
    assert Painter.batches == []
    assert isinstance(edit_each(InvertEditor({}), [EditRequest(None, "a")])[0], EditFailure)


def test_a_server_makes_pictures_of_text_alone_as_the_model_itself_does(
    t2i_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    local = evaluate(t2i_config()).report["samples"]
    with edit_server(Painter({})) as url:
        served = {"class_path": "src.models.diffusion.implementations.http_editor.HttpEditor"}
        remote = t2i_config(diffusion_model={**served, "params": {"endpoints": [url]}})
        assert timings(evaluate(resumed(remote)))[0] == 0, "the keys are those of the model itself"
        pictures = HttpEditor({"endpoints": [url]}).batch_generate(["draw 0"], seeds=[local[0]["seed"]])
        assert pictures[0].tobytes() == Painter({}).generate_image("draw 0", local[0]["seed"]).tobytes()
        answer = CLIENT.post(f"{url}/edit", json={"image": "AAAA", "instruction": "x"})
        assert (answer.status_code, answer.json()["kind"]) == (400, "bad_request")
        assert "takes text alone" in answer.json()["reason"]
    with edit_server(InvertEditor({})) as url:
        answer = CLIENT.post(f"{url}/edit", json={"instruction": "x"})
        assert (answer.status_code, answer.json()["kind"]) == (400, "bad_request")
        assert not HttpEditor.takes_text_alone({"endpoints": [url]})


def test_inspect_counts_samples_without_a_source(write_benchmark: Write) -> None:
    found = inspect_benchmark(str(write_benchmark([prompt_item(0), prompt_item(1, prompt_en="draw 0"), item(2)])))
    assert (found.without_source, found.distinct_sources, found.problems) == (2, 2, [])


def test_the_shipped_config_and_the_one_of_the_docs_name_models_that_suit_each_other() -> None:
    root = Path(__file__).parent.parent
    page = (root / "docs" / "text_to_image.md").read_text(encoding="utf-8")
    shown = parse_config(yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]), "the page")
    shipped = load_config(root / "configs" / "generation" / "qwen_image_mmmg.yaml")
    sample = EditSample("a", 0, "Biology", "draw", "", None, graph=read_knowledge_graph(GRAPH))
    for config in (shown, shipped):
        assert load_class(config.diffusion_model.class_path, BaseDiffusionModel).takes_text_alone({})
        assert config.reward_model is not None
        scorer = resolve(config.scorer, Scorer, "scorer")(
            config.scorer.params, ScorerSetting(JudgeHandle(config.reward_model))
        )  # type: ignore[type-abstract]
        assert scorer.why_inapplicable(sample) is None
    assert shipped.benchmark.format == "mmmg"
