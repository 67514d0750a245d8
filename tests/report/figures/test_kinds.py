import pytest

from tests.small_store import CELLS
from unlearnbench.errors import UsageError
from unlearnbench.report.figures import KINDS, plot
from unlearnbench.report.numbers.board import read_board

CHOICES = {
    "maps": ["good", "flaky"],
    "regions": [],
    "detail": ["good"],
    "rates": ["good", "good on tied dropout"],
    "tied-dropout": ["good"],
    "healing": ["good"],
    "regularity": [],
    "plane": ["good"],
    "winners": ["flaky"],
}
WITHOUT_METHODS = ("regions", "regularity")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws(kind, measured, both, tmp_path):
    file, board = tmp_path / "figure.svg", read_board(measured.engine, "small")
    plot(board, kind, CHOICES[kind], file)
    chosen = file.read_bytes()
    assert chosen.startswith(b"<?xml")
    if kind != "detail":
        plot(board, kind, [], file)
        if kind not in WITHOUT_METHODS:
            assert (file.read_bytes() != chosen) == (kind != "tied-dropout")  # `good` is the only pair


@pytest.mark.parametrize("kind", ["plane", "winners"])
def test_a_board_without_ranked_methods_is_one_sentence(kind, stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("retrain", "retrain", role="reference")
    for cell in CELLS:
        stored.trial("first", "retrain", cell, healed=0.2, utility=0.9)
    with pytest.raises(
        UsageError, match="suite 'small' has no ranked method in this store: name methods with --method"
    ):
        plot(read_board(stored.engine, "small"), kind, [], tmp_path / "x.svg")


def test_a_method_named_twice_is_shown_once(small, tmp_path):
    for name, methods in {"once": ["good"], "twice": ["good", "good"]}.items():
        plot(read_board(small.engine, "small"), "rates", methods, tmp_path / f"{name}.svg")
    assert (tmp_path / "once.svg").read_bytes() == (tmp_path / "twice.svg").read_bytes()


@pytest.mark.parametrize(
    ("kind", "methods", "name", "message"),
    [
        (
            "map",
            [],
            "x.svg",
            r"unknown figure 'map': did you mean 'maps'\? \(all: maps, regions, detail, rates, tied-dropout",
        ),
        ("maps", [], "x.tiff", r"unsupported figure format; .* \.svg, \.pdf, \.png"),
        ("maps", ["great"], "x.svg", "unknown method 'great' in the results"),
        ("detail", [], "x.svg", "shows one method, not 0"),
        ("detail", ["good", "flaky"], "x.svg", "shows one method, not 2"),
        ("regions", ["good"], "x.svg", "remove --method"),
        ("rates", ["great"], "x.svg", "unknown method 'great' in the results"),
        ("tied-dropout", [], "x.svg", "no method was run on both standard originals and tied dropout"),
        ("healing", ["great"], "x.svg", "unknown method 'great' in the results"),
        ("regularity", ["good"], "x.svg", "shows retraining: remove --method"),
        (
            "regularity",
            [],
            "x.svg",
            r"'retrain', and this board has none; `unlearnbench run SUITE --method retrain",
        ),
        ("plane", [], "x.svg", "needs 3 corruptions with a measured regularity, and this board has 0"),
        ("winners", [], "x.svg", "needs 3 corruptions with a measured regularity, and this board has 0"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence_and_writes_nothing(kind, methods, name, message, small, tmp_path):
    with pytest.raises(UsageError, match=message):
        plot(read_board(small.engine, "small"), kind, methods, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
