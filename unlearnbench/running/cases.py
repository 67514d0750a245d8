"""Cases for the trials on this machine, built on demand and freed when no longer used."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from unlearnbench.problems.case import Case, build
from unlearnbench.problems.datasets import Dataset
from unlearnbench.problems.grid import CaseSpec
from unlearnbench.problems.tensors import write


def cases(dataset: Dataset, folder: Path, kept: int) -> Callable[[CaseSpec], Case]:
    """A thread-safe function that builds, or takes from the cache, the case of a specification.

    Args:
        folder: where to write the public part of each case, for trials to read.
        kept: number of cases to cache. `sharing.attempt_all` has one more under way than there are workers, at most.
    """
    lock = threading.Lock()

    @lru_cache(maxsize=kept)
    def laid_out(spec: CaseSpec) -> Case:
        return _lay_out(build(spec, dataset), folder)

    def case(spec: CaseSpec) -> Case:
        with lock:  # so that concurrent trials do not build the same case twice
            return laid_out(spec)

    return case


def _lay_out(case: Case, folder: Path) -> Case:
    """Write the public part of a case to a read-only file with a random name. It is deleted together with the case."""
    descriptor, name = tempfile.mkstemp(".safetensors", "training-set-", folder)
    os.close(descriptor)
    file = Path(name)
    write({"images": torch.from_numpy(case.truth.images), "labels": torch.from_numpy(case.truth.labels)}, file)
    file.chmod(0o400)
    case = replace(case, file=file)
    weakref.finalize(case, file.unlink, missing_ok=True)
    return case
