"""`training.grpo.generation_kwargs`: what they may be, tried by a generation of a model of a few thousand weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic

from src.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from trl import GRPOConfig

_TOKEN = Annotated[int, pydantic.Field(ge=0, lt=2**20)]
_TOKENS = Annotated[list[_TOKEN], pydantic.Field(min_length=1)]
_COUNT = Annotated[int, pydantic.Field(ge=0)]
_POSSIBLE: dict[str, Any] = {
    "bad_words_ids": Annotated[list[_TOKENS], pydantic.Field(min_length=1)],
    "begin_suppress_tokens": _TOKENS,
    "epsilon_cutoff": float,
    "eta_cutoff": float,
    "exponential_decay_length_penalty": tuple[_COUNT, Annotated[float, pydantic.Field(gt=0, le=10)]],
    "min_new_tokens": _COUNT,
    "no_repeat_ngram_size": _COUNT,
    "num_beams": Literal[1],
    "remove_invalid_values": bool,
    "renormalize_logits": bool,
    "suppress_tokens": _TOKENS,
    "top_h": float,
    "typical_p": float,
    "use_cache": bool,
}
"""Fields of `GenerationConfig` with which TRL samples completions that it can train on, and their types."""
_ELSEWHERE = {
    **dict.fromkeys(("cache_implementation", "min_p", "repetition_penalty", "temperature", "top_k", "top_p"), None),
    **dict.fromkeys(("max_length", "max_new_tokens"), "max_completion_length"),
    "num_return_sequences": "num_generations",
}
"""Fields that are set in `training.grpo` itself, and their names there where these differ."""
_LISTS = ("begin_suppress_tokens", "suppress_tokens")
_COMPLETIONS = 16
_LENGTH = 4


def check_sampling(arguments: GRPOConfig) -> None:
    """Checks `generation_kwargs`, and looks whether completions come out that differ.

    With vLLM the settings are those of its `SamplingParams`, which only that package knows.

    Raises:
        ConfigError: a setting that cannot be, that belongs elsewhere, or that leaves nothing to chance.
    """
    if arguments.use_vllm:
        return
    named: Any = arguments.generation_kwargs or {}
    given = {name: _checked(name, value) for name, value in named.items()}
    if (given.get("min_new_tokens") or 0) > (arguments.max_completion_length or 2**31):
        raise ConfigError(
            f"training.grpo.generation_kwargs.min_new_tokens: {given['min_new_tokens']} are more than "
            f"max_completion_length ({arguments.max_completion_length})"
        )
    if not _samples(arguments, given):
        raise ConfigError(
            "training.grpo: with these settings (top_k, top_p, min_p, generation_kwargs) all completions of a prompt "
            "are equal, so that nothing would be learned; leave more tokens to choose from"
        )


def token_ids(arguments: GRPOConfig) -> set[int]:
    """Returns the numbers of tokens that `generation_kwargs` name."""
    given: Any = arguments.generation_kwargs or {}
    words = [*(given.get("bad_words_ids") or []), *(given.get(name) or [] for name in _LISTS)]
    return {token for word in words for token in word}


def _checked(name: str, value: Any) -> Any:
    from transformers import GenerationConfig

    where = f"training.grpo.generation_kwargs.{name}"
    known = set(vars(GenerationConfig()))
    if name not in known:
        raise ConfigError(f"{where}: GenerationConfig has no such field.{did_you_mean(name, known)}")
    if name in _ELSEWHERE:
        raise ConfigError(f"{where}: set training.grpo.{_ELSEWHERE[name] or name} instead (got {value!r})")
    if name not in _POSSIBLE:
        raise ConfigError(
            f"{where}: TRL samples one completion for each prompt in its own way, for which only "
            f"{', '.join(_POSSIBLE)} can be set (got {value!r})"
        )
    try:
        return pydantic.TypeAdapter(_POSSIBLE[name]).validate_python(value)
    except pydantic.ValidationError as error:
        reasons = "; ".join(dict.fromkeys(detail["msg"] for detail in error.errors()))
        raise ConfigError(f"{where}: {reasons} (got {value!r})") from error


def _samples(arguments: GRPOConfig, given: dict[str, Any]) -> bool:
    """Whether a tiny model, whose tokens are about equally likely, says several things with these settings."""
    import torch
    from transformers import GenerationConfig

    settings: dict[str, Any] = {
        "do_sample": True,
        "max_new_tokens": _LENGTH,
        "temperature": max(1.0, arguments.temperature),
        "top_p": arguments.top_p,
        "top_k": arguments.top_k,
        "min_p": arguments.min_p,
        "repetition_penalty": arguments.repetition_penalty,
        "cache_implementation": arguments.cache_implementation,
        "disable_compile": True,
        "pad_token_id": 0,
        **given,
    }
    if settings.get("min_new_tokens"):
        settings["min_new_tokens"] = min(settings["min_new_tokens"], _LENGTH)
    config = GenerationConfig(**settings)
    config.validate(strict=True)
    with _chance_kept():
        model = _tiny_model(max({511, *token_ids(arguments)}) + 1)
        with torch.inference_mode():
            prompts = torch.ones(_COMPLETIONS, 2, dtype=torch.long)
            written = model.generate(prompts, attention_mask=prompts, generation_config=config)
    return len({tuple(row) for row in written[:, 2:].tolist()}) > 1


def _tiny_model(vocabulary: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **sizes)).eval()


@contextlib.contextmanager
def _chance_kept() -> Iterator[None]:
    """Leaves torch's random state as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
