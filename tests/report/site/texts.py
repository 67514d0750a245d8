"""Write a site, and read its pages as text."""

import re

from unlearnbench.report.numbers.board import read_board
from unlearnbench.report.site import write_site


def write(stored, folder, suite="small"):
    board = read_board(stored.engine, suite)
    return write_site(stored.engine, [board], folder)


def plain(page):
    """The text of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def row_of(page, method):
    """The cells of a method's row in the ranking, each as HTML."""
    (row,) = re.findall(rf'<tr data-method="{method}">(.*?)</tr>', page, re.DOTALL)
    return re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)
