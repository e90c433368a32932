"""Published protocols: what goes over the wire, what is read, what follows."""

from __future__ import annotations

import base64
import io
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.config import ClassConfig, ModelConfig
from src.data.protocols import PROTOCOLS as FACTS
from src.data.verdict import Status, Verdict
from src.errors import ConfigError
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import ScorerSetting, question_key
from src.rewards.scorers.combined import CombinedScorer
from src.rewards.scorers.protocol import PROTOCOLS, ProtocolScorer
from src.rewards.scorers.protocols.imgedit import CRITERIA
from src.rewards.scorers.protocols.kris import KNOWLEDGE
from src.rewards.scorers.protocols.rise import rise_score
from tests import reward_model_cases
from tests.api_judge import server  # noqa: F401 (fixture)
from tests.chat_server import Answer, ChatServer, completion
from tests.judged_edits import build_scorer
from tests.protocol_samples import (
    EDITED,
    JUDGE,
    REFERENCE,
    SOURCE,
    edit,
    lazy,
    picture,
    protocol_scorer,
    replies,
    sample,
)

SNAPSHOTS = Path(__file__).parent / "stored_protocols"
RISE_TEXT = {"reference": "It lies in shards."}

CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "gedit": (
        "gedit@2025-05",
        sample("style_change"),
        {"carried out": '{"score": [8, 5]}', "how natural": '{"score": [9, 10]}'},
    ),
    "imgedit": (
        "imgedit@2025-09",
        sample("style"),
        {"another style": "Well.\nStyle: 4\nPreservation: 3\nRendering: 2"},
    ),
    "rise causal": (
        "rise@2026-05",
        sample("causal_reasoning", attributes=RISE_TEXT),
        {
            "everything else the same": "Final Score: 4",
            "right result": "Final Score: 3",
            "how well it is made": "Final Score: 5",
        },
    ),
    "rise spatial by picture": (
        "rise@2026-05",
        sample("spatial_reasoning", reference=lazy(REFERENCE)),
        {
            "everything else the same": "Final Score: 5",
            "right result": "Final Score: 5",
            "how well it is made": "Final Score: 5",
        },
    ),
    "rise logical by text": (
        "rise@2026-05",
        sample("logical_reasoning", attributes={"reference_txt": "7"}),
        {"style and arrangement": "Final Score: 1", "give this answer": "Final Score: 0"},
    ),
    "rise free of consistency": (
        "rise@2026-05",
        sample("temporal_reasoning", attributes={**RISE_TEXT, "consistency_free": "1", "reasoning_img": "1"}),
        {"right result": "Final Score: 4", "how well it is made": "Final Score: 5"},
    ),
    "kris knowledge": (
        "kris@2025-05",
        sample("physics", attributes={"explain_en": "It sinks."}),
        {
            "consistency_score:": '{"consistency_score": 4}',
            "knowledge_score:": '{"instruction_score": 5, "knowledge_score": 2}',
            "quality_score:": '{"quality_score": 3}',
        },
    ),
    "kris viewpoint": (
        "kris@2025-05",
        sample("viewpoint_change", reference=lazy(REFERENCE)),
        {
            "consistency_score:": '{"consistency_score": 4}',
            "instruction_score:": '{"instruction_score": 2}',
            "quality_score:": '{"quality_score": 3}',
        },
    ),
    "kris temporal": (
        "kris@2025-05",
        sample(
            "temporal_prediction",
            further_sources=(lazy(picture("yellow")), lazy(picture("purple"))),
            attributes={"ori_img": ("3-1.jpg", "3-2.jpg", "3-4.jpg")},
        ),
        {
            "consistency_score:": '{"consistency_score": 4}',
            "instruction_score:": '{"instruction_score": 2}',
            "quality_score:": '{"quality_score": 3}',
        },
    ),
    "kris several": (
        "kris@2025-05",
        sample("multi-element_composition", further_sources=(lazy(picture("yellow")),)),
        {
            "consistency_score:": '{"consistency_score": 4}',
            "instruction_score:": '{"instruction_score": 2}',
            "quality_score:": '{"quality_score": 3}',
        },
    ),
    "uniredit": (
        "uniredit@2026-08",
        sample("Maze", reference=lazy(REFERENCE), attributes={"rules": "No walls.", "reference_effect": "A path."}),
        {
            "everything else the same": "Final Score: 5",
            "three pictures": "Final Score: 2",
            "how well it is made": "Final Score: 4",
        },
    ),
}
CASES["complex-edit"] = (
    "complex-edit@2025-04",
    sample("complex-edit", attributes={"level": "8"}),
    {
        "Make it blue.": '{"reasoning": "r", "instruction_following": "7", "identity_preservation": "10"}',
        "": '{"perceptual_quality": "4"}',
    },
)
CASES["imgedit-uge"] = ("imgedit-uge@2025-09", sample("uge"), {"as a whole": "Well done, one seam.\nScore: 4"})
CASES["gedit-qwen"] = ("gedit-qwen@2025-05", *CASES["gedit"][1:])
CASES |= reward_model_cases.CASES
BY_HAND = {
    "gedit-qwen": (math.sqrt(5 * 9), 0, 10),
    "complex-edit": (7.0, 0, 10),
    "gedit": (math.sqrt(5 * 9), 0, 10),
    "imgedit": (3.0, 1, 5),
    "imgedit-uge": (4.0, 1, 5),
    "rise causal": (0.3 * 4 + 0.5 * 3 + 0.2 * 5, 1, 5),
    "rise spatial by picture": (5.0, 1, 5),
    "rise logical by text": (max(1.0, (0.3 * 5 + 0.7 * 1) / 2), 1, 5),
    "rise free of consistency": (0.8 * 4 + 0.2 * 5, 1, 5),
    "kris knowledge": ((4 + 5 + 2 + 3) / 4, 1, 5),
    "kris viewpoint": (3.0, 1, 5),
    "kris temporal": (3.0, 1, 5),
    "kris several": (3.0, 1, 5),
    "uniredit": (0.3 * 5 + 0.5 * 2 + 0.2 * 4, 1, 5),
} | reward_model_cases.BY_HAND


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def judged(server: ChatServer, name: str, **params: Any) -> Verdict:  # noqa: F811
    protocol, of, said = CASES[name]
    replies(server, said)
    once = {"repeats": 1, **params}
    scorer = protocol_scorer(protocol, {"base_url": server.url, "model": "judge", "max_retries": 0}, **once)
    (verdict,) = scorer.score([edit(of)])
    return verdict


