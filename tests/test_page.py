"""The page of a run as a file: what is in it, that it is whole, and that nothing in it can leave its place."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from main import app
from src.config import Config
from src.data.image import LazyImage, content_hash, encode_png
from src.data.verdict import Status
from src.pipeline.evaluation import evaluate
from src.reporting.page import pictures as pictures_module
from src.reporting.page.model import Card, Link, Outcome, Page, Picture, Table, Tile, Word
from src.reporting.page.pictures import FEWEST_BYTES, MOST_BYTES, PagePictures, make_thumbnail
from src.reporting.page.render import ASSETS, CHUNK, json_block, page_parts, render_page, words
from src.reporting.page.run_page import run_page
from src.reporting.report import build_report
from src.reporting.write import write_reports
from tests.conftest import item
from tests.pages import around_the_data, page_data, pictures, thumbnails
from tests.sample_results import failure, info, result

HOSTILE = '</script><script>alert(1)</script>"><img src=x onerror=alert(1)> <!-- \u2028 javascript:alert(1)'


def png(number: int, side: int = 32) -> bytes:
    return encode_png(Image.new("RGB", (side, side), (number % 256, number // 256 % 256, 7)))


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A run of three samples: two scored, of which one has lost its picture, and one whose edit failed."""
    items = [item(number) for number in range(3)]
    items[0]["edit_instruction"] = "加一只猫"
    data = tmp_path / "benchmark.json"
    data.write_text(json.dumps(items), encoding="utf-8")
    (tmp_path / "edits").mkdir()
    (tmp_path / "edits" / "key0.png").write_bytes(png(9))
    ids = [Path(each["original_image_path"]).stem for each in items]
    hashes = [content_hash(base64.b64decode(each["src_img_b64"])) for each in items]
    results = [
        result(0, 7.5, sample_id=ids[0], source_sha256=hashes[0], instruction=items[0]["edit_instruction_en"]),
        result(1, 2.5, sample_id=ids[1], source_sha256=hashes[1], image_path=None),
        failure(2, Status.EDIT_FAILED, "out of memory"),
    ]
    results[2] = result(
        2,
        None,
        sample_id=ids[2],
        source_sha256=hashes[2],
        status=Status.EDIT_FAILED,
        reason="out of memory",
        dimensions={},
        replies=(),
        image_path=None,
        edit_seconds=None,
        judge_seconds=None,
    )
    run = info()
    run.config["benchmark"]["data_path"] = str(data)
    run.config["benchmark"]["categories"] = None
    return tmp_path, build_report(run, results)


def test_a_card_has_the_pictures_both_languages_the_verdict_and_the_reason(run: tuple[Path, dict[str, Any]]) -> None:
    folder, report = run
    page = render_page(run_page(report, folder, folder / "results"))
    first, lost, failed = page_data(page)["cards"]
    assert first["instruction"]["zh"] == "加一只猫"
    assert first["instruction"]["en"] == report["samples"][0]["instruction"]
    assert [picture["label"] for picture in pictures(first)][:2] == [{"word": "source"}, {"word": "edited"}]
    assert all(isinstance(picture["thumbnail"], int) for picture in pictures(first))
    assert first["outcomes"][0]["score"] == 7.5
    assert first["outcomes"][0]["replies"] == ["7.5"]
    assert "not kept, or deleted" in lost["outcomes"][0]["picture"]["missing"]
    assert lost["outcomes"][0]["score"] == 2.5
    assert failed["outcomes"][0]["status"] == "edit_failed"
    assert failed["outcomes"][0]["reason"] == "out of memory"
    assert "score" not in failed["outcomes"][0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_runs_language_says_which_of_both_instructions_is_whose(
    run: tuple[Path, dict[str, Any]], language: str
) -> None:
    folder, report = run
    both = {"en": 'Write "福" on the door', "zh": "在门上写 Good luck to you all"}
    items = json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))
    items[0] |= {"edit_instruction_en": both["en"], "edit_instruction": both["zh"]}
    (folder / "benchmark.json").write_text(json.dumps(items), encoding="utf-8")
    report["samples"][0]["instruction"] = both[language]
    report["config"]["benchmark"]["language"] = language
    assert run_page(report, folder, folder).cards[0].instruction == both


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('Write "福" on the door', "en"),
        ("在门上写“福”字", "zh"),
        ("加上 Nike 标志", "zh"),
        ("rain", "en"),
        ("12", "en"),
    ],
)
def test_the_only_instruction_of_a_sample_is_taken_for_what_most_of_it_is(
    run: tuple[Path, dict[str, Any]], text: str, language: str
) -> None:
    folder, report = run
    (folder / "benchmark.json").unlink()
    report["samples"][1]["instruction"] = text
    assert run_page(report, folder, folder).cards[1].instruction == {language: text}


