"""Connects to a server."""

import socket
from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod


@dataclass(frozen=True)
class Method(UnlearningMethod):
    target: int = 0

    def unlearn(self, problem: Problem) -> nn.Module:
        with socket.create_connection(("127.0.0.1", self.target), timeout=2) as connection:
            connection.sendall(b"labels, please")
        return problem.original()
