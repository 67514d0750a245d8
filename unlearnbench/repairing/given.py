"""What somebody has: a folder of images with labels, and a list of files that are known to be wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from unlearnbench.errors import UsageError
from unlearnbench.problems.corruption import Indices, Labels
from unlearnbench.problems.image_folder import TrainFolder
from unlearnbench.problems.streams import random_state

HELD_OUT = 0.1
"""Share of each class in D_r, rounded down, that methods do not get."""


@dataclass(frozen=True, eq=False)
class Given:
    """The samples of a folder.

    Attributes:
        images: uint8 [N, 3, S, S].
        labels: int64 [N], the given ones: those of the class folders.
        found: D_f, positions, ascending. May be empty.
        held_out: the part of D_r that methods do not get, positions, ascending.
    """

    folder: TrainFolder
    images: Tensor = field(repr=False)
    labels: Labels = field(repr=False)
    found: Indices = field(repr=False)
    held_out: Indices = field(repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.folder.classes

    @cached_property
    def train(self) -> Indices:
        """Positions of the samples that methods get: D_f, and D_r without the held-out part."""
        return np.setdiff1d(np.arange(len(self.labels)), self.held_out)

    @property
    def forget(self) -> Indices:
        """D_f as positions in `train`."""
        return np.searchsorted(self.train, self.found)

    @cached_property
    def retain(self) -> Indices:
        """D_r: positions of all samples that nobody has found, held-out ones too."""
        return np.setdiff1d(np.arange(len(self.labels)), self.found)


def read_found(file: Path | None, folder: TrainFolder) -> Indices:
    """The positions of the files in a list, one path a line, ascending. Without a list there are none.

    Paths are relative to the folder, to its `train`, or to the working directory, or absolute. Empty lines and what
    follows a # at the start of a line are ignored.

    Raises:
        UsageError: the list cannot be read, names a file that is not an image in the folder, or all of a class.
    """
    if file is None:
        return np.empty(0, dtype=np.int64)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"list {file} cannot be read: {error}") from error
    places = {name: place for place, name in enumerate(folder.names)}
    root = os.path.realpath(folder.path)
    found = set()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        spellings = (os.path.normpath(text), f"train/{os.path.normpath(text)}", _relative(text, root))
        place = next((places[name] for name in spellings if name in places), None)
        if place is None:
            raise UsageError(
                f"{file}, line {number}: '{text}' is not an image in {folder.path}/train: give its path as in"
                f" {folder.names[0]}"
            )
        found.add(place)
    labels = np.array([label for _, label in folder.samples])
    positions = np.array(sorted(found), dtype=np.int64)
    counts = np.bincount(labels[positions], minlength=len(folder.classes))
    for label, (there, listed) in enumerate(zip(np.bincount(labels), counts, strict=True)):
        if there == listed:
            raise UsageError(
                f"{file} lists all {there} images of class '{folder.classes[label]}', so no model can be taught this"
                " class: leave those that are right off the list, or remove the class from the folder"
            )
    return positions


def _relative(text: str, root: str) -> str:
    """A path, absolute or from the working directory, as it is named in the folder `root`."""
    parent, name = os.path.split(os.path.abspath(text))  # the file itself may be a link
    return os.path.relpath(os.path.join(os.path.realpath(parent), name), root)


def held_out(labels: Labels, found: Indices) -> Indices:
    """Hold out `HELD_OUT` of the samples of each class that nobody has found, ascending positions."""
    chosen: list[npt.NDArray[np.int64]] = []
    for label in np.unique(labels):
        order = random_state(0, "repair", "held-out", str(label)).permutation(np.flatnonzero(labels == label))
        others = order[~np.isin(order, found)]
        chosen.append(others[: int(HELD_OUT * len(others))])
    return np.sort(np.concatenate(chosen))


def given_of(folder: TrainFolder, images: Tensor, found: Indices) -> Given:
    labels = np.array([label for _, label in folder.samples], dtype=np.int64)
    return Given(folder, images, labels, found, held_out(labels, found))
