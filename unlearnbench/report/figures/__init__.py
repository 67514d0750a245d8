"""The figures, drawn without pyplot. The same frame gives the same bytes."""

from unlearnbench.report.figures.healing import healing_scatter
from unlearnbench.report.figures.kinds import KINDS, SAMPLES, plot, ranked
from unlearnbench.report.figures.maps import detail, map_figure, maps
from unlearnbench.report.figures.plane import has_plane, plane, who_wins
from unlearnbench.report.figures.rates import best_lines, rates
from unlearnbench.report.figures.regions import regions
from unlearnbench.report.figures.regularity import regularity_curve
from unlearnbench.report.figures.samples import samples
from unlearnbench.report.figures.style import FONT_SIZE, check_suffix, save
from unlearnbench.report.figures.tied_dropout import choose_pairs, ranked_pairs, tied_dropout

__all__ = [
    "FONT_SIZE",
    "KINDS",
    "SAMPLES",
    "best_lines",
    "check_suffix",
    "choose_pairs",
    "detail",
    "has_plane",
    "healing_scatter",
    "map_figure",
    "maps",
    "plane",
    "plot",
    "ranked",
    "ranked_pairs",
    "rates",
    "regions",
    "regularity_curve",
    "samples",
    "save",
    "tied_dropout",
    "who_wins",
]
