import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unlearnbench.report.numbers.ranking import ranking, ranking_by_corruption, ranking_of
from unlearnbench.report.text.tables import ranking_sheets

CELLS = [(regularity, rate, seed) for regularity in ("low", "medium", "high") for rate in (0.1, 1.0) for seed in (0, 1)]
WOBBLE = np.array([0.04, -0.03, 0.02, -0.01, 0.05, -0.04, 0.01, -0.04])
"""Over eight seeds: what one method has of it and another has not is noise of their difference."""


@pytest.fixture
def frame(small) -> pd.DataFrame:
    return small.board().frame


@pytest.fixture
def eight(stored):
    """Eight seeds: two methods that cannot be told apart, one that is worse than both."""
    stored.column(seeds=8)
    hardness = np.linspace(0.2, 0.6, 8)
    stored.scored("good", hardness + 0.2)
    stored.scored("close", hardness + 0.195 + WOBBLE)
    stored.scored("far", hardness - WOBBLE / 2)
    return stored


def ranks(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    known = table.dropna(subset="best")
    return dict(zip(known["method"], zip(known["best"], known["worst"], strict=True), strict=True))


def test_means_intervals_and_seeds_of_a_method(stored):
    stored.column(seeds=4)
    healed = [0.5, 0.6, 0.8]
    stored.scored("good", healed, utility=0.5)
    stored.trial("first", "good", ("high", 1.0, 3), state="missing")
    row = ranking(stored.board().frame).set_index("method").loc["good"]
    low, high = stats.t.interval(0.95, 2, np.mean(healed), stats.sem(healed))
    assert row["healed_train_seeds"] == pytest.approx((50, 60, 80))
    ends = row[["healed_train_low", "healed_train", "healed_train_high"]].tolist()
    assert ends == pytest.approx([100 * low, 100 * np.mean(healed), 100 * high])
    assert row["aggregate"] == pytest.approx(50 * np.mean(healed))
    assert (row["utility"], row["utility_constant"], np.isnan(row["utility_low"])) == (pytest.approx(50.0), True, True)
    assert (row["seeds"], row["trials"], row["failed"], row["missing"]) == (3, 3, 0, 1)


def test_failures_count_as_zero_in_the_product_only(small):
    small.submission("new", "new")
    for cell in CELLS:
        small.trial("first", "new", cell, state="failed" if cell[1] == 0.1 else "finished", healed=0.5, utility=0.6)
    row = ranking(small.board().frame).set_index("method").loc["new"]
    assert row[["aggregate", "healed_train", "utility"]].tolist() == pytest.approx([15.0, 50.0, 60.0])
    assert (row["trials"], row["failed"], row["missing"], row["seconds"], row["cost"]) == (12, 6, 0, 2.0, 0.25)


def test_sorted_by_the_mean_and_references_last(frame):
    table = ranking(frame)
    assert table["method"].tolist() == ["good", "retrain", "flaky", "oracle"]
    assert table["aggregate"].tolist() == pytest.approx([48.0, 18.0, np.nan, 90.0], nan_ok=True)
    assert table["ranked"].tolist() == [True, True, True, False]


def test_a_method_without_a_whole_seed_has_a_row_and_no_mean(frame):
    row = ranking(frame).set_index("method").loc["flaky"]
    assert row[["aggregate", "aggregate_low", "healed_train", "utility", "seconds", "cost"]].isna().all()
    assert (row["seeds"], row["trials"], row["failed"], row["missing"]) == (0, 0, 0, 3)
    assert row["aggregate_seeds"] == ()


def test_the_numbers_of_a_method_do_not_depend_on_the_others(eight):
    frame = eight.board().frame
    alone = ranking(frame[frame["method"] == "close"])
    among = ranking(frame)[lambda table: table["method"] == "close"].reset_index(drop=True)
    assert alone.drop(columns=["best", "worst"]).equals(among.drop(columns=["best", "worst"]))
    assert ranks(alone) == {"close": (1, 1)}


def test_ranks_of_eight_seeds_are_intervals(eight):
    table = ranking(eight.board().frame)
    assert table["method"].tolist() == ["good", "close", "far"]
    assert ranks(table) == {"good": (1, 2), "close": (1, 2), "far": (3, 3)}


def test_of_seven_seeds_there_are_intervals_and_no_ranks(eight):
    frame = eight.board().frame
    seven = ranking(frame[frame["corruption_seed"] < 7])
    assert ranks(seven) == {}
    assert seven["aggregate_low"].notna().all()
    two = ranking(frame[frame["corruption_seed"] < 2])
    assert two["aggregate_low"].isna().all()
    assert two["aggregate"].notna().all()


def test_a_method_of_fewer_seeds_than_the_others_is_not_ranked_among_them(eight):
    eight.scored("best of seven", [0.9, 0.95] * 3 + [0.9])
    eight.scored("reference", [0.95, 0.99] * 4, role="reference")
    table = ranking(eight.board().frame)
    assert table["method"].tolist() == ["best of seven", "good", "close", "far", "reference"]
    assert ranks(table) == {"good": (1, 2), "close": (1, 2), "far": (3, 3)}


def test_one_row_a_method_competes_the_variant_that_the_suite_names_first(eight):
    for variant, more in (("tuned", 0.1), ("tight", 0.05), ("loose", 0.15)):
        eight.scored(f"far/{variant}", np.linspace(0.3, 0.6, 8) + more)
    eight.scored("only/loose", np.linspace(0.1, 0.2, 8))
    eight.scored("only/odd", np.linspace(0.1, 0.2, 8))
    frame = eight.board().frame

    def ranked(*variants: str) -> list[str]:
        table = ranking(frame, variants)
        assert table["ranked"].is_monotonic_decreasing, "what does not compete stands below"
        assert set(ranks(table)) == set(table.loc[table["ranked"], "method"])
        return sorted(set(table.loc[table["ranked"], "method"]) - {"good", "close"})

    assert ranked("default") == ["far", "only/loose"]
    assert ranked("tight", "tuned") == ["far/tight", "only/loose"]
    assert ranked("unheard-of", "tuned") == ["far/tuned", "only/loose"]
    assert ranked("odd") == ["far", "only/odd"]


def test_a_variant_with_fewer_seeds_does_not_take_the_place_of_a_whole_one(eight):
    eight.scored("far/tuned", np.linspace(0.8, 0.9, 7))
    eight.submission("good/tuned", "good", "tuned")
    eight.trial("first", "good/tuned", ("high", 1.0, 0), state="missing")
    table = ranking(eight.board().frame, ["tuned"])
    assert sorted(table.loc[table["ranked"], "method"]) == ["close", "far", "good"]
    eight.trial("first", "far/tuned", ("high", 1.0, 7))
    table = ranking(eight.board().frame, ["tuned"])
    assert sorted(table.loc[table["ranked"], "method"]) == ["close", "far/tuned", "good"]
    assert table.set_index("method")["untuned"].to_dict() == {
        "good": False,  # its tuned variant has begun to run
        "good/tuned": False,
        "close": True,
        "far": False,
        "far/tuned": False,
    }


def test_where_defaults_are_ranked_a_tuned_variant_never_takes_their_place(eight):
    eight.scored("late", [0.5] * 7)
    eight.scored("late/tuned", [0.9] * 8)
    eight.scored("only/tuned", [0.9] * 8)
    table = ranking(eight.board().frame, ["default", "tuned"])
    assert sorted(table.loc[table["ranked"], "method"]) == ["close", "far", "good", "late", "only/tuned"]
    assert not table["untuned"].any()


def test_costs_are_over_the_seeds_that_both_have(stored):
    """The last seed is of a machine that is half as fast."""
    stored.column(seeds=3)
    stored.scored("good", [0.5, 0.5], seconds=1.0)
    stored.scored("retrain", [0.5, 0.5], seconds=4.0)
    stored.trial("first", "retrain", ("high", 1.0, 2), seconds=8.0)
    stored.scored("late", [])
    stored.trial("first", "late", ("high", 1.0, 2), seconds=2.0)
    table = ranking(stored.board().frame).set_index("method")
    assert table.loc[["good", "late", "retrain"], "cost"].tolist() == pytest.approx([1 / 4, 2 / 8, 1.0])


def test_the_number_of_competitors_is_that_of_the_ranks(eight):
    eight.scored("far/tuned", np.full(8, 0.01) + WOBBLE / 100)
    assert ranks(ranking(eight.board().frame, ["default"]))["far"] == (3, 3)


def test_methods_are_ranked_among_those_on_the_same_kind_of_original(eight):
    eight.scored("retrain", 0.1 + WOBBLE, seconds=8.0)
    for name, healed, seconds in (("good", 0.2, 3.0), ("far", 0.5, 2.0), ("retrain", 0.1, 6.0)):
        eight.scored(name, healed + WOBBLE, seconds=seconds, training="tied-dropout")
    frame = eight.board().frame
    table = ranking(frame).set_index("method")
    tied = ["far on tied dropout", "good on tied dropout", "retrain on tied dropout"]
    assert table.index.tolist() == ["good", "close", "far", "retrain", *tied], "the suite's first kind comes first"
    assert set(table.loc[tied, "starts_from"]) == {"50% capacity, tied dropout"}
    assert table.loc["good on tied dropout", "cost"] == pytest.approx(3.0 / 6.0)
    assert table.loc["good", "cost"] == pytest.approx(2.0 / 8.0)
    standard = ranking(frame[frame["training"] == "standard"]).set_index("method")
    assert table.loc[["good", "close", "far", "retrain"]].equals(standard)


def test_trials_beyond_the_oracle_are_counted(eight):
    eight.scored("oracle", [0.1] * 8, role="reference")
    table = ranking(eight.board().frame).set_index("method")
    # Three standard errors over 10% of 10 samples is 38.5%; `far` heals 18, 27, 30, 38, 40, 51, 54 and 62%.
    assert table["beyond"].to_dict() == {"good": 8, "close": 8, "far": 4, "oracle": 0}


def test_each_corruption_has_a_ranking_of_its_own(small):
    board = small.board()
    frame, table = board.frame, ranking_by_corruption(board.totals, board.suite)
    assert table["corruption"].unique().tolist() == ["poison-trigger", "class-swap", "random-swap"]
    for corruption, part in table.groupby("corruption"):
        expected = ranking(frame[frame["corruption"] == corruption])
        pd.testing.assert_frame_equal(part.drop(columns=["corruption", "budget"]).reset_index(drop=True), expected)
    good = table[table["method"] == "good"].set_index("corruption")["healed_train"]
    assert good.tolist() == pytest.approx([80.0, 60.0, 40.0])


def test_a_board_without_a_record_can_be_ranked(stored):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="missing")
    board = stored.board()
    table = ranking_of(board.totals, board.suite)
    assert table[["best", "budget"]].isna().all(axis=None)
    assert table[["method", "seeds", "trials", "missing"]].to_numpy().tolist() == [["good", 0, 0, 6]]
    assert ranking_by_corruption(board.totals, board.suite)["method"].tolist() == ["good"] * 3


def test_who_started_from_other_originals_is_compared_unpaired_and_named(eight):
    eight.scored("foreign", np.linspace(0.3, 0.5, 8), weights="of another machine")
    table = ranking(eight.board().frame).set_index("method")
    rivals = int(table["best"].notna().sum()) - 1
    assert table.loc["foreign", "unpaired"] == rivals
    assert (table.loc[table["best"].notna(), "unpaired"].drop("foreign") == 1).all()
    (sheet, *_) = ranking_sheets(ranking(eight.board().frame), "Board")
    assert f"foreign with {rivals}" in sheet.note
