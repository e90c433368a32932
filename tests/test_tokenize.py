"""`data tokenize`: pictures become codes once, in shards that no process can spoil for another."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from main import app
from src.data.loader import load_samples
from src.data.selection import Selection
from src.data.token_shards import TokenisedData, TokenisedEdit, at_work_in, write_index, write_shard
from src.errors import DataError, ModelError
from src.models.tokens.checkpoint import codec_digest
from src.models.tokens.picture_codec import PictureCodec
from src.models.tokens.tokenize_data import Encoder, tokenise
from src.shard import Shard
from src.training.config import DataFile
from src.training.token_data import MixedTokens
from tests.conftest import item, png
from tests.tiny_token_editors import tiny_token_editor, token_editor_folder  # noqa: F401 (fixture)

Write = Callable[..., Path]


class CountingCodec:
    """Codes that can be foreseen: the red of each quarter of a picture."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, picture: Image.Image) -> list[list[int]]:
        self.encoded += 1
        if picture.getpixel((0, 0)) == (66, 66, 66):
            raise ModelError("the processor refuses it")
        small = picture.resize((2, 2))
        pixels: list[Any] = [[small.getpixel((x, y)) for x in range(2)] for y in range(2)]
        return [[red for red, _, _ in row] for row in pixels]


def encoder(codec: CountingCodec, **identity: Any) -> Encoder:
    made: Any = codec
    return Encoder({"codec": "counting", **identity}, lambda: made)


def items(count: int) -> list[dict[str, Any]]:
    """Items of a benchmark, each with a source and a reference of its own."""
    return [
        item(index, src_img_b64=encoded(index, 0, 0), reference_img_b64=encoded(index, 9, 0)) for index in range(count)
    ]


def encoded(*color: int) -> str:
    import base64

    return base64.b64encode(png((color[0], color[1], color[2]))).decode()


def edit(index: int, side: int = 2) -> TokenisedEdit:
    codes = tuple(tuple((index + column) % 50 for column in range(side)) for _ in range(side))
    return TokenisedEdit(f"{index:05d}", "物理", "paint", codes, codes, "a", "b")


def test_each_sample_has_the_codes_of_its_source_and_its_reference(write_benchmark: Write, tmp_path: Path) -> None:
    data = write_benchmark(items(5))
    codec = CountingCodec()
    done = tokenise(str(data), Selection(), tmp_path / "out", encoder(codec), shard_size=2)
    assert (done.written, done.edits, done.missing, done.left_out) == (3, 5, 0, {})
    found = TokenisedData(tmp_path / "out", verify=True)
    assert [one.source for one in found] == [((index, index), (index, index)) for index in range(5)]
    assert found[-1] == found[4]
    assert found[1:3] == [found[1], found[2]]
    assert found[0].instruction == items(1)[0]["edit_instruction_en"]
    with pytest.raises(IndexError):
        found[5]
    assert list(found.sample_ids()) == [one.sample_id for one in found]


def test_a_second_call_encodes_nothing_and_an_interrupted_one_is_continued(
    write_benchmark: Write, tmp_path: Path
) -> None:
    data, out = str(write_benchmark(items(6))), tmp_path / "out"
    tokenise(data, Selection(), out, encoder(CountingCodec()), shard_size=2)
    first = {path.name: path.read_bytes() for path in (out / "shards").iterdir()}
    index = (out / "index.json").read_bytes()
    (out / "index.json").unlink()
    lost = sorted(first)[1]
    (out / "shards" / lost).write_bytes(first[lost][:100])  # a disk that was full, or a copy that broke off
    codec = CountingCodec()
    done = tokenise(data, Selection(), out, encoder(codec), shard_size=2)
    assert (done.written, done.kept, codec.encoded) == (1, 2, 4)
    assert {path.name: path.read_bytes() for path in (out / "shards").iterdir()} == first
    assert (out / "index.json").read_bytes() == index


def test_an_exception_in_mid_file_leaves_whole_shards_alone(write_benchmark: Write, tmp_path: Path) -> None:
    class Dying(CountingCodec):
        def encode(self, picture: Image.Image) -> list[list[int]]:
            if self.encoded == 5:
                raise KeyboardInterrupt
            return super().encode(picture)

    data, out = str(write_benchmark(items(6))), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        tokenise(data, Selection(), out, encoder(Dying()), shard_size=2)
    assert len(list((out / "shards").iterdir())) == 1
    with pytest.raises(DataError, match="unfinished; run data tokenize to its end"):
        TokenisedData(out)
    codec = CountingCodec()
    assert tokenise(data, Selection(), out, encoder(codec), shard_size=2).kept == 1
    assert codec.encoded == 8


