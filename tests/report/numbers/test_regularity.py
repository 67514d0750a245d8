"""Measured regularity, who is best where, and whether the one predicts the other, worked out by hand."""

import pandas as pd
import pytest

from unlearnbench.report.numbers.frames import map_of
from unlearnbench.report.numbers.regularity import amount, choices, points, prediction, steady, table, values_of
from unlearnbench.report.numbers.regularity import measured as regularities
from unlearnbench.report.text.regularity import prediction_markdown, regularity_markdown
from unlearnbench.report.wording import in_order, row_labels

LOW, MEDIUM, HIGH = "random-swap", "class-swap", "poison-trigger"


def test_it_is_what_retraining_gives_wrong_at_ten_percent(measured):
    found = regularities(measured.board().frame)
    assert {name: point.share.value for name, point in found.items()} == {LOW: 0.0, MEDIUM: 0.25, HIGH: 0.75}
    assert {point.left for point in found.values()} == {9.0}, "ten are corrupted, and one of them is found"
    assert {tuple(point.shares.values()) for point in found.values()} == {(0.0, 0.0), (0.25, 0.25), (0.75, 0.75)}


def test_every_rate_is_a_point_and_the_last_is_the_base_rate(measured):
    frame = measured.board().frame
    assert [(point.rate, point.left) for point in points(frame) if point.corruption == HIGH] == [(0.1, 9.0), (1.0, 0.0)]
    rows = table(frame).set_index("corruption")
    assert rows.loc[HIGH, ["value", "base", "left", "corrupted"]].tolist() == [0.75, 0.0, 9.0, 10.0]


def test_other_methods_and_failed_trials_measure_nothing(stored):
    stored.run("first")
    stored.problems()
    for name in ("good", "retrain"):
        stored.submission(name, name)
    stored.trial("first", "good", ("low", 0.1, 0), misled=0.5)
    stored.trial("first", "retrain", ("low", 0.1, 0), state="failed")
    frame = stored.board().frame
    assert points(frame) == []
    assert values_of(frame) == {}
    assert amount(frame) == ""
    page = regularity_markdown(frame)
    assert f"| {LOW} | Low | - | - | - | - |" in page
    assert "Not measured (-): `unlearnbench run SUITE --method retrain --rate 0.1` measures it." in page


def test_rows_are_sorted_by_it_and_say_it():
    known = {LOW: 0.5, HIGH: 0.125, "mislabelled-cluster": 1.0}
    names = [LOW, MEDIUM, HIGH, "mislabelled-cluster"]
    assert in_order(names) == [HIGH, MEDIUM, "mislabelled-cluster", LOW], "without numbers: by what they are named for"
    assert in_order(names, known) == ["mislabelled-cluster", LOW, HIGH, MEDIUM], "what was not measured comes last"
    assert row_labels([LOW, HIGH], measured=known) == {LOW: "Low .50", HIGH: "High .12"}
    assert row_labels(names, measured=known) == {
        "mislabelled-cluster": "mislabelled-cluster 1.00",
        LOW: "Low .50",
        HIGH: "High .12",
        MEDIUM: "Med. class-swap",
    }


def test_maps_have_their_rows_in_its_order(measured):
    frame = measured.board().frame
    assert list(map_of(frame, "aggregate", "good").index) == [HIGH, MEDIUM, LOW]
    turned = frame.assign(measured=-frame["measured"])
    assert list(map_of(turned, "aggregate", "good").index) == [LOW, MEDIUM, HIGH]
    assert amount(frame) == "9 left in"


def scores(
    rows: dict[tuple[str, str], list[float]],
    regularity: dict[str, float],
    once: dict[tuple[str, int], float] | None = None,
) -> pd.DataFrame:
    """A frame of one rate: utility x healed by method and corruption, a value per seed.

    Each seed measures the regularity of a corruption as it is, or as `once` has it.
    """
    retraining = {("retrain", name): [float("nan")] * 4 for name in regularity}
    return pd.DataFrame(
        {
            "method": method,
            "corrupted": 100,
            "misled_discovered": (once or {}).get((corruption, seed), regularity[corruption]),
            "corruption": corruption,
            "discovery_rate": 0.1,
            "seed": str(seed),
            "state": "finished",
            "whole": True,
            "aggregate": value,
            "measured": regularity[corruption],
            "original_weights_hash": f"{corruption} {seed}",
        }
        for (method, corruption), values in (rows | retraining).items()
        for seed, value in enumerate(values)
    )


