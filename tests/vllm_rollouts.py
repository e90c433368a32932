"""`main.py` with a CPU build of vLLM that keeps its weights where new ones can be put.

That build packs them for oneDNN and drops the originals; without oneDNN it computes with the weights themselves, as
vLLM does on a GPU.
"""

from __future__ import annotations

if __name__ == "__main__":
    from vllm import _custom_ops  # type: ignore[import-not-found,unused-ignore]

    from main import app

    _custom_ops._supports_onednn = False
    app()
