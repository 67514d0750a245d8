import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.report.terminal import printed
from unlearnbench.errors import UsageError
from unlearnbench.report.numbers.comparison import comparison
from unlearnbench.report.text.differences import difference_map, map_sheet, overview_sheet, signed
from unlearnbench.report.wording import difference_colours

MINE, THEIRS = [0.5, 0.6, 0.8, 0.32], [0.4, 0.4, 0.5, 0.4]


@pytest.fixture
def frame(small) -> pd.DataFrame:
    return small.board().frame


@pytest.fixture
def four(stored):
    """Two methods in one cell of four seeds."""
    stored.column(seeds=4)
    stored.scored("mine", MINE)
    stored.scored("theirs", THEIRS)
    return stored


def part(table: pd.DataFrame, corruption: str, rate: float | None = None) -> pd.Series:
    rates = table["discovery_rate"].isna() if rate is None else table["discovery_rate"] == rate
    return table[(table["corruption"] == corruption) & rates].iloc[0]


def test_differences_by_hand(frame):
    table = comparison(frame, "good", "retrain")
    # good: healed 0.3, 0.5, 0.7 and 0.2 more for seed 1, utility 0.8. retrain: 0.2 and 0.9, so 0.18 in all cells.
    low = part(table, "random-swap", 0.1)
    assert low["aggregate"] == pytest.approx(100 * np.mean([0.24 - 0.18, 0.40 - 0.18]))
    assert (low["healed_train"], low["utility"]) == pytest.approx((20.0, -10.0))
    assert np.isnan(low["attack_success"])
    assert part(table, "poison-trigger")["attack_success"] == pytest.approx(0.0)
    whole = part(table, "all")
    assert whole["aggregate"] == pytest.approx(48 - 18)
    assert (whole["seeds"], whole["kind"]) == (2, "untested")
    assert whole[["aggregate_low", "aggregate_high", "p"]].isna().all()
    assert (whole["wins"], whole["ties"], whole["losses"]) == (2, 0, 0), "a seed is won, not a cell"
    assert table["corruption"].unique().tolist() == ["all", "poison-trigger", "class-swap", "random-swap"]


def test_intervals_are_of_the_pairs_of_seeds(four):
    whole = part(comparison(four.board().frame, "mine", "theirs"), "all")
    test = stats.ttest_rel(MINE, THEIRS)
    ends = [100 * end for end in test.confidence_interval()]
    assert (whole["kind"], whole["seeds"], whole["p"]) == ("paired", 4, pytest.approx(test.pvalue))
    assert whole[["aggregate_low", "aggregate_high"]].tolist() == pytest.approx(ends)
    assert (whole["wins"], whole["ties"], whole["losses"]) == (3, 0, 1)


def test_from_other_originals_the_comparison_is_unpaired_and_says_so(four):
    four.scored("elsewhere", THEIRS, weights="rounded otherwise")
    table = comparison(four.board().frame, "mine", "elsewhere")
    whole = part(table, "all")
    assert (whole["kind"], whole["seeds"]) == ("unpaired", 4)
    assert whole["p"] == pytest.approx(stats.ttest_ind(MINE, THEIRS, equal_var=False).pvalue)
    assert (whole["wins"], whole["ties"], whole["losses"]) == (0, 0, 0), "only pairs are won"
    assert overview_sheet(table, "mine", "elsewhere").sections[0][0][3] == "4 unpaired"


def test_cost_is_a_difference_of_shares_of_retraining(frame):
    assert part(comparison(frame, "good", "retrain"), "all")["cost"] == pytest.approx(0.25 - 1.0)
    assert np.isnan(part(comparison(frame, "good", "retrain", baseline="nobody"), "all")["cost"])


def test_swapping_the_methods_swaps_the_signs(four):
    frame = four.board().frame
    there, back = comparison(frame, "mine", "theirs"), comparison(frame, "theirs", "mine")
    assert there["aggregate"].tolist() == pytest.approx((-back["aggregate"]).tolist())
    assert there["aggregate_low"].tolist() == pytest.approx((-back["aggregate_high"]).tolist())
    assert there["wins"].tolist() == back["losses"].tolist()


