"""An editor behind a server that asks for minutes: waited for, shown, broken off by Ctrl-C, bounded by `max_wait`."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from src.config import Config
from src.errors import ModelError
from src.models.diffusion.implementations.openai_image_edit import OpenAIImageEditModel
from src.models.diffusion.implementations.rewrite_editor import RewriteEditor
from src.pipeline.display import RunDisplay
from src.pipeline.evaluation import evaluate
from src.pipeline.tally import Tally
from src.record.record import Record
from tests.test_openai_image_edit import SOURCE, Server, editor, failure, picture, server  # noqa: F401 (fixtures)

Make = Callable[..., OpenAIImageEditModel]
EDITOR = "src.models.diffusion.implementations.openai_image_edit.OpenAIImageEditModel"


def test_a_pause_within_max_wait_is_waited_for_and_one_beyond_fails_the_edit_with_both_times(
    editor: Make, server: Server
) -> None:
    server.retry_after_ms = 400
    server.answers = [(429, failure("slow down")), (200, picture())]
    started = time.monotonic()
    assert editor(max_wait=0.5).edit_image(SOURCE, "x").size == (16, 16)
    assert time.monotonic() - started >= 0.4
    server.retry_after_ms = 2000
    server.answers = [(429, failure("slow down"))]
    with pytest.raises(ModelError, match=r"asks to wait 2 s.*at most 0\.5 s"):
        editor(max_wait=0.5).edit_image(SOURCE, "x")


def test_max_wait_is_no_part_of_the_editors_identity() -> None:
    patient = OpenAIImageEditModel.identity({"base_url": "http://x/v1", "max_wait": 7200})
    assert patient == OpenAIImageEditModel.identity({"base_url": "http://x/v1"})


def test_ctrl_c_during_a_pause_of_minutes_ends_the_run_at_once_and_leaves_the_samples_unedited(
    editor: Make,  # it sets the key
    server: Server,
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
) -> None:
    server.retry_after_ms = 300_000
    server.answers = [(429, failure("slow down"))]
    section = {"class_path": EDITOR, "params": {"base_url": server.url}}
    run = make_config(write_benchmark(3), diffusion_model=section)
    seen: list[float] = []

    def tick(tally: Tally) -> None:
        seen.append(tally.seconds_to_wait_to_edit())
        if seen[-1] > 0 and len(seen) == 1 + seen.count(0.0):  # once: a second Ctrl-C waits for nothing
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        evaluate(run, tick)
    assert time.monotonic() - started < 10
    assert 290 < max(seen) <= 301
    with closing(Record(run.evaluation.output_dir, for_reading=True)) as record:
        info = record.latest_run()
        assert [attempt.outcome for attempt in info.attempts] == ["interrupted"]
        assert {result.status for result in record.results(info.run_key)} == {None}

    server.answers = [(200, picture())]
    resumed = run.model_copy(update={"evaluation": run.evaluation.model_copy(update={"resume_from_checkpoint": True})})
    assert evaluate(resumed).report["statuses"] == {"scored": 3}


def test_an_editor_behind_a_policy_waits_and_is_broken_off_with_it() -> None:
    class Waiting:
        broken_off = False

        def seconds_to_wait(self) -> float:
            return 42.0

        def stop_waiting(self) -> None:
            self.broken_off = True

    rewriting = object.__new__(RewriteEditor)
    rewriting._editor = inner = Waiting()  # type: ignore[assignment]
    assert rewriting.seconds_to_wait() == 42
    rewriting.stop_waiting()
    assert inner.broken_off


@pytest.mark.parametrize("terminal", [True, False])
def test_the_display_says_how_long_the_editors_server_asks_to_wait(terminal: bool) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=200)
    with RunDisplay(console, quiet_seconds=0) as display:
        for _ in range(2):
            display.tick(Tally(seconds_to_wait_to_edit=lambda: 250.0))
    assert "the server asks to wait: 4 min 10 s yet" in shown.getvalue()
