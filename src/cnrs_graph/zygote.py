"""The program behind `workers`: it loads the data once, then forks each worker and desk that is asked for.

It runs on its own and imports little: what it holds in memory, every worker holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from cnrs_graph.answering import FAILED, HEADER, frame, has_prctl, mapped_bytes, run_worker
from cnrs_graph.desk import run_desk

READY, FORK, DESK, BURY = b"R", b"P", b"D", b"W"

_MOST_DESCRIPTORS = 3
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


class Wall(StrEnum):
    """A limit that holds a worker, where the system has the means for it."""

    MEMORY = "memory is capped"
    NETWORK = "the network is out of reach"
    ORPHANS = "a worker ends with its parent"


def main() -> None:
    """Load the data, say which walls stand, then fork a worker whenever the parent asks for one."""
    settings = json.loads(sys.stdin.buffer.read())
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    control = socket.socket(fileno=settings["control"])
    walls = [
        wall for wall, stands in ((Wall.NETWORK, leave_network()), (Wall.ORPHANS, has_prctl())) if stands
    ]
    if mapped_bytes() is not None:
        walls.append(Wall.MEMORY)
    try:
        store = load(settings["quads"], settings["default_graphs"]) if not settings["folder"] else None
    except (OSError, ValueError, SyntaxError) as error:
        control.sendall(frame(FAILED, str(error).encode()))
        return
    gc.freeze()
    control.sendall(frame(READY, json.dumps(walls).encode()))
    serve(control, store, settings)


def load(quads: int, default_graphs: Iterable[str]) -> ox.Store:
    """Load N-Quads from an open file; the default graph holds what the default graphs hold, each triple once.

    `load` and not `bulk_load`: the latter starts threads, which do not survive a fork.
    """
    store = ox.Store()
    with os.fdopen(quads, "rb") as file:
        file.seek(0)
        store.load(input=file, format=ox.RdfFormat.N_QUADS)
    for graph in default_graphs:
        store.update(f"ADD SILENT {ox.NamedNode(graph)} TO DEFAULT")
    return store


def serve(control: socket.socket, store: ox.Store | None, settings: Mapping[str, Any]) -> None:
    """Fork and bury workers and desks until the parent is gone; then none of them stays behind."""
    children: set[int] = set()
    own = os.getpid()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, HEADER.size, _MOST_DESCRIPTORS)
        if len(message) < HEADER.size:
            break
        kind, number = HEADER.unpack(message)
        if kind in (FORK, DESK):
            child = os.fork()
            if child == 0:
                control.close()
                if kind == DESK:
                    run_desk(descriptors, store, settings, parent=own)
                run_worker(descriptors, store, settings, parent=own)
            for descriptor in descriptors:
                os.close(descriptor)
            children.add(child)
            control.sendall(frame(kind, str(child).encode()))
        elif kind == BURY:
            # The parent has killed it already; its number stays its own until this line.
            status = os.waitpid(number, 0)[1] if number in children else 0
            children.discard(number)
            control.sendall(frame(BURY, str(status).encode()))
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def leave_network() -> bool:
    """Move into a network namespace with nothing in it; False where the system has none or forbids it."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))
    return False


if __name__ == "__main__":
    main()
