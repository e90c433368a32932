"""The words by which files say which of two edits is the better one."""

FIRST_WINS, SECOND_WINS, TIE, BOTH_BAD = "a", "b", "tie", "both_bad"
WINNERS = {
    **{"a": FIRST_WINS, "model_a": FIRST_WINS, "b": SECOND_WINS, "model_b": SECOND_WINS, "tie": TIE, "both": TIE},
    **{"both_bad": BOTH_BAD, "both bad": BOTH_BAD, "bothbad": BOTH_BAD, "tie (bothbad)": BOTH_BAD},
}
"""Which words mean which winner."""
