"""The documents say what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.commands import COMMANDS
from unlearnbench import __version__
from unlearnbench.evaluation.metrics import Metrics
from unlearnbench.problems.corruption import Corruption, kind_of
from unlearnbench.problems.names import CORRUPTIONS, DATASETS, FOLDER
from unlearnbench.problems.protocol import PROTOCOL_VERSION
from unlearnbench.problems.registry import ARCHITECTURES
from unlearnbench.report.text.findings import TABLE, updated
from unlearnbench.submissions.choosing import choose
from unlearnbench.submissions.finding import discover
from unlearnbench.submissions.manifest import Manifest
from unlearnbench.submissions.template import FILES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CLUSTER = (ROOT / "docs/cluster.md").read_text()
PROTOCOL = (ROOT / "docs/protocol.md").read_text()
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")),
    ROOT / "submissions/README.md",
    *sorted(ROOT.glob("docs/*.md")),
]


OWN = [
    *DOCUMENTS,
    *(
        path
        for folder in ("unlearnbench", "submissions", "suites", "tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".md", ".toml", ".html")
    ),
]
"""All text that people of this project wrote: code, documents, suites, templates."""


def test_the_command_line_reference_is_up_to_date() -> None:
    command = [sys.executable, "-m", "typer", "unlearnbench.cli", "utils", "docs", "--name", "unlearnbench"]
    command += ["--title", "Command line reference"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/cli.md").read_text().rstrip() == written.rstrip(), "run `make docs`"


def check_command(line: str) -> None:
    """The line names a command that exists, and only options that the command has."""
    verb, *rest = line.split()
    if verb not in COMMANDS:
        verb = " ".join([verb, *rest[:1]])
    assert verb in COMMANDS, line
    known = {option for parameter in COMMANDS[verb].params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known, line


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.name != "cli.md"], ids=lambda path: path.name)
def test_the_documents_name_no_verb_and_no_option_that_does_not_exist(document: Path) -> None:
    for line in re.findall(r"(?:^|`)unlearnbench ([^`#\n]+)", document.read_text(), re.MULTILINE):
        check_command(line)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_an_example(verb: str) -> None:
    example = re.fullmatch(r"Example: `unlearnbench (.+)`", COMMANDS[verb].epilog)
    assert example is not None
    assert example[1].startswith(verb)
    check_command(example[1])


def targets(document: Path) -> list[tuple[Path, str]]:
    """The files that a document links to, each with the anchor in it."""
    links = re.findall(r"(?<!!)\[[^]]*\]\(([^):#]*)(?:#([^)]*))?\)", document.read_text())
    return [((document.parent / target).resolve() if target else document, anchor) for target, anchor in links]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_files_lead_somewhere(document: Path) -> None:
    for target, anchor in targets(document):
        assert target.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles], anchor


def test_the_readme_leads_to_every_document() -> None:
    assert set(DOCUMENTS) <= {ROOT / "README.md", *(target for target, _ in targets(ROOT / "README.md"))}


def test_the_readme_shows_the_maps_and_the_top_of_the_board() -> None:
    assert "](docs/maps.png)" in README
    board = (ROOT / "leaderboard/ranking.md").read_text().split("## Ranking")[1].splitlines()
    ranked = [[cell.strip() for cell in line.split("|")[1:-1]] for line in board if line.startswith("| ")]
    product = "Utility \N{MULTIPLICATION SIGN} healed"
    columns = [
        ranked[0].index(name) for name in ("#", "Method", product, "Healed", "Healed, undiscovered", "Utility", "Cost")
    ]
    lines = [line.replace("`", "") for line in README.splitlines() if re.match(r"\| [\d to]+ \| `\w", line)]
    shown = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert len(shown) == 5
    assert shown == [[row[column] for column in columns] for row in ranked[2 : 2 + len(shown)]]


def test_every_data_set_has_a_card() -> None:
    assert tuple(re.findall(r"^## `(.+)`$", (ROOT / "data/README.md").read_text(), re.MULTILINE)) == (
        *DATASETS.own,
        f"{FOLDER}PATH",
    )


def test_the_readme_says_how_far_the_default_suite_can_be_trusted_as_the_boards_do() -> None:
    text, agreement = " ".join(README.split()), (ROOT / "docs/agreement.md").read_text()
    for suite, board in (("fashion-small", "a board of Fashion-MNIST"), ("cifar10-jpeg-small", "one of CIFAR-10")):
        said = re.search(rf"(\d+)%[a-z ]* on {board} \((\w+) seeds[a-z ]*; (\d+) methods", text)
        ((same, methods),) = re.findall(
            rf"^\| digits, {suite} \| \d+ of \d+ \((\d+)%\).* (\d+) \|$", agreement, re.MULTILINE
        )
        assert said is not None, suite
        assert (said[1], said[3]) == (same, methods)
        seeds = ["", "one", "two", "three", "four", "five"].index(said[2])
        assert re.search(rf"^Whole seeds: .*\b{suite} {seeds}[,.]", agreement, re.MULTILINE)


def test_contributing_explains_every_key_of_a_submission() -> None:
    for key in Manifest.__dataclass_fields__:
        assert re.search(rf"^ *\| `\[?{key}\b", CONTRIBUTING, re.MULTILINE), key


EXTENDING = (ROOT / "docs/extending.md").read_text()


def test_extending_names_what_a_corruption_has_to_say() -> None:
    section = EXTENDING.split("## A corruption")[1].split("\n## ")[0]
    for name in [*(name for name in vars(Corruption) if not name.startswith("_")), "title", "regularity"]:
        assert f"`{name}`" in section, name


def test_extending_shows_the_package_that_is_tested() -> None:
    plugin = (ROOT / "tests/extending/plugin.py").read_text()
    shown = re.findall(r"```python\n(.*?)```", EXTENDING, re.DOTALL)
    assert len(shown) == 3
    for code in shown:
        assert code in plugin
    for group in (CORRUPTIONS.group, DATASETS.group, ARCHITECTURES.group):
        assert f'[project.entry-points."{group}"]' in EXTENDING


def cited_sections(text: str) -> set[int]:
    """The sections of the protocol that a text names, as in "docs/protocol.md, section 3"."""
    text = re.sub(r"\s+(?:# ?)?", " ", text)  # a citation may go on in the next line, of a comment too
    lists = re.findall(r"protocol(?:\.md)?\)?,? sections? (\d+(?:(?:,? and |, | to )\d+)*)", text)
    lists += re.findall(r"sections? (\d+) of \[?(?:docs/protocol\.md|the protocol)", text)
    return {int(number) for numbers in lists for number in re.findall(r"\d+", numbers)}


def unnamed_figures(text: str) -> list[str]:
    """The figures of papers that a text names by number only: without the paper in the same paragraph or table row."""
    paragraphs = re.split(r"\n\s*\n|\n(?=\s*\|)", text)
    named = re.compile(r"arXiv \d|et al\.|\b[A-Z]\w*[A-Z]\w* paper\b")  # "the REM paper", not "The paper"
    return [
        figure
        for paragraph in paragraphs
        if not named.search(paragraph)
        for figure in re.findall(r"\b[Ff]ig(?:ures?|s?\.)\s+\d+", paragraph)
    ]


def test_the_protocol_has_the_sections_that_are_cited() -> None:
    sections = [int(number) for number in re.findall(r"^## (\d+)\. \S", PROTOCOL, re.MULTILINE)]
    assert sections == list(range(1, len(sections) + 1))
    cited = {path: cited_sections(path.read_text()) for path in OWN}
    assert set().union(*cited.values()), "no section is cited: the pattern finds nothing any more"
    assert {path: numbers - set(sections) for path, numbers in cited.items() if numbers - set(sections)} == {}


def test_every_figure_of_a_paper_names_its_paper() -> None:
    assert any(re.search(r"[Ff]igure \d", path.read_text()) for path in OWN), "the pattern finds nothing any more"
    assert {path: figures for path in OWN if (figures := unnamed_figures(path.read_text()))} == {}


def test_citations_and_figures_are_found_in_every_form() -> None:
    assert cited_sections("(docs/protocol.md, section 3)") == {3}
    assert cited_sections("(protocol section 3)") == {3}
    assert cited_sections("# as the protocol,\n# section 3, says") == {3}
    assert cited_sections("[the protocol](docs/protocol.md), section 3") == {3}
    assert cited_sections("section 3 of [docs/protocol.md](docs/protocol.md)") == {3}
    assert cited_sections("protocol sections 2 and 3; docs/protocol.md, sections 4, 5 and 6") == {2, 3, 4, 5, 6}
    number = " 3"  # apart, or this file would name a figure itself
    for figure in (f"Figure{number}", f"figures{number} and 4", f"Fig.{number}", f"Figure\n{number}"):
        assert len(unnamed_figures(f"The REM paper.\n\nAs in {figure}: a line a method.")) == 1, figure
        assert len(unnamed_figures(f"The paper has {figure}: a line a method.")) == 1, figure
        assert unnamed_figures(f"As in {figure}\nof the REM paper: a line a method.") == []
    rows = f"| one | Figure{number} of the REM paper |\n| two | Figure{number} |"
    assert len(unnamed_figures(rows)) == 1


def test_the_protocol_explains_every_corruption_and_every_metric() -> None:
    for name in CORRUPTIONS.own:
        assert f"| {kind_of(name).regularity} | `{name}` |" in PROTOCOL
    for name in (*Metrics.__dataclass_fields__, "aggregate"):
        assert re.search(rf"^\| `{name}`", PROTOCOL, re.MULTILINE), name


def test_every_file_of_the_package_that_is_no_code_is_package_data() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["unlearnbench"]
    named = {path for pattern in patterns for path in (ROOT / "unlearnbench").glob(pattern)}
    others = {
        path for path in (ROOT / "unlearnbench").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert others <= named
    for name in FILES:
        assert (ROOT / "unlearnbench/submissions/template" / name).is_file()


def test_make_runs_what_the_readme_says() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in (
        "unlearnbench run digits --seed 0",
        "unlearnbench leaderboard digits --seed 0 --out build/leaderboard",
    ):
        assert command in README
        assert command in makefile
    for target in re.findall(r"^make (\w+)$", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_scripts_for_clusters_have_no_fault_in_their_syntax() -> None:
    blocks = dict(re.findall(r"^```(bash|yaml)\n(.*?)^```$", CLUSTER, re.MULTILINE | re.DOTALL))
    subprocess.run(["bash", "-n"], input=blocks["bash"], text=True, check=True)
    manifest = yaml.safe_load(blocks["yaml"])
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    cluster = manifest["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all(group["template"]["spec"]["containers"][0]["image"] for group in groups)
    for script in (blocks["bash"], manifest["spec"]["entrypoint"]):
        known = {option for parameter in COMMANDS["run"].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", script.split("unlearnbench run")[-1])) <= known


def test_the_rules_say_where_each_version_stands() -> None:
    rules = (ROOT / "docs/rules.md").read_text()
    for name, file in re.findall(r"`(\w+)` in `([\w/.]+\.py)`", rules.split("## Versions")[1]):
        assert re.search(rf"^{name} = ", (ROOT / file).read_text(), re.MULTILINE), name
    versions = re.findall(r"^\| (\d+) \| \d{4}-\d\d-\d\d \| \w", PROTOCOL.split("## 8. Versions")[1], re.MULTILINE)
    assert versions == [str(number) for number in range(PROTOCOL_VERSION, 0, -1)]


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors", "abstract", "keywords"} <= citation.keys()
    assert (citation["version"], citation["license"]) == (__version__, project["license"])


def test_every_data_set_has_a_license() -> None:
    cards = (ROOT / "data/README.md").read_text().split("\n## ")
    for card in cards[1:]:
        assert re.search(r"^- \*\*[\w ,]*[Ll]icense[\w ,]*\*\*: \S", card, re.MULTILINE), card.splitlines()[0]
        assert card.splitlines()[0].strip("`") in cards[0].replace("`, `", "` | `"), "in the table of licenses"


def test_every_submission_has_a_section() -> None:
    sections = re.findall(r"^## `([a-z_0-9]+)`", (ROOT / "submissions/README.md").read_text(), re.MULTILINE)
    names = [file.parent.name for file in sorted((ROOT / "submissions").glob("*/submission.toml"))]
    assert sorted(sections) == names


def test_the_tables_of_the_submissions_are_those_of_the_leaderboard() -> None:
    text = (ROOT / "submissions/README.md").read_text()
    assert updated(text, pd.read_csv(ROOT / "leaderboard/trials.csv")) == text
    tables = {match["method"].split("/")[0].split(" ")[0] for match in TABLE.finditer(text)}
    assert tables == {item.name for item in choose(discover(ROOT / "submissions"), [])}, "all that the suite runs"
