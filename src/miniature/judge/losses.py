"""What the miniature judge is trained on: its reply, and what auxiliary readers must find in its hidden states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.miniature.editor.architecture import PATCHES_PER_SIDE
from src.miniature.editor.batches import IMAGE_TOKENS
from src.miniature.judge.batches import MAP_SIDE, JudgeBatch
from src.miniature.judge.replies import ScoreReplies

if TYPE_CHECKING:
    import torch
    from transformers import Qwen3VLForConditionalGeneration

DIFFERENCES_LAYER, MAPS_LAYER = 2, 4
"""The decoder layers after which the auxiliary heads read: later layers can use what these must know."""
DISTANCE_WEIGHT = 0.25
"""The weight of the mean squared distance of the possible first digits from the score, beside the cross-entropy.

Cross-entropy alone would leave an unsure judge with two likeliest digits, such as 0 and 9, between which a written
score jumps. The distance is least for the digit in the middle, so the likeliest digit moves as the mean does."""
ORDER_WEIGHT = 0.5
"""The weight of the cross-entropy of the order of any two questions of a block."""
DIFFERENCES_WEIGHT, CHANGES_WEIGHT, MAPS_WEIGHT, DEMANDS_WEIGHT = 3.0, 4.0, 4.0, 4.0
"""The weights of the auxiliary heads' errors."""


def auxiliary_heads(model: Qwen3VLForConditionalGeneration) -> torch.nn.ModuleDict:
    """Readers for training only, which teach to compare and to understand long before scores would.

    "differences" and "changes" tell where the two pictures differ; "maps" and "demands" what the wish demands in this
    picture, whatever the second picture shows.
    """
    import torch

    width = model.config.text_config.hidden_size

    def reader(values: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.RMSNorm(width), torch.nn.Linear(width, values))

    cells = MAP_SIDE**2
    sizes = {"differences": 48, "changes": 4, "maps": 3 * cells, "demands": 3 * cells}
    return torch.nn.ModuleDict({name: reader(values) for name, values in sizes.items()})


def judge_losses(
    model: Qwen3VLForConditionalGeneration, heads: torch.nn.ModuleDict, batch: JudgeBatch, replies: ScoreReplies
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of the reply, with that of the order within blocks, and the loss of the auxiliary heads."""
    states = hidden_states(model, batch)
    logits = reply_logits(model, states[-1], batch).float()
    order = order_loss(expected_scores(logits, batch, replies), batch)
    return reply_loss(logits, batch, replies) + ORDER_WEIGHT * order, _auxiliary_loss(heads, states, batch)


def reply_loss(logits: torch.Tensor, batch: JudgeBatch, replies: ScoreReplies) -> torch.Tensor:
    """The cross-entropy of the reply, summed over its tokens, and the distance of its possible first digits."""
    import torch

    likely = logits.log_softmax(dim=-1)[:, :, replies.symbols]
    entropy = -(batch.reply * likely).sum(dim=(1, 2)).mean()
    values = torch.from_numpy(replies.first_digit_values()).to(likely)
    digits = torch.from_numpy(replies.is_digit()).to(likely.device)
    chances = likely[:, replies.digit_position, digits].softmax(dim=1)
    distances = (values[digits] - batch.scores.clamp(0.45, 9.45)[:, None]).square()
    return entropy + DISTANCE_WEIGHT * (chances * distances).sum(dim=1).mean()


def order_loss(scores: torch.Tensor, batch: JudgeBatch) -> torch.Tensor:
    """Cross-entropy of which of two questions of a block scores higher (Bradley and Terry 1952).

    The wanted chance follows from the oracle's scores, so that equally good results must score alike.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    one, other = torch.combinations(torch.arange(len(scores), device=scores.device)).unbind(1)
    together = batch.blocks[one] == batch.blocks[other]
    one, other = one[together], other[together]
    wanted = (batch.scores[one] - batch.scores[other]).sigmoid()
    return binary_cross_entropy_with_logits(scores[one] - scores[other], wanted)


def expected_scores(logits: torch.Tensor, batch: JudgeBatch, replies: ScoreReplies) -> torch.Tensor:
    """The mean of the scores that a judge holds possible: (batch,).

    The decimals are known for the first digit of the drawn reply only; those of the other digits count as 0.45.
    """
    import torch

    symbols = torch.tensor(replies.symbols, device=logits.device)
    chances = logits[:, :, symbols].softmax(dim=-1)
    values = torch.from_numpy(replies.first_digit_values()).to(chances)
    first, decimals = chances[:, replies.digit_position], chances[:, replies.digit_position + 2]
    drawn = batch.input_ids.gather(1, batch.positions[:, [replies.digit_position]] + 1)
    share = (first * (drawn == symbols)).sum(dim=-1)
    return first @ values + share * ((decimals @ values - 0.45) / 10.0 - 0.45)


def _auxiliary_loss(heads: torch.nn.ModuleDict, states: tuple[torch.Tensor, ...], batch: JudgeBatch) -> torch.Tensor:
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

    count = len(batch.scores)
    of_edit = batch.image_tokens.bool() & (batch.image_tokens.cumsum(dim=1) > IMAGE_TOKENS)
    compared = states[DIFFERENCES_LAYER][of_edit].unflatten(0, (count, -1))
    last = states[MAPS_LAYER][torch.arange(count), batch.positions[:, 0]]
    differences = mse_loss(heads["differences"](compared).float(), batch.differences)
    changes = binary_cross_entropy_with_logits(heads["changes"](compared).float(), batch.changes)
    maps = binary_cross_entropy_with_logits(heads["maps"](last).float(), batch.maps, batch.has_maps)
    demands = ((heads["demands"](last).float() - batch.demands).square() * batch.has_maps).mean()
    return DIFFERENCES_WEIGHT * differences + CHANGES_WEIGHT * changes + MAPS_WEIGHT * maps + DEMANDS_WEIGHT * demands


def hidden_states(model: Qwen3VLForConditionalGeneration, batch: JudgeBatch) -> tuple[torch.Tensor, ...]:
    """What the decoder layers compute, the embeddings first: (batch, t, width) each."""
    import torch

    grid = torch.tensor([[1, PATCHES_PER_SIDE, PATCHES_PER_SIDE]], device=batch.input_ids.device)
    states: tuple[torch.Tensor, ...] = model.model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        mm_token_type_ids=batch.image_tokens,
        pixel_values=batch.pixel_values,
        image_grid_thw=grid.expand(2 * len(batch.input_ids), -1),
        use_cache=False,
        output_hidden_states=True,
    ).hidden_states
    return states


def reply_logits(model: Qwen3VLForConditionalGeneration, state: torch.Tensor, batch: JudgeBatch) -> torch.Tensor:
    """The logits at the reply's positions: (batch, length, vocabulary)."""
    chosen = batch.positions.unsqueeze(-1).expand(-1, -1, state.shape[-1])
    logits: torch.Tensor = model.lm_head(state.gather(1, chosen))
    return logits
