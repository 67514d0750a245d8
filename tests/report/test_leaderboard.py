import itertools
import re

import pandas as pd
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.small_store import CELLS, MISLED
from unlearnbench.report.leaderboard import write_leaderboard
from unlearnbench.report.wording import demonstration
from unlearnbench.store.schema import SubmissionRow


@pytest.fixture(scope="module")
def written(small_of_module, tmp_path_factory):
    """The folder of a leaderboard: drawing it takes seconds."""
    folder = tmp_path_factory.mktemp("leaderboard")
    write_leaderboard(small_of_module.engine, small_of_module.board(), folder)
    return folder


def test_files_are_written(small, tmp_path):
    small.submission("good, tuned", "good", variant="tuned")
    small.trial("first", "good, tuned", ("low", 0.1, 0))
    written = write_leaderboard(small.engine, small.board(), tmp_path)
    methods = ("good", "good-tuned", "flaky", "retrain", "oracle")
    stems = ["maps", "rates", "healing", *(f"{kind}-{method}" for method in methods for kind in ("map", "detail"))]
    expected = {"figures/maps.png", *(f"figures/{stem}.svg" for stem in stems), "trials.csv", "ranking.md"}
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert {name for name in names if not name.startswith("site/")} == expected
    assert "site/index.html" in names
    assert all(path.stat().st_size > 0 for path in written)


def test_page_says_where_the_numbers_come_from_and_what_failed(written):
    page = (written / "ranking.md").read_text()
    head = "Suite `small`. Open board: its seeds are public. Two seeds: a demonstration, not a ranking."
    assert page.startswith(f"# A small suite\n\n{head}\n")
    assert "2026-01-01 12:00 UTC; revision abc123; precision float32; isolation process; 2 workers; torch 2.7" in page
    assert "- `flaky`: timeout (3: random-swap at 10%, 100%)" in page
    assert page.index("| - | good |") < page.index("| - | oracle |")
    assert "under 80% of their original model's" in page
    assert "Note" not in page
    assert "- `flaky`: seed 0/10/20 (5 of 6 trials), seed 1/11/21 (4 of 6 trials)" in page
    assert "## Stale records" not in page
    assert "## Beyond the oracle" not in page


@pytest.mark.usefixtures("undrawn")
def test_runs_that_differ_only_in_time_share_a_line(small, tmp_path):
    small.run("second", day=1)
    small.run("third", day=2, isolation="strict")
    for run, seed in (("second", 0), ("third", 1)):
        small.submission(f"{run} method", run)
        small.trial(run, f"{run} method", ("low", 0.1, seed), isolation="strict" if run == "third" else "process")
    write_leaderboard(small.engine, small.board(), tmp_path)
    page = (tmp_path / "ranking.md").read_text()
    assert "\n- 2026-01-01 12:00, 2026-01-02 12:00 UTC; revision abc123; precision float32; isolation process;" in page
    assert "\n- 2026-01-03 12:00 UTC; revision abc123; precision float32; isolation strict;" in page


@pytest.mark.usefixtures("undrawn")
def test_methods_of_the_maintainers_are_marked(small, tmp_path):
    with Session(small.engine) as session:
        for row in session.scalars(select(SubmissionRow).where(SubmissionRow.name.in_(["good", "oracle"]))):
            row.authors = ["unlearnbench"]
        session.commit()
    write_leaderboard(small.engine, small.board(), tmp_path)
    assert (
        "\n\nBy the maintainers of the board: `good`. submissions/README.md says what they knew.\n\n"
        in (tmp_path / "ranking.md").read_text()
    )
    page = (tmp_path / "site/small/index.html").read_text()
    marked = re.findall(r'<a href="method-(\w+)\.html">[^(]*\(by the maintainers of the board\)</span></th>', page)
    assert marked == ["good"], "a reference is not ranked, and needs no mark"


def test_fewer_than_three_seeds_are_a_demonstration(written):
    assert demonstration(1) == "One seed: a demonstration, not a ranking."
    assert demonstration(3) == ""
    for page in (written / "ranking.md", written / "site" / "index.html"):
        assert "Two seeds: a demonstration, not a ranking." in page.read_text()


@pytest.mark.usefixtures("undrawn")
def test_eight_seeds_are_a_ranking_of_ranked_variants(stored, tmp_path):
    stored.column(seeds=8)
    for name, healed, slope in (("good", 0.8, 0.01), ("far", 0.3, 0.02), ("far/tuned", 0.5, 0.0)):
        stored.scored(name, [healed + slope * seed for seed in range(8)])
    write_leaderboard(stored.engine, stored.board(), tmp_path)
    page = (tmp_path / "ranking.md").read_text()
    assert "demonstration" not in page
    assert "| 1 | good |" in page
    assert page.index("| 2 | far |") < page.index("**Other variants, not ranked**") < page.index("| - | far/tuned |")


