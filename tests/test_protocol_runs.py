"""Runs that are scored by a published protocol: the report states it, and its tables stand in every form."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from src.config import Config
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from src.reporting.console import print_report
from src.reporting.markdown import render_markdown
from src.rewards.scorers.protocol import PROTOCOLS
from tests.api_judge import server  # noqa: F401 (fixture)
from tests.chat_server import ChatServer
from tests.conftest import item
from tests.pages import around_the_data
from tests.protocol_samples import JUDGE, replies

TYPES = ("add", "add", "style", "style", "not a type")


@pytest.fixture
def run(
    server: ChatServer,  # noqa: F811
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Config]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    items = [{**item(place), "subset": name} for place, name in enumerate(TYPES)]
    data = write_benchmark(items)
    replies(
        server,
        {
            "another style": "Fine.\nStyle: 5\nPreservation: 4\nRendering: 3",
            "change to 0": "Fine.\nCompliance: 2\nNaturalness: 2\nCoherence: 2",
            "Something was to be added": "I cannot judge this.",
        },
    )

    def config(**params: Any) -> Config:
        return make_config(
            data,
            reward_model={"class_path": JUDGE, "params": {"base_url": server.url, "model": "judge"}},
            scorer={"protocol": "imgedit@2025-09", "params": params},
        )

    return config


def test_a_run_by_a_protocol_reports_its_tables_its_statement_and_its_coverage(run: Callable[..., Config]) -> None:
    report = evaluate(run()).report
    assert report["statuses"] == {"scored": 3, "unparsable": 1, "not_applicable": 1}
    told = report["protocol"]
    assert (told["name"], told["scale"], told["as_published"]) == ("imgedit@2025-09", [1.0, 5.0], False)
    assert "not comparable with published tables" in told["comparable"]
    assert told["defects"]
    rows = {row["name"]: row for row in told["tables"][0]["rows"]}
    assert (rows["add"]["values"]["score"], rows["add"]["scored"], rows["add"]["total"]) == (2.0, 1, 2)
    assert rows["style"]["values"]["score"] == 4.0
    assert rows["style"]["of_ten"]["score"] == 7.5
    macro = rows["overall, macro over edit types"]
    assert (macro["values"]["score"], macro["note"]) == (3.0, "over 2 of the benchmark's 9 edit types")
    assert rows["overall, micro"]["values"]["score"] == pytest.approx((2 + 4 + 4) / 3)
    micro = rows["overall, micro"]
    assert (micro["scored"], micro["total"], micro["note"]) == (3, 4, "1 not applicable")
    assert report["overall_statistics"]["mean"] == pytest.approx(10 * ((2 + 4 + 4) / 3 - 1) / 4)


def test_the_tables_and_the_sentence_on_published_ones_stand_in_markdown_console_and_page(
    run: Callable[..., Config], tmp_path: Path
) -> None:
    report = evaluate(run(as_published=True)).report
    text = render_markdown(report)
    assert "## Protocol" in text
    assert "not comparable with published tables" in text
    assert "defects of the official script, reproduced" in text
    told = StringIO()
    print_report(report, Console(file=told, width=160))
    assert "overall, micro" in told.getvalue()
    assert "not comparable" in told.getvalue()
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "out").rglob("*.html")]
    assert any("imgedit@2025-09 · basic suite" in page for page in pages)
    said = [around_the_data(page) for page in pages if "basic suite" in page]
    assert all("as_published: true" in one and "one or two missing criteria pass" in one for one in said)


@pytest.mark.parametrize("width", [80, 160])
def test_every_figure_of_a_protocol_stands_on_the_console_whole(run: Callable[..., Config], width: int) -> None:
    told = StringIO()
    report = evaluate(run()).report
    print_report(report, Console(file=told, width=width))
    text = " ".join(told.getvalue().split())
    assert (
        "imgedit@2025-09, basic suite, overall, macro over edit types (over 2 of the benchmark's 9 edit types): "
        in text
    )
    assert "score 3.00; 3 / 4 scored" in text
    assert "overall, micro (1 not applicable): score 3.33; 3 / 4 scored" in text
    assert all(len(line) <= width for line in told.getvalue().splitlines())


def test_a_figure_of_a_protocol_that_there_is_not_is_a_dash_on_the_console_with_its_reason(
    run: Callable[..., Config],
    server: ChatServer,  # noqa: F811
) -> None:
    replies(server, {"another style": "No.", "": "Fine.\nCompliance: 2\nNaturalness: 2\nCoherence: 2"})
    told = StringIO()
    print_report(evaluate(run()).report, Console(file=told, width=80))
    text = " ".join(told.getvalue().split())
    assert "no mean, as there is no score of style): score –; 2 / 4 scored" in text


def test_a_run_by_another_scorer_has_no_such_section(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    assert "protocol" not in evaluate(make_config(write_benchmark(2))).report


def test_check_counts_what_the_protocol_cannot_judge_and_says_what_the_figures_mean(run: Callable[..., Config]) -> None:
    lines = "\n".join(check_run(run()))
    assert "asks by edit type" in lines
    assert "not comparable with published tables" in lines


PAGE = (Path(__file__).resolve().parents[1] / "docs" / "protocols.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_page_has_a_table_for_each_protocol_that_says_where_it_is_from(name: str) -> None:
    section = PAGE.partition(f"## {name}\n")[2].partition("\n## ")[0]
    official = PROTOCOLS[name].official
    assert official.paths[0] in section
    for row in ("calls", "as published", "formula", "tables", "not as published", "`as_published`", "beside published"):
        assert f"\n| {row} |" in section
    assert ("changes nothing" in section) == (not PROTOCOLS[name].facts.defects)
