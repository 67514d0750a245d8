"""Returns weights of which one is infinite."""

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        model = problem.original()
        next(iter(model.parameters())).data.view(-1)[0] = float("inf")
        return model
