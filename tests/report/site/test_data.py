"""What scripts know of a board is what the store holds."""

import json
import math

import pytest

from unlearnbench.evaluation.statistics import quantile
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.site.data import DIGITS, codes_of


def data_of(folder):
    """What the script of a board hands to its pages."""
    text = (folder / "data.js").read_text()
    assert text.isascii()
    assert "<" not in text
    assert text.startswith("unlearnbench.receive(")
    return json.loads(text.removeprefix("unlearnbench.receive(").removesuffix(");\n"))


def decoded(text, width, values):
    """The values of a text of codes; nan where nothing was measured."""
    parts, base = [text[at : at + width] for at in range(0, len(text), width)], len(DIGITS)
    places = [sum(DIGITS.index(digit) * base**power for power, digit in enumerate(reversed(part))) for part in parts]
    return [math.nan if place == 0 else values[place] for place in places]


def test_every_value_of_every_trial_is_that_of_the_store(folder, small_of_module):
    data, frame = data_of(folder), read_board(small_of_module.engine, "small").frame
    names = {method["name"]: method for method in data["methods"].values()}
    assert set(names) == set(frame["method"])
    first, *metrics = [name for name, _ in data["metrics"]]
    assert first == "aggregate", "scripts compute it"
    for row in frame.to_dict("records"):
        method = names[row["method"]]
        if method["whole"] and not row["whole"]:
            continue
        seed, count = method["seeds"].index(data["seeds"].index(row["seed"])), len(method["seeds"])
        y = [name for name, _ in data["rows"]].index(row["corruption"])
        x = data["rates"].index(100 * row["discovery_rate"])
        for index, metric in enumerate(metrics):
            text = method["values"][index][y]
            values = decoded(text, data["widths"][index], data["values"][index]) or [math.nan]
            value = values[(x * count + seed) % len(values)]
            assert value == pytest.approx(100 * row[metric], abs=1e-5, nan_ok=True)
        said = method["trials"].get(f"{y},{x},{seed}", "finished")
        assert (said == "finished", said is None) == (row["state"] == "finished", row["state"] == "missing")


def test_pairs_are_of_the_same_original_weights(ranked, folder):
    data = data_of(ranked.folder)["methods"]
    assert data["good"]["started"] == data["twin"]["started"]
    assert len({number for row in data["good"]["started"] for number in row}) == 3 * 8
    data = data_of(folder)["methods"]
    for mine, theirs in zip(data["good"]["started"], data["good-on-tied-dropout"]["started"], strict=True):
        assert not set(mine) & set(theirs)
    assert data["flaky"]["started"] == [[-1, -1]] * 3, "no seed of it is whole"


def test_ranks_of_parts_are_those_of_their_rankings(ranked, folder):
    data, frame = data_of(ranked.folder), ranked.board.frame
    assert set(data["ranks"]) >= {"class-swap", ",10", ",100", "class-swap,10", "poison-trigger,100"}
    assert len(data["ranks"]) == 3 + 2 + 3 * 2
    for name, ranks in data["ranks"].items():
        corruption, _, rate = name.partition(",")
        rows = frame[frame["corruption"] == corruption] if corruption else frame
        rows = rows[rows["discovery_rate"] == float(rate) / 100] if rate else rows
        table = ranking(rows).set_index("method")
        found = {data["methods"][page]["name"]: tuple(rank) for page, rank in zip(data["ranked"], ranks, strict=True)}
        assert found == {method: tuple(table.loc[method, ["best", "worst"]]) for method in ("good", "twin", "weak")}
    assert data_of(folder)["ranks"] == {}


@pytest.mark.parametrize(("count", "width"), [(10, 1), (90, 1), (91, 2), (91**2, 3)])
def test_codes_give_the_values_back(count, width):
    values = [100 * index / count for index in range(count)]
    codes = codes_of([*values, math.nan])
    assert codes.width == width
    for value in (values[0], values[count // 2], values[-1]):
        assert decoded(codes.text(value), width, codes.values) == [pytest.approx(value, abs=1e-5)]
    assert math.isnan(decoded(codes.text(math.nan), width, codes.values)[0])


def test_quantiles_reach_from_three_seeds_to_two_methods_of_all(ranked):
    data = data_of(ranked.folder)
    freedoms = [2 + data["step"] * index for index in range(len(data["quantiles"]))]
    assert freedoms[-1] == pytest.approx(2 * 8 - 2)
    assert data["quantiles"] == pytest.approx([quantile(freedom) for freedom in freedoms], abs=1e-4)
