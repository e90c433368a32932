"""Whole runs through real files, real SQLite and real plug-ins."""

from __future__ import annotations

import base64
import io
import json
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from src.config import Config
from src.errors import ConfigError, DataError, ModelError, OutputError
from src.pipeline.check import check_run
from src.pipeline.evaluation import FinishedRun, evaluate
from src.pipeline.keys import sample_seed
from src.pipeline.output import exclusive
from src.reporting.console import print_report
from tests.conftest import item
from tests.plugins import BatchEditor, BrightnessJudge

Write = Callable[..., Path]
Make = Callable[..., Config]


def rows(outcome: FinishedRun) -> dict[str, dict[str, Any]]:
    return {row["sample_id"]: row for row in outcome.report["samples"]}


def test_a_run_scores_every_sample_and_leaves_reports_pictures_and_record(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    outcome = evaluate(make_config(write_benchmark(10)))
    assert outcome.report["overall_statistics"]["num_samples"] == 10
    assert outcome.report["overall_statistics"]["coverage"] == 1.0
    out = tmp_path / "out"
    assert Image.open(out / "images" / "环境" / "00001_环境_medium.png").getpixel((0, 0)) == (254, 215, 165)
    assert json.loads(outcome.paths.json.read_text())["overall_statistics"]["num_samples"] == 10
    assert outcome.paths.markdown.read_text().startswith("# ")
    assert (out / "record.sqlite").is_file()


def test_a_score_is_what_the_judge_said_of_this_very_edit(write_benchmark: Write, make_config: Make) -> None:
    outcome = evaluate(make_config(write_benchmark(7), reward_model={"params": {"concurrency": 4}}))
    for index, row in enumerate(outcome.report["samples"]):
        expected = ((255 - index) + 215 + 165) / 3 / 25.5
        assert row["score"] == pytest.approx(expected), row["sample_id"]


@pytest.mark.parametrize("kept", [True, False])
def test_the_report_says_which_size_each_source_and_its_edit_had(
    write_benchmark: Write, make_config: Make, kept: bool
) -> None:
    config = make_config(
        write_benchmark(3),
        diffusion_model={"class_path": "tests.plugins.SquareEditor"},
        evaluation={"save_generated_images": kept},
    )
    outcome = evaluate(config)
    source = list(Image.open(io.BytesIO(base64.b64decode(item(0)["src_img_b64"]))).size)
    assert [(row["source_size"], row["edit_size"]) for row in outcome.report["samples"]] == [(source, [32, 32])] * 3
    assert outcome.report["sizes"] == [{"source": source, "edit": [32, 32], "count": 3}]
    assert f"| {source[0]} × {source[1]} | 32 × 32 | 3 |" in outcome.paths.markdown.read_text()


def test_the_judge_sees_the_source_as_it_was_even_if_the_editor_paints_into_it(
    write_benchmark: Write, make_config: Make
) -> None:
    config = make_config(
        write_benchmark([item(0, edit_instruction_en="mutate")]),
        diffusion_model={"class_path": "tests.plugins.FaultyEditor"},
        reward_model={"class_path": "tests.plugins.SourceJudge"},
    )
    assert evaluate(config).report["samples"][0]["score"] == 10.0


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_every_fault_of_editor_judge_and_data_is_a_status_and_never_a_number(
    write_benchmark: Write, make_config: Make, schedule: str
) -> None:
    faults = {
        "edit_failed": [item(index, edit_instruction_en=word) for index, word in enumerate(("raise", "none", "text"))],
        "bad_sample": [item(3, src_img_b64="!!"), item(4, edit_instruction_en=" ", edit_instruction=None)],
    }
    config = make_config(
        write_benchmark([*faults["edit_failed"], *faults["bad_sample"], item(5), item(6)]),
        diffusion_model={"class_path": "tests.plugins.FaultyEditor"},
        evaluation={"schedule": schedule},
    )
    report = evaluate(config).report
    assert report["statuses"] == {"scored": 2, "edit_failed": 3, "bad_sample": 2}
    assert report["overall_statistics"]["coverage"] == pytest.approx(2 / 7)
    for row in report["samples"]:
        assert (row["score"] is None) == (row["status"] != "scored"), row
        assert row["status"] == "scored" or row["reason"], row
    reasons = " ".join(row["reason"] or "" for row in report["samples"])
    for words in ("RuntimeError: out of paint", "returned NoneType", "returned str", "base64"):
        assert words in reasons


def test_a_judge_that_fails_or_leaves_the_scale_never_scores(write_benchmark: Write, make_config: Make) -> None:
    words = ["raise", "nan", "eleven", "text", "skip", "fine"]
    config = make_config(
        write_benchmark([item(index, edit_instruction_en=word) for index, word in enumerate(words)]),
        reward_model={"class_path": "tests.plugins.FaultyJudge"},
    )
    statuses = [row["status"] for row in evaluate(config).report["samples"]]
    assert statuses == ["judge_failed"] * 4 + ["not_applicable", "scored"]


def test_an_old_style_plugin_with_bare_kwargs_works_unchanged(write_benchmark: Write, make_config: Make) -> None:
    config = make_config(
        write_benchmark(3), diffusion_model={"class_path": "tests.plugins.OldStyleEditor", "params": {"seed": 5}}
    )
    assert evaluate(config).report["overall_statistics"]["num_samples"] == 3


def test_a_batching_editor_gets_full_batches_and_a_cursed_batch_costs_only_the_culprit(
    write_benchmark: Write, make_config: Make
) -> None:
    BatchEditor.batches.clear()
    config = make_config(
        write_benchmark(10),
        diffusion_model={
            "class_path": "tests.plugins.BatchEditor",
            "params": {"batch_size": 4, "refuse": "change to 5"},
        },
    )
    report = evaluate(config).report
    assert BatchEditor.batches == [4, 4, 2]
    assert report["statuses"] == {"scored": 9, "edit_failed": 1}


class WideEditor(BatchEditor):
    """Says only once it is loaded that it wants more at once than waits between two stages."""

    def _initialize(self) -> None:
        self.batch_size = 20


def test_a_batch_size_that_a_plugin_sets_by_itself_is_honoured(write_benchmark: Write, make_config: Make) -> None:
    BatchEditor.batches.clear()
    evaluate(make_config(write_benchmark(45), diffusion_model={"class_path": "tests.test_pipeline.WideEditor"}))
    assert WideEditor.batches == [20, 20, 5]


def seeds(outcome: FinishedRun, out: Path) -> dict[str, Any]:
    return {name: Image.open(out / row["image_path"]).getpixel((0, 0)) for name, row in rows(outcome).items()}


def test_a_samples_seed_follows_from_its_id_not_from_its_place_or_batch(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    items = [item(index) for index in range(6)]
    editor = {"class_path": "tests.plugins.SeedEditor", "params": {"seed": 11}}
    batching = {"class_path": "tests.plugins.BatchEditor", "params": {"seed": 11}}
    data, reverse = write_benchmark(items, "a.json"), write_benchmark(items[::-1], "b.json")
    found = []
    for name, path, model in (("a", data, editor), ("b", reverse, editor), ("c", data, batching)):
        out = tmp_path / name
        outcome = evaluate(make_config(path, diffusion_model=model, evaluation={"output_dir": str(out)}))
        found.append(seeds(outcome, out))
    assert found[0] == found[1] == found[2]
    seed = sample_seed(11, "00002_社会_hard")
    assert found[0]["00002_社会_hard"] == (seed & 255, seed >> 8 & 255, seed >> 16 & 255)


def test_concurrent_judging_uses_the_judges_own_limit(write_benchmark: Write, make_config: Make) -> None:
    BrightnessJudge.most_running = 0
    evaluate(make_config(write_benchmark(24), reward_model={"params": {"concurrency": 6, "seconds": 0.02}}))
    assert 2 <= BrightnessJudge.most_running <= 6


def test_replicas_share_the_work_and_are_no_part_of_the_identity(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    params = {"log": str(log), "device_ids": ["cpu", "cpu"]}
    report = evaluate(make_config(write_benchmark(8), diffusion_model={"params": params})).report
    assert len(log.read_text().splitlines()) == 8
    assert report["editor"]["params"] == {}


def test_two_stages_give_the_report_of_overlapped_ones(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark(9)
    scores = []
    for schedule in ("overlapped", "two_stage"):
        settings = {"schedule": schedule, "output_dir": str(tmp_path / schedule)}
        report = evaluate(make_config(data, evaluation=settings)).report
        scores.append([(row["sample_id"], row["score"]) for row in report["samples"]])
        assert report["timings"]["edits_made"] == 9
    assert scores[0] == scores[1]


def test_pictures_are_not_kept_where_the_config_says_so_but_scores_are(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(4), evaluation={"save_generated_images": False})
    assert evaluate(config).report["overall_statistics"]["num_samples"] == 4
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_filter_changes_neither_ids_nor_seeds_and_the_limit_counts_selected_samples(
    write_benchmark: Write, make_config: Make
) -> None:
    data = write_benchmark(20)
    everything = rows(evaluate(make_config(data)))
    some = rows(evaluate(make_config(data, benchmark={"categories": ["因果"], "limit": 3})))
    assert len(some) == 3
    for name, row in some.items():
        assert row["category"] == "因果"
        assert row["score"] == everything[name]["score"]


def test_instructions_come_in_the_language_of_the_run(write_benchmark: Write, make_config: Make) -> None:
    report = evaluate(make_config(write_benchmark(1), benchmark={"language": "zh"})).report
    assert report["samples"][0]["instruction"] == "改成 0"


def test_a_category_without_a_prompt_stops_a_run_before_any_model_loads(
    write_benchmark: Write, make_config: Make
) -> None:
    config = make_config(
        write_benchmark(5),
        benchmark={"categories": ["物理", "指代"]},
        diffusion_model={"class_path": "tests.plugins.UnloadableEditor"},
        reward_model={"class_path": "tests.plugins.PromptJudge"},
        prompts={"物理": {"system_prompt": "s", "user_prompt_template": "u"}},
    )
    with pytest.raises(ConfigError, match=r"prompts\.指代\.system_prompt"):
        evaluate(config)


def test_a_model_that_cannot_load_stops_the_run_with_its_name(write_benchmark: Write, make_config: Make) -> None:
    config = make_config(write_benchmark(5), diffusion_model={"class_path": "tests.plugins.UnloadableEditor"})
    with pytest.raises(ModelError, match="UnloadableEditor could not be loaded"):
        evaluate(config)


def test_nothing_selected_is_an_error_that_leaves_the_output_directory_alone(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    with pytest.raises(DataError):
        evaluate(make_config(write_benchmark(5), benchmark={"categories": ["化学"]}))
    assert not (tmp_path / "out").exists()


def test_a_truncated_file_loses_nothing_that_came_before_the_break(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark(6)
    text = data.read_text(encoding="utf-8")
    data.write_text(text[: text.index("change to 4")], encoding="utf-8")
    with pytest.raises(DataError):
        evaluate(make_config(data))
    with sqlite3.connect(tmp_path / "out" / "record.sqlite") as record:
        assert record.execute("SELECT COUNT(*) FROM verdicts WHERE status = 'scored'").fetchone() == (4,)


def test_two_runs_at_once_in_one_directory_are_refused(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    with exclusive(tmp_path / "out"), pytest.raises(OutputError, match="another run is writing"):
        evaluate(make_config(write_benchmark(2)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_directory_is_refused_before_any_work(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="cannot be written"):
        evaluate(make_config(write_benchmark(2)))


def test_an_output_directory_that_is_a_file_is_refused(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        evaluate(make_config(write_benchmark(2)))


def test_a_full_disk_stops_the_run_with_advice_and_keeps_what_was_stored(
    write_benchmark: Write, make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(write_benchmark(12))
    original = Path.write_bytes
    written = []

    def fill_up(path: Path, data: bytes) -> int:
        if path.suffix == ".part" and len(written) >= 5:
            raise OSError(28, "No space left on device")
        written.append(path)
        return original(path, data)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(OutputError, match="No space left on device; free space, then --resume"):
        evaluate(config)
    monkeypatch.undo()
    resumed = evaluate(
        config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"resume_from_checkpoint": True})})
    )
    assert resumed.report["timings"]["edits_reused"] == 5
    assert resumed.report["overall_statistics"]["coverage"] == 1.0


def test_a_hostile_id_never_leaves_the_output_directory(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    items = [
        item(0, id="../../evil"),
        item(1, id="a/b"),
        item(2, original_image_path="../../../etc/passwd.png"),
        item(3),
    ]
    report = evaluate(make_config(write_benchmark(items))).report
    assert report["statuses"] == {"scored": 1, "bad_sample": 3}
    assert {path.name for path in tmp_path.iterdir()} == {"benchmark.json", "out"}


def test_a_category_with_a_slash_stays_below_the_images_folder(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark([item(0, subset="../up/环境")])
    evaluate(make_config(data, benchmark={"categories": ["../up/环境"]}))
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 1


def test_an_unknown_category_is_counted_as_left_out_where_categories_are_named(
    write_benchmark: Write, make_config: Make
) -> None:
    data = write_benchmark([item(0), item(1, subset="化学"), item(2, subset="\x1b[31m"), item(5), item(6)])
    config = make_config(data, benchmark={"categories": ["物理"]})
    outcome = evaluate(config)
    assert outcome.report["left_out_by_selection"] == {"化学": 1, "环境": 1}
    assert outcome.report["statuses"] == {"scored": 2, "bad_sample": 1}
    assert "- Left out by selection: 2 (化学 1, 环境 1)" in outcome.paths.markdown.read_text()
    console = Console(file=io.StringIO(), width=80)
    print_report(outcome.report, console)
    assert "left out by selection: 2 (化学 1, 环境 1)" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "left out by selection: 2 (化学 1, 环境 1)" in list(check_run(config))


def test_a_bad_sample_counts_under_its_difficulty_and_tags_and_keeps_its_instruction(
    write_benchmark: Write, make_config: Make
) -> None:
    told = {"difficulty": "hard", "tags": ["light"]}
    broken = [item(2, src_img_b64="AAAA", **told), item(3, src_img_b64=None, **told), item(4, id="../x", **told)]
    report = evaluate(make_config(write_benchmark([item(1, **told), *broken]))).report
    hard, light = report["difficulty_statistics"]["hard"], report["tag_statistics"]["light"]
    assert (hard["num_samples"], hard["total"], hard["coverage"]) == (1, 4, 0.25)
    assert (light["num_samples"], light["total"]) == (1, 4)
    assert list(report["difficulty_statistics"]) == ["hard"]
    bad = [row for row in report["samples"] if row["status"] == "bad_sample"]
    assert [row["instruction"] for row in bad] == ["change to 2", "change to 3", "change to 4"]
    assert [row["tags"] for row in bad] == [["light"]] * 3
    assert all(row["description"] for row in bad)


def test_what_cannot_be_read_of_a_bad_sample_is_left_out(write_benchmark: Write, make_config: Make) -> None:
    broken = item(0, difficulty={"hard": 1}, tags=4, edit_instruction_en=["x"], original_description_en=3)
    (row,) = evaluate(make_config(write_benchmark([broken, 3]))).report["samples"][:1]
    assert (row["status"], row["difficulty"], row["tags"], row["instruction"]) == ("bad_sample", None, [], "")


def test_a_run_without_a_single_good_sample_loads_no_model(write_benchmark: Write, make_config: Make) -> None:
    config = make_config(
        write_benchmark([item(0, src_img_b64="AAAA")]),
        diffusion_model={"class_path": "tests.plugins.UnloadableEditor"},
    )
    assert evaluate(config).report["statuses"] == {"bad_sample": 1}
