"""The editors of the shipped evaluation files, loaded as written but for the weights: tiny ones of the same class."""

from __future__ import annotations

from pathlib import Path

from src.config import ModelConfig, load_config

ROOT = Path(__file__).parent.parent


def preset(name: str) -> ModelConfig:
    return load_config(ROOT / "configs/evaluation" / f"{name}.yaml").diffusion_model


def test_every_file_is_in_the_table_of_the_editors_page_with_its_checkpoint_and_steps() -> None:
    rows = [
        line for line in (ROOT / "docs/editors.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    files = [path for path in (ROOT / "configs/evaluation").glob("*.yaml") if not path.stem.endswith("_judge")]
    for path in files:
        params = preset(path.stem).params
        (row,) = [row for row in rows if row.startswith(f"| `{path.name}` |")]
        assert f"`{params['model_name']}`" in row
        assert f"| {params['num_inference_steps']} |" in row
