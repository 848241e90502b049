"""`Training`: runs the author's training function once and tells where it left what it learnt.

Everything here runs in the main thread. It must not read the socket, nor open the weights.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any, Dict

from onstage.contract import TrainContract
from onstage.ctx import Ctx
from onstage.dataset import Dataset
from onstage.errors import BadOutput, Cancelled
from onstage.files import File
from onstage.foreign import plain
from onstage.frames import dumps
from onstage.values import Weights
from onstage.wire import Incoming
from onstage.worker.compute import WEIGHTS, Desk
from onstage.worker.outcome import error_of, failed
from onstage.worker.stage import WorkerStage

Message = Dict[str, Any]


class TrainStage(WorkerStage):
    """What a `Ctx` stands on while a training runs: the host keeps checkpoints and places datasets."""

    def begin(self, item: int) -> None:
        """From now on, speak for this item."""
        self._ids = [item]

    def checkpoint(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(f"there is nothing at `{path}`")
        self._ask({"t": "checkpoint", "path": os.path.abspath(path)}, f"checkpoint `{path}`")

    def dataset(self, name: str) -> Dataset:
        answer = self._ask({"t": "dataset", "name": str(name)}, f"dataset `{name}`")
        placed = answer.get("dataset") or {}
        return Dataset(Incoming().take(placed, Dataset), reference=placed.get("dataset"))

    def _ask(self, message: Message, what: str) -> Message:
        answer = self._calls.request({**message, "id": self._ids[0]})
        error = answer.get("error")
        if error is not None:
            raise RuntimeError(f"{what}: {error}")
        return answer


class Training:
    def __init__(
        self,
        desk: Desk,
        contract: TrainContract,
        given: Dict[str, Any],
        stage: TrainStage,
    ) -> None:
        self._desk = desk
        self._contract = contract
        self._given = given
        self._stage = stage
        self._function = contract.trainer.function

    def run(self, message: Message, arrived: float) -> None:
        """Answer one `train` message. What was made is left where it lies: the host takes it from there."""
        desk = self._desk
        number = message["id"]
        desk.running = number
        desk.progress.step += 1
        if desk.waiting.pop(number, None) is not None:
            try:
                made = trained(number, self._call(number, message, arrived))
            except BaseException as error:
                desk.interrupt.close()
                made = failed(number, self._blame(number, error))
            desk.interrupt.reset()
            desk.output.end_item()
            desk.outbox.add(made)
        desk.running = None
        desk.outbox.flush()

    def _call(self, number: int, message: Message, arrived: float) -> Any:
        stage = self._stage
        stage.begin(number)
        incoming = Incoming((), stage.tempdir)
        arguments = {**self._contract.decode(message.get("input") or {}, incoming), **self._given}
        milliseconds = message.get("deadline_ms")
        ctx = Ctx(
            stage=stage,
            seed=message.get("seed") or 0,
            deadline=None if milliseconds is None else arrived + milliseconds / 1000,
            weights=WEIGHTS.path,
            resume=message.get("resume"),
        )
        arguments.update((name, ctx) for name in self._contract.parameters.ctx)
        interrupt = self._desk.interrupt
        interrupt.open(number)
        try:
            return self._function(**arguments)
        finally:
            interrupt.close()

    def _blame(self, number: int, error: BaseException) -> Dict[str, Any]:
        if isinstance(error, Cancelled) and number not in self._desk.interrupt.cancelled:
            error = RuntimeError("the function raised `Cancelled` although nobody asked")
        return error_of(error, self._desk.root)


def trained(item: int, given: Any) -> bytes:
    """The outcome of a training as the JSON object of a `result` frame. Raises BadOutput."""
    metrics = given.metrics if isinstance(given, Weights) else {}
    if not isinstance(given, (str, os.PathLike, File)):
        raise BadOutput(
            "a training returns the path of what it learnt (a file or a folder) or `on.Weights(path, metrics={…})`, "
            f"not `{type(given).__name__}`"
        )
    path = os.path.abspath(os.fspath(given))
    if not os.path.exists(path):
        raise BadOutput(f"the training returned `{os.fspath(given)}`, where there is nothing")
    made: str = dumps({"id": item, "output": {"path": path}, "metrics": _numbers(metrics)})
    return made.encode()


def _numbers(metrics: Dict[str, Any]) -> Dict[str, float]:
    made: Dict[str, float] = {}
    for name, value in metrics.items():
        number = plain(value)
        if not isinstance(number, (int, float)):
            raise BadOutput(f"the metric `{name}` is a number, not {value!r}")
        # What is not a number cannot be compared, so it is left out, as of `ctx.metric`.
        if math.isfinite(number):
            made[str(name)] = float(number)
    return made


def own_folder(root: str, parent: Path) -> None:
    """Go into a copy of the model's folder: a training that writes `model.pt` must not change what others run."""
    copy = parent / "model"
    shutil.copytree(root, copy, symlinks=True, dirs_exist_ok=True)
    os.chdir(copy)
