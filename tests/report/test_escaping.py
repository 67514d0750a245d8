"""No text of others leaves as anything but text: property tests of every function, and of every output of a store."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.table import Table
from rich.text import Text
from sqlalchemy import create_engine

import unlearnbench
from tests.report.terminal import printed
from tests.small_store import Stored, fill
from unlearnbench.report.escaping import (
    csv_frame,
    csv_text,
    from_csv_text,
    latex_text,
    markdown_code,
    markdown_text,
    one_line,
    printable,
)
from unlearnbench.report.leaderboard import write_leaderboard
from unlearnbench.report.numbers.ranking import ranking
from unlearnbench.report.numbers.table import read, write
from unlearnbench.report.text import check_report
from unlearnbench.report.text.formats import Sheet, latex, markdown_table
from unlearnbench.report.text.rendering import comparison_as, ranking_as
from unlearnbench.report.text.terminal_map import heatmap_table
from unlearnbench.store.schema import Base
from unlearnbench.verify.baseline import records
from unlearnbench.verify.check import compare

SPECIAL = [
    *list("\\`*_{}[]()<>#+-.!|~&:@/=$^\"'%;,\n\r\t\0\x1b\x07\x9b "),
    *("\u202e", "\u2066", "\u200f", "\u200b", "\u2028", "\x85", "\ufeff", "\ud800", "\U000e0041", "\uff1d", "\ufffe"),
    *("http://", "https://", "www.", "mailto:", "a@b.co", "__", "~~", "```", "![", "](", "&#60;", "<b>", "-->", "$$"),
    *("[1.0, 2.0]", "<!--", ":+1:", "[31m", "]8;;http://x", "=1+1", "ab", "é", "0"),
]
TEXT = st.lists(st.one_of(st.sampled_from(SPECIAL), st.characters()), max_size=12).map("".join)
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def hidden(text: str) -> list[str]:
    """What a text has of characters that nobody sees; newlines and tabs are layout."""
    return [one for one in text if unicodedata.category(one) in HIDDEN and one not in "\n\t"]


def words(text: str) -> str:
    return " ".join(one_line(text).split())


@given(TEXT)
def test_what_is_printable_has_nothing_hidden_and_is_left_as_it_is(text: str) -> None:
    shown = printable(text)
    assert not hidden(shown)
    assert printable(shown) == shown
    assert len(shown) == len(text)
    assert "\n" not in one_line(text)
    assert "\t" not in one_line(text)


@given(TEXT)
def test_a_terminal_gets_nothing_hidden_and_takes_no_markup(text: str) -> None:
    table = Table("a", title=text, caption=text)
    table.add_row(Text(text))
    table.add_row(text)
    assert not hidden(printed(table, text, Text(text)))


def test_a_terminal_shows_brackets_and_codes_as_they_are() -> None:
    assert printed("[red]x[/red] :smile: [/x] [link=http://x]y[/link]").strip() == (
        "[red]x[/red] :smile: [/x] [link=http://x]y[/link]"
    )


def inline(source: str) -> list[list[Token]]:
    """The inline content of every block."""
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)
    assert not [
        block for block in blocks if block.type in ("html_block", "fence", "code_block", "hr", "blockquote_open")
    ]
    return [block.children or [] for block in blocks if block.type == "inline"]


def read_back(tokens: list[Token]) -> str:
    """The text of tokens that are nothing but text."""
    assert {token.type for token in tokens} <= {"text", "text_special"}, tokens
    return "".join(token.content for token in tokens).replace("\u2060", "")


@given(TEXT)
@example("(__a__)")
@example("[1.0, 2.0](http://x)")
def test_markdown_reads_as_the_text_in_a_cell_a_heading_and_a_list(text: str) -> None:
    table = inline(markdown_table(["Method", "Title"], [["a", text], [text, "b"], ["c", "d"]]))
    assert [words(read_back(cell)) for cell in table] == [
        "Method",
        "Title",
        "a",
        words(text),
        words(text),
        "b",
        "c",
        "d",
    ]
    for before in ("# ", "- a: "):
        (content,) = inline(f"{before}{markdown_text(text)}\n\nx".removesuffix("\n\nx")) or [[]]
        assert words(read_back(content)).removeprefix("a: ").removeprefix("a:") == words(text)


@given(TEXT)
def test_nothing_becomes_an_address_that_browsers_follow(text: str) -> None:
    """GitHub links these without any markup."""
    source = markdown_text(text)
    assert not re.search(r"(?<!\\)://|(?<!\\):[\w+-]+:|@(?!&#8288;)|www(?<!\\)\.", source)
    assert not re.search(r"(?<!\\)\$", source.replace(r"\\", ""))


@given(TEXT)
def test_a_code_span_is_one_code_span(text: str) -> None:
    (content,) = inline(f"- a: {markdown_code(text)}")
    assert [token.type for token in content] == ["text", "code_inline"]
    assert words(content[1].content) == words(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("*bold*", r"\*bold\*"),
        ("_slanted_", r"\_slanted\_"),
        ("rem_shared/digits", "rem_shared/digits"),
        ("<b>", r"\<b>"),
        ("[text](link)", r"\[text](link)"),
        ("[1.0, 2.0]", "[1.0, 2.0]"),
        ("a & b &lt;", r"a & b \&lt;"),
        ("`code`", r"\`code\`"),
        ("~~gone~~", r"\~\~gone\~\~"),
        ("\\", r"\\"),
        ("raised: KeyError: 'x'", "raised: KeyError: 'x'"),
        ("https://x.org", r"https\://x.org"),
    ],
)
def test_markdown_has_no_markup_and_no_needless_escape(text: str, escaped: str) -> None:
    assert markdown_text(text) == escaped


@given(TEXT)
def test_no_cell_of_a_csv_file_is_a_formula_and_all_are_read_back(text: str) -> None:
    cell = csv_text(text)
    assert cell == "" or cell[0] not in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
    assert not hidden(cell)
    assert from_csv_text(cell) == printable(text)
    frame = pd.DataFrame({"text": [printable(text), "x"], "number": [-1.5, float("nan")], "whole": [-1, 2]})
    written = csv_frame(frame).to_csv(index=False, lineterminator="\n")
    first = list(csv.reader(io.StringIO(written, newline=""), strict=True))[1]
    assert first == [cell, "-1.5", "-1"]


@given(TEXT)
def test_latex_has_no_special_character_left(text: str) -> None:
    escaped = latex_text(text)
    assert "\n" not in escaped
    rest = re.sub(
        r"\\text(backslash|ascii(tilde|circum)|less|greater|bar)\{\}|\\[&%$#_{}]|\{[][*]\}|\$(\\pm|\\times|-)\$",
        "",
        escaped,
    )
    assert not re.search(r"[\\{}$&#^_%~<>|*\[\]]", rest)
    rows = latex([Sheet(text, ["Method"], [[[text], [text]]], text)]).splitlines()
    assert sum(row.endswith(r" \\") for row in rows) == 3, "each row is one line"


def test_nothing_is_printed_but_through_the_terminal() -> None:
    """A console of rich takes markup, and `print` and `echo` take anything."""
    printing = re.compile(r"(?<![.\w])(?<!def )print\(|\bConsole\(|typer\.echo\((?!printable)|sys\.std(out|err)\.write")
    assert all(printing.search(code) for code in ("x = Console(stderr=True)", " print(x)", "typer.echo(text)"))
    files = list(Path(unlearnbench.__file__).parent.rglob("*.py"))
    assert [file.name for file in files if printing.search(file.read_text())] == []


def test_a_command_to_paste_is_one_command(small: Stored) -> None:
    small.run("second", day=1)
    small.submission("old", "good; touch hacked")
    small.trial("first", "old", ("low", 0.1, 0))
    small.submission("new", "good; touch hacked")
    small.trial("second", "new", ("low", 0.1, 0))
    (stale,) = small.board().stale
    assert shlex.split(stale.command) == ["unlearnbench", "run", "small", "--method", "good; touch hacked"]


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, its addresses, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.addresses: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.addresses |= {value or "" for name, value in attrs if name in ("href", "src", "action")}

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_store(text: str) -> Stored:
    """A small store with this text wherever a submission, a suite or a foreign store may have written it."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    stored = fill(Stored(engine))
    clean = text.encode("utf-8", "replace").decode().replace("\0", "")  # no database takes these
    with engine.begin() as connection:
        for column in ("title", "paper", "license"):
            connection.exec_driver_sql(f"UPDATE submissions SET {column} = ?", (clean,))
        connection.exec_driver_sql("UPDATE submissions SET authors = ?", (json.dumps([clean]),))
        connection.exec_driver_sql("UPDATE submissions SET hyperparameters = ?", (json.dumps({clean: clean}),))
        connection.exec_driver_sql("UPDATE submissions SET variant = ? WHERE key = 'good'", (clean,))
        connection.exec_driver_sql("UPDATE trials SET reason = ?, detail = ? WHERE state = 'failed'", (clean, clean))
        connection.exec_driver_sql("UPDATE runs SET revision = ?", (clean,))
        for column in ("versions", "hardware"):
            connection.exec_driver_sql(f"UPDATE runs SET {column} = ?", (json.dumps({"x": clean}),))
        connection.exec_driver_sql(
            "UPDATE runs SET suite_specification = json_set(suite_specification, '$.title', ?)", (clean,)
        )
    return stored


