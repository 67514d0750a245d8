"""What tuning found is what the manifests have, and what the documents say of it is what was measured."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent
SEARCHES = sorted((ROOT / "leaderboard/tuning").rglob("*.txt"))
CHOSEN = re.compile(r"default ([\d.]+)%, blind choice ([\d.]+)%")


def manifest(method: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / f"submissions/{method}/submission.toml").read_text())


@pytest.mark.parametrize("search", SEARCHES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_variant_is_what_its_search_found(search: Path) -> None:
    text = search.read_text()
    found = tomllib.loads(text[text.index("[variants.") :])["variants"] if "[variants." in text else {}
    variants = manifest(search.stem).get("variants", {})
    assert found == {name: variants.get(name, {}) for name in found}  # it may have found nothing better than defaults


def scores(suite: str) -> Iterator[tuple[str, int, float]]:
    """(method/variant, seed, utility x healed) of each trial in the files of a board."""
    for path in (ROOT / "leaderboard" / suite).glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        names = {row["key"]: f"{row['name']}/{row['variant']}" for row in rows if row.get("table") == "submissions"}
        seeds = {row["key"]: row["corruption_seed"] for row in rows if row.get("table") == "problems"}
        for row in rows:
            if row.get("table") == "trials":
                yield names[row["submission_key"]], seeds[row["problem_key"]], row["aggregate"] or 0.0


@pytest.mark.parametrize("suite", ["fashion-small", "cifar10-jpeg-small"])
def test_the_document_says_what_tuning_gained_on_photographs(suite: str) -> None:
    section = (ROOT / "docs/photographs-budget.md").read_text().split("## Tuned variants\n")[1].split("\n## ")[0]
    rows = re.findall(
        rf"^\| `{suite}` \| `(\w+)` \| ([\d.]+), ([\d.]+) \| ([\d.]+) \[.+?\| ([\d.]+) \[.+?\| (-?[\d.]+) \[",
        section,
        re.M,
    )
    assert {method for method, *_ in rows} == {path.stem for path in SEARCHES if path.parent.name == suite}
    frame = pd.DataFrame(scores(suite), columns=["method", "seed", "score"])
    seeds = frame.groupby("method")["seed"].nunique()
    assert set(seeds) == {5}
    means = 100 * frame.groupby("method")["score"].mean()
    for method, *shown in rows:
        search = (ROOT / f"leaderboard/tuning/{suite}/{method}.txt").read_text()
        default, tuned = means[f"{method}/default"], means[f"{method}/{suite.replace('-', '_')}"]
        measured = [*CHOSEN.findall(search)[0], *(f"{value:.1f}" for value in (default, tuned, tuned - default))]
        assert shown == measured, method
