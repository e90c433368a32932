"""A token editor's GRPO against brute force, in TRL's own trainer on a real Emu3 of random weights."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from src.data.image import LazyImage
from src.models.diffusion.implementations.token_edit import TokenEditModel
from src.models.tokens.picture_codec import grid_of
from src.models.tokens.picture_grammar import ANY_CODE, ANY_TEXT
from src.models.tokens.sampling import SamplingSettings, TokenRequest, sample
from src.models.tokens.written_slots import WrittenSlots
from src.training.grpo.token_rollouts import TokenRollouts, TrainedTokens, trained_at, trained_mask
from src.training.grpo.token_trainer import TokenScoring, token_trainer
from src.training.tasks.example import Example
from tests.tiny_parts import gradient
from tests.tiny_token_editors import FACTOR, tiny_token_editor, token_editor_folder  # noqa: F401 (fixture)

TEMPERATURE = 0.7
TEXTS = ["make the sky red", "x"]
SIZES = [(32, 32), (24, 40)]
GROUP = 3
THINKING = 5


@pytest.fixture(scope="module")
def editor(token_editor_folder: Path) -> TokenEditModel:
    params = {"model_name": str(token_editor_folder), "device": "cpu", "image_area": 32 * 32, "dtype": "float32"}
    return TokenEditModel({**params, "thinking_tokens": THINKING})


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example[None]]:
    folder = tmp_path_factory.mktemp("sources")
    made: list[Example[None]] = []
    for place, (text, size) in enumerate(zip(TEXTS, SIZES, strict=True)):
        gradient(size, place).save(path := folder / f"{place}.png")
        made.append(Example(f"e{place}", f"hash {place}", "c", text, "", text, (LazyImage(path=path),), None))
    return made


def by_length(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """Rewards that differ within a group."""
    return [float(sum(ids) % 10) for ids in completion_ids]


def build(
    editor: TokenEditModel,
    examples: list[Example[None]],
    folder: Path,
    schedule: Any = "all",
    softmax: Any = "allowed",
    lora: bool = False,
    **grpo: Any,
) -> Any:
    """TRL's trainer around the tiny Emu3, as a training builds it, with a reference and an old policy."""
    import peft
    import trl

    model, processor = tiny_token_editor(attention_dropout=0.5)  # which has to be off in sampling and training alike
    model.config._name_or_path = editor.params.model_name
    model.model.vqmodel.requires_grad_(False)
    rollouts = TokenRollouts(editor.writer, schedule, seed=1, temperature=TEMPERATURE)
    settings = {
        "output_dir": str(folder),
        "per_device_train_batch_size": GROUP,
        "steps_per_generation": 2,  # the second batch is updated by an older policy's completions
        "num_generations": GROUP,
        "temperature": TEMPERATURE,
        "beta": 0.1,
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "max_completion_length": 64,
        **grpo,
    }
    layers = {"target_modules": ["q_proj", "v_proj"], "exclude_modules": ".*vqmodel.*"}
    adapter = peft.LoraConfig(**layers, init_lora_weights=False)
    scoring = TokenScoring(editor.writer.prompts.vocabulary, THINKING, softmax)
    trainer = token_trainer(trl.GRPOTrainer, scoring)(
        model=model,
        reward_funcs=[by_length],
        args=trl.GRPOConfig(**settings),
        train_dataset=rollouts.rows(examples),
        processing_class=processor,
        peft_config=adapter if lora else None,
        rollout_func=rollouts,
    )
    trainer.model.train()
    return trainer


def generated(trainer: Any) -> tuple[dict[str, Any], list[TokenRequest]]:
    """A generation as TRL makes it, two groups, and the request of each row."""
    rows = [trainer.train_dataset[place] for place in range(2) for _ in range(GROUP)]
    requests = [trainer.rollout_func.request(trainer.rollout_func._examples[row["example_id"]]) for row in rows]
    return trainer._generate_and_score_completions([dict(row) for row in rows]), requests


