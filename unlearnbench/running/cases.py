"""The cases that trials on this machine need: built when one needs them, freed when none does."""

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

KEPT = 2
"""Cases that are kept when no trial uses them: trials come case by case, so the next one is nearly always the last."""


def cases(dataset: Dataset, folder: Path) -> Callable[[CaseSpec], Case]:
    """Gives the case of a specification, its public part laid out in the folder; thread-safe."""
    lock = threading.Lock()

    @lru_cache(maxsize=KEPT)
    def laid_out(spec: CaseSpec) -> Case:
        return _lay_out(build(spec, dataset), folder)

    def case(spec: CaseSpec) -> Case:
        with lock:  # of two trials that are the first of a case, one builds it
            return laid_out(spec)

    return case


def _lay_out(case: Case, folder: Path) -> Case:
    """The case with its public part in a read-only file, whose name says nothing and which goes with the case."""
    descriptor, name = tempfile.mkstemp(".safetensors", "training-set-", folder)
    os.close(descriptor)
    file = Path(name)
    write({"images": torch.from_numpy(case.truth.images), "labels": torch.from_numpy(case.truth.labels)}, file)
    file.chmod(0o400)
    case = replace(case, file=file)
    weakref.finalize(case, file.unlink, missing_ok=True)
    return case
