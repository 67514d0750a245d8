import re

from matplotlib.colors import to_rgba

from tests.report.figures.looks import labels
from unlearnbench.report.figures import regions
from unlearnbench.report.figures.regions import PRIOR_WORK, TITLE


def test_the_plane_is_that_of_the_maps():
    panel = regions().axes[0]
    assert panel.get_title() == TITLE
    assert labels(panel, "y") == ["High", "Med.", "Low"]
    assert panel.get_ylim()[0] > panel.get_ylim()[1]
    assert labels(panel, "x") == [str(rate) for rate in range(10, 101, 10)]


def test_every_region_covers_its_cells_and_no_other():
    panel = regions().axes[0]
    rows = {"high": 0, "medium": 1, "low": 2}
    drawn = [patch for patch in panel.patches if patch.get_linewidth()]
    for region, patch in zip(PRIOR_WORK, drawn, strict=True):
        covered = {
            (regularity, rate)
            for regularity, row in rows.items()
            for rate in range(10, 101, 10)
            if patch.get_path().contains_point(
                tuple(patch.get_patch_transform().inverted().transform((rate / 10 - 0.5, row + 0.5)))
            )
        }
        lowest, highest = region.rates
        assert covered == {(name, rate) for name in region.regularities for rate in range(lowest, highest + 1, 10)}, (
            region.label
        )


def test_regions_differ_without_colour_and_are_explained():
    figure = regions()
    panel, beside = figure.axes
    hatches = {patch.get_hatch() for patch in panel.patches if patch.get_hatch()}
    outlines = {patch.get_linestyle() for patch in panel.patches if patch.get_linewidth()}
    assert len(hatches) == len(outlines) == len(PRIOR_WORK)
    key = [text.get_text() for text in beside.get_legend().get_texts()]
    for region, text in zip(PRIOR_WORK, key, strict=True):
        assert text.startswith(f"{region.label}:")
        for source in region.sources:
            assert source in text.replace("\N{NO-BREAK SPACE}", " ")


def test_hatches_are_opaque_and_solid_in_every_format():
    for patch in regions().axes[0].patches:
        if patch.get_hatch():
            assert to_rgba(patch.get_edgecolor())[3] == 1.0
            assert (to_rgba(patch.get_facecolor())[3], patch.get_alpha(), patch.get_linestyle()) == (0.0, None, "solid")


def test_every_source_can_be_found():
    for region in PRIOR_WORK:
        assert region.sources
        for who, where in region.sources.items():
            assert re.fullmatch(r"[A-Z]\w+ 20\d\d", who)
            assert re.fullmatch(r"arXiv \d{4}\.\d{5}", where)
