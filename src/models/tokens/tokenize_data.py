"""`python main.py data tokenize`: the sources and right edits of a benchmark file become codes, once.

A shard is named by what goes into it: the encoder, and ids, words and pictures of its samples. So a shard that is there
is never made again, one of another encoder or file is never taken for it, and processes do not get into each other's
way.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from src.data.image import ImageError, content_hash, decode_image
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.data.token_shards import (
    SHARDS,
    Codes,
    TokenisedEdit,
    at_work_in,
    begin_folder,
    left_out_of,
    require_content,
    shard_table,
    write_index,
    write_shard,
)
from src.errors import DataError, ModelError
from src.models.device import pick_device
from src.models.tokens.checkpoint import checkpoint_folder, codec_digest, load_codec_parts
from src.models.tokens.picture_codec import PictureCodec
from src.shard import Shard

logger = logging.getLogger(__name__)

WHOLE = Shard(1, 1)
_VERSION = 2
"""Of the way from a picture to its codes; raised when the same picture gets other codes."""
_NO_TARGET = "the sample has no reference image, so there is no edit to learn"


@dataclass(frozen=True)
class Encoder:
    """What makes codes of pictures; loaded when the first picture is not there yet."""

    identity: dict[str, Any]
    """All that decides the codes: weights, size, number type."""
    load: Callable[[], PictureCodec]

    @classmethod
    def of(
        cls, model_name: str, revision: str | None = None, image_area: int | None = None, device: str = "auto"
    ) -> Encoder:
        """The encoder of a token editor's checkpoint, computing in float32.

        Raises:
            ModelError: the checkpoint or the device is missing, or it is no token editor.
        """
        folder = checkpoint_folder(model_name, revision)
        where = pick_device(device)
        identity = {"codec": codec_digest(folder), "image_area": image_area, "version": _VERSION}
        return cls(identity, lambda: PictureCodec(*load_codec_parts(folder, where), image_area))


@dataclass
class Tokenisation:
    """The outcome of a call."""

    written: int = 0
    """Shards that were made."""
    kept: int = 0
    """Shards that were there already."""
    edits: int = 0
    missing: int = 0
    """Shards that other processes have yet to make; where there are any, the folder has no index yet."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Why samples are left out, by their ids."""


def tokenise(
    data_path: str, selection: Selection, output: Path, encoder: Encoder, shard_size: int, part: Shard = WHOLE
) -> Tokenisation:
    """Encodes what is not encoded yet, and writes the index once all shards are there.

    The data are read as a stream, and at most one shard is in memory.

    Args:
        data_path: As for a benchmark.
        selection: Which of its samples.
        output: The folder of the tokenised data.
        encoder: Of the pictures.
        shard_size: Samples a shard.
        part: Which of the shards this process makes: of 2/4, the second of each four.

    Raises:
        DataError: the data cannot be read, or not one sample has a source and a target.
    """
    with at_work_in(output):
        return _tokenised(_blocks(load_samples(data_path, selection), shard_size), output, encoder, part)


def _tokenised(
    blocks: Iterable[Sequence[EditSample | BadSample]], output: Path, encoder: Encoder, part: Shard
) -> Tokenisation:
    done = Tokenisation()
    names: list[str] = []
    codec: PictureCodec | None = None
    digests = begin_folder(output, encoder.identity)
    for number, block in enumerate(blocks):
        usable, bad = _usable(block)
        name = f"{_key(encoder.identity, usable, bad)}.arrow"
        names.append(name)
        path = output / SHARDS / name
        if _is_whole(path, digests):
            done.kept += 1
        elif number % part.count == part.number - 1:
            codec = codec or encoder.load()
            edits, failed = _encoded(usable, codec)
            write_shard(path, edits, bad | failed)
            done.written += 1
        else:
            done.missing += 1
    return _finished(done, output, encoder, names)


