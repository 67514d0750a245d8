"""Export and import of original models, so that others can run methods on exactly the same weights.

An exported folder contains one file of tensors for each original, named as in the cache, and the index
`originals.json`. Nothing is unpickled. A file is used only if its checksum and the hash of its weights match the index.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Len
from filelock import Timeout
from pydantic import StringConstraints
from sqlalchemy import Engine

from unlearnbench.errors import UsageError
from unlearnbench.models.weights import weights_hash
from unlearnbench.problems.specification import validated
from unlearnbench.problems.tensors import load_verified, lock, part_of
from unlearnbench.running.originals import path_of
from unlearnbench.store.connection import NoStoreError
from unlearnbench.store.results import originals as stored_originals
from unlearnbench.store.schema import OriginalRow
from unlearnbench.store.store import Store

INDEX = "originals.json"
FORMAT: Literal["unlearnbench originals"] = "unlearnbench originals"
VERSION: Literal[1] = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Entry:
    """The entry of an original in the index."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    key: Sha256
    """Determines the file name, as in `path_of`."""
    corruption: str
    seed: int
    """The corruption seed."""
    capacity: float
    training: str
    weights_hash: Sha256
    sha256: Sha256
    """Checksum of the file."""
    specification: dict[str, Any]

    @property
    def label(self) -> str:
        return _label(self.corruption, self.seed, self.key)


@dataclass(frozen=True)
class Index:
    __pydantic_config__: ClassVar = {"extra": "forbid"}

    format: Literal["unlearnbench originals"]
    version: Literal[1]
    originals: Annotated[tuple[Entry, ...], Len(1)]


@dataclass(frozen=True)
class Imported:
    """Number of originals added to the cache, and of those that it already had."""

    added: int
    known: int


def export(engine: Engine, keys: AbstractSet[str], cache: Path, folder: Path) -> int:
    """Write the originals with these keys to a new folder and return their number. Writes all of them or nothing.

    Raises:
        UsageError: the store has none of them, the cache lacks the weights of one, or the folder is not empty.
    """
    folder = folder.resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} already exists and is not empty: choose another folder")
    rows = _rows(engine, keys)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.part-", dir=folder.parent) as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        index = Index(FORMAT, VERSION, tuple(_exported(row, cache, whole) for row in rows))
        text = json.dumps(asdict(index), indent=1, sort_keys=True, allow_nan=False)
        (whole / INDEX).write_text(f"{text}\n", encoding="ascii")
        whole.replace(folder)
    return len(rows)


def import_into(cache: Path, folder: Path, stored: Mapping[str, str]) -> Imported:
    """Add the originals of an exported folder to the cache. Imports all of them or nothing.

    Args:
        stored: hashes of the weights in the store, by key, from `stored_hashes`.

    Raises:
        UsageError: the folder is damaged, another harness is training one of the originals, or the store or the cache
            has different weights under the same key.
    """
    entries = read_index(folder)
    for entry in entries:
        known = stored.get(entry.key)
        if known is not None and known != entry.weights_hash:
            raise UsageError(
                f"the store has trials on other weights of the {entry.label} ({known[:12]}, not"
                f" {entry.weights_hash[:12]}): use another --data and another --database"
            )
    parts: dict[Path, Path] = {}
    with ExitStack() as held:
        for entry in entries:
            source, path = path_of(folder, entry.key), path_of(cache, entry.key)
            try:
                held.enter_context(lock(path).acquire(blocking=False))
            except Timeout:
                raise UsageError(
                    f"another harness is training the {entry.label}: import again when it is done"
                ) from None
            cached = load_verified(path)
            if cached is None:
                part = parts[path] = part_of(path)
                held.callback(part.unlink, missing_ok=True)
                _copy(source, part)
                _verify(part, entry, source)  # verify the copy, because the source may change
                continue
            _verify(source, entry, source)
            if (found := weights_hash(cached)) != entry.weights_hash:
                raise UsageError(
                    f"{path} has other weights of the {entry.label} ({found[:12]}, not {entry.weights_hash[:12]}): use"
                    " another --data and another --database"
                )
        for path, part in parts.items():
            os.replace(part, path)
    return Imported(added=len(parts), known=len(entries) - len(parts))


def stored_hashes(path_or_url: str) -> dict[str, str]:
    """Hashes of the weights of all originals in a store, by key. Empty if the store does not exist.

    Raises:
        UsageError: the store cannot be read.
    """
    try:
        with Store(path_or_url, create=False) as store:
            return {row.key: row.weights_hash for row in stored_originals(store.engine)}
    except NoStoreError:
        return {}


def read_index(folder: Path) -> tuple[Entry, ...]:
    """Read the index of an exported folder.

    Raises:
        UsageError: the index is missing or invalid.
    """
    file = folder / INDEX
    try:
        content = json.loads(file.read_text(encoding="ascii"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{file} is not a readable index of originals: {reason}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{file} is not a readable index of originals: not a JSON object")
    entries = validated(Index, content, str(file)).originals
    if len({entry.key for entry in entries}) < len(entries):
        raise UsageError(f"{file} lists an original twice")
    return entries


def _rows(engine: Engine, keys: AbstractSet[str]) -> Sequence[OriginalRow]:
    rows = stored_originals(engine, keys)
    if not rows:
        raise UsageError(f"{engine.url} has none of the requested originals: run the suite first")
    return rows


def _exported(row: OriginalRow, cache: Path, folder: Path) -> Entry:
    """Copy the file of an original to the folder and return its index entry."""
    source, copy = path_of(cache, row.key), path_of(folder, row.key)
    corruption = str(row.specification["case"]["corruption"])
    label = _label(corruption, row.specification["case"]["seed"], row.key)
    remedy = "use the --data of the machine that trained it, or import its originals first"
    if not source.is_file():
        raise UsageError(f"{source}, the file of the {label}, does not exist: {remedy}")
    _copy(source, copy)
    weights = load_verified(copy)
    if weights is None or weights_hash(weights) != row.weights_hash:
        raise UsageError(f"{source} is damaged or not the {label} of the stored trials: {remedy}")
    return Entry(
        key=row.key,
        corruption=corruption,
        seed=row.specification["case"]["seed"],
        capacity=row.capacity,
        training=row.training,
        weights_hash=row.weights_hash,
        sha256=_sha256(copy),
        specification=row.specification,
    )


def _copy(source: Path, to: Path) -> None:
    try:
        shutil.copyfile(source, to)
    except FileNotFoundError:
        raise UsageError(f"{source} is listed in {INDEX} but does not exist: copy the whole folder again") from None


def _verify(file: Path, entry: Entry, source: Path) -> None:
    """Reject a file that does not match its index entry. `source` is the path to show in error messages."""
    if not file.is_file():
        raise UsageError(f"{source} is listed in {INDEX} but does not exist: copy the whole folder again")
    if _sha256(file) != entry.sha256:
        raise UsageError(f"{source} is damaged: its checksum differs from {INDEX}; copy it again")
    weights = load_verified(file)
    if weights is None or weights_hash(weights) != entry.weights_hash:
        raise UsageError(f"{source} does not contain the weights listed in {INDEX}: do not use it")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _label(corruption: str, seed: int, key: str) -> str:
    return f"original for {corruption}, seed {seed} (key {key[:12]})"
