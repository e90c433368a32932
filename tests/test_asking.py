from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from src.data.verdict import Status
from src.errors import ModelUnusable
from src.models.reward.base_reward import JudgeRequest
from src.models.reward.vision_language_judge import NoScore
from src.models.vlm.asking import MOST_ATTEMPTS, Answer, ScoreRequest, ask_repeatedly, score_request
from src.models.vlm.asking import ask as ask_all
from src.models.vlm.question import Question, before_and_after
from tests.scripted_judge import BlindJudge, ForgetfulJudge, ScriptedJudge, TiringJudge

SOURCE = Image.new("RGB", (4, 4), "red")
EDITED = Image.new("RGB", (4, 4), "blue")


def question(text: str, **changes: Any) -> Question:
    return Question("You judge.", before_and_after(SOURCE, EDITED), text, **changes)


def ask(replies: list[Any], **changes: Any) -> tuple[Answer, ScriptedJudge]:
    judge = ScriptedJudge({"script": {"q": replies}})
    (answer,) = ask_all(judge, [score_request(question("q", **changes))])
    return answer, judge


def score(answer: Answer) -> float | None:
    return None if answer.values is None else answer.values["score"]


def test_answers_come_in_the_order_of_the_questions() -> None:
    judge = ScriptedJudge(
        {"script": {"first": ["hm", "Score: 1"], "second": ["Score: 2"], "third": ["hm", "Score: 3"]}}
    )
    answers = ask_all(judge, [score_request(one) for one in (question("first"), question("second"), question("third"))])
    assert [score(answer) for answer in answers] == [1.0, 2.0, 3.0]
    assert [[asked.text for asked in call] for call in judge.asked] == [
        ["first", "second", "third"],
        ["first", "third"],
    ]


def test_an_unreadable_reply_is_asked_again_and_every_reply_is_kept_and_paid_for() -> None:
    answer, _ = ask(["no idea", "Score: 6\nScore: 7", "Score: 7"])
    assert (answer.status, score(answer), answer.reason) == (Status.SCORED, 7.0, None)
    assert answer.replies == ("no idea", "Score: 6\nScore: 7", "Score: 7")
    assert answer.usage == {"calls": 3, "cost": 0.75}
    assert (answer.model, answer.seconds) == ("scripted-2", 1.5)


@pytest.mark.parametrize(
    ("reply", "status", "reason", "calls"),
    [
        ("no idea", Status.UNPARSABLE, "holds no score", MOST_ATTEMPTS),
        ("Score: 11", Status.UNPARSABLE, "outside 0–10", MOST_ATTEMPTS),
        ({"text": "Score: 7", "finish_reason": "length"}, Status.JUDGE_FAILED, "cut off", MOST_ATTEMPTS),
        ({"text": " \n"}, Status.JUDGE_FAILED, "empty", MOST_ATTEMPTS),
        ({"error": "no answer after 5 retries"}, Status.JUDGE_FAILED, "no answer after 5 retries", 1),
        ({"refusal": "I cannot help"}, Status.REFUSED, "I cannot help", 1),
        ({"text": "Score: 5", "expected_score": 10.5}, Status.JUDGE_FAILED, "outside 0–10", 1),
        ({"text": "Score: 5", "expected_score": float("nan")}, Status.JUDGE_FAILED, "outside 0–10", 1),
        ("boom", Status.JUDGE_FAILED, "RuntimeError: the lights went out", 1),
    ],
)
def test_each_failure_has_its_status_and_reason_and_no_score(
    reply: Any, status: Status, reason: str, calls: int
) -> None:
    answer, judge = ask([reply])
    assert (answer.status, score(answer)) == (status, None)
    assert reason in str(answer.reason)
    assert len(judge.asked) == calls


def test_a_refusal_after_an_unreadable_reply_ends_the_asking() -> None:
    answer, judge = ask(["hm", {"refusal": "no more"}, "Score: 7"])
    assert answer.status is Status.REFUSED
    assert answer.replies == ("hm", "no more")
    assert len(judge.asked) == 2


