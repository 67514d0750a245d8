"""Whether stored numbers hold: check them against a baseline, run or compute them again."""
