"""Data sets, loaded into memory as uint8 tensors.

`digits` ships with scikit-learn, and `digits-colour` is the same in three colour channels. torchvision downloads
`cifar10`, `svhn`, `fashion-mnist` and `imagenette` on first use. `imagefolder:PATH` reads train/CLASS/* and
test/CLASS/*; a bare name may also be that of a folder beside the data sets. Image files, including those of Imagenette,
are decoded once and cached as a file of tensors.

The position of a sample says nothing about its label: `digits` is split by a random draw, and all others are permuted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from unlearnbench.contract.images import normalisation
from unlearnbench.errors import UsageError, unknown
from unlearnbench.problems import image_folder
from unlearnbench.problems.corruption import CleanSet
from unlearnbench.problems.label_table import with_labels
from unlearnbench.problems.names import DATASETS, FOLDER, data_name
from unlearnbench.problems.streams import random_state
from unlearnbench.problems.tensors import lock, tensors_hash

if TYPE_CHECKING:
    from unlearnbench.problems.suite import Suite


@dataclass(frozen=True)
class Dataset:
    """A data set: images uint8 [N, C, S, S], true labels int64 [N], class names.

    Attributes:
        train_given: int64 [N], the labels that came with the training images, some of them wrong. None without a table
            of them (`problems.label_table`).
        train_found: bool [N], which of them were taken for wrong. None if the table does not say.
    """

    name: str
    classes: tuple[str, ...]
    train_images: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    test_images: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    train_given: Tensor | None = field(default=None, repr=False)
    train_found: Tensor | None = field(default=None, repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of shapes, dtypes, pixels and labels of the training and test sets."""
        digest = hashlib.sha256()
        given = [tensor for tensor in (self.train_given, self.train_found) if tensor is not None]
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels, *given):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()

    @property
    def clean(self) -> CleanSet:
        """The training set."""
        given = None if self.train_given is None else self.train_given.numpy()
        return CleanSet(self.train_images.numpy(), self.train_labels.numpy(), len(self.classes), given)

    def take(self, part: str, positions: Tensor) -> Dataset:
        """The data set with these samples of a part, `train` or `test`, in this order."""
        names = [item.name for item in fields(self) if item.name.startswith(f"{part}_")]
        taken: dict[str, Any] = {name: getattr(self, name) for name in names}
        return replace(self, **{name: tensor[positions] for name, tensor in taken.items() if tensor is not None})

    @cached_property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel of the training images scaled to [0, 1], to four decimals."""
        return normalisation(self.train_images)


def embedded() -> Path:
    """Folder of the data sets installed with scikit-learn. Does not import scikit-learn."""
    package = importlib.util.find_spec("sklearn")
    assert package is not None, "scikit-learn is a dependency"
    assert package.origin is not None
    return Path(package.origin).parent / "datasets" / "data"


def digits() -> Dataset:
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels and 17 grey levels, resized to 16x16 uint8 images."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    grey = bunch.images.astype(np.int64)  # [1797, 8, 8], 0..16
    # Bilinear upsampling (weights 3/4 and 1/4) in integers, so the result is the same on every machine.
    for axis in (1, 2):
        before = np.take(grey, [0, *range(7)], axis)
        after = np.take(grey, [*range(1, 8), 7], axis)
        doubled = np.stack([before + 3 * grey, 3 * grey + after], axis + 1)
        grey = doubled.reshape(*grey.shape[:axis], 16, *grey.shape[axis + 1 :])  # 0..256 at the end
    images = torch.from_numpy(((grey * 255 + 128) // 256).astype(np.uint8))[:, None]
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    order = torch.from_numpy(random_state(0, "digits", "split").permutation(len(labels)))
    train, test = order[:1437], order[1437:]
    names = tuple(str(digit) for digit in range(10))
    return Dataset("digits", names, images[train], labels[train], images[test], labels[test])


@contextmanager
def _explained(name: str, folder: Path) -> Iterator[None]:
    """Turn any error of torchvision into a UsageError that says how to fix it."""
    try:
        yield
    except Exception as error:  # for damaged files torchvision raises many types
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(
            f"data set '{name}' could not be loaded from {folder} ({reason}): connect to the network so that it can be"
            " downloaded once, or put torchvision's files there"
        ) from error


def _torchvision(name: str, data: Path, download: bool) -> Dataset:
    from torchvision import datasets

    folder = data / name
    make: dict[str, Callable[[bool], Any]] = {
        "cifar10": lambda train: datasets.CIFAR10(str(folder), train=train, download=download),
        "svhn": lambda train: datasets.SVHN(str(folder), split="train" if train else "test", download=download),
        "fashion-mnist": lambda train: datasets.FashionMNIST(str(folder), train=train, download=download),
    }
    with _explained(name, folder):
        train, test = make[name](True), make[name](False)

    def tensors(part: Any) -> tuple[Tensor, Tensor]:
        pixels = torch.as_tensor(part.data)
        if pixels.ndim == 3:  # Fashion-MNIST: [N, H, W]
            pixels = pixels[:, None]
        elif pixels.shape[-1] == 3:  # CIFAR-10: [N, H, W, 3]
            pixels = pixels.permute(0, 3, 1, 2)
        labels = part.labels if name == "svhn" else part.targets
        return pixels.contiguous(), torch.as_tensor(labels, dtype=torch.int64)

    classes = tuple(str(digit) for digit in range(10)) if name == "svhn" else tuple(train.classes)
    return Dataset(name, classes, *tensors(train), *tensors(test))


def load_imagenette(data: Path, download: bool) -> Dataset:
    """Imagenette (ten classes of ImageNet), the 160-pixel release: shorter side resized to 32, then centre-cropped.

    The code of the REM paper prepares its evaluation images this way, from the full-size release. It takes random crops
    of the whole resized image for training. Here the recipe crops the centre image, as for all other data sets.
    """
    from torchvision import datasets

    folder, release = data / "imagenette", "imagenette2-160"
    images = folder / release
    with _explained("imagenette", folder):
        if download and not images.exists():
            with lock(images):  # another harness may be downloading it
                if not images.exists():
                    # Unpack elsewhere, then rename: torchvision takes a partly unpacked folder for a complete one.
                    unpacked = folder / "unpacked"
                    shutil.rmtree(unpacked / release, ignore_errors=True)
                    datasets.Imagenette(str(unpacked), size="160px", download=True)
                    os.replace(unpacked / release, images)
                    shutil.rmtree(unpacked, ignore_errors=True)
        names = datasets.Imagenette(str(folder), size="160px").classes
    _, tensors = image_folder.load(images, 32, data / "decoded", test="val")
    return Dataset("imagenette", tuple(synonyms[0] for synonyms in names), **tensors)


def _permuted(dataset: Dataset) -> Dataset:
    """Permute training and test set, each by a stream seeded with the hash of its own images and true labels.

    Files are sorted by class or in a published order, so the position of a sample would tell a method its true label.
    """
    for part in ("train", "test"):
        images, labels = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
        content = tensors_hash({"images": images, "labels": labels})
        order = torch.from_numpy(random_state(0, "positions", part, content).permutation(len(labels)))
        dataset = dataset.take(part, order)
    return dataset


def load_digits(data: Path, download: bool) -> Dataset:
    return digits()


def load_digits_colour(data: Path, download: bool) -> Dataset:
    """`digits` with its grey channel three times. For checks that code handles colour images, not for results."""
    grey = digits()
    train, test = grey.train_images.repeat(1, 3, 1, 1), grey.test_images.repeat(1, 3, 1, 1)
    return replace(grey, name="digits-colour", train_images=train, test_images=test)


load_cifar10 = partial(_torchvision, "cifar10")
load_svhn = partial(_torchvision, "svhn")
load_fashion_mnist = partial(_torchvision, "fashion-mnist")


def _checked(name: str, dataset: Any) -> Dataset:
    """A data set as it was loaded, if it is what `Dataset` says, under its name."""
    if not isinstance(dataset, Dataset):
        raise UsageError(f"data set '{name}': its function must return a Dataset, not {type(dataset).__name__}")
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        square = images.ndim == 4 and images.shape[2] == images.shape[3]
        if images.dtype != torch.uint8 or not square or labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise UsageError(f"data set '{name}' must have images uint8 [N, C, S, S] and labels int64 [N]")
        if not len(labels) or not 0 <= labels.min() <= labels.max() < len(dataset.classes):
            raise UsageError(
                f"data set '{name}' must have labels from 0 to {len(dataset.classes) - 1}, and at least one"
            )
    return replace(dataset, name=name)


def _beside(path: Path, data: Path) -> Path:
    """This path, or what has its name in the folder of data sets: a record holds no more than a name."""
    return data / path if not path.exists() and len(path.parts) == 1 and (data / path).exists() else path


def load_for(suite: Suite, data: Path, *, download: bool = True) -> Dataset:
    """Load the data set of a suite with the suite's sizes. Raises as `load` does."""
    return load(
        suite.dataset,
        data,
        image_size=suite.image_size,
        train_size=suite.train_size,
        test_size=suite.test_size,
        label_table=suite.label_table,
        download=download,
    )