def sent(server: ChatServer) -> list[dict[str, Any]]:  # noqa: F811
    """The requests in the order of their first words: they go out at once."""
    return sorted(server.requests, key=lambda body: json.dumps(body["messages"]))


@pytest.mark.parametrize("name", CASES)
def test_the_requests_are_byte_for_byte_what_the_protocol_sends(name: str, server: ChatServer) -> None:  # noqa: F811
    """Set STORE_SNAPSHOTS to write them anew, and read the difference: it changes what a published number means."""
    judged(server, name)
    told = json.dumps(sent(server), ensure_ascii=False, indent=1) + "\n"
    path = SNAPSHOTS / f"{name.replace(' ', '_')}.json"
    if os.environ.get("STORE_SNAPSHOTS"):
        path.write_text(told, encoding="utf-8")
    assert told == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_score_is_the_one_computed_by_hand_on_both_scales(name: str, server: ChatServer) -> None:  # noqa: F811
    verdict = judged(server, name)
    own, low, high = BY_HAND[name]
    assert verdict.status is Status.SCORED, verdict.reason
    assert verdict.dimensions["protocol_score"] == pytest.approx(own)
    assert verdict.score == pytest.approx(10 * (own - low) / (high - low))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("bad", ["", "I cannot say.", "It is fine, 3 of them.", '{"score": []}', "Final Score: 9"])
