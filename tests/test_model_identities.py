"""Identities of judges, policies and editors are those of version 9af9f07, which computed the digests below.

Weights are two tiny files: an identity reads their bytes, nothing is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.models.base import BaseModel
from src.models.reward.base_reward import BaseRewardModel
from src.models.vlm.trained_policy import TrainedPolicy
from src.pipeline.keys import digest
from src.registry import load_class

JUDGES = "src.models.reward.implementations"
EDITORS = "src.models.diffusion.implementations"
POLICY = "src.models.trained_policy.TrainedPolicy"
OF_A_TRAINING = {
    "model_name": "policy",
    "revision": None,
    "trust_remote_code": False,
    "dtype": "float32",
    "autocast": "bfloat16",
    "image_max_side": 448,
    "max_new_tokens": 64,
    "batch_size": 8,
    "adapter": "adapter",
    "device": "cpu",
}
OLDER_KEYS = {
    "model_name": "policy",
    "temperature": 0.5,
    "conda_env": "old",
    "timeout": 3,
    "use_batch_inference": False,
    "compare_with_original": False,
    "device": "cpu",
}
FULL_API = {
    "model": "m",
    "base_url": "http://127.0.0.1:1/v1",
    "seed": 3,
    "score_mode": "expected",
    "structured_output": "on",
    "price_per_million_prompt_tokens": 1,
    "price_per_million_completion_tokens": 1,
    "compare_with_reference": False,
}
REWRITE = {
    "policy": "policy",
    "adapter": "adapter",
    "dtype": "float32",
    "device": "cpu",
    "editor": {"class_path": f"{EDITORS}.identity.IdentityModel"},
}
PUBLISHED: list[tuple[str, dict[str, Any], str]] = [
    (
        POLICY,
        {"model_name": "policy", "device": "cpu"},
        "2c36ed2cfbfc39f2840a434b71b5ecb3c007c1fa7f90e445a6d59f9b5fc80390",
    ),
    (POLICY, OF_A_TRAINING, "99ac2d5a1dbc28f5669cda9737fdec60148a418885ba0291c1675204d25d106a"),
    (
        f"{JUDGES}.qwen3_vl_reward.Qwen3VLRewardModel",
        OLDER_KEYS,
        "c1fd47b77f27d0ff4eea0117f90a3f20d4502bebab28db0c7e4de2b13b60751f",
    ),
    (
        f"{JUDGES}.qwen3_vl_subprocess.Qwen3VLSubprocessRewardModel",
        OLDER_KEYS,
        "b351e334427f4dcdea86bb24a936ee78e35535be4a7d9304d30cd05e7abba02a",
    ),
    (
        f"{JUDGES}.qwen3_vl_multi_gpu_subprocess.Qwen3VLMultiGPUSubprocessRewardModel",
        OLDER_KEYS,
        "c2a72b804758ecf4349c4c1dbfafc982e40dbbddaab16d9b1f8a0d27252b3bd5",
    ),
    (
        f"{JUDGES}.openai_reward.OpenAIRewardModel",
        {},
        "4a18df3fc17b28d82b11aa2ee2ca5bda8a1d2e266bec93e0e539643198da763e",
    ),
    (
        f"{JUDGES}.openai_reward.OpenAIRewardModel",
        FULL_API,
        "21c7b41505034243dd02cc60037fc4ad14594385b814a48e014530e7b3f0c07b",
    ),
    (
        f"{EDITORS}.openai_image_edit.OpenAIImageEditModel",
        {"quality": "low"},
        "0145e2a497bc39316c37a5b392332804001ac343c16dbb78a36d2b555ebcedef",
    ),
    (
        f"{EDITORS}.rewrite_editor.RewriteEditor",
        REWRITE,
        "9dd26d94ba52e4ee60a261ea11376a740adc0a64d42b2e0712565f2fce236ddf",
    ),
]


@pytest.mark.parametrize(("class_path", "params", "published"), PUBLISHED)
def test_an_identity_is_the_one_that_records_of_before_are_keyed_by(
    class_path: str, params: dict[str, Any], published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, text in (("policy/config.json", '{"model_type": "qwen3_vl"}'), ("adapter/adapter_config.json", "{}")):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
    found = load_class(class_path, BaseModel)  # type: ignore[type-abstract]
    assert digest(found.identity(params)) == published


def test_a_policy_is_asked_but_is_no_judge() -> None:
    assert not issubclass(TrainedPolicy, BaseRewardModel)
