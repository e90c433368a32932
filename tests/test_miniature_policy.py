from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from src.errors import ConfigError
from src.miniature.editor.architecture import EditorSize
from src.miniature.editor.evaluate_editor import held_out_edits
from src.miniature.policy.architecture import (
    LANGUAGES,
    POLICY_SIZE,
    begin_from_editor,
    build_policy,
    build_policy_processor,
    build_policy_tokenizer,
    fixed_texts,
    rewrite_messages,
)
from src.miniature.policy.batches import (
    BUCKETS,
    IGNORE_INDEX,
    PolicyBatches,
    collate_tokenised,
    conversation,
    prompt_text,
)
from src.miniature.policy.card import EditScores, ScoredText, model_card, scores_table
from src.miniature.policy.evaluate_policy import instruction_of, write_rewrites
from src.miniature.policy.faithful_rewrites import faithful_rewrite
from src.miniature.policy.readable import readability
from src.miniature.policy.train_policy import PolicyRecipe, make_policy
from src.miniature.world.benchmark import TRAINING_SEEDS
from src.miniature.world.edits import (
    CATEGORIES,
    DIFFICULTIES,
    MiniatureEdit,
    Part,
    families,
    make_edit,
    setting_kind,
    settings,
)
from src.miniature.world.split import HELD_OUT_FAMILIES
from src.models.vlm.tags import read_rewrite

TINY = EditorSize(vocabulary=500, text_width=64, text_layers=1, vision_width=64, vision_layers=1)
RECIPE = PolicyRecipe(size=TINY, steps=6, batch=2)
EDITOR, SHIPPED = Path("assets/miniature/editor"), Path("assets/miniature/policy")
CPU = torch.device("cpu")


