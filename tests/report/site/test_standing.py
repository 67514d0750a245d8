"""What the page of a board says of its rows: ranks, intervals, who leads, who is best where."""

import re
from dataclasses import replace

from tests.report.site.texts import plain, row_of, write
from unlearnbench.report.site.gather import content_of
from unlearnbench.report.site.pages import render


def test_a_rank_is_an_interval_from_eight_seeds_on(ranked, folder):
    page = (ranked.folder / "index.html").read_text()
    ranks = {name: plain(row_of(page, name)[0]) for name in ("good", "twin", "weak", "good-tuned", "oracle")}
    assert ranks == {
        "good": "1 to 2",
        "twin": "1 to 2",
        "weak": "3",
        "good-tuned": "\N{EN DASH}",
        "oracle": "\N{EN DASH}",
    }
    assert "8 seeds." in plain(page)
    badges = {name: plain((ranked.folder / f"method-{name}.html").read_text()) for name in ranks}
    assert "rank 1 to 2 among those on 50% capacity" in badges["good"]
    assert "not ranked: another variant is" in badges["good-tuned"]
    assert "reference, outside the ranking" in badges["oracle"]
    few = (folder / "index.html").read_text()
    assert plain(row_of(few, "good")[0]) == "\N{EN DASH}"
    assert "no rank: 2 of 8 seeds" in plain((folder / "method-good.html").read_text())


def test_a_row_has_its_means_its_intervals_and_a_dot_for_each_seed(ranked, folder):
    page = (ranked.folder / "index.html").read_text()
    _, _, score, healed, undiscovered, _, attack, utility, *_ = row_of(page, "good")
    assert plain(score) == "50.8 [49.2, 52.4]"
    assert re.findall(r'data-seeds="(.*?)"', score) == [" ".join(f"{48 + 0.8 * seed:.1f}" for seed in range(8))]
    assert [plain(cell) for cell in (healed, undiscovered, attack, utility)] == [
        "63.5 [61.5, 65.5]",
        "31.8 [30.7, 32.8]",
        "25.0",  # the same in every seed: no interval
        "80.0",
    ]
    assert 'data-name="seeds"' not in page, "all methods have the same number of seeds"
    assert 'data-name="seeds"' in (folder / "index.html").read_text()
    assert "data-seeds" not in (folder / "index.html").read_text(), "two seeds have no interval"


def test_ends_of_an_interval_beyond_0_and_100_are_cut_off(ranked):
    frame = ranked.board.frame.copy()
    own = frame["method"] == "weak"
    frame.loc[own, "aggregate"] = (frame.loc[own, "corruption_seed"] == 0).astype(float)
    shown = content_of(ranked.stored.engine, replace(ranked.board, frame=frame))
    score = row_of(render([shown])["small/index.html"], "weak")[2]
    assert plain(score) == "12.5 [0.0, 42.1]"
    assert "--low:0.0;--high:42.1;--mean:12.5" in score


def test_other_variants_and_references_stand_apart(ranked):
    page = (ranked.folder / "index.html").read_text()
    groups = re.findall(r"<tbody data-maps.*?</tbody>", page, re.DOTALL)
    assert [re.findall(r'data-method="([^"]+)"', group) for group in groups] == [
        ["good", "twin", "weak"],
        ["good-tuned"],
        ["oracle"],
    ]
    assert "Other variants Not ranked: only one variant of a method is, that with its defaults." in plain(groups[1])


def test_healing_on_train_and_on_test_is_compared_by_corruption_and_by_method(ranked):
    page = (ranked.folder / "index.html").read_text()
    section = page[page.index('id="healing-title"') :]
    heads = [plain(text) for text in re.findall(r'<th scope="row">(.*?)</th>', section)]
    assert heads == [
        "all",
        *(f"corruption {name}" for name in ("poison-trigger", "class-swap", "random-swap")),
        *(f"method {name}" for name in ("good", "good/ tuned", "oracle", "twin", "weak")),
    ]


def test_fewer_than_three_seeds_are_said_to_be_a_demonstration_on_every_board(folder, ranked):
    sentence = "Two seeds: a demonstration, not a ranking."
    for name in ("index.html", "method-good.html", "../index.html"):
        assert sentence in (folder / name).read_text()
        assert "a demonstration" not in (ranked.folder / name).read_text()


