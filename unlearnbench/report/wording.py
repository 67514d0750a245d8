"""Wording, row order and colours shared by tables, pages and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from unlearnbench.evaluation.statistics import FEWEST_FOR_RANKS, FEWEST_SEEDS
from unlearnbench.problems.corruption import REGULARITIES, Regularity, kind_of
from unlearnbench.problems.names import CORRUPTIONS

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

REGULARITY_LABELS = {"high": "High", "medium": "Med.", "low": "Low"}
LONG_LABELS = {"high": "High", "medium": "Medium", "low": "Low"}
PRODUCT = "Utility \N{MULTIPLICATION SIGN} healed"
UNTUNED = "default, no tuned variant"
"""Of a method that is ranked with its defaults beside tuned variants of others."""
MAINTAINERS = "unlearnbench"
"""The author of methods by the people who maintain the board (docs/rules.md)."""
OWN = "by the maintainers of the board"
KNEW = "submissions/README.md says what they knew"
WITHOUT_ORACLE = "The oracle did not run on all of it, so trials that heal more than it are not found"
RATE_LABEL = "Discovery rate (%)"

NOTHING: Mapping[str, float] = {}

Colour = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""

FULL_DIFFERENCE = 50.0
"""Percentage points at which a difference reaches the full colour."""
_BETTER, _EQUAL, _WORSE = (0.13, 0.40, 0.67), (0.97, 0.97, 0.97), (0.70, 0.35, 0.02)
"""Blue and brown are distinguishable with red-green colour blindness."""


def in_order(corruptions: Iterable[str], measured: Mapping[str, float] = NOTHING) -> list[str]:
    """Sort corruptions without duplicates, most regular first: the rows of every map from top to bottom.

    Args:
        measured: their measured regularities. Those without one come last, by the regularity that they are named for.
    """
    own = list(CORRUPTIONS.own)

    def place(name: str) -> tuple[float, int, int, str]:
        kind = name.partition("/")[0]  # a variant comes after its corruption
        named = -REGULARITIES.index(kind_of(name).regularity)
        return -measured.get(name, -1.0), named, own.index(kind) if kind in own else len(own), name

    return sorted(set(corruptions), key=place)


def row_labels(corruptions: Iterable[str], measured: Mapping[str, float] = NOTHING) -> dict[str, str]:
    """Labels of map rows by corruption: the regularity that it is named for, with the corruption if several share it.

    The measured regularity, if known, follows the word, or stands for it beside the corruption.
    """

    def label(name: str, kind: Regularity, shared: bool) -> str:
        known = name in measured
        parts = [REGULARITY_LABELS[kind]] * (not (shared and known)) + [name] * shared
        return " ".join([*parts, *([share_text(measured[name])] if known else [])])

    return {name: label(name, *kind) for name, kind in _named_for(corruptions, measured).items()}


def row_phrases(corruptions: Iterable[str], measured: Mapping[str, float] = NOTHING) -> dict[str, str]:
    """What `row_labels` say, in words that stand in a sentence: `Medium regularity (.29)`."""

    def phrase(name: str, kind: Regularity, shared: bool) -> str:
        share = share_text(measured[name]) if name in measured else ""
        if shared and share:
            return f"{name} (regularity {share})"
        detail = name if shared else share
        return f"{LONG_LABELS[kind]} regularity" + (f" ({detail})" if detail else "")

    return {name: phrase(name, *kind) for name, kind in _named_for(corruptions, measured).items()}


def _named_for(corruptions: Iterable[str], measured: Mapping[str, float]) -> dict[str, tuple[Regularity, bool]]:
    """The regularity that each is named for, and whether it shares it with another one; in order."""
    kinds = {name: kind_of(name).regularity for name in in_order(corruptions, measured)}
    counts = Counter(kinds.values())
    return {name: (kind, counts[kind] > 1) for name, kind in kinds.items()}


def share_text(share: float) -> str:
    """A share with two decimals, without the zero before the point."""
    return f"{share:.2f}".removeprefix("0")


def demonstration(seeds: int) -> str:
    """The warning above tables, pages and figures with fewer than three seeds; empty from three on."""
    if seeds >= FEWEST_SEEDS:
        return ""
    return f"{_SEEDS.get(seeds, f'{seeds} seeds')}: a demonstration, not a ranking."


_SEEDS = {0: "No whole seed", 1: "One seed", 2: "Two seeds"}


def openness(commitment: str | None) -> str:
    """Whether the seeds of a board are public, in one sentence. `commitment` is that of its suite."""
    if commitment is None:
        return "Open board: its seeds are public."
    return f"Audited board: its seeds are secret, with commitment {commitment}."


def titled(title: str, seeds: int) -> str:
    """A title followed by the `demonstration` warning, if any."""
    return ". ".join(part for part in (title, demonstration(seeds)) if part)


def standing(seeds: int) -> str:
    """What this number of seeds supports, in one sentence; empty below three, where the title says it."""
    if seeds < FEWEST_SEEDS:
        return ""
    if seeds < FEWEST_FOR_RANKS:
        return f"{seeds} seeds: means and intervals; ranks need {FEWEST_FOR_RANKS}."
    return f"{seeds} seeds."


def scale() -> tuple[Colormap, Normalize]:
    """The colour map of maps and its range, 0 to 100 percent; darker is better."""
    import seaborn as sns
    from matplotlib.colors import Normalize

    return sns.color_palette("mako_r", as_cmap=True), Normalize(0, 100, clip=True)


def cell_colours(percent: float) -> tuple[str, str]:
    """Background and text colour of a cell, as #rrggbb."""
    from matplotlib.colors import to_hex

    colours, percentages = scale()
    background = colours(percentages(percent))
    return to_hex(background), ink_on(background[:3])


def ink_on(background: Colour) -> str:
    """Black or white, whichever contrasts more with this colour, as #rrggbb."""
    red, green, blue = (
        channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4 for channel in background
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # WCAG 2: black and white contrast equally at 0.179
    return "#000000" if luminance > 0.179 else "#ffffff"


def difference_colours(points: float) -> tuple[str, str]:
    """Background (blue above zero, brown below) and text colour of a difference, as #rrggbb."""
    share = min(abs(points) / FULL_DIFFERENCE, 1.0)
    end = _BETTER if points > 0 else _WORSE
    red, green, blue = (middle + share * (full - middle) for middle, full in zip(_EQUAL, end, strict=True))
    rgb = "".join(f"{round(255 * channel):02x}" for channel in (red, green, blue))
    return f"#{rgb}", ink_on((red, green, blue))