def some_edits(count: int) -> list[MiniatureEdit]:
    return [
        make_edit(CATEGORIES[index % 5], DIFFICULTIES[index // 5 % 3], TRAINING_SEEDS[index]) for index in range(count)
    ]


@pytest.fixture(scope="module")
def processor() -> Any:
    texts = [text for edit in some_edits(30) for text in (edit.explicit_en, edit.explicit_zh)]
    return build_policy_processor(build_policy_tokenizer(texts, TINY.vocabulary))


@pytest.fixture(autouse=True)
def quick_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.miniature.policy.train_policy.TOKENIZER_EDITS", 30)


def trained(folder: Path, recipe: PolicyRecipe = RECIPE, export_every: int = 100) -> list[float]:
    return make_policy(recipe, None, folder / "work", folder / "policy", export_every)


@pytest.fixture(scope="module")
def short_training(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("policy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("src.miniature.policy.train_policy.TOKENIZER_EDITS", 30)
        return {"folder": folder, "losses": trained(folder)}


def test_every_fixed_text_of_the_protocol_is_one_token(processor: Any) -> None:
    texts = fixed_texts()
    assert {"<CoT>", "</CoT>", "<Re_edit>", "</Re_edit>"} < set(texts)
    assert all(len(ids) == 1 for ids in processor.tokenizer(texts)["input_ids"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_sees_the_tokens_and_pixels_of_a_rollout(processor: Any, language: Any) -> None:
    edit = some_edits(1)[0]
    messages = rewrite_messages(getattr(edit, f"instruction_{language}"), language)
    messages[1]["content"][0]["image"] = Image.fromarray(edit.source)
    rollout = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    taught = collate_tokenised(processor, [conversation(processor, edit, language)])
    length = rollout["input_ids"].shape[1]
    for name in ("input_ids", "mm_token_type_ids", "attention_mask"):
        assert torch.equal(taught[name][:, :length], rollout[name])
    assert torch.allclose(taught["pixel_values"], rollout["pixel_values"], atol=1e-6)
    assert torch.equal(taught["image_grid_thw"], rollout["image_grid_thw"])


def test_the_loss_is_taken_of_the_whole_completion_and_of_nothing_else(processor: Any) -> None:
    batch = PolicyBatches(processor, 4, 0).batch(3, CPU)
    for tokens, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        taught = labels != IGNORE_INDEX
        assert torch.equal(tokens[taught], labels[taught])
        assert torch.equal(tokens[mask.bool()][-int(taught.sum()) :], tokens[taught])
        prompt, completion = (processor.tokenizer.decode(tokens[part]) for part in (mask.bool() & ~taught, taught))
        assert prompt.endswith("<|im_start|>assistant\n")
        assert completion.endswith("<|im_end|>")
        assert read_rewrite(completion.removesuffix("<|im_end|>")).problems == ()


def test_a_step_sees_the_same_edits_whatever_was_asked_before(processor: Any) -> None:
    straight, other = (PolicyBatches(processor, 2, 0) for _ in range(2))
    other.batch(3 * BUCKETS, CPU)
    assert torch.equal(straight.batch(1, CPU)["input_ids"], other.batch(1, CPU)["input_ids"])


def test_no_prompt_and_no_lesson_has_a_text_of_a_held_out_family_or_wording(processor: Any) -> None:
    kept_out = {
        text.en
        for category in CATEGORIES
        for name in settings(category)
        for change in setting_kind(category, name).make(random.Random(0)).changes
        for reason in change.reasons
        for templates in (reason.medium, reason.hard)
        for text in (templates if reason.family in HELD_OUT_FAMILIES else templates[-1:])
        if "{" not in text.en
    }
    assert len(kept_out) > 40
    batches = PolicyBatches(processor, 16, 0)
    shown = "".join(
        processor.tokenizer.decode(tokens)
        for step in range(2 * BUCKETS)
        for tokens in batches.batch(step, CPU)["input_ids"]
    )
    assert not [text for text in kept_out if text in shown]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_faithful_rewrite_reads_back_as_the_reason_and_the_explicit_wording(language: Any) -> None:
    for edit in some_edits(30):
        read = read_rewrite(faithful_rewrite(edit, language).completion())
        assert read.problems == ()
        assert read.thought == getattr(edit, f"rationale_{language}")
        assert read.instructions == (getattr(edit, f"explicit_{language}"),)


def test_a_policy_begins_with_the_eyes_the_layers_and_the_words_of_the_editor(processor: Any) -> None:
    tokenizer = processor.tokenizer
    policy = build_policy(replace(POLICY_SIZE, vocabulary=TINY.vocabulary), tokenizer)
    begin_from_editor(policy, tokenizer, EDITOR)
    encoder = AutoModelForImageTextToText.from_pretrained(EDITOR / "text_encoder")
    known = AutoProcessor.from_pretrained(EDITOR / "processor").tokenizer
    own = policy.state_dict()
    for name, value in encoder.state_dict().items():
        if "embed_tokens" not in name and "lm_head" not in name:
            assert torch.equal(own[name], value), name
    rows, words = policy.get_input_embeddings().weight, encoder.get_input_embeddings().weight
    same = "<|im_end|>"
    assert torch.equal(rows[tokenizer.convert_tokens_to_ids(same)], words[known.convert_tokens_to_ids(same)])
    new = "</Re_edit>"
    mean = words[known(new)["input_ids"]].mean(dim=0)
    assert torch.allclose(rows[tokenizer.convert_tokens_to_ids(new)], mean)


def test_a_training_lowers_the_loss(tmp_path: Path) -> None:
    losses = trained(tmp_path, replace(RECIPE, steps=24, peak_rate=1e-2))
    assert np.mean(losses[-4:]) < 0.8 * losses[0]


def test_a_killed_training_goes_on_with_the_losses_of_an_unbroken_one(
    short_training: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.miniature.policy.train_policy.CHECKPOINT_EVERY", 2)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("src.miniature.policy.train_policy.write_chat_model", kill)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, export_every=3)
    assert trained(tmp_path) == short_training["losses"][2:]


def test_a_work_folder_refuses_another_recipe(short_training: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="another seed"):
        trained(short_training["folder"], replace(RECIPE, seed=1))


def test_a_checkpoint_without_its_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "policy.pt").touch()
    with pytest.raises(ConfigError, match=r"no recipe\.json"):
        trained(tmp_path)


def test_the_written_policy_loads_in_single_precision_and_keeps_its_model_card(
    short_training: dict[str, Any], tmp_path: Path
) -> None:
    folder = short_training["folder"] / "policy"
    policy = AutoModelForImageTextToText.from_pretrained(folder)
    assert {parameter.dtype for parameter in policy.parameters()} == {torch.float32}
    assert AutoProcessor.from_pretrained(folder).tokenizer.padding_side == "left"
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "README.md").write_text("card", encoding="utf-8")
    trained(tmp_path)
    assert (tmp_path / "policy" / "README.md").read_text(encoding="utf-8") == "card"


def test_grpo_trains_a_written_policy_with_pictures(short_training: dict[str, Any], tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    folder = short_training["folder"] / "policy"
    policy = AutoModelForImageTextToText.from_pretrained(folder)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    rows = [
        {
            "prompt": [
                {"role": message["role"], "content": message["content"][-1]["text"]}
                for message in rewrite_messages(edit.instruction_en, "en")
            ],
            "image": Image.fromarray(edit.source),
        }
        for edit in some_edits(2)
    ]
    settings = GRPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=8,
        learning_rate=1e-2,
        max_steps=2,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=policy,
        args=settings,
        processing_class=AutoProcessor.from_pretrained(folder),
        reward_funcs=lambda completions, **_: [float(len(str(completion)) % 7) for completion in completions],
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert np.isfinite(losses).all()
    after = policy.state_dict()
    for part in ("language_model", "visual"):
        assert any(part in name and not torch.equal(after[name], value) for name, value in before.items())


def test_an_unreadable_completion_tells_the_editor_nothing() -> None:
    assert instruction_of("<CoT>why</CoT>\n<Re_edit>Erase it.</Re_edit>") == "Erase it."
    assert instruction_of("<CoT>why</CoT>\n<Re_edit>Erase it.") is None


def test_the_table_shows_means_and_shares_of_hand_made_scores() -> None:
    good, bad, unread = ScoredText("a", 6.0, True, right=True), ScoredText("b", 2.0, True), ScoredText("c", 0.0, False)
    row = EditScores("物理", "hard", held_out=True, instruction=bad, explicit=good, greedy=bad, sampled=[good, unread])
    scores = [replace(row, category=name, difficulty=level) for name in CATEGORIES for level in DIFFICULTIES]
    assert "| **all** | 2.00 | 2.00 | 3.00 | 6.00 | 6.00 | 100% | 50% | 0% | 50% | 0% | 50% | 100% |" in scores_table(
        scores
    )


def test_the_card_says_how_the_policy_was_made_and_how_much_of_it_can_be_read(short_training: dict[str, Any]) -> None:
    folder = short_training["folder"] / "policy"
    clear = ScoredText("<CoT>why</CoT><Re_edit>Remove the red circle.</Re_edit>", 6.0, True, right=True)
    vague = ScoredText("<CoT>why</CoT><Re_edit>Change the picture.</Re_edit>", 0.0, True)
    scores = [
        EditScores(name, level, held_out, vague, clear, greedy=clear, sampled=[clear, vague])
        for held_out in (False, True)
        for name in CATEGORIES
        for level in DIFFICULTIES
    ]
    policy, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    card = model_card(folder, policy, processor, scores, "A remark.")
    assert "6 steps of 2 edits. A remark." in card
    assert "evaluate_policy --count 1`" in card
    assert all(f"`{family}`" in card for family in HELD_OUT_FAMILIES)
    assert "| untaught, sampled | 30 | 50.0% | 0.0% | 50.0% | 0.0% | 100.0% |" in card


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    return {
        "policy": AutoModelForImageTextToText.from_pretrained(SHIPPED),
        "processor": AutoProcessor.from_pretrained(SHIPPED),
    }


def test_the_shipped_policy_is_readable_where_it_was_taught_and_finds_right_words_by_sampling(
    shipped: dict[str, Any],
) -> None:
    taught = hard_edits("training")
    assert readability([texts[0] for texts in write_rewrites(**shipped, edits=taught)]).unreadable <= 0.05
    assert share_found(taught, write_rewrites(**shipped, edits=taught, samples=8)) >= 0.4
    # Of other families it reads no word in its training: see the card for how readable it is there.
    untaught = hard_edits("held_out")
    assert share_found(untaught, write_rewrites(**shipped, edits=untaught, samples=8)) >= 0.05


def hard_edits(part: Part) -> list[MiniatureEdit]:
    return [
        edit
        for category in CATEGORIES
        for edit in held_out_edits(category, "hard", 4, families(category, part), "training")
    ]


def share_found(edits: list[MiniatureEdit], rewrites: list[list[str]]) -> float:
    """Of how many edits one of the rewrites is, word for word, an explicit wording."""
    return float(
        np.mean(
            [
                any(instruction_of(text) in edit.explicit_wordings for text in texts)
                for edit, texts in zip(edits, rewrites, strict=True)
            ]
        )
    )


def test_the_shipped_policy_speaks_the_protocol_in_few_tokens(shipped: dict[str, Any]) -> None:
    tokenizer = shipped["processor"].tokenizer
    assert all(len(ids) == 1 for ids in tokenizer(fixed_texts())["input_ids"])
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 12e6
    for edit in some_edits(30):
        for language in LANGUAGES:
            prompt = prompt_text(shipped["processor"], edit, language)
            assert len(tokenizer(prompt)["input_ids"]) < 100
