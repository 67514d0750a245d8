"""Folders of images, `train/CLASS/*` and `test/CLASS/*`, decoded once and cached as a verified file of tensors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearnbench.errors import UsageError
from unlearnbench.problems.tensors import Tensors, load_verified, lock, save

IGNORED = ("Thumbs.db", "desktop.ini")
"""Files that operating systems create. Names that begin with a dot are ignored too."""
LARGEST_CLASS = 2**16
"""Largest number of classes: predictions are stored in 16 bits."""


def load(path: Path, image_size: int | None, cache: Path, *, test: str = "test") -> tuple[tuple[str, ...], Tensors]:
    """Load the class names, and images uint8 [N, 3, S, S] and labels int64 [N] of the training and test sets.

    Samples are in the order of their files, which is sorted by class.

    Args:
        image_size: side in pixels to resize and centre-crop to. None if all images already have the same size.
        cache: folder for decoded images.
        test: name of the folder of test images.

    Raises:
        UsageError: a folder or file that cannot be used.
    """
    from torchvision.datasets import ImageFolder

    try:
        path = path.expanduser()
        folders = {"train": path / "train", "test": path / test}
        for folder in folders.values():
            if not folder.is_dir():
                raise UsageError(
                    f"image folder {path} has no folder '{folder.name}': it needs train/CLASS/* and {test}/CLASS/*"
                )
        parts = {part: ImageFolder(str(folder)) for part, folder in folders.items()}
        samples = [sample for part in parts.values() for sample in part.samples]
        _refuse_strangers(path, folders.values(), {file for file, _ in samples})
        classes, others = (part.classes for part in parts.values())
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
        listing = hashlib.sha256(f"v3 {image_size}".encode())
        for file, label in samples:
            status = os.stat(file)
            listing.update(os.fsencode(file) + f" {label} {status.st_size} {status.st_mtime_ns}\n".encode())
    except (OSError, RuntimeError) as error:  # expanduser raises RuntimeError for an unknown user
        raise UsageError(f"image folder {path} cannot be read: {error}") from error
    decoded = cache / f"{listing.hexdigest()[:32]}.safetensors"
    tensors = load_verified(decoded)
    if tensors is None:
        with lock(decoded):
            tensors = load_verified(decoded)  # another harness may just have written it
            if tensors is None:
                tensors = _tensors(path, parts, image_size)
                save(tensors, decoded)
    return tuple(classes), tensors


def _refuse_strangers(path: Path, folders: Iterable[Path], images: set[str]) -> None:
    """Reject files that would otherwise be skipped silently: of an unsupported format, or outside a class folder."""
    for part in folders:
        for folder, _, names in sorted(os.walk(part, followlinks=True)):
            for name in sorted(names):
                file = os.path.join(folder, name)
                if file not in images and not name.startswith(".") and name not in IGNORED:
                    raise UsageError(
                        f"image folder {path}: {file} is not a supported image (png, jpg, bmp, ppm, pgm, tif, webp) in"
                        " a class folder: convert, move or remove it"
                    )


def _tensors(path: Path, parts: dict[str, Any], image_size: int | None) -> Tensors:
    tensors: Tensors = {}
    for name, part in parts.items():
        images = _decode([file for file, _ in part.samples], image_size)
        labels = torch.tensor([label for _, label in part.samples])
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
                    " the suite"
                ) from error
        if pixels.shape != images.shape[1:] or pixels.shape[1] != pixels.shape[2]:
            raise UsageError(
                f"image {file} is {pixels.shape[2]}x{pixels.shape[1]}, which is not square or not the size of the"
                f" first image ({images.shape[3]}x{images.shape[2]}): set image_size in the suite"
            )
        images[position] = pixels
    assert images is not None, "ImageFolder never returns a part without images"
    return images


def _pixels(file: str, image_size: int | None) -> Tensor:
    """One image as uint8 [3, H, W]. Grey images become RGB, and transparency is dropped."""
    from PIL import Image, ImageOps

    try:
        picture = Image.open(file)
        picture.load()
    except Exception as error:  # for damaged files Pillow raises many types
        raise UsageError(f"image {file} cannot be decoded ({error}): repair or remove it") from error
    if picture.mode.startswith(("I", "F")):  # Pillow would clip values at 255
        raise UsageError(f"image {file} has more than 8 bits per channel: convert it to 8 bits")
    colour = picture.convert("RGB")
    if image_size is not None:
        colour = ImageOps.fit(colour, (image_size, image_size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(colour)).permute(2, 0, 1)