def test_processes_that_share_the_work_make_what_one_makes(write_benchmark: Write, tmp_path: Path) -> None:
    data = str(write_benchmark(items(11)))
    tokenise(data, Selection(), tmp_path / "one", encoder(CountingCodec()), shard_size=2)

    def share(number: int) -> int:
        part = Shard(number, 3)
        return tokenise(data, Selection(), tmp_path / "three", encoder(CountingCodec()), 2, part).written

    assert sum(map(share, (1, 2, 3))) == 6
    assert _content(tmp_path / "three") == _content(tmp_path / "one")


def test_processes_that_do_the_same_work_at_once_spoil_nothing(write_benchmark: Write, tmp_path: Path) -> None:
    data = str(write_benchmark(items(8)))
    tokenise(data, Selection(), tmp_path / "one", encoder(CountingCodec()), shard_size=1)
    command = [data, str(tmp_path / "many")]
    code = (
        "import sys; from pathlib import Path; from src.data.selection import Selection; "
        "from src.models.tokens.tokenize_data import tokenise; from tests.test_tokenize import CountingCodec, encoder; "
        "tokenise(sys.argv[1], Selection(), Path(sys.argv[2]), encoder(CountingCodec()), 1)"
    )
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: subprocess.run([sys.executable, "-c", code, *command], check=False), range(2)))
    assert [run.returncode for run in runs] == [0, 0]
    assert _content(tmp_path / "many") == _content(tmp_path / "one")


def test_what_a_killed_process_has_begun_is_gone_after_the_next_run(write_benchmark: Write, tmp_path: Path) -> None:
    data, out = str(write_benchmark(items(4))), tmp_path / "out"
    tokenise(data, Selection(), tmp_path / "whole", encoder(CountingCodec()), 2)
    code = (
        "import os, sys, pyarrow as pa; from pathlib import Path; from src.data.selection import Selection; "
        "from src.models.tokens.tokenize_data import tokenise; from tests.test_tokenize import CountingCodec, encoder; "
        "pa.ipc.new_file = lambda *_: os.kill(os.getpid(), 9); "
        "tokenise(sys.argv[1], Selection(), Path(sys.argv[2]), encoder(CountingCodec()), 2)"
    )
    assert subprocess.run([sys.executable, "-c", code, data, str(out)], check=False).returncode == -9
    (begun,) = (out / "shards").iterdir()
    assert begun.suffix == ".part"
    (out / "index.json.1.part").write_text("{")
    tokenise(data, Selection(), out, encoder(CountingCodec()), 2)
    assert _content(out) == _content(tmp_path / "whole")


