"""Whether a judge says the same in this process and behind a server: the same weights, prompts and pictures.

    python -m benchmarks.judge_agreement --base-url http://127.0.0.1:8000/v1 --model judge

`docs/serving_judges.md` says how the server is started. Edits are those of the miniature benchmark, in turn: the exact
result, the untouched source, and the two blended. Differences come from what the server does to chat template,
pictures and sampling; the last digits of a number type may swap two nearly equal tokens.
"""

from __future__ import annotations

import math
from statistics import fmean

from PIL import Image
from scipy.stats import spearmanr

from benchmarks.harness import close, command_line, show
from benchmarks.models import SHIPPED_JUDGE
from src.config import ModelConfig
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.data.verdict import Verdict
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.category import CategoryScorer

JUDGES = "src.models.reward.implementations"


def edits(benchmark: str, count: int) -> list[EditedSample]:
    """The first samples with a reference: exact, untouched, and half-way edits in turn."""
    made: list[EditedSample] = []
    for sample in load_samples(benchmark, Selection()):
        if not isinstance(sample, EditSample) or sample.reference is None:
            continue
        source, target = sample.given_source.decode(), sample.reference.decode()
        edited = (target, source, Image.blend(source, target, 0.5))[len(made) % 3]
        made.append(EditedSample(sample, source, edited))
        if len(made) == count:
            break
    return made


def verdicts(class_name: str, params: dict[str, object], judged: list[EditedSample]) -> list[Verdict]:
    """What `CategoryScorer` makes of the judge's replies."""
    handle = JudgeHandle(ModelConfig(class_path=f"{JUDGES}.{class_name}", params=params))
    scorer = CategoryScorer({}, ScorerSetting(handle))
    scorer.load()
    return scorer.score(judged)


def agreement(local: list[Verdict], served: list[Verdict]) -> dict[str, float]:
    """Shares of all edits; differences and rank correlation over those that both judges scored."""
    pairs = [
        (a.score, b.score) for a, b in zip(local, served, strict=True) if a.score is not None and b.score is not None
    ]
    varied = all(len(set(side)) > 1 for side in zip(*pairs, strict=True)) if pairs else False
    return {
        "edits": len(local),
        "scored by both": len(pairs),
        "same words": fmean(a.replies == b.replies for a, b in zip(local, served, strict=True)),
        "same score": sum(a == b for a, b in pairs) / len(local),
        "mean difference": fmean(abs(a - b) for a, b in pairs) if pairs else math.nan,
        "Spearman": float(spearmanr(*zip(*pairs, strict=True)).statistic) if varied else math.nan,
    }


def main() -> None:
    """The value is the share of edits to which both judges give the same score."""
    parser = command_line(__doc__)
    parser.add_argument("--base-url", required=True, help="where the server listens, /v1 included")
    parser.add_argument("--model", required=True, help="the model's name there")
    parser.add_argument("--judge", default=str(SHIPPED_JUDGE), help="folder of the same weights")
    parser.add_argument("--benchmark", default="assets/miniature/benchmark.json")
    parser.add_argument("--edits", type=int, default=40)
    parser.add_argument("--max-tokens", type=int, default=24)
    asked = parser.parse_args()
    judged = edits(asked.benchmark, asked.edits)
    pictures = {"compare_with_reference": False}  # the miniature judge knows two pictures
    local_params = {"model_name": asked.judge, "device": "cpu", "max_new_tokens": asked.max_tokens, "batch_size": 8}
    served_params = {"model": asked.model, "base_url": asked.base_url, "max_tokens": asked.max_tokens}
    local = verdicts("qwen3_vl_reward.Qwen3VLRewardModel", local_params | pictures, judged)
    served = verdicts("openai_reward.OpenAIRewardModel", served_params | pictures, judged)
    found = agreement(local, served)
    show("judge here and behind a server", list(found), [[f"{value:.4g}" for value in found.values()]])
    for verdict in served:
        if verdict.score is None:
            show("first edit without a score", ["status", "why"], [[verdict.status, str(verdict.reason)]])
            break
    close("judge_agreement", found["same score"], "share of edits with the same score", ">= 0.95")


if __name__ == "__main__":
    main()
