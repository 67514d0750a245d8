"""The outcome of a trial: its weights, or why there are none."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Any

from safetensors.torch import load

from unlearnbench.errors import HarnessError
from unlearnbench.models.weights import Weights, find_fault

HEADER_BYTES = 2**20  # maximum size of a weights file beyond the weights themselves


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request. Exactly one of `weights` and `reason` is None.

    Attributes:
        reason: why there are no valid weights.
        detail: end of the traceback and of what the submission printed.
        seconds: wall-clock time of importing the submission and of `unlearn`.
        processor_seconds: user and system time of all processes of the trial, including the import of the submission.
            None if unknown.
        forward_samples: number of samples that passed forward through a classifier.
        backward_samples: the same for backward passes.
    """

    weights: Weights | None
    reason: str | None
    detail: str | None
    seconds: float | None
    processor_seconds: float | None
    forward_samples: int | None
    backward_samples: int | None


def judge(events: dict[str, dict[str, Any]], descriptor: int | None, reference: Weights) -> Outcome:
    """The outcome of a trial from the events of its guardian. Whatever the trial left ends in a reason, not an error.

    Args:
        events: by name.
        descriptor: of the weights file that it left. Closed afterwards.
        reference: weights of the model, for their names, shapes and dtypes.

    Raises:
        HarnessError: the trial failed before any code of the submission ran.
    """
    end, broken = events.get("ended"), events.get("broken", {}).get("message")
    if "loaded" not in events and not (end and end["loaded"]):
        message = broken or (end and end["output"]) or ("it took too long" if "stopped" in events else "no message")
        raise HarnessError(f"cannot set up the process of a trial: {message}")
    if "stopped" in events:
        return Outcome(None, "timeout: the process that watches it was stopped", None, None, None, None, None)
    if end is None:
        reason = "crashed: the process that watches it was killed"
        if broken:
            reason = "crashed: the process that watches it failed"
        return Outcome(None, reason, broken and _readable(broken[-8000:]), None, None, None, None)
    found = end["reason"] if end["reason"] is not None else _weights(descriptor, reference)
    return Outcome(
        weights=None if isinstance(found, str) else found,
        reason=_readable(found[:400]) if isinstance(found, str) else None,
        detail=_readable(((end["detail"] or "") + end["output"])[-8000:]) or None,
        seconds=end["seconds"],
        processor_seconds=end["processor_seconds"],
        forward_samples=end["forward"],
        backward_samples=end["backward"],
    )


def _weights(descriptor: int | None, reference: Weights) -> Weights | str:
    """Read and close the weights file of a trial, or return why it is invalid. The file may be anything."""
    if descriptor is None:
        return "invalid weights: it left no file of them"
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return "invalid weights: it left no file of them"
        size = sum(tensor.nbytes for tensor in reference.values())
        if status.st_size > size + HEADER_BYTES:
            return f"invalid weights: a file of {status.st_size} bytes, and the model has {size}"
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(size + HEADER_BYTES)
        weights = dict(sorted(load(content).items()))  # sorted, so that the reason always names the same tensor
        reason = find_fault(weights, reference)
    except Exception as error:  # whatever a trial left is its own fault, and untrusted bytes can raise any type
        reason = str(error) or type(error).__name__
    finally:
        os.close(descriptor)
    return weights if reason is None else f"invalid weights: {reason}"


def _readable(text: str) -> str:
    """Replace characters that a database rejects (NUL, lone surrogates) or that control a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
