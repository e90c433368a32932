"""The words of the labelling page, in English and Chinese.

Where a word has one that ends in `_made` beside it, that one is said of pictures that were made of text alone.
"""

from __future__ import annotations

WORDS = {
    "en": {
        "title": "Which edit is better?",
        "title_made": "Which picture is better?",
        "title_score": "How good is this edit?",
        "title_score_made": "How good is this picture?",
        "source": "source",
        "edit": "edited",
        "edit_made": "picture",
        "left": "left",
        "right": "right",
        "tie": "equally good",
        "both_bad": "both bad",
        "undo": "take back",
        "language": "中文",
        "done": "All done. Every answer is stored; this page can be closed.",
        "progress": "{done} of {total}",
        "help": "← left, → right, ↑ equally good, ↓ both bad; Z takes back; hold the space bar to see the source",
        "help_made": "← left, → right, ↑ equally good, ↓ both bad; Z takes back",
        "help_score": "keys 0 to 9, X for 10; Z takes back; hold the space bar to see the source",
        "help_score_made": "keys 0 to 9, X for 10; Z takes back",
        "scale": "0: nothing of what was asked, or a spoilt picture. 10: exactly what was asked, and nothing else.",
        "lost": "Not stored: {reason}",
        "unreachable": "the command does not answer; start it again and open the address that it prints",
        "unauthorized": "open the address that the command printed, with all that stands behind the #",
    },
    "zh": {
        "title": "哪个编辑结果更好？",
        "title_made": "哪张图片更好？",
        "title_score": "这个编辑结果有多好？",
        "title_score_made": "这张图片有多好？",
        "source": "原图",
        "edit": "编辑结果",
        "edit_made": "图片",
        "left": "左边",
        "right": "右边",
        "tie": "一样好",
        "both_bad": "都不好",
        "undo": "撤销",
        "language": "English",
        "done": "全部完成。所有回答都已保存，可以关闭此页。",
        "progress": "已完成 {done} / {total}",
        "help": "← 左边，→ 右边，↑ 一样好，↓ 都不好；Z 撤销；按住空格键看原图",
        "help_made": "← 左边，→ 右边，↑ 一样好，↓ 都不好；Z 撤销",
        "help_score": "按键 0 到 9，X 表示 10；Z 撤销；按住空格键看原图",
        "help_score_made": "按键 0 到 9，X 表示 10；Z 撤销",
        "scale": "0：完全没有按要求修改，或图像被破坏。10：完全符合要求，且没有改动其他内容。",
        "lost": "未保存：{reason}",
        "unreachable": "命令没有响应；请重新启动，并打开它显示的地址",
        "unauthorized": "请打开命令显示的完整地址，包括 # 后面的部分",
    },
}
