"""`Ctx`: what the platform offers a running function; alone, in a unit test, it works in memory.

It must not know the protocol: a `Stage` performs what is asked of it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

Number = Union[int, float]
STATE_KEY_BYTES_MAX = 512
LEVELS = ("debug", "info", "warning", "error")


class Stage:
    """What a `Ctx` stands on. This one is for a function called without Onstage: memory and prints."""

    def __init__(self) -> None:
        self._spaces: Dict[Optional[str], Dict[str, Any]] = {}
        self._folder: Optional[tempfile.TemporaryDirectory[str]] = None

    def progress(self, done: Number, total: Optional[Number], text: Optional[str]) -> None:
        print(f"progress: {done:g}" + (f"/{total:g}" if total is not None else "") + (f" {text}" if text else ""))

    def log(self, text: str, level: str) -> None:
        print(f"{level}: {text}")

    def metric(self, values: Dict[str, Number], step: Optional[Number]) -> None:
        shown = " ".join(f"{name}={value:g}" for name, value in values.items())
        print(f"metric: {shown}" + (f" step={step:g}" if step is not None else ""))

    def checkpoint(self, path: Path) -> None:
        print(f"checkpoint: {path}")

    def cancelled(self) -> bool:
        return False

    def tempdir(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="onstage-")
        return Path(self._folder.name)

    def state(self, space: Optional[str], op: str, key: str, value: Any) -> Any:
        held = self._spaces.setdefault(space, {})
        if op == "add":
            held[key] = held.get(key, 0) + value
            return held[key]
        if op == "get":
            return held.get(key)
        if op == "items":
            return [[name, held[name]] for name in sorted(held) if name.startswith(key)]
        held.pop(key, None)
        if value is not None:
            held[key] = value
        return None


class State:
    """Small durable values of the app; each operation is atomic and shared by all workers."""

    def __init__(self, stage: Stage, space: Optional[str] = None) -> None:
        self._stage = stage
        self._space = space

    def add(self, key: str, amount: Number = 1) -> Number:
        """Add to a counter and return its new value; a missing key counts from 0."""
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise TypeError(f"`state.add` wants a number, not {type(amount).__name__}")
        answer: Number = self._stage.state(self._space, "add", _key(key), amount)
        return answer

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        value = self._stage.state(self._space, "get", _key(key), None)
        return default if value is None else value

    def put(self, key: str, value: Any) -> None:
        """Set a key to any JSON value; None deletes it."""
        self._stage.state(self._space, "put", _key(key), value)

    def items(self, prefix: str = "") -> List[Tuple[str, Any]]:
        """Every key that starts with `prefix`, with its value, sorted by key."""
        return [(key, value) for key, value in self._stage.state(self._space, "items", _key(prefix), None)]

    def space(self, name: str) -> State:
        """A space that all models of the same owner share."""
        return State(self._stage, name)


def _key(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a state key is text, not {type(key).__name__}")
    if len(key.encode()) > STATE_KEY_BYTES_MAX:
        raise ValueError(f"a state key is at most {STATE_KEY_BYTES_MAX} bytes")
    return key


class Ctx:
    """Progress, logs, metrics, cancellation, a folder for temporary files, a seed and durable state."""

    def __init__(
        self,
        *,
        stage: Optional[Stage] = None,
        seed: Optional[int] = None,
        weights: Optional[Union[str, Path]] = None,
        resume: Optional[Union[str, Path]] = None,
        deadline: Optional[float] = None,
    ) -> None:
        self._stage = stage or Stage()
        self.seed: int = int.from_bytes(os.urandom(4), "little") if seed is None else seed
        """A number that is different for each prediction and the same when it is run again."""
        self.weights: Optional[Path] = Path(weights) if weights is not None else None
        """The version's weights: a file or a folder, or None."""
        self.resume: Optional[Path] = Path(resume) if resume is not None else None
        """The last checkpoint of an interrupted training, or None."""
        self.deadline: Optional[float] = deadline
        """When the prediction will be stopped, in seconds as `time.time()` counts them, or None."""
        self.state = State(self._stage)

    def progress(self, done: Number, total: Optional[Number] = None, text: Optional[str] = None) -> None:
        """Say how far the work is: `ctx.progress(i, n, "reading")`."""
        self._stage.progress(done, total, None if text is None else str(text))

    def log(self, text: Any, level: str = "info") -> None:
        """Write a line into the log, at level `debug`, `info`, `warning` or `error`."""
        if level not in LEVELS:
            raise ValueError(f"`level` is one of {', '.join(LEVELS)}, not `{level}`")
        self._stage.log(str(text), level)

    def metric(self, *, step: Optional[Number] = None, **values: Number) -> None:
        """Record numbers worth plotting: `ctx.metric(loss=0.3, step=10)`."""
        from onstage.foreign import plain

        self._stage.metric({name: plain(value) for name, value in values.items()}, plain(step))

    def checkpoint(self, path: Union[str, Path]) -> None:
        """Keep a file or folder from which an interrupted training can go on."""
        self._stage.checkpoint(Path(path))

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._stage.cancelled()

    @property
    def tempdir(self) -> Path:
        """A folder of this prediction alone, removed after it."""
        return self._stage.tempdir()
