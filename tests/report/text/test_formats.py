import re
import shutil
import subprocess

import pandas as pd
import pytest

from unlearnbench.report.text.formats import Sheet, csv, latex, markdown, markdown_table

NASTY = "50% of a_b & {c} #1 $x$ ~^\\ [d] <e> | \N{PLUS-MINUS SIGN}\N{MULTIPLICATION SIGN}"


@pytest.fixture
def sheet() -> Sheet:
    rows = [[["1=", NASTY, ""], ["[2]", "b", ""]], [["-", "c", ""]]]
    return Sheet("A title with 5%", ("#", "Method", "Failed"), rows, "A note & more.")


def test_markdown_cells_cannot_break_the_table():
    assert markdown_table(["Method"], [["a | b\nc"]]).splitlines() == ["| Method |", "| :-- |", "| a \\| b c |"]


def test_markdown_has_titles_and_a_shared_note_once(sheet):
    text = markdown([sheet, sheet])
    assert text.count("## A title with 5%\n\n| # | Method | Failed |") == 2
    assert text.count("A note & more.") == 1
    assert text.endswith("A note & more.\n")


def test_columns_can_be_left_out_and_empty_ones_are(sheet):
    assert sheet.without("#").header == ["Method"]
    assert sheet.without().sections[1] == [["-", "c"]]


def test_latex_is_a_table_with_rules_and_no_special_character(sheet):
    text = latex([sheet])
    assert text.startswith("% needs \\usepackage{booktabs}\n\\begin{table}")
    order = ["\\begin{tabular}{rlr}", "\\toprule", "\\midrule", "\\bottomrule", "\\end{tabular}", "\\end{table}"]
    assert [text.index(item) for item in order] == sorted(text.index(item) for item in order)
    assert text.count("\\midrule") == 2  # below the header and between the sections
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [2, 2, 2, 2]
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert not re.search(r"(?<!\\)[%#_~^]", "\n".join(rows))
    assert not [line for line in text.splitlines() if line.startswith("[")]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(sheet, tmp_path):
    document = (
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" + latex([sheet]) + "\\end{document}\n"
    )
    (tmp_path / "table.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]


def test_csv_has_full_precision():
    assert csv(pd.DataFrame({"a": [1 / 3], "b": [float("nan")]})) == f"a,b\n{1 / 3!r},\n"
