"""Preference pairs of the miniature world: in the oracle's order, of edits of one source, and of no held-out source."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from src.data.preferences import PreferencePair, load_preferences
from src.miniature.judge.drawing import JUDGE_SEEDS, PairSettings, draw_chunk
from src.miniature.judge.pairs import JudgePairs, joined
from src.miniature.judge.preference_pairs import LEAST_GAP, PAIRS_OF_EDIT, preference_rows, write_preference_pairs


@pytest.fixture(scope="module")
def pairs() -> JudgePairs:
    return draw_chunk(PairSettings(JUDGE_SEEDS, candidates=4, outputs=0, editors=()), 0)


def written(pairs: JudgePairs, folder: Path, **settings: object) -> list[PreferencePair]:
    rows = preference_rows(pairs, folder / "images", "train", **settings)  # type: ignore[arg-type]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = list(load_preferences(str(folder / "pairs.jsonl")))
    assert all(isinstance(pair, PreferencePair) for pair in found), found
    return found  # type: ignore[return-value]


def test_the_winner_is_the_edit_that_the_oracle_scores_higher_by_the_margin(pairs: JudgePairs, tmp_path: Path) -> None:
    own = {
        (int(edit), pairs.pictures[after].tobytes()): float(score)
        for (edit, before, after), score in zip(pairs.rows, pairs.scores, strict=True)
        if before == pairs.sources[edit]
    }
    found = written(pairs, tmp_path)
    assert len(found) > 100
    for pair in found:
        edit = int(pair.pair_id.split("-")[1])
        assert np.array_equal(np.asarray(pair.source.decode()), pairs.pictures[pairs.sources[edit]])
        first, second = (own[edit, np.asarray(picture.decode()).tobytes()] for picture in pair.edits)
        assert pair.winner == ("a" if first > second else "b")
        assert pair.margin == pytest.approx(abs(first - second), abs=1e-3)
        assert pair.margin >= LEAST_GAP - 1e-3


def test_a_wins_about_as_often_as_b_and_no_edit_fills_the_file(pairs: JudgePairs, tmp_path: Path) -> None:
    found = written(pairs, tmp_path)
    wins = Counter(pair.winner for pair in found)
    assert abs(wins["a"] / len(found) - 0.5) < 0.1
    assert max(Counter(pair.pair_id.split("-")[1] for pair in found).values()) <= PAIRS_OF_EDIT


def test_sources_that_are_passed_over_are_in_no_pair(pairs: JudgePairs, tmp_path: Path) -> None:
    kept_out = {pairs.pictures[source].tobytes() for source in pairs.sources[:50]}
    found = written(pairs, tmp_path, passed_over=kept_out)
    assert found
    assert not kept_out & {np.asarray(pair.source.decode()).tobytes() for pair in found}


def test_held_out_pairs_are_written_alone_where_no_training_pairs_are_wanted(
    pairs: JudgePairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(folder: Path, settings: PairSettings, chunks: int) -> JudgePairs:
        folder.mkdir(parents=True)
        return joined([pairs] * chunks)

    monkeypatch.setattr("src.miniature.judge.preference_pairs.load_or_draw_judge_pairs", draw)
    alone = write_preference_pairs(tmp_path / "alone", chunks=0, held_out_chunks=1, editors=())
    assert alone == [tmp_path / "alone" / "held_out.jsonl"]
    both = write_preference_pairs(tmp_path / "both", chunks=1, held_out_chunks=1, editors=())
    assert both[0].read_bytes() == alone[0].read_bytes()
    assert both[1].name == "train.jsonl"
