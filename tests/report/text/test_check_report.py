"""What is written about a check: Markdown that says what is wrong first, JUnit XML that programs read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from unlearnbench.report.text.check_report import headline, junit, moved, show, summary, write
from unlearnbench.report.text.terminal import Terminal
from unlearnbench.verify.baseline import records
from unlearnbench.verify.check import Check, compare
from unlearnbench.verify.placing import Placed, Placing


@pytest.fixture
def before(small) -> pd.DataFrame:
    return records(small.engine, "small")


@pytest.fixture
def worse(before) -> Check:
    """`good` fails twice with a nasty reason and falls, `oracle` is gone, `new` is new, `flaky` fell a little."""
    after = before[before["method"] != "oracle"].copy()
    good = after.index[after["method"] == "good"][:2]
    after.loc[good, ["state", "reason"]] = ["failed", 'raised: \x1b[31m<b>|\x00 & "quoted"']
    after.loc[good, ["aggregate", "healed_train"]] = np.nan
    flaky = after.index[after["method"] == "flaky"]
    after.loc[flaky, "source_hash"] = "another"
    after.loc[after.loc[flaky, "aggregate"].last_valid_index(), "aggregate"] -= 0.1
    new = after[after["method"] == "good"].assign(method="new", submission="new")
    return compare(before, pd.concat([after, new]), cost_factor=2.0)


@pytest.fixture
def equal(before) -> Check:
    return compare(before, before, cost_factor=2.0)


def test_headlines(worse, equal):
    assert headline(equal) == "4 methods compared with the baseline of small: no regression."
    assert headline(worse) == "3 methods compared with the baseline of small: 3 regressions in 2 methods."


def test_a_score_that_cannot_be_compared_here_is_no_regression_and_a_notice(before):
    after = before.assign(source_hash="another", original_weights_hash="of another machine", aggregate=0.0)
    found = compare(before, after, cost_factor=2.0)
    assert not found.having("regression")
    notice = "4 methods compared with the baseline of small: no regression. 4 scores not comparable here."
    assert headline(found) == notice
    assert notice in summary(found)
    assert "`good`" in summary(found).partition("## Not checked")[2].partition("## Maps")[0]
    assert check_junit(junit(found)).attrib["failures"] == "0"
    console = Terminal(width=120, record=True)
    show(found, [], console)
    assert console.export_text().splitlines()[-1] == notice


def test_what_moved_has_intervals_from_three_seeds_on(stored):
    stored.column(seeds=4)
    stored.scored("good", [0.25, 0.35, 0.45, 0.3])
    before = records(stored.engine, "small")
    fallen = before.assign(aggregate=before["aggregate"] - [0.04, 0.05, 0.06, 0.03])
    for rows, interval, note in ((4, "[-6.6, -2.4]", "95% t interval"), (2, "-", "Fewer than three seeds")):
        page = summary(compare(before.head(rows), fallen.head(rows), cost_factor=2.0))
        row = next(line for line in page.splitlines() if line.startswith("| good | 3"))
        assert [cell.strip() for cell in row.split("|")][4:6] == ["-4.5", interval]
        assert note in page


def test_moved_names_the_largest_drop_first(worse, equal):
    assert moved(worse) == ["good", "flaky"]
    assert moved(equal) == []


def test_the_summary_says_what_is_wrong_then_what_moved(worse):
    page = summary(worse, ["a note"])
    order = ["# Check of `small`", "3 regressions", "- Baseline: processor two cores", "- Now: ", "- a note"]
    order += ["## Regressions", "| good | finishes |", "| good | score |", "| oracle | present |", "## Changed scores"]
    order += ["| flaky |", "## New methods", "`new`", "## Not checked", "## Maps", "**good**", "**flaky**", "**new**"]
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert "**retrain**" not in page


def test_every_table_of_the_summary_is_rectangular(worse):
    tables = [part for part in summary(worse).split("\n\n") if part.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_a_map_shows_what_it_was_and_what_it_is(worse):
    page = summary(worse)
    own = page[page.index("**good**") : page.index("**flaky**")]
    assert "| Regularity | 10% | 100% |" in own
    assert re.search(r"\d \N{RIGHTWARDS ARROW} \d", own)
    assert "\N{RIGHTWARDS ARROW}" not in page[page.index("**new**") :]


def test_nothing_moved_means_no_tables(equal):
    page = summary(equal)
    assert "no regression" in page
    assert "|" not in page


def check_junit(text: str) -> ElementTree.Element:
    """The structure that readers of JUnit XML agree on."""
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites"
    assert len(root) == 1
    suite = root[0]
    assert suite.tag == "testsuite"
    assert set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped", "time"}
    cases = list(suite)
    assert {case.tag for case in cases} == {"testcase"}
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(set(names)) == len(names)
    for case in cases:
        assert set(case.attrib) == {"classname", "name", "time"}
        assert float(case.attrib["time"]) >= 0
        assert [child.tag for child in case] in (["failure"], ["skipped"], ["system-out"])
        for failure in case.iter("failure"):
            assert failure.attrib["type"]
            assert failure.attrib["message"]
    for attribute, tag in (("failures", "failure"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == len(list(suite.iter(tag)))
    for element in (root, suite):
        assert (int(element.attrib["tests"]), element.attrib["errors"]) == (len(cases), "0")
    return suite


def test_junit_is_what_readers_expect(worse, equal):
    assert [case.attrib["classname"] for case in check_junit(junit(worse)) if case.find("failure") is not None] == [
        *("small.good", "small.good", "small.oracle")
    ]
    suite = check_junit(junit(equal))
    assert suite.attrib["failures"] == "0"
    assert len(suite) == 4 * 5


def test_what_xml_cannot_hold_is_replaced(worse):
    failure = next(check_junit(junit(worse)).iter("failure"))
    assert 'raised: \N{REPLACEMENT CHARACTER}[31m<b>|\N{REPLACEMENT CHARACTER} & "quoted"' in failure.attrib["message"]
    assert failure.text == failure.attrib["message"]


def test_the_terminal_shows_the_regressions_last(worse, equal):
    console = Terminal(width=120, record=True)
    show(worse, ["a note"], console)
    lines = console.export_text().splitlines()
    assert lines[-1] == headline(worse)
    assert lines[-2].startswith("regression: oracle: present: ")
    assert lines[-3].startswith("regression: good: score: dropped over 2 points overall")
    assert lines[-4].startswith("regression: good: finishes: 2 of 12 trials newly fail")
    assert "note: a note" in lines
    quiet = Terminal(width=120, record=True)
    show(equal, [], quiet)
    assert "Changed scores" not in quiet.export_text()


def test_files_are_written_where_they_are_asked_for(worse, tmp_path):
    write(worse, ["a note"], tmp_path / "new/summary.md", None)
    assert (tmp_path / "new/summary.md").read_text() == summary(worse, ["a note"])
    write(worse, [], None, tmp_path / "junit.xml")
    assert (tmp_path / "junit.xml").read_text() == junit(worse)


def test_new_methods_are_placed_among_those_of_the_board(worse):
    corruptions = {"poison-trigger": 40.0, "random-swap": 20.0}
    places = [Placed("leads", False, 30.0, corruptions), Placed("new", True, 20.0, {"random-swap": 20.0})]
    placing = Placing(places, ["rem", "a_b"])
    section = summary(worse, places=placing).split("## New methods")[1].split("## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    assert rows[0][:2] == ["Place", "Method"]
    assert rows[2:] == [["1", "leads", "30.0", "40.0", "20.0"], ["2", "new (new)", "20.0", "-", "20.0"]]
    assert "a first look, no rank" in section
    assert "Left out, because the board lacks some of their trials: rem, a_b." in section
    assert "the board lacks" in summary(worse, places=Placing()).lower()
    assert "board" not in summary(worse)
    console = Terminal(width=200, record=True)
    show(worse, [], console, placing)
    assert "on the board, new would be number 2 of 2 (20.0)." in (shown := console.export_text())
    assert "trials: rem, a_b." in shown
    show(worse, [], console, Placing(places))
    assert "Left out" not in console.export_text()
    show(worse, [], console, Placing())
    assert "The board lacks some of these problems" in console.export_text()
