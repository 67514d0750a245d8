import json
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unlearnbench.errors import UsageError
from unlearnbench.report.figures import cell_colours
from unlearnbench.report.frames import trials
from unlearnbench.report.ranking import ranking
from unlearnbench.report.site import write_site
from unlearnbench.report.site.gather import content_of
from unlearnbench.report.site.pages import NO_VALUE, cell_data, render, scale, shade, web


def write(stored, folder, suite="small"):
    frame = trials(stored.engine, suite)
    return write_site(stored.engine, suite, frame, ranking(frame), folder)


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


def test_an_unknown_suite_writes_nothing(small, tmp_path):
    frame = trials(small.engine, "small")
    with pytest.raises(UsageError, match="no run of suite 'large'"):
        write_site(small.engine, "large", frame, ranking(frame), tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_suite_without_a_single_record_has_a_site(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="missing")
    write(stored, tmp_path)
    assert "not ranked: no trial has been run" in (tmp_path / "method-good.html").read_text()
    assert "no example to show" in (tmp_path / "reading.html").read_text()
    assert "1 of 1 trials have not been run" in (tmp_path / "index.html").read_text()


def test_the_numbers_of_a_cell_are_texts_as_shown(small, tmp_path):
    write(small, tmp_path)
    rows = data_of(tmp_path, "flaky")["rows"]
    assert rows[2]["original"]["values"] == ["15.0", "20.0", "90.0", "13.5"]
    assert rows[2]["cells"][0] == {
        "where": "Low regularity, 10% discovered",
        "note": "1 of 2 failed, each counts as 0",
        "values": ["50.0", "40.0", "60.0", "15.0"],
        "interval": "95% interval [0.0, 30.0] over 2 seeds",
        "trials": [["seed 0", "failed: timeout"], ["seed 1", "50.0", "40.0", "60.0", "30.0"]],
    }
    assert rows[1]["cells"][1]["interval"] == "no interval from one value (seed 0)"
    assert rows[1]["cells"][1]["note"] == "1 of 2 not run, the mean is over the others"
    assert rows[0]["cells"][0]["values"] == []
    assert rows[0]["cells"][0]["note"] == "not run"


def test_a_single_failed_seed_says_why(stored, tmp_path):
    stored.run("first")
    stored.problems()
    stored.submission("good", "good")
    stored.trial("first", "good", ("low", 0.1, 0), state="failed", reason="out of memory")
    write(stored, tmp_path)
    (row,) = data_of(tmp_path, "good")["rows"]
    assert row["cells"][0]["trials"] == [["seed 0", "failed: out of memory"]]
    assert row["cells"][0]["note"] == "failed, counts as 0"
    assert row["cells"][0]["values"] == [NO_VALUE, NO_VALUE, NO_VALUE, "0.0"]


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
    frame = trials(small.engine, "small")
    shown = content_of(small.engine, "small", frame, ranking(frame))
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


def test_every_number_is_there_without_scripts(folder):
    page = (folder / "method-flaky.html").read_text()
    assert "<td>seed 0: failed, timeout; seed 1: 30.0</td>" in page
    assert "<td>[0.0, 30.0]</td>" in page
    assert "<td>seed 0: not run; seed 1: not run</td>" in page


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
    frame = trials(small.engine, "small")
    for method in content_of(small.engine, "small", frame, ranking(frame)).methods:
        assert cell_data(method).isascii()