def test_the_prediction_is_a_rank_correlation_over_corruptions():
    regularity = {f"c{place}": place / 5 for place in range(6)}
    rising = {("up", name): [value**2, value**2] for name, value in regularity.items()}
    falling = {("down", name): [1 - value] for name, value in regularity.items()}
    flat = {("flat", name): [0.5] for name in regularity}
    found = prediction(scores(rising | falling | flat, regularity)).set_index("method")
    assert found.loc["up", ["rho", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert found.loc["down", "rho"] == pytest.approx(-1)
    assert found.loc[["flat"], "rho"].isna().all()
    assert (found["corruptions"] == 6).all()
    four = {key: value for key, value in rising.items() if key[1] not in ("c0", "c1")}
    assert prediction(scores(four, regularity))["rho"].isna().all(), "four corruptions are too few"


def test_what_to_use_without_knowing():
    regularity = {"a": 0.0, "b": 0.5, "c": 1.0}
    rows = {("peak", "a"): [1.0, 0.8], ("peak", "b"): [0.9, 0.9], ("peak", "c"): [0.0, 0.2]}
    rows |= {("flat", name): [0.4, 0.6] for name in regularity}
    found = steady(scores(rows, regularity), ["peak", "flat"], 0.1)
    assert found.loc["peak", ["mean", "worst", "where"]].tolist() == pytest.approx([63.333333, 10.0, "c"])
    assert found.loc["flat", ["mean", "worst"]].tolist() == pytest.approx([50.0, 50.0])


def test_what_choosing_by_measured_regularity_is_worth():
    regularity = {"a": 0.0, "b": 0.1, "c": 0.9, "d": 1.0}
    of_low, of_high = [0.8, 0.9, 1.0], [0.3, 0.2, 0.1]
    rows = {("low", name): of_low if value < 0.5 else of_high for name, value in regularity.items()}
    rows |= {("high", name): of_high if value < 0.5 else of_low for name, value in regularity.items()}
    rows |= {("always", name): [0.7, 0.7, 0.7] for name in regularity}
    found = choices(scores(rows, regularity), ["low", "high", "always"], 0.1)
    assert found["value"].to_dict() == pytest.approx(
        {"regularity": 90, "once": 90, "nothing": 70, "corruption": 90, "gain": 20, "gain_once": 20}
    )
    assert found.loc["gain", ["low", "high"]].tolist() == pytest.approx([20 - 24.841377, 20 + 24.841377])
    assert found.loc["nothing", ["low", "high"]].isna().all(), "the same in every seed"
    late = rows | {("late", name): [0.1, 0.1, 0.1, 0.1] for name in regularity}
    again = choices(scores(late, regularity), ["low", "high", "always", "late"], 0.1)
    assert again["value"].to_dict() == pytest.approx(found["value"].to_dict()), "one method has a seed more"
    del rows["always", "c"]
    found = choices(scores(rows, regularity), ["low", "high", "always"], 0.1)
    assert found["value"].to_dict()["nothing"] < 60, "a method without a cell cannot be chosen"
    assert choices(scores(rows, {name: float("nan") for name in regularity}), ["low"], 0.1).empty


def test_one_measurement_is_worth_less_than_the_mean_of_all():
    """Each seed chooses by what it measured itself, among methods whose scores the other seeds have."""
    regularity = {"a": 0.0, "b": 0.1, "c": 0.9, "d": 1.0}
    rows = {("low", name): [0.9] * 3 if value < 0.5 else [0.1] * 3 for name, value in regularity.items()}
    rows |= {("high", name): [0.1] * 3 if value < 0.5 else [0.9] * 3 for name, value in regularity.items()}
    found = choices(scores(rows, regularity, {("a", 1): 1.0}), ["low", "high"], 0.1)
    assert found.loc["regularity", "value"] == pytest.approx(90)
    assert found.loc["once", "value"] == pytest.approx((90 + (10 + 3 * 90) / 4 + 90) / 3), "seed 1 takes a for regular"
    rows["lucky", "a"] = [0.0, 0.0, 5.0]
    rows |= {("lucky", name): [0.0, 0.0, 5.0] for name in "bcd"}
    lucky = choices(scores(rows, regularity), ["low", "high", "lucky"], 0.1)
    values = lucky["value"].to_dict()
    assert values["once"] < values["regularity"], "its own seed is not among those it learns from"
    missing = choices(scores(rows, regularity, {("a", 1): float("nan")}), ["low", "high"], 0.1)
    assert missing.loc["once", "value"] == pytest.approx(90), "a seed without a measurement has no choice"


def test_the_page_says_who_is_best_without_knowing():
    regularity = {name: place / 5 for place, name in enumerate([LOW, MEDIUM, HIGH, "a", "b", "c"])}
    rows = {("up", name): [value, value] for name, value in regularity.items()}
    rows |= {("flat", name): [0.4, 0.6] for name in regularity}
    page = prediction_markdown(scores(rows, regularity), ["up", "flat"])
    assert "| up | 1.00 [1.00, 1.00] |" in page
    assert "| flat | - |" in page
    assert "`up` has the best mean over the corruptions, 50.0, and `flat` the best worst case, 50.0 on" in page
