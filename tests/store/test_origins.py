"""What was added keeps its origin: it is listed, it is removed exactly, and it decides nothing over what was there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import unlearnbench
from tests import rows
from tests.store.boards import added
from tests.store.valid import START, SUITE, now, whole, written
from unlearnbench.errors import UsageError
from unlearnbench.problems.suite import Suite
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.numbers.current import current
from unlearnbench.running.run import run_suite
from unlearnbench.store.origins import listed, of_runs, remove
from unlearnbench.store.schema import (
    TABLES,
    Base,
    OriginalRow,
    OriginEntryRow,
    PlannedTrialRow,
    RunRow,
    SubmissionRow,
    TrialRow,
)
from unlearnbench.store.store import Store
from unlearnbench.submissions.finding import Submission


def content(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in TABLES
        }


@pytest.fixture
def other(tmp_path: Path) -> Callable[..., Path]:
    """Writes a store with these rows, or those of `whole` with these arguments."""
    count = iter(range(99))
    return lambda *found, **of: written(tmp_path / f"other{next(count)}.db", *(found or whole(**of)))


def is_current(store: Store) -> set[str]:
    """The first digit of the source hash of what is current."""
    return {key[0] for key in current(store.engine, "tiny", (), "process").submissions}


def url(store: Store) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def test_each_row_has_the_origins_that_have_it(store: Store, other: Any) -> None:
    unlearnbench.merge([other(), other()], url(store))
    unlearnbench.merge([other(run="b")], url(store), origin="third", verify=False)
    first, second, third = listed(store.engine)
    assert [item.records for item in (first, second, third)] == [2, 2, 2]
    assert [item.verified for item in (first, second, third)] == [True, True, False]
    assert first.sha256 == second.sha256 or first.sha256 is not None
    assert of_runs(store.engine, ["a" * 32, "b" * 32]) == {
        "a" * 32: (first.name, second.name),
        "b" * 32: ("third (unverified)",),
    }


def test_rows_of_runs_have_no_origin(store: Store, other: Any) -> None:
    store.add(whole())
    unlearnbench.merge([other(), other(run="b")], url(store))
    assert [item.records for item in listed(store.engine)] == [0, 0]
    assert set(of_runs(store.engine, ["a" * 32, "b" * 32])) == {"b" * 32}


@pytest.mark.parametrize("own", [[], whole(run="f", source="f"), whole(run="f")])
def test_removing_an_origin_leaves_what_was_there_without_it(own: list[Base], store: Store, other: Any) -> None:
    """Whatever shares rows with it: the store's own runs, another origin, or nothing."""
    one, two = other(), other(run="b", source="2")
    store.add(own)
    unlearnbench.merge([two], url(store), origin="two")
    before = content(store)
    unlearnbench.merge([one], url(store), origin="one")
    both = content(store)
    assert both != before
    deleted = unlearnbench.remove_origin("one", url(store))
    assert content(store) == before
    assert deleted["runs"] == 1
    # In the other order of arrival: what both have came first with the one that is removed.
    unlearnbench.merge([one], url(store), origin="one")
    assert content(store) == both
    unlearnbench.remove_origin("two", url(store))
    unlearnbench.merge([two], url(store), origin="two")
    assert content(store) == both
    remove(store.engine, "one")
    assert content(store) == before
    remove(store.engine, "two")
    with store.engine.connect() as connection:
        assert connection.execute(select(OriginEntryRow)).all() == []
    assert content(store)["trials"] == [row for row in before["trials"] if row["run_id"][0] == "f"]


def test_a_trial_that_two_origins_have_stays_until_both_are_gone(store: Store, other: Any) -> None:
    one, two = other(), other(run="b")
    unlearnbench.merge([one, two], url(store))
    names = [item.name for item in listed(store.engine)]
    remove(store.engine, names[0])
    # The trials were recorded by a run that only the first has, so it stays for them, and the origin with it.
    assert len(content(store)["trials"]) == 2
    assert [row["id"][0] for row in content(store)["runs"]] == ["a", "b"]
    assert [item.name for item in listed(store.engine)] == names
    remove(store.engine, names[1])
    remove(store.engine, names[0])
    assert not any(content(store).values())
    assert listed(store.engine) == ()


def test_an_unknown_origin_is_one_sentence(store: Store) -> None:
    with pytest.raises(UsageError, match=r"unknown origin 'x' in the store \(there are none\)"):
        remove(store.engine, "x")


