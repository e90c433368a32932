"""Two processes train as one does: the same completions, rewards, losses and weights, however the policy is sharded.

Real launches of the command line, with the miniature policy, editor and judge, on the CPU (gloo). Workers of `TWO`
are forked by torchrun, by its own option, from a process that has the libraries loaded; others start as users' do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.launched import ROOT, run_launcher, run_warm

pytestmark = pytest.mark.timeout(400)

STEPS, ROWS = 2, 8
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
TWO = (*TORCHRUN, "--run_path", "--start_method", "fork")
DEEPSPEED = (
    *("-m", "accelerate.commands.launch", "--config_file", "configs/accelerate/cpu_zero2.yaml"),
    *("--main_process_port", "0"),
)
ZERO_3 = ("--zero_stage", "3", "--zero3_init_flag", "true", "--zero3_save_16bit_model", "true")
needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed: make test-deepspeed"
)
OWN = {"PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
"""Environment variables of every launch."""


def sharded() -> dict[str, str]:
    """Environment variables of FSDP as `configs/accelerate/fsdp.yaml` sets them."""
    settings = yaml.safe_load((ROOT / "configs/accelerate/fsdp.yaml").read_text(encoding="utf-8"))["fsdp_config"]
    return {"ACCELERATE_USE_FSDP": "true", **{name.upper(): str(value) for name, value in settings.items()}}


def launched(launch: Sequence[str], words: Sequence[str], **environment: str) -> None:
    """A run of the command line to its end, in as many processes as the launcher starts."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # DeepSpeed compiles by ninja
    command = [*launch, "tests/distributed_run.py", *words]
    environment = {**os.environ, "PATH": path, **OWN, **environment}
    if launch in ((), TWO):
        done = run_warm(command, environment)
    else:
        done = run_launcher([sys.executable, *command], ROOT, environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


def trained(
    folder: Path,
    launch: Sequence[str],
    processes: int,
    more: Mapping[str, object] | None = None,
    config: str = "configs/training/miniature_rewrite.yaml",
    **environment: str,
) -> Path:
    """The output directory of a finished run; `more` are settings of the training beside those of all runs."""
    settings = {
        "training.output_dir": str(folder),
        "training.patience": "0",
        "training.show_every": "0",
        "training.grpo.max_steps": str(STEPS),
        "training.grpo.per_device_train_batch_size": str(ROWS // processes),
        "training.grpo.num_generations": "4",
        "training.grpo.report_to": "none",
        "evaluation.enabled": "false",
        **(more or {}),
    }
    assignments = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    launched(launch, ["train", "--config", config, *assignments], **environment)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("alone"), (), 1)


def figures(folder: Path) -> list[list[float]]:
    """What each step comes to, over all processes."""
    entries = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    names = ("loss", "grad_norm", "reward", "reward_std", "frac_reward_zero_std", "entropy")
    return [[entry[name] for name in names] for entry in entries if "loss" in entry]


def completions(folder: Path) -> list[tuple[Any, ...]]:
    """Who was asked what, answered what, and was rewarded how, over all processes."""
    rows: list[tuple[Any, ...]] = []
    for record in sorted((folder / "record").rglob("record.sqlite")):
        with sqlite3.connect(record) as connection:
            rows += connection.execute("SELECT step, example_id, completion, reward FROM completions")
    return sorted(rows)


def weights(folder: Path) -> dict[str, Any]:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder / "policy").state_dict()


def assert_same_training(alone: Path, together: Path) -> None:
    import torch

    assert len(completions(alone)) == STEPS * ROWS
    assert completions(together) == completions(alone)
    assert len(list((together / "record").rglob("record.sqlite"))) == 1
    assert figures(together) == [pytest.approx(step, rel=1e-4, abs=1e-6) for step in figures(alone)]
    expected = weights(alone)
    apart = torch.cat([(tensor - expected[name]).abs().flatten() for name, tensor in weights(together).items()])
    # Adam divides a gradient by its own size, so one that is rounding noise still makes a step: few weights have one.
    assert (apart > 2e-5).double().mean().item() <= 1e-5
    assert apart.max().item() <= 3e-4, "the learning rate"


def test_two_copies_of_the_policy_train_as_one_does(alone: Path, tmp_path: Path) -> None:
    assert_same_training(alone, trained(tmp_path, TORCHRUN, 2))


def test_a_policy_sharded_by_fsdp_trains_as_a_whole_one_does(alone: Path, tmp_path: Path) -> None:
    assert sharded()["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "True", (
        "it would leave frozen models empty in the second process"
    )
    assert_same_training(alone, trained(tmp_path, TWO, 2, **sharded()))


@needs_deepspeed
def test_zero_2_trains_as_one_process_does(alone: Path, tmp_path: Path) -> None:
    assert_same_training(alone, trained(tmp_path, DEEPSPEED, 2))


@needs_deepspeed
def test_a_policy_sharded_by_zero_3_trains_as_a_whole_one_does_beside_a_whole_editor_and_judge(
    alone: Path, tmp_path: Path
) -> None:
    assert_same_training(alone, trained(tmp_path, (*DEEPSPEED, *ZERO_3), 2))


def test_a_forked_script_has_its_own_environment_and_is_told_with_its_code_and_its_words(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.argv[1], *os.environ); sys.stderr.write('alas'); sys.exit(3)"
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    ended = run_warm([str(tmp_path / "script.py"), "done in"], {"SURROUNDINGS": ""})
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "done in SURROUNDINGS\n", "alas")


def test_two_processes_meet_the_prompts_of_a_curriculum_in_the_order_of_one(tmp_path: Path) -> None:
    tasks = json.loads((ROOT / "assets/miniature/rewrite_tasks.json").read_text(encoding="utf-8"))
    bins = sorted({(task["difficulty"], task["subset"]) for task in tasks})
    entries = [{"level": level, "discipline": name, "score": place} for place, (level, name) in enumerate(bins)]
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps(entries), encoding="utf-8")
    curriculum = {"data.curriculum.scores": str(scores), "data.curriculum.stages": str(len(bins))}
    one = trained(tmp_path / "one", (), 1, curriculum)
    assert completions(trained(tmp_path / "two", TWO, 2, curriculum)) == completions(one)
    assert len({row[1] for row in completions(one)}) == STEPS * ROWS // 4
