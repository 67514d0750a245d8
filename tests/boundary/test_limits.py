"""What a trial uses is what it made, not what is mounted beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unlearnbench.boundary import limits as usage


def test_files_and_bytes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 100_000)
    assert usage.disk(str(tmp_path)) is None
    monkeypatch.setattr(usage, "DISK_BYTES", 50_000)
    assert str(usage.disk(str(tmp_path))).startswith("disk: over ")
    monkeypatch.setattr(usage, "MOST_FILES", 1)
    assert usage.disk(str(tmp_path)) == "disk: over 1 files"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount without a name space of its own")
def test_what_is_mounted_inside_does_not_count(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    code = (
        "import pathlib; from unlearnbench.boundary import limits as usage; usage.MOST_FILES = 5;"
        f" [pathlib.Path({str(inner)!r}, str(n)).touch() for n in range(20)]; print(usage.disk({str(tmp_path)!r}))"
    )
    for mount, answer in ((f"mount -t tmpfs none {inner} && ", "None"), ("", "disk: over 5 files")):
        command = ["unshare", "--mount", "sh", "-c", f'{mount}exec {sys.executable} -c "$0"', code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == answer
