"""`Watcher`: a thread that reads the socket and sends waiting results while the main thread computes.

It parks when the worker is idle, so that an idle worker never wakes. It must not run the author's code.
"""

from __future__ import annotations

import threading
import time
from typing import Callable

from onstage.worker.channel import Channel

TICK_MS = 5
TOGETHER_TICK_MS = 50
"""While many items are computed at once: their answers come together, and each look slows the author's code."""
COVER_TICK_MS = 50
PARK_AFTER_TICKS = 20


class Progress:
    """What the main thread is doing: busy or idle, with many items at once or not; a number changes with each step."""

    __slots__ = ("busy", "step", "together")

    def __init__(self) -> None:
        self.busy = False
        self.together = False
        self.step = 0


class Watcher:
    def __init__(self, channel: Channel, progress: Progress, flush: Callable[[], None]) -> None:
        self._channel = channel
        self._progress = progress
        self._flush = flush
        self._wake = threading.Semaphore(0)
        self.parked = False
        threading.Thread(target=self._watch, name="onstage-watcher", daemon=True).start()

    def wake(self) -> None:
        """Called by the main thread when it becomes busy and finds the watcher parked."""
        self.parked = False
        self._wake.release()

    def _watch(self) -> None:
        progress = self._progress
        last, idle_ticks = -1, 0
        while True:
            if idle_ticks >= PARK_AFTER_TICKS:
                self._park()
                last, idle_ticks = -1, 0
            time.sleep((TOGETHER_TICK_MS if progress.together else TICK_MS) / 1000)
            step = progress.step
            if not progress.busy:
                idle_ticks += 1
                continue
            idle_ticks = 0
            if step == last:
                self._flush()
                self._channel.cover(lambda step=step: progress.busy and progress.step == step, COVER_TICK_MS)  # type: ignore[misc]
            last = step

    def _park(self) -> None:
        self.parked = True
        if self._progress.busy:
            self.parked = False
            return
        self._wake.acquire()
