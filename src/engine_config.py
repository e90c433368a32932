"""The section of a config that says where the models of a run or of a training compute: `engine`, `ray`, timeouts."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

import pydantic

from src.redaction import secret_names
from src.section import Section

_ADDRESS = re.compile(r"(ray://)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}")


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")
    return value


MOST_PROCESSES = 10_000
"""More editors or judges than any cluster has room for are a slip of the keyboard."""
LEAST_SHARE = 0.0001
"""Of a GPU; Ray takes less for nothing."""
NoSwitch = pydantic.BeforeValidator(_no_switch)
"""Refuses true and false, which Python takes for 1 and 0."""
Gpus = Annotated[float, NoSwitch, pydantic.Field(ge=0, allow_inf_nan=False)]


class RayConfig(Section):
    """Which Ray cluster `runtime.engine: ray` uses, and what it places there."""

    address: str = "auto"
    """`auto`: the cluster that `ray start` has made this machine a part of; `local`: this machine alone, as long as
    the process lives; `HOST:PORT`: a cluster's head, from one of its machines; `ray://HOST:PORT`: from outside."""
    editors: Annotated[int, NoSwitch, pydantic.Field(ge=1, le=MOST_PROCESSES)] | Literal["auto"] = "auto"
    """Editors, each in a process of its own; `auto` is as many as the cluster has room for when the run begins."""
    editor_gpus: Gpus = 1
    """GPUs of each editor; 0 computes on the CPU, and a fraction shares a GPU."""
    judges: Annotated[int, NoSwitch, pydantic.Field(ge=0, le=MOST_PROCESSES)] | None = None
    """Judges, each in a process of its own; 0 leaves the judge in the process of the run. When absent, 1 for a judge
    that computes by itself and 0 for one that asks a server."""
    judge_gpus: Gpus = 1
    """GPUs of each judge."""
    runtime_env: dict[str, Any] = pydantic.Field(default_factory=dict)
    """Ray's runtime environment of these processes: `working_dir`, `py_modules`, `pip`, `env_vars` …"""

    @pydantic.field_validator("address")
    @classmethod
    def _leads_to_a_cluster(cls, address: str) -> str:
        if address in ("auto", "local"):
            return address
        if not _ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is no address: write auto, local, HOST:PORT or ray://HOST:PORT")
        if not 1 <= int(address.rpartition(":")[2]) <= 65535:
            raise ValueError(f"{address!r}: a port is a number from 1 to 65535")
        return address

    @pydantic.field_validator("editor_gpus", "judge_gpus")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"{gpus:g} GPUs: above 1 it must be a whole number, and below 1 it shares one GPU")
        if 0 < gpus < LEAST_SHARE:
            raise ValueError(f"{gpus:g} GPUs: Ray counts in steps of {LEAST_SHARE}; 0 computes on the CPU")
        return gpus

    @pydantic.field_validator("runtime_env")
    @classmethod
    def _without_secrets(cls, environment: dict[str, Any]) -> dict[str, Any]:
        if secret := next(secret_names(environment), None):
            raise ValueError(
                f"{secret} holds what looks like a secret, and Ray writes runtime environments into its logs: set "
                "secrets as environment variables of the machines, where `ray start` is run"
            )
        return environment


class EngineConfig(Section):
    """Where the models of a run or of a training compute."""

    engine: Literal["local", "ray"] = "local"
    """`local`: models in this process, one on each of `device_ids`. `ray`: in processes of a Ray cluster. It is no part
    of any key: a run that one has begun, the other goes on with."""
    ray: RayConfig = pydantic.Field(default_factory=RayConfig)
    """Only for `engine: ray`."""
    edit_timeout: float | None = pydantic.Field(None, gt=0, allow_inf_nan=False)
    """Seconds after which an editor that gives nothing back is taken for hung and is replaced; only for `engine: ray`,
    as a thread cannot be ended. No limit when absent. It must be longer than a batch of edits takes."""
    judge_timeout: float | None = pydantic.Field(None, gt=0, allow_inf_nan=False)
    """The same for a judge in a process of its own. It must be longer than a batch of questions takes."""

    @pydantic.model_validator(mode="after")
    def _can_keep_time(self) -> Self:
        for name in ("edit_timeout", "judge_timeout"):
            if getattr(self, name) is not None and self.engine != "ray":
                raise ValueError(f"{name} needs engine: ray: a thread of this process cannot be ended")
        return self
