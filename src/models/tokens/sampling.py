"""Samples completions of a token editor: batches, guidance, one seed a row, log-probabilities of what was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.errors import ModelError
from src.models.tokens.completion_grammar import CompletionGrammar
from src.models.tokens.grammar_processor import GrammarProcessor
from src.models.vlm.seeded_sampling import SeededSampler

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TokenRequest:
    """A completion to be drawn."""

    prompt: Sequence[int]
    grammar: CompletionGrammar
    seed: int
    unguided_prompt: Sequence[int] = ()
    """The prompt away from which guidance leads; needed where there is guidance."""


@dataclass(frozen=True)
class SamplingSettings:
    """How tokens are drawn from the logits of the allowed ones."""

    temperature: float = 1.0
    """0 takes the likeliest token; guidance, top_k and top_p apply in this order, then the draw."""
    top_k: int = 0
    """Draws are made from so many likeliest tokens; 0 is all."""
    top_p: float = 1.0
    """Draws are made from the likeliest tokens that together have this probability."""
    guidance: float = 1.0
    """`s` in `log p(unguided) + s · (log p - log p(unguided))`; 1 is none, any other value costs two rows a request."""


@dataclass(frozen=True)
class Completion:
    """What was drawn, up to and with the end of the sequence."""

    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    """Of each token among the allowed ones, at the sampling temperature and before top-k and top-p; 0 if forced."""


def sample(
    model: Any,
    requests: Sequence[TokenRequest],
    settings: SamplingSettings,
    use_cache: bool = True,
    *,
    synced: bool = False,
) -> list[Completion]:
    """Draws one completion for each request, all in one batch; each as if it were alone, but for rounding.

    Args:
        model: A causal language model of transformers on its device, in evaluation mode.
        requests: Over one vocabulary.
        settings: Of the draws.
        use_cache: Whether keys and values of earlier tokens are kept; without, each token costs a whole pass.
        synced: Whether all processes that share the model in shards sample at the same time, and those that are
            through help the others. Processes that sample each for itself must not wait.

    Raises:
        ModelError: a completion has no room in the model's positions, or its logits hold NaN.
    """
    import torch
    from transformers import GenerationConfig

    is_guided = settings.guidance != 1
    known = requests[0].grammar.picture.vocabulary
    prompts = [request.prompt for request in requests]
    prompts += [request.unguided_prompt for request in requests] if is_guided else []
    grammars = [request.grammar for request in requests] * (1 + is_guided)
    for prompt, grammar in zip(prompts, grammars, strict=True):
        _require_room(model, len(prompt), grammar.longest)
    drawing = _Drawing(settings, [request.seed for request in requests])
    processors = [GrammarProcessor(grammars, model.device), drawing]
    ids, mask = _padded_on_the_left(prompts, known.pad, model.device)
    with torch.no_grad():  # tensors of inference mode would break a training that samples
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            logits_processor=[_Guidance(settings.guidance), *processors] if is_guided else processors,
            generation_config=GenerationConfig(
                max_new_tokens=max(grammar.longest for grammar in grammars),
                do_sample=False,
                eos_token_id=known.eos,
                pad_token_id=known.pad,
                use_cache=use_cache,
            ),
            synced_gpus=synced,
        )
    written = output[: len(requests), ids.shape[1] :].tolist()
    return [
        _completion(tokens, drawn, known.eos)
        for tokens, drawn in zip(written, drawing.log_probabilities()[: len(requests)], strict=True)
    ]


class _Guidance:
    """Gives the rows of the first half, and their partners of the second, the guided logits of both."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        guided, unguided = torch.log_softmax(scores.float(), dim=-1).chunk(2)
        mixed = unguided + self._scale * (guided - unguided)
        return torch.cat([mixed, mixed])


class _Drawing:
    """Draws each row's next token and notes its log-probability; the partners of guidance draw the same."""

    def __init__(self, settings: SamplingSettings, seeds: Sequence[int]) -> None:
        rows = [*seeds, *seeds] if settings.guidance != 1 else [*seeds]
        self._settings = settings
        drawn = (settings.temperature, settings.top_p, rows, settings.top_k or None)
        self._sampler = SeededSampler(*drawn) if settings.temperature > 0 else None
        self._noted: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        # of NaN and infinity log_softmax makes NaN, which is noted, and told at the end
        chosen = scores.nan_to_num(nan=0.0, posinf=0.0, neginf=-float("inf"))
        chosen = chosen if self._sampler is None else self._sampler(input_ids, chosen)
        drawn = chosen.argmax(dim=-1, keepdim=True)
        scaled = scores.float() / (self._settings.temperature or 1.0)
        self._noted.append(torch.log_softmax(scaled, dim=-1).gather(-1, drawn))
        return chosen

    def log_probabilities(self) -> list[list[float]]:
        """Of the tokens drawn so far, row by row."""
        import torch

        noted = torch.cat(self._noted, dim=-1)
        if bool(noted.isnan().any()):
            raise ModelError(
                "the model's logits hold NaN or infinity, so no token could be drawn; set dtype: bfloat16 or float32"
            )
        rows: list[list[float]] = noted.tolist()
        return rows


def _require_room(model: Any, prompt: int, longest: int) -> None:
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and prompt + longest > positions:
        raise ModelError(
            f"the prompt has {prompt} tokens and the completion up to {longest}, and the model has {positions} "
            "positions: lower image_area, grid or thinking_tokens, or shorten the instruction"
        )


def _padded_on_the_left(
    prompts: Sequence[Sequence[int]], pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    length = max(map(len, prompts))
    ids = torch.tensor([[pad] * (length - len(prompt)) + [*prompt] for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids, mask


def _completion(tokens: list[int], drawn: list[float], eos: int) -> Completion:
    length = tokens.index(eos) + 1 if eos in tokens else len(tokens)
    return Completion(tuple(tokens[:length]), tuple(drawn[:length]))
