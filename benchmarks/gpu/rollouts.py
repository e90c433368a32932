"""Completions by vLLM beside the policy in the same GPU, from the weights that are trained."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.gpu.check import DoesNotApply, Finding, Setting, require_success
from benchmarks.gpu.training import CONFIG

GRPO = {
    "use_vllm": "true", "vllm_mode": "colocate", "vllm_max_model_length": "1024", "vllm_gpu_memory_utilization": "0.2",
    "max_steps": "3", "learning_rate": "1e-3", "report_to": "none",
}  # fmt: skip
LARGEST_DIFFERENCE = 0.05
"""Mean difference of log-probabilities between vLLM's kernels and the trainer's, both in bfloat16; weights that vLLM
does not get, or pictures that it counts twice, show in later steps as well."""


def vllm_rollouts(setting: Setting) -> list[Finding]:
    """Three steps whose completions vLLM wrote: they train, and vLLM's log-probabilities are the policy's."""
    if not setting.on_gpu:
        raise DoesNotApply("on a CPU, make test-vllm runs this with vLLM's build for CPUs")
    if importlib.util.find_spec("vllm") is None:
        raise DoesNotApply("vLLM is not installed (it needs an environment of its own: pip install 'trl[vllm]')")
    with tempfile.TemporaryDirectory() as root:
        output = Path(root) / "run"
        sets = [f"training.grpo.{name}={value}" for name, value in GRPO.items()]
        sets += [f"training.output_dir={output}", "evaluation.enabled=false"]
        command = [sys.executable, "main.py", "train", "--config", str(CONFIG)]
        for one in sets:
            command += ["--set", one]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        require_success(done, "the training with vLLM")
        steps = [row for row in json.loads((output / "history.json").read_text(encoding="utf-8")) if "loss" in row]
    norms = [float(row["grad_norm"]) for row in steps]
    worst = max(float(row["sampling/sampling_logp_difference/mean"]) for row in steps)
    return [
        Finding("steps with a gradient", f"{sum(norm > 0 for norm in norms)} of {len(steps)}", "3 of 3",
                len(norms) == 3 and min(norms) > 0),
        Finding("log-probabilities of vLLM − of the trainer", f"{worst:.4f} on average", f"≤ {LARGEST_DIFFERENCE}",
                worst <= LARGEST_DIFFERENCE, {"mean_difference": worst}),
    ]  # fmt: skip
