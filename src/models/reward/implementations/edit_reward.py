"""`EditRewardModel`: a published EditReward checkpoint, which says how good an edit is and how sure it is of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.errors import ModelError
from src.models.device import pick_device, pick_dtype
from src.models.reward.base_reward import Judgement, JudgeRequest
from src.models.reward.forward_judge import ForwardJudge
from src.models.reward.trained_preference import ScoreMap
from src.models.vlm.official_prompts import OfficialFiles, read_official_prompts
from src.models.vlm.question import LabelledImage, Question
from src.models.vlm.question_encoder import QuestionEncoder
from src.models.weights import is_local, pinned, resolve_revision

if TYPE_CHECKING:
    from src.models.reward.edit_reward_layout import Pooling, Reward

ASPECTS = ("instruction_following", "visual_quality")
"""What each head was trained on, in the order of the heads."""
IMAGE_PIXELS = 256 * 28 * 28
_END_OF_TURN = "<|im_end|>"
_ASKED = "The rating of the edited image: "
_OWN = (
    "The first image is the source, the second one its edit. Rate how well the edit carries out the instruction and "
    "nothing but the instruction.\nInstruction: {instruction}\n",
    "The first image is the source, the second one its edit. Rate how natural and well made the edited image is: free "
    "of artifacts, with consistent light, edges and details.\nInstruction: {instruction}\n",
)
_OFFICIAL = OfficialFiles(
    paths=("EditReward/dataset/prompts.py", "dataset/prompts.py"),
    placeholders={"instruction": "text_prompt"},
    beside=("data_collator_qwen_edit.py",),
    key="reward_model.params.official_prompts",
)
_ENDING = "data_collator_qwen_edit.prompt_with_special_token"
_NAMES = ("INSTRUCTION_EDIT_FOLLOWING", "INSTRUCTION_EDIT_QUALITY")


class EditRewardModel(ForwardJudge):
    """EditReward (TIGER-AI-Lab/EditReward, ICLR 2026) on Qwen2.5-VL or MiMo-VL: two heads, two passes an edit.

    Each pass shows source and edit, both scaled to about 200,704 pixels, and asks about one aspect; at the token
    `<|Reward|>` behind the question a head reads a mean and a standard deviation. Both are pooled into one reward
    (`pooling`, published: `mean`). The reward has no bounds and no zero: the score is 10 · sigmoid(scale · (reward −
    offset)), which rises with it. Published models are mostly below 0, so `offset` is to be set for a score that uses
    the scale; no order depends on it.

    Dimensions, as the model says them: mean and `_sigma` of `instruction_following`, `visual_quality` and `reward`.

    The questions are this project's own wording, on which the heads were not trained, unless `official_prompts` names a
    checkout of the model's repository: published accuracies are those of its own texts.

    Raises:
        ModelError: on construction, for a folder of another layout, or a base model that it was not trained from.
    """

    class Params(ForwardJudge.Params):
        """Which checkpoint of which base model, its questions, and the map to scores."""

        model_name: str
        """Folder of the downloaded checkpoint."""
        base: str = "Qwen/Qwen2.5-VL-7B-Instruct"
        """Hub id or folder of the model that it was trained from, for config, tokenizer and picture processor."""
        base_revision: str | None = None
        official_prompts: Path | None = None
        """A checkout of TIGER-AI-Lab/EditReward, whose texts are read and not run."""
        pooling: Literal["mean", "min", "sum"] = "mean"
        offset: float = pydantic.Field(0.0, allow_inf_nan=False)
        """The reward that becomes 5."""
        scale: float = pydantic.Field(1.0, gt=0, allow_inf_nan=False)
        image_pixels: int = pydantic.Field(IMAGE_PIXELS, ge=784)
        """Width times height to which every picture is scaled."""
        batch_size: int = pydantic.Field(4, ge=1)
        """Number of edits that are judged at once."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = ForwardJudge.NOT_IN_IDENTITY | {"official_prompts", "base_revision"}

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of weights and base, with what tells the questions from others."""
        questions = _questions(cls.Params(**params).official_prompts)
        return super().identity(params) | {"questions": hashlib.sha256("\0".join(questions).encode()).hexdigest()}

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str:
        """The fingerprint of the checkpoint's folder and, joined by `+`, the revision of its base."""
        checked = cls.Params(**params)
        return f"{resolve_revision(str(_folder(checked)))}+{resolve_revision(checked.base, checked.base_revision)}"

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` for a folder of another layout."""
        from src.models.reward.edit_reward_layout import check_layout

        check_layout(_folder(cls.Params(**params)))

    def _initialize(self) -> None:
        import transformers

        from src.models.reward.edit_reward_layout import REWARD_TOKEN, load_network

        params = self.params
        self.device = pick_device(params.device)
        self.batch_size = params.batch_size
        self._questions = _questions(params.official_prompts)
        self._score_map = ScoreMap(offset=params.offset, scale=params.scale)
        source = pinned(params.base, params.base_revision)
        try:
            processor = transformers.AutoProcessor.from_pretrained(params.base, **source)
            config = transformers.AutoConfig.from_pretrained(params.base, **source)
        except (OSError, ValueError) as error:
            raise ModelError(f"reward_model.params.base: {params.base} could not be loaded ({error})") from error
        tokenizer = processor.tokenizer
        tokenizer.padding_side = "left"
        tokenizer.add_special_tokens({"additional_special_tokens": [REWARD_TOKEN]})
        self._reward_token = tokenizer.convert_tokens_to_ids(REWARD_TOKEN)
        self._end_of_turn = tokenizer.convert_tokens_to_ids(_END_OF_TURN)
        self._processor = processor
        self._encoder = QuestionEncoder(processor, None)
        dtype = pick_dtype(params.dtype, self.device)
        attention = "flash_attention_2" if params.use_flash_attention else None
        self.model = load_network(_folder(params), config, dtype, attention, self._reward_token + 1)
        self._dtype = dtype
        self.load_to_gpu()

    def rewards(self, requests: Sequence[JudgeRequest]) -> list[tuple[list[Reward], int]]:
        """What the two heads say of each edit, and the tokens of both questions."""
        import torch

        from src.models.reward.edit_reward_layout import HEADS, Reward

        found: list[list[Reward]] = [[] for _ in requests]
        tokens = [0] * len(requests)
        pictures = [self._pictures(request) for request in requests]
        for head, text in zip(HEADS, self._questions, strict=True):
            inputs = self._inputs(text, requests, pictures)
            with torch.inference_mode():
                read = self.model(head, **inputs).double().cpu().tolist()
            for place, (mean, log_sigma) in enumerate(read):
                found[place].append(Reward(mean, math.exp(log_sigma)))
                tokens[place] += int(inputs["attention_mask"][place].sum())
        return list(zip(found, tokens, strict=True))

    def _inputs(
        self, text: str, requests: Sequence[JudgeRequest], pictures: Sequence[tuple[LabelledImage, ...]]
    ) -> Any:
        """The model's inputs, each row ending with the reward token, in the place where the user's turn would end.

        Whatever the published prompt has behind the token cannot reach its hidden state.
        """
        asked = [
            Question("", shown, text.replace("{instruction}", request.edit_instruction))
            for request, shown in zip(requests, pictures, strict=True)
        ]
        inputs = self._encoder(asked).to(self.device, self._dtype)
        ids = inputs["input_ids"]
        ends = (ids[0] == self._end_of_turn).nonzero()
        length = int(ends[-1]) + 1
        rows = ids.shape
        kept = {
            name: value[:, :length] if tuple(value.shape) == tuple(rows) else value for name, value in inputs.items()
        }
        kept["input_ids"] = kept["input_ids"].clone()
        kept["input_ids"][:, -1] = self._reward_token
        return kept

    def _pictures(self, request: JudgeRequest) -> tuple[LabelledImage, ...]:
        return tuple(LabelledImage("", self._sized(image)) for image in (request.given_source, request.edited_image))

    def _sized(self, image: Image.Image) -> Image.Image:
        """The picture with sides that the vision tower can divide and about the wanted number of pixels."""
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

        processor, pixels = self._processor.image_processor, self.params.image_pixels
        factor = processor.patch_size * processor.merge_size
        height, width = smart_resize(image.height, image.width, factor, min_pixels=pixels, max_pixels=pixels)
        return image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)

    def judge_batch(self, requests: list[JudgeRequest]) -> list[Judgement]:
        """Judges several edits in two passes.

        Raises:
            ValueError: a reward is no number.
        """
        return [self._judgement(*found) for found in self.rewards(requests)]

    def _judgement(self, heads: Sequence[Reward], tokens: int) -> Judgement:
        from src.models.reward.edit_reward_layout import pooled

        how: Pooling = self.params.pooling
        reward = pooled(heads, how)
        named = dict(zip((*ASPECTS, "reward"), (*heads, reward), strict=True))
        dimensions: dict[str, float | None] = {}
        for name, one in named.items():
            dimensions |= {name: one.mean, f"{name}_sigma": one.sigma}
        said = "; ".join(f"{name} {one.mean:.6f} ± {one.sigma:.6f}" for name, one in named.items())
        usage = {"calls": float(len(heads)), "prompt_tokens": float(tokens)}
        return Judgement(self._score_map(reward.mean), dimensions=dimensions, replies=(said,), usage=usage)


def _questions(checkout: Path | None) -> tuple[str, str]:
    """The two texts up to the reward token, with `{instruction}` where the instruction goes.

    Raises:
        ConfigError: the checkout has no such texts.
    """
    if checkout is None:
        return _OWN[0] + _ASKED, _OWN[1] + _ASKED
    texts = read_official_prompts(checkout, _OFFICIAL)
    asked = texts.require((_ENDING,)).partition("<|Reward|>")[0]
    first, second = (texts.render((name,), {"instruction": "{instruction}"}) + asked for name in _NAMES)
    return first, second


def _folder(params: Any) -> Path:
    if not is_local(params.model_name):
        raise ModelError(
            f"reward_model.params.model_name: {params.model_name} is no folder here; download the checkpoint first "
            f"(hf download {params.model_name} --local-dir DIR), and name its folder"
        )
    return Path(params.model_name).expanduser()
