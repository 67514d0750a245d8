"""Files of tensors that are kept: hashed, written under a temporary name, verified whenever they are read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearnbench.errors import HarnessError

Tensors = dict[str, Tensor]


def tensors_hash(tensors: Tensors) -> str:
    """SHA-256 of names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def lock(path: Path) -> FileLock:
    """The lock of a file that is made once and kept: who holds it makes the file. It falls with its holder's process.

    Raises:
        HarnessError: the folder cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"the folder {path.parent} cannot be made: {error.strerror}; give another --data") from error
    return FileLock(f"{path}.lock")


def save(tensors: Tensors, path: Path) -> str:
    """Write atomically; returns the hash, which the file also carries. The caller holds the lock of the path.

    Raises:
        HarnessError: the file cannot be written.
    """
    temporary = part_of(path)
    digest = tensors_hash(tensors)
    write(tensors, temporary, {"weights_hash": digest})
    os.replace(temporary, path)
    return digest


def part_of(path: Path) -> Path:
    """The name under which this process writes the file before it is whole. The caller holds the lock of the path."""
    for left in path.parent.glob(f"{path.name}.part-*"):  # of a harness that was killed: nobody else has the lock
        left.unlink(missing_ok=True)
    return path.with_name(f"{path.name}.part-{os.getpid()}")


def write(tensors: Tensors, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a file of tensors; what is left of one that cannot be written is removed.

    Raises:
        HarnessError: no room, or no such folder.
    """
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    except (SafetensorError, OSError) as error:
        path.unlink(missing_ok=True)
        raise HarnessError(
            f"{path} cannot be written: {error}; make room there, then the same command goes on from here"
        ) from error


def load_verified(path: Path) -> Tensors | None:
    """The tensors in this file, or None if there is no file or it is not what was written."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            expected = (file.metadata() or {}).get("weights_hash")
        tensors = load_file(path)
    except Exception:  # a damaged header makes the reader fail in any way
        return None
    return tensors if tensors_hash(tensors) == expected else None
