"""Compute boards, rankings and comparisons from a store."""
