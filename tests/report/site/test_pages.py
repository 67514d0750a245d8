import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.site import write_site
from unlearnbench.report.site.gather import content_of
from unlearnbench.report.site.pages import render, scale, shade, web
from unlearnbench.report.wording import cell_colours


def write(stored, folder, suite="small"):
    board = read_board(stored.engine, suite)
    return write_site(stored.engine, [board], folder)


def content(stored):
    board = read_board(stored.engine, "small")
    return content_of(stored.engine, board)


def plain(page):
    """The text of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_same_store_gives_the_same_bytes(small, tmp_path):
    first, second = write(small, tmp_path / "a"), write(small, tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_only_pages_of_vanished_methods_are_removed(small, tmp_path):
    board = tmp_path / "small"
    board.mkdir()
    for place in (tmp_path, board):
        for name in ("method-gone.html", "method-notes.txt", "about.html", ".nojekyll"):
            (place / name).write_text("old")
    written = set(write(small, tmp_path))
    left = {path for path in tmp_path.rglob("*") if path.is_file()} - written
    assert left == {tmp_path / "method-gone.html"} | {
        place / name for place in (tmp_path, board) for name in ("method-notes.txt", "about.html", ".nojekyll")
    }


def test_a_suite_without_a_single_record_has_a_site(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="missing")
    write(stored, tmp_path)
    assert "no rank: no whole seed" in (tmp_path / "small" / "method-good.html").read_text()
    assert "no example to show" in (tmp_path / "reading.html").read_text()
    page = (tmp_path / "small" / "index.html").read_text()
    assert "6 of 6 trials have not been run" in page
    assert "No ranked method has a whole seed yet." in plain(page)


def test_no_text_of_a_submission_becomes_markup(folder):
    class Scripts(HTMLParser):
        def __init__(self):
            super().__init__()
            self.links, self.scripts = [], []

        def handle_starttag(self, tag, attributes):
            values = dict(attributes)
            assert not [name for name in values if name.startswith("on")], attributes
            if tag == "script":
                self.scripts.append(values)
            self.links += [values[name] for name in ("href", "src") if name in values]

    for page in folder.parent.rglob("*.html"):
        parser = Scripts()
        parser.feed(page.read_text())
        own = {"index.html": "ranking", "compare.html": "compare", "provenance.html": ""}.get(page.name, "method")
        names = ["numbers", "site", own] if page.parent == folder else []
        assert parser.scripts == [{"src": f"../{name}.js", "defer": None} for name in names if name], page.name
        assert not [link for link in parser.links if link.startswith("javascript:")]
    hostile = next(folder.glob("method-hostile*.html")).read_text()
    assert hostile.count("&lt;script&gt;window.hacked = true&lt;/script&gt;") >= 6
    assert "javascript:window.hacked=true" in hostile, "shown as text"
    assert 'href="https://example.org/a?b=1&amp;c=2"' in (folder / "method-good.html").read_text()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://arxiv.org/abs/2505.17730", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("data:text/html,x", False),
        ("file:///etc/passwd", False),
        ("//example.org", False),
        ("https://[broken", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(address, expected):
    assert web(address) is expected


def test_the_scale_is_that_of_the_figures():
    rules = scale().splitlines()
    for percent in (0, 37, 100):
        background, ink = cell_colours(percent)
        assert rules[percent] == f".s{percent}{{background-color:{background};color:{ink}}}"
    assert [shade(value) for value in (-1.0, 0.4, 36.6, 99.6, 101.0)] == [0, 0, 37, 100, 100]


def test_an_index_of_hundreds_of_methods_stays_small(small):
    shown = content(small)
    group = shown.groups[0]
    methods = tuple(
        replace(
            method,
            name=f"a_method_with_a_long_name_{index}/variant",
            page=f"method-a_method_with_a_long_name_{index}-variant.html",
            cells=tuple((*row,) * 5 for row in method.cells),
        )
        for index in range(100)
        for method in group.methods
    )
    many = replace(shown, groups=(replace(group, methods=methods),), rates=tuple(shown.rates) * 5)
    index = render([many])["small/index.html"]
    assert index.count("<figure id=") == 300
    assert len(index.encode()) < 1_000_000


def test_provenance_has_the_whole_suite_and_every_run(folder):
    page = (folder / "provenance.html").read_text()
    for text in ("two cores", "torch 2.7", "2026-01-01 12:00 UTC", "process", "float32", "not finished", "low_utility"):
        assert text in page, text
    assert page.count("<article>") == 1
    words = plain(page)
    assert "were recorded by 1 run that began on 1 January 2026, at isolation process, in float32." in words
    assert "They ran on two cores with" in words
    assert "unlearnbench run small" in words
    assert "unlearnbench store recompute --suite small" in words


def test_the_explanation_draws_an_example_from_the_data(folder):
    page = (folder.parent / "reading.html").read_text()
    assert "An example from the board of" in page
    assert 'href="small/method-' in page
    assert "called-a" in page
    assert "called-b" in page


def test_templates_and_static_files_are_package_data():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["unlearnbench"]
    assert {"report/site/templates/*", "report/site/static/*"} <= set(patterns)


def row_of(page, method):
    """The cells of a method's row in the ranking, each as HTML."""
    (row,) = re.findall(rf'<tr data-method="{method}">(.*?)</tr>', page, re.DOTALL)
    return re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)


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
    assert re.findall(r"--at:([\d.]+)", score) == [f"{48 + 0.8 * seed:.1f}" for seed in range(8)]
    assert [plain(cell) for cell in (healed, undiscovered, attack, utility)] == [
        "63.5 [61.5, 65.5]",
        "31.8 [30.7, 32.8]",
        "25.0",  # the same in every seed: no interval
        "80.0",
    ]
    assert 'data-name="seeds"' not in page, "all methods have the same number of seeds"
    assert 'data-name="seeds"' in (folder / "index.html").read_text()
    assert "--at" not in (folder / "index.html").read_text(), "two seeds have no interval"


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
    assert "Other variants Not ranked: only one variant of a method is, the tuned one if there is one." in plain(
        groups[1]
    )


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


