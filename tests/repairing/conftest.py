"""Small folders of images, and what a repair would read of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unlearnbench.problems.image_folder import list_train
from unlearnbench.repairing.given import Given, given_of


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models this small only wait for each other's threads on a machine that is busy."""
    torch.set_num_threads(1)
    monkeypatch.setattr("unlearnbench.repairing.run.MOST_THREADS", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of twenty noisy colour images of 16x16 pixels."""
    random = np.random.RandomState(0)
    for label, name in enumerate(("ant", "bee", "cow")):
        place = tmp_path / "pictures" / "train" / name
        place.mkdir(parents=True)
        for number in range(20):
            pixels = random.randint(0, 100, (16, 16, 3))
            pixels[:, 4 * label : 4 * label + 6] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:02}.png")
    return tmp_path / "pictures"


@pytest.fixture
def given(folder: Path) -> Callable[..., Given]:
    """What a repair reads of the folder, without its pixels, for samples at these positions."""

    def read(*found: int) -> Given:
        return given_of(
            list_train(folder), torch.zeros(60, 3, 16, 16, dtype=torch.uint8), np.array(found, dtype=np.int64)
        )

    return read
