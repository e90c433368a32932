"""Tagged completions are read as they stand: nothing is guessed, nothing is lost, and no text takes long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ConfigError
from src.models.vlm.tags import REWRITE_TAGS, THINK_TAGS, read_answer, read_blocks, read_rewrite, require_tags
from src.rewards.scorers.words import words

PIECES = ["<CoT>", "</CoT>", "<Re_edit>", "</Re_edit>", "<cot>", "<think>", "a", " b\n", "<", ">", "</", "树"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60)
contents = st.text(st.characters(codec="utf-8", exclude_characters="<>"), max_size=20)


def test_a_rewrite_gives_its_thoughts_and_its_instructions_in_order() -> None:
    read = read_rewrite(
        "<CoT>rain wets</CoT>\n<Re_edit>paint\n puddles</Re_edit>\n<CoT>dusk</CoT>\n<re_edit>dim</re_edit>"
    )
    assert read.thought == "rain wets\ndusk"
    assert read.instructions == ("paint puddles", "dim")
    assert read.problems == ()


@pytest.mark.parametrize(
    ("text", "instructions", "problem"),
    [
        ("", (), "there is no <CoT>"),
        ("paint it red", (), "there is text outside the tags"),
        ("<CoT>a</CoT>", (), "there is no <Re_edit>"),
        ("<Re_edit>b</Re_edit>", ("b",), "there is no <CoT>"),
        ("<CoT>a</CoT><Re_edit> \n</Re_edit>", (), "a <Re_edit> is empty"),
        ("<CoT></CoT><Re_edit>b</Re_edit>", ("b",), "a <CoT> is empty"),
        ("<CoT>a</CoT> so: <Re_edit>b</Re_edit>", ("b",), "there is text outside the tags"),
        ("<CoT>a</CoT><Re_edit>b", (), "<Re_edit> is not closed"),
        ("<CoT>a<Re_edit>b</Re_edit></CoT>", ("b",), "<CoT> is not closed before <Re_edit>"),
        ("<CoT>a</CoT></CoT><Re_edit>b</Re_edit>", ("b",), "</CoT> closes nothing"),
        ("<CoT>a</CoT><Re_edit>b</CoT>", (), "<Re_edit> is not closed before </CoT>"),
        ("<CoT>a</CoT><Re_edit><Re_edit>b</Re_edit>", ("b",), "<Re_edit> is not closed before <Re_edit>"),
        ('<CoT>a</CoT><Re_edit n="1">b</Re_edit>', (), "</Re_edit> closes nothing"),
    ],
)
def test_what_is_wrong_with_a_rewrite_is_named(text: str, instructions: tuple[str, ...], problem: str) -> None:
    read = read_rewrite(text)
    assert read.instructions == instructions
    assert problem in read.problems


def test_an_answer_comes_after_its_thought() -> None:
    read = read_answer("<think>a tree\nis green</think>\n<answer> yes </answer>\n")
    assert (read.thought, read.answer, read.problems) == ("a tree\nis green", "yes", ())


@pytest.mark.parametrize(
    ("text", "answer", "problem"),
    [
        ("yes", None, "there is no <answer>"),
        ("<answer>yes</answer><think>tree</think>", "yes", "<answer> comes before <think>"),
        ("<think>a</think><answer>yes</answer><answer>no</answer>", None, "there is more than one <answer>"),
        ("<think>a</think><think>b</think><answer>no</answer>", "no", "there is more than one <think>"),
        ("<think> </think><answer>no</answer>", "no", "a <think> is empty"),
        ("<think>a</think><answer></answer>", None, "a <answer> is empty"),
        ("<think>a</think><answer>no</answer> I hope", "no", "there is text outside the tags"),
        ("<think>a <answer>no</answer>", "no", "<think> is not closed before <answer>"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(text: str, answer: str | None, problem: str) -> None:
    read = read_answer(text)
    assert read.answer == answer
    assert problem in read.problems


@given(st.lists(st.tuples(st.sampled_from(REWRITE_TAGS), contents), max_size=8))
def test_blocks_that_were_written_are_read_back(blocks: list[tuple[str, str]]) -> None:
    found = read_blocks("\n".join(f"<{name}>{content}</{name}>" for name, content in blocks), REWRITE_TAGS)
    assert [(block.name, block.content) for block in found.blocks] == [(name, text.strip()) for name, text in blocks]
    assert (found.outside, found.problems) == ("", ())


@given(texts)
def test_any_text_is_read_and_no_block_holds_a_tag(text: str) -> None:
    found = read_blocks(text, REWRITE_TAGS)
    for block in found.blocks:
        assert block.content in text
        assert not any(tag in block.content for tag in ("<CoT>", "</CoT>", "<Re_edit>", "</Re_edit>"))
    assert text.lower().count("<cot>") >= len(found.contents("CoT"))


@given(texts)
def test_a_text_without_known_tags_lies_outside_as_a_whole(text: str) -> None:
    found = read_blocks(text, ("absent",))
    assert (found.blocks, found.outside, found.problems) == ((), text.strip(), ())


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["<CoT>", "</CoT>", "<CoT", "<CoT> </CoT>", "<", "a <Re_edit>"])
def test_a_long_hostile_text_is_read_in_linear_time(piece: str) -> None:
    read = read_rewrite(piece * 200_000)
    assert 1 <= len(read.problems) < 10


def test_a_prompt_must_name_every_tag_that_is_demanded() -> None:
    require_tags("Think in <think>…</think>, then answer in <answer>…</answer>.", THINK_TAGS, "the reward")
    with pytest.raises(ConfigError, match=r"the reward demands <answer>, and the policy's prompt"):
        require_tags("Think in <think>…</think>, then answer.", THINK_TAGS, "the reward")


def test_words_are_counted_alike_in_scripts_with_and_without_blanks() -> None:
    assert words("The lesion's size: 3.5 cm, T2-weighted!") == [
        "the",
        "lesion",
        "s",
        "size",
        "3.5",
        "cm",
        "t2",
        "weighted",
    ]
    assert words("把天空变红 now") == ["把", "天", "空", "变", "红", "now"]
