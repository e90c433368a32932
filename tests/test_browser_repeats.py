"""Repeated judgements and prompts on the page of a run, in a real browser: the run is made, its record read anew."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

from src.config import parse_config
from src.pipeline.evaluation import evaluate
from tests.browser import OpenPage
from tests.conftest import item
from tests.sample_results import HOSTILE
from tests.test_repeats import results

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[1]
SCORES = {0: (6.0, 6.0, 6.0), 1: (2.0, 4.0, 9.0), 2: (5.0, 7.0, 6.0), 3: (0.0, 10.0, 5.0)}
DETAILS = (
    "nodes => nodes.map(node => [node.querySelector('summary').textContent, node.querySelector('pre').textContent])"
)


def made(folder: Path, write: Callable[..., Path], scorer: str, script: dict[str, list[str]], items: list[Any]) -> Path:
    """Makes a run of three repeats, and its page in another process."""
    data = {
        "benchmark": {"data_path": str(write(items))},
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
        "reward_model": {"class_path": "tests.repeating_judge.RepeatingJudge", "params": {"script": script}},
        "scorer": {"class_path": f"src.rewards.scorers.{scorer}", "params": {"repeats": 3}},
        "evaluation": {"output_dir": str(folder)},
    }
    evaluate(parse_config(data, "test"))
    shutil.rmtree(folder / "results")
    command = [sys.executable, "main.py", "report", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (page,) = (folder / "results").glob("*.html")
    return page


@pytest.fixture
def page(write_benchmark: Callable[..., Path], tmp_path: Path) -> Path:
    script = {f"change to {index}": [f"I see it. Score: {one}" for one in scores] for index, scores in SCORES.items()}
    items = [item(index) for index in SCORES]
    return made(tmp_path / "out", write_benchmark, "category.CategoryScorer", script, items)


def details(tab: OpenPage, title: str) -> list[str]:
    """Texts of the folded parts of the open card whose title begins so."""
    found = tab.page.locator("#viewer .outcome details").evaluate_all(DETAILS)
    return [text for summary, text in found if summary.startswith(title)]


def test_the_samples_whose_repeats_disagree_most_come_first(tab: OpenPage, page: Path) -> None:
    tab.open(page)
    in_order = tab.ids
    tab.page.select_option("#sort", "sort_disagreement")
    spread = [stdev(scores) for scores in SCORES.values()]
    wanted = [in_order[place] for place in sorted(SCORES, key=lambda place: -spread[place])]
    assert tab.ids == wanted != in_order
    assert wanted[0].startswith("00003")


def test_a_card_shows_each_repeat_with_its_score_and_all_raw_replies(tab: OpenPage, page: Path) -> None:
    tab.open(page)
    tab.page.locator(".card", has_text="00001").click()
    rows = tab.page.locator("#viewer .repeats tbody tr")
    assert [rows.nth(place).inner_text().split() for place in range(3)] == [
        ["1", "2.00", "0.25", "s"],
        ["2", "4.00", "0.50", "s"],
        ["3", "9.00", "0.75", "s"],
    ]
    assert tab.page.locator("#viewer .outcome h3 .badge").inner_text() == "5.00"
    assert details(tab, "Repeat ") == [f"I see it. Score: {score}" for score in SCORES[1]]
    assert f"{stdev(SCORES[1]):.2f}" in tab.page.locator("#viewer .outcome dl").inner_text()
    tab.page.keyboard.press("l")
    assert "重复评判" in tab.page.locator("#viewer .outcome").inner_text()


def test_a_card_shows_the_prompts_of_its_own_sample_with_a_mark_for_each_image(tab: OpenPage, page: Path) -> None:
    tab.open(page)
    for result in results(page.parents[1])[:2]:
        tab.page.keyboard.press("Escape")
        tab.page.locator(".card", has_text=result.sample_id).click()
        (prompt,) = details(tab, "Prompt as sent")
        assert result.prompts[0].system in prompt
        assert result.prompts[0].text in prompt
        assert f"Instruction: {result.instruction}\n" in prompt
        marks = tab.page.locator("#viewer .prompt .mark").all_text_contents()
        assert marks == ["system prompt", "user prompt", "image", "image", "image"]


def test_several_prompts_are_shown_one_by_one_and_their_texts_run_nothing(
    tab: OpenPage, write_benchmark: Callable[..., Path], tmp_path: Path
) -> None:
    reply = '{{"reasoning": "<img src=x onerror=alert(1)>", "{}": 4, "{}": 9}}'
    script = {
        "edit_success": [reply.format("edit_success", "no_overediting")],
        "naturalness": [reply.format("naturalness", "no_artifacts")],
    }
    hostile = [item(0, edit_instruction_en=HOSTILE + "<script>window.ran = 1</script>")]
    page = made(tmp_path / "out", write_benchmark, "vie.VIEScorer", script, hostile)
    tab.open(page)
    tab.page.locator(".card").first.click()
    prompts = details(tab, "Prompt as sent")
    (found,) = results(tmp_path / "out")
    assert len(prompts) == 2
    for prompt, sent in zip(prompts, found.prompts, strict=True):
        assert sent.text.replace("\r\n", "\n") in prompt.replace("\r\n", "\n")
    assert len(details(tab, "Repeat ")) == 6
    assert tab.page.locator("#viewer .outcome pre img, #viewer .outcome pre script").count() == 0
    assert tab.page.evaluate("window.ran") is None
    assert tab.violations == []
