"""`python main.py serve-editor`: the editor of a config as an HTTP service."""

from __future__ import annotations

import ipaddress
import logging
import socket
from dataclasses import dataclass

from src.config import DECODED_MEGABYTES, ModelConfig
from src.errors import ConfigError
from src.pipeline.editor_plan import EditorPlan
from src.pipeline.pixels import PixelBudget
from src.serving.admission import REQUEST_SECONDS, Admission
from src.serving.edit_server import create_app
from src.serving.edit_service import EditService
from src.serving.patience import uvicorn_settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServingOptions:
    """The address at which the editor is served, and how many requests may wait how long."""

    host: str = "127.0.0.1"
    port: int = 8100
    """0 takes any free one."""
    capacity: int = 64
    """Requests that may wait; more are sent away with 429."""
    max_wait: float = 0.02
    """Seconds for which a request waits for others to share its batch."""
    decoded_megabytes: int = DECODED_MEGABYTES
    """Megabytes of decoded pictures of all requests together; see `PixelBudget`."""
    hosts: frozenset[str] = frozenset()
    """Names in `Host` that are this server's, besides its addresses."""
    token: str | None = None
    request_seconds: float = REQUEST_SECONDS
    """Seconds that a client has for the head of a request, and again for its body."""


def serve_editor(config: ModelConfig, options: ServingOptions) -> None:
    """Checks the config and takes the port, then loads the editor, then serves until it is told to stop (Ctrl-C).

    Requests that were accepted before the stop get their edits; a second Ctrl-C drops them.

    Raises:
        ConfigError: for a wrong class path or wrong params, or an address that cannot be used.
        ModelError: when the editor cannot be loaded.
    """
    import uvicorn

    admission = Admission(options.hosts, options.token, options.request_seconds)
    plan = EditorPlan(config)
    with bound_socket(options.host, options.port) as listener:
        plan.check_weights()
        plan.check_devices()
        service = EditService(
            list(plan.load()), options.capacity, options.max_wait, PixelBudget(options.decoded_megabytes)
        )
        app = create_app(service, plan.identity(), admission)
        if options.token is None and not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            logger.warning("whoever reaches this address may use the editor: there is no --token")
        logger.info("serving %s on http://%s:%d", plan.name, *listener.getsockname()[:2])
        uvicorn.Server(uvicorn.Config(app, **uvicorn_settings(admission.seconds))).run([listener])


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that has the address but does not listen: clients are refused, not kept waiting, while weights load.

    Raises:
        ConfigError: the address is in use or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"nothing can be served on {host}:{port}: {error.strerror or error}; choose another --port or --host"
        ) from error
    return listener
