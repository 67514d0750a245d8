"""Looks up the true labels in the data set that is installed with scikit-learn."""

from sklearn.datasets import load_digits
from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        assert len(load_digits().target)
        return problem.original()
