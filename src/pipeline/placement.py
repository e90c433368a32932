"""What `runtime.engine: ray` means for a run: which models become actors, how many, and what is refused before."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.cluster.actor_pool import ActorPool
from src.cluster.connection import connect, is_connected, require_ray
from src.cluster.editor_actor import EditorActor
from src.cluster.judge_actor import JudgeActor
from src.cluster.placed_model import ModelPlace, PlacedModel, check_placeable
from src.cluster.remote_judge import RemoteJudge, RemoteVisionLanguageJudge
from src.cluster.reservation import Reservation
from src.cluster.room import Size, amount_text, in_all, may_grow, most_beside
from src.cluster.seat import ActorKind, SharedPool
from src.config import RuntimeConfig
from src.errors import ModelError
from src.models.base import BaseModel
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.model_handle import ModelHandle
from src.models.reward.base_reward import BaseRewardModel
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.pipeline.ray_editors import RayEditors

logger = logging.getLogger(__name__)


class Placement:
    """Where models of a run are: actors of a cluster.

    Args:
        runtime: The section `runtime` of a config with `engine: ray`.
        shared: With whom, and under which name, actors are shared; None for actors of this process alone.
    """

    def __init__(self, runtime: RuntimeConfig, shared: SharedPool | None = None) -> None:
        self.runtime = runtime
        self.shared = shared
        self._lock = threading.Lock()
        self._reservation: Reservation | None = None

    @classmethod
    def of(cls, runtime: RuntimeConfig, shared: SharedPool | None = None) -> Placement | None:
        """None with `engine: local`."""
        return cls(runtime, shared) if runtime.engine == "ray" else None

    def check(self, model_class: type[BaseModel], params: dict[str, object], where: str) -> None:
        """Refuses what cannot be placed, before anything is started.

        Raises:
            ConfigError: naming the param.
            ModelError: Ray is not installed.
        """
        check_placeable(model_class, params, where)
        require_ray()

    def check_editors(self, name: str, judges: int = 0) -> None:
        """Connects to the cluster, and refuses editors for which it can never have room.

        Args:
            name: Of the editor.
            judges: How many judges work at the same time.

        Raises:
            ModelError: what there is, and what to set.
        """
        settings = self.runtime.ray
        connect(settings)
        wanted = 1 if settings.editors == "auto" else settings.editors
        room = self._room_for_editors(judges) or 0
        if room >= wanted or may_grow(settings):
            return
        editor, judge = Size(settings.editor_gpus), Size(settings.judge_gpus)
        asked, sizes, ways = f"{wanted} for editors take {editor.times(wanted)}", [editor], ""
        if judges:
            asked += f", and {judges} for judges beside them {judge.times(judges)}"
            sizes.append(judge)
            ways = ", or evaluation.schedule: two_stage, which ends the editors before judges start,"
        raise ModelError(
            f"{name}: of the processes, {asked}, and {_found(*sizes)}. There is room for {room} editors: set "
            f"runtime.ray.editors, judges, editor_gpus or judge_gpus{ways} or add machines before the start"
        )

    def check_judges(self, name: str, count: int = 1) -> None:
        """Connects to the cluster, and refuses judges for which it can never have room.

        Raises:
            ModelError: what there is, and what to set.
        """
        settings = self.runtime.ray
        connect(settings)
        size = Size(settings.judge_gpus)
        room = most_beside(in_all(size.resource), size.amount) or 0
        if room < count and not may_grow(settings):
            raise ModelError(
                f"{name}: {count} processes for judges take {size.times(count)}, and {_found(size)}. There is room for "
                f"{room}: set runtime.ray.judges or judge_gpus (0 computes on the CPU), or add machines first"
            )

    def judge_count(self, judge: ModelHandle[BaseRewardModel]) -> int:
        """How many actors a judge gets; none where it stays in this process."""
        if self.runtime.ray.judges is not None:
            return self.runtime.ray.judges
        return 1 if judge.model_class.devices(judge.params) else 0

    def editors(self, editor: ModelHandle[BaseDiffusionModel], judges: int = 0) -> RayEditors:
        """Starts the editors and does not wait for them.

        Args:
            editor: What they are.
            judges: How many judges work at the same time. Room for them and for one editor comes first, in one piece.
        """
        settings = self.runtime.ray
        connect(settings)
        room = self._room_for_editors(judges) or 0
        # At least one, so that a cluster that is empty yet is asked for it.
        count = max(1, room) if settings.editors == "auto" else settings.editors
        if count > room:
            logger.warning(
                "the Ray cluster has room for %d of %d processes of %s; the others start when machines join it",
                *(room, count, editor.name),
            )
        kind = self._kind(editor, EditorActor, settings.editor_gpus, "editor", "edit_timeout")
        if reservation := self.reserve(judges):
            kind = replace(kind, reservation=reservation, reserved=range(judges, judges + 1))
        return RayEditors(ActorPool(kind, count, self.runtime.edit_timeout))

    def reserve(self, judges: int) -> Reservation | None:
        """Asks once for room for judges and one editor in one piece, whichever of them is started first.

        Args:
            judges: How many judges work while others edit; with none, there is nothing to reserve.
        """
        settings = self.runtime.ray
        with self._lock:
            if judges and self.shared is None and self._reservation is None:
                connect(settings)
                self._reservation = Reservation([*[Size(settings.judge_gpus)] * judges, Size(settings.editor_gpus)])
            return self._reservation

    def release(self) -> None:
        """Gives back the room that was reserved, when editors and judges are closed."""
        with self._lock:
            if self._reservation is not None:
                self._reservation.release()
                self._reservation = None

    def expected_editors(self, judges: int) -> int:
        """How many editors a run would have; 1 where that is up to a cluster to which nobody is connected."""
        if self.runtime.ray.editors != "auto":
            return self.runtime.ray.editors
        return max(1, self._room_for_editors(judges) or 0) if is_connected() else 1

    def _room_for_editors(self, judges: int) -> int | None:
        """How many editors the machines have room for beside judges, busy or not; None where judges have none."""
        editor, judge = Size(self.runtime.ray.editor_gpus), Size(self.runtime.ray.judge_gpus)
        beside = judges if judge.resource == editor.resource else 0
        return most_beside(in_all(editor.resource), editor.amount, beside, judge.amount)

    def judge(self, judge: ModelHandle[BaseRewardModel], count: int) -> BaseRewardModel:
        """Starts the judges and does not wait for them."""
        connect(self.runtime.ray)
        kind = self._kind(judge, JudgeActor, self.runtime.ray.judge_gpus, "judge", "judge_timeout")
        kind = replace(kind, reservation=self._reservation, reserved=range(count if self._reservation else 0))
        pool = ActorPool(kind, count, self.runtime.judge_timeout)
        asked = issubclass(judge.model_class, VisionLanguageJudge)
        return (RemoteVisionLanguageJudge if asked else RemoteJudge)(pool, judge.model_class, judge.params)

    def _kind(
        self, model: ModelHandle[Any], actor: type[PlacedModel[Any]], gpus: float, role: str, timeout: str
    ) -> ActorKind:
        params = model.params
        typed = model.model_class.Params(**params) if model.model_class.Params else None
        at_once = getattr(typed, "max_concurrency", getattr(model.model_class, "max_concurrency", 1))
        path = f"{model.model_class.__module__}.{model.model_class.__qualname__}"
        # With a working directory of the runtime environment, paths lead from there.
        folder = "" if "working_dir" in self.runtime.ray.runtime_env else str(Path.cwd())
        place = ModelPlace(path, params, model.identity(), folder)
        shared = replace(self.shared, name=f"{self.shared.name}-{role}") if self.shared else None
        return ActorKind(model.name, actor, (place,), Size(gpus), int(at_once) + 1, f"runtime.{timeout}", shared)


def _found(*sizes: Size) -> str:
    """What the cluster has of each resource that the sizes are of."""
    amounts = dict.fromkeys(size.resource for size in sizes)
    return "the Ray cluster has " + " and ".join(
        f"{amount_text(sum(in_all(resource)), resource)} on {len(in_all(resource))} machines" for resource in amounts
    )
