"""`RewriteEditor`: a vision-language policy that says in plain words what to draw, in front of any editor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.models.base import ModelParams
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditRequest, edit_together
from src.models.vlm.prompts import load_prompt, with_rules
from src.models.vlm.question import LabelledImage, Question, Reply
from src.models.vlm.seeded_sampling import Temperature
from src.models.vlm.tags import read_rewrite
from src.models.vlm.trained_policy import TrainedPolicy
from src.registry import build, resolve

logger = logging.getLogger(__name__)


class InnerEditor(ModelParams):
    """The editor that carries out the rewrite."""

    class_path: str
    params: dict[str, Any] = pydantic.Field(default_factory=dict)


class UnreadableRewrite(ValueError):
    """The policy wrote nothing that could be carried out; the text says why and quotes it."""


class RewriteEditor(BaseDiffusionModel):
    """Makes any trained rewriter a normal entry of the benchmark.

    `first_pass`: the policy sees source and instruction, and its rewrite is carried out on the source. `second_pass`:
    the editor carries out the user's own instruction first; the policy sees source and result, and its rewrite is
    carried out on the result. In both cases the judge of a run sees the user's instruction.

    A rewrite that cannot be read is a failed edit: never the source, and never the user's own words in its place.

    Raises:
        ModelError: on construction, when weights are missing.
    """

    class Params(ModelParams):
        """Which policy rewrites, how it is asked, and which editor carries its rewrites out."""

        policy: str
        """Hub id or local folder of a vision-language model."""
        revision: str | None = None
        adapter: str | None = None
        """Hub id or local folder of a PEFT adapter for it."""
        trust_remote_code: bool = False
        device: str = "auto"
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
        autocast: Literal["bfloat16", "float16"] | None = None
        """Compute in this number type, whatever the weights have: as in the policy's training."""
        prompt: Literal["first_pass", "second_pass"] = "first_pass"
        """The file in `prompts/rewrite` that the policy was trained with."""
        rules: str = ""
        """Rules of form that the policy was told in training, below that prompt; the training's log quotes them."""
        language: Literal["en", "zh"] = "en"
        image_max_side: int | None = pydantic.Field(None, ge=28)
        """Larger pictures are scaled down for the policy, as in its training."""
        max_new_tokens: int = pydantic.Field(1024, ge=1)
        temperature: Temperature = 0.0
        """0 takes the likeliest words; above, they are drawn."""
        seed: int = 0
        """Seed of the draws."""
        batch_size: int = pydantic.Field(8, ge=1)
        """How many rewrites are written at once."""
        editor: InnerEditor

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = BaseDiffusionModel.NOT_IN_IDENTITY | {"revision", "editor"}

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of any model, with the prompt's hash and the identity of the editor behind the policy.

        Raises:
            ConfigError: for an editor that cannot be found, or wrong params of it.
        """
        checked = cls.Params(**params)
        editor_class = _editor_class(checked.editor)
        prompt = load_prompt("rewrite", checked.prompt, checked.language)
        found = super().identity(params)
        found["params"]["dtype"] = TrainedPolicy.number_type(_policy_params(checked))
        return found | {
            "prompt": f"{prompt.version} {prompt.sha256}",
            "editor": editor_class.identity(_inner_params(checked.editor)),
        }

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Checks the weights of the policy and of the editor behind it."""
        checked = cls.Params(**params)
        TrainedPolicy.check_weights(_policy_params(checked))
        inner = checked.editor
        _editor_class(inner).check_weights(inner.params)

    @classmethod
    def devices(cls, params: dict[str, Any]) -> list[str]:
        """The devices of the policy and of the editor behind it."""
        checked = cls.Params(**params)
        inner = _editor_class(checked.editor).devices(_inner_params(checked.editor))
        return [*TrainedPolicy.devices(_policy_params(checked)), *inner]

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """The revision of the policy and, joined by `+`, the revision of its adapter."""
        return TrainedPolicy.weights_revision(_policy_params(cls.Params(**params)))

    def _initialize(self) -> None:
        editor_class = _editor_class(self.params.editor)
        self.batch_size = self.params.batch_size
        self._prompt = load_prompt("rewrite", self.params.prompt, self.params.language)
        self._policy = TrainedPolicy(_policy_params(self.params))
        self._editor = build(editor_class, _inner_params(self.params.editor))
        self._written: dict[tuple[bytes, str], Reply] = {}

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, seed: int = 0, sample_id: str = "", **kwargs: Any
    ) -> Image.Image:
        """Has the policy rewrite the instruction, then has the editor carry the rewrite out.

        Raises:
            UnreadableRewrite: the policy's text cannot be read.
        """
        return self.batch_edit([original_image], [edit_instruction], [seed], [sample_id])[0]

    def batch_edit(
        self,
        images: list[Image.Image],
        instructions: list[str],
        seeds: list[int] | None = None,
        sample_ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[Image.Image]:
        """Rewrites all instructions at once, then edits in the inner editor's batches.

        Raises:
            UnreadableRewrite: for the batch as a whole, when one of its texts cannot be read. The run then asks one by
                one, and the texts that are there are not written again.
        """
        seeds = seeds or [0] * len(images)
        sample_ids = sample_ids or [""] * len(images)
        images_to_edit = images
        shown: list[tuple[Image.Image, ...]] = [(image,) for image in images]
        if self.params.prompt == "second_pass":
            images_to_edit = self._carry_out(images, instructions, seeds, sample_ids)
            shown = list(zip(images, images_to_edit, strict=True))
        rewrites = self._rewrite(shown, instructions)
        return self._carry_out(images_to_edit, rewrites, seeds, sample_ids)

    def _carry_out(
        self, images: list[Image.Image], instructions: list[str], seeds: list[int], sample_ids: list[str]
    ) -> list[Image.Image]:
        requests = [EditRequest(*one) for one in zip(images, instructions, seeds, sample_ids, strict=True)]
        size = self._editor.batch_size
        batches = [requests[start : start + size] for start in range(0, len(requests), size)]
        return [edited for batch in batches for edited in edit_together(self._editor, batch)]

    def _rewrite(self, shown: Sequence[tuple[Image.Image, ...]], instructions: Sequence[str]) -> list[str]:
        keys = [
            (b"".join(image.tobytes() for image in images), instruction)
            for images, instruction in zip(shown, instructions, strict=True)
        ]
        missing = [place for place, key in enumerate(keys) if key not in self._written]
        questions = [self._question(shown[place], instructions[place]) for place in missing]
        for place, reply in zip(missing, self._policy.ask(questions), strict=True):
            self._written[keys[place]] = reply
        try:
            rewrites = [_instruction(self._written[key]) for key in keys]
        except UnreadableRewrite:
            if len(keys) > 1:
                raise  # what is written serves the calls for single samples, which follow
            del self._written[keys[0]]
            raise
        for key, rewrite in zip(keys, rewrites, strict=True):
            self._written.pop(key, None)
            logger.info("%r was rewritten as %r", key[1], rewrite)
        return rewrites

    def _question(self, images: tuple[Image.Image, ...], instruction: str) -> Question:
        system, user = self._prompt.render(edit_instruction=instruction)
        shown = tuple(LabelledImage("", image) for image in images)
        return Question(with_rules(system, self.params.rules), shown, user)

    def seconds_to_wait(self) -> float:
        """Seconds that a server has asked the editor behind the policy to wait yet."""
        return self._editor.seconds_to_wait()

    def stop_waiting(self) -> None:
        """Breaks off the pauses of the editor behind the policy."""
        self._editor.stop_waiting()

    def load_to_gpu(self) -> None:
        """Moves policy and editor to their devices."""
        self._policy.load_to_gpu()
        self._editor.load_to_gpu()

    def unload_from_gpu(self) -> None:
        """Moves policy and editor to main memory."""
        self._policy.unload_from_gpu()
        self._editor.unload_from_gpu()


def _editor_class(inner: InnerEditor) -> type[BaseDiffusionModel]:
    return resolve(inner, BaseDiffusionModel, "diffusion_model.params.editor")  # type: ignore[type-abstract]


def _inner_params(inner: InnerEditor) -> dict[str, Any]:
    """The params of the one editor behind the policy, which computes on its `device`, never on several."""
    return {name: value for name, value in inner.params.items() if name != "device_ids"}


def _policy_params(params: Any) -> dict[str, Any]:
    """The params of the `TrainedPolicy`: the editor's own of the same names, and `policy` as its `model_name`."""
    shared = RewriteEditor.Params.model_fields.keys() & TrainedPolicy.Params.model_fields.keys()
    return {name: getattr(params, name) for name in sorted(shared)} | {"model_name": params.policy}


def _instruction(reply: Reply) -> str:
    """What the editor is told.

    Raises:
        UnreadableRewrite: the policy failed, was cut off, or broke a rule of `read_rewrite`.
    """
    if reply.error is not None:
        raise UnreadableRewrite(f"the policy failed: {reply.error}")
    rewrite = read_rewrite(reply.text)
    if rewrite.problems:
        cut = "cut off at max_new_tokens; " if reply.finish_reason == "length" else ""
        raise UnreadableRewrite(f"the rewrite cannot be read: {cut}{'; '.join(rewrite.problems)}: {reply.text!r:.400}")
    return "\n".join(rewrite.instructions)
