"""EditScore on this machine: base model and adapter in their real layout, passes with seeds of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from src.config import ModelConfig
from src.data.verdict import Status, Verdict
from src.errors import ConfigError, ModelError
from src.models.reward.implementations.edit_score import EditScoreRewardModel
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.protocol import ProtocolScorer
from tests.protocol_samples import sample
from tests.tiny_adapters import FULL, PARTLY, edit_score_adapter, edit_score_base, save_texts  # noqa: F401 (fixtures)
from tests.tiny_judges import question, texts
from tests.tiny_parts import gradient

CLASS = f"{EditScoreRewardModel.__module__}.{EditScoreRewardModel.__qualname__}"
ROOTS = {(10.0, 10.0): 10.0, (10.0, 4.0): 40**0.5, (4.0, 10.0): 40**0.5, (4.0, 4.0): 4.0}
"""O by SC and PQ."""


@pytest.fixture(scope="module")
def params(edit_score_base: Path, edit_score_adapter: Path) -> dict[str, Any]:  # noqa: F811
    return {"model_name": str(edit_score_base), "adapter": str(edit_score_adapter), "dtype": "float32"}


@pytest.fixture(scope="module")
def handle(params: dict[str, Any]) -> JudgeHandle:
    return JudgeHandle(ModelConfig(class_path=CLASS, params=params))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_texts(tmp_path_factory.mktemp("checkout"))


def edits(count: int) -> list[EditedSample]:
    source = gradient((32, 32), 9)
    return [
        EditedSample(sample(instruction=f"make it red {place}"), source, gradient((32, 32), place))
        for place in range(count)
    ]


def judged(handle: JudgeHandle, checkout: Path, batch: Sequence[EditedSample], repeats: int) -> list[Verdict]:
    of = {"protocol": "editscore-qwen25@2025-11", "official_prompts": str(checkout), "repeats": repeats}
    scorer = ProtocolScorer(of, ScorerSetting(handle))
    scorer.load()
    return scorer.score(list(batch))


def test_passes_differ_by_their_seeds_and_the_score_is_the_mean_of_theirs(handle: JudgeHandle, checkout: Path) -> None:
    (verdict,) = judged(handle, checkout, edits(1), repeats=8)
    passes = [one for one in verdict.repeats or () if one.status is Status.SCORED]
    assert len(passes) >= 6
    assert {reply for one in passes for reply in one.replies} == {FULL, PARTLY}
    for one in passes:
        found = tuple(one.dimensions[name] for name in ("semantic_consistency", "perceptual_quality"))
        assert one.score == pytest.approx(ROOTS[found])  # type: ignore[index]
    assert verdict.score == pytest.approx(sum(one.score or 0 for one in passes) / len(passes))
    assert judged(handle, checkout, edits(1), repeats=8)[0].replies == verdict.replies


def test_an_edit_has_the_same_passes_alone_and_among_others(handle: JudgeHandle, checkout: Path) -> None:
    together = judged(handle, checkout, edits(3), repeats=2)
    for place, one in enumerate(edits(3)):
        (alone,) = judged(handle, checkout, [one], repeats=2)
        assert alone.replies == together[place].replies
        assert alone.score == together[place].score


def test_the_adapter_decides_and_a_copy_of_it_is_the_same_judge(params: dict[str, Any], tmp_path: Path) -> None:
    greedy = params | {"temperature": 0.0}
    stored = tmp_path / "stored"
    model = EditScoreRewardModel(greedy)
    asked = [question(turn) for turn in range(2)]
    shutil.copytree(params["adapter"], stored)
    again = EditScoreRewardModel(greedy | {"adapter": str(stored)})
    assert texts(model.ask(asked)) == texts(again.ask(asked))
    assert EditScoreRewardModel.identity(greedy) == EditScoreRewardModel.identity(
        greedy | {"adapter": params["adapter"]}
    )
    weights = load_file(stored / "adapter_model.safetensors")
    save_file({name: 0 * value for name, value in weights.items()}, stored / "adapter_model.safetensors")
    other = greedy | {"adapter": str(stored)}
    assert texts(EditScoreRewardModel(other).ask(asked)) != texts(model.ask(asked))
    assert EditScoreRewardModel.identity(other)["weights"] != EditScoreRewardModel.identity(greedy)["weights"]


def test_an_adapter_with_the_names_of_older_transformers_is_the_same_judge(
    params: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copy(Path(params["adapter"]) / "adapter_config.json", tmp_path)
    weights = load_file(Path(params["adapter"]) / "adapter_model.safetensors")
    older = {
        name.replace("model.model.language_model.", "model.model.").replace(
            "model.model.visual.", "model.visual."
        ): value
        for name, value in weights.items()
    }
    assert older.keys().isdisjoint(weights)
    save_file(older, tmp_path / "adapter_model.safetensors")
    greedy = params | {"temperature": 0.0}
    asked = [question(turn) for turn in range(2)]
    found = EditScoreRewardModel(greedy | {"adapter": str(tmp_path)}).ask(asked)
    assert texts(found) == texts(EditScoreRewardModel(greedy).ask(asked))


def test_sampling_is_the_published_one_unless_told_otherwise(params: dict[str, Any]) -> None:
    told = EditScoreRewardModel.identity(params)["params"]
    names = ("temperature", "top_p", "top_k", "max_new_tokens", "seed", "image_max_side")
    assert [told[name] for name in names] == [0.7, 0.9, 20, 512, 42, None]
    handle = JudgeHandle(ModelConfig(class_path=CLASS, params=params | {"temperature": 0.0}))
    with pytest.raises(ConfigError, match="temperature 0"):
        ProtocolScorer({"protocol": "editscore@2025-11", "repeats": 4}, ScorerSetting(handle))


def test_without_an_adapter_there_is_no_such_judge(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="adapter"):
        JudgeHandle(ModelConfig(class_path=CLASS, params={"model_name": params["model_name"]}))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ((), r"has no adapter_config\.json"),
        (("config.json",), "a whole model, which belongs into model_name"),
        (("adapter_model.safetensors",), r"has no adapter_config\.json"),
        (("adapter_config.json",), r"adapter_model\.safetensors is missing"),
        (("adapter_config.json", "adapter_model.bin"), "a pickle, which can run code"),
    ],
)
def test_a_folder_of_another_layout_is_a_sentence_before_anything_loads(
    params: dict[str, Any], tmp_path: Path, files: Sequence[str], told: str
) -> None:
    for name in files:
        (tmp_path / name).write_text(json.dumps({"peft_type": "LORA", "model_type": "qwen3_vl"}), encoding="utf-8")
    with pytest.raises(ModelError, match=told):
        EditScoreRewardModel.check_weights(params | {"adapter": str(tmp_path)})


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}"])
def test_a_damaged_config_of_an_adapter_is_a_sentence(params: dict[str, Any], tmp_path: Path, text: str) -> None:
    (tmp_path / "adapter_config.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="is no adapter: its adapter_config"):
        EditScoreRewardModel.check_weights(params | {"adapter": str(tmp_path)})


def test_an_adapter_of_another_base_is_a_sentence(params: dict[str, Any], tmp_path: Path) -> None:
    shutil.copy(Path(params["adapter"]) / "adapter_config.json", tmp_path)
    weights = load_file(Path(params["adapter"]) / "adapter_model.safetensors")
    deeper = {name.replace("layers.0.", "layers.7."): value for name, value in weights.items()}
    save_file(deeper, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="does not fit the base model"):
        EditScoreRewardModel(params | {"adapter": str(tmp_path)})


def test_draws_are_made_from_the_most_probable_tokens_alone() -> None:
    import torch

    from src.models.vlm.seeded_sampling import SeededSampler

    logits = torch.log(torch.tensor([[0.4, 0.3, 0.2, 0.1]] * 400))
    drawn = SeededSampler(1.0, 1.0, range(400), top_k=2)(torch.zeros(400, 1), logits).argmax(dim=-1)
    counts = torch.bincount(drawn, minlength=4).tolist()
    assert counts[2:] == [0, 0]
    assert abs(counts[0] / 400 - 4 / 7) < 0.1
    within = SeededSampler(1.0, 0.5, range(400), top_k=2)(torch.zeros(400, 1), logits).argmax(dim=-1)
    assert set(within.tolist()) == {0}, "of the two, the first alone reaches a half"