def test_what_cannot_be_compared_is_said(frame):
    with pytest.raises(UsageError, match=r"unknown method 'great' in the results .*flaky, good"):
        comparison(frame, "good", "great")
    with pytest.raises(UsageError, match="cannot compare 'good' with itself"):
        comparison(frame, "good", "good")
    with pytest.raises(UsageError, match="'flaky' has no whole seed"):
        comparison(frame, "good", "flaky")


def test_terminal_map_reads_without_colour(frame):
    text = printed(difference_map(comparison(frame, "good", "retrain"), "good", "retrain"))
    body = [line.split() for line in text.splitlines() if line.split()[:1] in (["High"], ["Med."], ["Low"])]
    assert body == [["High", "+46", "+46"], ["Med.", "+30", "+30"], ["Low", "+14", "+14"]]
    assert "Fewer than three seeds" in text


def test_cells_whose_interval_leaves_zero_are_starred(four):
    four.scored("worse", [0.1, 0.2, 0.35, 0.0])
    frame = four.board().frame
    for second, cell in (("theirs", "+13"), ("worse", "+39*")):
        text = printed(difference_map(comparison(frame, "mine", second), "mine", second))
        assert next(line for line in text.splitlines() if "High" in line).split()[1] == cell
        assert "*: the 95% interval over seeds excludes zero" in " ".join(text.split())


def test_terminal_map_of_ten_rates_fits_into_80_columns(frame):
    row = part(comparison(frame, "good", "retrain"), "class-swap", 0.1).to_dict()
    wide = pd.DataFrame(
        [row | {"discovery_rate": rate / 10, "aggregate": -100.0, "aggregate_high": -1.0} for rate in range(1, 11)]
    )
    text = printed(difference_map(wide, "good", "retrain"))
    assert next(line for line in text.splitlines() if "Med." in line).split()[1:] == ["-100*"] * 10


def test_blue_is_better_brown_is_worse_and_white_is_equal():
    def channels(points: float) -> tuple[int, int, int]:
        colour = difference_colours(points)[0]
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

    assert channels(80)[2] > channels(80)[0]
    assert channels(-80)[0] > channels(-80)[2]
    assert min(channels(0)) > 240
    assert channels(10)[2] - channels(10)[0] < channels(30)[2] - channels(30)[0]
    assert [difference_colours(points)[1] for points in (-80, 0, 80)] == ["#ffffff", "#000000", "#ffffff"]


def test_sheets_of_few_seeds_are_a_demonstration(frame):
    table = comparison(frame, "good", "retrain")
    overview = overview_sheet(table, "good", "retrain", "50% capacity", "50% capacity")
    assert overview.title == "good minus retrain. Two seeds: a demonstration, not a ranking."
    assert [section[0][0] for section in overview.sections] == ["all", "High"]
    assert overview.sections[1][1][:5] == ["Med.", "+30.0", "-", "2 untested", "2/0/0"]
    assert "originals differ" not in overview.note
    assert "their originals (a and b)" in overview_sheet(table, "good", "retrain", "a", "b").note
    assert map_sheet(table, "good", "retrain").sections[0][1] == ["Med.", "+30.0", "+30.0"]


def test_sheets_have_signs_and_intervals(four):
    table = comparison(four.board().frame, "mine", "theirs")
    low, high = (100 * end for end in stats.ttest_rel(MINE, THEIRS).confidence_interval())
    overview = overview_sheet(table, "mine", "theirs")
    assert overview.title == "mine minus theirs"
    assert overview.sections[0][0][:5] == ["all", "+13.0", f"[{low:.1f}, {high:.1f}]", "4 paired", "3/0/1"]
    assert map_sheet(table, "mine", "theirs").sections[0][0] == ["High", f"+13.0 [{low:.1f}, {high:.1f}]"]
    numbers = (1.26, -1.26, 0.04, -0.04, float("nan"))
    assert [signed(points) for points in numbers] == ["+1.3", "-1.3", "0.0", "0.0", "-"]
