"""Joining a Ray cluster, and noticing that it is gone.

Ray itself tries to join for minutes if nothing or something else answers, and ends this process without a sentence if
the cluster that it has joined is gone: after a minute without the head, within seconds without the node here.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import ray
from ray._private.services import canonicalize_bootstrap_address_or_die

from unlearnbench.errors import HarnessError, UsageError

PATIENCE = 10.0
"""Timeout in seconds for connecting to the cluster."""

SILENCE = 20.0
"""Seconds without an answer after which the cluster counts as lost. Ray ends the process after 60."""

Address = tuple[str, int]


class Lost(HarnessError):
    """The cluster is gone. Ray must not be asked anything more."""


@dataclass
class Link:
    """What this process depends on: the head of the cluster, and the node on this machine through which it talks."""

    head: Address
    here: Address
    _since: dict[Address, float] = field(default_factory=dict)
    """When each of them first failed to answer, in a row."""

    def check(self) -> bool:
        """Whether both answer now.

        Raises:
            Lost: one has not answered for `SILENCE` seconds, or the node here refuses connections: its process is gone,
                and a new one would be another node.
        """
        for address, name in ((self.here, "its node on this machine"), (self.head, "its head")):
            try:
                socket.create_connection(address, 2.0).close()
                self._since.pop(address, None)
            except OSError as error:
                since = self._since.setdefault(address, time.monotonic())
                gone = address == self.here and isinstance(error, ConnectionRefusedError)
                if gone or time.monotonic() - since > SILENCE:
                    raise Lost(
                        f"the Ray cluster is lost: {name} ({address[0]}:{address[1]}) does not answer. Every finished"
                        " trial is stored; when a cluster is up again, the same command continues from there"
                    ) from error
        return not self._since


def link() -> Link:
    """The link to the cluster that this process has joined."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    node = next(item for item in ray.nodes() if item["NodeID"] == context.get_node_id())
    return Link((host, int(port)), (node["NodeManagerAddress"], node["NodeManagerPort"]))


def join() -> None:
    """Join the cluster at RAY_ADDRESS, or the one that runs on this machine.

    Raises:
        UsageError: there is none.
    """
    named = os.environ.get("RAY_ADDRESS")
    if named is not None and named.strip() in ("", "local"):
        raise UsageError(
            f"RAY_ADDRESS is '{named}', which names no cluster: set it to host:port, or unset it to use the cluster on"
            " this machine"
        )
    try:
        address: str = canonicalize_bootstrap_address_or_die("auto")
        host, _, port = address.rpartition(":")
        # Fail fast: Ray retries for minutes and logs every attempt.
        _greet(host, int(port))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Ray cluster was found ({' '.join(str(error).split())}): start one (`ray start --head`), or set"
            " RAY_ADDRESS to its host:port; docs/cluster.md has examples"
        ) from error
    handler, debugger = signal.getsignal(signal.SIGTERM), os.environ.get("PYTHONBREAKPOINT")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # e.g. other versions of Ray or Python, or a node that has just left
        raise UsageError(f"the Ray cluster at {address} cannot be used: {' '.join(str(error).split())}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray has replaced it by one that ends the process at once
    if debugger is None:  # Ray has set its own, which would outlive the run
        del os.environ["PYTHONBREAKPOINT"]
    else:
        os.environ["PYTHONBREAKPOINT"] = debugger


def _greet(host: str, port: int) -> None:
    """Check that a gRPC server answers there: one that speaks HTTP/2 sends its settings first (RFC 9113, section 3.4).

    Raises:
        OSError: it does not.
    """
    with socket.create_connection((host, port), PATIENCE) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":  # it would begin with another handshake
            return
        connection.settimeout(PATIENCE)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")  # our settings are empty
        answer = connection.recv(9, socket.MSG_WAITALL)
    if len(answer) < 9 or answer[3] != 4:
        raise OSError(f"what answers at {host}:{port} is no Ray cluster")
