"""Split the weights of originals trained with tied dropout, and check weights against an architecture."""

from __future__ import annotations

import torch

from unlearnbench.problems.tensors import Tensors as Weights
from unlearnbench.problems.tensors import tensors_hash as weights_hash

__all__ = ["Weights", "find_fault", "parts", "weights_hash"]


def parts(weights: Weights) -> tuple[Weights, Weights | None]:
    """The weights of an original, and of the expanded model that it was cut from (None after standard training)."""
    dropped, expanded = (
        {name.removeprefix(kind): tensor for name, tensor in weights.items() if name.startswith(kind)}
        for kind in ("dropped.", "expanded.")
    )
    return (dropped, expanded) if dropped else (weights, None)


def find_fault(weights: Weights, reference: Weights) -> str | None:
    """Why the weights do not fit the architecture of the reference, or None if they do."""
    missing, extra = sorted(reference.keys() - weights.keys()), sorted(weights.keys() - reference.keys())
    if missing or extra:
        return f"not the original's architecture (missing: {missing[:3]}, not expected: {extra[:3]})"
    for name, tensor in weights.items():
        wanted = reference[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            return f"'{name}' is {tensor.dtype} {tuple(tensor.shape)} instead of {wanted.dtype} {tuple(wanted.shape)}"
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return f"'{name}' has values that are not finite"
    return None