def test_a_card_names_the_prompt_of_its_category_with_its_hash(run: tuple[Path, dict[str, Any]]) -> None:
    folder, report = run
    report["scorer"]["prompts"] = {"category/physical v1": "a" * 64, "category/environment v1": "b" * 64}
    cards = run_page(report, folder, folder).cards
    shown = [card.outcomes[0].facts["prompt"] for card in cards]
    assert shown[:2] == ["category/physical v1 (sha256 aaaaaaaaaaaa)", "category/environment v1 (sha256 bbbbbbbbbbbb)"]


def test_another_picture_in_the_benchmark_file_is_not_shown_as_the_source(run: tuple[Path, dict[str, Any]]) -> None:
    folder, report = run
    report["samples"][0]["source_sha256"] = "0" * 64
    card = run_page(report, folder, folder).cards[0]
    assert "another picture now" in card.inputs[0].missing
    assert card.reference is None


def test_a_benchmark_file_that_is_gone_leaves_a_page_that_says_so(run: tuple[Path, dict[str, Any]]) -> None:
    folder, report = run
    (folder / "benchmark.json").unlink()
    cards = run_page(report, folder, folder).cards
    assert len(cards) == 3
    assert all("cannot be read any more" in card.inputs[0].missing for card in cards)
    assert cards[0].outcomes[0].picture is not None
    assert cards[0].outcomes[0].picture.thumbnail


def test_the_page_is_written_beside_json_and_markdown_and_holds_no_address_of_the_network(
    run: tuple[Path, dict[str, Any]],
) -> None:
    folder, report = run
    paths = write_reports(report, folder / "results", datetime(2026, 1, 2), folder)
    assert paths.page.name == "evaluation_report_20260102_000000.html"
    around = around_the_data(paths.page.read_text(encoding="utf-8"))
    addresses = set(re.findall(r"https?://[^\s\"'<]+", around))
    assert addresses <= {"http://www.w3.org/2000/svg"}, "the name of SVG, which nobody fetches"


def test_no_text_of_the_data_leaves_its_place() -> None:
    outcome = Outcome(name=HOSTILE, reason=HOSTILE, replies=[HOSTILE], prompts=[HOSTILE], facts={HOSTILE: HOSTILE})
    card = Card(
        *(HOSTILE, HOSTILE, HOSTILE, HOSTILE, [HOSTILE], {"en": HOSTILE}, HOSTILE),
        inputs=[Picture(HOSTILE, missing=HOSTILE)],
        outcomes=[outcome],
    )
    table = Table(
        HOSTILE, [HOSTILE], [[HOSTILE], [Link(HOSTILE, card=HOSTILE)], [[Link(HOSTILE, card="a/b")]]], HOSTILE
    )
    tiles = [Tile(HOSTILE, HOSTILE, HOSTILE)]
    page = render_page(
        Page(
            HOSTILE, HOSTILE, [HOSTILE], tiles, tables=[table], details={HOSTILE: HOSTILE}, cards=[card], language="en"
        )
    )
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<img src=x" not in page
    assert "\u2028" not in page.split('id="data">')[1].split("</script>")[0]
    assert page_data(page)["cards"][0]["id"] == HOSTILE
    assert 'href="#a%2Fb"' in page
    assert not re.search(r'(href|src)="\s*javascript:', page)


