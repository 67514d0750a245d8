import json
import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.numbers.ranking import ranking_of
from unlearnbench.report.numbers.totals import totals_of
from unlearnbench.report.site import write_site
from unlearnbench.report.site.gather import content_of
from unlearnbench.report.site.pages import NO_VALUE, cell_data, render, scale, shade, web
from unlearnbench.report.wording import cell_colours


def write(stored, folder, suite="small"):
    board = read_board(stored.engine, suite)
    return write_site(stored.engine, board, ranking_of(board.totals, board.suite), folder)


def content(stored):
    board = read_board(stored.engine, "small")
    return content_of(stored.engine, board, ranking_of(board.totals, board.suite))


def plain(page):
    """The text of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def data_of(folder, method):
    """What the script of a method's cells hands to the page."""
    text = (folder / f"method-{method}.js").read_text()
    start = f'unlearnbench.receive("method-{method}",'
    assert text.startswith(start)
    assert "<" not in text
    return json.loads(text.removeprefix(start).removesuffix(");\n"))


def test_the_same_store_gives_the_same_bytes(small, tmp_path):
    first, second = write(small, tmp_path / "a"), write(small, tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_only_pages_of_vanished_methods_are_removed(small, tmp_path):
    for name in ("method-gone.html", "method-gone.js", "method-notes.txt", "about.html", ".nojekyll"):
        (tmp_path / name).write_text("old")
    written = {path.name for path in write(small, tmp_path)}
    assert {path.name for path in tmp_path.iterdir()} == written | {"method-notes.txt", "about.html", ".nojekyll"}


def test_a_suite_without_a_single_record_has_a_site(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="missing")
    write(stored, tmp_path)
    assert "no rank: no whole seed" in (tmp_path / "method-good.html").read_text()
    assert "no example to show" in (tmp_path / "reading.html").read_text()
    assert "6 of 6 trials have not been run" in (tmp_path / "index.html").read_text()


def test_the_numbers_of_a_cell_are_texts_as_shown(small, tmp_path):
    write(small, tmp_path)
    rows = data_of(tmp_path, "flaky")["rows"]
    assert rows[2]["original"]["values"] == ["15.0", "15.0", "20.0", "90.0", "13.5"]
    assert rows[2]["cells"][0] == {
        "where": "Low regularity, 10% discovered",
        "note": "1 of 2 failed, each counts as 0",
        "values": ["50.0", "25.0", "40.0", "60.0", "15.0"],
        "interval": "no interval of 2 seeds",
        "trials": [["seed 0/10/20", "failed: timeout"], ["seed 1/11/21", "50.0", "25.0", "40.0", "60.0", "30.0"]],
    }
    assert rows[1]["cells"][1]["interval"] == "no interval of 1 seed"
    assert rows[1]["cells"][1]["note"] == "1 of 2 not run, the mean is over the others"
    assert rows[0]["cells"][0]["values"] == []
    assert rows[0]["cells"][0]["note"] == "not run"


def test_a_single_failed_seed_says_why(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="failed", reason="out of memory")
    write(stored, tmp_path)
    *_, row = data_of(tmp_path, "good")["rows"]
    assert row["cells"][0]["trials"] == [["seed 0/10/20", "failed: out of memory"]]
    assert row["cells"][0]["note"] == "failed, counts as 0"
    assert row["cells"][0]["values"] == [NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE, "0.0"]


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

    for page in folder.glob("*.html"):
        parser = Scripts()
        parser.feed(page.read_text())
        assert parser.scripts == [{"src": "site.js", "defer": None}], page.name
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
    index = render(many)["index.html"]
    assert index.count("<figure") == 300
    assert len(index.encode()) < 1_000_000


def test_every_number_is_there_without_scripts(folder, ranked):
    page = (folder / "method-flaky.html").read_text()
    assert "<td>seed 0/10/20: failed, timeout; seed 1/11/21: 30.0</td>" in page
    assert "<td>seed 0/10/20: not run; seed 1/11/21: not run</td>" in page
    page = (ranked.folder / "method-good.html").read_text()
    assert "<td>[49.2, 52.4]</td>" in page  # 80 * (0.635 +- 2.3646 * 0.0245 / 8 ** 0.5)


def test_provenance_has_the_whole_suite_and_every_run(folder):
    page = (folder / "provenance.html").read_text()
    for text in ("two cores", "torch 2.7", "2026-01-01 12:00 UTC", "process", "float32", "not finished", "low_utility"):
        assert text in page, text
    assert page.count("<article>") == 1


def test_the_explanation_draws_an_example_from_the_data(folder):
    page = (folder / "reading.html").read_text()
    assert "An example from this leaderboard" in page
    assert "called-a" in page
    assert "called-b" in page


def test_templates_and_static_files_are_package_data():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["unlearnbench"]
    assert {"report/site/templates/*", "report/site/static/*"} <= set(patterns)


def test_cell_data_is_ascii(small):
    shown = content(small)
    for method in shown.methods:
        assert cell_data(method, shown.corruptions).isascii()


def row_of(page, method):
    """The cells of a method's row in the ranking, each as HTML."""
    (row,) = re.findall(rf'<tr data-method="method-{method}">(.*?)</tr>', page, re.DOTALL)
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
    _, _, score, healed, undiscovered, attack, utility, seeds, *_ = row_of(page, "good")
    assert plain(score) == "50.8 [49.2, 52.4]"
    assert re.findall(r"--at:([\d.]+)", score) == [f"{48 + 0.8 * seed:.1f}" for seed in range(8)]
    assert [plain(cell) for cell in (healed, undiscovered, attack, utility, seeds)] == [
        "63.5 [61.5, 65.5]",
        "31.8 [30.7, 32.8]",
        "25.0",  # the same in every seed: no interval
        "80.0",
        "8",
    ]
    assert "--at" not in (folder / "index.html").read_text(), "two seeds have no interval"


def test_ends_of_an_interval_beyond_0_and_100_are_cut_off(ranked):
    frame = ranked.board.frame.copy()
    own = frame["method"] == "weak"
    frame.loc[own, "aggregate"] = (frame.loc[own, "corruption_seed"] == 0).astype(float)
    shown = content_of(
        ranked.stored.engine, replace(ranked.board, frame=frame), ranking_of(totals_of(frame), ranked.board.suite)
    )
    score = row_of(render(shown)["index.html"], "weak")[2]
    assert plain(score) == "12.5 [0.0, 42.1]"
    assert "--low:0.0;--high:42.1;--mean:12.5" in score


def test_other_variants_and_references_stand_apart(ranked):
    page = (ranked.folder / "index.html").read_text()
    groups = re.findall(r"<tbody data-maps.*?</tbody>", page, re.DOTALL)
    assert [re.findall(r'data-method="method-([^"]+)"', group) for group in groups] == [
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
    for name in ("index.html", "method-good.html"):
        assert sentence in (folder / name).read_text()
        assert "a demonstration" not in (ranked.folder / name).read_text()


def test_what_does_not_count_is_listed_and_the_index_links_to_the_lists_that_are_there(folder, ranked):
    lists = {"incomplete-title", "beyond-title", "stale-title"}
    expected = {folder: {"incomplete-title"}, ranked.folder: {"beyond-title", "stale-title"}}
    for place, names in expected.items():
        linked = re.findall(r'href="provenance.html#([^"]+)"', (place / "index.html").read_text())
        assert set(linked) == names
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


def test_what_has_no_value_is_empty_and_not_hatched(ranked, folder):
    def undiscovered(place, method):
        page = (place / f"method-{method}.html").read_text()
        (table,) = re.findall(r"<caption>Healed \(undiscovered\).*?</table>", page, re.DOTALL)
        return [re.findall(r'<td class="(\w+)', row) for row in table.split("<tr>")[-3:]]

    assert [row[2] for row in undiscovered(ranked.folder, "good")] == ["none"] * 3
    # The original, 10% and 100% discovered; one cell of `flaky` was not run, and all of one failed.
    assert [row[1:] for row in undiscovered(folder, "flaky")] == [["m", "none"], ["s25", "none"], ["s25", "none"]]


def test_an_interval_that_all_seeds_agree_on_is_none(ranked):
    cell = data_of(ranked.folder, "oracle")["rows"][0]["cells"][0]
    assert cell["interval"] == "the same in all 8 seeds"
    assert data_of(ranked.folder, "good")["rows"][0]["cells"][0]["interval"] == "95% interval [49.2, 52.4] over 8 seeds"
