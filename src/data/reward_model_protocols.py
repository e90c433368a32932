"""What is stated of the protocols by which published reward models are asked: `src/data/protocols.py` has the others.

A reward model is no benchmark: its protocol has no means of its own, and judges any sample.
"""

from __future__ import annotations

from dataclasses import replace

from src.data.protocol_facts import RANDOM_NUMBER, ProtocolFacts

_BY_CATEGORY = "none is published: means by category, over the categories (macro) and over all samples (micro)"
_TWO_LISTS = (
    "2: consistency of source and edit (success, no over-editing), quality of the edit alone (naturalness, no "
    "artifacts)"
)
_VIE_FORMULA = (
    "each number divided by 2.5; SC = min(success, no over-editing), PQ = min(naturalness, no artifacts), "
    "O = √(SC · PQ)"
)

EDITSCORE = ProtocolFacts(
    name="editscore@2025-11",
    benchmark="EditScore",
    source="VectorSpaceLab/EditScore, editscore/ and evaluation.py, 2025-11-09, backbones qwen3vl and qwen3vl_vllm",
    judge="an EditScore-Qwen3-VL adapter (4B, 8B or 32B) on the Qwen3-VL-Instruct that it was trained on",
    scale=(0.0, 10.0),
    calls=_TWO_LISTS,
    pictures=(
        "pictures first, then the text; the edit is resized to the source's size (Pillow, bicubic), as the evaluation "
        "script does it and the reward server does not; PNG, without labels"
    ),
    sampling=(
        "no system role, temperature 0.7, top_p 0.9, top_k 20, at most 512 tokens; the passes have the seeds 42, 43 …, "
        "questions that are asked again 1042, 1043 …; one pass by default, four in the tables called Avg@4"
    ),
    reply=(
        'a JSON object with the reasoning, then a list "score" of two numbers from 0 to 25; official: asked again '
        "twice, then a random integer for both"
    ),
    formula=f"{_VIE_FORMULA} for each pass; the score is the mean of O over the passes",
    aggregation=_BY_CATEGORY,
    not_reproduced=(
        RANDOM_NUMBER,
        "the official script repairs broken replies, in the last resort by zeros for numbers that are missing",
        "its path for batches, which the reward server takes, judges the quality of both pictures and puts the middle "
        "of the range in the place of an unreadable reply",
    ),
)
EDITSCORE_QWEN25 = replace(
    EDITSCORE,
    name="editscore-qwen25@2025-11",
    source="VectorSpaceLab/EditScore, editscore/ and evaluation.py, 2025-11-09, backbones qwen25vl and qwen25vl_vllm",
    judge="EditScore-7B, -32B or -72B, an adapter on the Qwen2.5-VL-Instruct that it was trained on",
    pictures=(
        "pictures first, each after a label with its number, then the text; the edit is resized to the source's size "
        "(Pillow, bicubic); PNG"
    ),
    sampling=EDITSCORE.sampling.replace("no system role", "the system role of Qwen2.5-VL's own template"),
)
EDITSCORE_API = replace(
    EDITSCORE,
    name="editscore-api@2025-11",
    source="VectorSpaceLab/EditScore, editscore/ and evaluation.py, 2025-11-09, backbone openai",
    judge="the models without an adapter in EditScore's table, such as gpt-4.1 and gpt-5",
    pictures=(
        "text first; the edit is resized to the source's size (Pillow, bicubic); JPEG of quality 75, upright, without "
        "labels"
    ),
    sampling="no system role, neither temperature nor tokens nor seed sent; one pass by default",
)
UNIFIEDREWARD_EDIT = ProtocolFacts(
    name="unifiedreward-edit@2026-06",
    benchmark="UnifiedReward-Edit",
    source=(
        "CodeGoat24/UnifiedReward, UnifiedReward-Edit/ and vllm_qwen/, 2026-06-18 (last changed 2026-03-07): the two "
        "scripts that judge a single edit"
    ),
    judge="a UnifiedReward-Edit model (2B to 72B) behind vLLM",
    scale=(0.0, 10.0),
    calls=_TWO_LISTS,
    pictures="pictures first, then the text; no resize; JPEG of quality 95, without labels",
    sampling=(
        "no system role, at most 4096 tokens, one reply; no temperature: the script sends do_sample, which vLLM does "
        "not read, so that the defaults of the server hold"
    ),
    reply='a JSON object with the reasoning, then a list "score" of two numbers from 0 to 25; the scripts print it',
    formula=(
        "none is published; here that of EditScore, on whose questions and data the model was trained: " + _VIE_FORMULA
    ),
    aggregation=_BY_CATEGORY,
    not_reproduced=("what the scripts print is no score: they leave the reply as it is",),
)
RATIONALREWARDS = ProtocolFacts(
    name="rationalrewards@2026-04",
    benchmark="RationalRewards",
    source="TIGER-AI-Lab/RationalRewards, README.md and diffusion_rl_training/, 2026-04-16",
    judge="RationalRewards-8B-Edit behind vLLM",
    scale=(0.0, 1.0),
    calls=(
        "1, with a critique and four aspects: text faithfulness, image faithfulness, physical and visual quality, text "
        "rendering; a better wording of the request, which it asks for last, is kept in the reply and not used"
    ),
    pictures="source, then edit, each in its place within the text; PNG with all pixels",
    sampling="a system role, temperature 0.1, at most 2048 tokens, one reply",
    reply=(
        "for each aspect a heading and a line `## Score: number` from 1 to 4; text rendering may be N/A, which leaves "
        "it out; officially 0 for a reply without any number"
    ),
    formula="the mean of the aspects that apply, mapped from 1–4 to 0–1: (mean − 1) / 3",
    aggregation=_BY_CATEGORY,
    defects=("the mean is taken over however many aspects can be read, so that missing ones pass silently",),
    not_reproduced=(
        "a reply without any number is scored 0 by the official script",
        "a number outside 1–4 counts in the official script",
        "the reward of the official trainings leaves image faithfulness out of the mean",
    ),
)
FIRM_EDIT = ProtocolFacts(
    name="firm-edit@2026-03",
    benchmark="FIRM-Edit",
    source="VisionXLab/FIRM-Reward, editing/reward_server/ and flow_grpo/rewards.py, 2026-03-13",
    judge="FIRM-Edit-8B behind vLLM",
    scale=(0.0, 1.0),
    calls="2, each of source and edit: execution of the instruction; consistency of everything else",
    pictures="source, edit, then the text; no resize; JPEG of quality 75, without labels",
    sampling="no system role, temperature 0, at most 256 tokens, one reply",
    reply=(
        'a JSON object with the reasoning, then a list "score" of one number from 1 to 5; official: 0 where it cannot '
        "be read"
    ),
    formula=(
        "consistency-modulated execution: E · (0.6 + 0.4 · C), with E and C the two numbers as (s − 1) / 4; the bench "
        "of the model takes the two numbers as they are"
    ),
    aggregation=_BY_CATEGORY,
    defects=("a fraction is cut off: 3.9 is 3",),
    not_reproduced=(
        "a reply that cannot be read is scored 0 by the official script, which is below its lowest number",
    ),
)

REWARD_MODEL_PROTOCOLS = (
    EDITSCORE,
    EDITSCORE_QWEN25,
    EDITSCORE_API,
    FIRM_EDIT,
    UNIFIEDREWARD_EDIT,
    RATIONALREWARDS,
)
