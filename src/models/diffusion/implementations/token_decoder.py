"""`TokenDecoder`: makes pictures of the codes that a token editor has drawn elsewhere."""

from __future__ import annotations

from typing import Any

from PIL import Image

from src.errors import ModelError
from src.models.checkpoint_model import CheckpointModel, CheckpointParams
from src.models.device import pick_device
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.tokens.checkpoint import checkpoint_folder, load_codec_parts, require_token_editor
from src.models.tokens.drawn_codes import DrawnCodes
from src.models.tokens.picture_codec import PictureCodec, with_aspect_ratio


class TokenDecoder(CheckpointModel, BaseDiffusionModel):
    """The VQ-VAE of an Emu3 checkpoint, in float32, as `TokenEditModel` has it; of the language model nothing is read.

    It is the frozen part of a training of a token editor, whose policy draws the codes. Each picture is decoded alone,
    so that it does not depend on what else is decoded.

    Raises:
        ModelError: on construction, when weights or the device are missing, or are of another kind of model.
    """

    class Params(CheckpointParams):
        """Which checkpoint."""

        device: str = "auto"
        """`auto` (cuda, else mps, else cpu), `cuda:1`, `cpu` …"""

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` for a checkpoint that is no token editor of transformers' layout, or misses files."""
        checked = cls.Params(**params)
        require_token_editor(checked.model_name, checked.revision)

    def _initialize(self) -> None:
        self.device = pick_device(self.params.device)
        folder = checkpoint_folder(self.params.model_name, self.params.revision)
        self.codec = PictureCodec(*load_codec_parts(folder, self.device))

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, conditioning: DrawnCodes | None = None, **kwargs: Any
    ) -> Image.Image:
        """The picture of some codes, with the aspect ratio of the source.

        Raises:
            ModelError: there are no codes, or the VQ-VAE makes NaN of them.
        """
        if conditioning is None:
            raise ModelError("TokenDecoder edits nothing by itself: name TokenEditModel, which draws the codes as well")
        return with_aspect_ratio(self.codec.decode(conditioning.rows), original_image.size)

    def load_to_gpu(self) -> None:
        """Moves all weights to the device."""
        self.codec.vqvae.to(self.device)

    def unload_from_gpu(self) -> None:
        """Moves all weights to main memory."""
        if self.device != "cpu":
            import torch

            self.codec.vqvae.to("cpu")
            torch.get_device_module(self.device).empty_cache()
