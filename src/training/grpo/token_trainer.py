"""TRL's trainer for a policy that writes pictures as tokens: it scores them as constrained sampling drew them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from src.models.tokens.grammar_processor import allowed_masks
from src.models.tokens.log_probabilities import token_entropies, token_log_probabilities
from src.models.tokens.picture_grammar import PictureVocabulary
from src.models.tokens.written_slots import WrittenSlots

if TYPE_CHECKING:
    import torch

SoftmaxName = Literal["allowed", "separate"]


@dataclass(frozen=True)
class TokenScoring:
    """By which soft-max the tokens of completions are scored."""

    vocabulary: PictureVocabulary
    thinking_tokens: int = 0
    softmax: SoftmaxName = "allowed"
    """`allowed` is over the tokens that might have been drawn; `separate` over all codes for a code, and for a token of
    text over all tokens that are no codes, as EARL has it, whatever of them the sampler allowed."""

    def on(self, device: torch.device) -> tuple[WrittenSlots, torch.Tensor, torch.Tensor]:
        """What is needed on a device: to read slots, what soft-maxes are over, and what might have been drawn.

        The latter two are 2 × vocabulary truth values, of codes (row 0) and of text (row 1).
        """
        import torch

        allowed = allowed_masks(self.vocabulary, device)
        over = allowed if self.softmax == "allowed" else torch.stack([allowed[0], ~allowed[0]])
        return WrittenSlots(self.vocabulary, self.thinking_tokens, device), over, allowed


def token_trainer(base: Any, scoring: TokenScoring) -> Any:
    """Returns a subclass of `GRPOTrainer` (TRL 1.16) for completions that obey the grammars of token editors.

    TRL computes log-probabilities in one method, whether of the policy, of the policy before the update or of the
    reference. Here that method scores each token that was chosen among those that might have been drawn, at the
    sampling temperature, and gives forced tokens the log-probability 0, which has no gradient.

    Args:
        base: `GRPOTrainer`, or a subclass.
        scoring: Of the completions.
    """
    import torch
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    on = cache(scoring.on)

    class TokenTrainer(base):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            for model in (self.model, self.ref_model):
                if model is not None:
                    switch_off_dropout(model)
            self.eos_token_ids = [scoring.vocabulary.eos]  # whatever the tokenizer says ends a text

        def create_accelerator_and_postprocess(self) -> None:
            super().create_accelerator_and_postprocess()
            unset_hf_deepspeed_config()  # which has ZeRO-3 load the reference in shards: `LOADS_WHOLE_POLICY`

        def _get_per_token_logps_and_entropies(
            self,
            model: Any,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            logits_to_keep: int,
            batch_size: int | None = None,
            compute_entropy: bool = False,
            **_: Any,
        ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
            rows = batch_size or len(input_ids)
            parts = [
                self._scored(model, *part, logits_to_keep, compute_entropy)
                for part in zip(input_ids.split(rows), attention_mask.split(rows), strict=True)
            ]
            chosen = torch.cat([part[0] for part in parts])
            if not compute_entropy:
                return chosen, None, None
            self._note_allowed_mass(torch.cat([part[2] for part in parts]))
            return chosen, torch.cat([part[1] for part in parts]), None

        def _scored(
            self, model: Any, ids: torch.Tensor, mask: torch.Tensor, length: int, with_entropies: bool
        ) -> tuple[torch.Tensor, ...]:
            with self.accelerator.autocast():
                logits = model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),  # as `generate` has them
                    logits_to_keep=length + 1,
                    use_cache=False,
                ).logits[:, :-1]
            tokens = ids[:, -length:]
            slots_of, masks, allowed = on(ids.device)
            slots = slots_of(tokens)
            is_choice = (slots < 0) & mask[:, -length:].bool()
            logits, tokens, slots = logits[is_choice], tokens[is_choice], slots[is_choice]
            drawn = token_log_probabilities(logits, tokens, slots, masks, self.temperature)
            chosen = _placed(drawn.chosen, is_choice)
            if not with_entropies:
                return (chosen,)
            with torch.set_grad_enabled(torch.is_grad_enabled() and self._entropy_bonus_enabled):
                entropies = _placed(token_entropies(logits, slots, masks, self.temperature), is_choice)
            if scoring.softmax != "allowed":
                with torch.no_grad():
                    drawn = token_log_probabilities(logits, tokens, slots, allowed, self.temperature)
            return chosen, entropies, drawn.allowed_mass.detach().exp()

        def _note_allowed_mass(self, masses: torch.Tensor) -> None:
            mode = "train" if self.model.training else "eval"
            sums = torch.stack([masses.sum(), torch.tensor(float(len(masses)), device=masses.device)])
            total, count = self.accelerator.reduce(sums, reduction="sum").tolist()
            self._metrics[mode]["tokens/allowed_mass"].append(total / max(count, 1.0))

    return TokenTrainer


def _placed(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The values at the true places, in their order, and 0 at the others."""
    return values.new_zeros(places.shape).masked_scatter(places, values)


def switch_off_dropout(model: Any) -> None:
    """Lets the language model of a token editor compute alike in sampling and training.

    Emu3's attentions keep the probability of dropout as a number, which TRL's `disable_dropout` does not find.
    """
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0
