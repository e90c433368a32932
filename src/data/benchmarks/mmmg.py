"""`MMMG`: the benchmark of knowledge images (arXiv 2506.10963), prompts of six levels in ten disciplines."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from src.data.benchmarks.layout import BenchmarkFormat, Seen, attribute_texts, required_text
from src.data.knowledge_graph import read_knowledge_graph
from src.data.sample import Unusable
from src.data.sources import ByteProgress, RawItem, read_entries
from src.errors import DataError

LEVELS, DISCIPLINES, PAIRS = 6, 10, 59
"""Of the published file: one pair of level and discipline has no prompts."""
_LEVEL, _DISCIPLINE, _ID = "level", "discipline", "unique id"
_UNSAFE = re.compile(r"[^\w.-]+")


class MMMG(BenchmarkFormat):
    """A file `{level: {discipline: [{question, key, Visual Components, Key Knowledge, img_path}, …]}, …}`.

    `question` is the prompt of a picture that is to be made of text alone. The level is the difficulty, the discipline
    the category. `Visual Components` is the knowledge graph, whose ends are read as MMMG reads them (`by_parts`);
    `Key Knowledge` is the rationale, and `img_path` the reference picture.
    """

    NAME: ClassVar[str] = "MMMG"
    DATA_FILE: ClassVar[str] = "the JSON file"

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._pairs: Counter[tuple[str, str]] = Counter()

    def find_source(self, path: Path) -> str:
        """The file, or the only JSON file of a folder."""
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if len(files) != 1:
            raise DataError(f"{path} holds {len(files)} JSON files: set benchmark.data_path to the one of {self.NAME}")
        return str(files[0])

    def raw_rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams the samples, one level after the other; a level is read as a whole."""
        self._pairs.clear()
        index = 0
        for level in read_entries(Path(self.source), progress):
            for discipline, rows in _disciplines(level):
                named: Counter[str] = Counter()
                for row in rows:
                    yield self._raw_row(row, index, str(level.key), discipline, named, index in unwanted)
                    index += 1

    def _raw_row(
        self, row: Any, index: int, level: str, discipline: str, named: Counter[str], passed_over: bool
    ) -> RawItem:
        self._pairs[level, discipline] += 1
        stated = row.get("key") if isinstance(row, Mapping) else None
        name = _UNSAFE.sub("_", f"{level}_{discipline}_{stated}") if stated else f"{level}_{discipline}"
        named[name] += 1
        if passed_over:
            return RawItem(index, None, passed_over=True)
        place = {_LEVEL: level, _DISCIPLINE: discipline, _ID: f"{name}-{named[name]}" if named[name] > 1 else name}
        if not isinstance(row, Mapping):
            return RawItem(index, None, f"the item is {type(row).__name__}, not a mapping of fields")
        return RawItem(index, {**row, **place})

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id has level, discipline and key, and a number where these have occurred before."""
        return {"id": row[_ID], "subset": row[_DISCIPLINE], "difficulty": row[_LEVEL]}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The prompt with its graph, what it is to teach, and a picture that does."""
        picture = row.get("img_path")
        if picture is not None and not isinstance(picture, str):
            raise Unusable(f"field `img_path` is {type(picture).__name__}, not a path")
        return {
            "prompt_en": required_text(row, "question"),
            "knowledge_graph": _graph(row.get("Visual Components")),
            "rationale_short_en": _as_text(row.get("Key Knowledge")),
            "reference_img": picture or None,
            "attributes": attribute_texts(row, "key", _LEVEL, _DISCIPLINE),
        }

    def incomplete(self, seen: Seen) -> Iterator[str]:
        """A sentence where there are other levels, disciplines or pairs of them than were published."""
        levels, disciplines = ({pair[place] for pair in self._pairs} for place in (0, 1))
        found = (len(levels), len(disciplines), len(self._pairs))
        if found != (LEVELS, DISCIPLINES, PAIRS):
            yield (
                f"there are {found[0]} levels, {found[1]} disciplines and {found[2]} pairs of them with prompts, where "
                f"{self.NAME} has {LEVELS}, {DISCIPLINES} and {PAIRS}. They can be run, but their means are not "
                "those of the whole benchmark: do not set them beside published ones"
            )


def _disciplines(level: RawItem) -> Iterator[tuple[str, list[Any]]]:
    """The samples of each discipline of a level; what is not of the layout is one sample that cannot be used."""
    if level.fields is None:
        yield "(none)", [None]
        return
    for discipline, rows in level.fields.items():
        yield str(discipline), rows if isinstance(rows, list) else [rows]


def _graph(value: Any) -> dict[str, Any]:
    """The graph as EditLoop's own items have it.

    Raises:
        Unusable: it is none; the text says why.
    """
    try:
        found = json.loads(value) if isinstance(value, str) else value
        graph = read_knowledge_graph(found, by_parts=True)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"field `Visual Components` {error}") from error
    dependencies = [[one.source, one.relation, one.target] for one in graph.dependencies]
    return {"elements": list(graph.elements), "dependencies": dependencies}


def _as_text(value: Any) -> str | None:
    """A text as it is; anything else as JSON, which judges can read as well."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
