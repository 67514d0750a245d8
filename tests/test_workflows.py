"""The workflows: they parse, call what exists, and give a pull request's code nothing that it could misuse."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.commands import COMMANDS

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORDS_OF_A_RELEASE = ("git archive HEAD", "build_sdist", "pip wheel", "DIST=../dist", "sha256sum *.whl *.tar.gz")
MAKEFILE = (ROOT / "Makefile").read_text()


def parsed(file: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(file.read_text())
    return content


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in parsed(file)["jobs"].values() for step in job["steps"]]


def test_there_are_workflows() -> None:
    assert {"tests.yml", "submissions.yml"} <= {file.name for file in WORKFLOWS}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_job_ends_by_itself(file: Path) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in parsed(file)["jobs"].values())


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_stranger_s_code_gets_a_token_that_only_reads_and_no_secret(file: Path) -> None:
    content = parsed(file)
    assert content["permissions"] == {"contents": "read"}
    wider = [job for job in content["jobs"].values() if "permissions" in job]
    assert not wider or "pull_request" not in content[True]
    used = [step.get("uses", "") for job in wider for step in job["steps"]]
    assert all(used), "a job that may do more runs no code of this repository"
    assert not any(name.startswith("actions/checkout@") for name in used)
    assert "pull_request_target" not in content[True]  # YAML 1.1 reads the key `on` as true
    assert "secrets" not in file.read_text()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_only_github_s_own_actions_are_used_and_no_title_becomes_a_command(file: Path) -> None:
    for step in steps(file):
        assert "uses" not in step or step["uses"].startswith("actions/")
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it(file: Path) -> None:
    lines = re.findall(r"\buses: (.*)", file.read_text())
    assert len(lines) == sum("uses" in step for step in steps(file)) > 0
    for line in lines:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_every_workflow_pins_the_same_commit_of_an_action() -> None:
    used = {step["uses"] for file in WORKFLOWS for step in steps(file) if "uses" in step}
    assert len({name.partition("@")[0] for name in used}) == len(used)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_checkout_leaves_a_token_behind(file: Path) -> None:
    checkouts = [step for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_setup_installs_only_files_whose_hashes_are_known() -> None:
    setup = MAKEFILE.split(".venv/installed:")[1].split("\n\n")[0]
    installs = [line for line in setup.splitlines() if " pip install " in line]
    assert len(installs) == 2
    assert {"--require-hashes", "--only-binary", "constraints.txt"} <= set(installs[0].split())
    assert {"--no-deps", "--no-build-isolation"} <= set(installs[1].split())


def test_every_package_is_pinned_with_hashes_and_the_build_back_end_too() -> None:
    text = (ROOT / "constraints.txt").read_text()
    packages = re.findall(
        r"^([\w.-]+)==(\S+)(?: ;[^\\\n]*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M
    )
    lines = [line for line in text.splitlines() if not line.startswith(("#", "    --hash"))]
    assert len(packages) == len(lines) > 100
    assert "://" not in text
    assert "+" not in "".join(version for _, version, _ in packages), "builds that only some places offer"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = {name: version for name, version, _ in packages}
    assert project["build-system"]["requires"] == [f"setuptools=={pinned['setuptools']}"]
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, wanted):
        assert pinned[requirement.name] in requirement.specifier, requirement


def test_submissions_are_checked_without_a_token_in_the_checkout() -> None:
    file = ROOT / ".github/workflows/submissions.yml"
    assert parsed(file)[True] == {"pull_request": {"paths": ["submissions/**"]}}
    checkout = next(step for step in steps(file) if step.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_target_that_a_workflow_makes_exists(file: Path) -> None:
    made = [target for step in steps(file) for target in re.findall(r"\bmake ([\w-]+)", step.get("run", ""))]
    assert made or "make" not in file.read_text()
    for target in made:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_every_command_of_the_makefile_and_the_workflows_exists() -> None:
    text = MAKEFILE + "".join(file.read_text() for file in WORKFLOWS)
    calls = re.findall(r"(?:\$\(BIN\)/|run: )unlearnbench ([^|>\n]+)", text)
    assert len(calls) >= 8
    for call in calls:
        verb, *rest = re.sub(r"\$\(\S+ [^)]*\)", "", call).split()
        if verb not in COMMANDS:  # `store load`
            verb = f"{verb} {rest[0]}"
        known = {option for parameter in COMMANDS[verb].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, call


def test_every_python_that_the_package_names_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert parsed(ROOT / ".github/workflows/tests.yml")["jobs"]["test"]["strategy"]["matrix"] == {"python": named}
    assert project["requires-python"] == f">={named[0]}"
    assert f"Python {named[0]} to {named[-1]}" in (ROOT / "README.md").read_text()


def test_the_board_that_is_made_is_published_from_main_alone() -> None:
    file = ROOT / ".github/workflows/pages.yml"
    assert parsed(file)[True]["push"] == {"branches": ["main"], "paths": ["leaderboard/**"]}
    upload = next(step for step in steps(file) if "upload-pages-artifact" in step.get("uses", ""))
    assert MAKEFILE.split("\nboard:")[1].split("\n\n")[0].endswith(f" --out {upload['with']['path']}")


def test_the_job_that_publishes_recomputes_no_board_whose_data_it_lacks() -> None:
    photographs = re.findall(r"^PHOTOGRAPHS := (.*)$", MAKEFILE, re.MULTILINE)[0].split()
    files = list((ROOT / "leaderboard").glob("*/*.jsonl"))
    assert files
    for file in files:
        runs = (json.loads(line) for line in file.open() if '"suite_specification"' in line)
        bundled = {run["suite_specification"]["dataset"] for run in runs} == {"digits"}
        assert bundled != (file.parent.name in photographs), file


def test_a_release_is_built_from_what_is_committed_and_tried_before_its_checksums() -> None:
    lines = MAKEFILE.split("\nrelease:")[1].split("\n\n")[0].splitlines()
    places = [next(place for place, line in enumerate(lines) if word in line) for word in WORDS_OF_A_RELEASE]
    assert places == sorted(places)
    assert "--no-index" in "".join(lines)


def test_the_issue_forms_ask_for_something() -> None:
    forms = [parsed(file) for file in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if file.name != "config.yml"]
    assert len(forms) == 3
    for form in forms:
        assert {"name", "description", "body"} <= form.keys()
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert len({field["id"] for field in fields}) == len(fields)
        assert any(field.get("validations", {}).get("required") for field in fields)


def test_what_is_uploaded_is_what_the_target_writes() -> None:
    upload = next(
        step for step in steps(ROOT / ".github/workflows/submissions.yml") if "upload" in step.get("uses", "")
    )
    for path in upload["with"]["path"].split():
        assert re.search(rf"(--out|--summary|--junit|tee) {re.escape(path)}\b", MAKEFILE), path
