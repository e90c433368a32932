"""How far a judge agrees with people: from the frozen verdicts on preference pairs to figures and tables."""
