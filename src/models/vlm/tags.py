"""Reads the tagged parts of a policy's completion: `<CoT>`/`<Re_edit>` and `<think>`/`<answer>`. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from src.errors import ConfigError

REWRITE_TAGS = ("CoT", "Re_edit")
"""Tags of the older official_grpo_rl_post_edit_module: reasoning, and an instruction for the editor."""
THINK_TAGS = ("think", "answer")
"""Tags of DeepSeek-R1 (arXiv 2501.12948): reasoning, and the answer."""


@dataclass(frozen=True)
class Block:
    """One part of a completion: `<name>content</name>`, with no other known tag inside."""

    name: str
    content: str
    """Without outer blanks; may be empty."""


@dataclass(frozen=True)
class TaggedText:
    """What `read_blocks` finds."""

    blocks: tuple[Block, ...]
    """The sound blocks, in their order."""
    outside: str
    """What stands before, between and after the tags, without outer blanks."""
    problems: tuple[str, ...]
    """What is wrong with the tags themselves, each kind once; empty when all of them belong to sound blocks."""

    def contents(self, name: str) -> tuple[str, ...]:
        """The contents of all blocks of a name, in their order."""
        return tuple(block.content for block in self.blocks if block.name == name)


@dataclass(frozen=True)
class Rewrite:
    """A completion that reasons and then tells an editor what to do."""

    thought: str
    """The whole reasoning, with each `<CoT>` on a line of its own."""
    instructions: tuple[str, ...]
    """The instructions in their order, each in one line and none empty."""
    problems: tuple[str, ...]
    """Each rule that the completion breaks, as a sentence part; empty for a well-formed completion."""


@dataclass(frozen=True)
class ThinkAnswer:
    """A completion that reasons and then answers."""

    thought: str
    answer: str | None
    """The content of the only `<answer>`; None where there is none, an empty one, or several."""
    problems: tuple[str, ...]
    """Each rule that the completion breaks, as a sentence part; empty for a well-formed completion."""


def read_blocks(text: str, names: Sequence[str]) -> TaggedText:
    """Finds the blocks of the named tags, in time linear in the text.

    Tags are compared without regard to case and have no attributes. Blocks do not nest: a tag that opens inside another
    makes that one unclosed, and the inner one counts.

    Args:
        text: A whole completion.
        names: The tags that mean something; all others are ordinary text.
    """
    known = {name.lower(): name for name in names}
    tag = re.compile(f"<(/?)({'|'.join(map(re.escape, names))})>", re.IGNORECASE | re.ASCII)
    blocks: list[Block] = []
    outside: list[str] = []
    problems: list[str] = []
    open_name: str | None = None
    position = 0
    for match in tag.finditer(text):
        name, is_closing = known[match[2].lower()], bool(match[1])
        between = text[position : match.start()]
        if is_closing and name == open_name:
            blocks.append(Block(name, between.strip()))
        elif open_name is None:
            outside.append(between)
        else:
            problems.append(f"<{open_name}> is not closed before <{match[1]}{name}>")
        if is_closing and open_name is None:
            problems.append(f"</{name}> closes nothing")
        open_name = None if is_closing else name
        position = match.end()
    if open_name is None:
        outside.append(text[position:])
    else:
        problems.append(f"<{open_name}> is not closed")
    return TaggedText(tuple(blocks), "".join(outside).strip(), tuple(dict.fromkeys(problems)))


def read_rewrite(text: str) -> Rewrite:
    """Reads reasoning and instructions: at least one `<CoT>` and one `<Re_edit>`, none empty, and nothing outside.

    The order of the blocks is free, as in the older system; unlike there, nothing takes the place of an instruction
    that is missing. A caller that edits only by well-formed completions checks `problems`.
    """
    found = read_blocks(text, REWRITE_TAGS)
    problems = _broken_rules(found, REWRITE_TAGS)
    instructions = (" ".join(content.split()) for content in found.contents("Re_edit"))
    return Rewrite("\n".join(found.contents("CoT")), tuple(filter(None, instructions)), problems)


def read_answer(text: str) -> ThinkAnswer:
    """Reads reasoning and answer: one `<think>`, then one `<answer>`, neither empty, and nothing outside.

    Where the prompt itself ends with an opening `<think>`, put that before the completion.
    """
    found = read_blocks(text, THINK_TAGS)
    problems = list(_broken_rules(found, THINK_TAGS))
    for name in THINK_TAGS:
        if len(found.contents(name)) > 1:
            problems.append(f"there is more than one <{name}>")
    if [block.name for block in found.blocks[:2]] == ["answer", "think"]:
        problems.append("<answer> comes before <think>")
    answers = found.contents("answer")
    answer = answers[0] if len(answers) == 1 else None
    return ThinkAnswer("\n".join(found.contents("think")), answer or None, tuple(problems))


def require_tags(prompt: str, names: Sequence[str], reader: str) -> None:
    """Checks that a prompt asks for the tags without which `reader` gives nothing.

    Args:
        prompt: The text that the policy is given, or its template.
        names: Every one must occur as an opening tag.
        reader: Who wants them, for the message.

    Raises:
        ConfigError: naming the tags that the prompt never mentions.
    """
    missing = [f"<{name}>" for name in names if f"<{name}>".lower() not in prompt.lower()]
    if missing:
        raise ConfigError(
            f"{reader} demands {', '.join(missing)}, and the policy's prompt does not ask for it, so that hardly any "
            "completion would pass: name the tags in the prompt, or choose another style for the reward"
        )


def _broken_rules(found: TaggedText, names: Sequence[str]) -> tuple[str, ...]:
    problems = list(found.problems)
    problems += [f"there is no <{name}>" for name in names if not found.contents(name)]
    problems += [f"a <{name}> is empty" for name in names if "" in found.contents(name)]
    if found.outside:
        problems.append("there is text outside the tags")
    return tuple(problems)
