"""Answers are compared word by word, the form gates the content, and the report's measures are not inflated."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.verdict import Status, Verdict
from src.errors import ConfigError
from src.registry import check_params
from src.rewards.core.scorer import Completion
from src.rewards.scorers.vqa import VQAScorer, accuracy, bleu, overlap, rouge_l

PLAIN = "Answer the question briefly."
TAGGED = "Think inside <think> </think>, then answer inside <answer> </answer>."


def judged(text: str, answer: str | None, **params: Any) -> Verdict:
    (verdict,) = VQAScorer(params).score_completions([Completion(text, answer)])
    return verdict


def formed(answer: str) -> str:
    return f"<think>look</think><answer>{answer}</answer>"


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("No.", "no", 1.0),
        ("normal", "no", 0.0),
        ("abnormality unknown", "no", 0.0),
        ("Yes, there is no effusion", "yes", 1.0),
        ("Yes, there is no effusion", "no", 0.0),
        ("No, the left lung is clear", "no", 1.0),
        ("No, the left lung is clear", "yes", 0.0),
        ("No, the left lung is clear", "left lung", 0.0),
        ("No, there is no fracture.", "no", 1.0),
        ("No. The heart isn't enlarged.", "no", 1.0),
        ("Yes, it's on the left", "yes", 1.0),
        ("Yes, it is no", "yes", 0.0),
        ("Yes. No. It is clear.", "yes", 0.0),
        ("Yes or no, the lung is clear", "yes", 0.0),
        ("No, yes it is", "no", 0.0),
        ("No, yes effusion is seen", "no", 0.0),
        ("Yes, I see an effusion", "yes", 1.0),
        ("Yes, both lungs look clear", "yes", 1.0),
        ("No, lungs look clear", "no", 1.0),
        ("Yes, a fracture of the left rib", "yes", 1.0),
        ("Yes, with pleural effusion", "yes", 1.0),
        ("Yes, I see an effusion", "effusion", 0.0),
        ("Yes, I see no effusion", "yes", 1.0),
        ("Yes, I see. No, I do not.", "yes", 0.0),
        ("yes, left lung", "yes", 0.0),
        ("yes and left or right", "yes", 0.0),
        ("Yes, the lung is clear", "yes, it is", 1.0),
        ("Yes, the lung is clear", "yes, clear", 0.0),
        ("yes and no", "yes", 0.0),
        ("yes and no", "no", 0.0),
        ("It is no.", "no", 1.0),
        ("", "yes", 0.0),
        ("the Left Lung!", "left lung", 1.0),
        ("left lungs", "left lung", 0.0),
        ("It is in the left lung.", "left lung", 1.0),
        ("left right", "left", 0.0),
        ("left or right lung", "left lung", 0.0),
        ("on", "on", 1.0),
        ("yes, no", "yes", 0.0),
        ("No. Yes.", "no", 0.0),
        ("yes left right red blue green", "yes", 0.0),
        ("yes, or perhaps no", "yes", 0.0),
        ("no. left. right. red.", "no", 0.0),
        ("No, no fracture", "no", 0.0),
        ("lung, left", "left lung", 1.0),
        ("right", "right upper lobe", 0.0),
        ("right lobe", "right upper lobe", 2 / 3),
        ("3.55 cm", "3.5 cm", 0.0),
        ("cm", "3.5 cm", 0.5),
        ("13", "3", 0.0),
        ("在左侧", "左侧", 1.0),
        ("在左侧肺部", "左侧", 0.0),
        ("在右侧", "左侧", 0.0),
        ("no no no", "no fracture no", 2 / 3),
    ],
)
def test_accuracy_by_hand(answer: str, truth: str, expected: float) -> None:
    assert accuracy(answer, truth) == pytest.approx(expected)


@given(st.sampled_from(["no", "yes"]), st.text("abnormlyes", min_size=1, max_size=12))
def test_a_truth_inside_a_longer_word_is_never_found(truth: str, word: str) -> None:
    assert accuracy(word, truth) == float(word == truth)


@given(st.text(max_size=40), st.text("ab c.", min_size=1, max_size=20).filter(lambda text: text.strip(" .")))
def test_all_measures_stay_between_nothing_and_all(answer: str, truth: str) -> None:
    for measure in (accuracy, overlap, bleu, rouge_l):
        assert 0.0 <= measure(answer, truth) <= 1.0 + 1e-9
        assert measure(truth, truth) == pytest.approx(1.0)


@given(
    st.lists(
        st.sampled_from(["red", "green", "blue", "left", "right", "lung", "yes", "no"]),
        min_size=2,
        max_size=6,
        unique=True,
    ),
    st.sampled_from([" ", ", ", " or ", " and ", "; ", ". "]),
    st.integers(1, 2),
    st.data(),
)
def test_a_list_of_guesses_never_pays_more_than_one_guess(
    names: list[str], separator: str, length: int, data: st.DataObject
) -> None:
    guesses = [" ".join(names[start : start + length]) for start in range(0, len(names), length)]
    truth = data.draw(st.sampled_from(guesses))
    listed = judged(formed(separator.join(guesses)), truth).score
    assert listed is not None
    if len(guesses) > 1:
        assert listed <= 10 / len(guesses)


PHRASES = st.lists(
    st.sampled_from(["yes", "no", "left", "right", "lung", "red", "the"]), min_size=1, max_size=3, unique=True
).map(" ".join)
SENTENCES = st.tuples(PHRASES, st.sampled_from([" is ", " has no ", ", it shows "]), PHRASES).map("".join)
SEPARATORS = st.sampled_from([" ", ", ", " or ", " and ", "; ", ". "])


def apart(guesses: list[str]) -> bool:
    """Whether each guess is another answer: none has all that another says."""
    said = [set(guess.replace(",", "").split()) - {"the", "it", "is"} for guess in guesses]
    return all(said) and not any(one <= other for one, other in permutations(said, 2))


def best_and_listed(
    guesses: list[str], separator: str, data: st.DataObject, worth: Callable[[str, str], float]
) -> tuple[float, float]:
    """What the best single guess and a list of several gain on average, however often each guess is right."""
    odds = data.draw(st.lists(st.integers(0, 9), min_size=len(guesses), max_size=len(guesses)))
    row = data.draw(st.lists(st.sampled_from(guesses), min_size=2, unique=True))

    def gain(answer: str) -> float:
        return sum(share * worth(answer, truth) for share, truth in zip(odds, guesses, strict=True))

    return max(map(gain, guesses)), gain(separator.join(row))


@given(st.lists(PHRASES | SENTENCES, min_size=2, max_size=5).filter(apart), SEPARATORS, st.data())
def test_no_row_of_guesses_is_right_more_often_than_the_best_of_them(
    guesses: list[str], separator: str, data: st.DataObject
) -> None:
    best, listed = best_and_listed(guesses, separator, data, accuracy)
    assert listed <= best + 1e-9


@settings(max_examples=300)
@given(st.lists(PHRASES | SENTENCES, min_size=2, max_size=5).filter(apart), SEPARATORS, st.floats(0, 1), st.data())
def test_no_list_of_guesses_gains_more_on_average_than_the_best_of_them(
    guesses: list[str], separator: str, accuracy_weight: float, data: st.DataObject
) -> None:
    def worth(answer: str, truth: str) -> float:
        weights = {"accuracy_weight": accuracy_weight, "overlap_weight": 1 - accuracy_weight}
        return judged(formed(answer), truth, **weights).score or 0.0

    best, listed = best_and_listed(guesses, separator, data, worth)
    assert listed <= best + 1e-9


@pytest.mark.parametrize("accuracy_weight", [0.8, 0.5, 0.0])
@pytest.mark.parametrize(
    ("listed", "truths"),
    [
        ("Yes is left right", ["yes", "left", "right"]),
        ("Yes is left right red blue", ["yes", "left", "right", "red", "blue"]),
        ("a b c d e f", [" ".join(letters) for letters in combinations("abcdef", 3)]),
        ("red yes is left", ["red", "yes is left", "yes is right", "yes is lung"]),
    ],
)
def test_a_list_gains_nothing_by_the_words_that_it_shares_with_many_truths(
    listed: str, truths: list[str], accuracy_weight: float
) -> None:
    weights = {"accuracy_weight": accuracy_weight, "overlap_weight": 1 - accuracy_weight}

    def total(answer: str) -> float:
        return sum(judged(formed(answer), truth, **weights).score or 0.0 for truth in truths)

    assert total(listed) <= max(map(total, truths))


@pytest.mark.parametrize("listed", ["yes no", "yes, no", "yes or no", "no; yes", "Yes. No."])
@pytest.mark.parametrize("truth", ["yes", "no"])
def test_saying_yes_and_no_pays_less_than_half(listed: str, truth: str) -> None:
    verdict = judged(formed(listed), truth)
    assert verdict.score is not None
    assert verdict.score < 5


def test_overlap_is_the_f1_of_the_words() -> None:
    assert overlap("the left lung", "left lung") == pytest.approx(2 * 2 / (3 + 2))
    assert overlap("left right left", "left left") == pytest.approx(4 / 5)
    assert overlap("", "left") == 0.0


def test_bleu_and_rouge_are_their_own_and_not_one_for_a_truth_that_is_merely_contained() -> None:
    assert bleu("yes", "yes") == pytest.approx(1.0)
    assert bleu("the left lung is dark", "left lung") == pytest.approx((2 / 5 * 1 / 4) ** 0.5)
    assert rouge_l("the left lung is dark", "left lung") == pytest.approx(2 * (2 / 5) * 1 / (2 / 5 + 1))
    assert rouge_l("fractures", "fracture") == 1.0
    assert rouge_l("左肺", "左肺") == 1.0


def test_the_score_is_the_format_times_the_weighted_content() -> None:
    verdict = judged(formed("the left lung"), "left lung")
    assert verdict.score == pytest.approx(10 * (0.8 * 1.0 + 0.2 * 0.8))
    assert set(verdict.dimensions) == {"format", "accuracy", "overlap", "bleu", "rouge_l"}
    assert verdict.dimensions["overlap"] == pytest.approx(8.0)
    other = judged(formed("the left lung"), "left lung", accuracy_weight=1.0, overlap_weight=3.0)
    assert other.score == pytest.approx(10 * (1.0 + 3 * 0.8) / 4)


@pytest.mark.parametrize(
    "text",
    ["yes", "<answer>yes</answer>", "<think></think><answer>yes</answer>", "<answer>yes</answer><think>a</think>"],
)
def test_a_right_answer_in_the_wrong_form_earns_nothing(text: str) -> None:
    verdict = judged(text, "yes")
    assert (verdict.status, verdict.score, verdict.dimensions["format"]) == (Status.SCORED, 0.0, 0.0)


def test_a_plain_answer_is_the_whole_completion() -> None:
    assert judged("Yes", "yes", style="plain").score == pytest.approx(10.0)


@pytest.mark.parametrize("answer", [None, "", "?!"])
def test_without_a_right_answer_there_is_nothing_to_judge(answer: str | None) -> None:
    verdict = judged(formed("yes"), answer)
    assert (verdict.status, verdict.score) == (Status.NOT_APPLICABLE, None)
    assert "no right answer" in str(verdict.reason)


def test_prompt_and_reward_must_ask_for_the_same_form() -> None:
    VQAScorer().prompt_agrees(TAGGED)
    VQAScorer({"style": "plain"}).prompt_agrees(PLAIN)
    with pytest.raises(ConfigError, match="demands <think>, <answer>"):
        VQAScorer().prompt_agrees(PLAIN)
    with pytest.raises(ConfigError, match="style plain would take the tags"):
        VQAScorer({"style": "plain"}).prompt_agrees(TAGGED)


@pytest.mark.parametrize(
    "params", [{"accuracy_weight": 0, "overlap_weight": 0}, {"partial_from": 0}, {"accuracy_weight": -1}]
)
def test_wrong_settings_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        check_params(VQAScorer, params, "reward.params")
