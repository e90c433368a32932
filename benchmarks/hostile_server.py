"""A judge's server that answers with more than anybody can hold."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = bytes(10_000_000)
ENDLESS_BLOCKS = 50
GZIP_BLOCKS = 900
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"


@contextmanager
def flood_server(kind: str) -> Iterator[str]:
    """The base URL of a server whose every answer is `endless` (500 MB) or a `gzip` bomb (9 MB for 9 GB)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            if kind == "gzip":
                self.send_header("content-encoding", "gzip")
            self.end_headers()
            with suppress(OSError):  # the client has had enough
                if kind == "gzip":
                    self.wfile.write(_GZIP_HEADER)
                for _ in range(GZIP_BLOCKS if kind == "gzip" else ENDLESS_BLOCKS):
                    self.wfile.write(packed if kind == "gzip" else BLOCK)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
