"""`HttpEditor`: an editor that runs elsewhere, behind one or more servers of `python main.py serve-editor`."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Annotated, Any

import pydantic
from PIL import Image

from src.data.image import ImageError, decode_image, encode_png
from src.errors import ModelError
from src.models.base import ModelParams
from src.models.diffusion.edit_errors import edit_failure
from src.models.diffusion.edit_protocol import EDIT_PATH, EditBody, Health
from src.models.diffusion.generation_model import GenerationModel
from src.models.diffusion.served_editor import ask_health
from src.models.http.answer_limits import PICTURE_BYTES, AnswerTooLong
from src.models.http.api_errors import UNUSABLE, WORTH_RETRYING, APIFailure, FailureKind
from src.models.http.endpoints import Endpoints
from src.reasons import reason_of

_CONNECT_SECONDS = 10.0


class HttpEditor(GenerationModel):
    """Sends each edit to the least loaded of its endpoints, and to another one when that fails.

    Its identity is the served editor's: edits are shared with a run that has the same editor in its own process.
    Every request names that identity, so an endpoint that was restarted with another editor is not used any more.

    Raises:
        ModelError: on construction, when no endpoint answers.
        ConfigError: on construction, when endpoints serve different editors.
    """

    class Params(ModelParams):
        """Addresses of the servers and how patient to be with them; none of it changes a pixel."""

        endpoints: Annotated[list[str], pydantic.Field(min_length=1)]
        """Addresses of servers, such as `http://127.0.0.1:8100`."""
        timeout: float = pydantic.Field(600.0, gt=0)
        """Seconds for one try: the server's queue, the edit, and the way there and back."""
        max_retries: int = pydantic.Field(10, ge=0)
        """Further tries of one edit after lost connections and server errors. Being sent away by a full queue is not
        counted; an edit that finds no room within `timeout` fails."""
        token_env: str | None = None
        """The environment variable that holds the servers' `--token`; None sends none."""
        max_concurrency: int = pydantic.Field(16, ge=1)
        """Edits under way at the same time, over all endpoints: more than their batch sizes together."""

        @pydantic.field_validator("endpoints")
        @classmethod
        def _plain(cls, endpoints: list[str]) -> list[str]:
            plain = [endpoint.rstrip("/") for endpoint in endpoints]
            if wrong := [url for url in plain if not url.startswith(("http://", "https://"))]:
                raise ValueError(f"{wrong[0]!r} must begin with http:// or https://")
            if len(set(plain)) < len(plain):
                raise ValueError("the same endpoint is named twice")
            return plain

    def _initialize(self) -> None:
        from src.models.http.bounded_client import BoundedClient

        self.max_concurrency: int = self.params.max_concurrency
        self.check_ready(self.config)
        headers = _headers(self.params)
        self._digest = ask_health(self.params.endpoints, headers).digest
        self._endpoints = Endpoints(self.params.endpoints)
        timeout = self.params.timeout
        self._client = BoundedClient(PICTURE_BYTES, timeout, connect=min(_CONNECT_SECONDS, timeout), headers=headers)

    def edit_image(
        self,
        original_image: Image.Image,
        edit_instruction: str,
        seed: int = 0,
        *,
        further_images: list[Image.Image] | None = None,
        **kwargs: Any,
    ) -> Image.Image:
        """Edits one RGB image, or makes one of several; called from several threads at once.

        Raises:
            ModelError: the editor failed on this image, or no endpoint gave an answer in all tries; the text says why
                and names the endpoints.
            ModelUnusable: no endpoint can serve any edit.
        """
        source, *further = map(_base64_png, (original_image, *(further_images or [])))
        return self._made(source, edit_instruction, seed, further)

    def generate_image(self, prompt: str, seed: int = 0, **kwargs: Any) -> Image.Image:
        """Has a picture made of text alone; as `edit_image` in all else."""
        return self._made(None, prompt, seed)

    def _made(self, source: str | None, text: str, seed: int, further: list[str] | None = None) -> Image.Image:
        request = EditBody(image=source, further_images=further or [], instruction=text, seed=seed, digest=self._digest)
        unknown_to_older_servers = None if further else {"further_images"}
        body = request.model_dump_json(exclude=unknown_to_older_servers).encode()
        began, failures = time.monotonic(), 0
        while True:
            with self._endpoints.lease() as url:
                try:
                    return self._ask(url, body)
                except APIFailure as failure:
                    if failure.kind in UNUSABLE:
                        self._endpoints.exclude(url, str(failure))
                        continue
                    if failure.kind not in WORTH_RETRYING:
                        raise ModelError(str(failure)) from None
                    last = failure
                if last.kind is FailureKind.RATE_LIMITED:
                    self._endpoints.back_off(url, last.retry_after or 0.0)
                    patient = time.monotonic() - began < self.params.timeout
                else:
                    self._endpoints.record_failure(url, str(last), last.retry_after)
                    failures += 1
                    patient = failures <= self.params.max_retries
            if not patient:
                raise ModelError(
                    f"no edit after {failures} failures of {', '.join(self.params.endpoints)}; "
                    f"the last, of {url}: {last}. See that these servers (`python main.py serve-editor`) keep up"
                )

    def batch_edit(
        self, images: list[Image.Image], instructions: list[str], seeds: list[int] | None = None, **kwargs: Any
    ) -> list[Image.Image]:
        """Edits several images at once, at most `max_concurrency`; results are in order.

        Raises:
            ModelError, ModelUnusable: as `edit_image`, when any of them fails.
            ValueError: lists of different length.
        """
        if len({len(images), len(instructions), len(images if seeds is None else seeds)}) != 1:
            raise ValueError(f"{len(images)} images, {len(instructions)} instructions, seeds {seeds}")
        if not images:
            return []
        with ThreadPoolExecutor(min(len(images), self.max_concurrency), thread_name_prefix="http-edit") as threads:
            return list(threads.map(self.edit_image, images, instructions, repeat(0) if seeds is None else seeds))

    def batch_generate(self, prompts: list[str], seeds: list[int] | None = None, **kwargs: Any) -> list[Image.Image]:
        """Has several pictures made at once, at most `max_concurrency`; results are in order.

        Raises:
            ModelError, ModelUnusable: as `edit_image`, when any of them fails.
            ValueError: lists of different length.
        """
        if seeds is not None and len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts, seeds {seeds}")
        if not prompts:
            return []
        with ThreadPoolExecutor(min(len(prompts), self.max_concurrency), thread_name_prefix="http-edit") as threads:
            return list(threads.map(self.generate_image, prompts, repeat(0) if seeds is None else seeds))

    def _ask(self, url: str, body: bytes) -> Image.Image:
        import httpx2

        try:
            answer = self._client.post(url + EDIT_PATH, content=body, headers={"content-type": "application/json"})
        except httpx2.HTTPError as error:
            raise APIFailure(FailureKind.PASSING, reason_of(error)) from None
        except AnswerTooLong as error:
            raise APIFailure(FailureKind.QUESTION, f"{url}: {error}") from None
        if answer.status_code != httpx2.codes.OK:
            raise edit_failure(answer)
        try:
            picture = decode_image(answer.content)
        except ImageError as error:
            raise APIFailure(FailureKind.PASSING, f"an answer without a readable picture: {error}") from error
        self._endpoints.record_success(url)
        return picture

    @classmethod
    def takes_source(cls, params: Mapping[str, Any]) -> bool:
        """Whether the served model edits pictures."""
        return _health(params).takes_source

    @classmethod
    def takes_text_alone(cls, params: Mapping[str, Any]) -> bool:
        """Whether the served model makes pictures of text alone."""
        return _health(params).takes_text_alone

    @classmethod
    def takes_further_images(cls, params: Mapping[str, Any]) -> bool:
        """Whether the served model makes one picture of several."""
        return _health(params).takes_further_images

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of the served editor, asked from every endpoint.

        Raises:
            ModelError: no endpoint answers.
            ConfigError: endpoints serve different editors.
        """
        cls.check_ready(params)
        return _health(params).editor

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` when the variable that `token_env` names is not set."""
        name = cls.Params(**params).token_env
        if name is not None and not os.environ.get(name):
            raise ModelError(f"HttpEditor: set the environment variable {name} (token_env) to the servers' --token")


def _base64_png(image: Image.Image) -> str:
    return base64.b64encode(encode_png(image)).decode("ascii")


def _health(params: Mapping[str, Any]) -> Health:
    checked = HttpEditor.Params(**params)
    return ask_health(checked.endpoints, _headers(checked))


def _headers(params: HttpEditor.Params) -> dict[str, str]:
    return {} if params.token_env is None else {"authorization": f"Bearer {os.environ[params.token_env]}"}
