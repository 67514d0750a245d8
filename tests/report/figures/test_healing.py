import numpy as np
import pytest
from looks import grid, legend
from scipy import stats

from unlearnbench.errors import UsageError
from unlearnbench.report.figures import healing_scatter


def caption(figure):
    return figure.legends[0].get_title().get_text()


def test_scatter_shows_finished_trials_with_utility_and_counts_the_rest(frame):
    figure = healing_scatter(frame)
    assert sum(len(points.get_offsets()) for points in figure.axes[0].collections) == 36
    assert caption(figure).startswith("6 of 42 trials left out: utility under 80% of the original's")
    assert [text.split(":")[0] for text in legend(figure)] == ["All", "High", "Med.", "Low"]
    strict = healing_scatter(frame, "absolute", 0.85)
    assert sum(len(points.get_offsets()) for points in strict.axes[0].collections) == 24
    assert caption(strict).endswith("utility under 85% absolute")


def test_only_chosen_methods_are_shown_and_named(frame):
    figure = healing_scatter(frame, methods=["good", "flaky"])
    assert sum(len(points.get_offsets()) for points in figure.axes[0].collections) == 12
    assert caption(figure).startswith("Trials of good, flaky\n6 of 18 trials left out")
    with pytest.raises(UsageError, match="no trials of method 'great'"):
        healing_scatter(frame, methods=["good", "great"])


def test_points_are_train_against_test_and_the_correlation_is_theirs():
    frame = grid(["a"]).assign(utility=0.9)
    figure = healing_scatter(frame)
    high = frame[frame["regularity"] == "high"]
    points = np.asarray(figure.axes[0].collections[0].get_offsets())
    assert points == pytest.approx(100 * high[["healed_train", "healed_test"]].to_numpy())
    r = stats.pearsonr(high["healed_train"], high["healed_test"]).statistic
    assert legend(figure)[1].startswith(f"High: r = {r:.2f} [")
    assert legend(figure)[1].endswith(f"n = {len(high)}")


def test_regularities_differ_without_colour(frame):
    shapes = [points.get_paths()[0].vertices.shape for points in healing_scatter(frame).axes[0].collections]
    assert len(set(shapes)) == 3
