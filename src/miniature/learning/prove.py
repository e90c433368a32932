"""The learning proof: `python -m src.miniature.learning.prove`.

For each seed it trains the miniature policy by GRPO on wishes of families that neither editor nor policy was taught
(`main.py train` with `configs/training/miniature_rewrite.yaml`), then measures unselected held-out wishes: the policy
before and after, the user's own words, and the exact words, by the oracle and by both judges. The same command goes on
after a break. Results: `findings.json`, `findings.md`, and for each seed `order.csv` and `order.png`.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import ConfigError
from src.miniature.learning.curve import curve_csv, curve_sentences, draw_order, step_orders
from src.miniature.learning.findings import Finding, MeasuredSet, findings, findings_page, readability_rows
from src.miniature.learning.instruments import JUDGE, ORACLE, PREFERENCE, Instrument, Judges, instruments
from src.miniature.learning.measure import Measurements
from src.miniature.learning.wishes import SETS, measured_wishes
from src.miniature.trainer import claimed_work_folder, start_command
from src.models.weights import resolve_revision
from src.training.config import TrainingConfig, load_training_config
from src.training.storage.output_directory import HISTORY
from src.training.storage.stored_run import STORED_RUN
from src.training.train import train

CONFIG = Path("configs/training/miniature_rewrite.yaml")
OUTPUT = Path("outputs/learning_proof")
OTHER_JUDGE = {ORACLE: JUDGE, JUDGE: PREFERENCE, PREFERENCE: JUDGE}
"""The judge that is asked beside the reward whether it orders edits alike."""
QUICK = ("training.grpo.max_steps=2", "training.grpo.per_device_train_batch_size=4", "training.grpo.num_generations=2")
"""Settings of a training that shows that everything runs, and nothing else."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProofRecipe:
    """Everything that decides the findings; one output folder belongs to one recipe.

    Attributes:
        config: The config of the trainings.
        reward: The instrument that rewards: `oracle`, `judge` or `preference`.
        per_category: Measured wishes of each category in each set.
        settings: Further `--set` of the trainings, one a line.
        weights: Fingerprints of policy and editor.
    """

    config: str
    reward: str
    per_category: int
    settings: str
    weights: str


