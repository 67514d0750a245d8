"""Metrics and statistics: pure functions of predictions."""
