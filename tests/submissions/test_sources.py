"""What of a submission's folder reaches a trial: text that a reader sees, as it was when it was read."""

from __future__ import annotations

import io
import py_compile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from unlearnbench.errors import UsageError
from unlearnbench.submissions.sources import hash_sources, read_sources


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("labels.py", "LABELS = [3, 1, 4]")
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.savez(file, labels=np.arange(3))
    return file.getvalue()


def compiled(folder: Path) -> bytes:
    (folder / "labels.py").write_text("LABELS = [3, 1, 4]")
    py_compile.compile(str(folder / "labels.py"), str(folder / "compiled"), doraise=True)
    return (folder / "compiled").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "mine"
    (place / "part").mkdir(parents=True)
    (place / "method.py").write_text("label = 'Ümlaut'\n", encoding="utf-8")
    (place / "part" / "values.toml").write_text("rate = 0.5\n")
    return place


@pytest.mark.parametrize("name", ["labels.so", "labels.zip", "labels.npz", "labels.py", "part/labels", "labels.txt"])
@pytest.mark.parametrize("kind", ["archive", "array", "compiled", "elf", "utf-16", "latin-1", "nul"])
def test_a_file_that_is_no_text_is_refused_whatever_its_name(
    kind: str, name: str, folder: Path, tmp_path: Path
) -> None:
    content = {
        "archive": archive(),
        "array": array(),
        "compiled": compiled(tmp_path),
        "elf": b"\x7fELF\x02\x01\x01" + bytes(8),
        "utf-16": "LABELS = [3]".encode("utf-16"),
        "latin-1": "# Ümlaut".encode("latin-1"),
        "nul": b"LABELS = 3\0",
    }[kind]
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=r"is not a text file \(UTF-8 without NUL characters\): remove it") as caught:
        read_sources(folder)
    assert str(folder / name) in str(caught.value)


def test_what_is_ignored_is_neither_hashed_nor_read(folder: Path) -> None:
    before = read_sources(folder)
    (folder / "__pycache__").mkdir()
    for name in (
        "__pycache__/method.cpython-311.pyc",
        "__pycache__/labels.npz",
        "part/old.pyc",
        "notes.md",
        ".DS_Store",
        "._method.py",
        ".method.py.swp",
        "part/values.toml~",
        "#method.py#",
        "method.swp",
        "Thumbs.db",
        "part/desktop.ini",
    ):
        (folder / name).write_bytes(archive())
    (folder / ".git").mkdir()
    (folder / ".git" / "index").write_bytes(array())
    (folder / ".git" / "link").symlink_to(folder / "method.py")
    for cache in (".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", "@eaDir", "part/__MACOSX"):
        (folder / cache).mkdir()
        (folder / cache / "large.json").write_bytes(bytes(2**23))
    (folder / ".#method.py").symlink_to("somebody@host.1234")
    (folder / "submission.toml").write_text("name = 'mine'\n")
    assert read_sources(folder) == before
    assert list(before.files) == ["method.py", "part/values.toml"]
    assert hash_sources(folder) == before.hash


def test_too_many_files_and_too_long_paths_are_refused(folder: Path) -> None:
    deep = folder / "a" / ("b" * 100) / ("c" * 100)
    deep.mkdir(parents=True)
    (deep / "x.py").touch()
    with pytest.raises(UsageError, match="has a path of over 200 bytes in the submission: shorten it"):
        read_sources(folder)
    (deep / "x.py").unlink()
    deep.rmdir()
    (folder / "vendor").mkdir()
    for number in range(500):
        (folder / "vendor" / f"{number}.py").touch()
    with pytest.raises(UsageError, match=r"has 50\d files, more than the allowed 500: remove what is not code"):
        read_sources(folder)


def test_a_name_that_another_tree_could_be_hashed_like_is_refused(folder: Path) -> None:
    """Two files `a` and `b` would have the hash of one file `a 0 NEWLINE b`."""
    (folder / "a 0\nb").write_text("xyz")
    with pytest.raises(UsageError, match="has unprintable characters in its name: rename it"):
        read_sources(folder)


def test_a_link_to_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "more").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UsageError, match="more is a symbolic link"):
        read_sources(folder)


def test_what_is_written_is_what_was_read(folder: Path, tmp_path: Path) -> None:
    sources = read_sources(folder)
    (folder / "method.py").write_text("changed = True\n")
    (folder / "new.py").write_text("")
    copy = sources.write(tmp_path / "code")
    assert copy == tmp_path / "code" / "mine"
    assert hash_sources(copy) == sources.hash != hash_sources(folder)
