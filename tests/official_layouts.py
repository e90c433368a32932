"""Small benchmarks in the official layouts of public ones, with pictures drawn here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import png


def colour(number: int) -> tuple[int, int, int]:
    return (40 + 37 * number % 200, 90, 20 + 53 * number % 200)


def picture(path: Path, number: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(colour(number)))


def write_json(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


# GEdit-Bench.


def gedit_row(task: str, key: str, language: str = "en", **changes: Any) -> dict[str, Any]:
    """A row as the dataset on the hub has it; the pictures of a key are the same in both languages."""
    number = sum(map(ord, key))
    image = {"bytes": png(colour(number)), "path": None}
    row = {
        "task_type": task,
        "key": key,
        "instruction": {"en": f"change {key}", "cn": f"改变 {key}"}.get(language, "?"),
    }
    row |= {"instruction_language": language, "input_image": image, "input_image_raw": image}
    return row | {"Intersection_exist": number % 2 == 0} | changes


def gedit(folder: Path, rows: Iterable[Mapping[str, Any]], name: str = "data/train-00000-of-00001.parquet") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(map(dict, rows))), path, row_group_size=4)
    return folder


GEDIT_ROWS = [
    gedit_row(task, key, language)
    for task, key in (("motion_change", "ab12"), ("subject-add", "cd34"), ("ps_human", "ef56"))
    for language in ("en", "cn")
]


# ImgEdit-Bench.


IMGEDIT = {
    "1082": {"id": "animal/000342021.jpg", "prompt": "make the shell smooth", "edit_type": "adjust"},
    "1068": {"id": "animal/000047206.jpg", "prompt": "make the fur darker", "edit_type": "adjust"},
    "673": {"id": "animal/000047206.jpg", "prompt": "as a woodcut", "edit_type": "style"},
}


def imgedit(folder: Path, items: Mapping[str, Any] = IMGEDIT, images: str = "singleturn") -> Path:
    for place, name in enumerate(sorted({str(item["id"]) for item in items.values()})):
        picture(folder / images / name, place)
    write_json(folder / "basic_edit.json", items)
    return folder


UGE = {
    "1": {"id": "000029784.jpg", "prompt": "remove the slice in the glass"},
    "2": {"id": "000065904.jpg", "prompt": "remove whoever sits in front"},
}


def imgedit_uge(folder: Path, items: Mapping[str, Any] = UGE, images: str = "Benchmark/hard") -> Path:
    for place, item in enumerate(items.values()):
        picture(folder / images / str(item["id"]), place)
    write_json(folder / "UGE_edit.json", items)
    return folder


MULTITURN: dict[str, dict[str, dict[str, Any]]] = {
    "content_memory": {
        "1": {
            "id": "66341.jpg",
            "turn1": "all edits are green: fill the plate",
            "turn2": "fruit",
            "turn3": "another plate",
        }
    },
    "version_backtrace": {"1": {"id": "7.jpg", "turn1": "add a hat", "turn2": "go back, and add a scarf"}},
}


def imgedit_multiturn(
    folder: Path, annotations: Mapping[str, Mapping[str, Any]] = MULTITURN, images: str = "{category}"
) -> Path:
    for category, items in annotations.items():
        for place, item in enumerate(items.values()):
            picture(folder / images.format(category=category) / str(item["id"]), place + len(category))
        write_json(folder / category / "annotation.json", items)
    return folder


# RISEBench.


def rise_item(category: str, number: int, **changes: Any) -> dict[str, Any]:
    item = {"index": f"{category}_{number}", "category": category, "instruction": f"what comes of it, {number}?"}
    item |= {"image": f"{category}_images/{number}.png", "reference": f"the end of {number}", "subtask": "a subtask"}
    return {name: value for name, value in (item | changes).items() if value is not None}


RISE = [
    rise_item("temporal_reasoning", 1),
    rise_item("causal_reasoning", 2, consistency_free="true", reasoning_img="x"),
    rise_item("spatial_reasoning", 3, reference=None, reference_img="spatial_reasoning_images/3_ref.png"),
    rise_item("logical_reasoning", 4, reference=None, reference_txt="7"),
]


def rise(folder: Path, items: Iterable[Mapping[str, Any]] = RISE, name: str = "data/data_total.json") -> Path:
    items = list(items)
    for place, item in enumerate(items):
        for field in ("image", "reference_img"):
            if isinstance(item.get(field), str):
                picture(folder / "data" / item[field], place + (50 if field == "reference_img" else 0))
    write_json(folder / name, items)
    return folder


# KRIS-Bench.


KRIS: dict[str, dict[str, dict[str, Any]]] = {
    "count_change": {"1": {"ori_img": "1.jpg", "gt_img": "", "ins_en": "two more", "explain_en": ""}},
    "chemistry": {
        "1": {"ori_img": "1.jpg", "gt_img": "", "ins_en": "add the acid", "explain_en": "litmus turns red"},
        "12": {"ori_img": "12.png", "gt_img": "", "ins_en": "heat it", "explain_en": "it melts"},
    },
    "viewpoint_change": {"3": {"ori_img": "3.jpg", "gt_img": "3_gt.jpg", "ins_en": "from above", "explain_en": ""}},
    "temporal_prediction": {
        "16": {
            "ori_img": ["16-1.jpg", "16-3.jpg", "16-4.jpg"],
            "gt_img": "16-2.jpg",
            "ins_en": "make frame 2 of frames 1, 3 and 4",
            "explain_en": "",
        }
    },
}


def kris(folder: Path, annotations: Mapping[str, Mapping[str, Any]] = KRIS) -> Path:
    for category, rows in annotations.items():
        for place, row in enumerate(rows.values()):
            sources = row.get("ori_img")
            names = [*(sources if isinstance(sources, list) else [sources]), row.get("gt_img")]
            for number, name in enumerate(name for name in names if isinstance(name, str) and name):
                picture(folder / category / name, place * 7 + number + len(category))
        write_json(folder / category / "annotation.json", rows)
    return folder


# UniREditBench.


UNIREDIT = [
    {
        "original_image_path": "original_image/spatial/7.png",
        "reference_image_path": "reference_image/spatial/7.png",
        "instruction": "turn it",
        "name": "spatial",
        "idx": 7,
        "reference_effect": "it is turned",
    },
    {
        "original_image_path": "original_image/maze/2.png",
        "reference_image_path": "reference_image/maze/2.png",
        "instruction": "draw the way out",
        "rules": "Walls cannot be crossed.",
        "name": "maze",
        "idx": 2,
        "reference_effect": "a red line leads out",
    },
]


def uniredit(folder: Path, items: Iterable[Mapping[str, Any]] = UNIREDIT) -> Path:
    items = list(items)
    for place, item in enumerate(items):
        picture(folder / item["original_image_path"], place)
        picture(folder / item["reference_image_path"], place + 9)
    write_json(folder / "data.json", items)
    return folder


# Complex-Edit.


def complex_edit_row(number: int, levels: int = 8) -> dict[str, Any]:
    compound = [{"compound_instruction": f"{number}: all {level}"} for level in range(1, levels + 1)]
    return {"image": {"bytes": png(colour(number)), "path": None}, "edit": {"compound": compound}}


def complex_edit(folder: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    return gedit(folder, rows, "data/test_real-00000-of-00001.parquet")


# Sets of right edits.


def struct(number: int) -> dict[str, Any]:
    """A picture as parquet files of the hub have it."""
    return {"bytes": png(colour(number)), "path": None}


OMNI_EDIT = [
    {"omni_edit_id": f"task_obj_add_{number}", "task": "addition", "src_img": struct(number), "edited_img": struct(9)}
    | {"edited_prompt_list": ["a hat", "add a red hat"], "width": 16, "height": 16, "sc_score_1": 9, "sc_score_2": 8}
    | {"sc_reasoning": "r", "pq_score": 7, "pq_reasoning": "r", "o_score": 7.5}
    for number in (1, 2)
]
MAGIC_BRUSH = [
    {"img_id": img_id, "turn_index": turn, "source_img": struct(turn), "mask_img": struct(8)}
    | {"instruction": f"turn {turn} of {img_id}", "target_img": struct(turn + 1)}
    for img_id, turn in (("368667", 1), ("368667", 2), ("99", 1))
]
HUMAN_EDIT = [
    {"IMAGE_ID": "a1", "EDITING_TYPE": "Add", "CORE": 1, "MASK": 0, "EDITING_INSTRUCTION": "add a hat"}
    | {"OUTPUT_DESCRIPTION": "a man in a hat", "INPUT_CAPTION_BY_LLAMA": "a man", "OUTPUT_CAPTION_BY_LLAMA": "a hat"}
    | {"INPUT_IMG": struct(1), "MASK_IMG": struct(8), "OUTPUT_IMG": struct(2)}
]
VISMIN = [
    {"id": 7, "source_image": struct(1), "edited_image": struct(2), "edit_instruction": instruction}
    for instruction in ("add a second dog", "edit_instruction: move the cup to the left of the plate")
]
AURORA_BENCH = [{"input": struct(1), "instruction": "close the door", "source": "ag"}]


def parquet(folder: Path, rows: Iterable[Mapping[str, Any]], name: str = "data/train-00000-of-00001.parquet") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(map(dict, rows))), path)
    return folder


def magic_brush_test(folder: Path) -> Path:
    """The unpacked test set."""
    turns = []
    for turn in (1, 2):
        before = "7-input.png" if turn == 1 else "7-output1.png"
        turn_files = {"input": before, "mask": f"7-mask{turn}.png", "output": f"7-output{turn}.png"}
        turns.append({**turn_files, "instruction": f"turn {turn}"})
        for place, name in enumerate(turn_files.values()):
            picture(folder / "images" / "7" / name, 3 * turn + place)
    write_json(folder / "edit_turns.json", turns)
    write_json(folder / "edit_sessions.json", {"7": turns})
    return folder


def aurora_json(folder: Path) -> Path:
    """The repository with the unpacked pictures; returns the file of a part."""
    row = {"instruction": "stand closer", "input": "data/ag/images/1K0SU_left.png"}
    row |= {"output": "data/ag/images/1K0SU_right.png"}
    for number, name in enumerate((row["input"], row["output"])):
        picture(folder / name, number)
    return write_json(folder / "data" / "ag" / "train.json", [row])