def completion(batch: dict[str, Any], row: int) -> list[int]:
    length = int(batch["completion_mask"][row].sum())
    found: list[int] = batch["completion_ids"][row, :length].tolist()
    return found


def brute_force(model: Any, request: TokenRequest, tokens: list[int], over: Any = None) -> tuple[list[float], ...]:
    """Log-probability and entropy of each token, and the mass on what was allowed, one token at a time in float64."""
    vocabulary = request.grammar.picture.vocabulary
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*request.prompt, *tokens]])).logits[0].double() / TEMPERATURE
    chosen, entropies, masses = [], [], []
    for place, (token, slot) in enumerate(zip(tokens, request.grammar.slots(tokens), strict=True)):
        powers = [math.exp(value) for value in logits[len(request.prompt) - 1 + place].tolist()]
        allowed = vocabulary.allowed(slot)
        scored = allowed if over is None or slot >= 0 else over(slot)
        total = sum(powers[other] for other in scored)
        shares = [powers[other] / total for other in scored]
        chosen.append(math.log(powers[token] / total))
        entropies.append(-sum(share * math.log(share) for share in shares))
        masses.append(sum(powers[other] for other in allowed) / sum(powers))
    return chosen, entropies, masses


@pytest.mark.parametrize("lora", [False, True], ids=["whole", "adapter"])
def test_log_probabilities_of_policy_old_policy_and_reference_are_those_of_the_draws(
    editor: TokenEditModel, examples: list[Example[None]], tmp_path: Path, lora: bool
) -> None:
    trainer = build(editor, examples, tmp_path, lora=lora)
    if not lora:  # another policy than the reference
        with torch.no_grad():
            trainer.model.lm_head.weight.mul_(1.3)
    batch, requests = generated(trainer)
    model, reference = trainer.model, trainer.ref_model
    for row, request in enumerate(requests):
        tokens = completion(batch, row)
        drawn, _, _ = brute_force(model, request, tokens)
        for name in ("sampling_per_token_logps", "old_per_token_logps"):
            assert batch[name][row, : len(tokens)].tolist() == pytest.approx(drawn, abs=1e-4), name
        if lora:
            with model.disable_adapter():
                expected, _, _ = brute_force(model, request, tokens)
        else:
            expected, _, _ = brute_force(reference, request, tokens)
        assert batch["ref_per_token_logps"][row, : len(tokens)].tolist() == pytest.approx(expected, abs=1e-4)
        assert expected != pytest.approx(drawn, abs=1e-2)
        assert all(value == 0 for value, slot in zip(drawn, request.grammar.slots(tokens), strict=True) if slot >= 0)


