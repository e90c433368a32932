"""A sample may have several source pictures, name the cluster that it depends on, and say what its benchmark says."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from src.cluster.editor_actor import PlacedRequest, _decoded
from src.config import Config
from src.data.image import content_hash
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selected_content import SelectedContent
from src.data.selection import Selection
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditRequest
from src.models.diffusion.implementations.http_editor import HttpEditor
from src.models.vlm.question import Question
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from src.reporting.frame import load_run, write_csv
from src.reporting.statistics import summarise
from tests.conftest import item, png
from tests.edit_servers import CLIENT, edit_server
from tests.pages import page_data, thumbnails
from tests.plugins import InvertEditor
from tests.scripted_judge import ScriptedJudge
from tests.test_resume import resumed, timings

Write = Callable[..., Path]
Make = Callable[..., Config]

RED, GREEN, BLUE = ((200, 30, 30), (30, 200, 30), (30, 30, 200))
HERE = "tests.test_several_sources"


def text(color: tuple[int, int, int]) -> str:
    return base64.b64encode(png(color)).decode()


def composed(index: int, *further: tuple[int, int, int], **changes: Any) -> dict[str, Any]:
    """An item that is edited from a red source and further ones."""
    stored = [f"further_{index}_{place}.png" for place in range(len(further))]
    return item(index, **({"src_img_b64": text(RED), "further_src_imgs": stored} | changes))


@pytest.fixture
def write_composed(write_benchmark: Write, tmp_path: Path) -> Write:
    """Writes items with the pictures that they name."""

    def write(*items: tuple[int, tuple[tuple[int, int, int], ...], dict[str, Any]]) -> Path:
        for index, further, _ in items:
            for place, color in enumerate(further):
                (tmp_path / f"further_{index}_{place}.png").write_bytes(png(color))
        return write_benchmark([composed(index, *further, **changes) for index, further, changes in items])

    return write


class MixingEditor(BaseDiffusionModel):
    """Paints the sum of the colours of all its pictures."""

    batch_size = 4

    def _initialize(self) -> None: ...

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, further_images: list[Image.Image] | None = None
    ) -> Image.Image:
        colors = [one.getpixel((0, 0)) for one in (original_image, *(further_images or []))]
        return Image.new("RGB", original_image.size, tuple(min(255, sum(band)) for band in zip(*colors, strict=True)))


class AttentiveJudge(ScriptedJudge):
    """Remembers what it was shown."""

    seen: ClassVar[list[list[tuple[str, Any]]]] = []

    def ask(self, questions: Any, attempt: int = 0) -> Any:
        self.seen.extend([(one.label, one.image.getpixel((0, 0))) for one in asked.images] for asked in questions)
        return super().ask(questions, attempt)

    def _reply(self, question: Question, attempt: int) -> Any:
        return super()._reply(replace(question, text="any"), attempt)


HTTP_EDITOR = "src.models.diffusion.implementations.http_editor.HttpEditor"


def solid(color: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (64, 48), color)


@contextmanager
def counted_health() -> Iterator[list[str]]:
    """The questions of `HttpEditor` to its servers about what they take, by the names of its methods."""
    asked: list[str] = []
    takes = HttpEditor.takes_further_images.__func__  # type: ignore[attr-defined]

    def counted(cls: type[HttpEditor], params: Any) -> bool:
        asked.append("takes_further_images")
        return bool(takes(cls, params))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpEditor, "takes_further_images", classmethod(counted))
        yield asked


JUDGE = {"class_path": f"{HERE}.AttentiveJudge", "params": {"script": {"any": ["Score: 6"]}}}


def test_an_editor_that_takes_one_picture_cannot_do_a_sample_of_several_which_is_no_failure_and_no_zero(
    write_composed: Write, make_config: Make, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    data = write_composed((0, (GREEN,), {}), (1, (), {}), (2, (GREEN, BLUE), {}))
    config = make_config(data, diffusion_model={"params": {"log": str(log)}})
    reason = "the sample has 2 source pictures, and InvertEditor edits one"
    said = f"not applicable: 1 of 3 samples, which are neither edited nor judged: {reason}"
    assert said in list(check_run(config))
    report = evaluate(config).report
    assert report["statuses"] == {"scored": 1, "not_applicable": 2}
    assert [row["reason"] for row in report["samples"]] == [reason, None, reason.replace("2", "3")]
    assert report["overall_statistics"]["mean"] == report["samples"][1]["score"] > 0
    assert len(log.read_text().split()) == 1
    assert timings(evaluate(resumed(config))) == (0, 1, 0, 1)
    able = resumed(make_config(data, diffusion_model={"class_path": f"{HERE}.MixingEditor"}, reward_model=JUDGE))
    assert evaluate(able).report["statuses"] == {"scored": 3}


def test_editor_and_judge_see_every_source_in_order(write_composed: Write, make_config: Make) -> None:
    AttentiveJudge.seen.clear()
    plain = {"reference_img_b64": None}
    data = write_composed((0, (GREEN, BLUE), plain), (1, (), plain))
    evaluate(make_config(data, diffusion_model={"class_path": f"{HERE}.MixingEditor"}, reward_model=JUDGE))
    several, single = sorted(AttentiveJudge.seen, key=len, reverse=True)
    assert several == [
        ("Image 1 of 3 before the edit:", RED),
        ("Image 2 of 3 before the edit:", GREEN),
        ("Image 3 of 3 before the edit:", BLUE),
        ("The image after the edit:", (255, 255, 255)),
    ]
    assert single == [("The image before the edit:", RED), ("The image after the edit:", RED)]


def test_the_page_shows_every_source_with_its_number_and_a_single_one_without(
    write_composed: Write, make_config: Make
) -> None:
    config = make_config(
        write_composed((0, (GREEN, BLUE), {}), (1, (), {})),
        diffusion_model={"class_path": f"{HERE}.MixingEditor"},
        reward_model=JUDGE,
    )
    page = evaluate(config).paths.page.read_text(encoding="utf-8")
    several, single = page_data(page)["cards"]
    assert [(one["label"], one.get("place")) for one in several["inputs"]] == [
        ({"word": "source"}, place) for place in (1, 2, 3)
    ]
    shown = [thumbnails(page)[one["thumbnail"]] for one in several["inputs"]]
    decoded = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in shown]
    assert [one.convert("RGB").getpixel((0, 0)) for one in decoded] == [RED, GREEN, BLUE]
    assert [(one["label"], one.get("place")) for one in single["inputs"]] == [({"word": "source"}, None)]


def test_a_judge_that_only_scores_and_sees_one_picture_is_not_asked_about_several(
    write_composed: Write, make_config: Make
) -> None:
    config = make_config(write_composed((0, (GREEN,), {})), diffusion_model={"class_path": f"{HERE}.MixingEditor"})
    row = evaluate(config).report["samples"][0]
    assert (row["status"], row["reason"]) == (
        "not_applicable",
        "the sample has 2 source pictures, and BrightnessJudge sees one",
    )


def test_several_sources_go_over_http_in_their_order_and_have_the_edit_of_the_editor_in_process(
    write_composed: Write, make_config: Make
) -> None:
    data = write_composed((0, (GREEN, BLUE), {}), (1, (), {}))
    with edit_server(MixingEditor()) as url:
        editor = {"class_path": HTTP_EDITOR, "params": {"endpoints": [url]}}
        config = make_config(data, diffusion_model=editor, reward_model=JUDGE)
        assert HttpEditor.takes_further_images({"endpoints": [url]})
        assert evaluate(config).report["statuses"] == {"scored": 2}
        made = HttpEditor({"endpoints": [url]}).edit_image(
            solid(RED), "join", further_images=[solid(GREEN), Image.new("RGB", (90, 30), (1, 2, 3))]
        )
    assert made.getpixel((0, 0)) == tuple(sum(band) for band in zip(RED, GREEN, (1, 2, 3), strict=True))
    here = make_config(data, diffusion_model={"class_path": f"{HERE}.MixingEditor"}, reward_model=JUDGE)
    assert timings(evaluate(resumed(here))) == (0, 2, 0, 2)


def test_a_served_editor_of_one_picture_is_known_before_a_run_and_gets_no_sample_of_several(
    write_composed: Write, make_config: Make
) -> None:
    data = write_composed((0, (GREEN,), {}), (1, (), {}), (2, (GREEN,), {}))
    with edit_server(InvertEditor()) as url, counted_health() as asked:
        editor = {"class_path": HTTP_EDITOR, "params": {"endpoints": [url]}}
        config = make_config(data, diffusion_model=editor)
        assert any("2 source pictures, and HttpEditor edits one" in line for line in check_run(config))
        before = len(asked)
        assert evaluate(config).report["statuses"] == {"scored": 1, "not_applicable": 2}
        several = sum(1 for one in asked[before:] if one == "takes_further_images")
        assert several == 1, "the server is asked once, not once a sample"


@pytest.mark.parametrize(
    ("editor", "changes", "status", "reason"),
    [
        (InvertEditor, {"further_images": [text(GREEN)]}, 400, "has 2 images, and the model served here edits one"),
        (MixingEditor, {"image": None, "further_images": [text(GREEN)]}, 400, "has no image"),
        (MixingEditor, {"further_images": [text(GREEN), "bm8="]}, 422, "source 3 image: not a readable image"),
        (MixingEditor, {"further_images": [text(GREEN)] * 16}, 400, "further_images"),
        (MixingEditor, {"further_images": text(GREEN)}, 400, "further_images"),
    ],
)
def test_a_request_with_images_that_cannot_be_edited_is_refused_with_its_reason(
    editor: type[BaseDiffusionModel], changes: dict[str, Any], status: int, reason: str
) -> None:
    with edit_server(editor()) as url:
        asked = {"image": text(RED), "instruction": "join them"} | changes
        answer = CLIENT.post(url + "/edit", json=asked)
    assert (answer.status_code, reason in answer.json()["reason"]) == (status, True), answer.text


def test_a_request_of_one_image_is_what_servers_of_before_know(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[dict[str, Any]] = []
    monkeypatch.setattr(HttpEditor, "_ask", lambda self, url, body: bodies.append(json.loads(body)) or solid(RED))
    with edit_server(MixingEditor()) as url:
        editor = HttpEditor({"endpoints": [url]})
        editor.edit_image(solid(RED), "x")
        editor.edit_image(solid(RED), "x", further_images=[solid(GREEN)])
    assert [sorted(body) for body in bodies] == [
        ["digest", "image", "instruction", "seed"],
        ["digest", "further_images", "image", "instruction", "seed"],
    ]


def test_an_editor_in_another_process_gets_every_source_beside_the_first() -> None:
    request = PlacedRequest("join them", 3, "a", (png(GREEN), png(BLUE)))
    made = _decoded(request, png(RED))
    assert isinstance(made, EditRequest)
    assert [one.getpixel((0, 0)) for one in (made.source, *made.further) if one] == [RED, GREEN, BLUE]


def test_every_further_source_and_their_order_decide_the_keys_and_none_leaves_them_as_they_were(
    write_composed: Write, make_config: Make
) -> None:
    def keys(*further: tuple[int, int, int]) -> tuple[str, str]:
        data = write_composed((0, further, {}))
        plan = RunPlan(make_config(data, diffusion_model={"class_path": f"{HERE}.MixingEditor"}, reward_model=JUDGE))
        [sample] = load_samples(str(data), Selection())
        assert isinstance(sample, EditSample)
        found = plan.item(sample, content_hash(sample.source.read_bytes()))[1]
        return found.edit_key, found.verdict_key

    found = [keys(), keys(GREEN), keys(BLUE), keys(GREEN, BLUE), keys(BLUE, GREEN)]
    assert len({edit for edit, _ in found}) == len({verdict for _, verdict in found}) == 5


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("one.png", "field `further_src_imgs` is str, not a list of images"),
        ([None], "field `further_src_imgs` has an empty place"),
        (["../up.png"], "leads out of the folder"),
        (["absent.png"], "source image: "),
        (["text.png"], "source image: number 2 of 2: not a readable image"),
    ],
)
def test_a_further_source_that_cannot_be_used_makes_a_bad_sample_that_says_why(
    write_benchmark: Write, make_config: Make, tmp_path: Path, value: Any, reason: str
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    data = write_benchmark([item(0, further_src_imgs=value), item(1)])
    config = make_config(data, diffusion_model={"class_path": f"{HERE}.MixingEditor"}, reward_model=JUDGE)
    rows = evaluate(config).report["samples"]
    assert [row["status"] for row in rows] == ["bad_sample", "scored"]
    assert reason in rows[0]["reason"]


def test_intervals_cluster_by_what_the_benchmark_names_and_else_by_the_source(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    named = [item(index, cluster=f"scene {index // 4}") for index in range(12)]
    report = evaluate(make_config(write_benchmark(named))).report
    scores = [row["score"] for row in report["samples"]]
    wanted = summarise(scores, [index // 4 for index in range(12)])
    assert (report["overall_statistics"]["clusters"], report["overall_statistics"]["ci95"]) == (
        3,
        list(wanted.ci95 or ()),
    )
    assert wanted.ci95 != summarise(scores, None).ci95
    assert [row["cluster"] for row in report["samples"]][::4] == ["scene 0", "scene 1", "scene 2"]


def test_what_the_benchmark_says_of_a_sample_is_in_record_report_and_csv(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    said = {"rules": ["first", "second"], "explanation": "ice melts", "empty": "", "number": 3}
    out = make_config(write_benchmark([item(0, attributes=said, cluster="c"), item(1)]))
    rows = evaluate(out).report["samples"]
    assert rows[0]["attributes"] == {"rules": ["first", "second"], "explanation": "ice melts"}
    assert "attributes" not in rows[1]
    assert "cluster" not in rows[1]
    frame = load_run(out.evaluation.output_dir)
    assert frame["attribute.explanation"].tolist()[0] == "ice melts"
    write_csv(frame, tmp_path / "run.csv")
    lines = (tmp_path / "run.csv").read_text(encoding="utf-8").splitlines()
    assert {"cluster", "attribute.rules", "attribute.explanation"} <= set(lines[0].split(","))
    assert '"[""first"", ""second""]"' in lines[1]


def test_fields_that_mean_something_else_elsewhere_are_not_taken_for_clusters_or_attributes(
    write_benchmark: Write,
) -> None:
    [sample] = load_samples(str(write_benchmark([item(0, cluster={"a": 1}, attributes=[1])])), Selection())
    assert isinstance(sample, EditSample)
    assert (sample.cluster, sample.attributes) == (None, {})


def test_shards_notice_another_further_source_and_agree_with_shards_of_before_where_there_is_none(
    write_composed: Write, tmp_path: Path
) -> None:
    def digest(*further: tuple[int, int, int], **changes: Any) -> str:
        content = SelectedContent()
        for sample in load_samples(str(write_composed((0, further, changes))), Selection()):
            assert not isinstance(sample, BadSample)
            content.add(sample)
        return content.digest()

    of_before = "fc0b1ded7d663e97ac4e7a122f4224436f79e06736feca1a7af58889d78cb95f"
    assert digest(src_img_b64="AAAA", reference_img_b64=None, further_src_imgs=None) == of_before
    assert len({digest(), digest(GREEN), digest(GREEN, BLUE)}) == 3
