"""`--shard N/M`: which samples a shard has, where its run goes, and what it is a run of."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from main import app
from src.config import Config
from src.data.loader import load_samples
from src.data.selected_content import SelectedContent
from src.data.selection import Selection
from src.errors import ConfigError
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from src.record.record import Record
from src.shard import Shard
from tests.conftest import item

Write = Callable[..., Path]
Make = Callable[..., Config]

ids = st.lists(st.text("abcdefgh0123456789_-物理", min_size=1, max_size=6), unique=True, max_size=30)


def slices(items: list[Any], count: int, **selection: Any) -> list[list[str]]:
    """The ids of each shard's samples of a benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.json"
        path.write_text(json.dumps(items), encoding="utf-8")
        return [
            [one.sample_id for one in load_samples(str(path), Selection(shard=Shard(number, count), **selection))]
            for number in range(1, count + 1)
        ]


@settings(max_examples=30)
@given(before=ids, after=ids, count=st.integers(1, 9))
def test_a_slice_keeps_its_samples_when_others_are_appended(before: list[str], after: list[str], count: int) -> None:
    first = [item(0, id="first"), *(item(place, id=name) for place, name in enumerate(before, 1))]
    longer = first + [item(place, id=name, src_img_b64=None) for place, name in enumerate(after)]
    for was, now in zip(slices(first, count), slices(longer, count), strict=True):
        assert now[: len(was)] == was


@settings(max_examples=30)
@given(names=ids, count=st.integers(1, 9))
def test_every_sample_is_in_exactly_one_slice_whatever_comes_before_it(names: list[str], count: int) -> None:
    items = [item(place, id=name) for place, name in enumerate(["first", *names])]
    found = slices(items, count)
    assert sorted(name for part in found for name in part) == sorted(["first", *names])
    assert [sorted(part) for part in slices(items[::-1], count)] == [sorted(part) for part in found]


def test_a_thousand_samples_are_spread_evenly_over_sixteen_shards() -> None:
    sizes = [sum(Shard(number, 16).takes(f"item_{place:05d}") for place in range(1000)) for number in range(1, 17)]
    assert sum(sizes) == 1000
    assert min(sizes) > 35  # 62.5 with a standard deviation of 7.7
    assert max(sizes) < 90


def test_a_limit_is_that_of_all_shards_together() -> None:
    items = [item(place) for place in range(20)]
    found = slices(items, 4, limit=7)
    assert sorted(name for part in found for name in part) == sorted(slices(items[:7], 1)[0])


@pytest.mark.parametrize("text", ["0/16", "17/16", "3", "3/0", "-1/4", "3/16/2", "a/b", "1_0/16", "3 / 16", "", "²/4"])
def test_what_is_no_shard_is_an_error_that_says_how_to_write_one(text: str, make_config: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"benchmark\.shard.*(such as 3/16|from 1 up to their number)"):
        make_config(tmp_path / "benchmark.json", benchmark={"shard": text})


def test_leading_zeros_make_no_other_shard(make_config: Make, write_benchmark: Write) -> None:
    config, same = (make_config(write_benchmark(2), benchmark={"shard": text}) for text in ("3/4", "03/04"))
    assert RunPlan(config).run_key == RunPlan(same).run_key
    assert config.in_folder_of_shard() == same.in_folder_of_shard()


def test_each_shard_has_a_run_key_of_its_own_that_leads_to_that_of_the_whole(
    make_config: Make, write_benchmark: Write
) -> None:
    data = write_benchmark(2)
    whole = RunPlan(make_config(data)).run_key
    keys = [RunPlan(make_config(data, benchmark={"shard": f"{number}/4"})).run_key for number in range(1, 5)]
    assert len({whole, *keys}) == 5
    assert {Shard.of_run_key(key)[0] for key in (whole, *keys)} == {whole}


