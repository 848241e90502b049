"""`Ctx`: what the platform offers a running function; alone, in a unit test, it works in memory.

It must not know the protocol: a `Stage` performs what is asked of it.
"""

from __future__ import annotations

import copy
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple, Union

if TYPE_CHECKING:
    from onstage.dataset import Dataset

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
        if not path.exists():
            raise FileNotFoundError(f"there is nothing at `{path}`")
        print(f"checkpoint: {path}")

    def dataset(self, name: str) -> Dataset:
        raise KeyError(f"there is no dataset `{name}`; in a test, give `on.Ctx(datasets={{{name!r}: path}})`")

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
            return copy.deepcopy(held.get(key))
        if op == "items":
            return [[name, copy.deepcopy(held[name])] for name in sorted(held) if name.startswith(key)]
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
        from onstage.foreign import plain

        number = plain(amount)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TypeError(f"`state.add` wants a number, not {type(amount).__name__}")
        if not math.isfinite(number):
            raise ValueError(f"`state.add` wants a finite number, not {number}")
        answer: Number = self._stage.state(self._space, "add", _key(key), number)
        return answer

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        value = self._stage.state(self._space, "get", _key(key), None)
        return default if value is None else value

    def put(self, key: str, value: Any) -> None:
        """Set a key to any JSON value; None deletes it. Raises TypeError for what JSON cannot hold."""
        self._stage.state(self._space, "put", _key(key), _json(key, value))

    def items(self, prefix: str = "") -> List[Tuple[str, Any]]:
        """Every key that starts with `prefix`, with its value, sorted by key."""
        return [(key, value) for key, value in self._stage.state(self._space, "items", _key(prefix), None)]

    def space(self, name: str) -> State:
        """A space that all models of the same owner share."""
        return State(self._stage, name)


def _json(key: str, value: Any) -> Any:
    """`value` as JSON gives it back, so that a unit test sees what a worker would: lists for tuples, and a copy."""
    from onstage.errors import BadOutput
    from onstage.shapes.loose import anything
    from onstage.wire import Outgoing

    outgoing = Outgoing()
    try:
        made = anything(value, outgoing, f"the value of `{key}`")
    except BadOutput as error:
        raise TypeError(f"`state.put` wants a JSON value: {error}") from None
    if outgoing.attachments:
        raise TypeError("`state.put` wants a JSON value, not a file or bytes")
    return made


def _key(key: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a state key is text, not {type(key).__name__}")
    if len(key.encode("utf-8", "replace")) > STATE_KEY_BYTES_MAX or key != _clean(key):
        raise ValueError(f"a state key is at most {STATE_KEY_BYTES_MAX} bytes of UTF-8")
    return key


def _number(value: Any, name: str) -> Number:
    from onstage.foreign import plain

    number = plain(value)
    if not isinstance(number, (int, float)):
        raise TypeError(f"`{name}` is a number, not {value!r}")
    return int(number) if isinstance(number, bool) else number


def _finite(value: Any, name: str) -> Number:
    number = _number(value, name)
    if not math.isfinite(number):
        raise TypeError(f"`{name}` is a finite number, not {value!r}")
    return number


def _clean(text: Any) -> str:
    """Text that UTF-8 can hold."""
    return str(text).encode("utf-8", "replace").decode()


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
        datasets: Optional[Mapping[str, Union[str, Path]]] = None,
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
        self._datasets = dict(datasets or {})

    def progress(self, done: Number, total: Optional[Number] = None, text: Optional[str] = None) -> None:
        """Say how far the work is: `ctx.progress(i, n, "reading")`."""
        self._stage.progress(
            _finite(done, "done"),
            None if total is None else _finite(total, "total"),
            None if text is None else _clean(text),
        )

    def log(self, text: Any, level: str = "info") -> None:
        """Write a line into the log, at level `debug`, `info`, `warning` or `error`."""
        if str(level).lower() not in LEVELS:
            raise ValueError(f"`level` is one of {', '.join(LEVELS)}, not `{level}`")
        self._stage.log(_clean(text), level.lower())

    def metric(self, *, step: Optional[Number] = None, **values: Number) -> None:
        """Record numbers worth plotting: `ctx.metric(loss=0.3, step=10)`."""
        given = {name: _number(value, name) for name, value in values.items()}
        self._stage.metric(given, None if step is None else _finite(step, "step"))

    def checkpoint(self, path: Union[str, Path]) -> None:
        """Keep a file or folder from which an interrupted training can go on, as it is now.

        When this returns, it is kept: the next run gets a copy as `ctx.resume`.
        """
        self._stage.checkpoint(Path(path))

    def dataset(self, name: str) -> Dataset:
        """A dataset by its name, `"labels"` for the newest version or `"labels@v3"`, while a training runs."""
        from onstage.dataset import Dataset

        if name in self._datasets:
            return Dataset(self._datasets[name])
        return self._stage.dataset(name)

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._stage.cancelled()

    @property
    def tempdir(self) -> Path:
        """A folder of this prediction alone, removed after it."""
        return self._stage.tempdir()
