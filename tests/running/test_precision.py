"""A suite in precision `auto` keeps, in a store, the precision that it was first run in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests import rows
from unlearnbench.problems.suite import Suite
from unlearnbench.running.setup import pinned
from unlearnbench.store.store import Store

CPU: dict[str, Any] = {"device": "cpu"}


@pytest.mark.parametrize(
    ("stored", "wanted", "expected"),
    [
        ({}, "auto", "bfloat16"),
        ({}, "float32", "float32"),
        ({"suite": "another"}, "auto", "auto"),
        ({"hardware": {"device": "NVIDIA H200"}}, "auto", "auto"),
        ({"suite_specification": {"precision": "bfloat16"}}, "auto", "auto"),  # a person chose it for that run
    ],
)
def test_the_precision_of_an_earlier_run(
    store: Store, tiny_suite: Suite, stored: dict[str, Any], wanted: Any, expected: str
) -> None:
    run = {"suite": "tiny", "suite_specification": {"precision": "auto"}, "hardware": CPU, "precision": "bfloat16"}
    store.add([rows.run(**run | stored)])
    assert pinned(replace(tiny_suite, precision=wanted), "cpu", store).precision == expected
