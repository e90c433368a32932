"""Public benchmarks in their official layouts, edited and judged by their own protocols, end to end."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config import Config, parse_config
from src.data.image import content_hash
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from src.training.config import TrainingConfig
from src.training.grpo.edit_pipeline import EditPipeline, RewardRequest
from tests import official_layouts as layouts
from tests.api_judge import server  # noqa: F401 (fixture)
from tests.chat_server import ChatServer
from tests.protocol_samples import JUDGE, replies

SNAPSHOTS = Path(__file__).parent / "stored_protocols" / "benchmarks"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(
    server: ChatServer,  # noqa: F811
    make_config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a benchmark by its protocol against a judge with these replies, and gives the report."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def report(
        name: str,
        protocol: str,
        said: dict[str, Any],
        data: Path,
        *,
        compared: bool = True,
        params: dict[str, Any] | None = None,
        **sections: Any,
    ) -> dict[str, Any]:
        replies(server, said)
        config = make_config(
            data,
            benchmark={"format": name, "data_path": str(data)},
            reward_model={"class_path": JUDGE, "params": {"base_url": server.url, "model": "judge"}},
            scorer={"protocol": protocol, "params": params or {}},
            **sections,
        )
        found = evaluate(config).report
        if compared:
            _compare(server, name)
        return found

    return report


def _compare(server: ChatServer, name: str) -> None:  # noqa: F811
    """Each request once, in an order of its own: workers send them as they come."""
    sent = sorted({json.dumps(body, ensure_ascii=False) for body in server.requests})
    text = "\n".join(sent) + "\n"
    path = SNAPSHOTS / f"{name}.jsonl"
    if os.environ.get("STORE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def figures(report: dict[str, Any], table: int, name: str) -> dict[str, Any]:
    rows = report["protocol"]["tables"][table]["rows"]
    return next(row for row in rows if row["name"].startswith(name))


def test_gedit_end_to_end(run: Run, tmp_path: Path) -> None:
    said = {
        "change ab12": '{"score": [9, 4]}',
        "change cd34": '{"score": [0, 10]}',
        "change ef56": "I cannot see the pictures.",
        "how natural": '{"score": [9, 10]}',
    }
    report = run("gedit", "gedit@2025-05", said, layouts.gedit(tmp_path / "data", layouts.GEDIT_ROWS))
    assert report["statuses"] == {"scored": 2, "unparsable": 1}
    assert figures(report, 0, "motion_change")["values"] == {"SC": 4, "PQ": 9, "O": math.sqrt(36)}
    assert figures(report, 0, "subject-add")["values"]["O"] == 0.0
    assert figures(report, 0, "ps_human")["values"]["O"] is None
    assert figures(report, 0, "overall, macro")["values"]["O"] is None
    micro = figures(report, 0, "overall, micro")
    assert (micro["values"]["O"], micro["scored"], micro["total"]) == (3.0, 2, 3)
    both = [key for key in ("ab12", "cd34", "ef56") if sum(map(ord, key)) % 2 == 0]
    assert figures(report, 1, "overall, micro")["total"] == len(both)


def test_imgedit_end_to_end(run: Run, tmp_path: Path) -> None:
    said = {
        "shell smooth": "Good.\nCompliance: 5\nSeamlessness: 4\nFidelity: 3",
        "fur darker": "Bad.\nCompliance: 1\nSeamlessness: 1\nFidelity: 1",
        "woodcut": "Fine.\nStyle: 4\nPreservation: 4\nRendering: 3",
    }
    report = run("imgedit", "imgedit@2025-09", said, layouts.imgedit(tmp_path / "data"))
    assert figures(report, 0, "adjust")["values"]["score"] == 2.5
    assert figures(report, 0, "style")["values"]["score"] == pytest.approx(11 / 3)
    assert figures(report, 0, "overall, macro")["values"]["score"] == pytest.approx((2.5 + 11 / 3) / 2)
    assert figures(report, 0, "overall, micro")["values"]["score"] == pytest.approx((4 + 1 + 11 / 3) / 3)
    assert report["overall_statistics"]["clusters"] == 2


def test_the_uge_suite_end_to_end(run: Run, tmp_path: Path) -> None:
    said = {"slice": "Gone.\nScore: 5", "sits in front": "The wrong one.\nScore: 2"}
    report = run("imgedit-uge", "imgedit-uge@2025-09", said, layouts.imgedit_uge(tmp_path / "data"))
    assert figures(report, 0, "overall")["values"]["score"] == 3.5
    assert figures(report, 0, "overall")["of_ten"]["score"] == 10 * (3.5 - 1) / 4


def test_rise_end_to_end(run: Run, tmp_path: Path) -> None:
    said = {
        "the end of 1": "Final Score: 5",
        "the end of 2": "Final Score: 1",
        "second picture show the same result": "Final Score: 3",
        "Does the picture give this answer": "Final Score: 1",
        "style and arrangement": "Final Score: 1",
        "everything else the same": "Final Score: 5",
        "how well it is made": "Final Score: 5",
    }
    report = run("rise", "rise@2026-05", said, layouts.rise(tmp_path / "data"))
    by_hand = {
        "temporal_reasoning": (5.0, 100.0),
        "causal_reasoning": (max(1.0, (0.8 * 1 + 0.2 * 5) / 2), 0.0),
        "spatial_reasoning": (0.3 * 5 + 0.5 * 3 + 0.2 * 5, 0.0),
        "logical_reasoning": (5.0, 100.0),
    }
    for name, (score, accuracy) in by_hand.items():
        values = figures(report, 0, name)["values"]
        assert values["score"] == pytest.approx(score)
        assert values["accuracy %"] == accuracy
    assert figures(report, 0, "overall, micro")["values"]["score"] == pytest.approx(
        sum(score for score, _ in by_hand.values()) / 4
    )
    assert figures(report, 0, "overall, micro")["values"]["accuracy %"] == 50.0


def test_kris_end_to_end_with_outputs_that_are_there(run: Run, tmp_path: Path) -> None:
    """An editor of one source cannot make the frame, so the outputs are another tool's."""
    data, outputs = layouts.kris(tmp_path / "data"), tmp_path / "results"
    for number, (category, rows) in enumerate(layouts.KRIS.items()):
        for key in rows:
            layouts.picture(outputs / category / f"{key}.png", 11 + number)
    said = {
        "knowledge_score:": '{"instruction_score": 5, "knowledge_score": 3}',
        "consistency_score:": '{"consistency_score": 4}',
        "instruction_score:": '{"instruction_score": 2}',
        "quality_score:": '{"quality_score": 5}',
    }
    precomputed = "src.models.diffusion.implementations.precomputed.PrecomputedEditModel"
    editor = {"class_path": precomputed, "params": {"folder": str(outputs), "layout": "kris"}}
    report = run("kris", "kris@2025-05", said, data, diffusion_model=editor)
    assert report["statuses"] == {"scored": 5}
    assert figures(report, 0, "natural")["values"] == {"VC": 75, "VQ": 100, "IF": 100, "KP": 50, "average": 81.25}
    others = {"VC": 75, "VQ": 100, "IF": 25, "KP": None, "average": pytest.approx(200 / 3)}
    for group in ("attribute", "spatial", "temporal"):
        assert figures(report, 0, group)["values"] == others
    micro = (2 * (75 + 100 + 100 + 50) + 3 * (75 + 100 + 25)) / (2 * 4 + 3 * 3)
    assert figures(report, 0, "overall, micro")["values"]["average"] == pytest.approx(micro)