def test_a_reply_without_clear_values_is_a_failure_and_never_a_number(name: str, bad: str, server: ChatServer) -> None:  # noqa: F811
    protocol, of, said = CASES[name]
    first = next(iter(said))
    replies(server, {**said, first: bad})
    scorer = protocol_scorer(protocol, {"base_url": server.url, "max_retries": 0}, repeats=1)
    (verdict,) = scorer.score([edit(of)])
    assert verdict.score is None
    assert verdict.status in (Status.UNPARSABLE, Status.JUDGE_FAILED)


def pictures(body: dict[str, Any]) -> list[tuple[str, Image.Image]]:
    urls = [part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    decoded = [(url.partition(";")[0], base64.b64decode(url.partition(",")[2])) for url in urls]
    return [(kind, Image.open(io.BytesIO(data))) for kind, data in decoded]


def test_gedit_sends_text_first_jpeg_in_the_sources_size_and_no_temperature(server: ChatServer) -> None:  # noqa: F811
    judged(server, "gedit")
    for body in server.requests:
        assert [message["role"] for message in body["messages"]] == ["user"]
        assert body["messages"][0]["content"][0]["type"] == "text"
        assert "temperature" not in body
        assert body["max_tokens"] == 1400
        assert {(kind, image.size) for kind, image in pictures(body)} == {("data:image/jpeg", SOURCE.size)}
    assert sorted(len(pictures(body)) for body in server.requests) == [1, 2]


def test_imgedit_sends_the_pictures_with_all_their_pixels_and_neither_temperature_nor_tokens(
    server: ChatServer,  # noqa: F811
) -> None:
    judged(server, "imgedit")
    (body,) = server.requests
    assert not {"temperature", "max_tokens", "max_completion_tokens"} & body.keys()
    assert [(kind, image.size) for kind, image in pictures(body)] == [
        ("data:image/png", one.size) for one in (SOURCE, EDITED)
    ]
    assert [image.convert("RGB").tobytes() for _, image in pictures(body)] == [SOURCE.tobytes(), EDITED.tobytes()]


def test_rise_shrinks_pictures_to_768_and_asks_for_detail_at_temperature_0(server: ChatServer) -> None:  # noqa: F811
    protocol, of, said = CASES["rise causal"]
    replies(server, said)
    large = picture("blue", (1536, 300))
    protocol_scorer(protocol, {"base_url": server.url}).score([edit(of, large)])
    assert {image.size for body in server.requests for _, image in pictures(body)} == {(768, 150), SOURCE.size}
    assert {(body["temperature"], body["max_tokens"]) for body in server.requests} == {(0.0, 4096)}
    details = [
        part["image_url"]["detail"]
        for body in server.requests
        for part in body["messages"][0]["content"]
        if "image_url" in part
    ]
    assert set(details) == {"high"}


def test_kris_shows_frames_in_the_order_of_time_with_the_made_one_at_its_place(server: ChatServer) -> None:  # noqa: F811
    judged(server, "kris temporal")
    labels = [
        [part["text"] for part in body["messages"][0]["content"][1:] if part["type"] == "text"]
        for body in server.requests
    ]
    frames = ["Frame 1 (Reference):", "Frame 2 (Reference):", "Frame 3 (Generated):", "Frame 4 (Reference):"]
    assert sorted(labels, key=len) == [["This is the image to evaluate:"], frames, frames]


def test_the_settings_of_the_judge_are_sent_where_the_sampling_is_its_own(server: ChatServer) -> None:  # noqa: F811
    protocol, of, said = CASES["gedit"]
    replies(server, said)
    judge = {"base_url": server.url, "temperature": 0.5, "max_tokens": 99}
    protocol_scorer(protocol, judge, sampling="judge").score([edit(of)])
    assert {(body["temperature"], body["max_tokens"]) for body in server.requests} == {(0.5, 99)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((5, 5, 5), 5.0),
        ((3, 4, 2), 0.3 * 4 + 0.5 * 3 + 0.2 * 2),
        ((1, 5, 5), (0.3 * 5 + 0.5 + 0.2 * 5) / 2),
        ((1, 1, 1), 1.0),
        ((4, None, 3), 0.8 * 4 + 0.2 * 3),
        ((1, None, 5), 1.0),
        ((5, 1, None), 0.3 * 1 + 0.7 * 5),
        ((1, 5, None), max(1.0, (0.3 * 5 + 0.7) / 2)),
    ],
)
def test_the_rise_score_halves_what_is_not_reasoned_and_never_falls_below_1(values: Any, expected: float) -> None:
    reasoning, consistency, plausibility = values
    assert rise_score(reasoning, consistency, plausibility) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("columns", "expected"), [((), 0.3 * 4 + 0.5 * 3 + 0.2 * 5), (("consistency_free",), 0.8 * 3 + 0.2 * 5)]
)
def test_as_published_consistency_has_no_weight_where_the_data_have_the_column_consistency_free(
    columns: tuple[str, ...],
    expected: float,
    server: ChatServer,  # noqa: F811
) -> None:
    """The file of 64 items of the benchmark's repository has no such column, the full one has it."""
    protocol, of, said = CASES["rise causal"]
    replies(server, said)
    of = replace(of, attributes={**of.attributes, "columns": columns})
    scorer = protocol_scorer(protocol, {"base_url": server.url}, as_published=True)
    (verdict,) = scorer.score([edit(of)])
    assert verdict.dimensions["protocol_score"] == pytest.approx(expected)
    (ours,) = protocol_scorer(protocol, {"base_url": server.url}).score([edit(of)])
    assert ours.dimensions["protocol_score"] == pytest.approx(0.3 * 4 + 0.5 * 3 + 0.2 * 5)
    server.requests.clear()
    assert judged(server, "rise logical by text", as_published=True).dimensions["protocol_score"] == pytest.approx(1.1)


