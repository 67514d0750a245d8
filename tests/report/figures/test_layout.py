"""How figures look: one font size, nothing covered, nothing cut off, whatever there is to show."""

import pytest

from tests.report.figures.looks import ALL, drawn_texts, grid, overlaps, spoiled
from unlearnbench.report.figures import (
    FONT_SIZE,
    best_lines,
    choose_pairs,
    detail,
    healing_scatter,
    map_figure,
    maps,
    rates,
    regions,
    tied_dropout,
)

LONG = "rem/no_redirection_digits"
TWENTY_FIVE = [f"method_{index}" for index in range(23)] + [LONG, "good"]
KINDS = [(0.5, "standard"), (1.0, "standard"), (0.5, "tied-dropout"), (1.0, "tied-dropout")]
LONGEST = f"{LONG} on 100%, tied dropout"


def names(frame):
    return frame["method"].unique().tolist()


def full():
    return spoiled(grid(TWENTY_FIVE, seeds=(0, 1), references=["good", LONG]))


def few(**options):
    """Narrow: two rates, one corruption, long names."""
    return grid(["good", LONG], rates=(0.3, 0.5), corruptions=("poison-trigger",), seeds=(0,), kinds=KINDS, **options)


def lines():
    return spoiled(grid(["a", "b", "c", "d", "e", "good", "retrain"], kinds=KINDS[:2], references=["retrain"]))


FIGURES = {
    "regions": regions,
    "maps of 25": lambda: maps(full(), TWENTY_FIVE),
    "maps of 4": lambda: maps(spoiled(grid(["good", "a", "b", "c"])), ["good", "a", "b", "c"]),
    "maps of 2": lambda: maps(grid(["good", "a"]), ["good", "a"]),
    "maps of 1": lambda: maps(grid(), ["good"]),
    "maps, narrow": lambda: maps(few(references=[LONG]), names(few())),
    "map": lambda: map_figure(spoiled(grid()), "good"),
    "map, narrow": lambda: map_figure(few(references=[LONG]), LONGEST),
    "detail": lambda: detail(spoiled(grid()), "good"),
    "detail, narrow": lambda: detail(few(), LONGEST),
    "map, one seed": lambda: map_figure(grid(rates=(0.5,), seeds=(0,), corruptions=ALL[:1]), "good"),
    "detail, one seed": lambda: detail(spoiled(grid(seeds=(0,))), "good"),
    "rates, two capacities": lambda: rates(lines(), best_lines(lines())),
    "rates, one capacity": lambda: rates(grid(["a", "b"], seeds=(0,)), ["a", "b"]),
    "rates, narrow": lambda: rates(few(), [LONG, f"{LONG} on tied dropout", "good"]),
    "tied dropout": lambda: tied_dropout(spoiled(grid(kinds=KINDS[::2])), choose_pairs(grid(kinds=KINDS[::2]))),
    "tied dropout, capacities": lambda: tied_dropout(grid(["good", LONG], kinds=KINDS), choose_pairs(few(), [LONG])),
    "tied dropout, narrow": lambda: tied_dropout(few(), choose_pairs(few())),
    "healing": lambda: healing_scatter(grid(["a", "b"])),
    "healing, chosen": lambda: healing_scatter(full(), methods=TWENTY_FIVE[:12]),
}


def check_texts(figure):
    texts = drawn_texts(figure)
    assert {size for _, size, _ in texts} == {FONT_SIZE}
    assert overlaps(texts) == []
    page = figure.bbox.extents
    outside = [text for text, _, box in texts if (box.extents[:2] < page[:2] - 1).any() or box.x1 > page[2] + 1]
    outside += [text for text, _, box in texts if box.y1 > page[3] + 1]
    assert outside == []
    for box in figure.legends:
        area = box.get_window_extent()
        assert not [axis for axis in figure.axes if area.overlaps(axis.bbox)], "a legend covers a panel"


@pytest.mark.parametrize("name", FIGURES)
def test_texts_have_one_size_and_cover_nothing(name):
    check_texts(FIGURES[name]())


@pytest.mark.parametrize(
    "draw",
    [
        lambda frame: maps(frame, names(frame)),
        lambda frame: detail(frame, "good"),
        lambda frame: rates(frame, ["good", "a"]),
        lambda frame: healing_scatter(frame),
        lambda frame: tied_dropout(frame, choose_pairs(frame)),
    ],
    ids=["maps", "detail", "rates", "healing", "tied dropout"],
)
def test_two_corruptions_of_one_regularity_have_room(draw, fourth):
    check_texts(draw(grid(["good", "a"], corruptions=(*ALL, fourth), kinds=KINDS[::2])))


def test_overlaps_are_found():
    figure = maps(grid(), ["good"])
    figure.text(0.5, 0.5, "here")
    figure.text(0.5, 0.51, "there")
    assert ("here", "there") in overlaps(drawn_texts(figure))
