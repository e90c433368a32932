"""How the local judge picks its tokens: greedy, or drawn from seeds of their own."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pydantic
import pytest

from src.models.diffusion.implementations.rewrite_editor import RewriteEditor
from src.models.diffusion.implementations.token_edit import TokenEditModel
from src.models.diffusion.thinking import ThinkSettings
from src.models.reward.implementations.edit_score import EditScoreRewardModel
from src.models.vlm.seeded_sampling import LEAST_TEMPERATURE, SeededSampler
from src.models.vlm.transformers_model import TransformersModel
from tests.tiny_judges import SAMPLED, judge, judge_folder, question, qwen3_folder, texts  # noqa: F401 (fixtures)

VISION_TOKENS = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]


def test_greedy_replies_follow_the_largest_logit_whatever_sampling_the_checkpoint_stores(judge_folder: Path) -> None:
    import torch

    model = judge(judge_folder)
    prompt = model.processor.apply_chat_template(
        [model._encoder._messages(question())],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    written: list[int] = []
    for _ in range(12):
        added = torch.tensor([written], dtype=torch.long)
        tail = {"input_ids": added, "attention_mask": torch.ones_like(added), "mm_token_type_ids": 0 * added}
        inputs = {name: torch.cat([value, tail[name]], 1) if name in tail else value for name, value in prompt.items()}
        with torch.no_grad():
            logits = model.model(**inputs).logits[0, -1]
        logits[model.processor.tokenizer.convert_tokens_to_ids(VISION_TOKENS)] = -torch.inf
        written.append(int(logits.argmax()))
    assert texts(model.ask([question()])) == [model.processor.tokenizer.decode(written, skip_special_tokens=True)]


def test_sampled_replies_depend_on_seed_attempt_words_and_pixels_and_on_nothing_else(qwen3_folder: Path) -> None:
    model = judge(qwen3_folder, **SAMPLED)
    first = texts(model.ask([question()]))
    assert texts(model.ask([question()])) == first
    assert texts(judge(qwen3_folder, **SAMPLED).ask([question()])) == first
    others = [
        texts(model.ask([question()], attempt=1)),
        texts(judge(qwen3_folder, **{**SAMPLED, "seed": 4}).ask([question()])),
        texts(model.ask([question(text="How bad?")])),
        texts(model.ask([question(size=(64, 64))])),
        texts(judge(qwen3_folder).ask([question()])),
    ]
    assert first not in others


def test_draws_have_the_probabilities_of_the_model_and_stay_within_the_nucleus() -> None:
    import torch

    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(2000, 4)
    shares = {}
    for top_p in (1.0, 0.7):
        drawn = SeededSampler(1.0, top_p, list(range(2000)))(torch.zeros(2000, 1), logits)
        counts = Counter(drawn.argmax(dim=-1).tolist())
        shares[top_p] = [counts[token] / 2000 for token in range(4)]
    assert shares[1.0] == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.04)
    assert shares[0.7] == pytest.approx([0.625, 0.375, 0.0, 0.0], abs=0.04)


@pytest.mark.parametrize("mode", [{}, SAMPLED])
def test_vision_tokens_are_never_written(judge_folder: Path, mode: dict[str, Any]) -> None:
    model = judge(judge_folder, **mode)
    before = texts(model.ask([question()]))
    wanted = model.processor.tokenizer.convert_tokens_to_ids(VISION_TOKENS)

    def prefer(module: Any, inputs: Any, logits: Any) -> Any:
        logits[..., wanted] += 1000.0
        return logits

    model.model.lm_head.register_forward_hook(prefer)
    assert texts(model.ask([question()])) == before


def test_repeats_of_a_question_draw_on_their_own_and_the_same_in_any_batch(qwen3_folder: Path) -> None:
    repeated = [question(), question(1), question(), question(1), question()]
    wide = texts(judge(qwen3_folder, **SAMPLED).ask(repeated))
    assert len(set(wide)) == 5
    assert wide == texts(judge(qwen3_folder, **SAMPLED, batch_size=2).ask(repeated))
    assert wide[:2] == texts(judge(qwen3_folder, **SAMPLED).ask(repeated[:2]))


def test_greedy_repeats_are_equal(qwen3_folder: Path) -> None:
    first, second = texts(judge(qwen3_folder).ask([question(), question()]))
    assert first == second


def test_a_token_without_probability_is_never_drawn_though_sums_are_rounded() -> None:
    """The largest number that `random` gives is 1 in single precision, and a rounded sum may end below it."""
    import torch

    class Largest:
        def random(self) -> float:
            return 1.0 - 2.0**-53

    scores = torch.randn(200, 600, generator=torch.Generator().manual_seed(0)) * 3.0
    scores[:, 300:] = -torch.inf
    for top_k in (None, 400):
        sampler = SeededSampler(1.0, 1.0, range(200), top_k)
        sampler._draws = [Largest() for _ in range(200)]  # type: ignore[misc]
        drawn = sampler(torch.zeros(200, 1), scores).argmax(dim=-1)
        assert drawn.max() < 300


def test_at_the_least_temperature_the_likeliest_token_is_drawn_of_logits_of_any_model() -> None:
    import torch

    logits = torch.tensor([[-torch.inf, 1e4, -1e4, 1e4 - 0.01]])
    assert SeededSampler(LEAST_TEMPERATURE, 1.0, [7])(torch.zeros(1, 1), logits).argmax() == 1


@pytest.mark.parametrize("temperature", [1e-40, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "params",
    [TransformersModel.Params, EditScoreRewardModel.Params, TokenEditModel.Params, RewriteEditor.Params, ThinkSettings],
)
def test_a_temperature_that_logits_cannot_be_divided_by_is_refused_with_the_least_one_that_they_can(
    params: type[pydantic.BaseModel], temperature: float
) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"temperature\n.* is 0, .* or a number from 1e-06 on: .* set 0"):
        params(temperature=temperature)
