"""Looks up the true labels in the data set that is installed with scikit-learn."""

import importlib.util
from pathlib import Path

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        package = importlib.util.find_spec("sklearn")
        assert package is not None
        assert package.origin is not None
        assert (Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz").read_bytes()
        return problem.original()