def loss_of(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    trainer.current_gradient_accumulation_steps = 1
    found: torch.Tensor = trainer.compute_loss(trainer.model, batch)
    return found


def test_entropies_and_the_mass_on_allowed_tokens_are_reported(
    editor: TokenEditModel, examples: list[Example[None]], tmp_path: Path
) -> None:
    trainer = build(editor, examples, tmp_path)
    batch, requests = generated(trainer)
    loss_of(trainer, batch)
    entropies, masses = [], []
    for row, request in enumerate(requests):
        tokens = completion(batch, row)
        _, own, mass = brute_force(trainer.model, request, tokens)
        choices = request.grammar.is_choice(tokens)
        entropies += [value for value, is_choice in zip(own, choices, strict=True) if is_choice]
        masses += [value for value, is_choice in zip(mass, choices, strict=True) if is_choice]
    assert trainer._metrics["train"]["tokens/allowed_mass"] == [pytest.approx(sum(masses) / len(masses), rel=1e-4)]
    assert trainer._metrics["train"]["entropy"] == [pytest.approx(sum(entropies) / len(entropies), rel=1e-4)]


def test_in_separate_soft_maxes_codes_are_scored_among_codes_and_text_among_all_other_tokens(
    editor: TokenEditModel, examples: list[Example[None]], tmp_path: Path
) -> None:
    trainer = build(editor, examples, tmp_path, softmax="separate")
    batch, requests = generated(trainer)
    known = editor.writer.prompts.vocabulary
    others = [token for token in range(known.size) if token not in known.code_of]
    loss_of(trainer, batch)
    masses = []
    for row, request in enumerate(requests):
        tokens = completion(batch, row)
        over = {ANY_CODE: known.codes, ANY_TEXT: others}.get
        expected, _, mass = brute_force(trainer.model, request, tokens, over)
        masses += [one for one, is_choice in zip(mass, request.grammar.is_choice(tokens), strict=True) if is_choice]
        assert batch["old_per_token_logps"][row, : len(tokens)].tolist() == pytest.approx(expected, abs=1e-4)
        drawn, _, _ = brute_force(trainer.model, request, tokens)
        assert batch["sampling_per_token_logps"][row, : len(tokens)].tolist() == pytest.approx(drawn, abs=1e-4)
    assert trainer._metrics["train"]["tokens/allowed_mass"] == [pytest.approx(sum(masses) / len(masses), rel=1e-4)]


@pytest.mark.parametrize("kind", ["all", "text", "picture"])
def test_no_gradient_comes_from_forced_tokens_or_from_tokens_that_are_not_trained(
    editor: TokenEditModel, examples: list[Example[None]], tmp_path: Path, kind: Any
) -> None:
    trainer = build(editor, examples, tmp_path, schedule=kind)
    with torch.no_grad():
        trainer.model.lm_head.weight.mul_(1.3)  # else the divergence from the reference has no gradient
    batch, requests = generated(trainer)
    seen: list[torch.Tensor] = []

    def keep(_: Any, __: Any, logits: torch.Tensor) -> None:
        logits.retain_grad()
        seen.append(logits)

    hook = trainer.model.lm_head.register_forward_hook(keep)
    loss_of(trainer, batch).backward()
    hook.remove()
    [logits] = seen
    assert logits.grad is not None
    gradients = logits.grad[:, :-1].abs().sum(dim=-1)
    for row, request in enumerate(requests):
        tokens = completion(batch, row)
        kinds = {"all": (ANY_CODE, ANY_TEXT), "text": (ANY_TEXT,), "picture": (ANY_CODE,)}[kind]
        wanted = [slot in kinds for slot in request.grammar.slots(tokens)]
        assert batch["tool_mask"][row, : len(tokens)].tolist() == [int(one) for one in wanted]
        assert [value > 0 for value in gradients[row, : len(tokens)].tolist()] == wanted
        assert not gradients[row, len(tokens) :].any()


def test_what_might_have_stood_at_each_place_is_read_from_the_tokens_alone(
    editor: TokenEditModel, examples: list[Example[None]]
) -> None:
    known, padding = editor.writer.prompts.vocabulary, 2
    for limit in (THINKING, 0):
        prompts = replace(editor.writer.prompts, thinking_tokens=limit)
        requests = [
            TokenRollouts(replace(editor.writer, prompts=prompts), "all", 0, 1.0).request(one, 1) for one in examples
        ]
        rows, expected = [], []
        for request, drawn in zip(requests, sample(editor.model, requests, SamplingSettings()), strict=True):
            picture = drawn.tokens[-len(request.grammar.picture) :]
            for length in range(limit + 1):  # each may end of itself, the longest has to
                thought = [*known.text[7 : 7 + length], *request.grammar.header] if limit else []
                rows.append([*thought, *picture])
                expected.append(request.grammar.slots(rows[-1]))
        longest = max(map(len, rows)) + padding
        padded = torch.tensor([[*row, *[known.pad] * (longest - len(row))] for row in rows])
        found = WrittenSlots(known, limit, "cpu")(padded)
        for row, slots, own in zip(rows, found.tolist(), expected, strict=True):
            assert slots == [*own, *[known.pad] * (longest - len(row))]
        assert len(rows) == 2 * (limit + 1)


def test_steps_are_shared_out_by_the_schedule() -> None:
    schedule = [TrainedTokens(tokens="text", steps=2), TrainedTokens(tokens="all", steps=1)]
    assert [trained_at(step, schedule) for step in range(7)] == ["text", "text", "all", "text", "text", "all", "text"]
    assert trained_at(100, "picture") == "picture"


def test_completions_are_the_same_however_a_generation_is_shared_among_processes_and_batches(
    editor: TokenEditModel, examples: list[Example[None]], tmp_path: Path
) -> None:
    trainer = build(editor, examples, tmp_path)
    rollouts = trainer.rollout_func
    prompts = [trainer.train_dataset[place]["prompt"] for place in (0, 0, 1, 1)]
    whole = rollouts(prompts, trainer)
    again = TokenRollouts(editor.writer, "all", 1, TEMPERATURE, batch_size=1)
    again.rows(examples)
    halves: list[list[int]] = []
    for process in range(2):
        trainer.accelerator.state._shared_state["process_index"], kept = process, 0
        try:
            halves += again(prompts[2 * process : 2 * process + 2], trainer)["completion_ids"]
        finally:
            trainer.accelerator.state._shared_state["process_index"] = kept
        again._step = -1  # each process counts for itself
    assert halves == whole["completion_ids"]
    assert len({tuple(ids) for ids in halves}) == 4
    assert rollouts(prompts, trainer)["completion_ids"] != whole["completion_ids"]  # the step's second generation


@pytest.mark.parametrize("area", [None, 32 * 32, 48 * 48])
def test_the_grid_of_a_source_is_known_without_its_codes(editor: TokenEditModel, area: int | None) -> None:
    codec = replace(editor.writer.codec, area=area)
    for size in ((50, 30), (32, 32), (20, 64), (300, 200), (16, 400)):
        codes = codec.encode(gradient(size))
        assert grid_of(size, area, codec.processor, FACTOR) == (len(codes), len(codes[0]))


def test_a_mask_trains_what_was_chosen_and_of_the_kind(editor: TokenEditModel, examples: list[Example[None]]) -> None:
    request = TokenRollouts(editor.writer, "all", 0, 1.0).request(examples[0], 3)
    [drawn] = sample(editor.model, [request], SamplingSettings())
    masks = {kind: trained_mask(request.grammar, drawn.tokens, kind) for kind in ("all", "text", "picture")}
    assert sum(masks["picture"]) == 16  # 4 × 4 codes
    assert [sum(pair) for pair in zip(masks["text"], masks["picture"], strict=True)] == masks["all"]
    assert sum(masks["text"]) in (len(request.grammar.thought(drawn.tokens)) + 1, THINKING)


def test_scoring_takes_what_check_counts_for_each_logit() -> None:
    from src.models.tokens.log_probabilities import token_entropies, token_log_probabilities
    from src.training.memory.live_bytes import LiveBytes
    from src.training.memory.policy_memory import CONSTRAINED

    tokens, vocabulary = 128, 2048
    hidden = torch.randn(tokens, 8, dtype=torch.bfloat16, requires_grad=True)
    head, masks = torch.randn(vocabulary, 8, dtype=torch.bfloat16), torch.ones(2, vocabulary, dtype=torch.bool)
    about = (torch.full((tokens,), ANY_CODE), masks, TEMPERATURE)
    with LiveBytes() as live:
        logits = (hidden @ head.T)[torch.ones(tokens, dtype=torch.bool)]
        drawn = token_log_probabilities(logits, torch.zeros(tokens, dtype=torch.long), *about)
        with torch.no_grad():
            token_entropies(logits, *about)
        drawn.chosen.sum().backward()
    assert live.peak / (tokens * vocabulary) == pytest.approx(CONSTRAINED, rel=0.05)
