"""Turns pydantic's errors into one `ConfigError` that names each key, the reason and the nearest valid name."""

from __future__ import annotations

from typing import Any, get_args

import pydantic

from src.errors import ConfigError, did_you_mean
from src.redaction import redact


def config_error(error: pydantic.ValidationError, model: type[pydantic.BaseModel], where: str) -> ConfigError:
    """Returns the readable form of `error`, which arose when `model` was filled from the part called `where`."""
    lines = [_line(detail, model) for detail in error.errors(include_url=False)]
    return ConfigError(f"{where} is not valid:\n" + "\n".join(f"  - {line}" for line in lines))


def _line(detail: Any, model: type[pydantic.BaseModel]) -> str:
    location = detail["loc"]
    path = ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, location[:-1])
        return f"{path}: unknown key.{did_you_mean(str(location[-1]), known)} Known keys: {', '.join(known)}."
    if detail["type"] == "missing":
        return f"{path}: required, but absent."
    shown = redact({location[-1]: detail["input"]})[location[-1]] if location else redact(detail["input"])
    return f"{path}: {detail['msg']} (got {shown!r:.80})"


def _fields_at(model: type[pydantic.BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the nested model at `location`, found by walking the annotations."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:  # a key of a mapping: its values share one model, found in the step before
            continue
        nested = _nested_model(field.annotation)
        if nested is None:
            return []
        model = nested
    return [field.alias or name for name, field in model.model_fields.items()]


def _nested_model(annotation: Any) -> type[pydantic.BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _nested_model(argument))), None)