def test_another_file_under_a_name_is_refused_unless_that_is_meant(store: Store, other: Any, tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    path.write_bytes(other().read_bytes())
    unlearnbench.merge([path], url(store))
    path.write_bytes(other(run="b").read_bytes())
    with pytest.raises(UsageError, match=r"another file was added under the name '.*theirs.db': if this is a newer"):
        unlearnbench.merge([path], url(store))
    unlearnbench.merge([path], url(store), origin=str(path), verify=False)
    (origin,) = listed(store.engine)
    assert not origin.verified, "not all of it is"
    with pytest.raises(UsageError, match="cannot be the name of an origin"):
        unlearnbench.merge([path], url(store), origin="a\nb")


AGO = timedelta(minutes=1)


@pytest.mark.parametrize("at", [datetime(2099, 1, 1), now() - AGO, START - timedelta(days=1)])
def test_a_forged_date_does_not_put_a_run_before_those_made_here(at: datetime, store: Store, tmp_path: Path) -> None:
    store.add(whole(run="f", source="f", healed=1.0))
    board = read_board(store.engine, "tiny").frame
    with Store(str(tmp_path / "forged.db")) as forged:
        forged.add(whole(source="2", healed=0.0, at=at))
        added(forged, store)  # without the checks, which refuse 2099
    assert is_current(store) == {"f"}
    assert read_board(store.engine, "tiny").frame.equals(board)
    (stale,) = read_board(store.engine, "tiny").stale
    assert stale.reason == "from elsewhere, and another state or variant of it was there before"
    store.add(whole(run="e", source="2", at=START + AGO))
    assert is_current(store) == {"2"}, "now it was run here"


def test_a_forged_date_is_refused_and_a_near_one_changes_nothing(store: Store, other: Any) -> None:
    store.add(whole(run="f", source="f"))
    before = content(store)
    with pytest.raises(
        UsageError, match=r"table 'runs', row 'aaaaaaaaaaaa', field 'started_at': must not be in the fut"
    ):
        unlearnbench.merge([other(source="2", at=datetime(2099, 1, 1))], url(store))
    assert content(store) == before
    unlearnbench.merge([other(source="2", at=now() - AGO)], url(store))
    assert is_current(store) == {"f"}


def test_of_two_origins_the_one_that_was_there_comes_first(store: Store, other: Any) -> None:
    unlearnbench.merge([other(run="a", source="1")], url(store), origin="one")
    unlearnbench.merge([other(run="b", source="2", at=now() - AGO)], url(store), origin="two")
    assert is_current(store) == {"1"}
    unlearnbench.merge([other(run="c", source="3", at=START + AGO)], url(store), origin="one")
    assert is_current(store) == {"3"}, "a newer copy of the first"
    remove(store.engine, "one")
    assert is_current(store) == {"2"}


def test_plans_that_a_later_origin_adds_to_a_run_are_of_that_origin(store: Store, other: Any) -> None:
    """Else a forged copy of a believed run could bring another state of a method."""
    only_run = [row for row in whole(run="b") if isinstance(row, RunRow)]
    unlearnbench.merge([other(*only_run)], url(store), origin="one")
    unlearnbench.merge([other(run="a", source="1", at=START - AGO)], url(store), origin="two")
    unlearnbench.merge([other(run="b", source="2")], url(store), origin="three")
    assert is_current(store) == {"1"}


def test_a_variant_from_elsewhere_is_not_ranked_instead_of_one_that_was_run_here(store: Store, tmp_path: Path) -> None:
    """A tuned variant is ranked before `default`, and anyone can name theirs like that."""
    suite = replace(SUITE, variants=("tuned", "default"))
    store.add(whole(run="f", source="f", suite=suite))
    for name, source in (("tuned", "2"), ("another", "3")):
        forged = whole(run=source, source=source, suite=suite)
        for row in forged:
            if isinstance(row, SubmissionRow):
                row.variant = name
        with Store(str(tmp_path / f"{name}.db")) as theirs:
            theirs.add(forged)
            added(theirs, store, name)
    table = unlearnbench.ranking("tiny", database=url(store), suites=tmp_path)
    assert table.set_index("method")["ranked"].to_dict() == {"mine": True, "mine/another": False}
    store.add([row for row in whole(run="e", source="2", suite=suite, at=START + AGO) if isinstance(row, RunRow)])
    store.add([row for row in whole(run="e", source="2", suite=suite) if isinstance(row, PlannedTrialRow)])
    table = unlearnbench.ranking("tiny", database=url(store), suites=tmp_path)
    assert table.loc[table["ranked"], "method"].to_list() == ["mine/tuned"], "now it was run here"


def test_a_default_from_elsewhere_that_was_there_stays_beside_a_tuned_variant_that_was_run_here(
    store: Store, other: Any
) -> None:
    """On a suite that ranks defaults: somebody loads the board, tunes a method and runs the variant."""
    suite = replace(SUITE, variants=("default", "tuned"))
    board = other(run="b", source="2", suite=suite)
    unlearnbench.merge([board], url(store), origin="board")
    own = whole(run="f", source="f", suite=suite, at=now() + AGO)
    for row in own:
        if isinstance(row, SubmissionRow):
            row.variant = "tuned"
    store.add(own)
    assert is_current(store) == {"2", "f"}
    unlearnbench.merge([board], url(store), origin="board")
    assert is_current(store) == {"2", "f"}, "the same file again is no news"
    unlearnbench.merge([other(run="c", source="3", suite=suite)], url(store), origin="late")
    assert is_current(store) == {"2", "f"}


def test_conditions_are_those_of_a_run_made_here(store: Store, tmp_path: Path) -> None:
    """Without a file of the suite they are those of the first run, which must not be somebody else's."""
    store.add(whole(run="f", source="f"))
    with Store(str(tmp_path / "forged.db")) as forged:
        forged.add(whole(source="2", at=now() - AGO))
        with forged.engine.begin() as connection:
            specification = content(forged)["runs"][0]["suite_specification"]
            specification["budget"]["steps"] = 1000
            connection.execute(update(RunRow).values(suite_specification=specification))
        added(forged, store)
    assert is_current(store) == {"f"}


def test_records_made_here_count_before_more_records_of_others(store: Store, tmp_path: Path) -> None:
    """One seed in two ways: the own records on one original, all those of somebody else on another."""
    own = whole(run="f", healed=1.0)
    keys = [row.key for row in own if isinstance(row, TrialRow)]
    store.add([row for row in own if getattr(row, "trial_key", getattr(row, "key", "")) != keys[1]])
    store.add([row for row in own if isinstance(row, PlannedTrialRow)])
    forged = whole(healed=0.0)
    for row in forged:  # as if on another kind of machine
        if isinstance(row, OriginalRow):
            row.key, row.precision = f"c{row.key[1:]}", "bfloat16"
        if isinstance(row, PlannedTrialRow | TrialRow):
            row.original_key = f"c{row.original_key[1:]}"
        for name in ("trial_key", "key"):
            if getattr(row, name, None) in keys:
                setattr(row, name, f"c{getattr(row, name)[1:]}")
    with Store(str(tmp_path / "forged.db")) as source:
        source.add(forged)
        added(source, store)
    frame = read_board(store.engine, "tiny").frame.set_index("corruption")
    assert frame["healed_train"].to_dict() == {"class-swap": 1.0, "poison-trigger": 0.0}, "only where there are none"


def test_what_is_run_here_replaces_what_an_origin_says_of_it(store: Store, tmp_path: Path) -> None:
    """A name or an original that somebody made up must not stay with the trials that are run here."""
    forged = whole()
    for row in forged:
        if isinstance(row, SubmissionRow):
            row.name = "evil"
        if isinstance(row, OriginalRow):
            row.memorised = 0.99
    with Store(str(tmp_path / "forged.db")) as source:
        source.add(forged)
        added(source, store)
    store.add(whole(run="f"))
    assert [row["name"] for row in content(store)["submissions"]] == ["mine"]
    assert {row["memorised"] for row in content(store)["originals"]} == {0.9}
    remove(store.engine, "other")
    after = content(store)
    assert after["submissions"], "they were made here, too"
    assert [row["id"][0] for row in after["runs"]] == ["f"]
    assert after["trials"] == [], "those were only theirs"


def test_runs_go_on_in_a_store_with_the_year_9999(
    store: Store, tiny_suite: Suite, make_submission: Callable[..., Submission], tmp_path: Path
) -> None:
    store.add([rows.run(started_at=datetime(9999, 12, 31, 23, 59, 59, 999999), suite="other")])
    done = run_suite(tiny_suite, [make_submission("good", "return problem.original()")], store, tmp_path, workers=1)
    with Session(store.engine) as session:
        assert abs(session.get_one(RunRow, done.run_id).started_at - now()) < timedelta(minutes=5)


def test_the_data_set_that_is_not_there_is_one_sentence(other: Any, tmp_path: Path) -> None:
    """It is not downloaded because a file asks for it, and no folder is read but one in the folder of data sets."""
    for name, says in (
        ("cifar10", r"its metrics cannot be recomputed: data set 'cifar10' could not be loaded from .*--unverified"),
        ("imagefolder:pets", r"data set 'imagefolder:pets' is a folder that .* does not have: put .*--unverified"),
        ("nothing", r"cannot be recomputed: unknown data set 'nothing'.*--unverified"),
    ):
        path = other(suite=replace(SUITE, dataset=name))
        with pytest.raises(UsageError, match=says):
            unlearnbench.merge([path], tmp_path / "all.db", data=tmp_path)
        assert not (tmp_path / "all.db").exists()
        unlearnbench.merge([path], tmp_path / f"{name[:4]}.db", data=tmp_path, verify=False)
