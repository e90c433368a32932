"""Configs, data files, splits and the order of a training run; no model is loaded."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.data.loader import Language, load_samples
from src.data.selection import Selection
from src.errors import ConfigError, DataError
from src.models.plain_text import PlainText
from src.training.config import DataSettings, load_training_config, parse_training_config
from src.training.dataset import ImageStore, Split, read_split
from src.training.grpo.settings import generations, grpo_config, prompts_per_generation
from src.training.held_out.edits import write_held_out_samples as write_held_out
from src.training.prompts import prompt_rows, run_order
from src.training.tasks.rewrite import CritiqueTask, RewriteTask
from src.training.train import train
from src.training.validate import build_task
from tests.conftest import item
from tests.official_layouts import complex_edit, complex_edit_row, magic_brush_test

EDITOR = {"class_path": "tests.training_plugins.ToneEditor"}


def config(**sections: Any) -> Any:
    return parse_training_config(
        {
            "policy": {"model": "no/such-model"},
            "data": {"train": "no-such-file.json"},
            "diffusion_model": EDITOR,
            "reward_model": {"class_path": "tests.training_plugins.DelayedJudge"},
            **sections,
        },
        "test.yaml",
    )


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"training": {"grpo": {"num_generation": 4}}},
            r"num_generation: .*no such field. Did you mean 'num_generations'",
        ),
        ({"training": {"grpo": {"learning_rate": "fast"}}}, r"training\.grpo\.learning_rate: .*number.*'fast'"),
        ({"training": {"grpo": {"num_generations": 3}}}, r"generation_batch_size \(8\) must be divisible"),
        ({"training": {"grpo": {"num_generations": 1}}}, r"num_generations: .*greater than or equal to 2"),
        ({"training": {"grpo": {"seed": 3}}}, r"set training\.seed instead"),
        ({"training": {"grpo": {"steps_per_generation": 4, "save_steps": 3}}}, "multiple of"),
        ({"policy": {"model": "x", "lorra": {}}}, r"policy\.lorra: unknown key\. Did you mean 'lora'"),
        ({"policy": {"model": "x", "lora": {"rank": 3}}}, r"policy\.lora\.rank: .*no such field"),
        ({"task": {"class_path": "src.training.tasks.rewrite.RewritTask"}}, "Did you mean 'RewriteTask'"),
        ({"task": {"class_path": "src.training.tasks.rewrite.RewriteTask", "params": {"x": 1}}}, r"task\.params"),
        ({"data": {"train": "x", "held_out": 1.5}}, "a share lies between 0 and 1"),
        ({"diffusion_model": {"class_path": "tests.training_plugins.TonEditor"}}, "Did you mean 'ToneEditor'"),
        (
            {"scorer": {"class_path": "src.rewards.scorers.category.CategoryScorer", "params": {"n": 1}}},
            r"scorer\.params",
        ),
        ({}, "no-such-file.json"),
    ],
)
def test_whatever_is_wrong_with_a_config_or_its_data_stops_the_run_before_a_model_is_looked_for(
    tmp_path: Path, sections: dict[str, Any], message: str
) -> None:
    training = {"output_dir": str(tmp_path / "out"), **sections.pop("training", {})}
    with pytest.raises((ConfigError, DataError), match=message):
        train(config(training=training, **sections))


def test_numbers_that_yaml_reads_as_text_reach_the_trainer_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "policy: {model: x}\ndata: {train: '${PLACE:-here}/x.json'}\n"
        "training: {output_dir: out, grpo: {learning_rate: 1e-3, num_generations: 4}}\n"
    )
    loaded = load_training_config(path, ["training.grpo.beta=1e-2", "training.seed=7"])
    arguments = grpo_config(loaded.training)
    assert (arguments.learning_rate, arguments.beta, arguments.seed) == (1e-3, 1e-2, 7)
    assert loaded.data.files[0].path == "here/x.json"


def test_held_out_samples_are_chosen_by_source_image(tmp_path: Path, write_benchmark: Callable[..., Path]) -> None:
    items = [item(index) for index in range(40)]
    twins = [{**one, "original_image_path": f"twins/{index}.png"} for index, one in enumerate(items)]
    split = read(tmp_path, train=str(write_benchmark([*items, *twins])), held_out=0.3)
    assert len(split.train) + len(split.held_out) == 80
    assert 10 < len(split.held_out) < 40
    assert not {one.source_sha256 for one in split.train} & {one.source_sha256 for one in split.held_out}


def test_a_held_out_file_that_shares_an_image_with_training_is_refused(
    tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    trained = write_benchmark([item(index) for index in range(4)], "train.json")
    apart = write_benchmark([item(index) for index in range(4, 6)], "apart.json")
    shared = write_benchmark([item(3, original_image_path="other.png"), item(9)], "shared.json")
    assert len(read(tmp_path, train=str(trained), held_out=str(apart)).held_out) == 2
    with pytest.raises(DataError, match=r"1 sample of data\.held_out .*other = .*00003_"):
        read(tmp_path, train=str(trained), held_out=str(shared))


def test_coefficients_say_how_often_a_sample_enters_an_epoch(
    tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    often = write_benchmark([item(index) for index in range(4)], "often.json")
    rarely = write_benchmark([item(index) for index in range(4, 84)], "rarely.json")
    files = [{"path": str(often), "coefficient": 2}, {"path": str(rarely), "coefficient": 0.25}]
    counts = Counter(one.example_id for one in read(tmp_path, train=files).train)
    assert [count for name, count in counts.items() if "often" in name] == [2] * 4
    assert 10 <= sum("rarely" in name for name in counts) <= 30
    assert {count for name, count in counts.items() if "rarely" in name} == {1}


def test_a_file_may_have_a_layout_of_its_own(tmp_path: Path, write_benchmark: Callable[..., Path]) -> None:
    own = write_benchmark([item(0)], "own.json")
    files = [{"path": str(own)}, {"path": str(magic_brush_test(tmp_path / "test")), "format": "magicbrush"}]
    assert [one.example_id for one in read(tmp_path, train=files).train] == [
        "0-own/00000_物理_easy",
        "1-test/7_1",
        "1-test/7_2",
    ]


def test_bad_items_are_left_out_and_a_file_of_nothing_else_is_refused(
    tmp_path: Path, write_benchmark: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    mixed = write_benchmark([item(0), item(1, src_img_b64="AAAA"), {"subset": "物理"}], "mixed.json")
    assert len(read(tmp_path, train=str(mixed)).train) == 1
    assert "2 bad items are left out: 00001_环境_medium (item 1): source image: not a readable image" in caplog.text
    with pytest.raises(DataError, match="no usable item"):
        read(tmp_path, train=str(write_benchmark([item(1, src_img_b64="AAAA")], "bad.json")))


def test_a_sample_with_any_broken_picture_is_left_out_by_its_name(
    tmp_path: Path, write_benchmark: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    pictures = [{"src_img_b64": "AAAA"}, {"reference_img_b64": "AAAA"}, {"preliminary_img_b64": "AAAA"}]
    data = write_benchmark([item(0), *(item(place, **one) for place, one in enumerate(pictures, 1))])
    assert len(read(tmp_path, train=str(data)).train) == 1
    for name in ("source", "reference", "preliminary"):
        assert f"{name} image: not a readable image" in caplog.text


SHIPPED = "assets/miniature/editor"
THINKING = {
    "policy": {"model": f"{SHIPPED}/text_encoder"},
    "task": {"class_path": "src.training.tasks.conditioning.ConditioningTask"},
    "diffusion_model": {
        "class_path": "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel",
        "params": {"model_name": SHIPPED, "true_cfg_scale": 1.0},
    },
}


@pytest.mark.parametrize("sections", [{}, THINKING], ids=["rewrite", "conditioning"])
def test_what_is_edited_from_several_pictures_or_in_several_turns_is_no_training_sample(
    tmp_path: Path, write_benchmark: Callable[..., Path], caplog: pytest.LogCaptureFixture, sections: dict[str, Any]
) -> None:
    several = item(1, further_src_imgs=[item(2)["src_img_b64"]])
    turns = item(3, edit_turns=["first", "then"])
    reader = build_task(config(**sections))
    mixed = DataSettings(train=str(write_benchmark([item(0), several, turns], "mixed.json")))
    assert len(read_split(reader, mixed, 0, ImageStore(tmp_path / "images")).train) == 1
    assert "00001_环境_medium (item 1): it has several source pictures, and a training edits one" in caplog.text
    assert "(item 2): it is edited in several turns, and a training edits in one" in caplog.text
    alone = str(write_benchmark([several], "several.json"))
    with pytest.raises(DataError, match=r"no usable item; .*several source pictures"):
        train(config(**sections, data={"train": alone}, training={"output_dir": str(tmp_path / "out")}))


def test_images_are_kept_in_files_and_decoded_when_a_row_is_drawn(
    tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    split = read(tmp_path, train=str(write_benchmark(3)))
    assert all(image.path and image.base64_text is None for one in split.train for image in one.images)
    rows = prompt_rows(split.train, 8, PlainText([])).select([2, 0, 2])
    drawn = rows[0:2]
    assert drawn["example_id"] == [split.train[2].example_id, split.train[0].example_id]
    assert [images[0].size for images in drawn["images"]] == [(8, 8), (8, 8)]
    assert drawn["images"][0][0].getpixel((0, 0)) == (2, 40, 90)
    assert [message["role"] for message in drawn["prompt"][0]] == ["system", "user"]
    assert drawn["prompt"][0][1]["content"] == "Instruction: change to 2"


def test_a_kept_image_that_was_damaged_at_its_full_size_is_written_anew(
    tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    trained = str(write_benchmark([item(index) for index in range(4)], "train.json"))
    apart = str(write_benchmark([item(index) for index in range(4, 6)], "apart.json"))
    whole = read(tmp_path, train=trained, held_out=apart)
    kept = {path: path.read_bytes() for path in (tmp_path / "images").iterdir()}
    for path, data in kept.items():
        path.write_bytes(bytes(len(data)))
    assert read(tmp_path, train=trained, held_out=apart) == whole, "zeroed files are no common source image"
    assert {path: path.read_bytes() for path in (tmp_path / "images").iterdir()} == kept


def test_the_order_of_a_longer_run_begins_with_that_of_a_shorter_one_and_every_epoch_holds_all() -> None:
    short, long = run_order(5, 12, seed=3), run_order(5, 20, seed=3)
    assert long[:12] == short
    assert [sorted(long[start : start + 5]) for start in (0, 5, 10, 15)] == [[0, 1, 2, 3, 4]] * 4
    assert long[:5] != long[5:10]
    assert run_order(5, 12, seed=4) != short


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"max_steps": 10}, 10),
        ({"max_steps": 10, "gradient_accumulation_steps": 2, "steps_per_generation": 4, "save_steps": 2}, 5),
        ({"num_train_epochs": 2}, 20),
        ({"max_steps": 10, "num_iterations": 2}, 5),
    ],
)
def test_a_run_draws_as_many_generations_as_its_steps_need(settings: dict[str, Any], wanted: int) -> None:
    grpo = {"per_device_train_batch_size": 8, "num_generations": 4, "gradient_accumulation_steps": 1, **settings}
    arguments = grpo_config(config(training={"grpo": grpo}).training)
    assert generations(arguments, examples=10 * prompts_per_generation(arguments)) == wanted


def test_a_token_that_checkpoints_would_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="HF_TOKEN") as refused:
        grpo_config(config(training={"grpo": {"hub_token": "hf_secret"}}).training)
    assert "hf_secret" not in str(refused.value)


def test_the_critique_task_asks_another_prompt() -> None:
    first, second = (task()._prompt.render(edit_instruction="x")[0] for task in (RewriteTask, CritiqueTask))
    assert "two images" not in first
    assert "two images" in second


@pytest.mark.parametrize("language", ["en", "zh"])
def test_held_out_samples_survive_the_way_through_a_benchmark_file(
    tmp_path: Path, write_benchmark: Callable[..., Path], language: Language
) -> None:
    graph = {"elements": ["sun", "shadow"], "dependencies": [["sun", "Causes", "shadow"]]}
    changes = {"rationale_short_en": "because", "knowledge_graph": graph, "family": "sunset", "seed": 4}
    changes["preliminary_img_b64"] = item(9)["src_img_b64"]
    data = write_benchmark([item(0, **changes), item(1, tags=None, reference_img_b64=None)])
    split = read(tmp_path, train=str(data), language=language)
    path = tmp_path / "held_out.jsonl"
    write_held_out([one.subject for one in split.train], path, language)
    again = list(load_samples(str(path), Selection(language=language)))
    for one, sample in zip(split.train, again, strict=True):
        assert sample.source.read_bytes() == one.subject.source.read_bytes()
        for field in dataclasses.fields(sample):
            if field.name not in ("source", "reference", "preliminary"):
                assert getattr(sample, field.name) == getattr(one.subject, field.name), field.name
    for name in ("reference", "preliminary"):
        assert getattr(again[0], name).read_bytes() == getattr(split.train[0].subject, name).read_bytes()


def read(folder: Path, **data: Any) -> Split:
    return read_split(RewriteTask(), DataSettings(**data), seed=0, store=ImageStore(folder / "images"))


def test_the_levels_of_one_picture_of_a_public_benchmark_are_never_split(tmp_path: Path) -> None:
    rows = [complex_edit_row(place) for place in range(6)]
    data = DataSettings(train=str(complex_edit(tmp_path / "data", rows)), format="complex-edit", held_out=0.5)
    split = read_split(RewriteTask(), data, 0, ImageStore(tmp_path / "images"))
    assert len(split.train) + len(split.held_out) == 6 * 8
    sides = [{one.subject.cluster for one in part} for part in (split.train, split.held_out)]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert {one.subject.difficulty for one in split.held_out} == {str(level) for level in range(1, 9)}


def test_samples_of_text_alone_are_left_out_of_a_training_of_edits_with_the_reason(
    tmp_path: Path, write_benchmark: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = write_benchmark([item(0), {"id": "t", "category": "art", "prompt": "a cat"}])
    split = read_split(RewriteTask(), DataSettings(train=str(path)), 0, ImageStore(tmp_path / "images"))
    assert [one.example_id for one in split.train] == ["00000_物理_easy"]
    assert "t (item 1): the sample has no source picture" in caplog.text


def test_questions_have_no_layout_of_a_benchmark(tmp_path: Path) -> None:
    sections = {
        "task": {"class_path": "src.training.tasks.vqa.VQATask"},
        "data": {"train": "x.json", "format": "mmmg"},
        "scorer": {"class_path": "src.rewards.scorers.vqa.VQAScorer"},
        "training": {"output_dir": str(tmp_path)},
    }
    with pytest.raises(ConfigError, match=r"data\.format: mmmg is a layout of pictures"):
        train(config(**sections))