def test_the_weights_of_rise_as_published_are_in_the_key_of_the_verdict() -> None:
    protocol, of, _ = CASES["rise causal"]
    scorer = protocol_scorer(protocol, as_published=True)
    asked = [replace(of, attributes={**of.attributes, "columns": told}) for told in ((), ("consistency_free",))]
    one, other = (question_key(scorer.question(each)) for each in asked)
    assert one != other


def test_as_published_imgedit_takes_the_mean_of_however_many_lines_there_are(server: ChatServer) -> None:  # noqa: F811
    protocol, of, _ = CASES["imgedit"]
    replies(server, {"another style": "Style: 5\nPreservation: 4\nRendering: good"})
    judge = {"base_url": server.url, "max_retries": 0}
    (strict,) = protocol_scorer(protocol, judge).score([edit(of)])
    (published,) = protocol_scorer(protocol, judge, as_published=True).score([edit(of)])
    assert (strict.status, strict.score) == (Status.UNPARSABLE, None)
    assert published.dimensions["protocol_score"] == 4.5


@pytest.mark.parametrize(
    ("reply", "ours", "published"),
    [
        ("Brief reasoning: one seam.\nScore: 4", 4.0, 4.0),
        ("Brief reasoning: one seam. Score: 2.", 2.0, None),
        ("Brief reasoning: logos replaced. Score: 3 (Acceptable)", 3.0, None),
        ("**Score:** 3/5", 3.0, None),
        ("Score: 2\nor rather\nScore: 4", None, 3.0),
        ("Score: 3/10", None, None),
        ("Score: 6", None, None),
        ("Rating: 4", None, 4.0),
    ],
)
def test_the_score_of_the_uge_suite_is_the_stated_number_and_as_published_the_mean_of_whole_lines(
    reply: str,
    ours: float | None,
    published: float | None,
    server: ChatServer,  # noqa: F811
) -> None:
    replies(server, {"as a whole": reply})
    judge = {"base_url": server.url, "max_retries": 0}
    for wanted, as_published in ((ours, False), (published, True)):
        scorer = protocol_scorer("imgedit-uge@2025-09", judge, as_published=as_published)
        (verdict,) = scorer.score([edit(sample("uge"))])
        assert verdict.dimensions.get("protocol_score") == wanted
        assert (verdict.status is Status.SCORED) == (wanted is not None)


