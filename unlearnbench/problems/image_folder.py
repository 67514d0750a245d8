"""Folders of images, `train/CLASS/*` and `test/CLASS/*`, decoded once and cached as a verified file of tensors.

`load` reads both parts for a suite, `list_train` and `load_train` the first alone for a repair.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unlearnbench.errors import UsageError
from unlearnbench.problems.tensors import Tensors, load_verified, lock, save
from unlearnbench.system.clutter import is_clutter

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

LARGEST_CLASS = 2**16
"""Largest number of classes: predictions are stored in 16 bits."""


def load(path: Path, image_size: int | None, cache: Path, *, test: str = "test") -> tuple[tuple[str, ...], Tensors]:
    """Load the class names, and images uint8 [N, 3, S, S] and labels int64 [N] of the training and test sets.

    Samples are in the order of their files, which is sorted by class. Clutter (`system.clutter`) is ignored.

    Args:
        image_size: side in pixels to resize and centre-crop to. None if all images already have the same size.
        cache: folder for decoded images.
        test: name of the folder of test images.

    Raises:
        UsageError: a folder or file that cannot be used.
    """
    try:
        path = path.expanduser()
        folders = {"train": path / "train", "test": path / test}
        for folder in folders.values():
            if not folder.is_dir():
                raise UsageError(
                    f"image folder {path} has no folder '{folder.name}': it needs train/CLASS/* and {test}/CLASS/*"
                )
        parts = {part: _read(folder) for part, folder in folders.items()}
        samples = [sample for _, own in parts.values() for sample in own]
        _refuse_strangers(path, folders.values(), {file for file, _ in samples})
        classes, others = (names for names, _ in parts.values())
        if classes != others:
            different = sorted(set(classes) ^ set(others))
            raise UsageError(
                f"image folder {path}: classes {different} are in only one of train and {test}: add or remove them"
            )
        if not 2 <= len(classes) <= LARGEST_CLASS:
            raise UsageError(
                f"image folder {path} has {len(classes)} class ({classes[0]}): give at least two, each a"
                f" folder in train and in {test}, and at most {LARGEST_CLASS}"
            )
        listing = _listing(path, f"v4 {image_size} ", samples)
    except (OSError, RuntimeError) as error:  # expanduser raises RuntimeError for an unknown user
        raise UsageError(f"image folder {path} cannot be read: {error}") from error
    own = {part: part_samples for part, (_, part_samples) in parts.items()}
    return tuple(classes), _decoded(cache / f"{listing}.safetensors", lambda: _tensors(path, own, image_size))


@dataclass(frozen=True)
class TrainFolder:
    """The training part of a folder of images.

    Attributes:
        samples: path and label of each image, sorted by class.
    """

    path: Path
    classes: tuple[str, ...]
    samples: tuple[tuple[str, int], ...]

    @property
    def names(self) -> list[str]:
        """The path of each image relative to the folder, such as train/cat/1.png."""
        return [Path(os.path.relpath(file, self.path)).as_posix() for file, _ in self.samples]


def list_train(path: Path) -> TrainFolder:
    """List `train/CLASS/*`. A folder `test` is neither needed nor read.

    Raises:
        UsageError: a folder or file that cannot be used.
    """
    try:
        path = path.expanduser()
        train = path / "train"
        if not train.is_dir():
            raise UsageError(f"image folder {path} has no folder 'train': it needs train/CLASS/*")
        classes, samples = _read(train)
        _refuse_strangers(path, [train], {file for file, _ in samples})
    except (OSError, RuntimeError) as error:
        raise UsageError(f"image folder {path} cannot be read: {error}") from error
    if not 2 <= len(classes) <= LARGEST_CLASS:
        raise UsageError(f"image folder {path} has {len(classes)} class ({classes[0]}) in train: give at least two")
    return TrainFolder(path, tuple(classes), tuple(samples))


def first_side(folder: TrainFolder) -> int:
    """Side in pixels of the first image, the shorter one if they differ.

    Raises:
        UsageError: it cannot be decoded.
    """
    return min(_pixels(folder.samples[0][0], None).shape[1:])


def load_train(folder: TrainFolder, image_size: int | None, cache: Path) -> Tensor:
    """The images of a training part, uint8 [N, 3, S, S], in the order of its samples.

    Args:
        image_size, cache: as in `load`.

    Raises:
        UsageError: a file cannot be used, or some images are grey and others are not: a model would learn which.
    """
    files = [file for file, _ in folder.samples]

    def decode() -> Tensors:
        images = _decode(files, image_size)
        _refuse_grey_among_colour(files)
        return {"train_images": images}

    try:
        listing = _listing(folder.path, f"v4 train {image_size} ", folder.samples)
    except OSError as error:
        raise UsageError(f"image folder {folder.path} cannot be read: {error}") from error
    return _decoded(cache / f"{listing}.safetensors", decode)["train_images"]


def _listing(path: Path, head: str, samples: Iterable[tuple[str, int]]) -> str:
    """A hash of all that decoded images follow from: 32 characters."""
    digest = hashlib.sha256(head.encode() + os.fsencode(os.path.realpath(path)))
    for file, label in samples:
        status = os.stat(file)
        digest.update(
            os.fsencode(os.path.relpath(file, path)) + f" {label} {status.st_size} {status.st_mtime_ns}\n".encode()
        )
    return digest.hexdigest()[:32]


def _decoded(file: Path, decode: Callable[[], Tensors]) -> Tensors:
    """The tensors of a verified cached file, which is written if it is missing or damaged."""
    tensors = load_verified(file)
    if tensors is None:
        with lock(file):
            tensors = load_verified(file)  # another harness may just have written it
            if tensors is None:
                tensors = decode()
                save(tensors, file)
    return tensors


def train_files(path: Path) -> list[str]:
    """The files of the training images, in the order of `load`, relative to `train`. Call it after `load`."""
    folder = path.expanduser() / "train"
    return [Path(os.path.relpath(file, folder)).as_posix() for file, _ in _read(folder)[1]]


def _read(folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """The classes of a part, and its images with their labels. A folder of clutter is no class, and a file no image."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes, make_dataset

    def is_image(file: str) -> bool:
        parts = Path(os.path.relpath(file, folder)).parts
        return file.lower().endswith(IMG_EXTENSIONS) and not any(map(is_clutter, parts))

    classes = [name for name in find_classes(folder)[0] if not is_clutter(name)]
    if not classes:
        raise FileNotFoundError(f"no folder of a class in {folder}")
    labels = {name: label for label, name in enumerate(classes)}
    return classes, make_dataset(str(folder), labels, is_valid_file=is_image)


