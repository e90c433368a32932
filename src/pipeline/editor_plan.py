"""`EditorPlan`: everything about an editor that is known before it loads — class, params, identity, keys of edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from src.cluster.seat import SharedPool
from src.config import ModelConfig, RuntimeConfig
from src.data.sample import EditSample
from src.errors import ConfigError
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.replicas import replica_params
from src.models.model_handle import ModelHandle
from src.pipeline.editors import Editors, LocalEditor
from src.pipeline.keys import conditioned_edit_key, digest, edit_key, sample_seed
from src.pipeline.placement import Placement
from src.registry import build

_HERE = RuntimeConfig()


class EditorPlan(ModelHandle[BaseDiffusionModel]):
    """The editor of a run before it is loaded: its checked section, and the keys of its edits.

    Args:
        section: Class path and params.
        runtime: The run's seed, from which each sample's seed follows (`params.seed` goes before it), and where the
            editor runs.
        shared: With whom this process shares an editor that is placed elsewhere, if with anybody.

    Raises:
        ConfigError: on construction, for a wrong class path, params or seed.
    """

    def __init__(self, section: ModelConfig, runtime: RuntimeConfig = _HERE, shared: SharedPool | None = None) -> None:
        super().__init__(section, BaseDiffusionModel, "diffusion_model")  # type: ignore[type-abstract]
        own = section.params.get("seed")
        try:
            self.seed = runtime.seed if own is None else int(own)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"diffusion_model.params.seed must be a whole number: {error}") from error
        self.placement = Placement.of(runtime, shared)
        if self.placement is not None:
            self.placement.check(self.model_class, self.params, "diffusion_model")

    @cached_property
    def digest(self) -> str:
        """The identity's digest, which enters the key of every edit."""
        return digest(self.identity())

    def replicas(self) -> list[dict[str, Any]]:
        """The params of each editor: one per entry of `device_ids`, else a single one."""
        return replica_params(self.params)

    def load(self) -> Iterator[BaseDiffusionModel]:
        """Builds one editor after the other and moves it to its device.

        Raises:
            ModelError: when one cannot be built.
        """
        for params in self.replicas():
            editor = build(self.model_class, params)
            editor.load_to_gpu()
            yield editor

    def load_for_stages(self, judges: int = 0) -> Iterator[Editors]:
        """Loads the editor as the stages take it: here, or in actors, for which nobody waits yet.

        Args:
            judges: How many actors of judges work at the same time.

        Raises:
            ModelError: when one cannot be built here.
        """
        if self.placement is not None:
            yield self.placement.editors(self, judges)
        else:
            yield from map(LocalEditor, self.load())

    def devices(self) -> list[str]:
        """Names the devices of this process on which the editor would compute; none where it is placed elsewhere."""
        return [] if self.placement is not None else super().devices()

    def check_devices(self, judges: int = 0) -> None:
        """Raises `ModelError` when the GPUs that the editor needs are not on this machine, or not in the cluster.

        Args:
            judges: How many actors of judges work at the same time.
        """
        if self.placement is not None:
            self.placement.check_editors(self.name, judges)
        else:
            super().check_devices()

    def keys(
        self,
        sample_id: str,
        source_sha256: str,
        instruction: str,
        further: Sequence[str] = (),
        conditioning: str | None = None,
    ) -> tuple[int, str]:
        """A sample's seed and the content key of the edit. Edits of one sample share its seed, whatever the source.

        Args:
            sample_id: Whose edit it is; seeds follow from it.
            source_sha256: Hash of the picture that is edited.
            instruction: What the editor is told.
            further: Hashes of the sources after the first one.
            conditioning: Hash of what the transformer is given in the place of the instruction, if anything.
        """
        seed = sample_seed(self.seed, sample_id)
        if conditioning is not None:
            return seed, conditioned_edit_key(self.digest, [source_sha256, *further], conditioning, seed)
        return seed, edit_key(self.digest, source_sha256, instruction, seed, further)

    @cached_property
    def _edits(self) -> bool:
        return self.model_class.takes_source(self.params)

    @cached_property
    def _generates(self) -> bool:
        return self.model_class.takes_text_alone(self.params)

    @cached_property
    def _takes_several(self) -> bool:
        return self.model_class.takes_further_images(self.params)

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says why the editor cannot edit the sample at all, which is no failure of it; None when it can."""
        if sample.source is None and not self._generates:
            return f"the sample has no source picture, and {self.name} edits pictures: name a GenerationModel"
        if sample.source is not None and not self._edits:
            return f"the sample has a source picture, and {self.name} makes pictures of text alone: name an editor"
        if sample.turns and not self.model_class.takes_turns(self.params):
            return (
                f"the sample is edited in {len(sample.turns)} turns, each of what the one before has made, and "
                f"{self.name} edits once"
            )
        if not sample.further_sources or self._takes_several:
            return None
        return f"the sample has {1 + len(sample.further_sources)} source pictures, and {self.name} edits one"