def test_as_published_kris_takes_the_first_digit_and_leaves_the_explanation_of_an_anomaly_out(
    server: ChatServer,  # noqa: F811
) -> None:
    of = sample("anomaly_correction", attributes={"explain_en": "Fish swim."})
    replies(
        server,
        {
            "consistency_score:": "4 of the 5 are kept",
            "instruction_score:": '{"instruction_score": 2}',
            "quality_score:": '{"quality_score": 3}',
        },
    )
    judge = {"base_url": server.url, "max_retries": 0}
    (strict,) = protocol_scorer("kris@2025-05", judge).score([edit(of)])
    assert (strict.status, strict.score) == (Status.UNPARSABLE, None)
    assert any("Fish swim." in body["messages"][0]["content"][0]["text"] for body in server.requests)
    server.requests.clear()
    (published,) = protocol_scorer("kris@2025-05", judge, as_published=True).score([edit(of)])
    assert published.dimensions["consistency_score"] == 4.0
    assert not any("Fish swim." in body["messages"][0]["content"][0]["text"] for body in server.requests)


@pytest.mark.parametrize("category", CRITERIA)
def test_imgedit_asks_for_three_lines_by_the_names_of_the_edit_type(category: str) -> None:
    (prompt,) = protocol_scorer("imgedit@2025-09").judge_prompts(sample(category))
    asked = [line for line in prompt.text.splitlines() if line.endswith(": N")]
    assert asked == [f"{name}: N" for name in CRITERIA[category]]
    assert prompt.request(()).parse("\n".join(line.replace("N", "4") for line in asked)) == dict.fromkeys(
        prompt.dimensions, 4.0
    )


@pytest.mark.parametrize("category", sorted(KNOWLEDGE))
def test_kris_judges_knowledge_in_its_ten_categories_alone(category: str) -> None:
    asked = [prompt.dimensions for prompt in protocol_scorer("kris@2025-05").judge_prompts(sample(category))]
    assert asked == [("consistency_score",), ("instruction_score", "knowledge_score"), ("quality_score",)]
    (_, other, _) = protocol_scorer("kris@2025-05").judge_prompts(sample("color_change"))
    assert other.dimensions == ("instruction_score",)


@pytest.mark.parametrize(
    ("protocol", "of", "told"),
    [
        ("imgedit@2025-09", sample("causal"), "edit type"),
        ("rise@2026-05", sample("causal"), "by category"),
        ("rise@2026-05", sample("causal_reasoning"), "reference as text, and"),
        ("rise@2026-05", sample("causal_reasoning", reference=lazy(REFERENCE)), "reference as text, and"),
        ("rise@2026-05", sample("logical_reasoning"), "or as a picture"),
        ("kris@2025-05", sample("viewpoint_change"), "no reference image"),
        ("kris@2025-05", sample("temporal_prediction"), "frames"),
        ("kris@2025-05", sample("physics", further_sources=(lazy(REFERENCE),)), "1 of the sample's 2 source pictures"),
        ("gedit@2025-05", sample(further_sources=(lazy(REFERENCE),)), "1 of the sample's 2 source pictures"),
        ("uniredit@2026-08", sample(), "no reference image"),
    ],
)
def test_a_sample_that_a_protocol_cannot_judge_is_not_applicable_and_says_why(
    protocol: str, of: Any, told: str
) -> None:
    assert told in str(protocol_scorer(protocol).inapplicable(of))