def _refuse_strangers(path: Path, folders: Iterable[Path], images: set[str]) -> None:
    """Reject files that would otherwise be skipped silently: of an unsupported format, or outside a class folder."""
    for part in folders:
        for folder, inner, names in os.walk(part, followlinks=True):
            inner[:] = sorted(name for name in inner if not is_clutter(name))
            for name in sorted(names):
                file = os.path.join(folder, name)
                if file not in images and not is_clutter(name):
                    raise UsageError(
                        f"image folder {path}: {file} is not a supported image (png, jpg, bmp, ppm, pgm, tif, webp) in"
                        " a class folder: convert, move or remove it"
                    )


def _tensors(path: Path, parts: dict[str, list[tuple[str, int]]], image_size: int | None) -> Tensors:
    tensors: Tensors = {}
    for name, samples in parts.items():
        images = _decode([file for file, _ in samples], image_size)
        labels = torch.tensor([label for _, label in samples])
        tensors |= {f"{name}_images": images, f"{name}_labels": labels}
    if tensors["train_images"].shape[1:] != tensors["test_images"].shape[1:]:
        raise UsageError(f"image folder {path}: train and test images differ in size: set image_size in the suite")
    return tensors


def _decode(files: list[str], image_size: int | None) -> Tensor:
    """RGB images uint8 [N, 3, S, S], resized and centre-cropped if `image_size` is given."""
    images: Tensor | None = None
    for position, file in enumerate(files):
        pixels = _pixels(file, image_size)
        if images is None:
            try:
                images = torch.empty((len(files), *pixels.shape), dtype=torch.uint8)
            except RuntimeError as error:  # torch raises this when out of memory
                side = pixels.shape[1]
                raise UsageError(
                    f"{len(files)} images of {side}x{side} pixels do not fit into memory: set a smaller image_size in"
                    " the suite, or --image-size of `repair`"
                ) from error
        if pixels.shape != images.shape[1:] or pixels.shape[1] != pixels.shape[2]:
            raise UsageError(
                f"image {file} is {pixels.shape[2]}x{pixels.shape[1]}, which is not square or not the size of the"
                f" first image ({images.shape[3]}x{images.shape[2]}): set image_size in the suite, or --image-size of"
                " `repair`"
            )
        images[position] = pixels
    assert images is not None, "torchvision refuses a class without images"
    return images


def _refuse_grey_among_colour(files: list[str]) -> None:
    """Refuse a mixture of grey and other files, all of which can be decoded."""
    from PIL import Image

    first: dict[bool, str] = {}
    for file in files:
        with Image.open(file) as picture:
            first.setdefault(picture.mode in ("1", "L", "LA"), file)
    if len(first) > 1:
        raise UsageError(f"image {first[True]} is grey and {first[False]} has colours: convert all to one of the two")


def _pixels(file: str, image_size: int | None) -> Tensor:
    """One image as uint8 [3, H, W], the right way up (EXIF). Grey images become RGB, and transparency is dropped."""
    from PIL import Image, ImageOps

    try:
        picture = Image.open(file)
        deep = _is_deep(picture)
        picture.load()
        upright = ImageOps.exif_transpose(picture)  # writes the EXIF data anew
    except Exception as error:  # for damaged files Pillow raises many types
        raise UsageError(f"image {file} cannot be decoded ({error}): repair or remove it") from error
    if deep:
        raise UsageError(f"image {file} has more than 8 bits per channel: convert it to 8 bits")
    colour = upright.convert("RGB")
    if image_size is not None:
        colour = ImageOps.fit(colour, (image_size, image_size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(colour)).permute(2, 0, 1)


def _is_deep(picture: ImageFile) -> bool:
    """Whether an image that is not loaded yet has more than 8 bits per channel, which Pillow clips or cuts to 8.

    Of colour images only the raw mode tells, such as RGB;16B; for PPM, the largest value.
    """
    if picture.mode.startswith(("I", "F")):
        return True
    for tile in picture.tile:
        raw, largest = (*tile.args, 0)[:2] if isinstance(tile.args, tuple) else (tile.args, 0)
        if picture.format == "PPM" and largest > 255:
            return True
        if re.fullmatch(r"(?!BGR)\w+;(16|32)\w?", str(raw)):  # BGR;16 has 16 bits per pixel
            return True
    return False
