"""`Interrupt`: stops the author's code in the main thread by raising `Cancelled` inside it, and nowhere else.

A signal handler always runs in the main thread, between two steps of its code, so what it checks cannot change
before it raises. The signal also ends a sleep or a wait. It must not know messages.
"""

from __future__ import annotations

import os
import signal
import threading
from types import TracebackType
from typing import Any, Optional, Set, Type

from onstage.errors import Cancelled

# Ignored by default, so a stray one hurts nobody; libraries use others.
SIGNAL = signal.SIGURG


class Interrupt:
    """Strikes only the item it was meant for; used as `with interrupt:` around what must not be cut in half."""

    __slots__ = ("_main", "_shields", "_target", "_wanted", "cancelled")

    def __init__(self) -> None:
        self.cancelled: Set[int] = set()
        """Running items that nobody wants any more."""
        self._target: Optional[int] = None
        self._wanted: Optional[int] = None
        self._shields = 0
        self._main = threading.main_thread()

    def install(self) -> None:
        signal.signal(SIGNAL, self._handle)
        # Ctrl-C in a terminal reaches the whole group; the host decides when workers end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def demand(self, item: int) -> None:
        """Ask for `Cancelled` in the code that runs for `item`; any thread. Item ids are never used twice."""
        self._wanted = item
        ident = self._main.ident
        if ident is not None:
            signal.pthread_kill(ident, SIGNAL)

    def open(self, item: int) -> None:
        """The author's code runs for `item` from here on. Raises Cancelled when that is not wanted any more."""
        self._target = item
        if self._wanted == item:
            self._handle(SIGNAL, None)

    def close(self) -> None:
        """The author's code has ended, however it ended."""
        self._target = None

    def reset(self) -> None:
        """The item has its outcome."""
        self._target = None
        if self.cancelled:
            self.cancelled.clear()

    def _handle(self, number: int, frame: Any) -> None:
        if self._target is not None and self._wanted == self._target and not self._shields:
            self._wanted = None
            raise Cancelled("nobody wants the answer any more")

    def __enter__(self) -> None:
        if threading.get_ident() == self._main.ident:
            self._shields += 1

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if threading.get_ident() == self._main.ident:
            self._shields -= 1
            if kind is None:
                self._handle(SIGNAL, None)


def ignore_in_children() -> None:
    """A forked child is not the worker: it must not raise `Cancelled`, and Ctrl-C ends it as usual."""

    def reset() -> None:
        signal.signal(SIGNAL, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    os.register_at_fork(after_in_child=reset)