def test_one_line_of_a_yaml_names_a_protocol_alone_and_in_a_combination() -> None:
    section = ClassConfig.model_validate({"protocol": "gedit@2025-05"})
    handle = JudgeHandle(ModelConfig(class_path=JUDGE, params={"base_url": "http://127.0.0.1:9/v1"}))
    scorer = build_scorer(ModelConfig(**section.model_dump()), ScorerSetting(handle))
    assert isinstance(scorer, ProtocolScorer)
    parts = [{"protocol": "gedit@2025-05", "weight": 2}, {"protocol": "rise@2026-05"}]
    combined = CombinedScorer({"parts": parts}, ScorerSetting(handle))
    assert combined.inapplicable(sample()) is None
    assert list(combined.left_out(sample())) == ["rise@2026-05"]


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"protocol": "gedit@2025-04"}, "gedit@2025-05"),
        ({"protocol": ["gedit@2025-05"]}, "protocol"),
        ({"protocol": None}, "protocol"),
        ({"protocol": "gedit@2025-05", "params": {"protocol": 7}}, "protocol"),
        ({"protocol": "gedit@2025-05", "params": {"as_publishd": True}}, "as_published"),
        ({"protocol": "rise@2026-05", "params": {"repeats": 3}}, "temperature 0"),
        ({"protocol": "gedit@2025-05", "params": {"official_prompts": "/nowhere"}}, "vie_prompts.py"),
    ],
)
def test_a_wrong_section_is_refused_before_anything_loads(section: dict[str, Any], told: str) -> None:
    config = ClassConfig.model_validate(section)
    handle = JudgeHandle(ModelConfig(class_path=JUDGE, params={"base_url": "http://127.0.0.1:9/v1"}))
    with pytest.raises(ConfigError, match=told):
        build_scorer(ModelConfig(**config.model_dump()), ScorerSetting(handle))


def test_a_section_with_class_and_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="either class_path or protocol"):
        ClassConfig.model_validate({"protocol": "gedit@2025-05", "class_path": "a.B"})


@pytest.mark.parametrize("params", [{"compare_with_original": False}, {"score_mode": "expected"}])
def test_a_judge_that_contradicts_the_protocol_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(params))):
        protocol_scorer("gedit@2025-05", {"base_url": "http://127.0.0.1:9/v1", **params})


def test_gedit_may_be_repeated_though_the_judges_own_temperature_is_0() -> None:
    assert protocol_scorer("gedit@2025-05", repeats=3).judge_calls(sample()) == 6


def test_a_judge_that_takes_no_settings_with_a_question_samples_by_its_own() -> None:
    judge = ModelConfig(class_path="tests.scripted_judge.ScriptedJudge", params={"script": {}})
    scorer = ProtocolScorer({"protocol": "gedit@2025-05"}, ScorerSetting(JudgeHandle(judge)))
    assert scorer.identity()["protocol"]["sampling"] == "judge"
    assert {prompt.delivery.sampling for prompt in scorer.judge_prompts(sample()) if prompt.delivery} == {None}
    assert protocol_scorer("gedit@2025-05").identity()["protocol"]["sampling"] == "protocol"


def test_what_decides_a_verdict_is_in_its_key() -> None:
    def key(**params: Any) -> str:
        scorer = protocol_scorer("imgedit@2025-09", **params)
        return json.dumps([scorer.identity(), question_key(scorer.question(sample()))], sort_keys=True)

    keys = [key(), key(as_published=True), key(sampling="judge")]
    assert len(set(keys)) == 3
    assert key() == keys[0]


def test_every_protocol_states_itself() -> None:
    assert PROTOCOLS.keys() == FACTS.keys()
    for name, protocol in PROTOCOLS.items():
        assert type(protocol).__doc__
        assert f"`{name}`" in str(type(protocol).__doc__)
        assert protocol_scorer(name).prompt_versions()


def test_complex_edit_asks_20_times_with_the_rubric_as_system_and_binds_replies_to_a_schema(
    server: ChatServer,  # noqa: F811
) -> None:
    protocol, of, _ = CASES["complex-edit"]

    def script(body: dict[str, Any], number: int) -> Answer:
        names = body["response_format"]["json_schema"]["schema"]["required"]
        said = [json.dumps(dict.fromkeys(names, str(place % 2 * 10))) for place in range(body["n"])]
        return Answer(completion() | {"choices": [completion(text)["choices"][0] for text in said]})

    server.script = script
    (verdict,) = protocol_scorer(protocol, {"base_url": server.url}).score([edit(of)])
    assert (verdict.score, len(verdict.repeats or ())) == (5.0, 20)
    assert [body["n"] for body in server.requests] == [20, 20]
    for body in server.requests:
        assert (body["temperature"], body["max_tokens"]) == (1.0, 512)
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
    kinds = [[part["type"] for part in body["messages"][1]["content"]] for body in server.requests]
    assert sorted(kinds) == [["image_url"], ["image_url", "image_url", "text"]]
