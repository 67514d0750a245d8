"""The site in a real browser: what sorts, filters, and shows the numbers of a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.report.site.browsing import (
    FLAKY,
    WAIT,
    cell,
    find,
    methods,
    pages,
    press,
    screen,
    texts,
    tip,
    visit,
)
from unlearnbench.report.wording import PRODUCT, cell_colours


def test_every_column_sorts_both_ways_and_the_maps_follow(browser: Any, folder: Path) -> None:
    visit(browser, folder)
    headers = browser.find_elements("css selector", "#ranking thead th")
    assert [" ".join(header.text.split()) for header in headers] == [
        *("Rank", "Method", PRODUCT, "Healed (train)", "Healed (undisc.)", "Healed (test)", "Attack success"),
        *("Utility", "Cost", "Budget", "Seeds", "Failed", "Not run"),
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
            maps = browser.execute_script(
                "return [...document.querySelectorAll('#maps-1 figure[id]')].map((f) => f.id)"
            )
            assert maps == [f"method-{name}" for name in methods(browser, 1)]
        rising = ["ascending", "descending"]
        assert orders == (rising if index in (0, 1, 6, 8, 9) else rising[::-1])
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
    browser.execute_script("document.querySelector('#ranking thead th[data-metric=healed_train] button').focus()")
    press(browser, "\ue007")  # Enter
    assert find(browser, "#ranking thead th[data-metric=healed_train]").get_attribute("aria-sort") == "descending"
    assert methods(browser, 1)[:2] == ["good", "retrain"]


def test_the_filter_holds_for_table_and_maps(browser: Any, folder: Path) -> None:
    visit(browser, folder)
    assert find(browser, "#shown").text == "All 7 rows"
    words = find(browser, "#filter [name=find]")
    words.send_keys("FLAK tied")
    assert texts(browser, "#ranking tbody tr:not(.group) th a") == ["flaky on tied dropout"]
    assert texts(browser, ".multiples figcaption a") == ["flaky on tied dropout"]
    assert find(browser, "#shown").text == "1 of 7 rows"
    assert len(texts(browser, "section.maps")) == 1, "no heading stays without its maps"
    words.send_keys("?")
    assert find(browser, "#shown").text == "No method fits the filter"
    words.clear()
    find(browser, "#filter [name=group] option[value='2']").click()
    assert (
        texts(browser, "#ranking tbody tr:not(.group) th a") == texts(browser, ".multiples figcaption a") == ["oracle"]
    )


def test_hovering_shows_the_numbers_of_a_cell(browser: Any, folder: Path) -> None:
    from selenium.webdriver import ActionChains

    visit(browser, folder)
    assert not find(browser, ".tip").is_displayed()
    ActionChains(browser, duration=0).move_to_element(cell(browser, "#method-good", 3, 1)).perform()
    text = tip(browser, "Low regularity, 10% discovered")
    assert "good" in text
    assert f"32.0 {PRODUCT.lower()}, percent no interval of 2 seeds" in text
    assert "Healed (train) 40.0 Healed (undiscovered) 20.0 Healed (test) 17.0" in text
    assert "Utility (test) 80.0" in text
    assert "seed 0/10/20 24.0 30.0 15.0 9.0" in text
    assert "seed 1/11/21 40.0 50.0 25.0 25.0" in text
    ActionChains(browser, duration=0).move_to_element(find(browser, "#ranking-title")).perform()
    assert not find(browser, ".tip").is_displayed()


def test_marks_say_what_they_mean(browser: Any, folder: Path) -> None:
    from selenium.webdriver import ActionChains

    visit(browser, folder)
    expected = {
        (3, 1): (
            "1 of 2 failed, each counts as 0",
            "seed 0/10/20 failed: timeout seed 1/11/21 30.0",
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
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, WAIT, 0.02).until(lambda driver: find(driver, "#cells").is_displayed())
    find(browser, "#cells summary").click()
    WebDriverWait(browser, WAIT, 0.02).until(lambda driver: texts(driver, "#cells tbody tr"))
    cells = texts(browser, "#cells tbody tr")
    assert texts(browser, ".panels figcaption") == [
        *(PRODUCT, "Healed (train)", "Healed (undiscovered)", "Healed (test)"),
        *("Attack success: less is better, and darker", "Utility (test)"),
    ]
    assert texts(browser, ".panels figure:nth-child(1) tbody tr:nth-child(3) td") == [
        "14",
        "15 some failed",
        "all failed",
    ]
    assert texts(browser, ".panels figure:nth-child(2) tbody tr:nth-child(3) td") == [
        "15",
        "50 some failed",
        "all failed",
    ]
    assert cells[4].startswith("Low regularity 10% 15.0 50.0 25.0 40.0")
    assert cells[4].endswith("no interval of 2 seeds seed 0/10/20: failed: timeout; seed 1/11/21: 30.0")
    utility = ".panels figure:nth-child(6)"
    ActionChains(browser, duration=0).move_to_element(cell(browser, utility, 3, 1)).perform()
    assert "Utility (test) 90.0" in tip(browser, "Low regularity, original model")
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
    for name in pages(folder):
        visit(browser, folder, name)
        assert browser.execute_script("return window.hacked") is None
    visit(browser, folder, page)
    assert "<script>window.hacked = true</script>" in find(browser, "h1").text
    ActionChains(browser, duration=0).move_to_element(cell(browser, ".panels figure:nth-child(1)", 3, 2)).perform()
    assert "<script>window.hacked = true</script>" in tip(browser, "counts as 0")
    assert browser.execute_script("return window.hacked") is None
    assert "javascript:window.hacked=true" in " ".join(texts(browser, ".facts > div"))
