"""The birth of a worker out of a template: forked, then made a process of its own.

Its own are its group, output, environment and random numbers. Linux only.

It must not know the frames in which the host asks for it.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
from typing import Any, Dict, NamedTuple, Optional, Sequence

from onstage.worker import pools

ARGUMENTS_START = 47  # its place among the fields of /proc/self/stat, counted from 0
TEMPLATE, WORKER = b"onstage.template", b"onstage.worker"


class NotBorn(Exception):
    """The worker could not be forked; the message says why."""


class Files(NamedTuple):
    """What the host sends along for a worker."""

    stdout: int
    stderr: int
    life: int
    """The end of a pipe whose other end only the host has."""
    end: int
    """Where the template tells how the worker has ended."""


def fork(files: Files, others: Sequence[int]) -> Optional[int]:
    """Forks a worker; its pid in the template, None in the worker, which closes `others`. Raises NotBorn."""
    up, up_end = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(up)
        os.close(up_end)
        raise NotBorn(str(error)) from None
    if pid == 0:
        for number in (up, files.end, *others):
            os.close(number)
        _begin(files)
        os.write(up_end, b"+")
        os.close(up_end)
        return None
    os.close(up_end)
    # Until it leads a group of its own, nobody could end it by that.
    is_up = os.read(up, 1)
    os.close(up)
    if not is_up:
        os.waitpid(pid, 0)
        raise NotBorn("the forked process ended at once")
    return pid


def _begin(files: Files) -> None:
    os.setsid()
    os.dup2(files.stdout, 1)
    os.dup2(files.stderr, 2)
    os.close(files.stdout)
    os.close(files.stderr)
    _die_with(files.life)


def _die_with(life: int) -> None:
    """The kernel kills this process when the host ends and with it the other end of the pipe.

    What is left without a template goes on, so the usual way to die with a parent is not right here.
    """
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    # The host may have ended before the line above.
    poll = select.poll()
    poll.register(life, select.POLLIN)
    if poll.poll(0):
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
