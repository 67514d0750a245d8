"""Leaves something for a later trial, or takes what others have, by system calls that no method needs."""

import ctypes
import mmap
import os
import platform
import socket
from dataclasses import dataclass

from torch import nn

from unlearnbench import Problem, UnlearningMethod

LIBC = ctypes.CDLL(None, use_errno=True)
ADD_KEY = {"x86_64": 248, "aarch64": 217}[platform.machine()]
SESSION_KEYRING = -3
AF_VSOCK = 40


def check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@dataclass(frozen=True)
class Method(UnlearningMethod):
    way: str = "keyring"

    def unlearn(self, problem: Problem) -> nn.Module:
        if self.way == "keyring":
            check(LIBC.syscall(ADD_KEY, b"user", b"note", b"1", 1, SESSION_KEYRING))
        elif self.way == "page_cache":
            with open(os.__file__, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            resident = ctypes.create_string_buffer(-(-len(content) // mmap.PAGESIZE))
            check(LIBC.mincore(ctypes.byref(ctypes.c_char.from_buffer(content)), len(content), resident))
        elif self.way == "host":
            socket.socket(AF_VSOCK, socket.SOCK_STREAM).close()
        elif self.way == "code_in_memory":
            os.memfd_create("program")
        else:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
        return problem.original()
