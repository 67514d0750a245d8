"""Corruption that came with the data: a table of labels is read strictly, and stands for what was planted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from unlearnbench.errors import UsageError
from unlearnbench.problems.datasets import digits, load_for
from unlearnbench.problems.grid import problems
from unlearnbench.problems.identity import conditions
from unlearnbench.problems.suite import CorruptionSettings, Suite


def whole(suite: Suite, **changes: object) -> Suite:
    """The tiny suite on all digits, where the index of a sample is its position."""
    settings = CorruptionSettings(size=20)
    return replace(suite, train_size=None, corruptions=("random-swap",), corruption=settings, **changes)  # type: ignore[arg-type]


def write(path: Path, header: str, *rows: tuple[object, ...]) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def planted_table(suite: Suite, path: Path, found: NDArray[np.int64] | None = None) -> Path:
    """The table of what the suite plants, with what was found if that is given."""
    problem = list(problems(suite, digits()))[-1][0]
    truth = problem.case.corrupted_set(digits())
    places = truth.corrupted if found is None else np.union1d(truth.corrupted, found)
    rows = [(place, truth.labels[place], truth.true_labels[place]) for place in places]
    if found is None:
        return write(path, "index,given,true", *rows)
    said = ["yes" if place in found else "no" for place in places]
    return write(path, "index,given,true,found", *((*row, word) for row, word in zip(rows, said, strict=True)))


def test_a_table_of_what_was_planted_gives_the_same_problems(tiny_suite: Suite, tmp_path: Path) -> None:
    suite = whole(tiny_suite, discovery_rates=(0.1, 0.5))
    table = planted_table(suite, tmp_path / "labels.csv")
    given = replace(suite, corruptions=("given",), label_table=str(table))
    planted = list(problems(suite, digits()))
    for (mine, seeds), (theirs, other) in zip(planted, problems(given, load_for(given, tmp_path)), strict=True):
        truth, again = mine.case.corrupted_set(digits()), theirs.case.corrupted_set(load_for(given, tmp_path))
        assert again.fingerprint == truth.fingerprint
        assert np.array_equal(again.true_labels, truth.true_labels)
        assert np.array_equal(again.corrupted, truth.corrupted)
        assert np.array_equal(theirs.found(again), mine.found(truth)), "discovery rates draw from it as ever"
        assert seeds == other
        assert theirs.case.size == 20


def test_what_the_table_says_was_found_is_the_found_set(tiny_suite: Suite, tmp_path: Path) -> None:
    suite = whole(tiny_suite, discovery_rates=(0.5,), false_discovery=0.2)
    problem = list(problems(suite, digits()))[-1][0]
    truth = problem.case.corrupted_set(digits())
    found = problem.found(truth)
    assert (len(found), len(np.intersect1d(found, truth.corrupted))) == (12, 10), "two of twelve finds are false"
    table = planted_table(suite, tmp_path / "labels.csv", found)
    given = replace(suite, corruptions=("given",), label_table=str(table), false_discovery=0.0)
    theirs = list(problems(given, load_for(given, tmp_path)))[-1][0]
    assert np.array_equal(theirs.found(theirs.case.corrupted_set(load_for(given, tmp_path))), found)
    for wrong in (replace(given, discovery_rates=(0.4,)), replace(given, false_discovery=0.2)):
        with pytest.raises(UsageError, match=r"10 of the 20 wrong ones; set discovery_rates = \[0\.5\]"):
            list(problems(wrong, load_for(wrong, tmp_path)))


def test_the_rate_that_a_message_names_is_the_one_that_works(tiny_suite: Suite, tmp_path: Path) -> None:
    suite = whole(tiny_suite)
    problem = list(problems(replace(suite, corruption=replace(suite.corruption, size=22)), digits()))[-1][0]
    truth = problem.case.corrupted_set(digits())
    said = ["yes", *(21 * ["no"])]
    rows = zip(truth.corrupted, truth.labels[truth.corrupted], truth.true_labels[truth.corrupted], said, strict=True)
    table = write(tmp_path / "labels.csv", "index,given,true,found", *rows)
    given = replace(suite, corruptions=("given",), label_table=str(table))
    with pytest.raises(UsageError, match=r"1 of the 22 wrong ones; set discovery_rates = \[0\.0455\], there and in"):
        list(problems(given, load_for(given, tmp_path)))
    given = replace(given, discovery_rates=(0.0455,))
    theirs = list(problems(given, load_for(given, tmp_path)))[-1][0]
    assert len(theirs.found(theirs.case.corrupted_set(load_for(given, tmp_path)))) == 1


def test_a_subset_without_a_wrong_label_is_one_sentence(tiny_suite: Suite, tmp_path: Path) -> None:
    data = digits()
    subset = load_for(replace(tiny_suite, train_size=200), tmp_path)
    kept = {image.numpy().tobytes() for image in subset.train_images}
    place = next(place for place, image in enumerate(data.train_images) if image.numpy().tobytes() not in kept)
    true = int(data.train_labels[place])
    table = write(tmp_path / "labels.csv", "index,given,true", (place, (true + 1) % 10, true))
    suite = replace(tiny_suite, corruptions=("given",), label_table=str(table), train_size=200)
    with pytest.raises(UsageError, match=r"none of the 200 training images has a wrong label in .*labels.csv"):
        list(problems(suite, load_for(suite, tmp_path)))


def test_another_table_is_other_data_wherever_it_lies(tiny_suite: Suite, tmp_path: Path) -> None:
    suite = whole(tiny_suite)
    table = planted_table(suite, tmp_path / "labels.csv")
    given = replace(suite, corruptions=("given",), label_table=str(table))
    here = load_for(given, tmp_path).fingerprint
    assert load_for(replace(given, label_table="labels.csv"), tmp_path).fingerprint == here, "found by name in data"
    assert given.stored()["label_table"] == conditions(given)["label_table"] == "labels.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    assert load_for(given, tmp_path).fingerprint != here
    assert load_for(suite, tmp_path).fingerprint != here
    assert "label_table" not in suite.stored()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image folder of two classes, `cat` and `dog`, with three images each in training and one in test."""
    random = np.random.RandomState(0)
    for part, count in (("train", 3), ("test", 1)):
        for name in ("cat", "dog"):
            (tmp_path / "pets" / part / name).mkdir(parents=True)
            for place in range(count):
                pixels = random.randint(0, 256, (16, 16, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / part / name / f"{place}.png")
    return tmp_path / "pets"


def test_files_of_an_image_folder_keep_their_rows_when_samples_are_permuted(
    tiny_suite: Suite, folder: Path, tmp_path: Path
) -> None:
    table = write(tmp_path / "pets.csv", "file,given,true", ("cat/1.png", "cat", "dog"), ("dog/2.png", "dog", "cat"))
    suite = replace(whole(tiny_suite, label_table=str(table)), dataset=f"imagefolder:{folder}", test_size=None)
    dataset = load_for(suite, tmp_path)
    assert dataset.train_given is not None
    wrong = (dataset.train_given != dataset.train_labels).nonzero().flatten()
    found = {(dataset.train_images[place].numpy().tobytes(), int(dataset.train_labels[place])) for place in wrong}
    expected = set()
    for file, true in (("cat/1.png", 1), ("dog/2.png", 0)):
        pixels = np.array(Image.open(folder / "train" / file))
        expected.add((np.moveaxis(pixels, -1, 0).tobytes(), true))
    assert found == expected


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("index,given", (1, 2), "its first line must be 'index,given,true' or 'index,given,true,found'"),
        ("file,given,true", ("a.png", 1, 2), "its first line must be 'index,given,true'"),
        ("index,given,true", (1437, 1, 2), "line 2: data set 'digits' has no training image '1437'"),
        ("index,given,true", (0, 1), "line 2: 2 cells, expected 3"),
        ("index,given,true", (0, 10, 2), "line 2: '10' is no class of data set 'digits'"),
        ("index,given,true,found", (0, "LABEL", 2, "perhaps"), "line 2: found must be yes or no, not 'perhaps'"),
        ("index,given,true", (0, "OTHER", "THIRD"), "which is neither its given nor its true label"),
        ("index,given,true", (0, "LABEL", "LABEL"), "no given label differs from the true one"),
    ],
)
def test_what_is_wrong_in_a_table_is_one_sentence(
    tiny_suite: Suite, tmp_path: Path, header: str, row: tuple[object, ...], message: str
) -> None:
    label = int(digits().train_labels[0])
    words: dict[object, object] = {"LABEL": label, "OTHER": (label + 1) % 10, "THIRD": (label + 2) % 10}
    table = write(tmp_path / "labels.csv", header, tuple(words.get(cell, cell) for cell in row))
    with pytest.raises(UsageError, match=f"labels.csv.*{message}"):
        load_for(whole(tiny_suite, label_table=str(table)), tmp_path)


def test_a_row_twice_and_an_absent_file_are_one_sentence(tiny_suite: Suite, tmp_path: Path) -> None:
    label = int(digits().train_labels[0])
    table = write(tmp_path / "labels.csv", "index,given,true", *[(0, (label + 1) % 10, label)] * 2)
    with pytest.raises(UsageError, match="line 3: '0' is there twice"):
        load_for(whole(tiny_suite, label_table=str(table)), tmp_path)
    with pytest.raises(UsageError, match=r"table of labels nowhere\.csv cannot be read"):
        load_for(whole(tiny_suite, label_table="nowhere.csv"), tmp_path)


def test_given_without_a_table_says_what_to_set(tiny_suite: Suite) -> None:
    with pytest.raises(UsageError, match="corruption 'given' needs label_table"):
        list(problems(replace(whole(tiny_suite), corruptions=("given",)), digits()))
