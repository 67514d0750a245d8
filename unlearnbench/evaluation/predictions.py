"""Predicted classes of a trial, and their compressed format in the store."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from unlearnbench.problems.corruption import Labels

MOST_SAMPLES = 2**22
"""Number of classes that `unpack` unpacks at most where the size of the data set is not known."""


@dataclass(frozen=True)
class Predictions:
    """Predicted classes, int64 [N].

    Attributes:
        train: on D_tr, as trained on.
        test: on the clean test set.
        triggered_test: on the test set with the pattern of the corruption. None if it has none.
    """

    train: Labels
    test: Labels
    triggered_test: Labels | None


def pack(classes: Labels) -> bytes:
    """Compress classes with zlib as little-endian uint16, in sample order."""
    return zlib.compress(classes.astype("<u2").tobytes(), 6)


def unpack(packed: bytes, samples: int = MOST_SAMPLES) -> Labels:
    """The packed classes, int64 [N]. Memory is bounded: no more than `samples` classes are unpacked.

    Raises:
        ValueError: the bytes are damaged, or hold more classes.
    """
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, 2 * samples + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) > 2 * samples:
        raise ValueError(f"predictions of more than {samples} samples")
    if not unpacker.eof or unpacker.unused_data or len(content) % 2:
        raise ValueError("incomplete predictions, or bytes after their end")
    return np.frombuffer(content, dtype="<u2").astype(np.int64)
