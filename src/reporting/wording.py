"""How figures, names and texts from data are worded, in Markdown and on the console alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.counted import counted
from src.data import categories
from src.record.results import BUDGET_SPENT

CATEGORIES_NAMED = 8


def one_line(text: object) -> str:
    """Text from data without line breaks and without characters that steer a terminal or the reading direction."""
    line = str(text)
    if not line.isprintable():
        line = "".join(char if char.isprintable() else " " for char in line)
    return " ".join(line.split())


def category_label(name: str) -> str:
    """A category with its English meaning, if it has one."""
    return one_line(categories.category_label(name))


def left_out(categories: Mapping[str, int]) -> str:
    """What a selection passed over: `120 (环境 54, 社会 66)`, the most frequent categories first."""
    named = [f"{one_line(name)} {count}" for name, count in list(categories.items())[:CATEGORIES_NAMED]]
    more = ["…"] if len(categories) > CATEGORIES_NAMED else []
    return f"{sum(categories.values())} ({', '.join(named + more)})"


def near_copies(report: Mapping[str, Any]) -> str | None:
    """Says how many edits of a report hardly differ from their source, and which; None where none does."""
    told = report.get("near_copies")
    if not told or not told["count"]:
        return None
    named = [one_line(name) for name in told["sample_ids"][:CATEGORIES_NAMED]]
    more = ", …" if told["count"] > len(named) else ""
    verb = "hardly differs" if told["count"] == 1 else "hardly differ"
    return (
        f"near-copies: {told['count']} of {counted(told['measured'], 'edit')} {verb} from the source, by at most "
        f"{told['threshold']:g} grey levels of 255 in any part ({', '.join(named)}{more})"
    )


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def coverage(values: Mapping[str, Any]) -> str:
    """The share of samples with a score, rounded down: 100% means all of them."""
    scored, total = values["num_samples"], values["total"]
    return "100%" if scored == total > 0 else f"{1000 * scored // max(total, 1) / 10:.1f}%"


def duration(seconds: float) -> str:
    """Seconds as a person says them: `0.042 s`, `12.3 s`, `5 min 3 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.3f} s"


def byte_size(count: float) -> str:
    """Bytes as a person says them: `712 bytes`, `3.4 MB`, `1.2 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:.0f} bytes"


def class_name(identity: Mapping[str, Any]) -> str:
    """Returns the bare class name of an identity; a scorer with a judge goes by the name of the judge."""
    return one_line(identity.get("judge", identity).get("class", "unknown")).rpartition(".")[2]


def of_shard(report: Mapping[str, Any]) -> str:
    """Says of which shard of a run a report is: ` (shard 3/16)`; nothing for a whole run."""
    shard = report["metadata"]["benchmark_config"].get("shard")
    return f" (shard {one_line(shard)})" if shard else ""


def incomplete(outcome: str | None, unjudged: int) -> str | None:
    """Says that a run ended before all its samples were read and judged, and how; None for a complete one.

    Reports, comparisons and the results for the hub all decide by it.

    Args:
        outcome: Of the last attempt; None without any.
        unjudged: How many samples of the run have no verdict.
    """
    lacking = f"{counted(unjudged, 'sample')} without a verdict" if unjudged else ""
    if outcome in (None, "finished"):
        return f"the run is not complete ({lacking})" if unjudged else None
    how = "killed, or still running" if outcome == "running" else one_line(outcome)
    told = ", ".join(filter(None, [how, lacking]))
    return f"the run is not complete ({told}): samples that it has not read are not counted"


def incomplete_report(report: Mapping[str, Any]) -> str | None:
    """What `incomplete` says of the run of a report."""
    return incomplete(_last_outcome(report), report["unfinished"])


def incomplete_notice(report: Mapping[str, Any]) -> str | None:
    """Says of a report that its run is not complete, and how to go on with it; None for a complete one."""
    if (said := incomplete_report(report)) is None:
        return None
    return f"{said}; go on with --resume{' and a larger evaluation.budget' if budget_spent(report) else ''}"


def budget_spent(report: Mapping[str, Any]) -> bool:
    """Whether the run of a report stopped before all was done as its budget was spent."""
    return (_last_outcome(report) or "").startswith(BUDGET_SPENT)


def _last_outcome(report: Mapping[str, Any]) -> str | None:
    """`Attempt.outcome` of the last attempt in a report; None without any."""
    return str(report["attempts"][-1]["outcome"]) if report["attempts"] else None


def work_done(made: int, reused: int) -> str:
    """How much of the work this run paid for."""
    return f"{made} made, {reused} reused"


_USED = {"calls": "calls", "prompt_tokens": "tokens in", "completion_tokens": "tokens out", "cost": "cost"}
"""How the usual names of usage are said; `cost` is in the currency of the judge's prices."""


def judge_usage(usage: Mapping[str, Mapping[str, float]]) -> str:
    """What the verdicts of a report used: `100 calls, 45,310 tokens in, 812 tokens out, cost 0.1214`.

    A figure that only some of the verdicts have says of how many it is.
    """
    most = max((used["verdicts"] for used in usage.values()), default=0)
    return ", ".join(_used(name, usage[name], most) for name in sorted(usage, key=_usual_order))


def _usual_order(name: str) -> tuple[int, str]:
    return (list(_USED).index(name) if name in _USED else len(_USED), name)


def _used(name: str, used: Mapping[str, float], most: float) -> str:
    total = used["total"]
    amount = f"{total:,.0f}" if total == round(total) and name != "cost" else f"{total:,.4f}"
    text = f"cost {amount}" if name == "cost" else f"{amount} {_USED.get(name, one_line(name))}"
    return text if used["verdicts"] == most else f"{text} (of {used['verdicts']:,.0f} of {most:,.0f} verdicts)"
