"""How people call what is stored under a hash."""

from __future__ import annotations


def method_label(name: str, variant: str) -> str:
    return name if variant == "default" else f"{name}/{variant}"


def problem_label(corruption: str, discovery_rate: float, seed: int) -> str:
    return f"{corruption} at {100 * discovery_rate:g}%, seed {seed}"
