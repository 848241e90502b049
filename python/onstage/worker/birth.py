"""The birth of a worker out of a template: forked so that it becomes the host's child, then made a process of its own.

Its own are its group, output, environment and random numbers. Linux only.

It must not know the frames in which the host asks for it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from onstage.worker import pools

PR_SET_PDEATHSIG = 1
ARGUMENTS_START = 47  # its place among the fields of /proc/self/stat, counted from 0
TEMPLATE, WORKER = b"onstage.template", b"onstage.worker"

_libc = ctypes.CDLL(None, use_errno=True)


class NotBorn(Exception):
    """The worker could not be forked; the message says why."""


def fork(host: int, output: List[int]) -> Optional[int]:
    """Forks a worker; its pid in the template, None in the worker. `output` is closed in the template. Raises NotBorn.

    The worker is forked by a process in between which ends at once: what is left without a parent goes to the host,
    who has asked the kernel for that. So the kernel tells the host how the worker ends, and the worker outlives the
    template but not the host.
    """
    (up, up_end), (go, go_end) = _pipes()
    try:
        middle = os.fork()
    except OSError as error:
        for end in (up, up_end, go, go_end, *output):
            os.close(end)
        raise NotBorn(str(error)) from None
    if middle == 0:
        if not _is_worker():
            os._exit(0)
        os.close(up)
        os.close(go_end)
        _begin(host, output, up_end, go)
        return None
    for end in (up_end, go, *output):
        os.close(end)
    told = os.read(up, 32)
    os.waitpid(middle, 0)
    if told:
        # Only now the host is the parent.
        os.write(go_end, b"+")
    os.close(up)
    os.close(go_end)
    if not told:
        raise NotBorn("the forked process ended at once")
    return int(told)


def _pipes() -> Tuple[Tuple[int, int], Tuple[int, int]]:
    try:
        return os.pipe(), os.pipe()
    except OSError as error:
        raise NotBorn(str(error)) from None


def _is_worker() -> bool:
    """Forks the worker. False in the process in between, also when that failed."""
    try:
        return os.fork() == 0
    except OSError:
        return False


def _begin(host: int, output: List[int], up_end: int, go: int) -> None:
    os.setsid()
    for number, end in enumerate(output, 1):
        os.dup2(end, number)
        os.close(end)
    os.write(up_end, str(os.getpid()).encode())
    os.close(up_end)
    if not os.read(go, 1):
        os._exit(1)
    os.close(go)
    _die_with(host)


def _die_with(host: int) -> None:
    """The kernel kills this process when the host ends."""
    if _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        _leave(f"it cannot be bound to the host's life: {os.strerror(ctypes.get_errno())}")
    # The host may have ended before the line above, or another process may take what is left without a parent.
    if os.getppid() != host:
        _leave("the host is not its parent")


def _leave(why: str) -> NoReturn:
    os.write(2, f"onstage worker: {why}\n".encode())
    os._exit(1)


def settle(variables: Dict[str, str]) -> None:
    """What a worker has for itself, forked or not: its environment and what was derived from the template's."""
    os.environ.update(variables)
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        # Found again, in the folder of this worker.
        tempfile.tempdir = None
    _rename()
    pools.grow()


def reseed() -> None:
    """Workers of one template must not draw the same random numbers."""
    # Python's own does so by itself.
    numpy: Any = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)


def _rename() -> None:
    """Makes the command line say `onstage.worker`, for whoever reads a list of processes."""
    try:
        with open("/proc/self/cmdline", "rb") as file:
            line = file.read()
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        # The fields after the name begin with the third.
        start = int(fields[ARGUMENTS_START - 2])
        at = line.find(TEMPLATE)
        if at < 0 or not start:
            return
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start + at)
            memory.write(WORKER.ljust(len(TEMPLATE)))
    except (OSError, ValueError, IndexError):
        # Only the name of it.
        pass
