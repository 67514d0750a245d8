"""What `info` says of a store, counted by hand."""

from __future__ import annotations

from datetime import timedelta

from tests import rows
from unlearnbench.store.info import SuiteInfo, info
from unlearnbench.store.schema import SCHEMA_VERSION
from unlearnbench.store.store import Store


def test_trials_are_counted_once_for_each_suite(store: Store) -> None:
    later = rows.NOW + timedelta(days=1)
    store.add(
        [
            *rows.whole(),
            rows.run(id="r2", started_at=later),  # the same trial again, and two more
            *(rows.planned(run_id="r2", trial_key=key) for key in ("t", "failed", "missing")),
            rows.failed(key="failed", run_id="r2"),
            rows.run(id="r3", suite="other", versions={"torch": "2.8"}),
            rows.submission(key="s2", variant="fast"),
            rows.planned(run_id="r3", trial_key="missing too", submission_key="s2"),
        ]
    )
    found = info(store.engine)
    assert found.suites == (
        SuiteInfo("other", runs=1, methods=1, finished=0, failed=0, missing=1, last_run=rows.NOW),
        SuiteInfo("small", runs=2, methods=1, finished=1, failed=1, missing=1, last_run=later),
    )
    assert (found.schema_version, found.runs, found.trials) == (SCHEMA_VERSION, 3, 2)
    assert found.methods == ("npo", "npo/fast")
    assert found.versions == ("torch 2.7 (2 runs)", "torch 2.8 (1 run)")
    assert found.hardware == ("cores 2 (3 runs)",)
    assert found.size > 10_000


def test_an_empty_store_has_nothing(store: Store) -> None:
    found = info(store.engine)
    assert (found.runs, found.trials, found.suites, found.methods, found.versions) == (0, 0, (), (), ())


def test_size_is_what_the_rows_take(store: Store) -> None:
    store.add(rows.whole())
    before = info(store.engine).size
    store.add([rows.failed(key="long", detail="x" * 3_000_000)])
    assert info(store.engine).size > before + (2_000_000 if store.engine.dialect.name == "sqlite" else 10_000)
