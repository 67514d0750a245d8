"""Functions that add what others send to a store, and remove it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from unlearnbench.library.shared import DATABASE, Places, Where

if TYPE_CHECKING:
    from unlearnbench.running.originals_files import Imported
    from unlearnbench.store.merge import Merged
    from unlearnbench.store.staging import Staged


def merge(
    sources: Sequence[Where],
    into: Where,
    *,
    origin: str | None = None,
    verify: bool = True,
    data: Where = "data",
    seeds_from: Sequence[Where] = (),
) -> dict[str, Merged]:
    """Add other stores to a store; returns what became of the rows of each source, by its name.

    Every source is read, checked and verified before the first row is added; all are added, or none.

    Args:
        into: the store to add to; created if missing.
        origin: name under which `store info` lists what came from the sources; default: what was typed for each.
        verify: recompute all metrics from the predictions, which takes the data set.
        seeds_from: files of secret seeds, for the audited boards among them.
    """
    from unlearnbench.store.staging import staged_store

    with ExitStack() as stack:
        found = [stack.enter_context(staged_store(source)) for source in dict.fromkeys(map(str, sources))]
        return _add(found, into, origin, verify, data, seeds_from)


def load(
    files: Sequence[Where],
    into: Where = DATABASE,
    *,
    origin: str | None = None,
    verify: bool = True,
    data: Where = "data",
    seeds_from: Sequence[Where] = (),
) -> dict[str, Merged]:
    """Add files written by `dump` to a store, as `merge` adds stores."""
    from unlearnbench.store.staging import staged_file

    with ExitStack() as stack:
        found = [stack.enter_context(staged_file(file)) for file in dict.fromkeys(map(Path, files))]
        return _add(found, into, origin, verify, data, seeds_from)


def remove_origin(name: str, database: Where = DATABASE) -> Counter[str]:
    """Delete what came from an origin alone; returns the number of deleted rows by table."""
    from unlearnbench.store.origins import remove
    from unlearnbench.store.store import Store

    with Store(str(database), create=False) as store:
        return remove(store.engine, name)


def _add(
    found: Sequence[Staged],
    into: Where,
    origin: str | None,
    verify: bool,
    data: Where,
    seeds_from: Sequence[Where],
) -> dict[str, Merged]:
    from unlearnbench.problems.secret_seeds import read
    from unlearnbench.store.merge import merge as merge_stores
    from unlearnbench.store.origins import Origin
    from unlearnbench.store.store import Store

    secrets = [read(Path(file)) for file in seeds_from]
    if verify:
        from unlearnbench.verify.recompute import verify as verify_metrics

        for item in found:
            verify_metrics(item, Path(data), secrets)
    sources = [(item.store, Origin(origin or item.name, item.sha256, verify, origin is not None)) for item in found]
    with Store(str(into)) as target:
        merged = merge_stores(sources, target)
    return {item.name: of_item for item, of_item in zip(found, merged, strict=True)}


def import_originals(folder: Where, **places: Unpack[Places]) -> Imported:
    """Import exported original models into the cache, so that new trials start from the same weights."""
    from unlearnbench.running.originals_files import import_into, stored_hashes

    known = stored_hashes(str(places.get("database", DATABASE)))
    return import_into(Path(places.get("data", "data")) / "originals", Path(folder), known)