def _finished(done: Tokenisation, output: Path, encoder: Encoder, names: list[str]) -> Tokenisation:
    done.missing = sum(not _is_whole(output / SHARDS / name, {}) for name in names)
    if done.missing:
        return done
    for name in names:
        table = shard_table(output / SHARDS / name)
        done.edits += table.num_rows
        done.left_out |= left_out_of(table)
    if not done.edits:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in [*done.left_out.items()][:3])
        raise DataError(f"no sample has a source and a target; the first reasons: {reasons}")
    write_index(output, encoder.identity, names)
    return done


def _blocks(items: Iterator[EditSample | BadSample], size: int) -> Iterator[Sequence[EditSample | BadSample]]:
    while block := list(islice(items, size)):
        yield block


@dataclass(frozen=True)
class _Pair:
    """A sample whose pictures could be read."""

    sample: EditSample
    source: bytes
    target: bytes


def _usable(block: Iterable[EditSample | BadSample]) -> tuple[list[_Pair], dict[str, str]]:
    pairs: list[_Pair] = []
    bad: dict[str, str] = {}
    for item in block:
        if isinstance(item, BadSample):
            bad[item.sample_id] = item.reason
            continue
        try:
            _require_one_edit(item)
            if item.reference is None:
                raise ImageError(_NO_TARGET)
            pairs.append(_Pair(item, item.given_source.read_bytes(), item.reference.read_bytes()))
        except ImageError as error:
            bad[item.sample_id] = str(error)
    return pairs, bad


def _require_one_edit(sample: EditSample) -> None:
    if sample.further_sources:
        raise ImageError("it has several source pictures, and a token editor reads one")
    if sample.turns:
        raise ImageError("it is edited in several turns, and a token editor edits in one")


def _key(encoder: dict[str, Any], pairs: list[_Pair], bad: dict[str, str]) -> str:
    told = [
        [
            pair.sample.sample_id,
            pair.sample.category,
            pair.sample.difficulty,
            pair.sample.instruction,
            pair.sample.rationale,
            content_hash(pair.source),
            content_hash(pair.target),
        ]
        for pair in pairs
    ]
    return hashlib.sha256(json.dumps([encoder, told, bad], sort_keys=True).encode()).hexdigest()


def _is_whole(path: Path, digests: Mapping[str, str]) -> bool:
    """Whether a shard can be read and is, where an index lists it, what the index says."""
    if not path.is_file():
        return False
    try:
        shard_table(path)
        if path.name in digests:
            require_content(path, digests[path.name])
    except DataError as error:
        logger.warning("%s", error)
        return False
    return True


def _encoded(pairs: list[_Pair], codec: PictureCodec) -> tuple[list[TokenisedEdit], dict[str, str]]:
    edits: list[TokenisedEdit] = []
    failed: dict[str, str] = {}
    codes: dict[str, Codes] = {}  # samples of one shard may share pictures
    for pair in pairs:
        try:
            source, target = (_codes(data, codec, codes) for data in (pair.source, pair.target))
        except (ImageError, ModelError) as error:
            failed[pair.sample.sample_id] = str(error)
            logger.warning("%s is left out: %s", pair.sample.sample_id, error)
            continue
        edits.append(_edit(pair, source, target))
    return edits, failed


def _codes(data: bytes, codec: PictureCodec, known: dict[str, Codes]) -> Codes:
    key = content_hash(data)
    if key not in known:
        known[key] = tuple(map(tuple, codec.encode(decode_image(data))))
    return known[key]


def _edit(pair: _Pair, source: Codes, target: Codes) -> TokenisedEdit:
    sample = pair.sample
    return TokenisedEdit(
        sample_id=sample.sample_id,
        category=sample.category,
        instruction=sample.instruction,
        source=source,
        target=target,
        source_sha256=content_hash(pair.source),
        target_sha256=content_hash(pair.target),
        difficulty=sample.difficulty,
        rationale=sample.rationale,
    )
