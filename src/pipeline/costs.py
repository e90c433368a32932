"""What a run will take besides time: judge calls, tokens, money and disk, and where each number comes from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from src.data.sample import EditSample
from src.pipeline.budget import has_unpriced
from src.pipeline.plan import RunPlan
from src.pipeline.rates import Measured, earlier_edit_bytes, earlier_usage
from src.record.record import Record
from src.reporting.wording import byte_size
from src.rewards.core.judge_prompt import JudgedQuestion, JudgePrompt
from src.rewards.scorers.combined import CombinedQuestion

BYTES_OF_A_TOKEN = 4
PIXELS_OF_A_TOKEN = 28 * 28
"""The rule where nothing was measured: a token for so much of the text (UTF-8), and of each picture (as Qwen-VL)."""

MADE_BYTES = 4_000_000
"""The rule where nothing was measured: bytes of a picture of text alone."""


@dataclass
class Load:
    """What is to be done, with or without `--resume`."""

    edits: int = 0
    verdicts: int = 0
    calls: int = 0
    """Questions to the judge, without those that are asked again."""
    prompt_tokens: float = 0.0
    """Prompt tokens of these questions, by the rule of thumb above."""
    picture_bytes: int = 0
    """Encoded sources of the samples whose edits are to be made, and `MADE_BYTES` for each that has none."""
    made_of_text: int = 0
    """Edits that are pictures of text alone."""

    def add_edit(self, source_bytes: int | None) -> None:
        """Counts an edit; None for a picture of text alone."""
        self.edits += 1
        self.made_of_text += source_bytes is None
        self.picture_bytes += MADE_BYTES if source_bytes is None else source_bytes

    def add_verdict(self, plan: RunPlan, sample: EditSample, question: Any, source_size: tuple[int, int]) -> None:
        """Counts a verdict; all its pictures are taken to be as large as the source."""
        self.verdicts += 1
        calls = plan.scoring.scorer.judge_calls(sample)
        self.calls += calls
        prompts = _prompts(question)
        if prompts:
            picture = _shown_pixels(plan, source_size) / PIXELS_OF_A_TOKEN
            text = sum(len((one.system + one.text).encode("utf-8", "replace")) for one in prompts) / BYTES_OF_A_TOKEN
            pictures = sum(len(one.shows) for one in prompts) * picture
            self.prompt_tokens += (text + pictures) * calls / len(prompts)


def _prompts(question: Any) -> list[JudgePrompt]:
    """The prompts that a scorer's question holds; none for a scorer that asks in its own way."""
    if isinstance(question, CombinedQuestion):
        return [prompt for part in question.parts.values() for prompt in _prompts(part.question)]
    return list(question.prompts) if isinstance(question, JudgedQuestion) else []


def _shown_pixels(plan: RunPlan, size: tuple[int, int]) -> float:
    """Estimates the pixels of a picture as the judge gets it."""
    longest = _judge_param(plan, "image_max_side") or max(size)
    scale = min(1.0, longest / max(size))
    return size[0] * size[1] * scale**2


def _judge_param(plan: RunPlan, *names: str) -> Any:
    """The first of these params that the judge has, with its default; None where it has none of them."""
    judge = plan.scoring.judge
    typed = judge.model_class.Params(**judge.params) if judge and judge.model_class.Params else None
    return next((getattr(typed, name) for name in names if getattr(typed, name, None) is not None), None)


@dataclass(frozen=True)
class _Costs:
    """The amounts of one load; None for what nobody knows."""

    calls: float
    tokens_in: float | None
    tokens_out: float | None
    money: float | None
    disk: float


def cost_lines(plan: RunPlan, left: Load, whole: Load, record: Record | None) -> Iterator[str]:
    """Lines that say what a run takes, and by which rule or measurement that is known.

    Args:
        plan: What the run would do.
        left: How much there is to do with `--resume`.
        whole: How much there is to do without it; equal where there is no record yet.
        record: The record of the output directory, if there is one.
    """
    info, output_dir = plan.info(), plan.config.evaluation.output_dir
    usage, sizes = earlier_usage(info, output_dir), earlier_edit_bytes(info, output_dir)
    now, anew = (_costs(plan, load, usage, sizes) for load in (left, whole))

    def ways(said: Callable[[_Costs], str]) -> str:
        return said(anew) if left == whole else f"with --resume {said(now)}; without, {said(anew)}"

    if whole.calls:
        measured = usage and f"mean of {usage.count} verdicts in {usage.source}"
        of_calls = measured if usage and "calls" in usage.means else "one a question; what is asked again comes on top"
        yield f"calls    {ways(lambda costs: f'{costs.calls:,.0f}')} ({of_calls})"
        rule = (
            f"in: a token for {BYTES_OF_A_TOKEN} bytes of text and for {PIXELS_OF_A_TOKEN} pixels of each picture; "
            "out: at most the longest reply"
        )
        of_tokens = measured if usage and "prompt_tokens" in usage.means else rule
        yield f"tokens   {ways(_tokens)}{'' if anew.tokens_in is None else f' ({of_tokens})'}"
        if (priced := _money_line(plan, ways, anew)) is not None:
            yield priced
    yield _disk_line(plan, ways, anew, sizes, whole)
    yield from _budget_lines(plan, now if record else anew, record)


