"""Numbers → words: intervals, verdicts, equivalence, roofline. Pure functions."""
