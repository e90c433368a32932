"""A run may be killed at any moment; going on with it redoes nothing and ends as if it had never stopped."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from src.config import Config
from src.errors import OutputError
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.evaluation import FinishedRun, evaluate
from src.reporting.report import comparable
from tests.conftest import item
from tests.plugins import BrightnessJudge, InvertEditor

Write = Callable[..., Path]
Make = Callable[..., Config]


class FlaggedEditor(InvertEditor):
    """Fails as long as a file exists."""

    def edit_image(self, *args: Any, **kwargs: Any) -> Any:
        if Path(self.config["flag"]).exists():
            raise ConnectionError("the editor is down")
        return super().edit_image(*args, **kwargs)


class FlaggedJudge(BrightnessJudge):
    """Fails as long as a file exists."""

    def score(self, *args: Any, **kwargs: Any) -> float:
        if Path(self.config["flag"]).exists():
            raise ConnectionError("the judge is down")
        return super().score(*args, **kwargs)


class MoodyEditor(BaseDiffusionModel):
    """Never paints the same twice."""

    moods = itertools.count()

    def _initialize(self) -> None: ...

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        return Image.new("RGB", original_image.size, (next(self.moods) % 256, 0, 0))


def resumed(config: Config) -> Config:
    settings = config.evaluation.model_copy(update={"resume_from_checkpoint": True})
    return config.model_copy(update={"evaluation": settings})


def timings(outcome: FinishedRun) -> tuple[int, int, int, int]:
    """Edits made and reused, verdicts made and reused in the last attempt."""
    last = outcome.report["attempts"][-1]
    return tuple(last[name] for name in ("edits_made", "edits_reused", "verdicts_made", "verdicts_reused"))  # type: ignore[return-value]


def test_resuming_a_finished_run_does_nothing_and_loads_nothing(write_benchmark: Write, make_config: Make) -> None:
    data = write_benchmark(6)
    first = evaluate(make_config(data))
    again = evaluate(resumed(make_config(data)))
    assert timings(again) == (0, 6, 0, 6)
    assert comparable(again.report) == comparable(first.report)


def test_a_new_judge_judges_again_and_edits_nothing_again(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data, log = write_benchmark(6), tmp_path / "log"
    editor = {"params": {"log": str(log)}}
    evaluate(make_config(data, diffusion_model=editor))
    other = make_config(data, diffusion_model=editor, reward_model={"class_path": "tests.plugins.SourceJudge"})
    assert timings(evaluate(resumed(other))) == (0, 6, 6, 0)
    assert len(log.read_text().splitlines()) == 6


def test_a_changed_prompt_judges_again_only_its_category(write_benchmark: Write, make_config: Make) -> None:
    data = write_benchmark(10)
    prompt = {"system_prompt": "s", "user_prompt_template": "{edit_instruction}"}
    prompts = dict.fromkeys(("物理", "环境", "社会", "因果", "指代"), prompt)
    evaluate(make_config(data, prompts=prompts))
    changed = prompts | {"社会": {**prompt, "system_prompt": "stricter"}}
    assert timings(evaluate(resumed(make_config(data, prompts=changed)))) == (0, 10, 2, 8)


def test_a_changed_editor_param_edits_again_and_the_old_edits_stay(write_benchmark: Write, make_config: Make) -> None:
    data = write_benchmark(4)
    evaluate(make_config(data))
    changed = resumed(make_config(data, diffusion_model={"params": {"strength": 2}}))
    assert timings(evaluate(changed)) == (4, 0, 4, 0)
    assert timings(evaluate(resumed(make_config(data)))) == (0, 4, 0, 4), "back to the first editor: all is still there"


def test_a_longer_selection_pays_only_for_what_is_new(write_benchmark: Write, make_config: Make) -> None:
    data = write_benchmark(10)
    evaluate(make_config(data, benchmark={"limit": 4}))
    assert timings(evaluate(resumed(make_config(data)))) == (6, 4, 6, 4)


def test_failed_edits_and_verdicts_are_tried_again(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    data = write_benchmark(6)
    flag = tmp_path / "broken"
    flag.touch()
    config = make_config(
        data, diffusion_model={"class_path": "tests.test_resume.FlaggedEditor", "params": {"flag": str(flag)}}
    )
    assert evaluate(config).report["statuses"] == {"edit_failed": 6}
    flag.unlink()
    assert evaluate(resumed(config)).report["statuses"] == {"scored": 6}


def test_a_fresh_run_into_a_used_directory_sets_the_old_one_aside_whole(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark(3)
    evaluate(make_config(data))
    second = evaluate(make_config(data, diffusion_model={"class_path": "tests.plugins.SeedEditor"}))
    assert timings(second) == (3, 0, 3, 0)
    (previous,) = (tmp_path / "out" / "previous").iterdir()
    assert len(list((previous / "edits").rglob("*.png"))) == 3
    assert len(list((previous / "images").rglob("*.png"))) == 3
    assert (previous / "record.sqlite").is_file()
    assert len(list((tmp_path / "out" / "results").glob("*.json"))) == 2


def test_a_lost_picture_is_edited_again(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    data = write_benchmark(3)
    evaluate(make_config(data))
    next((tmp_path / "out" / "edits").rglob("*.png")).write_bytes(b"cut short")
    other = make_config(data, reward_model={"class_path": "tests.plugins.SourceJudge"})
    assert timings(evaluate(resumed(other)))[:2] == (1, 2)


def test_an_outage_of_the_judge_costs_no_edit_even_where_pictures_are_not_kept(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    flag = tmp_path / "down"
    flag.touch()
    config = make_config(
        write_benchmark(6),
        reward_model={"class_path": "tests.test_resume.FlaggedJudge", "params": {"flag": str(flag)}},
        evaluation={"save_generated_images": False},
    )
    assert evaluate(config).report["statuses"] == {"judge_failed": 6}
    flag.unlink()
    again = evaluate(resumed(config))
    assert timings(again) == (0, 6, 6, 0)
    assert again.report["statuses"] == {"scored": 6}
    assert not list((tmp_path / "out").rglob("*.png"))
    assert timings(evaluate(resumed(config))) == (0, 6, 0, 6), "judged edits need no picture"


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_lost_pictures_of_judged_edits_are_made_again_and_judged_again_only_if_they_differ(
    write_benchmark: Write, make_config: Make, tmp_path: Path, schedule: str
) -> None:
    for editor, judged_again in (("tests.plugins.InvertEditor", 0), ("tests.test_resume.MoodyEditor", 4)):
        out = tmp_path / editor
        settings = {"output_dir": str(out), "schedule": schedule}
        config = make_config(write_benchmark(4), diffusion_model={"class_path": editor}, evaluation=settings)
        evaluate(config)
        shutil.rmtree(out / "edits")
        shutil.rmtree(out / "images")
        again = evaluate(resumed(config))
        assert timings(again) == (4, 0, judged_again, 4 - judged_again)
        assert len(list((out / "images").rglob("*.png"))) == 4
        for row in again.report["samples"]:
            picture = Image.open(out / row["image_path"])
            assert row["score"] == pytest.approx(sum(picture.getpixel((0, 0))) / 3 / 25.5), "of this very picture"  # type: ignore[arg-type]


def test_a_damaged_picture_of_the_same_size_is_edited_again_instead_of_failing_for_ever(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark(3)
    evaluate(make_config(data))
    picture = next((tmp_path / "out" / "edits").rglob("*.png"))
    picture.write_bytes(bytes(picture.stat().st_size))
    other = make_config(data, reward_model={"class_path": "tests.plugins.SourceJudge"})
    again = evaluate(resumed(other))
    assert again.report["statuses"] == {"scored": 3}
    assert timings(again) == (1, 2, 3, 0)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_a_record_of_a_version_before_is_taken_on_with_all_its_work(
    write_benchmark: Write, make_config: Make, tmp_path: Path, version: int
) -> None:
    config = make_config(write_benchmark(3))
    evaluate(config)
    with sqlite3.connect(tmp_path / "out" / "record.sqlite") as record:
        newer = {7: ["edits.change"], 6: ["samples.cluster", "samples.attributes"]}
        newer |= {4: ["verdicts.repeats", "verdicts.prompts"], 3: ["samples.expected"]}
        newer[2] = ["edits.sha256", "edits.source_size", "edits.size", "runs.left_out"]
        for names in (names for since, names in newer.items() if since > version):
            for table, _, column in (name.partition(".") for name in names):
                record.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        record.execute(f"PRAGMA user_version = {version}")
    record.close()
    assert timings(evaluate(resumed(config))) == (0, 3, 0, 3)


def test_samples_that_left_the_file_leave_the_report(write_benchmark: Write, make_config: Make) -> None:
    evaluate(make_config(write_benchmark([item(0), item(1)])))
    report = evaluate(resumed(make_config(write_benchmark([item(1)])))).report
    assert [row["sample_id"] for row in report["samples"]] == ["00001_环境_medium"]


def config_file(tmp_path: Path, data: Path, out: str) -> Path:
    path = tmp_path / f"{out}.yaml"
    settings: dict[str, Any] = {
        "benchmark": {"data_path": str(data)},
        "diffusion_model": {
            "class_path": "tests.plugins.InvertEditor",
            "params": {"log": str(tmp_path / f"{out}.edits"), "seconds": 0.04},
        },
        "reward_model": {
            "class_path": "tests.plugins.BrightnessJudge",
            "params": {"log": str(tmp_path / f"{out}.verdicts"), "seconds": 0.05, "concurrency": 2},
        },
        "evaluation": {"output_dir": str(tmp_path / out)},
    }
    path.write_text(yaml.safe_dump(settings, allow_unicode=True))
    return path


def start(config: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "main.py", "--config", str(config), *arguments]
    # A shell's background job ignores Ctrl-C, and its children inherit that.
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=heeds_ctrl_c
    )


def wait_for_lines(log: Path, count: int) -> None:
    """Until a log has so many lines, so that a test interrupts work at its height on slow machines as on fast ones."""
    deadline = time.monotonic() + 90
    while not log.exists() or len(log.read_text().splitlines()) < count:
        assert time.monotonic() < deadline, f"{log.name} never had {count} lines"
        time.sleep(0.005)


def latest_report(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(max((out / "results").glob("*.json")).read_text())
    return report


def test_a_run_killed_again_and_again_redoes_nothing_and_ends_like_an_unbroken_one(
    write_benchmark: Write, tmp_path: Path
) -> None:
    data = write_benchmark(40)
    unbroken = start(config_file(tmp_path, data, "unbroken"))
    config, dice = config_file(tmp_path, data, "killed"), random.Random(7)
    lines = 0
    for _ in range(3):
        lines += dice.randint(3, 9)
        process = start(config, "--resume")
        wait_for_lines(tmp_path / "killed.edits", lines)
        time.sleep(dice.random() * 0.05)
        process.kill()
        process.wait(10)
    final = start(config, "--resume")
    assert final.wait(90) == 0, final.stdout and final.stdout.read()
    assert unbroken.wait(90) == 0
    assert comparable(latest_report(tmp_path / "killed")) == comparable(latest_report(tmp_path / "unbroken"))
    edits, verdicts = (
        Counter((tmp_path / f"killed.{name}").read_text().splitlines()) for name in ("edits", "verdicts")
    )
    # Made but not recorded when a kill comes: what waits for the store and is in its two hands; what two judges hold.
    assert 40 <= sum(edits.values()) <= 40 + 3 * 5
    assert 40 <= sum(verdicts.values()) <= 40 + 3 * 2
    assert len(edits) == len(verdicts) == 40


def test_ctrl_c_stores_what_is_in_flight_and_says_how_to_go_on(write_benchmark: Write, tmp_path: Path) -> None:
    config = config_file(tmp_path, write_benchmark(400), "out")
    process = start(config)
    wait_for_lines(tmp_path / "out.verdicts", 3)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "--resume" in output
    edits, verdicts = ((tmp_path / f"out.{name}").read_text().splitlines() for name in ("edits", "verdicts"))
    rebuilt = subprocess.run(
        [sys.executable, "main.py", "report", str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    report = latest_report(tmp_path / "out")
    assert report["timings"]["edits_made"] == len(edits), "no finished edit was lost"
    assert report["overall_statistics"]["num_samples"] == len(verdicts), rebuilt.stdout
    assert len(edits) < 400


def test_ctrl_c_again_and_again_ends_without_a_traceback(write_benchmark: Write, tmp_path: Path) -> None:
    path = config_file(tmp_path, write_benchmark(20), "out")
    path.write_text(path.read_text().replace("seconds: 0.04", "seconds: 20"))
    process = start(path)
    wait_for_lines(tmp_path / "out" / "logs" / "evaluation.log", 1)
    time.sleep(2)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.7)
    output, _ = process.communicate(timeout=10)
    assert process.returncode in (130, -signal.SIGINT)
    assert "interrupted; all finished work is recorded" in output
    assert "Traceback" not in output
    assert "Exception ignored" not in output


def test_a_record_of_something_else_is_refused_with_advice(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "record.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(OutputError, match="is it a record of EditLoop"):
        evaluate(resumed(make_config(write_benchmark(2))))
