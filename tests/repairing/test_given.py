"""A list of files means what it says, however paths are spelled, and a wrong one is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlearnbench.errors import UsageError
from unlearnbench.problems.image_folder import first_side, list_train, load_train
from unlearnbench.repairing.given import Given, read_found


def listed(folder: Path, *lines: str) -> Path:
    file = folder.parent / "bad.txt"
    file.write_text("\n".join(lines))
    return file


def test_every_spelling_of_a_path_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    (folder.parent / "link").symlink_to(folder)
    spellings = ["train/bee/03.png", "bee/03.png", "./bee/../bee/03.png", f"{folder}/train/bee/03.png"]
    spellings += ["pictures/train/bee/03.png", f"{folder.parent}/link/train/bee/03.png"]
    for spelling in spellings:
        assert read_found(listed(folder, "# known", "", f" {spelling} "), list_train(folder)).tolist() == [23], spelling
    many = listed(folder, *spellings, "cow/00.png", "ant/19.png")
    assert read_found(many, list_train(folder)).tolist() == [19, 23, 40]
    assert len(read_found(None, list_train(folder))) == 0


WRONG = {
    "not there": (
        ("ant/00.png", "ant/99.png"),
        r"bad.txt, line 2: 'ant/99.png' is not an image in .*as in train/ant/00",
    ),
    "outside": (("../other.png",), "line 1: '../other.png' is not an image in"),
    "all of a class": ([f"bee/{number:02}.png" for number in range(20)], r"lists all 20 images of class 'bee'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_list_is_one_sentence(folder: Path, wrong: str) -> None:
    lines, words = WRONG[wrong]
    with pytest.raises(UsageError, match=words) as caught:
        read_found(listed(folder, *lines), list_train(folder))
    assert "\n" not in str(caught.value)


def test_a_list_with_a_byte_order_mark(folder: Path) -> None:
    file = listed(folder, "ant/00.png")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_found(file, list_train(folder)).tolist() == [0]


def test_a_list_that_is_no_text(folder: Path) -> None:
    (folder.parent / "bad.txt").write_bytes(b"\xff\xfe")
    for name in ("bad.txt", "missing.txt"):
        with pytest.raises(UsageError, match=f"{name} cannot be read"):
            read_found(folder.parent / name, list_train(folder))


def test_the_held_out_part_is_of_d_r_and_leaves_the_rest(given: Callable[..., Given]) -> None:
    some = given(0, 1, 2, 25)
    assert np.bincount(some.labels[some.held_out]).tolist() == [1, 1, 2]  # a tenth of 17, 19 and 20, rounded down
    assert not set(some.held_out) & set(some.found)
    assert set(some.train) | set(some.held_out) == set(range(60))
    assert some.train[some.forget].tolist() == some.found.tolist()
    assert set(some.retain) == set(range(60)) - {0, 1, 2, 25}
    more = given(0, 1, 2, 25, 26)
    assert len(set(some.held_out) & set(more.held_out)) >= 3, "another find hardly changes it"


def test_grey_among_colour_is_refused_and_grey_alone_is_not(folder: Path, tmp_path: Path) -> None:
    listing = list_train(folder)
    assert load_train(listing, None, tmp_path / "cache").shape == (60, 3, 16, 16)
    Image.new("L", (16, 16)).save(folder / "train/cow/07.png")
    with pytest.raises(UsageError, match=r"cow/07.png is grey and .*ant/00.png has colours: convert all"):
        load_train(list_train(folder), None, tmp_path / "cache")
    for file, _ in listing.samples:
        Image.new("L", (16, 16)).save(file)
    assert load_train(list_train(folder), 20, tmp_path / "cache").shape == (60, 3, 20, 20)


def test_a_folder_needs_no_test_part_but_two_classes(folder: Path, tmp_path: Path) -> None:
    assert first_side(list_train(folder)) == 16
    (folder / "test").mkdir()
    assert len(list_train(folder).samples) == 60
    (folder / "train/cow/note.txt").write_text("x")
    with pytest.raises(UsageError, match=r"note.txt is not a supported image"):
        list_train(folder)
    with pytest.raises(UsageError, match="has no folder 'train'"):
        list_train(tmp_path / "elsewhere")
    (tmp_path / "one/train/ant").mkdir(parents=True)
    Image.new("L", (16, 16)).save(tmp_path / "one/train/ant/0.png")
    with pytest.raises(UsageError, match=r"has 1 class \(ant\) in train"):
        list_train(tmp_path / "one")