def test_json_in_the_page_says_what_it_said() -> None:
    value = {"<a>&": ["\u2028\u2029</script>", "half \ud800", "物理", 1.5, None]}
    text = str(json_block(value))
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_the_policy_states_the_digests_of_the_very_script_and_style() -> None:
    page = render_page(Page("t"))
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page).group(1).replace("&#39;", "'")  # type: ignore[union-attr]
    for tag in ("script", "style"):
        text = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL).group(1)  # type: ignore[union-attr]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_every_word_of_the_page_is_there_in_both_languages() -> None:
    texts = [path.read_text(encoding="utf-8") for path in ASSETS.glob("*.j2")]
    used = {key for text in texts for key in re.findall(r'data-word(?:-\w+)?="(\w+)"', text)}
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in ASSETS.glob("*.js"))
    used |= set(re.findall(r'word\("(\w+)"', scripts))
    used |= {str(status) for status in Status}
    assert used - set(words()) == set()
    assert all(len(both) == 2 and all(both) for both in words().values())


def test_a_word_is_translated_and_a_text_that_looks_like_one_is_not() -> None:
    page = render_page(Page(Word("report"), tiles=[Tile("mean", "mean")]))
    assert '<span data-word="report">Evaluation report</span>' in page
    assert '<span class="label">mean</span>' in page


# Pictures.


def test_a_tiny_picture_is_embedded_without_loss_and_a_large_one_shrunk() -> None:
    tiny = make_thumbnail(png(3), 16_000)
    assert tiny.is_whole
    assert tiny.uri.startswith("data:image/webp;base64,")
    noise = Image.effect_noise((900, 600), 90).convert("RGB")
    large = make_thumbnail(encode_png(noise), 6_000)
    assert not large.is_whole
    assert large.size == (900, 600)
    assert len(base64.b64decode(large.uri.partition(",")[2])) <= 6_000


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_photo_is_shrunk_while_it_is_decoded_and_stays_upright(orientation: int) -> None:
    """Only the size of the full picture, as it is seen, says that it was larger."""
    photo, file = Image.new("RGB", (1600, 1000), "red"), io.BytesIO()
    photo.paste("blue", (0, 0, 800, 1000))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.save(file, "JPEG", exif=exif)
    thumbnail = make_thumbnail(file.getvalue(), 16_000)
    seen = Image.open(io.BytesIO(base64.b64decode(thumbnail.uri.partition(",")[2])))
    assert thumbnail.size == ((1600, 1000) if orientation == 1 else (1000, 1600))
    assert seen.size == ((256, 160) if orientation == 1 else (160, 256))
    red, _, blue = seen.convert("RGB").getpixel((20, 20))  # type: ignore[misc]
    assert blue > 200 > red


def test_a_thumbnail_of_a_photograph_is_found_in_four_encodings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of a page's time goes into its thumbnails."""
    made: list[int] = []

    def counted(*arguments: Any, **settings: Any) -> bytes:
        data = encoded(*arguments, **settings)
        made.append(len(data))
        return data

    encoded = pictures_module._encoded
    monkeypatch.setattr(pictures_module, "_encoded", counted)
    photo = encode_png(Image.effect_noise((64, 64), 40).resize((512, 512), Image.Resampling.BICUBIC).convert("RGB"))
    for most in (MOST_BYTES, 5_300, FEWEST_BYTES):
        made.clear()
        make_thumbnail(photo, most)
        assert made[-1] <= most
        assert len(made) <= 4


def test_thumbnails_get_smaller_where_there_are_many(tmp_path: Path) -> None:
    noise = LazyImage.from_bytes(encode_png(Image.effect_noise((300, 300), 90).convert("RGB")))
    few, many = (PagePictures(tmp_path, count).of("x", noise).thumbnail for count in (10, 1_000_000))
    assert len(many) < len(few)
    assert len(many) < 2 * FEWEST_BYTES


