"""What the proofs of SSD's family do not say: percentiles at both ends, and that no label is used where none may be."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch

from unlearnbench import Problem

Problems = Callable[..., Problem]
Module = Callable[..., ModuleType]


@pytest.mark.parametrize("q", [0.0, 3.7, 50.0, 99.31, 100.0])
def test_the_percentile_is_numpy_s(q: float, module: Module) -> None:
    values = torch.rand(101, generator=torch.Generator().manual_seed(0))
    found = module("ssd", "dampening").percentile(values.sort().values, q)
    assert found == pytest.approx(np.percentile(values.numpy(), q), rel=1e-5)


def test_lfssd_uses_no_label(module: Module, linear: Problems) -> None:
    problem, other = linear(), linear()
    other.train.labels.zero_()
    method = module("ssd", "lfssd").LFSSD(alpha=0.9, weight=0.5)
    result = method.unlearn(problem).linear.weight
    assert not torch.equal(result, problem.original_weights["linear.weight"])
    assert torch.equal(method.unlearn(other).linear.weight, result)


@pytest.mark.parametrize("autocast", [False, True])
def test_sums_are_float32(autocast: bool, module: Module, linear: Problems) -> None:
    problem = linear()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        model, loss = problem.original(), module("ssd", "lfssd").squared_norm
        found = module("ssd", "dampening").importances(model, problem.train, loss, abs)
    assert found.dtype == torch.float32
