"""Hyperparameter search with a criterion that uses no clean data."""
