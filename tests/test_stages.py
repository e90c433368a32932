"""The one flow of runs, trainings and audits, with what passes through it made by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.data.image import LazyImage
from src.data.sample import EditSample
from src.data.verdict import Status, Verdict
from src.errors import ModelUnusable
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditFailure
from src.pipeline.editing import PendingEdit, edit_within
from src.pipeline.editors import LocalEditor
from src.pipeline.pixels import PixelBudget
from src.pipeline.stages import Observer, Stages
from src.pipeline.work_item import PendingVerdict, WorkItem
from src.record.record import Record
from src.rewards.core.scorer import EditedSample, Scorer
from tests.conftest import png
from tests.plugins import BatchEditor, InvertEditor


class Asked(Scorer):
    """Scores 5, remembers what it was asked in each call, and fails on `raise`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[EditedSample]] = []

    def question(self, sample: EditSample) -> Any:
        return sample.instruction

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        self.calls.append(batch)
        if batch[0].sample.instruction == "raise":
            raise RuntimeError("out of ideas")
        if batch[0].sample.instruction == "forget":
            return []
        if batch[0].sample.instruction == "give up":
            raise ModelUnusable("the key is wrong")
        return [Verdict(Status.SCORED, 5.0) for _ in batch]


class Listener(Observer):
    """Writes down what it hears."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.heard: list[tuple[str, str, Any]] = []

    def edit_tried(self, item: WorkItem, failure: EditFailure | None) -> None:
        self.heard.append(("edit", item.sample_id, failure and failure.reason))

    def stored(self, item: WorkItem) -> None:
        self.heard.append(("stored", item.sample_id, self._record.has_edit(item.edit_key)))

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        known = self._record.has_verdict(pending.verdict_key)
        self.heard.append(("judged", pending.verdict_key, (verdict.status, known)))


SOURCE = LazyImage.from_bytes(png((10, 20, 30)))


def work(name: str, instruction: str = "x", questions: Sequence[Any] = ("q",), **changes: Any) -> WorkItem:
    sample = EditSample(name, 0, "物理", instruction, "", SOURCE)
    pending = [PendingVerdict(sample, f"{name}:{place}", asked) for place, asked in enumerate(questions)]
    return WorkItem(
        source=SOURCE,
        instruction=instruction,
        sample_id=name,
        source_size=(16, 16),
        edit_key=f"edit-{name}",
        pending_verdicts=pending,
        **changes,
    )


class Bench:
    """Stages over a record of their own."""

    def __init__(self, folder: Path, editor: BaseDiffusionModel | None, **options: Any) -> None:
        self.record = Record(folder)
        self.scorer, self.listener, self.pixels = Asked(), Listener(self.record), PixelBudget()
        loads = {"load_editors": lambda: [LocalEditor(editor)]} if editor else {}
        self.stages = Stages(self.record, self.scorer, self.listener, self.pixels, **loads, **options)

    def run(self, *items: WorkItem, **passes: bool) -> None:
        def read(stopping: threading.Event) -> Iterator[WorkItem]:
            yield from items

        self.stages.run(read, **passes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("hold_back", [True, False])
def test_the_scorer_gets_the_very_question_of_the_key_and_the_record_is_written_before_anybody_hears(
    folder: Path, hold_back: bool
) -> None:
    bench = Bench(folder, InvertEditor({}), hold_back=hold_back)
    with closing(bench.record):
        asked = object()
        bench.run(work("a", questions=[asked]))
        [[edit]] = bench.scorer.calls
        assert edit.question is asked
        assert (edit.source.getpixel((0, 0)), edit.edited.getpixel((0, 0))) == ((10, 20, 30), (245, 235, 225))
        assert bench.listener.heard == [
            ("edit", "a", None),
            ("stored", "a", True),
            ("judged", "a:0", (Status.SCORED, True)),
        ]
        assert bench.pixels.held == 0


def test_verdicts_of_one_edit_are_asked_for_one_by_one_or_in_one_call(folder: Path) -> None:
    bench = Bench(folder, InvertEditor({}))
    with closing(bench.record):
        bench.run(work("a", questions="pqr"))
        assert [[edit.question for edit in call] for call in bench.scorer.calls] == [["p"], ["q"], ["r"]]
        bench.scorer.calls.clear()
        picture = Image.new("RGB", (16, 16))
        bench.run(work("b", questions="pqr", in_one_call=True, to_edit=False, edited_pixels=picture), edits=False)
        assert [[edit.question for edit in call] for call in bench.scorer.calls] == [["p", "q", "r"]]
        assert all(edit.edited is picture for edit in bench.scorer.calls[0])


def test_a_scorer_that_fails_is_a_status_and_one_that_can_serve_nothing_stops_the_flow(folder: Path) -> None:
    bench = Bench(folder, InvertEditor({}))
    with closing(bench.record):
        bench.run(work("a", "raise"), work("b"), work("f", "forget"))
        judged = {name: said for kind, name, said in bench.listener.heard if kind == "judged"}
        assert judged == {
            "a:0": (Status.JUDGE_FAILED, False),
            "b:0": (Status.SCORED, True),
            "f:0": (Status.JUDGE_FAILED, False),
        }
        with pytest.raises(ModelUnusable, match="the key is wrong"):
            bench.run(work("c", "give up"))


def test_without_editing_only_what_has_an_edit_is_judged_and_without_judging_nothing_is(folder: Path) -> None:
    bench = Bench(folder, InvertEditor({}))
    with closing(bench.record):
        bench.run(work("a"), judges=False)
        assert bench.scorer.calls == []
        bench.run(work("a", to_edit=False), work("b"), edits=False)
        assert [edit.sample.sample_id for [edit] in bench.scorer.calls] == ["a"]
        assert not bench.record.has_edit("edit-b")


def test_an_item_about_which_nothing_is_asked_is_edited_and_stored_alone(folder: Path) -> None:
    bench = Bench(folder, InvertEditor({}))
    with closing(bench.record):
        bench.run(work("a", questions=()))
        assert bench.record.has_edit("edit-a")
        assert bench.scorer.calls == []
        assert bench.pixels.held == 0


def test_a_source_that_cannot_be_decoded_fails_alone_and_the_others_stay_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BatchEditor, "batches", [])
    broken = LazyImage.from_bytes(b"no picture")
    edits = [PendingEdit(source, "x", f"s{place}") for place, source in enumerate([SOURCE, broken, SOURCE])]
    first, failure, last = edit_within(PixelBudget(), BatchEditor({}), edits)
    assert (first, last, BatchEditor.batches) == (None, None, [2])
    assert failure is not None
    assert failure.of_source
    assert failure.reason.startswith("source image: not a readable image")