def prove(recipe: ProofRecipe, seeds: Sequence[int], judges: Judges, out: Path) -> Path:
    """Trains and measures whatever is missing in `out`, and writes the findings.

    Args:
        recipe: What to do; see `ProofRecipe`.
        seeds: Of the trainings.
        judges: The judges' folders.
        out: The output folder of one recipe.

    Returns:
        The page of findings.

    Raises:
        ConfigError: `out` belongs to another recipe, the judge that rewards does not exist, or the config names
            several files of training data.
    """
    known = instruments(judges)
    if recipe.reward not in known:
        raise ConfigError(f"reward {recipe.reward!r}: {judges.preference} does not exist; train it, or name its folder")
    with claimed_work_folder(out, recipe, "--out"):
        configs = {seed: _config(recipe, known[recipe.reward], seed, out) for seed in seeds}
        for seed, config in configs.items():
            if len(config.data.files) != 1:
                raise ConfigError(f"{recipe.config}: the proof follows a training on one file; make data.train a path")
            _trained(config)
            logger.info("trained with seed %d", seed)
        rows, readable = _measured(recipe, configs, known, out)
        facts = [_provenance(recipe, configs), *_curves(recipe, configs, known)]
        data = {
            "recipe": asdict(recipe),
            "facts": facts,
            "findings": [asdict(row) for row in rows],
            "readability": readable,
        }
        (out / "findings.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        page = out / "findings.md"
        page.write_text(findings_page(rows, readable, facts), encoding="utf-8")
        return page


def _config(recipe: ProofRecipe, reward: Instrument, seed: int, out: Path) -> TrainingConfig:
    """The config of one training, without the comparison at its end, which the proof makes itself."""
    own = [f"training.seed={seed}", f"training.output_dir={out / f'seed{seed}'}"]
    own += ["evaluation.enabled=false", "data.held_out=null"]
    return load_training_config(Path(recipe.config), [*reward.overrides(), *recipe.settings.splitlines(), *own])


def _trained(config: TrainingConfig) -> None:
    """Trains unless that is done, and goes on where an earlier call was broken off."""
    folder = config.training.output_dir
    if (config.training.policy_folder / "config.json").exists():
        return
    train(config, resume=(folder / STORED_RUN).exists())


def _measured(
    recipe: ProofRecipe, configs: dict[int, TrainingConfig], known: dict[str, Instrument], out: Path
) -> tuple[list[Finding], list[dict[str, Any]]]:
    some = next(iter(configs.values()))
    assert some.diffusion_model is not None, "the config of a rewriting policy has an editor"
    measure = Measurements(out / "measured", Path(some.diffusion_model.params["model_name"]), known)
    rows: list[Finding] = []
    readable: list[dict[str, Any]] = []
    for name in SETS:
        wishes = measured_wishes(name, out / "wishes", recipe.per_category)
        found = MeasuredSet(
            wishes,
            own=measure.of_words(f"{name}/own", wishes, [wish.edit.instruction_en for wish in wishes]),
            exact=measure.of_words(f"{name}/exact", wishes, [wish.edit.explicit_en for wish in wishes]),
            before=measure.of_policy(f"{name}/before", wishes, Path(some.policy.model)),
            after={
                seed: measure.of_policy(f"{name}/after_seed{seed}", wishes, config.training.policy_folder)
                for seed, config in configs.items()
            },
        )
        rows += findings(name, found, list(known))
        readable += readability_rows(name, found)
    return rows, readable


def _provenance(recipe: ProofRecipe, configs: dict[int, TrainingConfig]) -> str:
    seconds = []
    for config in configs.values():
        history = json.loads((config.training.output_dir / HISTORY).read_text(encoding="utf-8"))
        seconds.append(sum(entry.get("step_time", 0.0) for entry in history))
    minutes = ", ".join(f"{one / 60:.1f}" for one in seconds)
    return f"rewarded by {recipe.reward}; seeds {', '.join(map(str, configs))}; minutes of their steps: {minutes}"


def _curves(recipe: ProofRecipe, configs: dict[int, TrainingConfig], known: dict[str, Instrument]) -> list[str]:
    sentences = []
    for seed, config in configs.items():
        folder = config.training.output_dir
        (file,) = config.data.files  # the ids of several would have prefixes
        read = load_samples(file.path, Selection())
        samples = {sample.sample_id: sample for sample in read if isinstance(sample, EditSample)}
        steps = step_orders(folder, samples, known[ORACLE], known.get(OTHER_JUDGE[recipe.reward]))
        (folder / "order.csv").write_text(curve_csv(steps), encoding="utf-8")
        draw_order(steps, folder / "order.png", f"Rewarded by {recipe.reward}, seed {seed}")
        sentences += curve_sentences(steps, f"seed {seed}")
    return sentences


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reward", choices=tuple(OTHER_JUDGE), default=JUDGE, help="what rewards the trainings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-category", type=int, default=40, help="measured wishes of each category in each set")
    parser.add_argument("--config", type=Path, default=CONFIG, help="config of the trainings")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further settings of these")
    parser.add_argument("--judge", type=Path, default=Judges().judge, help="folder of the judge")
    parser.add_argument("--preference", type=Path, default=Judges().preference, help="folder of the preference judge")
    parser.add_argument("--out", type=Path, default=OUTPUT, help="its subfolder with the reward's name is written to")
    parser.add_argument("--quick", action="store_true", help="one seed, two steps, a wish of each category")
    chosen = parser.parse_args(arguments)
    start_command()
    config = load_training_config(chosen.config, chosen.set)
    assert config.diffusion_model is not None, "the config of a rewriting policy has an editor"
    weights = (config.policy.model, str(config.diffusion_model.params["model_name"]))
    recipe = ProofRecipe(
        str(chosen.config),
        chosen.reward,
        chosen.per_category,
        "\n".join(chosen.set),
        "+".join(map(resolve_revision, weights)),
    )
    seeds, out = chosen.seeds, chosen.out / chosen.reward
    if chosen.quick:
        recipe, seeds = replace(recipe, per_category=1, settings="\n".join((*chosen.set, *QUICK))), seeds[:1]
    logger.info("wrote %s", prove(recipe, seeds, Judges(chosen.judge, chosen.preference), out))


if __name__ == "__main__":
    main()
