"""Replies with a score under the heading of each aspect: values are read, or nothing is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.vlm.grammar.parsing import UnparsableReply
from src.rewards.scorers.protocols.aspects import aspect_scores, aspects_as_published
from src.rewards.scorers.protocols.rational_rewards import ASPECTS
from tests.reward_model_cases import CRITIQUE

STRICT = aspect_scores(ASPECTS, 1, 4, "text_rendering")
PUBLISHED = aspects_as_published(ASPECTS, 1, 4)
VALUES = {"text_faithfulness": 3.5, "image_faithfulness": 4.0, "physical_quality": 2.4}


@pytest.mark.parametrize(
    ("old", "new", "rendering"),
    [
        ("", "", None),
        ("## Score: N/A", "## Score: 2.5", 2.5),
        ("## Score: N/A", "**Score:** **3/4**", 3.0),
        ("## Score: N/A", "## Score: n/a", None),
        ("4. Text Rendering:", "### 4. **Text Rendering**", None),
        ("# Summary: Well done.", "# Summary: Well done.\n## Score: 1.0", None),
        ("# User Request Analysis", "<think>\n1. Text Faithfulness:\n## Score: 1.0</think>\n# User", None),
    ],
)
def test_a_critique_gives_its_aspects_and_n_a_leaves_text_rendering_out(
    old: str, new: str, rendering: float | None
) -> None:
    expected = VALUES | ({} if rendering is None else {"text_rendering": rendering})
    assert STRICT.read(CRITIQUE.replace(old, new, 1)) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## Score: 3.5", "## Score: high"),
        ("## Score: 3.5", "## Score: N/A"),
        ("## Score: 3.5", "## Score: 4.5"),
        ("## Score: 3.5", "## Score: 0.5"),
        ("## Score: 3.5", "## Score: 3-4"),
        ("## Score: 3.5", "## Score: 7/10"),
        ("## Score: 3.5", "## Score: 3.5\n## Score: 2.0"),
        ("## Score: 3.5\n", ""),
        ("2. Image Faithfulness:", "2. Picture:"),
        ("# User Request Analysis", "1. Text Faithfulness:\n## Score: 1.0\n#"),
        (CRITIQUE, "Scores: 3.5, 4.0, 2.4, N/A"),
        ("# Summary: Well done.", "# Summary: Well done.\n1. Text Faithfulness:\n## Score: 1.0"),
    ],
)
def test_a_critique_without_one_number_for_each_aspect_is_no_number(old: str, new: str) -> None:
    with pytest.raises(UnparsableReply):
        STRICT.read(CRITIQUE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", VALUES),
        ("## Score: 3.5", "## Score: high", {"image_faithfulness": 4.0, "physical_quality": 2.4}),
        ("2. Image Faithfulness:", "2. Picture:", {"text_faithfulness": 3.5}),
        ("## Score: 3.5", "## Score: 3.1 of 4", VALUES | {"text_faithfulness": 3.1}),
    ],
)
def test_as_published_whatever_aspects_can_be_read_are_taken(old: str, new: str, expected: dict[str, float]) -> None:
    assert PUBLISHED.read(CRITIQUE.replace(old, new, 1)) == expected


@given(st.text() | st.lists(st.sampled_from(CRITIQUE.splitlines())).map("\n".join))
def test_any_text_gives_values_on_the_scale_or_is_unparsable(text: str) -> None:
    for form in (STRICT, PUBLISHED):
        try:
            values = form.read(text)
        except UnparsableReply:
            continue
        assert values
        assert values.keys() <= ASPECTS.keys()
        assert all(math.isfinite(value) and 1 <= value <= 4 for value in values.values())


@given(st.lists(st.integers(10, 40), min_size=4, max_size=4), st.text(alphabet="ab 1.\n", max_size=40))
def test_numbers_are_read_between_any_justifications(tenths: list[int], prose: str) -> None:
    blocks = [
        f"{place}. {heading.title()}:\n## Justification: {prose}\n## Score: {number / 10}"
        for place, (heading, number) in enumerate(zip(ASPECTS.values(), tenths, strict=True), 1)
    ]
    assert list(STRICT.read("\n".join(blocks)).values()) == [number / 10 for number in tenths]


def test_a_long_reply_is_read_in_time_linear_in_it() -> None:
    for unit in ("1. Text Faithfulness: ", "## Score: ", "1. a", "\n", "* ", "Score: **"):
        for form in (STRICT, PUBLISHED):
            with pytest.raises(UnparsableReply):
                form.read(unit * 20_000)
