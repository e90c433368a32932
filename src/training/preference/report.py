"""The report of `train-judge`: agreement and cost of the trained judge and of another one, as JSON and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.errors import OutputError
from src.training.storage.output_directory import write_json

REPORT_JSON, REPORT_MARKDOWN = "agreement.json", "agreement.md"


def write_agreement(report: dict[str, Any], output_dir: Path) -> list[Path]:
    """Writes both files into `results`, and returns their paths.

    Raises:
        OutputError: they cannot be written.
    """
    folder = output_dir / "results"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / REPORT_JSON, folder / REPORT_MARKDOWN]
    write_json(paths[0], report)
    try:
        paths[1].write_text("\n".join(agreement_lines(report)) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{paths[1]} cannot be written: {error.strerror or error}") from error
    return paths


def agreement_lines(report: dict[str, Any]) -> Iterator[str]:
    """The report as lines of Markdown."""
    data = report["data"]
    yield "# Agreement with held-out preferences"
    yield ""
    yield (
        f"{data['train']} pairs of {data['train_sources']} source pictures trained on, {data['held_out']} pairs of "
        f"{data['held_out_sources']} held out; best of {report['steps']} steps: step {report['best_step']}."
    )
    judges = report["judges"]
    yield ""
    yield f"| held-out pairs | {' | '.join(judges)} |"
    yield "|---" * (len(judges) + 1) + "|"
    for name in next(iter(judges.values()))["categories"]:
        yield _row(name, [judge["categories"][name] for judge in judges.values()])
    yield _row("all", list(judges.values()))
    seconds = [f"{judge['seconds_per_question']:.4f}" for judge in judges.values()]
    yield f"| seconds a question | {' | '.join(seconds)} |"
    yield ""
    yield "Share of pairs in the stated order, ties half; 95 % intervals clustered by source picture. Chance: 0.50."
    if (other := report.get("difference")) and other["difference"] is not None:
        yield (
            f"Trained judge less the other, on the {other['pairs']} pairs that both judged: "
            f"{other['difference']:+.3f}{_interval(other['ci95'])}."
        )
    yield f"Scores: 10 · sigmoid(scale · (reward − offset)); {report['score_map']['how']}. They are not calibrated."


def _row(name: str, figures: list[dict[str, Any]]) -> str:
    return f"| {name} | {' | '.join(map(_figure, figures))} |"


def _figure(found: dict[str, Any]) -> str:
    if found["accuracy"] is None:
        return f"– (none of {found['pairs']} judged)"
    missing = "" if found["judged"] == found["pairs"] else f", {found['judged']} of {found['pairs']} judged"
    return f"{found['accuracy']:.3f}{_interval(found['ci95'])} (n {found['pairs']}{missing})"


def _interval(ci95: Any) -> str:
    return f" [{ci95[0]:.3f}, {ci95[1]:.3f}]" if ci95 else ""