def test_what_does_not_count_is_listed_and_the_index_links_to_the_lists_that_are_there(folder, ranked):
    lists = {"incomplete-title", "beyond-title", "stale-title"}
    expected = {folder: {"incomplete-title"}, ranked.folder: {"beyond-title", "stale-title"}}
    for place, names in expected.items():
        linked = re.findall(r'href="provenance.html#([^"]+)"', (place / "index.html").read_text())
        assert set(linked) & lists == names
        there = re.findall(r'id="([^"]+)"', (place / "provenance.html").read_text())
        assert lists & set(there) == names
    index, page = (plain((ranked.folder / name).read_text()) for name in ("index.html", "provenance.html"))
    assert "One trial heals more than the oracle" in index
    assert "weak : poison-trigger at 100%, seed 3/13/23: healed 100.0, the oracle 50.0" in page
    stale = "weak : 1 record, recipe.steps 20 instead of 10. To renew them: unlearnbench run small --method weak"
    assert stale in page
    page = plain((folder / "provenance.html").read_text())
    assert "flaky , seed 0/10/20: 5 of 6 trials" in page
    assert "flaky , seed 1/11/21: 4 of 6 trials" in page


def lead(place):
    """The sentence of a board that says who leads."""
    return plain(re.findall(r'<p class="lead">(.*?)</p>', (place / "index.html").read_text(), re.DOTALL)[1])


def test_the_first_lines_say_who_leads_and_how_certain_that_is(folder, ranked, stored, tmp_path):
    assert lead(folder) == ("Good ( good ) has the largest mean, 48.0. Two seeds: a demonstration, not a ranking.")
    assert lead(ranked.folder) == (
        "Good ( good ) has the largest mean, 50.8 [49.2, 52.4], but the lead is open: at 95% confidence it cannot be"
        " told from Twin ( twin )."
    )
    stored.column(seeds=8)
    stored.scored("good", [0.8 + 0.01 * seed for seed in range(8)])
    stored.scored("far", [0.3 + 0.02 * seed for seed in range(8)])
    written = write(stored, tmp_path)
    place = next(path.parent for path in written if path.name == "ranking.csv")
    assert "leads with" in lead(place)
    assert "at 95% confidence ahead of the other ranked method." in lead(place)
    stored.scored("short", [0.5] * 7)
    write(stored, tmp_path)
    assert "ahead of the other ranked method that has 8 seeds; 1 more has fewer." in lead(place)
    assert 'class="sure">' not in (place / "index.html").read_text().split('id="plane"')[1].split("</table>")[0]


def test_alone_in_possibly_being_first_is_not_ahead_of_all(stored, tmp_path):
    """Each method corrects for its own comparisons, so the second can be sure of its place and the first not."""
    stored.column(seeds=8)
    stored.scored("first", [0.55 + 0.053 * (-1) ** seed for seed in range(8)])
    stored.scored("second", [0.5] * 8)
    stored.scored("third", [0.499 + 0.0001 * (-1) ** (seed // 2) for seed in range(8)])
    place = next(path.parent for path in write(stored, tmp_path) if path.name == "ranking.csv")
    assert "First ( first ) has the largest mean, 55.0" in lead(place)
    assert lead(place).endswith("and is alone in possibly being first, but may be as low as 3 of 3.")


def test_the_plane_names_the_best_ranked_method_of_each_cell_and_says_where_that_is_certain(ranked, folder):
    (table,) = re.findall(r'id="plane".*?</table>', (ranked.folder / "index.html").read_text(), re.DOTALL)
    cells = [re.findall(r'<td class="s\d+"><b( class="sure")?>(\w)</b> (\d+)', row) for row in table.split("<tr>")[-3:]]
    assert [[(letter, value) for _, letter, value in row] for row in cells] == [[("A", "51"), ("A", "51")]] * 3
    assert not [sure for row in cells for sure, *_ in row if sure], "`twin` may be the best everywhere"
    few = (folder / "index.html").read_text()
    assert "No cell is certain: ranks need 8 seeds." in plain(few)


def test_other_variants_and_references_are_best_nowhere(ranked):
    frame = ranked.board.frame.copy()
    own = frame["method"].isin(["good", "twin"])
    frame.loc[own, "aggregate"] /= 10
    shown = content_of(ranked.stored.engine, replace(ranked.board, frame=frame))
    assert {winner.method.name for row in shown.winners for winner in row} == {"weak"}
    assert all(winner.certain for row in shown.winners for winner in row)
    assert [method.name for method in shown.leaders] == ["weak"]
