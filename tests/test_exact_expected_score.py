"""The expected score from a local model's own probabilities, on tiny random checkpoints."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.models.reward import exact_expected_score
from src.models.reward.exact_expected_score import NextTokens, NumberTokens, ReadOn, expected_score
from src.models.reward.expected_score import expected_score as api_expected_score
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from tests.test_expected_score import from_probabilities, plain
from tests.tiny_judges import dictated, ids, judge, judge_folder, question, qwen3_folder, texts  # noqa: F401 (fixtures)


def table(model: Qwen3VLRewardModel, distributions: dict[str, dict[str, float]]) -> NextTokens:
    """A model that after these texts continues with these probabilities, and else ends."""
    import torch

    tokenizer = model.processor.tokenizer

    def after(tokens: list[int]) -> torch.Tensor:
        found = torch.zeros(len(tokenizer))
        for word, probability in distributions.get(tokenizer.decode(tokens), {"<|im_end|>": 1.0}).items():
            found[tokenizer.convert_tokens_to_ids(word)] = probability
        return found

    def next_tokens(start: list[int]) -> tuple[torch.Tensor, ReadOn]:
        def read_on(continuations: list[list[int]]) -> torch.Tensor:
            return torch.stack(
                [
                    torch.stack([after(start + some[: place + 1]) for place in range(len(some))])
                    for some in continuations
                ]
            )

        return after(start), read_on

    return next_tokens


@pytest.mark.parametrize(
    ("distributions", "span", "mean"),
    [
        ({"": {"8": 0.5, "9": 0.5}}, (0, 10), 8.5),
        ({"": {"9": 0.6, "1": 0.4}, "1": {"0": 1.0}}, (0, 10), 0.6 * 9 + 0.4 * 10),
        ({"": {"9": 0.6, "1": 0.4}, "1": {"0": 0.5, ".": 0.5}, "1.": {"5": 1.0}}, (0, 10), 5.4 + 2.0 + 0.2 * 1.5),
        ({"": {"8": 1.0}, "8": {".": 0.8}, "8.": {"5": 0.5, "0": 0.5}}, (0, 10), 0.2 * 8 + 0.4 * 8.5 + 0.4 * 8),
        ({"": {"8": 0.5, "3": 0.25, "a": 0.25}}, (0, 5), 3.0),
        ({"": {"8": 0.5, "2": 0.5}, "8": {"5": 1.0}}, (0, 10), 2.0),
        ({"": {"0": 0.5, "4": 0.5}}, (1, 5), 4.0),
        ({"": {"5": 0.5, "4": 0.5}, "5": {".": 1.0}, "5.": {"9": 1.0}}, (0, 5), 4.0),
        ({"": {"8": 0.995, "0": 0.005}}, (0, 10), 8.0),
        ({"": {"8": 1.0}}, (0, 100), None),
        ({"": {"a": 1.0}}, (0, 10), None),
    ],
)
def test_the_expected_score_weighs_every_number_the_model_might_have_written(
    qwen3_folder: Path, distributions: dict[str, dict[str, float]], span: tuple[float, float], mean: float | None
) -> None:
    model = judge(qwen3_folder)
    tokenizer = model.processor.tokenizer
    numbers, reply = NumberTokens.of(tokenizer), ids(model, "4")
    low, high = span
    found = expected_score(reply, tokenizer, numbers, table(model, distributions), low, high)
    assert found == (None if mean is None else pytest.approx(mean))


@pytest.mark.parametrize("gap", [15.0, 17.0, 18.5, 20.0, 30.0])
@pytest.mark.parametrize("start", [0.3, 0.7, 0.9999999])
def test_a_confident_ten_stays_on_the_scale(qwen3_folder: Path, gap: float, start: float) -> None:
    import torch

    model = judge(qwen3_folder)
    tokenizer = model.processor.tokenizer
    logits = torch.full((len(tokenizer),), -gap)
    logits[tokenizer.convert_tokens_to_ids("0")] = 0.0
    probabilities = logits.softmax(0)
    sure = {token: float(probabilities[index]) for token, index in tokenizer.get_vocab().items()}
    found = expected_score(
        ids(model, "10"), tokenizer, NumberTokens.of(tokenizer), table(model, {"": {"1": start}, "1": sure}), 0, 10
    )
    assert found is not None
    assert found <= 10
    assert found == pytest.approx(10, abs=1e-2)


def test_the_score_is_averaged_where_the_grammar_reads_it(qwen3_folder: Path) -> None:
    model = judge(qwen3_folder)
    tokenizer = model.processor.tokenizer
    distributions = {"": {"2": 1.0}, "2 lamps. Score: ": {"8": 0.5, "6": 0.5}}
    found = expected_score(
        ids(model, "2 lamps. Score: 8"), tokenizer, NumberTokens.of(tokenizer), table(model, distributions), 0, 10
    )
    assert found == pytest.approx(7.0)


def test_a_vocabulary_with_ten_as_one_token_counts_it_as_ten(qwen3_folder: Path) -> None:
    model = judge(qwen3_folder)
    tokenizer = model.processor.tokenizer
    tokenizer.add_tokens(["10"])
    numbers = NumberTokens.of(tokenizer)
    assert numbers.digits["10"] == [tokenizer.convert_tokens_to_ids("10")]
    next_tokens = table(model, {"": {"10": 0.5, "9": 0.5}})
    assert expected_score(ids(model, "9"), tokenizer, numbers, next_tokens, 0, 10) == pytest.approx(9.5)


def test_the_expected_score_is_that_of_the_models_own_probabilities(
    judge_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(exact_expected_score, "LEAST_PROBABILITY", 0.0)
    model = judge(judge_folder, score_mode="expected", max_new_tokens=12)
    tokenizer, prefix = model.processor.tokenizer, ids(model, "Score: ")
    prompt = model.encode([question()])

    def after(tail: list[int]) -> Any:
        added = torch.tensor([prefix + tail])
        extra = {"input_ids": added, "attention_mask": torch.ones_like(added), "mm_token_type_ids": 0 * added}
        inputs = {key: torch.cat([value, extra[key]], 1) if key in extra else value for key, value in prompt.items()}
        with torch.no_grad():
            return model.model(**inputs).logits[0, -1].softmax(dim=-1)

    digit = [tokenizer.convert_tokens_to_ids(str(value)) for value in range(10)]
    point = tokenizer.convert_tokens_to_ids(".")
    pairs = []
    for whole in range(10):
        start, rest = float(after([])[digit[whole]]), after([digit[whole]])
        fractions = after([digit[whole], point])[digit] * rest[point]
        pairs += [(whole + place / 10, start * float(fractions[place])) for place in range(10)]
        ended = 1 - float(rest[digit].sum()) - float(fractions.sum())
        pairs += [(float(whole), start * ended)]
        pairs += [(10.0, start * float(rest[digit[0]]))] if whole == 1 else []
    mean = sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)
    with dictated(model, ids(model, "Score: 8.5")):
        (reply,) = model.ask([question()])
    assert reply.expected_score == pytest.approx(mean, rel=1e-4)
    with dictated(model, ids(model, "no idea")):
        assert model.ask([question()])[0].expected_score is None


@pytest.fixture
def local(qwen3_folder: Path) -> Qwen3VLRewardModel:
    return judge(qwen3_folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    whole=st.integers(0, 8),
    others=st.lists(st.sampled_from([0, 2, 3, 4, 5, 6, 7, 8, 9]), max_size=3, unique=True),
    fraction=st.text("0123456789", max_size=4),
    firsts=st.lists(st.sampled_from("0123456789"), max_size=3, unique=True),
    data=st.data(),
)
def test_local_and_api_judges_make_the_same_of_the_same_probabilities(
    local: Qwen3VLRewardModel, whole: int, others: list[int], fraction: str, firsts: list[str], data: st.DataObject
) -> None:
    tokenizer = local.processor.tokenizer  # of an unsaid 1 a server does not show whether it begins a 10

    def shared(chosen: str, rest: list[str]) -> dict[str, float]:
        texts = list(dict.fromkeys([chosen, *rest]))
        parts = data.draw(st.lists(st.integers(1, 20), min_size=len(texts), max_size=len(texts)))
        return {text: part / sum(parts) for text, part in zip(texts, parts, strict=True)}

    wholes = shared(str(whole), [str(value) for value in others])
    distributions = {"Score: ": wholes}
    tokens = [
        *plain("Score", ": "),
        from_probabilities(str(whole), {k: p for k, p in wholes.items() if k != str(whole)}),
    ]
    if fraction:
        tenths = shared(fraction[0], firsts)
        for value in wholes:
            distributions |= {f"Score: {value}": {".": 1.0}, f"Score: {value}.": tenths}
        first = from_probabilities(fraction[0], {k: p for k, p in tenths.items() if k != fraction[0]})
        tokens += [*plain("."), first, *plain(*fraction[1:])]
    said = "".join(part.token for part in tokens)
    found = expected_score(ids(local, said), tokenizer, NumberTokens.of(tokenizer), table(local, distributions), 0, 10)
    assert found == pytest.approx(api_expected_score(tokens, 0, 10))


@pytest.mark.parametrize("said", ["8.25", "8.205", "8.5", "8", "0.125"])
def test_a_score_of_which_the_model_is_sure_is_the_one_it_said(qwen3_folder: Path, said: str) -> None:
    model = judge(qwen3_folder)
    tokenizer = model.processor.tokenizer
    sure = {said[:count]: {said[count]: 1.0} for count in range(len(said))}
    found = expected_score(ids(model, said), tokenizer, NumberTokens.of(tokenizer), table(model, sure), 0, 10)
    assert found == pytest.approx(float(said))


def test_only_expected_scores_have_a_version_of_the_expectation_in_their_identity() -> None:
    judge = {"model_name": "assets/miniature/judge", "device": "cpu"}
    assert "expectation" in Qwen3VLRewardModel.identity(judge | {"score_mode": "expected"})
    assert "expectation" not in Qwen3VLRewardModel.identity(judge | {"score_mode": "text"})
