"""Reports of a check: terminal, Markdown, JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unlearnbench.report.escaping import markdown_code, markdown_text, printable
from unlearnbench.report.numbers.frames import map_of
from unlearnbench.report.text.formats import markdown_table
from unlearnbench.report.text.tables import NO_VALUE, number
from unlearnbench.report.wording import PRODUCT, in_order, row_labels
from unlearnbench.system.files import replacing
from unlearnbench.verify.baseline import MACHINE
from unlearnbench.verify.check import ALL, NOT_COMPARABLE, Change, Check, Finding
from unlearnbench.verify.placing import Placing

FINDINGS_HEADER = ("Method", "Rule", "Finding")
ARROW = "\N{RIGHTWARDS ARROW}"
NOT_PLACED = "The board lacks some of these problems, so it has no place for them."
FIRST_LOOK = (
    "Means over the problems that were run here. The board's trials start from other original models, often on another"
    " machine: this is a first look, no rank."
)


def show(comparison: Check, notes: Sequence[str], console: Console, places: Placing | None = None) -> None:
    """Print score changes, unchecked rules, new methods, notes and regressions; the headline comes last."""
    if moved(comparison):
        console.print(moved_table(comparison))
    for what, methods in _grouped(comparison.having("not checked")):
        console.print(Text(f"not checked: {what}: {', '.join(methods)}"), soft_wrap=True)
    for finding in comparison.having("new"):
        console.print(Text(f"new: {finding.method}: {finding.message}"), soft_wrap=True)
    if places is not None and comparison.having("new"):
        console.print(Text(_placed(places) if places.methods else NOT_PLACED), soft_wrap=True)
    for note in notes:
        console.print(Text(f"note: {note}"), soft_wrap=True)
    for finding in comparison.having("regression"):
        console.print(Text(f"regression: {finding.method}: {finding.rule}: {finding.message}"), soft_wrap=True)
    console.print(Text(headline(comparison)), soft_wrap=True)


def write(
    comparison: Check,
    notes: Sequence[str],
    markdown: Path | None,
    xml: Path | None,
    places: Placing | None = None,
) -> None:
    """Write the Markdown summary and the JUnit XML to the given paths; None skips one.

    Raises:
        UsageError: a file cannot be written.
    """
    for path, text in ((markdown, summary(comparison, notes, places)), (xml, junit(comparison))):
        if path is not None:
            with replacing(path) as part:
                part.write_text(text, encoding="utf-8")


def headline(comparison: Check) -> str:
    """The result in one or two sentences."""
    bad = comparison.having("regression")
    judged = {change.method for change in comparison.changes}
    what = f"{_counted(len(judged), 'method')} compared with the baseline of {comparison.suite}"
    methods = len({finding.method for finding in bad})
    found = f"{_counted(len(bad), 'regression')} in {_counted(methods, 'method')}" if bad else "no regression"
    apart = [finding for finding in comparison.having("not checked") if NOT_COMPARABLE in finding.message]
    return f"{what}: {found}." + (f" {_counted(len(apart), 'score')} {NOT_COMPARABLE}." if apart else "")


def provenance(comparison: Check) -> list[str]:
    """The machines, versions and revisions of both sides, one per line."""
    return [
        f"{side}: {', '.join(f'{column} {value or NO_VALUE}' for column, value in place.items())}"
        for side, frame in (("Baseline", comparison.baseline), ("Now", comparison.current))
        for place in frame[[*MACHINE, "revision"]].drop_duplicates().to_dict("records")
    ]


def moved(comparison: Check) -> list[str]:
    """The methods whose score changed on any problem, largest drop first."""
    whole = [change for change in comparison.changes if change.corruption == ALL]
    pairs = comparison.pairs
    other = (pairs["aggregate_before"] != pairs["aggregate_after"]) & ~(
        pairs["aggregate_before"].isna() & pairs["aggregate_after"].isna()
    )
    names = set(pairs.loc[other, "method"])
    return [c.method for c in sorted(whole, key=lambda c: c.difference.value) if c.method in names]


def moved_table(comparison: Check) -> Table:
    """The changed scores as a table for the terminal; methods with a regression are red."""
    table = Table(
        title=f"Changed scores: {PRODUCT.lower()} (%)", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    table.caption, table.caption_justify = _note(comparison), "left"
    for name in _header(comparison):
        table.add_column(name, justify="left" if name == "Method" else "right", overflow="fold")
    bad = {finding.method for finding in comparison.having("regression")}
    for row in _rows(comparison, moved(comparison)):
        table.add_row(*(Text(cell) for cell in row), style="red" if row[0] in bad else "")
    return table


def summary(comparison: Check, notes: Sequence[str] = (), places: Placing | None = None) -> str:
    """The whole check as Markdown: regressions first, then changes, new methods, unchecked rules and maps.

    Args:
        places: where new methods would stand on a board; None if there is no board to place them on.
    """
    names = moved(comparison)
    new = list(dict.fromkeys(finding.method for finding in comparison.having("new")))
    sections = [f"# Check of {markdown_code(comparison.suite)}", markdown_text(headline(comparison))]
    sections.append("\n".join(f"- {markdown_text(note)}" for note in [*provenance(comparison), *notes]))
    if bad := comparison.having("regression"):
        cells = [[finding.method, finding.rule, finding.message] for finding in bad]
        sections += ["## Regressions", markdown_table(FINDINGS_HEADER, cells)]
    if names:
        sections += [
            "## Changed scores",
            markdown_table(_header(comparison), _rows(comparison, names)),
            _note(comparison),
        ]
    if new:
        listed = ", ".join(map(markdown_code, new))
        sections += ["## New methods", f"Not in the baseline, so shown but not checked: {listed}."]
        if places is not None:
            sections += [_places(places), markdown_text(_first_look(places))] if places.methods else [NOT_PLACED]
    if unchecked := _grouped(comparison.having("not checked")):
        lines = [f"- {markdown_text(what)}: {', '.join(map(markdown_code, methods))}" for what, methods in unchecked]
        sections += ["## Not checked", "\n".join(lines)]
    if names or new:
        sections += [
            "## Maps",
            f"{PRODUCT} in percent, of methods that changed or are new; {ARROW} leads from the baseline to now.",
        ]
        sections += [_map(comparison, name) for name in [*names, *new]]
    return "\n\n".join(section for section in sections if section) + "\n"


def junit(comparison: Check) -> str:
    """The check as JUnit XML: one test case per method and rule; unchecked rules are skipped tests."""
    failures, skipped = (len(comparison.having(status)) for status in ("regression", "not checked"))
    counts = {"tests": str(len(comparison.findings)), "failures": str(failures), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    name = f"unlearnbench check {comparison.suite}"
    suite = _element(root, "testsuite", {"name": name, **counts, "skipped": str(skipped), "time": "0"})
    for finding in comparison.findings:
        attributes = {"classname": f"{comparison.suite}.{finding.method}", "name": finding.rule, "time": "0"}
        case = _element(suite, "testcase", attributes)
        message = printable(finding.message)
        if finding.status == "regression":
            _element(case, "failure", {"message": message, "type": "regression"}).text = message
        elif finding.status == "not checked":
            _element(case, "skipped", {"message": message})
        else:
            _element(case, "system-out", {}).text = message
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _element(parent: ElementTree.Element, tag: str, attributes: dict[str, str]) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {key: printable(value) for key, value in attributes.items()})


def _places(places: Placing) -> str:
    """The new methods among those of a board, as a Markdown table."""
    corruptions = in_order(name for place in places.methods for name in place.corruptions)
    header = ["Place", "Method", PRODUCT, *row_labels(corruptions).values()]
    rows = [
        [
            str(at),
            f"{place.method} (new)" if place.new else place.method,
            number(place.score),
            *(number(place.corruptions[name]) if name in place.corruptions else NO_VALUE for name in corruptions),
        ]
        for at, place in enumerate(places.methods, start=1)
    ]
    return markdown_table(header, rows)


def _first_look(places: Placing) -> str:
    """What a place says, and the methods that have none."""
    listed = ", ".join(places.left_out)
    return FIRST_LOOK + (f" Left out, because the board lacks some of their trials: {listed}." if listed else "")


def _placed(places: Placing) -> str:
    """The places of the new methods in one line."""
    found = [
        f"{place.method} would be number {at} of {len(places.methods)} ({number(place.score)})"
        for at, place in enumerate(places.methods, start=1)
        if place.new
    ]
    return f"on the board, {'; '.join(found)}. {_first_look(places)}"


def _header(comparison: Check) -> list[str]:
    labels = row_labels(_corruptions(comparison))
    return ["Method", "Before", "After", "Change", "95% interval", *labels.values(), "Seeds"]


def _corruptions(comparison: Check) -> list[str]:
    return in_order(change.corruption for change in comparison.changes if change.corruption != ALL)


def _rows(comparison: Check, methods: Sequence[str]) -> list[list[str]]:
    changes = {(change.method, change.corruption): change for change in comparison.changes}
    rows = []
    for method in methods:
        whole = changes[method, ALL]
        estimate = whole.difference
        interval = NO_VALUE if pd.isna(estimate.low) else f"[{estimate.low:+.1f}, {estimate.high:+.1f}]"
        parts = [_change_text(changes.get((method, name))) for name in _corruptions(comparison)]
        row = [method, number(whole.before), number(whole.after), f"{estimate.value:+.1f}", interval]
        rows.append([*row, *parts, str(whole.seeds)])
    return rows


def _change_text(change: Change | None) -> str:
    return NO_VALUE if change is None else f"{change.difference.value:+.1f}"


def _note(comparison: Check) -> str:
    """The note on intervals below the table."""
    if all(change.difference.kind == "untested" for change in comparison.changes):
        return "Fewer than three seeds: no intervals."
    return "Intervals are 95% t intervals of the differences over seeds."


def _grouped(findings: Sequence[Finding]) -> list[tuple[str, list[str]]]:
    """Each rule with its message, and the methods that they are about."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.message), []).append(finding.method)
    return [(f"{rule}: {message}", methods) for (rule, message), methods in groups.items()]


def _map(comparison: Check, method: str) -> str:
    """A method's map as a Markdown table; changed cells show baseline and current value."""
    # Show incomplete seeds too: a baseline holds only trials that were measured.
    now = map_of(comparison.current.assign(whole=True), "aggregate", method)
    then = now
    if (comparison.baseline["method"] == method).any():
        then = map_of(comparison.baseline.assign(whole=True), "aggregate", method).reindex_like(now)
    rows = []
    labels = row_labels(now.index)
    for corruption, old, new in zip(now.index, then.to_numpy(), now.to_numpy(), strict=True):
        texts = [(number(before), number(after)) for before, after in zip(old, new, strict=True)]
        cells = [after if before == after else f"{before} {ARROW} {after}" for before, after in texts]
        rows.append([labels[str(corruption)], *cells])
    header = ["Regularity", *(f"{100 * rate:g}%" for rate in now.columns)]
    return f"**{markdown_text(method)}**\n\n{markdown_table(header, rows)}"


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