@pytest.mark.usefixtures("undrawn")
def test_page_lists_what_is_stale_and_what_is_beyond_the_oracle(small, tmp_path):
    small.run("second", day=1)
    small.submission("good, changed", "good")
    small.trial("second", "good, changed", ("low", 0.1, 0))
    with small.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trials SET healed_train = 0.1 WHERE submission_key = 'oracle'")
    write_leaderboard(small.engine, small.board(), tmp_path)
    page = (tmp_path / "ranking.md").read_text()
    renew = "To renew them: `unlearnbench run small --method good`"
    assert f"- `good`: 12 records, an earlier state of its code or hyperparameters. {renew}" in page
    assert "- `good`: random-swap at 10%, seed 0/10/20: healed 50.0%, the oracle 10.0%. Check its code." in page
    assert "- `retrain`" not in page[page.index("## Beyond the oracle") :]  # 20% is within three standard errors
    assert page.count("2026-01-0") == 2, "both runs have records on the board"


@pytest.mark.usefixtures("undrawn")
def test_originals_that_learnt_nothing_are_noted(stored, tmp_path):
    stored.run("first")
    stored.problems(absorbed=False)
    stored.submission("good", "good")
    for cell in (("low", 0.1, 0), ("low", 1.0, 0), ("high", 0.1, 0)):
        stored.trial("first", "good", cell)
    write_leaderboard(stored.engine, stored.board(), tmp_path)
    page = (tmp_path / "ranking.md").read_text()
    assert page.count("**Note:**") == 1
    assert "random-swap, seed 0/10/20, 50% capacity, memorised only 90%" in page


def test_every_trial_is_in_the_table(written):
    rows = pd.read_csv(written / "trials.csv")
    assert len(rows) == 48
    assert rows["state"].value_counts().to_dict() == {"finished": 42, "failed": 3, "missing": 3}


def test_same_store_gives_the_same_bytes(small, written, tmp_path):
    again = {
        path.relative_to(tmp_path): path.read_bytes()
        for path in write_leaderboard(small.engine, small.board(), tmp_path)
    }
    assert again == {path.relative_to(written): path.read_bytes() for path in written.rglob("*") if path.is_file()}


def test_only_figures_of_vanished_methods_are_removed(small, tmp_path):
    figures = tmp_path / "figures"
    figures.mkdir()
    for name in ("map-gone.png", "detail-gone.svg", "healing.png", "map-notes.txt", "logo.svg"):
        (figures / name).write_text("old")
    (tmp_path / "map-gone.png").write_text("not a figure of ours")
    write_leaderboard(small.engine, small.board(), tmp_path)
    left = {path.name for path in figures.iterdir()}
    assert not left & {"map-gone.png", "detail-gone.svg", "healing.png"}
    assert {"map-notes.txt", "logo.svg", "map-good.svg"} <= left
    assert (tmp_path / "map-gone.png").exists()


def test_figures_that_only_some_suites_have_come_and_go(small, tmp_path):
    figures = tmp_path / "figures"
    write_leaderboard(small.engine, small.board(), tmp_path)
    assert "](figures/rates.svg)" in (tmp_path / "ranking.md").read_text()
    assert not (figures / "tied-dropout.svg").exists()
    assert "tied-dropout.svg" not in (tmp_path / "ranking.md").read_text()

    for cell in itertools.product(("low", "medium", "high"), (0.1, 1.0), (0, 1)):
        small.trial("first", "good", cell, training="tied-dropout")
    write_leaderboard(small.engine, small.board(), tmp_path)
    assert (figures / "tied-dropout.svg").exists()
    assert "](figures/tied-dropout.svg)" in (tmp_path / "ranking.md").read_text()

    small.run("of one-rate", suite="one-rate", day=1, discovery_rates=(0.1,))
    small.trial("of one-rate", "good", ("low", 0.1, 0))
    write_leaderboard(small.engine, small.board("one-rate"), tmp_path)
    assert not {"rates.svg", "tied-dropout.svg"} & {path.name for path in figures.iterdir()}
    assert "rates.svg" not in (tmp_path / "ranking.md").read_text()


def test_measured_regularities_have_their_figures_and_their_table(stored, tmp_path):
    stored.run("first")
    stored.problems()
    for name in ("good", "retrain"):
        stored.submission(name, name, role="reference" if name == "retrain" else "ranked")
    for cell in CELLS:
        stored.trial("first", "good", cell)
        stored.trial("first", "retrain", cell, misled=MISLED[cell[0]] * (cell[1] < 1))
    write_leaderboard(stored.engine, stored.board(), tmp_path)
    page = (tmp_path / "ranking.md").read_text()
    for name in ("regularity", "plane", "winners"):
        assert (tmp_path / "figures" / f"{name}.svg").exists()
        assert f"](figures/{name}.svg)" in page
    assert "| poison-trigger | High | 0.75 | 9 | 2 | 0.00 |" in page
    assert "Not measured" not in page
    assert "Does it predict" not in page, "three corruptions are too few"
    assert "High .75" in (tmp_path / "site/index.html").read_text()


def test_suite_without_a_single_record_can_be_drawn(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="missing")
    write_leaderboard(stored.engine, stored.board(), tmp_path)
    assert "| - | good |" in (tmp_path / "ranking.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_the_page_says_which_level_of_isolation_was_demanded(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("mine", "mine")
    stored.trial("first", "mine", ("low", 0.1, 0))
    write_leaderboard(stored.engine, stored.board(isolation="strict"), tmp_path, isolation="strict")
    page = (tmp_path / "ranking.md").read_text()
    assert "Only trials with isolation `strict` count" in page
    assert "missing" in (tmp_path / "trials.csv").read_text()
