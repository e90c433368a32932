"""How a question of a published protocol is put on the wire: order, codec, detail, sampling."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from src.models.vlm.question import Delivery, LabelledImage, Question, Sampling
from tests.api_judge import Make, judge, server  # noqa: F401 (fixtures)
from tests.chat_server import ChatServer

NOISE = Image.effect_noise((48, 32), 60).convert("RGB")
OWN = {"temperature": 0.3, "max_tokens": 64, "image_max_side": 16}


def asked(delivery: Delivery | None) -> Question:
    shown = (LabelledImage("", NOISE), LabelledImage("Image 2:", Image.new("RGB", (8, 8), "red")))
    return Question("", shown, "How good?", delivery=delivery)


def kinds(body: dict[str, Any]) -> list[str]:
    return [part.get("text", "image") for part in body["messages"][-1]["content"]]


def sent_image(body: dict[str, Any]) -> tuple[str, bytes]:
    part = next(part for part in body["messages"][-1]["content"] if part["type"] == "image_url")
    kind, _, data = part["image_url"]["url"].partition(";base64,")
    return kind, base64.b64decode(data)


def test_a_question_without_a_delivery_is_sent_by_the_models_own_settings(judge: Make, server: ChatServer) -> None:  # noqa: F811
    judge(**OWN).ask([asked(None)])
    (body,) = server.requests
    assert kinds(body) == ["image", "Image 2:", "image", "How good?"]
    assert (body["temperature"], body["max_tokens"]) == (0.3, 64)
    kind, data = sent_image(body)
    assert (kind, Image.open(io.BytesIO(data)).size) == ("data:image/png", (16, 11))


def test_a_delivery_decides_order_codec_detail_and_sampling(judge: Make, server: ChatServer) -> None:  # noqa: F811
    delivery = Delivery(True, "jpeg", 75, "high", Sampling(None, 1400))
    judge(**OWN).ask([asked(delivery)])
    (body,) = server.requests
    assert kinds(body) == ["How good?", "image", "Image 2:", "image"]
    assert "temperature" not in body
    assert body["max_tokens"] == 1400
    assert {part["image_url"]["detail"] for part in body["messages"][-1]["content"] if "image_url" in part} == {"high"}
    expected = io.BytesIO()
    NOISE.save(expected, format="JPEG")  # Pillow's default quality is 75
    assert sent_image(body) == ("data:image/jpeg", expected.getvalue())


@pytest.mark.parametrize("tokens", [None, 4096])
def test_a_limit_of_tokens_is_sent_only_where_the_protocol_has_one(
    judge: Make,  # noqa: F811
    server: ChatServer,  # noqa: F811
    tokens: int | None,
) -> None:
    judge(**OWN).ask([asked(Delivery(True, "png", sampling=Sampling(0.0, tokens)))])
    (body,) = server.requests
    assert (body["temperature"], body.get("max_tokens")) == (0.0, tokens)
    assert "detail" not in body["messages"][-1]["content"][1]["image_url"]


def test_one_picture_sent_in_two_ways_is_encoded_for_each(judge: Make, server: ChatServer) -> None:  # noqa: F811
    judge(**OWN).ask([asked(None), asked(Delivery(False, "png")), asked(Delivery(False, "jpeg", 20))])
    assert len(server.requests) == 3
    assert len({sent_image(body) for body in server.requests}) == 3
    assert {body["temperature"] for body in server.requests} == {0.3}