def measured_price(plan: RunPlan) -> float | None:
    """The mean price of a call in an earlier run, at today's prices, by which `cost_lines` counts; None without one."""
    usage = earlier_usage(plan.info(), plan.config.evaluation.output_dir)
    money = _costs(plan, Load(verdicts=1), usage, None).money
    calls = usage.means.get("calls") if usage else None
    return money / calls if money is not None and calls else None


def _costs(plan: RunPlan, load: Load, usage: Measured | None, sizes: Measured | None) -> _Costs:
    means = usage.means if usage else {}
    longest = _judge_param(plan, "max_tokens", "max_new_tokens")
    tokens_in = tokens_out = money = None
    if "prompt_tokens" in means and "completion_tokens" in means:
        tokens_in, tokens_out = load.verdicts * means["prompt_tokens"], load.verdicts * means["completion_tokens"]
    elif longest is not None and (load.prompt_tokens or not load.verdicts):
        tokens_in, tokens_out = load.prompt_tokens, load.calls * longest
    prices = [_judge_param(plan, f"price_per_million_{kind}_tokens") for kind in ("prompt", "completion")]
    if tokens_in is not None and tokens_out is not None and None not in prices:
        money = (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6
    return _Costs(
        calls=load.verdicts * means["calls"] if "calls" in means else load.calls,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        money=money,
        disk=load.edits * sizes.means["bytes"] if sizes else load.picture_bytes,
    )


def _tokens(costs: _Costs) -> str:
    if costs.tokens_in is None or costs.tokens_out is None:
        return "unknown; run a few samples first (--limit)"
    return f"{costs.tokens_in:,.0f} in, {costs.tokens_out:,.0f} out"


def _money_line(plan: RunPlan, ways: Callable[[Callable[[_Costs], str]], str], anew: _Costs) -> str | None:
    """Says what the work would cost; None for a judge that cannot have prices."""
    judge = plan.scoring.judge
    fields = judge.model_class.Params.model_fields if judge and judge.model_class.Params else {}
    if "price_per_million_prompt_tokens" not in fields:
        return None
    if _judge_param(plan, "price_per_million_prompt_tokens") is None:
        return "money    unknown: reward_model.params has no price_per_million_prompt_tokens and …_completion_tokens"
    written = _judge_param(plan, "prices_as_of")
    when = f"prices of {written}" if written else "prices of unknown age: date them by reward_model.params.prices_as_of"
    known = "unknown" if anew.money is None else ways(lambda costs: f"{costs.money:,.4f}")
    return f"money    {known} ({when})"


def _disk_line(
    plan: RunPlan, ways: Callable[[Callable[[_Costs], str]], str], anew: _Costs, sizes: Measured | None, whole: Load
) -> str:
    if not plan.config.evaluation.save_generated_images:
        return "disk     each edited picture goes when its verdict is final (save_generated_images: false)"
    folder = plan.config.evaluation.output_dir.absolute()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    rule = f"mean of {sizes.count} in {sizes.source}" if sizes else _size_rule(whole)
    enough = "" if anew.disk < free else ": TOO LITTLE"
    needed = ways(lambda costs: byte_size(costs.disk))
    return f"disk     {needed} of edited pictures ({rule}); {byte_size(free)} free{enough}"


def _size_rule(load: Load) -> str:
    rules = ["as large as the files of their sources"] if load.edits > load.made_of_text or not load.edits else []
    return "; ".join(rules + [f"{byte_size(MADE_BYTES)} for each of text alone"] * bool(load.made_of_text))


def _budget_lines(plan: RunPlan, costs: _Costs, record: Record | None) -> Iterator[str]:
    limits = plan.config.evaluation.budget
    if limits is None:
        return
    paid = record.paid_usage(plan.run_key) if record else []
    needs = {"usd": ("cost", costs.money), "judge_calls": ("calls", costs.calls)}
    for name, limit in limits.model_dump(exclude_none=True).items():
        if name not in needs:
            yield f"budget   {name} {limit:g}: the run stops there, see time"
            continue
        amount, needed = needs[name]
        spent = sum(usage.get(amount, 0.0) for usage in paid)
        rest = f"budget   {name} {limit:g}, {spent:,.4g} of it spent by earlier attempts"
        if needed is None or (name == "usd" and has_unpriced(paid)):
            yield f"{rest}: whether that suffices is unknown"
        elif spent + needed <= limit:
            yield f"{rest}: suffices"
        else:
            yield f"{rest}: does not suffice, the run stops before all is done"
