"""Predicted classes of a trial, and their compressed format in the store."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from unlearnbench.problems.corruption import Labels


@dataclass(frozen=True)
class Predictions:
    """Predicted classes, int64 [N].

    Attributes:
        train: on D_tr, as trained on.
        test: on the clean test set.
        triggered_test: on the test set with the trigger. None if the corruption uses no trigger.
    """

    train: Labels
    test: Labels
    triggered_test: Labels | None


def pack(classes: Labels) -> bytes:
    """Compress classes with zlib as little-endian uint16, in sample order."""
    return zlib.compress(classes.astype("<u2").tobytes(), 6)


def unpack(packed: bytes) -> Labels:
    return np.frombuffer(zlib.decompress(packed), dtype="<u2").astype(np.int64)
