"""A folder of images that is wrong is named with the file that is wrong; its cache is verified."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny import tiny
from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import load as load_data
from unlearnbench.problems.datasets import load_for
from unlearnbench.problems.grid import case_of
from unlearnbench.problems.identity import conditions
from unlearnbench.problems.image_folder import load
from unlearnbench.problems.tensors import tensors_hash


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


def clutter(root: Path) -> None:
    """What editors and systems put into a folder of images: copies, thumbnails, and files that are no image."""
    picture = Image.new("RGB", (16, 16), "green")
    for part in ("train", "test"):
        for inner in (".ipynb_checkpoints", "@eaDir", "cat/@eaDir", "cat/.ipynb_checkpoints", "dog/__MACOSX"):
            (root / part / inner).mkdir()
            picture.save(root / part / inner / "0-checkpoint.png")
            (root / part / inner / "SYNOFILE_THUMB").write_text("x")
        for name in ("._0.png", ".0.png.swp", "0.png~", "Thumbs.db", "desktop.ini", ".DS_Store"):
            (root / part / "dog" / name).write_bytes(b"x")
        picture.save(root / part / "cat" / ".hidden.png")


def test_clutter_is_neither_a_class_nor_a_sample(root: Path, tmp_path: Path) -> None:
    classes, before = load(root, None, tmp_path / "cache")
    clutter(root)
    again, after = load(root, None, tmp_path / "cache")
    assert again == classes == ("cat", "dog")
    assert tensors_hash(after) == tensors_hash(before)
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 1, "not even decoded again"


def test_three_spellings_of_a_path_are_one_data_set(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    monkeypatch.setenv("HOME", str(root.parent))
    suite = replace(tiny(), train_size=None, test_size=None, image_size=16)
    suite = replace(suite, corruption=replace(tiny().corruption, size=1, class_pair=(0, 1)))
    spellings = [f"imagefolder:{path}" for path in (root, root.name, f"./{root.name}/", f"~/{root.name}")]
    suites = [replace(suite, dataset=spelling) for spelling in spellings]
    data = [load_for(item, tmp_path / "data") for item in suites]
    assert {item.name for item in data} == {"imagefolder:pictures"}
    assert len({case_of(item, "random-swap", data[0].fingerprint, 1, 0) for item in suites}) == 1
    assert conditions(suites[0]) == conditions(suites[1]) == conditions(suites[3])
    assert len({json.dumps(item.stored()) for item in suites}) == 1
    assert str(tmp_path) not in json.dumps(suites[0].stored()), "no parent folder in a record"
    assert len(list((tmp_path / "data" / "decoded").glob("*.safetensors"))) == 1


def test_a_record_s_folder_is_found_beside_the_data_sets(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / root.name).symlink_to(root)
    fingerprint = load_data(f"imagefolder:{root}", tmp_path / "data").fingerprint
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_data(f"imagefolder:{root.name}", tmp_path / "data").fingerprint == fingerprint


def test_a_picture_is_the_right_way_up(root: Path, tmp_path: Path) -> None:
    file = root / "train" / "cat" / "0.png"
    picture = Image.effect_noise((16, 16), 90).convert("RGB")
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 270 degrees to show it
    turned.save(file, exif=exif)
    _, tensors = load(root, None, tmp_path / "cache")
    assert torch.equal(tensors["train_images"][0], torch.from_numpy(np.array(picture)).permute(2, 0, 1))


def test_a_picture_that_cannot_be_turned_is_named(root: Path, tmp_path: Path) -> None:
    """Turning writes the EXIF data anew, and fails on values that no writer would have written."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0103] = 1
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, "JPEG", exif=exif)
    compression = struct.pack(">HHIHH", 0x0103, 3, 1, 1, 0)
    broken = content.getvalue().replace(compression, struct.pack(">HHII", 0x0103, 4, 1, 2**31))
    assert broken != content.getvalue()
    file = root / "train" / "cat" / "0.png"
    file.write_bytes(broken)
    with pytest.raises(UsageError, match=f"image {file} cannot be decoded"):
        load(root, None, tmp_path / "cache")


def deep_png(colour: int) -> bytes:
    """A PNG of 16x16 pixels with 16 bits per channel, which Pillow cannot write; its type of colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    line = bytes(1 + 16 * 2 * {0: 1, 2: 3, 4: 2, 6: 4}[colour])
    header = struct.pack(">IIBBBBB", 16, 16, 16, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(16 * line)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


DEEP = {
    **{f"{kind}.png": deep_png(colour) for kind, colour in (("grey", 0), ("rgb", 2), ("grey-alpha", 4), ("rgba", 6))},
    "rgb.ppm": b"P6\n16 16\n65535\n" + bytes(16 * 16 * 6),
    "plain.ppm": b"P3\n16 16\n65535\n" + b"0 " * (16 * 16 * 3),
    "grey.pgm": b"P5\n16 16\n65535\n" + bytes(16 * 16 * 2),
}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_8_bits_are_refused(name: str, root: Path, tmp_path: Path) -> None:
    (root / "train" / "cat" / name).write_bytes(DEEP[name])
    with pytest.raises(UsageError, match=rf"{name} has more than 8 bits per channel: convert it to 8 bits"):
        load(root, None, tmp_path / "cache")


def test_8_bits_in_every_format_are_read(root: Path, tmp_path: Path) -> None:
    for kind in ("jpg", "bmp", "ppm", "tif", "webp", "png"):
        Image.new("RGB", (16, 16), "red").save(root / "train" / "cat" / f"more.{kind}")
    for mode in ("1", "L", "P", "LA", "RGBA"):
        Image.new(mode, (16, 16)).save(root / "train" / "dog" / f"mode-{mode}.png")
    (root / "train" / "cat" / "few.ppm").write_bytes(b"P6\n16 16\n100\n" + bytes(16 * 16 * 3))
    _, tensors = load(root, None, tmp_path / "cache")
    assert len(tensors["train_images"]) == 4 + 7 + 5


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
