"""`WorkerStage`: what a `Ctx` stands on inside a worker: messages to the host and a folder per item.

It must not be used after its item has ended.
"""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path
from typing import Any, Dict, Optional, Protocol, Sequence

from onstage.ctx import Number, Stage
from onstage.dataset import Dataset
from onstage.worker.channel import Channel
from onstage.worker.interrupt import Interrupt

PROGRESS_EVERY_SECONDS = 0.05


class Sender(Protocol):
    """What messages to the host go through: a worker's channel, or the line of a template."""

    def send(self, message: Dict[str, Any]) -> None: ...


class Asking(Protocol):
    def ask(self, message: Dict[str, Any]) -> Any: ...

    def request(self, message: Dict[str, Any]) -> Dict[str, Any]: ...


class Calls:
    """What is asked of the host and waits for its answer."""

    def __init__(self, channel: Channel, interrupt: Interrupt) -> None:
        self._channel = channel
        self._interrupt = interrupt
        self._numbers = itertools.count(1)
        self._answers: Dict[int, Dict[str, Any]] = {}

    def answer(self, message: Dict[str, Any]) -> None:
        """Called by whichever thread reads."""
        request = message.get("request")
        if isinstance(request, int):
            self._answers[request] = message

    def request(self, message: Dict[str, Any]) -> Dict[str, Any]:
        """Send a message with a number and wait for the answer to it."""
        request = next(self._numbers)
        with self._interrupt:
            self._channel.send({"t": message["t"], "request": request, **message})
            self._channel.pump(lambda: request in self._answers)
            return self._answers.pop(request)

    def ask(self, message: Dict[str, Any]) -> Any:
        """An operation on app state."""
        answer = self.request({"t": "state", **message})
        error = answer.get("error")
        if error is not None:
            raise RuntimeError(f"app state, `{message['op']}` of `{message['key']}`: {error}")
        return answer.get("value")


class WorkerStage(Stage):
    def __init__(
        self, channel: Sender, interrupt: Interrupt, calls: Asking, ids: Sequence[int], folder: Optional[Path]
    ) -> None:
        super().__init__()
        self._channel = channel
        self._interrupt = interrupt
        self._calls = calls
        self._ids = ids
        self._parent = folder
        self._made: Optional[Path] = None
        self._last = 0.0

    def move(self, channel: Sender, interrupt: Interrupt, calls: Asking) -> None:
        """From now on, stand in another process: the author's set-up has kept the `ctx` it was given."""
        self._channel = channel
        self._interrupt = interrupt
        self._calls = calls

    def progress(self, done: Number, total: Optional[Number], text: Optional[str]) -> None:
        if not self._ids:
            self.log(f"{text or 'progress'} {done:g}" + (f"/{total:g}" if total is not None else ""), "info")
            return
        now = time.monotonic()
        if now - self._last < PROGRESS_EVERY_SECONDS and (total is None or done < total):
            return
        self._last = now
        for item in self._ids:
            self._send({"t": "progress", "id": item, "done": done, "total": total, "text": text})

    def log(self, text: str, level: str) -> None:
        item = self._ids[0] if len(self._ids) == 1 else None
        self._send({"t": "log", "id": item, "level": level, "text": text})

    def metric(self, values: Dict[str, Number], step: Optional[Number]) -> None:
        # Not a number is what a diverging training reports; it cannot be plotted, so it is left out.
        kept = {name: value for name, value in values.items() if math.isfinite(value)}
        for item in self._ids if kept else ():
            self._send({"t": "metric", "id": item, "values": kept, "step": step})

    def checkpoint(self, path: Path) -> None:
        raise RuntimeError("`ctx.checkpoint` is for trainings")

    def dataset(self, name: str) -> Dataset:
        raise RuntimeError("`ctx.dataset` is for trainings")

    def cancelled(self) -> bool:
        cancelled = self._interrupt.cancelled
        return bool(self._ids) and all(item in cancelled for item in self._ids)

    def tempdir(self) -> Path:
        if self._made is None and self._parent is not None:
            made = self._parent / ("item-" + "-".join(map(str, self._ids[:1])) if self._ids else "setup")
            made.mkdir(parents=True, exist_ok=True)
            self._made = made
        return self._made if self._made is not None else super().tempdir()

    def state(self, space: Optional[str], op: str, key: str, value: Any) -> Any:
        item = self._ids[0] if self._ids else None
        return self._calls.ask({"id": item, "space": space, "op": op, "key": key, "value": value})

    def clear(self) -> None:
        """Remove the item's folder."""
        if self._made is not None:
            import shutil

            shutil.rmtree(self._made, ignore_errors=True)
            self._made = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _send(self, message: Dict[str, Any]) -> None:
        with self._interrupt:
            self._channel.send(message)
