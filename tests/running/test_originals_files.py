"""Originals in a folder: what is imported is what was exported, or nothing is."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import rows
from unlearnbench.errors import UsageError
from unlearnbench.problems.tensors import load_verified, lock, save
from unlearnbench.running.originals import path_of
from unlearnbench.running.originals_files import Imported, export, import_into, stored_hashes
from unlearnbench.store.store import Store

KEYS = ("a" * 64, "b" * 64)


def of(seed: int) -> dict[str, Any]:
    return {"case": {"corruption": "random-swap", "seed": seed}}


def weights(number: int) -> dict[str, torch.Tensor]:
    return {"layer": torch.full((3, 4), float(number)), "count": torch.tensor(number)}


@pytest.fixture
def cache(tmp_path: Path, store: Store) -> Path:
    """Two originals, by seeds 0 and 1, and a store whose suite plans trials on them, and on one of no cached file."""
    cache = tmp_path / "data" / "originals"
    store.add([*rows.whole(), rows.run(id="other", suite="other"), rows.original(key="c" * 64)])
    store.add([rows.planned(run_id="other", trial_key="x", original_key="c" * 64)])
    store.add([rows.run(id="suite", suite="suite")])
    for number, key in enumerate(KEYS):
        with lock(path_of(cache, key)):
            digest = save(weights(number), path_of(cache, key))
        store.add([rows.original(key=key, weights_hash=digest, training_seed=number, specification=of(number))])
        store.add([rows.planned(run_id="suite", trial_key=f"t{number}", original_key=key)])
    return cache


@pytest.fixture
def folder(tmp_path: Path, store: Store, cache: Path) -> Path:
    assert export(store.engine, set(KEYS), cache, tmp_path / "out") == 2
    return tmp_path / "out"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix != ".lock"}


def test_what_is_imported_is_what_was_exported(folder: Path, cache: Path, tmp_path: Path) -> None:
    assert {name: content for name, content in files(folder).items() if name != "originals.json"} == files(cache)
    elsewhere = tmp_path / "elsewhere" / "originals"
    assert import_into(elsewhere, folder, {}) == Imported(added=2, known=0)
    assert files(elsewhere) == files(cache)
    for number, key in enumerate(KEYS):
        found = load_verified(path_of(elsewhere, key))
        assert found is not None
        assert torch.equal(found["layer"], weights(number)["layer"])
    assert import_into(elsewhere, folder, {}) == Imported(added=0, known=2)
    assert files(elsewhere) == files(cache)


def test_the_index_says_what_they_are(folder: Path) -> None:
    index = json.loads((folder / "originals.json").read_text())
    assert [entry["key"] for entry in index["originals"]] == list(KEYS)
    first = index["originals"][0]
    said = [first[name] for name in ("corruption", "seed", "capacity", "training")]
    assert said == ["random-swap", 0, 0.5, "standard"]
    assert first["specification"] == of(0)


def test_only_what_is_asked_for(store: Store, cache: Path, tmp_path: Path) -> None:
    assert export(store.engine, {KEYS[1]}, cache, tmp_path / "out") == 1
    assert set(files(tmp_path / "out")) == {"originals.json", path_of(cache, KEYS[1]).name}
    with pytest.raises(UsageError, match="has none of the requested originals"):
        export(store.engine, {"e" * 64}, cache, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def replace(path: Path) -> None:
    with lock(path):
        save(weights(9), path)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, r", the file of the original for random-swap, seed 1 \(key b{12}\), does not exist: use the"),
        (flip, "is damaged or not the original for random-swap, seed 1"),
        (replace, "is damaged or not the original for random-swap, seed 1"),
    ],
)
def test_a_cache_that_is_not_what_the_store_says(
    damage: Callable[[Path], None], words: str, store: Store, cache: Path, tmp_path: Path
) -> None:
    damage(path_of(cache, KEYS[1]))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=words):
        export(store.engine, set(KEYS), cache, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before, "nothing half written"


def test_only_a_new_folder_is_written(store: Store, cache: Path, folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    with pytest.raises(UsageError, match="already exists and is not empty"):
        export(store.engine, set(KEYS), cache, folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="already exists and is not empty"):
        export(store.engine, set(KEYS), cache, tmp_path / "file")
    assert files(folder) == before
    (tmp_path / "empty").mkdir()
    export(store.engine, set(KEYS), cache, tmp_path / "empty")
    assert files(tmp_path / "empty") == before


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path(__file__).with_name("exploded").touch, ())


def another_with_its_checksum(path: Path) -> None:
    """A whole file of other weights, and an index that has its checksum."""
    replace(path)
    index = path.parent / "originals.json"
    content = json.loads(index.read_text())
    content["originals"][1]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    index.write_text(json.dumps(content))


def pickled_with_its_checksum(path: Path) -> None:
    another_with_its_checksum(path)
    path.write_bytes(pickle.dumps(Bomb()))
    index = path.parent / "originals.json"
    content = json.loads(index.read_text())
    content["originals"][1]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    index.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (Path.unlink, "is listed in originals.json but does not exist"),
        (flip, "is damaged: its checksum"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged: its checksum"),
        (replace, "is damaged: its checksum"),
        (another_with_its_checksum, "does not contain the weights listed in originals.json"),
        (pickled_with_its_checksum, "does not contain the weights listed in originals.json"),
    ],
)
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_a_file_that_does_not_fit(
    damage: Callable[[Path], None], words: str, known: bool, folder: Path, cache: Path, tmp_path: Path
) -> None:
    where = cache if known else tmp_path / "elsewhere"
    before = files(where)
    damage(path_of(folder, KEYS[1]))
    with pytest.raises(UsageError, match=words) as caught:
        import_into(where, folder, {})
    assert str(caught.value).startswith(str(path_of(folder, KEYS[1])))
    assert files(where) == before, "not the first one either, which fits"
    assert not Path(__file__).with_name("exploded").exists()


def edit(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda index: index["originals"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda index: index.update(version=2), "key 'version'"),
        (lambda index: index.update(format="x"), "key 'format'"),
        (lambda index: index.update(originals=[]), "key 'originals'"),
        (lambda index: index.update(more=1), "unknown key 'more'"),
        (lambda index: index["originals"].append(index["originals"][0]), "lists an original twice"),
        (lambda index: index["originals"][0].pop("seed"), "key 'originals.0.seed' is missing"),
        (edit(key="../" * 20 + "aaaa"), "key 'originals.0.key'"),
        (edit(key="a" * 64 + "\n"), "key 'originals.0.key'"),
        (edit(seed="0"), "key 'originals.0.seed'"),
    ],
)
def test_an_index_that_nobody_wrote(change: Any, words: str, folder: Path, tmp_path: Path) -> None:
    file = folder / "originals.json"
    index = json.loads(file.read_text())
    change(index)
    file.write_text(json.dumps(index))
    with pytest.raises(UsageError, match=words):
        import_into(tmp_path / "elsewhere", folder, {})
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("content", ["", "[1]", "{", "\N{SNOWMAN}", "[" * 100_000])
def test_no_index_at_all(content: str, folder: Path, tmp_path: Path) -> None:
    (folder / "originals.json").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="is not a readable index of originals"):
        import_into(tmp_path / "elsewhere", folder, {})
    with pytest.raises(UsageError, match="is not a readable index of originals: No such file"):
        import_into(tmp_path / "elsewhere", tmp_path / "none", {})


def test_other_weights_in_the_store(folder: Path, tmp_path: Path) -> None:
    stored = {KEYS[0]: json.loads((folder / "originals.json").read_text())["originals"][0]["weights_hash"]}
    with pytest.raises(UsageError, match=r"the store has trials on other weights of the .*seed 1"):
        import_into(tmp_path / "elsewhere", folder, stored | {KEYS[1]: "f" * 64})
    assert not (tmp_path / "elsewhere").exists()
    assert import_into(tmp_path / "elsewhere", folder, stored).added == 2


def test_other_weights_in_the_cache(folder: Path, cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with lock(path_of(elsewhere, KEYS[1])):
        save(weights(9), path_of(elsewhere, KEYS[1]))
    before = files(elsewhere)
    with pytest.raises(UsageError, match=r"has other weights of the original for random-swap, seed 1"):
        import_into(elsewhere, folder, {})
    assert files(elsewhere) == before
    flip(path_of(elsewhere, KEYS[1]))  # damaged, it would be trained again: it holds nothing
    assert import_into(elsewhere, folder, {}).added == 2
    assert files(elsewhere) == files(cache)


def test_not_while_another_harness_trains_it(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with (
        lock(path_of(elsewhere, KEYS[1])),
        pytest.raises(UsageError, match=r"another harness is training the original .*seed 1"),
    ):
        import_into(elsewhere, folder, {})
    assert files(elsewhere) == {}
    assert import_into(elsewhere, folder, {}).added == 2


def test_a_store_need_not_be_there(store: Store, cache: Path, tmp_path: Path) -> None:
    assert set(stored_hashes(str(store.engine.url))) == {*KEYS, "c" * 64, "o"}
    assert stored_hashes(str(tmp_path / "none.db")) == {}
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(UsageError, match="cannot open"):
        stored_hashes(str(tmp_path / "text.db"))


def test_an_empty_place_on_postgresql_is_no_store(postgresql: str) -> None:
    assert stored_hashes(postgresql) == {}
