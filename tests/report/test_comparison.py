import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from unlearnbench.errors import UsageError
from unlearnbench.report.compared import difference_map, map_sheet, overview_sheet, signed
from unlearnbench.report.comparison import comparison
from unlearnbench.report.frames import trials
from unlearnbench.report.labels import difference_colours
from unlearnbench.report.ranking import ranking
from unlearnbench.report.scores import read_scores


@pytest.fixture
def scores(small):
    return read_scores(small.engine, "small")


def part(table: pd.DataFrame, regularity: str, rate: float | None = None) -> pd.Series:
    rates = table["discovery_rate"].isna() if rate is None else table["discovery_rate"] == rate
    return table[(table["regularity"] == regularity) & rates].iloc[0]


def test_differences_by_hand(scores):
    table = comparison(scores, "good", "flaky")
    # good: healed 0.3, 0.5, 0.7 and 0.2 more for seed 1, utility 0.8. flaky: 0.5 and 0.6, 3 failed, 3 missing.
    medium = part(table, "medium", 0.1)
    assert medium["problems"] == 2
    assert medium["aggregate"] == pytest.approx(100 * np.mean([0.40 - 0.30, 0.56 - 0.30]))
    assert (medium["aggregate_low"], medium["aggregate_high"]) == pytest.approx((10.0, 26.0))
    assert (medium["healed"], medium["utility"]) == pytest.approx((10.0, 20.0))
    low = part(table, "low")
    assert low["aggregate"] == pytest.approx(100 * np.mean([0.24, 0.40 - 0.30, 0.24, 0.40]))  # three against a failure
    assert (low["problems"], low["wins"], low["ties"], low["losses"]) == (4, 4, 0, 0)
    assert low["healed"] == pytest.approx(0.0)  # where both finished: once, 0.5 and 0.5
    assert part(table, "all")["problems"] == 9  # of twelve, three are missing


def test_cost_is_a_difference_of_shares_of_retraining(scores):
    row = part(comparison(scores, "good", "retrain"), "all")
    assert (row["seconds"], row["cost"]) == pytest.approx((2.0 - 8.0, 0.25 - 1.0))
    assert np.isnan(part(comparison(scores, "good", "flaky", baseline="nobody"), "all")["cost"])


def test_one_common_problem_has_a_difference_and_no_interval(scores):
    row = part(comparison(scores, "good", "flaky"), "medium", 1.0)
    assert row["problems"] == 1
    assert row["aggregate"] == pytest.approx(10.0)
    assert np.isnan(row["aggregate_low"])
    empty = part(comparison(scores, "good", "flaky"), "high", 0.1)
    assert empty["problems"] == 0
    assert np.isnan(empty["aggregate"])


def test_swapping_the_methods_swaps_the_signs(scores):
    there, back = comparison(scores, "good", "flaky"), comparison(scores, "flaky", "good")
    assert there["aggregate"].tolist() == pytest.approx((-back["aggregate"]).tolist(), nan_ok=True)
    assert there["aggregate_low"].tolist() == pytest.approx((-back["aggregate_high"]).tolist(), nan_ok=True)
    assert there["wins"].tolist() == back["losses"].tolist()


def test_comparison_agrees_with_the_ranking(small, scores):
    table = ranking(trials(small.engine, "small")).set_index("method")
    row = part(comparison(scores, "flaky", "retrain"), "all")
    assert (table.loc["flaky", "rank"] == table.loc["retrain", "rank"]) == (row["aggregate_low"] <= 0)


def test_what_cannot_be_compared_is_said(small, scores):
    with pytest.raises(UsageError, match="no trials of method 'great'; there are trials of: flaky, good"):
        comparison(scores, "good", "great")
    with pytest.raises(UsageError, match="'good' cannot be compared with itself"):
        comparison(scores, "good", "good")
    small.submission("new", "new")
    small.trial("first", "new", ("low", 0.1, 0), state="missing")
    with pytest.raises(UsageError, match="'good' and 'new' have no problem in common"):
        comparison(read_scores(small.engine, "small"), "good", "new")


def test_terminal_map_reads_without_colour(scores):
    console = Console(width=80, file=io.StringIO())
    console.print(difference_map(comparison(scores, "good", "flaky"), "good", "flaky"))
    lines = console.file.getvalue().splitlines()
    body = [line.split() for line in lines if line.split()[:1] in (["High"], ["Med."], ["Low"])]
    assert body == [["High", "-", "+34*"], ["Med.", "+18*", "+10"], ["Low", "+17*", "+32*"]]
    assert "* the 95% interval excludes zero" in " ".join(" ".join(lines).split())


def test_terminal_map_of_ten_rates_fits_into_80_columns(scores):
    table = comparison(scores, "good", "flaky")
    row = part(table, "medium", 0.1).to_dict()
    wide = pd.DataFrame(
        [row | {"discovery_rate": rate / 10, "aggregate": -100.0, "aggregate_high": -1.0} for rate in range(1, 11)]
    )
    console = Console(width=80, file=io.StringIO())
    console.print(difference_map(wide, "good", "flaky"))
    assert next(line for line in console.file.getvalue().splitlines() if "Med." in line).split()[1:] == ["-100*"] * 10


def test_blue_is_better_brown_is_worse_and_white_is_equal():
    def channels(points: float) -> tuple[int, int, int]:
        colour = difference_colours(points)[0]
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

    assert channels(80)[2] > channels(80)[0]
    assert channels(-80)[0] > channels(-80)[2]
    assert min(channels(0)) > 240
    assert channels(10)[2] - channels(10)[0] < channels(30)[2] - channels(30)[0]
    assert [difference_colours(points)[1] for points in (-80, 0, 80)] == ["#ffffff", "#000000", "#ffffff"]


def test_sheets_have_signs_and_intervals(scores):
    table = comparison(scores, "good", "flaky")
    overview = overview_sheet(table, "good", "flaky", "50% capacity", "50% capacity")
    assert [section[0][0] for section in overview.sections] == ["all", "High"]
    assert overview.sections[1][1][:2] == ["Med.", "3"]
    assert overview.sections[1][2][4:6] == ["4/0/0", "0.0"]
    assert "originals differ" not in overview.note
    assert "originals differ (a and b)" in overview_sheet(table, "good", "flaky", "a", "b").note
    assert map_sheet(table, "good", "flaky").sections[0][1] == ["Med.", "+18.0 [10.0, 26.0]", "+10.0"]
    assert [signed(points) for points in (1.26, -1.26, 0.04, -0.04, float("nan"))] == [
        "+1.3",
        "-1.3",
        "0.0",
        "0.0",
        "-",
    ]