def test_a_changed_picture_changes_the_content_that_a_shard_has_seen(tmp_path: Path, write_benchmark: Write) -> None:
    def content(items: list[Any]) -> tuple[int, str]:
        seen = SelectedContent()
        list(load_samples(str(write_benchmark(items)), Selection(shard=Shard(2, 3)), content=seen))
        return seen.items, seen.digest()

    (tmp_path / "a.png").write_bytes(b"one")
    items = [item(0), item(1, src_img_b64=None, src_img="a.png"), item(2)]
    before = content(items)
    assert before == content(items)
    assert before != content([items[0], items[1], item(2, src_img_b64=item(3)["src_img_b64"])])
    assert before != content([items[0], items[1], item(2, difficulty="hard", subset="物理")])
    assert before != content([*items, item(3)])
    (tmp_path / "a.png").write_bytes(b"other")
    assert before != content(items)


@pytest.fixture
def yaml_file(write_benchmark: Write, tmp_path: Path) -> Path:
    """The YAML of a run of three samples."""
    data = {
        "benchmark": {"data_path": str(write_benchmark(3))},
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
        "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
        "evaluation": {"output_dir": str(tmp_path / "out"), "images_dir": str(tmp_path / "pictures")},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def called(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def test_three_samples_in_sixteen_shards_run_each_in_its_own_folder_and_an_empty_shard_is_no_failure(
    yaml_file: Path, tmp_path: Path
) -> None:
    counts = []
    for number in range(1, 17):
        done = called("evaluate", "--config", yaml_file, "--shard", f"{number}/16")
        assert done.exit_code == 0, done.output
        out = tmp_path / "out" / f"shard_{number:02d}_of_16"
        (report,) = (json.loads(path.read_text()) for path in (out / "results").glob("*.json"))
        assert report["config"]["benchmark"]["shard"] == f"{number}/16"
        assert (out / "logs" / "evaluation.log").is_file()
        assert len(list((out / "images").rglob("*.png"))) == report["overall_statistics"]["num_samples"]
        counts.append(report["overall_statistics"]["num_samples"])
    assert sum(counts) == 3
    assert counts.count(0) >= 13
    assert not (tmp_path / "pictures").exists(), "a folder that all shards name would be shown by the first one alone"


def test_a_shard_says_so_in_its_report_and_a_whole_run_does_not(yaml_file: Path, tmp_path: Path) -> None:
    done = called("evaluate", "--config", yaml_file, "--shard", "1/1", "--output-dir", tmp_path / "other")
    assert "shard 1/1" in done.output
    (markdown,) = (tmp_path / "other" / "shard_1_of_1" / "results").glob("*.md")
    assert "(shard 1/1)" in markdown.read_text(encoding="utf-8")
    assert "(shard" not in called("evaluate", "--config", yaml_file).output


def test_check_counts_the_samples_of_the_shard_alone(yaml_file: Path) -> None:
    counts = [called("check", "--config", yaml_file, "--shard", f"{number}/2").output for number in (1, 2)]
    found = [int(text.partition("samples  ")[2].split()[0]) for text in counts]
    assert sum(found) == 3
    assert "of shard 1/2" in counts[0]


def test_a_shard_that_found_no_sample_and_resumes_after_some_were_appended_runs_them(
    make_config: Make, write_benchmark: Write, tmp_path: Path
) -> None:
    number = next(n for n in range(1, 17) if not slices([item(0)], 16)[n - 1] and slices([item(0), item(1)], 16)[n - 1])
    config = make_config(
        write_benchmark(1),
        benchmark={"shard": f"{number}/16"},
        evaluation={"resume_from_checkpoint": True},
    ).in_folder_of_shard()
    assert evaluate(config).report["statuses"] == {}
    write_benchmark(2)
    assert evaluate(config).report["statuses"] == {"scored": 1}
    with closing(Record(config.evaluation.output_dir, for_reading=True)) as record:
        assert [one.outcome for one in record.latest_run().attempts] == ["finished", "finished"]


def test_the_shard_of_an_id_is_the_same_in_every_version() -> None:
    """Computed by hand: the first eight bytes of SHA-256 of "shard <id>", as a number, modulo 16, from 1."""
    for sample_id, number in (("a", 10), ("0001", 15), ("社会_1", 4)):
        assert [shard for shard in range(1, 17) if Shard(shard, 16).takes(sample_id)] == [number]
