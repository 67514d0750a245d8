"""The site in a real browser: headless Chromium with a profile of its own, one session for all tests."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from unlearnbench.report.figures import cell_colours
from unlearnbench.report.wording import PRODUCT

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage"),
)
WAIT = 10
"""Seconds that the browser has for what takes it milliseconds."""
FLAKY = "#method-flaky"
CONTRAST = """
const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const colour = numbers(getComputedStyle(node).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  throw new Error("no background");
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode, node = text.parentElement;
  if (!text.data.trim() || !node.checkVisibility() || node.closest("svg, .skip, i, caption")) continue;
  const [a, b] = [light(numbers(getComputedStyle(node).color)), light(ground(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push(`${text.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
}
return found;
"""


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        message = "chromium and chromedriver are not installed"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def browser(session: Any, sites: Path) -> Iterator[Any]:
    """The browser on a light desktop screen; after each test nothing was complained of and no request had left."""
    session.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    screen(session, 1280, 900)
    media(session)
    session.get_log("performance")
    yield session
    assert session.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in session.get_log("performance")]
    requests = [item["params"]["request"]["url"] for item in messages if item["method"] == "Network.requestWillBeSent"]
    assert requests
    assert [url for url in requests if not url.startswith((sites.as_uri() + "/", "data:"))] == []


def screen(browser: Any, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def media(browser: Any, kind: str = "", **preferences: str) -> None:
    """Emulate a medium and what a person prefers, as in `colour="dark"`."""
    # Without motion the page stands still when a test points at a place.
    given = {"color-scheme": preferences.get("colour", "light"), "reduced-motion": preferences.get("motion", "reduce")}
    features = [{"name": f"prefers-{name}", "value": value} for name, value in given.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


def visit(browser: Any, folder: Path, page: str = "index.html") -> None:
    browser.get((folder / page).as_uri())


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def texts(browser: Any, selector: str) -> list[str]:
    """The text of every element that can be seen."""
    found = browser.find_elements("css selector", selector)
    return [" ".join(element.text.split()) for element in found if element.is_displayed()]


def tip(browser: Any, having: str) -> str:
    """The numbers of a cell, once they have this text."""
    from selenium.webdriver.support.wait import WebDriverWait

    def text(driver: Any) -> str:
        return " ".join(find(driver, ".tip").text.split())

    WebDriverWait(browser, WAIT, 0.02).until(lambda driver: having in text(driver), f"no numbers with {having!r}")
    return text(browser)


def cell(browser: Any, figure: str, row: int, column: int) -> Any:
    return find(browser, f"{figure} .heat tbody tr:nth-child({row}) td:nth-of-type({column})")


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(browser, duration=0).send_keys(*keys).perform()


def pages(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.html"))


def methods(browser: Any, group: int) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll(`#ranking [data-maps='maps-${arguments[0]}'] [data-method]`)]"
        ".map((row) => row.dataset.method.replace('method-', ''))",
        group,
    )


def test_every_column_sorts_both_ways_and_the_maps_follow(browser: Any, folder: Path) -> None:
    visit(browser, folder)
    headers = browser.find_elements("css selector", "#ranking thead th")
    assert [" ".join(header.text.split()) for header in headers] == [
        *("Rank", "Method", PRODUCT, "Healed", "Healed, undiscovered", "Attack success", "Utility", "Seeds"),
        *("Cost", "Failed", "Not run"),
    ]
    values = (
        "return [...document.querySelectorAll(\"#ranking [data-maps='maps-1'] [data-method]\")]"
        ".map((row) => row.cells[arguments[0]]).map((cell) => cell.dataset.v ?? cell.textContent)"
    )
    for index, header in enumerate(headers):
        orders = []
        for _ in range(2):
            header.find_element("tag name", "button").click()
            orders.append(header.get_attribute("aria-sort"))
            found = browser.execute_script(values, index)
            keys = [key if index == 1 else float(key) for key in found if key]
            assert keys == sorted(keys, reverse=orders[-1] == "descending"), header.text
            assert "" not in found[: len(keys)], "what has no value stands last"
            maps = browser.execute_script("return [...document.querySelectorAll('#maps-1 figure')].map((f) => f.id)")
            assert maps == [f"method-{name}" for name in methods(browser, 1)]
        rising = ["ascending", "descending"]
        assert orders == (rising if index in (0, 1, 5, 8) else rising[::-1])
        others = [other.get_attribute("aria-sort") for other in headers if other != header]
        assert set(others) == {"none"}
    assert methods(browser, 2) == ["oracle"], "sorting leaves a group together"


def test_what_has_no_value_stands_last_both_ways(browser: Any, folder: Path) -> None:
    visit(browser, folder)
    button = find(browser, "#ranking thead th:nth-child(9) button")  # no seed of the others is whole
    for expected in (["good", "retrain"], ["retrain", "good"]):
        button.click()
        assert methods(browser, 1)[:2] == expected


def test_sorting_works_with_the_keyboard(browser: Any, folder: Path) -> None:
    visit(browser, folder)
    browser.execute_script("document.querySelector('#ranking thead th:nth-child(4) button').focus()")
    press(browser, "\ue007")  # Enter
    assert find(browser, "#ranking thead th:nth-child(4)").get_attribute("aria-sort") == "descending"
    assert methods(browser, 1)[:2] == ["good", "retrain"]


def test_the_filter_holds_for_table_and_maps(browser: Any, folder: Path) -> None:
    visit(browser, folder)
    assert find(browser, "#shown").text == "All 7 shown"
    words = find(browser, "#filter [name=words]")
    words.send_keys("FLAK tied")
    assert texts(browser, "#ranking tbody tr:not(.group) th a") == ["flaky on tied dropout"]
    assert texts(browser, "figure figcaption a") == ["flaky on tied dropout"]
    assert find(browser, "#shown").text == "1 of 7 shown"
    assert len(texts(browser, "section.maps")) == 1, "no heading stays without its maps"
    words.send_keys("?")
    assert find(browser, "#shown").text == "No method fits the filter"
    words.clear()
    find(browser, "#filter [name=group] option[value=maps-2]").click()
    assert texts(browser, "#ranking tbody tr:not(.group) th a") == texts(browser, "figure figcaption a") == ["oracle"]


def test_hovering_shows_the_numbers_of_a_cell(browser: Any, folder: Path) -> None:
    from selenium.webdriver import ActionChains

    visit(browser, folder)
    assert not find(browser, ".tip").is_displayed()
    ActionChains(browser, duration=0).move_to_element(cell(browser, "#method-good", 3, 1)).perform()
    text = tip(browser, "Low regularity, 10% discovered")
    assert "good" in text
    assert f"32.0 {PRODUCT.lower()}, percent no interval of 2 seeds" in text
    assert "Healed (train) 40.0 Healed (undiscovered) 20.0 Healed (test) 17.0 Utility 80.0" in text
    assert "seed 0/10/20 30.0 15.0 9.0 80.0 24.0 seed 1/11/21 50.0 25.0 25.0 80.0 40.0" in text
    ActionChains(browser, duration=0).move_to_element(find(browser, "#maps-title")).perform()
    assert not find(browser, ".tip").is_displayed()


def test_marks_say_what_they_mean(browser: Any, folder: Path) -> None:
    from selenium.webdriver import ActionChains

    visit(browser, folder)
    expected = {
        (3, 1): (
            "1 of 2 failed, each counts as 0",
            "seed 0/10/20 failed: timeout seed 1/11/21 50.0",
            "15\nsome failed",
        ),
        (3, 2): ("2 of 2 failed, each counts as 0", "seed 1/11/21 failed: timeout", "all failed"),
        (2, 2): ("1 of 2 not run", "no interval of 1 seed", "30\nsome not run"),
        (1, 1): ("not run", "seed 0/10/20 not run seed 1/11/21 not run", "not run"),
    }
    for (row, column), (note, trials, said) in expected.items():
        place = cell(browser, FLAKY, row, column)
        assert place.get_attribute("textContent").strip() == said.replace("\n", "")
        ActionChains(browser, duration=0).move_to_element(place).perform()
        assert trials in tip(browser, note)
    style = "return getComputedStyle(arguments[0], arguments[1])[arguments[2]]"
    assert "gradient" in browser.execute_script(style, cell(browser, FLAKY, 1, 1), None, "backgroundImage")
    assert "\N{MULTIPLICATION SIGN}" in browser.execute_script(style, cell(browser, FLAKY, 3, 2), "::before", "content")
    for place in (cell(browser, FLAKY, 3, 1), cell(browser, FLAKY, 2, 2)):
        assert "polygon" in browser.execute_script(style, place, "::after", "clipPath")


def test_cells_have_the_colours_of_the_figures(browser: Any, folder: Path) -> None:
    visit(browser, folder)
    for figure, row, percent in (("#method-good", 1, 64), ("#method-good", 3, 32), ("#method-oracle", 1, 90)):
        place = cell(browser, figure, row, 2)
        assert place.text == str(percent)
        wanted = [tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in cell_colours(percent)]
        drawn = [place.value_of_css_property(name) for name in ("background-color", "color")]
        assert [tuple(map(int, colour[colour.index("(") + 1 : -1].split(",")[:3])) for colour in drawn] == wanted


def test_the_keyboard_walks_through_a_map(browser: Any, folder: Path) -> None:
    tab, left, right, up, down, home, end, escape = "\ue004\ue012\ue014\ue013\ue015\ue011\ue010\ue00c"
    visit(browser, folder)
    browser.execute_script("document.querySelector('#method-flaky figcaption a').focus()")
    press(browser, tab)
    steps = [
        ("", "High regularity, 10% discovered", "not run"),
        (right, "High regularity, 100% discovered", "30.0"),
        (down, "Medium regularity, 100% discovered", "1 of 2 not run"),
        (end, "Medium regularity, 100% discovered", "30.0"),
        (home, "Medium regularity, 10% discovered", "30.0"),
        (down, "Low regularity, 10% discovered", "timeout"),
        (left, "Low regularity, 10% discovered", "timeout"),
        (down, "Low regularity, 10% discovered", "timeout"),
        (up, "Medium regularity, 10% discovered", "30.0"),
    ]
    for key, where, said in steps:
        press(browser, key) if key else None
        assert said in tip(browser, where)
        focused = browser.switch_to.active_element
        assert focused.value_of_css_property("outline-style") == "solid"
        assert float(focused.value_of_css_property("outline-width").removesuffix("px")) >= 2
    assert find(browser, ".tip").get_attribute("role") == "status"
    press(browser, escape)
    assert not find(browser, ".tip").is_displayed()
    press(browser, tab)
    where = "return document.activeElement.closest('figure').id"
    assert browser.execute_script(where) != "method-flaky", "a map is one stop"


def test_a_tap_shows_the_numbers_at_the_bottom_of_a_phone(browser: Any, folder: Path) -> None:
    screen(browser, 360, 640)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    visit(browser, folder)
    place = cell(browser, "#method-good", 3, 2)
    browser.execute_script("arguments[0].scrollIntoView({ block: 'end', behavior: 'instant' })", place)

    def tap(element: Any) -> None:
        box = browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", element)
        points = [{"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}]
        for kind, touched in (("touchStart", points), ("touchEnd", [])):
            browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})

    tap(place)
    assert "32.0" in tip(browser, "Low regularity, 100% discovered")
    corner = "return arguments[0].getBoundingClientRect()[arguments[1]]"
    shown = find(browser, ".tip")
    assert browser.execute_script(corner, shown, "bottom") == 640
    assert browser.execute_script(corner, shown, "width") == 360
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, WAIT, 0.02).until(
        lambda driver: driver.execute_script(corner, place, "bottom") <= driver.execute_script(corner, shown, "top"),
        "the cell stays under its numbers",
    )
    tap(place)
    WebDriverWait(browser, WAIT, 0.02).until(lambda driver: not shown.is_displayed(), "a second tap does not close")


def test_the_page_of_a_method_shows_the_original_beside_its_cells(browser: Any, folder: Path) -> None:
    from selenium.webdriver import ActionChains

    visit(browser, folder, "method-flaky.html")
    assert texts(browser, ".panels figcaption") == [
        *("Healed (train)", "Healed (undiscovered)", "Healed (test)", "Utility (test)", PRODUCT)
    ]
    assert texts(browser, ".panels figure:nth-child(5) tbody tr:nth-child(3) td") == [
        "13.5",
        "15.0 some failed",
        "all failed",
    ]
    utility = ".panels figure:nth-child(4)"
    ActionChains(browser, duration=0).move_to_element(cell(browser, utility, 3, 1)).perform()
    assert "Utility 90.0" in tip(browser, "Low regularity, original model")
    ActionChains(browser, duration=0).move_to_element(cell(browser, utility, 3, 2)).perform()
    assert "failed: timeout" in tip(browser, "Low regularity, 10% discovered")
    assert texts(browser, "[aria-labelledby=failures-title] tbody tr") == ["3 timeout random-swap at 10%, 100%"]
    facts = " ".join(texts(browser, ".facts > div"))
    assert "Source hash source of flaky" in facts
    assert "steps 2" in facts
    assert "originals with 50% capacity" in facts


def test_nothing_that_a_submission_says_is_run(browser: Any, folder: Path) -> None:
    from selenium.webdriver import ActionChains

    page = next(path.name for path in folder.glob("method-hostile*.html"))
    for name in ("index.html", page, "reading.html", "provenance.html"):
        visit(browser, folder, name)
        assert browser.execute_script("return window.hacked") is None
    visit(browser, folder, page)
    assert "<script>window.hacked = true</script>" in find(browser, "h1").text
    ActionChains(browser, duration=0).move_to_element(cell(browser, ".panels figure:nth-child(1)", 3, 2)).perform()
    assert "<script>window.hacked = true</script>" in tip(browser, "counts as 0")
    assert browser.execute_script("return window.hacked") is None
    assert "javascript:window.hacked=true" in " ".join(texts(browser, ".facts > div"))


def test_no_page_is_wider_than_a_phone(browser: Any, folder: Path) -> None:
    screen(browser, 360, 640)
    for page in pages(folder):
        visit(browser, folder, page)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360, page
    visit(browser, folder)
    box = "const box = document.querySelector('.scroll.wide'); return [box.scrollWidth > box.clientWidth, box.tabIndex]"
    assert browser.execute_script(box) == [True, 0], "the table scrolls inside its box, also with the keyboard"


@pytest.mark.parametrize("colour", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(browser: Any, folder: Path, colour: str) -> None:
    from selenium.webdriver import ActionChains

    media(browser, colour=colour)
    for page in pages(folder):
        visit(browser, folder, page)
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        channels = [int(channel) for channel in ground[ground.index("(") + 1 : -1].split(",")[:3]]
        assert max(channels) < 50 if colour == "dark" else min(channels) > 205
        for details in browser.find_elements("css selector", "summary"):
            details.click()
        assert browser.execute_script(CONTRAST) == [], page
    visit(browser, folder)
    ActionChains(browser, duration=0).move_to_element(cell(browser, FLAKY, 3, 1)).perform()
    tip(browser, "timeout")
    assert browser.execute_script(CONTRAST) == [], "the numbers of a cell"


def test_print_leaves_out_what_cannot_be_used_on_paper(browser: Any, folder: Path) -> None:
    media(browser, kind="print", colour="dark")
    visit(browser, folder)
    assert not find(browser, "#filter").is_displayed()
    assert not find(browser, "nav a").is_displayed()
    place = cell(browser, "#method-good", 1, 1)
    assert place.value_of_css_property("print-color-adjust") == "exact"
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)", "paper is white"


def test_motion_is_left_out_where_a_person_prefers_that(browser: Any, folder: Path) -> None:
    behaviour = "return getComputedStyle(document.documentElement).scrollBehavior"
    for motion, expected in {"no-preference": "smooth", "reduce": "auto"}.items():
        media(browser, motion=motion)
        visit(browser, folder)
        assert browser.execute_script(behaviour) == expected


@pytest.mark.parametrize("site", ["site", "ranked"])
def test_links_between_pages_lead_somewhere(browser: Any, folder: Path, ranked: Any, site: str) -> None:
    place = folder if site == "site" else ranked.folder
    links = "return [...document.querySelectorAll('a')].map((link) => link.href)"
    ids: dict[str, set[str]] = {}
    targets = set()
    for page in pages(place):
        visit(browser, place, page)
        ids[page] = set(browser.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)"))
        targets |= set(browser.execute_script(links))
    outside = ["https://example.org/a?b=1&c=2"] if site == "site" else []
    assert [url for url in targets if not url.startswith("file:")] == outside
    reached = set()
    for url in targets:
        if not url.startswith("file:"):
            continue
        address, fragment = urldefrag(url)
        path = Path(unquote(urlsplit(address).path))
        assert path.parent == place
        assert not fragment or fragment in ids[path.name], url
        reached.add(path.name)
    assert reached == set(pages(place)), "every page can be reached"


def test_every_control_has_a_name(browser: Any, folder: Path) -> None:
    named = {"button", "link", "searchbox", "combobox", "grid", "region", "search", "navigation", "image"}
    seen = set()
    for page in ("index.html", "method-flaky.html", "reading.html", "provenance.html"):
        visit(browser, folder, page)
        tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        for node in tree:
            role = node.get("role", {}).get("value")
            if node["ignored"] or role not in named:
                continue
            seen.add(role)
            assert node.get("name", {}).get("value", "").strip(), (page, role, node)
        assert browser.execute_script("return document.documentElement.lang") == "en"
        assert browser.title
        assert len(browser.find_elements("css selector", "h1")) == 1
    assert {"button", "link", "searchbox", "combobox", "grid", "region"} <= seen


def test_tables_have_scoped_headers(browser: Any, folder: Path) -> None:
    for page in pages(folder):
        visit(browser, folder, page)
        assert browser.find_elements("css selector", "th:not([scope])") == []


def box(browser: Any, element: Any) -> dict[str, float]:
    found: dict[str, float] = browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", element)
    return found


def test_the_seeds_are_dots_below_the_bar_of_their_interval(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder)
    for place in (find(browser, "#ranking [data-method=method-weak]"), None):
        if place is None:
            visit(browser, ranked.folder, "method-weak.html")
            place = find(browser, ".scores")
        bar = place.find_element("css selector", ".bar")
        dots = bar.find_elements("css selector", "i")
        own = ranked.board.frame[ranked.board.frame["method"] == "weak"]
        values = [100 * value for value in own.groupby("corruption_seed")["aggregate"].mean()]
        line, row = box(browser, bar), box(browser, place)
        assert len(dots) == len(values) == 8
        for dot, value in zip(dots, values, strict=True):
            at = box(browser, dot)
            assert (at["left"] + at["right"]) / 2 == pytest.approx(line["left"] + line["width"] * value / 100, abs=0.6)
            assert at["top"] >= line["bottom"] + 3, "a dot on the bar cannot be seen"
            assert at["bottom"] <= row["bottom"], "a dot in the next row belongs to no method"
            assert at["width"] >= 4


@pytest.mark.parametrize("site", ["site", "ranked"])
def test_the_whole_ranking_fits_a_desktop_screen(browser: Any, folder: Path, ranked: Any, site: str) -> None:
    visit(browser, folder if site == "site" else ranked.folder)
    # Nothing is promised for a name that goes on and on.
    browser.execute_script("document.querySelectorAll('[data-method*=hostile]').forEach((row) => row.remove())")
    table = find(browser, ".scroll.wide")
    assert (
        browser.execute_script("return [arguments[0].scrollWidth, arguments[0].clientWidth]", table)
        == [table.size["width"]] * 2
    )
    for header in browser.find_elements("css selector", "#ranking thead th"):
        assert not header.text.split("\n")[-1].startswith("\N{UP DOWN ARROW}"), "an arrow has no line of its own"


def test_names_of_rows_stay_beside_their_map(browser: Any, ranked: Any, tmp_path: Path, sites: Path) -> None:
    from unlearnbench.report.numbers.ranking import ranking
    from unlearnbench.report.site.gather import content_of
    from unlearnbench.report.site.pages import render

    shown = content_of(ranked.stored.engine, ranked.board, ranking(ranked.board.frame))
    long = {name: f"{label} {name}" for name, label in shown.short.items()}
    page = sites / "ranked" / "long.html"
    page.write_text(render(dataclasses.replace(shown, short=long))["index.html"])
    for width in (1280, 360):
        screen(browser, width, 800)
        visit(browser, ranked.folder, page.name)
        for head in browser.find_elements("css selector", "#method-good tbody th"):
            cut = "return arguments[0].scrollWidth <= arguments[0].clientWidth"
            assert browser.execute_script(cut, head), (width, head.text)
            words = head.text.replace("-\n", "-").split()
            assert words[1] in long, "no word is broken but at its hyphen"
    page.unlink()
