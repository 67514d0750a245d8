"""What a person does in a browser, and what can be seen there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WAIT = 10
"""Seconds that the browser has for what takes it milliseconds."""


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
    path, _, query = page.partition("?")
    browser.get((folder / path).resolve().as_uri() + (f"?{query}" if query else ""))


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
    """The pages of a board and those that the boards of its site share."""
    return sorted(f"{place}{path.name}" for place in ("", "../") for path in (folder / place).glob("*.html"))


def methods(browser: Any, group: int) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll(`#ranking [data-maps='maps-${arguments[0]}'] [data-method]`)]"
        ".map((row) => row.dataset.method)",
        group,
    )


def box(browser: Any, element: Any) -> dict[str, float]:
    found: dict[str, float] = browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", element)
    return found


FLAKY = "#method-flaky"
