"""Teaching the shipped policy to criticise first attempts, for two steps; and the tasks it is trained on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.miniature.oracle_scorer import OracleScorer
from src.miniature.policy.critique_tasks import (
    FAILED,
    LARGEST_SHARE,
    SHIPPED_COUNT,
    SHIPPED_PATH,
    FailedEdit,
    write_critique_tasks,
)
from src.miniature.policy.fine_tuning import POLICY, collate_chats
from src.miniature.policy.teach_critique import MISSED, SATISFIED, draw_example, teach_critique
from src.miniature.world.edits import make_edit
from src.models.vlm.prompts import load_prompt
from src.models.vlm.tags import read_rewrite
from src.rewards.core.scorer import EditedSample


def test_the_taught_policy_is_saved_with_the_prompt_as_one_token(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    losses = teach_critique(POLICY, tmp_path / "policy", steps=2)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "policy")
    tokenizer = AutoProcessor.from_pretrained(tmp_path / "policy").tokenizer
    system, _ = load_prompt("rewrite", "second_pass", "en").render(edit_instruction="")
    assert len(losses) == 2
    assert len(tokenizer(system)["input_ids"]) == 1
    assert len(tokenizer([system, ""])["input_ids"][1]) == 0, "the padding of the examples was saved with the tokenizer"
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)


def test_every_critique_is_well_formed_and_only_one_of_a_finished_attempt_leaves_it_alone() -> None:
    rng = random.Random(0)
    examples = [draw_example(rng) for _ in range(200)]
    assert not [example for example in examples if read_rewrite(example.completion).problems]
    done = [example for example in examples if not np.array_equal(*example.pictures)]
    assert {example.completion for example in done} == {SATISFIED.completion()}
    undone = [example for example in examples if np.array_equal(*example.pictures)]
    assert len(undone) > 60
    assert all(read_rewrite(example.completion).thought.startswith(MISSED) for example in undone)


def test_only_the_completion_of_a_lesson_is_taught_and_both_pictures_are_shown() -> None:
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(POLICY)
    rng = random.Random(0)
    examples = [draw_example(rng) for _ in range(3)]
    batch = collate_chats(processor, examples)
    for example, tokens, labels in zip(examples, batch["input_ids"], batch["labels"], strict=True):
        taught = processor.tokenizer.decode(tokens[labels != -100])
        assert taught == example.completion + processor.tokenizer.eos_token
        assert (tokens == processor.image_token_id).sum() == 2 * 16
    assert batch["image_grid_thw"].tolist() == [[1, 8, 8]] * 6


def test_the_shipped_tasks_bring_attempts_that_the_oracle_calls_failed_and_no_rule_prevails() -> None:
    samples = [one for one in load_samples(str(SHIPPED_PATH), Selection()) if isinstance(one, EditSample)]
    assert len(samples) == SHIPPED_COUNT
    assert max(Counter(one.family for one in samples).values()) <= LARGEST_SHARE * SHIPPED_COUNT
    attempts = [one.preliminary.decode() for one in samples if one.preliminary]
    verdicts = OracleScorer({}).score(
        [EditedSample(one, one.source.decode(), attempt) for one, attempt in zip(samples, attempts, strict=True)]
    )
    assert all(verdict.score is not None and verdict.score < FAILED for verdict in verdicts)


def test_a_kill_while_tasks_are_drawn_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn_and_killed(*_: object) -> Iterator[FailedEdit]:
        yield FailedEdit(make_edit("物理", "hard", 0), 0, np.zeros((64, 64, 3), np.uint8))
        raise KeyboardInterrupt

    file = tmp_path / "tasks.jsonl"
    file.write_text("all tasks\n", encoding="utf-8")
    monkeypatch.setattr("src.miniature.policy.critique_tasks.failed_edits", drawn_and_killed)
    with pytest.raises(KeyboardInterrupt):
        write_critique_tasks(file, pipeline=None, count=4)
    assert file.read_text(encoding="utf-8") == "all tasks\n"
