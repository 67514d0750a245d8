import numpy as np
import pytest
from scipy import stats

from tests.report.figures.looks import grid, legend
from unlearnbench.errors import UsageError
from unlearnbench.report.figures import healing_scatter


def caption(figure):
    return figure.legends[0].get_title().get_text()


def drawn(figure):
    return sum(len(points.get_offsets()) for points in figure.axes[0].collections)


def test_scatter_shows_finished_trials_of_whole_seeds_and_counts_what_has_no_utility(frame):
    figure = healing_scatter(frame)
    assert drawn(figure) == 36  # `flaky` has no whole seed
    assert caption(figure).startswith("0 of 36 trials left out: utility under 80% of the original's\n")
    assert [text.split(":")[0] for text in legend(figure)] == ["All", "High", "Med.", "Low"]
    strict = healing_scatter(frame, "absolute", 0.85)
    assert drawn(strict) == 24
    assert caption(strict).startswith("12 of 36 trials left out: utility under 85% absolute\n")


def test_only_chosen_methods_are_shown_and_named(frame):
    figure = healing_scatter(frame, methods=["good", "retrain"])
    assert drawn(figure) == 24
    assert caption(figure).startswith("Trials of good, retrain\n0 of 24 trials left out")
    with pytest.raises(UsageError, match="unknown method 'great' in the results"):
        healing_scatter(frame, methods=["good", "great"])


def test_points_are_train_against_test_and_the_correlation_is_the_mean_of_the_seeds():
    frame = grid(["a"]).assign(utility=0.9)
    frame["healed_test"] = np.random.default_rng(1).uniform(0, 1, len(frame))
    figure = healing_scatter(frame)
    high = frame[frame["corruption"] == "poison-trigger"]
    points = np.asarray(figure.axes[0].collections[0].get_offsets())
    assert points == pytest.approx(100 * high[["healed_train", "healed_test"]].to_numpy())
    z = [np.arctanh(stats.pearsonr(own["healed_train"], own["healed_test"])[0]) for _, own in high.groupby("seed")]
    assert legend(figure)[1].startswith(f"High: r = {np.tanh(np.mean(z)):.2f} [")
    assert legend(figure)[1].endswith(f", 3 seeds, {len(high)}\N{NO-BREAK SPACE}trials")


def test_the_caption_says_what_so_many_seeds_can_say():
    assert caption(healing_scatter(grid(["a"]))).endswith("\n3 seeds: means and intervals; ranks need 8.")
    assert caption(healing_scatter(grid(["a"], seeds=(0, 1)))).endswith("\nTwo seeds: a demonstration, not a ranking.")


def test_corruptions_differ_without_colour_and_two_of_one_regularity_are_told_apart(fourth):
    figure = healing_scatter(grid(["a"], corruptions=("random-swap", "class-swap", "poison-trigger", fourth)))
    outlines = {points.get_paths()[0].vertices.tobytes() for points in figure.axes[0].collections}
    assert len(outlines) == 4
    names = [text.split(":")[0] for text in legend(figure)]
    assert names == ["All", "High", "Med.", "Low random-swap", "Low random-swap/noise"]