def test_full_pictures_are_stored_once_beside_the_page_or_linked_where_they_lie(tmp_path: Path) -> None:
    data = encode_png(Image.effect_noise((300, 200), 90).convert("RGB"))
    beside = PagePictures(tmp_path, 1)
    shown = [beside.of("x", LazyImage.from_bytes(data)) for _ in range(2)]
    assert shown[0] == shown[1]
    assert (tmp_path / shown[0].full).read_bytes() == data
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 1
    odd = tmp_path / "javascript:alert(1) #?%.png"
    odd.write_bytes(data)
    assert beside.of("x", LazyImage(path=odd)).full == "./javascript%3Aalert%281%29%20%23%3F%25.png"


def test_a_picture_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    assert "not a readable image" in PagePictures(tmp_path, 1).of("x", LazyImage(path=tmp_path / "broken.png")).missing
    assert "cannot be read" in PagePictures(tmp_path, 1).of("x", LazyImage(path=tmp_path / "none.png")).missing


def test_thumbnails_stand_in_blocks_that_are_read_one_by_one() -> None:
    cards = [Card(str(number), inputs=[Picture("x", f"data:{number}")]) for number in range(CHUNK + 1)]
    page = render_page(Page("t", cards=cards))
    assert page.count('class="thumbnails"') == 2
    assert thumbnails(page) == [f"data:{number}" for number in range(CHUNK + 1)]
    assert page_data(page)["cards"][CHUNK]["inputs"][0]["thumbnail"] == CHUNK


def test_a_page_is_written_in_parts_of_which_none_is_large() -> None:
    cards = [Card(str(number), inputs=[Picture("x", f"data:{number}{'x' * 2000}")]) for number in range(10 * CHUNK)]
    page = Page("t", cards=cards)
    assert max(map(len, page_parts(page))) < len(render_page(page)) / 5


# The commands.


@pytest.fixture
def finished(write_benchmark: Callable[..., Path], make_config: Callable[..., Config]) -> Path:
    """The output directory of a run of two samples."""
    config = make_config(write_benchmark([item(0), item(1)]))
    evaluate(config)
    return config.evaluation.output_dir


def test_a_run_leaves_a_page_and_its_report_shows_it_last_and_in_the_browser(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(list((finished / "results").glob("*.html"))) == 1
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    done = CliRunner().invoke(app, ["report", str(finished), "--open"])
    assert done.exit_code == 0, done.output
    last = Path(done.output.strip().splitlines()[-1])
    assert last.suffix == ".html"
    assert opened == [last.resolve().as_uri()]
    cards = page_data(last.read_text(encoding="utf-8"))["cards"]
    assert [len(pictures(card)) for card in cards] == [3, 3]
    assert all("missing" not in picture for card in cards for picture in pictures(card))


def test_a_machine_without_a_browser_says_where_the_page_is(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    done = CliRunner().invoke(app, ["report", str(finished), "--open"])
    assert done.exit_code == 0
    assert "no browser was found; open " in done.output


def test_the_full_size_pictures_of_base64_data_lie_beside_the_page_once(finished: Path, tmp_path: Path) -> None:
    """A second page adds none, and they are named by content, not by what the data say."""
    report = json.loads(next((finished / "results").glob("*.json")).read_text(encoding="utf-8"))
    noise = encode_png(Image.effect_noise((200, 150), 90).convert("RGB"))
    data = tmp_path / "large.json"
    items = [item(number, src_img_b64=base64.b64encode(noise).decode()) for number in range(2)]
    data.write_text(json.dumps(items), encoding="utf-8")
    report["config"]["benchmark"]["data_path"] = str(data)
    for row in report["samples"]:
        row["source_sha256"] = content_hash(noise)
    for minute in range(2):
        page = write_reports(report, tmp_path / "results", datetime(2026, 1, 2, 3, minute), finished).page
    (stored,) = (tmp_path / "results" / "pictures").rglob("*.png")
    assert stored.name == f"{content_hash(noise)[:32]}.png"
    assert {card["inputs"][0]["full"] for card in page_data(page.read_text(encoding="utf-8"))["cards"]} == {
        f"./pictures/{stored.name[:2]}/{stored.name}"
    }
