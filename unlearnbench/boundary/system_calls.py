"""The seccomp filter of level `strict`: system calls that no method needs, refused by the kernel.

Three kinds are refused: calls that leave a trace outside of the trial or read one (keyrings, the page cache, messages
between processes), calls that reach into the kernel or other processes (tracing, namespaces, mounts, clocks), and
memory that cannot be counted from outside. A method that tries one gets an error and goes on.

The filter is a list of classic BPF instructions (seccomp(2)), written by hand. The Python bindings of libseccomp are
either not on PyPI or no longer maintained, and the filter needs nothing but comparisons.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the numbers below, and the constant AUDIT_ARCH."""

TABLE = """
# Keyrings outlive a trial.
add_key 248 217, request_key 249 218, keyctl 250 219
# What is in the page cache outlives a trial, and shows what others read.
mincore 27 232, cachestat 451 451, fadvise64 221 223, readahead 187 213, sync 162 81, syncfs 306 267
# What others do to shared files.
inotify_init 253 -, inotify_init1 294 26, fanotify_init 300 262, fanotify_mark 301 263, name_to_handle_at 303 264,
open_by_handle_at 304 265
# Memory that belongs to no process or hides from /proc. POSIX shared memory in /dev/shm has a limit of its own.
memfd_create 319 279, memfd_secret 447 447, shmget 29 194, shmat 30 196, shmctl 31 195, shmdt 67 197, msgget 68 186,
msgsnd 69 189, msgrcv 70 188, msgctl 71 187, semget 64 190, semop 65 193, semctl 66 191, semtimedop 220 192,
mq_open 240 180, mq_unlink 241 181, mq_timedsend 242 182, mq_timedreceive 243 183, mq_notify 244 184,
mq_getsetattr 245 185
# Other processes.
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272, pidfd_getfd 438 438,
process_madvise 440 440, process_mrelease 448 448
# Large and often faulty parts of the kernel.
userfaultfd 323 282, io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427,
perf_event_open 298 241, bpf 321 280, lookup_dcookie 212 18, nfsservctl 180 42, uselib 134 -, ustat 136 -, sysfs 139 -,
modify_ldt 154 -, personality 135 92, remap_file_pages 216 234
# Namespaces and mounts.
unshare 272 97, setns 308 268, mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, open_tree 428 428,
move_mount 429 429, fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442,
statmount 457 457, listmount 458 458
# The machine.
swapon 167 224, swapoff 168 225, reboot 169 142, kexec_load 246 104, kexec_file_load 320 294, init_module 175 105,
finit_module 313 273, delete_module 176 106, acct 163 89, quotactl 179 60, quotactl_fd 443 443, syslog 103 116,
settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266, ioperm 173 -, iopl 172 -,
vhangup 153 58, sethostname 170 161, setdomainname 171 162
# More of the machine than others get: the harness pins each trial to its cores.
sched_setaffinity 203 122, sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274,
ioprio_set 251 30, mbind 237 235, set_mempolicy 238 237, migrate_pages 256 238, move_pages 279 239,
set_mempolicy_home_node 450 450
"""
"""The refused system calls: name, number on x86_64, number on aarch64."""

REFUSED = {
    name: tuple(None if number == "-" else int(number) for number in numbers)
    for line in TABLE.splitlines()
    if line and not line.startswith("#")
    for name, *numbers in (call.split() for call in line.rstrip(",").split(", "))
}

NEWEST = 462
"""The newest known system call (`mseal`). Later ones are refused until somebody has looked at them."""

X32 = 0x40000000
"""Bit of the numbers of the x32 ABI, through which each call has a second number."""

CLONE, CLONE3, SOCKET, PRCTL, MADVISE = (56, 220), (435, 435), (41, 198), (157, 167), (28, 233)
CLONE_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK. Others, such as AF_VSOCK, belong to no network namespace, or are rare."""
PR_SET_DUMPABLE = 4
PAGE_OUT = (20, 21)
"""MADV_COLD and MADV_PAGEOUT, which evict pages of shared files from memory."""

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
KILL, ALLOW = 0x80000000, 0x7FFF0000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

LOAD, EQUAL, GREATER, GREATER_OR_EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def _fail(error: int) -> int:
    return 0x00050000 | error


def program(machine: str) -> bytes:
    """The filter for an architecture, as an array of struct sock_filter.

    Raises:
        OSError: the numbers of this architecture's system calls are not known here.
    """
    if machine not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        raise OSError(f"the system calls of {machine} are not known, only those of {known}")
    column, audit = ARCHITECTURES[machine]
    steps: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, audit),
        (RETURN, 0, 0, KILL),  # system calls of another ABI, such as those of 32 bits
        (LOAD, 0, 0, NUMBER),
        *_answer(GREATER_OR_EQUAL, X32, KILL),
        *_answer(GREATER, NEWEST, _fail(errno.ENOSYS)),
        # Its flags are in memory, which a filter cannot read. The C library falls back to clone.
        *_answer(EQUAL, CLONE3[column], _fail(errno.ENOSYS)),
    ]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            steps += _answer(EQUAL, number, _fail(errno.EPERM))
    refused = _fail(errno.EPERM)
    steps += _arguments(CLONE[column], 0, _answer(ANY_BIT, CLONE_NAMESPACES, refused))
    steps += _arguments(PRCTL[column], 0, _answer(EQUAL, PR_SET_DUMPABLE, refused))
    steps += _arguments(MADVISE[column], 2, [step for advice in PAGE_OUT for step in _answer(EQUAL, advice, refused)])
    allowed = [step for family in FAMILIES for step in _answer(EQUAL, family, ALLOW)]
    steps += _arguments(SOCKET[column], 0, [*allowed, (RETURN, 0, 0, _fail(errno.EAFNOSUPPORT))])
    steps.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _answer(comparison: int, operand: int, action: int) -> list[Instruction]:
    """Return this action if the comparison of the loaded value holds, else continue."""
    return [(comparison, 0, 1, operand), (RETURN, 0, 0, action)]


def _arguments(number: int, argument: int, steps: list[Instruction]) -> list[Instruction]:
    """Apply steps to the low half of an argument of one system call. Call with the number loaded; it stays loaded."""
    load = (LOAD, 0, 0, ARGUMENTS + 8 * argument)
    return [(EQUAL, 0, len(steps) + 2, number), load, *steps, (LOAD, 0, 0, NUMBER)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse() -> None:
    """Install the filter in this process and all that it starts, for good. Privileges must have been given up.

    Raises:
        OSError: unknown architecture, or a kernel without seccomp.
    """
    content = program(platform.machine())
    filtered = _Program(len(content) // 8, content)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filtered), 0, 0) != 0:
        raise OSError(f"filtering system calls: {os.strerror(ctypes.get_errno())}")
