"""What can be seen in a figure, and frames of any size to draw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from unittest.mock import patch

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

TENTHS = tuple(round(0.1 * step, 1) for step in range(1, 11))


def panels(figure: Figure) -> list[Axes]:
    """The axes with a heatmap."""
    return [axis for axis in figure.axes if axis.get_title() and any(isinstance(m, QuadMesh) for m in axis.collections)]


def mesh(axis: Axes) -> QuadMesh:
    return next(item for item in axis.collections if isinstance(item, QuadMesh))


def cells(axis: Axes) -> np.ndarray:
    """The numbers behind the colours; nan where there is no colour."""
    return np.ma.filled(np.ma.asarray(mesh(axis).get_array(), dtype=float), np.nan)


def hatched(axis: Axes) -> set[tuple[float, float]]:
    """The corners of the cells that are hatched: column and row."""
    return {patch.get_xy() for patch in axis.patches if isinstance(patch, Rectangle) and patch.get_hatch()}


def numbers(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for box in figure.legends for text in box.get_texts()]


def labels(axis: Axes, which: str) -> list[str]:
    return [label.get_text() for label in (axis.get_xticklabels() if which == "x" else axis.get_yticklabels())]


def drawn_texts(figure: Figure) -> list[tuple[str, float, Bbox]]:
    """Every text that the figure really draws, with its size in points and where it stands, in pixels."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    found: dict[int, tuple[str, float, Bbox]] = {}
    draw = Text.draw

    def recorded(self: Text, renderer: RendererBase) -> None:
        if self.get_visible() and self.get_text().strip():
            found[id(self)] = (self.get_text(), float(self.get_fontsize()), self.get_window_extent(renderer))
        draw(self, renderer)

    with patch.object(Text, "draw", recorded):
        figure.draw_without_rendering()
    return list(found.values())


def overlaps(texts: Sequence[tuple[str, float, Bbox]], slack: float = 1.0) -> list[tuple[str, str]]:
    """The pairs of texts that cover each other by more than `slack` pixels to both sides."""
    boxes = np.array([box.extents for _, _, box in texts])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    touching = np.triu(((high - low) > slack).all(axis=-1), k=1)
    return [(texts[a][0], texts[b][0]) for a, b in np.argwhere(touching)]


ALL = ("random-swap", "class-swap", "poison-trigger")


def grid(
    methods: Sequence[str] = ("good",),
    rates: Sequence[float] = TENTHS,
    seeds: Sequence[int] = (0, 1, 2),
    corruptions: Sequence[str] = ALL,
    references: Sequence[str] = (),
    kinds: Sequence[tuple[float, str]] = ((0.5, "standard"),),
) -> pd.DataFrame:
    """A board's frame, with the columns that figures use; the first of `kinds` is the suite's first."""
    random = np.random.default_rng(0)
    rows = []
    for name, corruption, rate, seed, kind in product(methods, corruptions, rates, seeds, kinds):
        capacity, training = kind
        parts = [f"{100 * capacity:g}%"] if capacity != kinds[0][0] else []
        parts += [training.replace("-", " ")] if training != kinds[0][1] else []
        healed, utility = random.uniform(0, 1, 2)
        rows.append(
            {
                "method": f"{name} on {', '.join(parts)}" if parts else name,
                "submission": name,
                "variant": "default",
                "title": name.title(),
                "role": "reference" if name in references else "ranked",
                "capacity": capacity,
                "training": training,
                "corruption": corruption,
                "discovery_rate": rate,
                "seed": str(seed),
                "corruption_seed": seed,
                "training_seed": seed,
                "state": "finished",
                "whole": True,
                "again": False,
                "corrupted": 100,
                "healed_train": healed,
                "backward_samples": 1000,
                "healed_undiscovered": healed / 2 if rate < 1 else np.nan,
                "healed_test": healed**2,
                "attack_success": 0.1,
                "utility": utility,
                "aggregate": healed * utility,
                "seconds": 1.0,
                "processor_seconds": 1.0,
                "original": f"{corruption} {seed} {kind}",
                "original_weights_hash": f"{corruption} {seed} {kind}",
                "original_healed_train": 0.1,
                "original_healed_test": 0.2,
                "original_utility": 0.9,
                "original_aggregate": 0.09,
            }
        )
    return pd.DataFrame(rows)


MEASURED = ["healed_train", "healed_undiscovered", "healed_test", "attack_success", "utility", "aggregate"]


def spoiled(frame: pd.DataFrame, method: str = "good") -> pd.DataFrame:
    """The frame with a missing, a half missing, a failed and a half failed cell of the method in each corruption.

    So none of its seeds is whole.
    """
    rate, seed, own = frame["discovery_rate"], frame["corruption_seed"], frame["method"].str.startswith(method)
    missing = own & ((rate == 0.3) | ((rate == 0.5) & (seed == 0)))
    failed = own & ((rate == 0.7) | ((rate == 0.9) & (seed == 0)))
    frame = frame.assign(state=frame["state"].mask(missing, "missing").mask(failed, "failed"))
    frame.loc[missing | failed, MEASURED] = np.nan
    there = frame["state"] != "missing"
    return frame.assign(whole=there.groupby([frame["method"], frame["seed"]]).transform("all"))


def top(figure: Figure) -> str:
    """What stands above all panels."""
    return figure.get_suptitle()