def test_pages_link_to_the_code_if_its_address_is_given(folder, ranked):
    page = (folder / "index.html").read_text()
    for place in ("", "/blob/HEAD/docs/rules.md", "/blob/HEAD/CONTRIBUTING.md#submitting-a-method"):
        assert f'href="https://example.org/code{place}"' in page
        assert f'href="https://example.org/code{place}"' in (folder.parent / "index.html").read_text()
    for page in ranked.folder.parent.rglob("*.html"):
        assert "example.org/code" not in page.read_text()


def test_a_row_says_how_to_repeat_it(folder):
    page = plain((folder / "method-good-on-tied-dropout.html").read_text())
    assert "unlearnbench run small --method good" in page
    assert "unlearnbench show good --suite small" in page
    assert "unlearnbench rerun good low 0." in page  # the first characters of the key
    board = plain((folder / "index.html").read_text())
    assert "ETD, example-tied dropout" in board


def test_regions_of_prior_work_are_shown_beside_the_maps(folder):
    (figure,) = re.findall(r'<figure class="regions">.*?</figure>', (folder / "index.html").read_text(), re.DOTALL)
    cells = [re.findall(r'<td class="none">([^<\n]*)', row) for row in figure.split("<tr>")[-3:]]
    assert cells == [["C S", "P C S"], ["C", "P C"], ["E", "P E"]]
    assert 'href="https://arxiv.org/abs/2402.14015"' in figure


def test_one_site_has_many_boards(small, tmp_path):
    small.run("other", suite="other", day=1, title="Another", discovery_rates=(0.1,))
    small.trial("other", "good", ("low", 0.1, 0))
    boards = [read_board(small.engine, name) for name in ("small", "other")]
    write_site(small.engine, boards, tmp_path)
    index = (tmp_path / "index.html").read_text()
    assert re.findall(r'<h3 id="board-\d"><a href="([^"]+)"', index) == ["small/index.html", "other/index.html"]
    assert "Another" in index
    for name in ("small", "other"):
        assert (tmp_path / name / "data.js").exists()
        assert 'href="../index.html"' in (tmp_path / name / "method-good.html").read_text()