def test_an_expected_score_refines_the_score_that_the_text_gives() -> None:
    answer, _ = ask([{"text": "Score: 7", "finish_reason": "stop", "expected_score": 6.8}])
    assert score(answer) == 6.8
    answer, _ = ask([{"text": "12", "expected_score": 12.3}], score_range=(0.0, 25.0))
    assert score(answer) == 12.3


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"text": "Score: 7", "finish_reason": "length"}, Status.JUDGE_FAILED),
        ({"text": "<think>Score: 3? No"}, Status.UNPARSABLE),
        ({"text": "Score: 4/5"}, Status.UNPARSABLE),
        ({"text": "Score: 7-8"}, Status.UNPARSABLE),
        ({"text": "Score: 6\nScore: 7"}, Status.UNPARSABLE),
        ({"text": "Score: 85"}, Status.UNPARSABLE),
        ({"text": ""}, Status.JUDGE_FAILED),
    ],
)
def test_without_a_score_in_the_text_an_expected_score_counts_for_nothing(
    reply: dict[str, Any], status: Status
) -> None:
    answer, judge = ask([reply | {"expected_score": 6.8}])
    assert (answer.status, score(answer)) == (status, None)
    assert len(judge.asked) == MOST_ATTEMPTS


def test_an_expected_score_answers_no_question_that_asks_for_something_else() -> None:
    judge = ScriptedJudge({"script": {"q": [{"text": "yes, 2 of them", "expected_score": 2.0}]}})
    (answer,) = ask_all(judge, [ScoreRequest(question("q"), ("shown",), lambda reply: {"shown": 1.0})])
    assert answer.values == {"shown": 1.0}


def test_a_judge_that_fails_on_one_question_still_answers_its_neighbours() -> None:
    judge = ScriptedJudge({"script": {"good": ["Score: 9"], "bad": ["boom"]}})
    answers = ask_all(judge, [score_request(one) for one in (question("good 1"), question("bad"), question("good 2"))])
    assert [score(answer) for answer in answers] == [9.0, None, 9.0]
    assert answers[1].status is Status.JUDGE_FAILED


def test_replies_that_do_not_match_the_questions_in_number_are_never_assigned() -> None:
    judge = ForgetfulJudge({"script": {"a": ["Score: 1"], "b": ["Score: 2"]}})
    assert [
        score(answer) for answer in ask_all(judge, [score_request(one) for one in (question("a"), question("b"))])
    ] == [1.0, 2.0]


def test_an_unusable_judge_stops_everything() -> None:
    with pytest.raises(ModelUnusable, match="wrong key"):
        ask(["unusable"])


def test_no_question_is_no_call() -> None:
    judge = ScriptedJudge({"script": {}})
    assert ask_all(judge, []) == []
    assert judge.asked == []


def test_every_vision_language_judge_keeps_the_older_score_method() -> None:
    judge = ScriptedJudge({"script": {"rate": ["hm", "Rating: 8,5"]}})
    assert judge.score(EDITED, "a sky", "bluer", "You judge.", "rate it", original_image=SOURCE) == 8.5
    asked = judge.asked[0][0]
    assert [shown.image for shown in asked.images] == [SOURCE, EDITED]
    assert (asked.system_prompt, asked.text) == ("You judge.", "rate it")
    judge.score(EDITED, "a sky", "bluer", "You judge.", "rate it")
    assert [shown.image for shown in judge.asked[-1][0].images] == [EDITED]


def test_the_older_methods_raise_where_there_is_no_score() -> None:
    judge = ScriptedJudge({"script": {"rate": [{"refusal": "I cannot help"}]}})
    with pytest.raises(NoScore, match=r"refused.*I cannot help"):
        judge.judge(JudgeRequest(EDITED, SOURCE, "", "", "You judge.", "rate it"))


def test_a_judge_that_does_not_compare_is_not_shown_the_source() -> None:
    judge = BlindJudge({"script": {"rate": ["7"]}})
    judgement = judge.judge(JudgeRequest(EDITED, SOURCE, "", "", "You judge.", "rate it"))
    assert (judgement.score, judgement.replies) == (7.0, ("7",))
    assert [shown.image for shown in judge.asked[0][0].images] == [EDITED]


def test_the_value_of_a_repeated_enquiry_is_the_mean_of_the_replies_that_could_be_read() -> None:
    judge = TiringJudge({"scores": ["4", "hm", "8", "1", "hm", "hm"]})
    answers = ask_repeatedly(judge, [score_request(question("first")), score_request(question("second"))], repeats=2)
    assert [score(answer) for answer in answers] == [4.0, 4.5]
    assert answers[0].replies == ("4", "hm", "hm", "hm")


def test_a_repeated_enquiry_without_any_value_keeps_the_status_of_its_last_reply() -> None:
    (answer,) = ask_repeatedly(TiringJudge({"scores": ["hm"] * 6}), [score_request(question("q"))], repeats=2)
    assert (answer.status, answer.values) == (Status.UNPARSABLE, None)
