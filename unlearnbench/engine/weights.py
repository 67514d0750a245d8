"""Weights as safetensors: written under a temporary name, hashed, and verified when they are read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

Weights = dict[str, Tensor]


def weights_hash(weights: Weights) -> str:
    """SHA-256 of names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save(weights: Weights, path: Path) -> str:
    """Write atomically; returns the hash, which the file also carries."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    digest = weights_hash(weights)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, temporary, {"weights_hash": digest})
    os.replace(temporary, path)
    return digest


def parts(weights: Weights) -> tuple[Weights, Weights | None]:
    """The weights of an original, and those of the expansion that it was cut from, if it was."""
    dropped, expanded = (
        {name.removeprefix(kind): tensor for name, tensor in weights.items() if name.startswith(kind)}
        for kind in ("dropped.", "expanded.")
    )
    return (dropped, expanded) if dropped else (weights, None)


def load_verified(path: Path) -> Weights | None:
    """The weights in this file, or None if there is no file or it is not what was written."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            expected = (file.metadata() or {}).get("weights_hash")
        weights = load_file(path)
    except (SafetensorError, OSError):
        return None
    return weights if weights_hash(weights) == expected else None


def fault(weights: Weights, reference: Weights) -> str | None:
    """Why these weights do not fit the architecture of the reference, or None if they do."""
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
