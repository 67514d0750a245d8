"""How pages look in a real browser: what fits, what can be read, what is linked and named."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from tests.report.site.browsing import (
    FLAKY,
    box,
    cell,
    find,
    media,
    pages,
    screen,
    tip,
    visit,
)

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
    assert not find(browser, "nav a:not(.brand)").is_displayed()
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
    ids: dict[Path, set[str]] = {}
    targets = set()
    for page in pages(place):
        visit(browser, place, page)
        ids[Path(place / page).resolve().relative_to(place.parent)] = set(
            browser.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
        )
        targets |= set(browser.execute_script(links))
    outside = {url for url in targets if not url.startswith(("file:", "https://arxiv.org/abs/"))}
    assert all(url.startswith(("https://example.org/a?b=1&c=2", "https://example.org/code")) for url in outside)
    assert bool(outside) is (site == "site")
    reached = set()
    for url in targets:
        if not url.startswith("file:"):
            continue
        address, fragment = urldefrag(url)
        path = Path(unquote(urlsplit(address).path))
        assert path.is_file()
        if path.suffix == ".html":
            name = path.relative_to(place.parent)
            assert not fragment or fragment in ids[name], url
            reached.add(name)
    assert reached == set(ids), "every page can be reached"


def test_every_control_has_a_name(browser: Any, folder: Path) -> None:
    named = {"button", "link", "searchbox", "combobox", "grid", "region", "search", "navigation", "image"}
    seen = set()
    for page in (
        "index.html",
        "method-flaky.html",
        "compare.html",
        "provenance.html",
        "../index.html",
        "../reading.html",
    ):
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


def test_headers_of_tables_are_headers_to_a_screen_reader(browser: Any, folder: Path) -> None:
    for page in pages(folder):
        visit(browser, folder, page)
        tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = Counter(node["role"]["value"] for node in tree if not node["ignored"])
        shown = "return [...document.querySelectorAll(arguments[0])].filter((th) => th.checkVisibility()).length"
        assert roles["columnheader"] == browser.execute_script(shown, "thead th"), page
        assert roles["rowheader"] == browser.execute_script(shown, "tbody th"), page


def test_the_seeds_are_dots_below_the_bar_of_their_interval(browser: Any, ranked: Any) -> None:
    visit(browser, ranked.folder)
    for place in (find(browser, "#ranking [data-method=weak]"), None):
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
    from unlearnbench.report.site.gather import content_of
    from unlearnbench.report.site.pages import render

    shown = content_of(ranked.stored.engine, ranked.board)
    long = {name: f"{label} {name}" for name, label in shown.short.items()}
    page = ranked.folder / "long.html"
    page.write_text(render([dataclasses.replace(shown, short=long)])["small/index.html"])
    for width in (1280, 360):
        screen(browser, width, 800)
        visit(browser, ranked.folder, page.name)
        for head in browser.find_elements("css selector", "#method-good tbody th"):
            cut = "return arguments[0].scrollWidth <= arguments[0].clientWidth"
            assert browser.execute_script(cut, head), (width, head.text)
            words = head.text.replace("-\n", "-").split()
            assert words[1] in long, "no word is broken but at its hyphen"
    page.unlink()
