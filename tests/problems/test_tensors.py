"""Files of tensors are what was written, or they are nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
from pathlib import Path

import pytest
import torch
from filelock import Timeout

from unlearnbench.errors import HarnessError
from unlearnbench.problems.tensors import load_verified, lock, save

TENSORS = {"a": torch.arange(60, dtype=torch.float32).reshape(3, 20), "b": torch.ones(2, dtype=torch.uint8)}


def test_flipped_bits_are_found(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save(TENSORS, file)
    whole = file.read_bytes()
    assert load_verified(file) is not None
    for bit in range(0, 8 * len(whole), 7):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        found = load_verified(file)
        # A bit of the spaces or names of the header may change nothing that is read.
        assert found is None or all(torch.equal(found[name], TENSORS[name]) for name in TENSORS), bit


def test_every_cut_is_found(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save(TENSORS, file)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert load_verified(file) is None, length


def test_what_a_killed_harness_left_half_written_goes(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    left = tmp_path / "x.safetensors.part-1"
    left.write_bytes(random.Random(0).randbytes(100))
    assert load_verified(file) is None
    save(TENSORS, file)
    assert sorted(tmp_path.iterdir()) == [file]


def test_nothing_is_written_through_a_link_that_was_put_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shared folder somebody may have put links under all names that can be foreseen."""
    file, target = tmp_path / "x.safetensors", tmp_path / "target"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))  # as if it was put there after the look
    for pid in {os.getpid(), os.getppid()}:
        (tmp_path / f"x.safetensors.part-{pid}").symlink_to(target)
    file.symlink_to(target)
    save(TENSORS, file)
    assert not target.exists()
    assert not file.is_symlink()


def test_one_at_a_time(tmp_path: Path) -> None:
    with lock(tmp_path / "x"):
        with pytest.raises(Timeout):
            lock(tmp_path / "x").acquire(blocking=False)
        lock(tmp_path / "y").acquire(blocking=False).lock.release()


def test_no_room_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot create folder"):
        lock(tmp_path / "file" / "x")
    with pytest.raises(HarnessError, match=r"cannot write .*/gone/x.part-\w+: .*free disk space"):
        save(TENSORS, tmp_path / "gone" / "x")


def test_a_cached_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with lock(tmp_path / "kept"):
            save({"a": torch.zeros(3)}, tmp_path / "kept")
    finally:
        os.umask(before)
    assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in tmp_path.iterdir()} == {
        "kept": "0o640",
        "kept.lock": "0o640",
    }


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    for blocking in (True, False):
        with pytest.raises(HarnessError) as caught:
            lock(tmp_path / "kept").acquire(blocking=blocking)
        assert str(caught.value).startswith(f"cannot lock {tmp_path / 'kept.lock'}: {os.strerror(number)}; make")
        assert str(caught.value).endswith("or choose another --data")


def test_who_does_not_wait_for_a_lock_is_told_so(tmp_path: Path) -> None:
    with lock(tmp_path / "kept"), pytest.raises(Timeout):
        lock(tmp_path / "kept").acquire(blocking=False)
