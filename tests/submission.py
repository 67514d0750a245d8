"""Submissions that a test writes on the spot."""

from __future__ import annotations

from pathlib import Path

from unlearnbench.submissions.finding import Submission, read

HEADER = "import os, signal, sys, time\nimport torch\nfrom unlearnbench import UnlearningMethod\n\n"
NOTHING = "return problem.original()"
TUNE = """model = problem.original()
optimizer = problem.optimizer(model)
for batch in problem.retain.batches(problem.budget.steps):
    loss = torch.nn.functional.cross_entropy(model(batch.images), batch.labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
return model"""


def install_package(site: Path, version: str) -> Path:
    """Install a version of the package `torchforget` in a folder of packages; what was there before is replaced."""
    information = site / "torchforget.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torchforget\nVersion: {version}\n")
    return information


def written(folder: Path, name: str, body: str, *, needs: bool = False, before: str = "") -> Submission:
    """A submission in FOLDER/NAME whose `unlearn` has this body.

    needs: whether it asks for the indices of all corrupted samples.
    before: what its module does before the class.
    """
    place = folder / name
    place.mkdir(parents=True)
    (place / "submission.toml").write_text(
        f'name = "{name}"\ntitle = "{name}"\nauthors = ["A"]\npaper = ""\nlicense = "Apache-2.0"\n'
        f'entry = "method:Method"\n[needs]\ncorrupted_indices = {str(needs).lower()}\n'
    )
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    method = f"class Method(UnlearningMethod):\n    def unlearn(self, problem):\n{lines}\n"
    (place / "method.py").write_text(f"{HEADER}{before}\n{method}")
    return read(place)[0]
