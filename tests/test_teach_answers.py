"""Teaching the shipped policy the form of answers, for two steps."""

from __future__ import annotations

from pathlib import Path

from src.miniature.policy.fine_tuning import POLICY
from src.miniature.policy.teach_answers import teach_answers
from src.models.vlm.tags import THINK_TAGS


def test_the_taught_policy_is_saved_with_tags_of_one_token_each(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    losses = teach_answers(POLICY, tmp_path / "policy", steps=2)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "policy")
    tokenizer = AutoProcessor.from_pretrained(tmp_path / "policy").tokenizer
    assert len(losses) == 2
    assert all(len(tokenizer(f"<{tag}>")["input_ids"]) == 1 for tag in THINK_TAGS)
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
