"""Changes all that it was given in place."""

from torch import nn

from unlearnbench import Problem, UnlearningMethod


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        problem.train.images.zero_()
        problem.train.labels.zero_()
        problem.forget_positions.zero_()
        for tensor in problem.original_weights.values():
            tensor.zero_()
        return problem.original()
