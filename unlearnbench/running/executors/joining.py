"""Joining a Ray cluster, which Ray itself does for minutes if nothing or something else answers."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading

import ray
from ray._private.services import canonicalize_bootstrap_address_or_die

from unlearnbench.errors import UsageError

PATIENCE = 10.0
"""Timeout in seconds for connecting to the cluster."""


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
