"""What figures and tables call things, and the colours that need no plotting library."""

from __future__ import annotations

REGULARITY_LABELS = {"high": "High", "medium": "Med.", "low": "Low"}
PRODUCT = "Utility \N{MULTIPLICATION SIGN} healed"
RATE_LABEL = "Discovery rate (%)"

Colour = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""

FULL_DIFFERENCE = 50.0
"""Percentage points from which on a difference has the full colour."""
_BETTER, _EQUAL, _WORSE = (0.13, 0.40, 0.67), (0.97, 0.97, 0.97), (0.70, 0.35, 0.02)
"""Blue and brown: told apart by eyes that do not tell red from green."""


def demonstration(seeds: int) -> str:
    """What stands above a ranking of fewer than three seeds, one original each; nothing from three on."""
    if seeds >= 3:
        return ""
    return f"{'One seed' if seeds == 1 else f'{seeds} seeds'}: a demonstration, not a ranking."


def ink_on(background: Colour) -> str:
    """Black or white, whichever can be read on this colour, as #rrggbb."""
    red, green, blue = (
        channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4 for channel in background
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # WCAG 2: black and white contrast equally at 0.179
    return "#000000" if luminance > 0.179 else "#ffffff"


def difference_colours(points: float) -> tuple[str, str]:
    """Background of a difference and the colour of a text on it, as #rrggbb: blue above zero, brown below."""
    share = min(abs(points) / FULL_DIFFERENCE, 1.0)
    end = _BETTER if points > 0 else _WORSE
    red, green, blue = (middle + share * (full - middle) for middle, full in zip(_EQUAL, end, strict=True))
    rgb = "".join(f"{round(255 * channel):02x}" for channel in (red, green, blue))
    return f"#{rgb}", ink_on((red, green, blue))
