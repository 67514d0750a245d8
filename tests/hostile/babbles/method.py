"""Writes what is no report to the pipe of the reports."""

import contextlib
import os
import stat

from torch import nn

from unlearnbench import Problem, UnlearningMethod


def say(line: bytes) -> None:
    """Write to the pipe on which the harness's part of this process reports."""
    for number in range(3, 4096):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                os.write(number, line)


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        for line in (b"[" * 10**5, b"{}", b"null", b'"started"', b'{"event": []}', b"\xff\x00" * 2**19, b""):
            say(line + b"\n")
        say(b"{")
        say(b"\n")
        return problem.original()