def pages_of(folder: Path) -> dict[str, Elements]:
    return {str(file): Elements(file.read_text(encoding="utf-8")) for file in (folder / "site").rglob("*.html")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The leaderboard with a harmless text."""
    folder, stored = tmp_path_factory.mktemp("plain"), hostile_store("harmless")
    write_leaderboard(stored.engine, stored.board(), folder)
    return folder


@settings(max_examples=1, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(st.sampled_from(SPECIAL), min_size=4, max_size=12).map("".join))
@example("<script>\x1b]8;;http://x\x07\u202e**b** [l](http://x) | =1+1 $\\frac{$ javascript:x")
@example("=HYPERLINK(1)\r\n# h\n| a | b |\n```")
def test_every_output_of_a_store_holds_text_as_text(
    plain: Path, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder, stored = tmp_path_factory.mktemp("board"), hostile_store(text)
    board = stored.board()
    write_leaderboard(stored.engine, board, folder)

    expected = {element for page in pages_of(plain).values() for element in page.elements}
    for html in pages_of(folder).values():
        others = html.elements - expected - {("a", ("href", "rel"))}  # the link to a paper
        assert not others
        assert not hidden(html.text)
        assert all(re.match(r"https?://|(\.\./)?[\w#./?=%-]+$|data:,$", address) for address in html.addresses), (
            html.addresses
        )
    (script,) = (folder / "site").rglob("data.js")
    assert not hidden(json.dumps(json.loads(script.read_text().split("(", 1)[1][:-3]), ensure_ascii=False))
    (rows,) = (folder / "site").rglob("ranking.csv")
    assert not [cell for line in csv.reader(rows.open(newline="")) for cell in line if cell[:1] in tuple("=+@\t\r\n")]
    for figure in (folder / "figures").glob("*.svg"):
        source = figure.read_text(encoding="utf-8")
        ElementTree.fromstring(source)
        assert not hidden(source)

    def markup(source: str) -> list[tuple[str, str]]:
        kinds = ("text", "text_special", "softbreak", "code_inline")
        tokens = [token for block in inline(source) for token in block if token.type not in kinds]
        return [(token.type, str(token.attrs.get("src", ""))) for token in tokens]

    written = (folder / "ranking.md").read_text(encoding="utf-8")
    assert not hidden(written)
    assert markup(written) == markup((plain / "ranking.md").read_text(encoding="utf-8"))
    lines = list(csv.reader((folder / "trials.csv").open(newline="", encoding="utf-8"), strict=True))
    assert len({len(line) for line in lines}) == 1
    assert not [cell for line in lines for cell in line if cell[:1] in tuple("=+-@\t\r\n")]
    table = read(folder / "trials.csv")
    again = folder / "again.csv"
    write([table], again)
    assert again.read_bytes() == (folder / "trials.csv").read_bytes()

    name = next(name for name in board.frame["method"].unique() if name.startswith("good"))
    shown = printed(
        heatmap_table(board.frame, name),
        *ranking_as("terminal", board),
        *comparison_as("terminal", board, "retrain", name),
    )
    assert not hidden(shown)
    assert not hidden(str(ranking_as("latex", board)))
    now = records(stored.engine, "small")
    worse = now.assign(aggregate=now["aggregate"] / 2, source_hash="another")
    found = compare(now, worse, cost_factor=2.0)
    assert not hidden(check_report.summary(found, [f"note: {text}"]))
    ElementTree.fromstring(check_report.junit(found))
    assert not hidden(check_report.junit(found))
    assert len(ranking(board.frame)) == 4
