"""The words by which files say which of two edits is the better one, and the layouts of such files."""

from typing import Literal

FIRST_WINS, SECOND_WINS, TIE, BOTH_BAD = "a", "b", "tie", "both_bad"
WINNERS = {
    **{"a": FIRST_WINS, "model_a": FIRST_WINS, "b": SECOND_WINS, "model_b": SECOND_WINS, "tie": TIE, "both": TIE},
    **{"both_bad": BOTH_BAD, "both bad": BOTH_BAD, "bothbad": BOTH_BAD, "tie (bothbad)": BOTH_BAD},
}
"""Which words mean which winner."""

PreferenceFormat = Literal["editreward-bench", "editscore-bench", "preferences"]
"""The layouts of files of preferences; see `load_judge_benchmark`."""
