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
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.errors import ConfigError
from src.miniature.world.benchmark import (
    BENCHMARK_SEEDS,
    HELD_OUT_SEEDS,
    SHIPPED_PATH,
    SHIPPED_PER_CATEGORY,
    TRAINING_SEEDS,
    write_benchmark,
)
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, families, make_edit
from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, SIDE_WORDS
from src.miniature.world.render import render
from src.miniature.world.scene import Scene, Thing

ROOT = Path(__file__).parent.parent
RULES = [(category, family) for category in CATEGORIES for family in families(category)]
FIXED = [
    ("物理", "easy", "1b5ceec1c8694dc3"),
    ("环境", "medium", "e142bc0913b2c37f"),
    ("社会", "hard", "7f63d65a68d1b87c"),
    ("因果", "easy", "010defedd8960c1f"),
    ("指代", "medium", "fffb6ab721ecff5b"),
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
        assert changed(edit.source, edit.target).sum() >= 12
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
        (("物理", "easy", 0, "frame_shape"), "tip_scale"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(arguments: tuple[object, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make_edit(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", families("指代"))
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_a_referential_edit_touches_one_shape_only(family: str, difficulty: str) -> None:
    for seed in range(12):
        edit = make_edit("指代", difficulty, seed, family)
        rows, columns = np.nonzero((edit.source != edit.target).any(axis=2))
        assert np.ptp(rows) < 20
        assert np.ptp(columns) < 20


def test_a_referential_recolouring_uses_the_colour_that_its_text_names() -> None:
    for seed in range(12):
        edit = make_edit("指代", "easy", seed, "recolour_shape")
        mask = changed(edit.source, edit.target)
        rows, columns = np.nonzero(mask)
        centre = edit.target[(rows.min() + rows.max()) // 2 + 1, (columns.min() + columns.max()) // 2]
        nearest = min(COLOURS, key=lambda name: int(np.abs(centre.astype(int) - COLOURS[name]).sum()))
        assert COLOUR_WORDS[nearest].en in edit.instruction_en
        assert COLOUR_WORDS[nearest].zh in edit.instruction_zh


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


def test_moving_the_light_moves_the_shadows_to_the_side_that_the_text_names() -> None:
    for seed in range(8):
        edit = make_edit("物理", "easy", seed, "move_light")
        sun_columns = np.nonzero((edit.target[:15] == (255, 222, 50)).all(axis=2).any(axis=0))[0]
        side = "left" if sun_columns.mean() < 32 else "right"
        assert f"upper {SIDE_WORDS[side].en}" in edit.instruction_en
        darkened = (edit.target.astype(int).sum(axis=2) < edit.source.astype(int).sum(axis=2) - 60)[44:]
        lightened = (edit.target.astype(int).sum(axis=2) > edit.source.astype(int).sum(axis=2) + 60)[44:]
        shift = np.nonzero(darkened)[1].mean() - np.nonzero(lightened)[1].mean()
        assert shift > 0 if side == "left" else shift < 0


def test_water_mirrors_the_new_colour() -> None:
    scene = Scene("lake", (Thing("box", "red", 32, 35, 14),), horizon=32)
    red, blue = render(scene), render(scene.changing(0, colour="blue"))
    assert red[44, 32, 0] > red[44, 32, 2]
    assert blue[44, 32, 2] > blue[44, 32, 0]


def test_windows_shine_only_at_night() -> None:
    day = Scene("meadow", (Thing("house", "blue", 32, 50, 20),))
    glow = [(render(scene)[38:50] == (255, 226, 110)).all(axis=2).any() for scene in (day, replace(day, time="night"))]
    assert glow == [False, True]


def test_the_heavier_side_of_the_scale_is_not_always_the_same() -> None:
    said = {make_edit("物理", "easy", seed, "tip_scale").rationale_en for seed in range(12)}
    assert len(said) == 2


def test_dominoes_beyond_a_gap_keep_standing() -> None:
    gaps = 0
    for seed in range(12):
        edit = make_edit("因果", "medium", seed, "push_domino")
        touched = np.nonzero((edit.source != edit.target).any(axis=(0, 2)))[0]
        still = touched.min() > 16 or touched.max() < 47
        assert still == ("gap" in edit.description_en)
        gaps += still
    assert 0 < gaps < 12


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
        edit = make_edit(item["subset"], item["difficulty"], item["seed"], item["family"])
        assert np.array_equal(pixels(item["src_img_b64"]), edit.source)
        assert np.array_equal(pixels(item["reference_img_b64"]), edit.target)
        assert item["edit_instruction"] == edit.instruction_zh
        assert item["edit_instruction_en"] == edit.instruction_en
        assert item["explicit_instruction"] == edit.explicit_zh


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
    peaks = []
    for per_category in (10, 60):
        tracemalloc.start()
        write_benchmark(tmp_path / "b.json", per_category)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000
    assert (tmp_path / "b.json").stat().st_size > 3 * 100_000


def test_the_shipped_benchmark_is_what_the_writer_writes_today(tmp_path: Path) -> None:
    write_benchmark(tmp_path / "b.json", SHIPPED_PER_CATEGORY)
    fresh, shipped = (json.loads(path.read_text("utf-8")) for path in (tmp_path / "b.json", ROOT / SHIPPED_PATH))
    # Another zlib may pack the same pixels into other bytes.
    for item in (*fresh, *shipped):
        for key in ("src_img_b64", "reference_img_b64"):
            item[key] = pixels(item[key]).tobytes()
    assert fresh == shipped
