"""`OpenAIImageEditModel`: image editing through OpenAI's API, or a server that speaks it."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.data.image import ImageError, LazyImage, encode_png
from src.errors import ModelError, ModelUnusable
from src.models.base import ModelParams
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.http.answer_limits import PICTURE_BYTES, AnswerTooLong
from src.models.http.api_errors import UNUSABLE, APIFailure, FailureKind, failure_of
from src.models.http.openai_service import OpenAIService
from src.models.http.pauses import ThreadPauses
from src.models.http.retries import LONGEST_RETRY_AFTER, Retries
from src.reasons import reason_of


class OpenAIImageEditModel(BaseDiffusionModel):
    """Sends source and instruction to `images.edit` and reads the picture from the answer.

    The API knows no seed: the same sample edited twice gives two pictures. The picture must come within the answer
    (base64); addresses are not followed.

    Raises:
        ModelError: on construction, when the environment holds no key.
    """

    class Params(ModelParams):
        """The key itself is no parameter: it comes from the environment only."""

        model: str = "gpt-image-1"
        size: str | None = None
        """Size of the picture, such as `1024x1024` or `auto`; None leaves it to the server."""
        quality: str | None = None
        """Quality, such as `low`, `medium`, `high`; None leaves it to the server."""
        response_format: Literal["b64_json"] | None = None
        """The form of the answer, for servers that send an address unless told otherwise; OpenAI refuses it."""
        base_url: str | None = None
        """The server; None is OpenAI's own, or what OPENAI_BASE_URL says."""
        api_key_env: str = "OPENAI_API_KEY"
        """The environment variable that holds the key."""
        timeout: float = pydantic.Field(300.0, gt=0)
        """Seconds for one try."""
        max_retries: int = pydantic.Field(4, ge=0, le=20)
        """Further tries after rate limits, server errors and lost connections, with growing pauses."""
        max_wait: float = pydantic.Field(LONGEST_RETRY_AFTER, ge=0)
        """Seconds: the longest pause that the server may ask for by `Retry-After`, and the sum of those that it asks of
        one edit by "too many requests" (429). They are waited for, and take none of `max_retries`; an edit for which
        the server asks for more fails."""
        max_concurrency: int = pydantic.Field(4, ge=1)
        """Edits under way at the same time."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = BaseDiffusionModel.NOT_IN_IDENTITY | {
        "api_key_env",
        "timeout",
        "max_retries",
        "max_wait",
        "max_concurrency",
    }

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` when the environment holds no key."""
        checked = cls.Params(**params)
        if not os.environ.get(checked.api_key_env):
            raise ModelError(
                f"{checked.model} needs a key: set the environment variable {checked.api_key_env} "
                "(any text for a server that wants none)"
            )

    def _initialize(self) -> None:
        import openai

        from src.models.http.bounded_client import BoundedClient

        self.check_ready(self.config)
        self.max_concurrency: int = self.params.max_concurrency
        self._pauses = ThreadPauses()
        key = os.environ[self.params.api_key_env]
        self._client = openai.OpenAI(
            api_key=key,
            base_url=self.params.base_url,
            timeout=self.params.timeout,
            max_retries=0,
            http_client=BoundedClient(PICTURE_BYTES, self.params.timeout),
        )
        address = str(self._client.base_url)
        self._service = OpenAIService(address, key, self.params.api_key_env, self.params.model, "diffusion_model")

    def edit_image(
        self,
        original_image: Image.Image,
        edit_instruction: str,
        further_images: list[Image.Image] | None = None,
        **kwargs: Any,
    ) -> Image.Image:
        """Edits one RGB image, or makes one of several; called from several threads at once.

        Raises:
            ModelError: this edit failed: refused by moderation, no connection, an answer without a picture.
            ModelUnusable: no edit can succeed: wrong key, unknown model, exhausted quota.
            WaitBrokenOff: the edit was in a pause between two tries when those were broken off.
        """
        sources = [encode_png(picture) for picture in (original_image, *(further_images or []))]
        retries = Retries(self.params.max_retries, self.params.max_wait)
        while True:
            try:
                return self._picture(self._send(sources, edit_instruction))
            except APIFailure as failure:
                asked_for = failure.retry_after is not None
                try:
                    seconds = retries.pause(failure)
                except APIFailure as last:
                    raise self._error(last) from None  # the server's own text may repeat the key
            self._pauses.wait(seconds, asked_for=asked_for)

    def seconds_to_wait(self) -> float:
        """Seconds of the longest pause that the server has asked for, as far as it is not over."""
        return self._pauses.seconds_left()

    def stop_waiting(self) -> None:
        """Breaks off the pauses between tries: `edit_image` raises `WaitBrokenOff` where it is in one."""
        self._pauses.break_off()

    def _send(self, sources: list[bytes], instruction: str) -> Any:
        """One try; raises `APIFailure`, or `ModelError` for an answer that no client can read."""
        import openai

        files = [("source.png", source, "image/png") for source in sources]
        chosen = {name: getattr(self.params, name) for name in ("size", "quality", "response_format")}
        try:
            return self._client.images.edit(
                model=self.params.model,
                image=files if len(files) > 1 else files[0],
                prompt=instruction,
                **{name: value for name, value in chosen.items() if value is not None},
            )
        except openai.APIError as error:
            raise failure_of(error) from None
        except (openai.OpenAIError, AnswerTooLong, ValueError) as error:
            reason = self._service.redacted(reason_of(error))
            raise ModelError(f"{self.params.model} gave no edit: {reason}") from None

    def _error(self, failure: APIFailure) -> ModelError:
        if failure.kind in UNUSABLE:
            return ModelUnusable(self._service.remedy(failure))
        outcome = "refused the edit" if failure.kind is FailureKind.REFUSED else "gave no edit"
        return ModelError(f"{self.params.model} {outcome}: {self._service.redacted(str(failure))}")

    def _picture(self, answer: Any) -> Image.Image:
        pictures = getattr(answer, "data", None)
        if not isinstance(pictures, list) or not pictures:
            raise ModelError(f"{self.params.model} answered without a picture: {str(answer)[:200]!r}")
        encoded, address = pictures[0].b64_json, pictures[0].url
        if not encoded:
            where = "with an address, which is not followed; set response_format: b64_json" if address else "emptily"
            raise ModelError(f"{self.params.model} answered {where}")
        try:
            return LazyImage(base64_text=encoded).decode()
        except ImageError as error:
            raise ModelError(f"{self.params.model} answered with an unreadable picture: {error}") from error