def test_what_another_process_is_writing_is_left_alone(write_benchmark: Write, tmp_path: Path) -> None:
    data, out = str(write_benchmark(items(4))), tmp_path / "out"
    with at_work_in(out):
        (begun := out / "index.json.1.part").write_text("{")
        assert tokenise(data, Selection(), out, encoder(CountingCodec()), 2).written == 2
        assert begun.exists()
    assert tokenise(data, Selection(), out, encoder(CountingCodec()), 2).written == 0
    assert not begun.exists()


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_encoder_picture_or_text_makes_other_shards(write_benchmark: Write, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plain = items(2)
    changed = [{**plain[0], "edit_instruction_en": "other"}, {**plain[0], "reference_img_b64": encoded(1, 2, 3)}]
    variants = [plain, *([other, plain[1]] for other in changed)]
    for number, rows in enumerate(variants):
        tokenise(str(write_benchmark(rows, f"{number}.json")), Selection(), out, encoder(CountingCodec()), 2)
    tokenise(str(write_benchmark(plain, "0.json")), Selection(), out, encoder(CountingCodec(), image_area=64), 2)
    assert len(list((out / "shards").iterdir())) == len(variants) + 1
    assert TokenisedData(out).encoder == {"codec": "counting", "image_area": 64}


def test_a_shard_that_is_not_what_the_index_says_is_made_again_and_never_certified(
    write_benchmark: Write, tmp_path: Path
) -> None:
    data, out = str(write_benchmark(items(4))), tmp_path / "out"
    tokenise(data, Selection(), out, encoder(CountingCodec()), shard_size=2)
    shard = sorted((out / "shards").iterdir())[0]
    sound = shard.read_bytes()
    other = tmp_path / "other"
    changed = [{**item, "reference_img_b64": encoded(9, 9, 9)} for item in items(4)]
    tokenise(str(write_benchmark(changed, "changed.json")), Selection(), other, encoder(CountingCodec()), shard_size=2)
    shard.write_bytes(sorted((other / "shards").iterdir())[0].read_bytes())  # can be read, and is another's
    done = tokenise(data, Selection(), out, encoder(CountingCodec()), shard_size=2)
    assert (done.written, done.kept) == (1, 1)
    assert shard.read_bytes() == sound


def test_a_folder_is_unfinished_while_another_encoder_is_at_work_in_it(write_benchmark: Write, tmp_path: Path) -> None:
    data, out = str(write_benchmark(items(4))), tmp_path / "out"
    tokenise(data, Selection(), out, encoder(CountingCodec()), 2)
    tokenise(data, Selection(), out, encoder(CountingCodec(), image_area=64), 2, Shard(1, 2))
    with pytest.raises(DataError, match="unfinished; run data tokenize to its end"):
        TokenisedData(out)
    tokenise(data, Selection(), out, encoder(CountingCodec(), image_area=64), 2, Shard(2, 2))
    assert TokenisedData(out).encoder == {"codec": "counting", "image_area": 64}


def test_samples_of_several_sources_or_turns_are_left_out_and_named(write_benchmark: Write, tmp_path: Path) -> None:
    from src.models.tokens.tokenize_data import _usable

    rows = items(3)
    rows[1]["further_src_imgs"] = [rows[0]["src_img_b64"]]
    samples = [*load_samples(str(write_benchmark(rows)), Selection())]
    turned = dataclasses.replace(samples[2], turns=("first this", "then that"))
    usable, bad = _usable([*samples[:2], turned])
    assert [pair.sample.sample_id for pair in usable] == [samples[0].sample_id]
    assert bad == {
        samples[1].sample_id: "it has several source pictures, and a token editor reads one",
        turned.sample_id: "it is edited in several turns, and a token editor edits in one",
    }


def test_samples_without_a_target_and_refused_pictures_are_left_out_and_named(
    write_benchmark: Write, tmp_path: Path
) -> None:
    rows = items(4)
    rows[1]["reference_img_b64"] = None
    rows[2]["src_img_b64"] = encoded(66, 66, 66)
    rows[3]["src_img_b64"] = "%%%"
    data, out = str(write_benchmark(rows)), tmp_path / "out"
    for _ in range(2):  # the second call reads the reasons from the shard
        done = tokenise(data, Selection(), out, encoder(CountingCodec()), shard_size=8)
        assert done.edits == 1
        reasons = " | ".join(done.left_out.values())
        assert len(done.left_out) == 3
        for part in ("no reference image", "the processor refuses it", "not valid base64"):
            assert part in reasons
    none = write_benchmark(rows[1:2], "none.json")
    with pytest.raises(DataError, match="no sample has a source and a target"):
        tokenise(str(none), Selection(), tmp_path / "none", encoder(CountingCodec()), shard_size=8)


def test_parquet_is_read_as_a_benchmark_file_is(write_benchmark: Write, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = items(3)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet")
    for name, data in (("a", tmp_path / "data.parquet"), ("b", write_benchmark(rows))):
        tokenise(str(data), Selection(), tmp_path / name, encoder(CountingCodec()), shard_size=8)
    assert list(TokenisedData(tmp_path / "a")) == list(TokenisedData(tmp_path / "b"))


def test_shards_that_are_damaged_lost_or_exchanged_are_named(tmp_path: Path) -> None:
    names = []
    for number in range(2):
        names.append(f"{number}.arrow")
        write_shard(tmp_path / "shards" / names[-1], [edit(place) for place in range(number + 1)], {})
    write_index(tmp_path, {}, names)
    assert len(TokenisedData(tmp_path, verify=True)) == 3
    first, second = (tmp_path / "shards" / name for name in names)
    kept = first.read_bytes()
    shutil.copy(second, first)
    with pytest.raises(DataError, match=r"0\.arrow has 2 rows, and the index says 1"):
        TokenisedData(tmp_path)
    with pytest.raises(DataError, match=r"0\.arrow is not what the index says"):
        TokenisedData(tmp_path, verify=True)
    first.write_bytes(kept[:-20])
    with pytest.raises(DataError, match=r"0\.arrow cannot be read"):
        TokenisedData(tmp_path)
    first.unlink()
    with pytest.raises(DataError, match=r"0\.arrow cannot be read"):
        TokenisedData(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"version": 9}))
    with pytest.raises(DataError, match="version 9"):
        TokenisedData(tmp_path)


