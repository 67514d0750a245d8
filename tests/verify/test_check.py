"""Each rule finds what it is for, names it, and is silent about the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unlearnbench.verify.check import NEGLIGIBLE_COST, NOT_COMPARABLE, Finding, compare

CORRUPTIONS = {"low": "random-swap", "medium": "class-swap", "high": "poison-trigger"}
CELLS = [(regularity, rate) for regularity in CORRUPTIONS for rate in (0.1, 0.5, 1.0)]


def trials(method: str, cells: list[tuple[str, float]] = CELLS, **changes: Any) -> pd.DataFrame:
    """The rows of a method in a baseline, one a cell."""
    rows = [
        {
            "suite": "small",
            "method": method,
            "submission": method,
            "variant": "default",
            "source_hash": f"source of {method}",
            "hyperparameters": "{}",
            "regularity": regularity,
            "corruption": CORRUPTIONS[regularity],
            "discovery_rate": rate,
            **dict.fromkeys(("corruption_seed", "training_seed", "unlearning_seed"), 0),
            "capacity": 0.5,
            "training": "standard",
            "state": "finished",
            "reason": "",
            **dict.fromkeys(("healed_train", "healed_test", "utility"), 0.5),
            **dict.fromkeys(("healed_undiscovered", "attack_success"), np.nan),
            "aggregate": 0.25,
            "weights_hash": f"weights {method} {regularity} {rate}",
            "original_weights_hash": f"original {regularity}",
            "seconds": 1.0,
            "cost": 0.25,
            "processor": "P",
            "device": "cpu",
            "precision": "float32",
            "threads": 1,
            "torch": "2.7",
            "numpy": "2.0",
            "protocol": 1,
            "revision": "abc",
            "once": False,
        }
        for regularity, rate in cells
    ]
    return pd.DataFrame(rows).assign(**changes)


def at(frame: pd.DataFrame, rows: list[int], **values: object) -> pd.DataFrame:
    """The frame with other values in these rows."""
    frame = frame.copy()
    for column, value in values.items():
        frame.loc[rows, column] = value
    return frame


def findings(before: pd.DataFrame, after: pd.DataFrame, cost_factor: float = 2.0) -> dict[str, Finding]:
    """What is said of the method `mine`, by rule."""
    found = compare(before, after, cost_factor=cost_factor).findings
    return {finding.rule: finding for finding in found if finding.method == "mine"}


def verdicts(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, str]:
    return {rule: finding.status for rule, finding in findings(before, after).items()}


def with_seeds(frame: pd.DataFrame, *aggregates: float, **changes: Any) -> pd.DataFrame:
    """The frame once for each of these numbers, a seed each, from originals of its own."""
    seeds = [
        frame.assign(
            corruption_seed=seed,
            aggregate=value,
            original_weights_hash=frame["original_weights_hash"] + f" {seed}",
            **changes,
        )
        for seed, value in enumerate(aggregates)
    ]
    return pd.concat(seeds, ignore_index=True)


FINE = {"present": "fine", "finishes": "fine", "score": "fine", "same numbers": "fine", "cost": "fine"}
MINE = trials("mine")
CHANGED = {"source_hash": "another"}


def test_the_same_again_is_fine():
    assert verdicts(MINE, MINE) == FINE
    assert verdicts(MINE, MINE.sample(frac=1, random_state=0)) == FINE


def test_from_three_seeds_on_the_interval_over_seeds_judges():
    before = with_seeds(MINE, 0.25, 0.35, 0.45)
    # Differences -4, -5, -6: the mean's standard error is 1 / sqrt(3), and t of two degrees 4.30, so +- 2.5.
    said = findings(before, with_seeds(MINE, 0.21, 0.30, 0.39, **CHANGED))
    assert said["score"].status == "regression"
    assert said["score"].message == (
        "dropped: 35.0 -> 30.0, -5.0 [-7.5, -2.5] over 3 seeds; poison-trigger -5.0; class-swap -5.0; random-swap -5.0"
    )
    assert said["same numbers"].message == "the method's source changed (27)"


def test_a_rise_and_a_drop_within_the_interval_are_fine():
    before = with_seeds(MINE, 0.25, 0.35, 0.45)
    assert verdicts(before, with_seeds(MINE, 0.30, 0.41, 0.52, **CHANGED))["score"] == "fine"
    fell = findings(before, with_seeds(MINE, 0.05, 0.34, 0.46, **CHANGED))["score"]  # by 20, by 1, and a rise
    assert fell.status == "fine"
    assert fell.message.startswith("fell, but the interval includes no change: 35.0 -> 28.3, -6.7 [")


def test_a_method_without_a_forget_set_is_the_same_at_whatever_rate_it_was_read() -> None:
    """Its one trial for each corruption stands at the first rate of a table, and a table of one rate hides that."""
    whole = MINE[MINE["discovery_rate"] == MINE["discovery_rate"].min()].assign(once=True)
    half = whole.assign(discovery_rate=0.5, once=False)
    for before, after in ((half, whole), (whole, half)):
        assert verdicts(before, after)["present"] == "fine"
        assert verdicts(before, after)["same numbers"] == "fine"
    lost = findings(half, whole[1:])["present"]
    assert lost.message == "1 of 3 trials are missing: random-swap, seed 0"
    assert findings(half, whole.assign(once=False))["present"].status == "regression", "nothing says that it ran once"


def test_seeds_on_other_originals_are_compared_unpaired():
    """The same small drop in each of four seeds that differ much: told from pairs, not from two means."""
    before = with_seeds(MINE, 0.2, 0.4, 0.6, 0.8)
    after = with_seeds(MINE, 0.19, 0.38, 0.59, 0.78, **CHANGED)
    assert verdicts(before, after)["score"] == "regression"
    two_pairs = at(after, [0, 9], original_weights_hash="of another machine")  # one cell in each of two seeds
    assert verdicts(before, two_pairs)["score"] == "fine"
    elsewhere = after.assign(original_weights_hash="of another machine")
    said = findings(before, elsewhere)["score"]
    assert said.status == "fine"
    assert "over 4 seeds" in said.message
    gone = findings(before, elsewhere.assign(aggregate=elsewhere["aggregate"] / 20))["score"]
    assert gone.status == "regression"


@pytest.mark.parametrize(
    ("rows", "drop", "found"),
    [
        (range(9), 0.019, None),
        (range(9), 0.021, "dropped over 2 points overall: 25.0 -> 22.9, -2.1 over 1 seed; "),
        ([6, 7, 8], 0.049, None),  # a third of the cells: 1.6 overall
        ([6, 7, 8], 0.051, "dropped over 5 points on poison-trigger: 25.0 -> 23.3, -1.7 over 1 seed; "),
        ([0], 0.14, None),  # 1.6 overall, 4.7 on a corruption
        ([0, 1, 2, 3, 4, 5], 0.06, "dropped over 2 points overall and over 5 points on class-swap and over 5 points"),
    ],
)
def test_one_seed_on_the_same_originals_may_lose_fixed_points(rows, drop, found):
    said = findings(MINE, at(MINE.assign(**CHANGED), list(rows), aggregate=0.25 - drop))["score"]
    assert said.status == ("regression" if found else "fine")
    assert said.message.startswith(found or "25.0 -> ")


def test_one_seed_on_other_originals_is_not_comparable_and_no_regression():
    for original, status in (("as before", "regression"), ("other", "not checked")):
        after = MINE.assign(**CHANGED, aggregate=0.0)
        after = at(after, [4], original_weights_hash="other") if original == "other" else after
        said = findings(MINE, after)["score"]
        assert said.status == status
        assert (NOT_COMPARABLE in said.message) == (original == "other")
    assert not compare(MINE, after, cost_factor=2.0).having("regression")


def test_two_seeds_are_judged_like_one():
    before = with_seeds(MINE, 0.25, 0.35)
    said = findings(before, with_seeds(MINE, 0.20, 0.34, **CHANGED))["score"]
    assert said.message.startswith("dropped over 2 points overall: 30.0 -> 27.0, -3.0 over 2 seeds")


def test_a_failed_trial_counts_as_zero_in_the_score():
    failed = {"state": "failed", "aggregate": np.nan, "reason": "timeout: over 3 s"}
    said = findings(MINE, at(MINE, [0, 1, 2, 3], **failed))
    assert said["score"].status == "regression"
    assert "25.0 -> 13.9" in said["score"].message


def test_other_weights_of_unchanged_code_are_a_regression():
    after = at(MINE, [3], weights_hash="other", aggregate=0.26)
    said = findings(MINE, after)["same numbers"]
    assert said.status == "regression"
    assert "1 of 9 trials give different numbers; their originals are equal" in said.message
    assert "class-swap at 10%, seed 0" in said.message


def test_other_originals_are_named_as_the_cause():
    after = MINE.assign(weights_hash="other", original_weights_hash="other")
    assert "their originals already differ" in findings(MINE, after)["same numbers"].message


def test_other_metrics_of_equal_weights_are_a_change_of_the_evaluation():
    said = findings(MINE, at(MINE, [0], healed_test=0.51))["same numbers"]
    assert said.status == "regression"
    assert "the weights are equal: the evaluation changed" in said.message


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("hyperparameters", '{"rate": 1}', "the method's hyperparameters changed (9)"),
        ("processor", "Q", "processor Q instead of P (9)"),
        ("processor", "", "processor unknown instead of P (9)"),
        ("precision", "bfloat16", "precision bfloat16 instead of float32 (9)"),
        ("threads", 2, "threads 2 instead of 1 (9)"),
        ("torch", "2.8", "torch 2.8 instead of 2.7 (9)"),
        ("numpy", "2.1", "numpy 2.1 instead of 2.0 (9)"),
        ("protocol", 2, "protocol 2 instead of 1 (9)"),
    ],
)
def test_equality_is_not_expected_elsewhere_and_the_reason_is_given(column, value, reason):
    after = MINE.assign(weights_hash="other", aggregate=0.24, **{column: value})
    said = findings(MINE, after)
    assert (said["same numbers"].status, said["same numbers"].message) == ("not checked", reason)
    assert said["score"].status == "fine"  # there, the points judge


def test_equality_is_not_expected_of_a_gpu():
    gpu = MINE.assign(device="cuda")
    assert findings(gpu, gpu)["same numbers"].message == "a GPU may sum in a different order each time (9)"


def test_another_revision_of_the_harness_and_another_time_excuse_nothing():
    after = at(MINE.assign(revision="def", seconds=1.5), [0], weights_hash="other")
    assert verdicts(MINE, after)["same numbers"] == "regression"


def test_what_is_equal_somewhere_is_checked_there():
    mixed = at(MINE, [0, 1, 2], processor="Q")
    said = findings(MINE, mixed)["same numbers"]
    assert said.status == "fine"
    assert "6 of 9 trials checked; not checked: processor Q instead of P (3)" in said.message


def test_a_trial_that_newly_fails_is_named_with_its_reason():
    failed = {"state": "failed", "aggregate": np.nan, "reason": "raised: ValueError: no"}
    said = findings(MINE, at(MINE, [0, 6], **failed))["finishes"]
    assert said.status == "regression"
    expected = (
        "2 of 9 trials newly fail: raised: ValueError: no (random-swap at 10%, seed 0, poison-trigger at 10%, seed 0)"
    )
    assert said.message == expected


def test_a_trial_that_failed_before_is_no_news():
    failed = {"state": "failed", "aggregate": np.nan, "reason": "timeout"}
    assert verdicts(at(MINE, [0], **failed), at(MINE, [0], **failed)) == FINE
    assert verdicts(at(MINE, [0], **failed), MINE)["finishes"] == "fine"


def test_a_method_that_vanished_is_a_regression():
    other = trials("other")
    said = findings(pd.concat([MINE, other]), other)
    assert list(said) == ["present"]
    assert said["present"] == Finding(
        "mine", "present", "regression", "the method is gone: all of its 9 trials are missing"
    )


def test_a_trial_that_vanished_is_a_regression():
    said = findings(MINE, MINE.drop(index=[4]))
    assert said["present"].status == "regression"
    assert said["present"].message == "1 of 9 trials are missing: class-swap at 50%, seed 0"
    assert {finding.status for rule, finding in said.items() if rule != "present"} == {"fine"}


def test_a_method_on_another_original_is_another_method():
    other = MINE.assign(training="tied-dropout")
    assert verdicts(MINE, other) == {"present": "regression"}


def test_a_new_method_is_named_and_not_judged():
    found = compare(MINE, pd.concat([MINE, trials("new", aggregate=0.0)]), cost_factor=2.0)
    assert [finding for finding in found.findings if finding.method == "new"] == found.having("new")
    assert not found.having("regression")


def test_only_new_methods_are_nothing_to_judge():
    found = compare(MINE.iloc[:0], trials("new"), cost_factor=2.0)
    assert (found.suite, [finding.status for finding in found.findings]) == ("small", ["new"])


def test_cost_may_grow_up_to_the_factor_in_the_median_of_pairs():
    assert verdicts(MINE, MINE.assign(cost=0.51))["cost"] == "regression"
    assert verdicts(MINE, at(MINE, [0, 1, 2, 3], cost=9.0))["cost"] == "fine"
    said = findings(MINE, MINE.assign(cost=0.51), cost_factor=2.5)["cost"]
    assert said.status == "fine"
    assert said.message == "2.04 times what it was, median over 9 problems (25.0% of retraining, now 51.0%)"
    varied = MINE.assign(cost=[0.1, 0.1, 0.1, 0.1, 0.1, 5.0, 5.0, 5.0, 5.0])
    assert verdicts(varied, at(varied, [4], cost=5.0))["cost"] == "fine"  # the median of the costs is another


def test_a_slower_machine_is_no_regression():
    assert verdicts(MINE, MINE.assign(seconds=100.0))["cost"] == "fine"


def test_a_negligible_cost_may_grow_until_it_is_not():
    cheap = MINE.assign(cost=NEGLIGIBLE_COST / 100)
    assert verdicts(cheap, MINE.assign(cost=NEGLIGIBLE_COST))["cost"] == "fine"
    assert verdicts(cheap, MINE.assign(cost=3 * NEGLIGIBLE_COST))["cost"] == "regression"


def test_without_retraining_cost_is_not_checked():
    said = findings(MINE, MINE.assign(cost=np.nan))["cost"]
    assert said.status == "not checked"
    assert "`retrain`" in said.message


def test_retraining_is_the_unit_of_cost():
    unit = MINE.assign(submission="retrain")
    assert findings(unit, unit)["cost"].status == "not checked"
