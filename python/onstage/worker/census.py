"""What stands in the way of forking this process: threads, children, connections, a GPU. Linux only.

It must not change anything.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Iterator, List, Optional, Tuple

TASKS = "/proc/self/task"
OPEN_FILES = "/proc/self/fd"
# A copy of one of these would be shared with every other worker: two would read each other's answers.
SHARED = ("socket:", "anon_inode:[eventpoll]", "anon_inode:[io_uring]")
GPUS = ("/dev/nvidia", "/dev/kfd", "/dev/dri")
NAMES_MAX = 8


def obstacle(own_socket: int) -> Optional[str]:
    """Why this process must not be forked, as the end of a sentence that says so; None when it may."""
    # A GPU first: its driver has brought the threads and descriptors that the others would name.
    return _gpu() or _threads() or _children() or _connections(own_socket)


def _threads() -> Optional[str]:
    """A fork takes only the thread that asks for it: locks that others hold are never released in the child."""
    count = len(os.listdir(TASKS)) - 1
    if not count:
        return None
    main = threading.main_thread()
    names = [f"`{thread.name}`" for thread in threading.enumerate() if thread is not main]
    native = max(0, count - len(names))
    if len(names) > NAMES_MAX:
        names[NAMES_MAX:] = [f"{len(names) - NAMES_MAX} more"]
    if native:
        names.append(f"{native} of native libraries")
    return f"it runs other threads: {_joined(names)}"


def _children() -> Optional[str]:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return "it has started other processes"


def _gpu() -> Optional[str]:
    for _, target in _open_files():
        if target.startswith(GPUS):
            return f"it uses a GPU (`{target}`)"
    # Before a context exists nothing is open yet.
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_initialized():
            return "it uses a GPU (`torch.cuda`)"
    except AttributeError:
        pass
    return None


def _connections(own_socket: int) -> Optional[str]:
    for number, target in _open_files():
        if target.startswith(SHARED) and number != own_socket:
            return "it has open connections or an event loop"
    return None


def _open_files() -> Iterator[Tuple[int, str]]:
    """Descriptors and what they lead to."""
    for name in os.listdir(OPEN_FILES):
        try:
            yield int(name), os.readlink(f"{OPEN_FILES}/{name}")
        except OSError:
            continue


def _joined(names: List[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
