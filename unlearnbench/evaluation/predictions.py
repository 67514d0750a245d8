"""Predicted classes of every sample of a trial, and their compressed form in the store."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from unlearnbench.problems.corruption import Labels


@dataclass(frozen=True)
class Predictions:
    """Predicted classes, int64: of D_tr as trained on, of the clean test set, of the triggered test set (or None)."""

    train: Labels
    test: Labels
    triggered_test: Labels | None


def pack(classes: Labels) -> bytes:
    """Compressed little-endian uint16, in the order of the samples."""
    return zlib.compress(classes.astype("<u2").tobytes(), 6)


def unpack(packed: bytes) -> Labels:
    return np.frombuffer(zlib.decompress(packed), dtype="<u2").astype(np.int64)
