"""Verify stored numbers: check them against a baseline, rerun trials, recompute metrics."""
