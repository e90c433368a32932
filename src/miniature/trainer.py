"""The one loop of all miniature trainings: learning-rate schedule, averaged weights, checkpoints, exports and log.

All randomness of a step comes from `(seed, step)`: a checkpoint needs no generator state, and a resumed training
computes what an unbroken one would have computed.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from src.errors import ConfigError, EditLoopError
from src.miniature.model_folder import written_whole
from src.pipeline.output import exclusive

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance

WARM_UP_STEPS = 200
DECAY_SHARE = 0.35
"""The last share of the steps, in which the learning rate falls linearly to zero."""
WEIGHT_DECAY = 0.03
"""Of matrices, where vectors have none."""
_WEIGHT_KEYS = ("weights", "model", "models", "trained", "policy")
"""What a checkpoint may call its weights: the first is written, the others were before all trainings had one loop."""

logger = logging.getLogger(__name__)


class Optimizer(Protocol):
    """What the loop needs of an optimizer; those of torch have it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of parameters. A group may have a `rate_share`, by which its learning rate is multiplied."""
        ...

    def step(self) -> Any:
        """Moves all parameters by their gradients."""
        ...

    def zero_grad(self, set_to_none: bool = ...) -> None:
        """Forgets all gradients."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs."""
        ...

    def load_state_dict(self, stored: dict[str, Any], /) -> None:
        """Takes up what `state_dict` gave."""
        ...


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast a training runs, and what it leaves behind on its way.

    Attributes:
        name: What is trained, for the log.
        steps: Optimizer steps in all.
        peak_rate: The highest learning rate (see `learning_rate`).
        log_every: Steps between two lines of the log.
        average_decay: Decay of the exponential moving average of the weights; None trains without an average.
        checkpoint: File for weights, average and optimizer, from which a later call goes on; None keeps none.
        checkpoint_every: Steps between two checkpoints; the end is always kept.
        export_every: Steps between two exports; the end is always exported.
    """

    name: str
    steps: int
    peak_rate: float
    log_every: int
    average_decay: float | None = None
    checkpoint: Path | None = None
    checkpoint_every: int = 250
    export_every: int = 1_000


def run_training(
    plan: TrainingPlan,
    model: torch.nn.Module,
    optimizer: Optimizer,
    loss_of: Callable[[int], torch.Tensor],
    export: Callable[[int], None] = lambda done: None,
) -> list[float]:
    """Trains `model` in place; leaves it in evaluation mode, with averaged weights where the plan has an average.

    Args:
        plan: Lengths, rates and files; the training goes on from its checkpoint when there is one.
        model: All that is trained, on its device.
        optimizer: The optimizer of the model's parameters.
        loss_of: Computes the loss of a step (counted from 0).
        export: Called with the number of steps done, while the model is as at the end of a training.

    Returns:
        The loss of every step made by this call.
    """
    parameters = list(model.parameters())
    average = AveragedWeights([] if plan.average_decay is None else parameters, plan.average_decay or 0.0)
    first = _resume(plan, model, average, optimizer)
    losses: list[float] = []
    model.train()
    for step in range(first, plan.steps):
        losses.append(_optimizer_step(plan, parameters, optimizer, loss_of, step))
        average.update(step)
        done = step + 1
        if done % plan.log_every == 0:
            mean = np.mean(losses[-plan.log_every :])
            logger.info("%s: step %d of %d, loss %.5f", plan.name, done, plan.steps, mean)
        if plan.checkpoint is not None and (done % plan.checkpoint_every == 0 or done == plan.steps):
            save_checkpoint(plan.checkpoint, model, average, optimizer, done)
        if done % plan.export_every == 0 and done < plan.steps:
            average.swap()
            model.eval()
            export(done)
            model.train()
            average.swap()
    average.swap()
    model.eval()
    export(plan.steps)
    return losses


def _optimizer_step(
    plan: TrainingPlan,
    parameters: list[torch.nn.Parameter],
    optimizer: Optimizer,
    loss_of: Callable[[int], torch.Tensor],
    step: int,
) -> float:
    import torch

    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, plan.steps, plan.peak_rate) * group.get("rate_share", 1.0)
    loss = loss_of(step)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def training_device() -> torch.device:
    """The first GPU, or the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def learning_rate(step: int, steps: int, peak: float) -> float:
    """The rate of `step` (0-based) out of `steps`: linear warm-up, constant, linear decay to zero."""
    warm_up = min(WARM_UP_STEPS, max(1, steps // 10))
    decay = max(1.0, DECAY_SHARE * steps)
    return peak * min(1.0, (step + 1) / warm_up, (steps - step) / decay)


def adamw(
    parameters: Iterable[torch.nn.Parameter] | list[dict[str, Any]], peak_rate: float, **settings: Any
) -> torch.optim.AdamW:
    """AdamW over parameters or groups of them, with the betas that all miniature trainings use."""
    import torch

    return torch.optim.AdamW(parameters, lr=peak_rate, betas=(0.9, 0.99), **settings)


def decay_groups(parameters: Iterable[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Parameter groups for AdamW: matrices decay, vectors (norms, biases) do not."""
    known = list(parameters)
    return [
        {"params": [parameter for parameter in known if parameter.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [parameter for parameter in known if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


class AveragedWeights:
    """An exponential moving average of parameters, which samples better than the last weights."""

    def __init__(self, parameters: list[torch.nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.parameters = parameters
        self.average = [parameter.detach().clone() for parameter in parameters]

    def update(self, step: int) -> None:
        """Moves the average towards the present weights; early steps move it faster."""
        import torch

        if self.parameters:
            weight = 1.0 - min(self.decay, (step + 1) / (step + 10))
            torch._foreach_lerp_(self.average, [parameter.detach() for parameter in self.parameters], weight)

    def restore(self, stored: list[torch.Tensor]) -> None:
        """Takes up the average of a checkpoint."""
        for own, kept in zip(self.average, stored, strict=True):
            own.copy_(kept)

    def swap(self) -> None:
        """Exchanges average and present weights; a second call undoes the first."""
        for parameter, average in zip(self.parameters, self.average, strict=True):
            present = parameter.detach().clone()
            parameter.data.copy_(average)
            average.copy_(present)


def save_checkpoint(
    path: Path, model: torch.nn.Module, average: AveragedWeights, optimizer: Optimizer, done: int
) -> None:
    """Writes a checkpoint so that a kill at any moment leaves the old or the new one, never half of one."""
    import torch

    state = {
        "weights": model.state_dict(),
        "average": average.average,
        "optimizer": optimizer.state_dict(),
        "step": done,
    }
    with written_whole(path) as partial:
        torch.save(state, partial)


def _resume(plan: TrainingPlan, model: torch.nn.Module, average: AveragedWeights, optimizer: Optimizer) -> int:
    """Takes up the plan's checkpoint if there is one, and returns the number of steps done."""
    import torch

    if plan.checkpoint is None or not plan.checkpoint.exists():
        return 0
    state = torch.load(plan.checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(next(state[key] for key in _WEIGHT_KEYS if key in state))
    average.restore(state.get("average", []))
    optimizer.load_state_dict(state["optimizer"])
    logger.info("%s: resuming at step %d", plan.name, state["step"])
    return int(state["step"])


@contextmanager
def claimed_work_folder(work: Path, recipe: DataclassInstance, option: str = "--work-dir") -> Iterator[None]:
    """Holds `work` as the work folder of a recipe, whose numbers of steps alone may change later.

    Args:
        work: The folder; made if it is not there.
        recipe: What is trained in it.
        option: By what the command chooses another folder.

    Raises:
        ConfigError: the folder holds results of another recipe, or checkpoints of which it does not say the recipe.
        OutputError: another process is at work in the folder, or it cannot be written.
    """
    with exclusive(work, option):
        _check_recipe(work, recipe)
        yield


def _check_recipe(work: Path, recipe: DataclassInstance) -> None:
    note = work / "recipe.json"
    wanted = {name: value for name, value in asdict(recipe).items() if not name.endswith("steps")}
    if not note.exists():
        if any(work.glob("*.pt")):
            raise ConfigError(
                f"work folder {work} holds a checkpoint but no {note.name}, as trainings left it that an older version "
                "began; use a new work folder, or finish it with that version"
            )
        with written_whole(note) as partial:
            partial.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    stored = json.loads(note.read_text(encoding="utf-8"))
    if different := [name for name in wanted if stored.get(name) != wanted[name]]:
        raise ConfigError(
            f"work folder {work} belongs to a training with another {' and '.join(different)}; "
            "use a new work folder, or the old settings to go on there"
        )


def start_command() -> None:
    """Prepares a process whose command line trains or measures miniature models: log, errors, and fast arithmetic."""
    import torch

    sys.excepthook = _tell
    torch.set_flush_denormal(True)  # denormal numbers slow a CPU down several times
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def _tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Prints an error that is raised on purpose as its sentence, and all others with their traceback."""
    if isinstance(error, EditLoopError):
        logger.error("%s", error)
    else:
        sys.__excepthook__(kind, error, traceback)