def load(
    name: str,
    data: Path,
    *,
    image_size: int | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    label_table: str | None = None,
    download: bool = True,
) -> Dataset:
    """Load a data set by name.

    Args:
        data: folder for downloads and decoded images.
        image_size: side in pixels to resize the images of an image folder to.
        train_size: number of training images, a fixed random subset that no seed changes. None for all.
        test_size: the same for test images.
        label_table: file of the labels that came with it (`problems.label_table`), or the name of one in `data`.

    Raises:
        UsageError: unknown name, missing or damaged file, or a size that the data set cannot provide.
    """
    if image_size is not None and not name.startswith(FOLDER):
        raise UsageError(f"image_size is for '{FOLDER}PATH' only; data set '{name}' has its own size: remove the key")
    if name.startswith(FOLDER):
        path = _beside(Path(name.removeprefix(FOLDER)), data)
        classes, tensors = image_folder.load(path, image_size, data / "decoded")
        dataset = Dataset(data_name(name), classes, **tensors)
    elif name in (names := DATASETS.names()):
        dataset = _checked(name, DATASETS.find(name)(data, download))
    else:
        raise UsageError(unknown("data set", name, [*names, f"{FOLDER}PATH"]))
    if label_table is not None:
        files = image_folder.train_files(path) if name.startswith(FOLDER) else ()
        dataset = with_labels(dataset, _beside(Path(label_table), data), files)
    if name != "digits":  # its draw has permuted it
        dataset = _permuted(dataset)
    for part, size in (("train", train_size), ("test", test_size)):
        labels = getattr(dataset, f"{part}_labels")
        if size is None:
            continue
        if not 0 < size <= len(labels):
            raise UsageError(f"{part}_size = {size}, but data set '{name}' has {len(labels)} {part} images")
        chosen = torch.from_numpy(random_state(0, "subset", part).permutation(len(labels))[:size].copy())
        dataset = dataset.take(part, chosen)
    if dataset.train_images.shape[-1] < 16:
        raise UsageError(f"data set '{name}' has images under 16x16 pixels: set image_size to 16 or more")
    return dataset
