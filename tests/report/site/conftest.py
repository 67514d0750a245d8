"""The site of a small suite, with everything that a submission could write to do harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unlearnbench.report.frames import trials
from unlearnbench.report.ranking import ranking
from unlearnbench.report.site import write_site

NASTY = "<script>window.hacked = true</script>"
LONG = "averylongreasonwithoutaspace" * 8


@pytest.fixture(scope="module")
def folder(small_of_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stored = small_of_module
    stored.submission("hostile", "hostile", variant="with_a_rather_long_name_that_goes_on_and_on")
    stored.trial("first", "hostile", ("low", 0.1, 0), state="failed", reason=f"{NASTY} {LONG}")
    stored.trial("first", "hostile", ("high", 0.1, 0), healed=0.9)
    for name, healed in {"good": 0.4, "flaky": 0.3}.items():
        stored.trial("first", name, ("low", 0.1, 0), training="tied-dropout", healed=healed)
    values = (f"{NASTY} {LONG}", "javascript:window.hacked=true", f'["{NASTY}"]', NASTY, f'{{"{NASTY}": "{NASTY}"}}')
    columns = ", ".join(f"{name} = ?" for name in ("title", "paper", "authors", "license", "hyperparameters"))
    with stored.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE submissions SET {columns} WHERE key = 'hostile'", values)
        connection.exec_driver_sql("UPDATE submissions SET paper = 'https://example.org/a?b=1&c=2' WHERE key = 'good'")
        connection.exec_driver_sql(f"UPDATE runs SET revision = '{NASTY}'")
    frame = trials(stored.engine, "small")
    out = tmp_path_factory.mktemp("board") / "site"
    write_site(stored.engine, "small", frame, ranking(frame), out)
    return out
