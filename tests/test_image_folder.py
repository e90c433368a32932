"""What a data file names is read from its own folder and from nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config import Config
from src.data.convert.run import build_converter, convert
from src.data.image import ImageError
from src.data.image_folder import ImageFolder, OutsideFolder
from src.data.inspect import inspect_benchmark
from src.data.loader import load_samples
from src.data.questions import load_questions
from src.data.sample import BadSample
from src.data.selection import Selection
from src.pipeline.plan import RunPlan
from tests.conftest import item, png


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder `data` with a picture, and links to it, to a picture outside, and to the folder outside."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.png").write_bytes(png())
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "own.png").write_bytes(png())
    (folder / "link.png").symlink_to("own.png")
    (folder / "out.png").symlink_to(tmp_path / "secret" / "a.png")
    (folder / "dir").symlink_to(tmp_path / "secret")
    (folder / "circle").symlink_to("circle")
    return folder


OUTSIDE = ("out.png", "dir/a.png")
NO_NAMES = ("a\0.png", "\ud800.png")


def written(folder: Path, rows: list[dict[str, Any]], name: str = "x.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def bench(name: str) -> dict[str, Any]:
    return item(0, src_img_b64=None, reference_img_b64=None, src_img=name)


def question(name: str) -> dict[str, Any]:
    return {"prompt": "red?", "answer": "yes", "images": [name]}


@pytest.mark.parametrize("name", [*OUTSIDE, *NO_NAMES, "circle"])
@pytest.mark.parametrize("kind", ["benchmark", "questions"])
def test_a_link_out_of_the_folder_is_a_bad_sample(linked: Path, kind: str, name: str) -> None:
    make, load = {"benchmark": (bench, load_samples), "questions": (question, load_questions)}[kind]
    path = written(linked, [make(name)])
    (found,) = load(path, Selection())
    assert isinstance(found, BadSample)
    assert ("leads out of the folder" if name in OUTSIDE else "not a possible file name") in found.reason


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["benchmark", "questions"])
def test_links_are_followed_where_that_is_asked_for(linked: Path, kind: str, name: str) -> None:
    make, load = {"benchmark": (bench, load_samples), "questions": (question, load_questions)}[kind]
    (found,) = load(written(linked, [make(name)]), Selection(follow_links=True))
    assert not isinstance(found, BadSample), found.reason


def test_links_within_the_folder_and_to_the_folder_are_read(linked: Path, tmp_path: Path) -> None:
    written(linked, [bench("link.png")])
    (tmp_path / "elsewhere").symlink_to(linked)
    (found,) = load_samples(str(tmp_path / "elsewhere" / "x.jsonl"), Selection())
    assert not isinstance(found, BadSample), found.reason
    assert found.source.read_bytes() == png()


def test_a_converter_reads_no_link_out_of_its_images(linked: Path, tmp_path: Path) -> None:
    def row(name: str) -> dict[str, Any]:
        asked = [{"type": "image", "image": name}, {"type": "text", "text": "q"}]
        return {"conversations": [{"role": "user", "content": asked}, {"role": "assistant", "content": "a"}]}

    names = [*OUTSIDE, *NO_NAMES, "circle", "link.png", str(linked / "own.png")]
    source = written(tmp_path, [row(name) for name in names])
    result = convert(build_converter("conversations", {"image_dir": linked}), source, tmp_path / "out.jsonl")
    assert (result.items, len(result.bad)) == (2, 5)
    followed = build_converter("conversations", {"image_dir": linked, "follow_links": True})
    assert convert(followed, source, tmp_path / "out.jsonl").items == 4


def test_inspect_follows_links_only_when_told(linked: Path) -> None:
    path = written(linked, [bench("own.png"), bench("out.png") | {"id": "b"}])
    assert len(inspect_benchmark(path).problems) == 1
    assert not inspect_benchmark(path, Selection(follow_links=True)).problems


def test_following_links_is_no_part_of_what_is_asked_for(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    path = str(write_benchmark(1))
    keys = [
        RunPlan(make_config(path, benchmark={"data_path": path, "follow_links": follow})).run_key
        for follow in (False, True)
    ]
    assert keys[0] == keys[1]


@given(
    st.lists(st.sampled_from(["..", ".", "/", "\\", "\0", "a", "~", "\ud800", "dir", "out.png"]), max_size=6).map(
        "".join
    )
)
def test_no_path_of_any_form_reads_what_lies_outside(name: str) -> None:
    folder = ImageFolder(Path(__file__).parent / "nowhere")
    try:
        found = folder.image(name)
    except OutsideFolder:
        return
    assert found.path is not None
    assert found.path.resolve().is_relative_to(folder.path.resolve())
    with pytest.raises(ImageError):
        found.read_bytes()
