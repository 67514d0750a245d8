"""Parts of the plane, metrics and pairs of methods in a browser: addresses, the keyboard, and the numbers shown."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
import pytest

from tests.report.site.browsing import WAIT, find, methods, press, texts, visit
from unlearnbench.evaluation.statistics import difference
from unlearnbench.report.numbers.comparison import comparison
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.numbers.scores import SHARES, scores_of
from unlearnbench.report.numbers.totals import totals_of

LOADED = "const done = arguments[arguments.length - 1]; unlearnbench.load().then((data) => done(%s), done);"


def computed(browser: Any, expression: str, *given: Any) -> Any:
    """What an expression of the page's scripts gives; nan is null there."""
    text = LOADED % expression.replace("given", "arguments_")
    return browser.execute_async_script(f"const arguments_ = arguments[0];{text}", list(given))


def parts_of(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each part by its name in addresses."""
    parts = {"": frame}
    for name in frame["corruption"].unique():
        parts[name] = frame[frame["corruption"] == name]
    for rate in frame["discovery_rate"].unique():
        parts |= {
            f"{name},{100 * rate:g}": rows[rows["discovery_rate"] == rate]
            for name, rows in parts.items()
            if "," not in name
        }
    return parts


def shown(value: float) -> Any:
    return None if math.isnan(value) else pytest.approx(value, abs=2e-4)


def address(browser: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(browser.current_url).query))


def wait(browser: Any, text: str, selector: str = "#shown") -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, WAIT, 0.02).until(lambda driver: text in find(driver, selector).text, f"no {text!r}")


def test_scores_of_every_part_are_those_of_its_ranking(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder, "compare.html")
    parts = parts_of(ranked.board.frame)
    script = """given[0].map((name) => Object.values(data.methods).map((method) => given[1].map((metric) => {
        const { value, low, high, values } = unlearnbench.score(method, metric, unlearnbench.part(name));
        return [value, low, high, ...values];
    })))"""
    found = computed(browser, script, list(parts), list(SHARES))
    names = computed(browser, "Object.values(data.methods).map((method) => method.name)")
    for numbers, rows in zip(found, parts.values(), strict=True):
        table = ranking(rows).set_index("method")
        for name, of_method in zip(names, numbers, strict=True):
            for metric, values in zip(SHARES, of_method, strict=True):
                row = table.loc[name]
                expected = [row[metric], row[f"{metric}_low"], row[f"{metric}_high"], *row[f"{metric}_seeds"]]
                assert values == [shown(value) for value in expected], (name, metric)


def test_differences_of_every_part_are_those_of_python(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder, "compare.html")
    frame = ranked.board.frame
    script = """given[0].map((name) => given[1].map((metric) => {
        const [first, second] = given[2].map((page) => data.methods[page]);
        const found = unlearnbench.difference(first, second, metric, unlearnbench.part(name));
        return [found.value, found.low, found.high, found.kind, found.seeds, ...found.won];
    }))"""
    parts = parts_of(frame)
    for pair in (("good", "weak"), ("good", "twin"), ("oracle", "good")):
        found = computed(browser, script, list(parts), list(SHARES), list(pair))
        for numbers, rows in zip(found, parts.values(), strict=True):
            scores = scores_of(totals_of(rows[rows["method"].isin(pair)]), pair)
            for metric, (value, low, high, kind, seeds, *won) in zip(SHARES, numbers, strict=True):
                item = scores.difference(metric, *pair)
                assert (kind, seeds) == (item.kind, item.seeds), (pair, metric)
                assert [value, low, high] == [shown(100 * end) for end in (item.value, item.low, item.high)]
                if metric == "aggregate":
                    differences = np.round(scores.values[metric][0] - scores.values[metric][1], 12)
                    assert won == [(differences > 0).sum(), (differences == 0).sum(), (differences < 0).sum()]


def test_methods_on_other_originals_are_compared_unpaired(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder, "compare.html")
    script = """given.map((seeds) => {
        const first = data.methods.good;
        const apart = data.methods.weak.started.map((row) => row.map((number) => number + 1000));
        const keep = (method) => ({ ...method, seeds: method.seeds, started: apart });
        const second = keep(data.methods.weak);
        const { value, low, high, kind } = unlearnbench.difference(first, second, seeds, unlearnbench.part(""));
        return [value, low, high, kind];
    })"""
    scores = scores_of(ranked.board.totals, ["good", "weak"])
    nowhere = np.zeros(8, dtype=bool)
    for metric, (value, low, high, kind) in zip(SHARES, computed(browser, script, *SHARES), strict=True):
        mine, theirs = scores.values[metric]
        item = difference(mine, theirs, nowhere)
        assert kind == item.kind, metric
        assert [value, low, high] == [shown(100 * end) for end in (item.value, item.low, item.high)], metric
        assert metric != "aggregate" or kind == "unpaired"


def test_numbers_are_written_as_python_writes_them(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder, "compare.html")
    values = [0.0, 0.04, 0.05, 12.5, 13.5, 31.25, 31.75, 99.95, 100.0, -0.04, -12.5, -31.25, 100 / 3]
    written = computed(browser, "given.map((value) => [0, 1].map((at) => unlearnbench.number(value, at)))", *values)
    texts_of = [[f"{value:.{at}f}" for at in (0, 1)] for value in values]
    assert written == [[text if float(text) else text.removeprefix("-") for text in row] for row in texts_of]


def test_a_cell_of_the_plane_ranks_the_methods_there_and_stands_in_the_address(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder)
    find(browser, "#plane tbody tr:nth-child(2) td:nth-of-type(1) button").click()
    wait(browser, "Medium regularity, 10% discovered")
    assert address(browser) == {"part": "class-swap,10"}
    frame = ranked.board.frame
    table = ranking(frame[(frame["corruption"] == "class-swap") & (frame["discovery_rate"] == 0.1)]).set_index("method")
    for name in ("good", "twin", "weak"):
        row = table.loc[name]
        rank, _, score, *_ = texts(browser, f"#ranking [data-method={name}] > *")
        best, worst = row["best"], row["worst"]
        assert rank == (f"{best}" if best == worst else f"{best} to {worst}")
        assert score == f"{row['aggregate']:.1f} [{row['aggregate_low']:.1f}, {row['aggregate_high']:.1f}]"
        dots = browser.find_elements("css selector", f"#ranking [data-method={name}] .main .bar i")
        assert len(dots) == 8
    assert find(browser, "#answer").text.startswith("Medium regularity, 10% discovered: good 50.8 (rank 1 to 2)")
    find(browser, "#plane tbody tr:nth-child(2) th button").click()
    wait(browser, "Medium regularity")
    assert address(browser) == {"part": "class-swap"}
    find(browser, "#plane thead th:nth-child(3) button").click()
    wait(browser, "100% discovered")
    assert address(browser) == {"part": ",100"}
    find(browser, "#plane thead th:nth-child(3) button").click()  # once more: the whole plane
    assert address(browser) == {}
    assert not find(browser, "#answer").is_displayed()


def test_the_whole_plane_has_the_numbers_that_the_page_came_with(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder)
    cells = "#ranking tbody tr:not(.group) > *"
    before = texts(browser, cells)
    maps = texts(browser, ".multiples .heat td")
    find(browser, "#plane tbody td button").click()
    wait(browser, "10% discovered")
    assert texts(browser, cells) != before
    find(browser, "#filter [type=reset]").click()
    wait(browser, "All 5 rows")
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, WAIT, 0.02).until(lambda driver: address(driver) == {})
    assert texts(browser, cells) == before
    assert texts(browser, ".multiples .heat td") == maps


def test_an_address_opens_the_same_view(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder, "index.html?part=,100&show=utility&sort=method&order=descending&group=1&find=o")
    wait(browser, "100% discovered")
    assert methods(browser, 1) == ["weak", "twin", "good"]
    assert texts(browser, "#ranking tbody tr:not(.group) th a") == ["good"]
    assert find(browser, "#ranking thead th:nth-child(2)").get_attribute("aria-sort") == "descending"
    assert find(browser, "#mapped").text == "Utility (test)"
    assert texts(browser, "#method-good .heat tbody td") == ["80"] * 6
    assert find(browser, "#filter [name=find]").get_attribute("value") == "o"
    find(browser, "#ranking thead th:nth-child(1) button").click()
    assert address(browser)["sort"] == "rank"
    visit(browser, ranked.folder, "index.html?part=nowhere,10&show=nothing&sort=nothing&order=up&group=9")
    wait(browser, "All 5 rows")
    assert methods(browser, 1) == ["good", "twin", "weak"]


def test_less_attack_success_is_better_and_darker(browser: Any, folder: Path) -> None:
    visit(browser, folder, "index.html?show=attack_success")
    wait(browser, "All 7 rows")
    wait(browser, "Attack success", "#mapped")
    cell = find(browser, "#method-good .heat tbody td")
    assert (cell.text, cell.get_attribute("class")) == ("25", "s75")
    assert texts(browser, ".ramp-box span")[::2] == ["100", "0%, darker is better"]
    header = find(browser, "#ranking thead [data-metric=attack_success]")
    assert header.get_attribute("aria-sort") == "ascending"


def test_the_keyboard_chooses_a_part(browser: Any, ranked: Any) -> None:
    left, right, down, enter, tab = "\ue012", "\ue014", "\ue015", "\ue007", "\ue004"
    visit(browser, ranked.folder)
    browser.execute_script("document.querySelector('#plane button').focus()")
    press(browser, down, down, right, left)
    focused = browser.switch_to.active_element
    assert focused.get_attribute("data-part") == "class-swap,10"
    assert focused.value_of_css_property("outline-style") == "solid"
    press(browser, enter)
    wait(browser, "Medium regularity, 10% discovered")
    assert focused.get_attribute("aria-pressed") == "true"
    press(browser, tab)
    assert browser.execute_script("return document.activeElement.closest('#plane')") is None, "the plane is one stop"


def test_two_methods_side_by_side(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder, "compare.html?a=good&b=weak")
    table = comparison(ranked.board.frame, "good", "weak")
    whole = table.iloc[0]
    wait(browser, "certain", "#said")
    ends = f"[{whole['aggregate_low']:.1f}, {whole['aggregate_high']:.1f}]"
    assert f"{whole['aggregate']:.1f} percentage points larger" in find(browser, "#said").text
    assert f"95% interval {ends} over 8 paired seeds): certain." in find(browser, "#said").text
    line = texts(browser, "#parts tr:first-child > *")
    wins = f"{whole['wins']}/{whole['ties']}/{whole['losses']}"
    assert line[3:7] == [f"+{whole['aggregate']:.1f}*", ends, "8 paired", wins]
    cells = table[table["discovery_rate"].notna()].sort_values(["discovery_rate"], kind="stable")
    certain = [row["aggregate_low"] > 0 or row["aggregate_high"] < 0 for row in cells.to_dict("records")]
    assert len(browser.find_elements("css selector", "#minus td.certain")) == sum(certain) > 0
    assert f"in {sum(certain)} of 6 cells" in find(browser, "#marks").text
    assert find(browser, "#command").text == "unlearnbench compare 'good' 'weak' --suite small"
    find(browser, "#pair [name=swap]").click()
    assert address(browser) == {"a": "weak", "b": "good"}
    wait(browser, "smaller", "#said")
    find(browser, "#pair [name=b] option[value=twin]").click()
    assert address(browser) == {"a": "weak", "b": "twin"}
    visit(browser, ranked.folder, "compare.html?a=good&b=twin")
    wait(browser, "it may be chance", "#said")
    assert "of good is that of twin (95% interval [" in find(browser, "#said").text


def test_what_cannot_be_compared_says_why(browser: Any, folder: Path) -> None:
    visit(browser, folder, "compare.html?a=good&b=flaky")
    wait(browser, "flaky: no whole seed", "#said")
    visit(browser, folder, "compare.html?a=good&b=retrain")
    wait(browser, "whether that is chance is open", "#said")
    assert "no intervals" in find(browser, "#marks").text
    visit(browser, folder, "compare.html?a=good&b=retrain&show=attack_success")
    wait(browser, "Attack success of good is that of retrain (no interval", "#said")
