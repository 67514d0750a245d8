"""The loaders on small files in the real formats, and what they say about files that are wrong."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import shutil
import struct
import tarfile
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets
from PIL import Image
from scipy.io import savemat

from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import Dataset, digits, load
from unlearnbench.problems.names import DATASETS, FOLDER

RANDOM = np.random.RandomState(0)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_digits_are_the_same_bytes_everywhere() -> None:
    dataset = digits()
    assert dataset.train_images.shape == (1437, 1, 16, 16)
    assert dataset.test_images.shape == (360, 1, 16, 16)
    assert dataset.train_images.dtype is torch.uint8
    assert dataset.fingerprint == "ae9c666bd3d6d4cb4fd18639f9ad72e9bd0b597ba94d74fac61b12dabef39e0e"
    assert dataset.normalisation == ((0.3047,), (0.3184,))


Samples = tuple[np.ndarray, list[int]]
"""Images uint8 [N, C, S, S] and their labels."""


def samples(labels: list[int], channels: int, size: int) -> Samples:
    return RANDOM.randint(0, 256, (len(labels), channels, size, size)).astype(np.uint8), labels


def write_cifar10(root: Path, train: Samples, test: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    entries = {}
    for name, (images, labels) in (("data_batch_1", train), ("test_batch", test)):
        (folder / name).write_bytes(pickle.dumps({"data": images.reshape(len(labels), -1), "labels": labels}))
        entries[name] = [name, md5(folder / name)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {n}" for n in range(10)]}))
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [entries["data_batch_1"]])
    monkeypatch.setattr(kind, "test_list", [entries["test_batch"]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(folder / "batches.meta")})


def write_svhn(root: Path, train: Samples, test: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "svhn").mkdir()
    splits = {}
    for part, (images, labels) in (("train", train), ("test", test)):
        file = root / "svhn" / f"{part}_32x32.mat"
        written = np.array([[label or 10] for label in labels], dtype=np.uint8)  # SVHN writes 10 for the digit 0
        savemat(file, {"X": images.transpose(2, 3, 1, 0), "y": written})
        splits[part] = ["", file.name, md5(file)]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", splits)


def write_fashion_mnist(root: Path, train: Samples, test: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "fashion-mnist" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, (images, labels) in (("train", train), ("t10k", test)):
        for name, magic, content in (
            ("images-idx3-ubyte", 2051, images[:, 0]),
            ("labels-idx1-ubyte", 2049, np.array(labels, np.uint8)),
        ):
            raw = struct.pack(f">{1 + content.ndim}i", magic, *content.shape) + content.tobytes()
            (folder / f"{part}-{name}").write_bytes(raw)
            (folder / f"{part}-{name}.gz").write_bytes(gzip.compress(raw))


WRITERS = {
    "cifar10": (write_cifar10, 3, 32),
    "svhn": (write_svhn, 3, 32),
    "fashion-mnist": (write_fashion_mnist, 1, 28),
}


def pairs(images: Any, labels: Any) -> list[tuple[int, bytes]]:
    """Labels with their images, in an order that does not depend on that of the samples."""
    return sorted((int(label), np.asarray(image).tobytes()) for image, label in zip(images, labels, strict=True))


def test_digits_in_colour_are_the_digits_with_their_grey_channel_three_times(tmp_path: Path) -> None:
    grey, colour = load("digits", tmp_path), load("digits-colour", tmp_path)
    assert colour.train_images.shape == (1437, 3, 16, 16)
    assert (colour.train_images == colour.train_images[:, :1]).all()
    for part in ("train", "test"):
        found, known = ([getattr(item, f"{part}_{kind}") for kind in ("images", "labels")] for item in (colour, grey))
        assert pairs(found[0][:, :1], found[1]) == pairs(*known)


@pytest.mark.parametrize("name", WRITERS)
def test_published_files_are_read_with_every_image_at_its_label(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, channels, size = WRITERS[name]
    train, test = samples([0, 5, 9, 0], channels, size), samples([1, 5, 9], channels, size)
    write(tmp_path, train, test, monkeypatch)
    dataset = load(name, tmp_path, download=False)
    assert dataset.classes[3] == {"cifar10": "class 3", "svhn": "3", "fashion-mnist": "Dress"}[name]
    assert pairs(dataset.train_images, dataset.train_labels) == pairs(*train)
    assert pairs(dataset.test_images, dataset.test_labels) == pairs(*test)


@pytest.mark.parametrize("name", [*DATASETS.own, f"{FOLDER}PATH"])
def test_the_position_of_a_sample_says_nothing_about_its_label(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 40
    if name in WRITERS:  # files sorted by class
        write, channels, size = WRITERS[name]
        files = samples([number // count for number in range(10 * count)], channels, size)
        write(tmp_path, files, files, monkeypatch)
    elif name == "imagenette":
        write_imagenette(tmp_path / "imagenette", count)
    elif name != "digits":
        name = f"imagefolder:{write_folder(tmp_path / 'pictures', train=5 * count, test=5 * count)}"
    dataset = load(name, tmp_path, download=False)
    classes = len(dataset.classes)
    for labels in (dataset.train_labels, dataset.test_labels):
        beside = (labels[1:] == labels[:-1]).float().mean()
        assert beside < 1.5 / classes, "neighbours share a label more often than chance"
        halves = [torch.bincount(half, minlength=classes).float() for half in labels.chunk(2)]
        assert (halves[0] - halves[1]).abs().max() < 4 * labels.bincount().max() ** 0.5, "a class stands in one half"
    if name != "digits":
        assert not torch.equal(dataset.train_labels, dataset.test_labels), "train and test are permuted apart"
    assert load(name, tmp_path, download=False).fingerprint == dataset.fingerprint


WNIDS = tuple(torchvision.datasets.Imagenette._WNID_TO_CLASS)


def write_imagenette(root: Path, count: int = 2) -> Path:
    """The release of 160 pixels, `count` images a class: the colour of the class in the middle, white at the sides."""
    release = root / "imagenette2-160"
    for part in ("train", "val"):
        for number, name in enumerate(WNIDS):
            (release / part / name).mkdir(parents=True)
            for position in range(count):
                size = (240, 160) if position % 2 else (160, 213)
                picture = Image.new("RGB", size, (255, 255, 255))
                picture.paste(
                    (20 * number, 100, 0), (size[0] // 2 - 80, size[1] // 2 - 80, size[0] // 2 + 80, size[1] // 2 + 80)
                )
                picture.save(release / part / name / f"{name}_{position}.JPEG", quality=95)
    (release / "noisy_imagenette.csv").write_text("path,noisy_labels_0\n")
    return release


def test_imagenette_from_its_folders(tmp_path: Path) -> None:
    write_imagenette(tmp_path / "imagenette")
    dataset = load("imagenette", tmp_path, download=False)
    assert (dataset.name, dataset.classes[:3]) == ("imagenette", ("tench", "English springer", "cassette player"))
    assert dataset.train_images.shape == dataset.test_images.shape == (20, 3, 32, 32)
    assert dataset.train_images.dtype is torch.uint8
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        assert sorted(labels.tolist()) == sorted([*range(10)] * 2)
        middle = images[:, :, 2:-2, 2:-2].float().mean(dim=(2, 3))  # what is at the sides was cut off
        expected = torch.stack([20.0 * labels, torch.full((20,), 100.0), torch.zeros(20)], dim=1)
        assert (middle - expected).abs().max() < 5


def no_network(*args: Any, **kwargs: Any) -> None:
    raise urllib.error.URLError("Name or service not known")


def test_imagenette_is_downloaded_unpacked_and_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "imagenette2-160.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(write_imagenette(tmp_path, count=1), "imagenette2-160")

    def arrives(url: str, root: str, filename: str, md5: str) -> None:
        assert filename == archive.name
        shutil.copy(archive, root)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", arrives)
    folder = tmp_path / "data" / "imagenette"
    half = folder / "unpacked" / "imagenette2-160" / "train"  # left by one that was killed
    half.mkdir(parents=True)
    first = load("imagenette", tmp_path / "data")
    assert len(first.train_labels) == 10
    assert not half.exists()
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setattr("PIL.Image.open", None)
    for download in (True, False):
        assert load("imagenette", tmp_path / "data", download=download).fingerprint == first.fingerprint


def test_an_image_of_imagenette_that_is_damaged_is_named(tmp_path: Path) -> None:
    release = write_imagenette(tmp_path / "imagenette", count=1)
    broken = release / "val" / WNIDS[4] / f"{WNIDS[4]}_0.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(UsageError, match=rf"image {broken} cannot be decoded"):
        load("imagenette", tmp_path, download=False)


def test_a_part_of_imagenette_that_is_missing_is_named(tmp_path: Path) -> None:
    release = write_imagenette(tmp_path / "imagenette", count=1)
    (release / "val").rename(release / "test")
    with pytest.raises(UsageError, match=r"imagenette2-160 has no folder 'val': it needs train/CLASS/\* and val/CLASS"):
        load("imagenette", tmp_path, download=False)


@pytest.mark.parametrize("name", ["cifar10", "svhn", "fashion-mnist", "imagenette"])
def test_without_files_or_network_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    for download in (False, True):
        with pytest.raises(UsageError, match=f"data set '{name}' could not be loaded.*connect to the network"):
            load(name, tmp_path, download=download)


def of(dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    return dataset.train_images, dataset.train_labels


def write_folder(root: Path, size: int = 16, mode: str = "RGB", train: int = 3, test: int = 2) -> Path:
    for part, count in (("train", train), ("test", test)):
        for number, name in enumerate(("cat", "dog")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for position in range(count):
                colour: Any = {"RGB": (200, 10 * number, position), "L": 77, "RGBA": (1, 2, 3, 128)}[mode]
                Image.new(mode, (size, size), colour).save(folder / f"{position}.png")
    return root


def test_image_folder(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "pictures")
    dataset = load(f"imagefolder:{root}", tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.train_images.shape == (6, 3, 16, 16)
    colours = sorted((int(label), *image[:, 0, 0].tolist()) for image, label in zip(*of(dataset), strict=True))
    assert colours == [(number, 200, 10 * number, position) for number in (0, 1) for position in range(3)]


def test_image_folder_is_decoded_once_and_again_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path / "pictures")
    before = load(f"imagefolder:{root}", tmp_path).fingerprint
    with monkeypatch.context() as context:
        context.setattr("PIL.Image.open", None)
        assert load(f"imagefolder:{root}", tmp_path).fingerprint == before
    Image.new("RGB", (16, 16), (9, 9, 9)).save(root / "train" / "cat" / "0.png")
    assert load(f"imagefolder:{root}", tmp_path).fingerprint != before


@pytest.mark.parametrize(("mode", "pixel"), [("L", [77, 77, 77]), ("RGBA", [1, 2, 3])])
def test_grey_and_transparent_images_become_rgb(tmp_path: Path, mode: str, pixel: list[int]) -> None:
    root = write_folder(tmp_path / "pictures", mode=mode)
    assert load(f"imagefolder:{root}", tmp_path).train_images[0, :, 5, 5].tolist() == pixel


def test_different_sizes_need_an_image_size(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "pictures")
    odd = root / "train" / "dog" / "1.png"
    Image.new("RGB", (20, 18)).save(odd)
    with pytest.raises(UsageError, match=rf"{odd} is 20x18.*set image_size"):
        load(f"imagefolder:{root}", tmp_path)
    assert load(f"imagefolder:{root}", tmp_path, image_size=24).train_images.shape == (6, 3, 24, 24)


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "pictures")
    broken = root / "test" / "cat" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(UsageError, match=rf"image {broken} cannot be decoded"):
        load(f"imagefolder:{root}", tmp_path)


def test_folders_that_are_wrong_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no folder 'train'"):
        load(f"imagefolder:{tmp_path / 'nowhere'}", tmp_path)
    root = write_folder(tmp_path / "pictures")
    (root / "train" / "emu").mkdir()
    with pytest.raises(UsageError, match="emu"):
        load(f"imagefolder:{root}", tmp_path)
    Image.new("RGB", (16, 16)).save(root / "train" / "emu" / "0.png")
    with pytest.raises(UsageError, match=r"classes \['emu'\] are in only one of train and test"):
        load(f"imagefolder:{root}", tmp_path)


def test_small_images_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "pictures", size=8)
    with pytest.raises(UsageError, match="under 16x16"):
        load(f"imagefolder:{root}", tmp_path)


def test_subsets_are_nested_and_the_same_each_time(tmp_path: Path) -> None:
    small, large = (load("digits", tmp_path, train_size=size, test_size=50) for size in (100, 200))
    assert torch.equal(large.train_images[:100], small.train_images)
    assert small.fingerprint == load("digits", tmp_path, train_size=100, test_size=50).fingerprint
    assert len(small.test_labels) == 50


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("mnist", {}, r"unknown data set 'mnist' \(all: digits, digits-colour, cifar10"),
        ("digits", {"train_size": 9999}, "train_size = 9999, but data set 'digits' has 1437"),
        ("digits", {"image_size": 32}, "image_size is for 'imagefolder:PATH' only"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load(name, tmp_path, **arguments)