def test_kris_with_an_editor_of_one_source_leaves_the_frame_out_and_makes_no_zero_of_it(
    run: Run, tmp_path: Path
) -> None:
    said = {"_score": '{"consistency_score": 4, "instruction_score": 2, "quality_score": 5}'}
    only = {"temporal_prediction": layouts.KRIS["temporal_prediction"], "count_change": layouts.KRIS["count_change"]}
    data = layouts.kris(tmp_path / "data", only)
    report = run("kris", "kris@2025-05", said, data, compared=False)
    assert report["statuses"] == {"scored": 1, "not_applicable": 1}
    temporal = figures(report, 0, "temporal")
    assert (temporal["values"]["average"], temporal["scored"], temporal["total"]) == (None, 0, 0)
    assert temporal["note"] == "1 not applicable"


def test_uniredit_end_to_end(run: Run, tmp_path: Path) -> None:
    said = {
        "everything else the same": "Final Score: 5",
        "it is turned": "Final Score: 5",
        "a red line leads out": "Final Score: 2",
        "how well it is made": "Final Score: 5",
    }
    report = run("uniredit", "uniredit@2026-08", said, layouts.uniredit(tmp_path / "data"))
    assert figures(report, 0, "spatial")["values"] == {"score": 5.0, "score %": 100.0, "accuracy %": 100.0}
    assert figures(report, 0, "maze")["values"]["score"] == pytest.approx(0.3 * 5 + 0.5 * 2 + 0.2 * 5)
    assert figures(report, 0, "overall, micro")["values"]["accuracy %"] == 50.0


def test_complex_edit_end_to_end(run: Run, tmp_path: Path) -> None:
    said = {
        "0: all 1": '{"reasoning": "r", "instruction_following": "10", "identity_preservation": "8"}',
        "0: all 2": '{"reasoning": "r", "instruction_following": "4", "identity_preservation": "5"}',
        "": '{"perceptual_quality": "9"}',
    }
    data = layouts.complex_edit(tmp_path / "data", [layouts.complex_edit_row(0, levels=2)])
    report = run("complex-edit", "complex-edit@2025-04", said, data, params={"repeats": 1})
    assert report["statuses"] == {"scored": 2, "bad_sample": 6}
    assert figures(report, 0, "level 1")["values"]["overall"] == 9.0
    assert figures(report, 0, "level 2")["values"]["overall"] == 6.0
    assert figures(report, 0, "overall, micro")["values"]["identity preservation"] == 6.5


def test_a_training_rewards_an_edit_by_the_very_verdict_of_a_run(tmp_path: Path) -> None:
    data = layouts.imgedit(tmp_path / "data")
    models = {
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
        "reward_model": {"class_path": JUDGE, "params": {"base_url": "http://127.0.0.1:9/v1"}},
        "scorer": {"protocol": "imgedit@2025-09"},
    }
    benchmark = {"format": "imgedit", "data_path": str(data)}
    plan = RunPlan(parse_config({"benchmark": benchmark, **models}, "run"))
    trained_on = {"train": str(data), "format": "imgedit"}
    training = TrainingConfig.model_validate({"policy": {"model": "p"}, "data": trained_on, **models})
    samples = [one for one in load_samples(str(data), plan.selection) if isinstance(one, EditSample)]
    assert len(samples) == 3
    for sample in samples:
        _, keys = plan.item(sample, content_hash(sample.source.read_bytes()))
        rewarded = EditPipeline(training).item(RewardRequest(sample, sample.source, sample.instruction, None))
        assert rewarded.pending_verdicts[0].verdict_key == keys.verdict_key
