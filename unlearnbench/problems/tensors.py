"""Cached files of tensors: written atomically with a hash, and verified on every read."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

import torch
from filelock import AcquireReturnProxy, FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearnbench.errors import HarnessError

Tensors = dict[str, Tensor]


def tensors_hash(tensors: Tensors) -> str:
    """SHA-256 of the names, dtypes, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class Lock(FileLock):
    """A lock that says what is wrong with its file system or folder when it cannot be taken."""

    def acquire(self, *arguments: Any, **options: Any) -> AcquireReturnProxy[Any]:
        """As `FileLock.acquire`.

        Raises:
            Timeout: another process holds it, with `blocking=False`.
            HarnessError: the file cannot be locked.
        """
        try:
            return super().acquire(*arguments, **options)
        except Timeout:
            raise
        except OSError as error:
            raise HarnessError(
                f"cannot lock {self.lock_file}: {error.strerror}; make its folder one that you may write to, on a file"
                " system with locks (a network file system may have none), or choose another --data"
            ) from error


def lock(path: Path) -> Lock:
    """The lock of a cached file. Hold it to create the file. It is released when its process ends.

    Raises:
        HarnessError: the folder cannot be created. Taking the lock raises it too.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"cannot create folder {path.parent}: {error.strerror}; choose another --data") from error
    return Lock(f"{path}.lock")


def save(tensors: Tensors, path: Path) -> str:
    """Write a file atomically and return its hash, which is also stored in it. The caller must hold the lock.

    Raises:
        HarnessError: the file cannot be written.
    """
    temporary = part_of(path)
    digest = tensors_hash(tensors)
    write(tensors, temporary, {"weights_hash": digest})
    os.replace(temporary, path)
    return digest


def part_of(path: Path) -> Path:
    """Temporary path for writing this file, with a name that nobody can have put a link under.

    Removes leftovers of killed processes. The caller must hold the lock.
    """
    for left in path.parent.glob(f"{path.name}.part-*"):  # no live process writes here, because we hold the lock
        left.unlink(missing_ok=True)
    return path.with_name(f"{path.name}.part-{secrets.token_hex(8)}")


def write(tensors: Tensors, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a file of tensors, readable as the umask says. Removes the incomplete file on failure.

    Raises:
        HarnessError: the file cannot be written.
    """
    try:
        path.touch()
        mode = path.stat().st_mode
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
        path.chmod(mode)  # safetensors replaces the file by one for its owner alone; a cache may be shared
    except (SafetensorError, OSError) as error:
        path.unlink(missing_ok=True)
        raise HarnessError(
            f"cannot write {path}: {error}; free disk space and run the same command again to continue"
        ) from error


def load_verified(path: Path) -> Tensors | None:
    """Read the tensors of a file. None if it does not exist, is damaged, or does not match its stored hash."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            expected = (file.metadata() or {}).get("weights_hash")
        tensors = load_file(path)
    except Exception:  # a damaged header can raise any type
        return None
    return tensors if tensors_hash(tensors) == expected else None
