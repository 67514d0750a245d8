"""A folder of images that is wrong is named with the file that is wrong; its cache is verified."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unlearnbench.errors import UsageError
from unlearnbench.problems.image_folder import load


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for part in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            (root / part / name).mkdir(parents=True)
            for position in range(2):
                colour = (200, 10 * number, position)
                Image.new("RGB", (16, 16), colour).save(root / part / name / f"{position}.png")
    return root


def remove_class(root: Path) -> None:
    for part in ("train", "test"):
        for file in (root / part / "dog").iterdir():
            file.unlink()
        (root / part / "dog").rmdir()


def replace_by_a_file(root: Path) -> None:
    (root / "train").rename(root / "x")
    (root / "train").touch()


def deep(root: Path) -> None:
    Image.fromarray(np.full((16, 16), 40000, np.uint16)).save(root / "train" / "cat" / "0.png")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda root: (root / "train/cat/0.png").write_text("a cat"), "cat/0.png cannot be decoded"),
    "empty file": (lambda root: (root / "train/cat/0.png").write_bytes(b""), "cat/0.png cannot be decoded"),
    "cut": (
        lambda root: (root / "test/dog/1.png").write_bytes((root / "test/dog/1.png").read_bytes()[:60]),
        "dog/1.png cannot be decoded",
    ),
    "another name": (lambda root: (root / "train/cat/0.png").rename(root / "train/cat/0.gif"), "cat/0.gif is not a"),
    "notes": (lambda root: (root / "train/cat/notes.txt").write_text("x"), "notes.txt is not a supported image"),
    "no class": (lambda root: (root / "train/0.png").write_bytes(b"x"), "train/0.png is not a supported image"),
    "empty class": (lambda root: (root / "train/emu").mkdir(), "emu"),
    "one class": (remove_class, "has 1 class (cat)"),
    "sixteen bits": (deep, "more than 8 bits"),
    "rectangle": (lambda root: Image.new("RGB", (16, 18)).save(root / "train/cat/0.png"), "is 16x18"),
    "train a file": (replace_by_a_file, "has no folder"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_named(root: Path, tmp_path: Path, wrong: str) -> None:
    harm, words = WRONG[wrong]
    harm(root)
    with pytest.raises(UsageError) as caught:
        load(root, None, tmp_path / "cache")
    assert words in str(caught.value)
    assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("*.safetensors*part*"))


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: Could not determine home"):
        load(Path("~nobody-of-this-name/x"), None, tmp_path)


def test_names_that_are_no_text_and_what_systems_leave(root: Path, tmp_path: Path) -> None:
    os.rename(os.fsencode(root / "train/cat/0.png"), os.fsencode(root / "train/cat") + b"/\xff.png")
    (root / "train" / "cat" / "Thumbs.db").write_text("")
    (root / "test" / ".DS_Store").write_text("")
    classes, tensors = load(root, None, tmp_path / "cache")
    assert classes == ("cat", "dog")
    assert tensors["train_images"].shape == (4, 3, 16, 16)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_cache_is_decoded_again(root: Path, tmp_path: Path, damage: str) -> None:
    _, before = load(root, None, tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 4
    file.write_bytes(bytes({"cut": content[:-9], "flipped": content, "empty": b""}[damage]))
    _, after = load(root, None, tmp_path / "cache")
    assert all(torch.equal(before[name], after[name]) for name in before)
