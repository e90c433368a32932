"""`Qwen3VLRewardModel`: a vision-language model in this process as the judge."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.errors import ModelError
from src.models.attention import require_attention
from src.models.checkpoint_model import CheckpointModel, CheckpointParams
from src.models.device import own_gpus, pick_device, pick_dtype, resolved_device
from src.models.plain_text import PlainText
from src.models.reward.dialogue import Question, Reply, VisionLanguageJudge
from src.models.reward.exact_expected_score import EXPECTATION, NumberTokens, ReadOn, expected_score
from src.models.reward.seeded_sampling import SeededSampler, question_seed
from src.models.reward.stored_architecture import require_vision_language
from src.models.weights import is_local, pinned
from src.reasons import reason_of

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

WITHOUT_EFFECT = ("conda_env", "python_path", "script_path", "timeout")
"""Params of older configs, which ran the judge in a process of its own."""
MEMORY_SETTINGS = "batch_size, image_max_side, max_new_tokens, dtype, or device: auto to use all GPUs"
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
_VISION_TOKENS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id", "vision_token_id")


class Qwen3VLRewardModel(CheckpointModel, VisionLanguageJudge):
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
        """Every key of the older benchmark is accepted; `WITHOUT_EFFECT` lists those that do nothing."""

        model_name: str = "Qwen/Qwen3-VL-30B-A3B-Instruct"
        device: str = "auto"
        """`auto` (spread over all GPUs where there are several), `cuda:1`, `cpu` …"""
        device_ids: list[int] | None = None
        """With `device: auto` or `cuda`: the GPUs over which the model is spread, instead of all."""
        use_flash_attention: bool = False
        """Use the package flash-attn instead of torch's own attention."""
        trust_remote_code: bool = False
        """Run Python code that comes with the checkpoint."""
        max_new_tokens: int = pydantic.Field(512, ge=1)
        temperature: float = pydantic.Field(0.0, ge=0)
        """0 is greedy decoding."""
        top_p: float = pydantic.Field(1.0, gt=0, le=1)
        """With a temperature: sample from the likeliest tokens that together have this probability."""
        seed: int = 0
        """With a temperature: what the draws start from, together with question and attempt."""
        score_mode: Literal["text", "expected"] = "text"
        """`expected` adds the mean over the score's probabilities to each reply (`exact_expected_score.py` has the
        formula), for one further pass over the prompt."""
        compare_with_original: bool = True
        """Show the source image before the edit."""
        compare_with_reference: bool = True
        """Show the reference image, where there is one, after the edit, to rubrics that speak of it."""
        image_max_side: int | None = pydantic.Field(None, ge=28)
        """Longest side in pixels of what the judge sees; None leaves it to the checkpoint's processor."""
        use_batch_inference: bool = True
        """False asks one question at a time."""
        batch_size: int = pydantic.Field(4, ge=1)
        """Questions answered at once; halved for good when memory runs out."""
        conda_env: str | None = None
        python_path: str | None = None
        script_path: str | None = None
        timeout: float | None = None

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = (
        CheckpointModel.NOT_IN_IDENTITY | {"use_flash_attention", "use_batch_inference"} | set(WITHOUT_EFFECT)
    )

    def _initialize(self) -> None:
        if ignored := [name for name in WITHOUT_EFFECT if self.config.get(name) is not None]:
            logger.info("reward_model.params: %s have no effect; the judge runs in this process", ", ".join(ignored))
        self.device = pick_device(self.params.device)
        self.batch_size = self.params.batch_size if self.params.use_batch_inference else 1
        self._rows = self.batch_size
        self._load()
        self._plain = PlainText([self.processor])
        self._generation = self._generation_settings()
        self.model.generation_config = self._generation  # what a call leaves unset would come from the checkpoint's
        self._ends = frozenset(self._generation.eos_token_id)
        expected = self.params.score_mode == "expected"
        self._numbers = NumberTokens.of(self.processor.tokenizer) if expected else None

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ConfigError` when the package of `use_flash_attention` is missing."""
        if cls.Params(**params).use_flash_attention:
            require_attention("flash_attention_2", "reward_model.params.use_flash_attention")

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """With the version of the expectation where it decides the scores."""
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
        """All GPUs over which the model would be spread, or its single device."""
        checked = cls.Params(**params)
        device = resolved_device(checked.device)
        if checked.device not in ("auto", "cuda") or not device.startswith("cuda"):
            return [device]
        every = own_gpus() if checked.device == "auto" else []
        return [f"cuda:{index}" for index in checked.device_ids or every] or [device]

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        """Answers in batches; a failure is a reply with `error`, which says what to change when memory ran out."""
        asked = list(zip(questions, self._seeds(questions, attempt), strict=True))
        replies: list[Reply] = []
        while len(replies) < len(asked):
            replies += self._answer(asked[len(replies) : len(replies) + self._rows])
        return replies

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
        return f"out of memory on {self.device} with {rows} questions at once; change {MEMORY_SETTINGS} ({error})"

    def _generate(self, asked: Sequence[tuple[Question, int]]) -> list[Reply]:
        import torch

        questions, seeds = zip(*asked, strict=True)
        inputs = self.encode(questions)
        self._check_room(inputs["input_ids"].shape[1])
        sampler = [SeededSampler(self.params.temperature, self.params.top_p, seeds)] if self.params.temperature else []
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
            expected_score=self._expected_score(question, tokens),
            usage={"calls": 1.0, "prompt_tokens": float(prompt_tokens), "completion_tokens": float(completion_tokens)},
            model=self.params.model_name,
        )

    def _expected_score(self, question: Question, reply: list[int]) -> float | None:
        if self._numbers is None:
            return None
        prompt = self.encode([question])
        low, high = question.score_range
        return expected_score(
            reply, self.processor.tokenizer, self._numbers, partial(self._next_tokens, prompt), low, high
        )

    def _next_tokens(self, prompt: Any, start: list[int]) -> tuple[torch.Tensor, ReadOn]:
        """One pass over prompt and start; what is read on from there uses its keys and values."""
        import torch

        with torch.inference_mode():
            read = self.model(**_lengthened(prompt, start), logits_to_keep=1, use_cache=True)

        def read_on(continuations: list[list[int]]) -> torch.Tensor:
            read.past_key_values.batch_repeat_interleave(len(continuations))
            tokens = torch.tensor(continuations, device=self.model.device)
            with torch.inference_mode():
                logits = self.model(input_ids=tokens, past_key_values=read.past_key_values, use_cache=True).logits
            return logits.float().softmax(dim=-1).cpu()

        return read.logits[0, -1].float().softmax(dim=-1).cpu(), read_on

    def encode(self, questions: Sequence[Question]) -> Any:
        """The model's inputs for a batch of questions: token ids (questions × longest prompt, padded left), pixels."""
        return self.processor.apply_chat_template(
            [self._messages(question) for question in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=True,
            processor_kwargs={"padding": True},
        ).to(self.model.device, self.model.dtype)

    def _messages(self, question: Question) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        for picture in question.images:
            content += [self._text(picture.label), {"type": "image", "image": self._seen(picture.image)}]
        user = {"role": "user", "content": [*content, self._text(question.text)]}
        if not question.system_prompt:
            return [user]
        return [{"role": "system", "content": [self._text(question.system_prompt)]}, user]

    def _text(self, text: str) -> dict[str, str]:
        return {"type": "text", "text": self._plain(text)}

    def _seen(self, image: Image.Image) -> Image.Image:
        side = self.params.image_max_side
        shrunk = image.convert("RGB")
        if side is not None:
            shrunk.thumbnail((side, side), Image.Resampling.LANCZOS)
        return shrunk

    def load_to_gpu(self) -> None:
        """Moves the weights to the device; nothing to do for a model spread over several."""
        if not self._spread:
            self.model.to(self.device)

    def unload_from_gpu(self) -> None:
        """Moves the weights to main memory; nothing to do for a model spread over several GPUs."""
        if not self._spread and self.device != "cpu":
            self.model.to("cpu")
            self._empty_cache()

    def _empty_cache(self) -> None:
        import torch

        if self.device != "cpu":
            torch.get_device_module(self.device).empty_cache()

    def _load(self) -> None:
        import transformers

        transformers.utils.logging.disable_progress_bar()  # it would be drawn across the run's own display
        name = self.params.model_name
        source = {"trust_remote_code": self.params.trust_remote_code, **pinned(name, self.params.revision)}
        placement = self._placement()
        if self.params.use_flash_attention:
            placement["attn_implementation"] = "flash_attention_2"
        try:
            self.processor = transformers.AutoProcessor.from_pretrained(name, **source)
            self.model = transformers.AutoModelForImageTextToText.from_pretrained(
                name, dtype=pick_dtype(self.params.dtype, self.device), **source, **placement
            ).eval()
        except ImportError as error:
            or_without = ", or set use_flash_attention: false" if self.params.use_flash_attention else ""
            raise ModelError(f"{name} needs a package that is missing; pip install it{or_without} ({error})") from error
        except (OSError, ValueError) as error:
            again = "the folder holds no such model" if is_local(name) else f"complete it with: hf download {name}"
            raise ModelError(f"{name} could not be loaded as a vision-language model; {again} ({error})") from error
        self._spread = len(set(getattr(self.model, "hf_device_map", {}).values())) > 1
        self._check_processor()
        self.load_to_gpu()

    def _placement(self) -> dict[str, Any]:
        """The arguments that spread the model over several GPUs; none for a single device."""
        import torch

        devices = self.devices(self.config)
        if len(devices) == 1:
            self.device = devices[0]
            return {}
        free = {int(name.partition(":")[2]): torch.cuda.mem_get_info(name)[0] for name in devices}
        return {"device_map": "auto", "max_memory": free}

    def _check_processor(self) -> None:
        tokenizer = getattr(self.processor, "tokenizer", None)
        if tokenizer is None or not (self.processor.chat_template or tokenizer.chat_template):
            raise ModelError(
                f"{self.params.model_name} has no chat template, so it cannot be asked; name an instruct model"
            )
        tokenizer.padding_side = "left"
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    def _generation_settings(self) -> Any:
        from transformers import GenerationConfig

        tokenizer, stored = self.processor.tokenizer, self.model.generation_config.eos_token_id
        ends = {tokenizer.eos_token_id, *(stored if isinstance(stored, list) else [stored])}
        vision = {getattr(self.model.config, name, None) for name in _VISION_TOKENS}
        return GenerationConfig(
            max_new_tokens=self.params.max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(token for token in ends if token is not None),
            pad_token_id=tokenizer.pad_token_id,
            suppress_tokens=sorted(token for token in vision if token is not None) or None,
        )


def _out_of_memory(error: Exception) -> bool:
    # torch has a class of its own for this on CUDA only
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _MEMORY_WORDS)


def _lengthened(prompt: Any, tokens: list[int]) -> dict[str, Any]:
    """The inputs of one prompt with the first tokens of a reply after it."""
    import torch

    ids = prompt["input_ids"]
    added = torch.tensor([tokens], dtype=ids.dtype, device=ids.device)
    zeros, ones = torch.zeros_like(added), torch.ones_like(added)
    longer = {"input_ids": added, "attention_mask": ones, "mm_token_type_ids": zeros, "token_type_ids": zeros}
    return {
        name: torch.cat([value, longer[name].to(value.dtype)], dim=1) if name in longer else value
        for name, value in prompt.items()
    }
