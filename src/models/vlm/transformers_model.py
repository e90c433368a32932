"""`TransformersModel`: a vision-language checkpoint of transformers, asked in this process."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import pydantic

from src.errors import ModelError
from src.models.checkpoint_model import CheckpointModel, CheckpointParams
from src.models.device import own_gpus, pick_device, resolved_device
from src.models.vlm.attention import require_attention
from src.models.vlm.exact_expected_score import EXPECTATION, NumberTokens, expected_score, next_tokens_after
from src.models.vlm.question import Question, Reply
from src.models.vlm.question_encoder import QuestionEncoder
from src.models.vlm.seeded_sampling import SeededSampler, Temperature, question_seed
from src.models.vlm.stored_architecture import require_vision_language
from src.models.vlm.transformers_loading import generation_settings, load_checkpoint
from src.models.vlm.vision_language_model import VisionLanguageModel
from src.reasons import reason_of

logger = logging.getLogger(__name__)

_MEMORY_SETTINGS = "batch_size, image_max_side, max_new_tokens, dtype, or device: auto to use all GPUs"
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


class TransformersModel(VisionLanguageModel, CheckpointModel):
    """Any `AutoModelForImageTextToText` checkpoint with a chat template: Qwen3-VL, Qwen2.5-VL and others.

    Questions are answered in batches with left padding. Greedy decoding and seeded sampling both give a question the
    same reply whatever its batch, up to the rounding of the number type: in bfloat16 two nearly equal tokens may swap.
    The generation settings stored with a checkpoint (sampling, penalties) are not used; only its end tokens are.
    Control tokens in a question's text are encoded as plain text: no instruction can end its turn or insert an image.

    A batch that fails is halved and asked again, so that only the question at fault gets a reply with `error`.

    Raises:
        ModelError: on construction, when weights, chat template or device are missing.
    """

    class Params(CheckpointParams):
        """Which checkpoint answers, where it computes, and how its replies are drawn."""

        device: str = "auto"
        """`auto` (spread over all GPUs where there are several), `cuda:1`, `cpu` …"""
        device_ids: list[int] | None = None
        """The GPUs over which the model is spread, instead of all; for `device: auto` or `cuda`."""
        use_flash_attention: bool = False
        """Use the package flash-attn instead of torch's own attention."""
        trust_remote_code: bool = False
        """Run Python code that comes with the checkpoint."""
        max_new_tokens: int = pydantic.Field(512, ge=1)
        temperature: Temperature = 0.0
        """0 is greedy decoding."""
        top_p: float = pydantic.Field(1.0, gt=0, le=1)
        """Draws are made from the likeliest tokens that together have this probability (above temperature 0)."""
        seed: int = 0
        """Seed of the draws, together with question and attempt (above temperature 0)."""
        score_mode: Literal["text", "expected"] = "text"
        """`expected` adds the mean over the score's probabilities to each reply (`exact_expected_score.py` has the
        formula), for one further pass over the prompt."""
        image_max_side: int | None = pydantic.Field(None, ge=28)
        """Longest side in pixels of what the model sees; None leaves it to the checkpoint's processor."""
        batch_size: int = pydantic.Field(4, ge=1)
        """Questions answered at once; halved for good when memory runs out."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = CheckpointModel.NOT_IN_IDENTITY | {"use_flash_attention"}

    def _initialize(self) -> None:
        self.device = pick_device(self.params.device)
        self.batch_size = self._rows = self.params.batch_size
        self._load()
        self._encoder = QuestionEncoder(self.processor, self.params.image_max_side)
        self._generation = generation_settings(self.processor, self.model, self.params.max_new_tokens)
        self.model.generation_config = self._generation  # what a call leaves unset would come from the checkpoint's
        self._ends = frozenset(self._generation.eos_token_id)
        expected = self.params.score_mode == "expected"
        self._numbers = NumberTokens.of(self.processor.tokenizer) if expected else None

    def _load(self) -> None:
        devices = self.devices(self.config)
        if len(devices) == 1:
            (self.device,) = devices
        self.processor, self.model = load_checkpoint(self.params, devices)
        self._is_spread = len(set(getattr(self.model, "hf_device_map", {}).values())) > 1
        self.load_to_gpu()

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ConfigError` when the package of `use_flash_attention` is missing."""
        if cls.Params(**params).use_flash_attention:
            require_attention("flash_attention_2", "reward_model.params.use_flash_attention")

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The checkpoint's identity, with the version of the expected score where that decides the scores."""
        expected = cls.Params(**params).score_mode == "expected"
        return super().identity(params) | ({"expectation": EXPECTATION} if expected else {})

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` for a checkpoint that is no vision-language model, or has no weights."""
        checked = cls.Params(**params)
        if not checked.trust_remote_code:  # its own code decides what such a checkpoint is
            require_vision_language(checked.model_name, checked.revision)

    @classmethod
    def devices(cls, params: dict[str, Any]) -> list[str]:
        """Returns all GPUs over which the model would be spread, or its single device."""
        checked = cls.Params(**params)
        device = resolved_device(checked.device)
        if checked.device not in ("auto", "cuda") or not device.startswith("cuda"):
            return [device]
        every = own_gpus() if checked.device == "auto" else []
        return [f"cuda:{index}" for index in checked.device_ids or every] or [device]

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        """Answers in batches; a failure is a reply with `error`, which says what to change when memory ran out."""
        return self.ask_seeded(questions, self._seeds(questions, attempt))

    def ask_seeded(self, questions: Sequence[Question], seeds: Sequence[int]) -> list[Reply]:
        """Answers as `ask` does, each question with the seed that is given for its draws."""
        asked = list(zip(questions, seeds, strict=True))
        replies: list[Reply] = []
        while len(replies) < len(asked):
            replies += self._answer(asked[len(replies) : len(replies) + self._rows])
        return replies

    @property
    def _top_k(self) -> int | None:
        """How many of the most probable tokens are drawn from; None draws from all."""
        return None

    def _seeds(self, questions: Sequence[Question], attempt: int) -> list[int]:
        """One a question, for its draws; those of equal questions follow each other. Greedy decoding draws nothing."""
        if not self.params.temperature:
            return [0] * len(questions)
        occurred: Counter[int] = Counter()
        seeds = []
        for question in questions:
            first = question_seed(question, self.params.seed, attempt)
            seeds.append(first + occurred[first])
            occurred[first] += 1
        return seeds

    def _answer(self, asked: Sequence[tuple[Question, int]]) -> list[Reply]:
        started = time.perf_counter()
        reason = None
        try:
            replies = self._generate(asked)
        except Exception as error:  # a model may fail in any way; the retry below must not run within its traceback
            reason = self._explain(error, len(asked))
        seconds = (time.perf_counter() - started) / len(asked)
        if reason is None:
            return [replace(reply, seconds=seconds) for reply in replies]
        self._empty_cache()
        if len(asked) == 1:
            return [Reply(error=reason, model=self.params.model_name, seconds=seconds)]
        logger.warning("a batch of %d questions failed (%s); asking half of it at a time", len(asked), reason)
        middle = (len(asked) + 1) // 2
        return self._answer(asked[:middle]) + self._answer(asked[middle:])

    def _explain(self, error: Exception, rows: int) -> str:
        if not _out_of_memory(error):
            return reason_of(error)
        self._rows = max(1, min(self._rows, rows // 2))
        return f"out of memory on {self.device} with {rows} questions at once; change {_MEMORY_SETTINGS} ({error})"

    def _generate(self, asked: Sequence[tuple[Question, int]]) -> list[Reply]:
        import torch

        questions, seeds = zip(*asked, strict=True)
        inputs = self.encode(questions)
        self._check_room(inputs["input_ids"].shape[1])
        drawn = (self.params.temperature, self.params.top_p, seeds, self._top_k)
        sampler = [SeededSampler(*drawn)] if self.params.temperature else []
        with torch.inference_mode():
            output = self.model.generate(
                **inputs,
                generation_config=self._generation,
                logits_processor=sampler,
                synced_gpus=False,  # in a sharded training it would wait for processes that ask nothing
            )
        written = output[:, inputs["input_ids"].shape[1] :].tolist()
        prompts = inputs["attention_mask"].sum(dim=1).tolist()
        return [self._reply(*row) for row in zip(questions, written, prompts, strict=True)]

    def _check_room(self, prompt_tokens: int) -> None:
        """Past its last position a model writes without sense, up to the token limit."""
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if positions is not None and prompt_tokens + self.params.max_new_tokens > positions:
            raise ModelError(
                f"the question has {prompt_tokens} tokens, and {self.params.model_name} has {positions} positions, of "
                f"which max_new_tokens keeps {self.params.max_new_tokens} for the reply: shorten the prompt, or lower "
                "image_max_side or max_new_tokens"
            )

    def _reply(self, question: Question, written: list[int], prompt_tokens: int) -> Reply:
        end = next((index for index, token in enumerate(written) if token in self._ends), None)
        tokens = written[:end]
        completion_tokens = len(tokens) + (end is not None)
        return Reply(
            text=self.processor.tokenizer.decode(tokens, skip_special_tokens=True),
            finish_reason="length" if end is None else "stop",
            tokens=tuple(tokens),
            expected_score=self._expected_score(question, tokens),
            usage={"calls": 1.0, "prompt_tokens": float(prompt_tokens), "completion_tokens": float(completion_tokens)},
            model=self.params.model_name,
        )

    def _expected_score(self, question: Question, reply: list[int]) -> float | None:
        if self._numbers is None:
            return None
        next_tokens = next_tokens_after(self.encode([question]), self.model)
        return expected_score(reply, self.processor.tokenizer, self._numbers, next_tokens, *question.score_range)

    def encode(self, questions: Sequence[Question]) -> Any:
        """The model's inputs for a batch of questions, on its device; see `QuestionEncoder`."""
        return self._encoder(questions).to(self.model.device, self.model.dtype)

    def load_to_gpu(self) -> None:
        """Moves the weights to the device; nothing to do for a model spread over several."""
        if not self._is_spread:
            self.model.to(self.device)

    def unload_from_gpu(self) -> None:
        """Moves the weights to main memory; nothing to do for a model spread over several GPUs."""
        if not self._is_spread and self.device != "cpu":
            self.model.to("cpu")
            self._empty_cache()

    def _empty_cache(self) -> None:
        import torch

        if self.device != "cpu":
            torch.get_device_module(self.device).empty_cache()


def _out_of_memory(error: Exception) -> bool:
    # torch has a class of its own for this on CUDA only
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _MEMORY_WORDS)
