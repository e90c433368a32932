"""Finds out which editor a set of endpoints serves."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pydantic

from src.errors import ConfigError, ModelError
from src.models.diffusion.edit_errors import edit_failure
from src.models.diffusion.edit_protocol import HEALTH_PATH, Health
from src.models.http.answer_limits import TEXT_BYTES, AnswerTooLong, redirect_of
from src.reasons import reason_of

if TYPE_CHECKING:
    import httpx2

logger = logging.getLogger(__name__)

_HEALTH_SECONDS = 10.0


def ask_health(endpoints: Sequence[str], headers: dict[str, str] | None = None) -> Health:
    """The health of the first endpoint that answers; those that do not are warned about.

    Raises:
        ModelError: none answers, or one that does is no editor; the text names each and its reason.
        ConfigError: they do not all serve the same editor.
    """
    from src.models.http.bounded_client import BoundedClient

    answers: dict[str, Health] = {}
    silent: dict[str, str] = {}
    with BoundedClient(TEXT_BYTES, _HEALTH_SECONDS, headers=headers) as client:
        for url in endpoints:
            try:
                answers[url] = _health(client, url)
            except ModelError as error:
                silent[url] = str(error)
    reasons = "; ".join(f"{url}: {reason}" for url, reason in silent.items())
    if not answers:
        raise ModelError(f"no endpoint answers: {reasons}. Start them: python main.py serve-editor --config …")
    if silent:
        logger.warning("going on without %s", reasons)
    if len({health.digest for health in answers.values()}) > 1:
        served = "\n".join(f"  - {url}: {health.editor}" for url, health in answers.items())
        raise ConfigError(f"diffusion_model.params.endpoints serve different editors; leave one kind:\n{served}")
    return next(iter(answers.values()))


def _health(client: httpx2.Client, url: str) -> Health:
    """Raises `ModelError` with the reason why an endpoint does not say what it serves."""
    import httpx2

    try:
        answer = client.get(url + HEALTH_PATH)
    except (httpx2.HTTPError, AnswerTooLong) as error:
        raise ModelError(reason_of(error)) from error
    if redirect := redirect_of(answer):
        raise ModelError(redirect)
    if answer.status_code in (401, 403):
        raise ModelError(str(edit_failure(answer)))
    try:
        health = Health.model_validate_json(answer.content)
    except pydantic.ValidationError:
        raise ModelError(f"HTTP {answer.status_code}, not the answer of an editor's server") from None
    if not health.ready:
        raise ModelError("its editor can serve nothing any more; see its log")
    return health
