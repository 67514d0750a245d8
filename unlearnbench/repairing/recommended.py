"""The order of methods on the official board, by regularity, and which regularity found samples look like.

`python -m unlearnbench.repairing.recommended leaderboard/trials.csv` writes the order again (`make findings`).
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unlearnbench.problems.corruption import REGULARITIES, Labels

if TYPE_CHECKING:
    import pandas as pd

FILE = Path(__file__).with_name("recommended.json")
CHANCE = 0.05
"""Few labels among the found samples mean something if random labels would be so few with a lower probability."""


def read() -> dict[str, list[str]]:
    """The ranked methods, as NAME or NAME/VARIANT, best first, by regularity."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def order_of(trials: pd.DataFrame) -> dict[str, list[str]]:
    """The same from the rows of a trials.csv: by mean utility x healed, in which a failed trial is 0.

    Of the variants of a method, the tuned one counts, or its default if it has none.
    """
    ranked = trials[(trials["role"] == "ranked") & ~trials["again"].astype(bool)]
    ranked = ranked[ranked["variant"] == ranked.groupby("submission")["variant"].transform(_shown)]
    means = ranked.assign(score=ranked["aggregate"].fillna(0.0)).groupby(["regularity", "submission", "variant"])
    table = means["score"].mean().sort_values(ascending=False, kind="stable").reset_index()
    table["name"] = table["submission"] + ("/" + table["variant"]).where(table["variant"] != "default", "")
    return {level: table.loc[table["regularity"] == level, "name"].tolist() for level in REGULARITIES}


def _shown(variants: pd.Series[str]) -> str:
    return "digits" if (variants == "digits").any() else "default"


def looks_like(labels: Labels, classes: int) -> tuple[str | None, str]:
    """The regularity that the given labels of found samples speak for, and why. None if they are too few to tell.

    One label for all is what a trigger or a spoilt class gives, two are what swapped classes give.
    """
    count, different = len(labels), len(np.unique(labels))
    for number, level, words in ((1, "high", "the same label"), (2, "medium", "one of two labels")):
        if different == number and math.comb(classes, number) * (number / classes) ** count < CHANCE:
            return level, f"all {count} found samples have {words}, which random labels would hardly have"
    if different == classes == 2:
        return None, "in a folder of two classes, random labels and swapped classes look alike"
    if different > 2:
        return "low", f"the {count} found samples have {different} different labels"
    return None, f"{count} found samples with {different} different labels are too few to tell a pattern"


def main(file: str) -> None:
    import pandas as pd

    FILE.write_text(json.dumps(order_of(pd.read_csv(file)), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
