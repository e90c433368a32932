"""Which editor a YAML names: the `diffusion_model` of a benchmark's or a training's config, or of a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydantic

from src.config import ModelConfig, fill_in, read_yaml
from src.errors import ConfigError
from src.validation import config_error


class _ServedConfig(pydantic.BaseModel):
    """Other sections may be there: they are not of interest here."""

    model_config = pydantic.ConfigDict(extra="ignore")

    diffusion_model: ModelConfig


def load_served_model(path: Path, overrides: Sequence[str] = ()) -> ModelConfig:
    """Reads the editor's class path and params; `a.b=c` overrides and environment variables as in every config.

    Raises:
        ConfigError: naming the file, the key and the reason.
    """
    data = read_yaml(path, overrides)
    if "diffusion_model" not in data:
        raise ConfigError(f"{path} names no editor: add diffusion_model.class_path (and params)")
    section = fill_in({"diffusion_model": data["diffusion_model"]}, path.parent)
    try:
        return _ServedConfig.model_validate(section).diffusion_model
    except pydantic.ValidationError as error:
        raise config_error(error, _ServedConfig, str(path)) from error
