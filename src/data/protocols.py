"""What is stated of each published protocol: where it comes from, what is as published, and what is not.

Scorers and reports say the same of a protocol, as both read it here.
"""

from __future__ import annotations

from dataclasses import replace

from src.data.protocol_facts import RANDOM_NUMBER, ProtocolFacts
from src.data.reward_model_protocols import REWARD_MODEL_PROTOCOLS

GEDIT = ProtocolFacts(
    name="gedit@2025-05",
    benchmark="GEdit-Bench",
    source="stepfun-ai/Step1X-Edit, GEdit-Bench/, 2025-05-22",
    judge="gpt-4.1 without a date (the flag of the script says gpt4o)",
    scale=(0.0, 10.0),
    calls=(
        "2: consistency of source and edit (success, no over-editing), quality of the edit alone (naturalness, no "
        "artifacts)"
    ),
    pictures=(
        "text first; the edit is resized to the source's size (Pillow, bicubic); JPEG of quality 75, upright, "
        "without labels"
    ),
    sampling="no system role, no temperature, at most 1400 tokens, one reply",
    reply=(
        'a JSON object with a list "score" of two numbers from 0 to 10; official: one more try, then a random integer'
    ),
    formula="SC = min(success, no over-editing), PQ = min(naturalness, no artifacts), O = √(SC · PQ) for each sample",
    aggregation=(
        "mean for each task, then the mean over the 11 tasks (macro); the same for the intersection subset alone"
    ),
    not_reproduced=(
        RANDOM_NUMBER,
        "the official statistics look for the language zh where the data say cn, so that its Chinese averages are "
        "empty",
    ),
)
GEDIT_QWEN = replace(
    GEDIT,
    name="gedit-qwen@2025-05",
    judge="Qwen2.5-VL-72B-Instruct-AWQ on one's own machine",
    pictures=(
        "pictures first, then the text; the edit is resized to the source's size (Pillow, bicubic); PNG, without "
        "labels; how many pixels the model sees is its processor's setting"
    ),
    sampling="no system role but that of the model's own template, greedy, at most 512 tokens, one reply",
)
IMGEDIT = ProtocolFacts(
    name="imgedit@2025-09",
    benchmark="ImgEdit-Bench, basic suite",
    source="PKU-YuanGroup/ImgEdit, Benchmark/, 2025-09-07",
    judge="gpt-4o in the script, GPT-4.1 in the paper: the published tables do not say which one is official",
    scale=(1.0, 5.0),
    calls="1, with three criteria that depend on the edit type",
    pictures=(
        "text, source, edit; no resize, without labels; here as PNG of the decoded pixels, officially the files' "
        "own bytes, labelled png"
    ),
    sampling="no system role, no temperature and no limit of tokens sent, one reply",
    reply=(
        "three lines `name: number`, each number from 1 to 5; the cap of the second and third by the first is "
        "asked for in words and enforced nowhere"
    ),
    formula="mean of the three numbers",
    aggregation=(
        "mean for each of 9 edit types; the overall score is not defined in the official script: macro and micro "
        "are both given; 737 items have 171 source pictures, which are the clusters of intervals"
    ),
    defects=(
        "the mean is taken over however many lines can be read, so that one or two missing criteria pass silently",
        "scores are rounded to two decimals for each sample and again for each type",
    ),
    not_reproduced=(
        "a reply without any number is dropped silently by the official script; here coverage is reported",
    ),
)
IMGEDIT_UGE = ProtocolFacts(
    name="imgedit-uge@2025-09",
    benchmark="ImgEdit-Bench, suite for understanding, grounding and editing (UGE)",
    source="PKU-YuanGroup/ImgEdit, Benchmark/UGE/, 2025-09-07",
    judge="gpt-4o in the script; the published tables do not say which one is official",
    scale=(1.0, 5.0),
    calls="1, for one number about the edit as a whole",
    pictures=IMGEDIT.pictures,
    sampling=IMGEDIT.sampling,
    reply=(
        "a number from 1 to 5 after `Score:`; at most 3 for an edit that changes what it was not to change is asked "
        "for in words and enforced nowhere. The official example of a reply has no number, and what the judge makes of "
        "that is its own choice"
    ),
    formula="the number",
    aggregation="mean over all samples",
    defects=(
        "only whole lines `name: number` count: replies such as `… Score: 2.` and `Score: 3 (Acceptable)`, which the "
        "suite's own description shows, have no score",
        "the mean is rounded to two decimals",
    ),
    not_reproduced=(
        "a reply without any number is dropped silently by the official script; here coverage is reported",
    ),
)
RISE = ProtocolFacts(
    name="rise@2026-05",
    benchmark="RISEBench",
    source="PhoenixZ810/RISEBench, gpt_eval.py and utils.py, 2026-05-18",
    judge="gpt-4.1-2025-04-14",
    scale=(1.0, 5.0),
    calls=(
        "3: consistency, reasoning, plausibility; 2 for logical reasoning, which has no plausibility, and 2 for "
        "samples that are free of consistency"
    ),
    pictures=(
        "text first; each picture within 768 × 768 (Pillow's thumbnail, bicubic), JPEG of quality 75, detail "
        "high, without labels; a reference picture takes the source's place"
    ),
    sampling="no system role, temperature 0, at most 4096 tokens, one reply",
    reply=(
        "a number after `Final Score`, from 1 to 5, or 0 or 1 for logical reasoning, mapped to 1 and 5; "
        "officially the first run of digits after the first `Final Score`, whatever it is"
    ),
    formula=(
        "s = 0.3 consistency + 0.5 reasoning + 0.2 plausibility; free of consistency 0.8 reasoning + 0.2 "
        "plausibility; logical 0.3 consistency + 0.7 reasoning; where reasoning is 1, s is halved and not below 1"
    ),
    aggregation=(
        "means of s for each category and over all samples (micro), also as 25 (s − 1) per cent; accuracy is the "
        "share of samples of which every applicable dimension is 5"
    ),
    defects=(
        "where the data have the column consistency_free, as the full set has, samples without a value in it take "
        "the weights of samples that are free of consistency",
        "where the data have the column reasoning_wo_ins, as the full set has, every logical sample with a reference "
        "picture is asked without its instruction, whether the column is set for it or not",
        "accuracy counts a sample without a score as wrong, while means leave it out",
    ),
)
KRIS = ProtocolFacts(
    name="kris@2025-05",
    benchmark="KRIS-Bench",
    source=(
        "mercurystraw/Kris_Bench, the four metrics scripts (commit 2114fec and later; fields ins_en, explain_en); "
        "aggregation of ByteDance-Seed/Bagel, eval/gen/kris"
    ),
    judge="gpt-4o without a date; gpt-4o-2024-11-20 in BAGEL's table",
    scale=(1.0, 5.0),
    calls="3: consistency; instruction, with knowledge in the same call for the ten knowledge categories; quality",
    pictures=(
        "text first, then each picture after its label, without resize; temporal frames in the order of time as "
        "JPEG of quality 85, all others here as PNG of the decoded pixels, officially the files' own bytes, "
        "labelled jpeg"
    ),
    sampling="no system role, no temperature, at most 1000 tokens, one reply",
    reply=(
        "a JSON object with numbers from 1 to 5; knowledge 1 where instruction is 2 or less is asked for in words "
        "and enforced nowhere"
    ),
    formula="each metric as 25 (s − 1) per cent; a sample's score here is the mean of its metrics",
    aggregation=(
        "mean of each metric over the samples of a group; the average of a group, of a type of knowledge and of all "
        "is the mean of all single metric scores in it (micro); missing metrics are left out"
    ),
    defects=(
        "a reply without the JSON object scores by the first digit from 1 to 5 that it holds",
        "anomaly_correction is asked without its explanation, as the script looks for another folder's name",
        "a sample of which one metric cannot be read still counts in the means of its others",
    ),
)
UNIREDIT = ProtocolFacts(
    name="uniredit@2026-08",
    benchmark="UniREditBench",
    source="Maplebb/UniREditBench, eval/gpt_eval_uniredit.py, 2026-08-14",
    judge="gpt-4.1-2025-04-14",
    scale=(1.0, 5.0),
    calls="3: consistency (source, edit), reasoning (source, reference, edit), plausibility (edit)",
    pictures=(
        "text first; each picture within 768 × 768 (Pillow's thumbnail, bicubic), JPEG of quality 75, detail "
        "high, without labels; rules stand before the instruction"
    ),
    sampling="no system role, temperature 0, at most 4096 tokens, one reply",
    reply=(
        "a number after `Final Score`, from 1 to 5; officially the first run of digits after the first `Final "
        "Score`, whatever it is"
    ),
    formula="s = 0.3 consistency + 0.5 reasoning + 0.2 plausibility",
    aggregation=(
        "means of s for each class and over all samples (micro), also as 25 (s − 1) per cent; accuracy is the "
        "share of scored samples of which all three numbers are 5"
    ),
)