def folder_of(path: Path, count: int, codec: str = "one", first: int = 0) -> str:
    write_shard(path / "shards" / "a.arrow", [edit(first + place) for place in range(count)], {})
    write_index(path, {"codec": codec}, ["a.arrow"])
    return str(path)


def test_coefficients_mix_folders_as_they_mix_the_files_of_a_training(tmp_path: Path) -> None:
    few, many = folder_of(tmp_path / "few", 10), folder_of(tmp_path / "many", 200, first=100)
    files = [DataFile(path=few, coefficient=2.5), DataFile(path=many, coefficient=0.25)]
    mixed = MixedTokens(files, seed=1)
    ids = [one.sample_id for one in mixed]
    counts = [ids.count(f"{place:05d}") for place in range(10)]
    assert set(counts) == {2, 3}
    drawn = ids[sum(counts) :]
    assert len(set(drawn)) == len(drawn)
    assert 25 <= len(drawn) <= 75
    assert [one.sample_id for one in MixedTokens(files, seed=1)] == ids
    assert [one.sample_id for one in MixedTokens(files, seed=2)] != ids
    assert mixed[-1].sample_id == ids[-1]
    other = [DataFile(path=few), DataFile(path=folder_of(tmp_path / "other", 1, codec="two"))]
    with pytest.raises(DataError, match="another encoder"):
        MixedTokens(other, seed=1)


def test_opening_and_reading_holds_no_codes_in_memory(tmp_path: Path) -> None:
    import pyarrow as pa

    side = 32
    names = [f"{number}.arrow" for number in range(4)]
    for number, name in enumerate(names):
        write_shard(tmp_path / "shards" / name, [edit(number * 500 + place, side) for place in range(500)], {})
    write_index(tmp_path, {}, names)
    size = sum(path.stat().st_size for path in (tmp_path / "shards").iterdir())
    before = pa.total_allocated_bytes()
    data = MixedTokens([DataFile(path=str(tmp_path))], seed=0)
    assert data[1999] == edit(1999, side)
    assert size > 16_000_000
    assert pa.total_allocated_bytes() - before < size / 50


def test_codes_are_those_that_the_editor_makes_and_the_language_model_is_not_loaded(
    token_editor_folder: Path, write_benchmark: Write, tmp_path: Path
) -> None:
    data, out = str(write_benchmark(items(2))), tmp_path / "out"
    arguments = [data, str(out), "--model", str(token_editor_folder), "--device", "cpu", "--image-area", "4096"]
    result = CliRunner().invoke(app, ["data", "tokenize", *arguments, "--shard-size", "1", "--part", "1/2"])
    assert result.exit_code == 0, result.output
    assert "1 shard made, 0 there before, 1 left for other parts" in result.output
    result = CliRunner().invoke(app, ["data", "tokenize", *arguments, "--shard-size", "1"])
    assert "2 edits, 0 left out; 1 shard made, 1 there before" in result.output
    model, processor = tiny_token_editor()
    codec = PictureCodec(model.model.vqmodel, processor.image_processor, 4096)
    (first, _) = TokenisedData(out)
    assert first.source == tuple(map(tuple, codec.encode(Image.new("RGB", (16, 16), (0, 0, 0)))))
    assert CliRunner().invoke(app, ["data", "tokenize", *arguments, "--part", "3/2"]).exit_code == 1


def test_the_digest_of_a_codec_tells_its_weights_and_settings_apart_and_no_language_models(
    token_editor_folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    digests = [codec_digest(token_editor_folder)]
    for name in ("text_model.lm_head.weight", "vqmodel.quantize.embedding.weight"):
        folder = Path(shutil.copytree(token_editor_folder, tmp_path / name))
        weights = load_file(folder / "model.safetensors")
        weights[name] = weights[name] + 1
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        digests.append(codec_digest(folder))
    folder = Path(shutil.copytree(token_editor_folder, tmp_path / "pixels"))
    settings = (folder / "processor_config.json").read_text()
    (folder / "processor_config.json").write_text(settings.replace("4096", "1024"))
    digests.append(codec_digest(folder))
    assert digests[1] == digests[0]
    assert len(set(digests[1:])) == 3
