"""The pages of a site: what they hold, and what submissions cannot do to them."""

import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.report.site.texts import plain, write
from tests.small_store import CELLS
from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.site import write_site
from unlearnbench.report.site.gather import content_of
from unlearnbench.report.site.pages import render, scale, shade, web
from unlearnbench.report.wording import cell_colours


def content(stored):
    board = read_board(stored.engine, "small")
    return content_of(stored.engine, board)


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
        ("http:\t//example.org", False),
        ("https://example.org/\n", False),
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


def test_pages_say_what_a_method_knows(small, tmp_path):
    cells = [(regularity, 0.0, seed) for regularity in ("low", "medium", "high") for seed in (0, 1)]
    small.problems(cells=cells)
    small.submission("blind", "blind")
    for cell in cells:
        small.trial("first", "blind", cell, healed=0.2)
    write(small, tmp_path)
    for name, known in {"blind": "no corrupted sample", "good": "the discovered samples"}.items():
        assert f"<dt>Knows<dd>{known}</div>" in (tmp_path / "small" / f"method-{name}.html").read_text()


def test_failures_of_seeds_that_are_not_whole_are_not_counted_as_none(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="failed")
    write(stored, tmp_path)
    page = plain((tmp_path / "small" / "method-good.html").read_text())
    assert "In seeds that are not whole. Each counts as 0" in page
    assert "means over seeds that are not whole, by discovery rate" in page


def test_without_an_oracle_nothing_is_found_to_be_beyond_it_and_pages_say_so(stored, tmp_path):
    stored.run("first")
    stored.problems()
    words = "The oracle did not run on all of it, so trials that heal more than it are not found."
    for name, said in {"good": True, "oracle": False}.items():
        stored.submission(name, name, role="reference" if name == "oracle" else "ranked")
        for cell in CELLS:
            stored.trial("first", name, cell, healed=0.5)
        write(stored, tmp_path)
        assert (words in (tmp_path / "small" / "provenance.html").read_text()) is said


def test_what_is_beyond_an_oracle_that_lacks_a_seed_is_listed_with_the_caveat(stored, tmp_path):
    stored.column(seeds=2)
    stored.scored("good", [1.0, 1.0])
    stored.scored("oracle", [0.1], role="reference")
    write(stored, tmp_path)
    page = plain((tmp_path / "small" / "provenance.html").read_text())
    assert "No method should know more than the oracle" in page
    assert "The oracle did not run on all of it" in page
