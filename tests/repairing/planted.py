"""A folder of images with a corruption that its writer knows and a repair does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearnbench.problems.corruption import CleanSet, Corruption, Images, Indices, Labels
from unlearnbench.repairing.report import Report


@dataclass(frozen=True)
class Planted:
    """A folder and what is wrong in it.

    Attributes:
        list: file with the names of the part of the corruption that was found.
        true: the true class of every file, by its name in the folder.
        corrupted, found: names of all wrong files, and of those in the list.
    """

    folder: Path
    list: Path
    true: dict[str, int]
    corrupted: set[str]
    found: set[str]

    @property
    def undiscovered(self) -> set[str]:
        return self.corrupted - self.found

    def precision(self, report: Report) -> float:
        """The share of wrong files among the first suspects, as many as there are undiscovered ones."""
        first = [suspect.file for suspect in report.suspects[: len(self.undiscovered)]]
        return len(self.undiscovered & set(first)) / len(self.undiscovered)

    def healed(self, report: Report, names: set[str]) -> float:
        """The share of these files to which the repaired model gives their true class."""
        assert report.best is not None
        assert report.best.result is not None
        says = dict(zip(report.given.folder.names, report.best.result.probabilities.argmax(axis=1), strict=True))
        return float(np.mean([says[name] == self.true[name] for name in names]))


def plant(
    folder: Path, images: Tensor, labels: Tensor, classes: int, rules: Corruption, count: int, found: int
) -> Planted:
    """Write images uint8 [N, C, S, S] as `folder`/train/CLASS/*.png, of which `count` are corrupted.

    Args:
        found: number of corrupted samples in the list.
    """
    pixels: Images = images.numpy().copy()
    true: Labels = labels.numpy()
    random = np.random.RandomState(0)
    chosen, wrong = rules.draw(CleanSet(pixels, true, classes), count, random)
    pixels[chosen] = rules.apply(pixels[chosen], random)
    given = true.copy()
    given[chosen] = wrong
    names = [f"train/{label}/{place:05}.png" for place, label in enumerate(given)]
    for name, picture in zip(names, pixels, strict=True):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)).save(file)
    discovered: Indices = random.permutation(chosen)[:found]
    listing = folder.parent / f"{folder.name}.txt"
    listing.write_text("".join(f"{names[place]}\n" for place in discovered))
    return Planted(
        folder,
        listing,
        dict(zip(names, true.tolist(), strict=True)),
        {names[place] for place in chosen},
        {names[place] for place in discovered},
    )


def digits_of(count: int) -> tuple[Tensor, Tensor]:
    """The first digits of the data set, images uint8 [count, 1, 16, 16] and labels int64 [count]."""
    from unlearnbench.problems.datasets import digits

    data = digits()
    return data.train_images[:count], data.train_labels[:count].to(torch.int64)
