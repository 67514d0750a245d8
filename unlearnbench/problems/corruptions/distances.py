"""Distances between images, equal on every machine: whole numbers that float64 holds exactly, in whatever order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unlearnbench.problems.corruption import CleanSet, Images, Labels

_CHUNK = 2**24
"""Pixels that are held as float64 at a time."""

Whole = NDArray[np.float64]
"""Integers below 2**53, as float64: sums of them are exact, so matrix products do not depend on the order of adding."""


def squared_distances(images: Images, others: Images) -> Whole:
    """Squared Euclidean distances of images uint8 [N, C, S, S] from others uint8 [M, C, S, S], [N, M]."""
    rows, columns = images.reshape(len(images), -1), others.reshape(len(others), -1).astype(np.float64)
    lengths, step = (columns**2).sum(axis=1), max(1, _CHUNK // columns.shape[1])
    parts = []
    for begin in range(0, len(rows), step):
        part = rows[begin : begin + step].astype(np.float64)
        parts.append((part**2).sum(axis=1)[:, None] - 2 * (part @ columns.T) + lengths)
    return np.concatenate(parts)


def class_means(clean: CleanSet) -> Images:
    """The mean image of each class, rounded down, uint8 [classes, C, S, S]. Black for a class without images."""
    means = np.zeros((clean.classes, *clean.images.shape[1:]), dtype=np.uint8)
    for cls in np.unique(clean.labels):
        own = clean.images[clean.labels == cls]
        means[cls] = own.sum(axis=0, dtype=np.int64) // len(own)
    return means


def nearest_others(images: Images, labels: Labels, means: Images) -> tuple[Labels, Whole]:
    """For each image, the class besides its own with the nearest mean, int64 [N], and how much farther that is, [N]."""
    distances, rows = squared_distances(images, means), np.arange(len(labels))
    own = distances[rows, labels]
    distances[rows, labels] = np.inf
    nearest = distances.argmin(axis=1)
    return nearest, distances[rows, nearest] - own
