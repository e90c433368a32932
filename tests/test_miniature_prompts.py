"""The prompts of the miniature world ask for exact pictures, whose elements are read from the pictures alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.knowledge_graph import Dependency, KnowledgeGraph
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.miniature.knowledge_oracle import KnowledgeOracleScorer
from src.miniature.prompts.concepts import HELD_OUT_THINGS, HUES, KINDS, LOOKS
from src.miniature.prompts.pictures import Content, graph_of, nameable, scene_of, shown
from src.miniature.prompts.prompt_set import BENCHMARK, HELD_OUT_WORDING, TASKS, items, write_prompts
from src.miniature.prompts.reading import read_picture
from src.miniature.prompts.wording import DIFFICULTIES, EXPLICIT, PROMPTS, caption, contents, prompt
from src.miniature.world.render import render
from src.rewards.core.scorer import EditedSample

RAIN = Content("meadow", "rain", "ball", "blue", "left")


def some_contents(count: int) -> list[Content]:
    return random.Random(5).sample([*contents(False), *contents(True)], count)


def sample(content: Content, graph: KnowledgeGraph | None = None) -> EditSample:
    return EditSample("one", 0, "weather", "a prompt", "", None, graph=graph or graph_of(content))


def score(content: Content, picture: np.ndarray) -> float | None:
    (verdict,) = KnowledgeOracleScorer().score([EditedSample(sample(content), None, Image.fromarray(picture))])
    return verdict.score


def test_the_scene_of_an_exact_picture_is_read_from_its_pixels() -> None:
    for content in some_contents(40):
        reading = read_picture(render(scene_of(content)))
        assert reading.distance == 0, content
        assert set(shown(reading.scene)) == set(shown(scene_of(content))), content


def test_a_picture_is_read_through_noise_that_hides_no_thing() -> None:
    noise = np.random.default_rng(0).normal(0, 8, (64, 64, 3))
    for content in some_contents(10):
        picture = (render(scene_of(content)) + noise).clip(0, 255).astype(np.uint8)
        assert set(shown(read_picture(picture).scene)) == set(shown(scene_of(content))), content


def test_the_elements_of_a_rainy_meadow_are_those_that_one_sees_there() -> None:
    graph = graph_of(RAIN)
    assert set(graph.elements) == {
        "meadow", "green leaves", "falling rain", "puddles", "tree", "ball", "blue",
    }  # fmt: skip
    assert set(graph.dependencies) == {
        Dependency("falling rain", "Causes", "puddles"),
        Dependency("ball", "HasColour", "blue"),
        Dependency("ball", "LeftOf", "tree"),
    }


@pytest.mark.parametrize(
    ("content", "sign"),
    [
        (Content("lake", "frost", "ball", "blue", "left"), "ice on the water"),
        (Content("lake", "frost", "house", "blue", "left"), "snow on the roof"),
        (Content("lake", "summer", "ball", "blue", "left"), "mirror image in the water"),
        (Content("meadow", "night", "house", "blue", "left"), "lit windows"),
        (Content("meadow", "autumn", "ball", "blue", "left"), "shadows"),
    ],
)
def test_what_nobody_says_follows_from_what_is_said(content: Content, sign: str) -> None:
    assert sign in graph_of(content).elements


def test_the_oracle_gives_the_exact_picture_ten_and_a_picture_of_nothing_zero() -> None:
    assert score(RAIN, render(scene_of(RAIN))) == 10.0
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    assert score(RAIN, noise) == 0.0
    assert score(RAIN, np.zeros((64, 64, 3), np.uint8)) == 0.0


def test_the_oracle_takes_off_what_a_wrong_colour_breaks_in_the_graph() -> None:
    other = Content("meadow", "rain", "ball", "purple", "left")
    # of 7 elements one is missing, of 3 edges the one to it: |G| = 10, |S| = 8, hence 2 · 8 / (10 + 8)
    assert score(RAIN, render(scene_of(other))) == pytest.approx(10 * 16 / 18)


def test_the_oracle_takes_off_the_relation_of_a_thing_on_the_wrong_side() -> None:
    other = Content("meadow", "rain", "ball", "blue", "right")
    assert score(RAIN, render(scene_of(other))) == pytest.approx(10 * 18 / 19)


def test_the_oracle_reads_large_pictures_and_needs_no_source() -> None:
    large = np.asarray(Image.fromarray(render(scene_of(RAIN))).resize((256, 256), Image.Resampling.NEAREST))
    assert score(RAIN, large) == 10.0
    assert KnowledgeOracleScorer().why_inapplicable(sample(RAIN)) is None


def test_the_oracle_refuses_what_the_world_does_not_know() -> None:
    stranger = sample(RAIN, KnowledgeGraph(("meadow", "a heart"), ()))
    assert KnowledgeOracleScorer().inapplicable(stranger) == "the miniature world has no 'a heart'"
    bare = EditSample("one", 0, "weather", "a prompt", "", None)
    assert KnowledgeOracleScorer().inapplicable(bare) == "the sample has no knowledge graph"
    assert all(set(graph_of(content).elements) <= nameable() for content in some_contents(200))


def test_trainings_and_measurements_share_no_coloured_thing() -> None:
    assert {(one.kind, one.colour) for one in contents(True)} == HELD_OUT_THINGS
    assert not {(one.kind, one.colour) for one in contents(False)} & HELD_OUT_THINGS


def test_every_kind_and_every_colour_is_trained_and_measured() -> None:
    for held_out in (False, True):
        assert {one.kind for one in contents(held_out)} == set(KINDS)
        assert {one.colour for one in contents(held_out)} == set(HUES)


def test_no_prompt_for_teaching_has_a_word_of_an_untaught_concept() -> None:
    rng = random.Random(0)
    untaught = [look.untaught for look in LOOKS.values()] + [hue.untaught for hue in HUES.values()]
    for content in some_contents(300):
        told = " ".join(prompt(rng, content, difficulty, "any") for difficulty in ("easy", "medium", "hard"))
        assert not [concept for concept in untaught if concept.casefold() in told.casefold()]


def test_every_concept_has_one_meaning() -> None:
    words = [word for look in LOOKS.values() for word in (look.plain, *look.taught, look.untaught)]
    words += [word for hue in HUES.values() for word in (*hue.taught, hue.untaught)]
    assert len(set(words)) == len(words)


def test_captions_differ_wherever_pictures_do() -> None:
    every = [*contents(False), *contents(True)]
    assert len({caption(content) for content in every}) == len(every)


def test_the_shipped_files_are_what_the_command_writes(tmp_path: Path) -> None:
    write_prompts(tmp_path / "few.json", items(8, DIFFICULTIES, measured=True))
    assert BENCHMARK.read_text().startswith((tmp_path / "few.json").read_text()[:-3])


def test_the_benchmark_asks_for_held_out_things_and_the_tasks_for_others() -> None:
    for path, held_out in ((BENCHMARK, True), (TASKS, False)):
        for item in json.loads(path.read_text()):
            ((kind, _, colour),) = [one for one in item["knowledge_graph"]["dependencies"] if one[1] == "HasColour"]
            assert ((kind, colour) in HELD_OUT_THINGS) == held_out
            assert item["difficulty"] == "untaught" or held_out


def test_the_shipped_samples_load_and_score_ten_with_their_own_references() -> None:
    scorer, seen = KnowledgeOracleScorer(), set()
    for one in list(load_samples(str(BENCHMARK), Selection()))[::12]:
        assert isinstance(one, EditSample)
        assert one.source is None
        assert one.reference is not None
        (verdict,) = scorer.score([EditedSample(one, None, one.reference.decode())])
        assert verdict.score == 10.0
        seen.add(one.difficulty)
    assert seen <= set(DIFFICULTIES)


def test_held_out_wordings_are_the_last_ones() -> None:
    told = [item for item in items(160, DIFFICULTIES, measured=True) if HELD_OUT_WORDING in item["tags"]]
    assert len(told) == 80
    for item in told:
        starts = "On the " if item["difficulty"] != "easy" else ("On a meadow, ", "At a lake, ")
        assert item["prompt_en"].startswith(starts), item["prompt_en"]
    assert PROMPTS[-1].startswith("On the {side}")
    assert EXPLICIT[-1].startswith("{Place}")
