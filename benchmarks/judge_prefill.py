"""What a judge reads for one and for five dimensions: a question for each, behind a common beginning, or one for all.

Tokens are counted by a miniature judge's own processor, on the prompts that `SixDimensionScorer` asks and the pictures
of the miniature benchmark. A server with prefix caching (vLLM) computes the common beginning once.
"""

from __future__ import annotations

from itertools import takewhile
from statistics import fmean
from typing import Any

from benchmarks.harness import close, command_line, show
from benchmarks.models import judge_folder
from src.config import ModelConfig
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.models.vlm.question import before_and_after
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import ScorerSetting
from src.rewards.scorers.six_dimension import SixDimensionScorer

BENCHMARK, SAMPLES = "assets/miniature/benchmark.json", 20
JUDGE = "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"


def prompts(scorer: SixDimensionScorer, sample: EditSample, judge: Any) -> list[list[int]]:
    """The tokens of each question about a sample's edit."""
    pixels = sample.given_source.decode()
    images = before_and_after(pixels, pixels)
    questions = [asked.request(images).question for asked in scorer.judge_prompts(sample)]
    return [judge.encode([question])["input_ids"][0].tolist() for question in questions]


def common_beginning(several: list[list[int]]) -> int:
    """How many tokens all prompts begin with."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*several, strict=False)))


def measure() -> float:
    """Shows the table; the share of the five prompts that is a beginning computed before."""
    with judge_folder() as folder:
        handle = JudgeHandle(ModelConfig(class_path=JUDGE, params={"model_name": folder, "device": "cpu"}))
        judge = handle.load()
        one, five = (SixDimensionScorer({"calls": calls}, ScorerSetting(handle)) for calls in ("one", "five"))
        samples = [s for s in load_samples(BENCHMARK, Selection(limit=SAMPLES)) if isinstance(s, EditSample)]
        together = fmean(len(prompts(one, sample, judge)[0]) for sample in samples)
        apart = [prompts(five, sample, judge) for sample in samples]
    single = fmean(len(several[0]) for several in apart)
    total = fmean(sum(map(len, several)) for several in apart)
    reused = fmean((len(several) - 1) * common_beginning(several) for several in apart)
    rows = [
        ["1", "1", f"{single:.0f}", f"{single:.0f}"],
        ["5, one question", "1", f"{together:.0f}", f"{together:.0f}"],
        ["5, five questions", "5", f"{total:.0f}", f"{total - reused:.0f}"],
    ]
    columns = ["dimensions", "calls", "prompt tokens", "computed with prefix caching"]
    show(f"a judge's reading for one edit, mean of {len(samples)} samples", columns, rows)
    return reused / total


def main() -> None:
    """The most possible is 4/5: four of five prompts that differ in nothing."""
    command_line(__doc__).parse_args()
    close("judge_prefill", measure(), "reused beginning / tokens of five prompts", ">= 0.5")


if __name__ == "__main__":
    main()
