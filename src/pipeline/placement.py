"""What `runtime.engine: ray` means for a run: which models become actors, how many, and what is refused before."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from src.cluster.actor_pool import ActorPool
from src.cluster.connection import check_room, connect, is_connected, require_ray, room_for
from src.cluster.editor_actor import EditorActor
from src.cluster.judge_actor import JudgeActor
from src.cluster.placed_model import ModelPlace, PlacedModel, check_placeable
from src.cluster.remote_judge import RemoteJudge, RemoteVisionLanguageJudge
from src.cluster.seat import ActorKind, SharedPool
from src.config import RuntimeConfig
from src.models.base import BaseModel
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.model_handle import ModelHandle
from src.models.reward.base_reward import BaseRewardModel
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.pipeline.ray_editors import RayEditors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Placement:
    """Where models of a run are: actors of a cluster.

    Args:
        runtime: The section `runtime` of a config with `engine: ray`.
        shared: With whom, and under which name, actors are shared; None for actors of this process alone.
    """

    runtime: RuntimeConfig
    shared: SharedPool | None = None

    def check(self, model_class: type[BaseModel], params: dict[str, object], where: str) -> None:
        """Refuses what cannot be placed, before anything is started.

        Raises:
            ConfigError: naming the param.
            ModelError: Ray is not installed.
        """
        check_placeable(model_class, params, where)
        require_ray()

    def check_editors(self, name: str) -> None:
        """Connects to the cluster, and refuses editors for which it can never have room.

        Raises:
            ModelError: what is missing, and what to set.
        """
        connect(self.runtime.ray)
        check_room(self.runtime.ray, self.runtime.ray.editor_gpus, name, "editor_gpus")

    def check_judges(self, name: str) -> None:
        """Connects to the cluster, and refuses judges for which it can never have room.

        Raises:
            ModelError: what is missing, and what to set.
        """
        connect(self.runtime.ray)
        check_room(self.runtime.ray, self.runtime.ray.judge_gpus, name, "judge_gpus")

    def judge_count(self, judge: ModelHandle[BaseRewardModel]) -> int:
        """How many actors a judge gets; none where it stays in this process."""
        if self.runtime.ray.judges is not None:
            return self.runtime.ray.judges
        return 1 if judge.model_class.devices(judge.params) else 0

    def editors(self, editor: ModelHandle[BaseDiffusionModel], judges: int = 0) -> RayEditors:
        """Starts the editors and does not wait for them.

        Args:
            editor: What they are.
            judges: How many judges `auto` leaves room for.
        """
        settings = self.runtime.ray
        connect(settings)
        room = self._room_for_editors(judges)
        # At least one, so that a cluster that is empty yet is asked for it.
        count = max(1, room) if settings.editors == "auto" else settings.editors
        if count > room:
            logger.warning(
                "the Ray cluster has room for %d of %d processes of %s; the others start when machines join it",
                *(room, count, editor.name),
            )
        kind = self._kind(editor, EditorActor, settings.editor_gpus, "editor")
        return RayEditors(ActorPool(kind, count, self.runtime.edit_timeout))

    def expected_editors(self, judges: int) -> int:
        """How many editors a run would have; 1 where that is up to a cluster to which nobody is connected."""
        if self.runtime.ray.editors != "auto":
            return self.runtime.ray.editors
        return max(1, self._room_for_editors(judges)) if is_connected() else 1

    def _room_for_editors(self, judges: int) -> int:
        settings = self.runtime.ray
        same_resource = bool(settings.editor_gpus) == bool(settings.judge_gpus)
        return room_for(settings.editor_gpus, judges * (settings.judge_gpus or 1.0) if same_resource else 0.0)

    def judge(self, judge: ModelHandle[BaseRewardModel], count: int) -> BaseRewardModel:
        """Starts the judges and does not wait for them."""
        connect(self.runtime.ray)
        pool = ActorPool(self._kind(judge, JudgeActor, self.runtime.ray.judge_gpus, "judge"), count)
        asked = issubclass(judge.model_class, VisionLanguageJudge)
        return (RemoteVisionLanguageJudge if asked else RemoteJudge)(pool, judge.model_class, judge.params)

    def _kind(self, model: ModelHandle[Any], actor: type[PlacedModel[Any]], gpus: float, role: str) -> ActorKind:
        params = model.params
        typed = model.model_class.Params(**params) if model.model_class.Params else None
        at_once = getattr(typed, "max_concurrency", getattr(model.model_class, "max_concurrency", 1))
        path = f"{model.model_class.__module__}.{model.model_class.__qualname__}"
        # With a working directory of the runtime environment, paths lead from there.
        folder = "" if "working_dir" in self.runtime.ray.runtime_env else str(Path.cwd())
        place = ModelPlace(path, params, model.identity(), folder)
        shared = replace(self.shared, name=f"{self.shared.name}-{role}") if self.shared else None
        return ActorKind(model.name, actor, (place,), gpus, int(at_once) + 1, shared)
