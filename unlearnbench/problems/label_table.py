"""Labels that came with a data set, from a table of those that are wrong: corruption that happened, not planted.

A CSV file with the columns `file` (of an image folder, relative to `train`) or `index` (of any other data set: the
place in the training set as its files have it, from 0), `given` and `true` (names of classes, or their numbers where
names are not numbers), and perhaps `found` (yes or no). Samples that it does not name have the right label.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unlearnbench.errors import UsageError

if TYPE_CHECKING:
    from unlearnbench.problems.datasets import Dataset

FOUND = {"yes": True, "no": False}


def with_labels(dataset: Dataset, table: Path, files: Sequence[str] = ()) -> Dataset:
    """The data set with the true labels of this table, and its given labels and found samples beside them.

    Args:
        dataset: in the order of its files.
        files: those of its training images if it is an image folder.

    Raises:
        UsageError: the table cannot be read, or does not fit the data set. The message names file and line.
    """
    key, places = ("file", {file: place for place, file in enumerate(files)}) if files else ("index", None)
    true, given = dataset.train_labels.clone(), dataset.train_labels.clone()
    found, seen = torch.zeros(len(true), dtype=torch.bool), set[int]()
    header, rows = _rows(table)
    columns = [key, "given", "true"]
    if header not in (columns, [*columns, "found"]):
        raise UsageError(
            f"{table}: its first line must be '{','.join(columns)}' or '{','.join([*columns, 'found'])}' for data set"
            f" '{dataset.name}', not '{','.join(header)}'"
        )
    for line, cells in rows:
        where = f"{table}, line {line}"
        if len(cells) != len(header):
            raise UsageError(f"{where}: {len(cells)} cells, expected {len(header)}")
        place = _place(cells[0], places, len(true))
        if place is None:
            raise UsageError(f"{where}: data set '{dataset.name}' has no training image '{cells[0]}'")
        if place in seen:
            raise UsageError(f"{where}: '{cells[0]}' is there twice")
        seen.add(place)
        labels = []
        for cell in cells[1:3]:
            if (label := _label(cell, dataset.classes)) is None:
                raise UsageError(f"{where}: '{cell}' is no class of data set '{dataset.name}'")
            labels.append(label)
        if dataset.train_labels[place] not in labels:
            own = dataset.classes[int(dataset.train_labels[place])]
            raise UsageError(
                f"{where}: data set '{dataset.name}' has label '{own}' for '{cells[0]}', which is neither its given nor"
                " its true label"
            )
        given[place], true[place] = labels
        if cells[3:] and cells[3] not in FOUND:
            raise UsageError(f"{where}: found must be yes or no, not '{cells[3]}'")
        found[place] = FOUND[cells[3]] if cells[3:] else False
    if bool((given == true).all()):
        raise UsageError(f"{table}: no given label differs from the true one")
    return replace(dataset, train_labels=true, train_given=given, train_found=found if "found" in header else None)


def _rows(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The first line of a CSV file, and the cells of the others with the lines where they end."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"table of labels {table} cannot be read: {error}") from error
    if len(lines) < 2:
        raise UsageError(f"table of labels {table} is empty")
    return lines[0][1], lines[1:]


def _place(cell: str, places: dict[str, int] | None, count: int) -> int | None:
    if places is not None:
        return places.get(cell)
    return int(cell) if cell.isdecimal() and len(cell) < 19 and int(cell) < count else None


def _label(cell: str, classes: Sequence[str]) -> int | None:
    """The class of this name, or of this number where names are not numbers."""
    if cell in classes:
        return classes.index(cell)
    numbered = not any(name.isdecimal() for name in classes)
    return int(cell) if numbered and cell.isdecimal() and len(cell) < 9 and int(cell) < len(classes) else None
