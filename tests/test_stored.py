"""What users have from before the house was rebuilt — YAMLs, keys, records, reports — means the very same today.

`tests/stored` was written by the code of commit 4db60dd: `keys.json` holds configs with the class paths of then and
every key that they led to; the folders are output directories of two finished runs, with the report as it was, and of
a finished audit.
"""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from src.audit.run import audit
from src.config import Config, parse_config
from src.data.image import content_hash
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.pipeline.evaluation import evaluate, latest_report
from src.pipeline.plan import RunPlan
from src.record.record import Record
from src.training.config import TrainingConfig
from src.training.grpo.edit_pipeline import EditPipeline, RewardRequest

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "tests" / "stored"
KEYS: dict[str, Any] = json.loads((STORED / "keys.json").read_text(encoding="utf-8"))
RUNS = {"example judge": "example_judge", "reference": "reference"}
VARIES = {"timestamp", "environment"}
"""Of a report: when and with which versions it was written."""


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored configs name their data relative to it."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OPENAI_API_KEY", "x")


def samples(plan: RunPlan) -> list[EditSample]:
    items = load_samples("tests/stored/benchmark.jsonl", plan.selection)
    return [item for item in items if isinstance(item, EditSample)]


@pytest.mark.parametrize("name", sorted(set(KEYS) - {"training"}))
def test_a_run_has_the_keys_and_identities_that_it_had(name: str) -> None:
    before = KEYS[name]
    plan = RunPlan(parse_config(before["config"], name))
    info = plan.info()
    assert (plan.run_key, info.editor, info.scorer) == (before["run_key"], before["editor"], before["scorer"])
    found = [plan.item(sample, content_hash(sample.source.read_bytes())) for sample in samples(plan)]
    assert [
        {
            "sample_id": item.sample_id,
            "seed": keys.seed,
            "edit": keys.edit_key,
            "verdict": keys.verdict_key,
            "inapplicable": item.pending_verdicts[0].inapplicable,
        }
        for item, keys in found
    ] == before["keys"]


def test_a_training_finds_the_edits_and_verdicts_that_it_had() -> None:
    before = KEYS["training"]
    pipeline = EditPipeline(TrainingConfig.model_validate(before["config"]))
    of_file = {
        item.sample_id: item
        for item in load_samples("tests/stored/benchmark.jsonl", Selection())
        if isinstance(item, EditSample)
    }
    for row in before["keys"]:
        sample, text = of_file[row["sample_id"]], row["completion"]
        request = RewardRequest(sample, sample.source, "b" if text else sample.instruction, text)
        item = pipeline.item(request)
        assert (item.seed, item.edit_key, item.pending_verdicts[0].verdict_key) == (
            row["seed"],
            row["edit"],
            row["verdict"],
        )


def stored_run(name: str, tmp_path: Path) -> tuple[Path, Config]:
    """A copy of a finished run of before, and a config that resumes it."""
    folder = tmp_path / "run"
    shutil.copytree(STORED / RUNS[name], folder)
    evaluation = {"output_dir": str(folder), "resume_from_checkpoint": True}
    return folder, parse_config(KEYS[name]["config"] | {"evaluation": evaluation}, name)


def told(report: dict[str, Any], but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What a report says, as JSON has it, without what varies from one attempt to the next."""
    kept: dict[str, Any] = json.loads(json.dumps(report, default=str))
    return {name: value for name, value in kept.items() if name not in VARIES | but}


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_record_of_before_gives_the_report_that_it_gave(name: str, tmp_path: Path) -> None:
    folder, config = stored_run(name, tmp_path)
    before = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    record = Record(folder, for_reading=True)
    after = latest_report(record, config)
    record.close()
    assert told(after) == told(before)
    assert len(told(after)) > 3


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_run_of_before_is_resumed_without_doing_anything_again(name: str, tmp_path: Path) -> None:
    folder, config = stored_run(name, tmp_path)
    before = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    after = evaluate(config).report
    last = after["attempts"][-1]
    assert (last["edits_made"], last["verdicts_made"]) == (0, 0)
    assert last["edits_reused"] == before["attempts"][-1]["edits_made"] > 0
    of_attempts = frozenset({"attempts", "timings", "config", "metadata"})
    assert told(after, of_attempts) == told(before, of_attempts)


ADDED_PROBES = {"blank_source", "no_rationale", "grey_level", "jpeg_95", "png_again", "padding"}
"""Of samples without a partner, as those of that benchmark are."""


def test_an_audit_of_before_goes_on_without_asking_anything_again(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    shutil.copytree(STORED / "audit", folder)
    with closing(Record(folder, for_reading=True)) as record:
        [before] = record.runs()
        results = list(record.results(before.run_key))
    judged = {result.sample_id: result.score for result in results}
    sections = {
        "benchmark": {"data_path": "tests/stored/benchmark.jsonl"},
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor", "params": {"seed": 7}},
        "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
        "runtime": {"seed": 3},
        "evaluation": {"output_dir": str(folder)},
    }
    report = audit(parse_config(sections, "audit")).report
    first, last = report["attempts"]
    assert last["verdicts_reused"] >= first["verdicts_made"]
    scores = {row["sample_id"]: row["score"] for row in report["samples"]}
    assert judged.items() <= scores.items()
    added = {name.rpartition("/")[2] for name in scores.keys() - judged.keys()}
    assert added == ADDED_PROBES, "nothing is asked but the probes that audits of before did not have"
    assert last["verdicts_made"] <= len(scores) - len(judged)
    assert len(judged) > 40
