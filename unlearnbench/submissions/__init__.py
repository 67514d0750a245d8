"""Submissions as data: read without running any of their code."""
