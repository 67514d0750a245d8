"""The synthetic store, scaled down: the ranking made in SQL and matrices is that of every trial in pandas."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unlearnbench.report.frames import trials
from unlearnbench.report.ranking import ranked, ranked_by_regularity, ranking
from unlearnbench.report.scores import read_scores
from unlearnbench.store.store import Store

FILE = Path(__file__).parents[2] / "benchmarks" / "leaderboard.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("leaderboard_benchmark", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def database(benchmark: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("synthetic") / "synthetic.db")
    with Store(path) as store:
        assert benchmark.fill(store, trials=3000, methods=8) == 3000
    return path


def by_hand(frame: pd.DataFrame) -> pd.DataFrame:
    """Means, errors and counts of each method, trial by trial."""
    finished = frame.assign(aggregate=frame["aggregate"].mask(frame["state"] == "failed", 0.0))
    only = ["healed_train", "utility", "seconds"]
    finished[only] = finished[only].where(frame["state"] == "finished")
    groups = finished.groupby("method")
    table = pd.DataFrame({"trials": groups.size()})
    for name, metric in {"healed": "healed_train", "utility": "utility", "aggregate": "aggregate"}.items():
        table[name], table[f"{name}_sem"] = 100 * groups[metric].mean(), 100 * groups[metric].sem()
    table["seconds"] = groups["seconds"].mean()
    for state in ("failed", "missing"):
        table[state] = (frame["state"] == state).groupby(frame["method"]).sum()
    return table


def test_the_ranking_is_that_of_every_trial(database: str, benchmark: ModuleType) -> None:
    with Store(database, create=False) as store:
        frame, scores = trials(store.engine, benchmark.SUITE), read_scores(store.engine, benchmark.SUITE)
    assert frame["stands_on"].nunique() == 2
    assert (frame["state"] == "failed").any()
    assert (frame["state"] == "missing").any()
    table = ranked(scores)
    pd.testing.assert_frame_equal(table, ranking(frame), rtol=0, atol=1e-9)
    expected = by_hand(frame)
    found = table.set_index("method").loc[expected.index, expected.columns]
    np.testing.assert_allclose(found.to_numpy(dtype=float), expected.to_numpy(dtype=float), rtol=0, atol=1e-9)
    for regularity, part in ranked_by_regularity(scores).groupby("regularity"):
        expected = by_hand(frame[frame["regularity"] == regularity])
        found = part.set_index("method").loc[expected.index, expected.columns]
        np.testing.assert_allclose(found.to_numpy(dtype=float), expected.to_numpy(dtype=float), rtol=0, atol=1e-9)


@pytest.mark.parametrize("isolation", ["process", "strict"])
def test_the_indexes_are_all_that_is_read(isolation: Any, database: str, benchmark: ModuleType) -> None:
    """A million look-ups in the tables themselves would take many times as long."""
    from unlearnbench.report.scores import trials_query

    parameters = {"run_id": "first", "submission_key": "x", "capacity": 0.5, "training": "standard"}
    query = trials_query(isolation).params(parameters)
    with Store(database, create=False) as store, store.engine.connect() as connection:
        text = str(query.compile(store.engine, compile_kwargs={"literal_binds": True}))
        plan = " ".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
    assert "COVERING INDEX ix_planned_trials_scores" in plan
    assert "COVERING INDEX ix_trials_scores" in plan


def test_the_benchmark_measures_the_table_of_a_store_that_is_there(database: str) -> None:
    command = [sys.executable, str(FILE), "--database", database, "--repeats", "1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert re.fullmatch(r"[\d.]+ s of processor time, [\d.]+ s, \d+ MB at most", lines[0])
    assert lines[1] == "within 5 s and 500 MB, the limits for 1,000,000 trials"


def test_the_table_needs_no_torch(database: str, benchmark: ModuleType) -> None:
    program = (
        "import sys\nfrom unlearnbench.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n"
        "    assert not end.code\n"
        "print(sorted({'torch', 'scipy', 'matplotlib', 'seaborn'} & set(sys.modules)))"
    )
    for form in ("terminal", "markdown"):
        command = [sys.executable, "-c", program, "table", benchmark.SUITE, "--database", database, "--format", form]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "method_003" in done.stdout
        assert done.stdout.splitlines()[-1] == "[]"
