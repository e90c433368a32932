"""The miniature world: determinism, honest edits, physical consequences, and the benchmark file."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.errors import ConfigError
from src.miniature.world.benchmark import (
    BENCHMARK_SEEDS,
    HELD_OUT_SEEDS,
    HELD_OUT_TAG,
    SHIPPED_PATH,
    SHIPPED_PER_CATEGORY,
    TRAINING_SEEDS,
    write_benchmark,
)
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, families, make_edit
from src.miniature.world.render import render
from src.miniature.world.scene import Scene, Thing
from src.miniature.world.split import HELD_OUT_FAMILIES

ROOT = Path(__file__).parent.parent
RULES = [(category, family) for category in CATEGORIES for family in families(category)]
FIXED = [
    ("物理", "easy", "2e74e8ab2950f542"),
    ("环境", "medium", "0177244c70eb84ab"),
    ("社会", "hard", "183af8fbea38f7eb"),
    ("因果", "easy", "91cecf09ab01b58f"),
    ("指代", "medium", "9f4f589b5609c037"),
]


def texts_of(edit: MiniatureEdit, language: str) -> list[str]:
    return [getattr(edit, f"{name}_{language}") for name in ("instruction", "explicit", "description", "rationale")]


def fingerprint(category: str, difficulty: str, seed: int) -> str:
    edit = make_edit(category, difficulty, seed)
    words = [text for pair in zip(texts_of(edit, "en"), texts_of(edit, "zh"), strict=True) for text in pair]
    text = "\n".join((edit.family, *words))
    return hashlib.sha256(edit.source.tobytes() + edit.target.tobytes() + text.encode()).hexdigest()[:16]


def changed(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.abs(source.astype(np.int16) - target).max(axis=2) > 24


@pytest.mark.parametrize(("category", "difficulty", "expected"), FIXED)
def test_an_edit_is_the_same_on_every_machine(category: str, difficulty: str, expected: str) -> None:
    assert fingerprint(category, difficulty, 7) == expected


def test_an_edit_is_the_same_in_another_process_with_another_hash_seed() -> None:
    code = "from tests.test_miniature_world import fingerprint; print(fingerprint('物理', 'hard', 123))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {fingerprint("物理", "hard", 123)}


@pytest.mark.parametrize(("category", "family"), RULES)
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_every_rule_makes_valid_edits_at_every_difficulty(category: str, family: str, difficulty: str) -> None:
    for seed in range(8):
        edit = make_edit(category, difficulty, seed, family)
        assert (edit.category, edit.difficulty, edit.family) == (category, difficulty, family)
        assert edit.source.shape == edit.target.shape == (64, 64, 3)
        assert edit.source.dtype == edit.target.dtype == np.uint8
        assert changed(edit.source, edit.target).sum() >= 40
        for text in texts_of(edit, "en"):
            assert re.fullmatch(r"[A-Z][A-Za-z ,;:'-]+\.", text), text
            assert len(text.split()) <= 30
            assert not re.search(r"\ba [aeio]", text, flags=re.IGNORECASE), text
        for text in texts_of(edit, "zh"):
            assert re.fullmatch(r"[\u4e00-\u9fff，；：、]+。", text), text
        assert (edit.instruction_en == edit.explicit_en) or difficulty != "easy"


@pytest.mark.parametrize(("category", "family"), RULES)
def test_hard_and_medium_wordings_differ_from_what_to_draw(category: str, family: str) -> None:
    for difficulty in ("medium", "hard"):
        edits = [make_edit(category, difficulty, seed, family) for seed in range(8)]
        assert all(edit.instruction_en != edit.explicit_en for edit in edits)
        assert all(edit.instruction_zh != edit.explicit_zh for edit in edits)
        assert len({edit.instruction_en for edit in edits}) > 1


def test_a_family_chosen_by_the_seed_is_made_as_if_it_had_been_named() -> None:
    for seed in range(5):
        chosen = make_edit("因果", "hard", seed)
        named = make_edit("因果", "hard", seed, chosen.family)
        assert np.array_equal(chosen.target, named.target)
        assert chosen.instruction_zh == named.instruction_zh


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("weather", "easy", 0), "指代"),
        (("物理", "impossible", 0), "medium"),
        (("物理", "easy", 0, "row_place"), "scale_fill"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(arguments: tuple[object, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make_edit(*arguments)  # type: ignore[arg-type]


def dark_columns(scene: Scene) -> np.ndarray:
    """Return the columns where the sun of a scene darkens the ground."""
    shaded, unshaded = render(scene).astype(int), render(replace(scene, sun=None)).astype(int)
    ground = slice(scene.horizon + 1, 64)
    return np.nonzero((shaded[ground].sum(axis=2) < unshaded[ground].sum(axis=2) - 60).any(axis=0))[0]


@pytest.mark.parametrize("kind", ["box", "house", "tree", "person", "ball", "car"])
def test_shadows_fall_away_from_the_sun(kind: str) -> None:
    scene = Scene("meadow", (Thing(kind, "red", 32, 52, 14),), sun="left")
    assert dark_columns(scene).mean() > 36
    assert dark_columns(replace(scene, sun="right")).mean() < 28


def test_shadows_are_longer_at_sunset_and_missing_in_rain_and_at_night() -> None:
    scene = Scene("meadow", (Thing("box", "red", 20, 52, 12),), sun="left")
    assert np.ptp(dark_columns(replace(scene, time="sunset"))) > np.ptp(dark_columns(scene)) + 5
    for cloudy in (replace(scene, weather="rain"), replace(scene, time="night")):
        assert dark_columns(cloudy).size == 0


def test_water_mirrors_the_new_colour() -> None:
    scene = Scene("lake", (Thing("box", "red", 32, 35, 14),), horizon=32)
    red, blue = render(scene), render(scene.changing(0, colour="blue"))
    assert red[44, 32, 0] > red[44, 32, 2]
    assert blue[44, 32, 2] > blue[44, 32, 0]


def test_windows_shine_only_at_night() -> None:
    day = Scene("meadow", (Thing("house", "blue", 32, 50, 20),))
    glow = [(render(scene)[38:50] == (255, 226, 110)).all(axis=2).any() for scene in (day, replace(day, time="night"))]
    assert glow == [False, True]


def test_seeds_for_benchmarks_and_for_training_are_disjoint() -> None:
    assert BENCHMARK_SEEDS.stop <= TRAINING_SEEDS.start
    assert HELD_OUT_SEEDS[0] in BENCHMARK_SEEDS
    assert HELD_OUT_SEEDS[-1] in BENCHMARK_SEEDS


@pytest.mark.parametrize("seed", [-1, HELD_OUT_SEEDS.start - 9, HELD_OUT_SEEDS.start, TRAINING_SEEDS.start])
def test_a_benchmark_takes_no_seed_outside_its_own(tmp_path: Path, seed: int) -> None:
    with pytest.raises(ConfigError, match="seed"):
        write_benchmark(tmp_path / "b.json", 2, seed=seed)
    assert not list(tmp_path.iterdir())


def pixels(text: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(text))))


def test_a_benchmark_file_follows_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "b.json"
    assert write_benchmark(path, 4, seed=50) == 20
    items = json.loads(path.read_text(encoding="utf-8"))
    assert [item["seed"] for item in items] == list(range(50, 70))
    assert [item["subset"] for item in items[:5]] == list(CATEGORIES)
    assert {item["difficulty"] for item in items} == set(DIFFICULTIES)
    assert items[0]["original_image_path"] == "miniature/00000_物理_easy.png"
    assert len({item["original_image_path"] for item in items}) == 20
    assert set(items[0]) == {
        *("subset", "original_description", "original_description_en", "edit_instruction", "edit_instruction_en"),
        *("src_img_b64", "rationale_short", "rationale_short_en", "tags", "difficulty", "original_image_path", "seed"),
        *("reference_img_b64", "explicit_instruction", "explicit_instruction_en", "family"),
    }
    for item in items:
        edit = make_edit(item["subset"], item["difficulty"], item["seed"], item["family"], "held_out")
        assert np.array_equal(pixels(item["src_img_b64"]), edit.source)
        assert np.array_equal(pixels(item["reference_img_b64"]), edit.target)
        assert item["edit_instruction"] == edit.instruction_zh
        assert item["edit_instruction_en"] == edit.instruction_en
        assert item["explicit_instruction"] == edit.explicit_zh


def test_the_shipped_benchmark_is_balanced_and_three_in_ten_items_are_of_held_out_families() -> None:
    items = json.loads((ROOT / SHIPPED_PATH).read_text("utf-8"))
    assert len(items) == 100
    for category in CATEGORIES:
        own = [item for item in items if item["subset"] == category]
        assert len(own) == 20
        assert all(6 <= sum(item["difficulty"] == difficulty for item in own) <= 7 for difficulty in DIFFICULTIES)
        held_out = [item for item in own if HELD_OUT_TAG in item["tags"]]
        assert {item["family"] for item in held_out} == set(families(category, "held_out"))
        assert Counter(item["difficulty"] for item in held_out) == dict.fromkeys(DIFFICULTIES, 2)
        assert not {item["family"] for item in own if item not in held_out} & HELD_OUT_FAMILIES


def test_a_file_for_training_has_training_families_and_wordings_only(tmp_path: Path) -> None:
    write_benchmark(tmp_path / "b.json", 12, part="training", wordings="training")
    items = json.loads((tmp_path / "b.json").read_text("utf-8"))
    assert not {item["family"] for item in items} & HELD_OUT_FAMILIES
    for item in items:
        edit = make_edit(item["subset"], item["difficulty"], item["seed"], item["family"], "training")
        assert item["edit_instruction_en"] == edit.instruction_en


def test_a_benchmark_written_twice_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path in paths:
        write_benchmark(path, 2)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


def test_a_failed_write_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text("older")
    with pytest.raises(ConfigError, match="difficulty"):
        write_benchmark(path, 3, difficulties=("easy", "trivial"))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["older"]


def test_the_memory_of_the_writer_does_not_grow_with_the_file(tmp_path: Path) -> None:
    write_benchmark(tmp_path / "b.json", 60)  # what is made once for all files
    peaks = []
    for per_category in (20, 120):
        tracemalloc.start()
        write_benchmark(tmp_path / "b.json", per_category)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 300_000
    assert (tmp_path / "b.json").stat().st_size > 4 * 300_000


def test_the_shipped_benchmark_is_what_the_writer_writes_today(tmp_path: Path) -> None:
    write_benchmark(tmp_path / "b.json", SHIPPED_PER_CATEGORY)
    fresh, shipped = (json.loads(path.read_text("utf-8")) for path in (tmp_path / "b.json", ROOT / SHIPPED_PATH))
    # Another zlib may pack the same pixels into other bytes.
    for item in (*fresh, *shipped):
        for key in ("src_img_b64", "reference_img_b64"):
            item[key] = pixels(item[key]).tobytes()
    assert fresh == shipped