COMPLEX_EDIT = ProtocolFacts(
    name="complex-edit@2025-04",
    benchmark="Complex-Edit",
    source="UCSC-VLAA/Complex-Edit, complex_edit/eval, 2025-04-22",
    judge="gpt-4o-2024-11-20",
    scale=(0.0, 10.0),
    calls=(
        "2: alignment of source and edit (instruction following, identity preservation, with reasoning), quality of "
        "the edit alone (without the instruction, without reasoning)"
    ),
    pictures=(
        "pictures first, then the instruction; PNG with all pixels (officially labelled jpeg), detail high, without "
        "labels"
    ),
    sampling=(
        "the rubric stands in the system role; temperature 1, at most 512 tokens, 20 replies to each question "
        "(officially in requests of 5, here in one), of which the mean is taken"
    ),
    reply=(
        "a JSON object by a schema, with the texts 0 to 10; a server that refuses schemas is asked for JSON in words; "
        "officially asked again without end"
    ),
    formula="mean of instruction following, identity preservation and perceptual quality",
    aggregation="means for each level of complexity, 1 to 8, each published on its own",
    defects=("overall/final_result.json holds the quality in the place of the overall score",),
    not_reproduced=(
        "the official files of overall/ put the alignment of one output together with the quality of another, as "
        "results are taken in the order in which they come; their mean is not changed by it",
    ),
)

PROTOCOLS = {
    facts.name: facts
    for facts in (
        *(GEDIT, GEDIT_QWEN, IMGEDIT, IMGEDIT_UGE, RISE, KRIS, UNIREDIT, COMPLEX_EDIT),
        *REWARD_MODEL_PROTOCOLS,
    )
}
"""Every protocol by its name."""
