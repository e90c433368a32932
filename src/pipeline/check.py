"""`python main.py check`: everything that can be known of a run without loading a model or touching its output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from src.config import Config
from src.counted import counted
from src.data.image import ImageError, OpenedImage
from src.data.loader import load_samples
from src.data.sample import BadSample
from src.errors import ModelError
from src.pipeline.costs import Load, cost_lines
from src.pipeline.editing import MADE_SIZE
from src.pipeline.forecast import GivenRates, forecast
from src.pipeline.plan import RunPlan
from src.pipeline.rates import Work
from src.pipeline.redone import reasons_to_redo
from src.record.record import RECORD_NAME, Record, WorkLeft
from src.reporting.protocols.section import comparable_with_tables, protocol_of
from src.reporting.wording import left_out
from src.run_log import check_log

NOTHING_GIVEN = GivenRates()
ALL = WorkLeft(edit=True, verdict=True)


def check_run(config: Config, given: GivenRates = NOTHING_GIVEN) -> Iterator[str]:
    """Lines that say what the run would do and how long it would take.

    Args:
        config: What the run would do.
        given: How fast the models are, where the user knows.

    Raises:
        EditLoopError: for whatever would stop the run.
    """
    check_log(config.logging)
    plan = RunPlan(config)
    judge = plan.scoring.judge
    yield f"editor   {plan.editor.identity()['class']}, {_replicas(plan)}"
    yield f"scorer   {plan.scoring.identity()['class']}"
    if protocol := protocol_of(plan.scoring.identity()):
        yield f"protocol {protocol.name}. {comparable_with_tables(protocol, plan.scoring.identity())}"
    yield f"judge    {judge.identity()['class'] if judge else 'none'}"
    yield f"schedule {'two-stage: edit all, then judge all' if plan.two_stage() else 'overlapped: judge while editing'}"
    try:
        plan.check_devices()
    except ModelError as error:  # the file may be for another machine
        yield f"to get   {error}"
    output_dir = config.evaluation.output_dir
    record = Record(output_dir, for_reading=True) if (output_dir / RECORD_NAME).is_file() else None
    try:
        yield from _count(plan, record, given)
    finally:
        if record is not None:
            record.close()


def _replicas(plan: RunPlan) -> str:
    if plan.editor.placement is None:
        return f"{len(plan.editor.replicas())} replica(s)"
    ray = plan.config.runtime.ray
    return f"{ray.editors} replica(s) on Ray ({ray.address}), {ray.editor_gpus:g} GPU(s) each"


def _count(plan: RunPlan, record: Record | None, given: GivenRates) -> Iterator[str]:
    categories: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    inapplicable: Counter[str] = Counter()
    partly: Counter[str] = Counter()
    bad = 0
    left, whole = Load(), Load()
    keep_pictures = plan.config.evaluation.save_generated_images
    for item in load_samples(plan.config.benchmark.data_path, plan.selection, left_out=passed_over):
        try:
            if isinstance(item, BadSample):
                raise ImageError(item.reason)
            source = None if item.source is None else item.source.read_bytes()
            size = OpenedImage(source).size if source else MADE_SIZE
            work, keys = plan.item(item, item.source_key(source))
        except ImageError as error:
            bad += 1
            yield f"bad sample {item.sample_id} (item {item.index}): {error}"
            continue
        categories[item.category] += 1
        if reason := work.pending_verdicts[0].inapplicable:
            inapplicable[reason] += 1
            continue
        partly.update(plan.left_out(item))
        todo = record.work_left(keys, keep_pictures=keep_pictures) if record is not None else ALL
        for load, wanted in ((left, todo), (whole, ALL)):
            if wanted.edit:
                load.add_edit(None if source is None else len(source))
            if wanted.verdict:
                load.add_verdict(plan, item, work.pending_verdicts[0].question, size)
    total = sum(categories.values())
    shard = f" of shard {plan.selection.shard}" if plan.selection.shard else ""
    named = ", ".join(f"{name} {count}" for name, count in categories.items())
    yield f"samples  {total}{shard} ({named or 'none'}), {bad} bad"
    if passed_over:
        yield f"left out by selection: {left_out(dict(passed_over.most_common()))}"
    for reason, count in inapplicable.most_common():
        yield f"not applicable: {count} of {counted(total, 'sample')}, which are neither edited nor judged: {reason}"
    for omitted, count in partly.most_common():
        yield f"left out of the score for {count} of {counted(total, 'sample')}: {omitted}"
    yield (
        f"to do    {counted(left.edits, 'edit')}, {counted(left.verdicts, 'judgement')} from scratch"
        if record is None
        else f"to do    with --resume {counted(left.edits, 'edit')} and {counted(left.verdicts, 'judgement')}, as "
        f"{whole.edits - left.edits} and {whole.verdicts - left.verdicts} are made; without, {whole.edits} of each"
    )
    if record is not None:
        yield from (f"again    with --resume {sentence}" for sentence in reasons_to_redo(record, plan.info()))
    yield from cost_lines(plan, left, whole, record)
    yield from forecast(plan, _counts(left), _counts(whole), given)


def _counts(load: Load) -> dict[Work, int]:
    return {"edit": load.edits, "judgement": load.verdicts}
