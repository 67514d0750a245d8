"""The figures, drawn without pyplot. The same frame gives the same bytes."""

from unlearnbench.report.figures.healing import healing_scatter
from unlearnbench.report.figures.kinds import KINDS, plot
from unlearnbench.report.figures.maps import detail, map_figure, maps
from unlearnbench.report.figures.rates import best_lines, rates
from unlearnbench.report.figures.regions import regions
from unlearnbench.report.figures.style import FONT_SIZE, save
from unlearnbench.report.figures.tied_dropout import choose_pairs, ranked_pairs, tied_dropout

__all__ = [
    "FONT_SIZE",
    "KINDS",
    "best_lines",
    "choose_pairs",
    "detail",
    "healing_scatter",
    "map_figure",
    "maps",
    "plot",
    "ranked_pairs",
    "rates",
    "regions",
    "save",
    "tied_dropout",
]
