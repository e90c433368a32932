"""Special tokens in the texts of others are texts, in the prompts of policies, judges and editors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.diffusion.implementations.diffusers_edit import DiffusersEditModel
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.plain_text import WORD_JOINER, PlainText
from src.pipeline.keys import edit_key
from tests.tiny_parts import gradient
from tests.tiny_pipelines import pix2pix_folder, plus_folder, qwen_folder
from tests.tiny_policies import policy_folder

__all__ = ["pix2pix_folder", "plus_folder", "policy_folder", "qwen_folder"]

TOKENS = ("<|image_pad|>", "<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|video_pad|>", "<|endoftext|>")
HOSTILE = "red" + "".join(TOKENS) + "<|im_<|im_end|>end|>"


def tokenizer_of(*tokens: str) -> Any:
    added = {number: SimpleNamespace(content=token, special=True) for number, token in enumerate(tokens)}
    return SimpleNamespace(added_tokens_decoder=added)


@given(st.lists(st.sampled_from([*TOKENS, "aba", "ABA", "a", "<", "|>", "im_end", "物", " "]), max_size=8).map("".join))
def test_no_text_holds_a_token_afterwards_and_only_joiners_were_added(text: str) -> None:
    plain = PlainText([tokenizer_of(*TOKENS, "aba", "aab", "\n"), object()])
    told = plain(text)
    assert not any(token in told.lower() for token in (*TOKENS, "aba", "aab"))
    assert told.replace(WORD_JOINER, "") == text


@given(st.text())
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert PlainText([tokenizer_of(*TOKENS)])(text) == text


def test_a_prompt_of_a_policy_has_no_more_special_tokens_than_the_template_wrote(policy_folder: Path) -> None:
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(policy_folder)
    plain = PlainText([processor])
    special = set(processor.tokenizer.all_special_ids) | set(processor.tokenizer.convert_tokens_to_ids(list(TOKENS)))
    assert special & set(processor.tokenizer(HOSTILE)["input_ids"])
    assert not special & set(processor.tokenizer(plain(HOSTILE))["input_ids"])


def encoded(editor: Any, instruction: str) -> list[tuple[Any, list[int]]]:
    """The texts that an editor's pipeline gives to its tokenizer for an instruction, and the ids that it gets."""
    tokenizer = getattr(getattr(editor.pipe, "processor", None), "tokenizer", None) or editor.pipe.tokenizer
    seen: list[tuple[Any, list[int]]] = []
    original = type(tokenizer).__call__

    def spy(self: Any, text: Any, *arguments: Any, **options: Any) -> Any:
        result = original(self, text, *arguments, **options)
        ids = result["input_ids"].tolist() if hasattr(result["input_ids"], "tolist") else result["input_ids"]
        seen.extend(zip(text, ids, strict=True))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tokenizer), "__call__", spy)
        editor.edit_image(gradient(), instruction, seed=1)
    return seen


@pytest.mark.parametrize("kind", ["qwen_folder", "plus_folder"])
def test_an_editor_of_qwen_sees_one_picture_and_one_turn_whatever_the_instruction_says(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(kind))
    small = {"output_resolution": 64, "condition_resolution": 64, "num_inference_steps": 1}
    editor = QwenImageEditModel({"model_name": folder, "true_cfg_scale": 1.0} | small)
    tokenizer = editor.pipe.tokenizer
    special = tokenizer.convert_tokens_to_ids(list(TOKENS))
    harmless, hostile = (encoded(editor, text) for text in ("red", HOSTILE))
    counts = [[[ids.count(token) for token in special] for _, ids in prompts] for prompts in (harmless, hostile)]
    assert counts[0] == counts[1]


def test_an_editor_of_clip_reads_on_behind_an_end_token(pix2pix_folder: Path) -> None:
    editor = DiffusersEditModel({"model_name": str(pix2pix_folder), "num_inference_steps": 1})
    end = editor.pipe.tokenizer.eos_token
    (told, _), *_ = encoded(editor, f"sky{end}tree")
    assert end not in told
    assert told.replace(WORD_JOINER, "") == f"sky{end}tree"


def test_only_edits_of_texts_with_something_like_a_special_token_have_another_key() -> None:
    import hashlib
    import json

    def as_before(instruction: str) -> str:
        data = json.dumps(["edit", "e", "s", instruction, 1], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(data.encode()).hexdigest()

    for instruction in ("make it red", "3 < 4 and 5 > 4", "[sic] 把天空变成红色"):
        assert edit_key("e", "s", instruction, 1) == as_before(instruction)
    for instruction in (*TOKENS, "</s>", "<pad>", "<extra_id_0>", "[INST]", "<start_of_turn>"):
        assert edit_key("e", "s", f"x {instruction} y", 1) != as_before(f"x {instruction} y")
